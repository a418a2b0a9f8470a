"""Builders of target documents and of Messages API bodies: everything people legally paste, and the ways to read it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st

from prompt_cache_warmer.values.reading import Origin, Reading, read_target

if TYPE_CHECKING:
    from collections.abc import Mapping

    from prompt_cache_warmer.values.problems import Problem, ProblemCode
    from prompt_cache_warmer.values.targets import Target

Json = dict[str, Any]

SOURCE = "targets/support.json"
PROMPTS_PREFIX = "prompts/"
FIVE_MINUTES: Json = {"type": "ephemeral"}
ONE_HOUR: Json = {"type": "ephemeral", "ttl": "1h"}
PROSE = "Answer the customer. "  # 21 bytes


def target_document(**changes: Any) -> Json:
    """Make a valid document with a short system prompt; a change of None takes the field out."""
    whole = {
        "name": "support",
        "models": ["claude-opus-4-8"],
        "keep": "always",
        "request": {"system": [text(PROSE, cache_control=FIVE_MINUTES)]},
        **changes,
    }
    return {field: value for field, value in whole.items() if value is not None}


def short_document(**changes: Any) -> Json:
    """Make a valid document in the short form."""
    return target_document(request=None, **{"system_prompt": PROSE, **changes})


def read(document: object, texts: Mapping[str, str] | None = None, *, size_bytes: int = 100) -> Reading:
    """Read a decoded document as the adapters do."""
    return read_target(document, Origin(SOURCE, "etag-1", size_bytes, PROMPTS_PREFIX), texts or {})


def read_request(request: Json, texts: Mapping[str, str] | None = None, **changes: Any) -> Reading:
    """Read a document with this request."""
    return read(target_document(request=request, **changes), texts)


def valid(reading: Reading) -> Target:
    """Return the target; a document that is none fails the test with its problems."""
    assert reading.target is not None, [str(problem) for problem in reading.problems]
    return reading.target


def findings(problems: tuple[Problem, ...]) -> list[tuple[ProblemCode, str]]:
    """Reduce problems to code and place."""
    return [(problem.code, problem.path) for problem in problems]


def text(words: str, **further: Any) -> Json:
    """Make a text block."""
    return {"type": "text", "text": words, **further}


def tool(name: str = "search", **further: Any) -> Json:
    """Make a client tool."""
    return {"name": name, "description": "Search the orders.", "input_schema": {"type": "object"}, **further}


def user(*content: Json) -> Json:
    """Make a user message of blocks."""
    return {"role": "user", "content": list(content)}


def assistant(*content: Json) -> Json:
    """Make an assistant message of blocks."""
    return {"role": "assistant", "content": list(content)}


def json_values(characters: st.SearchStrategy[str] | None = None) -> st.SearchStrategy[Any]:
    """Make any JSON value whose texts are of these characters."""
    words = st.text(st.characters(exclude_categories=["Cs"]) if characters is None else characters, max_size=20)
    numbers = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    return st.recursive(
        st.none() | st.booleans() | numbers | words,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(words, inner, max_size=4),
        max_leaves=20,
    )


PICTURE: Json = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}}
PDF: Json = {
    "type": "document",
    "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0xLjQ="},
    "title": "Manual",
    "citations": {"enabled": True},
}
PLAIN_DOCUMENT: Json = {
    "type": "document",
    "source": {"type": "text", "media_type": "text/plain", "data": "The tent has four poles."},
    "context": "a manual",
    "citations": {"enabled": True},
}
BLOCKS_DOCUMENT: Json = {
    "type": "document",
    "source": {"type": "content", "content": [text("The tent has four poles."), PICTURE]},
}
TOOL_USE: Json = {"type": "tool_use", "id": "toolu_1", "name": "search", "input": {"cache_control": {"ttl": "9h"}}}
TOOL_RESULT: Json = {
    "type": "tool_result",
    "tool_use_id": "toolu_1",
    "is_error": False,
    "content": [text("Order 7"), PICTURE, PLAIN_DOCUMENT, {"type": "tool_reference", "tool_name": "search"}],
}
SERVER_TOOL_USE: Json = {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "a"}}

# One block of every type in the SDK's request types, each legal in a message.
MESSAGE_BLOCKS: dict[str, Json] = {
    "text": text("Hello.", citations=None),
    "cited text": text(
        "Four poles.",
        citations=[
            {
                "type": "char_location",
                "cited_text": "four poles",
                "document_index": 0,
                "document_title": None,
                "start_char_index": 13,
                "end_char_index": 23,
            }
        ],
    ),
    "image": PICTURE,
    "image by url": {"type": "image", "source": {"type": "url", "url": "https://example.com/a.png"}},
    "pdf": PDF,
    "plain document": PLAIN_DOCUMENT,
    "document of blocks": BLOCKS_DOCUMENT,
    "uploaded document": {"type": "document", "source": {"type": "file", "file_id": "file_1"}},
    "search_result": {
        "type": "search_result",
        "source": "https://example.com",
        "title": "Tents",
        "content": [text("Four poles.")],
        "citations": {"enabled": True},
    },
    "thinking": {"type": "thinking", "thinking": "Let me see.", "signature": "c2ln"},
    "redacted_thinking": {"type": "redacted_thinking", "data": "ZGF0YQ=="},
    "tool_use": TOOL_USE,
    "tool_result": TOOL_RESULT,
    "tool_result of a string": {"type": "tool_result", "tool_use_id": "toolu_1", "content": "Order 7"},
    "empty tool_result": {"type": "tool_result", "tool_use_id": "toolu_1"},
    "server_tool_use": SERVER_TOOL_USE,
    "web_search_tool_result": {
        "type": "web_search_tool_result",
        "tool_use_id": "srvtoolu_1",
        "content": [
            {"type": "web_search_result", "url": "https://example.com", "title": "Tents", "encrypted_content": "ZQ=="}
        ],
    },
    "web_search_tool_result_error": {
        "type": "web_search_tool_result",
        "tool_use_id": "srvtoolu_1",
        "content": {"type": "web_search_tool_result_error", "error_code": "unavailable"},
    },
    "web_fetch_tool_result": {
        "type": "web_fetch_tool_result",
        "tool_use_id": "srvtoolu_1",
        "content": {"type": "web_fetch_result", "url": "https://example.com", "content": PLAIN_DOCUMENT},
    },
    "code_execution_tool_result": {
        "type": "code_execution_tool_result",
        "tool_use_id": "srvtoolu_1",
        "content": {"type": "code_execution_result", "content": [], "return_code": 0, "stderr": "", "stdout": "4\n"},
    },
    "bash_code_execution_tool_result": {
        "type": "bash_code_execution_tool_result",
        "tool_use_id": "srvtoolu_1",
        "content": {"type": "bash_code_execution_tool_result_error", "error_code": "unavailable"},
    },
    "text_editor_code_execution_tool_result": {
        "type": "text_editor_code_execution_tool_result",
        "tool_use_id": "srvtoolu_1",
        "content": {"type": "text_editor_code_execution_view_result", "content": "line", "file_type": "text"},
    },
    "tool_search_tool_result": {
        "type": "tool_search_tool_result",
        "tool_use_id": "srvtoolu_1",
        "content": {
            "type": "tool_search_tool_search_result",
            "tool_references": [{"type": "tool_reference", "tool_name": "search"}],
        },
    },
    "container_upload": {"type": "container_upload", "file_id": "file_1"},
}
BETA_BLOCKS: dict[str, Json] = {
    "mcp_tool_use": {"type": "mcp_tool_use", "id": "mcptoolu_1", "name": "a", "server_name": "b", "input": {}},
    "mcp_tool_result": {
        "type": "mcp_tool_result",
        "tool_use_id": "mcptoolu_1",
        "is_error": False,
        "content": [text("Found.")],
    },
    "compaction": {"type": "compaction", "content": "The customer wants a pole."},
    "tool_addition": {"type": "tool_addition", "tool": {"type": "tool_reference", "name": "search"}},
    "mcp_tool_listing": {"type": "mcp_tool_listing", "mcp_server_name": "b", "tools": []},
    "fallback": {
        "type": "fallback",
        "from": {"model": "claude-opus-5-5"},
        "to": {"model": "claude-opus-5"},
        "trigger": None,
    },
}
UNMARKABLE_BLOCKS = ("thinking", "redacted_thinking", "mcp_tool_listing", "fallback")

TOOLS: dict[str, Json] = {
    "client": tool(strict=True, input_examples=[{"cache_control": 5}]),
    "custom": tool(type="custom", eager_input_streaming=None),
    "bash": {"type": "bash_20250124", "name": "bash"},
    "text editor": {"type": "text_editor_20250728", "name": "str_replace_based_edit_tool", "max_characters": 10000},
    "web search": {
        "type": "web_search_20250305",
        "name": "web_search",
        "max_uses": 5,
        "allowed_domains": ["example.com"],
        "user_location": {"type": "approximate", "city": "Berlin"},
    },
    "web fetch": {"type": "web_fetch_20250910", "name": "web_fetch", "citations": {"enabled": True}},
    "code execution": {"type": "code_execution_20250825", "name": "code_execution"},
    "tool search": {"type": "tool_search_tool_regex_20251119", "name": "tool_search_tool_regex"},
    "memory": {"type": "memory_20250818", "name": "memory"},
    "nameless toolset": {"type": "browser_toolset_20260801", "configs": None},
}
MCP_TOOLSET: Json = {"type": "mcp_toolset", "mcp_server_name": "b", "configs": {"a": {"enabled": False}}}
