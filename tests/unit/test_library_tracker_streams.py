"""Streams: every event goes through, and the usage is recorded when it is over, however it ends."""

from __future__ import annotations

import gc
import tracemalloc
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Self

import pytest

from prompt_cache_warmer.library.tracking.arguments import MissRetry
from prompt_cache_warmer.library.tracking.tracker import CacheTracker
from tests.tracker_cases import Desk, alarmed, ask, usage

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

START = SimpleNamespace(type="message_start", message=SimpleNamespace(usage=usage(read=5_000, plain=5, output=1)))
TEXT = SimpleNamespace(type="content_block_delta")
DELTA = SimpleNamespace(type="message_delta", usage=SimpleNamespace(output_tokens=12))
EVENTS = [START, TEXT, DELTA, SimpleNamespace(type="message_stop")]


class BrokenError(Exception):
    """A connection that breaks off."""


class Stream:
    """A stream as the SDK's are: entered, iterated, closed; it may break off."""

    kind = "a stream"

    def __init__(self, events: list[Any], *, fails: bool = False) -> None:
        self.left, self.fails, self.closed, self.entered = list(events), fails, 0, 0

    def take(self) -> Any:
        """Return the next event."""
        if not self.left:
            raise (BrokenError if self.fails else StopIteration)
        return self.left.pop(0)

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        return self.take()

    def __enter__(self) -> Self:
        self.entered += 1
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Close it."""
        self.closed += 1


class AsyncStream:
    """The same of an asynchronous client."""

    kind = "a stream"

    def __init__(self, events: list[Any], *, fails: bool = False) -> None:
        self.left, self.fails, self.closed, self.entered = list(events), fails, 0, 0

    def __aiter__(self) -> AsyncIterator[Any]:
        return self

    async def __anext__(self) -> Any:
        if not self.left:
            raise (BrokenError if self.fails else StopAsyncIteration)
        return self.left.pop(0)

    async def __aenter__(self) -> Self:
        self.entered += 1
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close it."""
        self.closed += 1


def opened(stream: object, *, took_seconds: float = 1.0) -> tuple[Desk, Any]:
    """Return a desk, and the stream as its application gets it."""
    desk = Desk(took_seconds=took_seconds)
    desk.answers.append(stream)
    return desk, desk.create(**ask(stream=True))


def tokens(desk: Desk) -> list[tuple[int, int]]:
    """Return what each call read and wrote out."""
    return [(record.read_tokens, record.output_tokens) for record in desk.tracker.history]


def test_a_stream_that_is_read_to_its_end_is_recorded_once() -> None:
    """The same events in the same order; the usage is that of the start, completed by what came later."""
    inner = Stream(EVENTS)
    desk, stream = opened(inner)
    assert next(stream) is START
    assert tokens(desk) == []
    desk.clock.seconds += 4
    assert list(stream) == EVENTS[1:]
    stream.close()
    with stream as same:
        assert same is stream
    assert (inner.entered, inner.closed) == (1, 2)
    assert stream.kind == "a stream"
    assert tokens(desk) == [(5_000, 12)]
    assert desk.tracker.history[0].elapsed_ms == 5_000


async def test_an_asynchronous_stream_that_is_read_to_its_end_is_recorded_once() -> None:
    """The same for a stream that is awaited."""
    inner = AsyncStream(EVENTS)
    desk = Desk()
    desk.answers.append(inner)
    stream = await desk.acreate(**ask(stream=True))
    assert [event async for event in stream] == EVENTS
    await stream.close()
    async with stream as same:
        assert same is stream
    assert (inner.entered, inner.closed, stream.kind) == (1, 2, "a stream")
    assert tokens(desk) == [(5_000, 12)]


def closed(stream: Any) -> None:
    """Close a stream."""
    stream.close()


def left(stream: Any) -> None:
    """Leave a stream's `with` block."""
    with stream:
        pass


