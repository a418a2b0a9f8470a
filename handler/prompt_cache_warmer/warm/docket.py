"""The docket: every entry of a run with what is remembered of it and what was decided."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from prompt_cache_warmer.rules.breaker import after_resume
from prompt_cache_warmer.rules.budget import Allowance, Spent, allowances, refusal, worst_case
from prompt_cache_warmer.rules.decision import Decision, decide
from prompt_cache_warmer.rules.reasons import Reason
from prompt_cache_warmer.rules.situation import Rule, Standing, Tick
from prompt_cache_warmer.values.body import TTL_SECONDS
from prompt_cache_warmer.values.money import NOTHING, Amount
from prompt_cache_warmer.values.pricing import prefix_costs
from prompt_cache_warmer.values.snapshot import CredentialState, Snapshot
from prompt_cache_warmer.values.state import MAX_CLOCK_SKEW, UNKNOWN, EntryState

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from prompt_cache_warmer.values.body import Ttl
    from prompt_cache_warmer.values.caps import Caps
    from prompt_cache_warmer.values.state import Claim, Warmth
    from prompt_cache_warmer.values.targets import Entry

_UNKNOWN_CREDENTIAL = CredentialState()
_ONE_TOKEN = 1  # what an API that refuses max_tokens: 0 generates


@dataclass(frozen=True, slots=True)
class Case:
    """One entry on one tick.

    Attributes:
        entry: the entry.
        state: what is remembered of its present life.
        credential: what is remembered of its credential.
        allowances: what the caps that apply to it had room for when the run began.
        decision: what was decided.
    """

    entry: Entry
    state: EntryState
    credential: CredentialState
    allowances: tuple[Allowance, ...]
    decision: Decision

    @property
    def expected_worst(self) -> Amount:
        """What its call may cost, by what is known or estimated before its body is read."""
        tokens = known_tokens(self.state) or self.entry.target.prefix_tokens
        return _worst(self.entry, tokens=tokens, at=self.decision.tick.now)


def docket(
    entries: Iterable[Entry],
    snapshot: Snapshot,
    tick: Tick,
    *,
    caps: Caps,
    asked_at: Mapping[str, datetime] | None = None,
    twins: Iterable[Entry] = (),
) -> list[Case]:
    """Decide every entry.

    Args:
        entries: what there is to decide.
        snapshot: what is remembered.
        tick: the moment.
        caps: the stack's caps.
        asked_at: when targets were uploaded, or the tick was due that sent them here, by name: that is when a run
            for them was due, so that what is told twice, or what another run came before, makes no second call.
        twins: entries that are not decided, of the same bytes as one that is: their last calls were for it too, and
            so is a call that another run is making.
    """
    due = {name: replace(tick, scheduled_at=_by_own_clock(at, tick.now)) for name, at in (asked_at or {}).items()}
    lives = [(entry, _life(entry, snapshot)) for entry in entries]
    known = [*lives, *((twin, _life(twin, snapshot)) for twin in twins)]
    last, claims = _last_calls(known), _claims(known, tick.now)
    shared = [
        (entry, _claimed(_warmed(state, last.get(entry.call_key)), claims.get(entry.call_key)))
        for entry, state in lives
    ]
    cases = [_case(entry, state, snapshot, due.get(entry.target.name, tick), caps) for entry, state in shared]
    return _one_trial_per_credential(cases)


def asked_ttl(entry: Entry) -> Ttl:
    """Return the shortest time to live a prefix's markers ask for: the whole of it lives no longer."""
    return min(entry.target.ttls, key=TTL_SECONDS.__getitem__, default="5m")


def dearest_ttl(entry: Entry) -> Ttl:
    """Return the longest time to live a prefix's markers ask for: writing for it costs the most."""
    return max(entry.target.ttls, key=TTL_SECONDS.__getitem__, default="5m")


def _by_own_clock(at: datetime, now: datetime) -> datetime:
    """Return when it was by this clock at the earliest; the bucket's may be ahead, nobody knows how far."""
    return at if at <= now else now - MAX_CLOCK_SKEW


def _life(entry: Entry, snapshot: Snapshot) -> EntryState:
    target = entry.target
    state = snapshot.entries.get(entry.key, UNKNOWN).life(
        fingerprint=target.prefix_digest, asked_ttl_seconds=TTL_SECONDS[asked_ttl(entry)], version=target.version
    )
    credential = snapshot.credentials.get(entry.credential, _UNKNOWN_CREDENTIAL)
    breaker = after_resume(state.breaker, credential.resumed_at)
    return state if breaker is state.breaker else replace(state, breaker=breaker)


def _last_calls(lives: Iterable[tuple[Entry, EntryState]]) -> dict[tuple[str, str, str], Warmth]:
    """Find the last call of all entries with the same bytes: it was for each of them."""
    last: dict[tuple[str, str, str], Warmth] = {}
    for entry, state in lives:
        key = entry.call_key
        if state.warmth is not None and (key not in last or last[key].warmed_at < state.warmth.warmed_at):
            last[key] = state.warmth
    return last


