"""Requests that are keyed apart: what stands behind a prefix and changes the key of the prefix all the same.

The API keys each tier by more than its blocks: citations by the system and the messages, images by the messages,
wherever in the messages they stand. A fingerprint goes as far as the prefix and sees nothing of what comes behind
it. All else that the key holds (tools, web search and web fetch among them, speed, thinking, effort, betas) is
part of the fingerprint, so that a change of it is a drift.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from prompt_cache_warmer.values.body import Tier, blocks, nested_blocks

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from prompt_cache_warmer.values.body import Json
    from prompt_cache_warmer.values.prefix import PrefixEnd


def is_keyed_apart(body: Mapping[str, Any], prefix_end: PrefixEnd) -> bool:
    """Tell whether a request may be keyed apart from the warm call of a prefix that it carries.

    Where the prefix itself cites or shows an image, one more behind it may change nothing; whether it does, nobody
    documents, so it counts.

    Args:
        body: the Messages API body that was sent, as plain JSON.
        prefix_end: where the target's prefix ends.
    """
    if prefix_end.tier is Tier.TOOLS:  # nothing behind the tools is part of their key
        return False
    is_messages = prefix_end.tier is Tier.MESSAGES
    return any(_cites(content) or (is_messages and _is_image(content)) for content in _behind(body, prefix_end))


def _behind(body: Mapping[str, Any], prefix_end: PrefixEnd) -> Iterator[Json]:
    """Walk the blocks of the messages behind a prefix, those inside blocks too."""
    messages = [block.content for block in blocks(body) if block.tier is Tier.MESSAGES]
    for content in messages[prefix_end.count if prefix_end.tier is Tier.MESSAGES else 0 :]:
        yield content
        yield from (inner for _, inner in nested_blocks(content))


def _cites(content: Json) -> bool:
    """Tell whether a document or a search result switches citations on; an answer's own citations are a list."""
    citations = content.get("citations")
    return isinstance(citations, dict) and citations.get("enabled") is not False


def _is_image(content: Json) -> bool:
    return content.get("type") == "image"
