"""The page of the runs: each ratio stands beside what it is a ratio of."""

from __future__ import annotations

from tests.bench.run import BARE, BARE_STATE, DEPLOYED, NEW_SANDBOX, WITH_S3, Case
from tests.bench.run_child import Figures
from tests.bench.run_page import idle_lines, memory_lines, run_lines


def figures(*, wall: float = 1.0, cpu: float = 1.0, peak: float = 100.0, first_cpu: float = 1.0) -> Figures:
    """Return figures of a side."""
    return Figures(wall, cpu, peak, first_cpu, 1.0)


def test_a_run_is_compared_with_its_floor_and_with_the_bare_gather() -> None:
    """70 entries, 32 at a time, take at least three times the API's 0.4 s; the CPU is told per entry."""
    sides = {BARE: figures(wall=1.26, cpu=0.07), WITH_S3: figures(wall=1.5, cpu=0.14)}
    lines = run_lines({Case(70, 4096): sides})
    assert "| 70 | 4 | 32 | 0.4 | bare gather | 1.26 | 1.05 | 1.00 | 1.00 |" in lines
    assert "| 70 | 4 | 32 | 0.4 | with S3 | 1.50 | 1.25 | 2.00 | 2.00 |" in lines


def test_memory_is_compared_with_the_smallest_run_and_with_one_that_fills_the_cache() -> None:
    """10,000 prompts of 100 KB are a thousand megabytes, of which 32 are held for long, and 400 prompts fill these."""
    lines = memory_lines({100: figures(peak=150.0), 400: figures(peak=160.0), 10_000: figures(peak=180.0)})
    assert "| 100 | 9 | 150 | 1.00 | 0.94 |" in lines
    assert "| 10,000 | 976 | 180 | 1.20 | 1.12 |" in lines


def test_an_idle_tick_is_compared_with_a_listing() -> None:
    """Without reading the state and with it, that beside a bare reading too, and what a new sandbox pays first."""
    sides = {
        BARE: figures(cpu=0.06),
        WITH_S3: figures(cpu=0.09),
        DEPLOYED: figures(cpu=0.15),
        NEW_SANDBOX: figures(cpu=0.15, first_cpu=3.21),
        BARE_STATE: figures(cpu=0.2),
    }
    assert "| 1,000 | 60 | 90 | 1.50 | 150 | 2.50 | 200 | 0.75 | 3.2 |" in idle_lines({1_000: sides})
