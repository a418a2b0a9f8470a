"""Many seeds in several processes, one after the other, until enough went wrong."""

from __future__ import annotations

import multiprocessing
import sys
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from typing import TYPE_CHECKING

from tests.campaign.executor import Outcome, run_script
from tests.campaign.generator import script_of

if TYPE_CHECKING:
    from collections.abc import Iterator


def seeds_until(faults: int, first_seed: int, ticks: int, workers: int) -> Iterator[Outcome]:
    """Run one seed after the other until so many faults were met."""
    met, seed = 0, first_seed
    spawn = multiprocessing.get_context("spawn")  # a fork would inherit threads that do not run
    with ProcessPoolExecutor(workers, mp_context=spawn) as pool:
        waiting: set[Future[Outcome]] = set()
        while met < faults or waiting:
            while met < faults and len(waiting) < workers:
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


def run_seed(seed: int, ticks: int) -> Outcome:
    """Run the script of a seed."""
    return run_script(script_of(seed, ticks))
