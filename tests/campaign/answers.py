"""The answers of the API that are no good: every status of the facts document, bodies and usages gone wrong."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tests.campaign.wire import Response
from tests.canaries import CAMPAIGN_BODY as CANARY

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

"""Stands wherever a body may hold something that nobody may quote."""

# name -> status, type, error code, message, headers. {prompt} and {key} are what the request carried.
STATUSES: dict[str, tuple[int, str, str | None, str, dict[str, str]]] = {
    "400": (400, "invalid_request_error", None, "messages.0: this is not allowed", {}),
    "400-zero": (400, "invalid_request_error", None, "max_tokens: must be greater than 0", {}),
    "400-limit": (400, "invalid_request_error", None, "You have reached your specified API usage limits.", {}),
    "400-workspace": (
        400,
        "invalid_request_error",
        None,
        "You have reached your specified workspace API usage limits",
        {},
    ),
    "400-credits": (400, "invalid_request_error", None, "Your credit balance is too low to access the API", {}),
    "400-echo": (400, "invalid_request_error", None, "system.0.text: {prompt}", {}),
    "401": (401, "authentication_error", None, "invalid x-api-key", {}),
    "401-echo": (401, "authentication_error", None, "invalid x-api-key: {key}", {}),
    "402": (402, "billing_error", None, "Your credit balance is too low", {}),
    "403": (403, "permission_error", None, "not allowed", {}),
    "404": (404, "not_found_error", None, "model: gone", {}),
    "408": (408, "timeout_error", None, "too slow", {}),
    "409": (409, "conflict_error", None, "conflict", {}),
    "413": (413, "request_too_large", None, "too large", {}),
    "418": (418, "teapot_error", None, "short and stout", {}),
    "429": (429, "rate_limit_error", None, "slow down", {"retry-after": "2"}),
    "429-long": (429, "rate_limit_error", None, "slow down", {"retry-after": "3600"}),
    "429-odd": (429, "rate_limit_error", None, "slow down", {"retry-after": "soon"}),
    "429-nan": (429, "rate_limit_error", None, "slow down", {"retry-after": "nan"}),
    "429-negative": (429, "rate_limit_error", None, "slow down", {"retry-after": "-5"}),
    "429-infinite": (429, "rate_limit_error", None, "slow down", {"retry-after": "inf"}),
    "429-spend": (429, "rate_limit_error", "enforced_spend_limit_reached", "monthly limit", {}),
    "500": (500, "api_error", None, "internal error", {}),
    "502": (502, "api_error", None, "bad gateway", {}),
    "503": (503, "api_error", None, "unavailable", {}),
    "504": (504, "timeout_error", None, "gateway timeout", {}),
    "529": (529, "overloaded_error", None, "Overloaded", {}),
    "529-wait": (529, "overloaded_error", None, "Overloaded", {"retry-after": "1"}),
    "529-echo": (529, "overloaded_error", None, "Overloaded by {prompt}", {}),
    "304": (304, "none", None, "", {}),
    "302": (302, "none", None, "", {}),
}
REFUSED = frozenset({"400", "400-zero", "400-echo", "403", "404", "409", "413", "418", "304", "302"})
"""What the API will refuse again, so that an entry's breaker opens."""
STOPPED = frozenset({"400-limit", "400-workspace", "400-credits", "401", "401-echo", "402", "429-spend"})
"""What stops a credential."""
NO_JSON = {"html": b"<html>" + CANARY.encode() + b"</html>", "empty": b"", "list": b"[]", "null": b"null"}
ERROR_BODIES: dict[str, bytes] = {
    **NO_JSON,
    "text": b"error",
    "no error": b'{"type": "error"}',
    "error is text": b'{"type": "error", "error": "' + CANARY.encode() + b'"}',
    "odd types": b'{"type": 1, "error": {"type": {}, "message": ["' + CANARY.encode() + b'"], "details": 7}}',
    "odd code": b'{"type": "error", "error": {"type": "api_error", "details": {"error_code": ["a"]}}}',
    "type is prose": b'{"type": "error", "error": {"type": "' + CANARY.encode() + b' and more"}}',
    "not UTF-8": b'{"error": {"type": "\xff\xfe"}}',
    "huge": b'{"error": {"type": "api_error", "message": "' + b"x" * 300_000 + b'"}}',
}


def refusal(name: str, body: str | None, *, prompt: str, key: str) -> Response:
    """Make an error answer.

    Args:
        name: of `STATUSES`.
        body: of `ERROR_BODIES`; None for the body that belongs to it.
        prompt: what the request's prompt says.
        key: the request's key.
    """
    status, kind, code, message, headers = STATUSES[name]
    error: dict[str, Any] = {"type": kind, "message": message.format(prompt=prompt, key=key), "internal": CANARY}
    if code is not None:
        error["details"] = {"error_code": code}
    own = json.dumps({"type": "error", "error": error, "request_id": "req_campaign"}).encode()
    content = own if body is None else ERROR_BODIES[body]
    return Response(status, (("content-type", "application/json"), *headers.items()), content)


