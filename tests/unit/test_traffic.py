"""Traffic: which target a request belongs to, and which tiers are not the target's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from prompt_cache_warmer.rules.lookback import Reach
from prompt_cache_warmer.rules.traffic import Match, Matches, entry_key, longest_ttl_seconds, match
from prompt_cache_warmer.values.state import EntryKey
from tests.fakes import MODEL, document, target

if TYPE_CHECKING:
    from prompt_cache_warmer.values.targets import TargetSummary

MARK = {"type": "ephemeral"}
OTHER_MODEL = "claude-haiku-4-5"
TOOL = {"name": "find", "input_schema": {"type": "object"}}


def text(words: str, *, marked: bool = False) -> dict[str, Any]:
    """Return a text block."""
    return {"type": "text", "text": words, **({"cache_control": MARK} if marked else {})}


def named(name: str, request: dict[str, Any], **changes: Any) -> TargetSummary:
    """Return a target that keeps a request's prefix warm."""
    return target(name=name, request=request, **changes).summary


LONG = text("You know everything. " * 500)
SHORT = {"system": [{**LONG, "cache_control": MARK}]}
LONGER = {"system": [LONG, text("And you are polite.", marked=True)]}
WITH_TOOLS = {"tools": [TOOL], **SHORT}
SAID = [{"role": "user", "content": "Hello"}]


def all_found(body: dict[str, Any], *targets: TargetSummary, model: str = MODEL, **options: Any) -> Matches:
    """Return all matches of a body of this model."""
    return match({"messages": SAID, **body}, options.pop("betas", ()), model, targets, **options)


def found(body: dict[str, Any], *targets: TargetSummary, model: str = MODEL, **options: Any) -> Match | None:
    """Return the target a body of this model belongs to."""
    return all_found(body, *targets, model=model, **options).own


HERE = Reach(0, "5m", is_last=True)


def test_a_request_belongs_to_the_target_whose_prefix_it_carries() -> None:
    """By its blocks alone: markers, further blocks and other fields change nothing."""
    mine, other = named("mine", SHORT), named("other", {"system": [text("Another prompt.", marked=True)]})
    body = {"system": [LONG, text("Today is Monday.")], "max_tokens": 9, "temperature": 0.5}
    assert found(body, mine, other) == Match(mine, (), None)
    assert found({"system": "Nobody knows this prompt."}, mine, other) is None
    assert found({}, mine, other) is None
    assert found(body) is None


def test_of_several_targets_the_longest_prefix_counts() -> None:
    """In whatever order they are listed, and the shorter one where only that is carried."""
    short, longer = named("short", SHORT), named("longer", LONGER)
    for targets in ((short, longer), (longer, short)):
        both, one = found(LONGER, *targets), found(SHORT, *targets)
        assert both is not None
        assert one is not None
        assert (both.target, one.target) == (longer, short)


def test_one_block_and_none_are_told_apart() -> None:
    """A prefix that ends in the very first block is found beside one that the request is too short for."""
    short, longer = named("short", SHORT), named("longer", LONGER)
    alone = found(SHORT, longer, short)
    assert alone == Match(short, (), HERE)


def test_a_model_that_is_not_warmed_belongs_to_no_target_by_its_prefix() -> None:
    """Caches are per model."""
    assert found(SHORT, named("mine", SHORT), model=OTHER_MODEL) is None


def test_the_name_the_application_says_counts_before_any_prefix() -> None:
    """Also where another target's prefix is carried, and to nobody where there is no such target."""
    short, longer = named("short", SHORT), named("longer", LONGER)
    said = found(LONGER, short, longer, ascribed_to="short")
    assert said == Match(short, (), Reach(1, "5m", is_last=True))
    assert found(LONGER, short, longer, ascribed_to="nobody") is None


