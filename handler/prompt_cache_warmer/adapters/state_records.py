"""State records as DynamoDB attribute values, and back.

A record is one map with its fields under their own names. Times are whole milliseconds since 1970,
cut, so that no warm call seems younger than it is. ``None`` is written, never left out: a field that
is missing has its default, or the record cannot be read.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, TypeVar

from prompt_cache_warmer.values.observation import Miss
from prompt_cache_warmer.values.snapshot import Pause
from prompt_cache_warmer.values.state import Breaker, Claim, Habit, Warmth

Value = Mapping[str, Any]
"""One typed value, as DynamoDB's own JSON has it: ``{"S": "text"}``."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)

T = TypeVar("T")


class UnreadableValueError(Exception):
    """What is stored is not what this version writes."""


def milliseconds(at: datetime) -> int:
    """Count whole milliseconds since 1970, cut."""
    return (at - _EPOCH) // _MILLISECOND


def time_of(count: int) -> datetime:
    """Return the time of whole milliseconds since 1970."""
    return _EPOCH + count * _MILLISECOND


def number(value: float) -> Value:
    """Write a number."""
    return {"N": str(value)}


def text(value: str) -> Value:
    """Write a text."""
    return {"S": value}


def time(at: datetime) -> Value:
    """Write a time."""
    return number(milliseconds(at))


def record(value: Warmth | Breaker | Claim | Pause | Miss) -> Value:
    """Write a record."""
    return {"M": {each.name: _written(getattr(value, each.name)) for each in fields(value)}}


def read_count(value: Value) -> int:
    """Read a whole number that counts something.

    Raises:
        UnreadableValueError: when it is none.
    """
    return _read(_count, value)


def read_text(value: Value) -> str:
    """Read a text.

    Raises:
        UnreadableValueError: when it is none.
    """
    return _read(_text, value)


def read_time(value: Value) -> datetime:
    """Read a time.

    Raises:
        UnreadableValueError: when it is none.
    """
    return _read(_time, value)


def read_warmth(value: Value) -> Warmth:
    """Read what a warm call proved.

    Raises:
        UnreadableValueError: when it is not that.
    """
    return _read(lambda found: Warmth(**_fields(found, _WARMTH)), value)


def read_breaker(value: Value) -> Breaker:
    """Read a breaker.

    Raises:
        UnreadableValueError: when it is none.
    """
    return _read(lambda found: Breaker(**_fields(found, _BREAKER)), value)


def read_claim(value: Value) -> Claim:
    """Read a claim.

    Raises:
        UnreadableValueError: when it is none.
    """
    return _read(lambda found: Claim(**_fields(found, _CLAIM)), value)


def read_miss(value: Value) -> Miss:
    """Read a request that was no hit.

    Raises:
        UnreadableValueError: when it is none.
    """
    return _read(lambda found: Miss(**_fields(found, _MISS)), value)


def read_pause(value: Value) -> Pause:
    """Read a pause.

    Raises:
        UnreadableValueError: when it is none.
    """
    return _read(lambda found: Pause(**_fields(found, _PAUSE)), value)


def _read(reader: Callable[[Value], T], value: Value) -> T:
    try:
        return reader(value)
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise UnreadableValueError(type(error).__name__) from error


def _written(value: object) -> Value:
    if value is None:
        return {"NULL": True}
    if isinstance(value, datetime):
        return time(value)
    if isinstance(value, bool):
        return {"BOOL": value}
    if isinstance(value, Habit):
        return {"M": {each.name: _written(getattr(value, each.name)) for each in fields(value)}}
    if isinstance(value, tuple):
        return {"L": [text(each) for each in value]}
    return number(value) if isinstance(value, int | float) else text(str(value))


def _count(value: Value) -> int:
    count = int(value["N"])
    if count < 0:
        raise ValueError(count)
    return count


def _number(value: Value) -> float:
    return float(Decimal(value["N"]))


def _text(value: Value) -> str:
    return str(value["S"])


def _flag(value: Value) -> bool:
    flag = value["BOOL"]
    if not isinstance(flag, bool):
        raise TypeError(flag)
    return flag


def _time(value: Value) -> datetime:
    return time_of(int(value["N"]))


def _texts(value: Value) -> tuple[str, ...]:
    return tuple(_text(each) for each in value["L"])


def _money(value: Value) -> Decimal:
    return Decimal(value["S"])


def _habit(value: Value) -> Habit:
    return Habit(**_fields(value, _HABIT))


def _or_none(reader: Callable[[Value], T]) -> Callable[[Value], T | None]:
    return lambda value: None if "NULL" in value else reader(value)


def _fields(value: Value, readers: Mapping[str, Callable[[Value], object]]) -> dict[str, Any]:
    stored = value["M"]
    return {name: reader(stored[name]) for name, reader in readers.items() if name in stored}


_HABIT = {"used_since": _time, "credit_usd": _money}
_WARMTH = {
    "fingerprint": _text,
    "asked_ttl_seconds": _count,
    "warmed_at": _time,
    "ttl_seconds": _or_none(_count),
    "verdict": _text,
    "message_id": _or_none(_text),
    "cached_tokens": _count,
    "other_tokens": _count,
    "latency_seconds": _number,
    "idle_refreshes": _count,
    "idle_since": _or_none(_time),
    "habit": _or_none(_habit),
    "workspace_id": _or_none(_text),
    "region": _or_none(_text),
    "is_ttl_granted": _flag,
}
_BREAKER = {
    "failures": _count,
    "unheld": _count,
    "failed_at": _or_none(_time),
    "reason": _or_none(_text),
    "opened_at": _or_none(_time),
    "open_until": _or_none(_time),
    "version": _text,
}
_CLAIM = {"owner": _text, "until": _time}
_MISS = {
    "at": _time,
    "drifted": _texts,
    "read_tokens": _count,
    "written_tokens": _count,
    "uncached_tokens": _count,
    "workspace_id": _or_none(_text),
    "region": _or_none(_text),
    "marker_distance": _or_none(_count),
    "fingerprint": _or_none(_text),
    "is_keyed_apart": _flag,
}
_PAUSE = {"reason": _text, "since": _time, "until": _time}