def left_by_an_error(stream: Any) -> None:
    """Leave it by an error."""
    with pytest.raises(BrokenError), stream:
        raise BrokenError


@pytest.mark.parametrize("leave", [closed, left, left_by_an_error])
@pytest.mark.parametrize(("seen", "found"), [(0, (0, 0)), (1, (5_000, 1)), (3, (5_000, 12))])
def test_a_stream_that_is_left_half_way_is_recorded_with_what_is_known(
    leave: Callable[[Any], None], seen: int, found: tuple[int, int]
) -> None:
    """Once, when it is closed; before its first event nothing is known."""
    inner = Stream(EVENTS)
    desk, stream = opened(inner)
    for _ in range(seen):
        next(stream)
    leave(stream)
    assert inner.closed == 1
    assert tokens(desk) == [found]
    assert desk.tracker.history[0].usage.is_reported is (seen > 0)
    del stream
    assert len(desk.tracker.history) == 1


async def test_an_asynchronous_stream_that_is_left_half_way_is_recorded_too() -> None:
    """By closing it, by leaving its block, and by dropping it."""
    for leave in ("close", "block", "drop"):
        desk = Desk()
        desk.answers.append(AsyncStream(EVENTS))
        stream: Any = await desk.acreate(**ask(stream=True))
        await anext(stream)
        if leave == "close":
            await stream.close()
        elif leave == "block":
            async with stream:
                pass
        del stream
        gc.collect()
        assert tokens(desk) == [(5_000, 1)]


def test_a_stream_that_is_dropped_is_recorded_when_anybody_looks() -> None:
    """No lock is taken while garbage is collected; the next look finds the call."""
    desk, stream = opened(Stream(EVENTS))
    next(stream)
    del stream
    gc.collect()
    desk.clock.seconds += 100  # nobody looks for a while
    assert tokens(desk) == [(5_000, 1)]
    assert desk.tracker.history[0].elapsed_ms == 1_000
    assert desk.tracker.aggregate().calls == 1


def test_dropped_streams_are_told_of_as_others_are() -> None:
    """Nobody has to look: the next call of any kind learns from them, and the drop that they show is told."""
    desk = alarmed()
    for number in range(5):
        stream = Stream([SimpleNamespace(message=SimpleNamespace(usage=usage(wrote=5_000)))])
        desk.answers.append(stream)
        seen = desk.create(**ask(stream=True))
        next(seen)
        del seen, stream
        gc.collect()
        assert desk.alerts == [], number
    desk.answers.append({"usage": usage(read=5_000)})
    desk.create(**ask())
    (alert,) = desk.alerts  # the first wrote, the second may be the API's delay, the next three are misses
    assert (alert.reason, alert.calls, alert.ratio) == ("missed", 3, 0.0)
    assert [record.standing.value for record in desk.tracker.history] == ["new", *["warm"] * 5]


def test_a_stream_that_is_dropped_during_a_call_is_recorded_before_it() -> None:
    """History is in the order of the ends, and what the dropped one shows is told by then."""
    desk, stream = opened(Stream(EVENTS))
    next(stream)
    streams = [stream]
    del stream

    def answer(**_: Any) -> dict[str, Any]:
        streams.clear()
        gc.collect()
        return {"usage": usage(read=7)}

    desk.tracker.wrap(answer)(**ask())
    assert [read for read, _ in tokens(desk)] == [5_000, 7]


def test_a_dropped_stream_keeps_no_prompt() -> None:
    """200 prompts of a megabyte, asked for and left, do not stay in memory."""
    tracker = CacheTracker(prices={}, max_history=10)
    create = tracker.wrap(lambda **_: Stream(EVENTS))
    tracemalloc.start()
    try:
        kept = [create(**ask(f"{number} " + "x" * 1_000_000, stream=True)) for number in range(200)]
        assert tracemalloc.get_traced_memory()[0] < 20_000_000
        del kept
        gc.collect()
        assert tracker.aggregate().calls == 200
    finally:
        tracemalloc.stop()


