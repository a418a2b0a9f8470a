"""Replaying a million requests: time beside splitting the lines alone, and the memory it takes.

The command runs in a process of its own, so that its peak of memory is nobody else's. Its requests are
made up, with bursts and nights, and a seed that is fixed.
"""

from __future__ import annotations

import csv
import json
import multiprocessing
import platform
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from prompt_cache_warmer.adapters.arrivals_csv import read_arrivals_csv

if TYPE_CHECKING:
    from collections.abc import Callable

RESULTS = Path(__file__).with_name("replay.md")
REQUESTS = 1_000_000
REPEATS = 3
SEED = 20_261_122
# Mean gaps in seconds, drawn at random: within a burst, between bursts, and now and then a night.
GAPS = (5.0,) * 60 + (60.0,) * 30 + (600.0,) * 9 + (20_000.0,)
MIN_TOKENS, MAX_TOKENS = 20_000, 60_000
MIB_GOAL = 1_024

COMMAND = """
import json, resource, sys, time
from prompt_cache_warmer.cli.commands import commands
started = time.perf_counter()
commands(["replay", *sys.argv[1:], "--json"], standalone_mode=False)
usage = resource.getrusage(resource.RUSAGE_SELF)
print(json.dumps([time.perf_counter() - started, usage.ru_maxrss / 1024]), file=sys.stderr)
"""


def main() -> None:
    """Measure and write the table."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "million.csv"
        write(file)
        split, read = best(split_lines, file), best(read_file, file)
        plain = min(command(file) for _ in range(REPEATS))
        drawn = command(file, "--plot", str(file.with_suffix(".png")))
    lines = [
        "# Replaying a million requests",
        "",
        f"Python {platform.python_version()}, {platform.machine()}, {multiprocessing.cpu_count()} cores.",
        f"Best of {REPEATS}, the picture once. {REQUESTS:,} requests with sizes of their own; splitting the lines with",
        "`csv.reader` alone, in the same run, is 1. Memory is the peak of the whole process.",
        "",
        "| | seconds | ratio | MiB |",
        "| --- | ---: | ---: | ---: |",
        f"| `csv.reader` alone | {split:.2f} | 1.0 | |",
        f"| reading and checking the file | {read:.2f} | {read / split:.1f} | |",
        row("`replay`: reading, nine rules, three clairvoyants", plain, split),
        row("`replay --plot`", drawn, split),
        "",
        f"Goal: less than {MIB_GOAL:,} MiB: {'reached' if max(plain[1], drawn[1]) < MIB_GOAL else 'MISSED'}.",
        "",
    ]
    RESULTS.write_text("\n".join(lines), encoding="utf-8")
    print("\n".join(lines))  # noqa: T201 - the figures are what this command is for


def row(name: str, measured: tuple[float, float], split: float) -> str:
    """Write one row of the table."""
    took_s, peak_mib = measured
    return f"| {name} | {took_s:.2f} | {took_s / split:.1f} | {peak_mib:.0f} |"


def write(file: Path) -> None:
    """Make up the requests."""
    dice = random.Random(SEED)  # noqa: S311 - no secret
    time_s = 0.0
    with file.open("w", encoding="utf-8") as rows:
        rows.write("t_s,input_tokens\n")
        for _ in range(REQUESTS):
            time_s += dice.expovariate(1 / dice.choice(GAPS))
            rows.write(f"{time_s:.3f},{dice.randint(MIN_TOKENS, MAX_TOKENS)}\n")


def split_lines(file: Path) -> None:
    """Do no more than any reader of the file must."""
    with file.open(encoding="utf-8", newline="") as text:
        for _ in csv.reader(text):
            pass


def read_file(file: Path) -> None:
    """Read the requests as the command does."""
    with file.open("rb") as content:
        read_arrivals_csv(content, prefix_tokens=None)


def command(file: Path, *arguments: str) -> tuple[float, float]:
    """Run the command in a new process; return its seconds, imports not counted, and its peak in MiB."""
    run = [sys.executable, "-c", COMMAND, str(file), *arguments]
    ended = subprocess.run(run, check=True, capture_output=True, text=True)  # noqa: S603 - our own command
    took_s, peak_mib = json.loads(ended.stderr.splitlines()[-1])
    return took_s, peak_mib


def best(work: Callable[[Path], None], file: Path) -> float:
    """Measure what is done with a file; the best of several."""
    return min(seconds(work, file) for _ in range(REPEATS))


def seconds(work: Callable[[Path], None], file: Path) -> float:
    """Measure it once."""
    started = time.perf_counter()
    work(file)
    return time.perf_counter() - started
