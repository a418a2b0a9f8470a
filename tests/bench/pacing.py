"""``make bench``: an application and paced warm calls on one workspace, in simulated time; writes ``pacing.md``.

What the tests check on one thousand entries (``tests/contract/test_shared_limits.py``), on five thousand and over
more shares, loads and seeds. The figures are counts, not times: they are the same on every machine.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from prompt_cache_warmer.rules.entry_result import Outcome
from tests.shared_limits import LEAD_IN_SECONDS, TICK_SECONDS, Warming, Workspace, application, beside

if TYPE_CHECKING:
    from collections.abc import Iterator

RESULTS = Path(__file__).with_name("pacing.md")
ENTRIES, TICKS = 5_000, 1
# The application sends 400 tokens with a request in the mean, so its tokens run out first.
WORKSPACE = Workspace(requests=8_000, input_tokens=2_000_000)
LOADS = (0.2, 0.8, 0.95)
SHARES: tuple[int | None, ...] = (20, 30, 50, 100, None)
BURST = 0.1
SEEDS = (1,)
WORKERS = 4


def main() -> None:
    """Simulate and write the table."""
    requests, tokens = WORKSPACE.requests, WORKSPACE.input_tokens
    heads = (
        *("load", "share", "workers", "its requests", "refused alone", "refused because of us"),
        *("least left alone", "least left", "warmed", "deferred", "failed"),
    )
    lines = [
        "# Pacing beside an application",
        "",
        f"{ENTRIES:,} cold entries of 1,100 tokens are due beside an application on one workspace of {requests:,}",
        f"requests and {tokens:,} input tokens a minute, token buckets, {TICKS} tick of {TICK_SECONDS:g} s. The",
        f"application sends Poisson traffic, a tenth of it cold writes, and a burst of {BURST:.0%} of a minute's",
        "tokens every 20 s in the mean; load is its use of the limit. In simulated time.",
        "It is compared request by request with the same application alone: *refused because of us* is what it was",
        "refused only beside the warmer. *Least left* is the least of the input tokens left at any of its requests.",
        "",
        f"| {' | '.join(heads)} |",
        "| ---: " * len(heads) + "|",
        *_rows(),
        "",
        "`make bench` writes this page; `tests/contract/test_shared_limits.py` checks a part of it.",
        "",
    ]
    RESULTS.write_text("\n".join(lines), encoding="utf-8")
    print("\n".join(lines))  # noqa: T201 - the figures are what this command is for


def _rows() -> Iterator[str]:
    for load in LOADS:
        for share in SHARES:
            yield _row(load, share, workers=1)
    yield _row(0.8, 30, workers=WORKERS)


def _row(load: float, share: int | None, *, workers: int) -> str:
    requests = refused = because_of_us = warmed = deferred = failed = 0
    least_alone = least = 1.0
    for seed in SEEDS:
        seconds = LEAD_IN_SECONDS + TICKS * TICK_SECONDS
        arrivals = application(WORKSPACE, load=load, burst=BURST, seconds=seconds, seed=seed)
        alone = beside(WORKSPACE, arrivals)
        shared = beside(
            WORKSPACE, arrivals, Warming(entries=ENTRIES, share_percent=share, ticks=TICKS, workers=workers)
        )
        requests += alone.requests
        refused += len(alone.refused)
        because_of_us += len(shared.refused - alone.refused)
        warmed += shared.count(Outcome.WARMED)
        deferred += shared.count(Outcome.DEFERRED)
        failed += shared.count(Outcome.FAILED)
        least_alone, least = min(least_alone, alone.least_remaining), min(least, shared.least_remaining)
    named = "off" if share is None else f"{share} %"
    return (
        f"| {load:.0%} | {named} | {workers} | {requests:,} | {refused:,} | {because_of_us:,} | {least_alone:.0%} "
        f"| {least:.0%} | {warmed:,} | {deferred:,} | {failed:,} |"
    )


if __name__ == "__main__":
    main()
