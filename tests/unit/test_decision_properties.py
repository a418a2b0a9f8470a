"""Decisions over all rules, states, ticks and standings: what never happens, and what always does."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, time, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from prompt_cache_warmer.rules.budget import Allowance
from prompt_cache_warmer.rules.decision import Decision, decide
from prompt_cache_warmer.rules.reasons import Reason
from prompt_cache_warmer.rules.situation import FREE, Rule, Standing, Tick
from prompt_cache_warmer.values.money import Amount
from prompt_cache_warmer.values.snapshot import Pause
from prompt_cache_warmer.values.state import CLOSED, UNKNOWN, Breaker, Claim, EntryState, Traffic, Warmth
from tests.decisions import COSTS, HOUR, NOW, OFFICE_HOURS, PREFIX, TEN_MINUTES, habit

if TYPE_CHECKING:
    from prompt_cache_warmer.values.pricing import PrefixCosts
    from prompt_cache_warmer.values.windows import Window

settings.register_profile("rules", deadline=None, suppress_health_check=[HealthCheck.filter_too_much])
RULES = settings.get_profile("rules")  # a loaded machine is not a defect, and half of all ticks are outside of windows

CAPPED = (Reason.CALL_CAP, Reason.TARGET_DAY_CAP, Reason.STACK_DAY_CAP, Reason.STACK_MONTH_CAP)
REFRESHES = 19  # (0.20 - 0.01) / 0.01


def seconds_around(earliest: int, latest: int) -> st.SearchStrategy[datetime]:
    """Draw a moment so many seconds after now."""
    return st.integers(earliest, latest).map(lambda seconds: NOW + timedelta(seconds=seconds))


rules = st.builds(
    Rule,
    keep=st.sampled_from(["always", "while-used", "once"]),
    ttl_seconds=st.sampled_from([300, 3600]),
    windows=st.sampled_from([(), (OFFICE_HOURS,), (TEN_MINUTES,)]),
    is_enabled=st.sampled_from([True, True, True, False]),
)
traffics = st.none() | st.builds(Traffic, last_at=seconds_around(-7200, 0), fingerprint=st.sampled_from([None, PREFIX]))
breakers = st.sampled_from([CLOSED]) | st.builds(
    Breaker, failures=st.integers(0, 6), reason=st.just("overloaded"), open_until=seconds_around(-600, 600)
)
ticks = st.builds(
    Tick,
    now=seconds_around(0, 600) | seconds_around(0, 7 * 86_400),
    interval_seconds=st.sampled_from([0.0, 60.0, 240.0, 900.0]),
    jitter_seconds=st.sampled_from([0.0, 60.0]),
    scheduled_at=st.none() | seconds_around(-60, 600),
    is_requested=st.booleans(),
)
dollars = st.sampled_from([None, *map(Decimal, ("0", "0.19", "0.20", "0.21", "5"))])
allowances = st.lists(
    st.builds(
        Allowance,
        reason=st.sampled_from(CAPPED),
        usd=dollars,
        tokens=st.sampled_from([None, 0, 20_000, 20_001, 99_999]),
    ),
    max_size=3,
).map(tuple)
amounts = st.none() | st.builds(
    Amount, usd=st.sampled_from([None, Decimal("0.20")]), tokens=st.sampled_from([0, 20_001])
)
standings = st.builds(
    Standing,
    pause=st.none() | st.builds(Pause, reason=st.just("x"), since=st.just(NOW), until=seconds_around(-600, 1200)),
    credential=breakers,
    allowances=allowances,
    worst=amounts,
)


@st.composite
def states(draw: st.DrawFn) -> EntryState:
    """Draw a state whose refreshes were counted since its traffic or since some earlier one."""
    traffic = draw(traffics)
    last_at = None if traffic is None else traffic.last_at
    warmth = draw(
        st.none()
        | st.builds(
            Warmth,
            fingerprint=st.just(PREFIX),
            asked_ttl_seconds=st.just(HOUR),
            warmed_at=seconds_around(-7200, 0),
            ttl_seconds=st.sampled_from([None, 300, 3600]),
            verdict=st.just("refreshed"),
            latency_seconds=st.sampled_from([0.0, 2.0, 30.0]),
            idle_refreshes=st.sampled_from([0, 1, REFRESHES - 1, REFRESHES, 40]),
            idle_since=st.sampled_from([None, last_at]),
            habit=st.sampled_from([None, habit(last_at)]),
        )
    )
    claim = st.none() | st.builds(Claim, owner=st.just("other"), until=seconds_around(-60, 900))
    return EntryState(warmth=warmth, traffic=traffic, breaker=draw(breakers), claim=draw(claim))


costs = st.sampled_from([COSTS, COSTS, None])


def proven_until(state: EntryState, rule: Rule) -> datetime | None:
    """Say by hand until when an entry is proven to live."""
    warmth, traffic = state.warmth, state.traffic
    touched = [warmth.warmed_at] if warmth is not None and warmth.ttl_seconds is not None else []
    if traffic is not None and (traffic.fingerprint or warmth is not None or rule.keep == "while-used"):
        touched.append(traffic.last_at)
    granted = warmth.ttl_seconds if warmth is not None else None
    return max(touched) + timedelta(seconds=granted or rule.ttl_seconds) if touched else None


def reach(state: EntryState, tick: Tick) -> timedelta:
    """Say by hand how long it may be until the next tick's call."""
    latency = 0.0 if state.warmth is None else state.warmth.latency_seconds
    return timedelta(seconds=tick.interval_seconds + tick.jitter_seconds + latency)


