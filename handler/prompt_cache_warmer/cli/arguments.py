"""What commands are called with: names, times, durations and reasons, each read by one function.

Each is given to click as an option's or an argument's type; click adds the place to the message.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal, InvalidOperation

import click

from prompt_cache_warmer.values.document import MODEL_PATTERN, NAME_PATTERN
from prompt_cache_warmer.values.keeping import MAX_USD
from prompt_cache_warmer.values.problems import shown
from prompt_cache_warmer.values.validation import PATTERN_WORDS

MAX_REASON_CHARACTERS = 200  # it stands behind every skipped entry of a report: a sentence and no story
MAX_REQUESTS_PER_DAY = 10_000_000  # a hundred a second hold their prefix by themselves
MAX_SECONDS = 366 * 86_400  # a year: nobody keeps an entry idle for longer

# Six digits: whatever is written, adding it to a time overflows no calendar.
_DURATION = re.compile(r"(?:([0-9]{1,6})d)?(?:([0-9]{1,6})h)?(?:([0-9]{1,6})m)?")
_DURATION_WORDS = "days, hours and minutes in this order, such as 1d, 2h30m or 45m"
_MOMENT_WORDS = "a time with its zone, such as 2026-11-22T18:00Z or 2026-11-22T19:00+01:00"


def name(value: str) -> str:
    """Read the name of a target or of a credential."""
    return _matching(NAME_PATTERN, value)


def model(value: str) -> str:
    """Read a model's id."""
    return _matching(MODEL_PATTERN, value)


def moment(value: str) -> datetime:
    """Read a time in ISO 8601. Its zone is required: nobody's local time is guessed."""
    try:
        at = datetime.fromisoformat(value)
        in_utc = at.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise _refused(value, _MOMENT_WORDS) from error
    if at.tzinfo is None:
        raise click.BadParameter(f"{shown(value)} has no zone: add Z for UTC, or an offset such as +01:00")
    return in_utc


def duration(value: str) -> timedelta:
    """Read a duration such as ``2h30m``."""
    written = _DURATION.fullmatch(value)
    days, hours, minutes = (int(count or 0) for count in written.groups()) if written else (0, 0, 0)
    read = timedelta(days=days, hours=hours, minutes=minutes)
    if not read:
        raise _refused(value, _DURATION_WORDS)
    return read


def since(value: str) -> timedelta | datetime:
    """Read how far back something reaches: a duration such as ``7d``, a date (0:00 UTC) or a time with its zone."""
    if _DURATION.fullmatch(value):
        return duration(value)
    try:
        return datetime.combine(date.fromisoformat(value), time(), UTC)
    except ValueError:
        pass
    try:
        return moment(value)
    except click.BadParameter as error:
        raise _refused(value, f"{_DURATION_WORDS}; a date, such as 2026-11-15; or {_MOMENT_WORDS}") from error


def reason(value: str) -> str:
    """Read an operator's words: they are stored, logged and shown on terminals."""
    words = value.strip()
    if not 1 <= len(words) <= MAX_REASON_CHARACTERS or not words.isprintable():
        raise _refused(value, f"1 to {MAX_REASON_CHARACTERS} printable characters on one line")
    return words


def requests_per_day(value: str) -> float:
    """Read a number of requests; more than 0, and not always whole."""
    number = _number(value)
    if number is None or not 0 < number <= MAX_REQUESTS_PER_DAY:
        raise _refused(value, f"numbers above 0, up to {MAX_REQUESTS_PER_DAY:,}")
    return number


def seconds(value: str) -> float:
    """Read a number of seconds; 0 is one."""
    number = _number(value)
    if number is None or not 0 <= number <= MAX_SECONDS:
        raise _refused(value, f"0 to {MAX_SECONDS:,} seconds")
    return number


def tick_seconds(value: str) -> float:
    """Read the interval of ticks: 0, or at least a second."""
    number = _number(value)
    if number is None or not (number == 0 or 1 <= number <= MAX_SECONDS):
        raise _refused(value, f"0, or 1 to {MAX_SECONDS:,} seconds")
    return number


def usd(value: str) -> Decimal:
    """Read an amount of USD, exactly as it is written."""
    try:
        amount = Decimal(value)
    except InvalidOperation:
        amount = Decimal(-1)
    if not amount.is_finite() or not 0 <= amount <= MAX_USD:
        raise _refused(value, f"0 to {MAX_USD:,} USD, such as 0.05")
    return amount


def utc_text(at: datetime) -> str:
    """Write a time in UTC to the second, as sentences show it."""
    return f"{at:%Y-%m-%dT%H:%M:%SZ}"


def _number(value: str) -> float | None:
    """Read a number; None for what is none."""
    try:
        return float(value)
    except ValueError:
        return None


def _matching(pattern: str, value: str) -> str:
    if re.fullmatch(pattern, value) is None:
        raise _refused(value, PATTERN_WORDS[pattern])
    return value


def _refused(value: str, allowed: str) -> click.BadParameter:
    return click.BadParameter(f"{shown(value)} is not allowed; allowed: {allowed}")
