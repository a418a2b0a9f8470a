"""Decisions at their edges: the very second at which one reason gives way to another."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from prompt_cache_warmer.rules.decision import decide
from prompt_cache_warmer.rules.reasons import Reason
from prompt_cache_warmer.rules.situation import Rule, Standing
from prompt_cache_warmer.values.snapshot import Pause
from prompt_cache_warmer.values.state import UNKNOWN, Claim, EntryState, Traffic
from tests.decisions import (
    COSTS,
    FIVE_MINUTES,
    HALF_OPEN,
    LAPSING,
    NOW,
    OFFICE_HOURS,
    OPEN,
    TEN_MINUTES,
    ago,
    capped,
    habit,
    known,
    rule,
    tick,
    utc,
    warmed,
)

if TYPE_CHECKING:
    from datetime import datetime

    from prompt_cache_warmer.values.document import Keep


@pytest.mark.parametrize(
    ("seconds", "reason"),
    [
        (0, Reason.OUTLIVES_TICK),
        (3600 - 302 - 1, Reason.OUTLIVES_TICK),
        (3600 - 302, Reason.DUE),
        (3599, Reason.DUE),
        (3600, Reason.LAPSED),
    ],
)
def test_an_hour_is_due_a_tick_the_jitter_and_a_call_before_it_lapses(seconds: int, reason: Reason) -> None:
    """240 + 60 + 2 seconds before the end of the hour it is due, not a second earlier."""
    state = known(called=ago(seconds=seconds))
    assert decide(rule(), state, tick(), costs=COSTS).reason is reason


@pytest.mark.parametrize(
    ("interval", "seconds", "reason"),
    [
        (240, 1, Reason.DUE),  # 240 + 60 + 2 is more than 300: five minutes never outlive a tick of four
        (60, 177, Reason.OUTLIVES_TICK),
        (60, 178, Reason.DUE),
        (0, 237, Reason.OUTLIVES_TICK),
        (0, 238, Reason.DUE),
    ],
)
def test_five_minutes_outlive_only_a_shorter_tick(interval: float, seconds: int, reason: Reason) -> None:
    """At four minutes they are due every time, at one minute 122 seconds before they lapse."""
    state = known(called=ago(seconds=seconds), ttl=FIVE_MINUTES)
    now = tick(interval_seconds=interval)
    assert decide(rule(ttl_seconds=FIVE_MINUTES), state, now, costs=COSTS).reason is reason


def test_without_any_jitter_the_tick_alone_counts() -> None:
    """A caller that comes back at the exact time sets it to 0."""
    state = known(called=ago(seconds=3600 - 242))
    exact = tick(jitter_seconds=0)
    assert decide(rule(), state, exact, costs=COSTS).reason is Reason.DUE
    assert decide(rule(), state, replace(exact, now=ago(seconds=1)), costs=COSTS).reason is Reason.OUTLIVES_TICK


def test_a_tick_that_was_due_at_the_moment_of_the_call_is_the_calls_own() -> None:
    """What was called before the tick was due is another tick's."""
    five = rule(ttl_seconds=FIVE_MINUTES)
    state = known(called=ago(1), ttl=FIVE_MINUTES)
    for scheduled_at, reason in ((ago(1), Reason.CALLED_THIS_TICK), (ago(seconds=59), Reason.DUE), (None, Reason.DUE)):
        assert decide(five, state, tick(scheduled_at=scheduled_at), costs=COSTS).reason is reason
    assert decide(five, UNKNOWN, tick(scheduled_at=ago(1)), costs=COSTS).reason is Reason.COLD


def test_a_claim_that_outlives_every_run_is_a_clock_that_was_wrong() -> None:
    """A quarter of an hour and the skew is the longest there is; beyond it nobody is waited for."""
    believed, wrong = (replace(LAPSING, claim=Claim("other", ago(-minutes))) for minutes in (16, 16.1))
    assert decide(rule(), believed, tick(), costs=COSTS).reason is Reason.CLAIMED
    assert decide(rule(), wrong, tick(), costs=COSTS).reason is Reason.DUE


