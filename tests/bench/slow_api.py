"""A Messages API that takes its time and next to no CPU, for the bench of a run, which the emulator would drown.

It answers every request with the same usage after a latency, and counts requests and the bytes of their bodies, so
that two sides can be seen to have sent the same. It runs in a process of its own.
"""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.bench.kept_alive import HOST, serve

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from multiprocessing.connection import Connection

_OK = "HTTP/1.1 200 OK\r\ncontent-type: application/json"
_MESSAGE: dict[str, object] = {
    "id": "msg_bench",
    "type": "message",
    "role": "assistant",
    "model": "claude-sonnet-4-6",
    "content": [],
    "stop_reason": "max_tokens",
    "stop_sequence": None,
    "usage": {
        "input_tokens": 9,
        "output_tokens": 0,
        "cache_read_input_tokens": 25_000,
        "cache_creation_input_tokens": 0,
        "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0},
    },
}


@dataclass(frozen=True, slots=True)
class Received:
    """What an API received since it was asked last.

    Attributes:
        requests: how many.
        body_bytes: of all of their bodies.
    """

    requests: int
    body_bytes: int


@dataclass(frozen=True, slots=True)
class SlowApi:
    """An API that listens.

    Attributes:
        base_url: its address.
    """

    base_url: str

    def received(self) -> Received:
        """Ask what it received since it was asked last."""
        with urllib.request.urlopen(self.base_url) as answer:  # noqa: S310 - our own server on loopback
            return Received(**json.load(answer))


@contextmanager
def slow_api(latency_seconds: float) -> Iterator[SlowApi]:
    """Run one in a process of its own."""
    ours, theirs = multiprocessing.Pipe()
    server = multiprocessing.get_context("spawn").Process(target=_run, args=(theirs, latency_seconds), daemon=True)
    server.start()
    try:
        yield SlowApi(f"http://{HOST}:{ours.recv()}")
    finally:
        server.terminate()
        server.join()


def _run(parent: Connection, latency_seconds: float) -> None:
    asyncio.run(_serve(parent, latency_seconds))


async def _serve(parent: Connection, latency_seconds: float) -> None:
    counts = [0, 0]
    message = json.dumps(_MESSAGE).encode()
    later = asyncio.get_running_loop().call_later

    def asked(head: bytes, body: bytes, answer: Callable[[str, bytes], None]) -> None:
        if head.startswith(b"GET"):
            answer(_OK, json.dumps(dict(zip(("requests", "body_bytes"), counts, strict=True))).encode())
            counts[:] = 0, 0
            return
        counts[0] += 1
        counts[1] += len(body)
        later(latency_seconds, answer, _OK, message)

    await serve(parent, asked)
