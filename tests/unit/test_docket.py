"""The docket: what is asked of each entry, what is remembered of it, and one trial per stopped credential."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from prompt_cache_warmer.rules.decision import Decision
from prompt_cache_warmer.rules.reasons import Reason
from prompt_cache_warmer.values.caps import NO_CAPS, Caps
from prompt_cache_warmer.values.money import Amount
from prompt_cache_warmer.values.pricing import PrefixCosts
from prompt_cache_warmer.values.snapshot import CredentialState, Pause, Snapshot
from prompt_cache_warmer.values.state import Breaker, Claim, EntryState, Habit, Toucher, Traffic
from prompt_cache_warmer.values.targets import Entry, TargetSummary, entries, twins_beside
from prompt_cache_warmer.warm.docket import Case, asked_ttl, dearest_ttl, docket
from tests.decisions import HALF_OPEN, HOUR, NOW, OPEN, ago, tick, warmed
from tests.fakes import MODEL, target

if TYPE_CHECKING:
    from prompt_cache_warmer.values.state import Warmth

HOUR_MARK = {"type": "ephemeral", "ttl": "1h"}


def summary(name: str = "support", **changes: Any) -> TargetSummary:
    """Return a target of an hour whose prefix is estimated at 20,000 tokens."""
    block = {"type": "text", "text": f"You are {name}. " * 2000, "cache_control": HOUR_MARK}
    found = target(**{"name": name, "request": {"system": [block]}, **changes}).summary
    return replace(found, prefix_tokens=20_000)


def entry(name: str = "support", **changes: Any) -> Entry:
    """Return the first entry of such a target."""
    return entries((summary(name, **changes),))[0]


def remembered(of: Entry, **changes: Any) -> EntryState:
    """Return a state in which the entry was refreshed 56 minutes ago, with 10,000 tokens and 6 that are not cached."""
    warmth = warmed(ago(56), HOUR, fingerprint=of.target.prefix_digest, cached_tokens=10_000, other_tokens=6)
    return replace(EntryState(sequence=3, warmth=warmth), **changes)


def warmth_of(of: Entry, **changes: Any) -> Warmth:
    """Return what is remembered of its last call, with changes."""
    warmth = remembered(of).warmth
    assert warmth is not None
    return replace(warmth, **changes)


def decided(of: Entry, state: EntryState | None = None, *, caps: Caps = NO_CAPS, **snapshot: Any) -> Case:
    """Decide one entry."""
    known = {} if state is None else {of.key: state}
    (case,) = docket([of], Snapshot(entries=known, **snapshot), tick(), caps=caps)
    return case


def test_every_entry_has_its_case_in_order() -> None:
    """One per target and model, each with its own state."""
    found = entries((summary("a", models=[MODEL, "claude-opus-5"]), summary("b")))
    snapshot = Snapshot(entries={found[0].key: remembered(found[0])})
    cases = docket(found, snapshot, tick(), caps=NO_CAPS)
    assert [(case.entry.target.name, case.entry.model, case.decision.reason) for case in cases] == [
        ("a", MODEL, Reason.DUE),
        ("a", "claude-opus-5", Reason.COLD),
        ("b", MODEL, Reason.COLD),
    ]
    assert cases[0].state == remembered(found[0], breaker=Breaker(version="1"))


def test_nothing_is_decided_for_nobody() -> None:
    """No entries, no cases."""
    assert docket([], Snapshot(), tick(), caps=NO_CAPS) == []


@pytest.mark.parametrize(
    ("ttls", "asked", "dearest"),
    [
        (("1h",), "1h", "1h"),
        (("5m",), "5m", "5m"),
        (("1h", "5m"), "5m", "1h"),
        (("1h", "1h", "5m", "5m"), "5m", "1h"),
        ((), "5m", "5m"),
    ],
)
def test_the_shortest_marker_counts_for_the_lapse_and_the_longest_for_the_price(
    ttls: tuple[Any, ...], asked: str, dearest: str
) -> None:
    """A prefix lives no longer than its shortest part and costs no more than its dearest."""
    found = Entry(replace(summary(), ttls=ttls), MODEL)
    assert (asked_ttl(found), dearest_ttl(found)) == (asked, dearest)


def test_mixed_markers_lapse_after_five_minutes_and_may_cost_an_hour() -> None:
    """20,001 tokens: what a miss costs is 0.075 USD, what the call may cost is 0.12 and a token of output."""
    mixed = Entry(replace(summary(), ttls=("1h", "5m")), MODEL)
    state = EntryState(traffic=Traffic(ago(3), mixed.target.prefix_digest))
    case = decided(mixed, state)
    assert case.decision.lapses_at == ago(-2)
    assert case.decision.costs == PrefixCosts(Decimal("0.075"), Decimal("0.006"), Decimal("0.06"))
    assert case.expected_worst == Amount(Decimal("0.120015"), 20_001)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({}, Reason.DUE),
        ({"enabled": False}, Reason.DISABLED),
        ({"keep": "while-used"}, Reason.NO_TRAFFIC),
        ({"windows": [{"days": "sat", "from": "07:30", "to": "19:00", "timezone": "UTC"}]}, Reason.OUTSIDE_WINDOW),
        ({"max_usd_per_day": "0"}, Reason.TARGET_DAY_CAP),
    ],
)
def test_what_the_document_says_is_decided_by(changes: dict[str, Any], reason: Reason) -> None:
    """Whether it is on, its rule, its windows and its caps."""
    found = entry(**changes)
    assert decided(found, remembered(found)).decision.reason is reason


def test_a_cold_starts_value_raises_the_bound() -> None:
    """At 0.003 USD a refresh a write of 0.06 makes 19; half a cent more makes 20, as long as it was in use."""
    for value, bound in (("0", 19), ("0.005", 20)):
        found = entry(keep="while-used", cold_start_value_usd=value)
        used = Traffic(ago(57), found.target.prefix_digest)
        learned = Habit(used_since=ago(6000), credit_usd=Decimal(0))
        state = remembered(found, traffic=used, warmth=warmth_of(found, idle_since=used.last_at, habit=learned))
        assert decided(found, state).decision.bound == bound


def test_another_prefix_or_time_to_live_is_another_life() -> None:
    """What was learned of the old one is not used."""
    found = entry()
    for changes in ({"fingerprint": "f" * 64}, {"asked_ttl_seconds": 300}):
        state = remembered(found, warmth=warmth_of(found, **changes))
        case = decided(found, state)
        assert (case.state.warmth, case.decision.reason) == (None, Reason.COLD)


def test_a_changed_document_closes_the_entrys_breaker() -> None:
    """The stored one speaks of another version than the one that is here."""
    found = entry()
    state = remembered(found, breaker=replace(OPEN, version="1"))
    assert decided(found, state).decision.reason is Reason.BREAKER_OPEN
    changed = Entry(replace(found.target, version="2"), MODEL)
    assert decided(changed, state).decision.reason is Reason.DUE


def test_costs_are_of_the_tokens_that_were_really_cached() -> None:
    """The estimate of 20,000 serves until a call has said that there are 10,000."""
    found = entry()
    real = PrefixCosts(Decimal("0.06"), Decimal("0.003"), Decimal("0.03"))
    estimated = PrefixCosts(Decimal("0.12"), Decimal("0.006"), Decimal("0.06"))
    assert decided(found, remembered(found)).decision.costs == real
    assert decided(found).decision.costs == estimated
    uncached = remembered(found, warmth=warmth_of(found, cached_tokens=0, ttl_seconds=None))
    assert decided(found, uncached).decision.costs == estimated


def test_the_worst_case_is_of_the_last_call_or_the_estimate() -> None:
    """All its tokens written for an hour and one of output; a call that cached nothing is no measure."""
    found = entry()
    assert decided(found, remembered(found)).expected_worst == Amount(Decimal("0.060051"), 10_007)
    assert decided(found).expected_worst == Amount(Decimal("0.120015"), 20_001)
    uncached = remembered(found, warmth=warmth_of(found, cached_tokens=0, ttl_seconds=None))
    assert decided(found, uncached).expected_worst == Amount(Decimal("0.120015"), 20_001)


@pytest.mark.parametrize(
    ("caps", "reason"),
    [
        (Caps(usd_per_day=Decimal("5.060051")), Reason.DUE),
        (Caps(usd_per_day=Decimal("5.06")), Reason.STACK_DAY_CAP),
        (Caps(usd_per_month=Decimal("90.060051")), Reason.DUE),
        (Caps(usd_per_month=Decimal("90.06")), Reason.STACK_MONTH_CAP),
        (Caps(tokens_per_call=10_007), Reason.DUE),
        (Caps(tokens_per_call=10_006), Reason.CALL_CAP),
    ],
)
def test_what_was_spent_and_what_a_call_may_cost_decide_under_a_cap(caps: Caps, reason: Reason) -> None:
    """Spent so far: 5 USD today, 90 this month; the call may cost 0.060051."""
    found = entry()
    spent = {"spent_today": Amount(Decimal(5)), "spent_this_month": Amount(Decimal(90))}
    case = decided(found, remembered(found), caps=caps, **spent)
    assert case.decision.reason is reason
    assert len(case.allowances) == 1


def test_a_targets_cap_counts_what_that_target_spent() -> None:
    """Of another target's spending it knows nothing."""
    found = entry(max_usd_per_day="1")
    mine, others = {"support": Amount(Decimal("0.95"))}, {"other": Amount(Decimal("0.95"))}
    assert decided(found, remembered(found), spent_by_target=mine).decision.reason is Reason.TARGET_DAY_CAP
    assert decided(found, remembered(found), spent_by_target=others).decision.reason is Reason.DUE