def _claims(lives: Iterable[tuple[Entry, EntryState]], now: datetime) -> dict[tuple[str, str, str], Claim]:
    """Find the claims that hold on entries with the same bytes: whoever has one makes the call for all of them.

    A run that is killed between two claims leaves the other entries unclaimed, and its call may be under way.
    """
    held: dict[tuple[str, str, str], Claim] = {}
    for entry, state in lives:
        claim, key = state.as_of(now).claim, entry.call_key
        if claim is not None and now < claim.until and (key not in held or held[key].until < claim.until):
            held[key] = claim
    return held


def _claimed(state: EntryState, held: Claim | None) -> EntryState:
    return state if held is None else replace(state, claim=held)


def _warmed(state: EntryState, last: Warmth | None) -> EntryState:
    """Return an entry's state with the last call of another entry of the same bytes, if that was later."""
    own = state.warmth
    if last is None or (own is not None and own.warmed_at >= last.warmed_at):
        return state
    idle = (0, None, None) if own is None else (own.idle_refreshes, own.idle_since, own.habit)
    idle_refreshes, idle_since, habit = idle
    warmth = replace(last, idle_refreshes=idle_refreshes, idle_since=idle_since, habit=habit)
    return replace(state, warmth=warmth)


def _case(entry: Entry, state: EntryState, snapshot: Snapshot, tick: Tick, caps: Caps) -> Case:
    target = entry.target
    ttl = asked_ttl(entry)
    credential = snapshot.credentials.get(entry.credential, _UNKNOWN_CREDENTIAL)
    spent = Spent(snapshot.spent_by_target.get(target.name, NOTHING), snapshot.spent_today, snapshot.spent_this_month)
    found = allowances(target.caps, caps, spent)
    tokens = state.warmth.cached_tokens if state.warmth is not None else 0
    costs = prefix_costs(entry.model, tokens or target.prefix_tokens, ttl, at=tick.now, prices=target.prices)
    decision = decide(
        Rule(
            keep=target.keep,
            ttl_seconds=TTL_SECONDS[ttl],
            windows=target.windows,
            cold_start_value_usd=target.cold_start_value_usd,
            is_enabled=target.enabled,
        ),
        state,
        tick,
        costs=costs,
        standing=Standing(
            pause=snapshot.pause,
            credential=credential.breaker,
            allowances=found,
            worst=_known_worst(entry, state, tick, is_priced=costs is not None) if found else None,
        ),
    )
    return Case(entry, state, credential, found, decision)


def _known_worst(entry: Entry, state: EntryState, tick: Tick, *, is_priced: bool) -> Amount | None:
    """Price the entry's next call by the tokens of its last one; None where only the price is known."""
    tokens = known_tokens(state)
    if tokens is None:
        return None if is_priced else Amount(usd=None)
    return _worst(entry, tokens=tokens, at=tick.now)


def known_tokens(state: EntryState) -> int | None:
    """Count the tokens of an entry's last call, None where there was none that left something cached."""
    warmth = state.warmth
    return warmth.cached_tokens + warmth.other_tokens if warmth is not None and warmth.cached_tokens else None


def _worst(entry: Entry, *, tokens: int, at: datetime) -> Amount:
    return worst_case(
        entry.model,
        tokens=tokens,
        output_tokens=_ONE_TOKEN,
        ttl=dearest_ttl(entry),
        speed=None,
        at=at,
        prices=entry.target.prices,
    )


def _one_trial_per_credential(cases: list[Case]) -> list[Case]:
    """Let one entry of a credential on trial go; the others wait for what it shows.

    It is one that its caps have room for, and, where there is one, room to spare: what its call may cost is only an
    estimate before its body is read, and a call that is refused shows nothing. Another one has its turn at every tick,
    so that an entry that is never really called for another reason does not keep the others waiting.
    """
    waiting: dict[str, list[Case]] = defaultdict(list)
    for case in cases:
        tick = case.decision.tick
        if case.decision.is_due and case.credential.breaker.is_half_open(tick.now) and not tick.overrides_credentials:
            waiting[case.entry.credential].append(case)
    tried = {name: _tried(rivals) for name, rivals in waiting.items()}
    rest = {rival.entry.key for name, rivals in waiting.items() for rival in rivals if rival is not tried[name]}
    return [_left_waiting(case) if case.entry.key in rest else case for case in cases]


def _tried(rivals: list[Case]) -> Case:
    fitting = [rival for rival in rivals if _has_room(rival, rival.expected_worst)]
    roomy = [rival for rival in fitting if _has_room(rival, rival.expected_worst + rival.expected_worst)]
    able = roomy or fitting or rivals
    return able[_turn(able[0].decision.tick) % len(able)]


def _has_room(case: Case, worst: Amount) -> bool:
    return refusal(case.allowances, worst) is None


def _turn(tick: Tick) -> int:
    """Number the ticks one after the other; those of a caller that comes back at will, by the second."""
    return round(tick.now.timestamp() / (tick.interval_seconds or 1))


def _left_waiting(case: Case) -> Case:
    decision, tick = case.decision, case.decision.tick
    due_at = tick.now + timedelta(seconds=tick.interval_seconds)
    return replace(
        case,
        decision=replace(
            decision, reason=Reason.CREDENTIAL_ON_TRIAL, due_at=due_at, is_lapse=False, is_trial=False, detail=""
        ),
    )
