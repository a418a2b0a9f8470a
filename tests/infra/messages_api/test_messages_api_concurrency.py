"""Many clients at once: when an entry becomes readable, and how many connections are held."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import anthropic

from infra.local.messages_api import EmulatorClock, LocalMessagesApi
from tests.infra.messages_api.messages_api_bodies import KEY, LONG_TEXT, MODEL, text, tokens_of

if TYPE_CHECKING:
    from anthropic.types import Message

LONG_PREFILL_SECONDS = 2.0  # longer than one slow core takes to send 500 requests, so that all overlap
SYSTEM_TOKENS = tokens_of(text(LONG_TEXT))
BODY: dict[str, Any] = {
    "model": MODEL,
    "max_tokens": 0,
    "system": [{"type": "text", "text": LONG_TEXT, "cache_control": {"type": "ephemeral"}}],
    "messages": [{"role": "user", "content": "."}],
}


async def send_all(api: LocalMessagesApi, count: int) -> list[Message]:
    """Send that many warm calls at once, each over a connection of its own."""
    async with anthropic.AsyncAnthropic(base_url=api.base_url, api_key=KEY, max_retries=0, timeout=60.0) as client:
        return await asyncio.gather(*[client.messages.create(**BODY) for _ in range(count)])


async def test_parallel_cold_calls_all_write() -> None:
    """An entry is readable only once the first response begins: N cold calls pay N writes."""
    with LocalMessagesApi(clock=EmulatorClock(frozen=True), prefill_seconds=0.5) as api:
        messages = await send_all(api, 10)
        assert [message.usage.cache_creation_input_tokens for message in messages] == [SYSTEM_TOKENS] * 10
        assert len(api.entries()) == 1


async def test_warmed_once_all_read() -> None:
    """Warm once, then fan out: every call of the fan-out reads."""
    with LocalMessagesApi(clock=EmulatorClock(frozen=True)) as api:
        await send_all(api, 1)
        messages = await send_all(api, 10)
        assert [message.usage.cache_read_input_tokens for message in messages] == [SYSTEM_TOKENS] * 10


async def test_five_hundred_connections_are_held_at_once() -> None:
    """Five hundred calls are open at the same time and all are answered."""
    with LocalMessagesApi(clock=EmulatorClock(frozen=True), prefill_seconds=LONG_PREFILL_SECONDS) as api:
        messages = await send_all(api, 500)
        assert len(messages) == 500
        assert api.peak_connections == 500
        assert len(api.requests) == 500