def test_a_first_call_is_asked_for_again_when_its_tokens_are_counted() -> None:
    """Until then only a cap that is used up refuses it."""
    found = entry()
    uncached = remembered(found, warmth=warmth_of(found, cached_tokens=0, ttl_seconds=None))
    for state in (None, uncached):
        assert decided(found, state, caps=Caps(usd_per_day=Decimal("0.01"))).decision.reason is Reason.COLD
        assert decided(found, state, caps=Caps(usd_per_day=Decimal(0))).decision.reason is Reason.STACK_DAY_CAP


def test_an_unknown_price_is_said_before_anything_is_counted() -> None:
    """A dry run knows it too: without any tokens known a cap in USD alone refuses a model without a price."""
    found = entry(models=["claude-of-tomorrow"])
    assert decided(found, caps=Caps(usd_per_day=Decimal(5))).decision.reason is Reason.UNPRICED
    held = Caps(usd_per_day=Decimal(5), tokens_per_day=100_000)
    case = decided(found, caps=held)
    assert (case.decision.reason, case.decision.costs) == (Reason.COLD, None)
    assert case.expected_worst == Amount(None, 20_001)
    spent = Amount(Decimal(0), 100_000)
    assert decided(found, caps=held, spent_today=spent).decision.reason is Reason.STACK_DAY_CAP
    assert decided(found).decision.reason is Reason.COLD


