"""The page of the runs: ``tests/bench/run.md``."""

from __future__ import annotations

import os
import platform
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from tests.bench.run import (
    BARE,
    BARE_STATE,
    CASES,
    DEPLOYED,
    FULL_COUNT,
    IDLE_COUNTS,
    KIB,
    MEMORY_COUNTS,
    NEW_SANDBOX,
    WITH_S3,
    Case,
    compared,
    idle,
    memory,
)
from tests.bench.run_aws import bench_aws

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tests.bench.run_child import Figures

RESULTS = Path(__file__).with_name("run.md")
GOAL, MEMORY_GOAL, IDLE_GOAL = 1.15, 1.2, 1.5
VERSIONS = ("anthropic", "boto3", "genai-prices", "moto")
_MS = 1000


def main() -> None:
    """Measure and write the tables."""
    with bench_aws() as aws:
        runs = {case: compared(case, aws) for case in CASES}
        peaks = {count: memory(count, aws) for count in MEMORY_COUNTS}
        ticks = {count: idle(count, aws) for count in IDLE_COUNTS}
    write([*run_lines(runs), "", *memory_lines(peaks), "", *idle_lines(ticks)])


def write(sections: list[str]) -> None:
    """Write the page around its tables."""
    lines = [*head(), *sections, "", *LEVERS]
    RESULTS.write_text("\n".join((*lines, "")), encoding="utf-8")
    print("\n".join(lines))  # noqa: T201 - the figures are what this command is for


def head() -> list[str]:
    """Say what was measured, on what and how."""
    versions = ", ".join(f"{name} {metadata.version(name)}" for name in VERSIONS)
    return [
        "# A run beside a bare gather",
        "",
        f"Python {platform.python_version()}, {platform.machine()}, {os.cpu_count()} cores; {versions}.",
        "Every side in a child process of its own, one of each in turn, medians. A bare gather is `asyncio.gather`",
        "over `AsyncAnthropic.messages.create` with the same bodies behind a semaphore. The API is an asyncio server",
        "that answers one usage after its latency: the emulator's own work would drown what is measured. S3 and",
        "DynamoDB are moto behind a server that keeps connections alive. All servers are other processes; CPU is the",
        "child's own.",
        "Ratios are what means something on another machine, and CPU more than wall where other work runs beside it:",
        f"load average at the end {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores.",
        "",
    ]


def run_lines(runs: Mapping[Case, Mapping[str, Figures]]) -> list[str]:
    """Compare runs with bare gathers."""
    return [
        "## N entries, C at a time, an API that takes L seconds",
        "",
        f"Goals: wall at most {GOAL:g} x ceil(N/C) x L; CPU at most {GOAL:g} x the bare gather's.",
        "",
        "| N | prompt, KB | C | L, s | side | wall, s | / ceil(N/C) x L | CPU per entry, ms | / bare |",
        "| ---: | ---: | ---: | ---: | --- | ---: | ---: | ---: | ---: |",
        *(line for case, sides in runs.items() for line in _case_lines(case, sides)),
        "",
        "The engine alone holds its targets and keeps its state in memory; `with S3` is the real handler without a",
        "table, whose documents are read again where they do not fit in 32 MB; the last adds two writes per entry.",
        "Two writes by boto3 cost 2 ms of CPU each, as much as the SDK's whole call of a small prompt: the floor of a",
        "run with a table. moto writes one item at a time, so that the wall with a table is moto's and not DynamoDB's.",
    ]


def _case_lines(case: Case, sides: Mapping[str, Figures]) -> Iterator[str]:
    size = f"{case.count:,} | {case.prompt_bytes // KIB:,} | {case.concurrency} | {case.latency_seconds:g}"
    bare = sides[BARE]
    for name, figures in sides.items():
        wall = f"{figures.wall_seconds:.2f} | {figures.wall_seconds / case.floor_seconds:.2f}"
        cpu = f"{figures.cpu_seconds / case.count * _MS:.2f} | {figures.cpu_seconds / bare.cpu_seconds:.2f}"
        yield f"| {size} | {name} | {wall} | {cpu} |"


def memory_lines(peaks: Mapping[int, Figures]) -> list[str]:
    """Compare the peaks of memory."""
    least, full = peaks[min(peaks)], peaks[FULL_COUNT]
    return [
        "## Memory",
        "",
        f"The handler over prompts of 100 KB, `VmHWM` of the process; goal: {MEMORY_GOAL:g} x the smallest.",
        "",
        f"| N | all prompts, MB | peak, MB | / {min(peaks):,} | / {FULL_COUNT:,} |",
        "| ---: | ---: | ---: | ---: | ---: |",
        *(
            f"| {count:,} | {count * 100 // KIB:,} | {figures.peak_mib:.0f} "
            f"| {figures.peak_mib / least.peak_mib:.2f} | {figures.peak_mib / full.peak_mib:.2f} |"
            for count, figures in peaks.items()
        ),
        "",
        f"A sandbox keeps 32 MB of bodies, which {FULL_COUNT} prompts fill and the fewest do not. Prompts do not add",
        "up: what grows with N beyond them is what is known of each entry, some 5 KB in all: its summary and digests,",
        "its state, its decision and its result.",
    ]


