"""To whom a request belongs: ascribed by name per thread and task, else by what is really sent."""

from __future__ import annotations

import asyncio
import json
import threading
from typing import Any

import anthropic
import pytest

from prompt_cache_warmer.errors import ArgumentTypeError
from prompt_cache_warmer.values.observation import Sight
from tests.fakes import MODEL, document
from tests.observer_cases import HIT, REQUEST, SYSTEM, Watch, client, names, whole

OTHER = document("other")
BOTH = {"targets": [document(), OTHER]}


def test_a_request_inside_the_block_belongs_to_the_target_it_names() -> None:
    """The inner one where blocks are nested, and none afterwards, whatever the block raised."""
    watch = Watch(BOTH)
    with watch.observer.ascribe("other") as same:
        assert same is watch.observer
        watch.client.messages.create(**REQUEST)
        watch.api.script = [whole(HIT), OSError("gone")]
        with watch.observer.ascribe("support"):
            watch.client.messages.create(**REQUEST)
        with pytest.raises(anthropic.APIConnectionError), watch.observer.ascribe("support"):
            watch.client.messages.create(**REQUEST)
        watch.client.messages.create(**REQUEST)
    watch.client.messages.create(**REQUEST)
    assert names(watch.told) == ["other", "support", "other", "support"]
    assert [told.sight for told in watch.told] == [Sight.DRIFT, Sight.HIT, Sight.DRIFT, Sight.HIT]
    assert [told.drifted for told in watch.told] == [("system",), (), ("system",), ()]
    assert watch.counted == {"requests": 4, "hits": 2, "drifts": 2}
    assert watch.observer.counts.hit_ratio == 0.5


def test_a_stream_belongs_to_whom_it_was_begun_for() -> None:
    """It may be read after the block."""
    watch = Watch(BOTH)
    with watch.observer.ascribe("other"):
        stream = watch.client.messages.create(**REQUEST, stream=True)
    list(stream)
    assert names(watch.told) == ["other"]


def test_the_observers_own_target_is_that_of_every_other_request() -> None:
    """Unless a block says another; a name of nobody belongs to nobody."""
    watch = Watch({**BOTH, "target": "other"})
    watch.client.messages.create(**REQUEST)
    with watch.observer.ascribe("support"):
        watch.client.messages.create(**REQUEST)
    with watch.observer.ascribe("nobody"):
        watch.client.messages.create(**REQUEST)
    assert names(watch.told) == ["other", "support", None]
    assert watch.counted == {"requests": 3, "hits": 1, "drifts": 1, "unascribed": 1}


