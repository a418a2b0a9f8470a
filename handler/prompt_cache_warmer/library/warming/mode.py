"""How a run of the library's is meant: by hand, or as one tick of a schedule."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from prompt_cache_warmer.ports import unlimited

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime


@dataclass(frozen=True, slots=True)
class Mode:
    """How a run of the library's is meant.

    Attributes:
        scheduled_at: since when a call counts as made for this run; None for a run by hand, which always calls.
        interval_seconds: how long until the next run; 0 for a run by hand.
        jitter_seconds: how much later than that the next run may come.
        remaining_seconds: says how much time the run has left; 0 once it is stopped.
    """

    scheduled_at: datetime | None = None
    interval_seconds: float = 0.0
    jitter_seconds: float = 0.0
    remaining_seconds: Callable[[], float] = unlimited


BY_HAND = Mode()
