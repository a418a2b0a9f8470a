"""Many seeds in several processes, one after the other, until enough went wrong."""

from __future__ import annotations

import multiprocessing
import sys
import time
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from typing import TYPE_CHECKING

from tests.campaign.executor import Outcome, run_script
from tests.campaign.generator import script_of

if TYPE_CHECKING:
    from collections.abc import Iterator


def seeds_until(
    faults: int, first_seed: int, ticks: int, workers: int, *, minutes: float | None = None
) -> Iterator[Outcome]:
    """Run one seed after the other until so many faults were met, or until no more may be started.

    Args:
        faults: how many faults are enough.
        first_seed: the first seed.
        ticks: faulty ticks per seed.
        workers: processes.
        minutes: how long seeds are started; those under way then are finished. None for as long as it takes.
    """
    last_start = None if minutes is None else time.monotonic() + minutes * 60
    met, seed = 0, first_seed
    spawn = multiprocessing.get_context("spawn")  # a fork would inherit threads that do not run
    with ProcessPoolExecutor(workers, mp_context=spawn) as pool:
        waiting: set[Future[Outcome]] = set()
        while waiting or not _is_enough(met, faults, last_start):
            while len(waiting) < workers and not _is_enough(met, faults, last_start):
                waiting.add(pool.submit(run_seed, seed, ticks))
                seed += 1
            done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
            for future in done:
                outcome = future.result()
                met += sum(outcome.fired.values())
                words = "ok" if not outcome.violations else outcome.violations[0].words
                sys.stdout.write(
                    f"seed {outcome.seed}: {sum(outcome.fired.values())} faults, {outcome.calls} calls, "
                    f"{outcome.seconds:.0f} s, {words} ({met:,} of {faults:,})\n"
                )
                sys.stdout.flush()
                yield outcome


def _is_enough(met: int, faults: int, last_start: float | None) -> bool:
    return met >= faults or (last_start is not None and time.monotonic() >= last_start)


def run_seed(seed: int, ticks: int) -> Outcome:
    """Run the script of a seed."""
    return run_script(script_of(seed, ticks))