def idle_lines(ticks: Mapping[int, Mapping[str, Figures]]) -> list[str]:
    """Compare ticks on which nothing is due with listings."""
    return [
        "## A tick on which nothing is due",
        "",
        f"CPU of a warm sandbox, beside listing the same bucket with bare boto3 (goal: {IDLE_GOAL:g}). Reading the",
        "state has no counterpart in a listing, so the last ratio is to listing the bucket and reading the same items",
        "with bare boto3. A new sandbox reads every document once.",
        "",
        f"| {' | '.join(_IDLE_COLUMNS)} |",
        "| ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
        *(_idle_line(count, sides) for count, sides in ticks.items()),
    ]


_IDLE_COLUMNS = (
    *("documents", "bare listing, ms", "tick, state in memory, ms", "ratio", "tick, state in the table, ms", "ratio"),
    *("bare listing and state, ms", "tick / that", "first tick of a new sandbox, CPU s"),
)


def _idle_line(count: int, sides: Mapping[str, Figures]) -> str:
    bare = sides[BARE].cpu_seconds
    cells = [
        f"{sides[name].cpu_seconds * _MS:.0f} | {sides[name].cpu_seconds / bare:.2f}" for name in (WITH_S3, DEPLOYED)
    ]
    read = sides[BARE_STATE].cpu_seconds
    cells.append(f"{read * _MS:.0f} | {sides[DEPLOYED].cpu_seconds / read:.2f}")
    return f"| {count:,} | {bare * _MS:.0f} | {' | '.join(cells)} | {sides[NEW_SANDBOX].first_cpu_seconds:.1f} |"


# Measured by hand when each was tried: what was done, what something took before and after, and what became of it.
_LEVERS = (
    (
        "prices by kind of token: `genai-prices` is asked once per model and tier, not five times a call",
        "engine, 2.8 ms CPU an entry",
        "2.1 ms",
        "kept: one small module; it gives exactly what the package does",
    ),
    (
        "listings and state items read without botocore's model of every field",
        "idle tick over 1,000, 128 ms CPU",
        "84 ms",
        "kept: botocore's own event lets a handler give a part of an answer",
    ),
    (
        "names of an item's attributes looked up; what is ordinary in it told by one comparison of sets",
        "reading a state item, 37 us CPU",
        "28 us",
        "kept: two small caches of what a deployment has a few dozens of",
    ),
    (
        "an entry's state copied only where something of it changes; no allowances without caps",
        "deciding an entry, 27 us CPU",
        "20 us",
        "kept: the same code with an early answer",
    ),
    (
        "the order of outcomes made once; equal prefixes sought only with several credentials",
        "listing an entry in the report, 5.4 us CPU",
        "3.0 us",
        "kept: two lines; all three together, an idle tick over 600: 97 ms before, 77 ms after",
    ),
    (
        "what was read of an item kept for as long as the item stays the same",
        "reading a state item, 28 us CPU",
        "not built",
        "not kept: to tell that it did, the item itself must be kept, some 6 KB in memory each",
    ),
    (
        "state items read batch by batch, each in the thread that asked for it",
        "all of a table in memory as DynamoDB writes it",
        "16 batches of 100 at most",
        "kept: one small module",
    ),
    (
        "one text in memory for equal digests of tools, messages and settings",
        "315 bytes an entry",
        "next to none",
        "kept: one word each; the rest of 5 KB an entry lies in forty places of 400 bytes and less",
    ),
    (
        "no garbage collection during an idle tick over 600",
        "97 ms CPU, 5 ms of it in the collector",
        "97 ms",
        "not kept: nothing that can be seen",
    ),
    (
        "what the engine adds to a call: log line, prices, claim and commit",
        "each 3 to 4 % of a call under a profiler",
        "not built",
        "not kept: three quarters are the SDK's exchange, and no part of ours stands out",
    ),
    (
        "one arena of malloc, and `mmap` from 64 KB on (glibc's settings)",
        "2,000 prompts of 100 KB, a peak of 212 MB",
        "201 MB",
        "not kept: 5 % for two variables of the environment that nobody would understand",
    ),
    (
        "no check of parameters by botocore in the table's client",
        "2.7 ms CPU a write",
        "2.2 ms",
        "kept: all that is written is ours and typed",
    ),
    (
        "a `User-Agent` of our own, which botocore need not put together per request",
        "2.2 ms CPU a write",
        "2.2 ms",
        "not kept: nothing that can be seen, and AWS's support wants botocore's",
    ),
)
LEVERS = [
    "## Levers",
    "",
    "Measured by hand when they were tried, with other work beside it.",
    "",
    "| lever | before | after | |",
    "| --- | --- | --- | --- |",
    *(f"| {' | '.join(lever)} |" for lever in _LEVERS),
]


if __name__ == "__main__":
    main()
