"""``make bench-policy``: the decisions' costs on real arrivals, beside those of who knows the future.

Goals stand beside what was reached. The traces lie outside the repository, in ``../shared/traces``;
without them there is nothing to measure. Clients and sessions are split in two halves by their
number: the rule was shaped on the even half, so the odd one is the judge.

Sparser shapes come from thinning a client's requests at random, seed fixed. Positions inside a
10-minute window are drawn from the family the source fitted to it. Only the requests that survive
the thinning are drawn: the sum of many gaps is drawn at once, exactly for gamma gaps, and by a
gamma of the same mean and variance for Weibull ones.
"""

from __future__ import annotations

import csv
import gzip
import math
import multiprocessing
import random
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain, groupby, islice
from pathlib import Path
from statistics import mean
from typing import TYPE_CHECKING

from prompt_cache_warmer.rules.bound import break_even
from prompt_cache_warmer.rules.replay.arrivals import MICROSECONDS, Arrivals
from prompt_cache_warmer.rules.replay.ours import Timing
from prompt_cache_warmer.rules.replay.priced import Tariff, priced
from prompt_cache_warmer.rules.replay.score import score

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from prompt_cache_warmer.rules.replay.priced import PricedArrivals

RESULTS = Path(__file__).with_name("policy.md")
TRACES = Path(__file__).resolve().parents[3] / "shared" / "traces"
CLIENTS = TRACES / "servegen_client_10min_counts.csv.gz"
SESSIONS = TRACES / "claude_code_sessions.csv.gz"
SEED = 20_261_122
# Sonnet 4.6 has the multiples most models have: writes at 1.25 and 2, reads at a tenth of plain input.
TARIFF = Tariff("claude-sonnet-4-6", datetime(2026, 11, 22, tzinfo=UTC))
PREFIX_TOKENS = 50_000
WINDOW_SECONDS = 600.0
DAY_SECONDS = 86_400.0
RATES = {
    "1/min": 60.0,
    "1/5min": 300.0,
    "1/15min": 900.0,
    "1/h": 3_600.0,
    "1/3h": 10_800.0,
    "1/12h": 43_200.0,
    "1/day": DAY_SECONDS,
}
DENSE = ("1/min", "1/5min", "1/15min")
EXACT = 0.0
TICK = 240.0
TICKS = (EXACT, TICK)
BUSY_PER_DAY = 12
# Shorter ones have no day to advise on, and fewer requests say nothing.
MIN_DAYS = 1.0
MIN_REQUESTS = 5
WORKERS = 2
HALVES = ("even", "odd")


@dataclass(frozen=True, slots=True)
class Trace:
    """One file's worth of arrivals.

    Attributes:
        source: its client or session.
        half: which half it belongs to.
        rate: the rate it was thinned to; ``coding`` for a session.
        arrivals: the requests.
    """

    source: str
    half: str
    rate: str
    arrivals: Arrivals

    @property
    def requests_per_day(self) -> float:
        """The rate, over the time from the first request to the last, and at least over a day."""
        days = (self.arrivals.times_us[-1] - self.arrivals.times_us[0]) / MICROSECONDS / DAY_SECONDS
        return len(self.arrivals) / max(days, 1.0)


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


def main() -> None:
    """Measure and write the table; say why when there is nothing to measure."""
    missing = [path.name for path in (CLIENTS, SESSIONS) if not path.exists()]
    if missing:
        print(f"nothing to measure: {', '.join(missing)} not found in ../shared/traces")  # noqa: T201 - the answer
        return
    with multiprocessing.Pool(WORKERS) as pool:
        found = list(chain.from_iterable(pool.imap_unordered(measured, traces(), chunksize=4)))
    text = "\n".join(report(found))
    RESULTS.write_text(text, encoding="utf-8")
    print(text)  # noqa: T201 - the figures are what this command is for


