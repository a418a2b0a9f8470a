"""Cache breakpoints: where `cache_control` may stand, how many may, and in which order.

Rules, each answered with 400: `type` is `ephemeral` and `ttl` is `5m` (the default) or `1h`; not on
thinking blocks, empty text or blocks inside blocks; at most 4 in all, of which top-level automatic
caching uses one; a 1h breakpoint never after a 5m one, in the order tools, system, messages.

Automatic caching marks the last block that may carry a marker, walking back over those that may
not. On a block that already carries a marker of the same ttl it changes nothing, as documented.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from infra.local.messages_api.blocks import nested_blocks, request_blocks
from infra.local.messages_api.errors import invalid_request

if TYPE_CHECKING:
    from infra.local.messages_api.blocks import JsonObject, RequestBlock

Ttl = Literal["5m", "1h"]
BreakpointKind = Literal["tools", "system", "messages", "automatic"]

TTL_SECONDS: dict[Ttl, int] = {"5m": 300, "1h": 3600}
DEFAULT_TTL: Ttl = "5m"
MAXIMUM_BREAKPOINTS = 4

_UNMARKABLE_TYPES = frozenset({"thinking", "redacted_thinking"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Breakpoint:
    """One place where the request asks for an entry.

    Attributes:
        path: the marked block.
        ttl: the lifetime it asks for.
        kind: the section of an explicit marker, or `automatic`.
    """

    path: str
    ttl: Ttl
    kind: BreakpointKind


def find_breakpoints(body: JsonObject) -> tuple[Breakpoint, ...]:
    """List the breakpoints of a request in request order.

    Raises:
        ApiError: 400, one of the rules above is broken.
    """
    blocks = request_blocks(body)
    explicit = [found for block in blocks if (found := _explicit(block)) is not None]
    automatic = _automatic(body, blocks, explicit)
    total = len(explicit) + (1 if body.get("cache_control") is not None else 0)
    if total > MAXIMUM_BREAKPOINTS:
        raise invalid_request(
            f"A maximum of {MAXIMUM_BREAKPOINTS} blocks with cache_control may be provided. Found {total}."
        )
    order = {block.path: index for index, block in enumerate(blocks)}
    ordered = sorted([*explicit, *automatic], key=lambda found: order[found.path])
    _check_order(ordered)
    return tuple(ordered)


def _explicit(block: RequestBlock) -> Breakpoint | None:
    for path, inner in nested_blocks(block.content, block.path):
        if inner.get("cache_control") is not None:
            raise invalid_request(f"{path}.cache_control: cache_control cannot be set on a block inside a block")
    marker = block.content.get("cache_control")
    if marker is None:
        return None
    path = f"{block.path}.cache_control"
    if block.type in _UNMARKABLE_TYPES:
        raise invalid_request(f"{path}: cache_control cannot be set for {block.type} blocks")
    if _is_empty_text(block):
        raise invalid_request(f"{block.path}.text: cache_control cannot be set for empty text blocks")
    return Breakpoint(path=block.path, ttl=_ttl_of(marker, path), kind=block.section)


def _automatic(body: JsonObject, blocks: tuple[RequestBlock, ...], explicit: list[Breakpoint]) -> list[Breakpoint]:
    marker = body.get("cache_control")
    if marker is None:
        return []
    ttl = _ttl_of(marker, "cache_control")
    markable = [block for block in blocks if block.type not in _UNMARKABLE_TYPES and not _is_empty_text(block)]
    if not markable:
        return []
    last_path = markable[-1].path
    already = [found for found in explicit if found.path == last_path]
    if not already:
        return [Breakpoint(path=last_path, ttl=ttl, kind="automatic")]
    if already[0].ttl != ttl:
        raise invalid_request(
            f"cache_control: the last block, {last_path}, already has ttl='{already[0].ttl}', not ttl='{ttl}'"
        )
    return []


def _ttl_of(marker: Any, path: str) -> Ttl:  # noqa: ANN401 - anything may stand where a marker should
    if not isinstance(marker, dict):
        raise invalid_request(f"{path}: Input should be a valid dictionary")
    unknown = sorted(set(marker) - {"type", "ttl"})
    if unknown:
        raise invalid_request(f"{path}.{unknown[0]}: Extra inputs are not permitted")
    if marker.get("type") != "ephemeral":
        raise invalid_request(f"{path}.type: Input should be 'ephemeral'")
    ttl = marker.get("ttl", DEFAULT_TTL)
    if not isinstance(ttl, str) or ttl not in TTL_SECONDS:
        raise invalid_request(f"{path}.ttl: Input should be '5m' or '1h'")
    return ttl


def _is_empty_text(block: RequestBlock) -> bool:
    return block.type == "text" and not str(block.content.get("text", "")).strip()


def _check_order(breakpoints: list[Breakpoint]) -> None:
    has_short = False
    for found in breakpoints:
        if found.ttl == "5m":
            has_short = True
        elif has_short:
            raise invalid_request(
                f"{found.path}.cache_control.ttl: a ttl='1h' cache_control block must not come after a "
                "ttl='5m' cache_control block. Note that blocks are processed in the following order: "
                "`tools`, `system`, `messages`."
            )
