"""What is remembered of an entry between runs: warmth, traffic, breaker and claim.

A store keeps these and changes them by conditional writes only. An entry's *life* ends when its
target's prefix changes: what was learned of another fingerprint says nothing about this one.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime
    from decimal import Decimal

    from prompt_cache_warmer.values.observation import Sightings


# Clocks of machines in one cloud are seconds apart at most.
MAX_CLOCK_SKEW = timedelta(minutes=1)
# No function runs longer, and no claim outlives its run; what goes on for longer is a clock that was wrong.
LONGEST_CLAIM = timedelta(minutes=15)


@dataclass(frozen=True, slots=True, order=True)
class EntryKey:
    """Which entry a state belongs to.

    Attributes:
        target: the target's name.
        credential: the name of the key that makes its calls.
        model: the model's id.
    """

    target: str
    credential: str
    model: str


class Toucher(StrEnum):
    """Who restarted an entry's time to live."""

    TRAFFIC = "traffic"
    WARM_CALL = "warm-call"


@dataclass(frozen=True, slots=True)
class Habit:
    """What an entry's past idle gaps taught.

    Attributes:
        used_since: when its present phase of use began.
        credit_usd: twice what a clairvoyant would have paid for its past gaps, less what was paid; never negative.
    """

    used_since: datetime
    credit_usd: Decimal


@dataclass(frozen=True, slots=True)
class Warmth:
    """What the last answered warm call proved.

    Attributes:
        fingerprint: the prefix it was about.
        asked_ttl_seconds: the time to live its markers asked for.
        warmed_at: when the call started, because the time to live counts from there.
        ttl_seconds: the time to live that was granted; None where the call left nothing cached.
        verdict: what its usage proved.
        message_id: the answer's id.
        cached_tokens: how many tokens the prefix really has.
        other_tokens: how many tokens of the call were not cached, output included.
        latency_seconds: from the call's start to its answer.
        idle_refreshes: how many warm calls there were since ``idle_since``.
        idle_since: the last traffic that was known of when it was made, None where there was none.
        habit: what the idle gaps before it taught; None where no traffic was reported.
        workspace_id: the workspace its credential resolved to, None where the API did not say.
        region: the AWS region that answered, None where the call did not go to Bedrock.
        is_ttl_granted: whether usage proved ``ttl_seconds``: this call's, or that of one before it whose entry this
            one read. Otherwise it is what was asked for.
    """

    fingerprint: str
    asked_ttl_seconds: int
    warmed_at: datetime
    ttl_seconds: int | None
    verdict: str
    message_id: str | None = None
    cached_tokens: int = 0
    other_tokens: int = 0
    latency_seconds: float = 0.0
    idle_refreshes: int = 0
    idle_since: datetime | None = None
    habit: Habit | None = None
    workspace_id: str | None = None
    region: str | None = None
    is_ttl_granted: bool = False


@dataclass(frozen=True, slots=True)
class Traffic:
    """The application's own requests.

    Attributes:
        last_at: when the last one started.
        fingerprint: the prefix it carried; None where whoever reported it did not say.
        resumed_at: when the first one since the last answered warm call started, None where there was
            none; whatever prefix it carried.
        ttl_seconds: what the last one's marker asked for; None where whoever reported it did not say.
    """

    last_at: datetime
    fingerprint: str | None = None
    resumed_at: datetime | None = None
    ttl_seconds: int | None = None

    def since(self, warmed_at: datetime) -> Traffic:
        """Return it with the first request that is known to have started after a warm call did."""
        later = [at for at in (self.resumed_at, self.last_at) if at is not None and at > warmed_at]
        return replace(self, resumed_at=min(later, default=None))


@dataclass(frozen=True, slots=True)
class Breaker:
    """Keeps calls back that failed or proved pointless several times in a row.

    Attributes:
        failures: calls that failed, in a row.
        unheld: calls in a row that found cold, or left uncached, what should have been alive.
        failed_at: when the last call that failed was made; None after one that was answered.
        reason: why it opened, as a code; None while it is closed.
        opened_at: when it opened.
        open_until: when one call is tried again (half-open).
        version: the document version it speaks of; another one closes it.
    """

    failures: int = 0
    unheld: int = 0
    failed_at: datetime | None = None
    reason: str | None = None
    opened_at: datetime | None = None
    open_until: datetime | None = None
    version: str = ""

    def is_open(self, at: datetime) -> bool:
        """Whether calls are kept back at a time."""
        return self.open_until is not None and at < self.open_until

    def is_half_open(self, at: datetime) -> bool:
        """Whether the next call is a trial."""
        return self.open_until is not None and at >= self.open_until


CLOSED = Breaker()


@dataclass(frozen=True, slots=True)
class Claim:
    """A lease on an entry: whoever holds it makes the call.

    Attributes:
        owner: the run that holds it.
        until: when it ends by itself, so that a run that died holds nothing up.
    """

    owner: str
    until: datetime


