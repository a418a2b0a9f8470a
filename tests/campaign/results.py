"""The page that a campaign leaves behind."""

from __future__ import annotations

import os
import platform
from collections import Counter
from importlib.metadata import version
from typing import TYPE_CHECKING

from tests.campaign.invariants import INVARIANTS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tests.campaign.executor import Outcome

_PACKAGES = ("anthropic", "boto3", "moto")
_MUTATIONS = "\n## Mutations\n"


def write_results(path: Path, outcomes: Sequence[Outcome], *, ticks: int, seconds: float) -> None:
    """Write the page; the table of mutations, which ``tests.campaign.mutations`` writes, stays as it is."""
    before = path.read_text(encoding="utf-8") if path.exists() else ""
    _, mark, mutations = before.partition(_MUTATIONS)
    path.write_text(_page(outcomes, ticks=ticks, seconds=seconds) + mark + mutations, encoding="utf-8")


def write_mutations(path: Path, rows: Sequence[str]) -> None:
    """Write the table of mutations behind the rest of the page."""
    before, _, _ = (path.read_text(encoding="utf-8") if path.exists() else "").partition(_MUTATIONS)
    head = [
        "Each was made in a private copy of the handler; the campaign's first seed that finds it, by the invariant.",
        "Some take back a mend of a defect that the campaign itself had found.",
        "",
        "| invariant | file | was | became | found by |",
        "|---|---|---|---|---|",
    ]
    path.write_text(before + _MUTATIONS + "\n" + "\n".join([*head, *rows]) + "\n", encoding="utf-8")


def _page(outcomes: Sequence[Outcome], *, ticks: int, seconds: float) -> str:
    fired: Counter[str] = sum((one.fired for one in outcomes), Counter())
    verdicts: Counter[str] = sum((one.verdicts for one in outcomes), Counter())
    seeds = sorted(one.seed for one in outcomes)
    failed = {one.seed: one.violations[0] for one in outcomes if one.violations}
    lines = [
        "# Fault campaign",
        "",
        "Written by `make campaign`: random faults against the real handler, the real SDKs and the local cloud, and a",
        f"model that knows the truth. `python -m tests.campaign --seed N --ticks {ticks} --shrink` repeats one seed.",
        "",
        f"- {sum(fired.values()):,} faults of {len(fired)} kinds met in {sum(one.ticks for one in outcomes)} ticks",
        f"- {sum(one.runs for one in outcomes):,} runs, {sum(one.calls for one in outcomes):,} calls",
        f"- {sum(verdicts.values()):,} entries reported",
        f"- seeds {seeds[0]} to {seeds[-1]}, {ticks} faulty ticks each",
        f"- {seconds / 60:.0f} minutes on {os.cpu_count()} CPUs ({platform.machine()})",
        f"- Python {platform.python_version()}, {', '.join(f'{name} {version(name)}' for name in _PACKAGES)}",
        f"- seeds in which an invariant did not hold: {len(failed)}",
        *(f"    - seed {seed}, tick {one.tick}: {one.invariant}: {one.words}" for seed, one in sorted(failed.items())),
        "",
        f"Looked at after every tick: {', '.join(INVARIANTS)}.",
        "",
        "| what became of entries | times |",
        "|---|---|",
        *(f"| {name} | {count:,} |" for name, count in verdicts.most_common()),
        "",
        "| fault | times |",
        "|---|---|",
        *(f"| {name} | {count:,} |" for name, count in sorted(fired.items())),
    ]
    return "\n".join(lines) + "\n"
