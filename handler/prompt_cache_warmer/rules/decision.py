"""The decision: whether an entry is warmed on this tick, and why.

One pure, total function returns one frozen record; the log line, the metric, the dry run and the
replay are renderings of it. Time to live counts from the start of the request that wrote or read an
entry, so an entry is due when it would lapse before the *next* tick can reach it: the tick's
interval, the schedule's jitter and the call's own latency from now.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from prompt_cache_warmer.rules.budget import refusal, renewed_at
from prompt_cache_warmer.rules.habit import idle_bound
from prompt_cache_warmer.rules.life import habit_of
from prompt_cache_warmer.rules.reasons import Reason
from prompt_cache_warmer.rules.situation import FREE, Rule, Standing, Tick
from prompt_cache_warmer.values.windows import Occurrence, next_opening, occurrence_at

if TYPE_CHECKING:
    from datetime import datetime

    from prompt_cache_warmer.values.document import Keep
    from prompt_cache_warmer.values.pricing import PrefixCosts
    from prompt_cache_warmer.values.state import EntryState, Habit, Toucher


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do with one entry on one tick, and what it was decided by.

    Attributes:
        reason: why; it also says whether a warm call is made.
        tick: the moment it was decided at.
        touched_by: who restarted its time to live last, None where nobody did.
        lapses_at: when the entry lapses or lapsed, None where nothing proves that it was alive.
        due_at: when it may be warmed next if nothing happens; None where only an event changes that.
        idle_refreshes: how many warm calls there were since the last traffic.
        bound: how many of them are made at most; None where the rule does not ask or no price is known.
        habit: what the entry's idle gaps taught, which the bound goes by; None where there is no bound.
        costs: what the prefix costs; None where no price is known.
        is_lapse: whether an entry that should have been held has lapsed.
        is_trial: whether a breaker lets this one call through to see.
        detail: what the reason's sentence leaves open: until when, by whom.
    """

    reason: Reason
    tick: Tick
    touched_by: Toucher | None = None
    lapses_at: datetime | None = None
    due_at: datetime | None = None
    idle_refreshes: int = 0
    bound: int | None = None
    habit: Habit | None = None
    costs: PrefixCosts | None = None
    is_lapse: bool = False
    is_trial: bool = False
    detail: str = ""

    @property
    def is_due(self) -> bool:
        """Whether a warm call is made."""
        return self.reason.is_due


def decide(
    rule: Rule, state: EntryState, tick: Tick, *, costs: PrefixCosts | None, standing: Standing = FREE
) -> Decision:
    """Decide whether an entry is warmed on a tick.

    Args:
        rule: what the owner asks for.
        state: what is remembered of the entry in its present life.
        tick: the moment.
        costs: what the prefix costs; None where no price is known.
        standing: what keeps due calls back.
    """
    now, state = tick.now, state.as_of(tick.now)
    if not rule.is_enabled:
        return Decision(Reason.DISABLED, tick)
    if standing.pause is not None and now < standing.pause.until:
        detail = f"{standing.pause.reason}, until {standing.pause.until:%Y-%m-%dT%H:%M:%SZ}"
        return Decision(Reason.PAUSED, tick, due_at=standing.pause.until, detail=detail)
    occurrence = occurrence_at(rule.windows, now) if rule.windows else None
    if rule.windows and occurrence is None:
        return Decision(Reason.OUTSIDE_WINDOW, tick, due_at=next_opening(rule.windows, now))
    if state.claim is not None and now < state.claim.until:
        return Decision(Reason.CLAIMED, tick, due_at=state.claim.until)
    look = _Look(rule, state, tick, costs, occurrence)
    reason = look.need()
    if reason.is_due:
        reason = _held_back(state, tick, standing) or reason
    return Decision(
        reason,
        tick,
        touched_by=state.touched_by,
        lapses_at=look.lapses_at,
        due_at=look.due_at(reason, standing),
        idle_refreshes=state.idle_refreshes,
        bound=look.bound,
        habit=look.habit,
        costs=costs,
        is_lapse=look.is_lapse(reason),
        is_trial=reason.is_due and (state.breaker.is_half_open(now) or standing.credential.is_half_open(now)),
        detail=_detail(reason, state, standing),
    )


def _detail(reason: Reason, state: EntryState, standing: Standing) -> str:
    breaker = {Reason.BREAKER_OPEN: state.breaker, Reason.CREDENTIAL_STOPPED: standing.credential}.get(reason)
    if breaker is None or breaker.open_until is None:
        return ""
    return f"{breaker.reason}, until {breaker.open_until:%Y-%m-%dT%H:%M:%SZ}"


def _held_back(state: EntryState, tick: Tick, standing: Standing) -> Reason | None:
    if state.breaker.is_open(tick.now) and not tick.overrides_breakers:
        return Reason.BREAKER_OPEN
    if standing.credential.is_open(tick.now) and not tick.overrides_credentials:
        return Reason.CREDENTIAL_STOPPED
    return refusal(standing.allowances, standing.worst)


