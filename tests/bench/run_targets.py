"""What the bench of a run warms: documents with a prompt of their own, and the bodies of their warm calls."""

from __future__ import annotations

import json
from typing import Any

from prompt_cache_warmer.rules.request import PLACEHOLDER_TEXT

MODEL = "claude-sonnet-4-6"
FIRST = "t00000"


def name_of(number: int) -> str:
    """Name a target."""
    return f"t{number:05}"


def document(number: int, prompt_bytes: int, *, ttl: str = "5m") -> bytes:
    """Return a document as it lies in the bucket; with 5-minute markers it is due at every tick."""
    request = {"system": [_block(number, prompt_bytes, ttl)]}
    target = {"name": name_of(number), "models": [MODEL], "keep": "always", "request": request}
    return json.dumps(target).encode()


def body(number: int, prompt_bytes: int) -> dict[str, Any]:
    """Return the body of its warm call, as somebody would write it by hand."""
    return {
        "model": MODEL,
        "messages": [{"role": "user", "content": [{"type": "text", "text": PLACEHOLDER_TEXT}]}],
        "max_tokens": 0,
        "system": [_block(number, prompt_bytes, "5m")],
    }


def _block(number: int, prompt_bytes: int, ttl: str) -> dict[str, Any]:
    text = f"You are agent {number:05}. ".ljust(prompt_bytes, "x")
    return {"type": "text", "text": text, "cache_control": {"type": "ephemeral", "ttl": ttl}}
