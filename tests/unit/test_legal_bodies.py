"""What the Messages API takes, the reading takes: every block and tool type of the SDK, unchanged."""

from __future__ import annotations

from typing import Any

import pytest
from anthropic.types import ContentBlockParam, ToolUnionParam
from anthropic.types.beta import BetaContentBlockParam, BetaToolUnionParam
from pydantic import TypeAdapter

from prompt_cache_warmer.values.body import Tier
from prompt_cache_warmer.values.problems import ProblemCode
from tests.documents import (
    BETA_BLOCKS,
    FIVE_MINUTES,
    MCP_TOOLSET,
    MESSAGE_BLOCKS,
    PLAIN_DOCUMENT,
    PROSE,
    TOOLS,
    UNMARKABLE_BLOCKS,
    Json,
    assistant,
    findings,
    read_request,
    text,
    tool,
    user,
    valid,
)

ALL_BLOCKS = {**MESSAGE_BLOCKS, **BETA_BLOCKS}


@pytest.mark.parametrize("block", MESSAGE_BLOCKS.values(), ids=MESSAGE_BLOCKS)
def test_the_blocks_of_these_tests_are_legal(block: Json) -> None:
    """The builders' blocks satisfy the SDK's own request types, so these tests speak of real bodies."""
    TypeAdapter[Any](ContentBlockParam).validate_python(block)


@pytest.mark.parametrize("block", BETA_BLOCKS.values(), ids=BETA_BLOCKS)
def test_the_beta_blocks_of_these_tests_are_legal(block: Json) -> None:
    """The builders' beta blocks satisfy the SDK's own beta types."""
    TypeAdapter[Any](BetaContentBlockParam).validate_python(block)


@pytest.mark.parametrize("declared", TOOLS.values(), ids=TOOLS)
def test_the_tools_of_these_tests_are_legal(declared: Json) -> None:
    """The builders' tools satisfy the SDK's own request types."""
    TypeAdapter[Any](ToolUnionParam).validate_python(declared)
    TypeAdapter[Any](BetaToolUnionParam).validate_python(MCP_TOOLSET)


@pytest.mark.parametrize("block", ALL_BLOCKS.values(), ids=ALL_BLOCKS)
def test_a_block_of_every_type_travels_unchanged(block: Json) -> None:
    """A block stands in the target's body exactly as it was pasted, key order included."""
    messages = [user(block, text("And now?", cache_control=FIVE_MINUTES))]
    target = valid(read_request({"messages": messages}))
    assert target.body == {"messages": messages}
    assert list(target.body["messages"][0]["content"][0]) == list(block)


@pytest.mark.parametrize("name", [name for name in ALL_BLOCKS if name not in UNMARKABLE_BLOCKS])
def test_a_marker_may_stand_on_every_block_whose_type_has_one(name: str) -> None:
    """A marked block ends the prefix, whatever its type is."""
    target = valid(read_request({"messages": [assistant({**ALL_BLOCKS[name], "cache_control": FIVE_MINUTES})]}))
    assert (target.marked.end.tier, target.marked.end.path) == (Tier.MESSAGES, ("messages", 0, "content", 0))


@pytest.mark.parametrize("name", UNMARKABLE_BLOCKS)
def test_a_marker_on_a_block_whose_type_has_none_is_an_error(name: str) -> None:
    """Thinking blocks and markers of the conversation have no cache_control in the API's types."""
    reading = read_request({"messages": [assistant({**ALL_BLOCKS[name], "cache_control": FIVE_MINUTES})]})
    assert findings(reading.problems) == [
        (ProblemCode.MARKER_MISPLACED, "$.request.messages[0].content[0].cache_control")
    ]
    assert reading.problems[0].message.startswith(f"a {name} block cannot carry cache_control")


@pytest.mark.parametrize("declared", [*TOOLS.values(), MCP_TOOLSET], ids=[*TOOLS, "mcp"])
def test_a_tool_of_every_type_can_end_the_prefix(declared: Json) -> None:
    """Client tools, server tools, nameless toolsets and MCP toolsets carry the added marker."""
    target = valid(read_request({"tools": [tool("first"), declared]}))
    assert target.body["tools"] == [tool("first"), {**declared, "cache_control": FIVE_MINUTES}]