@pytest.mark.parametrize(
    ("body", "betas", "model", "drifted"),
    [
        pytest.param(WITH_TOOLS, (), MODEL, (), id="none"),
        pytest.param({**WITH_TOOLS, "tools": [{**TOOL, "name": "seek"}]}, (), MODEL, ("tools",), id="tools"),
        pytest.param({**WITH_TOOLS, "tools": [TOOL, TOOL]}, (), MODEL, ("tools",), id="one-more-tool"),
        pytest.param({**WITH_TOOLS, "system": "Others."}, (), MODEL, ("system",), id="system"),
        pytest.param({**WITH_TOOLS, "speed": "fast"}, (), MODEL, ("settings",), id="speed"),
        pytest.param(
            {**WITH_TOOLS, "thinking": {"type": "enabled", "budget_tokens": 2000}}, (), MODEL, ("settings",), id="think"
        ),
        pytest.param({**WITH_TOOLS, "output_config": {"effort": "low"}}, (), MODEL, ("settings",), id="effort"),
        pytest.param(WITH_TOOLS, ("context-1m",), MODEL, ("settings",), id="betas"),
        pytest.param(WITH_TOOLS, (), OTHER_MODEL, ("model",), id="model"),
        pytest.param({"system": "Others."}, ("b",), OTHER_MODEL, ("tools", "system", "settings", "model"), id="all"),
        pytest.param({"tools": [TOOL]}, (), MODEL, ("system",), id="shorter"),
        pytest.param({}, (), OTHER_MODEL, ("system", "model"), id="shorter-and-model"),
    ],
)
def test_an_ascribed_request_says_which_tiers_drifted(
    body: dict[str, Any], betas: tuple[str, ...], model: str, drifted: tuple[str, ...]
) -> None:
    """In the API's order, the model last; a request with fewer blocks has lost the tier the prefix ends in."""
    matched = found(body, named("mine", WITH_TOOLS), model=model, betas=betas, ascribed_to="mine")
    assert matched is not None
    assert matched.drifted == drifted


def test_messages_that_changed_are_a_drift_of_a_target_with_messages() -> None:
    """And of no other: the message after the prefix is everybody's own."""
    shared = [{"role": "user", "content": [text("The contract.", marked=True)]}]
    mine = named("mine", {**SHORT, "messages": shared})
    changed = [{"role": "user", "content": [text("Another contract.")]}]
    assert found({**SHORT, "messages": [*shared, *SAID]}, mine) == Match(mine, (), HERE)
    drifted = found({**SHORT, "messages": changed}, mine, ascribed_to="mine")
    assert drifted is not None
    assert drifted.drifted == ("messages",)
    no_messages = found({**SHORT, "messages": []}, mine, ascribed_to="mine")
    assert no_messages == Match(mine, ("messages",), None)


def test_betas_belong_to_the_prefix_in_any_order() -> None:
    """They are a set: order and repetition say nothing."""
    mine = target(name="mine", request=SHORT, betas=["one", "two"]).summary
    assert found(SHORT, mine, betas=("two", "one", "two")) == Match(mine, (), HERE)
    assert found(SHORT, mine, betas=("one",)) == Match(mine, ("settings",), HERE)


def used_tool(number: int) -> dict[str, Any]:
    """Return a tool call."""
    return {"type": "tool_use", "id": f"t{number}", "name": "find", "input": {}}


def result(number: int) -> dict[str, Any]:
    """Return its result."""
    return {"type": "tool_result", "tool_use_id": f"t{number}", "content": "-"}