def is_open(windows: tuple[Window, ...], at: datetime) -> bool:
    """Say by hand whether the tests' two windows are open."""
    local = at.astimezone(ZoneInfo("Europe/Berlin"))
    opened = {
        OFFICE_HOURS: local.weekday() < 5 and time(7, 25) <= local.time() < time(19),
        TEN_MINUTES: time(12) <= at.time() < time(12, 10),
    }
    return not windows or any(opened[window] for window in windows)


def lacks_room(standing: Standing) -> bool:
    """Say by hand whether a cap has no room for the call."""
    worst = standing.worst
    for cap in standing.allowances:
        if cap.usd == 0 or cap.tokens == 0:
            return True
        if worst is None:
            continue
        if cap.usd is not None and worst.usd is not None and worst.usd > cap.usd:
            return True
        if cap.tokens is not None and worst.tokens > cap.tokens:
            return True
    if worst is None or worst.usd is not None:
        return False
    in_usd = [cap.reason for cap in standing.allowances if cap.usd is not None]
    in_tokens = [cap.reason for cap in standing.allowances if cap.tokens is not None]
    if any(reason is not Reason.CALL_CAP for reason in in_tokens):  # a cap over time in tokens holds everything
        return False
    return any(reason is not Reason.CALL_CAP for reason in in_usd) or (bool(in_usd) and not in_tokens)


@RULES
@given(rules, states(), ticks, costs, standings)
def test_the_same_inputs_make_the_same_record(
    rule: Rule, state: EntryState, tick: Tick, known_costs: PrefixCosts | None, standing: Standing
) -> None:
    """Every input is decided, the record is equal each time, and it has its tick in it."""
    first, second = (decide(rule, state, tick, costs=known_costs, standing=standing) for _ in range(2))
    assert isinstance(first, Decision)
    assert (first, hash(first)) == (second, hash(second))
    assert (first.tick, first.reason.is_due) == (tick, first.is_due)
    assert first.reason.sentence


@RULES
@given(rules, states(), ticks, costs, standings)
def test_nothing_is_warmed_that_must_not_be(
    rule: Rule, state: EntryState, tick: Tick, known_costs: PrefixCosts | None, standing: Standing
) -> None:
    """Not switched off, not paused, not outside windows, not past a cap, not held back, not twice."""
    now = tick.now
    if not decide(rule, state, tick, costs=known_costs, standing=standing).is_due:
        return
    assert rule.is_enabled
    assert standing.pause is None or standing.pause.until <= now
    assert is_open(rule.windows, now)
    assert not lacks_room(standing)
    assert not state.breaker.is_open(now)
    assert not standing.credential.is_open(now)
    assert state.claim is None or state.claim.until <= now
    assert tick.scheduled_at is None or state.warmth is None or state.warmth.warmed_at < tick.scheduled_at


