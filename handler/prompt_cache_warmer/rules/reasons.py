"""The closed set of reasons why an entry is or is not warmed, each with its sentence."""

from __future__ import annotations

from enum import StrEnum


class Reason(StrEnum):
    """Why an entry is or is not warmed on a tick."""

    DUE = "due"
    COLD = "cold"
    LAPSED = "lapsed"
    WINDOW_OPENED = "window-opened"
    REQUESTED = "requested"
    INTERVAL = "interval"

    DISABLED = "disabled"
    PAUSED = "paused"
    OUTSIDE_WINDOW = "outside-window"
    CALLED_THIS_TICK = "called-this-tick"
    CLAIMED = "claimed"
    OUTLIVES_TICK = "outlives-tick"
    OUTLIVES_WINDOW = "outlives-window"
    KEPT_ONCE = "kept-once"
    NO_TRAFFIC = "no-traffic"
    LEFT_TO_TRAFFIC = "left-to-traffic"
    BREAK_EVEN = "break-even"
    NO_BREAK_EVEN = "no-break-even"
    BREAKER_OPEN = "breaker-open"
    CREDENTIAL_STOPPED = "credential-stopped"
    CREDENTIAL_ON_TRIAL = "credential-on-trial"
    CALL_CAP = "call-cap"
    TARGET_DAY_CAP = "target-day-cap"
    STACK_DAY_CAP = "stack-day-cap"
    STACK_MONTH_CAP = "stack-month-cap"
    UNPRICED = "unpriced"
    UNBOUNDED = "unbounded"

    @property
    def is_due(self) -> bool:
        """Whether it is a reason to make a warm call."""
        return self in _DUE

    @property
    def is_capped(self) -> bool:
        """Whether a cap keeps a due entry from being called."""
        return self in _CAPPED

    @property
    def sentence(self) -> str:
        """The reason in words."""
        return _SENTENCES[self]


_DUE = frozenset({Reason.DUE, Reason.COLD, Reason.LAPSED, Reason.WINDOW_OPENED, Reason.REQUESTED, Reason.INTERVAL})
_CAPPED = frozenset(
    {
        Reason.CALL_CAP,
        Reason.TARGET_DAY_CAP,
        Reason.STACK_DAY_CAP,
        Reason.STACK_MONTH_CAP,
        Reason.UNPRICED,
        Reason.UNBOUNDED,
    }
)

_SENTENCES = {
    Reason.DUE: "it would lapse before the next tick can reach it",
    Reason.COLD: "nothing proves that it is alive: it is new, it was changed, or its last call left nothing cached",
    Reason.LAPSED: "it lapsed since it was last used, and is written again",
    Reason.WINDOW_OPENED: "its window has opened",
    Reason.REQUESTED: "it was asked for by name, or uploaded",
    Reason.INTERVAL: "it is called at every interval, because no traffic was reported that could decide instead",
    Reason.DISABLED: "the target says enabled: false",
    Reason.PAUSED: "all warming is paused",
    Reason.OUTSIDE_WINDOW: "it is outside the target's windows",
    Reason.CALLED_THIS_TICK: (
        "it was called since this tick was due, or since its upload: it came twice, or another run came first"
    ),
    Reason.CLAIMED: "another run is calling it",
    Reason.OUTLIVES_TICK: "it is alive and outlives the next tick",
    Reason.OUTLIVES_WINDOW: "it is alive and outlives the target's window",
    Reason.KEPT_ONCE: "keep: once, and its one warm call was made",
    Reason.NO_TRAFFIC: (
        "keep: while-used, and no traffic with this prefix was ever reported; "
        "report it with the application's observer or prompt-cache-warmer touch"
    ),
    Reason.LEFT_TO_TRAFFIC: "it lapsed; keep: while-used leaves the write to the next real request",
    Reason.BREAK_EVEN: "it has been idle for as many refreshes as its use so far is worth, at most until break-even",
    Reason.NO_BREAK_EVEN: "keep: while-used needs the model's price, and it is not known; use always or once",
    Reason.BREAKER_OPEN: "its last calls failed or proved pointless, so it is left alone for a while",
    Reason.CREDENTIAL_STOPPED: "its credential was refused, so its calls wait; resume --credential lets them go",
    Reason.CREDENTIAL_ON_TRIAL: "its credential was stopped, and another entry tries it on this tick",
    Reason.CALL_CAP: "the call may cost more than the cap per call",
    Reason.TARGET_DAY_CAP: "the call may pass the target's cap for the day (UTC)",
    Reason.STACK_DAY_CAP: "the call may pass the stack's cap for the day (UTC)",
    Reason.STACK_MONTH_CAP: "the call may pass the stack's cap for the month (UTC)",
    Reason.UNBOUNDED: "a cap applies, and nothing bounds the tokens: they lie outside the body, and were not counted",
    Reason.UNPRICED: "the model's price is not known, and where a cap in USD applies, one in tokens must hold it",
}