def test_a_reset_forgets_dropped_streams_too() -> None:
    """What was dropped before a reset does not come back after it."""
    desk, stream = opened(Stream(EVENTS))
    next(stream)
    del stream
    gc.collect()
    desk.tracker.reset()
    assert tokens(desk) == []


async def test_a_stream_that_breaks_off_is_recorded_and_raises() -> None:
    """The error goes through; what was known by then is kept."""
    desk, stream = opened(Stream(EVENTS[:1], fails=True))
    with pytest.raises(BrokenError):
        list(stream)
    assert tokens(desk) == [(5_000, 1)]
    desk = Desk()
    desk.answers.append(AsyncStream(EVENTS[:1], fails=True))
    with pytest.raises(BrokenError):
        _ = [event async for event in await desk.acreate(**ask(stream=True))]
    assert tokens(desk) == [(5_000, 1)]


def test_a_stream_may_be_left_and_read_on() -> None:
    """Leaving a loop is no end: whoever reads on loses nothing."""
    desk, stream = opened(Stream(EVENTS))
    for _ in stream:
        break
    assert tokens(desk) == []
    assert list(stream) == EVENTS[1:]
    assert tokens(desk) == [(5_000, 12)]


def test_a_stream_proves_what_is_in_the_cache() -> None:
    """A streamed write is known to the next call; a streamed miss is never called again."""
    desk = Desk({"miss_retry": MissRetry()})
    wrote = SimpleNamespace(message=SimpleNamespace(usage=usage(wrote=5_000)))
    for _ in range(2):
        desk.answers.append(Stream([wrote]))
        list(desk.create(**ask(stream=True)))
    assert [record.is_miss for record in desk.tracker.history] == [False, True]
    assert (len(desk.asked), desk.slept) == (2, [])


class Manager:
    """What `messages.stream()` returns: it opens a stream when it is entered."""

    def __init__(self, stream: Any, desk: Desk) -> None:
        self.stream, self.desk, self.errors = stream, desk, list[object]()

    def __enter__(self) -> Any:
        self.desk.clock.seconds += 1
        return self.stream

    def __exit__(self, *error: object) -> bool:
        self.errors.append(error[0])
        return True


class AsyncManager:
    """The same of an asynchronous client."""

    def __init__(self, stream: Any, desk: Desk) -> None:
        self.stream, self.desk = stream, desk

    async def __aenter__(self) -> Any:
        self.desk.clock.seconds += 1
        return self.stream

    async def __aexit__(self, *error: object) -> None:
        return None


class Told(Stream):
    """A stream that keeps the message, as the SDK's helper does, and reads itself."""

    @property
    def current_message_snapshot(self) -> Any:
        """The message so far; there must be one."""
        assert len(self.left) < len(EVENTS)
        return SimpleNamespace(usage=usage(read=5_000, output=len(EVENTS) - len(self.left)))

    def get_final_message(self) -> str:
        """Read to the end without telling anybody."""
        self.left.clear()
        return "the message"


def test_a_stream_helper_is_recorded_when_it_is_left() -> None:
    """What its own methods read is known by the message it keeps; its time runs from where it is entered."""
    desk = Desk(took_seconds=100)
    stream = Told(EVENTS)
    desk.answers.append(manager := Manager(stream, desk))
    helper = desk.create(**ask())
    assert helper.desk is desk
    desk.clock.seconds += 100
    with helper as events:
        assert events.get_final_message() == "the message"
        del events
        gc.collect()
        assert tokens(desk) == []
    assert tokens(desk) == [(5_000, 4)]
    assert desk.tracker.history[0].elapsed_ms == 1_000
    assert manager.errors == [None]


def test_a_stream_helper_that_is_left_at_once_is_recorded_as_unknown() -> None:
    """No message has begun; an error inside the block is the helper's to judge."""
    desk = Desk()
    desk.answers.append(manager := Manager(Told(EVENTS), desk))
    helper = desk.create(**ask())
    helper.__enter__()
    assert helper.__exit__(BrokenError, BrokenError(), None) is True
    assert manager.errors == [BrokenError]
    assert desk.tracker.aggregate().unreported_calls == 1