def measured(trace: Trace) -> list[Measured]:
    """Replay one trace on exact timers and on ticks."""
    tail_seconds = DAY_SECONDS if trace.rate == "coding" else 0.0
    short, long = (priced(trace.arrivals, TARIFF, ttl) for ttl in ("5m", "1h"))
    results = []
    for tick in TICKS:
        found = score(trace.arrivals, TARIFF, tick_seconds=tick, tail_seconds=tail_seconds)
        timing = Timing.of(long, tick_seconds=tick, tail_seconds=tail_seconds)
        pings, hours = fixed(short, timing), fixed(long, timing)
        ours = {name: outcome.cost_pico for name, outcome in found.rules.items()}
        results.append(
            Measured(
                trace_rate=trace.rate,
                half=trace.half,
                tick=tick,
                requests_per_day=trace.requests_per_day,
                ours_1h=ours["decide_1h"] / found.clairvoyant_1h_pico,
                ours_1h_free=ours["decide_1h"] / found.clairvoyant_pico,
                plain_1h=hours[-1] / found.clairvoyant_1h_pico,
                best_1h=min(hours) / found.clairvoyant_1h_pico,
                ours_5m=ours["decide_5m"] / min(pings),
                plain_5m=pings[-1] / min(pings),
                advised=ours["advised"] / found.clairvoyant_pico,
                best_free=min(ours["decide_1h"], ours["decide_5m"], ours["uncached"]) / found.clairvoyant_pico,
                cold=(found.rules["decide_1h"].cold_starts - 1) / max(1, len(trace.arrivals) - 1),
            )
        )
    return results


def limit(prices: PricedArrivals) -> int:
    """Return the break-even bound of the first request's prefix."""
    return break_even(prices.costs[prices.tokens[0]], cold_start_value_usd=TARIFF.cold_start_value_usd)


def fixed(prices: PricedArrivals, timing: Timing) -> list[int]:
    """Return what each fixed bound costs on the same ticks, from no refresh to break-even."""
    most = limit(prices)
    costs = [prices.miss_pico[0]] * (most + 1)
    alike = 0  # what every bound pays
    ends = chain(islice(prices.times_us, 1, None), (timing.end_us + 1,))
    for at, (began_us, ended_us) in enumerate(zip(prices.times_us, ends, strict=True)):
        is_last = at + 1 == len(prices)
        hit, miss = (0, 0) if is_last else (prices.hit_pico[at + 1], prices.miss_pico[at + 1])
        look_us = timing.first_look_us(began_us, prices.ttl_us)
        if look_us >= ended_us:
            alike += hit if ended_us - began_us <= prices.ttl_us else miss
            continue
        touched_us, refreshes = began_us, 0
        for bound in range(most + 1):
            if refreshes < bound and look_us < ended_us:
                touched_us, refreshes = look_us, refreshes + 1
                look_us = timing.first_look_us(touched_us, prices.ttl_us)
            is_hit = ended_us - touched_us <= prices.ttl_us
            costs[bound] += refreshes * prices.refresh_pico[at] + (hit if is_hit else miss)
    return [cost + alike for cost in costs]


def traces() -> Iterator[Trace]:
    """Yield every trace of both sources."""
    yield from sessions()
    yield from clients()


def clients() -> Iterator[Trace]:
    """Yield every production client, thinned to each rate it reaches."""
    with gzip.open(CLIENTS, "rt", encoding="utf-8", newline="") as file:
        rows = groupby(csv.DictReader(file), key=lambda row: (row["model"], row["client"]))
        counts = {
            key: [
                (float(row["window_start_s"]), int(row["requests"]), row["iat_family"], float(row["iat_shape"] or 1))
                for row in windows
            ]
            for key, windows in rows
        }
    for number, ((model, client), counted) in enumerate(sorted(counts.items())):
        days = (counted[-1][0] + WINDOW_SECONDS - counted[0][0]) / DAY_SECONDS
        requests = sum(count for _, count, _, _ in counted)
        for rate, seconds in RATES.items():
            share = days * DAY_SECONDS / seconds / requests
            if days < MIN_DAYS or share > 1:
                continue
            dice = random.Random(f"{SEED} {model} {client} {rate}")  # noqa: S311 - a repeatable sample
            times_us = sorted(
                round((start + WINDOW_SECONDS * part) * MICROSECONDS)
                for start, count, family, shape in counted
                for part in thinned(dice, share, count, family, shape)
            )
            if len(times_us) >= MIN_REQUESTS:
                arrivals = Arrivals(times_us, [PREFIX_TOKENS] * len(times_us))
                yield Trace(f"{model} {client}", HALVES[number % 2], rate, arrivals)


def thinned(dice: random.Random, share: float, count: int, family: str, shape: float) -> list[float]:
    """Return where in a window the requests are that survive thinning, as parts of the window."""
    ranks = [rank for rank in survivors(dice, share, count) if rank <= count]
    if not ranks:
        return []
    steps = [later - earlier for earlier, later in zip((0, *ranks), (*ranks, count + 1), strict=True)]
    gaps = [drawn_sum(dice, step, family, shape) for step in steps]
    whole = sum(gaps)
    if not 0 < whole < math.inf:  # shapes near 0 underflow: nothing is known but the order
        return sorted(dice.random() for _ in ranks)
    at, parts = 0.0, []
    for gap in gaps[:-1]:
        at += gap
        parts.append(min(at / whole, 1.0))
    return parts


