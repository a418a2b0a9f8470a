"""One side of the bench of a run, in a process of its own: ``python -m tests.bench.run_child`` prints its figures.

Every side imports the SDK before its clock runs, makes one call, and then its runs; each run makes its own client, as
the handler does. CPU is this process's own, all of its threads included; output goes nowhere.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from contextlib import redirect_stdout
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import anthropic
import boto3

import app
from infra.local.cloud import API_KEY
from prompt_cache_warmer.adapters.anthropic_messages import AnthropicMessages
from prompt_cache_warmer.adapters.api_keys import StaticApiKeys
from prompt_cache_warmer.adapters.credential_clients import CredentialClients
from prompt_cache_warmer.adapters.emf import EmfMetricSink
from prompt_cache_warmer.adapters.held_targets import HeldTargets
from prompt_cache_warmer.adapters.json_log import JsonRunLog
from prompt_cache_warmer.adapters.memory_state import MemoryState
from prompt_cache_warmer.adapters.state_table import KEYS_PER_READ
from prompt_cache_warmer.adapters.system_clock import SystemClock
from prompt_cache_warmer.rules.order import Order
from prompt_cache_warmer.rules.uploads import Watched
from prompt_cache_warmer.values.reading import Origin, read_target
from prompt_cache_warmer.warm.caller import Caller
from prompt_cache_warmer.warm.claims import RunLimits
from prompt_cache_warmer.warm.warmer import Policy, Recorders, Warmer
from tests.bench.run_targets import FIRST, body, document, name_of

if TYPE_CHECKING:
    from collections.abc import Callable

TIMEOUT_SECONDS = 60
LONG_SECONDS = 100_000.0  # no run is ended by its time here
MIB = 1024 * 1024
_TICK_SECONDS = 240


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What a child does.

    Attributes:
        side: the name of a side.
        count: how many entries.
        prompt_bytes: the size of each prompt.
        concurrency: how many calls at once.
        base_url: the API's address.
        runs: how many runs its medians are of.
    """

    side: str
    count: int
    prompt_bytes: int
    concurrency: int
    base_url: str
    runs: int = 1


@dataclass(frozen=True, slots=True)
class Figures:
    """What a side took.

    Attributes:
        wall_seconds: a run.
        cpu_seconds: the CPU of a run.
        peak_mib: the most memory the process had, from its start.
        first_cpu_seconds: the CPU of what came first: of a handler, reading every document and one call.
        first_wall_seconds: how long that took.
    """

    wall_seconds: float
    cpu_seconds: float
    peak_mib: float
    first_cpu_seconds: float
    first_wall_seconds: float


class _Context:
    """The part of Lambda's context object that the handler reads."""

    def get_remaining_time_in_millis(self) -> int:
        return int(LONG_SECONDS * 1000)


def bare(task: Task) -> tuple[Callable[[], object], Callable[[], object]]:
    """Send the bodies with nothing but the SDK and a semaphore."""

    async def gather(count: int) -> None:
        slots = asyncio.Semaphore(task.concurrency)
        async with anthropic.AsyncAnthropic(api_key=API_KEY, base_url=task.base_url, max_retries=0) as client:

            async def send(number: int) -> None:
                async with slots:
                    await client.messages.create(**body(number, task.prompt_bytes), timeout=TIMEOUT_SECONDS)

            await asyncio.gather(*map(send, range(count)))

    return lambda: asyncio.run(gather(1)), lambda: asyncio.run(gather(task.count))


