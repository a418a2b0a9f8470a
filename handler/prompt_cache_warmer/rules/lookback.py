"""The lookback: from which markers of a request the API finds an entry that was written before.

Source: the API's prompt caching documentation. A read walks back at most 20 positions from each marker, its own
being the first; a run of tool calls counts as one position, and so does a run of tool results.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from prompt_cache_warmer.values.body import Block, Json, Ttl, marker_ttl

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from prompt_cache_warmer.values.problems import JsonPath

_RUN_TYPES = frozenset({"tool_use", "tool_result"})


def markers(found: Sequence[Block], automatic: Json | None) -> Iterator[tuple[int, JsonPath, Ttl]]:
    """List a request's markers: the block's number, the marker's place, its time to live.

    Args:
        found: the request's blocks, in order.
        automatic: its top-level ``cache_control``, which marks the last of them.
    """
    for index, block in enumerate(found):
        if block.ttl is not None:
            yield index, (*block.path, "cache_control"), block.ttl
    if automatic is not None:
        yield len(found) - 1, ("cache_control",), marker_ttl(automatic)


def positions(found: Sequence[Block]) -> list[int]:
    """Number blocks as the lookback counts them."""
    numbers: list[int] = []
    position, previous = -1, None
    for block in found:
        kind = block.content.get("type")
        position += kind not in _RUN_TYPES or kind != previous
        previous = kind
        numbers.append(position)
    return numbers


@dataclass(frozen=True, slots=True)
class Reach:
    """From which marker of a request the API finds the entry at the end of a prefix.

    Attributes:
        distance: how many positions after the prefix's last block it stands; 0 on that block.
        ttl: the time to live it asks for.
        is_last: whether no other marker stands behind it.
    """

    distance: int
    ttl: Ttl
    is_last: bool


def reach(found: Sequence[Block], automatic: Json | None, at: int) -> Reach | None:
    """Find the first marker on a block or behind it; None where there is none.

    Args:
        found: the request's blocks, in order.
        automatic: its top-level ``cache_control``.
        at: the number of the block a prefix ends in.
    """
    behind = sorted((index, ttl) for index, _, ttl in markers(found, automatic) if index >= at)
    if not behind:
        return None
    (first, ttl), (last, _) = behind[0], behind[-1]
    numbers = positions(found)
    return Reach(numbers[first] - numbers[at], ttl, is_last=first == last)
