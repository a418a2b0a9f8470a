"""Requests that are keyed apart: citations behind a system prompt, citations and images behind messages."""

from __future__ import annotations

from typing import Any

import pytest
from anthropic.types import CitationsConfig, DocumentBlock, PlainTextSource, TextBlock

from prompt_cache_warmer.rules.keyed_apart import is_keyed_apart
from prompt_cache_warmer.values.body import Tier
from prompt_cache_warmer.values.prefix import PrefixEnd

TOOLS, SYSTEM = PrefixEnd(Tier.TOOLS, 1), PrefixEnd(Tier.SYSTEM, 1)
FIRST, SECOND = PrefixEnd(Tier.MESSAGES, 1), PrefixEnd(Tier.MESSAGES, 2)
TEXT = {"type": "text", "text": "What is it?"}
ANSWER = {"type": "text", "text": "It.", "citations": [{"type": "char_location", "cited_text": "it"}]}
IMAGE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "QUJD"}}
PLAIN = {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "It."}}
CITED = {**PLAIN, "citations": {"enabled": True}}
UNCITED = {**PLAIN, "citations": {"enabled": False}}
UNSAID = {**PLAIN, "citations": {}}


def within(block: dict[str, Any]) -> dict[str, Any]:
    """Return a tool's result with a block in it."""
    return {"type": "tool_result", "tool_use_id": "t", "content": [TEXT, block]}


def custom(block: dict[str, Any]) -> dict[str, Any]:
    """Return a document that is made of blocks."""
    return {"type": "document", "source": {"type": "content", "content": [block]}}


def body(*content: object) -> dict[str, Any]:
    """Return a body with such blocks in one message behind a system prompt."""
    return {"system": [CITED, IMAGE], "messages": [{"role": "user", "content": list(content)}]}


@pytest.mark.parametrize(
    ("content", "end", "expected"),
    [
        ((TEXT,), SYSTEM, False),
        ((TEXT, PLAIN, UNCITED, ANSWER), SYSTEM, False),
        ((CITED,), SYSTEM, True),
        ((TEXT, UNSAID), SYSTEM, True),  # whether it means on, nobody documents
        ((within(CITED),), SYSTEM, True),
        ((IMAGE,), SYSTEM, False),  # images key the messages alone
        ((CITED, IMAGE), TOOLS, False),
        ((TEXT, IMAGE), FIRST, True),
        ((TEXT, CITED), FIRST, True),
        ((TEXT, within(IMAGE)), FIRST, True),
        ((TEXT, custom(IMAGE)), FIRST, True),
        ((TEXT, TEXT), FIRST, False),
        ((IMAGE, TEXT), FIRST, False),  # the warm call carries the prefix's own
        ((within(CITED), TEXT), FIRST, False),
        ((IMAGE, TEXT, IMAGE), FIRST, True),
        ((TEXT, IMAGE), SECOND, False),
    ],
)
def test_what_stands_behind_a_prefix_may_change_its_key(
    content: tuple[object, ...], end: PrefixEnd, *, expected: bool
) -> None:
    """By the tier the prefix ends in, wherever behind it the block stands."""
    assert is_keyed_apart(body(*content), end) is expected


def test_blocks_are_counted_over_messages() -> None:
    """A bare string is one block, as it is to the prefix; a body may have no messages at all."""
    messages = [{"role": "user", "content": "Look."}, {"role": "user", "content": [IMAGE]}]
    assert is_keyed_apart({"messages": messages}, FIRST)
    assert not is_keyed_apart({"messages": messages}, SECOND)
    assert not is_keyed_apart({"messages": [{"role": "user", "content": None}]}, FIRST)
    assert not is_keyed_apart({}, SYSTEM)


def test_the_sdks_own_objects_are_read_as_what_they_are_sent_as() -> None:
    """Applications put an answer's blocks into the next request as they are."""
    source = PlainTextSource(type="text", media_type="text/plain", data="It.")
    answer = TextBlock(type="text", text="It.", citations=None)
    cited = DocumentBlock(type="document", source=source, citations=CitationsConfig(enabled=True))
    uncited = DocumentBlock(type="document", source=source, citations=CitationsConfig(enabled=False))
    assert not is_keyed_apart(body(answer, uncited), SYSTEM)
    assert is_keyed_apart(body(answer, cited), SYSTEM)
    assert is_keyed_apart(body({"type": "web_fetch_tool_result", "content": cited}), SYSTEM)
