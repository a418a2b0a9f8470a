"""The tracker around the real SDK's clients, synchronous and asynchronous, over HTTP."""

from __future__ import annotations

import gc
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import anthropic
import pytest

from infra.local.messages_api import Fault, LocalMessagesApi
from prompt_cache_warmer.library.tracking.records import Standing
from prompt_cache_warmer.library.tracking.tracker import CacheTracker

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

MODEL = "claude-sonnet-4-6"
PROMPT = "The quick brown fox jumps over the lazy dog. " * 500
SYSTEM: list[Any] = [{"type": "text", "text": PROMPT, "cache_control": {"type": "ephemeral"}}]
REQUEST: dict[str, Any] = {
    "model": MODEL,
    "max_tokens": 20,
    "system": SYSTEM,
    "messages": [{"role": "user", "content": "What now?"}],
}


@pytest.fixture
def client(api: LocalMessagesApi) -> Iterator[anthropic.Anthropic]:
    """Return a synchronous client."""
    with anthropic.Anthropic(api_key="k", base_url=api.base_url, max_retries=0) as made:
        yield made


@pytest.fixture
async def aclient(api: LocalMessagesApi) -> AsyncIterator[anthropic.AsyncAnthropic]:
    """Return an asynchronous client."""
    async with anthropic.AsyncAnthropic(api_key="k", base_url=api.base_url, max_retries=0) as made:
        yield made


@pytest.fixture
def tracker() -> CacheTracker:
    """Return a tracker."""
    return CacheTracker()


def check(tracker: CacheTracker, *, calls: int) -> None:
    """Check that the first call wrote, every later one read all of it, and all were answered in full."""
    first, *later = tracker.history
    assert len(later) == calls - 1
    assert (first.standing, first.read_tokens) == (Standing.NEW, 0)
    assert first.write_5m_tokens > 4_000
    for record in later:
        assert (record.standing, record.read_tokens) == (Standing.WARM, first.write_5m_tokens)
        assert (record.hit_ratio, record.is_miss) == (1.0, False)
        assert record.expected_tokens == first.write_5m_tokens
    assert len({record.prefix_id for record in tracker.history}) == 1
    assert {record.output_tokens for record in tracker.history} == {12}
    assert {record.uncached_tokens for record in tracker.history} == {first.uncached_tokens}
    assert all(record.elapsed_ms and record.elapsed_ms > 0 for record in tracker.history)


def test_a_synchronous_client(client: anthropic.Anthropic, tracker: CacheTracker) -> None:
    """Messages, raw streams and the stream helper, by events, by text and by the final message."""
    create, stream = tracker.wrap(client.messages.create), tracker.wrap(client.messages.stream)
    message = create(**REQUEST)
    assert isinstance(message, anthropic.types.Message)
    again = create(**REQUEST, stream=True)
    kinds = [event.type for event in again]
    assert (kinds[0], kinds[-1]) == ("message_start", "message_stop")
    with create(**REQUEST, stream=True) as raw:
        assert [event.type for event in raw] == kinds
        assert raw.response.status_code == 200
    with stream(**REQUEST) as helper:
        assert {event.type for event in helper} > set(kinds)
        assert helper.get_final_message().usage.output_tokens == 12
    with stream(**REQUEST) as helper:
        text = "".join(helper.text_stream)
    with stream(**REQUEST) as helper:
        assert helper.get_final_text() == text == message.content[0].to_dict()["text"]
    check(tracker, calls=6)
    assert tracker.history[0].usage.is_split


async def test_an_asynchronous_client(aclient: anthropic.AsyncAnthropic, tracker: CacheTracker) -> None:
    """The same, awaited."""
    create, stream = tracker.wrap(aclient.messages.create), tracker.wrap(aclient.messages.stream)
    message = await create(**REQUEST)
    assert isinstance(message, anthropic.types.Message)
    kinds = [event.type async for event in await create(**REQUEST, stream=True)]
    assert (kinds[0], kinds[-1]) == ("message_start", "message_stop")
    async with await create(**REQUEST, stream=True) as raw:
        assert [event.type async for event in raw] == kinds
    async with stream(**REQUEST) as helper:
        assert {event.type async for event in helper} > set(kinds)
    async with stream(**REQUEST) as helper:
        text = "".join([part async for part in helper.text_stream])
    async with stream(**REQUEST) as helper:
        assert await helper.get_final_text() == text == message.content[0].to_dict()["text"]
    check(tracker, calls=6)


def test_raw_responses_of_a_synchronous_client(client: anthropic.Anthropic, tracker: CacheTracker) -> None:
    """Recorded by their bodies, once these are read: at once, or inside the block; left alone when they are not."""
    raw = tracker.wrap(client.messages.with_raw_response.create)(**REQUEST)
    assert raw.parse().usage.output_tokens == 12
    later = tracker.wrap(client.messages.with_streaming_response.create)
    with later(**REQUEST) as response:
        assert response.parse().usage.output_tokens == 12
    with later(**REQUEST) as response:
        assert '"usage"' in response.text()
    check(tracker, calls=3)
    with later(**REQUEST) as response:
        assert response.headers["content-type"].startswith("application/json")
    stream = tracker.wrap(client.messages.with_raw_response.create)(**REQUEST, stream=True)
    assert len(list(stream.parse())) > 3
    assert (tracker.aggregate().calls, tracker.aggregate().unreported_calls) == (5, 2)


