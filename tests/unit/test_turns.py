"""Whose turn it is in a run that shares its rate limits: probes, order, waiting, and what is left to the next run."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Any

import pytest

from prompt_cache_warmer.adapters.memory_state import MemoryState
from prompt_cache_warmer.errors import (
    CredentialError,
    OverloadedError,
    RateLimitedError,
    SecretUnreadableError,
    UnreachableError,
)
from prompt_cache_warmer.rules.entry_result import Outcome
from prompt_cache_warmer.rules.order import Order
from prompt_cache_warmer.rules.spread import phase
from prompt_cache_warmer.values.rate_limits import RateLimit, RateLimits
from prompt_cache_warmer.values.state import EntryKey
from tests.fakes import MODEL, FakeClock, FakeMessages, document
from tests.house import House, numbered

if TYPE_CHECKING:
    from prompt_cache_warmer.ports import Answer
    from prompt_cache_warmer.rules.request import WarmCall

# Exactly what a call needs: nothing can be waited for, and nothing is spread.
NO_TIME_SECONDS = 65.0
PLENTY = RateLimits(RateLimit(1_000_000, 1_000_000), RateLimit(1_000_000_000, 1_000_000_000))


def headers(requests: int, limit: int = 600) -> dict[str, str]:
    """Return what a refusal says of requests."""
    beginning = "anthropic-ratelimit-requests"
    return {f"{beginning}-limit": str(limit), f"{beginning}-remaining": str(requests)}


@dataclass
class LimitedMessages(FakeMessages):
    """A Messages API that says what remains.

    Attributes:
        clock: the time of the calls.
        says: what its answers say, by credential; nothing of any other one.
        events: the starts and ends of calls, in order.
        times: what started when.
        is_slow: whether an answer takes long enough for every worker to start meanwhile.
    """

    clock: FakeClock = field(default_factory=FakeClock)
    says: dict[str, RateLimits] = field(default_factory=lambda: {"default": PLENTY})
    events: list[str] = field(default_factory=list)
    times: list[tuple[str, float]] = field(default_factory=list)
    is_slow: bool = True

    async def send(self, call: WarmCall, *, timeout_seconds: float) -> Answer:
        """Answer as a cache would, and say what remains."""
        self.events.append("start")
        self.times.append((name_of(call), self.clock.seconds))
        try:
            answer = await super().send(call, timeout_seconds=timeout_seconds)
        finally:
            if self.is_slow:
                await _a_while()
            self.events.append("end")
        return replace(answer, rate_limits=self.says.get(call.credential, RateLimits()))


class SlowClock(FakeClock):
    """A clock whose waits take longer than calls do: nobody stops waiting for an answer that is on its way."""

    async def sleep(self, seconds: float) -> None:
        """Move on after a while."""
        await _a_while()
        await _a_while()
        await super().sleep(seconds)


async def _a_while() -> None:
    """Let others go on for as long as a call takes."""
    for _ in range(100):
        await asyncio.sleep(0)


def most_at_once(events: list[str]) -> int:
    """Count how many calls were under way at once at most."""
    counts = accumulate(1 if event == "start" else -1 for event in events)
    return max(counts)


def name_of(call: WarmCall) -> str:
    """Return the target's name, which its prompt begins with."""
    text: str = call.body["system"][0]["text"]
    return text.removeprefix("You are ").partition(".")[0]


def house(documents: dict[str, object], *, share_percent: int | None = 50, **parts: Any) -> House:
    """Return a warmer whose calls share limits; its messages go by its clock."""
    clock = parts.pop("clock", None) or SlowClock()
    messages = parts.pop("messages", None) or LimitedMessages(clock=clock)
    return House(
        documents, clock=clock, messages=messages, rate_limit_share_percent=share_percent,
        max_inflight_bytes=1_000_000, **parts,
    )  # fmt: skip


def limited(built: House) -> LimitedMessages:
    """Return its messages as what they are."""
    assert isinstance(built.messages, LimitedMessages)
    return built.messages


async def test_the_first_call_of_a_run_goes_alone() -> None:
    """Nothing is known before its answer; then all others go at once where there is plenty."""
    built = house(numbered(20))
    report = await built.run(seconds=NO_TIME_SECONDS)
    assert limited(built).events[:3] == ["start", "end", "start"]
    assert (report.count(Outcome.WARMED), most_at_once(limited(built).events)) == (20, 19)
    assert built.clock.slept == []


