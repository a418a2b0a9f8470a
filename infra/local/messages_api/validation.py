"""The API's rules for a request body: its fields, their values and what `max_tokens: 0` forbids.

Known fields include those the SDK knows as beta-only; they are accepted whether or not a beta header
is present, because which header each one needs is not what this emulator is for. Not checked: tool
schemas, `tool_choice` against the tools, numbers of sampling, metadata, which model takes which
thinking mode, and the contents of images and documents.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NoReturn

from infra.local.messages_api.conversation import check_conversation, check_system
from infra.local.messages_api.errors import invalid_request

if TYPE_CHECKING:
    from infra.local.messages_api.blocks import JsonObject

MINIMUM_THINKING_BUDGET_TOKENS = 1024  # documented: budget_tokens is at least 1,024 and below max_tokens

_SHARED_FIELDS = frozenset(
    {
        "cache_control",
        "context_management",
        "mcp_servers",
        "messages",
        "model",
        "output_config",
        "output_format",
        "speed",
        "system",
        "thinking",
        "tool_choice",
        "tools",
        "user_profile_id",
    }
)
MESSAGE_FIELDS = _SHARED_FIELDS | {
    "billing_policy",
    "compaction",
    "container",
    "diagnostics",
    "fallback_credit_token",
    "fallbacks",
    "inference_geo",
    "max_tokens",
    "metadata",
    "service_tier",
    "stop_sequences",
    "stream",
    "temperature",
    "thread",
    "top_k",
    "top_p",
}
"""Top-level fields of `POST /v1/messages`: those of the SDK 2.12, stable and beta, and the sampling ones."""

COUNT_FIELDS = _SHARED_FIELDS | {"compaction"}
"""Top-level fields of `POST /v1/messages/count_tokens`."""

_CHOICES: dict[str, tuple[str, ...]] = {
    "service_tier": ("auto", "standard_only"),
    "speed": ("standard", "fast"),
    "output_config.effort": ("low", "medium", "high", "xhigh", "max"),
    "thinking.type": ("enabled", "disabled", "adaptive", "between_tools"),
    "tool_choice.type": ("auto", "any", "tool", "none"),
}
"""Values that a field is limited to, when it is present and not null."""

_FORCED_TOOL_CHOICES = frozenset({"any", "tool"})


def parse_body(raw_body: bytes) -> JsonObject:
    """Parse a request body, key order kept.

    Raises:
        ApiError: 400, it is not a JSON object.
    """
    try:
        body = json.loads(raw_body, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise invalid_request("The request body is not valid JSON.") from error
    if not isinstance(body, dict):
        raise invalid_request("The request body is not a JSON object.")
    return body


def check_message_request(body: JsonObject, *, refuses_zero: bool) -> None:
    """Check the body of `POST /v1/messages`, all but its breakpoints.

    Raises:
        ApiError: 400, the first rule that is broken.
    """
    _check_common(body, MESSAGE_FIELDS)
    max_tokens = _check_max_tokens(body, refuses_zero=refuses_zero)
    if not isinstance(body.get("stream", False), bool):
        raise invalid_request("stream: Input should be a valid boolean")
    _check_diagnostics(body.get("diagnostics"))
    if max_tokens == 0:
        _check_prewarm(body)
    _check_thinking_budget(body, max_tokens)


def check_count_request(body: JsonObject) -> None:
    """Check the body of `POST /v1/messages/count_tokens`, all but its breakpoints.

    Raises:
        ApiError: 400, the first rule that is broken.
    """
    _check_common(body, COUNT_FIELDS)
    _check_thinking_budget(body, None)


def _check_common(body: JsonObject, known: frozenset[str]) -> None:
    unknown = sorted(set(body) - known)
    if unknown:
        raise invalid_request(f"{unknown[0]}: Extra inputs are not permitted")
    for field in ("model", "messages"):
        if field not in body:
            raise invalid_request(f"{field}: Field required")
    if not isinstance(body["model"], str) or not body["model"]:
        raise invalid_request("model: String should have at least 1 character")
    for field in ("thinking", "output_config", "tool_choice"):
        if not isinstance(body.get(field) or {}, dict):
            raise invalid_request(f"{field}: Input should be a valid dictionary")
    for field, allowed in _CHOICES.items():
        value = _look_up(body, field)
        if value is not None and value not in allowed:
            raise invalid_request(f"{field}: Input should be {_either(allowed)}")
    tools = body.get("tools") or []
    if not isinstance(tools, list) or not all(isinstance(tool, dict) for tool in tools):
        raise invalid_request("tools: Input should be a valid list of tools")
    check_system(body.get("system"))
    check_conversation(body["messages"])


def _check_max_tokens(body: JsonObject, *, refuses_zero: bool) -> int:
    if "max_tokens" not in body:
        raise invalid_request("max_tokens: Field required")
    max_tokens = body["max_tokens"]
    if not isinstance(max_tokens, int) or isinstance(max_tokens, bool):
        raise invalid_request("max_tokens: Input should be a valid integer")
    smallest = 1 if refuses_zero else 0
    if max_tokens < smallest:
        raise invalid_request(f"max_tokens: must be greater than or equal to {smallest}")
    return max_tokens


def _check_prewarm(body: JsonObject) -> None:
    """Refuse what needs an answer in a request that asks for none."""
    tool_choice = _look_up(body, "tool_choice.type")
    conflicts = {
        "`stream: true`": body.get("stream") is True,
        '`thinking.type: "enabled"`': _look_up(body, "thinking.type") == "enabled",
        "`output_config.format`": _look_up(body, "output_config.format") is not None,
        f'`tool_choice.type: "{tool_choice}"`': tool_choice in _FORCED_TOOL_CHOICES,
    }
    for conflict, is_present in conflicts.items():
        if is_present:
            raise invalid_request(f"max_tokens: 0 cannot be combined with {conflict}")


def _check_thinking_budget(body: JsonObject, max_tokens: int | None) -> None:
    if _look_up(body, "thinking.type") != "enabled":
        return
    budget = _look_up(body, "thinking.budget_tokens")
    if not isinstance(budget, int) or isinstance(budget, bool):
        raise invalid_request("thinking.enabled.budget_tokens: Field required, a valid integer")
    if budget < MINIMUM_THINKING_BUDGET_TOKENS:
        raise invalid_request(
            f"thinking.enabled.budget_tokens: Input should be greater than or equal to {MINIMUM_THINKING_BUDGET_TOKENS}"
        )
    if max_tokens is not None and budget >= max_tokens:
        raise invalid_request("`max_tokens` must be greater than `thinking.budget_tokens`.")


def _check_diagnostics(diagnostics: Any) -> None:  # noqa: ANN401 - anything may have been sent
    if diagnostics is None:
        return
    if not isinstance(diagnostics, dict):
        raise invalid_request("diagnostics: Input should be a valid dictionary")
    unknown = sorted(set(diagnostics) - {"previous_message_id"})
    if unknown:
        raise invalid_request(f"diagnostics.{unknown[0]}: Extra inputs are not permitted")
    if not isinstance(diagnostics.get("previous_message_id"), str | None):
        raise invalid_request("diagnostics.previous_message_id: Input should be a valid string")


def _look_up(body: JsonObject, path: str) -> Any:  # noqa: ANN401 - any JSON value
    value: Any = body
    for name in path.split("."):
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _either(allowed: tuple[str, ...]) -> str:
    return " or ".join(f"'{value}'" for value in allowed)


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")
