"""Requests with a secret planted wherever tools and settings may hold one, by the place it stands in."""

from __future__ import annotations

from typing import Any

from tests.canaries import CANARY
from tests.documents import FIVE_MINUTES, Json, text, user

MODEL = "claude-opus-4-8"
WORTH = "word" * 5_000
TOOL: Json = {"name": "search", "input_schema": {"type": "object"}}
SERVER: Json = {"type": "url", "url": "https://mcp.example.com/sse", "name": "crm"}
KEPT_SERVER: Json = {**SERVER, "tool_configuration": {"allowed_tools": ["find", "read"], "enabled": True}}


def server(**fields: Any) -> Json:
    """Return an MCP server with further fields."""
    return {**KEPT_SERVER, **fields}


def _servers(**fields: Any) -> Json:
    return {"mcp_servers": [server(**fields)]}


def _configured(**fields: Any) -> Json:
    return _servers(tool_configuration={"enabled": True, **fields})


_URL = "$.mcp_servers[0].url behind its path or before its host"
# What a request has, by what is said of it.
_FIELDS: dict[str, tuple[Json, ...]] = {
    _URL: (
        _servers(url=f"https://mcp.example.com/sse?api_key={CANARY}"),
        _servers(url=f"https://user:{CANARY}@mcp.example.com/sse"),
        _servers(url=f"https://mcp.example.com/sse#{CANARY}"),
    ),
    "$.mcp_servers[0].authorization_token": (_servers(authorization_token=CANARY),),
    "$.mcp_servers[0].headers": (_servers(headers={"x-api-key": CANARY}),),
    "$.mcp_servers[0].of_next_year": (_servers(of_next_year={"deep": [CANARY]}),),
    "$.mcp_servers[0].name": (_servers(name={"deep": CANARY}),),
    "$.mcp_servers[0].tool_configuration": (_servers(tool_configuration=[CANARY]),),
    "$.mcp_servers[0].tool_configuration.authorization_token": (_configured(authorization_token=CANARY),),
    "$.mcp_servers[0].tool_configuration.of_next_year": (
        _configured(of_next_year=CANARY),
        _configured(of_next_year=True),
    ),
    "$.mcp_servers[0].tool_configuration.allowed_tools": (
        _configured(allowed_tools=[{"deep": CANARY}]),
        _configured(allowed_tools=CANARY),
    ),
    "$.mcp_servers[0].tool_configuration.enabled": (_servers(tool_configuration={"enabled": CANARY}),),
    "$.tools[0].authorization_token": ({"tools": [{**TOOL, "authorization_token": CANARY}]},),
    "$.tools[1].deep[0].authorization_token": (
        {"tools": [TOOL, {**TOOL, "deep": [{"authorization_token": CANARY, "kept": 1}]}]},
    ),
    "$.tools[0].headers": ({"tools": [{**TOOL, "headers": {"a": CANARY}}]},),
    "$.tools[0]['x-api-key']": ({"tools": [{**TOOL, "x-api-key": CANARY}]},),
    "$.context_management.edits[0].authorization": (
        {"context_management": {"edits": [{"type": "a", "authorization": CANARY}]}},
    ),
    "$.output_config.api_key": ({"output_config": {"effort": "high", "api_key": CANARY}},),
    "$.thinking.headers": ({"thinking": {"type": "adaptive", "headers": [CANARY]}},),
}
PLANTED: dict[str, Json] = {
    place if number == 0 else f"{place}#{number}": fields
    for place, all_fields in _FIELDS.items()
    for number, fields in enumerate(all_fields)
}


def planted(place: str) -> Json:
    """Return a request with a secret in a place."""
    return {
        "model": MODEL,
        "max_tokens": 1_000,
        **PLANTED[place],
        "system": [text(WORTH, cache_control=FIVE_MINUTES)],
        "messages": [user(text("Hello"))],
    }


def place_of(place: str) -> str:
    """Return what is said to be left out."""
    return place.partition("#")[0]
