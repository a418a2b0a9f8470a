"""Decisions: one example of every reason, the moments at which one gives way to another, and the words for them."""

from __future__ import annotations

import re
from dataclasses import FrozenInstanceError, dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from prompt_cache_warmer.rules.decision import Decision, decide
from prompt_cache_warmer.rules.reasons import Reason
from prompt_cache_warmer.rules.situation import FREE, Rule, Standing, Tick
from prompt_cache_warmer.values.money import Amount
from prompt_cache_warmer.values.snapshot import Pause
from prompt_cache_warmer.values.state import UNKNOWN, Claim, EntryState, Toucher
from tests.decisions import (
    COSTS,
    FIVE_MINUTES,
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
)

if TYPE_CHECKING:
    from prompt_cache_warmer.values.pricing import PrefixCosts

A_TICK = tick()


@dataclass(frozen=True)
class Case:
    """One decision: what it is made of, its reason and when the entry may be warmed next."""

    rule: Rule
    state: EntryState
    reason: Reason
    due_at: datetime | None
    tick: Tick = A_TICK
    standing: Standing = FREE
    costs: PrefixCosts | None = COSTS

    def decided(self) -> Decision:
        """Decide it."""
        return decide(self.rule, self.state, self.tick, costs=self.costs, standing=self.standing)


CASES: dict[str, Case] = {
    # What is called
    "alive for 4 more minutes, so the next tick may come too late": Case(rule(), LAPSING, Reason.DUE, NOW),
    "never heard of": Case(rule(), UNKNOWN, Reason.COLD, NOW),
    "called once without anything being cached": Case(rule(), known(called=ago(4), ttl=None), Reason.COLD, NOW),
    "lapsed an hour ago and always kept": Case(rule(), known(called=ago(120)), Reason.LAPSED, NOW),
    "lapsed over night, in the morning": Case(
        rule(windows=(OFFICE_HOURS,)), known(called=ago(60 * 18)), Reason.WINDOW_OPENED, NOW
    ),
    "kept once, lapsed, and asked for by name": Case(
        rule("once"), known(called=ago(120)), Reason.REQUESTED, NOW, tick(is_requested=True)
    ),
    "kept once and never warmed": Case(rule("once"), UNKNOWN, Reason.COLD, NOW),
    "kept once, never warmed, alive by its traffic for 4 more minutes": Case(
        rule("once"), known(used=ago(56)), Reason.DUE, NOW
    ),
    "kept once and last warmed yesterday": Case(
        rule("once", windows=(OFFICE_HOURS,)), known(called=ago(60 * 18)), Reason.WINDOW_OPENED, NOW
    ),
    "used 56 minutes ago, once refreshed since": Case(
        rule("while-used"), known(called=ago(56), used=ago(57), idle=1), Reason.DUE, NOW
    ),
    # What is left alone
    "switched off": Case(rule(is_enabled=False), LAPSING, Reason.DISABLED, None),
    "everything paused until 13:00": Case(
        rule(), LAPSING, Reason.PAUSED, ago(-60), standing=Standing(pause=Pause("incident 7", ago(5), ago(-60)))
    ),
    "noon on a Sunday": Case(
        rule(windows=(OFFICE_HOURS,)),
        LAPSING,
        Reason.OUTSIDE_WINDOW,
        utc("2026-11-23T06:25"),
        tick(utc("2026-11-22T12:00")),
    ),
    "called 20 seconds after this tick was due": Case(
        rule(ttl_seconds=FIVE_MINUTES),
        known(called=ago(seconds=20), ttl=FIVE_MINUTES),
        Reason.CALLED_THIS_TICK,
        ago(-4),
        tick(scheduled_at=ago(seconds=40)),
    ),
    "in another run's hands for a minute": Case(
        rule(), replace(LAPSING, claim=Claim("other", ago(-1))), Reason.CLAIMED, ago(-1)
    ),
    "alive for 50 more minutes": Case(
        rule(), known(called=ago(10)), Reason.OUTLIVES_TICK, NOW + timedelta(seconds=50 * 60 - 302)
    ),
    "alive for 4 more minutes, while the window closes in 2": Case(
        rule(windows=(TEN_MINUTES,)),
        known(called=ago(48)),
        Reason.OUTLIVES_WINDOW,
        utc("2026-11-24T12:00"),
        tick(ago(-8)),
    ),
    "kept once, and called two hours ago": Case(rule("once"), known(called=ago(120)), Reason.KEPT_ONCE, None),
    "kept once in office hours, and called in the morning": Case(
        rule("once", windows=(OFFICE_HOURS,)), known(called=ago(120)), Reason.KEPT_ONCE, utc("2026-11-24T06:25")
    ),
    "kept while used, and never used": Case(rule("while-used"), known(called=ago(56)), Reason.NO_TRAFFIC, None),
    "kept while used, and lapsed": Case(rule("while-used"), known(used=ago(61)), Reason.LEFT_TO_TRAFFIC, None),
    "kept while used, and refreshed 19 times since": Case(
        rule("while-used"), known(called=ago(56), used=ago(1000), idle=19), Reason.BREAK_EVEN, None
    ),
    "kept while used, at an unknown price": Case(
        rule("while-used"), known(used=ago(56)), Reason.NO_BREAK_EVEN, None, costs=None
    ),
    # What is called at every interval, or by hand
    "alive for long, at a plain interval": Case(
        rule("while-used"), known(called=ago(4)), Reason.INTERVAL, NOW, tick=tick(is_plain=True)
    ),
    "lapsed, at a plain interval": Case(
        rule("while-used"), known(called=ago(66)), Reason.LAPSED, NOW, tick=tick(is_plain=True)
    ),
    "new, at a plain interval": Case(rule("while-used"), UNKNOWN, Reason.COLD, NOW, tick=tick(is_plain=True)),
    "called at the plain interval's tick": Case(
        rule("while-used"),
        known(called=NOW),
        Reason.CALLED_THIS_TICK,
        ago(-4),
        tick=tick(is_plain=True, scheduled_at=NOW),
    ),
    "with traffic, at a plain interval": Case(
        rule("while-used"), known(used=ago(4)), Reason.OUTLIVES_TICK, ago(-51), tick=tick(is_plain=True)
    ),
    "with traffic, asked for at a plain interval": Case(
        rule("while-used"), known(used=ago(4)), Reason.REQUESTED, NOW, tick=tick(is_plain=True, is_requested=True)
    ),
    "with traffic, at a plain interval and an unknown price": Case(
        rule("while-used"), known(used=ago(4)), Reason.INTERVAL, NOW, tick=tick(is_plain=True), costs=None
    ),
    "its breaker open, asked for whatever it says": Case(
        rule(), replace(LAPSING, breaker=OPEN), Reason.DUE, NOW, tick=tick(overrides_breakers=True)
    ),
    "its credential stopped, asked for whatever that says": Case(
        rule(), LAPSING, Reason.DUE, NOW, tick=tick(overrides_credentials=True), standing=Standing(credential=OPEN)
    ),
    # What is held back
    "its breaker open for 6 more minutes": Case(rule(), replace(LAPSING, breaker=OPEN), Reason.BREAKER_OPEN, ago(-6)),
    "its credential stopped for 6 more minutes": Case(
        rule(), LAPSING, Reason.CREDENTIAL_STOPPED, ago(-6), standing=Standing(credential=OPEN)
    ),
    "dearer than one call may be": Case(
        rule(), LAPSING, Reason.CALL_CAP, None, standing=capped(Reason.CALL_CAP, usd="0.19")
    ),
    "more than its target has left today": Case(
        rule(), LAPSING, Reason.TARGET_DAY_CAP, utc("2026-11-24"), standing=capped(Reason.TARGET_DAY_CAP, usd="0.19")
    ),
    "more tokens than the stack has left today": Case(
        rule(), LAPSING, Reason.STACK_DAY_CAP, utc("2026-11-24"), standing=capped(Reason.STACK_DAY_CAP, tokens=20_000)
    ),
    "more than the stack has left this month": Case(
        rule(), LAPSING, Reason.STACK_MONTH_CAP, utc("2026-12-01"), standing=capped(Reason.STACK_MONTH_CAP, usd="0")
    ),
    "at an unknown price under a cap in USD": Case(
        rule(),
        LAPSING,
        Reason.UNPRICED,
        None,
        standing=replace(capped(Reason.TARGET_DAY_CAP, usd="9"), worst=Amount(None, 20_001)),
        costs=None,
    ),
}


