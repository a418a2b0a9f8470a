"""The emulator over HTTP: routes, headers, faults, streams, and clients that hang up.

A client that hangs up changes nothing about the cache: prefill is done by the time anything can be
sent, so the entry stays. (Whether that is so in reality is one of the questions only a live call can
settle.)
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from aiohttp import web

from infra.local.messages_api import providers, streaming
from infra.local.messages_api.emulator import (
    COUNT_TOKENS_PATH,
    MESSAGES_PATH,
    Answer,
    Call,
    Emulator,
)
from infra.local.messages_api.errors import ApiError
from infra.local.messages_api.federation import TOKEN_PATH
from infra.local.messages_api.records import ReceivedRequest
from infra.local.messages_api.signatures import SignedRequest
from infra.local.messages_api.usage_report import USAGE_REPORT_PATH, UsageReport

if TYPE_CHECKING:
    from collections.abc import Iterable

    from infra.local.messages_api.faults import Fault
    from infra.local.messages_api.usage import Usage

LARGEST_BODY_BYTES = 32 * 1024 * 1024  # documented limit of a Messages request
GARBAGE_BODY = b"<html><body>502 Bad Gateway</body></html>"  # what a proxy in the way answers with
SLOW_BODY_SLICES = 10  # how many pieces a dribbling body comes in

_READ_LIMIT_BYTES = 2 * LARGEST_BODY_BYTES  # bodies up to here are read to the end, then refused with 413


@dataclass(slots=True, kw_only=True)
class _Exchange:
    """One request while it is being answered."""

    request: web.Request
    received: ReceivedRequest
    request_id: str
    is_too_large: bool
    workspace_id: str | None = None
    model: str | None = None

    @property
    def received_url(self) -> str:
        """The URL as it was sent, nothing of its path decoded: that is what a signature is over."""
        return f"http://{self.request.host}{self.request.raw_path}"

    @property
    def is_abandoned(self) -> bool:
        """Whether the client has hung up."""
        transport = self.request.transport
        return transport is None or transport.is_closing()


class MessagesServer:
    """The HTTP side of one emulator."""

    def __init__(self, emulator: Emulator) -> None:
        self._emulator = emulator
        self._usage_report = UsageReport(clock=emulator.clock, behaviour=emulator.behaviour)

    def application(self) -> web.Application:
        """Make the application that serves the emulator; every path leads to one handler."""
        application = web.Application(client_max_size=_READ_LIMIT_BYTES)
        application.router.add_route("*", "/{path:.*}", self.handle)
        return application

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer one request, whatever it is."""
        emulator = self._emulator
        started_at_seconds = emulator.clock.now_seconds()
        with emulator.connections.one_open():
            raw_body, is_too_large = await _read(request)
            received = ReceivedRequest(
                path=request.path,
                headers={name.lower(): value for name, value in request.headers.items()},
                raw_body=raw_body,
                body=_parse_leniently(raw_body),
                started_at_seconds=started_at_seconds,
                status=None,
                usage=None,
                disconnected=False,
            )
            exchange = _Exchange(
                request=request,
                received=received,
                request_id=emulator.new_id("req"),
                is_too_large=is_too_large,
            )
            try:
                return await self._answer(exchange)
            except ApiError as error:
                status, body, headers = providers.refusal(request.path, error, request_id=exchange.request_id)
                return self._respond(exchange, status=status, body=body, headers=headers)

    async def _answer(self, exchange: _Exchange) -> web.StreamResponse:
        received = exchange.received
        headers = providers.with_key(received.headers)
        if exchange.request.method == "GET" and received.path == USAGE_REPORT_PATH:
            return self._respond(exchange, status=HTTPStatus.OK, body=self._report_usage(exchange))
        if exchange.request.method == "POST" and received.path == TOKEN_PATH:
            rules = self._emulator.behaviour.federation_rules
            granted = self._emulator.tokens.grant(rules, received.headers, received.raw_body)
            return self._respond(exchange, status=HTTPStatus.OK, body=granted)
        sent = SignedRequest(
            method=exchange.request.method,
            url=exchange.received_url,
            headers=received.headers,
            raw_body=received.raw_body,
        )
        exchange.workspace_id = self._emulator.caller_of(sent, headers)
        asked = providers.first_party(received.path, headers, received.raw_body)
        if exchange.request.method != "POST" or asked.path not in (MESSAGES_PATH, COUNT_TOKENS_PATH):
            raise ApiError(status=HTTPStatus.NOT_FOUND, message=f"Not found: {exchange.request.method} {received.path}")
        exchange.model = _model_of(_parse_leniently(asked.raw_body))
        call = Call(
            workspace_id=exchange.workspace_id,
            region=providers.bedrock_region(received.headers),
            headers=asked.headers,
            raw_body=asked.raw_body,
            model=exchange.model,
            is_too_large=exchange.is_too_large,
            started_at_seconds=received.started_at_seconds,
            is_invoke_model=providers.is_invoke_model(received.path),
        )
        self._emulator.admit(call)
        fault = self._emulator.faults.take(path=asked.path, model=exchange.model)
        if fault is not None:
            early = await self._fail(exchange, fault)
            if early is not None:
                return early
        slow_seconds = fault.seconds if fault is not None and fault.kind == "slow_body" else None
        if asked.path == COUNT_TOKENS_PATH:
            count = {"input_tokens": self._emulator.count(call)}
            if slow_seconds is not None:
                return await self._send(exchange, _slices(count), slow_seconds / SLOW_BODY_SLICES)
            return self._respond(exchange, status=HTTPStatus.OK, body=count)
        return await self._answer_message(exchange, call, asked, slow_seconds)

    def _report_usage(self, exchange: _Exchange) -> dict[str, Any]:
        emulator, headers = self._emulator, exchange.received.headers
        answered = emulator.log.all()
        return self._usage_report.answer(headers, exchange.request.query, answered, emulator.workspace_of)

    async def _answer_message(
        self, exchange: _Exchange, call: Call, asked: providers.Asked, slow_seconds: float | None
    ) -> web.StreamResponse:
        behaviour = self._emulator.behaviour
        held_seconds = 0.0 if behaviour.holds_seconds is None else behaviour.holds_seconds(call.raw_body)
        answer = self._emulator.answer(call)
        await asyncio.sleep(behaviour.prefill_seconds + held_seconds)
        self._emulator.begin(answer)
        if answer.is_stream:
            events = [asked.encode(event) for event in streaming.message_events(answer.message, answer.usage)]
            pause = self._emulator.behaviour.event_pause_seconds
            if slow_seconds is not None:
                pause = slow_seconds / len(events)
            return await self._send(exchange, events, pause, answer, content_type=asked.stream_type)
        if slow_seconds is not None:
            return await self._send(exchange, _slices(answer.message), slow_seconds / SLOW_BODY_SLICES, answer)
        return self._respond(exchange, status=HTTPStatus.OK, body=answer.message, usage=answer.usage)

    async def _fail(self, exchange: _Exchange, fault: Fault) -> web.StreamResponse | None:
        """Carry a fault out; None lets the request go on to its normal answer."""
        if fault.kind == "status":
            raise fault.as_error()
        if fault.kind == "delay":
            await asyncio.sleep(fault.seconds)
        elif fault.kind == "drop":
            self._log(exchange, status=None)
            if exchange.request.transport is not None:
                exchange.request.transport.abort()
            return web.Response()  # goes nowhere: the connection is gone
        elif fault.kind == "garbage":
            self._log(exchange, status=HTTPStatus.OK)
            headers = {"content-type": "text/html", **self._headers(exchange), **fault.headers}
            return web.Response(body=GARBAGE_BODY, headers=headers)
        return None

    def _respond(
        self,
        exchange: _Exchange,
        *,
        status: int,
        body: dict[str, Any],
        headers: dict[str, str] | None = None,
        usage: Usage | None = None,
    ) -> web.Response:
        self._log(exchange, status=status, usage=usage)
        return web.json_response(body, status=status, headers={**self._headers(exchange), **(headers or {})})

    async def _send(
        self,
        exchange: _Exchange,
        chunks: Iterable[bytes],
        pause_seconds: float,
        answer: Answer | None = None,
        *,
        content_type: str = "application/json",
    ) -> web.StreamResponse:
        """Send a body piece by piece, until the end or until the client hangs up."""
        is_stream = answer is not None and answer.is_stream
        usage = None if answer is None else answer.usage
        response = web.StreamResponse(headers={"content-type": content_type, **self._headers(exchange)})
        number = self._log(exchange, status=HTTPStatus.OK, usage=usage)
        try:
            await response.prepare(exchange.request)
            for chunk in chunks:
                if exchange.is_abandoned:
                    raise ConnectionResetError
                await response.write(chunk)
                await asyncio.sleep(pause_seconds)
            await response.write_eof()
        except ConnectionError:
            seen = streaming.first_usage(usage) if is_stream and usage is not None else usage
            self._emulator.log.mark_disconnected(number, seen)
        return response

    def _headers(self, exchange: _Exchange) -> dict[str, str]:
        received = exchange.received
        if providers.is_invoke_model(received.path):
            return {"x-amzn-requestid": exchange.request_id}
        headers = {"request-id": exchange.request_id}
        if exchange.workspace_id is not None and providers.bedrock_region(received.headers) is None:
            headers["anthropic-workspace-id"] = exchange.workspace_id
            now_seconds = self._emulator.clock.now_seconds()
            headers |= self._emulator.limiter.headers(exchange.workspace_id, now_seconds, model=exchange.model)
        return headers

    def _log(self, exchange: _Exchange, *, status: int | None, usage: Usage | None = None) -> int:
        received = replace(
            exchange.received,
            status=None if status is None else int(status),
            usage=usage,
            disconnected=exchange.is_abandoned,
        )
        return self._emulator.log.add(received)


async def _read(request: web.Request) -> tuple[bytes, bool]:
    """Read a body; one that is too large is not kept."""
    try:
        raw_body = await request.read()
    except web.HTTPRequestEntityTooLarge:
        return b"", True
    return (b"", True) if len(raw_body) > LARGEST_BODY_BYTES else (raw_body, False)


def _slices(body: dict[str, Any]) -> list[bytes]:
    encoded = json.dumps(body).encode()
    size = -(-len(encoded) // SLOW_BODY_SLICES)
    return [encoded[at : at + size] for at in range(0, len(encoded), size)]


def _parse_leniently(raw_body: bytes) -> Any:  # noqa: ANN401 - any JSON value
    try:
        return json.loads(raw_body)
    except (ValueError, RecursionError):
        return None


def _model_of(body: Any) -> str | None:  # noqa: ANN401 - any JSON value
    model = body.get("model") if isinstance(body, dict) else None
    return model if isinstance(model, str) else None
