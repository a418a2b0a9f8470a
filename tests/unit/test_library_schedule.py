"""Schedules: when they tick, what stops them, what does not; most of it by a clock that moves when it is told to."""

from __future__ import annotations

import asyncio
import logging
import math
import sys
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from prompt_cache_warmer import (
    AsyncCacheWarmer,
    AsyncWarmSchedule,
    OverBudgetError,
    PrefixWarning,
    Verdict,
    WarmSchedule,
)
from prompt_cache_warmer.errors import RateLimitedError, StateUnavailableError
from prompt_cache_warmer.library.warming.holding import MAX_CONCURRENCY
from prompt_cache_warmer.library.warming.mode import Mode
from prompt_cache_warmer.library.warming.schedule import stop_all
from tests.fakes import EPOCH, MODEL, FakeClock
from tests.interpreter import printed
from tests.library import LONG_SYSTEM_PROMPT, Bench, MemoryTransport, async_warmer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from prompt_cache_warmer import WarmResult

WAIT_SECONDS = 10.0  # for a thread that needs milliseconds, on a machine that may be busy
MARKED_1H = [
    {"type": "text", "text": LONG_SYSTEM_PROMPT, "cache_control": {"type": "ephemeral", "ttl": "1h"}},
]


@dataclass
class Ticks:
    """An asynchronous schedule over a transport in memory, by a clock that jumps from tick to tick.

    Attributes:
        count: how many ticks to wait for; a few more may come before it is stopped.
        system: the system prompt; 5-minute entries unless it is marked.
        start_seconds: when it is started, in seconds since noon.
    """

    count: int
    system: Any = LONG_SYSTEM_PROMPT
    start_seconds: float = 0.0
    clock: FakeClock = field(default_factory=FakeClock)
    transport: MemoryTransport = field(default_factory=MemoryTransport)
    results: list[WarmResult] = field(default_factory=list)
    errors: list[Exception] = field(default_factory=list)
    at: list[float] = field(default_factory=list)
    on_tick: Callable[[], object] = lambda: None

    def __post_init__(self) -> None:
        """Make the warmer."""
        self.clock.seconds = self.start_seconds
        self.transport.now = self.clock.now
        self.transport.hook = lambda _: self.at.append(self.clock.seconds)
        self.warmer = AsyncCacheWarmer(client=self.transport.send, model=MODEL, clock=self.clock)
        self.warmer.add(system_prompt=self.system, name="support")

    async def run(self) -> Ticks:
        """Let the ticks go."""
        enough = asyncio.Event()

        def note(result: WarmResult) -> None:
            self.results.append(result)
            if len(self.results) == self.count:
                enough.set()
            self.on_tick()

        schedule = AsyncWarmSchedule(warmer=self.warmer, on_result=note, on_error=self.errors.append)
        await schedule.start()
        await asyncio.wait_for(enough.wait(), WAIT_SECONDS)
        await schedule.stop()
        return self


# --- when it ticks ----------------------------------------------------------------------------------


async def test_ticks_come_at_once_and_at_multiples_of_the_interval() -> None:
    """So that processes that share a state tick together; noon is a multiple of 240 s.

    The article: "schedule = WarmSchedule(warmer=warmer, interval_seconds=240); schedule.start()"
    """
    ticks = await Ticks(4, start_seconds=100).run()
    assert ticks.at[:4] == [100, 240, 480, 720]


async def test_a_slow_tick_shifts_no_other() -> None:
    """Ticks do not drift: what one took is no part of the wait."""
    ticks = Ticks(3)

    def take(_: Any) -> None:
        ticks.at.append(ticks.clock.seconds)
        ticks.clock.seconds += 37

    ticks.transport.hook = take
    await ticks.run()
    assert ticks.at[:3] == [0, 240, 480]


async def test_a_tick_longer_than_the_interval_skips_what_it_missed() -> None:
    """It never overlaps itself, and does not make up for the past."""
    ticks = Ticks(3)

    def take(_: Any) -> None:
        ticks.at.append(ticks.clock.seconds)
        ticks.clock.seconds += 500 if len(ticks.at) == 1 else 0

    ticks.transport.hook = take
    await ticks.run()
    assert ticks.at[:3] == [0, 720, 960]


