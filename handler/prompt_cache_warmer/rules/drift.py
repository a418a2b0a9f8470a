"""Drift: whether a real request still has the prefix a target keeps warm, and where it first has not.

What is compared is what the engine's fingerprint hashes (``values.prefix``), part by part, up to where the
target's prefix ends: a request may go on behind it. Two parts are in no fingerprint and still decide whether
the request reads the target's entry: its model, and a marker from which the API finds the entry.

A drift holds places and no text of either side, so it may be logged; excerpts are the operator's own.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, cast

from prompt_cache_warmer.rules.json_difference import (
    Difference,
    DifferenceKind,
    Invalidator,
    Item,
    first_difference,
    parting,
    written,
)
from prompt_cache_warmer.rules.lookback import markers, positions
from prompt_cache_warmer.values.body import DEFAULT_TTL, Block, Json, Tier, blocks
from prompt_cache_warmer.values.limits import LOOKBACK_POSITIONS
from prompt_cache_warmer.values.prefix import RENDERED_SETTINGS, PrefixEnd, prefix_blocks
from prompt_cache_warmer.values.problems import json_path

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from prompt_cache_warmer.values.problems import JsonPath
    from prompt_cache_warmer.values.targets import Target

_ALWAYS_TOLD = "thinking"  # beside effort and betas; other settings are told where one side has them

# What may or may not cost the request its hit: no published word says it, so neither do we.
_UNDECIDED = {
    DifferenceKind.OTHER_TTL: "whether each finds the other's entry is not known",
}


@dataclass(frozen=True, slots=True)
class PartDrift:
    """One part of what decides about a hit.

    Attributes:
        part: ``tools``, ``system``, ``messages``, ``markers``, ``model``, ``effort``, ``betas`` or a setting's name.
        difference: where it first differs; None where it is the same.
    """

    part: str
    difference: Difference | None

    @property
    def warning(self) -> str | None:
        """What is not known of its difference; None where all is known, or it has none."""
        return None if self.difference is None else _UNDECIDED.get(self.difference.kind)

    @property
    def is_same(self) -> bool:
        """Whether nothing is known to differ."""
        return self.difference is None or self.warning is not None

    def as_json(self) -> Json:
        """Return it as ``diff --json`` lists it."""
        found = self.difference
        return {
            "part": self.part,
            "is_same": self.is_same,
            "warning": self.warning,
            "kind": found and found.kind.value,
            "target_path": found and _path(found.target_path),
            "request_path": found and _path(found.request_path),
            "character": found and found.character,
            "invalidator": found and found.invalidator and found.invalidator.value,
        }


@dataclass(frozen=True, slots=True)
class Drift:
    """How a request's prefix compares with a target's.

    Attributes:
        prefix_end: the block the target's prefix ends in; what stands behind it was not compared.
        parts: the parts, in the order the API renders them; a tier behind the prefix's end is none.
    """

    prefix_end: JsonPath
    parts: tuple[PartDrift, ...]

    @property
    def is_same(self) -> bool:
        """Whether the request has all that the target's entry is known to be read by; a warning makes no difference."""
        return all(part.is_same for part in self.parts)

    def as_json(self) -> Json:
        """Return it as ``diff --json`` prints it."""
        return {
            "is_same": self.is_same,
            "prefix_end": json_path(self.prefix_end),
            "parts": [part.as_json() for part in self.parts],
        }


def drift(target: Target, request: Mapping[str, Any], betas: Sequence[str] = ()) -> Drift:
    """Compare the prefix a target keeps warm with a request's.

    Args:
        target: the target, with its body.
        request: a Messages API body; a field that is None is left out of it.
        betas: the values of its ``anthropic-beta`` header.
    """
    body, end = target.body, target.marked.end
    ours, theirs = prefix_blocks(body, end), list(blocks(request))
    parts = [PartDrift(tier.name.lower(), _of_tier(target, request, tier)) for tier in Tier if tier <= end.tier]
    parts.append(PartDrift("markers", _of_markers(ours, theirs, request.get("cache_control"))))
    if "model" in request:  # on Bedrock it stands in the address and not in the body
        parts.append(PartDrift("model", _of_model(target.summary.models, request["model"])))
    parts += [
        PartDrift(field, _of_setting((field,), body.get(field), request.get(field)))
        for field in RENDERED_SETTINGS
        if field == _ALWAYS_TOLD or field in body or field in request
    ]
    efforts = (_effort(body), _effort(request))
    parts.append(PartDrift("effort", _of_setting(("output_config", "effort"), *efforts)))
    parts.append(PartDrift("betas", _of_betas(frozenset(target.betas), frozenset(betas))))
    return Drift(end.path, tuple(parts))


def _of_tier(target: Target, request: Mapping[str, Any], tier: Tier) -> Difference | None:
    end = target.marked.end
    ours = [block for block in prefix_blocks(target.body, end) if block.tier is tier]
    theirs = [block for block in blocks(request) if block.tier is tier]
    items = ([_item(target.body, block) for block in ours], [_item(request, block) for block in theirs])
    found = parting(*items, may_go_on=tier is end.tier)
    if found is not None:
        index, kind = found
        if tier is Tier.TOOLS:
            return _of_tools(ours, theirs, index, kind)
        return _of_blocks(target.body, request, (ours, theirs), index, kind)
    if tier is Tier.MESSAGES:  # it keys the messages and nothing before them
        return _of_setting(("tool_choice",), target.body.get("tool_choice"), request.get("tool_choice"))
    return None


