"""Where in a run an entry has its turn."""

from __future__ import annotations

import subprocess
import sys

import pytest

from prompt_cache_warmer.rules.spread import delay_seconds, phase, spread_seconds
from prompt_cache_warmer.values.state import EntryKey

KEY = EntryKey("support", "default", "claude-sonnet-4-6")


def test_a_phase_is_the_same_in_every_process() -> None:
    """The figure is the first 8 bytes of the key's SHA-256 as a fraction, and no process has a seed of its own."""
    assert phase(KEY) == pytest.approx(0.5178, abs=1e-4)
    code = (
        "from prompt_cache_warmer.rules.spread import phase\n"
        "from prompt_cache_warmer.values.state import EntryKey\n"
        "print(phase(EntryKey('support', 'default', 'claude-sonnet-4-6')))"
    )
    command = [sys.executable, "-c", code]
    environment = {"PYTHONHASHSEED": "7", "PYTHONPATH": "handler"}
    said = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)  # noqa: S603 - our own
    assert float(said.stdout) == phase(KEY)


def test_phases_fill_the_run_evenly() -> None:
    """Of a thousand entries every tenth of the run has 70 to 130, and other models are at other places."""
    places = [phase(EntryKey(f"t{number}", "default", "claude-sonnet-4-6")) for number in range(1000)]
    tenths = [sum(tenth / 10 <= place < (tenth + 1) / 10 for place in places) for tenth in range(10)]
    assert sum(tenths) == 1000
    assert all(70 <= count <= 130 for count in tenths)
    assert phase(KEY) != phase(EntryKey("support", "default", "claude-opus-4-8"))
    assert phase(KEY) != phase(EntryKey("support", "second", "claude-sonnet-4-6"))


@pytest.mark.parametrize(
    ("calls", "startable", "expected"),
    [(0, 45, 0), (1, 45, 0), (26, 45, 1), (501, 45, 20), (1000, 45, 22.5), (1000, 0, 0), (1000, -3, 0)],
    ids=["none", "one", "26", "501", "half-of-the-time", "no-time", "late"],
)
def test_the_spread_grows_with_what_is_due(calls: int, startable: float, expected: float) -> None:
    """One starts at once, 25 more take a second, and half of the time is the most."""
    assert spread_seconds(calls, startable_seconds=startable) == expected


def test_an_endless_run_is_spread_by_what_is_due() -> None:
    """A run without an end still has a spread with one."""
    assert spread_seconds(51, startable_seconds=float("inf")) == 2


@pytest.mark.parametrize(
    ("lapses_in", "expected"),
    [(None, 51.78), (1000.0, 51.78), (60.0, 50.0), (12.0, 2.0), (9.0, 0.0)],
    ids=["cold", "late", "soon", "sooner", "at-once"],
)
def test_no_entry_waits_past_its_lapse(lapses_in: float | None, expected: float) -> None:
    """An entry with a place at 52 % of 100 s goes ten seconds before it lapses; a cold one loses nothing."""
    assert delay_seconds(KEY, spread=100, lapses_in_seconds=lapses_in) == pytest.approx(expected, abs=0.01)
