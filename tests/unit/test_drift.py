"""Drift: which part of a request's prefix is no longer the target's, where first, and how."""

from __future__ import annotations

import copy
import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prompt_cache_warmer.rules.drift import Drift, drift
from prompt_cache_warmer.rules.json_difference import Difference, DifferenceKind, Invalidator, first_difference
from prompt_cache_warmer.values import body_checks
from prompt_cache_warmer.values.markers import mark
from prompt_cache_warmer.values.prefix import PrefixEnd, fingerprint, prefix_blocks
from tests.canaries import CANARY
from tests.documents import (
    FIVE_MINUTES,
    ONE_HOUR,
    TOOL_USE,
    Json,
    assistant,
    json_values,
    read_request,
    text,
    tool,
    user,
    valid,
)

if TYPE_CHECKING:
    from prompt_cache_warmer.values.problems import JsonPath

MODEL = "claude-opus-4-8"
MARKED = text("Be kind to everybody.", cache_control=FIVE_MINUTES)
BODY: Json = {
    "model": MODEL,
    "tools": [tool("search"), tool("order"), tool("refund")],
    "system": [text("You sell tents."), MARKED],
    "messages": [user(text("Hello."))],
}
TALK: Json = {**BODY, "messages": [user(text("A")), assistant(text("B", cache_control=FIVE_MINUTES)), user(text("C"))]}
PARTS = ["tools", "system", "markers", "model", "thinking", "effort", "betas"]


def compared(target: Json, request: Json, sent: tuple[str, ...] = (), **document: Any) -> Drift:
    """Compare a request with the target that has another one as its own."""
    return drift(valid(read_request(target, **document)), request, sent)


def differing(found: Drift) -> dict[str, Difference]:
    """Return the parts that differ."""
    return {part.part: part.difference for part in found.parts if part.difference is not None}


def changed(path: str, value: Any, body: Json = BODY) -> Json:
    """Return a body in which one place, such as ``system 0 text``, is another."""
    whole = copy.deepcopy(body)
    *outer, last = (int(part) if part.isdigit() else part for part in path.split())
    place: Any = whole
    for part in outer:
        place = place[part]
    place[last] = value
    return whole


def at(kind: str, target: JsonPath | None, request: JsonPath | None, **more: Any) -> Difference:
    """Write an expected difference."""
    return Difference(DifferenceKind(kind), target, request, **more)


def test_a_request_is_the_same_up_to_the_end_of_the_prefix() -> None:
    """What stands behind the last marker, and what belongs to one request, is nobody's drift."""
    request = {
        **BODY,
        "messages": [user(text("Other."))],
        "temperature": 1,
        "metadata": {"user_id": "u"},
        "stream": True,
    }
    request["system"] = [*BODY["system"], text("for one user")]
    request["tool_choice"] = {"type": "any"}
    found = compared(BODY, request)
    assert found.is_same
    assert found.prefix_end == ("system", 1)
    assert [part.part for part in found.parts] == PARTS


def test_a_bare_text_is_its_one_block() -> None:
    """The API renders both alike; only the marker needs a block."""
    target = {"system": [text("Be kind.", cache_control=FIVE_MINUTES)]}
    found = compared(target, {"system": "Be kind.", "cache_control": FIVE_MINUTES, "messages": []})
    assert found.is_same
    found = compared(target, {"system": "Be king.", "cache_control": FIVE_MINUTES})
    assert differing(found) == {"system": at("changed-text", ("system", 0, "text"), ("system",), character=6)}
    found = compared(target, {"system": [text("Be kind.", citations=None, cache_control=FIVE_MINUTES)]})
    assert differing(found) == {"system": at("added", None, ("system", 0, "citations"))}


