"""``python -m tests.campaign``: run seeds until enough faults were met, replay one, shrink what fails."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from tests.campaign.executor import run_script
from tests.campaign.generator import script_of
from tests.campaign.results import write_results
from tests.campaign.script import Script
from tests.campaign.seeds import seeds_until
from tests.campaign.shrink import shrink

if TYPE_CHECKING:
    from tests.campaign.executor import Outcome

FAULTS = 10_000
TICKS = 12  # that go wrong, per seed: enough for a state to grow old in


def main() -> int:
    """Do what the command line says; 1 where an invariant does not hold."""
    arguments = _arguments()
    if arguments.replay is not None:
        return _tell(run_script(Script.from_json(json.loads(arguments.replay.read_text()))))
    if arguments.seed is not None:
        outcome = run_script(script_of(arguments.seed, arguments.ticks))
        if outcome.violations and arguments.shrink:
            _shrink(script_of(arguments.seed, arguments.ticks), outcome)
        return _tell(outcome)
    started = time.monotonic()
    outcomes = []
    for outcome in seeds_until(
        arguments.faults, arguments.first_seed, arguments.ticks, arguments.workers, minutes=arguments.minutes
    ):
        outcomes.append(outcome)
        if arguments.results is not None:  # after each seed, so that a run that is broken off leaves what it reached
            seconds = time.monotonic() - started
            write_results(arguments.results, outcomes, ticks=arguments.ticks, seconds=seconds)
    failed = [outcome for outcome in outcomes if outcome.violations]
    for outcome in failed:
        _tell(outcome)
        _say(f"replay: python -m tests.campaign --seed {outcome.seed} --ticks {arguments.ticks} --shrink")
    faults = sum(sum(one.fired.values()) for one in outcomes)
    _say(f"{len(outcomes)} seeds, {faults:,} faults, {len(failed)} failed")
    return int(bool(failed))


def _shrink(script: Script, outcome: Outcome) -> None:
    """Print the smallest script that fails in the same way."""
    first = outcome.violations[0]

    def fails(tried: Script) -> bool:
        found = run_script(tried).violations
        sys.stderr.write(".")
        sys.stderr.flush()
        return any(one.invariant == first.invariant for one in found)

    smallest = shrink(script, fails, at_tick=first.tick)
    _say(json.dumps(smallest.as_json(), indent=1))


def _tell(outcome: Outcome) -> int:
    for violation in outcome.violations:
        sys.stderr.write(f"seed {outcome.seed}, tick {violation.tick}: {violation.invariant}: {violation.words}" + "\n")
    sys.stderr.write(
        f"{outcome.ticks} ticks, {sum(outcome.fired.values())} faults, {outcome.calls} calls, "
        f"{outcome.seconds:.1f} s, {len(outcome.violations)} violations\n"
    )
    return int(bool(outcome.violations))


def _say(words: str) -> None:
    sys.stdout.write(f"{words}\n")
    sys.stdout.flush()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.campaign", description=__doc__)
    parser.add_argument("--seed", type=int, help="run this seed only")
    parser.add_argument("--shrink", action="store_true", help="print the smallest script of the seed that fails")
    parser.add_argument("--replay", type=Path, help="run a script from a file")
    parser.add_argument("--ticks", type=int, default=TICKS, help="faulty ticks per seed")
    parser.add_argument("--faults", type=int, default=FAULTS, help="run seeds until so many faults were met")
    parser.add_argument("--minutes", type=float, help="start no seed after so many minutes, whatever was met")
    parser.add_argument("--first-seed", type=int, default=1, help="the first of those seeds")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="processes")
    parser.add_argument("--results", type=Path, help="write the table of results here")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
