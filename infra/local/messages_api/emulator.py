"""The emulator without HTTP: takes a call, answers it, keeps the state.

A call goes through `workspace_of` (credential), `admit` (request limit, version, size), `answer` or
`count` (rules, cache, token limits) and, for messages, `begin` (the written entries become readable).
Between `answer` and `begin` the server lets the simulated prefill pass.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from infra.local.messages_api import rendering, streaming
from infra.local.messages_api.cache import PromptCache
from infra.local.messages_api.credentials import resolve_workspace
from infra.local.messages_api.diagnostics import DiagnosticsBook, take_fingerprint
from infra.local.messages_api.errors import ApiError, invalid_request
from infra.local.messages_api.faults import FaultBoard
from infra.local.messages_api.federation import TokenExchange
from infra.local.messages_api.limits import RateLimiter
from infra.local.messages_api.minimums import minimum_tokens
from infra.local.messages_api.records import ConnectionGauge, RequestLog
from infra.local.messages_api.signatures import SignedRequest, is_signed, verified_account
from infra.local.messages_api.usage import usage_of
from infra.local.messages_api.validation import check_count_request, check_message_request, parse_body

if TYPE_CHECKING:
    from collections.abc import Mapping

    from infra.local.messages_api.behaviour import Behaviour
    from infra.local.messages_api.blocks import JsonObject
    from infra.local.messages_api.cache import CachePlan
    from infra.local.messages_api.clock import EmulatorClock
    from infra.local.messages_api.rendering import Prompt
    from infra.local.messages_api.usage import Usage

MESSAGES_PATH = "/v1/messages"
COUNT_TOKENS_PATH = "/v1/messages/count_tokens"


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One authenticated request; header names are in lower case."""

    workspace_id: str
    region: str | None = None
    headers: Mapping[str, str]
    raw_body: bytes
    model: str | None = None
    is_too_large: bool
    started_at_seconds: float
    is_invoke_model: bool = False

    @property
    def betas(self) -> frozenset[str]:
        """The set of active betas."""
        names = self.headers.get("anthropic-beta", "").split(",")
        return frozenset(name.strip() for name in names if name.strip())


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A message ready to be sent."""

    message: dict[str, Any]
    usage: Usage
    plan: CachePlan
    is_stream: bool


class Emulator:
    """The state and the rules behind the HTTP server."""

    def __init__(self, *, clock: EmulatorClock, behaviour: Behaviour, keep_requests: int) -> None:
        self.clock = clock
        self.behaviour = behaviour
        self.faults = FaultBoard()
        self.cache = PromptCache()
        self.limiter = RateLimiter(behaviour)
        self.log = RequestLog(keep_requests)
        self.connections = ConnectionGauge()
        self.tokens = TokenExchange(clock)
        self._diagnostics = DiagnosticsBook()
        self._numbers = itertools.count(1)

    def new_id(self, prefix: str) -> str:
        """Make the next id, such as `msg_local_000001`."""
        return f"{prefix}_local_{next(self._numbers):06d}"

    def workspace_of(self, headers: Mapping[str, str]) -> str:
        """Authenticate a request that names its caller by a key or a token.

        Raises:
            ApiError: 401.
        """
        return self.tokens.workspace_of(headers) or resolve_workspace(headers, self.behaviour.api_keys)

    def caller_of(self, request: SignedRequest, headers: Mapping[str, str]) -> str:
        """Authenticate any request: by its signature where signatures are verified, else by its key or token.

        Args:
            request: the request as it was received.
            headers: its headers, with the caller named in `x-api-key`.

        Raises:
            ApiError: 401 or 403.
        """
        callers = self.behaviour.aws_callers
        if callers is not None and is_signed(request.headers):
            return verified_account(request, callers)
        return self.workspace_of(headers)

    def admit(self, call: Call) -> None:
        """Check what does not need the body to be understood.

        Raises:
            ApiError: 400, 413 or 429.
        """
        self.limiter.count_request(call.workspace_id, self.clock.now_seconds(), model=call.model)
        if not call.headers.get("anthropic-version"):
            raise invalid_request("anthropic-version: header is required")
        if call.is_too_large:
            raise ApiError(
                status=HTTPStatus.REQUEST_ENTITY_TOO_LARGE, message="Request exceeds the maximum size of 32 MB."
            )

    def answer(self, call: Call) -> Answer:
        """Check a request for a message, look its prompt up in the cache and prepare the answer.

        Raises:
            ApiError: 400, 404 or 429.
        """
        body = parse_body(call.raw_body)
        refuses_zero = self.behaviour.refuses_zero or (call.is_invoke_model and self.behaviour.bedrock_refuses_zero)
        check_message_request(body, refuses_zero=refuses_zero)
        prompt = rendering.render(body, betas=call.betas)
        self._check_model(body)
        plan = self.cache.plan(
            prompt,
            workspace_id=call.workspace_id,
            region=call.region,
            started_at_seconds=call.started_at_seconds,
            minimum_tokens=minimum_tokens(prompt.model, self.behaviour.minimum_cacheable_tokens),
            downgrades_hour=self.behaviour.downgrades_hour,
        )
        usage = usage_of(plan, output_tokens=streaming.output_tokens_of(body["max_tokens"]))
        self.limiter.count_tokens(
            call.workspace_id,
            self.clock.now_seconds(),
            input_tokens=usage.rate_limited_input_tokens,
            output_tokens=usage.output_tokens,
            model=call.model,
        )
        self.cache.refresh(plan)
        message_id = self.new_id("msg")
        message = streaming.message_json(
            message_id=message_id,
            model=prompt.model,
            usage=usage,
            max_tokens=body["max_tokens"],
            diagnostics=self._diagnose(message_id, call, body, prompt),
        )
        return Answer(message=message, usage=usage, plan=plan, is_stream=body.get("stream") is True)

    def begin(self, answer: Answer) -> None:
        """Make what the request wrote readable: its response begins."""
        self.cache.write(answer.plan, now_seconds=self.clock.now_seconds())

    def count(self, call: Call) -> int:
        """Count the input tokens of a request without prefilling anything.

        Raises:
            ApiError: 400 or 404.
        """
        body = parse_body(call.raw_body)
        check_count_request(body)
        prompt = rendering.render(body, betas=call.betas)
        self._check_model(body)
        return prompt.tokens

    def _check_model(self, body: JsonObject) -> None:
        models = self.behaviour.models
        if models is not None and body["model"] not in models:
            raise ApiError(status=HTTPStatus.NOT_FOUND, message=f"model: {body['model']}")

    def _diagnose(self, message_id: str, call: Call, body: JsonObject, prompt: Prompt) -> dict[str, Any] | None:
        asked = body.get("diagnostics")
        if asked is None:
            return None
        fingerprint = take_fingerprint(
            body,
            prompt,
            betas=call.betas,
            workspace_id=call.workspace_id,
            taken_at_seconds=call.started_at_seconds,
        )
        previous_id = asked.get("previous_message_id")
        reason = self._diagnostics.register(message_id, fingerprint, previous_id=previous_id)
        if previous_id is not None and self.behaviour.is_diagnosis_pending:
            return {"cache_miss_reason": None}
        return None if reason is None else {"cache_miss_reason": reason}