TOOLS = BODY["tools"]
SCHEMA = "tools 1 input_schema"
DIFFERENCES: dict[str, tuple[Json, Json, str, Difference]] = {
    "changed text": (
        BODY,
        changed("system 0 text", "You sell boats."),
        "system",
        at("changed-text", ("system", 0, "text"), ("system", 0, "text"), character=9),
    ),
    "longer text": (
        BODY,
        changed("system 0 text", "You sell tents.."),
        "system",
        at("changed-text", ("system", 0, "text"), ("system", 0, "text"), character=15),
    ),
    "block added": (
        BODY,
        {**BODY, "system": [text("New."), *BODY["system"]]},
        "system",
        at("added", None, ("system", 0)),
    ),
    "block removed": (BODY, {**BODY, "system": [MARKED]}, "system", at("removed", ("system", 0), None)),
    "no system": (
        BODY,
        {field: value for field, value in BODY.items() if field != "system"} | {"cache_control": FIVE_MINUTES},
        "system",
        at("removed", ("system", 0), None),
    ),
    "blocks reordered": (
        BODY,
        {**BODY, "system": [MARKED, {**BODY["system"][0], "cache_control": FIVE_MINUTES}]},
        "system",
        at("reordered", ("system", 0), ("system", 0), invalidator=Invalidator.ITEM_ORDER),
    ),
    "tool added at the end": (
        BODY,
        {**BODY, "tools": [*TOOLS, tool("cancel")]},
        "tools",
        at("added", None, ("tools", 3), invalidator=Invalidator.TOOL_SET),
    ),
    "tool added before": (
        BODY,
        {**BODY, "tools": [tool("cancel"), *TOOLS]},
        "tools",
        at("added", None, ("tools", 0), invalidator=Invalidator.TOOL_SET),
    ),
    "tool removed": (
        BODY,
        {**BODY, "tools": [TOOLS[0], TOOLS[2]]},
        "tools",
        at("removed", ("tools", 1), None, invalidator=Invalidator.TOOL_SET),
    ),
    "last tool removed": (
        BODY,
        {**BODY, "tools": TOOLS[:2]},
        "tools",
        at("removed", ("tools", 2), None, invalidator=Invalidator.TOOL_SET),
    ),
    "tools reordered": (
        BODY,
        {**BODY, "tools": [TOOLS[0], TOOLS[2], TOOLS[1]]},
        "tools",
        at("reordered", ("tools", 1), ("tools", 1), invalidator=Invalidator.TOOL_ORDER),
    ),
    "tool renamed": (
        BODY,
        changed("tools 2 name", "returns"),
        "tools",
        at("changed-text", ("tools", 2, "name"), ("tools", 2, "name"), character=2),
    ),
    "tool's keys reordered": (
        BODY,
        changed("tools 1", dict(reversed(TOOLS[1].items()))),
        "tools",
        at("reordered-keys", ("tools", 1), ("tools", 1), invalidator=Invalidator.KEY_ORDER),
    ),
    "schema's list reordered": (
        changed(SCHEMA, {"type": "object", "required": ["a", "b"]}),
        changed(SCHEMA, {"type": "object", "required": ["b", "a"]}),
        "tools",
        at(
            "reordered",
            ("tools", 1, "input_schema", "required", 0),
            ("tools", 1, "input_schema", "required", 0),
            invalidator=Invalidator.ITEM_ORDER,
        ),
    ),
    "schema's list longer": (
        changed(SCHEMA, {"required": ["a"]}),
        changed(SCHEMA, {"required": ["a", "b"]}),
        "tools",
        at("added", None, ("tools", 1, "input_schema", "required", 1)),
    ),
    "schema's list shorter": (
        changed(SCHEMA, {"required": ["a", "b"]}),
        changed(SCHEMA, {"required": ["b"]}),
        "tools",
        at("removed", ("tools", 1, "input_schema", "required", 0), None),
    ),
    "schema's key removed": (
        changed(SCHEMA, {"type": "object", "title": "T"}),
        changed(SCHEMA, {"type": "object"}),
        "tools",
        at("removed", ("tools", 1, "input_schema", "title"), None),
    ),
    "a number's other writing": (
        changed(SCHEMA, {"maximum": 1}),
        changed(SCHEMA, {"maximum": 1.0}),
        "tools",
        at("changed-value", ("tools", 1, "input_schema", "maximum"), ("tools", 1, "input_schema", "maximum")),
    ),
    "nameless toolsets": (
        {**BODY, "tools": [{"type": "mcp_toolset", "mcp_server_name": name} for name in ("a", "b")]},
        {**BODY, "tools": [{"type": "mcp_toolset", "mcp_server_name": name} for name in ("b", "a")]},
        "tools",
        at("reordered", ("tools", 0), ("tools", 0), invalidator=Invalidator.TOOL_ORDER),
    ),
    "message changed": (
        TALK,
        changed("messages 0 content 0 text", "a", TALK),
        "messages",
        at("changed-text", ("messages", 0, "content", 0, "text"), ("messages", 0, "content", 0, "text"), character=0),
    ),
    "role changed": (
        TALK,
        changed("messages 0 role", "assistant", TALK),
        "messages",
        at("changed-value", ("messages", 0, "role"), ("messages", 0, "role")),
    ),
    "tool choice added": (
        TALK,
        {**TALK, "tool_choice": {"type": "any"}},
        "messages",
        at("added", None, ("tool_choice",)),
    ),
    "model": (BODY, {**BODY, "model": "claude-opus-5"}, "model", at("model-not-listed", ("models",), ("model",))),
    "thinking added": (
        BODY,
        {**BODY, "thinking": {"type": "adaptive"}},
        "thinking",
        at("added", None, ("thinking",)),
    ),
    "thinking budget": (
        {**BODY, "thinking": {"type": "enabled", "budget_tokens": 2_000}},
        {**BODY, "thinking": {"type": "enabled", "budget_tokens": 4_000}},
        "thinking",
        at("changed-value", ("thinking", "budget_tokens"), ("thinking", "budget_tokens")),
    ),
    "effort removed": (
        {**BODY, "output_config": {"effort": "high"}},
        {**BODY, "output_config": {"format": {}}},
        "effort",
        at("removed", ("output_config", "effort"), None),
    ),
    "speed": ({**BODY, "speed": "fast"}, BODY, "speed", at("removed", ("speed",), None)),
    "service tier": (BODY, {**BODY, "service_tier": "auto"}, "service_tier", at("added", None, ("service_tier",))),
    "no marker": (
        BODY,
        changed("system 1", text("Be kind to everybody.")),
        "markers",
        at("marker-missing", ("system", 1, "cache_control"), None),
    ),
    "marker before": (
        BODY,
        changed("system", [text("You sell tents.", cache_control=FIVE_MINUTES), text("Be kind to everybody.")]),
        "markers",
        at("marker-too-early", ("system", 1, "cache_control"), ("system", 0, "cache_control")),
    ),
}