async def test_raw_responses_of_an_asynchronous_client(
    aclient: anthropic.AsyncAnthropic, tracker: CacheTracker
) -> None:
    """The same, awaited."""
    raw = await tracker.wrap(aclient.messages.with_raw_response.create)(**REQUEST)
    assert (await raw.parse()).usage.output_tokens == 12
    later = tracker.wrap(aclient.messages.with_streaming_response.create)
    async with later(**REQUEST) as response:
        assert (await response.parse()).usage.output_tokens == 12
    check(tracker, calls=2)
    async with later(**REQUEST) as response:
        assert response.status_code == 200
    assert (tracker.aggregate().calls, tracker.aggregate().unreported_calls) == (3, 1)


def test_a_tool_runners_messages_are_calls(client: anthropic.Anthropic, tracker: CacheTracker) -> None:
    """Each that is iterated is one; of what its own methods read nothing is known."""
    run = tracker.wrap(client.beta.messages.tool_runner)
    assert [message.usage.output_tokens for message in run(**REQUEST, tools=[])] == [12]
    check(tracker, calls=1)
    run(**REQUEST, tools=[]).until_done()
    gc.collect()
    assert (tracker.aggregate().calls, tracker.aggregate().unreported_calls) == (2, 1)


def test_a_stream_left_half_way(client: anthropic.Anthropic, tracker: CacheTracker) -> None:
    """Closed, left or dropped after its first event: the input is known, the output so far as well."""
    create = tracker.wrap(client.messages.create)
    with create(**REQUEST, stream=True) as stream:
        next(stream)
    stream = create(**REQUEST, stream=True)
    next(stream)
    stream.close()
    with tracker.wrap(client.messages.stream)(**REQUEST) as helper:
        next(helper)
    stream = create(**REQUEST, stream=True)
    next(stream)
    del stream
    gc.collect()
    first, *later = tracker.history
    assert first.write_5m_tokens > 4_000
    assert [record.read_tokens for record in later] == [first.write_5m_tokens] * 3
    assert [record.output_tokens for record in tracker.history] == [1, 1, 1, 1]


def test_an_error_goes_through(api: LocalMessagesApi, client: anthropic.Anthropic, tracker: CacheTracker) -> None:
    """The SDK's own error, and nothing is recorded."""
    api.faults.add(Fault(kind="status", status=529, times=2))
    with pytest.raises(anthropic.APIStatusError):
        tracker.wrap(client.messages.create)(**REQUEST)
    with pytest.raises(anthropic.APIStatusError), tracker.wrap(client.messages.stream)(**REQUEST):
        pass
    assert tracker.history == ()


def test_the_sdks_own_answers_may_be_sent_back(client: anthropic.Anthropic, tracker: CacheTracker) -> None:
    """A conversation of the SDK's own objects grows under automatic caching, and each turn reads the last."""
    create = tracker.wrap(client.messages.create)
    messages: list[Any] = [{"role": "user", "content": PROMPT}]
    for _ in range(3):
        answer = create(model=MODEL, max_tokens=20, messages=messages, cache_control={"type": "ephemeral"})
        messages += [{"role": "assistant", "content": answer.content}, {"role": "user", "content": "And then?"}]
    first, second, third = tracker.history
    assert (first.standing, second.standing, third.standing) == (Standing.NEW, Standing.WARM, Standing.WARM)
    assert second.read_tokens == second.expected_tokens == first.write_5m_tokens
    assert third.read_tokens == third.expected_tokens == second.read_tokens + second.write_5m_tokens
    assert len(tracker.by_prefix()) == 1


def test_an_evicted_prefix_is_a_miss_and_a_lapsed_one_is_not(
    api: LocalMessagesApi, client: anthropic.Anthropic
) -> None:
    """The ratio drops below the threshold after the third early loss; the hook's error stops nobody."""
    alerts = []

    def page(alert: object) -> None:
        alerts.append(alert)
        raise RuntimeError

    tracker = CacheTracker(alert_threshold=0.5, on_alert=page)
    create = tracker.wrap(client.messages.create)
    for _ in range(2):
        create(**REQUEST)
    for _ in range(3):
        api.forget_entries()
        assert create(**REQUEST).usage.cache_read_input_tokens == 0
    assert len(alerts) == 1
    assert tracker.aggregate().misses == 3


def test_what_the_calls_cost(client: anthropic.Anthropic, tracker: CacheTracker) -> None:
    """A write and a read of the same tokens, at Sonnet's prices: 3.75 and 0.30 a million, 3 plain and 15 out."""
    create = tracker.wrap(client.messages.create)
    used = create(**REQUEST).usage
    create(**REQUEST)
    tokens, rest = used.cache_creation_input_tokens or 0, used.input_tokens * 3 + 12 * 15
    total = tracker.aggregate()
    million = Decimal(1_000_000)
    assert total.cost_usd == (tokens * (Decimal("3.75") + Decimal("0.30")) + 2 * rest) / million
    assert total.saved_usd == tokens * (Decimal("2.70") - Decimal("0.75")) / million
