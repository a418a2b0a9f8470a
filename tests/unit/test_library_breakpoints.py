"""Breakpoints of the library: a system prompt as blocks, more markers within the API's limits, and what they cover."""

from __future__ import annotations

import copy
from collections import UserList
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prompt_cache_warmer.errors import ArgumentError, ArgumentTypeError, ArgumentValueError
from prompt_cache_warmer.library.prompts.breakpoints import (
    Breakpoint,
    add_cache_breakpoints,
    find_breakpoints,
    scope_blocks,
    to_system_blocks,
)
from prompt_cache_warmer.values.body import Block, Tier
from prompt_cache_warmer.values.body_checks import Place, body_errors
from tests.documents import FIVE_MINUTES, ONE_HOUR, PROSE, Json, assistant, text, tool, user


def prompt(*ttls: str) -> list[Json]:
    """Make a system prompt, a block for each letter: ``5`` and ``h`` are marked, ``b`` is blank, ``-`` is plain."""
    kinds: dict[str, Json] = {
        "5": {"text": "a", "cache_control": FIVE_MINUTES},
        "h": {"text": "a", "cache_control": ONE_HOUR},
        "b": {"text": " \n"},
        "-": {"text": "a"},
    }
    return [{"type": "text", **kinds[kind]} for kind in "".join(ttls)]


def picture_of(blocks: list[Json]) -> str:
    """Write blocks as ``prompt`` takes them."""
    letters = {None: "-", "5m": "5", "1h": "h"}
    markers = [block.get("cache_control") for block in blocks]
    return "".join(letters[None if marker is None else marker.get("ttl", "5m")] for marker in markers)


def test_a_text_is_one_block_and_blocks_stay_blocks() -> None:
    """prompt-cache-warmer: "System as string or blocks"."""
    assert to_system_blocks(PROSE) == [{"type": "text", "text": PROSE}]
    assert to_system_blocks("") == [{"type": "text", "text": ""}]
    assert to_system_blocks([]) == []
    assert to_system_blocks([text("a"), text("b", cache_control=ONE_HOUR)]) == [
        {"type": "text", "text": "a"},
        {"type": "text", "text": "b", "cache_control": {"type": "ephemeral", "ttl": "1h"}},
    ]
    assert add_cache_breakpoints(PROSE) == [{"type": "text", "text": PROSE, "cache_control": {"type": "ephemeral"}}]


def test_blocks_of_any_mapping_and_sequence_become_plain_ones_in_their_own_order() -> None:
    """A tuple, a read-only mapping and a list of one's own are JSON to the API; key order is kept."""
    frozen = MappingProxyType({"text": "a", "type": "text"})
    for system in ((frozen,), UserList([frozen])):
        (block,) = to_system_blocks(system)
        assert type(block) is dict
        assert list(block.items()) == [("text", "a"), ("type", "text")]


def test_the_callers_blocks_are_never_changed_nor_shared() -> None:
    """What comes back can be changed at any depth without touching what went in."""
    given_blocks = [text("a", cache_control={"type": "ephemeral"}, citations=[{"n": 1}]), text("b")]
    before = copy.deepcopy(given_blocks)
    for found in (
        to_system_blocks(given_blocks),
        add_cache_breakpoints(given_blocks, count=4),
        scope_blocks({"system": given_blocks}),
    ):
        found[0]["cache_control"]["ttl"] = "1h"
        found[0]["citations"][0]["n"] = 2
        found[0]["text"] = "changed"
    assert given_blocks == before


@pytest.mark.parametrize(
    ("before", "count", "after"),
    [
        ("-", 1, "5"),
        ("----", 1, "---5"),
        ("----", 2, "-5-5"),
        ("----", 4, "5555"),
        ("------", 3, "-5-5-5"),
        ("------", 2, "--5--5"),
        ("--------", 4, "-5-5-5-5"),
        # Where it does not divide, the stretches differ by one block at most.
        ("-----", 2, "-5--5"),
        ("-------", 3, "-5-5--5"),
        ("----------", 4, "-5--5-5--5"),
        # More places than blocks: all of them.
        ("--", 4, "55"),
        ("", 4, ""),
    ],
)
def test_places_are_spread_evenly(before: str, count: int, after: str) -> None:
    """prompt-cache-warmer: "N breakpoints evenly spaced, last block always"."""
    assert picture_of(add_cache_breakpoints(prompt(before), count=count)) == after


