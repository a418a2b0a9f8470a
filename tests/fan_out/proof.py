"""The proof: a tick sends, workers call, and what was called is judged by the API's own ledger and the table."""

from __future__ import annotations

import json
import math
from collections import defaultdict
from contextlib import ExitStack
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from infra.local.cloud import API_KEY, WORKSPACE, LocalCloud
from infra.local.function import InProcessFunction
from infra.local.messages_api import LocalMessagesApi
from prompt_cache_warmer.rules.report import CAPPED_CODES
from prompt_cache_warmer.warm.fan_out import ENTRIES_PER_MESSAGE
from tests.deployments import MESSAGES, price
from tests.fakes import document
from tests.fan_out.source import NAME, EventSource
from tests.fan_out.workers import EmulatedWorker, ProcessWorker, Worker

if TYPE_CHECKING:
    from pathlib import Path

WORKERS = 4
# A worker's run, and so the longest lease; a message is hidden for longer, so that whoever plays Lambda has seen the
# end of a run, and noted the claims it left behind, before another run takes them over. A call begins only where its
# timeout and five seconds more are left. Under the emulator a cold start is a part of the run.
RUN_SECONDS, REQUEST_TIMEOUT_SECONDS = 12, 2
EMULATED_RUN_SECONDS, EMULATED_REQUEST_TIMEOUT_SECONDS = 30, 8
TICK_SECONDS = 900.0  # the tick reads every document, one after the other out of moto
HIDDEN_LONGER_SECONDS = 4
MAX_RECEIVES = 50  # a busy machine leaves entries over; here nothing may be given up for that
PREFILL_SECONDS = 0.02


@dataclass(frozen=True, slots=True)
class Proof:
    """What was found.

    Attributes:
        entries: how many entries there were.
        messages: how many messages they were sent in.
        duplicated: how many deliveries were duplicates.
        killed: how many workers were killed.
        interrupted: how many claims they left behind.
        returned: how many messages went back because an entry of theirs waited.
        calls: how many calls the API received.
        repeated: how many entries were called twice.
        uncalled: how many were never called.
        spent_usd: what they cost by the API's answers.
        counted_usd: what the table counts as spent or reserved.
        cap_usd: the cap.
        violations: what does not hold, one sentence each.
    """

    entries: int
    messages: int
    duplicated: int
    killed: int
    interrupted: int
    returned: int
    calls: int
    repeated: int
    uncalled: int
    spent_usd: Decimal
    counted_usd: Decimal
    cap_usd: Decimal
    violations: tuple[str, ...]


def prove(entries: int, *, seed: int, cap_usd: str, artifact: Path | None = None) -> Proof:
    """Fan one tick out over four workers and judge what came of it.

    Args:
        entries: how many.
        seed: says what goes wrong.
        cap_usd: the stack's cap for the day.
        artifact: the built artifact, run by Lambda's runtime emulator; without it the source, by plain Python.
    """
    api = LocalMessagesApi(api_keys={API_KEY: WORKSPACE}, prefill_seconds=PREFILL_SECONDS, keep_requests=3 * entries)
    run_seconds, timeout_seconds = RUN_SECONDS, REQUEST_TIMEOUT_SECONDS
    if artifact is not None:
        run_seconds, timeout_seconds = EMULATED_RUN_SECONDS, EMULATED_REQUEST_TIMEOUT_SECONDS
    with ExitStack() as stack:
        cloud = stack.enter_context(LocalCloud(api, state=True))
        settings = {"MAX_USD_PER_DAY": cap_usd, "REQUEST_TIMEOUT_SECONDS": str(timeout_seconds)}
        worker_environment = cloud.environment(**settings, FAN_OUT_WORKERS=str(WORKERS))
        workers: list[Worker] = []
        for number in range(WORKERS):
            if artifact is None:
                plain = ProcessWorker(worker_environment, timeout_seconds=run_seconds)
                workers.append(stack.enter_context(plain))
            else:
                emulated = EmulatedWorker(artifact, worker_environment, timeout_seconds=run_seconds, number=number)
                workers.append(stack.enter_context(emulated))
        due_url, unwarmed_url = _queues(cloud, hidden_seconds=run_seconds + HIDDEN_LONGER_SECONDS)
        names = [f"bot-{number:05}" for number in range(entries)]
        for name in names:
            system = [{"type": "text", "text": f"{name}. " * 600, "cache_control": {"type": "ephemeral"}}]
            cloud.put(f"targets/{name}.json", document(name, request={"system": system}))
        tick = InProcessFunction(cloud.environment(**settings, DUE_QUEUE_URL=due_url), timeout_seconds=TICK_SECONDS)
        sent = cloud.tick(tick, "tick-1")["totals"]
        messages = math.ceil(entries / ENTRIES_PER_MESSAGE)
        source = EventSource(cloud, due_url, messages=messages, seed=seed)
        source.run(workers)
        given_up = cloud.aws.client("sqs").receive_message(QueueUrl=unwarmed_url).get("Messages", [])
        wrong = [f"{len(given_up)} messages were given up"] if given_up else []
        if (sent["entries_sent"], sent["entries_due"]) != (entries, entries):
            wrong.append(f"the tick sent {sent['entries_sent']} of {entries} entries")
        return _judged(cloud, source, names, messages=messages, cap_usd=Decimal(cap_usd), wrong=wrong)