@dataclass(frozen=True, slots=True)
class EntryState:
    """All that is remembered of one entry.

    Attributes:
        sequence: counts its claims; a claim is granted only to who has seen the last one.
        warmth: what its last answered warm call proved, None where there was none.
        traffic: the application's own requests, None where none was reported.
        breaker: whether calls are kept back.
        claim: the run that is calling it now, None where there is none.
        sightings: what was seen of its traffic since its last answered warm call, None where nothing was.
    """

    sequence: int = 0
    warmth: Warmth | None = None
    traffic: Traffic | None = None
    breaker: Breaker = CLOSED
    claim: Claim | None = None
    sightings: Sightings | None = None

    def life(self, *, fingerprint: str, asked_ttl_seconds: int, version: str) -> EntryState:
        """Return what of it holds for a prefix, the time to live its markers ask for and a document version."""
        warmth, traffic, breaker, sightings = self.warmth, self.traffic, self.breaker, self.sightings
        if warmth is not None and (warmth.fingerprint, warmth.asked_ttl_seconds) != (fingerprint, asked_ttl_seconds):
            warmth = None
        if traffic is not None and traffic.fingerprint not in (None, fingerprint):
            traffic = None
        if breaker.version != version:
            breaker = replace(CLOSED, version=version)
        if sightings is not None:
            sightings = sightings.of_prefix(fingerprint)
        if (
            warmth is self.warmth
            and traffic is self.traffic
            and breaker is self.breaker
            and sightings is self.sightings
        ):
            return self  # nearly every entry at nearly every tick
        return replace(self, warmth=warmth, traffic=traffic, breaker=breaker, sightings=sightings)

    def as_of(self, at: datetime) -> EntryState:
        """Return it as it can be believed at a time: a clock may be a little ahead, what is beyond that is unknown."""
        warmth, traffic = self.warmth, self.traffic
        latest = at + MAX_CLOCK_SKEW
        if self.claim is not None and self.claim.until > latest + LONGEST_CLAIM:
            return replace(self, claim=None).as_of(at)
        if warmth is not None and warmth.warmed_at > latest:
            warmth = None
        if traffic is not None and traffic.last_at > latest:
            known_at = traffic.resumed_at
            is_known = known_at is not None and known_at <= latest
            traffic = replace(traffic, last_at=known_at or at) if is_known else None
        if (warmth, traffic) != (self.warmth, self.traffic):
            return replace(self, warmth=warmth, traffic=traffic).as_of(at)
        if max((moment for moment in (self._warm_at, self._traffic_at) if moment is not None), default=at) <= at:
            return self
        if warmth is not None:
            warmth = replace(warmth, warmed_at=min(warmth.warmed_at, at), idle_since=_earlier(warmth.idle_since, at))
        if traffic is not None:
            traffic = replace(traffic, last_at=min(traffic.last_at, at), resumed_at=_earlier(traffic.resumed_at, at))
        return replace(self, warmth=warmth, traffic=traffic)

    @property
    def touched_at(self) -> datetime | None:
        """When its time to live was last restarted."""
        return max((at for at in (self._warm_at, self._traffic_at) if at is not None), default=None)

    @property
    def touched_by(self) -> Toucher | None:
        """Who restarted it last."""
        if self.touched_at is None:
            return None
        return Toucher.TRAFFIC if self.touched_at == self._traffic_at else Toucher.WARM_CALL

    @property
    def idle_refreshes(self) -> int:
        """How many warm calls there were since the last traffic."""
        if self.warmth is None or self.warmth.idle_since != self._traffic_at:
            return 0
        return self.warmth.idle_refreshes

    def lapses_at(self, *, ttl_seconds: int) -> datetime | None:
        """When it lapses, None where nothing proves that it was ever alive.

        A request that read the entry restarts what the entry was granted; one that wrote it was granted what it
        asked for. Which of the two it was is not known, so it proves no more than the shorter of them.

        Args:
            ttl_seconds: the time to live the target asks for, used where no call was granted one.
        """
        granted = self.warmth.ttl_seconds if self.warmth is not None else None
        entry_seconds = granted or ttl_seconds
        asked_seconds = self.traffic.ttl_seconds if self.traffic is not None else None
        lives = (
            (self._warm_at, entry_seconds),
            (self._traffic_at, entry_seconds if asked_seconds is None else min(asked_seconds, entry_seconds)),
        )
        return max((at + timedelta(seconds=seconds) for at, seconds in lives if at is not None), default=None)

    @property
    def _warm_at(self) -> datetime | None:
        return self.warmth.warmed_at if self.warmth is not None and self.warmth.ttl_seconds is not None else None

    @property
    def _traffic_at(self) -> datetime | None:
        return None if self.traffic is None else self.traffic.last_at


def _earlier(moment: datetime | None, at: datetime) -> datetime | None:
    return None if moment is None else min(moment, at)


UNKNOWN = EntryState()


@dataclass(frozen=True, slots=True)
class Observed:
    """What a store answers to an observer.

    Attributes:
        previous_at: the last traffic that was known of before, None where there was none.
        is_news: whether what was seen is later traffic than that.
        warmth: what the last answered warm call proved, None where there was none.
    """

    previous_at: datetime | None = None
    is_news: bool = False
    warmth: Warmth | None = None
