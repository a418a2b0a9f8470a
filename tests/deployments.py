"""One deployment on the local cloud for the end-to-end tests of decisions: what it called, spent and remembers.

Its sandboxes go by the emulator's clock, so that hours pass at once. What was called and what it cost is
read from what the Messages API received and answered, never from the handler's own report.
"""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import anthropic

from infra.local.cloud import API_KEY, STATE_TABLE, WORKSPACE, schedule_event
from infra.local.emf import publish
from infra.local.function import InProcessFunction, LocalClock, invoke_at_once
from infra.local.messages_api import EmulatorClock, LocalMessagesApi
from prompt_cache_warmer.adapters.dynamodb_state import DynamoDbState
from prompt_cache_warmer.adapters.state_items import PARTITION_KEY
from prompt_cache_warmer.adapters.state_table import StateTable
from prompt_cache_warmer.values.state import EntryKey
from tests.fakes import MODEL

if TYPE_CHECKING:
    from infra.local.cloud import LocalCloud
    from infra.local.messages_api.records import ReceivedRequest
    from prompt_cache_warmer.values.snapshot import Pause

MESSAGES = "/v1/messages"
TICK_MINUTES = 4
MONDAY = datetime(2026, 1, 5, tzinfo=UTC)  # the first one on the clock of the emulator
# USD per million tokens of claude-sonnet-4-6: input, read, write for 5 minutes, write for 1 hour, output.
SONNET_USD = {"input": "3", "read": "0.30", "5m": "3.75", "1h": "6", "output": "15"}


def api() -> LocalMessagesApi:
    """Return a Messages API whose clock stands at a Monday's midnight and that knows the local secret's key."""
    clock = EmulatorClock(frozen=True)
    clock.advance(MONDAY.timestamp() - clock.now_seconds())
    return LocalMessagesApi(clock=clock, api_keys={API_KEY: WORKSPACE})


def prompt(ttl: str = "1h", text: str = "You are a bot. ") -> dict[str, Any]:
    """Return a request of about 4,000 tokens."""
    marker = {"type": "ephemeral", "ttl": ttl}
    return {"system": [{"type": "text", "text": text * (16_000 // len(text)), "cache_control": marker}]}


class Deployment:
    """One deployment, its clock and what it left behind.

    Args:
        cloud: where it is deployed.
        settings: the function's settings beside the usual ones.
    """

    def __init__(self, cloud: LocalCloud, **settings: str) -> None:
        self.cloud = cloud
        self._settings = settings
        self._clock = LocalClock(cloud.api.clock)
        self._ticks = 0
        self.started_at = self.now()
        self.function = self.sandbox()

    def sandbox(self) -> InProcessFunction:
        """Start another sandbox on the same table."""
        return InProcessFunction(self.cloud.environment(**self._settings), clock=self._clock)

    def now(self) -> datetime:
        """Return the deployment's time."""
        return self._clock.now()

    def wait(self, minutes: float) -> None:
        """Let time pass."""
        self.cloud.api.clock.advance(minutes * 60)

    def wait_until(self, at: datetime) -> None:
        """Let time pass up to a moment."""
        self.cloud.api.clock.advance((at - self.now()).total_seconds())

    def tick(self, function: InProcessFunction | None = None) -> dict[str, Any]:
        """Let the schedule invoke a sandbox, the first one unless said, and publish its metrics."""
        self._ticks += 1
        return self.cloud.tick(function or self.function, f"tick-{self._ticks}")

    def ticks(self, count: int, function: InProcessFunction | None = None) -> list[dict[str, Any]]:
        """Tick that often, each time letting the minutes to the next tick pass afterwards."""
        answers = []
        for _ in range(count):
            answers.append(self.tick(function))
            self.wait(TICK_MINUTES)
        return answers

    def tick_at_once(self, functions: list[InProcessFunction]) -> list[dict[str, Any]]:
        """Let the schedule deliver one tick to several sandboxes at the same moment."""
        before = [len(function.output()) for function in functions]
        answers = invoke_at_once(functions, schedule_event("at-once", self.now()))
        for function, start in zip(functions, before, strict=True):
            publish(function.output()[start:], self.cloud.aws.cloudwatch)
        return answers

    @property
    def calls(self) -> list[ReceivedRequest]:
        """The calls the API received, refused ones too."""
        return [received for received in self.cloud.api.requests if received.path == MESSAGES]

    @property
    def minutes(self) -> list[int]:
        """At which minute since the start each of them was made."""
        start = self.started_at.timestamp()
        return [int((received.started_at_seconds - start) // 60) for received in self.calls]

    @property
    def cost_usd(self) -> Decimal:
        """What they cost on claude-sonnet-4-6, by what the API answered."""
        return sum((price(received.usage.as_json()) for received in self.calls if received.usage), Decimal(0))

    def metric(self, name: str, **dimensions: str) -> float | None:
        """Read a metric's sum back from CloudWatch."""
        return self.cloud.metric_sum(name, self.started_at, **dimensions)

    def items(self) -> list[dict[str, Any]]:
        """Read the whole state table."""
        return list(self.cloud.aws.dynamodb.scan(TableName=STATE_TABLE)["Items"])

    def empty_the_table(self) -> None:
        """Lose all state."""
        for item in self.items():
            self.cloud.aws.dynamodb.delete_item(TableName=STATE_TABLE, Key={PARTITION_KEY: item[PARTITION_KEY]})

    def ask(self, target: str, request: dict[str, Any]) -> None:
        """Send a real request of the application, and report it."""
        at, body = self.now(), {"max_tokens": 1, "messages": [{"role": "user", "content": "Hello?"}], **request}
        with anthropic.Anthropic(api_key=API_KEY, base_url=self.cloud.api.base_url, max_retries=0) as client:
            client.post(MESSAGES, body={"model": MODEL, **body}, cast_to=dict[str, Any])
        asyncio.run(self._store.touch(EntryKey(target, "default", MODEL), at=at))

    def pause(self, pause: Pause) -> None:
        """Pause all warming, as the command does."""
        asyncio.run(self._store.pause(pause))

    @property
    def _store(self) -> DynamoDbState:
        return DynamoDbState(StateTable(self.cloud.aws.dynamodb, STATE_TABLE))


def price(usage: dict[str, Any]) -> Decimal:
    """Price an answer's usage on claude-sonnet-4-6 by hand."""
    tokens = {
        "input": usage["input_tokens"],
        "read": usage["cache_read_input_tokens"],
        "5m": usage["cache_creation"]["ephemeral_5m_input_tokens"],
        "1h": usage["cache_creation"]["ephemeral_1h_input_tokens"],
        "output": usage["output_tokens"],
    }
    return sum((count * Decimal(SONNET_USD[kind]) for kind, count in tokens.items()), Decimal(0)) / 1_000_000


def codes(answer: dict[str, Any]) -> list[str]:
    """Return the verdict of each entry of a report, or the code of what kept it from being called."""
    return [entry.get("verdict") or entry["code"] for entry in answer["entries"]]


def days_spending(answer: dict[str, Any]) -> Decimal:
    """Return what a report says the stack spent or reserved on the day."""
    return Decimal(answer["budget"]["day"]["spent_usd"])


def as_text(items: list[dict[str, Any]]) -> str:
    """Write items out, to search them."""
    return json.dumps(items, default=repr, ensure_ascii=False)
