"""The page of the cold starts: ``tests/bench/cold_start.md``."""

from __future__ import annotations

import os
import platform
import tempfile
import zipfile
from importlib import metadata
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

from tests.bench.cold_start import (
    BARE,
    BARE_WITHOUT_SDK,
    EAGER,
    EAGER_COLLECTING,
    KEPT,
    STARTS,
    Folders,
    Kind,
    Lever,
    Start,
    levers_of,
    make,
    measured,
    ticks,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

RESULTS = Path(__file__).with_name("cold_start.md")
GOAL = 1.05
MB = 1024 * 1024
VERSIONS = ("anthropic", "boto3", "pydantic", "genai-prices", "awslambdaric")


def main() -> None:
    """Measure and write the table."""
    with tempfile.TemporaryDirectory() as scratch:
        folders = make(Path(scratch))
        levers = levers_of(folders)
        built = Kind(folders.built)
        ends = [
            Kind(folders.plain, EAGER_COLLECTING),
            *(Kind(folders.built, name) for name in (BARE, BARE_WITHOUT_SDK)),
        ]
        kinds = dict.fromkeys([built, *ends, *(kind for lever in levers for kind in (lever.before, lever.after))])
        starts = measured(kinds)
        lines = [
            *head(),
            *goal_lines(starts, folders),
            "",
            *lever_lines(levers, starts),
            "",
            *size_lines(folders),
            "",
            *tick_lines(folders),
        ]
    RESULTS.write_text("\n".join((*lines, "")), encoding="utf-8")
    print("\n".join(lines))  # noqa: T201 - the figures are what this command is for


def head() -> list[str]:
    """Say what was measured, on what and how."""
    versions = ", ".join(f"{name} {metadata.version(name)}" for name in VERSIONS)
    return [
        "# Cold starts of the artifact",
        "",
        f"Python {platform.python_version()}, {platform.machine()}, {os.cpu_count()} cores; {versions}.",
        "From the start of the process to its first `/next`, under AWS's own runtime emulator with AWS's own runtime",
        f"client; medians of {STARTS} starts of each, in turn; CPU is the process's own until its imports end. Ratios",
        "are what means something on another machine. The emulator gives a whole core; Lambda gives 512 MB a third of",
        f"one, and a whole one while a function starts. Load average at the end: {os.getloadavg()[0]:.1f}.",
        "",
    ]


def goal_lines(starts: Mapping[Kind, Start], folders: Folders) -> list[str]:
    """Compare the artifact with handlers that only import third parties."""
    kinds = {
        Kind(folders.plain, EAGER_COLLECTING): "without any lever",
        Kind(folders.built): f"the artifact (goal: {GOAL:g})",
        Kind(folders.built, EAGER): "the artifact, the SDK loaded at once",
        Kind(folders.built, BARE): "a handler that only imports its third parties",
        Kind(folders.built, BARE_WITHOUT_SDK): "a handler that only imports those without the SDK",
    }
    bare, loaded = starts[Kind(folders.built, BARE)], starts[Kind(folders.built, BARE_WITHOUT_SDK)]
    ours, eager = starts[Kind(folders.built, KEPT)], starts[Kind(folders.built, EAGER)]
    return [
        "| start | ms | ratio | CPU, ms | ratio |",
        "| --- | ---: | ---: | ---: | ---: |",
        *(
            f"| {name} | {starts[kind].wall:.0f} | {starts[kind].wall / bare.wall:.2f} "
            f"| {starts[kind].cpu:.0f} | {starts[kind].cpu / bare.cpu:.2f} |"
            for kind, name in kinds.items()
        ),
        "",
        f"With the SDK loaded at once it is {_both(eager, bare)};",
        "the artifact loads it when a call is due. Against the last row, the floor while none is, it is",
        f"{_both(ours, loaded)}:",
        "the rest is our own modules, most of it pydantic's models and dataclasses being made.",
    ]


def _both(start: Start, least: Start) -> str:
    return f"{start.wall / least.wall:.2f} by time and {start.cpu / least.cpu:.2f} by CPU"


def lever_lines(levers: Iterable[Lever], starts: Mapping[Kind, Start]) -> list[str]:
    """Write the levers."""
    return [
        "| lever | without, ms | with, ms | ratio | without, CPU ms | with, CPU ms | ratio | |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | --- |",
        *(lever_line(one, starts[one.before], starts[one.after]) for one in levers),
    ]


def lever_line(lever: Lever, before: Start, after: Start) -> str:
    """Write one lever."""
    wall = f"{before.wall:.0f} | {after.wall:.0f} | {after.wall / before.wall:.2f}"
    cpu = f"{before.cpu:.0f} | {after.cpu:.0f} | {after.cpu / before.cpu:.2f}"
    return f"| {lever.name} | {wall} | {cpu} | {lever.kept} |"


def size_lines(folders: Folders) -> list[str]:
    """Write what the zips weigh."""
    others = [path for path in folders.built.rglob("*.so") if "-aarch64-" in path.name]
    others_mb = sum(path.stat().st_size for path in others) / MB
    rows = {
        "SAM's own build, for one processor": folders.plain,
        "the same, compiled": folders.whole,
        "the artifact, for both processors": folders.built,
    }
    return [
        "| zip | MB | unpacked, MB |",
        "| --- | ---: | ---: |",
        *(f"| {name} | {zipped(folder):.1f} | {unpacked(folder):.1f} |" for name, folder in rows.items()),
        f"| of which modules for the other processor | {zipped(folders.built, others):.1f} | {others_mb:.1f} |",
    ]


def tick_lines(folders: Folders) -> list[str]:
    """Write what a tick pays when nothing is due."""
    named = {
        Kind(folders.plain, EAGER_COLLECTING): "without any lever",
        Kind(folders.built): "the artifact",
        Kind(folders.built, EAGER): "the artifact, the SDK loaded at once",
    }
    found = ticks(tuple(named))
    return [
        "A tick on which nothing is due: one target, its state in a table, S3 and DynamoDB on loopback.",
        "",
        "| | init, ms | first invocation, ms | both | a warm invocation, ms |",
        "| --- | ---: | ---: | ---: | ---: |",
        *(
            f"| {name} | {found[kind].init:.0f} | {found[kind].first:.0f} "
            f"| {found[kind].init + found[kind].first:.0f} | {found[kind].warm:.0f} |"
            for kind, name in named.items()
        ),
    ]


def zipped(folder: Path, paths: Iterable[Path] | None = None) -> float:
    """Weigh a folder's zip, as SAM makes it, in MB."""
    content = BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in folder.rglob("*") if paths is None else paths:
            archive.write(path, path.relative_to(folder))
    return len(content.getvalue()) / MB


def unpacked(folder: Path) -> float:
    """Weigh a folder, in MB."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / MB