def test_a_pause_and_a_stopped_credential_hold_every_entry_back() -> None:
    """The pause is everybody's, the credential only its own entries'."""
    found = entry()
    assert decided(found, pause=Pause("x", ago(1), ago(-1))).decision.reason is Reason.PAUSED
    stopped = {"default": CredentialState(2, OPEN)}
    case = decided(found, credentials=stopped)
    assert (case.decision.reason, case.credential) == (Reason.CREDENTIAL_STOPPED, CredentialState(2, OPEN))
    assert decided(found, credentials={"other": CredentialState(2, OPEN)}).decision.reason is Reason.COLD


def test_what_was_refused_is_due_again_once_its_credential_was_let_go() -> None:
    """For its own credential's entries alone, until it is refused once more."""
    found = entry()
    refused = Breaker(
        failures=1,
        reason="credential",
        opened_at=ago(10),
        open_until=ago(-50),
        version=found.target.version,
    )
    state = remembered(found, breaker=refused)
    let_go = CredentialState(1, resumed_at=ago(5))
    assert decided(found, state).decision.reason is Reason.BREAKER_OPEN
    case = decided(found, state, credentials={"default": let_go})
    assert case.decision.is_due
    assert case.state.breaker == Breaker(version=found.target.version)
    for credentials in ({"other": let_go}, {"default": CredentialState(1, resumed_at=ago(11))}):
        assert decided(found, state, credentials=credentials).decision.reason is Reason.BREAKER_OPEN


