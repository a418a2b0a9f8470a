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
from dataclasses import asdict, dataclass
from statistics import median
from typing import TYPE_CHECKING

from infra.local.cloud import STATE_TABLE
from infra.local.lambda_emulator import ROOT
from tests.bench.run_child import Figures, Task
from tests.bench.slow_api import slow_api

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tests.bench.run_aws import BenchAws
    from tests.bench.slow_api import Received, SlowApi

KIB, MIB = 1024, 1024 * 1024
BARE, ENGINE, WITH_S3, DEPLOYED = "bare gather", "the engine alone", "with S3", "with S3 and the table"
NEW_SANDBOX, BARE_STATE = "a new sandbox", "bare listing and reading of the state"
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
        sides: what is compared.
    """

    count: int
    prompt_bytes: int
    concurrency: int = 32
    latency_seconds: float = 0.4
    repeats: int = 2
    runs: int = 1
    sides: tuple[str, ...] = tuple(_CHILD_SIDES)

    @property
    def floor_seconds(self) -> float:
        """The least a run can take."""
        return math.ceil(self.count / self.concurrency) * self.latency_seconds


CASES = (
    Case(1, 4 * KIB, runs=5),
    Case(32, 4 * KIB, runs=5),
    Case(1_000, 4 * KIB),
    # moto writes some hundred items a second at most, so that it would be the limit of 10,000 and not our side.
    Case(10_000, 4 * KIB, concurrency=128, latency_seconds=0.8, repeats=1, sides=(BARE, ENGINE, WITH_S3)),
    Case(1, 100 * KIB, runs=5),
    Case(32, 100 * KIB, runs=5),
    Case(1_000, 100 * KIB, repeats=1),
    # 8 at once and 4 s, because each costs tens of milliseconds to encode, and eight of them are half of what may be
    # in memory at once.
    Case(1, 4 * MIB, concurrency=8, latency_seconds=4.0, repeats=1),
    Case(32, 4 * MIB, concurrency=8, latency_seconds=4.0, repeats=1),
)
FULL_COUNT = 400  # prompts of 100 KB, which fill the 32 MB of bodies that a sandbox keeps
MEMORY_COUNTS = (100, FULL_COUNT, 10_000)
IDLE_COUNTS = (1_000, 10_000)
_SMALL_BYTES = KIB
_IDLE_RUNS = 5


def compared(case: Case, aws: BenchAws) -> dict[str, Figures]:
    """Measure every side of a case, in turn; medians of its repeats."""
    found: dict[str, list[Figures]] = {side: [] for side in case.sides}
    received: dict[str, Received] = {}
    with slow_api(case.latency_seconds) as api:
        for _ in range(case.repeats):
            for side in case.sides:
                if side in (WITH_S3, DEPLOYED):
                    aws.fill(case.count, case.prompt_bytes)
                found[side].append(child(side, case, aws, api))
                received[side] = api.received()
    assert len(set(received.values())) == 1, received  # the same bodies, to the byte
    return {side: middle(figures) for side, figures in found.items()}


def memory(count: int, aws: BenchAws) -> Figures:
    """Measure the peak of a run over prompts of 100 KB, as fast as it goes."""
    aws.fill(count, 100 * KIB)
    with slow_api(0.0) as api:
        return child(WITH_S3, Case(count, 100 * KIB), aws, api)


def idle(count: int, aws: BenchAws) -> dict[str, Figures]:
    """Measure a tick on which nothing is due, and listing the same bucket and reading its state with bare boto3."""
    aws.fill(count, _SMALL_BYTES, ttl="1h")
    case = Case(count, _SMALL_BYTES, runs=_IDLE_RUNS)
    with slow_api(0.0) as api:
        return {
            BARE: child(BARE, case, aws, api, kind="listing"),
            WITH_S3: child(WITH_S3, case, aws, api, kind="idle"),
            DEPLOYED: child(DEPLOYED, case, aws, api, kind="idle"),
            NEW_SANDBOX: child(DEPLOYED, case, aws, api, kind="idle"),  # what the one before remembered is in the table
            BARE_STATE: child(DEPLOYED, case, aws, api, kind="reading"),
        }


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
