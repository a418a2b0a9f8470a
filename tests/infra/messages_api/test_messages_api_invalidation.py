"""The invalidation table: every row that the documentation names, against every tier."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.infra.messages_api.messages_api_bodies import (
    LONG_TEXT,
    MARKER,
    MODEL,
    NEW_MODEL,
    counters,
    create,
    prompt_of,
    text,
    tokens_of,
    tool,
    warm_body,
)

if TYPE_CHECKING:
    import anthropic

KEPT, LOST = "kept", "lost"

IMAGE = {"type": "image", "source": {"type": "url", "url": "https://example.com/a.png"}}
DOCUMENT = {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "x"}}
WEB_SEARCH = {"type": "web_search_20260209", "name": "web_search"}
WEB_FETCH = {"type": "web_fetch_20260309", "name": "web_fetch"}
BETA = "interleaved-thinking-2025-05-14"


def base_body(**changes: Any) -> dict[str, Any]:
    """Make a request with one breakpoint in each tier; what follows the last one is unmarked."""
    shared = text(LONG_TEXT, cache_control=MARKER)
    return warm_body(
        max_tokens=4096,
        tools=[tool("a"), tool("b", cache_control=MARKER)],
        system=[text(LONG_TEXT, cache_control=MARKER)],
        messages=[{"role": "user", "content": [shared, text("question")]}],
        **changes,
    )


def with_tools(*tools: dict[str, Any]) -> dict[str, Any]:
    """Change the tools."""
    return {**base_body(), "tools": list(tools)}


def with_system(value: str) -> dict[str, Any]:
    """Change the system prompt."""
    return {**base_body(), "system": [text(value, cache_control=MARKER)]}


def with_tail(*blocks: dict[str, Any]) -> dict[str, Any]:
    """Add blocks after the last breakpoint, so that only what they switch on can matter."""
    body = base_body()
    body["messages"][0]["content"].extend(blocks)
    return body


def with_first_message(value: str) -> dict[str, Any]:
    """Change the marked message block."""
    body = base_body()
    body["messages"][0]["content"][0] = text(value, cache_control=MARKER)
    return body


A, B = tool("a"), tool("b", cache_control=MARKER)
ALL_LOST, TAIL_LOST, MESSAGES_LOST, ALL_KEPT = (
    (LOST, LOST, LOST),
    (KEPT, LOST, LOST),
    (KEPT, KEPT, LOST),
    (KEPT, KEPT, KEPT),
)

TABLE: list[tuple[str, dict[str, Any], tuple[str, str, str]]] = [
    ("model", base_body(model="claude-opus-4-8"), ALL_LOST),
    ("tool added", with_tools(tool("c"), A, B), ALL_LOST),
    ("tool removed", with_tools(B), ALL_LOST),
    ("tools reordered", with_tools(tool("b"), tool("a", cache_control=MARKER)), ALL_LOST),
    ("tool changed by a byte", with_tools(tool("A"), B), ALL_LOST),
    ("inference_geo", base_body(inference_geo="us"), ALL_LOST),
    ("service_tier", base_body(service_tier="standard_only"), ALL_LOST),
    ("mcp_servers", base_body(mcp_servers=[{"type": "url", "url": "https://m", "name": "m"}]), ALL_LOST),
    ("web search on", with_tools(WEB_SEARCH, A, B), TAIL_LOST),
    ("web fetch on", with_tools(A, WEB_FETCH, B), TAIL_LOST),
    ("citations on", with_tail({**DOCUMENT, "citations": {"enabled": True}}), TAIL_LOST),
    ("speed", base_body(speed="fast"), TAIL_LOST),
    ("system text", with_system(LONG_TEXT + "!"), TAIL_LOST),
    ("tool_choice", base_body(tool_choice={"type": "any"}), MESSAGES_LOST),
    ("tool_choice by name", base_body(tool_choice={"type": "tool", "name": "a"}), MESSAGES_LOST),
    (
        "disable_parallel_tool_use",
        base_body(tool_choice={"type": "auto", "disable_parallel_tool_use": True}),
        MESSAGES_LOST,
    ),
    ("image added", with_tail(IMAGE), MESSAGES_LOST),
    ("thinking mode", base_body(thinking={"type": "adaptive"}), MESSAGES_LOST),
    ("thinking budget", base_body(thinking={"type": "enabled", "budget_tokens": 2048}), MESSAGES_LOST),
    ("effort", base_body(output_config={"effort": "low"}), MESSAGES_LOST),
    ("message content", with_first_message(LONG_TEXT + "!"), MESSAGES_LOST),
    ("message after the breakpoint", with_tail(text("more")), ALL_KEPT),
    ("document without citations", with_tail(DOCUMENT), ALL_KEPT),
    ("max_tokens", base_body() | {"max_tokens": 1}, ALL_KEPT),
    ("stream", base_body(stream=True), ALL_KEPT),
    ("temperature", base_body(temperature=0.5), ALL_KEPT),
    ("metadata", base_body(metadata={"user_id": "u"}), ALL_KEPT),
    ("stop_sequences", base_body(stop_sequences=["x"]), ALL_KEPT),
    ("diagnostics", base_body(diagnostics={"previous_message_id": None}), ALL_KEPT),
    ("output format", base_body(output_config={"format": {"type": "json_schema", "schema": {}}}), ALL_KEPT),
    ("marker's ttl", with_tools(A, {**tool("b"), "cache_control": {**MARKER, "ttl": "1h"}}), ALL_KEPT),
]


def tier_keys(body: dict[str, Any], *betas: str) -> tuple[str, str, str]:
    """Read the keys of the three breakpoints."""
    tools, system, messages = [block.key for block in prompt_of(body, *betas).blocks if block.breakpoint]
    return tools, system, messages


def fate(before: tuple[str, str, str], after: tuple[str, str, str]) -> tuple[str, ...]:
    """Say of each tier whether its key survived."""
    return tuple(KEPT if old == new else LOST for old, new in zip(before, after, strict=True))


@pytest.mark.parametrize(("changed", "expected"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE])
def test_a_change_loses_exactly_the_tiers_the_table_says(
    changed: dict[str, Any], expected: tuple[str, str, str]
) -> None:
    """Each row of the table loses its tiers and those after them, and keeps the others."""
    assert fate(tier_keys(base_body()), tier_keys(changed)) == expected


def test_the_set_of_betas_enters_every_tier() -> None:
    """Another set of active betas is another prompt; their order is not."""
    assert fate(tier_keys(base_body()), tier_keys(base_body(), BETA)) == ALL_LOST
    assert tier_keys(base_body(), BETA, "b") == tier_keys(base_body(), "b", BETA)


@pytest.mark.parametrize(
    "change",
    [
        {"thinking": {"type": "adaptive"}},
        {"thinking": {"type": "enabled", "budget_tokens": 2048}},
        {"output_config": {"effort": "low"}},
    ],
    ids=["mode", "budget", "effort"],
)
@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("claude-opus-5", ALL_LOST),
        (NEW_MODEL, ALL_LOST),
        ("claude-sonnet-5", ALL_LOST),
        ("claude-haiku-5-5", ALL_LOST),
        ("claude-fable-5-1", ALL_LOST),
        ("claude-mythos-5", ALL_LOST),
        ("claude-opus-4-8", MESSAGES_LOST),
        ("claude-haiku-4-5", MESSAGES_LOST),
        (MODEL, MESSAGES_LOST),
    ],
)
def test_thinking_and_effort_are_model_specific(
    model: str, change: dict[str, Any], expected: tuple[str, str, str]
) -> None:
    """Newer families lose every tier with thinking mode, budget or effort; older ones the messages."""
    before, after = base_body(model=model), base_body(model=model, **change)
    assert fate(tier_keys(before), tier_keys(after)) == expected


def test_parallel_tool_use_is_keyed_by_itself() -> None:
    """With the same kind of tool choice, `disable_parallel_tool_use` alone loses the messages."""
    before = base_body(tool_choice={"type": "auto"})
    after = base_body(tool_choice={"type": "auto", "disable_parallel_tool_use": True})
    assert fate(tier_keys(before), tier_keys(after)) == MESSAGES_LOST


def test_a_second_image_changes_nothing_before_it() -> None:
    """What is keyed is whether there are images, not how many."""
    assert fate(tier_keys(with_tail(IMAGE)), tier_keys(with_tail(IMAGE, IMAGE))) == ALL_KEPT


def test_an_image_inside_a_tool_result_counts_as_an_image() -> None:
    """Images are looked for inside blocks too."""
    body = base_body()
    body["messages"] += [
        {"role": "assistant", "content": [{"type": "tool_use", "id": "i", "name": "a", "input": {}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "i", "content": [IMAGE]}]},
    ]
    assert fate(tier_keys(base_body()), tier_keys(body)) == MESSAGES_LOST


def test_a_role_is_part_of_the_prefix() -> None:
    """The same text from the other side of the conversation is another prefix."""
    body = base_body()
    body["messages"][0]["role"] = "assistant"
    assert fate(tier_keys(base_body()), tier_keys(body)) == MESSAGES_LOST


def test_consecutive_messages_of_one_role_are_one_turn() -> None:
    """Two user messages cache like one user message with both blocks."""
    split = base_body()
    shared, question = split["messages"][0]["content"]
    split["messages"] = [{"role": "user", "content": [shared]}, {"role": "user", "content": [question]}]
    assert [block.key for block in prompt_of(split).blocks] == [block.key for block in prompt_of(base_body()).blocks]


def test_two_blocks_never_run_into_each_other() -> None:
    """Moving text from one block to the next changes the prefix although the bytes in a row do not."""
    one = [block.key for block in prompt_of(warm_body(system=[text("ab"), text("c")])).blocks]
    two = [block.key for block in prompt_of(warm_body(system=[text("a"), text("bc")])).blocks]
    assert set(one).isdisjoint(two)


def test_the_table_holds_over_http(client: anthropic.Anthropic) -> None:
    """A `speed` change reads the tools back and writes system and messages again; betas lose all."""
    tools_tokens = tokens_of(A, B)
    rest_tokens = 2 * tokens_of(text(LONG_TEXT))
    tail_tokens = tokens_of(text("question"))
    assert counters(create(client, base_body())) == (0, tools_tokens + rest_tokens, tail_tokens)
    assert counters(create(client, base_body(speed="fast"))) == (tools_tokens, rest_tokens, tail_tokens)
    with_beta = create(client, base_body(), anthropic_beta=BETA)
    assert counters(with_beta) == (0, tools_tokens + rest_tokens, tail_tokens)
    assert counters(create(client, base_body()))[0] == tools_tokens + rest_tokens