@pytest.mark.parametrize("case", DIFFERENCES)
def test_the_first_difference_of_the_one_part_that_differs(case: str) -> None:
    """Each change is told in its own part, with its kind and its place on both sides; the others are the same."""
    target, request, part, expected = DIFFERENCES[case]
    found = compared(target, request)
    assert differing(found) == {part: expected}
    assert not found.is_same


def test_another_ttl_is_a_warning_because_nobody_knows_what_it_does() -> None:
    """It is told in its part with both places, and the request counts as the same, as to capture and the observer."""
    found = compared(BODY, changed("system 1 cache_control", ONE_HOUR))
    marker = ("system", 1, "cache_control")
    assert differing(found) == {"markers": at("other-ttl", marker, marker)}
    assert found.is_same
    warnings = {part.part: part.warning for part in found.parts if part.warning is not None}
    assert warnings == {"markers": "whether each finds the other's entry is not known"}


def test_another_ttl_excuses_nothing_else() -> None:
    """What does differ differs all the same."""
    found = compared(BODY, changed("system 1 text", "Be rude.", changed("system 1 cache_control", ONE_HOUR)))
    assert list(differing(found)) == ["system", "markers"]
    assert not found.is_same


def test_messages_are_compared_where_the_prefix_ends_in_them() -> None:
    """One tier more is told, and what follows the marked message is not compared."""
    request = changed("messages 2 content 0 text", "other", TALK)
    found = compared(TALK, request)
    assert found.is_same
    assert found.prefix_end == ("messages", 1, "content", 0)
    assert [part.part for part in found.parts] == ["tools", "system", "messages", *PARTS[2:]]


def test_a_prefix_of_tools_says_nothing_of_the_system_prompt() -> None:
    """The marked tool ends it; a tool behind it is none of it."""
    target = {"tools": [tool("a", cache_control=FIVE_MINUTES)], "system": "x"}
    found = compared(target, {**target, "tools": [*target["tools"], tool("b")], "system": "y"})
    assert found.is_same
    assert [part.part for part in found.parts] == ["tools", "markers", "thinking", "effort", "betas"]


