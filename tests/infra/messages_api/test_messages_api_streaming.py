"""Streams: their events, and clients that hang up."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import anthropic
import httpx2
import pytest

from tests.infra.messages_api.messages_api_bodies import (
    KEY,
    LONG_TEXT,
    MODEL,
    counters,
    create,
    text,
    tokens_of,
    warm_body,
)

if TYPE_CHECKING:
    from infra.local.messages_api import LocalMessagesApi

SYSTEM_TOKENS = tokens_of(text(LONG_TEXT))
ASKED: dict[str, Any] = {
    "model": MODEL,
    "system": [{"type": "text", "text": LONG_TEXT, "cache_control": {"type": "ephemeral"}}],
    "messages": [{"role": "user", "content": "."}],
}


def wait_for(condition: Any, *, seconds: float = 10.0) -> None:
    """Wait until the server has noticed something it can only notice late."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the server never noticed"
        time.sleep(0.01)


def test_a_stream_has_the_events_of_the_api_in_order(client: anthropic.Anthropic) -> None:
    """message_start, content_block_start, ping, deltas, content_block_stop, message_delta, message_stop."""
    with client.messages.create(max_tokens=50, stream=True, **ASKED) as stream:
        raw = list(stream)
    kinds = [event.type for event in raw]
    assert kinds[:2] == ["message_start", "content_block_start"]
    assert kinds[2:-3] == ["content_block_delta"] * len(kinds[2:-3])
    assert len(kinds[2:-3]) > 1
    assert kinds[-3:] == ["content_block_stop", "message_delta", "message_stop"]


def test_a_stream_sends_a_ping(api: LocalMessagesApi) -> None:
    """The ping, which the SDK swallows, is on the wire as a server-sent event."""
    headers = {"x-api-key": KEY, "anthropic-version": "2023-06-01"}
    body = {**ASKED, "max_tokens": 5, "stream": True}
    answer = httpx2.post(f"{api.base_url}/v1/messages", json=body, headers=headers)
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.text.startswith("event: message_start\ndata: {")
    assert 'event: ping\ndata: {"type":"ping"}\n\n' in answer.text


def test_message_start_carries_the_full_usage(client: anthropic.Anthropic) -> None:
    """Input is final in the first event, with one output token; `message_delta` has the whole output."""
    with client.messages.create(max_tokens=50, stream=True, **ASKED) as stream:
        events = {event.type: event for event in stream}
    start, delta = events["message_start"], events["message_delta"]
    assert start.type == "message_start"
    assert delta.type == "message_delta"
    assert counters(start.message)[:2] == (0, SYSTEM_TOKENS)
    assert start.message.usage.cache_creation is not None
    assert start.message.usage.cache_creation.ephemeral_5m_input_tokens == SYSTEM_TOKENS
    assert start.message.usage.output_tokens == 1
    assert (delta.usage.output_tokens, delta.usage.cache_creation_input_tokens) == (12, SYSTEM_TOKENS)


def test_a_streamed_message_is_the_message(client: anthropic.Anthropic) -> None:
    """Accumulated by the SDK, a stream gives the text and the usage of the whole answer."""
    whole = client.messages.create(max_tokens=50, **ASKED)
    with client.messages.stream(max_tokens=50, **ASKED) as stream:
        streamed = stream.get_final_message()
    assert [block.type for block in streamed.content] == ["text"]
    assert streamed.content[0].text == whole.content[0].text  # type: ignore[union-attr]  # both are text blocks
    assert streamed.stop_reason == whole.stop_reason == "end_turn"
    assert streamed.usage.output_tokens == whole.usage.output_tokens == 12


@pytest.mark.parametrize("max_tokens", [1, 3, 12])
def test_short_streams_are_whole_too(client: anthropic.Anthropic, max_tokens: int) -> None:
    """However few tokens are allowed, every event of a stream is there."""
    with client.messages.stream(max_tokens=max_tokens, **ASKED) as stream:
        assert stream.get_final_message().usage.output_tokens == max_tokens


def test_hanging_up_after_message_start_leaves_the_entry_and_the_server_healthy(
    api: LocalMessagesApi, client: anthropic.Anthropic
) -> None:
    """The fallback warm call: one event read, stream closed; the entry stays and later calls are served."""
    api.event_pause_seconds = 0.2
    stream = client.messages.create(max_tokens=1, stream=True, **ASKED)
    assert next(iter(stream)).type == "message_start"
    stream.close()
    wait_for(lambda: api.requests[0].disconnected)
    (cut,) = api.requests
    assert cut.usage is not None
    assert (cut.status, cut.usage.output_tokens, cut.usage.cache_creation_input_tokens) == (200, 1, SYSTEM_TOKENS)
    api.event_pause_seconds = 0.0
    assert counters(create(client, warm_body()))[:2] == (SYSTEM_TOKENS, 0)


def test_a_client_that_stays_is_not_recorded_as_gone(api: LocalMessagesApi, client: anthropic.Anthropic) -> None:
    """A stream read to its end, and a plain answer, are not disconnects."""
    with client.messages.stream(max_tokens=50, **ASKED) as stream:
        stream.until_done()
    create(client, warm_body())
    assert [request.disconnected for request in api.requests] == [False, False]
    streamed = api.requests[0].usage
    assert streamed is not None
    assert streamed.output_tokens == 12


def test_hanging_up_during_prefill_is_recorded_and_leaves_the_entry(
    api: LocalMessagesApi, client: anthropic.Anthropic
) -> None:
    """A client that times out before the answer began is recorded; the finished prefill stays cached."""
    api.prefill_seconds = 0.5
    with pytest.raises(anthropic.APITimeoutError):
        client.messages.create(max_tokens=0, timeout=0.2, **ASKED)
    wait_for(lambda: len(api.requests) == 1)
    assert api.requests[0].disconnected
    assert len(api.entries()) == 1
