"""Streams of a synchronous client that are not read to their end, and bodies of other kinds."""

from __future__ import annotations

import gc
import json
from typing import TYPE_CHECKING, Any, Self

import anthropic
import httpx2
import pytest

from prompt_cache_warmer.adapters.answer_reading import Reading
from prompt_cache_warmer.adapters.observed_response import BodyWatch
from tests.observer_cases import HIT, REQUEST, Api, Chunks, Watch, client, events, message, streamed

if TYPE_CHECKING:
    from collections.abc import Callable, Generator


class BreakError(Exception):
    """A connection that breaks off."""


def opened(watch: Watch, response: httpx2.Response | None = None) -> Any:
    """Return a stream of the client."""
    if response is not None:
        watch.api.script.append(response)
    return watch.client.messages.create(**REQUEST, stream=True)


def test_a_stream_that_is_closed_early_counts_what_was_seen() -> None:
    """At once, and its body is closed once."""
    watch, response = Watch(), streamed(HIT)
    body = response.stream
    assert isinstance(body, Chunks)
    stream = opened(watch, response)
    assert next(stream).type == "message_start"
    assert watch.told == []
    stream.close()
    stream.close()
    assert (body.closed, len(watch.told), watch.told[0].usage.output_tokens) == (1, 1, 1)
    assert watch.counted == {"requests": 1, "hits": 1}


def test_a_stream_that_is_closed_before_its_first_event_proves_nothing() -> None:
    """Nothing of its usage was seen."""
    watch = Watch()
    opened(watch).close()
    assert watch.counted == {"unproven": 1}


def test_a_dropped_stream_is_recorded_by_whoever_comes_next() -> None:
    """Not while it is collected: whoever asks for the counts finds it, and so does the next request."""
    watch = Watch()
    stream = opened(watch)
    next(stream)
    del stream
    gc.collect()
    assert watch.told == []
    assert watch.counted == {"requests": 1, "hits": 1}
    stream = opened(watch)
    next(stream)
    del stream
    gc.collect()
    watch.client.messages.create(**REQUEST)
    assert len(watch.told) == 3


def test_a_stream_in_a_generator_that_is_left_is_recorded_by_whoever_comes_next() -> None:
    """As applications stream to a browser that goes away."""
    watch = Watch()

    def words() -> Generator[str]:
        with watch.client.messages.stream(**REQUEST) as stream:
            yield from stream.text_stream

    said = words()
    assert next(said) == "Here it is."
    said.close()
    assert watch.counted == {"requests": 1, "hits": 1}


def test_a_stream_is_collected_while_a_lock_is_held_without_waiting_for_it() -> None:
    """Garbage is collected anywhere, also in the callback of the observer itself and below its locks."""
    held: list[Any] = []

    class Holder:
        """A cycle, so that only the collector frees it."""

        def __init__(self, stream: Any) -> None:
            self.stream, self.me = stream, self

    watch = Watch()
    stream = opened(watch)
    next(stream)
    held.append(Holder(stream))
    del stream
    account = watch.observer._account  # the lock that every record takes
    with account._lock:
        held.clear()
        gc.collect()
    assert watch.counted == {"requests": 1, "hits": 1}


@pytest.mark.parametrize(
    "error", [BreakError("gone"), KeyboardInterrupt(), SystemExit(1)], ids=["break", "key", "exit"]
)
def test_a_stream_that_fails_half_way_counts_what_was_seen_and_raises_the_same(error: BaseException) -> None:
    """A broken connection is a counted request: its input was billed."""
    watch = Watch()
    stream = opened(watch, streamed(HIT, end=3, fails=error))
    with pytest.raises(type(error)) as caught:
        list(stream)
    assert caught.value is error
    assert watch.counted == {"requests": 1, "hits": 1}


def test_a_stream_that_is_cut_short_ends_as_it_ends_without_the_observer() -> None:
    """Its last event is missing."""
    watch, plain = Watch(), Api(script=[streamed(HIT, end=3)])
    seen = [event.type for event in opened(watch, streamed(HIT, end=3))]
    assert seen == [event.type for event in client(plain).messages.create(**REQUEST, stream=True)]
    assert watch.counted == {"requests": 1, "hits": 1}


def test_an_error_inside_a_stream_is_raised_as_ever() -> None:
    """The API may give up after it has begun."""
    refused = {"type": "error", "error": {"type": "overloaded_error", "message": "-"}}
    tail = f"event: error\ndata: {json.dumps(refused)}\n\n".encode()
    seen = []
    for observed in (True, False):
        watch = Watch()
        body = Chunks([*events(HIT)[:2], tail])
        watch.api.script.append(httpx2.Response(200, headers={"content-type": "text/event-stream"}, stream=body))
        asked = watch.client if observed else client(watch.api)
        with pytest.raises(anthropic.APIStatusError) as caught:
            list(asked.messages.create(**REQUEST, stream=True))
        seen.append((type(caught.value), str(caught.value)))
    assert seen[0] == seen[1]


