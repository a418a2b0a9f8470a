"""The cache's algorithm without HTTP: lookback, positions, segments, lifetimes."""

from __future__ import annotations

from typing import Any

import pytest

from infra.local.messages_api.cache import CachePlan, PromptCache
from tests.infra.messages_api.messages_api_bodies import (
    LONG_TEXT,
    MARKER,
    prompt_of,
    text,
    tokens_of,
    warm_body,
)

WORKSPACE = "wrkspc_test"
START_SECONDS = 1000.0
MINIMUM_TOKENS = 1024


def plan(cache: PromptCache, body: dict[str, Any], at_seconds: float = START_SECONDS) -> CachePlan:
    """Plan a request."""
    return cache.plan(
        prompt_of(body), workspace_id=WORKSPACE, started_at_seconds=at_seconds, minimum_tokens=MINIMUM_TOKENS
    )


def send(cache: PromptCache, body: dict[str, Any], at_seconds: float = START_SECONDS) -> CachePlan:
    """Plan a request and carry it out."""
    planned = plan(cache, body, at_seconds)
    cache.refresh(planned)
    cache.write(planned, now_seconds=at_seconds)
    return planned


def turns(blocks_after: int) -> dict[str, Any]:
    """Make a request with an unmarked system prompt, that many text blocks, and automatic caching."""
    blocks = [text(f"block {number}") for number in range(blocks_after)]
    return warm_body(system=[text(LONG_TEXT)], messages=[{"role": "user", "content": blocks}], cache_control=MARKER)


@pytest.mark.parametrize(("blocks_after", "is_found"), [(19, True), (20, False)])
def test_a_breakpoint_checks_twenty_positions_its_own_being_the_first(blocks_after: int, *, is_found: bool) -> None:
    """A write at the 20th position is found, one at the 21st is not."""
    cache = PromptCache()
    send(cache, warm_body())
    assert (plan(cache, turns(blocks_after)).read_tokens > 0) is is_found


def test_a_second_breakpoint_opens_a_second_window() -> None:
    """An explicit marker on the far system block finds the write that the last block's window misses."""
    cache = PromptCache()
    send(cache, warm_body())
    body = {**turns(40), "system": [text(LONG_TEXT, cache_control=MARKER)]}
    assert plan(cache, body).read_tokens == tokens_of(text(LONG_TEXT))


def test_the_window_reaches_across_tiers() -> None:
    """Tools and system blocks are positions like any other."""
    cache = PromptCache()
    tools = [{"name": f"tool_{number}", "input_schema": {"type": "object"}} for number in range(3)]
    long_tool = {"name": "long", "description": LONG_TEXT, "input_schema": {"type": "object"}}
    send(cache, warm_body(system=None, tools=[{**long_tool, "cache_control": MARKER}]))
    found = plan(cache, warm_body(tools=[long_tool, *tools], system=[text("a"), text("b", cache_control=MARKER)]))
    assert found.read_tokens == tokens_of(long_tool)


def test_only_writes_are_found_not_stable_content() -> None:
    """A request marked at a changing block never finds the stable block before it, which nobody wrote."""
    cache = PromptCache()
    for number in range(2):
        blocks = [text(LONG_TEXT), text(f"now: {number}", cache_control=MARKER)]
        planned = send(cache, warm_body(system=None, messages=[{"role": "user", "content": blocks}]))
        assert planned.read_tokens == 0


def tool_conversation(calls: int, fillers: int) -> dict[str, Any]:
    """Make a conversation with one turn of parallel tool calls and some text blocks, auto-cached."""
    uses = [{"type": "tool_use", "id": f"id{n}", "name": "look_up", "input": {}} for n in range(calls)]
    results = [{"type": "tool_result", "tool_use_id": f"id{n}", "content": "42"} for n in range(calls)]
    rest = [text(f"filler {number}") for number in range(fillers)]
    return warm_body(
        system=[text(LONG_TEXT)],
        messages=[{"role": "assistant", "content": uses}, {"role": "user", "content": [*results, *rest]}],
        cache_control=MARKER,
    )


@pytest.mark.parametrize(("fillers", "is_found"), [(17, True), (18, False)])
def test_a_run_of_tool_calls_is_one_position_and_so_is_a_run_of_results(fillers: int, *, is_found: bool) -> None:
    """Thirty calls and thirty results take two of the twenty positions."""
    cache = PromptCache()
    send(cache, warm_body())
    assert (plan(cache, tool_conversation(30, fillers)).read_tokens > 0) is is_found


