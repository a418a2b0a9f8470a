"""A warmer with everything it touches in memory, for the tests of runs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from prompt_cache_warmer.adapters.memory_state import MemoryState
from prompt_cache_warmer.rules.order import Order
from prompt_cache_warmer.values.caps import NO_CAPS
from prompt_cache_warmer.warm.caller import Caller
from prompt_cache_warmer.warm.claims import RunLimits
from prompt_cache_warmer.warm.warmer import Policy, Recorders, Warmer
from tests.fakes import FakeClock, FakeMessages, MemoryLog, MemoryMetrics, MemoryTargets, document

if TYPE_CHECKING:
    from prompt_cache_warmer.ports import StateStore
    from prompt_cache_warmer.rules.metrics import Detail
    from prompt_cache_warmer.rules.report import RunReport
    from prompt_cache_warmer.values.caps import Caps
    from prompt_cache_warmer.warm.fan_out import DueQueue

TIMEOUT_SECONDS = 60.0
PLENTY_SECONDS = 900.0


@dataclass
class House:
    """A warmer with everything it touches in memory."""

    documents: dict[str, object]
    messages: FakeMessages = field(default_factory=FakeMessages)
    clock: FakeClock = field(default_factory=FakeClock)
    metrics: MemoryMetrics = field(default_factory=MemoryMetrics)
    log: MemoryLog = field(default_factory=MemoryLog)
    store: StateStore = field(default_factory=MemoryState)
    caps: Caps = NO_CAPS
    tick_seconds: float = 240.0
    max_concurrency: int = 32
    max_inflight_bytes: int = 1000
    detail: Detail = "target"
    queue: DueQueue | None = None
    rate_limit_share_percent: int | None = None

    def __post_init__(self) -> None:
        self.targets = MemoryTargets(self.documents)
        self.warmer = Warmer(
            index=self.targets,
            bodies=self.targets,
            caller=Caller(messages=self.messages, clock=self.clock, request_timeout_seconds=TIMEOUT_SECONDS),
            recorders=Recorders(metrics=self.metrics, log=self.log, detail=self.detail, service="svc"),
            store=self.store,
            clock=self.clock,
            policy=Policy(
                limits=RunLimits(
                    max_concurrency=self.max_concurrency,
                    max_inflight_bytes=self.max_inflight_bytes,
                    request_timeout_seconds=TIMEOUT_SECONDS,
                    rate_limit_share_percent=self.rate_limit_share_percent,
                ),
                tick_seconds=self.tick_seconds,
                caps=self.caps,
            ),
            queue=self.queue,
        )

    async def run(self, order: Order | None = None, *, seconds: float = PLENTY_SECONDS) -> RunReport:
        """Carry out one run."""
        until = self.clock.seconds + seconds
        return await self.warmer.run(order or Order(), remaining_seconds=lambda: until - self.clock.seconds)


def numbered(count: int, **changes: Any) -> dict[str, object]:
    """Return that many documents with different prompts."""
    return {f"targets/{n:03}.json": document(f"t{n:03}", **changes) for n in range(count)}
