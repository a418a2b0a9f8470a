"""The owner's goals for the policy bench, and what is measured of a trace to hold against them."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import mean
from typing import TYPE_CHECKING

from tests.bench.traces import CODING, HALVES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

DENSE = ("1/min", "1/5min", "1/15min")
EXACT = 0.0
TICK = 240.0
BUSY_PER_DAY = 12


@dataclass(frozen=True, slots=True)
class Measured:
    """What one trace came to on one interval of ticks; costs as ratios.

    Attributes:
        trace_rate: the rate it was thinned to.
        half: which half it belongs to.
        tick: the interval of the ticks.
        requests_per_day: how dense it is.
        ours_1h: ``decide_1h`` over the clairvoyant with 1-hour entries.
        ours_1h_free: ``decide_1h`` over the free clairvoyant.
        plain_1h: the break-even bound alone over the clairvoyant with 1-hour entries.
        best_1h: the best fixed bound in hindsight over that clairvoyant: what learning a bound could reach.
        ours_5m: ``decide_5m`` over the best fixed number of pings in hindsight, on the same ticks.
        plain_5m: the break-even bound alone over the same.
        advised: ``advised`` over the free clairvoyant.
        best_free: the cheapest of ``decide_1h``, ``decide_5m`` and no caching over it.
        cold: the share of ``decide_1h``'s requests behind the first that are cold starts.
    """

    trace_rate: str
    half: str
    tick: float
    requests_per_day: float
    ours_1h: float
    ours_1h_free: float
    plain_1h: float
    best_1h: float
    ours_5m: float
    plain_5m: float
    advised: float
    best_free: float
    cold: float


@dataclass(frozen=True, slots=True)
class Goal:
    """One goal of the owner's.

    Attributes:
        name: what is asked.
        most: how much it may be.
        is_asked: whether a trace belongs to it.
        value: what is reached on one trace.
        floor: what hindsight would reach on it.
        total: how traces are put together.
    """

    name: str
    most: float
    is_asked: Callable[[Measured], bool]
    value: Callable[[Measured], float]
    floor: Callable[[Measured], float]
    total: Callable[[Iterable[float]], float] = mean

    def row(self, found: Sequence[Measured]) -> str:
        """Write it beside what was reached on both halves."""
        halves = [[row for row in found if row.half == half and self.is_asked(row)] for half in HALVES]
        reached = [self.total(map(self.value, rows)) for rows in halves]
        floors = [self.total(map(self.floor, rows)) for rows in halves]
        verdict = " and ".join("yes" if figure <= self.most else "no" for figure in reached)
        figures = " | ".join(f"{figure:.4f}" for figure in (*reached, *floors))
        return f"| {self.name} | {self.most:g} | {figures} | {verdict} |"


def is_dense(row: Measured) -> bool:
    """Whether a trace was thinned to one of the dense rates."""
    return row.trace_rate in DENSE


def is_hourly(row: Measured) -> bool:
    """Whether a trace was thinned to one request an hour."""
    return row.trace_rate == "1/h"


def is_coding(row: Measured) -> bool:
    """Whether a trace is a coding session."""
    return row.trace_rate == CODING


def is_busy(row: Measured) -> bool:
    """Whether a client has a dozen requests a day and more."""
    return not is_coding(row) and row.requests_per_day >= BUSY_PER_DAY


def is_sparse(row: Measured) -> bool:
    """Whether a client has one to a dozen requests a day."""
    return not is_coding(row) and 1 <= row.requests_per_day < BUSY_PER_DAY


def exactly(is_asked: Callable[[Measured], bool]) -> Callable[[Measured], bool]:
    """Ask for exact timers only."""
    return lambda row: is_asked(row) and row.tick == EXACT


def on_ticks(is_asked: Callable[[Measured], bool]) -> Callable[[Measured], bool]:
    """Ask for ticks only."""
    return lambda row: is_asked(row) and row.tick == TICK


def goals() -> list[Goal]:
    """Return the owner's goals."""
    hours = (lambda row: row.ours_1h, lambda row: row.best_1h)
    advice = (lambda row: row.advised, lambda row: row.best_free)
    pings = (lambda row: row.ours_5m, lambda _: 1.0)
    cold = (lambda row: row.cold, lambda _: 0.0)
    return [
        Goal("1h, 1/min to 1/15min, exact timers: mean", 1.01, exactly(is_dense), *hours),
        Goal("1h, 1/min to 1/15min, 4-minute ticks: mean", 1.015, on_ticks(is_dense), *hours),
        Goal("1h, 1/h, exact timers: mean", 1.04, exactly(is_hourly), *hours),
        Goal("1h, 1/h, 4-minute ticks: mean", 1.06, on_ticks(is_hourly), *hours),
        Goal("1h, 12 a day and more: worst trace", 1.20, is_busy, *hours, total=max),
        Goal("1h, 1/min to 1/15min: share of cold starts behind the first: mean", 0.006, is_dense, *cold),
        Goal("1h, 12 a day and more: share of cold starts behind the first: mean", 0.006, is_busy, *cold),
        Goal("advised, 12 a day and more, 4-minute ticks: mean", 1.05, on_ticks(is_busy), *advice),
        Goal("advised, 1 to 12 a day, 4-minute ticks: mean", 1.30, on_ticks(is_sparse), *advice),
        Goal("5m, 1/min to 1/15min, exact timers: mean", 1.03, exactly(is_dense), *pings),
        Goal("5m, 1/min to 1/15min, 4-minute ticks: mean", 1.03, on_ticks(is_dense), *pings),
        Goal("5m, 1/h, 4-minute ticks: mean", 1.03, on_ticks(is_hourly), *pings),
        Goal("1h, coding sessions with a day behind them: mean", 1.10, is_coding, *hours),
    ]
