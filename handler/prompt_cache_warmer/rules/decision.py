"""The decision: whether an entry is warmed on this tick, and why.

One pure function returns one frozen record; the log line, the metric and the dry run are renderings
of it. Without recorded state nothing proves that an entry outlives the next tick, so every entry of
an enabled target is due.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from prompt_cache_warmer.values.targets import Entry


class Reason(StrEnum):
    """Why an entry is or is not warmed; the closed set of reason codes."""

    DUE = "due"
    DISABLED = "disabled"

    @property
    def sentence(self) -> str:
        """The reason in words."""
        return _SENTENCES[self]


_SENTENCES = {
    Reason.DUE: "nothing proves that it outlives the next tick",
    Reason.DISABLED: "the target says enabled: false",
}


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do with one entry on one tick.

    Attributes:
        entry: the entry it is about.
        is_due: whether a warm call is made.
        reason: why.
    """

    entry: Entry
    is_due: bool
    reason: Reason


def decide(entry: Entry) -> Decision:
    """Decide whether an entry is warmed on this tick."""
    if not entry.target.enabled:
        return Decision(entry, is_due=False, reason=Reason.DISABLED)
    return Decision(entry, is_due=True, reason=Reason.DUE)