@pytest.mark.parametrize(
    ("ours", "theirs", "expected"),
    [
        (["a", "b"], ("b", "a", "b"), None),
        (["a"], ("a", "b"), at("added", None, ("betas",))),
        (["a", "b"], ("a",), at("removed", ("betas",), None)),
        (["a"], ("b",), at("changed-value", ("betas",), ("betas",))),
    ],
)
def test_betas_are_a_set(ours: list[str], theirs: tuple[str, ...], expected: Difference | None) -> None:
    """Their order and their repetition do not count."""
    found = compared(BODY, BODY, theirs, betas=ours)
    assert differing(found) == ({} if expected is None else {"betas": expected})


@pytest.mark.parametrize(("more", "kind"), [(18, None), (19, "marker-too-far")])
@pytest.mark.parametrize("is_automatic", [True, False])
def test_a_later_marker_finds_the_entry_twenty_positions_back(
    more: int, kind: str | None, *, is_automatic: bool
) -> None:
    """The API counts the marked block as the first of 20; beyond them the entry is not seen."""
    blocks = [text(str(number)) for number in range(more)]
    last = text("last") if is_automatic else text("last", cache_control=FIVE_MINUTES)
    request = {
        **changed("system 1", text("Be kind to everybody.")),
        "messages": [user(*blocks, last)],
        **({"cache_control": ONE_HOUR} if is_automatic else {}),
    }
    path = ("cache_control",) if is_automatic else ("messages", 0, "content", more, "cache_control")
    expected = {} if kind is None else {"markers": at(kind, ("system", 1, "cache_control"), path)}
    assert differing(compared(BODY, request)) == expected


@pytest.mark.parametrize(("block", "is_same"), [(TOOL_USE, True), (text("a"), False)])
def test_a_run_of_tool_calls_is_one_position(block: Json, *, is_same: bool) -> None:
    """Thirty calls in a row do not push the entry out of sight, thirty texts do."""
    request = {
        **changed("system 1", text("Be kind to everybody.")),
        "messages": [assistant(*[block] * 30), user(text("b", cache_control=FIVE_MINUTES))],
    }
    assert compared(BODY, request).is_same is is_same


def test_markers_between_do_not_matter() -> None:
    """A marker at the prefix's end is enough, whatever else is marked."""
    request = changed("tools 2 cache_control", FIVE_MINUTES)
    request["messages"] = [user(text("a", cache_control=FIVE_MINUTES))]
    assert compared(BODY, request).is_same


STAMP = "Today. 2026-11-22T10:00:{}Z. Be kind."
ID = "Session 0f8fad5b-d9cb-469f-a165-70867728950{} of support"


@pytest.mark.parametrize(
    ("ours", "theirs", "expected"),
    [
        (STAMP.format("00"), STAMP.format("07"), Invalidator.TIME_STAMP),
        (ID.format("a"), ID.format("b"), Invalidator.UUID),
        ("Today's date: November 21 2026.", "Today's date: November 22 2026.", Invalidator.DATE),
        (STAMP.format("00") + "." * 60 + "a", STAMP.format("00") + "." * 60 + "b", None),
        ("b" + "." * 60 + STAMP.format("00"), "a" + "." * 60 + STAMP.format("00"), None),
        (STAMP.format("00"), "Today. Be kind.", None),
        (STAMP.format("00"), ID.format("a"), None),
        ("tents", "boats", None),
    ],
)
def test_a_silent_invalidator_is_named(ours: str, theirs: str, expected: Invalidator | None) -> None:
    """Only what stands on both sides where they differ; a stamp elsewhere in the prompt is innocent."""
    target = {"system": [text(ours, cache_control=FIVE_MINUTES)]}
    found = differing(compared(target, {"system": [text(theirs, cache_control=FIVE_MINUTES)]}))
    assert found["system"].invalidator is expected


def test_every_changing_text_the_checks_know_has_a_name_here() -> None:
    """A pattern that is added there must be an invalidator here."""
    words = [body_checks.changing_text(each) for each in (STAMP.format("00"), ID.format("a"), "today's date: 2026")]
    assert words == [Invalidator.TIME_STAMP.value, Invalidator.UUID.value, Invalidator.DATE.value]


