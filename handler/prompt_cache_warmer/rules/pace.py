"""The pace of warm calls on limits they share with the application: what may start now, and what waits how long.

A limit of L per minute is a bucket of L that is filled at L/60 a second. Of it the application keeps
K = (1 - share) x L for itself, and warm calls start at the rate of what remains above that:

    rate = (remaining - K) / 60 a second, never more than share x remaining / 60

This is a proportional control, because spending a share of what remains again and again after each answer
would drain it all. Where the application uses a per minute, the bucket settles where what warm calls take
is what it is filled with beside the application:

    remaining = K + min(L - a, share x L)

So the application always finds K for a burst and more, however many entries are due, and an application
that uses all of its limit pushes warm calls back to nothing. One call alone takes no more than what remains
above K; one that needs more than share x L can never go, and the answer says so.

Credit accrues at that rate. A call may start while there is no debt, whatever it costs, and what it costs
is paid back before the next one starts; credit is capped at a second's worth, so that no burst builds up.
A call under way counts as used until its answer comes. Between two answers the bucket is taken to fill at
L/60, never above L; each time an answer finds less than K where more was expected, the application takes
what fills it, and half of that rate is believed until an answer finds K again. Before the first answer
nothing is known: one call goes alone as the probe. What was told less than a minute ago is known to the next run of
the same process too; a bucket that nobody told of for longer may be full or empty again.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from operator import itemgetter
from typing import TYPE_CHECKING

from prompt_cache_warmer.values.rate_limits import MINUTE_SECONDS, RateLimit

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from prompt_cache_warmer.values.rate_limits import RateLimits

CREDIT_SECONDS = 1.0  # the API may hold 60 requests a minute to one a second, so more at once is a burst
# A refresh sends a handful of tokens that count, and waits only for debts above this part of the limit: hundreds of
# refreshes may go while there is nothing above K, and those that prove to be writes are held back all the same.
SLACK = 0.01
SHORTEST_WAIT_SECONDS = 0.001  # less than any clock waits exactly, and no burst
_WHOLE_PERCENT = 100
_NO_DEBT = 1e-9  # sums of fractions of a call miss 0 by less
_UNREAD = RateLimit(0, 0)  # no limit of the API's is 0


@dataclass(frozen=True, slots=True)
class Cost:
    """What one call takes of the limits.

    Attributes:
        requests: how many requests it is; more than one where it is sent again.
        input_tokens: what it writes or sends uncached; cache reads do not count.
    """

    requests: int = 1
    input_tokens: int = 0


_NOTHING = Cost(0, 0)


class Pace:
    """The pace of one credential's calls on one model; times are seconds of one monotonic clock.

    Args:
        share_percent: how much of the limits warm calls may use, 1 to 100.
        workers: how many processes pace themselves by the same share at once; each takes its part.
    """

    def __init__(self, *, share_percent: int, workers: int = 1) -> None:
        self._share_percent = share_percent
        self._workers = workers
        self._requests = _Meter("requests", share_percent, workers)
        self._input_tokens = _Meter("input tokens", share_percent, workers)
        self._calls_under_way = 0
        self._is_answered = False
        self._held_until = -math.inf
        self._told_at: datetime | None = None

    def is_fresh(self, now: datetime) -> bool:
        """Tell whether what is known still says something of the limits, by the time of day.

        The other clock may stand still while no run is under way, and its process with it.
        """
        return self._told_at is not None and 0 <= (now - self._told_at).total_seconds() < MINUTE_SECONDS

    def told(self, now: datetime) -> None:
        """Take in when it was told of the limits last."""
        self._told_at = now

    def wait_seconds(self, cost: Cost, *, at: float) -> float | None:
        """Say how long a call has to wait, as far as is known now.

        Args:
            cost: what it is expected to take.
            at: the time.

        Returns:
            0 where it may start now; infinity where it takes more than warm calls may ever use; None where
            nothing is known yet and the answer of the probe comes first.
        """
        held_seconds = max(0.0, self._held_until - at)
        if not self._is_answered:
            return None if self._calls_under_way else held_seconds
        wait = max(held_seconds, *(meter.wait_seconds(taken, at=at) for meter, taken in self._each(cost)))
        return wait if wait >= SHORTEST_WAIT_SECONDS else 0.0

    def start(self, cost: Cost, *, at: float) -> None:
        """Count a call that starts now."""
        self._calls_under_way += 1
        for meter, taken in self._each(cost):
            meter.start(taken, at=at)

    def hear(self, limits: RateLimits, *, at: float, retry_after_seconds: float | None = None) -> None:
        """Take in what an answer says of the limits, a refusal's too.

        Args:
            limits: what its headers say.
            at: the time.
            retry_after_seconds: how long a refusal asks to wait; nothing starts before that.
        """
        for meter, limit in ((self._requests, limits.requests), (self._input_tokens, limits.input_tokens)):
            if limit is not None:
                meter.read(limit, at=at)
        if retry_after_seconds is not None:
            self._held_until = max(self._held_until, at + retry_after_seconds)

    def end(self, cost: Cost, used: Cost | None, *, at: float, is_heard: bool) -> None:
        """Count a call that is over.

        Args:
            cost: what it was expected to take.
            used: what it took; None where it was not sent after all.
            at: the time.
            is_heard: whether an answer of it said what remains; if none did, what it took is counted off.
        """
        self._calls_under_way -= 1
        for (meter, expected), (_, taken) in zip(self._each(cost), self._each(used or _NOTHING), strict=True):
            meter.end(expected, taken, at=at, is_counted=is_heard)
        is_held_unread = at < self._held_until and not (self._requests.is_read or self._input_tokens.is_read)
        if used is not None and not is_held_unread:  # where nothing is known, one goes alone again after the wait
            self._is_answered = True

    def reason(self, cost: Cost, *, at: float) -> str:
        """Say in words why a call has to wait."""
        if self._held_until > at:
            return f"the API answered 429 and asked to wait; {self._held_until - at:.0f} s of that are left"
        waits = [(meter.wait_seconds(taken, at=at), meter, taken) for meter, taken in self._each(cost)]
        wait, meter, taken = max(waits, key=itemgetter(0))
        divided = f" divided by {self._workers} workers" if self._workers > 1 else ""
        start = ", which is more than that" if wait == math.inf else f" and could start in {wait:.1f} s at the earliest"
        return (
            f"{meter.words(at=at)}; warm calls may use {self._share_percent} % of the limit "
            f"(RATE_LIMIT_SHARE_PERCENT){divided}, and this one takes {taken:,}{start}"
        )

    def _each(self, cost: Cost) -> Iterator[tuple[_Meter, int]]:
        yield self._requests, cost.requests
        yield self._input_tokens, cost.input_tokens


class _Meter:
    """One limit as one pace sees it; one of which nothing is known holds nothing back.

    Args:
        name: what it counts.
        share_percent: how much of it warm calls may use, 1 to 100.
        workers: how many paces share that.
    """

    def __init__(self, name: str, share_percent: int, workers: int) -> None:
        self._name = name
        self._share_percent = share_percent
        self._workers = workers
        self._last = _UNREAD
        self._trust = 1.0  # how much of the documented rate it is taken to fill at
        self._read_at = 0.0
        self._uncounted = 0  # used since the last reading by calls whose answers said nothing
        self._under_way = 0
        self._credit = 0.0
        self._credited_at = 0.0

    @property
    def is_read(self) -> bool:
        """Whether anything is known of it."""
        return self._last is not _UNREAD

    def read(self, limit: RateLimit, *, at: float) -> None:
        """Take in what an answer says."""
        is_first = not self.is_read
        self._accrue(at)
        was_enough = self._above(at) >= 0
        self._last, self._read_at, self._uncounted = limit, at, 0
        if is_first:
            self._credit = self._most_credit(at)
        if limit.remaining >= self._kept:
            self._trust = 1.0
        elif was_enough and not is_first:
            self._trust /= 2

    def start(self, taken: int, *, at: float) -> None:
        """Count what starts now."""
        self._accrue(at)
        self._under_way += taken
        self._credit -= taken

    def end(self, expected: int, taken: int, *, at: float, is_counted: bool) -> None:
        """Count what is over: it paid what was expected, and may have taken something else."""
        self._accrue(at)
        self._under_way -= expected
        self._credit += expected - taken
        if not is_counted:
            self._uncounted += taken

    def wait_seconds(self, taken: int, *, at: float) -> float:
        """Say when this much may start: when nothing is owed, and as much remains above what is kept.

        What is expected to take none waits for large debts only.
        """
        if not self.is_read:
            return 0.0
        needed = taken * self._workers
        if needed > self._most:
            return math.inf
        self._accrue(at)
        until_there = max(0.0, (needed - self._above(at)) / self._filled_per_second) if taken else 0.0
        owed = -self._credit - (0.0 if taken else self._last.limit * SLACK)
        return max(until_there, self._seconds_to_gain(owed, at) if owed > _NO_DEBT else 0.0)

    def words(self, *, at: float) -> str:
        """Say how much of it remains."""
        reset_at = self._last.reset_at
        full = "" if reset_at is None else f", all of it by {reset_at:%H:%M:%SZ} if nothing used any"
        return f"about {max(0.0, self._left(at)):,.0f} of {self._last.limit:,} {self._name} per minute remain{full}"

    @property
    def _filled_per_second(self) -> float:
        return self._last.limit / MINUTE_SECONDS * self._trust

    @property
    def _most(self) -> float:
        """The most that warm calls may use at once."""
        return self._last.limit * self._share_percent / _WHOLE_PERCENT

    @property
    def _kept(self) -> float:
        """What the application keeps for itself."""
        return self._last.limit * (_WHOLE_PERCENT - self._share_percent) / _WHOLE_PERCENT

    def _left(self, at: float) -> float:
        """How much remains by now, calls under way counted as used."""
        filled = self._last.remaining - self._uncounted + (at - self._read_at) * self._filled_per_second
        return min(float(self._last.limit), filled) - self._under_way

    def _above(self, at: float) -> float:
        """How much of that is above what the application keeps; below 0 where it is less."""
        return self._left(at) - self._kept

    def _rate(self, at: float) -> float:
        """How much may start per second."""
        return max(0.0, self._above(at)) / MINUTE_SECONDS / self._workers

    def _most_credit(self, at: float) -> float:
        return self._rate(at) * CREDIT_SECONDS

    def _accrue(self, at: float) -> None:
        """Add what was gained since the last look; the rate changes in a line, so the mean of both ends is it."""
        gained = (self._rate(self._credited_at) + self._rate(at)) / 2 * (at - self._credited_at)
        self._credit = min(self._credit + gained, self._most_credit(at))
        self._credited_at = at

    def _seconds_to_gain(self, missing: float, at: float) -> float:
        """Say how long a debt takes to pay while the bucket fills: the area below a line that rises, then is level."""
        above = self._above(at)
        low, fill = max(0.0, above), self._filled_per_second
        idle_seconds = max(0.0, -above / fill)
        area = missing * MINUTE_SECONDS * self._workers
        rise_seconds = (self._most - low) / fill
        risen = (low + self._most) / 2 * rise_seconds
        if area > risen:
            return idle_seconds + rise_seconds + (area - risen) / self._most
        return idle_seconds + (math.sqrt(low * low + 2 * fill * area) - low) / fill