def test_pauses_claims_and_breakers_end_at_their_end() -> None:
    """At that very moment the call is made again."""
    ended = replace(LAPSING, claim=Claim("other", NOW), breaker=replace(OPEN, open_until=NOW))
    standing = Standing(pause=Pause("x", ago(9), NOW), credential=replace(OPEN, open_until=NOW))
    assert decide(rule(), ended, tick(), costs=COSTS, standing=standing).reason is Reason.DUE


def test_a_call_after_an_open_breaker_is_a_trial() -> None:
    """Of the entry's breaker and of the credential's; a skip is none, and neither is a call without a breaker."""
    tried = replace(LAPSING, breaker=HALF_OPEN)
    stopped = Standing(credential=HALF_OPEN)
    assert decide(rule(), tried, tick(), costs=COSTS).is_trial
    assert decide(rule(), LAPSING, tick(), costs=COSTS, standing=stopped).is_trial
    assert not decide(rule(), LAPSING, tick(), costs=COSTS).is_trial
    assert not decide(rule(), replace(known(called=NOW), breaker=HALF_OPEN), tick(), costs=COSTS).is_trial


def test_the_breaker_is_named_before_the_credential_and_that_before_the_caps() -> None:
    """What is nearest to the entry explains it."""
    standing = replace(capped(Reason.CALL_CAP, usd="0"), credential=OPEN)
    assert decide(rule(), replace(LAPSING, breaker=OPEN), tick(), costs=COSTS, standing=standing).reason is (
        Reason.BREAKER_OPEN
    )
    assert decide(rule(), LAPSING, tick(), costs=COSTS, standing=standing).reason is Reason.CREDENTIAL_STOPPED


def test_what_is_not_due_is_not_held_back() -> None:
    """Neither a breaker nor a cap is to blame for an entry that needs nothing."""
    standing = replace(capped(Reason.CALL_CAP, usd="0"), credential=OPEN)
    state = replace(known(called=ago(1)), breaker=OPEN)
    assert decide(rule(), state, tick(), costs=COSTS, standing=standing).reason is Reason.OUTLIVES_TICK


@pytest.mark.parametrize("keep", ["always", "once"])
def test_traffic_that_named_no_prefix_spares_no_first_call(keep: Keep) -> None:
    """After a change it may have carried the old prefix, so the new one is warmed all the same."""
    used = EntryState(traffic=Traffic(ago(1)))
    new = Rule(keep=keep, ttl_seconds=3600)
    decided = decide(new, used, tick(), costs=COSTS)
    assert (decided.reason, decided.lapses_at) == (Reason.COLD, None)
    named = replace(used, traffic=Traffic(ago(1), "a" * 64))
    assert decide(new, named, tick(), costs=COSTS).reason is Reason.OUTLIVES_TICK
    once_warmed = replace(used, warmth=warmed(ago(30)))
    assert decide(new, once_warmed, tick(), costs=COSTS).lapses_at == ago(-59)


def test_while_used_takes_traffic_at_its_word() -> None:
    """It has nothing else to go by: what was touched without a prefix is refreshed before it lapses."""
    used = EntryState(traffic=Traffic(ago(56)))
    assert decide(rule("while-used"), used, tick(), costs=COSTS).reason is Reason.DUE


@pytest.mark.parametrize(
    ("used_minutes_ago", "idle", "is_lapse"),
    [
        (60, 0, True),  # lapsed just now
        (63.9, 18, True),
        (64, 18, False),  # lapsed a tick ago: it was counted then
        (63.9, 19, False),  # it was let go, so nobody should have held it
    ],
)
def test_an_entry_left_to_traffic_lapses_once_and_only_if_it_should_have_been_held(
    used_minutes_ago: float, idle: int, *, is_lapse: bool
) -> None:
    """A tick came late or was missed; one that was let go at break-even is no lapse."""
    used = ago(used_minutes_ago)
    state = EntryState(
        warmth=warmed(used, None, idle_refreshes=idle, idle_since=used, habit=habit(used)),
        traffic=Traffic(used, "a" * 64),
    )
    decided = decide(rule("while-used"), state, tick(), costs=COSTS)
    assert (decided.reason, decided.idle_refreshes, decided.is_lapse) == (Reason.LEFT_TO_TRAFFIC, idle, is_lapse)