async def test_a_start_just_before_a_tick_counts_for_it() -> None:
    """An entry that was written a moment ago may be missed, and would be written again."""
    ticks = await Ticks(3, start_seconds=235).run()
    assert ticks.at[:2] == [235, 480]
    assert ticks.results[1].results[0].code == "called-this-tick"


@pytest.mark.filterwarnings("ignore:interval_seconds")
async def test_entries_are_called_at_every_interval() -> None:
    """Also those that live for an hour: without reported traffic the interval is what was asked for."""
    ticks = await Ticks(4, system=MARKED_1H).run()
    assert ticks.at[:4] == [0, 240, 480, 720]


@pytest.mark.filterwarnings("ignore:interval_seconds")
async def test_reported_traffic_makes_the_services_rule_decide() -> None:
    """An hour's entry that is in use is called just before it would lapse, not at every interval."""
    ticks = Ticks(30, system=MARKED_1H)
    await ticks.warmer.touch(at=EPOCH)
    await ticks.run()
    # 3,600 s less the interval of 240 and 5 s of jitter: the first tick after 3,355 s is the one at 3,360.
    assert ticks.at[:2] == [3_360, 6_720]


@pytest.mark.filterwarnings("ignore:interval_seconds")
async def test_an_entry_that_nobody_uses_any_more_is_let_go() -> None:
    """One request at the start, then nothing: a fifth of break-even's nineteen refreshes, and no more."""
    ticks = Ticks(300, system=MARKED_1H)
    await ticks.warmer.touch(at=EPOCH)
    await ticks.run()
    assert ticks.at == [3_360, 6_720, 10_080]
    assert ticks.results[-1].results[0].code == "left-to-traffic"


# --- what stops it, and what does not ---------------------------------------------------------------


async def test_no_error_ends_a_schedule(caplog: pytest.LogCaptureFixture) -> None:
    """It is told every time, and logged once."""
    ticks = Ticks(4)
    ticks.transport.script = [OSError("no route"), OSError("no route")]
    with caplog.at_level(logging.WARNING, "prompt_cache_warmer"):
        await ticks.run()
    assert [str(error) for error in ticks.errors] == ["no route", "no route"]
    assert [result.verdict for result in ticks.results[:3]] == [Verdict.FAILED, Verdict.FAILED, Verdict.WRITTEN]
    assert [record.getMessage() for record in caplog.records] == [
        f"support on {MODEL} could not be warmed: the transport raised OSError"
    ]


async def test_no_callback_ends_a_schedule(caplog: pytest.LogCaptureFixture) -> None:
    """What it raises is logged once, by its kind only."""
    calls: list[float] = []
    clock = FakeClock()
    enough = asyncio.Event()

    def note(_: WarmResult) -> None:
        calls.append(clock.seconds)
        if len(calls) == 3:
            enough.set()
        raise KeyError("SECRET")

    schedule = AsyncWarmSchedule(warmer=async_warmer(MemoryTransport(now=clock.now), clock=clock), on_result=note)
    with caplog.at_level(logging.WARNING, "prompt_cache_warmer"):
        await schedule.start()
        await asyncio.wait_for(enough.wait(), WAIT_SECONDS)
        await schedule.stop()
    assert calls[:3] == [0, 240, 480]
    assert [record.getMessage() for record in caplog.records] == ["a callback of the schedule raised KeyError"]


async def test_a_shared_state_that_cannot_be_reached_ends_no_schedule() -> None:
    """A whole tick fails, and the next one tries again."""
    ticks = Ticks(2)
    warm, calls = ticks.warmer.holding.warm, []

    async def unreachable(*arguments: Any, **settings: Any) -> WarmResult:
        calls.append(1)
        if len(calls) == 1:
            raise StateUnavailableError("the table is not there")
        return await warm(*arguments, **settings)

    ticks.warmer.holding.warm = unreachable  # type: ignore[method-assign] # the one way to a table that fails once here
    await ticks.run()
    assert [str(error) for error in ticks.errors] == ["the table is not there"]
    assert ticks.at[:2] == [240, 480]


