"""Messages as JSON and as server-sent events, in the API's order. Pure."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from infra.local.messages_api.usage import Usage

ANSWER_WORDS = ["This", "is", "the", "local", "Messages", "API", "emulator,", "it", "answers", "always", "the", "same"]
"""The answer, one word a token: what it says does not matter, that it is the same every time does."""

FULL_ANSWER_TOKENS = len(ANSWER_WORDS)

_WORDS_PER_DELTA = 4  # a few deltas per answer, so that clients have something to accumulate


def output_tokens_of(max_tokens: int) -> int:
    """Tell how long the answer is."""
    return min(max_tokens, FULL_ANSWER_TOKENS)


def message_json(
    *, message_id: str, model: str, usage: Usage, max_tokens: int, diagnostics: dict[str, Any] | None
) -> dict[str, Any]:
    """Render a whole message."""
    text = " ".join(ANSWER_WORDS[: usage.output_tokens])
    return {
        "id": message_id,
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": [{"type": "text", "text": text}] if text else [],
        "stop_reason": "max_tokens" if max_tokens < FULL_ANSWER_TOKENS else "end_turn",
        "stop_sequence": None,
        "stop_details": None,
        "usage": usage.as_json(),
        "diagnostics": diagnostics,
    }


def first_usage(usage: Usage) -> Usage:
    """The usage that `message_start` carries: all of the input and one token of output."""
    return replace(usage, output_tokens=1)


def message_events(message: dict[str, Any], usage: Usage) -> list[bytes]:
    """Render a whole message as the events of a stream."""
    start = {
        **message,
        "content": [],
        "stop_reason": None,
        "usage": first_usage(usage).as_json(),
    }
    words = message["content"][0]["text"].split()
    chunks = [words[at : at + _WORDS_PER_DELTA] for at in range(0, len(words), _WORDS_PER_DELTA)]
    texts = [" ".join(chunk) if number == 0 else " " + " ".join(chunk) for number, chunk in enumerate(chunks)]
    return [
        _event("message_start", message=start),
        _event("content_block_start", index=0, content_block={"type": "text", "text": ""}),
        _event("ping"),
        *[_event("content_block_delta", index=0, delta={"type": "text_delta", "text": text}) for text in texts],
        _event("content_block_stop", index=0),
        _event(
            "message_delta",
            delta={"stop_reason": message["stop_reason"], "stop_sequence": None},
            usage=usage.counters_as_json(),
        ),
        _event("message_stop"),
    ]


def _event(kind: str, **data: Any) -> bytes:  # noqa: ANN401 - any JSON value
    payload = json.dumps({"type": kind, **data}, separators=(",", ":"))
    return f"event: {kind}\ndata: {payload}\n\n".encode()
