"""Makes a failing script small: fewer ticks, fewer faults, fewer targets, as long as the same invariant fails.

Delta debugging over the script, instead of Hypothesis' own shrinking: what is to be removed are parts of a list
that is already there, a run takes seconds, and the result has to be a file that anyone can read and replay.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tests.campaign.script import Script

T = TypeVar("T")


def shrink(script: Script, fails: Callable[[Script], bool], *, at_tick: int) -> Script:
    """Return the smallest script that was found and still fails.

    Args:
        script: a script that fails.
        fails: tells whether a script still does, in the same way.
        at_tick: the tick in which it does.
    """
    smallest = replace(script, ticks=script.ticks[: at_tick + 1])
    last = smallest.ticks[-1]
    heads = minimal(smallest.ticks[:-1], lambda kept: fails(replace(smallest, ticks=(*kept, last))))
    smallest = replace(smallest, ticks=(*heads, last))
    faults = [(number, fault) for number, tick in enumerate(smallest.ticks) for fault in tick.faults]
    smallest = smallest.with_faults(minimal(faults, lambda kept: fails(smallest.with_faults(kept))))
    targets = minimal(smallest.targets, lambda kept: fails(replace(smallest, targets=tuple(kept))))
    smallest = replace(smallest, targets=tuple(targets))
    for number, tick in enumerate(smallest.ticks):
        calm = replace(tick, changes=(), skew_seconds=0)
        tried = replace(smallest, ticks=(*smallest.ticks[:number], calm, *smallest.ticks[number + 1 :]))
        if calm != tick and fails(tried):
            smallest = tried
    return smallest


def minimal(items: Sequence[T], fails: Callable[[list[T]], bool]) -> list[T]:
    """Return a part of a list that still fails, none of whose items can be done without."""
    kept, size = list(items), len(items)
    if kept and fails([]):
        return []
    while size >= 1:
        start, has_shrunk = 0, False
        while start < len(kept):
            fewer = kept[:start] + kept[start + size :]
            if len(fewer) < len(kept) and fails(fewer):
                kept, has_shrunk = fewer, True
            else:
                start += size
        if size == 1 and not has_shrunk:
            break
        size = max(1, size // 2) if size > 1 else 1
    return kept
