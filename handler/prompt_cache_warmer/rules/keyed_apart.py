"""Requests that are keyed apart: what stands behind a prefix and changes the key of the prefix all the same.

The API keys each tier by more than its blocks: citations by the system and the messages, images by the messages,
wherever in the messages they stand. A fingerprint goes as far as the prefix and sees nothing of what comes behind
it. All else that the key holds (tools, web search and web fetch among them, speed, thinking, effort, betas) is
part of the fingerprint, so that a change of it is a drift.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from prompt_cache_warmer.values.body import NESTING_FIELDS, Tier

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prompt_cache_warmer.values.prefix import PrefixEnd


def is_keyed_apart(body: Mapping[str, Any], prefix_end: PrefixEnd) -> bool:
    """Tell whether a request may be keyed apart from the warm call of a prefix that it carries.

    Where the prefix itself cites or shows an image, one more behind it may change nothing; whether it does, nobody
    documents, so it counts.

    Args:
        body: the Messages API body that was sent; the SDK's own objects may stand in its messages.
        prefix_end: where the target's prefix ends.
    """
    if prefix_end.tier is Tier.TOOLS:  # nothing behind the tools is part of their key
        return False
    is_messages = prefix_end.tier is Tier.MESSAGES
    behind = [block for message in _listed(body.get("messages")) for block in _listed(_field(message, "content"))]
    return any(
        _cites(block) or (is_messages and _field(block, "type") == "image")
        for outer in behind[prefix_end.count if is_messages else 0 :]
        for block in _with_nested(outer)
    )


def _with_nested(block: object) -> Iterator[object]:
    yield block
    for field in NESTING_FIELDS:
        for inner in _listed(_field(block, field)):
            yield from _with_nested(inner)


def _cites(block: object) -> bool:
    """Tell whether a document or a search result switches citations on; an answer's own citations are a list."""
    citations = _field(block, "citations")
    return not (citations is None or isinstance(citations, list)) and _field(citations, "enabled") is not False


def _field(value: object, name: str) -> Any:  # noqa: ANN401 - whatever stands there
    return value.get(name) if isinstance(value, Mapping) else getattr(value, name, None)


def _listed(value: object) -> list[object]:
    """Return what stands in a place, alone or in a list, as a list."""
    if value is None:
        return []
    return list(value) if isinstance(value, Sequence) and not isinstance(value, str) else [value]
