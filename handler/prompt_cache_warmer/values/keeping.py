"""How long to keep a target warm and what that may cost, as its author writes it.

Days and times are text with a meaning of their own, money is a decimal and never a binary fraction, so
they are checked here and not by pydantic's own types. What is wrong is said in the two kinds of error at
the top, which ``validation`` turns into problems.
"""

from __future__ import annotations

import re
from datetime import time
from decimal import Decimal
from functools import cache
from importlib import resources
from typing import Annotated, NoReturn

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainValidator,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
)
from pydantic_core import PydanticCustomError

from prompt_cache_warmer.values.problems import nearest
from prompt_cache_warmer.values.windows import Window

WRONG_TYPE = "wrong_type"  # an error whose context says under ``expected`` what the value must be
NOT_ALLOWED = "not_allowed"  # an error whose context says under ``allowed`` what is

MAX_WINDOWS = 16  # two a day and two more; whoever needs more wants a longer window
MAX_LEAD_MINUTES = 120  # longer is an earlier window
DEFAULT_LEAD_MINUTES = 5  # a tick and the schedule's jitter, so that it is warm when the window starts
MAX_USD = 1_000_000  # beyond it a cap is a slip of the pen
_DECIMALS = 12  # what the state table counts in
MAX_TOKENS = 1_000_000_000_000  # beyond what an organisation may send in a day

_SMALLEST_USD = Decimal(1).scaleb(-_DECIMALS)
_USD_TEXT = rf"(?:(?:0|[1-9][0-9]{{0,5}})(?:\.[0-9]{{1,{_DECIMALS}}})?|{MAX_USD}(?:\.0{{1,{_DECIMALS}}})?)"
_USD_WORDS = f'USD from 0 to {MAX_USD:,} with at most {_DECIMALS} decimals, such as "2.50"'

DAILY = "daily"
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_DAYS_WORDS = f"{DAILY!r}, or days and ranges of {', '.join(DAYS)}, such as 'mon-fri' or 'mon,wed-fri'"
_MIDNIGHT_AFTER = "24:00"
_CLOCK_TEXT = "(?:[01][0-9]|2[0-3]):[0-5][0-9]"
_CLOCK_SLIP = re.compile(r"([0-9]{1,2})[:.]([0-9]{2})(?::00)?")  # a time all the same, to suggest the right form


def _any_case(word: str) -> str:
    """Write a word as a pattern that every reader of JSON Schema takes in either case."""
    return "".join(f"[{letter}{letter.upper()}]" for letter in word)


_ONE_DAY = f"(?:{'|'.join(map(_any_case, DAYS))})"
_SOME_DAYS = f" *{_ONE_DAY} *(?:- *{_ONE_DAY} *)?"
_DAYS_TEXT = f"(?:{_any_case(DAILY)}|{_SOME_DAYS}(?:,{_SOME_DAYS})*)"


def _wrong_type(expected: str) -> NoReturn:
    raise PydanticCustomError(WRONG_TYPE, "must be {expected}", {"expected": expected})


def _not_allowed(allowed: str) -> NoReturn:
    raise PydanticCustomError(NOT_ALLOWED, "is not allowed; allowed: {allowed}", {"allowed": allowed})


def _usd(value: object) -> Decimal:
    """Read an amount of USD out of text or out of a number as it was written."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        _wrong_type('an amount of USD, such as "2.50"')
    if isinstance(value, str) and not re.fullmatch(_USD_TEXT, value):
        _not_allowed(_USD_WORDS)
    usd = Decimal(str(value))
    if not usd.is_finite() or not 0 <= usd <= MAX_USD or usd != usd.quantize(_SMALLEST_USD):
        _not_allowed(_USD_WORDS)
    return abs(usd)  # -0.0 is a number JSON has


Usd = Annotated[
    Decimal,
    PlainValidator(_usd),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "pattern": f"^{_USD_TEXT}$"},
                {"type": "number", "minimum": 0, "maximum": MAX_USD},
            ]
        }
    ),
]


def _days(text: str) -> str:
    if not re.fullmatch(_DAYS_TEXT, text):
        known = (*DAYS, DAILY)
        unknown = [word for word in re.findall("[a-z]+", text.lower()) if word not in known]
        _not_allowed(_DAYS_WORDS + (nearest(unknown[0], known) if unknown else ""))
    return text


def _weekdays(text: str) -> frozenset[int]:
    """Number the days of a text such as ``fri-mon,wed``; a range may go over the week's end."""
    if text.lower() == DAILY:
        return frozenset(range(len(DAYS)))
    found: set[int] = set()
    for part in text.lower().replace(" ", "").split(","):
        first, _, last = part.partition("-")
        begin, end = DAYS.index(first), DAYS.index(last or first)
        found |= {(begin + more) % len(DAYS) for more in range((end - begin) % len(DAYS) + 1)}
    return frozenset(found)


