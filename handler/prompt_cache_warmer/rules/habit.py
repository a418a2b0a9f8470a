"""The habit: how far a ``while-used`` entry may go towards its break-even bound, learned from its past idle gaps.

Break-even alone is right about gaps and wrong about ends. A coding session of an hour does not come
back, and nineteen refreshes behind it cost a fifth of what the session cost. So an entry is kept
idle **as long as it has been in use, and a fifth of the break-even bound on top, never beyond the
bound**. Use starts anew behind a gap that no bound could have spanned.

That alone could be exploited: gaps that end just after each lapse. So the entry has *credit*: twice
what a clairvoyant would have paid for its past gaps, less what was paid. The bound is raised until
the credit survives the worst gap it can meet, and break-even always does. Therefore, with exact timers,
the whole never costs more than twice the clairvoyant's price, up to any request, whatever they do.

All of it is known when an idle entry gets its first warm call: the gap before is over by then. Tried
and left out: a histogram of past gaps lost 2 to 10 percent at one request an hour wherever it helped
coding sessions; decayed scores of several bounds gained a percent or two on 5-minute entries only, and
would need a write for every request. ``make bench-policy`` has the figures of what is here.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from decimal import ROUND_CEILING, ROUND_FLOOR
from typing import TYPE_CHECKING

from prompt_cache_warmer.rules.bound import break_even
from prompt_cache_warmer.values.state import Habit

if TYPE_CHECKING:
    from datetime import datetime
    from decimal import Decimal

    from prompt_cache_warmer.values.pricing import PrefixCosts

# What an entry is kept beyond the time it has been in use, as a part of break-even: a smaller part
# misses the first returns of sparse traffic, a larger one pays for sessions that have ended.
NEWCOMERS_PART = 5
# Twice the two refreshes, one of them the hit, that the clairvoyant makes beyond a bound.
_REFRESHES_FORESEEN = 4


@dataclass(frozen=True, slots=True)
class IdleGap:
    """A time without traffic in which a refresh was made, or which the entry did not survive.

    Attributes:
        began_at: when the last request before it started.
        ended_at: when the first request after it started.
        refreshes: the refreshes that were made in it.
        was_alive: whether the entry was still alive when it ended.
    """

    began_at: datetime
    ended_at: datetime
    refreshes: int
    was_alive: bool


def begun(at: datetime, costs: PrefixCosts) -> Habit:
    """Return the habit of an entry whose first request wrote it: everybody paid that, so its price is the credit."""
    return Habit(used_since=at, credit_usd=costs.write_usd)


def habit_after(
    habit: Habit, gap: IdleGap, costs: PrefixCosts, *, ttl_seconds: float, cold_start_value_usd: Decimal
) -> Habit:
    """Return the habit with one more idle gap, at the prices of the prefix that was kept."""
    miss = costs.write_usd + cold_start_value_usd
    needed = _needed(gap, ttl_seconds)
    foreseen = min(needed * costs.read_usd + costs.read_usd, miss) if needed else costs.read_usd
    paid = gap.refreshes * costs.read_usd + (costs.read_usd if gap.was_alive else miss)
    is_spannable = needed <= break_even(costs, cold_start_value_usd=cold_start_value_usd)
    return Habit(
        used_since=habit.used_since if is_spannable else gap.ended_at,
        credit_usd=habit.credit_usd + 2 * foreseen - paid,
    )


def idle_bound(
    habit: Habit, costs: PrefixCosts, *, last_traffic_at: datetime, ttl_seconds: float, cold_start_value_usd: Decimal
) -> int:
    """Count the idle refreshes an entry may have after its last request; never more than break-even."""
    limit = break_even(costs, cold_start_value_usd=cold_start_value_usd)
    in_use = (last_traffic_at - habit.used_since) // timedelta(seconds=ttl_seconds)
    bound = min(limit, max(1, limit // NEWCOMERS_PART) + in_use)
    miss, read = costs.write_usd + cold_start_value_usd, costs.read_usd

    def survives(bound: int) -> bool:
        # The worst gap ends just after the lapse: one more refresh would have held the entry.
        return habit.credit_usd + 2 * min((bound + 2) * read, miss) - bound * read - miss >= 0

    if bound == limit or survives(bound):
        return bound
    # What is left rises with the bound while the clairvoyant would refresh, and falls from where it would miss.
    rising = int(((miss - habit.credit_usd) / read - _REFRESHES_FORESEEN).to_integral_value(ROUND_CEILING))
    turning = int((miss / read - 2).to_integral_value(ROUND_FLOOR))
    tried = sorted({each for each in (rising, turning, turning + 1) if bound < each < limit})
    return next(filter(survives, tried), limit)


def _needed(gap: IdleGap, ttl_seconds: float) -> int:
    """Count the refreshes, each at the moment of the lapse, that would have held an entry through a gap."""
    return max(0, -(-(gap.ended_at - gap.began_at) // timedelta(seconds=ttl_seconds)) - 1)
