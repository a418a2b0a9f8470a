"""``make bench``: what the service adds to the bare calls it cannot do without.

Two ratios, both sides measured in this one run on this one machine, alternating, best of several:

- a run of N entries against a bare ``asyncio.gather`` over the SDK with the same bodies;
- importing the handler against importing only the third-party modules it needs.

And a table of what importing the library costs (``library_imports``).

The emulators run in a process of their own, so that their work is on neither side's clock.
"""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import platform
import resource
import subprocess
import sys
import time
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anthropic

from infra.local.cloud import API_KEY, BUCKET, LocalCloud
from infra.local.function import InProcessFunction
from infra.local.messages_api import LocalMessagesApi
from tests.bench import library_imports, observer

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.connection import Connection

RESULTS = Path(__file__).with_name("results.md")
ENTRIES = (1, 32, 320)
CONCURRENCY = 32
API_LATENCY_SECONDS = 0.5
PROMPT_BYTES = 16_384
REPEATS = 3
THIRD_PARTY = (
    "import anthropic, pydantic, genai_prices, boto3, yaml\n"
    "from botocore.config import Config\n"
    "from aws_lambda_powertools.logging.formatter import LambdaPowertoolsFormatter\n"
    "from aws_lambda_powertools.metrics.provider.cloudwatch_emf.cloudwatch import AmazonCloudWatchEMFProvider\n"
)


def main() -> None:
    """Measure and write the table."""
    rows = [run_row(count) for count in ENTRIES]
    ours, theirs = imports()
    lines = [
        "# Bench results",
        "",
        f"Python {platform.python_version()}, {platform.machine()}, {multiprocessing.cpu_count()} cores,",
        f"anthropic {metadata.version('anthropic')}, boto3 {metadata.version('boto3')}. Best of {REPEATS}; the figures",
        "are ratios within one run, so that they mean something on another machine.",
        "",
        f"A run of N entries (prompts of {PROMPT_BYTES:,} bytes, {CONCURRENCY} at a time, an API that takes",
        f"{API_LATENCY_SECONDS:g} s), its S3 listing, metrics and logs included, against a bare gather over the SDK",
        "with the same bodies:",
        "",
        "| N | run, s | bare gather, s | ratio |",
        "| ---: | ---: | ---: | ---: |",
        *(f"| {count:,} | {run:.2f} | {bare:.2f} | {run / bare:.2f} |" for count, run, bare in rows),
        "",
        f"Importing the handler: {ours:.2f} s; its third parties alone: {theirs:.2f} s; ratio {ours / theirs:.2f}.",
        "",
        *library_imports.table(),
        "",
        *observer.table(),
        "",
        f"Peak memory of this process: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024} MB.",
        "",
    ]
    RESULTS.write_text("\n".join(lines), encoding="utf-8")
    print("\n".join(lines))  # noqa: T201 - the figures are what this command is for


def run_row(count: int) -> tuple[int, float, float]:
    """Measure a warm run and a bare gather of the same bodies, alternating."""
    parent, child = multiprocessing.Pipe()
    server = multiprocessing.get_context("spawn").Process(target=serve, args=(child, count))
    server.start()
    environment: dict[str, str] = parent.recv()
    function = InProcessFunction(environment, timeout_seconds=600)
    function.invoke({})  # reads the targets once, as a warm sandbox has
    bodies = [json.loads(body) for body in parent.recv()]
    base_url = environment["ANTHROPIC_BASE_URL"]
    run, bare = [], []
    for _ in range(REPEATS):
        run.append(seconds(lambda: function.invoke({})))
        bare.append(seconds(lambda: asyncio.run(gather(bodies, base_url))))
    parent.send("stop")
    server.join()
    return count, min(run), min(bare)


def serve(connection: Connection, count: int) -> None:
    """Run the local cloud in this process until told to stop."""
    with LocalCloud(LocalMessagesApi(prefill_seconds=API_LATENCY_SECONDS)) as cloud:
        for number in range(count):
            cloud.put(f"targets/{number:05}.json", target(number))
        connection.send(cloud.environment(TARGETS_BUCKET=BUCKET, MAX_CONCURRENCY=str(CONCURRENCY)))
        while len(cloud.api.requests) < count:
            time.sleep(0.01)
        connection.send([request.raw_body for request in cloud.api.requests])
        connection.recv()


def target(number: int) -> dict[str, Any]:
    """Return a document with a prompt of its own."""
    text = f"You are agent {number}. ".ljust(PROMPT_BYTES, "x")
    block = {"type": "text", "text": text, "cache_control": {"type": "ephemeral"}}
    return {"name": f"t{number}", "models": ["claude-sonnet-4-6"], "keep": "always", "request": {"system": [block]}}


async def gather(bodies: list[dict[str, Any]], base_url: str) -> None:
    """Send the same bodies with nothing but the SDK and a semaphore."""
    slots = asyncio.Semaphore(CONCURRENCY)
    async with anthropic.AsyncAnthropic(api_key=API_KEY, base_url=base_url, max_retries=0) as client:

        async def send(body: dict[str, Any]) -> None:
            async with slots:
                await client.messages.create(**body, timeout=60)

        await asyncio.gather(*map(send, bodies))


def imports() -> tuple[float, float]:
    """Measure a new interpreter that imports the handler, and one that imports only its third parties."""
    handler = "import sys\nsys.path.insert(0, 'handler')\nimport app\n"
    pairs = [(interpreter(handler), interpreter(THIRD_PARTY)) for _ in range(REPEATS + 1)]
    return min(pair[0] for pair in pairs), min(pair[1] for pair in pairs)


def interpreter(code: str) -> float:
    """Measure a new interpreter."""
    return seconds(lambda: subprocess.run([sys.executable, "-c", code], check=True))  # noqa: S603 - our own command


def seconds(work: Callable[[], object]) -> float:
    """Measure a call."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started
