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
nothing is known: one call goes alone as the probe, and another one only where its answer is long in coming. What was
told less than a minute ago is known to the next run of the same process too; a bucket that nobody told of for longer
may be full or empty again, and only how long a refusal asked to wait still holds.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import timedelta
from operator import itemgetter
from typing import TYPE_CHECKING

from prompt_cache_warmer.rules.meter import Meter
from prompt_cache_warmer.values.rate_limits import MINUTE_SECONDS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from prompt_cache_warmer.values.rate_limits import RateLimits

SHORTEST_WAIT_SECONDS = 0.001  # less than any clock waits exactly, and no burst
# How long a probe's answer is waited for before another goes: a refresh takes a second or two and a large write some
# ten, and one that hangs until its timeout must not cost all others their turn.
PROBE_SECONDS = 10.0
# What a refusal asks for is remembered for so long at most, as every stop is: a gateway may ask for any number.
LONGEST_HOLD_SECONDS = 3_600.0


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
        self._requests = Meter("requests", share_percent, workers)
        self._input_tokens = Meter("input tokens", share_percent, workers)
        self._calls_under_way = 0
        self._is_answered = False
        self._probed_until = -math.inf
        self._held_until = -math.inf
        self._told_at: datetime | None = None
        self._held_until_at: datetime | None = None

    @property
    def is_answered(self) -> bool:
        """Whether the limits are known, as far as the API tells them: no call needs to go as a probe."""
        return self._is_answered

    def as_of(self, now: datetime, *, at: float) -> Pace:
        """Return what of it still holds for a run that begins now.

        By the time of day, because the other clock may stand still while no run is under way, and its process with it.
        """
        told_at, held_until_at = self._told_at, self._held_until_at
        self._held_until = -math.inf
        is_fresh = told_at is not None and 0 <= (now - told_at).total_seconds() < MINUTE_SECONDS
        found = self if is_fresh else Pace(share_percent=self._share_percent, workers=self._workers)
        if held_until_at is not None and now < held_until_at:
            found.hold((held_until_at - now).total_seconds(), now=now, at=at)
        return found

    def hold(self, seconds: float, *, now: datetime, at: float) -> None:
        """Start nothing for that long, as a refusal asks; later runs know it for an hour at most."""
        self._held_until = max(self._held_until, at + seconds)
        until_at = now + timedelta(seconds=min(seconds, LONGEST_HOLD_SECONDS))
        self._held_until_at = until_at if self._held_until_at is None else max(self._held_until_at, until_at)

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
            nothing is known yet and the answer of the probe comes first, or its ``probe_seconds``.
        """
        held_seconds = max(0.0, self._held_until - at)
        if not self._is_answered:
            return None if self._calls_under_way and self.probe_seconds(at=at) else held_seconds
        wait = max(held_seconds, *(meter.wait_seconds(taken, at=at) for meter, taken in self._each(cost)))
        return wait if wait >= SHORTEST_WAIT_SECONDS else 0.0

    def probe_seconds(self, *, at: float) -> float:
        """Say how long the answer of a probe that is under way is still waited for."""
        return max(0.0, self._probed_until - at)

    def start(self, cost: Cost, *, at: float) -> None:
        """Count a call that starts now."""
        self._calls_under_way += 1
        self._probed_until = at + PROBE_SECONDS
        for meter, taken in self._each(cost):
            meter.start(taken, at=at)

    def hear(self, limits: RateLimits, *, at: float) -> None:
        """Take in what an answer says of the limits, a refusal's too.

        Args:
            limits: what its headers say.
            at: the time.
        """
        for meter, limit in ((self._requests, limits.requests), (self._input_tokens, limits.input_tokens)):
            if limit is not None:
                meter.read(limit, at=at)

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

    def _each(self, cost: Cost) -> Iterator[tuple[Meter, int]]:
        yield self._requests, cost.requests
        yield self._input_tokens, cost.input_tokens