def test_a_helper_that_opens_no_stream_is_passed_through() -> None:
    """A raw response is handed on as it is, and recorded without a usage."""
    desk, response = Desk(), SimpleNamespace(kind="raw")
    desk.answers.append(Manager(response, desk))
    with desk.create(**ask()) as found:
        assert found is response
    assert desk.tracker.aggregate().unreported_calls == 1


async def test_an_asynchronous_stream_helper_is_recorded_when_it_is_left() -> None:
    """The manager itself is not awaited, as the SDK's is not; it opens a stream or a raw response."""
    desk = Desk(took_seconds=100)
    response = SimpleNamespace(kind="raw")
    desk.answers += [AsyncManager(AsyncStream(EVENTS), desk), AsyncManager(response, desk)]
    async with desk.create(**ask()) as events:
        assert [event async for event in events] == EVENTS
    assert tokens(desk) == [(5_000, 12)]
    assert desk.tracker.history[0].elapsed_ms == 1_000
    async with desk.create(**ask()) as found:
        assert found is response
    assert desk.tracker.aggregate().unreported_calls == 1


@pytest.mark.parametrize(
    ("provider", "events", "read"),
    [
        (
            "openai",
            [{"usage": None}, {"usage": {"prompt_tokens": 9, "prompt_tokens_details": {"cached_tokens": 8}}}],
            8,
        ),
        ("openai", [{"response": {"usage": {"input_tokens": 9, "input_tokens_details": {"cached_tokens": 7}}}}], 7),
    ],
)
def test_other_providers_streams(provider: Any, events: list[Any], read: int) -> None:
    """OpenAI's last chunk or last event carries the usage."""
    tracker = CacheTracker(provider=provider)
    assert list(tracker.wrap(lambda: Stream(events))()) == events
    assert tracker.aggregate().read_tokens == read


@pytest.mark.parametrize("leave", ["end", "drop"])
def test_an_iterator_of_whole_answers_is_as_many_calls(leave: str) -> None:
    """What a tool runner iterates are messages of one call each, and nobody says how long each took."""
    answers = [{"id": f"msg_{number}", "usage": usage(wrote=100 - number, output=number)} for number in range(2)]
    answers.append({"id": "msg_2", "usage": {"cache_creation_input_tokens": 98}})
    desk, runner = opened(Stream([{"id": "run_1"}, *answers]))
    for _ in range(4):
        next(runner)
    if leave == "end":
        assert list(runner) == []
    del runner
    gc.collect()
    found = [(each.write_5m_tokens, each.output_tokens, each.elapsed_ms) for each in desk.tracker.history]
    assert found == [(100, 0, None), (99, 1, None), (98, 0, None)]
    assert [each.standing.value for each in desk.tracker.history] == ["new", "warm", "warm"]


def test_chunks_of_one_answer_are_one_call() -> None:
    """Their id is the same, however many of them carry the sum so far; an answer alone keeps its time."""
    chunks = [{"id": "chatcmpl-1", "usage": {"prompt_tokens": 9, "completion_tokens": number}} for number in (1, 2)]
    desk = Desk({"provider": "openai"})
    desk.answers.append(Stream(chunks))
    assert list(desk.create(**ask(stream=True))) == chunks
    assert tokens(desk) == [(0, 2)]
    assert desk.tracker.history[0].elapsed_ms == 1_000


class Response:
    """A response as HTTP clients make it: true or false, iterated by lines, closed at the end of a block."""

    def __init__(self, *, ok: bool) -> None:
        self.ok = ok

    def __bool__(self) -> bool:
        return self.ok

    def __iter__(self) -> Iterator[bytes]:
        return iter([b"line"])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        return None


class Sized:
    """A collection that can be entered."""

    def __len__(self) -> int:
        return 0

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        return None


