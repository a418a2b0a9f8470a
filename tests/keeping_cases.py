"""Broken windows and amounts, and what is said of each."""

from __future__ import annotations

import math
from typing import Any

from prompt_cache_warmer.values.problems import ProblemCode as Code
from tests.document_cases import Case
from tests.documents import target_document

WINDOW: dict[str, Any] = {"days": "mon-fri", "from": "07:30", "to": "19:00", "timezone": "Europe/Berlin"}
A_TIME = 'a time in quotes, such as "07:30"; some YAML tools take 19:00 without quotes for the number 1140'
SOME_DAYS = "'daily', or days and ranges of mon, tue, wed, thu, fri, sat, sun, such as 'mon-fri' or 'mon,wed-fri'"
A_ZONE = "an IANA time zone, such as 'Europe/Berlin' or 'UTC'"
SOME_USD = 'USD from 0 to 1,000,000 with at most 12 decimals, such as "2.50"'
OTHER_TIME = "another time than from; leave windows out to keep it warm around the clock"


def windowed(**changes: Any) -> dict[str, Any]:
    """Make a document with one window; a change of None takes the field out. ``from_`` is ``from``."""
    window = {**WINDOW, **{field.rstrip("_"): value for field, value in changes.items()}}
    return target_document(windows=[{field: value for field, value in window.items() if value is not None}])


def _wrong_type(field: str, value: object, said: str, expected: str) -> Case:
    return Case(
        windowed(**{field: value}), Code.WRONG_TYPE, f"$.windows[0].{field}", f"{field}={said} must be {expected}"
    )


def _refused(field: str, value: object, allowed: str, said: str | None = None) -> Case:
    message = f"{field}={repr(value) if said is None else said} is not allowed; allowed: {allowed}"
    return Case(windowed(**{field: value}), Code.NOT_ALLOWED, f"$.windows[0].{field}", message)


def _missing(field: str, hint: str) -> Case:
    return Case(
        windowed(**{field: None}), Code.MISSING_FIELD, f"$.windows[0].{field}", f"{field} is missing; write {hint}"
    )


def _early(value: str, suggestion: str = "") -> Case:
    return _refused("from", value, f"a time of 24 hours from '00:00' to '23:59'{suggestion}")


def _late(value: str, suggestion: str = "") -> Case:
    return _refused("to", value, f"a time of 24 hours from '00:00' to '24:00'{suggestion}")


def _top(field: str, value: object, said: str, allowed: str) -> Case:
    message = f"{field}={said} is not allowed; allowed: {allowed}"
    return Case(target_document(**{field: value}), Code.NOT_ALLOWED, f"$.{field}", message)


def _top_type(field: str, value: object, said: str, expected: str) -> Case:
    message = f"{field}={said} must be {expected}"
    return Case({**target_document(), field: value}, Code.WRONG_TYPE, f"$.{field}", message)


