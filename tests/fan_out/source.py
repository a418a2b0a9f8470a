"""Lambda's event source mapping, played: it receives, invokes, and takes out what was done.

Some messages are delivered twice, some workers are killed while the API holds an answer back; which, a seed says.
"""

from __future__ import annotations

import asyncio
import json
import re
import threading
import time
from collections import defaultdict
from contextlib import suppress
from datetime import UTC, datetime
from queue import Empty, SimpleQueue
from random import Random
from typing import TYPE_CHECKING, Any

from infra.local.cloud import STATE_TABLE
from prompt_cache_warmer.adapters.dynamodb_state import DynamoDbState
from prompt_cache_warmer.adapters.state_table import StateTable
from prompt_cache_warmer.values.state import EntryKey
from tests.fakes import MODEL
from tests.fan_out.workers import Died

if TYPE_CHECKING:
    from collections.abc import Sequence

    from infra.local.cloud import LocalCloud
    from prompt_cache_warmer.values.snapshot import Snapshot
    from tests.fan_out.workers import Worker

DUPLICATED, KILLED = 0.05, 0.02  # of the messages
HOLD_SECONDS = 3.0  # a killed worker's answer; it is dead within milliseconds
IDLE_SECONDS = 0.4  # to look for messages costs the local cloud more than to wait for them
NAME = re.compile(rb"bot-[0-9]{5}")


class EventSource:
    """Brings the messages of a queue to workers until none is left.

    Args:
        cloud: the local cloud.
        queue_url: the queue.
        messages: how many messages it has.
        seed: says which are delivered twice, and whose worker is killed.

    Attributes:
        duplicated: how many deliveries were duplicates.
        killed: how many workers were killed.
        returned: how many messages went back because an entry of theirs waited.
        reasons: why workers did not call entries, by the target's name.
        leases: when the claims ended that killed workers left behind, by the target's name.
    """

    def __init__(self, cloud: LocalCloud, queue_url: str, *, messages: int, seed: int) -> None:
        self._cloud = cloud
        self._url = queue_url
        self._store = DynamoDbState(StateTable(cloud.aws.dynamodb, STATE_TABLE))
        self._sqs = cloud.aws.client("sqs")
        choice = Random(seed)  # noqa: S311 - no secret: it has to come again
        numbers = range(messages)
        self._twice = set(choice.sample(numbers, max(2, round(messages * DUPLICATED))))
        self._doomed = set(choice.sample(numbers, max(1, round(messages * KILLED))))
        self._again: SimpleQueue[dict[str, Any]] = SimpleQueue()
        self._lock = threading.Lock()
        self._victims: dict[str, Worker] = {}
        self._seen: set[str] = set()
        self._busy = 0
        self.duplicated = self.killed = self.returned = 0
        self.leases: dict[str, list[datetime]] = defaultdict(list)
        self.reasons: dict[str, set[str]] = defaultdict(set)
        cloud.api.holds_seconds = self._arrived

    def run(self, workers: Sequence[Worker]) -> None:
        """Let each worker take messages until none is left anywhere."""
        threads = [threading.Thread(target=self._serve, args=(worker,)) for worker in workers]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def state(self, names: Sequence[str]) -> Snapshot:
        """Read what the table remembers."""
        keys = [EntryKey(name, "default", MODEL) for name in names]
        return asyncio.run(self._store.load(keys, day=datetime.now(UTC).date()))

    def _serve(self, worker: Worker) -> None:
        while True:
            with self._lock:
                message = self._next()
                if message is None and not self._busy and not self._waiting():
                    return
                self._busy += message is not None
            if message is None:
                time.sleep(IDLE_SECONDS)
                continue
            try:
                self._deliver(worker, message)
            finally:
                with self._lock:
                    self._busy -= 1

    def _next(self) -> dict[str, Any] | None:
        with suppress(Empty):
            return self._again.get_nowait()
        (message,) = self._sqs.receive_message(QueueUrl=self._url, MaxNumberOfMessages=1).get("Messages") or [None]
        if message is None:
            return None
        names = [entry["target"] for entry in json.loads(message["Body"])["entries"]]
        first = message["MessageId"] not in self._seen
        self._seen.add(message["MessageId"])
        found: dict[str, Any] = {**message, "names": names, "doomed": None}
        number = int(names[0].removeprefix("bot-")) // 32
        if first and number in self._twice:
            self._again.put({**found})
            self.duplicated += 1
        if first and number in self._doomed:
            found["doomed"] = names[len(names) // 2]  # others are under way with it
        return found

    def _deliver(self, worker: Worker, message: dict[str, Any]) -> None:
        if message["doomed"] is not None:
            self._victims[message["doomed"]] = worker
        record = {"messageId": message["MessageId"], "body": message["Body"], "eventSource": "aws:sqs"}
        try:
            answer = worker.invoke({"Records": [record]})
        except Died:
            claims = {key.target: one.claim for key, one in self.state(message["names"]).entries.items()}
            for name, claim in claims.items():
                if claim is not None:
                    self.leases[name].append(claim.until)
            return
        finally:
            self._victims.pop(message["doomed"] or "", None)
        for entry in answer["entries"]:
            self.reasons[entry["target"]].add(entry.get("code", ""))
        if answer["batchItemFailures"]:
            self.returned += 1
        else:
            self._sqs.delete_message(QueueUrl=self._url, ReceiptHandle=message["ReceiptHandle"])

    def _arrived(self, body: bytes) -> float:
        """Kill the worker whose call this is, if it is to be killed, and hold the answer that it will not get."""
        found = NAME.search(body)
        worker = self._victims.pop("" if found is None else found[0].decode(), None)
        if worker is None:
            return 0.0
        worker.kill()
        self.killed += 1
        return HOLD_SECONDS

    def _waiting(self) -> int:
        names = ("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible")
        found = self._sqs.get_queue_attributes(QueueUrl=self._url, AttributeNames=list(names))["Attributes"]
        return sum(int(found[name]) for name in names)
