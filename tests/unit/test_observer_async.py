"""Every kind of call of an asynchronous client, as of a synchronous one."""

from __future__ import annotations

import asyncio
from typing import Any

import anthropic
import pytest

from tests.fakes import MODEL
from tests.observer_cases import COLD, HIT, REQUEST, Api, Chunks, Watch, async_client, events, streamed, whole


class BreakError(Exception):
    """A connection that breaks off."""


async def create(asked: anthropic.AsyncAnthropic) -> Any:
    """Ask for a message."""
    return await asked.messages.create(**REQUEST)


async def helper(asked: anthropic.AsyncAnthropic) -> Any:
    """Read a stream by the SDK's helper."""
    async with asked.messages.stream(**REQUEST) as stream:
        return [event.type async for event in stream], await stream.get_final_message()


async def plain_stream(asked: anthropic.AsyncAnthropic) -> Any:
    """Read the events of a stream."""
    return [event async for event in await asked.messages.create(**REQUEST, stream=True)]


async def raw(asked: anthropic.AsyncAnthropic) -> Any:
    """Ask for the raw response."""
    answer = await asked.messages.with_raw_response.create(**REQUEST)
    return await answer.parse(), dict(answer.headers), answer.elapsed.total_seconds() >= 0


async def raw_stream(asked: anthropic.AsyncAnthropic) -> Any:
    """Ask for the raw response of a stream."""
    answer = await asked.messages.with_raw_response.create(**REQUEST, stream=True)
    return [event async for event in await answer.parse()], answer.http_response.elapsed.total_seconds() >= 0


async def unread(asked: anthropic.AsyncAnthropic) -> Any:
    """Ask for a response whose body is still to come, and read it."""
    async with asked.messages.with_streaming_response.create(**REQUEST) as answer:
        return await answer.read(), await answer.parse(), answer.http_response.elapsed.total_seconds() >= 0


async def beta_stream(asked: anthropic.AsyncAnthropic) -> Any:
    """Read a stream of the beta's helper."""
    async with asked.beta.messages.stream(**REQUEST) as stream:
        return await stream.get_final_message()


@pytest.mark.parametrize("call", [create, helper, plain_stream, raw, raw_stream, unread, beta_stream])
@pytest.mark.parametrize(("usage", "sight"), [(HIT, "hits"), (COLD, "cold_starts")], ids=["hit", "cold"])
async def test_a_call_gives_what_it_gives_unobserved_and_counts_once(
    call: Any, usage: dict[str, Any], sight: str
) -> None:
    """Type, content, headers and times; one request, of one sight."""
    watch = Watch(api=Api(usage))
    assert await call(watch.aclient) == await call(async_client(Api(usage)))
    assert watch.counted == {"requests": 1, sight: 1}
    (told,) = watch.told
    assert (told.target, told.model, told.usage.output_tokens) == ("support", MODEL, 2)
    assert (told.first_token_ms is not None) is told.is_streamed is (call.__name__ not in ("create", "raw", "unread"))


async def test_counting_tokens_is_no_request_and_errors_are_not_counted() -> None:
    """A retried refusal is not, and neither is the one that is raised."""
    watch = Watch()
    await watch.aclient.messages.count_tokens(model=MODEL, messages=REQUEST["messages"])
    watch.api.script += [whole(HIT, status=529, **{"retry-after-ms": "1"}) for _ in range(2)]
    with pytest.raises(anthropic.APIStatusError):
        await async_client(watch.api, watch.observer, max_retries=1).messages.create(**REQUEST)
    assert watch.counted == {}


async def test_a_stream_that_is_closed_early_counts_what_was_seen() -> None:
    """The body below it is closed once, in the task that read it."""
    watch = Watch()
    response = streamed(HIT)
    body = response.stream
    assert isinstance(body, Chunks)
    watch.api.script.append(response)
    stream = await watch.aclient.messages.create(**REQUEST, stream=True)
    assert (await anext(aiter(stream))).type == "message_start"
    await stream.close()
    assert body.closed == 1
    assert watch.told[0].usage.output_tokens == 1
    assert watch.counted == {"requests": 1, "hits": 1}


async def test_a_stream_that_is_left_early_counts_what_was_seen() -> None:
    """Whoever leaves the loop and the block has closed it."""
    watch = Watch()
    async with watch.aclient.messages.stream(**REQUEST) as stream:
        async for _ in stream:
            break
    assert watch.counted == {"requests": 1, "hits": 1}


class Slow(Chunks):
    """A body whose generator says how it was ended."""

    ended_by: str | None = None

    async def __aiter__(self) -> Any:
        try:
            for chunk in self.chunks:
                yield chunk
        finally:
            task = asyncio.current_task()
            self.ended_by = None if task is None else task.get_name()


async def test_the_bodys_own_generator_ends_in_the_task_that_read_it() -> None:
    """As it does without the observer: connections are given back there, and not by the loop, later."""
    for observed in (False, True):
        watch, body = Watch(), Slow(events(HIT))
        response = streamed(HIT)
        response.stream = body
        watch.api.script.append(response)
        asked = watch.aclient if observed else async_client(watch.api)

        async def leave(asked: anthropic.AsyncAnthropic = asked) -> None:
            async with asked.messages.with_streaming_response.create(**REQUEST, stream=True) as answer:
                chunks = answer.http_response.aiter_raw()
                await anext(chunks)
                await chunks.aclose()

        await asyncio.create_task(leave(), name="reader")
        assert body.ended_by == "reader"


async def test_a_stream_that_breaks_counts_what_was_seen_and_raises_what_it_raised() -> None:
    """A cancellation among it."""
    watch = Watch()
    for error in (BreakError("gone"), asyncio.CancelledError()):
        watch.api.script.append(streamed(HIT, end=2, fails=error))
        stream = await watch.aclient.messages.create(**REQUEST, stream=True)
        with pytest.raises(type(error)):
            [event async for event in stream]
    assert watch.counted == {"requests": 2, "hits": 2}


async def test_a_cancelled_call_is_not_counted() -> None:
    """Nothing was answered, and the cancellation goes through."""
    watch = Watch()
    watch.api.script.append(asyncio.CancelledError())
    with pytest.raises(asyncio.CancelledError):
        await watch.aclient.messages.create(**REQUEST)
    assert watch.counted == {}


async def test_both_kinds_of_client_may_share_an_observer() -> None:
    """At the same time, from a thread and from tasks."""
    watch = Watch()
    sync = asyncio.to_thread(lambda: [watch.client.messages.create(**REQUEST) for _ in range(20)])
    await asyncio.gather(sync, *(plain_stream(watch.aclient) for _ in range(20)))
    assert watch.counted == {"requests": 40, "hits": 40}