class _Look:
    """One look at one entry, apart from what keeps calls back."""

    def __init__(
        self, rule: Rule, state: EntryState, tick: Tick, costs: PrefixCosts | None, occurrence: Occurrence | None
    ) -> None:
        self._rule = rule
        self._state = state
        self._tick = tick
        self._occurrence = occurrence
        self.lapses_at = proven_lapse(state, keep=rule.keep, ttl_seconds=rule.ttl_seconds)
        latency_seconds = 0.0 if state.warmth is None else state.warmth.latency_seconds
        self._reach = timedelta(seconds=tick.interval_seconds + tick.jitter_seconds + latency_seconds)
        self.habit: Habit | None = None
        self.bound: int | None = None
        # Without a price no traffic says for how long calling pays; who asked for an interval gets it all the same.
        self._is_boundless = rule.keep == "while-used" and costs is None
        if rule.keep == "while-used" and costs is not None:
            worth_usd, ttl_seconds = rule.cold_start_value_usd, rule.ttl_seconds
            self.habit = habit_of(state, costs, ttl_seconds=ttl_seconds, cold_start_value_usd=worth_usd)
            if self.habit is not None and state.traffic is not None:
                last_at = state.traffic.last_at
                self.bound = idle_bound(
                    self.habit, costs, last_traffic_at=last_at, ttl_seconds=ttl_seconds, cold_start_value_usd=worth_usd
                )

    def need(self) -> Reason:
        """Say whether the entry needs a call now."""
        warmth, tick = self._state.warmth, self._tick
        calls = (None if warmth is None else warmth.warmed_at, self._state.breaker.failed_at)
        if tick.scheduled_at is not None and any(at is not None and at >= tick.scheduled_at for at in calls):
            return Reason.CALLED_THIS_TICK
        if tick.is_plain and (tick.is_requested or self._state.traffic is None or self._is_boundless):
            return self._plain()
        if self.lapses_at is not None and tick.now < self.lapses_at - self._reach:
            return Reason.OUTLIVES_TICK
        if self._outlives_window:
            return Reason.OUTLIVES_WINDOW
        return {"always": self._always, "while-used": self._while_used, "once": self._once}[self._rule.keep]()

    def due_at(self, reason: Reason, standing: Standing) -> datetime | None:
        """Say when the entry may be warmed next if nothing happens."""
        now, occurrence = self._tick.now, self._occurrence
        opens_at = None if occurrence is None else next_opening(self._rule.windows, occurrence.closes_at)
        if self._rule.keep == "once" and self._once() is Reason.KEPT_ONCE:
            return opens_at
        if reason in (Reason.OUTLIVES_TICK, Reason.OUTLIVES_WINDOW):
            reached_at = self._lapse - self._reach
            return max(reached_at, opens_at) if opens_at is not None and self._outlives_window else reached_at
        waits = {
            Reason.CALLED_THIS_TICK: now + timedelta(seconds=self._tick.interval_seconds),
            Reason.BREAKER_OPEN: self._state.breaker.open_until,
            Reason.CREDENTIAL_STOPPED: standing.credential.open_until,
        }
        return waits.get(reason, now if reason.is_due else renewed_at(reason, now))

    def is_lapse(self, reason: Reason) -> bool:
        """Tell whether what should have been held has lapsed; while-used at the first tick due after it."""
        if reason is not Reason.LEFT_TO_TRAFFIC:
            return reason is Reason.LAPSED
        is_held = self.bound is not None and self._state.idle_refreshes < self.bound
        since_seconds = ((self._tick.scheduled_at or self._tick.now) - self._lapse).total_seconds()
        is_first_look = 0 <= since_seconds < self._tick.interval_seconds
        return is_held and is_first_look and not self._is_new_window(self._lapse)

    @property
    def _lapse(self) -> datetime:
        """The lapse of an entry that is known to have been alive."""
        assert self.lapses_at is not None  # noqa: S101 - every caller has looked
        return self.lapses_at

    @property
    def _is_alive(self) -> bool:
        return self.lapses_at is not None and self._tick.now < self.lapses_at

    @property
    def _outlives_window(self) -> bool:
        return self._is_alive and self._occurrence is not None and self._occurrence.closes_at <= self._lapse

    def _always(self) -> Reason:
        if self._is_alive:
            return Reason.DUE
        if self.lapses_at is None:
            return Reason.COLD
        return Reason.WINDOW_OPENED if self._is_new_window(self.lapses_at) else Reason.LAPSED

    def _plain(self) -> Reason:
        if self._tick.is_requested:
            return Reason.REQUESTED
        if self.lapses_at is None:
            return Reason.COLD
        return Reason.INTERVAL if self._is_alive else Reason.LAPSED

    def _while_used(self) -> Reason:
        if self._state.traffic is None:
            return Reason.NO_TRAFFIC
        if not self._is_alive:
            return Reason.LEFT_TO_TRAFFIC
        if self.bound is None:
            return Reason.NO_BREAK_EVEN
        return Reason.BREAK_EVEN if self._state.idle_refreshes >= self.bound else Reason.DUE

    def _once(self) -> Reason:
        warmth = self._state.warmth
        if warmth is None:
            return Reason.DUE if self._is_alive else Reason.COLD
        if self._tick.is_requested:
            return Reason.REQUESTED
        is_new_window = self._occurrence is not None and warmth.warmed_at < self._occurrence.opens_at
        return Reason.WINDOW_OPENED if is_new_window else Reason.KEPT_ONCE

    def _is_new_window(self, lapses_at: datetime) -> bool:
        return self._occurrence is not None and lapses_at <= self._occurrence.opens_at


def proven_lapse(state: EntryState, *, keep: Keep, ttl_seconds: int) -> datetime | None:
    """Say when an entry lapses or lapsed; None where nothing proves that its present prefix was ever alive.

    Args:
        state: what is remembered of the entry in its present life, as it can be believed now.
        keep: the keeping rule.
        ttl_seconds: the shortest time to live the prefix's markers ask for.
    """
    return None if _is_hearsay(state, keep) else state.lapses_at(ttl_seconds=ttl_seconds)


def _is_hearsay(state: EntryState, keep: Keep) -> bool:
    """Tell whether all that speaks for an entry is traffic that may have carried an older prefix."""
    is_named = state.traffic is not None and state.traffic.fingerprint is not None
    return keep != "while-used" and state.warmth is None and not is_named  # while-used has nothing else