async def test_what_nobody_expected_is_logged_by_its_kind_only(caplog: pytest.LogCaptureFixture) -> None:
    """Its text may quote a prompt; whoever asked for errors gets it whole."""
    ticks = Ticks(1)
    warm, calls = ticks.warmer.holding.warm, []

    async def broken(*arguments: Any, **settings: Any) -> WarmResult:
        calls.append(1)
        if len(calls) == 1:
            raise KeyError("SECRET")
        return await warm(*arguments, **settings)

    ticks.warmer.holding.warm = broken  # type: ignore[method-assign] # a defect, the first time
    with caplog.at_level(logging.WARNING, "prompt_cache_warmer"):
        await ticks.run()
    assert [record.getMessage() for record in caplog.records] == ["a tick failed: KeyError"]
    assert [error.args for error in ticks.errors] == [("SECRET",)]


@pytest.mark.parametrize(
    ("system", "seconds", "message"),
    [
        (LONG_SYSTEM_PROMPT, 300, "finds entries of 300 s lapsed at every tick; each would be written anew"),
        (MARKED_1H, 240, "calls entries of 3600 s 15 times in their life; a longer interval, or traffic reported with"),
    ],
)
def test_an_interval_that_does_not_go_with_the_entries_is_warned_of(system: Any, seconds: float, message: str) -> None:
    """At the line that starts the schedule."""
    bench = Bench()
    warmer = type(bench.warmer)(client=bench.transport, model=MODEL, clock=bench.clock)
    warmer.add(system_prompt=system)
    with pytest.warns(PrefixWarning, match=message) as warned:
        WarmSchedule(warmer=warmer, interval_seconds=seconds).start().stop()
    assert [one.filename for one in warned] == [__file__]


# --- the thread -------------------------------------------------------------------------------------


@pytest.fixture
def held() -> Iterator[threading.Event]:
    """Return an event that calls wait for; it is set at the end, so that no thread stays behind."""
    event = threading.Event()
    yield event
    event.set()


def real(transport: MemoryTransport, **settings: Any) -> WarmSchedule:
    """Return a schedule of real seconds over a transport in memory."""
    bench = Bench({"clock": None}, transport=transport)
    return WarmSchedule(warmer=bench.warmer, **settings)


@pytest.mark.filterwarnings("ignore:interval_seconds")
def test_three_real_seconds_hold_three_ticks_or_four() -> None:
    """One at once, and one at each full second, however the first one falls.

    The article: "background thread; and stop(), and `with`"
    """
    transport = MemoryTransport()
    ticks: list[float] = []
    schedule = real(transport, interval_seconds=1, on_result=lambda _: ticks.append(time.time()))
    with schedule:
        time.sleep(3)
    assert 3 <= len(ticks) <= 5
    assert all(at % 1 < 0.5 for at in ticks[1:])
    assert not schedule.is_running
    count = len(transport.requests)
    time.sleep(1.1)
    assert len(transport.requests) == count


def test_stopping_an_idle_schedule_takes_no_time() -> None:
    """Nobody waits for the rest of the interval."""
    came = threading.Event()
    schedule = real(MemoryTransport(), on_result=lambda _: came.set()).start()
    assert came.wait(WAIT_SECONDS)
    assert schedule.stop(timeout_seconds=WAIT_SECONDS)
    assert schedule.stop()


def test_a_call_under_way_ends_by_itself(held: threading.Event) -> None:
    """Stopping waits as long as it is told to, and nothing follows the call."""
    called = threading.Event()
    results: list[WarmResult] = []

    def wait(_: object) -> None:
        called.set()
        held.wait(WAIT_SECONDS)

    transport = MemoryTransport(hook=wait)
    schedule = real(transport, on_result=results.append).start()
    assert called.wait(WAIT_SECONDS)
    runner = next(thread for thread in threading.enumerate() if thread.name == "prompt-cache-warmer schedule")
    assert not schedule.stop(timeout_seconds=0.01)
    assert not schedule.is_running
    held.set()
    runner.join(WAIT_SECONDS)
    assert [result.verdict for result in results] == [Verdict.WRITTEN]
    assert len(transport.requests) == 1


