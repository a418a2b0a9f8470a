"""The spread of a run's calls over its time, so that thousands of entries do not arrive in one second.

Each entry has a phase of its own, made from its key: it starts at the same place of every run, in the same
order, and so does the load that it makes. The more entries are due, the longer the spread; a single one
starts at once, and none waits past its lapse.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from prompt_cache_warmer.values.state import EntryKey

# Half of what 3,000 requests a minute come to, a limit that a workspace in production has, at the default share.
STARTS_PER_SECOND = 25
# The other half of the time is for those that wait for their limits, and for what fails and is tried again.
LONGEST_PART = 0.5
# From its turn to the start of its request: the body is fetched, the entry claimed, a connection made.
LAPSE_MARGIN_SECONDS = 10.0

_PHASE_BYTES = 8  # as many as a float has digits for


def phase(key: EntryKey) -> float:
    """Return an entry's place in every run, from 0 up to 1; the same in every process and on every machine."""
    text = f"{key.target}\0{key.credential}\0{key.model}"
    digest = hashlib.sha256(text.encode()).digest()[:_PHASE_BYTES]
    return int.from_bytes(digest) / (1 << 8 * _PHASE_BYTES)


def spread_seconds(calls: int, *, startable_seconds: float) -> float:
    """Say over how much of a run its calls are spread.

    Args:
        calls: how many are due.
        startable_seconds: how long a call may still start.
    """
    return max(0.0, min((calls - 1) / STARTS_PER_SECOND, startable_seconds * LONGEST_PART))


def delay_seconds(key: EntryKey, *, spread: float, lapses_in_seconds: float | None) -> float:
    """Say how long after the run began an entry has its turn.

    Args:
        key: the entry.
        spread: over how many seconds the run is spread.
        lapses_in_seconds: when it lapses; None where it is cold, and loses nothing by waiting.
    """
    delay = phase(key) * spread
    return delay if lapses_in_seconds is None else max(0.0, min(delay, lapses_in_seconds - LAPSE_MARGIN_SECONDS))
