"""Forks and exits in interpreters of their own: each process tells its own, and nothing is held up."""

from __future__ import annotations

import json
import socket
import time
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from infra.local.cloud import BUCKET, STATE_TABLE, create_state_table
from prompt_cache_warmer.adapters.dynamodb_state import DynamoDbState
from prompt_cache_warmer.adapters.state_table import StateTable
from tests.fakes import document
from tests.interpreter import printed
from tests.state_cases import known

if TYPE_CHECKING:
    from infra.local.aws import LocalAws

START = """
import gc, os, sys, threading, time
import warnings; warnings.simplefilter("ignore", DeprecationWarning)
from prompt_cache_warmer import CacheObserver
from tests.fakes import document
from tests.observer_cases import REQUEST, Api, client
os.environ |= {environment!r}
api = Api()
def asking(**options):
    observer = CacheObserver(**{{"targets": document(), **options}})
    return observer, client(api, observer)
def in_child(work):
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        work()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)
    _, status = os.waitpid(child, 0)
    print("child", os.waitstatus_to_exitcode(status))
def say(observer):
    counts = observer.counts
    print(counts.requests, counts.hits, counts.lost, dict(counts.failures))
"""


def script(aws: LocalAws | None, body: str) -> str:
    """Run a script that begins with an API in memory and this account."""
    return printed(START.format(environment={} if aws is None else aws.environment()) + body)


async def seen(aws: LocalAws) -> tuple[int, bool]:
    """Return how many hits the table knows of, and whether it knows when the last one was."""
    entry = await known(DynamoDbState(StateTable(aws.dynamodb, STATE_TABLE)))
    return (entry.sightings.hits if entry.sightings else 0), entry.traffic is not None


async def test_a_child_tells_only_its_own(aws: LocalAws) -> None:
    """What its parent had not told yet is its parent's, whether the child asks, flushes or only counts."""
    create_state_table(aws)
    said = script(
        aws,
        f"""
observer, asked = asking(state_table={STATE_TABLE!r})
asked.messages.create(**REQUEST)
print(observer.flush())
for _ in range(3): asked.messages.create(**REQUEST)
def only_counts(): say(observer)
def only_flushes(): print(observer.flush())
def asks():
    for _ in range(5): asked.messages.create(**REQUEST)
    print(observer.close()); say(observer)  # os._exit asks nobody, and a flush keeps to the 30 seconds
for work in (only_counts, only_flushes, asks): in_child(work)
print(observer.flush()); say(observer)
""",
    )
    lines = "True|0 0 0 {}|child 0|True|child 0|True|5 5 0 {}|child 0|True|4 4 0 {}"
    assert said.splitlines() == lines.split("|")
    assert await seen(aws) == (9, True)


def test_a_child_inherits_no_lock_that_somebody_holds() -> None:
    """Threads ask all the time while the process forks, and every child asks and counts for itself."""
    said = script(
        None,
        """
observer, asked = asking(metrics=None)
asked.messages.create(**REQUEST)  # what the SDK imports late is imported: a fork in an import hangs without us, too
is_over = threading.Event()
def work():
    while not is_over.is_set(): asked.messages.create(**REQUEST)
threads = [threading.Thread(target=work) for _ in range(4)]
for thread in threads: thread.start()
def one():
    mine = client(Api(), observer)
    mine.messages.create(**REQUEST); print(observer.counts.requests)
for _ in range(10): in_child(one)
is_over.set()
for thread in threads: thread.join()
counts = observer.counts
print(counts.requests == counts.hits == len(api.requests))
""",
    )
    assert said.splitlines() == ["1", "child 0"] * 10 + ["True"]


async def test_a_normal_exit_sends_what_is_waiting(aws: LocalAws) -> None:
    """Without a flush of its own, also what was dropped and never recorded."""
    create_state_table(aws)
    started = time.monotonic()
    said = script(
        aws,
        f"""
observer, asked = asking(state_table={STATE_TABLE!r}, metrics="cloudwatch")
for _ in range(3): asked.messages.create(**REQUEST)
stream = asked.messages.create(**REQUEST, stream=True)
next(stream); del stream; gc.collect()
""",
    )
    assert said == ""
    assert time.monotonic() - started < 15
    assert await seen(aws) == (4, True)
    metrics = aws.cloudwatch.list_metrics(Namespace="PromptCacheWarmer", MetricName="TrafficHits")["Metrics"]
    assert {len(metric["Dimensions"]) for metric in metrics} == {1, 3}


async def test_a_process_that_ends_before_its_targets_are_read_tells_all_the_same(aws: LocalAws) -> None:
    """A script of one request, with everything in AWS."""
    create_state_table(aws)
    aws.s3.create_bucket(Bucket=BUCKET)
    aws.s3.put_object(Bucket=BUCKET, Key="targets/support.json", Body=json.dumps(document()).encode())
    said = script(
        aws,
        f"""
observer, asked = asking(targets="s3://{BUCKET}/targets/", state_table={STATE_TABLE!r})
asked.messages.create(**REQUEST)
""",
    )
    assert said == ""
    assert await seen(aws) == (1, True)


def test_dropped_streams_are_recorded_at_the_exit_without_any_network() -> None:
    """Their metrics stand on standard output like all others."""
    said = script(
        None,
        """
observer, asked = asking(metrics="emf")
stream = asked.messages.create(**REQUEST, stream=True)
next(stream); del stream; gc.collect()
print("over")
""",
    )
    over, line = said.splitlines()
    assert (over, json.loads(line)["TrafficHits"]) == ("over", [1])


@pytest.mark.parametrize("kind", ["closed", "silent"])
def test_an_exit_with_a_dead_network_takes_a_few_seconds(kind: str) -> None:
    """A port that nobody listens on, and one that takes connections and never answers."""
    with closing(socket.socket()) as listener:
        listener.bind(("127.0.0.1", 0))
        if kind == "silent":
            listener.listen(64)
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        environment = {
            "AWS_ENDPOINT_URL": url,
            "AWS_ACCESS_KEY_ID": "x",
            "AWS_SECRET_ACCESS_KEY": "x",
            "AWS_REGION": "us-east-1",
            "AWS_DEFAULT_REGION": "us-east-1",
        }
        said = printed(
            START.format(environment=environment)
            + """
observer, asked = asking(targets="s3://some-bucket/targets/", state_table="some-table", metrics="cloudwatch")
others = [asking(state_table="some-table") for _ in range(3)]
for _, each in [(observer, asked), *others]: each.messages.create(**REQUEST)
print(time.time(), flush=True)
"""
        )
        took_seconds = time.time() - float(said.splitlines()[0])
    assert took_seconds < 12


def test_interpreter_threads_that_cannot_start_raise_nothing() -> None:
    """An application's own exit handler may still ask, when no thread can be started any more."""
    said = script(
        None,
        """
import atexit
os.environ |= {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x", "AWS_DEFAULT_REGION": "us-east-1"}
observer, asked = asking(metrics="cloudwatch")
def late():
    asked.messages.create(**REQUEST)
    print(observer.flush(timeout_seconds=0.1)); say(observer)
atexit.register(late)
""",
    )
    assert "Traceback" not in said
    assert any(line.startswith("1 1 0 {") for line in said.splitlines())