def test_three_markers_and_four_more_are_four() -> None:
    """prompt-cache-warmer: "3 existing markers + 4 gives 6" is the defect; here they are 4, the last block included."""
    assert picture_of(add_cache_breakpoints(prompt("555---"), count=4)) == "555--5"


@pytest.mark.parametrize(
    ("before", "count", "taken", "after"),
    [
        # Room for as many places as asked for, for fewer, for none.
        ("5-----", 2, 0, "5-5--5"),
        ("5-----", 3, 0, "55-5-5"),
        ("5-----", 4, 0, "5-55-5"),
        ("55----", 4, 0, "55-5-5"),
        ("55----", 3, 1, "55---5"),
        ("5555--", 4, 0, "5555--"),
        ("------", 4, 1, "-5-5-5"),
        ("------", 4, 2, "--5--5"),
        ("------", 4, 3, "-----5"),
        ("------", 4, 4, "------"),
        ("--55--", 1, 2, "--55--"),
    ],
)
def test_there_are_never_more_than_four(before: str, count: int, taken: int, after: str) -> None:
    """prompt-cache-warmer: "at most 4 **in total**", with those in tools and messages; fewer are spaced evenly too."""
    assert picture_of(add_cache_breakpoints(prompt(before), count=count, taken=taken)) == after


@pytest.mark.parametrize(
    ("before", "count", "ttl", "after"),
    [
        ("h--", 1, "5m", "h-5"),
        ("--h", 1, "5m", "--h"),
        ("--5", 1, "1h", "--5"),
        ("-5-5", 2, "5m", "-5-5"),
        ("---5", 2, "1h", "-h-5"),
    ],
)
def test_what_is_marked_stays_as_it_is(before: str, count: int, ttl: Any, after: str) -> None:
    """prompt-cache-warmer: "existing markers kept, ttl included", and a marked place counts as one of the places."""
    assert picture_of(add_cache_breakpoints(prompt(before), count=count, ttl=ttl)) == after


def test_a_kept_marker_is_kept_to_the_letter() -> None:
    """A marker that spells out its five minutes is not rewritten."""
    spelt = {"ttl": "5m", "type": "ephemeral"}
    first, last = add_cache_breakpoints([text("a", cache_control=spelt), text("b")])
    assert list(first["cache_control"].items()) == [("ttl", "5m"), ("type", "ephemeral")]
    assert last["cache_control"] == {"type": "ephemeral"}


def test_an_hour_is_asked_for_by_name() -> None:
    """A 1h marker says so; a 5m marker is the API's default and says nothing."""
    (block,) = add_cache_breakpoints("a", ttl="1h")
    assert block["cache_control"] == {"type": "ephemeral", "ttl": "1h"}
    (block,) = add_cache_breakpoints("a", ttl="5m")
    assert block["cache_control"] == {"type": "ephemeral"}


@pytest.mark.parametrize(
    ("before", "count", "after"),
    [
        ("--b", 1, "-5-"),
        ("b", 4, "-"),
        ("bb-b-b", 2, "--5-5-"),
        ("b-b-b-b-b", 2, "---5---5-"),
    ],
)
def test_blank_blocks_are_passed_over(before: str, count: int, after: str) -> None:
    """The API refuses a marker on a blank block, so the last block that can carry one is the last."""
    assert picture_of(add_cache_breakpoints(prompt(before), count=count)) == after


