"""Request bodies that the emulator's tests share, and the shortest ways to send them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, cast

import anthropic
import httpx2

from infra.local.messages_api.rendering import Prompt, render

if TYPE_CHECKING:
    from anthropic.types import Message

    from infra.local.messages_api import LocalMessagesApi

MODEL = "claude-sonnet-4-6"  # minimum 1,024 tokens; thinking and effort key its messages tier alone
NEW_MODEL = "claude-opus-5-5"  # minimum 512 tokens; thinking and effort key all of its tiers
KEY = "sk-local"

MARKER = {"type": "ephemeral"}
HOUR_MARKER = {"type": "ephemeral", "ttl": "1h"}
LONG_TEXT = "stable prefix " * 600  # 8,400 bytes: about 2,100 tokens, above the minimum of both models
PLACEHOLDER = {"role": "user", "content": "."}


def text(value: str, **further: Any) -> dict[str, Any]:
    """Make a text block."""
    return {"type": "text", "text": value, **further}


def tool(name: str, **further: Any) -> dict[str, Any]:
    """Make a client tool."""
    schema = {"type": "object", "properties": {"city": {"type": "string"}}}
    return {"name": name, "description": LONG_TEXT, "input_schema": schema, **further}


def warm_body(**changes: Any) -> dict[str, Any]:
    """Make a warm call: one long marked system block and a placeholder; None takes a field out."""
    body = {
        "model": MODEL,
        "max_tokens": 0,
        "system": [text(LONG_TEXT, cache_control=MARKER)],
        "messages": [PLACEHOLDER],
        **changes,
    }
    return {name: value for name, value in body.items() if value is not None}


def tokens_of(*blocks: dict[str, Any]) -> int:
    """Estimate the tokens of blocks, by the documented formula, without the emulator's code."""
    total = 0
    for block in blocks:
        unmarked = {name: value for name, value in block.items() if name != "cache_control"}
        total += -(-len(json.dumps(unmarked, ensure_ascii=False, separators=(",", ":")).encode()) // 4)
    return total


def prompt_of(body: dict[str, Any], *betas: str) -> Prompt:
    """Render a body."""
    return render(body, betas=frozenset(betas))


def create(client: anthropic.Anthropic, body: dict[str, Any], **headers: str) -> Message:
    """Send a body through the SDK, fields outside its signature too, key order kept."""
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    options = {"headers": names, "timeout": 30.0}
    return client.post("/v1/messages", cast_to=anthropic.types.Message, body=body, options=cast("Any", options))


def counters(message: Message) -> tuple[int | None, int | None, int]:
    """Read (cache read, cache creation, plain input) off a message."""
    usage = message.usage
    return usage.cache_read_input_tokens, usage.cache_creation_input_tokens, usage.input_tokens


def send_raw(
    api: LocalMessagesApi, content: bytes | str, *, path: str = "/v1/messages", **headers: str
) -> httpx2.Response:
    """Post bytes without the SDK, for what the SDK cannot be brought to send; empty headers are left out."""
    given = {"x-api-key": KEY, "anthropic-version": "2023-06-01", **headers}
    sent = {name.replace("_", "-"): value for name, value in given.items() if value}
    return httpx2.post(api.base_url + path, content=content, headers=sent, timeout=30.0)