def on_trial(found: tuple[Entry, ...], *, ticks: int = 0, state: EntryState | None = None) -> list[str]:
    """Say what is decided of each entry some ticks after now, while the default credential is on trial."""
    at = tick(NOW + timedelta(seconds=240 * ticks))
    known = {} if state is None else {found[0].key: state}
    snapshot = Snapshot(entries=known, credentials={"default": CredentialState(1, HALF_OPEN)})
    return [case.decision.reason.value for case in docket(found, snapshot, at, caps=NO_CAPS)]


def test_one_entry_tries_a_stopped_credential_for_all() -> None:
    """The others wait for what it shows; entries of another credential are not concerned."""
    found = (*(entry(name) for name in "abc"), entry("d", credential="other"))
    decisions = on_trial(found)
    assert sorted(decisions[:3]) == ["cold", "credential-on-trial", "credential-on-trial"]
    assert decisions[3] == "cold"


def test_another_entry_has_its_turn_at_every_tick() -> None:
    """An entry that is never really called, because its body is gone, does not keep the others waiting."""
    found = tuple(entry(name) for name in "abc")
    turns = [on_trial(found, ticks=number).index("cold") for number in range(6)]
    assert sorted(turns[:3]) == [0, 1, 2]
    assert turns[:3] == turns[3:]


def test_an_entry_whose_call_a_cap_refuses_is_no_trial() -> None:
    """Its call would show nothing; where all are refused as far as is known, they take turns all the same."""
    dear, others = entry("a", max_usd_per_day="0.000001"), (entry("b"), entry("c"))
    assert decided(dear).decision.reason is Reason.COLD  # what its call costs is only estimated
    for ticks in range(4):
        first, *rest = on_trial((dear, *others), ticks=ticks)
        assert first == "credential-on-trial"
        assert sorted(rest) == ["cold", "credential-on-trial"]
    assert {on_trial((dear, *others), ticks=ticks).index("cold") for ticks in range(2)} == {1, 2}
    both = (dear, entry("b", max_usd_per_day="0.000001"))
    assert {on_trial(both, ticks=ticks).index("cold") for ticks in range(2)} == {0, 1}


def test_a_trial_has_room_to_spare_where_there_is_any() -> None:
    """What a call may cost is an estimate before its body is read: where a cap just fits it, it may yet be refused."""
    worst = decided(entry("a")).expected_worst.known_usd
    tight, roomy = (entry(name, max_usd_per_day=str(worst * share)) for name, share in (("a", 1), ("b", 2)))
    assert [on_trial((tight, roomy), ticks=ticks).index("cold") for ticks in range(2)] == [1, 1]
    both = (tight, entry("b", max_usd_per_day=str(worst)))
    assert {on_trial(both, ticks=ticks).index("cold") for ticks in range(2)} == {0, 1}


def test_an_entry_that_is_not_due_is_no_trial() -> None:
    """It neither takes the turn nor waits for it."""
    found = (entry("a"), entry("b"))
    alive = remembered(found[0], warmth=warmth_of(found[0], warmed_at=ago(1)))
    for ticks in range(4):
        assert on_trial(found, ticks=ticks, state=alive) == ["outlives-tick", "cold"]


def test_who_waits_for_a_trial_keeps_the_figures() -> None:
    """Only the reason, the time and what follows from them are others; the lapse is counted when it is called."""
    found = (entry("a"), entry("b"))
    lapsed = {one.key: remembered(one, warmth=warmth_of(one, warmed_at=ago(100))) for one in found}
    snapshot = Snapshot(entries=lapsed, credentials={"default": CredentialState(1, HALF_OPEN)})
    cases = docket(found, snapshot, tick(), caps=NO_CAPS)
    trial, waiting = sorted((case.decision for case in cases), key=lambda one: not one.is_due)
    assert (trial.reason, trial.is_trial, trial.is_lapse) == (Reason.LAPSED, True, True)
    assert waiting == Decision(
        Reason.CREDENTIAL_ON_TRIAL,
        tick(),
        touched_by=Toucher.WARM_CALL,
        lapses_at=ago(40),
        due_at=ago(-4),
        costs=PrefixCosts(Decimal("0.06"), Decimal("0.003"), Decimal("0.03")),
    )


