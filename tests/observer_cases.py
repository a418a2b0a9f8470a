"""A Messages API in memory behind the SDK's own clients, for the tests of the observer. It opens no socket."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import cached_property
from threading import Lock
from typing import TYPE_CHECKING, Any

import anthropic
import httpx2

from prompt_cache_warmer import CacheObserver
from tests.canaries import CANARY
from tests.fakes import MODEL, FakeClock, document

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence

    from prompt_cache_warmer.library.observing.records import ObservedRequest

SYSTEM: list[Any] = document()["request"]["system"]
REQUEST: dict[str, Any] = {
    "model": MODEL,
    "max_tokens": 20,
    "system": SYSTEM,
    "messages": [{"role": "user", "content": f"What now, {CANARY}?"}],
}
HEADERS = {"request-id": "req_1", "anthropic-workspace-id": "wrkspc_1"}
READ_TOKENS = 3_000


class Chunks(httpx2.SyncByteStream, httpx2.AsyncByteStream):
    """A body that comes in pieces, for both kinds of client; it may break off."""

    def __init__(self, chunks: Iterable[bytes], *, fails: BaseException | None = None) -> None:
        self.chunks, self.fails, self.closed = list(chunks), fails, 0

    def __iter__(self) -> Iterator[bytes]:
        yield from self.chunks
        if self.fails is not None:
            raise self.fails

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for chunk in self:
            yield chunk

    def close(self) -> None:
        """Count it."""
        self.closed += 1

    async def aclose(self) -> None:
        """Count it."""
        self.closed += 1


def used(*, read: int = 0, written: int = 0, hour: int = 0, plain: int = 5, output: int = 2) -> dict[str, Any]:
    """Return the usage of an answer."""
    return {
        "input_tokens": plain,
        "cache_read_input_tokens": read,
        "cache_creation_input_tokens": written + hour,
        "cache_creation": {"ephemeral_5m_input_tokens": written, "ephemeral_1h_input_tokens": hour},
        "output_tokens": output,
    }


HIT = used(read=READ_TOKENS)
COLD = used(written=READ_TOKENS)


def message(usage: object = None, **changes: Any) -> dict[str, Any]:
    """Return a message as the API's JSON has it."""
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": MODEL,
        "content": [{"type": "text", "text": "Here it is."}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": usage,
        **changes,
    }


def events(usage: dict[str, Any]) -> list[bytes]:
    """Return a streamed message, one event in each piece."""
    text = {"type": "text", "text": ""}
    delta = {"type": "text_delta", "text": "Here it is."}
    end = {"stop_reason": "end_turn", "stop_sequence": None}
    return [
        f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode()
        for event in (
            {"type": "message_start", "message": message({**usage, "output_tokens": 1}, content=[])},
            {"type": "content_block_start", "index": 0, "content_block": text},
            {"type": "content_block_delta", "index": 0, "delta": delta},
            {"type": "content_block_stop", "index": 0},
            {"type": "message_delta", "delta": end, "usage": {"output_tokens": usage["output_tokens"]}},
            {"type": "message_stop"},
        )
    ]


def whole(usage: object, *, status: int = 200, **headers: str) -> httpx2.Response:
    """Return an answer in one piece."""
    said = message(usage) if status == 200 else {"type": "error", "error": {"type": "overloaded_error", "message": "-"}}
    body = Chunks([json.dumps(said).encode()])
    return httpx2.Response(status, headers={"content-type": "application/json", **HEADERS, **headers}, stream=body)


def streamed(
    usage: dict[str, Any], *, end: int | None = None, fails: BaseException | None = None, **headers: str
) -> httpx2.Response:
    """Return a streamed answer, or the beginning of one."""
    body = Chunks(events(usage)[:end], fails=fails)
    return httpx2.Response(200, headers={"content-type": "text/event-stream", **HEADERS, **headers}, stream=body)


@dataclass
class Api:
    """Answers every request, by what it is told for the next ones and else by one usage.

    Attributes:
        usage: what an answer says was used.
        script: what to answer the next requests; an error is raised.
        requests: every request that came.
    """

    usage: dict[str, Any] = field(default_factory=lambda: dict(HIT))
    script: list[httpx2.Response | BaseException] = field(default_factory=list)
    requests: list[httpx2.Request] = field(default_factory=list)
    _lock: Lock = field(default_factory=Lock)

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        """Answer one request."""
        with self._lock:
            self.requests.append(request)
            scripted = self.script.pop(0) if self.script else None
        if isinstance(scripted, BaseException):
            raise scripted
        if scripted is not None:
            return scripted
        if request.url.path.endswith("count_tokens"):
            return httpx2.Response(200, json={"input_tokens": 5})
        body = json.loads(request.content or b"null")
        return streamed(self.usage) if isinstance(body, dict) and body.get("stream") else whole(self.usage)


def client(api: Callable[..., Any], *middleware: Any, **options: Any) -> anthropic.Anthropic:
    """Return the SDK's client over an API in memory."""
    http_client = anthropic.DefaultHttpxClient(transport=httpx2.MockTransport(api))
    given = {"api_key": "sk-ant-local", "max_retries": 0, **options}
    return anthropic.Anthropic(http_client=http_client, middleware=middleware, **given)


def async_client(api: Callable[..., Any], *middleware: Any, **options: Any) -> anthropic.AsyncAnthropic:
    """Return the SDK's asynchronous client over an API in memory."""
    http_client = anthropic.DefaultAsyncHttpxClient(transport=httpx2.MockTransport(api))
    given = {"api_key": "sk-ant-local", "max_retries": 0, **options}
    return anthropic.AsyncAnthropic(http_client=http_client, middleware=middleware, **given)


@dataclass
class Watch:
    """An observer of one target, the API it looks at, and what it told.

    Attributes:
        options: the observer's own arguments.
    """

    options: dict[str, Any] = field(default_factory=dict)
    api: Api = field(default_factory=Api)
    clock: FakeClock = field(default_factory=FakeClock)
    told: list[ObservedRequest] = field(default_factory=list)

    def __post_init__(self) -> None:
        given = {"targets": document(), "on_request": self.told.append, "clock": self.clock, **self.options}
        self.observer = CacheObserver(**given)

    @cached_property
    def client(self) -> anthropic.Anthropic:
        """A client that the observer is on."""
        return client(self.api, self.observer)

    @cached_property
    def aclient(self) -> anthropic.AsyncAnthropic:
        """An asynchronous client that the observer is on."""
        return async_client(self.api, self.observer)

    @property
    def counted(self) -> dict[str, int]:
        """What was counted, failures by their names; nothing that is 0."""
        counts = self.observer.counts
        names = ("requests", "hits", "cold_starts", "drifts", "unascribed", "warm_calls", "unproven", "lost")
        return {name: value for name in names if (value := getattr(counts, name))} | dict(counts.failures)


def names(told: Sequence[ObservedRequest]) -> list[str | None]:
    """Return which targets requests belonged to."""
    return [request.target for request in told]