async def test_every_credential_and_model_has_a_probe_of_its_own() -> None:
    """Two credentials on two models: four calls go before the first answer, the others wait."""
    models = ["claude-sonnet-4-6", "claude-opus-4-8"]
    documents: dict[str, object] = {
        f"targets/{name}{number}.json": document(f"{name}{number}", models=models, credential=name)
        for name in ("default", "second")
        for number in range(3)
    }
    messages = LimitedMessages(credentials=frozenset({"default", "second"}), says={"default": PLENTY, "second": PLENTY})
    built = house(documents, messages=messages)
    report = await built.run(seconds=NO_TIME_SECONDS)
    assert messages.events[:5] == ["start"] * 4 + ["end"]
    assert report.count(Outcome.WARMED) == 12


async def test_without_headers_nothing_is_paced() -> None:
    """A gateway that says nothing of limits is called as before."""
    built = house(numbered(20))
    limited(built).says.clear()
    report = await built.run(seconds=NO_TIME_SECONDS)
    assert (report.count(Outcome.WARMED), most_at_once(limited(built).events)) == (20, 19)


async def test_a_probe_that_fails_without_an_answer_ends_the_probing() -> None:
    """The others do not wait for their own timeouts one after the other."""
    built = house(numbered(10))
    built.messages.script = [UnreachableError("no connection")]
    report = await built.run(seconds=NO_TIME_SECONDS)
    assert (report.count(Outcome.FAILED), report.count(Outcome.WARMED), most_at_once(limited(built).events)) == (
        1,
        9,
        9,
    )


async def test_a_probe_that_is_not_sent_leaves_its_place() -> None:
    """Its body changed since the listing; the next one is the probe."""
    built = house(numbered(4))
    first = True

    def vanish() -> None:
        nonlocal first
        if first:
            first = False
            built.targets.documents["targets/000.json"] = {}

    built.targets.before_fetch = vanish
    report = await built.run(seconds=NO_TIME_SECONDS)
    assert (report.count(Outcome.FAILED), report.count(Outcome.WARMED)) == (1, 3)
    assert limited(built).events[:3] == ["start", "end", "start"]


async def test_what_cannot_go_before_the_end_is_left_to_the_next_run_at_once() -> None:
    """300 of 600 are kept and 301 remain: one more goes, no second is slept away, and the reason has the numbers."""
    built = house(numbered(5))
    limited(built).says["default"] = RateLimits(RateLimit(600, 301))
    report = await built.run(seconds=NO_TIME_SECONDS)
    assert (report.count(Outcome.WARMED), report.count(Outcome.DEFERRED), built.clock.slept) == (2, 3, [])
    deferred = [result for result in report.results if result.outcome is Outcome.DEFERRED]
    assert {result.code for result in deferred} == {"rate-limits"}
    assert deferred[0].reason == (
        "left to the next run: about 300 of 600 requests per minute remain; warm calls may use 50 % of the limit "
        "(RATE_LIMIT_SHARE_PERCENT), and this one takes 1 and could start in 3.5 s at the earliest"
    )
    assert deferred[0].advice == (  # of a worker's run too, whose message comes back before the next tick
        "If it lasts, raise the workspace's rate limit or RATE_LIMIT_SHARE_PERCENT; it waits for its next turn."
    )
    assert deferred[0].decision is not None
    assert built.metrics.value("EntriesDeferred") == 3
    assert len([result for result in built.log.results if result.outcome is Outcome.DEFERRED]) == 3


async def test_what_was_left_goes_first_at_the_next_run() -> None:
    """Nobody waits for ever while others are refreshed."""
    built = house(numbered(5))
    limited(built).says["default"] = RateLimits(RateLimit(600, 301))
    report = await built.run(seconds=NO_TIME_SECONDS)
    waiting = {result.entry.target.name for result in report.results if result.outcome is Outcome.DEFERRED}
    limited(built).says["default"] = PLENTY
    limited(built).times.clear()
    built.clock.seconds += 240
    await built.run(seconds=NO_TIME_SECONDS)
    assert {name for name, _ in limited(built).times[:3]} == waiting


async def test_the_next_run_of_a_process_knows_what_the_last_one_was_told() -> None:
    """A worker makes a run of each message; if each began with a probe, hundreds would go past an empty bucket."""
    built = house(numbered(3))
    limited(built).says["default"] = RateLimits(RateLimit(600, 0))
    warmed = []
    for seconds in (0.0, 1.0, 59.0):
        built.clock.seconds += seconds
        report = await built.run(Order(targets=("t000", "t001", "t002")), seconds=NO_TIME_SECONDS)
        warmed.append(report.count(Outcome.WARMED))
    assert warmed == [1, 0, 1]


async def test_the_next_run_probes_where_nothing_was_told() -> None:
    """Without headers, and after a call without an answer."""
    built = house(numbered(3))
    limited(built).says.clear()
    for _ in range(2):
        limited(built).events.clear()
        await built.run(Order(verify=("t000", "t001", "t002")), seconds=NO_TIME_SECONDS)
        assert limited(built).events[:3] == ["start", "end", "start"]


