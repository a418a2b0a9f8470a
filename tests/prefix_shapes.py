"""Requests of applications in every shape a shared prefix may have, each above every model's minimum."""

from __future__ import annotations

from typing import Any

LONG = "The quick brown fox jumps over the lazy dog. " * 500  # about 5,600 tokens: above every minimum
MARK = {"type": "ephemeral"}
HOUR = {"type": "ephemeral", "ttl": "1h"}
SYSTEM = [{"type": "text", "text": LONG, "cache_control": MARK}]
TOOL = {"name": "search", "description": LONG, "input_schema": {"type": "object", "properties": {}}}
SECOND_TOOL = {**TOOL, "name": "fetch", "description": "Fetch a page."}
PICTURE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}}
USE = {"type": "tool_use", "id": "toolu_1", "name": "search", "input": {"b": 1, "a": [2, {"z": None}]}}
RESULT = {"type": "tool_result", "tool_use_id": "toolu_1", "content": [{"type": "text", "text": LONG}]}


def marked(block: dict[str, Any], marker: dict[str, str] | None = None) -> dict[str, Any]:
    """Return a block with a marker."""
    return {**block, "cache_control": marker or MARK}


SHAPES: dict[str, dict[str, Any]] = {
    "system as one marked block": {"system": SYSTEM},
    "system of two blocks, 1h before 5m": {
        "system": [marked({"type": "text", "text": LONG}, HOUR), marked({"type": "text", "text": "Be kind."})]
    },
    "tools only": {"tools": [TOOL, marked(SECOND_TOOL)]},
    "tools and system, both marked": {"tools": [marked(TOOL, HOUR)], "system": SYSTEM},
    "forced tool choice behind a system prefix": {
        "tools": [TOOL],
        "tool_choice": {"type": "any"},
        "system": SYSTEM,
    },
    "no parallel tool use": {
        "tools": [TOOL],
        "tool_choice": {"type": "auto", "disable_parallel_tool_use": True},
        "system": SYSTEM,
        "messages": [{"role": "user", "content": [marked({"type": "text", "text": "Context."})]}],
    },
    "few shots in the messages": {
        "system": "You are brief.",
        "messages": [
            {"role": "user", "content": LONG},
            {"role": "assistant", "content": [marked({"type": "text", "text": "Understood."})]},
        ],
    },
    "a shared document in the first message": {
        "messages": [{"role": "user", "content": [marked({"type": "text", "text": LONG})]}],
    },
    "a picture in the prefix": {
        "system": "You look at pictures.",
        "messages": [{"role": "user", "content": [PICTURE, marked({"type": "text", "text": LONG})]}],
    },
    "a tool call and its result in the prefix": {
        "tools": [TOOL],
        "messages": [
            {"role": "user", "content": "Look it up."},
            {"role": "assistant", "content": [USE]},
            {"role": "user", "content": [marked(RESULT)]},
        ],
    },
    "a tool call as the end of the prefix": {
        "tools": [TOOL],
        "messages": [{"role": "user", "content": LONG}, {"role": "assistant", "content": [marked(USE)]}],
    },
    "adaptive thinking and effort": {
        "thinking": {"type": "adaptive"},
        "output_config": {"effort": "high"},
        "system": SYSTEM,
    },
    "thinking with a budget": {
        "thinking": {"type": "enabled", "budget_tokens": 2048},
        "system": SYSTEM,
        "messages": [{"role": "user", "content": [marked({"type": "text", "text": "Context."})]}],
    },
    "structured output": {
        "output_config": {"effort": "low", "format": {"type": "json_schema", "schema": {"type": "object"}}},
        "system": SYSTEM,
    },
    "forced tool choice with marked messages": {
        "tools": [TOOL],
        "tool_choice": {"type": "tool", "name": "search"},
        "messages": [{"role": "user", "content": [marked({"type": "text", "text": LONG})]}],
    },
    "automatic caching": {"cache_control": MARK, "system": LONG},
    "geo, tier, speed and betas": {
        "inference_geo": "eu",
        "service_tier": "standard_only",
        "speed": "fast",
        "betas": ["context-1m-2025-08-07"],
        "system": SYSTEM,
    },
    "four markers": {
        "tools": [marked(TOOL)],
        "system": [marked({"type": "text", "text": LONG}), marked({"type": "text", "text": "Be kind."})],
        "messages": [{"role": "user", "content": [marked({"type": "text", "text": "Context."})]}],
    },
}
MODELS = ("claude-sonnet-4-6", "claude-opus-5-5")  # thinking and effort key different tiers on these two
