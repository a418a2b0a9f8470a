"""The Messages API body as the prompt cache sees it: blocks in order, markers, and where the prefix ends.

A body is the application's own JSON, kept as it came (key order included). Nothing here changes a
caller's body: functions that need another body return a new one that shares the unchanged parts.

Source of the rules: the API's prompt caching documentation. A prefix runs over tools, then system,
then messages; a marker (``cache_control``) ends it; at most 4 markers; 1h markers before 5m ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from prompt_cache_warmer.values.problems import JsonPath

Ttl = Literal["5m", "1h"]
Json = dict[str, Any]

BETA_HEADER = "anthropic-beta"
MAX_MARKERS = 4  # the API answers 400 beyond it; automatic caching uses one of the four
DEFAULT_TTL: Ttl = "5m"
TTL_SECONDS: dict[Ttl, int] = {"5m": 300, "1h": 3600}

# Blocks stand inside blocks here; a tool call's input and a tool's schema are free JSON and are left alone.
NESTING_FIELDS = ("content", "source")

# The API refuses a marker on these (400); the SDK's types of the last two have no cache_control either.
UNMARKABLE_TYPES = frozenset({"thinking", "redacted_thinking", "fallback", "mcp_tool_listing"})


# Content the API fetches or was given before: what it holds, and how large it is, does not stand in the body.
_OUTSIDE_SOURCES = frozenset({"url", "file"})


def has_outside_content(body: Mapping[str, Any]) -> bool:
    """Tell whether a body refers to content that is not in it, so that its size says nothing of the tokens."""
    if body.get("mcp_servers"):
        return True
    return any(_refers_outside(body.get(field)) for field in ("system", "messages"))


def _refers_outside(value: object) -> bool:
    if isinstance(value, list):
        return any(map(_refers_outside, value))
    if not isinstance(value, dict):
        return False
    source = value.get("source")
    if isinstance(source, dict) and source.get("type") in _OUTSIDE_SOURCES:
        return True
    return any(_refers_outside(value.get(field)) for field in NESTING_FIELDS)


class Tier(IntEnum):
    """The three parts of a prefix, in the order the API renders them."""

    TOOLS = 0
    SYSTEM = 1
    MESSAGES = 2


@dataclass(frozen=True, slots=True)
class Block:
    """One cacheable position of a body.

    Attributes:
        tier: the part of the prefix it stands in.
        path: where it stands in the body.
        content: the block itself; a bare string stands for the text block the API makes of it.
    """

    tier: Tier
    path: JsonPath
    content: Json

    @property
    def marker(self) -> Json | None:
        """The block's own ``cache_control``, or None."""
        found = self.content.get("cache_control")
        return found if isinstance(found, dict) else None

    @property
    def ttl(self) -> Ttl | None:
        """The time to live its marker asks for, or None where there is no marker."""
        return None if self.marker is None else marker_ttl(self.marker)

    @property
    def is_deferred(self) -> bool:
        """Whether it is a tool that tool search loads later, so that it is no part of the prefix."""
        return self.tier is Tier.TOOLS and self.content.get("defer_loading") is True

    @property
    def is_markable(self) -> bool:
        """Whether the API accepts a marker here."""
        kind, text = self.content.get("type"), self.content.get("text")
        is_blank = kind == "text" and (not text or str(text).isspace())
        return kind not in UNMARKABLE_TYPES and not is_blank and not self.is_deferred


def marker_ttl(marker: Mapping[str, Any]) -> Ttl:
    """Read a marker's time to live; absent means 5 minutes."""
    return "1h" if marker.get("ttl") == "1h" else DEFAULT_TTL


def blocks(body: Mapping[str, Any]) -> Iterator[Block]:
    """Walk a body's cacheable positions in the order the API renders them."""
    for index, tool in enumerate(body.get("tools") or ()):
        yield Block(Tier.TOOLS, ("tools", index), tool)
    yield from _content_blocks(Tier.SYSTEM, ("system",), body.get("system"))
    for index, message in enumerate(body.get("messages") or ()):
        yield from _content_blocks(Tier.MESSAGES, ("messages", index, "content"), message.get("content"))


def _content_blocks(tier: Tier, path: JsonPath, content: str | list[Json] | None) -> Iterator[Block]:
    if isinstance(content, str):
        yield Block(tier, path, {"type": "text", "text": content})
    else:
        for index, block in enumerate(content or ()):
            yield Block(tier, (*path, index), block)


def nested_blocks(content: Json) -> Iterator[tuple[JsonPath, Json]]:
    """Walk the blocks inside a block, however deep: tool results, documents, search results."""
    for field in NESTING_FIELDS:
        yield from _nested_in((field,), content.get(field))


def _nested_in(path: JsonPath, value: object) -> Iterator[tuple[JsonPath, Json]]:
    if isinstance(value, list):
        for index, item in enumerate(value):
            yield from _nested_in((*path, index), item)
    elif isinstance(value, dict):
        yield path, value
        for inner, found in nested_blocks(value):
            yield (*path, *inner), found


def marked_blocks(body: Mapping[str, Any]) -> list[Block]:
    """List the blocks that carry a marker, in order."""
    return [block for block in blocks(body) if block.marker is not None]


def with_marker(body: Mapping[str, Any], block: Block, marker: Json) -> Json:
    """Return a body in which ``block`` of a tools or system tier carries ``marker``.

    A bare system string becomes the one text block the API makes of it, because only a block can
    carry a marker; the rendered prefix stays the same.
    """
    marked = {**block.content, "cache_control": marker}
    field, index = str(block.path[0]), block.path[1] if len(block.path) > 1 else None
    if index is None:
        return {**body, field: [marked]}
    return {**body, field: [marked if at == index else other for at, other in enumerate(body[field])]}
