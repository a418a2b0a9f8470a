"""The warm call: exactly what is sent, for every shape a prefix may have."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from prompt_cache_warmer.rules.request import PLACEHOLDER_TEXT, Form, WarmCall, warm_call, with_one_token
from tests.fakes import MODEL, document, target

MARK = {"type": "ephemeral"}
MARK_1H = {"type": "ephemeral", "ttl": "1h"}
PLACEHOLDER = {"type": "text", "text": PLACEHOLDER_TEXT}
SYSTEM = [{"type": "text", "text": "You are a support agent.", "cache_control": MARK}]
TOOL = {"name": "search", "input_schema": {"type": "object"}, "description": "Search."}
CALL_A = {"type": "tool_use", "id": "toolu_a", "name": "search", "input": {}}
CALL_B = {"type": "tool_use", "id": "toolu_b", "name": "search", "input": {}}
RESULT_A = {"type": "tool_result", "tool_use_id": "toolu_a", "content": "found"}


def marked(block: dict[str, Any]) -> dict[str, Any]:
    """Return a block with a marker."""
    return {**block, "cache_control": MARK}


def text(words: str) -> dict[str, Any]:
    """Return a text block."""
    return {"type": "text", "text": words}


def call_for(request: dict[str, Any], **changes: Any) -> WarmCall:
    """Build the warm call of a request."""
    return warm_call(target(request=request, **changes), MODEL)


def test_a_system_prefix_is_followed_by_the_placeholder_and_max_tokens_0() -> None:
    """The plainest case: the system prompt as it is, a placeholder user message, max_tokens 0, nothing else."""
    call = call_for({"system": SYSTEM})
    assert call.body == {
        "system": SYSTEM,
        "messages": [{"role": "user", "content": [PLACEHOLDER]}],
        "model": MODEL,
        "max_tokens": 0,
    }
    assert (call.form, call.credential, call.betas, call.requested_ttl) == (Form.ZERO, "default", (), "5m")


def test_what_belongs_to_one_request_is_left_out() -> None:
    """Sampling, stream, stop sequences, metadata, diagnostics and the pasted model are in no cache key."""
    call = call_for(
        {
            "model": "claude-opus-4-8",
            "max_tokens": 4096,
            "stream": True,
            "stop_sequences": ["END"],
            "temperature": 0.3,
            "top_p": 0.9,
            "top_k": 5,
            "metadata": {"user_id": "u"},
            "diagnostics": {"previous_message_id": None},
            "betas": ["interleaved-thinking-2025-05-14"],
            "system": SYSTEM,
        }
    )
    assert set(call.body) == {"system", "messages", "model", "max_tokens"}
    assert call.body["model"] == MODEL
    assert call.betas == ("interleaved-thinking-2025-05-14",)


def test_what_is_rendered_into_the_prompt_stays_as_it_is() -> None:
    """Thinking, effort, speed, geo, tier, MCP servers and unknown fields travel exactly, in the author's order."""
    kept = {
        "inference_geo": "eu",
        "thinking": {"type": "adaptive"},
        "speed": "fast",
        "service_tier": "standard_only",
        "output_config": {"effort": "high"},
        "mcp_servers": [{"type": "url", "name": "x"}],
        "context_management": {"edits": []},
        "a_field_of_next_year": {"b": 1, "a": 2},
        "system": SYSTEM,
    }
    call = call_for(kept)
    assert {name: call.body[name] for name in kept} == kept
    assert list(call.body)[: len(kept)] == list(kept)
    assert call.form is Form.ZERO


def test_the_authors_body_is_never_changed() -> None:
    """Building a call leaves the target's own body alone."""
    found = target(
        request={
            "system": SYSTEM,
            "messages": [{"role": "user", "content": [marked(text("hello"))]}, {"role": "user", "content": "cut"}],
        }
    )
    before = copy.deepcopy(found.body)
    warm_call(found, MODEL)
    assert found.body == before


