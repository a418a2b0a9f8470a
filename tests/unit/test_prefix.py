"""The prefix: what it shares with real traffic, its fingerprint per tier, and an estimate of its size."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prompt_cache_warmer.values.body import blocks
from prompt_cache_warmer.values.markers import mark
from prompt_cache_warmer.values.prefix import (
    Fingerprint,
    digest,
    estimate_tokens,
    fingerprint,
    prefix_blocks,
    shared_body,
)
from tests.documents import (
    BLOCKS_DOCUMENT,
    FIVE_MINUTES,
    MESSAGE_BLOCKS,
    ONE_HOUR,
    PDF,
    PICTURE,
    PLAIN_DOCUMENT,
    PROSE,
    Json,
    assistant,
    json_values,
    text,
    tool,
    user,
)

ENDS_HERE = text("a", cache_control=FIVE_MINUTES)
BASE: Json = {
    "tools": [tool("a"), tool("b")],
    "system": [text("You are kind."), text("Be brief.")],
    "messages": [user(text("Hello.")), assistant(text("Hi.", cache_control=FIVE_MINUTES))],
}


def prints(body: Json, *betas: str) -> Fingerprint:
    """Fingerprint a body's marked prefix."""
    marked = mark(body)
    assert marked is not None
    return fingerprint(marked.body, marked.end, betas)


def shared(body: Json) -> Json:
    """Return what a warm call shares with real traffic."""
    marked = mark(body)
    assert marked is not None
    return shared_body(marked.body, marked.end)


def changed_tiers(before: Json, after: Json) -> list[str]:
    """Name the parts of the fingerprint in which two bodies differ."""
    one, two = prints(before), prints(after)
    return [part for part in ("tools", "system", "messages", "settings") if getattr(one, part) != getattr(two, part)]


@pytest.mark.parametrize(
    ("change", "tiers"),
    [
        ({"tools": [tool("b"), tool("a")]}, ["tools"]),
        ({"tools": [tool("a"), {**dict(reversed(tool("b").items()))}]}, ["tools"]),
        ({"tools": [tool("a")]}, ["tools"]),
        ({"system": [text("You are kind.Be brief.")]}, ["system"]),
        ({"system": [text("You are kind. "), text("Be brief.")]}, ["system"]),
        ({"messages": [user(text("Hello!")), assistant(text("Hi.", cache_control=FIVE_MINUTES))]}, ["messages"]),
        ({"messages": [assistant(text("Hello.")), assistant(text("Hi.", cache_control=FIVE_MINUTES))]}, ["messages"]),
        ({"thinking": {"type": "adaptive"}}, ["settings"]),
        ({"output_config": {"effort": "high"}}, ["settings"]),
        ({"speed": "fast"}, ["settings"]),
        ({"inference_geo": "eu"}, ["settings"]),
        ({"service_tier": "auto"}, ["settings"]),
        ({"mcp_servers": []}, ["settings"]),
        ({"context_management": {}}, ["settings"]),
        ({"tool_choice": {"type": "any"}}, ["messages"]),
        # What belongs to one request, or stands after the prefix, is in no key.
        ({"max_tokens": 7, "temperature": 0.1, "stream": True, "metadata": {}, "stop_sequences": []}, []),
        ({"messages": [*BASE["messages"], user(text("And now?"))]}, []),
        ({"output_config": {"format": None}}, []),
    ],
)
def test_a_change_shows_in_just_its_tier(change: Json, tiers: list[str]) -> None:
    """Each tier has its own hash, so a difference says where it is."""
    assert changed_tiers(BASE, {**BASE, **change}) == tiers


def test_tool_choice_keys_the_messages_only() -> None:
    """Where the prefix ends before the messages, how tools are chosen is in no key."""
    body = {"system": [text(PROSE, cache_control=FIVE_MINUTES)]}
    assert changed_tiers(body, {**body, "tool_choice": {"type": "tool", "name": "a"}}) == []


def test_markers_and_their_ttl_are_in_no_fingerprint() -> None:
    """An entry is found whatever ttl asks for it, and with more markers or fewer before its end."""
    marked_more = {
        **BASE,
        "tools": [tool("a"), tool("b", cache_control=ONE_HOUR)],
        "messages": [user(text("Hello.")), assistant(text("Hi.", cache_control=ONE_HOUR))],
    }
    assert prints(marked_more) == prints(BASE)


def test_a_string_and_its_one_block_have_the_same_fingerprint() -> None:
    """The API renders both the same, in the system prompt and in messages."""
    strings = {"system": PROSE, "messages": [{"role": "user", "content": "Hello."}, BASE["messages"][1]]}
    of_blocks = {"system": [text(PROSE)], "messages": [user(text("Hello.")), BASE["messages"][1]]}
    assert prints(strings) == prints(of_blocks)


def test_betas_are_a_set() -> None:
    """Order and repetition of the header's values change nothing; one more value does."""
    assert prints(BASE, "a", "b", "a") == prints(BASE, "b", "a")
    assert prints(BASE, "a").settings != prints(BASE).settings
    assert digest({}, ["a", "b"]) == digest({}, ["b", "a", "a"])
    assert digest({}, ["a"]) != digest({}, ["a", "b"])


def test_a_fingerprint_is_the_same_tomorrow() -> None:
    """Stored fingerprints are compared with new ones, so the formula is fixed: sha256 of role and block as JSON."""
    body = {"system": [text("a", cache_control=FIVE_MINUTES)]}
    # printf '["",{"type":"text","text":"a"}]' | sha256sum
    assert prints(body).system == "2ea56aa29f7791de30e89fd7832c8e3d83f29a159b9a94be04c82219f77bb851"
    # printf '' | sha256sum
    assert prints(body).tools == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