@pytest.mark.parametrize("words", ["", " ", "\n\t", "\u00a0"])
def test_a_blank_text_can_carry_no_marker(words: str) -> None:
    """Blank means no visible character, as it does to the API; a text without text is blank too."""
    assert not Block(Tier.SYSTEM, ("system", 0), text(words)).is_markable
    assert not Block(Tier.SYSTEM, ("system", 0), {"type": "text"}).is_markable
    assert Block(Tier.SYSTEM, ("system", 0), text(f"{words}a")).is_markable
    assert add_cache_breakpoints(words) == [text(words)]


@pytest.mark.parametrize(
    ("before", "count", "after"), [("--h", 3, "hhh"), ("--h--", 2, "-hh-5"), ("-h-5--", 3, "-h-5-5")]
)
def test_a_new_marker_before_an_hours_is_an_hours(before: str, count: int, after: str) -> None:
    """1h markers come first, so before one of them five minutes become an hour; behind the last they stay."""
    assert picture_of(add_cache_breakpoints(prompt(before), count=count, ttl="5m")) == after


@pytest.mark.parametrize(("before", "count"), [("5-", 1), ("--5-", 2), ("5---5", 2), ("h5-", 1)])
def test_an_hour_behind_five_minutes_is_refused(before: str, count: int) -> None:
    """The API would refuse it, and five minutes instead would be cold at the next refresh, so the caller decides."""
    with pytest.raises(ArgumentValueError) as caught:
        add_cache_breakpoints(prompt(before), count=count, ttl="1h")
    assert str(caught.value) == (
        "ttl: '1h' cannot follow a 5m marker; 1h markers come first: use ttl='5m', or make the earlier one 1h"
    )


def test_the_order_is_kept_with_tools_and_messages_too() -> None:
    """What find_breakpoints says of the whole request counts, its own system markers only once."""
    request: Json = {
        "tools": [tool(cache_control=ONE_HOUR)],
        "system": prompt("h---"),
        "messages": [user(text("a", cache_control=ONE_HOUR))],
    }
    taken = find_breakpoints(request)
    assert picture_of(add_cache_breakpoints(request["system"], count=4, taken=taken)) == "h--h"
    assert picture_of(add_cache_breakpoints("a", taken=[Breakpoint("tools[0]", "tools", "1h")])) == "5"
    assert picture_of(add_cache_breakpoints("a", taken=[Breakpoint("cache_control", "automatic", "1h")])) == "h"
    messages = [Breakpoint("messages[0].content[0]", "messages", "5m")]
    assert picture_of(add_cache_breakpoints("a", ttl="1h", taken=messages)) == "h"
    with pytest.raises(ArgumentValueError, match="ttl: '1h' cannot follow a 5m marker"):
        add_cache_breakpoints("a", ttl="1h", taken=[Breakpoint("tools[0]", "tools", "5m")])


def test_only_markers_outside_the_system_prompt_are_counted_with_it() -> None:
    """A list of the whole request names the system prompt's own markers, which stand in the prompt already."""
    request: Json = {"system": prompt("5----5"), "cache_control": FIVE_MINUTES}
    taken = find_breakpoints(request)
    assert len(taken) == 3
    assert picture_of(add_cache_breakpoints(request["system"], count=1, taken=taken)) == "5----5"
    assert picture_of(add_cache_breakpoints(request["system"], count=3, taken=taken)) == "5-5--5"


@pytest.mark.parametrize(
    ("before", "taken", "argument", "message"),
    [
        ("55555", 0, "system", "5 cache_control markers in all (0 outside the system prompt); at most 4 are allowed"),
        ("555", 2, "system", "5 cache_control markers in all (2 outside the system prompt); at most 4 are allowed"),
        ("5h-", 0, "system", "a 1h marker follows a 5m marker; 1h markers come first"),
        (
            "h-",
            [Breakpoint("tools[0]", "tools", "5m")],
            "system",
            "a 1h marker follows a 5m marker; 1h markers come first",
        ),
        (
            "-5",
            [Breakpoint("cache_control", "automatic", "1h")],
            "system",
            "a 1h marker follows a 5m marker; 1h markers come first",
        ),
    ],
)
def test_a_request_the_api_refuses_already_is_refused(before: str, taken: Any, argument: str, message: str) -> None:
    """Nothing that is added could make it legal."""
    with pytest.raises(ArgumentValueError) as caught:
        add_cache_breakpoints(prompt(before), taken=taken)
    assert (caught.value.argument, str(caught.value)) == (argument, f"{argument}: {message}")


