"""Warm calls are never traffic, and the application's own requests at the same time always are."""

from __future__ import annotations

import asyncio
import json
import threading
from typing import Any

import anthropic
import httpx2
import pytest

from prompt_cache_warmer import AsyncCacheWarmer, CacheWarmer
from tests.fakes import MODEL
from tests.observer_cases import HIT, REQUEST, Api, Watch, async_client, client, whole

FORMS: dict[str, dict[str, Any]] = {
    "zero": {},
    "streamed": {"thinking": {"type": "enabled", "budget_tokens": 2048}},
}


def add(warmer: CacheWarmer | AsyncCacheWarmer, form: str) -> None:
    """Register the application's own prompt."""
    warmer.add(request={**FORMS[form], "system": REQUEST["system"]}, name="support")


def warm_requests(api: Api) -> list[dict[str, Any]]:
    """Return the warm calls that came."""
    bodies = [json.loads(request.content) for request in api.requests]
    return [body for body in bodies if body["max_tokens"] != REQUEST["max_tokens"]]


@pytest.mark.parametrize("form", FORMS)
def test_a_warmer_over_the_same_client_makes_no_traffic(form: str) -> None:
    """Neither with ``max_tokens: 0`` nor in the streamed form."""
    watch = Watch()
    warmer = CacheWarmer(client=watch.client, model=MODEL)
    add(warmer, form)
    warmer.warm()
    (body,) = warm_requests(watch.api)
    assert (body["max_tokens"] == 0, body.get("stream", False)) == (form == "zero", form == "streamed")
    assert watch.counted == {"warm_calls": 1}
    assert watch.told == []


@pytest.mark.parametrize("form", FORMS)
async def test_an_asynchronous_warmer_over_the_same_client_makes_no_traffic(form: str) -> None:
    """The same, awaited."""
    watch = Watch()
    warmer = AsyncCacheWarmer(client=watch.aclient, model=MODEL)
    add(warmer, form)
    await warmer.warm()
    assert len(warm_requests(watch.api)) == 1
    assert watch.counted == {"warm_calls": 1}


def test_one_token_where_zero_is_refused_is_a_warm_call_as_well() -> None:
    """The mark is the caller's, not the body's."""
    watch = Watch()
    refusal = {"type": "error", "error": {"type": "invalid_request_error", "message": "max_tokens: must be at least 1"}}
    watch.api.script.append(httpx2.Response(400, json=refusal))
    warmer = CacheWarmer(client=watch.client, model=MODEL)
    add(warmer, "zero")
    warmer.warm()
    assert [body["max_tokens"] for body in warm_requests(watch.api)] == [0, 1]
    assert watch.counted == {"warm_calls": 2}


@pytest.mark.parametrize("form", FORMS)
def test_other_threads_requests_are_traffic_while_a_warm_call_is_under_way(form: str) -> None:
    """The mark stands in the warmer's own context only."""
    watch = Watch()
    is_warming, may_go_on = threading.Event(), threading.Event()

    class Gate(Api):
        """Holds the warm call up."""

        def __call__(self, request: httpx2.Request) -> httpx2.Response:
            if json.loads(request.content)["max_tokens"] != REQUEST["max_tokens"]:
                is_warming.set()
                assert may_go_on.wait(10)
            return super().__call__(request)

    asked = client(Gate(), watch.observer)
    warmer = CacheWarmer(client=asked, model=MODEL)
    add(warmer, form)
    thread = threading.Thread(target=warmer.warm)
    thread.start()
    assert is_warming.wait(10)
    asked.messages.create(**REQUEST)
    list(asked.messages.create(**REQUEST, stream=True))
    may_go_on.set()
    thread.join()
    assert watch.counted == {"requests": 2, "hits": 2, "warm_calls": 1}


@pytest.mark.parametrize("form", FORMS)
async def test_other_tasks_requests_are_traffic_while_a_warm_call_is_under_way(form: str) -> None:
    """Also of tasks that were begun before and after it."""
    watch = Watch()
    is_warming, may_go_on = asyncio.Event(), asyncio.Event()

    async def answer(request: httpx2.Request) -> httpx2.Response:
        if json.loads(request.content)["max_tokens"] != REQUEST["max_tokens"]:
            is_warming.set()
            await may_go_on.wait()
        return watch.api(request)

    asked = async_client(answer, watch.observer)
    warmer = AsyncCacheWarmer(client=asked, model=MODEL)
    add(warmer, form)
    before = asyncio.create_task(_after(is_warming, asked))
    warming = asyncio.create_task(warmer.warm())
    await is_warming.wait()
    await asyncio.create_task(_after(is_warming, asked))
    await before
    may_go_on.set()
    await warming
    assert watch.counted == {"requests": 2, "hits": 2, "warm_calls": 1}


async def _after(event: asyncio.Event, asked: Any) -> None:
    await event.wait()
    await asked.messages.create(**REQUEST)


def test_the_applications_own_requests_of_no_token_only_warm() -> None:
    """Whoever makes them; a retried one counts once."""
    watch = Watch()
    watch.api.script.append(whole(HIT, status=529, **{"retry-after-ms": "1"}))
    asked = client(watch.api, watch.observer, max_retries=1)
    asked.messages.create(**{**REQUEST, "max_tokens": 0})
    assert len(watch.api.requests) == 2
    asked.messages.create(**REQUEST, extra_body={"max_tokens": 0})
    assert watch.counted == {"warm_calls": 2}


def test_what_follows_a_warm_call_in_the_same_thread_is_traffic() -> None:
    """Also after one that failed."""
    watch = Watch()
    warmer = CacheWarmer(client=watch.client, model=MODEL)
    add(warmer, "streamed")
    watch.api.script.append(whole(HIT, status=401))
    with pytest.raises(anthropic.AuthenticationError):
        warmer.warm()
    watch.client.messages.create(**REQUEST)
    assert watch.counted == {"requests": 1, "hits": 1, "warm_calls": 1}
