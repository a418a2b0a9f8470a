"""Cache breakpoints of a request: where they are, what they cover, and more of them on a system prompt.

The rules are the API's: at most 4 markers in all, 1h markers before 5m ones, none on a blank block. What
the application marked itself is kept as it is, ttl included.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from prompt_cache_warmer.errors import ArgumentTypeError, ArgumentValueError
from prompt_cache_warmer.library.prompts.bodies import checked_body, written_place
from prompt_cache_warmer.values.body import (
    DEFAULT_TTL,
    MAX_MARKERS,
    TTL_SECONDS,
    Block,
    Json,
    Tier,
    Ttl,
    blocks,
    marked_blocks,
    marker_ttl,
    with_marker,
)
from prompt_cache_warmer.values.markers import MarkerOrigin, mark
from prompt_cache_warmer.values.prefix import prefix_blocks
from prompt_cache_warmer.values.problems import nearest, shown

if TYPE_CHECKING:
    from collections.abc import Mapping

TierName = Literal["tools", "system", "messages", "automatic"]

_TIER_NAMES: dict[Tier, TierName] = {Tier.TOOLS: "tools", Tier.SYSTEM: "system", Tier.MESSAGES: "messages"}


@dataclass(frozen=True, slots=True)
class Breakpoint:
    """One marker of a request.

    Attributes:
        path: where its block stands, such as ``system[1]``; ``cache_control`` for automatic caching.
        tier: the part of the prefix the block stands in; ``automatic`` for automatic caching.
        ttl: the time to live it asks for.
    """

    path: str
    tier: TierName
    ttl: Ttl


def to_system_blocks(system: str | Sequence[Mapping[str, Any]]) -> list[Json]:
    """Write a system prompt as the list of blocks the API makes of it.

    Args:
        system: a text, or text blocks.

    Returns:
        New blocks, which share nothing with those passed in; a text becomes one text block.

    Raises:
        ArgumentTypeError: when it is neither, or holds what is not JSON.
        ArgumentValueError: when a block has no type, or a marker the API has no meaning for.
    """
    if isinstance(system, str):
        system = [{"type": "text", "text": system}]
    elif not isinstance(system, Sequence):
        raise ArgumentTypeError("system", f"a value of type {type(system).__name__} is not text or a list of blocks")
    read: list[Json] = checked_body({"system": system})["system"]
    return read


def find_breakpoints(request: Mapping[str, Any]) -> list[Breakpoint]:
    """List the markers of a request in the order the API reads them.

    Tools come first, then system, then messages, wherever they stand in the request. Automatic caching
    (a ``cache_control`` of the request itself) marks the last block there is, so it comes last.

    Args:
        request: a Messages API body.

    Raises:
        ArgumentTypeError: for what is not JSON or has the wrong type, with its place.
        ArgumentValueError: for a value the API has no meaning for, with its place.
    """
    body = checked_body(request, within="request")
    found = [
        Breakpoint(written_place(block.path), _TIER_NAMES[block.tier], block.ttl or DEFAULT_TTL)
        for block in marked_blocks(body)
    ]
    automatic = body.get("cache_control")
    return found if automatic is None else [*found, Breakpoint("cache_control", "automatic", marker_ttl(automatic))]


def scope_blocks(request: Mapping[str, Any]) -> list[Json]:
    """List the blocks that are cached: from the first tool up to and including the last marker.

    Automatic caching ends the scope at the last block that other requests share: a marked message, else
    the last system block, else the last tool. It is told as a marker on that block, as a warm call sends it.

    Args:
        request: a Messages API body.

    Returns:
        New blocks, in the order the API reads them; a text stands as the text block the API makes of
        it. Empty when nothing is marked.

    Raises:
        ArgumentTypeError: for what is not JSON or has the wrong type, with its place.
        ArgumentValueError: for a value the API has no meaning for, with its place.
    """
    marked = mark(checked_body(request, within="request"))
    if marked is None or marked.origin is MarkerOrigin.ADDED:
        return []
    return [block.content for block in prefix_blocks(marked.body, marked.end)]


def add_cache_breakpoints(
    system: str | Sequence[Mapping[str, Any]],
    *,
    count: int = 1,
    ttl: Ttl = "5m",
    taken: int | Sequence[Breakpoint] = 0,
) -> list[Json]:
    """Mark a system prompt at evenly spaced blocks, the last one among them, within the API's limits.

    Blocks that cannot carry a marker (blank ones) are passed over. A place that is marked already counts
    as one of ``count`` and stays as it is, so marking twice changes nothing. Where 4 markers in all leave
    too little room for ``count`` places, as many as fit are spaced evenly instead; where they leave
    none, or no block can be marked, the blocks come back as they are.

    A new marker never breaks the rule that 1h markers come before 5m ones. Before a 1h marker it is 1h
    itself whatever ``ttl`` says, which costs nothing: everything up to the last 1h marker is written at the
    1h price anyway. Behind a 5m marker 1h cannot be had, which is an error: a 5-minute entry in place of
    an hour's would be cold at the next refresh.

    Args:
        system: a text, or text blocks.
        count: the places to mark, 1 to 4.
        ttl: the time to live of new markers, ``"5m"`` or ``"1h"``.
        taken: the markers outside the system prompt, automatic caching included: how many, or better
            what ``find_breakpoints`` says of the whole request, so that their order is kept too.

    Returns:
        New blocks; the ones passed in are not changed.

    Raises:
        ArgumentTypeError: when an argument has the wrong type.
        ArgumentValueError: when ``count``, ``ttl`` or ``taken`` is not allowed, when there are more than 4
            markers to begin with or they are in the wrong order, or when a marker of 1h would
            come behind one of 5m.
    """
    _check_count("count", count, least=1)
    if not isinstance(ttl, str):
        raise ArgumentTypeError("ttl", f"a value of type {type(ttl).__name__} is not allowed; allowed: '5m' or '1h'")
    if ttl not in TTL_SECONDS:
        raise ArgumentValueError(
            "ttl", f"{shown(ttl)} is not allowed; allowed: '5m' or '1h'{nearest(ttl, TTL_SECONDS)}"
        )
    others = _Others.of(taken)
    body: Json = {"system": to_system_blocks(system)}
    found = list(blocks(body))
    room = MAX_MARKERS - others.count - len(marked_blocks(body))
    if room < 0:
        message = f"{MAX_MARKERS - room} cache_control markers in all ({others.count} outside the system prompt)"
        raise ArgumentValueError("system", f"{message}; at most {MAX_MARKERS} are allowed")
    _check_order([*others.before, *(block.ttl for block in found), *others.after])
    for block in _places(found, count, room):
        at = found.index(block)
        before = [*others.before, *(other.ttl for other in found[:at])]
        after = [*(other.ttl for other in found[at:]), *others.after]
        granted: Ttl = "1h" if "1h" in after else ttl
        if granted == "1h" and "5m" in before:
            message = "'1h' cannot follow a 5m marker; 1h markers come first: use ttl='5m', or make the earlier one 1h"
            raise ArgumentValueError("ttl", message)
        body = with_marker(body, block, _marker(granted))
    marked: list[Json] = body["system"]
    return marked


@dataclass(frozen=True, slots=True)
class _Others:
    """The markers outside a system prompt: how many, and the ttl of those before and behind it where known."""

    count: int
    before: tuple[Ttl, ...] = ()
    after: tuple[Ttl, ...] = ()

    @classmethod
    def of(cls, taken: object) -> _Others:
        """Read them from the argument ``taken``."""
        if isinstance(taken, Sequence) and not isinstance(taken, str | bytes):
            strangers = [type(each).__name__ for each in taken if not isinstance(each, Breakpoint)]
            if strangers:
                raise ArgumentTypeError(
                    "taken", f"a value of type {strangers[0]} is not a Breakpoint, as find_breakpoints lists them"
                )
            outside = [each for each in taken if each.tier != "system"]
            before = tuple(each.ttl for each in outside if each.tier == "tools")
            return cls(len(outside), before, tuple(each.ttl for each in outside if each.tier != "tools"))
        return cls(_check_count("taken", taken, least=0))


def _places(found: Sequence[Block], count: int, room: int) -> list[Block]:
    """Choose the blocks to mark: evenly spaced, the last one always, as many places as there is room for."""
    markable = [block for block in found if block.is_markable]
    for places in range(min(count, len(markable)), 0, -1):
        chosen = [markable[place * len(markable) // places - 1] for place in range(1, places + 1)]
        unmarked = [block for block in chosen if block.marker is None]
        if len(unmarked) <= room:
            return unmarked
    return []


def _check_count(argument: str, value: object, *, least: int) -> int:
    allowed = f"allowed: {least} to {MAX_MARKERS}"
    if not isinstance(value, int) or isinstance(value, bool):
        raise ArgumentTypeError(argument, f"a value of type {type(value).__name__} is not a whole number; {allowed}")
    if not least <= value <= MAX_MARKERS:
        raise ArgumentValueError(
            argument, f"{value} is not allowed; {allowed}: the API takes {MAX_MARKERS} markers in all"
        )
    return value


def _check_order(ttls: Sequence[Ttl | None]) -> None:
    """Refuse markers that are in the wrong order already: the API does, whatever is added."""
    written = [ttl for ttl in ttls if ttl is not None]
    if written != sorted(written, key=TTL_SECONDS.__getitem__, reverse=True):
        raise ArgumentValueError("system", "a 1h marker follows a 5m marker; 1h markers come first")


def _marker(ttl: Ttl) -> Json:
    return {"type": "ephemeral"} if ttl == DEFAULT_TTL else {"type": "ephemeral", "ttl": ttl}
