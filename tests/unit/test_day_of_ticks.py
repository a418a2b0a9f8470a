"""A day of ticks against a cache with a real lifetime: how often an entry is called, and that it never lapses.

Ticks are due every 4 minutes and come up to 59 seconds late, the latest possible right after the
earliest possible included, so that gaps reach 299 seconds.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from random import Random
from typing import TYPE_CHECKING

import pytest

from prompt_cache_warmer.rules.decision import decide
from prompt_cache_warmer.rules.life import warmth_after
from prompt_cache_warmer.rules.reasons import Reason
from prompt_cache_warmer.rules.situation import Rule, Tick
from prompt_cache_warmer.rules.verdict import Verdict, verdict_of
from prompt_cache_warmer.values.state import UNKNOWN, EntryState, Traffic
from prompt_cache_warmer.values.usage import Usage
from tests.decisions import COSTS, FIVE_MINUTES, HOUR, LATENCY_SECONDS, OFFICE_HOURS, PREFIX

if TYPE_CHECKING:
    from collections.abc import Iterable

    from prompt_cache_warmer.values.state import Habit

MIDNIGHT = datetime(2026, 11, 23, tzinfo=UTC)  # a Monday
TICK_SECONDS = 240
TICKS_A_DAY = 360
TOKENS = 20_000


@dataclass
class Day:
    """One entry, what is remembered of it, and the cache itself."""

    rule: Rule
    state: EntryState = UNKNOWN
    warm_until: datetime = MIDNIGHT
    calls: list[datetime] = field(default_factory=list)
    verdicts: list[Verdict] = field(default_factory=list)
    reasons: list[Reason] = field(default_factory=list)
    lapses: int = 0
    real_misses: int = 0

    def use(self, at: datetime) -> None:
        """Make a real request and report it."""
        self.real_misses += at >= self.warm_until
        self.warm_until = at + timedelta(seconds=self.rule.ttl_seconds)
        known = self.state.traffic
        resumed_at = None if known is None else known.resumed_at
        self.state = replace(self.state, traffic=Traffic(at, PREFIX, resumed_at or at))

    def tick(self, number: int, *, late_seconds: float) -> None:
        """Decide a tick that comes so late, and call."""
        scheduled_at = MIDNIGHT + timedelta(seconds=number * TICK_SECONDS)
        now = scheduled_at + timedelta(seconds=late_seconds)
        tick = Tick(now=now, interval_seconds=TICK_SECONDS, scheduled_at=scheduled_at)
        decision = decide(self.rule, self.state, tick, costs=COSTS)
        self.reasons.append(decision.reason)
        self.lapses += decision.is_lapse
        if decision.is_due:
            self._call(now, decision.habit)

    def _call(self, now: datetime, habit: Habit | None) -> None:
        is_alive = now < self.warm_until
        is_1h = self.rule.ttl_seconds == HOUR
        written = 0 if is_alive else TOKENS
        usage = Usage(
            read_tokens=TOKENS - written,
            write_1h_tokens=written if is_1h else 0,
            write_5m_tokens=0 if is_1h else written,
        )
        self.calls.append(now)
        self.verdicts.append(verdict_of(usage))
        self.warm_until = now + timedelta(seconds=self.rule.ttl_seconds)
        warmth = warmth_after(
            self.state,
            usage,
            fingerprint=PREFIX,
            started_at=now,
            asked_ttl_seconds=self.rule.ttl_seconds,
            latency_seconds=LATENCY_SECONDS,
            call=None,
            habit=habit,
        )
        traffic = self.state.traffic
        self.state = EntryState(warmth=warmth, traffic=None if traffic is None else traffic.since(now))


def lateness(seed: int) -> list[float]:
    """Say how late each tick of a day comes; the worst gap there is comes at noon."""
    late = [Random(seed + number).uniform(0, 59) for number in range(TICKS_A_DAY)]  # noqa: S311 - a repeatable day
    late[180:182] = [0, 59]
    return late


def live(day: Day, requests: Iterable[datetime] = (), *, seed: int = 0) -> Day:
    """Let a day of ticks pass, with real requests in between."""
    waiting = sorted(requests)
    for number, late_seconds in enumerate(lateness(seed)):
        now = MIDNIGHT + timedelta(seconds=number * TICK_SECONDS + late_seconds)
        while waiting and waiting[0] <= now:
            day.use(waiting.pop(0))
        day.tick(number, late_seconds=late_seconds)
    return day


def every(minutes: int, first_hour: int, last_hour: int) -> list[datetime]:
    """List requests from one hour of the day to another."""
    count = (last_hour - first_hour) * 60 // minutes
    return [MIDNIGHT + timedelta(hours=first_hour, minutes=minutes * number) for number in range(count)]


@pytest.mark.parametrize("seed", [0, 1000, 2000])
def test_an_hour_is_held_all_day_with_26_calls(seed: int) -> None:
    """Every 14th tick refreshes it, 56 minutes after the last, and it never lapses: 360 / 14 is 25.7."""
    day = live(Day(Rule("always", HOUR)), seed=seed)
    assert day.verdicts == [Verdict.WRITTEN] + [Verdict.REFRESHED] * 25
    assert day.lapses == 0


def test_five_minutes_are_held_with_a_call_at_every_tick() -> None:
    """Gaps of 299 seconds are just short enough; every tick is paid for."""
    day = live(Day(Rule("always", FIVE_MINUTES)))
    assert day.verdicts == [Verdict.WRITTEN] + [Verdict.REFRESHED] * 359
    assert day.lapses == 0
    gaps = [(later - earlier).total_seconds() for earlier, later in zip(day.calls, day.calls[1:], strict=False)]
    assert max(gaps) == 299


def test_a_tick_that_is_later_than_its_jitter_is_a_lapse_and_a_write() -> None:
    """At 301 seconds five minutes are over: counted once, written again, held again."""
    day = Day(Rule("always", FIVE_MINUTES))
    for number, late_seconds in enumerate([0, 0, 61, 0, 0]):
        day.tick(number, late_seconds=late_seconds)
    assert day.reasons == [Reason.COLD, Reason.DUE, Reason.LAPSED, Reason.DUE, Reason.DUE]
    assert [verdict.value for verdict in day.verdicts] == ["written", "refreshed", "written", "refreshed", "refreshed"]
    assert day.lapses == 1


def test_a_late_tick_is_no_call_of_while_used() -> None:
    """The next real request pays for the write itself; the lapse is counted once all the same."""
    day = Day(Rule("while-used", FIVE_MINUTES))
    day.use(MIDNIGHT)
    for number, late_seconds in enumerate([30, 0, 61, 30, 0]):
        day.tick(number, late_seconds=late_seconds)
    assert day.reasons == [Reason.DUE, Reason.DUE, *[Reason.LEFT_TO_TRAFFIC] * 3]
    assert (day.verdicts, day.lapses) == ([Verdict.REFRESHED] * 2, 1)


def test_a_tick_that_comes_twice_calls_once() -> None:
    """All 360 ticks of the day are delivered again ten seconds later, without one more call."""
    day, once = Day(Rule("always", FIVE_MINUTES)), live(Day(Rule("always", FIVE_MINUTES)))
    for number, late_seconds in enumerate(lateness(0)):
        day.tick(number, late_seconds=late_seconds)
        day.tick(number, late_seconds=late_seconds + 10)
    assert day.calls == once.calls
    assert day.reasons[1::2] == [Reason.CALLED_THIS_TICK] * 360


def test_an_hour_in_office_hours_is_called_13_times() -> None:
    """From 06:25 to 18:00 UTC: written when the window opens, let go when it outlives its end."""
    day = live(Day(Rule("always", HOUR, (OFFICE_HOURS,))))
    assert day.verdicts == [Verdict.WRITTEN] + [Verdict.REFRESHED] * 12
    assert (day.calls[0].hour, day.calls[0].minute) == (6, 28)
    assert day.calls[-1] < MIDNIGHT + timedelta(hours=18) <= day.calls[-1] + timedelta(hours=1)
    assert day.lapses == 0


def test_traffic_in_office_hours_keeps_while_used_from_calling() -> None:
    """A request every 10 minutes holds the hour itself; after 3:50 of use it is worth 3 + 3 refreshes."""
    day = live(Day(Rule("while-used", HOUR)), every(10, 8, 12))
    first_idle = MIDNIGHT + timedelta(hours=11, minutes=50)
    assert day.real_misses == 1
    assert day.reasons[:120] == [Reason.NO_TRAFFIC] * 120
    assert day.calls[0] > first_idle + timedelta(minutes=52)
    assert day.verdicts == [Verdict.REFRESHED] * 6
    assert day.reasons[-1] is Reason.LEFT_TO_TRAFFIC
    assert day.lapses == 0


def test_one_request_is_worth_three_idle_refreshes() -> None:
    """A fifth of the 19 that a cold start is worth; the last hour runs out unrefreshed and is no lapse."""
    day = live(Day(Rule("while-used", HOUR)), [MIDNIGHT])
    assert day.verdicts == [Verdict.REFRESHED] * 3
    assert Reason.BREAK_EVEN in day.reasons
    assert day.reasons[-1] is Reason.LEFT_TO_TRAFFIC
    assert day.lapses == 0


def test_a_request_starts_the_count_of_refreshes_anew() -> None:
    """Whoever comes back after 3:30 finds it warm, and then it is worth 3 refreshes more for the time in use."""
    day = live(Day(Rule("while-used", HOUR)), [MIDNIGHT, MIDNIGHT + timedelta(hours=3, minutes=30)])
    assert day.real_misses == 1
    assert day.verdicts == [Verdict.REFRESHED] * (3 + 6)


@pytest.mark.parametrize("lost_at", range(1, 360, 7))
def test_losing_what_is_remembered_costs_one_call_at_most(lost_at: int) -> None:
    """The entry is called once more than without the loss, and that call is a refresh."""
    day, whole = Day(Rule("always", HOUR)), live(Day(Rule("always", HOUR)))
    for number, late_seconds in enumerate(lateness(0)):
        if number == lost_at:
            day.state = UNKNOWN
        day.tick(number, late_seconds=late_seconds)
    assert len(day.calls) <= len(whole.calls) + 1
    assert day.verdicts.count(Verdict.WRITTEN) == 1


def test_once_is_called_once_a_window() -> None:
    """Two days of office hours are two calls."""
    day = Day(Rule("once", FIVE_MINUTES, (OFFICE_HOURS,)))
    for number in range(2 * TICKS_A_DAY):
        day.tick(number, late_seconds=5)
    assert [f"{call:%d %H:%M}" for call in day.calls] == ["23 06:28", "24 06:28"]
