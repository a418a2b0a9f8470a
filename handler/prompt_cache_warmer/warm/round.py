"""One round of calls: all that are made under one ledger, from its leases to their return."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from uuid import uuid4

from prompt_cache_warmer.errors import StateUnavailableError
from prompt_cache_warmer.values.caps import NO_CAPS
from prompt_cache_warmer.values.money import NOTHING, Amount
from prompt_cache_warmer.warm.batch import WARMING, Batch
from prompt_cache_warmer.warm.ledger import Ledger

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import date

    from prompt_cache_warmer.rules.entry_result import EntryResult
    from prompt_cache_warmer.values.caps import Caps
    from prompt_cache_warmer.warm.batch import Errand
    from prompt_cache_warmer.warm.claims import RunLimits, Tools, Twins


@dataclass(frozen=True, slots=True)
class Round:
    """What became of a round.

    Attributes:
        results: what became of every entry.
        spent: what all calls cost, or may have cost.
        troubles: what was wrong with the state, one sentence each.
    """

    results: list[EntryResult] = field(default_factory=list)
    spent: Amount = NOTHING
    troubles: list[str] = field(default_factory=list)


async def call_all(
    ordered: Sequence[Twins],
    tools: Tools,
    *,
    limits: RunLimits,
    caps: Caps,
    day: date,
    remaining_seconds: Callable[[], float],
    errand: Errand = WARMING,
) -> Round:
    """Make calls in order, as far as caps and time allow.

    Args:
        ordered: the entries, those of the same bytes together.
        tools: what the workers work with.
        limits: what bounds the round.
        caps: the stack's caps.
        day: the UTC day it is counted to.
        remaining_seconds: says at any moment how much time the run has left.
        errand: what the calls are for.

    Raises:
        RunError: when it as a whole cannot happen.
    """
    in_flight = _in_flight(ordered, limits, caps)
    ledger = Ledger(tools.store, owner=uuid4().hex, caps=caps, day=day, in_flight=in_flight)
    batch = Batch(tools, ledger, limits=limits, remaining_seconds=remaining_seconds, errand=errand)
    troubles: list[str] = []
    try:
        results = await batch.call(ordered)
    finally:
        try:
            await ledger.close()
        except StateUnavailableError as error:  # what was leased stays counted as spent, so no cap is passed
            troubles.append(f"what is left of the run's allowance could not be returned: {error}")
    return Round(results, ledger.spent, troubles)


def _in_flight(ordered: Sequence[Twins], limits: RunLimits, caps: Caps) -> Amount:
    """Say what the calls that can be under way at once may cost together; without any cap nothing is leased."""
    if caps == NO_CAPS:
        return NOTHING
    worst = sorted(
        (twins[0].expected_worst for twins in ordered), key=lambda one: (one.known_usd, one.tokens), reverse=True
    )
    return sum(worst[: limits.max_concurrency], NOTHING)