def test_no_call_begins_after_a_stop(held: threading.Event) -> None:
    """Of forty entries as many are under way as may be at once; the others are left alone."""
    transport = MemoryTransport(hook=lambda _: held.wait(WAIT_SECONDS))
    bench = Bench({"clock": None}, transport=transport)
    for number in range(39):
        bench.warmer.add(system_prompt=f"{number} {LONG_SYSTEM_PROMPT}")
    results: list[WarmResult] = []
    schedule = WarmSchedule(warmer=bench.warmer, on_result=results.append).start()
    while len(transport.requests) < MAX_CONCURRENCY:
        time.sleep(0.01)
    runner = next(thread for thread in threading.enumerate() if thread.name == "prompt-cache-warmer schedule")
    assert not schedule.stop(timeout_seconds=0.01)
    held.set()
    runner.join(WAIT_SECONDS)
    assert len(transport.requests) == MAX_CONCURRENCY
    codes = [entry.code for entry in results[0].results]
    assert codes.count("stopped") == 40 - MAX_CONCURRENCY


async def test_a_callback_that_leaves_ends_no_schedule(caplog: pytest.LogCaptureFixture) -> None:
    """``SystemExit`` would end the thread and nothing else, and nobody would know."""
    ticks = Ticks(3)
    ticks.on_tick = sys.exit
    await ticks.run()
    assert ticks.at[:3] == [0, 240, 480]
    assert [record.getMessage() for record in caplog.records] == ["a callback of the schedule raised SystemExit"]


async def test_no_retry_begins_after_a_stop() -> None:
    """The wait before it is not worth finishing."""
    ticks = Ticks(1)
    is_over = False

    async def sleep(_: float) -> None:
        nonlocal is_over
        is_over = True
        await asyncio.sleep(0)

    ticks.clock.sleep = sleep  # type: ignore[assignment, method-assign] # a clock that notes the wait
    error = RateLimitedError("429", retry_after_seconds=5)
    ticks.transport.script = [error, error]
    mode = Mode(scheduled_at=EPOCH, interval_seconds=240, remaining_seconds=lambda: 0.0 if is_over else math.inf)
    (result,) = (await ticks.warmer.run(mode)).results
    assert (result.code, len(ticks.transport.requests)) == ("rate-limited", 1)


def test_starting_twice_is_starting_once_and_starting_again_starts_again() -> None:
    """One thread per schedule."""
    results: list[WarmResult] = []
    schedule = real(MemoryTransport(), on_result=results.append)
    schedule.start()
    assert schedule.start() is schedule
    assert [thread.name for thread in threading.enumerate()].count("prompt-cache-warmer schedule") == 1
    schedule.stop()
    schedule.start()
    assert schedule.is_running
    schedule.stop()


def test_a_callback_may_stop_the_schedule_that_called_it() -> None:
    """It cannot wait for itself, so it does not."""
    stopped = threading.Event()
    answers: list[bool] = []

    def stop(_: WarmResult) -> None:
        answers.append(schedule.stop())
        stopped.set()

    schedule = real(MemoryTransport(), on_result=stop)
    schedule.start()  # apart from making it: its first tick may end before this returns
    assert stopped.wait(WAIT_SECONDS)
    assert answers == [False]
    assert not schedule.is_running


async def test_a_schedule_without_callbacks_only_logs(caplog: pytest.LogCaptureFixture) -> None:
    """Nobody has to listen."""
    clock = FakeClock()
    transport = MemoryTransport(script=[OSError("no route")], now=clock.now)
    enough = asyncio.Event()
    transport.hook = lambda _: enough.set() if len(transport.requests) == 3 else None
    schedule = await AsyncWarmSchedule(warmer=async_warmer(transport, clock=clock)).start()
    assert await schedule.start() is schedule
    await asyncio.wait_for(enough.wait(), WAIT_SECONDS)
    await schedule.stop()
    await schedule.stop()
    assert [record.levelname for record in caplog.records] == ["WARNING"]


def test_a_schedule_that_is_stopped_as_soon_as_it_is_started_makes_no_call_or_one() -> None:
    """Also before its thread has begun."""
    for _ in range(50):
        transport = MemoryTransport()
        assert real(transport).start().stop(timeout_seconds=WAIT_SECONDS)
        assert len(transport.requests) <= 1


def test_the_end_of_the_interpreter_stops_every_schedule() -> None:
    """Without waiting for what nobody will see."""
    schedule = real(MemoryTransport()).start()
    stop_all()
    assert not schedule.is_running
    stop_all()