def _quoted(value: object) -> object:
    """Refuse a number: YAML 1.1 reads 19:00 without quotes as 19 times 60; our own reader does not."""
    if isinstance(value, str):
        return value
    _wrong_type('a time in quotes, such as "07:30"; some YAML tools take 19:00 without quotes for the number 1140')


def _clock(text: str, latest: str) -> str:
    if text == latest or re.fullmatch(_CLOCK_TEXT, text):
        return text
    slip = _CLOCK_SLIP.fullmatch(text)
    meant = f"{int(slip[1]):02}:{slip[2]}" if slip else ""
    suggestion = f"; did you mean {meant!r}?" if re.fullmatch(_CLOCK_TEXT, meant) else ""
    _not_allowed(f"a time of 24 hours from '00:00' to {latest!r}{suggestion}")


@cache
def known_zones() -> tuple[str, ...]:
    """Name every time zone of the IANA database, the same ones on every machine."""
    return tuple(resources.files("tzdata").joinpath("zones").read_text(encoding="utf-8").split())


def _zone(name: str) -> str:
    if name not in known_zones():
        # Never an offset: the sign in those names is the wrong way round, Etc/GMT-2 is east.
        places = (known for known in known_zones() if "/" in known and not known.startswith("Etc/"))
        _not_allowed(f"an IANA time zone, such as 'Europe/Berlin' or 'UTC'{nearest(name, places)}")
    return name


class WindowDocument(BaseModel):
    """Hours in which the target is kept warm, by the clock of a time zone.

    A window whose ``to`` is not after its ``from`` ends on the next day and belongs to the day it starts on.
    """

    model_config = ConfigDict(extra="forbid", strict=True, hide_input_in_errors=True)

    days: Annotated[str, AfterValidator(_days)] = Field(
        DAILY,
        description="the days it starts on: daily, or days and ranges such as mon-fri or mon,wed-fri",
        json_schema_extra={"pattern": f"^{_DAYS_TEXT}$"},
    )
    start: Annotated[str, BeforeValidator(_quoted), AfterValidator(lambda text: _clock(text, "23:59"))] = Field(
        alias="from", description="when it starts, HH:MM", json_schema_extra={"pattern": f"^{_CLOCK_TEXT}$"}
    )
    end: Annotated[str, BeforeValidator(_quoted), AfterValidator(lambda text: _clock(text, _MIDNIGHT_AFTER))] = Field(
        alias="to",
        description="when it ends, HH:MM; 24:00 is the end of the day",
        json_schema_extra={"pattern": f"^(?:{_CLOCK_TEXT}|{_MIDNIGHT_AFTER})$"},
    )
    timezone: Annotated[str, AfterValidator(_zone)] = Field(description="an IANA name, such as Europe/Berlin")
    lead_minutes: int = Field(
        DEFAULT_LEAD_MINUTES,
        ge=0,
        le=MAX_LEAD_MINUTES,
        description="how long before it starts the target is warmed",
    )

    @field_validator("end")
    @classmethod
    def _differs(cls, end: str, info: ValidationInfo) -> str:
        if end == info.data.get("start"):
            _not_allowed("another time than from; leave windows out to keep it warm around the clock")
        return end

    def window(self) -> Window:
        """Return it as a value."""
        return Window(
            days=_weekdays(self.days),
            start=time.fromisoformat(self.start),
            end=time() if self.end == _MIDNIGHT_AFTER else time.fromisoformat(self.end),
            timezone=self.timezone,
            lead_minutes=self.lead_minutes,
        )