def test_an_event_that_is_no_json_fails_where_it_fails_without_the_observer() -> None:
    """And what had been read before counts."""
    watch = Watch()
    body = Chunks([events(HIT)[0], b'event: message_delta\ndata: {"usage": !\n\n'])
    watch.api.script.append(httpx2.Response(200, headers={"content-type": "text/event-stream"}, stream=body))
    with pytest.raises(json.JSONDecodeError):
        list(watch.client.messages.create(**REQUEST, stream=True))
    assert watch.counted == {"requests": 1, "hits": 1, "observing": 1}


def as_bytes() -> httpx2.Response:
    """Return an answer whose body is of both kinds at once, as another middleware may make it up."""
    content = json.dumps(message(HIT)).encode()
    return httpx2.Response(200, headers={"content-type": "application/json"}, stream=httpx2.ByteStream(content))


class Pieces:
    """What iterates asynchronously without being a generator."""

    def __init__(self, chunks: list[bytes]) -> None:
        self.chunks = chunks

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        if not self.chunks:
            raise StopAsyncIteration
        return self.chunks.pop(0)


async def test_a_body_need_not_be_a_generator() -> None:
    """Any transport's will do."""

    class Plain(httpx2.AsyncByteStream):
        """A body of pieces."""

        def __aiter__(self) -> Any:
            return Pieces(events(HIT))

    watch, response = Watch(), streamed(HIT)
    watch.api.script.append(response)
    reading, ends = Reading(float), list[bool]()
    response.stream = Plain()
    BodyWatch(reading, over=ends.append, failed=lambda error: pytest.fail(repr(error))).open(response)
    assert await response.aread() == b"".join(events(HIT))
    assert (reading.counts, ends) == (HIT, [False])


def test_an_answer_that_is_no_json_is_the_callers_and_proves_nothing() -> None:
    """Whatever is wrong with it."""
    watch = Watch()
    broken = Chunks([b'{"usage": {'])
    watch.api.script.append(httpx2.Response(200, headers={"content-type": "application/json"}, stream=broken))
    with watch.client.messages.with_streaming_response.create(**REQUEST) as answer:
        assert answer.read() == b'{"usage": {'
    assert watch.counted == {"unproven": 1, "observing": 1}


def as_html() -> httpx2.Response:
    """Return an answer of a proxy."""
    return httpx2.Response(200, headers={"content-type": "text/html"}, stream=Chunks([b"<html>"]))


@pytest.mark.parametrize(("make", "counted"), [(as_bytes, "hits"), (as_html, "unproven")])
def test_a_made_up_response_is_read_as_without_the_observer(make: Callable[[], httpx2.Response], counted: str) -> None:
    """A body that is neither read nor of one kind alone stays what it is."""

    class Inner(anthropic.Middleware):
        """Answers by itself."""

        has_request = True

        def handle(self, request: anthropic.APIRequest, call_next: anthropic.CallNext) -> anthropic.APIResponse[Any]:
            answer = call_next(request)
            made = make()
            if self.has_request:
                made.request = answer.http_response.request
            answer.http_response = made
            return answer

    watch = Watch()
    inner = Inner()
    asked = client(watch.api, watch.observer, inner)
    for inner.has_request in (True, False):
        with asked.messages.with_streaming_response.create(**REQUEST) as answer:
            assert answer.read() == make().read()
    assert getattr(watch.observer.counts, counted) == 1
    assert watch.observer.counts.failures["observing"] >= 1  # of what was never asked for nothing is known


async def test_a_body_of_both_kinds_can_still_be_read_asynchronously() -> None:
    """The same, awaited."""
    reading, ends = Reading(float), list[bool]()
    response = as_bytes()
    BodyWatch(reading, over=ends.append, failed=lambda error: pytest.fail(repr(error))).open(response)
    assert json.loads(await response.aread()) == message(HIT)
    assert (reading.counts, ends) == (HIT, [False])


def test_what_others_put_on_a_body_stays_reachable() -> None:
    """Its own attributes, and no others."""
    watch, response = Watch(), streamed(HIT)
    body = response.stream
    with watch.client.messages.with_streaming_response.create(**REQUEST, stream=True) as answer:
        outer: Any = answer.http_response.stream
        unmade: Any = object.__new__(type(outer))
        assert outer._start > 0
        with pytest.raises(AttributeError):
            _ = outer.nothing
        with pytest.raises(AttributeError):
            _ = unmade.anything
        with pytest.raises(RuntimeError, match="elapsed"):
            _ = answer.http_response.elapsed
    assert answer.http_response.elapsed.total_seconds() >= 0
    assert isinstance(body, Chunks)


def test_a_body_that_cannot_be_closed_raises_that_and_is_counted() -> None:
    """What the transport raises is the caller's."""

    class Stuck(Chunks):
        def close(self) -> None:
            raise BreakError("stuck")

    watch, response = Watch(), streamed(HIT)
    response.stream = Stuck(events(HIT))
    stream = opened(watch, response)
    next(stream)
    with pytest.raises(BreakError):
        stream.close()
    assert watch.counted == {"requests": 1, "hits": 1}
