"""One limit of the API's as warm calls see it: how much is left of it by now, and what is owed of what was used."""

from __future__ import annotations

import math

from prompt_cache_warmer.values.rate_limits import MINUTE_SECONDS, RateLimit

CREDIT_SECONDS = 1.0  # the API may hold 60 requests a minute to one a second, so more at once is a burst
# A refresh sends a handful of tokens that count, and waits only for debts above this part of the limit: hundreds of
# refreshes may go while there is nothing above what is kept, and those that prove to be writes are held back all the
# same.
SLACK = 0.01
_WHOLE_PERCENT = 100
_NO_DEBT = 1e-9  # sums of fractions of a call miss 0 by less
_UNREAD = RateLimit(0, 0)  # no limit of the API's is 0


class Meter:
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