async def test_a_callback_may_stop_the_task_that_called_it() -> None:
    """Also where it is a task."""
    stopping: asyncio.Queue[asyncio.Task[None]] = asyncio.Queue()
    schedule = AsyncWarmSchedule(
        warmer=async_warmer(MemoryTransport()),
        on_result=lambda _: stopping.put_nowait(asyncio.ensure_future(schedule.stop())),
    )
    async with schedule:
        await (await stopping.get())
        assert not schedule.is_running


async def test_a_task_gives_up_a_call_that_takes_too_long() -> None:
    """Stopping takes as long as it is told to, and the entry can be warmed again at once."""
    transport = MemoryTransport()
    called, never = asyncio.Event(), asyncio.Event()

    async def send(request: dict[str, Any]) -> object:
        if not called.is_set():
            called.set()
            await never.wait()
        return transport(request)

    warmer = AsyncCacheWarmer(client=send, model=MODEL)
    warmer.add(system_prompt=LONG_SYSTEM_PROMPT)
    schedule = await AsyncWarmSchedule(warmer=warmer).start()
    await called.wait()
    await schedule.stop(timeout_seconds=0.01)
    assert not schedule.is_running
    async with asyncio.timeout(WAIT_SECONDS):  # the call itself would take a minute to give up
        assert (await warmer.warm()).verdict is Verdict.WRITTEN


async def test_a_call_that_is_given_up_counts_as_dear_as_it_can_have_been() -> None:
    """It may be billed: about 0.14 USD at the worst, so that the day's cap has no room for another."""
    called = asyncio.Event()

    async def send(_: dict[str, Any]) -> object:
        called.set()
        await asyncio.Event().wait()
        return None

    warmer = AsyncCacheWarmer(client=send, model=MODEL, max_usd_per_day="0.20")
    warmer.add(system_prompt=LONG_SYSTEM_PROMPT)
    schedule = await AsyncWarmSchedule(warmer=warmer).start()
    await called.wait()
    await schedule.stop(timeout_seconds=0.01)
    with pytest.raises(OverBudgetError):
        await warmer.warm()


async def test_answers_without_usage_keep_no_schedule_back() -> None:
    """They prove nothing, so nothing is known to be pointless either."""
    ticks = Ticks(6)
    ticks.transport.script = [{} for _ in range(6)]
    await ticks.run()
    assert ticks.at[:6] == [0, 240, 480, 720, 960, 1_200]


def test_a_forked_child_has_no_schedule_until_it_starts_one() -> None:
    """The parent's goes on, and nobody waits for a lock that is held elsewhere."""
    script = """
import os, sys, threading, warnings
warnings.simplefilter("ignore")
from tests.library import Bench, MemoryTransport
from prompt_cache_warmer import WarmSchedule
came, release = threading.Event(), threading.Event()
transport = MemoryTransport(hook=lambda _: (came.set(), release.wait(10)))
schedule = WarmSchedule(warmer=Bench({"clock": None}, transport=transport).warmer).start()
came.wait(10)
child = os.fork()
if child == 0:
    release.set()
    transport.hook = None
    assert not schedule.is_running
    again = threading.Event()
    schedule = WarmSchedule(warmer=schedule._warmer, on_result=lambda _: again.set()).start()
    assert again.wait(10)
    assert schedule.stop()
    print("child done", flush=True)
    os._exit(0)
_, status = os.waitpid(child, 0)
assert schedule.is_running
release.set()
print("parent done", status, flush=True)
"""
    assert printed(script) == "child done\nparent done 0\n"


def test_a_schedule_does_not_keep_the_interpreter_alive() -> None:
    """Neither while it is idle nor with a call under way, and it says nothing at the end."""
    script = """
import threading
from tests.library import Bench, MemoryTransport
from prompt_cache_warmer import WarmSchedule
came = threading.Event()
idle = WarmSchedule(warmer=Bench({"clock": None}).warmer).start()
transport = MemoryTransport(hook=lambda _: (came.set(), threading.Event().wait()))
WarmSchedule(warmer=Bench({"clock": None}, transport=transport).warmer).start()
came.wait(10)
print("done", flush=True)
"""
    assert printed(script) == "done\n"
