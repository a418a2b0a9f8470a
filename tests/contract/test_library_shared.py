"""Warmers that share a state table: one call per entry and interval, however many processes there are."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from infra.local.cloud import STATE_TABLE, create_state_table
from infra.local.messages_api import LocalMessagesApi
from prompt_cache_warmer import CacheWarmer, StateUnavailableError, Verdict, WarmSchedule
from prompt_cache_warmer.adapters.dynamodb_state import DynamoDbState
from prompt_cache_warmer.adapters.state_table import StateTable
from prompt_cache_warmer.errors import RejectedError
from prompt_cache_warmer.library.warming.mode import Mode
from prompt_cache_warmer.values.state import EntryKey
from tests.fakes import EPOCH, MODEL, FakeClock
from tests.interpreter import printed
from tests.library import LONG_SYSTEM_PROMPT, MemoryTransport

if TYPE_CHECKING:
    from infra.local.aws import LocalAws

WAIT_SECONDS = 60.0  # for two processes to start, on a machine that may be busy
SCRIPT = """
import sys, warnings
import anthropic
from prompt_cache_warmer import CacheWarmer, WarmSchedule
from tests.interpreter import printed
from tests.library import LONG_SYSTEM_PROMPT
warnings.simplefilter("ignore")
base_url, table, seconds = sys.argv[1], sys.argv[2], float(sys.argv[3])
client = anthropic.Anthropic(api_key="sk-ant-local", base_url=base_url)
warmer = CacheWarmer(client=client, models=["claude-sonnet-4-6", "claude-haiku-4-5"], state_table=table)
warmer.add(system_prompt=LONG_SYSTEM_PROMPT)
calls = []
with WarmSchedule(warmer=warmer, interval_seconds=seconds, on_result=calls.append, on_error=print):
    print("ready", flush=True)
    sys.stdin.readline()
print(sum(one.is_called for result in calls for one in result.results), flush=True)
"""


def warmer_of(aws: LocalAws, transport: MemoryTransport, **settings: Any) -> CacheWarmer:
    """Return a warmer whose state is in the table."""
    warmer = CacheWarmer(
        client=transport, model=MODEL, state_table=STATE_TABLE, dynamodb_client=aws.dynamodb, **settings
    )
    warmer.add(system_prompt=LONG_SYSTEM_PROMPT)
    return warmer


def test_two_processes_make_one_call_per_entry_and_interval(aws: LocalAws) -> None:
    """Two entries, two processes, some intervals: the API sees each entry once in each, and both take part."""
    create_state_table(aws)
    interval_seconds = 2.0
    with LocalMessagesApi() as api:
        command = [sys.executable, "-c", SCRIPT, api.base_url, STATE_TABLE, str(interval_seconds)]
        environment = {**aws.environment(), "PYTHONPATH": ":".join(sys.path)}
        processes = [
            subprocess.Popen(  # noqa: S603 - our own script
                command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
            )
            for _ in range(2)
        ]
        pipes = [(process.stdin, process.stdout) for process in processes]
        assert all(out is not None and out.readline() == "ready\n" for _, out in pipes)
        time.sleep(4 * interval_seconds)
        counted = [int(process.communicate("stop\n", timeout=WAIT_SECONDS)[0].split()[-1]) for process in processes]
        requests = api.requests
    assert sum(counted) == len(requests)
    slots = [(request.body["model"], int(request.started_at_seconds)) for request in requests]
    assert len(set(slots)) == len(slots)
    per_model = [model for model, _ in slots]
    assert 4 <= per_model.count(MODEL) <= 7
    # the stop may fall between the two calls of the last tick
    assert abs(per_model.count(MODEL) - per_model.count("claude-haiku-4-5")) <= 1


def test_many_schedules_of_one_process_make_one_call_per_interval(aws: LocalAws) -> None:
    """Eight threads that tick at the same moment: one claims the entry, the others see that it was called."""
    create_state_table(aws)
    transport = MemoryTransport()
    ticked = threading.Semaphore(0)
    schedules = [WarmSchedule(warmer=warmer_of(aws, transport), on_result=lambda _: ticked.release()) for _ in range(8)]
    for schedule in schedules:
        schedule.start()
    for _ in schedules:
        assert ticked.acquire(timeout=WAIT_SECONDS)
    for schedule in schedules:
        schedule.stop()
    assert len(transport.requests) == 1


def test_a_warmer_knows_what_another_one_did(aws: LocalAws) -> None:
    """Its traffic and its spending, by the name of the prefix that both were given."""
    create_state_table(aws)
    transport, clock = MemoryTransport(), FakeClock()
    settings = {"clock": clock, "max_usd_per_day": "0.20"}
    first, second = (warmer_of(aws, transport, **settings) for _ in range(2))
    assert first.targets == second.targets
    assert first.warm().verdict is Verdict.WRITTEN
    assert first.touch(at=clock.now())
    assert not second.touch(at=clock.now())


def test_a_forked_child_uses_the_table_with_connections_of_its_own(
    aws: LocalAws, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where its parent has used it before, as a preloaded web server has."""
    create_state_table(aws)
    for name, value in aws.environment().items():
        monkeypatch.setenv(name, value)
    script = f"""
import os, warnings
from prompt_cache_warmer import CacheWarmer
from tests.interpreter import printed
from tests.library import LONG_SYSTEM_PROMPT, MemoryTransport
warnings.simplefilter("ignore")
warmer = CacheWarmer(client=MemoryTransport(), model="claude-sonnet-4-6", state_table={STATE_TABLE!r})
warmer.add(system_prompt=LONG_SYSTEM_PROMPT)
print(warmer.warm().verdict, flush=True)
child = os.fork()
if child == 0:
    print(warmer.warm().verdict, warmer.touch(), flush=True)
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
print(warmer.warm().verdict)
"""
    assert printed(script) == "written\nrefreshed True\nrefreshed\n"