def _queues(cloud: LocalCloud, *, hidden_seconds: int) -> tuple[str, str]:
    sqs = cloud.aws.client("sqs")
    unwarmed = sqs.create_queue(QueueName="unwarmed")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=unwarmed, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    redrive = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": MAX_RECEIVES})
    attributes = {"VisibilityTimeout": str(hidden_seconds), "RedrivePolicy": redrive}
    return sqs.create_queue(QueueName="due", Attributes=attributes)["QueueUrl"], unwarmed


def _judged(
    cloud: LocalCloud, source: EventSource, names: list[str], *, messages: int, cap_usd: Decimal, wrong: list[str]
) -> Proof:
    calls = defaultdict[str, list[float]](list)
    spent = Decimal(0)
    for received in cloud.api.requests:
        found = NAME.search(received.raw_body)
        if received.path == MESSAGES and found is not None:
            calls[found[0].decode()].append(received.started_at_seconds)
            spent += Decimal(0) if received.usage is None else price(received.usage.as_json())
    snapshot = source.state(names)
    # A call whose answer came too late on a busy machine is remembered as a failure.
    known = {key.target for key, one in snapshot.entries.items() if one.warmth or one.breaker.failed_at}
    for name, times in calls.items():
        again = sorted(times)[1:]
        ends = sorted(until.timestamp() for until in source.leases[name])
        if len(again) > len(ends):
            wrong.append(f"{name} was called {len(times)} times, and {len(ends)} claims on it were left behind")
        elif any(at < end for at, end in zip(again, ends, strict=False)):
            wrong.append(f"{name} was called again before the claim of a dead worker had ended")
        if name not in known and len(times) > len(ends):
            wrong.append(f"{name} was called, and nothing is known of it")
        elif name not in known and not source.reasons[name] & CAPPED_CODES:
            wrong.append(f"{name} was not called again after its worker died, and no cap was the reason")
    counted = snapshot.spent_today.known_usd
    if not spent <= counted <= cap_usd:
        wrong.append(f"{spent} USD were spent, {counted} counted, and the cap is {cap_usd}")
    lost = [name for name in names if name not in calls and not source.reasons[name] & CAPPED_CODES]
    if lost:
        wrong.append(f"{len(lost)} entries were lost: not called, and no cap was the reason")
    return Proof(
        entries=len(names),
        messages=messages,
        duplicated=source.duplicated,
        killed=source.killed,
        interrupted=sum(map(len, source.leases.values())),
        returned=source.returned,
        calls=sum(map(len, calls.values())),
        repeated=sum(len(times) > 1 for times in calls.values()),
        uncalled=len(names) - len(calls),
        spent_usd=spent,
        counted_usd=counted,
        cap_usd=cap_usd,
        violations=tuple(wrong),
    )