class Lines(Sized):
    """An asynchronous response."""

    def __aiter__(self) -> AsyncIterator[bytes]:
        raise NotImplementedError


@pytest.mark.parametrize("answer", [Response(ok=False), Response(ok=True), Sized(), Lines()])
def test_an_answer_that_can_be_entered_stays_what_it_is(answer: Any) -> None:
    """Only what can do nothing but be entered opens a stream; the call of any other is recorded at once."""
    desk, found = opened(answer)
    assert found is answer
    assert desk.tracker.aggregate().unreported_calls == 1


def test_a_helper_that_nobody_enters_has_sent_nothing() -> None:
    """So there is no call to record, dropped or not."""
    desk = Desk()
    desk.answers.append(Manager(Stream(EVENTS), desk))
    helper = desk.create(**ask())
    del helper
    gc.collect()
    assert desk.tracker.history == ()


class Raw:
    """A raw response, whose body is parsed once it was read."""

    def __init__(self, *, is_closed: bool, error: Exception | None = None) -> None:
        self.is_closed, self.error, self.parses = is_closed, error, 0

    def parse(self) -> Any:
        """Return what it holds."""
        self.parses += 1
        if self.error:
            raise self.error
        return SimpleNamespace(usage=usage(read=5_000, output=1))


class AsyncRaw(Raw):
    """The same of an asynchronous client."""

    async def parse(self) -> Any:
        """Return what it holds."""
        return super().parse()


class NoParser:
    """A response of another library."""

    is_closed = True


@pytest.mark.parametrize(
    ("response", "found", "parses"),
    [
        (Raw(is_closed=True), [(5_000, 1)], 1),
        (Raw(is_closed=False), [(0, 0)], 0),  # reading it is the application's business
        (Raw(is_closed=True, error=BrokenError()), [(0, 0)], 1),
        (AsyncRaw(is_closed=True), [(5_000, 1)], 1),
        (AsyncRaw(is_closed=False), [(0, 0)], 0),
        (AsyncRaw(is_closed=True, error=BrokenError()), [(0, 0)], 1),
        (NoParser(), [(0, 0)], 0),
    ],
)
async def test_a_raw_response_is_recorded_by_the_body_that_was_read(
    response: Any, found: list[tuple[int, int]], parses: int
) -> None:
    """Handed on as it is, whatever happens to its body; awaited only where the call is."""
    desk = Desk()
    desk.answers += [response, response]
    assert await desk.acreate(**ask()) is response
    assert tokens(desk) == found
    assert getattr(response, "parses", 0) == parses
    assert desk.create(**ask()) is response
    assert tokens(desk)[1:] == ([(0, 0)] if isinstance(response, AsyncRaw) else found)


async def test_the_raw_answer_of_a_retry_is_recorded_too() -> None:
    """Both answers of a miss-aware retry are read, awaited or not."""
    for is_async in (False, True):
        desk = Desk({"miss_retry": MissRetry()})
        desk.call(usage(wrote=5_000))
        desk.answers += [{"usage": usage(wrote=5_000)}, raw := (AsyncRaw if is_async else Raw)(is_closed=True)]
        assert (await desk.acreate(**ask()) if is_async else desk.create(**ask())) is raw
        assert tokens(desk) == [(0, 0), (0, 0), (5_000, 1)]


def test_a_converse_stream_is_watched_inside_its_answer() -> None:
    """Bedrock returns a dictionary that holds the events; the rest of it is as it was."""
    events = [{"messageStart": {}}, {"metadata": {"usage": {"inputTokens": 5, "cacheReadInputTokens": 6}}}]
    tracker = CacheTracker(provider="bedrock")
    answer: dict[str, Any] = tracker.wrap(lambda: {"ResponseMetadata": {"a": 1}, "stream": Stream(events)})()
    assert answer["ResponseMetadata"] == {"a": 1}
    assert list(answer["stream"]) == events
    assert tracker.aggregate().read_tokens == 6