def _item(body: Mapping[str, Any], block: Block) -> Item:
    content = written([_role(body, block), _unmarked(block)])
    return Item(_tool_name(block) if block.tier is Tier.TOOLS else content, content)


def _of_tools(ours: Sequence[Block], theirs: Sequence[Block], index: int, kind: DifferenceKind | None) -> Difference:
    if kind is not None:
        is_order = kind is DifferenceKind.REORDERED
        return _whole(ours, theirs, index, kind, Invalidator.TOOL_ORDER if is_order else Invalidator.TOOL_SET)
    return _inside(ours[index], theirs[index])


def _of_blocks(
    body: Mapping[str, Any],
    request: Mapping[str, Any],
    sides: tuple[Sequence[Block], Sequence[Block]],
    index: int,
    kind: DifferenceKind | None,
) -> Difference:
    ours, theirs = sides
    if kind is not None:
        order = Invalidator.ITEM_ORDER if kind is DifferenceKind.REORDERED else None
        return _whole(ours, theirs, index, kind, order)
    if _role(body, ours[index]) != _role(request, theirs[index]):
        target_path, request_path = ((*block.path[:2], "role") for block in (ours[index], theirs[index]))
        return Difference(DifferenceKind.CHANGED_VALUE, target_path, request_path)
    return _inside(ours[index], theirs[index])


def _whole(
    ours: Sequence[Block], theirs: Sequence[Block], index: int, kind: DifferenceKind, invalidator: Invalidator | None
) -> Difference:
    """Tell of a block that is on one side only, or elsewhere on the other."""
    target_path = None if kind is DifferenceKind.ADDED else ours[index].path
    request_path = None if kind is DifferenceKind.REMOVED else theirs[index].path
    return Difference(kind, target_path, request_path, invalidator=invalidator)


def _inside(ours: Block, theirs: Block) -> Difference:
    """Find the difference inside two blocks that stand at the same place."""
    found = cast("Difference", first_difference(_unmarked(ours), _unmarked(theirs)))  # they do differ
    target_path, request_path = _placed(ours, found.target_path), _placed(theirs, found.request_path)
    return replace(found, target_path=target_path, request_path=request_path)


def _placed(block: Block, inner: JsonPath | None) -> JsonPath | None:
    """Say where in its body a place of a block is; inside a bare string there are no fields."""
    if inner is None:
        return None
    return block.path if isinstance(block.path[-1], str) else (*block.path, *inner)


def _of_markers(ours: Sequence[Block], theirs: Sequence[Block], automatic: Json | None) -> Difference | None:
    """Tell whether a marker of the request finds the entry at the end of the target's prefix."""
    end = ours[-1]
    at = PrefixEnd.of(ours).index_in(theirs)
    if at is None:
        return None  # there is no such block, which its tier has told
    target_path = (*end.path, "cache_control")
    marked_blocks = list(markers(theirs, automatic))
    if not marked_blocks:
        return Difference(DifferenceKind.MARKER_MISSING, target_path, None)
    behind = [found for found in marked_blocks if found[0] >= at]
    if not behind:
        return Difference(DifferenceKind.MARKER_TOO_EARLY, target_path, marked_blocks[-1][1])
    marked, request_path, ttl = behind[0]
    if marked == at and ttl != (end.ttl or DEFAULT_TTL):
        return Difference(DifferenceKind.OTHER_TTL, target_path, request_path)
    numbers = positions(theirs)
    if numbers[marked] - numbers[at] >= LOOKBACK_POSITIONS:
        return Difference(DifferenceKind.MARKER_TOO_FAR, target_path, request_path)
    return None


def _of_model(listed: Sequence[str], model: object) -> Difference | None:
    return None if model in listed else Difference(DifferenceKind.MODEL_NOT_LISTED, ("models",), ("model",))


def _of_setting(path: JsonPath, ours: object, theirs: object) -> Difference | None:
    """Compare a setting; None stands for one that is left out."""
    if ours is None and theirs is not None:
        return Difference(DifferenceKind.ADDED, None, path)
    if ours is not None and theirs is None:
        return Difference(DifferenceKind.REMOVED, path, None)
    return first_difference(ours, theirs, path)


def _of_betas(ours: frozenset[str], theirs: frozenset[str]) -> Difference | None:
    """Compare beta features, whose order does not count."""
    if ours == theirs:
        return None
    path = ("betas",)
    if ours < theirs:
        return Difference(DifferenceKind.ADDED, None, path)
    if theirs < ours:
        return Difference(DifferenceKind.REMOVED, path, None)
    return Difference(DifferenceKind.CHANGED_VALUE, path, path)


def _effort(body: Mapping[str, Any]) -> object:
    return (body.get("output_config") or {}).get("effort")


def _role(body: Mapping[str, Any], block: Block) -> str:
    return str(body["messages"][block.path[1]].get("role", "")) if block.tier is Tier.MESSAGES else ""


def _tool_name(block: Block) -> str:
    """Name a tool; the API's toolsets have a server's name or only a type."""
    content = block.content
    return written(content.get("name") or content.get("mcp_server_name") or content.get("type"))


def _unmarked(block: Block) -> Json:
    return {field: value for field, value in block.content.items() if field != "cache_control"}


def _path(path: JsonPath | None) -> str | None:
    return None if path is None else json_path(path)