@pytest.mark.parametrize(
    ("scheduled", "now", "is_lapse"),
    [
        (ago(seconds=1), NOW, False),  # due before the lapse: the next tick counts it
        (ago(-4, seconds=1), ago(-5), True),
        (ago(-3, seconds=-59), ago(-4), True),
        (ago(-4), ago(-4), False),
        (None, ago(-3, seconds=-59), True),
        (None, ago(-4), False),
    ],
)
def test_a_lapse_left_to_traffic_is_counted_at_the_first_tick_that_was_due_after_it(
    scheduled: datetime | None, now: datetime, *, is_lapse: bool
) -> None:
    """Ticks come late by up to a minute, so the time they come at would count it twice or never."""
    at = tick(now, scheduled_at=scheduled)
    assert decide(rule("while-used"), known(used=ago(60)), at, costs=COSTS).is_lapse is is_lapse


def test_a_lapse_is_only_what_a_rule_should_have_held() -> None:
    """Always kept and lapsed is one; over night, at an unknown price, while alive or while held back it is none."""
    lapsed = known(called=ago(120))
    assert decide(rule(), lapsed, tick(), costs=COSTS).is_lapse
    assert not decide(rule(windows=(OFFICE_HOURS,)), known(called=ago(60 * 18)), tick(), costs=COSTS).is_lapse
    assert not decide(rule("while-used"), known(used=ago(61)), tick(), costs=None).is_lapse
    assert not decide(rule(), LAPSING, tick(), costs=COSTS).is_lapse
    assert not decide(rule(), replace(lapsed, breaker=OPEN), tick(), costs=COSTS).is_lapse


def test_what_lapsed_before_its_window_opened_is_no_lapse() -> None:
    """The window opened at 12:00; an entry that lapsed then was not to be held, a second later it was."""
    while_used = rule("while-used", windows=(TEN_MINUTES,))
    for used, is_lapse in ((ago(60), False), (ago(60, seconds=-1), True)):
        decided = decide(while_used, known(used=used), tick(ago(-2)), costs=COSTS)
        assert (decided.reason, decided.is_lapse) == (Reason.LEFT_TO_TRAFFIC, is_lapse)
    always = rule(windows=(TEN_MINUTES,))
    for called, reason in ((ago(60), Reason.WINDOW_OPENED), (ago(60, seconds=-1), Reason.LAPSED)):
        assert decide(always, known(called=called), tick(ago(-2)), costs=COSTS).reason is reason


def test_an_entry_that_lapses_when_its_window_closes_is_left() -> None:
    """A second less and it is refreshed for the last second."""
    windowed = rule(windows=(TEN_MINUTES,))
    at = tick(ago(-9))
    assert decide(windowed, known(called=ago(50)), at, costs=COSTS).reason is Reason.OUTLIVES_WINDOW
    assert decide(windowed, known(called=ago(50, seconds=1)), at, costs=COSTS).reason is Reason.DUE


def test_an_entry_that_outlives_both_is_looked_at_when_the_window_opens_again() -> None:
    """Or later, if it is still alive then; one that is due before the window closes is looked at then."""
    windowed = rule(windows=(TEN_MINUTES,))
    outlives = known(called=ago(1))
    decided = decide(windowed, outlives, tick(), costs=COSTS)
    assert (decided.reason, decided.due_at) == (Reason.OUTLIVES_TICK, utc("2026-11-24T12:00"))
    again = replace(TEN_MINUTES, start=TEN_MINUTES.end.replace(minute=20), end=TEN_MINUTES.end.replace(hour=14))
    decided = decide(rule(windows=(TEN_MINUTES, again)), outlives, tick(), costs=COSTS)
    assert decided.due_at == utc("2026-11-23T12:53:58")  # 12:59:00 less 302 seconds
    decided = decide(rule(windows=(OFFICE_HOURS,)), outlives, tick(), costs=COSTS)
    assert decided.due_at == utc("2026-11-23T12:53:58")


