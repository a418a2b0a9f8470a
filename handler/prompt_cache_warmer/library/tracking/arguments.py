"""What a tracker is told: checked once, with errors that name the argument, the value and what is allowed."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from prompt_cache_warmer.errors import ArgumentTypeError, ArgumentValueError
from prompt_cache_warmer.values.problems import nearest, shown
from prompt_cache_warmer.values.usage_shapes import PRICED_AS

if TYPE_CHECKING:
    from collections.abc import Callable

# A verifying call waits this long: an SDK issue reports 40 to 60 % misses at once after a write.
RETRY_DELAY_SECONDS = 2.0
# A miss later than this after the first write is not the API's delay any more.
JUST_WRITTEN_SECONDS = 10.0
# Thirty years in seconds: what is more is a mistake, and soon more than a date can hold.
_MOST = 1_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class MissRetry:
    """Call once more when a prefix was missed right after its first write, which the API may do.

    The second call is paid in full and counted; its answer is the one that is returned. Nothing else is ever
    called again: no ordinary cold write, no stream, no failed call.

    Attributes:
        delay_seconds: how long to wait before the second call.
        within_seconds: how long after the end of the first write a miss counts as right after it.

    Raises:
        ArgumentTypeError: for anything but a number.
        ArgumentValueError: for a negative or endless one.
    """

    delay_seconds: float = RETRY_DELAY_SECONDS
    within_seconds: float = JUST_WRITTEN_SECONDS

    def __post_init__(self) -> None:
        check_number("delay_seconds", self.delay_seconds, least=0)
        check_number("within_seconds", self.within_seconds, least=0)


def check_number(argument: str, value: object, *, least: float) -> None:
    """Check a number of seconds or the like, which must not be less than another."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ArgumentTypeError(argument, f"{shown(value)} is not a number")
    if not least <= value <= _MOST:
        raise ArgumentValueError(argument, f"{value} is not allowed; allowed: {least} to {_MOST:,}")


def check_whole(argument: str, value: object, *, least: int) -> None:
    """Check a whole number that must not be less than another."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise ArgumentTypeError(argument, f"{shown(value)} is not a whole number")
    if value < least:
        raise ArgumentValueError(argument, f"{value} is not allowed; allowed: a whole number from {least} on")


def check_provider(value: object) -> None:
    """Check a provider's name."""
    if value not in PRICED_AS:
        hint = nearest(value, PRICED_AS) if isinstance(value, str) else ""
        raise ArgumentValueError("provider", f"{shown(value)} is not allowed{hint}; allowed: {', '.join(PRICED_AS)}")


def check_alert(threshold: object, hook: object) -> None:
    """Check a threshold and its hook."""
    if threshold is not None:
        if isinstance(threshold, bool) or not isinstance(threshold, int | float):
            raise ArgumentTypeError("alert_threshold", f"{shown(threshold)} is not a number")
        if not 0 < threshold <= 1:
            raise ArgumentValueError("alert_threshold", f"{threshold} is not allowed; allowed: above 0, up to 1")
    if hook is None:
        return
    if not callable(hook) or any(map(inspect.iscoroutinefunction, (hook, type(hook).__call__))):
        raise ArgumentTypeError("on_alert", f"a {type(hook).__name__} is not allowed; allowed: a plain function")
    if threshold is None:
        raise ArgumentValueError("on_alert", "is never called without alert_threshold; allowed: both, or neither")


def check_retry(value: object) -> None:
    """Check a retry rule."""
    if value is not None and not isinstance(value, MissRetry):
        raise ArgumentTypeError("miss_retry", f"a {type(value).__name__} is not allowed; allowed: a MissRetry, or None")


def check_callable(argument: str, value: object) -> None:
    """Check a function."""
    if not callable(value):
        raise ArgumentTypeError(argument, f"a {type(value).__name__} cannot be called")


def earliest(*, since: datetime | None, window_seconds: float | None, now: Callable[[], datetime]) -> datetime | None:
    """Tell where a time window begins; None when there is none.

    Raises:
        ArgumentError: for both at once, a time without a zone, or a window of nothing.
    """
    if since is not None and window_seconds is not None:
        raise ArgumentValueError("window_seconds", "is not allowed together with since; allowed: one of them")
    if since is not None:
        if not isinstance(since, datetime):
            raise ArgumentTypeError("since", f"a {type(since).__name__} is not allowed; allowed: a datetime")
        if since.tzinfo is None:
            raise ArgumentValueError("since", f"{since.isoformat()} has no time zone; allowed: an aware datetime")
    if window_seconds is None:
        return since
    check_number("window_seconds", window_seconds, least=0)
    return now() - timedelta(seconds=window_seconds)
