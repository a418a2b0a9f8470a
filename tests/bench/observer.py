"""What an observer adds to a request of the application, beside the same request without one.

The SDK's client sends over a transport in memory, so that what is measured is this process's own work. Requests
with and without the observer alternate, and the medians are compared.
"""

from __future__ import annotations

import contextlib
import io
import json
import time
from functools import partial
from statistics import median
from typing import TYPE_CHECKING, Any

import anthropic
import httpx2

from prompt_cache_warmer import CacheObserver

if TYPE_CHECKING:
    from collections.abc import Callable

MODEL = "claude-sonnet-4-6"
PROMPT_BYTES = (4_096, 102_400, 1_048_576)
REQUESTS = 200  # of each kind; a median of fewer moves with whatever else the machine does
EVENTS = 200  # of a streamed answer
GOAL_MS = 1.0
_MS_PER_SECOND = 1_000
_USAGE = {"input_tokens": 9, "output_tokens": 40, "cache_read_input_tokens": 25_000, "cache_creation_input_tokens": 0}
_MESSAGE = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": MODEL,
    "stop_reason": "end_turn",
    "content": [{"type": "text", "text": "word " * 40}],
    "stop_sequence": None,
    "usage": _USAGE,
}
_JSON = {"content-type": "application/json"}
_EVENTS = {"content-type": "text/event-stream"}


def table() -> list[str]:
    """Measure, and return the lines of the table."""
    rows = [_row(size, is_streamed=is_streamed) for size in PROMPT_BYTES for is_streamed in (False, True)]
    return [
        f"What an observer adds to a request, EMF metrics included (goal: below {GOAL_MS:g} ms), beside the SDK's own",
        f"work for the same request over a transport in memory; streams have {EVENTS} events:",
        "",
        "| prompt, bytes | answer | without, ms | with, ms | added, ms | ratio |",
        "| ---: | --- | ---: | ---: | ---: | ---: |",
        *rows,
    ]


def _row(size: int, *, is_streamed: bool) -> str:
    without_ms, with_ms = _measured(size, is_streamed=is_streamed)
    kind, added_ms = "streamed" if is_streamed else "whole", with_ms - without_ms
    return f"| {size:,} | {kind} | {without_ms:.2f} | {with_ms:.2f} | {added_ms:.2f} | {with_ms / without_ms:.2f} |"


def _measured(size: int, *, is_streamed: bool) -> tuple[float, float]:
    """Return the median milliseconds of a request without an observer and with one."""
    block = {"type": "text", "text": "x" * size, "cache_control": {"type": "ephemeral"}}
    tools = [{"name": f"tool_{number}", "input_schema": {"type": "object"}} for number in range(10)]
    prompt: dict[str, Any] = {"tools": tools, "system": [block]}
    target = {"name": "bench", "models": [MODEL], "keep": "always", "request": prompt}
    with contextlib.redirect_stdout(io.StringIO()):
        observer = CacheObserver(targets=target, metrics="emf")  # writes to what standard output is now
    clients = [_client([]), _client([observer])]
    request = {"model": MODEL, "max_tokens": 100, "messages": [{"role": "user", "content": "Hello?"}], **prompt}
    taken: tuple[list[float], list[float]] = ([], [])
    for _ in range(REQUESTS):
        for client, times in zip(clients, taken, strict=True):
            times.append(_seconds(partial(_ask, client, request, is_streamed=is_streamed)))
    assert observer.counts.hits == REQUESTS, observer.counts
    return median(taken[0]) * _MS_PER_SECOND, median(taken[1]) * _MS_PER_SECOND


def _ask(client: anthropic.Anthropic, request: dict[str, Any], *, is_streamed: bool) -> None:
    if is_streamed:
        for _ in client.messages.create(**request, stream=True):
            pass
    else:
        client.messages.create(**request)


def _client(middleware: list[anthropic.Middleware]) -> anthropic.Anthropic:
    transport = anthropic.DefaultHttpxClient(transport=httpx2.MockTransport(_answer))
    return anthropic.Anthropic(api_key="bench", http_client=transport, middleware=middleware)


def _answer(request: httpx2.Request) -> httpx2.Response:
    if json.loads(request.content).get("stream"):
        return httpx2.Response(200, headers=_EVENTS, stream=_Stream())
    return httpx2.Response(200, headers=_JSON, content=json.dumps(_MESSAGE).encode())


class _Stream(httpx2.SyncByteStream):
    def __iter__(self) -> Any:
        start = {"type": "message_start", "message": {**_MESSAGE, "content": []}}
        yield _event("message_start", start)
        delta = {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "word "}}
        yield _event(
            "content_block_start",
            {**delta, "type": "content_block_start", "content_block": {"type": "text", "text": ""}},
        )
        for _ in range(EVENTS):
            yield _event("content_block_delta", delta)
        usage = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": EVENTS}}
        yield _event("message_delta", usage)
        yield _event("message_stop", {"type": "message_stop"})


def _event(kind: str, data: dict[str, Any]) -> bytes:
    return f"event: {kind}\ndata: {json.dumps(data)}\n\n".encode()


def _seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started