def test_a_write_inside_a_run_is_found_from_the_end_of_the_run() -> None:
    """A marker on a middle tool result is a write of its own, though the run is one position."""
    cache = PromptCache()
    body = tool_conversation(4, 0)
    body["messages"][1]["content"][1]["cache_control"] = MARKER
    del body["cache_control"]
    written = send(cache, body)
    assert written.plain_tokens > 0
    whole = plan(cache, tool_conversation(4, 0))
    assert whole.read_tokens == written.writes[-1].entry.tokens


def test_a_breakpoint_below_the_minimum_leaves_its_tokens_to_the_next_one() -> None:
    """A short marked tool is written as part of the system breakpoint's segment, with its ttl."""
    short_tool = {"name": "t", "input_schema": {"type": "object"}, "cache_control": {**MARKER, "ttl": "1h"}}
    planned = plan(PromptCache(), warm_body(tools=[short_tool]))
    assert [write.entry.breakpoint_kind for write in planned.writes] == ["system"]
    assert planned.written_tokens("5m") == tokens_of(short_tool, text(LONG_TEXT))
    assert planned.written_tokens("1h") == 0


def test_planning_changes_nothing() -> None:
    """A plan that is not carried out leaves no entry and refreshes none."""
    cache = PromptCache()
    send(cache, warm_body())
    before = cache.entries(START_SECONDS)
    plan(cache, warm_body(), START_SECONDS + 100)
    plan(cache, warm_body(model="claude-opus-5-5"))
    assert cache.entries(START_SECONDS) == before


def test_the_lifetime_counts_from_the_start_of_the_request() -> None:
    """A response that begins 100 seconds late leaves an entry with 200 seconds to live."""
    cache = PromptCache()
    planned = plan(cache, warm_body())
    cache.write(planned, now_seconds=START_SECONDS + 100)
    assert len(cache.entries(START_SECONDS + 299)) == 1
    assert cache.entries(START_SECONDS + 300) == ()


@pytest.mark.parametrize(("later_seconds", "is_found"), [(299, True), (300, False), (301, False)])
def test_an_entry_is_read_before_its_lapse_and_not_at_it(later_seconds: int, *, is_found: bool) -> None:
    """A request that starts exactly five minutes after the last one finds nothing."""
    cache = PromptCache()
    send(cache, warm_body())
    assert (plan(cache, warm_body(), START_SECONDS + later_seconds).read_tokens > 0) is is_found


def test_a_late_write_never_shortens_a_longer_life() -> None:
    """Of two parallel writes of one prefix the one that expires later stays."""
    cache = PromptCache()
    early, late = plan(cache, warm_body()), plan(cache, warm_body(), START_SECONDS + 50)
    cache.write(late, now_seconds=START_SECONDS + 60)
    cache.write(early, now_seconds=START_SECONDS + 70)
    (entry,) = cache.entries(START_SECONDS + 70)
    assert entry.expires_at_seconds == START_SECONDS + 350


def test_an_entry_evicted_between_plan_and_refresh_stays_evicted() -> None:
    """A refresh restarts lifetimes, it brings nothing back."""
    cache = PromptCache()
    send(cache, warm_body())
    planned = plan(cache, warm_body())
    cache.forget()
    cache.refresh(planned)
    assert cache.entries(START_SECONDS) == ()


def test_lapsed_entries_do_not_pile_up() -> None:
    """A long demo with ever new prefixes keeps a bounded table."""
    cache = PromptCache()
    for number in range(1500):
        body = warm_body(system=[text(f"{number:04d}" + "x" * 4400, cache_control=MARKER)])
        send(cache, body, START_SECONDS + number)
    assert len(cache._entries) < 1100  # the table itself: `entries` would sweep it first


def test_total_input_is_read_plus_creation_plus_plain() -> None:
    """What is read, written and paid in full always adds up to the prompt."""
    cache = PromptCache()
    for blocks in (0, 3, 25, 5):
        body = {**turns(blocks + 1), "system": [text(LONG_TEXT, cache_control=MARKER)]}
        planned = send(cache, body)
        written = planned.written_tokens("5m") + planned.written_tokens("1h")
        assert planned.read_tokens + written + planned.plain_tokens == prompt_of(body).tokens


def test_the_estimate_is_bytes_by_four_rounded_up() -> None:
    """Tokens are the UTF-8 bytes of the compact block, without its marker, by four and rounded up."""
    block, _ = prompt_of(warm_body(system=[text("é", cache_control=MARKER)])).blocks
    assert block.tokens == 7  # {"type":"text","text":"é"} is 27 bytes
