"""Renders a request into the sequence of prompt blocks that the cache sees. Pure.

Order: tools, system, messages. Each block is hashed on top of all before it, byte for byte as it was
received (compact JSON, key order kept, `cache_control` taken out), so a key stands for a whole
prefix. A message block is hashed with its role, and consecutive messages of one role are one turn,
as the API documents.

Web search and web fetch tools are rendered at the head of the system tier instead of among the
tools: that is how the invalidation table's row "toggle: tools kept, system lost" comes true.

Tokens are **estimated**: `ceil(UTF-8 bytes of the rendered block / 4)`.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from infra.local.messages_api import keys
from infra.local.messages_api.blocks import request_blocks
from infra.local.messages_api.breakpoints import find_breakpoints

if TYPE_CHECKING:
    from infra.local.messages_api.blocks import JsonObject, RequestBlock
    from infra.local.messages_api.breakpoints import Breakpoint

BYTES_PER_TOKEN = 4  # a common rule of thumb for English; the real tokenizer is not public

_RUN_TYPES = frozenset({"tool_use", "tool_result"})  # a run of one of these counts as one position


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptBlock:
    """One block of the rendered prompt.

    Attributes:
        key: stands for the whole prefix that ends with this block.
        position: its place in lookback terms, from 0; blocks of one tool run share a position.
        tokens: its own estimated tokens.
        prefix_tokens: the estimated tokens of the prefix that ends with it.
        breakpoint: the marker on it, None when it carries none.
    """

    key: str
    position: int
    tokens: int
    prefix_tokens: int
    breakpoint: Breakpoint | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """A rendered request.

    Attributes:
        model: the model it is for; entries are never shared between models.
        blocks: its blocks in rendered order.
    """

    model: str
    blocks: tuple[PromptBlock, ...]

    @property
    def tokens(self) -> int:
        """The estimated input tokens of the whole prompt."""
        return self.blocks[-1].prefix_tokens if self.blocks else 0


def render(body: JsonObject, *, betas: frozenset[str]) -> Prompt:
    """Render a request whose shape has been accepted.

    Raises:
        ApiError: 400, a rule of breakpoints is broken.
    """
    breakpoints = {found.path: found for found in find_breakpoints(body)}
    everything = request_blocks(body)
    tiers = (
        (keys.tools_parameters(body, betas), _tools_tier(everything)),
        (keys.system_parameters(body), _system_tier(everything)),
        (keys.messages_parameters(body), [block for block in everything if block.section == "messages"]),
    )
    digest = hashlib.sha256()
    rendered: list[PromptBlock] = []
    prefix_tokens, position, previous_type = 0, -1, ""
    for parameters, blocks in tiers:
        digest.update(compact_json(parameters))
        for block in blocks:
            block_bytes = render_block(block.content)
            digest.update(block.role.encode())
            digest.update(block_bytes)  # a JSON object ends by itself: no two blocks run into each other
            tokens = estimate_tokens(block_bytes)
            prefix_tokens += tokens
            if not (block.type in _RUN_TYPES and block.type == previous_type):
                position += 1
            previous_type = block.type
            rendered.append(
                PromptBlock(
                    key=digest.hexdigest(),
                    position=position,
                    tokens=tokens,
                    prefix_tokens=prefix_tokens,
                    breakpoint=breakpoints.get(block.path),
                )
            )
    return Prompt(model=str(body["model"]), blocks=tuple(rendered))


def render_block(content: JsonObject) -> bytes:
    """Serialise a block as it was received, without its marker."""
    return compact_json({name: value for name, value in content.items() if name != "cache_control"})


def compact_json(value: Any) -> bytes:  # noqa: ANN401 - any JSON value
    """Serialise without spaces and with the keys in the order they came in."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")


def estimate_tokens(rendered: bytes) -> int:
    """Estimate tokens from bytes, rounding up."""
    return -(-len(rendered) // BYTES_PER_TOKEN)


def _tools_tier(blocks: tuple[RequestBlock, ...]) -> list[RequestBlock]:
    return [block for block in blocks if block.section == "tools" and not block.is_web_tool]


def _system_tier(blocks: tuple[RequestBlock, ...]) -> list[RequestBlock]:
    web_tools = [block for block in blocks if block.is_web_tool]
    return web_tools + [block for block in blocks if block.section == "system"]
