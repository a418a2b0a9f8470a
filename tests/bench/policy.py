"""``make bench-policy``: the decisions' costs on real arrivals, beside those of who knows the future.

Goals stand beside what was reached, on both halves of the traces. Without the traces there is
nothing to measure.
"""

from __future__ import annotations

import multiprocessing
from datetime import UTC, datetime
from itertools import chain, islice
from pathlib import Path
from statistics import mean
from typing import TYPE_CHECKING

from prompt_cache_warmer.rules.bound import break_even
from prompt_cache_warmer.rules.replay.ours import Timing
from prompt_cache_warmer.rules.replay.priced import Tariff, priced
from prompt_cache_warmer.rules.replay.score import score
from tests.bench.goals import EXACT, TICK, Measured, goals
from tests.bench.traces import CLIENTS, CODING, DAY_SECONDS, HALVES, RATES, SESSIONS, Trace, traces

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from prompt_cache_warmer.rules.replay.priced import PricedArrivals

RESULTS = Path(__file__).with_name("policy.md")
# Sonnet 4.6 has the multiples most models have: writes at 1.25 and 2, reads at a tenth of plain input.
TARIFF = Tariff("claude-sonnet-4-6", datetime(2026, 11, 22, tzinfo=UTC))
TICKS = (EXACT, TICK)
WORKERS = 2


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
    tail_seconds = DAY_SECONDS if trace.rate == CODING else 0.0
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
    for rate in (*RATES, CODING):
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


if __name__ == "__main__":
    main()