def test_a_thread_is_not_ascribed_with_another() -> None:
    """Each has its own."""
    watch = Watch(BOTH)
    barrier = threading.Barrier(2)

    def ask(name: str) -> None:
        with watch.observer.ascribe(name):
            barrier.wait()
            watch.client.messages.create(**REQUEST, metadata={"user_id": name})

    threads = [threading.Thread(target=ask, args=(name,)) for name in ("support", "other")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(map(str, names(watch.told))) == ["other", "support"]


async def test_a_task_is_not_ascribed_with_another() -> None:
    """Each has its own, and what it begins inside inherits it."""
    watch = Watch(BOTH)

    async def ask(name: str) -> None:
        with watch.observer.ascribe(name):
            await asyncio.sleep(0)
            await asyncio.create_task(_ask(watch.aclient))

    await asyncio.gather(ask("support"), ask("other"), _ask(watch.aclient))
    assert sorted(map(str, names(watch.told))) == ["other", "support", "support"]


async def _ask(asked: anthropic.AsyncAnthropic) -> None:
    await asked.messages.create(**REQUEST)


@pytest.mark.parametrize("name", [None, 7, b"support"])
def test_only_text_names_a_target(name: Any) -> None:
    """Anything else is an error that names the argument."""
    with pytest.raises(ArgumentTypeError, match=r"^target: a value of type"), Watch().observer.ascribe(name):
        pytest.fail("not entered")


def test_the_longest_prefix_wins_where_nothing_is_ascribed() -> None:
    """Targets may share a beginning."""
    longer = document("longer", request={"system": [*SYSTEM, {"type": "text", "text": "b", **_marked()}]})
    watch = Watch({"targets": [longer, document()]})
    more = [*SYSTEM, {"type": "text", "text": "b"}]
    watch.client.messages.create(**{**REQUEST, "system": more})
    watch.client.messages.create(**REQUEST)
    watch.client.messages.create(**{**REQUEST, "system": "Nobody's."})
    assert names(watch.told) == ["longer", "support", None]


def _marked() -> dict[str, Any]:
    return {"cache_control": {"type": "ephemeral"}}


def test_what_is_sent_beside_the_arguments_is_part_of_the_prefix() -> None:
    """``extra_body`` replaces what the method was given, as the SDK sends it."""
    watch = Watch({"target": "support"})
    watch.client.messages.create(**REQUEST, extra_body={"speed": "fast"})
    watch.client.messages.create(**{**REQUEST, "system": "Another."}, extra_body={"system": SYSTEM})
    watch.client.messages.create(**REQUEST, extra_body={"model": "claude-opus-5"})
    watch.client.messages.create(**REQUEST, extra_body={"metadata": {"user_id": "u"}})
    assert [told.drifted for told in watch.told] == [("settings",), (), ("model",), ()]
    assert [told.model for told in watch.told] == [MODEL, MODEL, "claude-opus-5", MODEL]


class Adds(anthropic.Middleware):
    """Adds something to the body, beside what the method was given."""

    def handle(self, request: anthropic.APIRequest, call_next: anthropic.CallNext) -> anthropic.APIResponse[Any]:
        """Add it."""
        changed = request.copy()
        changed.options.extra_json = {"speed": "fast"}
        return call_next(changed)


def test_what_a_middleware_adds_before_the_observer_is_part_of_the_prefix() -> None:
    """It is sent; what one adds behind the observer is not seen by it."""
    for order, drifted in ((0, ()), (1, ("settings",))):
        watch = Watch({"target": "support"})
        middleware: list[Any] = [Adds()]
        middleware.insert(order, watch.observer)
        client(watch.api, *middleware).messages.create(**REQUEST)
        assert json.loads(watch.api.requests[0].content)["speed"] == "fast"
        assert watch.told[0].drifted == drifted


BETAS = {"targets": document(betas=["context-1m", "other-beta"]), "target": "support"}


@pytest.mark.parametrize(
    ("options", "call", "drifted"),
    [
        pytest.param({}, {}, ("settings",), id="none"),
        pytest.param({}, {"extra_headers": {"anthropic-beta": "other-beta, context-1m"}}, (), id="call-header"),
        pytest.param({}, {"extra_headers": {"Anthropic-Beta": "context-1m"}}, ("settings",), id="one-of-two"),
        pytest.param({"default_headers": {"anthropic-beta": "context-1m,other-beta"}}, {}, (), id="client-header"),
    ],
)
def test_beta_headers_are_part_of_the_prefix(
    options: dict[str, Any], call: dict[str, Any], drifted: tuple[str, ...]
) -> None:
    """Of the call, and of the client."""
    watch = Watch(BETAS)
    client(watch.api, watch.observer, **options).messages.create(**REQUEST, **call)
    assert watch.told[0].drifted == drifted


def test_betas_of_the_beta_methods_are_part_of_the_prefix() -> None:
    """Which send them as a header."""
    watch = Watch(BETAS)
    watch.client.beta.messages.create(**REQUEST, betas=["context-1m", "other-beta"])
    with watch.client.beta.messages.stream(**REQUEST, betas=["context-1m"]) as stream:
        stream.until_done()
    watch.client.messages.create(**REQUEST, extra_body={"betas": ["context-1m", "other-beta"]})
    assert [told.drifted for told in watch.told] == [(), ("settings",), ()]


def test_the_sdks_own_objects_are_the_same_as_what_they_are_sent_as() -> None:
    """A conversation goes on with the answer's own blocks."""
    shared = [{"type": "text", "text": "The contract.", "cache_control": {"type": "ephemeral"}}]
    said = [{"role": "user", "content": shared}]
    watch = Watch({"targets": document(request={"system": SYSTEM, "messages": said})})
    first = watch.client.messages.create(**{**REQUEST, "messages": said})
    turns = [*said, {"role": "assistant", "content": first.content}, {"role": "user", "content": "And?"}]
    watch.client.messages.create(**{**REQUEST, "messages": turns})
    raw = [*said, {"role": "assistant", "content": list(first.content)}]
    watch.client.post("/v1/messages", body={**REQUEST, "messages": raw}, cast_to=object)
    assert names(watch.told) == ["support"] * 3
    assert watch.counted == {"requests": 3, "hits": 3}