@RULES
@given(rules, states(), ticks, costs)
def test_nothing_is_warmed_that_outlives_the_next_tick(
    rule: Rule, state: EntryState, tick: Tick, known_costs: PrefixCosts | None
) -> None:
    """The tick, its jitter and a call's latency from now it would be dead, or nothing proves that it is alive."""
    decided = decide(rule, state, tick, costs=known_costs)
    until = proven_until(state, rule)
    if decided.is_due:
        assert until is None or until <= tick.now + reach(state, tick)
    if decided.lapses_at is not None:
        assert decided.lapses_at == until


@RULES
@given(rules, states(), ticks, costs, standings)
def test_what_is_always_kept_and_due_is_always_warmed(
    rule: Rule, state: EntryState, tick: Tick, known_costs: PrefixCosts | None, standing: Standing
) -> None:
    """Inside its window nothing but a pause, a claim, a breaker or a cap keeps it back, whatever the price."""
    always = replace(rule, keep="always", windows=(), is_enabled=True)
    free = replace(state, claim=None, breaker=CLOSED)
    tick = replace(tick, scheduled_at=None)
    until = proven_until(free, always)
    assume(until is None or until <= tick.now + reach(free, tick))
    assert decide(always, free, tick, costs=known_costs).is_due
    held = replace(standing, pause=None, credential=CLOSED)
    assert decide(always, free, tick, costs=known_costs, standing=held).is_due is not lacks_room(held)
    windowed = replace(always, windows=(OFFICE_HOURS,))
    inside = is_open(windowed.windows, tick.now + timedelta(hours=1)) and is_open(windowed.windows, tick.now)
    if inside:
        assert decide(windowed, free, tick, costs=known_costs).is_due


@RULES
@given(rules, states(), ticks, costs, standings)
def test_while_used_never_revives_a_lapsed_entry(
    rule: Rule, state: EntryState, tick: Tick, known_costs: PrefixCosts | None, standing: Standing
) -> None:
    """Its calls are refreshes of what is alive, paid for by traffic, and no more of them than pay."""
    used = replace(rule, keep="while-used")
    if decide(used, state, tick, costs=known_costs, standing=standing).is_due:
        until = proven_until(state, used)
        assert until is not None
        assert tick.now < until
        assert state.traffic is not None
        assert known_costs is not None
        assert state.idle_refreshes < REFRESHES


@RULES
@given(rules, states(), ticks, costs, standings, st.integers(0, 3 * 86_400))
def test_nothing_is_warmed_before_the_record_says_so(
    rule: Rule, state: EntryState, tick: Tick, known_costs: PrefixCosts | None, standing: Standing, seconds: int
) -> None:
    """If nothing happens, no later look makes a call before the due time; without one none ever does."""
    decided = decide(rule, state, tick, costs=known_costs, standing=standing)
    if decided.is_due:
        assert decided.due_at == tick.now
        return
    later = replace(tick, now=tick.now + timedelta(seconds=seconds))
    if decided.due_at is None or later.now < decided.due_at:
        assert not decide(rule, state, later, costs=known_costs, standing=standing).is_due
    if decided.due_at is not None:
        assert decided.due_at >= tick.now


@RULES
@given(rules, states(), ticks, costs, standings)
def test_a_lapse_is_counted_only_for_what_is_known_to_have_lived(
    rule: Rule, state: EntryState, tick: Tick, known_costs: PrefixCosts | None, standing: Standing
) -> None:
    """It has lapsed, and inside the present window if there is one."""
    decided = decide(rule, state, tick, costs=known_costs, standing=standing)
    if decided.is_lapse:
        assert decided.lapses_at is not None
        assert decided.lapses_at <= tick.now
        assert decided.reason in (Reason.LAPSED, Reason.LEFT_TO_TRAFFIC)
        assert is_open(rule.windows, decided.lapses_at)


@RULES
@given(rules, ticks, costs)
def test_of_an_entry_nobody_knows_only_while_used_is_left(
    rule: Rule, tick: Tick, known_costs: PrefixCosts | None
) -> None:
    """A lost table or a new target costs one call; while-used waits for its first traffic."""
    assume(rule.is_enabled and is_open(rule.windows, tick.now))
    reason = decide(rule, UNKNOWN, tick, costs=known_costs, standing=FREE).reason
    assert reason is (Reason.NO_TRAFFIC if rule.keep == "while-used" else Reason.COLD)
