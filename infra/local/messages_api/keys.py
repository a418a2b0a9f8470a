"""What enters the cache key of each tier besides the blocks: the documented invalidation table.

A tier's parameters are hashed before its first block, and the hash is cumulative, so what is named
here for one tier is lost for the tiers after it too. Parameters are keyed **as received**: an absent
field and its documented default are different values, because no source says they are the same and
a warm call is meant to copy the application's request.

Choices where the table says "model-specific" or nothing:

- `thinking` (mode and budget) and `output_config.effort` enter every tier for the models named in
  `RENDERS_REASONING_FIRST`, and the messages tier alone for all others;
- `mcp_servers` enters the tools tier, for tools come from there;
- `output_config.format`, `context_management`, `container`, `metadata`, sampling, `stop_sequences`,
  `stream`, `thinking.display` and `max_tokens` enter no tier.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from infra.local.messages_api.blocks import has_citations, has_images

if TYPE_CHECKING:
    from infra.local.messages_api.blocks import JsonObject

RENDERS_REASONING_FIRST = (
    "claude-opus-5",
    "claude-sonnet-5",
    "claude-haiku-5",
    "claude-fable",
    "claude-mythos",
)
"""Prefixes of the model ids whose thinking and effort are taken to be rendered before the tools."""


def tools_parameters(body: JsonObject, betas: frozenset[str]) -> list[Any]:
    """List what a change of loses every tier, besides the tools themselves."""
    model = str(body["model"])
    return [
        model,
        sorted(betas),
        body.get("inference_geo"),
        body.get("service_tier"),
        body.get("mcp_servers"),
        _reasoning(body) if model.startswith(RENDERS_REASONING_FIRST) else None,
    ]


def system_parameters(body: JsonObject) -> list[Any]:
    """List what a change of loses system and messages, besides system blocks and web tools."""
    return [body.get("speed"), has_citations(body)]


def messages_parameters(body: JsonObject) -> list[Any]:
    """List what a change of loses the messages alone, besides the messages themselves."""
    choice = body.get("tool_choice") or {}
    return [
        choice.get("type"),
        choice.get("name"),
        bool(choice.get("disable_parallel_tool_use")),
        has_images(body),
        _reasoning(body),
    ]


def _reasoning(body: JsonObject) -> list[Any]:
    thinking = body.get("thinking") or {}
    output_config = body.get("output_config") or {}
    return [thinking.get("type"), thinking.get("budget_tokens"), output_config.get("effort")]