def test_without_an_interval_the_second_says_whose_turn_it_is() -> None:
    """A caller that comes back at will does not ask the same entry each time either."""
    found = (entry("a"), entry("b"))
    snapshot = Snapshot(credentials={"default": CredentialState(1, HALF_OPEN)})
    turns = [
        [
            case.decision.is_due
            for case in docket(found, snapshot, tick(NOW + timedelta(seconds=s), interval_seconds=0), caps=NO_CAPS)
        ]
        for s in range(2)
    ]
    assert sorted(turns) == [[False, True], [True, False]]


def test_a_claim_of_the_same_bytes_holds_for_every_entry_of_them() -> None:
    """A run that was killed between two claims may have made the call; once the last claim ends, nothing holds."""
    request = {"system": [{"type": "text", "text": "You are one. " * 2000, "cache_control": HOUR_MARK}]}
    first, second, third = (entry(name, request=request) for name in "abc")
    other = entry("d", request={"system": [{"type": "text", "text": "You are two. " * 2000}]})
    known = {
        first.key: remembered(first, claim=Claim("killed", ago(-2))),
        second.key: remembered(second, claim=Claim("later", ago(-3))),
    }
    snapshot = Snapshot(entries=known)
    cases = docket([first, second, third, other], snapshot, tick(), caps=NO_CAPS)
    assert [(case.decision.reason, case.decision.due_at) for case in cases[:3]] == [(Reason.CLAIMED, ago(-3))] * 3
    assert cases[3].decision.reason is Reason.COLD
    (beside,) = docket([third], snapshot, tick(), caps=NO_CAPS, twins=[first])
    assert (beside.decision.reason, beside.decision.due_at) == (Reason.CLAIMED, ago(-2))
    after = docket([first, second, third], snapshot, tick(ago(-3)), caps=NO_CAPS)
    assert all(case.decision.is_due for case in after)


def test_a_call_of_the_same_bytes_keeps_every_entry_of_them() -> None:
    """The later call counts for both; what each knows of its own traffic stays its own."""
    request = {"system": [{"type": "text", "text": "You are one. " * 2000, "cache_control": HOUR_MARK}]}
    first, second = entry("a", request=request), entry("b", request=request)
    known = {
        first.key: remembered(first, warmth=warmth_of(first, warmed_at=ago(10), idle_refreshes=5)),
        second.key: remembered(second, warmth=warmth_of(second, warmed_at=ago(58), idle_refreshes=2)),
    }
    cases = docket([first, second], Snapshot(entries=known), tick(), caps=NO_CAPS)
    assert [(case.decision.reason, case.decision.lapses_at) for case in cases] == [
        (Reason.OUTLIVES_TICK, ago(-50)),
        (Reason.OUTLIVES_TICK, ago(-50)),
    ]
    assert [case.state.warmth.idle_refreshes for case in cases if case.state.warmth] == [5, 2]
    new = docket([first, entry("c", request=request)], Snapshot(entries=known), tick(), caps=NO_CAPS)
    assert [case.decision.reason for case in new] == [Reason.OUTLIVES_TICK, Reason.OUTLIVES_TICK]


def test_twins_are_the_others_of_the_same_bytes() -> None:
    """None of the chosen ones is listed again: their state is asked for once."""
    same = {"request": {"system": [{"type": "text", "text": "You are. " * 2000, "cache_control": HOUR_MARK}]}}
    a, b, other = entry("a", **same), entry("b", **same), entry("other")
    assert twins_beside((a,), (a, b, other)) == (b,)
    assert twins_beside((a, b), (a, b, other)) == ()
