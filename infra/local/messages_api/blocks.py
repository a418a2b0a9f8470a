"""The blocks of a request in the order they are sent: tools, then system, then messages.

A system prompt or a message content given as a string is the same as one text block, as the API
documents. Everything here expects a body whose shape `validation` has accepted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Iterator

Section = Literal["tools", "system", "messages"]
JsonObject = dict[str, Any]

_WEB_TOOL_TYPES = ("web_search_", "web_fetch_")  # followed by the tool's date, as in web_search_20260209


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestBlock:
    """One tool, system block or message content block.

    Attributes:
        path: where it stands, in the API's notation, such as `messages.0.content.1`.
        section: the array it stands in.
        role: the role of its message; empty outside messages.
        content: the block as received.
    """

    path: str
    section: Section
    role: str
    content: JsonObject

    @property
    def type(self) -> str:
        """The block's type; a tool without one is a client tool."""
        return str(self.content.get("type", "custom"))

    @property
    def is_web_tool(self) -> bool:
        """Whether it is the server's web search or web fetch tool."""
        return self.section == "tools" and self.type.startswith(_WEB_TOOL_TYPES)


def request_blocks(body: JsonObject) -> tuple[RequestBlock, ...]:
    """List every block of a request in request order."""
    return (*_tools(body), *_system(body), *_messages(body))


def nested_blocks(block: JsonObject, path: str) -> Iterator[tuple[str, JsonObject]]:
    """Walk the blocks inside a block, with their paths: results of tools, parts of documents."""
    holders = [(f"{path}.content", block.get("content"))]
    source = block.get("source")
    if isinstance(source, dict):
        holders.append((f"{path}.source.content", source.get("content")))
    for holder_path, content in holders:
        if isinstance(content, list):
            for index, inner in enumerate(content):
                if isinstance(inner, dict):
                    inner_path = f"{holder_path}.{index}"
                    yield inner_path, inner
                    yield from nested_blocks(inner, inner_path)


def has_images(body: JsonObject) -> bool:
    """Tell whether any message carries an image, in a tool result too."""
    return any(content.get("type") == "image" for content in _message_contents(body))


def has_citations(body: JsonObject) -> bool:
    """Tell whether any document or search result of the messages switches citations on."""
    return any(_cites(content) for content in _message_contents(body))


def _cites(content: JsonObject) -> bool:
    citations = content.get("citations")
    return isinstance(citations, dict) and citations.get("enabled") is True


def _message_contents(body: JsonObject) -> Iterator[JsonObject]:
    for block in _messages(body):
        yield block.content
        for _, inner in nested_blocks(block.content, block.path):
            yield inner


def _tools(body: JsonObject) -> Iterator[RequestBlock]:
    for index, tool in enumerate(body.get("tools") or []):
        yield RequestBlock(path=f"tools.{index}", section="tools", role="", content=tool)


def _system(body: JsonObject) -> Iterator[RequestBlock]:
    system = body.get("system") or []
    if isinstance(system, str):
        yield RequestBlock(path="system", section="system", role="", content=_text_block(system))
        return
    for index, block in enumerate(system):
        yield RequestBlock(path=f"system.{index}", section="system", role="", content=block)


def _messages(body: JsonObject) -> Iterator[RequestBlock]:
    for index, message in enumerate(body["messages"]):
        path, role, content = f"messages.{index}.content", message["role"], message["content"]
        if isinstance(content, str):
            yield RequestBlock(path=path, section="messages", role=role, content=_text_block(content))
            continue
        for inner_index, block in enumerate(content):
            yield RequestBlock(path=f"{path}.{inner_index}", section="messages", role=role, content=block)


def _text_block(text: str) -> JsonObject:
    return {"type": "text", "text": text}
