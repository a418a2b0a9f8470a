"""A workspace that a warmer and an application share, in simulated time: the real engine over the emulator's rules.

The loop's clock jumps to whatever happens next, and the emulator, the engine and the application all go by it, so
that minutes pass in a second. The application is the same list of requests whatever the warmer does: what it uses of
the limits does not depend on the cache. So the requests it is refused can be compared one by one.
"""

from __future__ import annotations

import asyncio
import json
import random
import selectors
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any

from infra.local.messages_api.behaviour import Behaviour
from infra.local.messages_api.clock import FROZEN_START_SECONDS, EmulatorClock
from infra.local.messages_api.emulator import Call, Emulator
from infra.local.messages_api.errors import ApiError
from infra.local.messages_api.limits import RateLimits as ApiLimits
from prompt_cache_warmer.adapters.held_targets import HeldTargets
from prompt_cache_warmer.adapters.memory_state import MemoryState
from prompt_cache_warmer.errors import RateLimitedError
from prompt_cache_warmer.ports import Answer
from prompt_cache_warmer.rules.order import Order
from prompt_cache_warmer.values.rate_limits import RateLimits
from prompt_cache_warmer.values.usage import Usage
from prompt_cache_warmer.warm.caller import Caller
from prompt_cache_warmer.warm.claims import RunLimits
from prompt_cache_warmer.warm.warmer import Policy, Recorders, Warmer
from tests.fakes import MODEL, MemoryLog, MemoryMetrics, target

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence

    from prompt_cache_warmer.rules.entry_result import Outcome
    from prompt_cache_warmer.rules.report import RunReport
    from prompt_cache_warmer.rules.request import WarmCall
    from prompt_cache_warmer.values.targets import Target

WORKSPACE = "wrkspc_shared"
TICK_SECONDS = 240.0
RUN_SECONDS = 230.0  # the longest Timeout of the template
TIMEOUT_SECONDS = 60.0
WARM_LATENCY_SECONDS = 1.5
LEAD_IN_SECONDS = 60.0  # the application is under way when the first tick comes
PREFIX_BYTES = 4_400  # 1,100 tokens: a little above the least that is cached
READ_TOKENS, WRITE_TOKENS = 100, 3_000  # what the application's requests send uncached, and what a cold one writes
COLD_SHARE = 0.1
BURST_EVERY_SECONDS, BURST_SECONDS = 20.0, 0.5


class SimulatedLoop(asyncio.SelectorEventLoop):
    """An event loop whose clock jumps to the next moment at which something is to happen."""

    def __init__(self) -> None:
        self.seconds = 0.0
        super().__init__(_Jumping(self))

    def time(self) -> float:
        """Return the simulated seconds since the loop was made."""
        return self.seconds


