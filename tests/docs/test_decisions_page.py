"""The page on decisions: its transcript is real, and what it says of ticks and breakers is the rules' own."""

from __future__ import annotations

import shlex
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from prompt_cache_warmer.rules.breaker import (
    CANNOT_BE_HELD,
    FAILURES_COOL_DOWN,
    MAX_FAILURES,
    MAX_UNHELD,
    NEVER_CACHED,
    REFUSED_COOL_DOWN,
)
from prompt_cache_warmer.rules.idle_week import idle_calls
from prompt_cache_warmer.rules.reasons import Reason
from prompt_cache_warmer.rules.report import MAX_LISTED
from tests.docs.pages import fenced, page, rows
from tests.stacks import TABLE, Stack

if TYPE_CHECKING:
    from prompt_cache_warmer.values.body import Ttl

PAGE = page("decisions.md")
FLAT = " ".join(PAGE.split())
MONDAY = datetime(2026, 11, 23, tzinfo=UTC)


def test_the_commands_on_a_stack_print_what_the_page_shows() -> None:
    """Run one after the other, they print every line below them and no other."""
    stack = Stack()
    printed = ""
    shown = fenced(PAGE, "pause output")
    for line in shown.splitlines():
        if line.startswith("$ "):
            result = stack.run(*shlex.split(line)[2:], STATE_TABLE=TABLE)
            assert (result.exit_code, result.stderr) == (0, "")
            printed += f"{line}\n{result.stdout}"
    assert printed.rstrip("\n") == shown


@pytest.mark.parametrize(("ttl", "minutes"), [("1h", 56), ("5m", 4)])
def test_an_idle_entry_is_called_as_often_as_the_page_says(ttl: Ttl, minutes: int) -> None:
    """Counted by the rule itself, around the clock at four-minute ticks."""
    calls = idle_calls("always", ttl, (), tick_seconds=240.0, monday=MONDAY)
    assert 24 * 60 / calls.refreshes == pytest.approx(minutes)
    assert "at the first tick after 55 minutes, which is every 56" in FLAT
    assert "a 5-minute entry is due at every tick" in FLAT


def test_the_breakers_are_those_the_page_names() -> None:
    """An hour after a refusal, ten minutes after five failures, an hour after three calls that held nothing."""
    assert "after five other failures in a row (ten minutes)" in FLAT
    assert (5, timedelta(minutes=10)) == (MAX_FAILURES, FAILURES_COOL_DOWN)
    assert f"after three writes where a refresh was due (`{CANNOT_BE_HELD}`: an hour)" in FLAT
    assert f"after three calls that left nothing cached (`{NEVER_CACHED}`: an hour)" in FLAT
    assert (3, timedelta(hours=1)) == (MAX_UNHELD, REFUSED_COOL_DOWN)


def test_every_reason_is_in_the_table() -> None:
    """With whether it is one to call."""
    found = {cells[0].strip("`"): cells[1] for cells in rows(PAGE, "reasons")}
    assert found.keys() == set(Reason)
    assert {name for name, verb in found.items() if verb == "called"} == {
        *("due", "cold", "lapsed", "window-opened", "requested", "interval")
    }


def test_the_report_lists_as_many_as_the_page_says() -> None:
    """Beyond them there are totals."""
    assert "at most 200 entries and 200 problems" in FLAT
    assert MAX_LISTED == 200
