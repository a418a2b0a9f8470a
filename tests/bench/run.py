"""A run of N entries beside a bare gather over the SDK: wall, CPU and memory, layer by layer.

Every figure is of a child process of its own (``run_child``), one of each side in turn; the API (``slow_api``) and AWS
(``run_aws``) run in processes of theirs, so that their work is on neither side's clock. The layers say what costs what:
the engine alone (targets held, state in memory), with S3, and with the state table too, which is the handler as it is
deployed.
"""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from statistics import median
from typing import TYPE_CHECKING

from infra.local.cloud import STATE_TABLE
from infra.local.lambda_emulator import ROOT
from tests.bench.run_aws import bench_aws
from tests.bench.run_child import Figures, Task
from tests.bench.slow_api import slow_api

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tests.bench.run_aws import BenchAws
    from tests.bench.slow_api import Received, SlowApi

KIB, MIB = 1024, 1024 * 1024
BARE, ENGINE, WITH_S3, DEPLOYED = "bare gather", "the engine alone", "with S3", "with S3 and the table"
_CHILD_SIDES = {BARE: "bare", ENGINE: "engine", WITH_S3: "handler", DEPLOYED: "handler"}
# Its environment, AWS's own profile and proxies of this machine aside.
_KEPT_VARIABLES = ("PATH", "HOME")


@dataclass(frozen=True, slots=True)
class Case:
    """One size of a run.

    Attributes:
        count: how many entries.
        prompt_bytes: the size of each prompt.
        concurrency: how many calls at once.
        latency_seconds: how long the API takes.
        repeats: how many children of each side.
        runs: how many runs each child makes.
    """

    count: int
    prompt_bytes: int
    concurrency: int = 32
    latency_seconds: float = 0.4
    repeats: int = 3
    runs: int = 1

    @property
    def floor_seconds(self) -> float:
        """The least a run can take."""
        return math.ceil(self.count / self.concurrency) * self.latency_seconds


CASES = (
    Case(1, 4 * KIB, runs=5),
    Case(32, 4 * KIB, runs=5),
    Case(1_000, 4 * KIB),
    Case(10_000, 4 * KIB, repeats=1),
    Case(1, 100 * KIB, runs=5),
    Case(32, 100 * KIB, runs=5),
    Case(1_000, 100 * KIB),
    # A gigabyte of prompts is enough to store; 8 at once and 4 s, because each costs tens of milliseconds to encode.
    Case(1, 4 * MIB, concurrency=8, latency_seconds=4.0),
    Case(32, 4 * MIB, concurrency=8, latency_seconds=4.0),
)
QUICK = (Case(1, 4 * KIB, repeats=2, runs=3), Case(32, 4 * KIB, repeats=2, runs=3), Case(320, 100 * KIB, repeats=1))


def compared(case: Case, aws: BenchAws, sides: Iterable[str] = tuple(_CHILD_SIDES)) -> dict[str, Figures]:
    """Measure every side of a case, in turn; medians of its repeats."""
    sides = tuple(sides)
    found: dict[str, list[Figures]] = {side: [] for side in sides}
    received: dict[str, Received] = {}
    with slow_api(case.latency_seconds) as api:
        for _ in range(case.repeats):
            for side in sides:
                if side in (WITH_S3, DEPLOYED):
                    aws.fill(case.count, case.prompt_bytes)
                found[side].append(child(side, case, aws, api))
                received[side] = api.received()
    assert len(set(received.values())) == 1, received
    return {side: middle(figures) for side, figures in found.items()}


def child(side: str, case: Case, aws: BenchAws, api: SlowApi, *, kind: str | None = None) -> Figures:
    """Measure one side in a process of its own."""
    task = Task(
        side=kind or _CHILD_SIDES[side],
        count=case.count,
        prompt_bytes=case.prompt_bytes,
        concurrency=case.concurrency,
        base_url=api.base_url,
        runs=case.runs,
    )
    environment = {
        **{name: os.environ[name] for name in _KEPT_VARIABLES if name in os.environ},  # noqa: TID251 - a child's own
        "PYTHONPATH": os.pathsep.join((str(ROOT / "handler"), str(ROOT))),
        **aws.environment,
        "NO_PROXY": "127.0.0.1",
        "ANTHROPIC_BASE_URL": api.base_url,
        "MAX_CONCURRENCY": str(case.concurrency),
        **({"STATE_TABLE": STATE_TABLE} if side == DEPLOYED else {}),
    }
    return Figures(**in_child("tests.bench.run_child", asdict(task), environment))


def in_child(module: str, task: Mapping[str, object], environment: Mapping[str, str]) -> dict[str, float]:
    """Run a module in a process of its own and read what it printed."""
    command = [sys.executable, "-m", module, json.dumps(task)]
    done = subprocess.run(command, env=dict(environment), cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S603 - our own command
    assert done.returncode == 0, done.stderr
    printed: dict[str, float] = json.loads(done.stdout)
    return printed


def middle(figures: Iterable[Figures]) -> Figures:
    """Take the median of each figure."""
    rows = [asdict(one) for one in figures]
    return Figures(**{name: median(row[name] for row in rows) for name in rows[0]})


def all_cases(cases: Iterable[Case]) -> dict[Case, dict[str, Figures]]:
    """Measure cases."""
    with ExitStack() as stack:
        aws = stack.enter_context(bench_aws())
        return {case: compared(case, aws) for case in cases}
