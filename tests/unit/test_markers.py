"""Where the prefix ends: the author's markers stay, automatic caching moves, and one is added where there is none."""

from __future__ import annotations

import copy

import pytest

from prompt_cache_warmer.values.body import Block, Tier, blocks, marker_ttl, with_marker
from prompt_cache_warmer.values.markers import MarkerOrigin, mark
from tests.documents import FIVE_MINUTES, ONE_HOUR, PROSE, Json, assistant, text, tool, user

SYSTEM = [text("a"), text("b")]


@pytest.mark.parametrize(
    ("body", "end", "origin", "ttls"),
    [
        # The author's last marker ends the prefix, whatever comes before or after it.
        ({"tools": [tool(cache_control=ONE_HOUR)], "system": SYSTEM}, ("tools", 0), "author", ("1h",)),
        (
            {"tools": [tool()], "system": [text("a", cache_control=FIVE_MINUTES), text("b")]},
            ("system", 0),
            "author",
            ("5m",),
        ),
        (
            {
                "system": [text("a", cache_control=ONE_HOUR)],
                "messages": [user(text("c", cache_control=FIVE_MINUTES), text("d"))],
            },
            ("messages", 0, "content", 0),
            "author",
            ("1h", "5m"),
        ),
        # Automatic caching would mark the placeholder, so it moves to the last block that is shared.
        ({"system": SYSTEM, "cache_control": ONE_HOUR}, ("system", 1), "automatic", ("1h",)),
        ({"tools": [tool(), tool("b")], "cache_control": FIVE_MINUTES}, ("tools", 1), "automatic", ("5m",)),
        (
            {"system": [text("a", cache_control=ONE_HOUR), text("b")], "cache_control": FIVE_MINUTES},
            ("system", 1),
            "automatic",
            ("1h", "5m"),
        ),
        ({"system": [text("a", cache_control=ONE_HOUR)], "cache_control": ONE_HOUR}, ("system", 0), "author", ("1h",)),
        (
            {
                "system": SYSTEM,
                "messages": [user(text("c", cache_control=FIVE_MINUTES))],
                "cache_control": FIVE_MINUTES,
            },
            ("messages", 0, "content", 0),
            "author",
            ("5m",),
        ),
        # Where there is none, one of five minutes is added on the last system block, else on the last tool.
        ({"tools": [tool()], "system": SYSTEM, "messages": [user(text("c"))]}, ("system", 1), "added", ("5m",)),
        ({"system": PROSE}, ("system", 0), "added", ("5m",)),
        ({"tools": [tool(), tool("b")], "system": []}, ("tools", 1), "added", ("5m",)),
        ({"tools": [tool(), tool("b", defer_loading=True)]}, ("tools", 0), "added", ("5m",)),
        ({"tools": [tool(defer_loading=False)]}, ("tools", 0), "added", ("5m",)),
    ],
)
def test_where_the_prefix_ends_and_who_says_so(
    body: Json, end: tuple[str | int, ...], origin: str, ttls: tuple[str, ...]
) -> None:
    """The last marked block, its origin and every ttl in order; the given body is not changed."""
    before = copy.deepcopy(body)
    marked = mark(body)
    assert marked is not None
    assert (marked.end.path, marked.origin.value, marked.ttls) == (end, origin, ttls)
    assert "cache_control" not in marked.body
    assert body == before


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"system": [], "tools": [], "messages": []},
        {"messages": [user(text("a")), assistant(text("b"))]},
        {"messages": [user(text("a"))], "cache_control": ONE_HOUR},
        {"tools": [tool(defer_loading=True)]},
        {"system": ""},
    ],
)
def test_without_anything_shared_there_is_no_prefix(body: Json) -> None:
    """Unmarked messages are nobody's prefix, and nothing can be marked on a deferred tool or an empty text."""
    assert mark(body) is None


def test_the_authors_body_keeps_everything_else() -> None:
    """A body with the author's own marker comes through as it is, marker included, key order included."""
    body = {"messages": [], "temperature": 0.5, "system": [{"cache_control": ONE_HOUR, **text("a")}], "tools": [tool()]}
    marked = mark(body)
    assert marked is not None
    assert list(marked.body.items()) == list(body.items())
    assert marked.origin is MarkerOrigin.AUTHOR


def test_a_marker_on_a_bare_system_prompt_makes_it_one_block() -> None:
    """Only a block can carry a marker; the API renders the string as just this block."""
    body = {"system": PROSE, "max_tokens": 5}
    assert with_marker(body, next(blocks(body)), ONE_HOUR) == {
        "system": [text(PROSE, cache_control=ONE_HOUR)],
        "max_tokens": 5,
    }


def test_blocks_come_in_the_order_the_api_renders_them() -> None:
    """Tools, then system, then messages, wherever they stand in the body; a bare string counts as one block."""
    body = {
        "messages": [{"role": "user", "content": "d"}, user(text("e"), text("f"))],
        "system": "c",
        "tools": [tool()],
    }
    assert [(block.tier, block.path) for block in blocks(body)] == [
        (Tier.TOOLS, ("tools", 0)),
        (Tier.SYSTEM, ("system",)),
        (Tier.MESSAGES, ("messages", 0, "content")),
        (Tier.MESSAGES, ("messages", 1, "content", 0)),
        (Tier.MESSAGES, ("messages", 1, "content", 1)),
    ]
    assert next(blocks({"system": "c"})).content == text("c")


def test_a_null_marker_is_no_marker() -> None:
    """The SDK's types allow null; the block counts as unmarked."""
    block = Block(Tier.SYSTEM, ("system", 0), text("a", cache_control=None))
    assert (block.marker, block.ttl) == (None, None)


@pytest.mark.parametrize(
    ("marker", "ttl"), [(FIVE_MINUTES, "5m"), (ONE_HOUR, "1h"), ({"type": "ephemeral", "ttl": "5m"}, "5m")]
)
def test_a_marker_without_a_ttl_means_five_minutes(marker: Json, ttl: str) -> None:
    """The API's default is five minutes."""
    assert marker_ttl(marker) == ttl
    assert Block(Tier.SYSTEM, ("system", 0), text("a", cache_control=marker)).ttl == ttl