@pytest.mark.parametrize("character", [40, 41])
def test_a_stamp_is_near_when_it_shows_within_40_characters(character: int) -> None:
    """Its pattern has to begin within them."""
    stamp = "-11-22T10:00"
    ours, theirs = (stamp + "." * (character - len(stamp)) + end for end in "ab")
    found = first_difference(ours, theirs)
    expected = Invalidator.TIME_STAMP if character == 40 else None
    assert found == Difference(DifferenceKind.CHANGED_TEXT, (), (), character, expected)


def test_a_drift_is_json_without_any_text() -> None:
    """Places and kinds only, so that it may be logged; a key that reads as prose is not shown either."""
    canary = CANARY
    secret = {"type": "object", f"{canary} is a key": f"{canary} is a value"}
    target = changed(SCHEMA, secret, changed("system 0 text", f"{canary} sells tents."))
    request = {**changed(SCHEMA, {"type": "object"}), "thinking": {"type": canary}}
    found = compared(target, request, (canary,)).as_json()
    assert canary not in json.dumps(found)
    assert found["is_same"] is False
    assert found["prefix_end"] == "$.system[1]"
    assert found["parts"][:3] == [
        {
            "part": "tools",
            "is_same": False,
            "warning": None,
            "kind": "removed",
            "target_path": "$.tools[1].input_schema[a name of 20 characters]",
            "request_path": None,
            "character": None,
            "invalidator": None,
        },
        {
            "part": "system",
            "is_same": False,
            "warning": None,
            "kind": "changed-text",
            "target_path": "$.system[0].text",
            "request_path": "$.system[0].text",
            "character": 0,
            "invalidator": None,
        },
        {
            "part": "markers",
            "is_same": True,
            "warning": None,
            "kind": None,
            "target_path": None,
            "request_path": None,
            "character": None,
            "invalidator": None,
        },
    ]
    tools = compared(BODY, {**BODY, "tools": TOOLS[:2]}).as_json()["parts"][0]
    assert tools["invalidator"] == "a tool set that varies"


SMALL = st.sampled_from(["a", "b"])
BLOCKS = st.lists(st.builds(text, SMALL), min_size=1, max_size=3)


@st.composite
def bodies(draw: st.DrawFn) -> Json:
    """Make a small body, so that two of them are often the same."""
    body: Json = {"system": draw(BLOCKS), "messages": draw(st.lists(st.builds(lambda b: user(*b), BLOCKS), max_size=2))}
    body["tools"] = draw(st.lists(st.builds(tool, SMALL, title=SMALL), max_size=3))
    marked = draw(st.sampled_from(["system", "messages"]))
    block = body["messages"][-1]["content"] if marked == "messages" and body["messages"] else body["system"]
    place = draw(st.integers(0, len(block) - 1))
    block[place] = {**block[place], "cache_control": FIVE_MINUTES}
    for field, value in (("thinking", {"type": "disabled"}), ("tool_choice", {"type": "auto"}), ("speed", "fast")):
        if draw(st.booleans()):
            body[field] = value
    return body


@settings(max_examples=150, deadline=None)  # a loaded machine is not a defect
@given(bodies(), bodies())
def test_the_parts_agree_with_the_fingerprint(ours: Json, theirs: Json) -> None:
    """Where the same number of blocks is compared, a part is the same exactly where its fingerprint is."""
    target = valid(read_request(ours))
    found = differing(drift(target, theirs))
    marked = mark(theirs)
    assert marked is not None
    if PrefixEnd.of(prefix_blocks(theirs, marked.end)) != target.summary.prefix_end:
        return
    prints = (target.summary.fingerprint, fingerprint(theirs, marked.end))
    for tier in ("tools", "system", "messages"):
        assert (tier not in found) == (getattr(prints[0], tier) == getattr(prints[1], tier))
    assert (not {"thinking", "speed"} & found.keys()) == (prints[0].settings == prints[1].settings)


@settings(deadline=None)  # as above
@given(json_values(), json_values())
def test_two_values_are_the_same_when_they_are_written_the_same(ours: Any, theirs: Any) -> None:
    """Key order and a number's writing count."""
    assert (first_difference(ours, theirs) is None) == (json.dumps(ours) == json.dumps(theirs))
    assert first_difference(ours, copy.deepcopy(ours)) is None
