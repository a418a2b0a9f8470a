"""How long to keep a target and what it may cost: every legal way to write it, and what it means."""

from __future__ import annotations

from datetime import time
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prompt_cache_warmer.adapters.documents import decode
from prompt_cache_warmer.values.caps import Caps
from prompt_cache_warmer.values.keeping import known_zones
from prompt_cache_warmer.values.windows import Window
from tests.documents import read, target_document, valid
from tests.keeping_cases import WINDOW, windowed


def window(**changes: Any) -> Window:
    """Read a document with one window and return it."""
    (found,) = valid(read(windowed(**changes))).summary.windows
    return found


@pytest.mark.parametrize(
    ("days", "numbers"),
    [
        ("daily", {0, 1, 2, 3, 4, 5, 6}),
        ("Daily", {0, 1, 2, 3, 4, 5, 6}),
        ("mon-sun", {0, 1, 2, 3, 4, 5, 6}),
        ("mon", {0}),
        ("mon-fri", {0, 1, 2, 3, 4}),
        ("MON-Fri", {0, 1, 2, 3, 4}),
        ("sat,sun", {5, 6}),
        ("sun,sat", {5, 6}),
        ("mon,wed-fri", {0, 2, 3, 4}),
        ("mon, wed - fri ", {0, 2, 3, 4}),
        ("fri-mon", {4, 5, 6, 0}),
        ("sun-mon", {6, 0}),
        ("tue-mon", {0, 1, 2, 3, 4, 5, 6}),
        ("thu-thu", {3}),
        ("mon,mon", {0}),
    ],
)
def test_days_are_names_and_ranges(days: str, numbers: set[int]) -> None:
    """Either case, in any order, over the week's end; a range of one day is that day."""
    assert window(days=days).days == numbers


def test_a_window_says_when_in_which_zone_and_how_early() -> None:
    """All five fields come out as written; daily and five minutes are what is meant where nothing is said."""
    assert window(lead_minutes=20) == Window(frozenset(range(5)), time(7, 30), time(19), "Europe/Berlin", 20)
    assert window(days=None) == Window(frozenset(range(7)), time(7, 30), time(19), "Europe/Berlin", 5)
    assert [window(lead_minutes=minutes).lead_minutes for minutes in (0, 120)] == [0, 120]


def test_a_windows_times_reach_from_the_first_to_the_last_minute() -> None:
    """24:00 is the end of the day, which is also how a whole day is written."""
    assert (window(from_="00:00", to="23:59").start, window(from_="00:00", to="23:59").end) == (time(0), time(23, 59))
    assert (window(from_="23:59", to="00:00").start, window(from_="23:59", to="00:00").end) == (time(23, 59), time(0))
    assert (window(from_="00:00", to="24:00").start, window(from_="00:00", to="24:00").end) == (time(0), time(0))


@pytest.mark.parametrize("zone", ["UTC", "Asia/Kathmandu", "America/Argentina/Buenos_Aires", "US/Pacific", "Etc/GMT+5"])
def test_a_zone_is_any_iana_name(zone: str) -> None:
    """Old names and offsets are in the database too."""
    assert window(timezone=zone).timezone == zone
    assert "localtime" not in known_zones()


def test_sixteen_windows_are_allowed_and_keep_their_order() -> None:
    """The bound is on what comes after the sixteenth."""
    written = [{**WINDOW, "lead_minutes": number} for number in range(16)]
    found = valid(read(target_document(windows=written))).summary.windows
    assert [window.lead_minutes for window in found] == list(range(16))


@pytest.mark.parametrize("written", ["07:30", "'07:30'", '"07:30"'])
def test_our_own_yaml_takes_a_time_with_or_without_quotes(written: str) -> None:
    """YAML 1.1's numbers to the base of 60 are the trap of other readers."""
    document = (
        "name: a\nmodels: [m]\nkeep: once\nsystem_prompt: Be kind.\nmax_usd_per_day: 2.50\n"
        f"windows:\n- from: {written}\n  to: 19:00\n  timezone: Europe/Berlin\n"
    )
    summary = valid(read(decode(document.encode(), "a.yaml"))).summary
    assert summary.windows == (Window(frozenset(range(7)), time(7, 30), time(19), "Europe/Berlin", 5),)
    assert (summary.keep, str(summary.caps.usd_per_day)) == ("once", "2.5")


@pytest.mark.parametrize(
    ("written", "usd"),
    [
        ("2.50", "2.50"),
        ("0", "0"),
        ("0.000000000001", "0.000000000001"),
        ("999999.999999999999", "999999.999999999999"),
        ("1000000", "1000000"),
        ("1000000.000000000000", "1000000"),
        (0, "0"),
        (-0.0, "0"),
        (2.5, "2.5"),
        (0.1, "0.1"),
        (1e-12, "0.000000000001"),
        (1_000_000, "1000000"),
        (1000000.0, "1000000"),
    ],
)
def test_money_is_the_decimal_that_was_written(written: object, usd: str) -> None:
    """Text and numbers alike, without the digits of a binary fraction; 0 means nothing may be spent."""
    summary = valid(read(target_document(max_usd_per_day=written))).summary
    assert summary.caps == Caps(usd_per_day=Decimal(usd))
    assert not str(summary.caps.usd_per_day).startswith("-")


@settings(deadline=None)  # a loaded machine is not a defect
@given(st.decimals(min_value=0, max_value=1_000_000, places=6))
def test_a_sum_as_text_is_taken_digit_by_digit(usd: Decimal) -> None:
    """What stands in the document is what is counted."""
    assert valid(read(target_document(max_usd_per_call=f"{usd:f}"))).summary.caps.usd_per_call == usd


def test_caps_and_the_value_of_a_cold_start_come_out_as_written() -> None:
    """Each field has its own place; 0 tokens is a cap, and months are the stack's."""
    summary = valid(
        read(
            target_document(
                cold_start_value_usd="0.05",
                max_usd_per_day="2.50",
                max_usd_per_call=1,
                max_tokens_per_day=1_000_000_000_000,
                max_tokens_per_call=0,
            )
        )
    ).summary
    assert summary.cold_start_value_usd == Decimal("0.05")
    assert summary.caps == Caps(
        usd_per_day=Decimal("2.50"),
        usd_per_month=None,
        usd_per_call=Decimal(1),
        tokens_per_day=1_000_000_000_000,
        tokens_per_month=None,
        tokens_per_call=0,
    )


def test_without_a_word_there_are_no_windows_and_no_caps() -> None:
    """Absent and null mean the same: around the clock, no cap; a cold start is worth nothing beside its tokens."""
    caps = ("max_usd_per_day", "max_usd_per_call", "max_tokens_per_day", "max_tokens_per_call")
    for document in (target_document(), {**target_document(), "windows": None, **dict.fromkeys(caps)}):
        summary = valid(read(document)).summary
        assert (summary.windows, summary.caps, summary.cold_start_value_usd) == ((), Caps(), Decimal(0))