@pytest.mark.parametrize(
    ("messages", "sent"),
    [
        pytest.param(
            [{"role": "user", "content": [marked(text("context")), text("question")]}],
            [{"role": "user", "content": [marked(text("context")), PLACEHOLDER]}],
            id="cut inside a user message: the placeholder is a block of the same message",
        ),
        pytest.param(
            [
                {"role": "user", "content": [text("hello")]},
                {"role": "assistant", "content": [marked(text("hi"))]},
                {"role": "user", "content": "a user's question"},
            ],
            [
                {"role": "user", "content": [text("hello")]},
                {"role": "assistant", "content": [marked(text("hi"))]},
                {"role": "user", "content": [PLACEHOLDER]},
            ],
            id="cut after an assistant message: the placeholder is a user message",
        ),
        pytest.param(
            [
                {"role": "user", "content": "hello"},
                {"role": "assistant", "content": [CALL_A, marked(CALL_B)]},
                {"role": "user", "content": [RESULT_A]},
            ],
            [
                {"role": "user", "content": "hello"},
                {"role": "assistant", "content": [CALL_A, marked(CALL_B)]},
                {
                    "role": "user",
                    "content": [
                        {"type": "tool_result", "tool_use_id": "toolu_a", "content": PLACEHOLDER_TEXT},
                        {"type": "tool_result", "tool_use_id": "toolu_b", "content": PLACEHOLDER_TEXT},
                    ],
                },
            ],
            id="cut after tool calls: a result for every id",
        ),
        pytest.param(
            [
                {"role": "user", "content": "hello"},
                {"role": "assistant", "content": [CALL_A, CALL_B]},
                {
                    "role": "user",
                    "content": [marked(RESULT_A), {"type": "tool_result", "tool_use_id": "toolu_b", "content": "x"}],
                },
            ],
            [
                {"role": "user", "content": "hello"},
                {"role": "assistant", "content": [CALL_A, CALL_B]},
                {
                    "role": "user",
                    "content": [
                        marked(RESULT_A),
                        {"type": "tool_result", "tool_use_id": "toolu_b", "content": PLACEHOLDER_TEXT},
                    ],
                },
            ],
            id="cut between tool results: the missing one is filled in",
        ),
        pytest.param(
            [
                {"role": "user", "content": "hello"},
                {"role": "assistant", "content": [CALL_A]},
                {"role": "user", "content": [marked(RESULT_A)]},
            ],
            [
                {"role": "user", "content": "hello"},
                {"role": "assistant", "content": [CALL_A]},
                {"role": "user", "content": [marked(RESULT_A), PLACEHOLDER]},
            ],
            id="cut after the last tool result: the placeholder is a text block behind it",
        ),
    ],
)
def test_messages_are_cut_after_the_last_marked_block(messages: list[Any], sent: list[Any]) -> None:
    """Everything after the last marked block goes, and what follows it is legal."""
    assert call_for({"messages": messages}).body["messages"] == sent


@pytest.mark.parametrize(
    ("changes", "max_tokens", "reason"),
    [
        ({"thinking": {"type": "enabled", "budget_tokens": 4096}}, 4097, "thinking.type 'enabled'"),
        ({"output_config": {"format": {"type": "json_schema", "schema": {}}}}, 1, "output_config.format"),
        ({"output_format": {"type": "json_schema", "schema": {}}}, 1, "output_format"),
        (
            {
                "tools": [TOOL],
                "tool_choice": {"type": "any"},
                "messages": [{"role": "user", "content": [marked(text("few shots"))]}],
            },
            1,
            "tool_choice 'any'",
        ),
        (
            {
                "tools": [TOOL],
                "tool_choice": {"type": "tool", "name": "search"},
                "messages": [{"role": "user", "content": [marked(text("few shots"))]}],
            },
            1,
            "tool_choice 'tool'",
        ),
    ],
)
def test_what_zero_cannot_carry_is_streamed_with_the_smallest_legal_max_tokens(
    changes: dict[str, Any], max_tokens: int, reason: str
) -> None:
    """Each combination the API refuses with max_tokens 0 uses the stream, and the result says why."""
    call = call_for({"system": SYSTEM, **changes})
    assert call.form is Form.STREAMED
    assert call.body["max_tokens"] == max_tokens
    assert call.body["stream"] is True
    assert call.form_reason == f"max_tokens: 0 cannot carry {reason}"


@pytest.mark.parametrize("choice", [{"type": "any"}, {"type": "tool", "name": "search"}])
def test_a_forced_tool_choice_goes_where_it_keys_nothing(choice: dict[str, Any]) -> None:
    """It is part of the messages' key only, so a prefix that ends in tools or system is warmed with 0."""
    call = call_for({"tools": [TOOL], "tool_choice": choice, "system": SYSTEM})
    assert "tool_choice" not in call.body
    assert call.form is Form.ZERO


@pytest.mark.parametrize(
    "harmless",
    [
        {"thinking": {"type": "adaptive"}},
        {"thinking": {"type": "disabled"}},
        {"output_config": {"effort": "low"}},
        {"tool_choice": {"type": "auto", "disable_parallel_tool_use": True}},
        {"tool_choice": {"type": "none"}},
    ],
)
def test_what_zero_can_carry_stays_and_is_sent_with_zero(harmless: dict[str, Any]) -> None:
    """Adaptive or disabled thinking, effort and a free tool choice need no fallback."""
    call = call_for({"tools": [TOOL], "system": SYSTEM, **harmless})
    assert call.form is Form.ZERO
    assert harmless.items() <= call.body.items()