@pytest.mark.parametrize("words", CASES)
def test_every_reason_has_its_moment(words: str) -> None:
    """An entry of that description gets the reason, and is looked at again when that may change."""
    case = CASES[words]
    decided = case.decided()
    assert (decided.reason, decided.due_at) == (case.reason, case.due_at)
    assert decided.tick is case.tick


def test_the_table_has_every_reason() -> None:
    """All but the one that needs a look at other entries of the credential, and the one that needs the body."""
    unseen = {Reason.CREDENTIAL_ON_TRIAL, Reason.UNBOUNDED}
    assert {case.reason for case in CASES.values()} == set(Reason) - unseen


def test_every_reason_is_a_sentence_of_its_own() -> None:
    """Logs, reports and the dry run say nothing else, in a clause that others are joined to."""
    sentences = [reason.sentence for reason in Reason]
    assert len(set(sentences)) == len(sentences)
    for sentence in sentences:
        assert re.fullmatch(r"(it|its|all|nothing|another|keep:|the|a|another run) .{12,}[a-z)0-9]", sentence), sentence


def test_six_reasons_make_a_call_and_six_are_caps() -> None:
    """Every other reason is a skip that no cap is to blame for."""
    assert {reason.value for reason in Reason if reason.is_due} == {
        "due",
        "cold",
        "lapsed",
        "window-opened",
        "requested",
        "interval",
    }
    assert {reason.value for reason in Reason if reason.is_capped} == {
        "call-cap",
        "target-day-cap",
        "stack-day-cap",
        "stack-month-cap",
        "unpriced",
        "unbounded",
    }


def test_a_decision_is_a_frozen_record_of_its_figures() -> None:
    """Lapse, refreshes, bound and costs are in it, and nobody changes them afterwards."""
    case = CASES["used 56 minutes ago, once refreshed since"]
    decided = case.decided()
    assert decided == Decision(
        Reason.DUE,
        tick(),
        touched_by=Toucher.WARM_CALL,
        lapses_at=ago(-4),
        due_at=NOW,
        idle_refreshes=1,
        bound=19,
        habit=habit(ago(57)),
        costs=COSTS,
    )
    assert decided.is_due
    assert hash(decided) == hash(case.decided())
    with pytest.raises(FrozenInstanceError):
        decided.reason = Reason.COLD  # type: ignore[misc] # the point of the test


@pytest.mark.parametrize(
    ("words", "detail"),
    [
        ("everything paused until 13:00", "incident 7, until 2026-11-23T13:00:00Z"),
        ("its breaker open for 6 more minutes", "overloaded, until 2026-11-23T12:06:00Z"),
        ("its credential stopped for 6 more minutes", "overloaded, until 2026-11-23T12:06:00Z"),
        ("alive for 50 more minutes", ""),
    ],
)
def test_what_ends_by_itself_says_why_and_when(words: str, detail: str) -> None:
    """A pause and an open breaker are explained beyond the reason's own sentence."""
    assert CASES[words].decided().detail == detail