def test_once_is_warmed_once_per_window() -> None:
    """A call at the moment the window opened was this window's, one before it was the last one's."""
    once = rule("once", ttl_seconds=FIVE_MINUTES, windows=(TEN_MINUTES,))
    at = tick(ago(-9))
    for called, reason in ((NOW, Reason.KEPT_ONCE), (ago(seconds=1), Reason.WINDOW_OPENED)):
        assert decide(once, known(called=called, ttl=FIVE_MINUTES), at, costs=COSTS).reason is reason


def test_once_that_is_still_alive_waits_for_the_next_window() -> None:
    """It is not refreshed before it lapses, so only a window's start or a name comes next."""
    decided = decide(rule("once"), known(called=ago(1)), tick(), costs=COSTS)
    assert (decided.reason, decided.due_at) == (Reason.OUTLIVES_TICK, None)
    decided = decide(rule("once", windows=(OFFICE_HOURS,)), known(called=ago(1)), tick(), costs=COSTS)
    assert (decided.reason, decided.due_at) == (Reason.OUTLIVES_TICK, utc("2026-11-24T06:25"))
    decided = decide(rule("once"), known(called=ago(1)), tick(scheduled_at=ago(2)), costs=COSTS)
    assert (decided.reason, decided.due_at) == (Reason.CALLED_THIS_TICK, None)
    decided = decide(rule("once"), known(used=ago(1)), tick(), costs=COSTS)
    assert (decided.reason, decided.due_at) == (Reason.OUTLIVES_TICK, NOW + timedelta(seconds=59 * 60 - 300))


@pytest.mark.parametrize("keep", ["always", "while-used"])
def test_a_name_alone_changes_nothing_for_the_other_rules(keep: Keep) -> None:
    """A lapsed while-used entry is not revived by asking for it, and a lapsed always one is lapsed."""
    state = known(called=ago(120), used=ago(120))
    reason = decide(Rule(keep, 3600), state, tick(is_requested=True), costs=COSTS).reason
    assert reason is (Reason.LAPSED if keep == "always" else Reason.LEFT_TO_TRAFFIC)


def test_the_bound_is_the_models_own_and_only_while_used_asks_for_it() -> None:
    """A write of 0.20 and a read of 0.01 make 19; a cold start worth 0.01 more makes one more."""
    state = known(called=ago(56), used=ago(1000), idle=19)
    for value, reason, bound in (("0", Reason.BREAK_EVEN, 19), ("0.01", Reason.DUE, 20)):
        owner = rule("while-used", cold_start_value_usd=Decimal(value))
        decided = decide(owner, state, tick(), costs=COSTS)
        assert (decided.reason, decided.bound) == (reason, bound)
    keeps: tuple[Keep, ...] = ("always", "once")
    for keep in keeps:
        assert decide(Rule(keep, 3600), state, tick(), costs=COSTS).bound is None


def test_a_price_nobody_knows_stops_while_used_alone() -> None:
    """The others need none; the record says that it is unknown."""
    decided = decide(rule(), LAPSING, tick(), costs=None)
    assert (decided.reason, decided.costs) == (Reason.DUE, None)


def test_the_five_checks_before_the_entry_itself_come_in_order() -> None:
    """Switched off hides a pause, a pause the window, the window a claim, and a claim the rest."""
    at = utc("2026-11-22T12:00")
    state = replace(LAPSING, claim=Claim("other", ago(-10)), breaker=OPEN)
    standing = Standing(pause=Pause("x", ago(9), ago(-60 * 48)))
    off = rule(is_enabled=False, windows=(OFFICE_HOURS,))
    on = replace(off, is_enabled=True)
    assert decide(off, state, tick(at), costs=COSTS, standing=standing).reason is Reason.DISABLED
    assert decide(on, state, tick(at), costs=COSTS, standing=standing).reason is Reason.PAUSED
    assert decide(on, state, tick(at), costs=COSTS).reason is Reason.OUTSIDE_WINDOW
    assert decide(on, state, tick(), costs=COSTS).reason is Reason.CLAIMED
    scheduled = tick(scheduled_at=ago(60))
    assert decide(on, replace(state, claim=None), scheduled, costs=COSTS).reason is Reason.CALLED_THIS_TICK