def test_a_tools_schema_may_speak_of_cache_control() -> None:
    """A schema property or an example called cache_control is the author's own JSON and no marker."""
    schema = {"type": "object", "properties": {"cache_control": {"type": "ephemeral"}, "content": {"a": [{}]}}}
    declared = tool(input_schema=schema, input_examples=[{"content": [{"cache_control": FIVE_MINUTES}]}])
    target = valid(read_request({"tools": [declared], "system": [text(PROSE, cache_control=FIVE_MINUTES)]}))
    assert target.summary.ttls == ("5m",)
    assert target.body["tools"] == [declared]


def test_a_tool_call_may_speak_of_text_from() -> None:
    """A tool call's input is free JSON: a field called text_from there is no reference."""
    call = {"type": "tool_use", "id": "toolu_1", "name": "copy", "input": {"text_from": "../secret", "content": []}}
    messages = [assistant({**call, "cache_control": FIVE_MINUTES})]
    assert valid(read_request({"messages": messages})).body == {"messages": messages}


def test_system_messages_between_the_others_are_taken() -> None:
    """A system role inside messages is a message like the others."""
    messages = [
        user(text("Hello.")),
        assistant(text("Hi.")),
        {"role": "system", "content": [text("Be brief.", cache_control=FIVE_MINUTES)]},
    ]
    assert valid(read_request({"messages": messages})).marked.end.path == ("messages", 2, "content", 0)


def test_a_whole_pasted_agent_body_is_taken_without_a_warning() -> None:
    """Every request field of the SDK may stand there; none of them is called unknown."""
    request = {
        "model": "claude-opus-4-8",
        "max_tokens": 16000,
        "stream": True,
        "temperature": 1,
        "top_k": 5,
        "top_p": 0.9,
        "stop_sequences": ["END"],
        "metadata": {"user_id": "u"},
        "service_tier": "auto",
        "inference_geo": "eu",
        "speed": "standard",
        "thinking": {"type": "adaptive", "display": "omitted"},
        "output_config": {"effort": "xhigh", "format": {"type": "json_schema", "schema": {}}},
        "tool_choice": {"type": "auto", "disable_parallel_tool_use": True},
        "container": {"id": "container_1", "skills": []},
        "context_management": {"edits": [{"type": "clear_tool_uses_20250919"}]},
        "mcp_servers": [{"type": "url", "name": "b", "url": "https://example.com", "authorization_token": "t"}],
        "diagnostics": {"previous_message_id": None},
        "betas": ["mcp-client-2025-11-20"],
        "fallbacks": [{"model": "claude-opus-5"}],
        "compaction": None,
        "thread": None,
        "workspace_id": "wrkspc_1",
        "user_profile_id": "p",
        "tools": [*TOOLS.values(), MCP_TOOLSET],
        "system": [text(PROSE * 1000, cache_control=FIVE_MINUTES)],
        "messages": [{"role": "user", "content": "Hello."}],
    }
    reading = read_request(request)
    assert findings(reading.problems) == []
    nulls = {"compaction", "thread"}
    assert list(valid(reading).body) == [field for field in request if field not in nulls]


def test_a_documents_nested_marker_is_found_however_deep_it_stands() -> None:
    """The API refuses a marker on a block inside a block, at every depth."""
    deep = {**PLAIN_DOCUMENT, "source": {"type": "content", "content": [text("a", cache_control=FIVE_MINUTES)]}}
    result = {"type": "tool_result", "tool_use_id": "toolu_1", "content": [text("b"), deep]}
    fetched = {
        "type": "web_fetch_tool_result",
        "tool_use_id": "srvtoolu_1",
        "content": {"type": "web_fetch_result", "content": {**PLAIN_DOCUMENT, "cache_control": FIVE_MINUTES}},
    }
    reading = read_request({"system": PROSE, "messages": [user(result), assistant(fetched)]})
    assert findings(reading.problems) == [
        (
            ProblemCode.MARKER_MISPLACED,
            "$.request.messages[0].content[0].content[1].source.content[0].cache_control",
        ),
        (ProblemCode.MARKER_MISPLACED, "$.request.messages[1].content[0].content.content.cache_control"),
    ]