WINDOWS: dict[str, Case] = {
    "windows are one window": _top_type("windows", WINDOW, "an object of 4 fields", "a list"),
    "no window in windows": _top("windows", [], "a list of 0", "at least 1"),
    "17 windows": _top("windows", [WINDOW] * 17, "a list of 17", "at most 16"),
    "a window is text": Case(
        target_document(windows=[WINDOW, "mon-fri 07:30-19:00"]),
        Code.WRONG_TYPE,
        "$.windows[1]",
        "windows[1]=a string of 19 characters must be an object",
    ),
    "misspelt field of a window": Case(
        windowed(leadminutes=5),
        Code.UNKNOWN_FIELD,
        "$.windows[0].leadminutes",
        "unknown field 'leadminutes'; did you mean 'lead_minutes'?; allowed: days, from, to, timezone, lead_minutes",
    ),
    "python's name of a window's field": Case(
        windowed(start="07:30"),
        Code.UNKNOWN_FIELD,
        "$.windows[0].start",
        "unknown field 'start'; allowed: days, from, to, timezone, lead_minutes",
    ),
    "no from": _missing("from", 'a time such as "07:30"'),
    "no to": _missing("to", 'a time such as "19:00"'),
    "no timezone": _missing("timezone", A_ZONE),
    "from is YAML 1.1's number": _wrong_type("from", 1140, "1140", A_TIME),
    "to is YAML 1.1's number": _wrong_type("to", 1140, "1140", A_TIME),
    "from is a fraction": _wrong_type("from", 7.5, "7.5", A_TIME),
    "from is a flag": _wrong_type("from", True, "true", A_TIME),
    "from of one digit": _early("7:30", "; did you mean '07:30'?"),
    "from with a dot": _early("07.30", "; did you mean '07:30'?"),
    "from with seconds": _early("07:30:00", "; did you mean '07:30'?"),
    "from with odd seconds": _early("07:30:15"),
    "from after midnight": _early("24:00"),
    "from of 60 minutes": _early("07:60"),
    "from in the afternoon": _early("7:30 pm"),
    "from ends in a newline": _early("07:30\n"),
    "from in other digits": _early("٠٧:٣٠"),  # noqa: RUF001 - what is refused
    "to after the day": _late("24:01"),
    "to of one digit": _late("9:00", "; did you mean '09:00'?"),
    "to is from": _refused("to", "07:30", OTHER_TIME),
    "midnight to midnight": Case(
        windowed(from_="00:00", to="00:00"),
        Code.NOT_ALLOWED,
        "$.windows[0].to",
        f"to='00:00' is not allowed; allowed: {OTHER_TIME}",
    ),
    "misspelt day": _refused("days", "mon-fry", f"{SOME_DAYS}; did you mean 'fri'?"),
    "day in full": _refused("days", "Monday", f"{SOME_DAYS}; did you mean 'mon'?"),
    "no day": _refused("days", "", SOME_DAYS),
    "a day that is none": _refused("days", "mon,,tue", SOME_DAYS),
    "range without an end": _refused("days", "mon-", SOME_DAYS),
    "range of three": _refused("days", "mon-tue-wed", SOME_DAYS),
    "daily and a day": _refused("days", "daily,mon", SOME_DAYS),
    "a word for days": _refused("days", "always", SOME_DAYS),
    "days as a list": _wrong_type("days", ["mon"], "a list of 1", "text"),
    "days as a number": _wrong_type("days", 1, "1", "text"),
    "misspelt zone": _refused("timezone", "Europe/Berln", f"{A_ZONE}; did you mean 'Europe/Berlin'?"),
    "zone in small letters": _refused("timezone", "europe/berlin", f"{A_ZONE}; did you mean 'Europe/Berlin'?"),
    "zone that is an offset": _refused("timezone", "GMT+2", A_ZONE),
    "zone of the machine": _refused("timezone", "localtime", A_ZONE),
    "zone that is a path": _refused("timezone", "../../etc/passwd", A_ZONE),
    "zone that is a folder": _refused("timezone", "Arctic", A_ZONE),
    "zone is a number": _wrong_type("timezone", 2, "2", "text"),
    "lead is less than none": _refused("lead_minutes", -1, "at least 0"),
    "lead too long": _refused("lead_minutes", 121, "at most 120"),
    "half a minute": _wrong_type("lead_minutes", 2.5, "2.5", "a whole number"),
    "lead as text": _wrong_type("lead_minutes", "5", "'5'", "a whole number"),
}

_USD_TYPE = 'an amount of USD, such as "2.50"'
AMOUNTS: dict[str, Case] = {
    **{
        f"{value!r} USD": _top("max_usd_per_day", value, repr(value), SOME_USD)
        for value in (
            *("-1", "2,50", "$2.50", "2.50 USD", "1e3", "NaN", "Infinity", "", " 2", "2\n", "02.50", ".5", "1_000"),
            *("0.0000000000001", "1000000.01", "1000001", "2000000", -1, -0.01, 1_000_001, 1000000.01, 1e-13),
        )
    },
    "other digits of USD": _top("max_usd_per_day", "٢", "'٢'", SOME_USD),
    "not a number of USD": _top("max_usd_per_day", math.nan, "nan", SOME_USD),
    "endless USD": _top("max_usd_per_day", math.inf, "inf", SOME_USD),
    "USD as a flag": _top_type("max_usd_per_day", True, "true", _USD_TYPE),
    "USD as a list": _top_type("max_usd_per_day", ["2.50"], "a list of 1", _USD_TYPE),
    "USD of a call": _top("max_usd_per_call", "-1", "'-1'", SOME_USD),
    "value of a cold start": _top("cold_start_value_usd", "-1", "'-1'", SOME_USD),
    "null for a cold start": _top_type("cold_start_value_usd", None, "null", _USD_TYPE),
    "less than no tokens": _top("max_tokens_per_day", -1, "-1", "at least 0"),
    "too many tokens": _top("max_tokens_per_day", 1_000_000_000_001, "1000000000001", "at most 1,000,000,000,000"),
    "half a token": _top_type("max_tokens_per_day", 1.5, "1.5", "a whole number"),
    "tokens as text": _top_type("max_tokens_per_day", "5", "'5'", "a whole number"),
    "less than no tokens of a call": _top("max_tokens_per_call", -1, "-1", "at least 0"),
    "too many tokens of a call": _top(
        "max_tokens_per_call", 1_000_000_000_001, "1000000000001", "at most 1,000,000,000,000"
    ),
}
KEEPING = {**WINDOWS, **AMOUNTS}
