"""Runs a script against the real handler, and has everything looked at after every tick."""

from __future__ import annotations

import contextlib
import io
import threading
import time
import warnings
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from unittest import mock

from infra.local.cloud import schedule_event
from tests.campaign.cloud import CampaignCloud
from tests.campaign.faults import FaultPlan
from tests.campaign.invariants import Inspector
from tests.campaign.proxy import Proxy
from tests.campaign.sandboxes import CampaignSandbox

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.campaign.cloud import Call
    from tests.campaign.script import Change, Script, TickScript
    from tests.campaign.world import TargetSpec

LONGEST_RUN_SECONDS = 60.0  # in real time; the slowest takes ten, and one that hangs must not hang the campaign
_LATE = timedelta(minutes=2)


@dataclass(slots=True)
class Run:
    """One invocation and what it left behind.

    Attributes:
        sandbox: whose it was.
        started_at: when it started, by its own clock.
        report: what it answered.
        error: what it raised.
        is_over: whether it ended at all.
        output: what it printed.
    """

    sandbox: CampaignSandbox
    started_at: datetime
    report: dict[str, Any] | None = None
    error: BaseException | None = None
    is_over: bool = False
    output: str = ""

    @property
    def was_ended(self) -> bool:
        """Whether it was killed or cancelled, so that its report is nobody's."""
        return self.sandbox.lane.is_dead or self.sandbox.was_cancelled


@dataclass(slots=True)
class TickRecord:
    """One tick and all that is known of it."""

    number: int
    script: TickScript
    runs: list[Run]
    fired: Counter[str]
    calls: list[Call]
    targets: Mapping[str, TargetSpec]
    touched: set[str]
    items_before: Mapping[str, Any]
    items_after: Mapping[str, Any]
    now_seconds: float
    started_seconds: float
    elsewhere: str


@dataclass(frozen=True, slots=True)
class Violation:
    """An invariant that did not hold."""

    tick: int
    invariant: str
    words: str


@dataclass(slots=True)
class Outcome:
    """What a script came to."""

    seed: int
    violations: list[Violation] = field(default_factory=list)
    fired: Counter[str] = field(default_factory=Counter)
    ticks: int = 0
    runs: int = 0
    calls: int = 0
    verdicts: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0


def run_script(script: Script, *, stops_early: bool = True) -> Outcome:
    """Run a script.

    Args:
        script: what happens.
        stops_early: whether the first tick in which an invariant does not hold is the last one.
    """
    started = time.monotonic()
    outcome = Outcome(script.seed)
    elsewhere = io.StringIO()
    with (
        mock.patch("botocore.endpoint.time", _NoWaiting()),  # back-offs of the AWS SDK: nobody has that long here
        warnings.catch_warnings(),
        contextlib.redirect_stdout(elsewhere),
        contextlib.redirect_stderr(elsewhere),
        CampaignCloud({target.name: target for target in script.targets}) as cloud,
        Proxy(cloud) as proxy,
    ):
        warnings.filterwarnings("ignore", "This metric doesn't meet the requirements")  # the clock stands long ago
        stage = _Stage(script, cloud, proxy, elsewhere)
        for number, tick in enumerate(script.ticks):
            record = stage.tick(number, tick)
            outcome.fired += record.fired
            outcome.ticks += 1
            outcome.runs += len(record.runs)
            outcome.calls += len(record.calls)
            for run in record.runs:
                for entry in (run.report or {}).get("entries", ()):
                    outcome.verdicts[entry.get("verdict") or entry["code"]] += 1
            outcome.violations += [Violation(number, *found) for found in stage.inspector.inspect(record)]
            if outcome.violations and stops_early:
                break
    outcome.seconds = time.monotonic() - started
    return outcome


class _NoWaiting:
    """The module ``time``, for which no time passes."""

    def __getattr__(self, name: str) -> object:
        return getattr(time, name)

    @staticmethod
    def sleep(seconds: float) -> None:
        """Wait for nothing."""


