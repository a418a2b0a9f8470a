"""``make agent``: the example agent serves a day of customers beside the warmer, and its counts meet the ledger.

Two thousand requests in a hundred conversations go through one observer, whole and streamed, from a synchronous
and an asynchronous client, while the real handler ticks every four minutes. What the observer published is read
back from CloudWatch and compared, token by token, with what the Messages API itself noted of the same requests;
then ``prompt-cache-warmer report`` says what it all came to. It exits with 0 only if nothing differs.
"""

from __future__ import annotations

import asyncio
import random
import sys
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Self

import anthropic
from botocore.config import Config
from rich.console import Console
from rich.table import Table

from infra.examples.agent import HANDBOOK, MODEL, SupportAgent
from infra.local.cloud import API_KEY, BUCKET, SERVICE, STATE_TABLE, WORKSPACE, LocalCloud
from infra.local.function import InProcessFunction, LocalClock
from infra.local.lambda_emulator import ROOT
from infra.local.messages_api import EmulatorClock, LocalMessagesApi
from prompt_cache_warmer import CacheObserver
from prompt_cache_warmer.adapters.cloudwatch_report import CloudWatchHistory
from prompt_cache_warmer.cli.report import ReportSeams, report
from prompt_cache_warmer.rules.traffic import SLACK_SECONDS
from prompt_cache_warmer.values.body import TTL_SECONDS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from infra.local.messages_api.records import ReceivedRequest

APP_KEY = "sk-ant-local-agent-key"  # of the same workspace as the warmer's, so that they share its caches
TARGET = "support-agent"
CONVERSATIONS = 100
REQUESTS_PER_CONVERSATION = 20
SEED = 20261122  # the same day every time
DAYS_AGO = 2  # it is over, and CloudWatch still takes its metrics
TICK_SECONDS = 240
# Between two questions of a customer, and between two customers.
PAUSE_SECONDS = (2.0, 20.0)
QUIET_SECONDS = (30.0, 1500.0)
WAYS, STREAMED, ASYNCHRONOUS = 3, 1, 2  # every third customer is served the same way
QUESTIONS = ("Where is my tent?", "And the poles?", "Can I have the money back?", "Thank you. How long will it take?")

COMPARED = (
    *("TrafficRequests", "TrafficHits", "TrafficColdStarts", "PrefixDrift", "WarmedHits"),
    *("TrafficReadTokens", "TrafficWrite5mTokens", "TrafficWrite1hTokens", "TrafficUncachedTokens"),
)
# A hit is proven to be the warmer's after a time to live of 5 minutes, and what a request may be told late.
PROVEN_SECONDS = TTL_SECONDS["5m"] + SLACK_SECONDS
MESSAGES = "/v1/messages"
PAGE = ROOT / "build/agent-report.html"
MOTO_SECONDS = 600


class AgentClock(LocalClock):
    """The emulator's clock, with its seconds as the monotonic ones: an observer's 30 seconds are the agent's."""

    def __init__(self, clock: EmulatorClock) -> None:
        super().__init__(clock)
        self._emulator = clock

    def monotonic_seconds(self) -> float:
        """Return the emulator's seconds, which never go back."""
        return self._emulator.now_seconds()


@dataclass(frozen=True, slots=True)
class Row:
    """One figure from two sources.

    Attributes:
        name: the metric's name.
        published: what the observer published, read back from CloudWatch.
        noted: what the Messages API noted of the same requests.
    """

    name: str
    published: int
    noted: int


@dataclass(frozen=True, slots=True)
class Ledger:
    """What the Messages API noted of the agent's own requests, by the names of the metrics that count the same.

    Attributes:
        counts: by the metric's name.
    """

    counts: Mapping[str, int]

    @classmethod
    def of(cls, received: Sequence[ReceivedRequest]) -> Self:
        """Sum up requests by their usage and times alone."""
        counts: Counter[str] = Counter(dict.fromkeys(COMPARED, 0))
        before_seconds: float | None = None
        for request in received:
            assert request.usage is not None  # noqa: S101 - every one was answered
            usage = request.usage.as_json()
            read, written = usage["cache_read_input_tokens"], usage["cache_creation"]
            counts["TrafficRequests"] += 1
            counts["TrafficHits" if read else "TrafficColdStarts"] += 1
            counts["TrafficReadTokens"] += read
            counts["TrafficWrite5mTokens"] += written["ephemeral_5m_input_tokens"]
            counts["TrafficWrite1hTokens"] += written["ephemeral_1h_input_tokens"]
            counts["TrafficUncachedTokens"] += usage["input_tokens"]
            if before_seconds is not None and request.started_at_seconds - before_seconds >= PROVEN_SECONDS:
                counts["WarmedHits"] += read > 0
            before_seconds = request.started_at_seconds
        return cls(counts)


