"""What the library's tests share: prompts, a transport in memory, a warmer over it, a warmer over HTTP."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from threading import Lock
from typing import TYPE_CHECKING, Any

from prompt_cache_warmer import AsyncCacheWarmer, CacheWarmer
from tests.fakes import EPOCH, MODEL, FakeClock

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

LONG_SYSTEM_PROMPT = "You answer questions about our products, and you never guess. " * 500  # about 7,700 tokens
TOOL_SCHEMAS = [
    {
        "name": "find_order",
        "description": "Find an order by its number.",
        "input_schema": {"type": "object", "properties": {"number": {"type": "string"}}, "required": ["number"]},
    }
]
PING = [{"role": "user", "content": "ping"}]
CACHED_TOKENS = 10_000
PLAIN_TOKENS = 8
TTL_SECONDS = 300
HOUR_SECONDS = 3600


@dataclass
class MemoryTransport:
    """A transport that answers as the API does: 10,000 tokens per prefix, kept as long as it is marked, by a clock.

    Attributes:
        now: says what time it is; time stands still without.
        script: what to do instead for the next calls: an error to raise, or an answer.
        requests: every request that came.
        hook: called at the start of each call.
    """

    now: Callable[[], datetime] = lambda: EPOCH
    script: list[Exception | object] = field(default_factory=list)
    requests: list[dict[str, Any]] = field(default_factory=list)
    hook: Callable[[dict[str, Any]], object] | None = None
    _touched_at: dict[str, datetime] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    def __call__(self, request: dict[str, Any]) -> object:
        """Answer one request."""
        with self._lock:
            self.requests.append(request)
            number = len(self.requests)
        if self.hook is not None:
            self.hook(request)
        with self._lock:
            if self.script:
                scripted = self.script.pop(0)
                if isinstance(scripted, Exception):
                    raise scripted
                return scripted
            key = json.dumps([request["model"], request.get("tools"), request.get("system")])
            touched_at, now = self._touched_at.get(key), self.now()
            self._touched_at[key] = now
        is_1h = '"ttl": "1h"' in key
        ttl_seconds = HOUR_SECONDS if is_1h else TTL_SECONDS
        is_alive = touched_at is not None and (now - touched_at).total_seconds() < ttl_seconds
        written = CACHED_TOKENS * (not is_alive)
        return answered(number, read=CACHED_TOKENS * is_alive, written=written, is_1h=is_1h)

    async def send(self, request: dict[str, Any]) -> object:
        """Answer one request, asynchronously."""
        return self(request)


def answered(
    number: int = 1, *, read: int = 0, written: int = 0, output: int = 0, is_1h: bool = False
) -> dict[str, Any]:
    """Return a message as the API's JSON has it."""
    return {
        "id": f"msg_{number}",
        "usage": {
            "input_tokens": PLAIN_TOKENS,
            "cache_read_input_tokens": read,
            "cache_creation_input_tokens": written,
            "cache_creation": {
                "ephemeral_5m_input_tokens": 0 if is_1h else written,
                "ephemeral_1h_input_tokens": written if is_1h else 0,
            },
            "output_tokens": output,
        },
    }


@dataclass
class Bench:
    """A warmer with one target over a transport in memory, and a clock that moves when it is told to."""

    settings: dict[str, Any] = field(default_factory=dict)
    clock: FakeClock = field(default_factory=FakeClock)
    transport: MemoryTransport = field(default_factory=MemoryTransport)

    def __post_init__(self) -> None:
        """Make the warmer."""
        self.transport.now = self.clock.now
        settings: dict[str, Any] = {"model": MODEL, "clock": self.clock, **self.settings}
        if "models" in settings:
            del settings["model"]
        self.warmer = CacheWarmer(client=self.transport, **settings)
        self.warmer.add(system_prompt=LONG_SYSTEM_PROMPT, name="support")


def async_warmer(transport: MemoryTransport, **settings: Any) -> AsyncCacheWarmer:
    """Return an asynchronous warmer with one target over a transport in memory."""
    warmer = AsyncCacheWarmer(client=transport.send, **{"model": MODEL, **settings})
    warmer.add(system_prompt=LONG_SYSTEM_PROMPT, name="support")
    return warmer