def engine(task: Task) -> tuple[Callable[[], object], Callable[[], object]]:
    """Run the engine alone: targets held, state in memory, everything else as the handler's."""
    held = {}
    for number in range(task.count):
        content = document(number, task.prompt_bytes)
        target = read_target(json.loads(content), Origin(f"{number}.json", "1", len(content), "prompts/"), {}).target
        assert target is not None
        held[target.summary.name] = target
    clients = CredentialClients(
        (StaticApiKeys(API_KEY),),
        of_key=lambda key: anthropic.AsyncAnthropic(api_key=key, base_url=task.base_url, max_retries=0),
    )
    messages, targets, clock = AnthropicMessages(clients), HeldTargets(held), SystemClock()
    warmer = Warmer(
        index=targets,
        bodies=targets,
        caller=Caller(messages=messages, clock=clock, request_timeout_seconds=TIMEOUT_SECONDS),
        store=MemoryState(),
        recorders=Recorders(
            metrics=EmfMetricSink(namespace="bench", stream=sys.stdout),
            log=JsonRunLog(service="bench", level="INFO", stream=sys.stdout),
            detail="auto",
            service="bench",
        ),
        clock=clock,
        policy=Policy(
            limits=RunLimits(
                max_concurrency=task.concurrency, max_inflight_bytes=64 * MIB, request_timeout_seconds=TIMEOUT_SECONDS
            ),
            tick_seconds=_TICK_SECONDS,
        ),
    )
    watched = Watched("bench", "targets/", "prompts/")

    async def run(event: object) -> object:
        async with messages:
            order = Order.from_event(event, watched=watched)
            return (await warmer.run(order, remaining_seconds=lambda: LONG_SECONDS)).as_json()

    return lambda: asyncio.run(run({"targets": [FIRST]})), lambda: asyncio.run(run({}))


def handler(_: Task) -> tuple[Callable[[], object], Callable[[], object]]:
    """Run the handler in the environment of this process, which says where S3, the state and the API are."""

    def invoke(event: object) -> dict[str, Any]:
        report = app.lambda_handler(event, _Context())  # type: ignore[arg-type] # what it reads of Lambda's context
        assert not report["totals"]["entries_failed"], report["entries"][:1]
        return report

    return lambda: invoke({"targets": [FIRST]}), lambda: invoke({})


def idle(_: Task) -> tuple[Callable[[], object], Callable[[], object]]:
    """Run the handler where all that lives for an hour is called in the first run, and later ones find nothing due."""

    def look() -> None:
        report = app.lambda_handler({}, _Context())  # type: ignore[arg-type] # what it reads of Lambda's context
        assert not report["totals"]["entries_due"], report["entries"][:1]

    first, warm_all = handler(_)
    del first
    return warm_all, look


def listing(_: Task) -> tuple[Callable[[], object], Callable[[], object]]:
    """List the bucket with bare boto3."""
    client, bucket = boto3.client("s3"), os.environ["TARGETS_BUCKET"]  # noqa: TID251 - the child's own

    def list_all() -> object:
        pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix="targets/")
        return [found["Key"] for page in pages for found in page.get("Contents", ())]

    return list_all, list_all


def reading(task: Task) -> tuple[Callable[[], object], Callable[[], object]]:
    """List the bucket and read the state of every target with bare boto3."""
    list_all, _ = listing(task)
    client, table = boto3.client("dynamodb"), os.environ["STATE_TABLE"]  # noqa: TID251 - the child's own
    keys = [{"pk": {"S": f"target/{name_of(number)}"}} for number in range(task.count)]
    batches = [keys[start : start + KEYS_PER_READ] for start in range(0, task.count, KEYS_PER_READ)]

    def read_all() -> None:
        list_all()
        for batch in batches:
            found = client.batch_get_item(RequestItems={table: {"Keys": batch, "ConsistentRead": True}})
            assert len(found["Responses"][table]) == len(batch)

    return read_all, read_all


SIDES = {
    "bare": bare,
    "engine": engine,
    "handler": handler,
    "idle": idle,
    "listing": listing,
    "reading": reading,
}


def measured(task: Task) -> Figures:
    """Do what a task asks for."""
    first, run = SIDES[task.side](task)
    first_wall, first_cpu = seconds(first)
    times = [seconds(run) for _ in range(task.runs)]
    # The kernel's own count of this program's peak: what getrusage tells holds the parent's peak too.
    status = Path("/proc/self/status").read_text(encoding="ascii")
    peak_kib = int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM")))
    wall, cpu = (median(time[at] for time in times) for at in (0, 1))
    return Figures(wall, cpu, peak_kib / 1024, first_cpu, first_wall)


def seconds(work: Callable[[], object]) -> tuple[float, float]:
    """Measure a call: its wall time and its CPU."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - wall, time.process_time() - cpu


def main() -> None:
    """Measure and print."""
    with Path(os.devnull).open("w", encoding="utf-8") as nowhere, redirect_stdout(nowhere):
        figures = measured(Task(**json.loads(sys.argv[1])))
    print(json.dumps(asdict(figures)))  # noqa: T201 - for the parent


if __name__ == "__main__":
    main()