def _without(*names: str) -> Callable[[dict[str, Any]], object]:
    return lambda usage: {name: value for name, value in usage.items() if name not in names}


def _with(**fields: Any) -> Callable[[dict[str, Any]], object]:
    return lambda usage: {**usage, **fields}


# What becomes of a true usage. Those of LIES are usages that somebody could believe.
USAGES: dict[str, Callable[[dict[str, Any]], object]] = {
    "absent": lambda _: ...,
    "null": lambda _: None,
    "text": lambda _: "5 tokens",
    "list": lambda _: [],
    "empty": lambda _: {},
    "negative input": _with(input_tokens=-5),
    "negative read": _with(cache_read_input_tokens=-1),
    "text count": _with(cache_creation_input_tokens="12"),
    "float count": _with(cache_read_input_tokens=1.5),
    "boolean count": _with(input_tokens=True),
    "list count": _with(output_tokens=[]),
    "negative output": _with(output_tokens=-1),
    "huge": _with(cache_read_input_tokens=10**40),
    "NaN": _with(input_tokens=float("nan")),
    "no input": _without("input_tokens"),
    "no caches": _without("cache_read_input_tokens", "cache_creation_input_tokens", "cache_creation"),
    "nothing but output": lambda usage: {"output_tokens": usage["output_tokens"]},
    "no split": _without("cache_creation"),
    "null split": _with(cache_creation=None),
    "null output": _with(output_tokens=None),
    "split is text": _with(cache_creation="5m"),
    "split too large": _with(cache_creation={"ephemeral_5m_input_tokens": 10**9, "ephemeral_1h_input_tokens": 0}),
    "split of text": _with(cache_creation={"ephemeral_5m_input_tokens": "5", "ephemeral_1h_input_tokens": 0}),
    "more fields": _with(cache_write_of_next_year=[CANARY], server_tool_use={"web_search_requests": 0}),
}
SOUND = frozenset({"no split", "null split", "null output", "more fields", "no caches"})
"""Usages that are to be believed: cache fields may be null, and the API is right whatever it says."""

# What becomes of a true body; its usage is not proved any more but where BELIEVED says so.
BODIES: dict[str, Callable[[bytes], tuple[bytes, dict[str, str]]]] = {
    "html": lambda _: (NO_JSON["html"], {"content_type": "text/html"}),
    "empty": lambda _: (b"", {}),
    "list": lambda _: (b"[]", {}),
    "null": lambda _: (b"null", {}),
    "cut": lambda body: (body[: len(body) // 2], {}),
    "not UTF-8": lambda body: (b"\xff\xfe" + body, {}),
    "deep": lambda _: (b"[" * 100_000, {}),
    "number": lambda _: (b"1" * 5_000, {}),
    "no gzip": lambda body: (body, {"content_encoding": "gzip"}),
    "huge": lambda body: (b" " * 2_000_000 + body, {}),
    "plain text": lambda body: (body, {"content_type": "text/plain"}),
    "unknown encoding": lambda body: (body, {"content_encoding": "rot13"}),
    "other id": lambda body: (_changed(body, id={"deep": [1]}), {}),
    "prose id": lambda body: (_changed(body, id=CANARY + " and more"), {}),
    "odd content": lambda body: (_changed(body, content=CANARY, stop_reason=7), {}),
}
BELIEVED = frozenset({"huge", "plain text", "unknown encoding", "other id", "prose id", "odd content"})
COUNTS: dict[str, bytes] = {
    "text": b'{"input_tokens": "5"}',
    "negative": b'{"input_tokens": -5}',
    "absent": b"{}",
    "float": b'{"input_tokens": 1.5}',
    "huge": b'{"input_tokens": ' + b"9" * 30 + b"}",
    **NO_JSON,
}


def with_usage(body: bytes, name: str) -> bytes:
    """Put another usage into a message's body."""
    message = json.loads(body)
    usage = USAGES[name](message["usage"])
    if usage is ...:
        del message["usage"]
    else:
        message["usage"] = usage
    return json.dumps(message).encode()


def usage_in(body: bytes) -> Mapping[str, Any] | None:
    """Read the usage a message's body carries; None where it is no message."""
    try:
        message = json.loads(body)
    except ValueError:
        return None
    usage = message.get("usage") if isinstance(message, dict) else None
    return usage if isinstance(usage, dict) else None


def _changed(body: bytes, **fields: Any) -> bytes:
    return json.dumps({**json.loads(body), **fields}).encode()