def test_a_corrected_request_is_not_kept_waiting(aws: LocalAws) -> None:
    """A refusal keeps an entry back for an hour, or until what was refused is another request."""
    create_state_table(aws)
    mode, tried = Mode(scheduled_at=FakeClock().now(), interval_seconds=240), []

    def refuse(request: dict[str, Any]) -> None:
        tried.append(request["system"][0]["text"][:5])
        raise RejectedError("400", http_status=400)

    for prompt in ("wrong", "wrong", "right"):
        clock = FakeClock()
        clock.seconds = 240 * (1 + len(tried))
        warmer = CacheWarmer(
            client=MemoryTransport(hook=refuse),
            model=MODEL,
            state_table=STATE_TABLE,
            dynamodb_client=aws.dynamodb,
            clock=clock,
        )
        warmer.add(system_prompt=f"{prompt} {LONG_SYSTEM_PROMPT}", name="support")
        warmer.run(replace(mode, scheduled_at=clock.now()))
    assert tried == ["wrong", "right"]


def test_a_touch_is_of_the_prefix_that_was_added(aws: LocalAws) -> None:
    """Traffic of an older prompt says nothing of a newer one with the same name."""
    create_state_table(aws)
    warmer = warmer_of(aws, MemoryTransport())
    assert warmer.touch(at=EPOCH)
    (name,) = warmer.targets
    key = EntryKey(name, "library", MODEL)
    store = DynamoDbState(StateTable(aws.dynamodb, STATE_TABLE))
    traffic = asyncio.run(store.load([key], day=EPOCH.date())).entries[key].traffic
    assert traffic is not None
    assert traffic.last_at == EPOCH
    assert f"prefix-{traffic.fingerprint}".startswith(name)


def test_a_table_that_is_not_there_is_an_error_that_names_it(aws: LocalAws) -> None:
    """Nothing is called that cannot be accounted for."""
    transport = MemoryTransport()
    with pytest.raises(StateUnavailableError, match=STATE_TABLE):
        warmer_of(aws, transport).warm()
    assert transport.requests == []