class _Jumping(selectors.SelectSelector):
    def __init__(self, loop: SimulatedLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise RuntimeError("nothing will ever happen again: somebody waits in vain")
        self._loop.seconds += max(0.0, timeout)
        return super().select(0)


class LoopClock(EmulatorClock):
    """The loop's time as the emulator's and the engine's clock."""

    def now_seconds(self) -> float:
        """Tell the time, in seconds since the epoch."""
        return FROZEN_START_SECONDS + self.monotonic_seconds()

    def now(self) -> datetime:
        """Return the time."""
        return datetime.fromtimestamp(self.now_seconds(), UTC)

    def monotonic_seconds(self) -> float:
        """Return the loop's seconds."""
        return asyncio.get_running_loop().time()

    async def sleep(self, seconds: float) -> None:
        """Wait in simulated time."""
        await asyncio.sleep(seconds)


@dataclass(frozen=True, slots=True)
class Workspace:
    """The limits of a workspace, per minute."""

    requests: int = 2_000
    input_tokens: int = 600_000

    @property
    def api(self) -> ApiLimits:
        """The limits as the emulator takes them."""
        return ApiLimits(
            requests_per_minute=self.requests, input_tokens_per_minute=self.input_tokens, is_continuous=True
        )


@dataclass(frozen=True, slots=True)
class Arrival:
    """One request of the application: when, and how many input tokens count."""

    at_seconds: float
    input_tokens: int


def application(workspace: Workspace, *, load: float, burst: float, seconds: float, seed: int) -> list[Arrival]:
    """Make an application's requests: Poisson, with bursts, cold writes and reads.

    Args:
        workspace: whose limits it uses.
        load: which part of the limit on input tokens it uses in the mean, bursts included.
        burst: which part of a minute's input tokens comes at once in each burst.
        seconds: for how long.
        seed: the same seed makes the same requests.
    """
    chance = random.Random(seed)  # noqa: S311 - traffic that can be made again, no secret
    mean_tokens = COLD_SHARE * WRITE_TOKENS + READ_TOKENS
    burst_tokens = burst * workspace.input_tokens
    in_bursts = burst_tokens * 60 / BURST_EVERY_SECONDS
    per_second = max(0.0, load * workspace.input_tokens - in_bursts) / mean_tokens / 60
    moments: list[float] = []
    at = 0.0
    while per_second and at < seconds:
        at += chance.expovariate(per_second)
        moments.append(at)
    at = 0.0
    while burst and at < seconds:
        at += chance.expovariate(1 / BURST_EVERY_SECONDS)
        moments += [at + chance.random() * BURST_SECONDS for _ in range(round(burst_tokens / mean_tokens))]
    return [
        Arrival(moment, READ_TOKENS + (WRITE_TOKENS if chance.random() < COLD_SHARE else 0))
        for moment in sorted(moments)
    ]


@dataclass(frozen=True, slots=True)
class Warming:
    """How the warmer runs beside the application.

    Attributes:
        entries: how many are due.
        share_percent: the share of the limits; None does not pace.
        ticks: how many runs there are, one after the other.
        workers: how many warmers run at once, each with a part of the entries.
        max_concurrency: how many calls each has in flight.
    """

    entries: int = 1_000
    share_percent: int | None = 50
    ticks: int = 1
    workers: int = 1
    max_concurrency: int = 32


@dataclass
class Seen:
    """What came of a simulation.

    Attributes:
        refused: which requests of the application were refused, by their number.
        requests: how many it made.
        reports: of every run.
        warm_refusals: how many warm calls were refused.
        least_remaining: the least that was left of the input tokens after any request, as a part of the limit.
        run_seconds: how long each run took.
    """

    requests: int = 0
    refused: set[int] = field(default_factory=set)
    reports: list[RunReport] = field(default_factory=list)
    warm_refusals: int = 0
    least_remaining: float = 1.0
    run_seconds: list[float] = field(default_factory=list)

    def count(self, outcome: Outcome) -> int:
        """Count an outcome over all runs."""
        return sum(report.count(outcome) for report in self.reports)


class EmulatedMessages:
    """A ``MessagesApi`` over the emulator's rules, without HTTP; the headers are those of the moment it was let in."""

    def __init__(self, shared: SharedWorkspace) -> None:
        self._shared = shared

    async def send(self, call: WarmCall, *, timeout_seconds: float) -> Answer:
        """Answer as the emulator does."""
        assert timeout_seconds > 0
        emulator, clock = self._shared.emulator, self._shared.clock
        asked = Call(
            workspace_id=WORKSPACE,
            headers={"anthropic-version": "2023-06-01"},
            raw_body=json.dumps(call.body).encode(),
            model=call.model,
            is_too_large=False,
            started_at_seconds=clock.now_seconds(),
        )
        try:
            emulator.admit(asked)
            answer = emulator.answer(asked)
        except ApiError as error:
            self._shared.seen.warm_refusals += 1
            raise RateLimitedError(
                error.message,
                http_status=error.status,
                retry_after_seconds=float(error.headers["retry-after"]),
                rate_headers=self._shared.headers(),
            ) from None
        headers = self._shared.headers()
        await asyncio.sleep(WARM_LATENCY_SECONDS)
        emulator.begin(answer)
        usage = Usage.from_api(answer.usage.as_json(), unsplit_ttl=call.requested_ttl)
        return Answer(usage, message_id=answer.message["id"], rate_limits=RateLimits.from_headers(headers))

    async def count_tokens(self, call: WarmCall, *, timeout_seconds: float) -> int:
        """Count nothing: nothing is capped here."""
        raise NotImplementedError(call.model, timeout_seconds)


class SharedWorkspace:
    """One workspace with its application and its warmers."""

    def __init__(self, workspace: Workspace) -> None:
        self.clock = LoopClock(frozen=True)
        self.emulator = Emulator(clock=self.clock, behaviour=Behaviour(rate_limits=workspace.api), keep_requests=0)
        self.seen = Seen()
        self._workspace = workspace

    def headers(self) -> dict[str, str]:
        """Return what the API says of the limits now."""
        return self.emulator.limiter.headers(WORKSPACE, self.clock.now_seconds(), model=MODEL)

    async def serve(self, arrivals: Sequence[Arrival]) -> None:
        """Be the application."""
        limiter, beginning = self.emulator.limiter, self.clock.monotonic_seconds()
        for number, arrival in enumerate(arrivals):
            wait = beginning + arrival.at_seconds - self.clock.monotonic_seconds()
            if wait > 0:
                await asyncio.sleep(wait)
            now = self.clock.now_seconds()
            self.seen.requests += 1
            try:
                limiter.count_request(WORKSPACE, now, model=MODEL)
                limiter.count_tokens(WORKSPACE, now, input_tokens=arrival.input_tokens, output_tokens=0, model=MODEL)
            except ApiError:
                self.seen.refused.add(number)
            left = int(self.headers()["anthropic-ratelimit-input-tokens-remaining"]) / self._workspace.input_tokens
            self.seen.least_remaining = min(self.seen.least_remaining, left)

    def _left_until(self, at_seconds: float) -> float:
        return at_seconds - self.clock.monotonic_seconds()

    async def warm(self, targets: Sequence[Target], warming: Warming) -> None:
        """Be one warmer: a run at every tick, after the application has begun."""
        held = HeldTargets({target.summary.name: target for target in targets})
        warmer = Warmer(
            index=held,
            bodies=held,
            caller=Caller(messages=EmulatedMessages(self), clock=self.clock, request_timeout_seconds=TIMEOUT_SECONDS),
            store=MemoryState(),
            recorders=Recorders(metrics=MemoryMetrics(), log=MemoryLog(), detail="run", service="svc"),
            clock=self.clock,
            policy=Policy(
                limits=RunLimits(
                    max_concurrency=warming.max_concurrency,
                    max_inflight_bytes=1_000_000,
                    request_timeout_seconds=TIMEOUT_SECONDS,
                    rate_limit_share_percent=warming.share_percent,
                    workers=warming.workers,
                ),
                tick_seconds=TICK_SECONDS,
            ),
        )
        await asyncio.sleep(LEAD_IN_SECONDS)
        for _ in range(warming.ticks):
            started = self.clock.monotonic_seconds()
            ends_at = started + RUN_SECONDS
            report = await warmer.run(Order(), remaining_seconds=partial(self._left_until, ends_at))
            took = self.clock.monotonic_seconds() - started
            self.seen.reports.append(report)
            self.seen.run_seconds.append(took)
            await asyncio.sleep(TICK_SECONDS - took)


def simulated(work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run in simulated time."""
    with asyncio.Runner(loop_factory=SimulatedLoop) as runner:
        runner.run(work())


def beside(workspace: Workspace, arrivals: Sequence[Arrival], warming: Warming | None = None) -> Seen:
    """Let an application run, with warmers beside it or alone."""
    shared = SharedWorkspace(workspace)

    async def together() -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(shared.serve(arrivals))
            if warming is not None:
                targets = numbered_targets(warming.entries)
                for worker in range(warming.workers):
                    group.create_task(shared.warm(targets[worker :: warming.workers], warming))

    simulated(together)
    return shared.seen


@lru_cache
def numbered_targets(count: int) -> list[Target]:
    """Return targets with a prompt of 1,100 tokens each."""
    return [
        target(
            name=f"t{number}",
            request={
                "system": [
                    {
                        "type": "text",
                        "text": f"You are agent {number}. ".ljust(PREFIX_BYTES, "x"),
                        "cache_control": {"type": "ephemeral"},
                    }
                ]
            },
        )
        for number in range(count)
    ]
