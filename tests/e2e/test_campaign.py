"""The fault campaign, as much of it as fits into a minute; `make campaign` runs all of it."""

from __future__ import annotations

import time

import pytest

from tests.campaign.executor import run_script
from tests.campaign.generator import script_of
from tests.campaign.script import Script

BUDGET_SECONDS = 20.0  # no new seed starts after it; one takes half of that on a free machine
FIRST_SEED, SEEDS, TICKS = 1, 6, 2


@pytest.mark.timeout(180)
def test_no_invariant_breaks_under_random_faults() -> None:
    """Success is proven, no cap passed, nothing left out, nothing called twice, nothing told, and all heals."""
    until, faults = time.monotonic() + BUDGET_SECONDS, 0
    for seed in range(FIRST_SEED, FIRST_SEED + SEEDS):
        if time.monotonic() > until:
            break
        outcome = run_script(script_of(seed, TICKS))
        faults += sum(outcome.fired.values())
        assert not outcome.violations, f"python -m tests.campaign --seed {seed} --ticks {TICKS} --shrink"
    assert faults > 10


def test_a_script_is_the_same_from_its_seed_and_from_its_file() -> None:
    """What a seed says can be written to a file and read back, fault by fault."""
    script = script_of(7, 4)
    assert script == script_of(7, 4)
    assert Script.from_json(script.as_json()) == script