async def test_another_pace_goes_on_while_one_waits() -> None:
    """One workspace is used up, the other is not: all of its entries are warmed."""
    documents: dict[str, object] = {
        f"targets/{name}{number}.json": document(f"{name}{number}", credential=name)
        for name in ("default", "second")
        for number in range(5)
    }
    says = {"default": RateLimits(RateLimit(600, 0)), "second": PLENTY}
    messages = LimitedMessages(credentials=frozenset({"default", "second"}), says=says)
    report = await house(documents, messages=messages).run(seconds=NO_TIME_SECONDS)
    warmed = [result.entry.credential for result in report.results if result.outcome is Outcome.WARMED]
    assert (warmed.count("default"), warmed.count("second")) == (1, 5)


async def test_calls_wait_for_their_credit() -> None:
    """60 a minute, half of them: one every two seconds once the first second's worth is gone, all by sleeping."""
    built = house(numbered(8), max_concurrency=4)
    limited(built).says["default"] = RateLimits(RateLimit(60, 60))
    report = await built.run()
    times = [at for _, at in limited(built).times]
    assert report.count(Outcome.WARMED) == 8
    assert [later - sooner for sooner, later in pairwise(times[2:])] == pytest.approx([2.1] * 5, abs=0.15)
    assert built.clock.seconds == pytest.approx(sum(built.clock.slept))


async def test_an_answer_ends_a_wait() -> None:
    """Whoever waits for credit looks again as soon as an answer says that there is more."""
    built = house(numbered(3), max_concurrency=2, clock=SlowClock())
    limited(built).says["default"] = RateLimits(RateLimit(600, 301))
    built.messages.hook = lambda _: (
        limited(built).says.update(default=PLENTY) if len(built.messages.calls) > 1 else None
    )
    report = await built.run()
    assert report.count(Outcome.WARMED) == 3
    assert built.clock.seconds < 1


async def test_a_429_holds_every_call_of_its_pace() -> None:
    """The second call is refused for 30 s: nothing starts before that, then the refused one and the others go."""
    built = house(numbered(6), max_concurrency=1)
    refusal = RateLimitedError("429", http_status=429, retry_after_seconds=30.0, rate_headers=headers(600))
    built.messages.hook = lambda _: built.messages.script.append(refusal) if len(built.messages.calls) == 2 else None
    report = await built.run()
    times = [at for _, at in limited(built).times]
    assert report.count(Outcome.WARMED) == 6
    assert times[1] < 1
    assert all(at >= 30 for at in times[2:])


async def test_a_refusal_that_outlasts_the_run_defers_the_rest_at_once() -> None:
    """The API asks to wait for an hour: no paid second is slept away."""
    built = house(numbered(4))
    built.messages.script = [RateLimitedError("429", http_status=429, retry_after_seconds=3600.0)]
    report = await built.run()
    assert sorted(str(result.code) for result in report.results) == ["rate-limited", *["rate-limits"] * 3]
    assert "asked to wait; 3" in report.results[-1].reason
    assert built.clock.seconds < 1


async def test_a_stopped_credential_s_calls_do_not_wait_for_a_pace() -> None:
    """They are reported as refused at once, though nothing remains either."""
    built = house(numbered(4))
    built.messages.script = [CredentialError("401", http_status=401, rate_headers=headers(0))]
    report = await built.run()
    assert [result.code for result in report.results] == ["credential"] * 4
    assert (len(built.messages.calls), built.clock.seconds < 1) == (1, True)


async def test_a_run_that_cannot_go_on_ends_though_others_wait_for_the_probe() -> None:
    """No key at all: the workers that wait are let go."""
    built = house(numbered(4))
    built.messages.script = []
    built.messages.hook = _no_secret
    with pytest.raises(SecretUnreadableError):
        await built.run(seconds=NO_TIME_SECONDS)


def _no_secret(_: WarmCall) -> None:
    raise SecretUnreadableError("there is no secret")


async def test_the_calls_of_a_run_are_spread_by_the_phases_of_their_entries() -> None:
    """Fifty-one entries take two seconds, each at its own place, the same at every run; the first goes at once."""
    starts = []
    for _ in range(2):
        built = house(numbered(51))
        limited(built).is_slow = False
        await built.run()
        starts.append(dict(limited(built).times))
    assert starts[0] == starts[1]
    names = [f"t{number:03}" for number in range(51)]
    places = {name: phase(EntryKey(name, "default", MODEL)) * 2 for name in names} | {"t000": 0.0}
    assert starts[0] == pytest.approx(places, abs=0.1)


async def test_a_single_entry_starts_at_once() -> None:
    """Nobody waits for a spread of one."""
    built = house(numbered(1))
    await built.run()
    assert (limited(built).times, built.clock.slept) == ([("t000", 0.0)], [])