class _Stage:
    """A deployment on its cloud, tick by tick."""

    def __init__(self, script: Script, cloud: CampaignCloud, proxy: Proxy, elsewhere: io.StringIO) -> None:
        self._settings = script.settings
        self._cloud = cloud
        self._proxy = proxy
        self._elsewhere = elsewhere
        self._sandboxes = 0
        self._sandbox: CampaignSandbox | None = None
        self._event: dict[str, str] = {}
        self.inspector = Inspector(cloud, script.settings)

    def tick(self, number: int, tick: TickScript) -> TickRecord:
        """Carry out one tick."""
        cloud = self._cloud
        cloud.api.clock.advance(tick.wait_seconds)
        for change in tick.changes:
            self._change(change)
        at = datetime.fromtimestamp(cloud.now_seconds(), UTC)
        if tick.event != "again" or not self._event:
            self._event = schedule_event(f"tick-{number}", at - _LATE if tick.event == "late" else at)
        if self._sandbox is None or self._sandbox.lane.is_dead or tick.sandboxes == "new":
            self._sandbox = self._new_sandbox()
        sandboxes = [self._sandbox, *([self._new_sandbox()] if tick.sandboxes == "pair" else [])]
        items_before, targets = cloud.items(), dict(cloud.targets)
        started_seconds, first_call = cloud.now_seconds(), len(cloud.calls)
        cloud.touched.clear()
        self._proxy.plan = FaultPlan(tick.faults)
        runs = self._run(sandboxes, tick)
        plan, self._proxy.plan = self._proxy.plan, FaultPlan()
        elsewhere = self._elsewhere.getvalue()
        self._elsewhere.seek(0)
        self._elsewhere.truncate()
        return TickRecord(
            number=number,
            script=tick,
            runs=runs,
            fired=plan.counts(),
            calls=cloud.calls[first_call:],
            targets=targets,
            touched=set(cloud.touched),
            items_before=items_before,
            items_after=cloud.items(),
            now_seconds=cloud.now_seconds(),
            started_seconds=started_seconds,
            elsewhere=elsewhere,
        )

    def _run(self, sandboxes: list[CampaignSandbox], tick: TickScript) -> list[Run]:
        runs = []
        for sandbox in sandboxes:
            sandbox.clock.skew_seconds = tick.skew_seconds
            runs.append(Run(sandbox, sandbox.clock.now()))
        threads = [threading.Thread(target=self._invoke, args=(run, tick.seconds), daemon=True) for run in runs]
        with runs[0].sandbox.surroundings():
            for thread in threads:
                thread.start()
            until = time.monotonic() + LONGEST_RUN_SECONDS
            for thread in threads:
                thread.join(max(0.0, until - time.monotonic()))
        for run in runs:
            run.output = run.sandbox.take_output()
        return runs

    def _invoke(self, run: Run, seconds: float) -> None:
        try:
            run.report = run.sandbox.invoke(dict(self._event), seconds=seconds)
        except BaseException as error:  # noqa: BLE001 - whatever it is, the inspector judges it
            run.error = error
        run.is_over = True

    def _new_sandbox(self) -> CampaignSandbox:
        self._sandboxes += 1
        return CampaignSandbox(self._cloud, self._proxy, f"sandbox-{self._sandboxes}", self._settings)

    def _change(self, change: Change) -> None:
        cloud = self._cloud
        if change.kind == "edit" and change.name in cloud.targets:
            cloud.put(cloud.targets[change.name].edited())
        elif change.kind == "add" and change.target is not None:
            cloud.put(change.target)
        elif change.kind == "remove" and change.name in cloud.targets:
            cloud.remove(change.name)
        elif change.kind == "evict":
            cloud.api.forget_entries()
            self.inspector.evicted()
        elif change.kind == "rotate":
            cloud.rotate(change.name)
        elif change.kind == "lose-table":
            cloud.lose_table()
            self.inspector.table_lost()
