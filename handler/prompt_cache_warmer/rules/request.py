"""The warm call: from the application's own body, change only what the cache key does not contain.

Tools, system, thinking, effort, betas, speed, geo and tier stay exactly as they are, key order
included. Messages are cut after the last marked block, a placeholder follows it, and ``max_tokens``
becomes 0, which the API documents as the way to write or refresh a cache without generating. What 0
cannot carry is sent as a stream that is closed once its first event has delivered ``usage``.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from prompt_cache_warmer.values.markers import MarkerOrigin
from prompt_cache_warmer.values.prefix import FORCED_TOOL_CHOICES, shared_body

if TYPE_CHECKING:
    from collections.abc import Mapping

    from prompt_cache_warmer.values.body import Json, Ttl
    from prompt_cache_warmer.values.targets import Target

# Any non-blank text will do: it stands after the last marker and is in no cache key.
PLACEHOLDER_TEXT = "Reply with OK."
# As long as the placeholder, so that it has as many tokens, and other words, so that the API's diagnostics have
# something to find: they call this difference ``messages_changed``.
REQUEST_TEXT = "Answer with A."
_SMALLEST_MAX_TOKENS = 1
_DIAGNOSTICS = "diagnostics"


class Form(StrEnum):
    """How a warm call is sent: without a token, closed after its first event, with one token, or as was asked."""

    ZERO = "zero"
    STREAMED = "streamed"
    ONE = "one"
    ASKED = "asked"


@dataclass(frozen=True, slots=True)
class WarmCall:
    """One request that writes or refreshes an entry.

    Attributes:
        model: the model's id.
        credential: the name of the key that makes the call.
        body: the whole JSON body, ``model`` and ``max_tokens`` included.
        betas: the values of the ``anthropic-beta`` header.
        form: how it is sent.
        form_reason: why in that form, in words.
        requested_ttl: the time to live its last marker asks for.
    """

    model: str
    credential: str
    body: Json
    betas: tuple[str, ...]
    form: Form
    form_reason: str
    requested_ttl: Ttl


def warm_call(target: Target, model: str, *, zero_refused: bool = False) -> WarmCall:
    """Build the cheapest warm call that works for a target on a model.

    Args:
        target: the target, with its body.
        model: one of its models.
        zero_refused: whether the API is known to refuse ``max_tokens: 0`` for this model and credential.
    """
    shared = shared_body(target.body, target.marked.end)
    form, max_tokens, reason = _form(shared)
    if form is Form.ZERO and zero_refused:
        form, max_tokens, reason = Form.ONE, _SMALLEST_MAX_TOKENS, "the API refused max_tokens: 0"
    return _call(target, model, shared, form=form, max_tokens=max_tokens, reason=reason, text=PLACEHOLDER_TEXT)


def real_request(target: Target, model: str) -> WarmCall:
    """Build the smallest request of the application that has a target's prefix, to see what it reads.

    It has the application's own markers and none of ours: where one was added for the warm call it has none,
    and automatic caching stands at the top level. It carries what the warm call may leave out as no part of the
    key: a forced ``tool_choice``. It asks for one token, or is closed after its first event where one is not enough.

    Args:
        target: the target, with its body.
        model: one of its models.
    """
    shared = _as_marked_by_its_author(target, shared_body(target.body, target.marked.end))
    if target.body.get("tool_choice") is not None:
        shared["tool_choice"] = target.body["tool_choice"]
    form, max_tokens, reason = _form(shared)
    if form is Form.ZERO:
        form, max_tokens, reason = Form.ASKED, _SMALLEST_MAX_TOKENS, "a real request asks for a token"
    return _call(target, model, shared, form=form, max_tokens=max_tokens, reason=reason, text=REQUEST_TEXT)


def with_diagnostics(call: WarmCall, previous_message_id: str | None) -> WarmCall:
    """Return the same call asking the API to keep its fingerprint, and to compare it with an earlier message's."""
    diagnostics = {"previous_message_id": previous_message_id}
    return replace(call, body={**call.body, _DIAGNOSTICS: diagnostics})


def asks_diagnostics(call: WarmCall) -> bool:
    """Whether a call asks for diagnostics."""
    return _DIAGNOSTICS in call.body


def without_diagnostics(call: WarmCall) -> WarmCall:
    """Return the same call asking for no diagnostics."""
    return replace(call, body={field: value for field, value in call.body.items() if field != _DIAGNOSTICS})


def with_one_token(call: WarmCall, reason: str) -> WarmCall:
    """Return the same call asking for one token, for an API that refuses 0."""
    return replace(call, form=Form.ONE, form_reason=reason, body={**call.body, "max_tokens": _SMALLEST_MAX_TOKENS})