def survivors(dice: random.Random, share: float, count: int) -> Iterator[int]:
    """Yield the ranks of the requests that are kept, up to one beyond the last."""
    rank = 0
    while rank <= count:
        rank += 1 if share >= 1 else 1 + int(math.log(1 - dice.random()) / math.log(1 - share))
        yield rank


def drawn_sum(dice: random.Random, gaps: int, family: str, shape: float) -> float:
    """Draw the sum of some gaps of one family, in units of their scale."""
    if family == "G":
        return dice.gammavariate(gaps * shape, 1.0)
    few = 8  # so many are drawn one by one
    if gaps <= few:
        return sum(dice.weibullvariate(1.0, shape) for _ in range(gaps))
    first, second = math.gamma(1 + 1 / shape), math.gamma(1 + 2 / shape)
    variance = second - first * first
    return dice.gammavariate(gaps * first * first / variance, variance / first)


def sessions() -> Iterator[Trace]:
    """Yield every coding session, the longest of each group of forks."""
    longest: dict[str, list[tuple[float, int]]] = {}
    with gzip.open(SESSIONS, "rt", encoding="utf-8", newline="") as file:
        for (group, _), rows in groupby(csv.DictReader(file), key=lambda row: (row["dup_group"], row["session"])):
            requests = sorted((float(row["t_s"]), int(row["input_tokens"])) for row in rows)
            longest[group] = max(longest.get(group, []), requests, key=len)
    for number, (group, requests) in enumerate(sorted(longest.items())):
        times_us = [round(seconds * MICROSECONDS) for seconds, _ in requests]
        yield Trace(group, HALVES[number % 2], "coding", Arrivals(times_us, [max(1, tokens) for _, tokens in requests]))


def report(found: Sequence[Measured]) -> list[str]:
    """Write the tables."""
    return [
        "# Policy bench results",
        "",
        "`make bench-policy` writes this file. Costs are ratios; 1 is the clairvoyant, or for 5 minutes the",
        "best fixed number of pings in hindsight on the same ticks. The rule was shaped on the `even` half; the",
        "`odd` one was held apart. `break-even alone` is the bound without what the entry's habit teaches.",
        "",
        "`in hindsight` is what the best fixed bound for each trace would reach, or the best of the advised choices.",
        "",
        "| goal | at most | even | odd | in hindsight, even | odd | reached |",
        "| :-- | --: | --: | --: | --: | --: | :-- |",
        *(goal.row(found) for goal in goals()),
        "",
        "## By rate, means over traces",
        "",
        "1-hour columns are against the clairvoyant with 1-hour entries. `best fixed bound` is the best bound for each",
        "trace in hindsight: what no rule that learns one bound per entry gets below.",
        "",
        (
            "| rate | ticks | half | traces | 1h | p95 | worst | 1h, break-even alone | 1h, best fixed bound "
            "| 1h vs free | 5m | 5m, break-even alone | advised |"
        ),
        "| :-- | --: | :-- | --: | --: | --: | --: | --: | --: | --: | --: | --: | --: |",
        *by_rate(found),
        "",
    ]


def by_rate(found: Sequence[Measured]) -> Iterator[str]:
    """Write a row for each rate, tick and half."""
    for rate in (*RATES, "coding"):
        for tick in TICKS:
            for half in HALVES:
                rows = [row for row in found if (row.trace_rate, row.tick, row.half) == (rate, tick, half)]
                if not rows:
                    continue
                ours = sorted(row.ours_1h for row in rows)
                columns: list[Callable[[Measured], float]] = [
                    lambda row: row.plain_1h,
                    lambda row: row.best_1h,
                    lambda row: row.ours_1h_free,
                    lambda row: row.ours_5m,
                    lambda row: row.plain_5m,
                    lambda row: row.advised,
                ]
                figures = [mean(ours), ours[int(0.95 * (len(ours) - 1))], ours[-1]]
                figures += [mean(map(column, rows)) for column in columns]
                cells = " | ".join(f"{figure:.3f}" for figure in figures)
                yield f"| {rate} | {tick:g} s | {half} | {len(rows)} | {cells} |"


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
    return row.trace_rate == "coding"


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


if __name__ == "__main__":
    main()