def test_automatic_caching_becomes_a_marker_on_the_last_shared_block() -> None:
    """Top-level cache_control would mark the placeholder; the system prompt carries it instead, ttl included."""
    call = call_for(
        {"cache_control": MARK_1H, "system": "You are a bot.", "messages": [{"role": "user", "content": "x"}]}
    )
    assert "cache_control" not in call.body
    assert call.body["system"] == [{"type": "text", "text": "You are a bot.", "cache_control": MARK_1H}]
    assert call.requested_ttl == "1h"


def test_automatic_caching_beside_marked_messages_is_dropped() -> None:
    """Where the shared prefix already ends in a marker, nothing is added."""
    messages = [{"role": "user", "content": [marked(text("context")), text("question")]}]
    call = call_for({"cache_control": MARK, "system": "You are a bot.", "messages": messages})
    assert call.body["system"] == "You are a bot."
    assert call.body["messages"] == [{"role": "user", "content": [marked(text("context")), PLACEHOLDER]}]


def test_seed_messages_without_a_marker_are_the_placeholder_unchanged() -> None:
    """The short form's own first message follows the prefix as it was written."""
    seeds = [{"role": "user", "content": "ping"}]
    found = target(request=None, system_prompt="You are a bot.", seed_messages=seeds)
    assert warm_call(found, MODEL).body["messages"] == seeds


def test_marked_seed_messages_join_the_prefix_and_the_rest_follows_unchanged() -> None:
    """Markers in seed messages end the prefix there; unmarked seeds behind it are the placeholder."""
    seeds = [
        {"role": "user", "content": [marked(text("few shots")), text("go")]},
        {"role": "assistant", "content": "ok"},
        {"role": "user", "content": "ping"},
    ]
    found = target(request=None, seed_messages=seeds)
    assert warm_call(found, MODEL).body["messages"] == seeds


def test_seed_messages_that_end_in_their_marker_get_a_placeholder() -> None:
    """Nothing follows the marked seed, so the placeholder does."""
    seeds = [{"role": "user", "content": [marked(text("few shots"))]}]
    found = target(request=None, seed_messages=seeds)
    assert warm_call(found, MODEL).body["messages"] == [
        {"role": "user", "content": [marked(text("few shots")), PLACEHOLDER]}
    ]


@pytest.mark.parametrize(
    ("seeds", "added"),
    [
        (
            [{"role": "user", "content": "ping"}, {"role": "assistant", "content": "pong"}],
            [{"role": "user", "content": [PLACEHOLDER]}],
        ),
        (
            [{"role": "user", "content": "ping"}, {"role": "assistant", "content": [CALL_A]}],
            [{"role": "user", "content": [{**RESULT_A, "content": PLACEHOLDER_TEXT}]}],
        ),
    ],
)
def test_seed_messages_the_api_would_refuse_are_completed(seeds: list[Any], added: list[Any]) -> None:
    """An assistant must not speak last, and no tool call may be left without its result."""
    found = target(request=None, system_prompt="You are a bot.", seed_messages=seeds)
    assert warm_call(found, MODEL).body["messages"] == [*seeds, *added]


def test_a_known_refusal_of_zero_is_sent_with_one_token() -> None:
    """Where the API refuses 0 the same body asks for one token, unstreamed."""
    call = warm_call(target(request={"system": SYSTEM}), MODEL, zero_refused=True)
    assert (call.form, call.body["max_tokens"], "stream" in call.body) == (Form.ONE, 1, False)
    again = with_one_token(warm_call(target(request={"system": SYSTEM}), MODEL), "refused")
    assert (again.form, again.body) == (Form.ONE, call.body)


def test_a_refusal_of_zero_does_not_touch_the_streamed_form() -> None:
    """What is streamed anyway never carried a 0."""
    found = target(request={"system": SYSTEM, "thinking": {"type": "enabled", "budget_tokens": 2048}})
    assert warm_call(found, MODEL, zero_refused=True).form is Form.STREAMED


def test_entries_that_differ_only_in_the_placeholder_make_the_same_call() -> None:
    """The digest that groups twins leaves out what follows the prefix and every per-request field."""
    first = target(
        **document(request={"system": SYSTEM, "temperature": 1, "messages": [{"role": "user", "content": "a"}]})
    )
    second = target(**document(request={"max_tokens": 9, "system": SYSTEM}))
    other_ttl = target(**document(request={"system": [{**SYSTEM[0], "cache_control": MARK_1H}]}))
    assert first.summary.call_digest == second.summary.call_digest
    assert first.summary.call_digest != other_ttl.summary.call_digest