@settings(deadline=None)  # a loaded machine is not a defect
@given(st.text("5hb-", max_size=12), st.integers(1, 4), st.sampled_from(["5m", "1h"]), st.integers(0, 4))
def test_what_comes_back_is_always_legal(kinds: str, count: int, ttl: Any, taken: int) -> None:
    """Or it is an error: old markers kept, at most 4, in order, the last block among them, a second time no change."""
    before = prompt(kinds)
    try:
        after = add_cache_breakpoints(before, count=count, ttl=ttl, taken=taken)
    except ArgumentError:
        is_legal = kinds.count("5") + kinds.count("h") + taken <= 4 and "5h" not in kinds.replace("-", "").replace(
            "b", ""
        )
        assert not is_legal or (ttl == "1h" and "5" in kinds)
        return
    assert [block["text"] for block in after] == [block["text"] for block in before]
    for old, new in zip(before, after, strict=True):
        assert old == new or "cache_control" not in old
    marks = picture_of(after).replace("-", "")
    assert len(marks) + taken <= 4
    assert "5h" not in marks
    place = Place("", short_form=False)
    assert {error.code for error in body_errors({"system": after}, place)} <= {"blank-prompt"}
    added = len(marks) - kinds.count("5") - kinds.count("h")
    assert 0 <= added <= count
    visible = [new for new in after if new["text"].strip()]
    if visible and kinds.count("5") + kinds.count("h") + taken < 4:
        assert "cache_control" in visible[-1]
    assert add_cache_breakpoints(after, count=count, ttl="5m", taken=taken) == after


@pytest.mark.parametrize(
    ("arguments", "kind", "message"),
    [
        ({"count": 0}, ValueError, "count: 0 is not allowed; allowed: 1 to 4: the API takes 4 markers in all"),
        ({"count": 5}, ValueError, "count: 5 is not allowed; allowed: 1 to 4: the API takes 4 markers in all"),
        ({"count": -1}, ValueError, "count: -1 is not allowed; allowed: 1 to 4: the API takes 4 markers in all"),
        ({"count": True}, TypeError, "count: a value of type bool is not a whole number; allowed: 1 to 4"),
        ({"count": 2.0}, TypeError, "count: a value of type float is not a whole number; allowed: 1 to 4"),
        ({"count": "2"}, TypeError, "count: a value of type str is not a whole number; allowed: 1 to 4"),
        ({"count": None}, TypeError, "count: a value of type NoneType is not a whole number; allowed: 1 to 4"),
        ({"taken": -1}, ValueError, "taken: -1 is not allowed; allowed: 0 to 4: the API takes 4 markers in all"),
        ({"taken": 5}, ValueError, "taken: 5 is not allowed; allowed: 0 to 4: the API takes 4 markers in all"),
        ({"taken": False}, TypeError, "taken: a value of type bool is not a whole number; allowed: 0 to 4"),
        ({"taken": "tools"}, TypeError, "taken: a value of type str is not a whole number; allowed: 0 to 4"),
        ({"taken": b"x"}, TypeError, "taken: a value of type bytes is not a whole number; allowed: 0 to 4"),
        (
            {"taken": ["5m"]},
            TypeError,
            "taken: a value of type str is not a Breakpoint, as find_breakpoints lists them",
        ),
        ({"ttl": "1hr"}, ValueError, "ttl: '1hr' is not allowed; allowed: '5m' or '1h'; did you mean '1h'?"),
        ({"ttl": "2d"}, ValueError, "ttl: '2d' is not allowed; allowed: '5m' or '1h'"),
        ({"ttl": 3600}, TypeError, "ttl: a value of type int is not allowed; allowed: '5m' or '1h'"),
        ({"ttl": ["1h"]}, TypeError, "ttl: a value of type list is not allowed; allowed: '5m' or '1h'"),
        ({"system": None}, TypeError, "system: a value of type NoneType is not text or a list of blocks"),
        ({"system": {"type": "text"}}, TypeError, "system: a value of type dict is not text or a list of blocks"),
        ({"system": ["a"]}, TypeError, "system[0]: system[0]=a string of 1 characters must be an object"),
        ({"system": [text("a"), {"text": "b"}]}, ValueError, "system[1].type: type is missing"),
        (
            {"system": [text("a", cache_control="5m")]},
            TypeError,
            "system[0].cache_control: cache_control=a string of 2 characters must be an object",
        ),
        (
            {"system": [text("a", cache_control={"type": "ephemeral", "ttl": "2h"})]},
            ValueError,
            "system[0].cache_control.ttl: ttl='2h' is not allowed; allowed: '5m' or '1h'",
        ),
    ],
)
def test_a_bad_argument_is_named_with_what_is_allowed(arguments: Json, kind: type[Exception], message: str) -> None:
    """The error is ours and Python's own kind at once, and says which argument, which value and what is allowed."""
    with pytest.raises(ArgumentError) as caught:
        add_cache_breakpoints(**{"system": PROSE, **arguments})
    assert isinstance(caught.value, kind)
    assert str(caught.value) == message