@pytest.mark.parametrize(
    ("messages", "automatic", "distance"),
    [
        pytest.param([[text("a")]], False, None, id="none"),
        pytest.param([[text("a", marked=True)]], False, 1, id="next"),
        pytest.param([[text("a"), text("b", marked=True), text("c", marked=True)]], False, 2, id="the-first-counts"),
        pytest.param([[text("a")], [text("b")]], True, 2, id="automatic"),
        pytest.param(
            [[used_tool(1), used_tool(2)], [result(1), result(2)], [text("b", marked=True)]], False, 3, id="runs"
        ),
        pytest.param([[used_tool(1), text("a"), {**used_tool(2), "cache_control": MARK}]], False, 3, id="broken-run"),
        pytest.param([[used_tool(1), {**used_tool(2), "cache_control": MARK}]], False, 1, id="inside-a-run"),
    ],
)
def test_the_distance_to_the_next_marker(messages: list[list[Any]], automatic: bool, distance: int | None) -> None:  # noqa: FBT001 - a column
    """Positions as the lookback counts them: a run of tool calls is one, and so is a run of results."""
    mine = named("mine", SHORT)
    said = [{"role": ("user", "assistant")[index % 2], "content": blocks} for index, blocks in enumerate(messages)]
    body: dict[str, Any] = {"system": [LONG], "messages": said, **({"cache_control": MARK} if automatic else {})}
    matched = found(body, mine)
    assert matched is not None
    assert (matched.marker_distance, matched.drifted) == (distance, ())


def test_a_marker_before_the_end_of_the_prefix_is_not_the_next_one() -> None:
    """Only what stands at it or after it can find the entry."""
    longer = named("longer", LONGER)
    body = {"system": [{**LONG, "cache_control": MARK}, text("And you are polite.")]}
    assert found(body, longer) == Match(longer, (), None)


def test_other_settings_are_still_the_targets_request() -> None:
    """As a drift, so that it is told; a target whose prefix is carried whole comes first."""
    mine, whole = named("mine", LONGER), named("whole", {**SHORT, "speed": "fast"})
    fast = {**LONGER, "speed": "fast"}
    assert found(fast, mine) == Match(mine, ("settings",), HERE)
    own = found(fast, mine, whole)
    assert own is not None
    assert own.target is whole


def test_every_target_whose_prefix_is_carried_is_named() -> None:
    """Whatever the request belongs to, it may keep the entries of all of them alive."""
    short, longer, twin = named("short", SHORT), named("longer", LONGER), named("twin", SHORT)
    drifted = named("drifted", {"system": [text("Another prompt.", marked=True)]})
    matches = all_found(LONGER, short, longer, twin, drifted)
    assert matches.own is not None
    assert matches.own.target is longer
    assert {each.target.name for each in matches.others} == {"short", "twin"}
    assert all_found(LONGER, short, longer, ascribed_to="nobody") == Matches(
        None,
        (found(LONGER, short), found(LONGER, longer)),  # type: ignore[arg-type] # both are found
    )
    said = all_found(LONGER, short, drifted, ascribed_to="drifted")
    assert said.own is not None
    assert (said.own.drifted, [each.target.name for each in said.others]) == (("system",), ["short"])


def test_settings_that_are_null_are_those_that_are_left_out() -> None:
    """The API takes null there as absent."""
    mine = named("mine", SHORT)
    body = {**SHORT, "thinking": None, "inference_geo": None, "speed": None, "output_config": None}
    assert found(body, mine) == Match(mine, (), HERE)


def test_the_longest_time_to_live_is_the_requests_or_the_targets() -> None:
    """An entry of an hour may have been written by either."""
    mine = named("mine", SHORT)
    hour = {"type": "ephemeral", "ttl": "1h"}
    assert longest_ttl_seconds(SHORT, mine) == 300
    assert longest_ttl_seconds({"system": [{**LONG, "cache_control": hour}]}, mine) == 3600
    assert longest_ttl_seconds({**SHORT, "cache_control": hour}, mine) == 3600
    assert longest_ttl_seconds({}, named("hour", {"system": [{**LONG, "cache_control": hour}]})) == 3600


def test_an_entry_is_of_the_model_that_was_asked() -> None:
    """And of the target's credential."""
    mine = target(models=[MODEL, OTHER_MODEL], credential="team").summary
    assert entry_key(mine, OTHER_MODEL) == EntryKey("support", "team", OTHER_MODEL)


def test_the_document_of_the_tests_is_found() -> None:
    """The prefix of a whole document is the application's own."""
    mine = target().summary
    assert found(document()["request"], mine) == Match(mine, (), HERE)