async def test_no_entry_is_spread_past_its_lapse() -> None:
    """Three hundred would take twelve seconds; those that lapse in twelve are called in the first two."""
    clock, store = FakeClock(), MemoryState()
    messages = LimitedMessages(clock=clock)
    documents = numbered(300)
    await house(documents, share_percent=None, clock=clock, messages=messages, store=store).run()
    messages.times.clear()
    clock.seconds = 288.0
    report = await house(documents, clock=clock, messages=messages, store=store).run()
    assert report.count(Outcome.WARMED) == 300
    assert max(at for _, at in messages.times) == pytest.approx(290, abs=0.1)


async def test_without_a_share_nothing_waits_and_nothing_is_spread() -> None:
    """No setting, no pacing: all go at once in their order, whatever the API says of its limits."""
    built = house(numbered(40), share_percent=None)
    limited(built).says["default"] = RateLimits(RateLimit(600, 0))
    report = await built.run()
    assert (report.count(Outcome.WARMED), most_at_once(limited(built).events), built.clock.slept) == (40, 32, [])
    assert [name for name, _ in limited(built).times] == [f"t{number:03}" for number in range(40)]


async def test_a_write_that_waits_for_tokens_lets_refreshes_pass() -> None:
    """Two cold entries come first since the last run left them: one is the probe, the other waits for tokens.

    Ten refreshes need none, and do not stand behind it.
    """
    clock, store = SlowClock(), MemoryState()
    messages = LimitedMessages(clock=clock)
    warm = numbered(10)
    await house(warm, share_percent=None, clock=clock, messages=messages, store=store).run()
    clock.seconds = 200.0
    cold = {f"targets/cold{number}.json": document(f"cold{number}") for number in range(2)}
    built = house({**warm, **cold}, clock=clock, messages=messages, store=store)
    messages.says["default"] = RateLimits(None, RateLimit(60_000, 30_000))
    left = await built.run(seconds=NO_TIME_SECONDS)
    assert [result.code for result in left.results if result.code] == ["rate-limits"] * 2
    messages.times.clear()
    clock.seconds = 440.0
    report = await built.run()
    assert report.count(Outcome.WARMED) == 12
    started = dict(messages.times)
    assert all(at < 441 for name, at in started.items() if not name.startswith("cold"))
    first, second = sorted(at for name, at in started.items() if name.startswith("cold"))
    assert (first, second > 446) == (440.0, True)


async def test_a_refresh_that_proves_to_be_a_write_is_paid_back() -> None:
    """Entries thought alive were evicted: the second of them leaves a debt of tokens that holds the others."""
    clock, store = FakeClock(), MemoryState()
    documents = numbered(6)
    await house(documents, share_percent=None, clock=clock, store=store, messages=LimitedMessages(clock=clock)).run()
    clock.seconds = 240.0
    evicted = LimitedMessages(clock=clock)
    evicted.says["default"] = RateLimits(None, RateLimit(60_000, 60_000))
    report = await house(documents, clock=clock, messages=evicted, store=store, max_concurrency=1).run()
    assert report.count(Outcome.WARMED) == 6
    # All are written at 500 tokens a second: 7,000 of each are 14 s, the first one has 600 tokens of slack
    times = [at for _, at in evicted.times]
    waits = [later - sooner for sooner, later in pairwise(times)]
    assert waits[1:] == pytest.approx([report.usage.written_tokens / 6 / 500] * 4, rel=0.15)


async def test_a_write_without_an_answer_keeps_its_debt() -> None:
    """It may have been counted: 7,000 tokens at 500 a second are paid before the third one goes."""
    built = house(numbered(3), max_concurrency=1)
    limited(built).says["default"] = RateLimits(None, RateLimit(60_000, 60_000))
    lost = UnreachableError("the connection broke off")
    built.messages.hook = lambda _: built.messages.script.append(lost) if len(built.messages.calls) in {2, 3} else None
    report = await built.run()
    times = [at for _, at in limited(built).times]
    assert (report.count(Outcome.FAILED), len(times)) == (1, 4)
    assert times[3] - times[2] > 10


async def test_a_call_that_was_sent_twice_took_two_requests() -> None:
    """30 a minute, one every two seconds: after one that was sent again the next waits for both."""
    built = house(numbered(4), max_concurrency=1)
    limited(built).says["default"] = RateLimits(RateLimit(60, 60))
    busy = OverloadedError("529", http_status=529)
    built.messages.hook = lambda _: built.messages.script.append(busy) if len(built.messages.calls) == 3 else None
    report = await built.run()
    times = [at for _, at in limited(built).times]
    assert (report.count(Outcome.WARMED), len(times)) == (4, 5)
    assert times[4] - times[3] > 2.5  # one second of the four had passed when it was sent again
