"""Generated parts of the page on scale: where one function ends, what more need, and what AWS charges for it."""

from __future__ import annotations

from decimal import Decimal

from infra.local.generated_tables import table
from infra.local.scale import (
    ANTHROPIC_CALLS_PER_MINUTE,
    CONCURRENCY,
    HOUR_TICKS,
    LATENCY_SECONDS,
    LEAST_MEMORY_MB,
    REQUEST_TIMEOUT_SECONDS,
    TICK_SECONDS,
    TIMEOUTS_SECONDS,
    Scale,
    calls_per_run,
    entries_per_tick,
    monthly_usd,
)

_ENTRIES = (1_000, 10_000, 100_000, 1_000_000)


def scale_parts() -> dict[str, str]:
    """Return the page's generated parts."""
    scales = [Scale(entries) for entries in _ENTRIES]
    headings = [f"{scale.entries:,} entries" for scale in scales]
    bills = [monthly_usd(scale) for scale in scales]
    needs = (
        ("calls a minute, 5-minute markers", [scale.calls_per_minute for scale in scales]),
        ("calls a minute, 1-hour markers", [scale.hour_calls_per_minute for scale in scales]),
        ("seconds for one function", [scale.one_function_seconds for scale in scales]),
        ("messages of a tick", [scale.messages for scale in scales]),
        ("`FanOutWorkers` to be done in half a tick", [scale.workers for scale in scales]),
        ("stacks", [scale.stacks for scale in scales]),
        ("`MemorySize` of both functions, MB", [scale.memory_mb for scale in scales]),
    )
    lines = [(name, *(_usd(bill[name]) for bill in bills)) for name in bills[0]]
    totals = [sum(bill.values(), start=Decimal(0)) for bill in bills]
    return {
        "one function": table(
            ("`Timeout`", "calls in a run"),
            ((str(seconds), f"{calls_per_run(seconds):,}") for seconds in TIMEOUTS_SECONDS),
        ),
        "assumptions": (
            f"Reckoned with: {CONCURRENCY} calls at once (`MaxConcurrency`), {LATENCY_SECONDS} s for a call, "
            f"{REQUEST_TIMEOUT_SECONDS} s `RequestTimeoutSeconds`, and a tick every {TICK_SECONDS} s. An entry with "
            f"5-minute markers is called at each tick, one with 1-hour markers at every {HOUR_TICKS}th.\n"
        ),
        "needs": table(("", *headings), ((name, *(f"{figure:,}" for figure in found)) for name, found in needs)),
        "bill": table(
            ("USD a month, 5-minute markers", *headings), [*lines, ("**all**", *(f"**{_usd(one)}**" for one in totals))]
        ),
        "end": (
            f"At {ANTHROPIC_CALLS_PER_MINUTE:,} calls a minute, the limit of Anthropic's highest standard tier, it is "
            f"{ANTHROPIC_CALLS_PER_MINUTE * TICK_SECONDS // 60:,} entries with 5-minute markers, or "
            f"{ANTHROPIC_CALLS_PER_MINUTE * TICK_SECONDS * HOUR_TICKS // 60:,} with 1-hour markers, if no application "
            f"called at all. A tick of a new sandbox, which knows no document yet, decides up to "
            f"{entries_per_tick(LEAST_MEMORY_MB):,} entries with `MemorySize` {LEAST_MEMORY_MB} and `Timeout` "
            f"{TIMEOUTS_SECONDS[-1]}, and with more memory up to {entries_per_tick():,}; what it has not read waits "
            f"for the next tick.\n"
        ),
    }


def _usd(amount: Decimal) -> str:
    return f"{amount:,.2f}"