@settings(deadline=None)  # a loaded machine is not a defect
@given(st.lists(st.text(min_size=1, max_size=5), min_size=1, max_size=4), st.sampled_from([FIVE_MINUTES, ONE_HOUR]))
def test_no_ttl_changes_any_fingerprint(words: list[str], marker: Json) -> None:
    """Whatever the texts are, swapping the ttl of the end leaves all hashes alone, and the digest not."""
    before = [text(word) for word in words]
    one = {"system": [*before, text("end", cache_control=FIVE_MINUTES)]}
    two = {"system": [*before, text("end", cache_control=marker)]}
    assert prints(one) == prints(two)
    assert (digest(shared(one), ()) == digest(shared(two), ())) == (marker == FIVE_MINUTES)


@settings(deadline=None)  # a loaded machine is not a defect
@given(st.dictionaries(st.text(max_size=5), json_values(), min_size=2, max_size=5), st.randoms())
def test_key_order_changes_the_fingerprint(schema: dict[str, Any], random: Any) -> None:
    """The API's key is of rendered bytes, so the same object in another order is another prefix."""
    keys = list(schema)
    random.shuffle(keys)
    reordered = {key: schema[key] for key in keys}
    same = prints({"tools": [tool(input_schema=schema)]}) == prints({"tools": [tool(input_schema=reordered)]})
    assert same == (keys == list(schema))


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (
            {"max_tokens": 9, "system": [ENDS_HERE], "messages": [user(text("b"))], "speed": "fast"},
            {"system": [ENDS_HERE], "speed": "fast"},
        ),
        (
            {"tools": [tool(cache_control=FIVE_MINUTES)], "tool_choice": {"type": "tool"}, "betas": ["a"]},
            {"tools": [tool(cache_control=FIVE_MINUTES)]},
        ),
        (
            {"system": [ENDS_HERE], "tool_choice": {"type": "auto"}, "model": "m"},
            {"system": [ENDS_HERE], "tool_choice": {"type": "auto"}},
        ),
        (
            {"messages": [user(ENDS_HERE, text("b")), user(text("c"))], "tool_choice": {"type": "any"}},
            {"messages": [user(ENDS_HERE)], "tool_choice": {"type": "any"}},
        ),
        (
            {"messages": [user(text("a"), text("b", cache_control=FIVE_MINUTES)), assistant(text("c"))]},
            {"messages": [user(text("a"), text("b", cache_control=FIVE_MINUTES))]},
        ),
        (
            {"messages": [{"role": "user", "content": "a"}, assistant(text("b", cache_control=FIVE_MINUTES))]},
            {"messages": [{"role": "user", "content": "a"}, assistant(text("b", cache_control=FIVE_MINUTES))]},
        ),
    ],
)
def test_what_every_request_with_this_prefix_shares(body: Json, expected: Json) -> None:
    """Messages are cut after the last marked block; per-request fields and a forced tool choice go."""
    found = shared(body)
    assert found == expected
    assert list(found) == list(expected)


def test_a_prefix_that_ends_in_a_bare_message_keeps_the_whole_message() -> None:
    """A bare string is one block, so cutting after it keeps it."""
    body = {"messages": [{"role": "user", "content": "a"}, user(text("b"))]}
    first = prefix_blocks(body, next(blocks(body)))[-1]
    assert shared_body(body, first) == {"messages": [{"role": "user", "content": "a"}]}


def test_the_prefix_is_every_block_up_to_its_end() -> None:
    """Blocks after the end are not part of it."""
    marked = mark({**BASE, "messages": [*BASE["messages"], user(text("later"))]})
    assert marked is not None
    assert [block.path for block in prefix_blocks(marked.body, marked.end)] == [
        ("tools", 0),
        ("tools", 1),
        ("system", 0),
        ("system", 1),
        ("messages", 0, "content", 0),
        ("messages", 1, "content", 0),
    ]


@pytest.mark.parametrize(
    ("block", "tokens"),
    [
        (text("word" * 100), 100),
        (text("wor" * 100), 75),
        (text("ä" * 100), 50),
        (PICTURE, 1_600),
        (PDF, 1_600),
        (MESSAGE_BLOCKS["uploaded document"], 1_600),
        ({"type": "document"}, 1_600),
        (PLAIN_DOCUMENT, 6),  # "The tent has four poles.": 24 bytes
        (BLOCKS_DOCUMENT, 1_606),
        ({"type": "document", "source": {"type": "content", "content": "word" * 7}}, 7),
        (MESSAGE_BLOCKS["tool_result"], 1_619),  # a picture, and 7 + 24 + 46 bytes of text, document and reference
        (MESSAGE_BLOCKS["tool_result of a string"], 1),  # "Order 7"
        ({"type": "tool_use", "id": "a", "name": "b", "input": {}, "cache_control": ONE_HOUR}, 12),
        ({"type": "tool_result", "tool_use_id": "a", "content": [5, "word"]}, 0),
    ],
)
def test_tokens_are_estimated_by_bytes_and_pictures(block: Json, tokens: int) -> None:
    """Four bytes to a token, a picture or a file as much as the API scales it to, nested or not."""
    body = {"messages": [user(block, text("", cache_control=ONE_HOUR))]}
    assert estimate_tokens(blocks(body)) == tokens


def test_deferred_tools_are_not_part_of_the_estimate() -> None:
    """Tool search loads them later, so the prefix does not hold them."""
    assert estimate_tokens(blocks({"tools": [tool(defer_loading=True)], "system": "word"})) == 1