class AgentDay:
    """A day of the example agent on a local cloud.

    Args:
        cloud: where the warmer is deployed; its clock stands still between requests.
        conversations: how many customers come.
    """

    def __init__(self, cloud: LocalCloud, *, conversations: int = CONVERSATIONS) -> None:
        self._cloud = cloud
        self._conversations = conversations
        self._clock = AgentClock(cloud.api.clock)
        self._function = InProcessFunction(cloud.environment(), clock=self._clock)
        self._next_tick_seconds = self._seconds
        self._ticks = 0
        self.reports: list[dict[str, Any]] = []
        self.started_at = self._clock.now()
        self.observer = CacheObserver(
            targets=f"s3://{BUCKET}/targets/",
            state_table=STATE_TABLE,
            metrics="cloudwatch",
            service=SERVICE,
            target=TARGET,
            session=cloud.aws,
            clock=self._clock,
        )

    @property
    def _seconds(self) -> float:
        return self._cloud.api.clock.now_seconds()

    def run(self) -> None:
        """Serve every customer, the warmer ticking beside."""
        chance = random.Random(SEED)  # noqa: S311 - customers, not secrets
        base_url, middleware = self._cloud.api.base_url, [self.observer]
        handbook = HANDBOOK.read_text(encoding="utf-8")
        with (
            anthropic.Anthropic(api_key=APP_KEY, base_url=base_url, middleware=middleware) as client,
            asyncio.Runner() as runner,
        ):
            other = anthropic.AsyncAnthropic(api_key=APP_KEY, base_url=base_url, middleware=middleware)
            for number in range(self._conversations):
                agent = SupportAgent(client, handbook)
                for question in self._questions(chance):
                    if number % WAYS == ASYNCHRONOUS:
                        agent.said(runner.run(_ask(other, agent.request(question))))
                    elif number % WAYS == STREAMED:
                        agent.stream(question)
                    else:
                        agent.answer(question)
                self.observer.flush()
                self._wait(chance.uniform(*QUIET_SECONDS))
            runner.run(other.close())
        self.observer.close()

    def _questions(self, chance: random.Random) -> Iterator[str]:
        for turn in range(REQUESTS_PER_CONVERSATION):
            yield QUESTIONS[turn % len(QUESTIONS)]
            self._wait(chance.uniform(*PAUSE_SECONDS))

    def _wait(self, seconds: float) -> None:
        """Let time pass, with every tick that is due meanwhile."""
        until = self._seconds + seconds
        while self._next_tick_seconds <= until:
            self._cloud.api.clock.advance(max(0.0, self._next_tick_seconds - self._seconds))
            self._ticks += 1
            self.reports.append(self._cloud.tick(self._function, f"agent-{self._ticks}"))
            self._next_tick_seconds += TICK_SECONDS
        self._cloud.api.clock.advance(max(0.0, until - self._seconds))

    def rows(self) -> list[Row]:
        """Compare what the observer published for its target with what the Messages API noted."""
        entry = {"Target": TARGET, "Model": MODEL}
        ledger = Ledger.of(self._own_requests())
        return [
            Row(name, int(self._cloud.metric_sum(name, self.started_at, **entry) or 0), counted)
            for name, counted in ledger.counts.items()
        ]

    def _own_requests(self) -> list[ReceivedRequest]:
        return [
            request
            for request in self._cloud.api.requests
            if request.path == MESSAGES and APP_KEY in request.headers.get("authorization", "")
        ]


async def _ask(client: anthropic.AsyncAnthropic, request: dict[str, Any]) -> str:
    message = await client.messages.create(**request)
    return "".join(block.text for block in message.content if block.type == "text")


def agent_cloud() -> LocalCloud:
    """Return a local cloud for the agent's day: two keys of one workspace, and a clock that stands two days ago."""
    clock = EmulatorClock(frozen=True)
    midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=DAYS_AGO)
    clock.advance(midnight.timestamp() - clock.now_seconds())
    api = LocalMessagesApi(clock=clock, api_keys={API_KEY: WORKSPACE, APP_KEY: WORKSPACE}, event_pause_seconds=0)
    return LocalCloud(api, state=True)


def ledger_table(rows: Sequence[Row]) -> Table:
    """Show the figures side by side."""
    table = Table(title="What the observer published, and what the Messages API noted")
    for heading in ("metric", "published", "noted", ""):
        table.add_column(heading, justify="left" if heading == "metric" else "right")
    for row in rows:
        same = "[green]same[/]" if row.published == row.noted else "[bold red]differs[/]"
        table.add_row(row.name, f"{row.published:,}", f"{row.noted:,}", same)
    return table


def main() -> None:
    """Run the day, compare, and report."""
    console = Console()
    with agent_cloud() as cloud:
        cloud.upload(ROOT / "infra/examples")
        day = AgentDay(cloud)
        console.print(f"{CONVERSATIONS} customers ask {CONVERSATIONS * REQUESTS_PER_CONVERSATION:,} questions ...")
        day.run()
        rows = day.rows()
        console.print(ledger_table(rows))
        PAGE.parent.mkdir(exist_ok=True)
        said = _report(cloud)
    sys.exit(0 if all(row.published == row.noted for row in rows) and said == 0 else 1)


def _report(cloud: LocalCloud) -> int:
    """Say what the day came to, as ``prompt-cache-warmer report`` does, and return its exit code."""

    def history(namespace: str, service: str) -> CloudWatchHistory:
        # moto goes through everything it has for each figure of each hour, which takes it minutes.
        client = cloud.aws.client("cloudwatch", config=Config(read_timeout=MOTO_SECONDS))
        return CloudWatchHistory(client, namespace=namespace, service=service)

    arguments = ["--service", SERVICE, "--since", f"{DAYS_AGO + 1}d", "--html", str(PAGE)]
    code = report.main(arguments, obj=ReportSeams(open_history=history), standalone_mode=False)
    return int(code or 0)


if __name__ == "__main__":
    main()