ALLOWED = "is not JSON; allowed: text, numbers, true, false, None, lists, mappings and the SDK's objects"
HOLDING_ITSELF: list[Any] = []
HOLDING_ITSELF.append(HOLDING_ITSELF)


@pytest.mark.parametrize(
    ("value", "kind", "message"),
    [
        ({1}, ArgumentTypeError, f"system[0].extra: a value of type set {ALLOWED}"),
        (b"a", ArgumentTypeError, f"system[0].extra: a value of type bytes {ALLOWED}"),
        (bytearray(b"a"), ArgumentTypeError, f"system[0].extra: a value of type bytearray {ALLOWED}"),
        (memoryview(b"a"), ArgumentTypeError, f"system[0].extra: a value of type memoryview {ALLOWED}"),
        (object(), ArgumentTypeError, f"system[0].extra: a value of type object {ALLOWED}"),
        ([0, {"deep": 1j}], ArgumentTypeError, f"system[0].extra[1].deep: a value of type complex {ALLOWED}"),
        ({1: "a"}, ArgumentTypeError, f"system[0].extra: a key of type int {ALLOWED}"),
        (float("nan"), ArgumentValueError, "system[0].extra: nan is no number in JSON"),
        ([float("-inf")], ArgumentValueError, "system[0].extra[0]: -inf is no number in JSON"),
        (
            "ab\ud800c",
            ArgumentValueError,
            "system[0].extra: character 2 is half of a surrogate pair, which no request can carry",
        ),
        (
            {"\udfff": 1},
            ArgumentValueError,
            "system[0].extra: character 0 is half of a surrogate pair, which no request can carry",
        ),
        (HOLDING_ITSELF, ArgumentValueError, "system: nested more than 64 levels deep"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_is_not_json_is_refused_with_its_place(value: object, kind: type[ArgumentError], message: str) -> None:
    """No request could carry it; the error names the place and never the text, in no cause either."""
    with pytest.raises(kind) as caught:
        to_system_blocks([text("a", extra=value)])
    assert str(caught.value) == message
    assert (caught.value.__cause__, caught.value.__context__) == (None, None)


def test_every_kind_of_json_passes() -> None:
    """Numbers, words, nothing and truth come through as they are, 60 levels deep too."""
    deep: Any = 0
    for _ in range(60):
        deep = [deep]
    extra = {"n": [1, 0.5, -0.0, True, False, None, "ä"], "deep": deep, "empty": {}}
    assert to_system_blocks([text("a", extra=extra)]) == [text("a", extra=extra)]


def test_breakpoints_are_found_where_they_are() -> None:
    """prompt-cache-key: "`find_breakpoints`" lists tools, then system, then messages, then automatic caching."""
    request: Json = {
        "cache_control": FIVE_MINUTES,
        "messages": [
            user(text("a"), text("b", cache_control=FIVE_MINUTES)),
            {"role": "assistant", "content": "c"},
            user(text("d", cache_control={"type": "ephemeral", "ttl": "5m"})),
        ],
        "system": [text("a"), text("b", cache_control=ONE_HOUR), text("c", cache_control=None)],
        "tools": [tool("a", cache_control=ONE_HOUR), tool("b", input_schema={"cache_control": FIVE_MINUTES})],
    }
    assert find_breakpoints(request) == [
        Breakpoint(path="tools[0]", tier="tools", ttl="1h"),
        Breakpoint(path="system[1]", tier="system", ttl="1h"),
        Breakpoint(path="messages[0].content[1]", tier="messages", ttl="5m"),
        Breakpoint(path="messages[2].content[0]", tier="messages", ttl="5m"),
        Breakpoint(path="cache_control", tier="automatic", ttl="5m"),
    ]
    assert find_breakpoints({"system": PROSE, "cache_control": ONE_HOUR}) == [
        Breakpoint("cache_control", "automatic", "1h")
    ]
    assert find_breakpoints({"system": PROSE, "cache_control": None}) == []
    assert find_breakpoints({}) == []


@pytest.mark.parametrize(
    ("request_body", "scope"),
    [
        # Blocks behind the last marker are in no scope, whatever tier they stand in.
        (
            {"system": [text("a"), text("b", cache_control=ONE_HOUR), text("c")], "tools": [tool()]},
            [tool(), text("a"), text("b", cache_control=ONE_HOUR)],
        ),
        ({"tools": [tool(cache_control=FIVE_MINUTES)], "system": "a"}, [tool(cache_control=FIVE_MINUTES)]),
        (
            {"system": "a", "messages": [user(text("b")), assistant(text("c", cache_control=FIVE_MINUTES), text("d"))]},
            [text("a"), text("b"), text("c", cache_control=FIVE_MINUTES)],
        ),
        # Automatic caching counts where a warm call puts its marker.
        (
            {"system": "a", "messages": [user(text("b"))], "cache_control": ONE_HOUR},
            [text("a", cache_control=ONE_HOUR)],
        ),
        # Without a marker nothing is cached.
        ({"tools": [tool()], "system": [text("a")], "messages": [user(text("b"))]}, []),
        ({"messages": [user(text("b"))], "cache_control": ONE_HOUR}, []),
        ({}, []),
    ],
)
def test_the_scope_ends_with_the_last_marker(request_body: Json, scope: list[Json]) -> None:
    """prompt-cache-key: "`scope_blocks` (up to the last marker)"."""
    assert scope_blocks(request_body) == scope


@pytest.mark.parametrize("function", [find_breakpoints, scope_blocks])
@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([], "request: a value of type list is not a Messages API body, such as {'system': [...]}"),
        ("a", "request: a value of type str is not a Messages API body, such as {'system': [...]}"),
        (
            None,
            "request: a value of type NoneType is not a Messages API body, such as {'system': [...]}",
        ),
        ({"tools": {}}, "request.tools: tools=an object of 0 fields must be a list"),
        (
            {"messages": [{"role": "user", "content": [object()]}]},
            f"request.messages[0].content[0]: a value of type object {ALLOWED}",
        ),
        ({1: "a"}, f"request: a key of type int {ALLOWED}"),
    ],
)
def test_what_is_no_request_is_refused_with_its_place(function: Any, value: Any, message: str) -> None:
    """A list of blocks is not a request; inside one, the place is told from the argument on."""
    with pytest.raises(ArgumentTypeError) as caught:
        function(value)
    assert str(caught.value) == message
