"""Where `cache_control` may stand, how many may, and in which order."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anthropic
import pytest

from infra.local.messages_api.breakpoints import find_breakpoints
from infra.local.messages_api.errors import ApiError
from tests.infra.messages_api.messages_api_bodies import (
    HOUR_MARKER,
    LONG_TEXT,
    MARKER,
    create,
    text,
    tool,
    warm_body,
)

if TYPE_CHECKING:
    from infra.local.messages_api import LocalMessagesApi

THINKING = {"type": "thinking", "thinking": "hm", "signature": "s"}


def marked_blocks(count: int, marker: dict[str, Any] = MARKER) -> list[dict[str, Any]]:
    """Make that many marked text blocks."""
    return [text(f"{number} {LONG_TEXT}", cache_control=marker) for number in range(count)]


def user(*blocks: dict[str, Any]) -> dict[str, Any]:
    """Make a request whose only message has these blocks."""
    return warm_body(system=None, messages=[{"role": "user", "content": list(blocks)}])


REFUSED: list[tuple[str, dict[str, Any], str]] = [
    ("five", warm_body(system=marked_blocks(5)), "A maximum of 4 blocks with cache_control"),
    (
        "four and automatic",
        warm_body(system=marked_blocks(4), cache_control=MARKER),
        "A maximum of 4 blocks with cache_control may be provided. Found 5.",
    ),
    (
        "automatic on a block with another ttl",
        {**user(text("q", cache_control=HOUR_MARKER)), "cache_control": MARKER},
        "already has ttl='1h'",
    ),
    (
        "1h after 5m in one tier",
        warm_body(system=[*marked_blocks(1), *marked_blocks(1, HOUR_MARKER)]),
        "system.1.cache_control.ttl: a ttl='1h' cache_control block must not come after",
    ),
    (
        "1h after 5m in the next tier",
        warm_body(tools=[tool("a", cache_control=MARKER)], system=marked_blocks(1, HOUR_MARKER)),
        "system.0.cache_control.ttl: a ttl='1h'",
    ),
    ("automatic 1h after 5m", warm_body(cache_control=HOUR_MARKER), "a ttl='1h' cache_control block"),
    ("thinking block", user({**THINKING, "cache_control": MARKER}), "cannot be set for thinking blocks"),
    (
        "redacted thinking block",
        user({"type": "redacted_thinking", "data": "x", "cache_control": MARKER}),
        "cannot be set for redacted_thinking blocks",
    ),
    (
        "empty text",
        user(text("", cache_control=MARKER)),
        "messages.0.content.0.text: cache_control cannot be set for empty text blocks",
    ),
    (
        "inside a search result",
        user(
            {
                "type": "search_result",
                "source": "s",
                "title": "t",
                "content": [text("x", cache_control=MARKER)],
            }
        ),
        "messages.0.content.0.content.0.cache_control",
    ),
    (
        "inside a document",
        user({"type": "document", "source": {"type": "content", "content": [text("x", cache_control=MARKER)]}}),
        "messages.0.content.0.source.content.0.cache_control",
    ),
    ("unknown ttl", user(text("q", cache_control={**MARKER, "ttl": "2h"})), "Input should be '5m' or '1h'"),
    ("ttl that is no string", user(text("q", cache_control={**MARKER, "ttl": 5})), "'5m' or '1h'"),
    ("unknown type", user(text("q", cache_control={"type": "persistent"})), "Input should be 'ephemeral'"),
    ("unknown field", user(text("q", cache_control={**MARKER, "scope": "x"})), "scope: Extra inputs"),
    ("no object", user(text("q", cache_control="ephemeral")), "Input should be a valid dictionary"),
    ("unknown automatic ttl", warm_body(cache_control={**MARKER, "ttl": "1d"}), "cache_control.ttl"),
]


@pytest.mark.parametrize(("body", "message"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_a_breakpoint_against_the_rules_is_refused(
    api: LocalMessagesApi, client: anthropic.Anthropic, body: dict[str, Any], message: str
) -> None:
    """400 `invalid_request_error` that names the rule, and nothing is cached."""
    with pytest.raises(anthropic.BadRequestError) as refusal:
        create(client, body)
    assert refusal.value.type == "invalid_request_error"
    assert message in str(refusal.value.api_message)
    assert api.entries() == ()


ALLOWED: list[tuple[str, dict[str, Any], int]] = [
    ("four", warm_body(system=marked_blocks(4)), 4),
    ("three and automatic", warm_body(system=marked_blocks(3), cache_control=MARKER), 4),
    ("1h before 5m", warm_body(tools=[tool("a", cache_control=HOUR_MARKER)]), 2),
    ("automatic on a block with the same ttl", {**user(text("q", cache_control=MARKER)), "cache_control": MARKER}, 1),
    ("null is no marker", user(text("q", cache_control=None)), 0),
    (
        "a tool parameter called cache_control",
        user(text("q"))
        | {
            "tools": [
                {"name": "a", "input_schema": {"type": "object", "properties": {"cache_control": {"type": "string"}}}}
            ]
        },
        0,
    ),
]


@pytest.mark.parametrize(("body", "count"), [row[1:] for row in ALLOWED], ids=[row[0] for row in ALLOWED])
def test_breakpoints_within_the_rules_are_accepted(
    client: anthropic.Anthropic, body: dict[str, Any], count: int
) -> None:
    """Four in all, 1h first, and automatic caching on a block that has the same ttl changes nothing."""
    create(client, body)
    assert len(find_breakpoints(body)) == count


def test_automatic_caching_walks_back_over_what_it_may_not_mark() -> None:
    """The last block that may carry a marker is marked: not a thinking block."""
    body = user(text("question"), THINKING)
    (found,) = find_breakpoints({**body, "cache_control": MARKER})
    assert (found.path, found.kind) == ("messages.0.content.0", "automatic")


def test_automatic_caching_without_a_markable_block_marks_nothing() -> None:
    """A request that is all thinking has no place for a breakpoint."""
    assert find_breakpoints({**user(THINKING), "cache_control": MARKER}) == ()


def test_a_marker_may_stand_on_a_tool_result() -> None:
    """Tool results are content blocks: a marker on one is explicit, inside one it is refused."""
    result = {"type": "tool_result", "tool_use_id": "i", "content": [text("42")]}
    assert len(find_breakpoints(user({**result, "cache_control": MARKER}))) == 1
    with pytest.raises(ApiError, match=r"messages\.0\.content\.0\.content\.0\.cache_control"):
        find_breakpoints(user({**result, "content": [text("42", cache_control=MARKER)]}))
    document = {"type": "document", "source": {"content": [text("x", cache_control=MARKER)]}}
    with pytest.raises(ApiError, match=r"content\.0\.content\.0\.source\.content\.0\.cache_control"):
        find_breakpoints(user({**result, "content": [document]}))