def asking_for(call: WarmCall, max_tokens: int) -> WarmCall:
    """Return the same call asking for at least ``max_tokens``; a stream is closed before it has generated them."""
    if max_tokens <= int(call.body["max_tokens"]):
        return call
    asked = replace(call, body={**call.body, "max_tokens": max_tokens})
    if call.form is Form.STREAMED:
        return asked
    return replace(asked, form=Form.ASKED, form_reason=f"max_tokens: {max_tokens} was asked for")


def without_stream(call: WarmCall) -> WarmCall:
    """Return the same call asking for a whole message, for a client that cannot close a stream."""
    if call.form is not Form.STREAMED:
        return call
    body = {field: value for field, value in call.body.items() if field != "stream"}
    return replace(call, form=Form.ASKED, form_reason=f"{call.form_reason}, and no stream can be closed", body=body)


def _call(target: Target, model: str, shared: Json, *, form: Form, max_tokens: int, reason: str, text: str) -> WarmCall:
    """Put a call together: what is shared, what follows it, and how it is sent."""
    body: Json = {**shared, "messages": _messages(target, shared, text), "model": model, "max_tokens": max_tokens}
    if form is Form.STREAMED:
        body["stream"] = True
    return WarmCall(
        model=model,
        credential=target.summary.credential,
        body=body,
        betas=target.betas,
        form=form,
        form_reason=reason,
        requested_ttl=target.marked.end.ttl or "5m",
    )


def _as_marked_by_its_author(target: Target, shared: Json) -> Json:
    """Take back the marker that the author did not write where it stands: on a tool or a system block."""
    end, origin = target.marked.end, target.marked.origin
    if origin is MarkerOrigin.AUTHOR:
        return shared
    field, index = str(end.path[0]), int(end.path[1])
    content = list(shared[field])
    content[index] = {name: value for name, value in content[index].items() if name != "cache_control"}
    unmarked = {**shared, field: content}
    return {**unmarked, "cache_control": end.marker} if origin is MarkerOrigin.AUTOMATIC else unmarked


def _form(shared: Mapping[str, Any]) -> tuple[Form, int, str]:
    """Choose the form, the smallest ``max_tokens`` it may have, and the reason.

    Source: the API refuses ``max_tokens: 0`` together with these (400).
    """
    thinking = shared.get("thinking") or {}
    if thinking.get("type") == "enabled":
        return Form.STREAMED, int(thinking["budget_tokens"]) + 1, "max_tokens: 0 cannot carry thinking.type 'enabled'"
    if (shared.get("output_config") or {}).get("format") is not None:
        return Form.STREAMED, _SMALLEST_MAX_TOKENS, "max_tokens: 0 cannot carry output_config.format"
    if shared.get("output_format") is not None:
        return Form.STREAMED, _SMALLEST_MAX_TOKENS, "max_tokens: 0 cannot carry output_format"
    choice = (shared.get("tool_choice") or {}).get("type")
    if choice in FORCED_TOOL_CHOICES:
        return Form.STREAMED, _SMALLEST_MAX_TOKENS, f"max_tokens: 0 cannot carry tool_choice {choice!r}"
    return Form.ZERO, 0, "max_tokens: 0 writes or refreshes without generating"


def _messages(target: Target, shared: Mapping[str, Any], text: str) -> list[Json]:
    """Return the messages of the prefix, followed by what the author or we put after it.

    The author's own seed messages are sent unchanged where the API takes them: where something follows
    the prefix, a user speaks last and no tool call is left without its result.
    """
    kept: list[Json] = list(shared.get("messages", ()))
    seeds: list[Json] = list(target.body.get("messages") or ()) if target.seeds else []
    whole = seeds or kept
    unanswered = _unanswered_tool_calls(whole)
    if seeds and seeds != kept and seeds[-1]["role"] == "user" and not unanswered:
        return seeds
    results: list[Json] = [{"type": "tool_result", "tool_use_id": call, "content": text} for call in unanswered]
    addition = results or [_text(text)]
    if not whole or whole[-1]["role"] != "user":
        return [*whole, _user(*addition)]
    last = whole[-1]
    content = [_text(last["content"])] if isinstance(last["content"], str) else last["content"]
    return [*whole[:-1], {**last, "content": [*content, *addition]}]


def _unanswered_tool_calls(kept: list[Json]) -> list[str]:
    """List the ids of the last assistant message's tool calls that the kept messages do not answer."""
    last_assistant = next((message for message in reversed(kept) if message["role"] == "assistant"), None)
    if last_assistant is None or last_assistant not in kept[-2:]:
        return []
    answered = {block.get("tool_use_id") for block in _content(kept[-1]) if block.get("type") == "tool_result"}
    calls = [str(block.get("id")) for block in _content(last_assistant) if block.get("type") == "tool_use"]
    return [call for call in calls if call not in answered]


def _content(message: Json) -> list[Json]:
    content = message["content"]
    return content if isinstance(content, list) else []


def _user(*content: Json) -> Json:
    return {"role": "user", "content": list(content)}


def _text(text: str) -> Json:
    return {"type": "text", "text": text}
