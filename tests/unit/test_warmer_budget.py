"""Runs under caps: nothing is spent past one, whatever fails, whoever runs beside them."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from prompt_cache_warmer.adapters.memory_state import MemoryState
from prompt_cache_warmer.errors import (
    CallTimeoutError,
    NotConnectedError,
    OverloadedError,
    RejectedError,
    SecretUnreadableError,
    UnreachableError,
    WarmCallError,
)
from prompt_cache_warmer.rules.budget import ADDED_TOKENS
from prompt_cache_warmer.rules.entry_result import Outcome
from prompt_cache_warmer.values.caps import Caps
from tests.fakes import EPOCH, FakeMessages, document
from tests.house import House, numbered

if TYPE_CHECKING:
    from prompt_cache_warmer.rules.report import RunReport
    from prompt_cache_warmer.rules.request import WarmCall
    from prompt_cache_warmer.values.money import Amount
    from prompt_cache_warmer.values.snapshot import Lease

PROMPT = "You are support. " * 2000
WRITE_USD = Decimal("3.75") / 1_000_000
HOUR_WRITE_USD = Decimal(6) / 1_000_000


def counted(call: WarmCall) -> int:
    """Bound a call's tokens as the caller does: the fake's count and a tenth, and one."""
    return int(len(repr(call.body)) // 4 * Decimal("1.1")) + 1


async def spent_today(house: House) -> Amount:
    """Return what the store says the stack spent."""
    return (await house.store.load([], day=EPOCH.date())).spent_today


async def spent_by(house: House, target: str) -> Amount:
    """Return what the store says a target spent."""
    keys = [result.entry.key for result in house.log.results if result.entry.target.name == target]
    return (await house.store.load(keys, day=EPOCH.date())).spent_by_target[target]


def codes(report: RunReport) -> list[str | None]:
    """Return the codes of a run's results."""
    return [result.code for result in report.results]


async def test_without_a_cap_nothing_is_counted_and_what_is_spent_is_kept() -> None:
    """The API is not asked to count, and the spending of the day is there when a cap is set later."""
    house = House(numbered(3))
    report = await house.run()
    assert house.messages.counted == []
    assert (await spent_today(house)).usd == report.cost_usd > 0


async def test_a_cap_counts_each_prefix_once_before_its_first_call() -> None:
    """Later calls are reserved by the tokens of the last one's usage."""
    house = House(numbered(3), caps=Caps(usd_per_day=Decimal(10)))
    await house.run()
    house.clock.seconds += 240
    await house.run()
    assert (len(house.messages.calls), len(house.messages.counted)) == (6, 3)


async def test_a_call_is_reserved_at_its_worst_case_and_committed_at_its_cost() -> None:
    """While it is under way the full write is held; afterwards just what it cost."""
    house = House({"targets/support.json": document(max_usd_per_day="1")})
    held: list[Amount] = []

    def look(call: WarmCall) -> None:
        async def ask() -> None:
            held.append(await spent_by(house, "support"))

        # The store's coroutine never waits, so it can be driven to its end from here.
        with pytest.raises(StopIteration):
            ask().send(None)
        worst.append((counted(call) + 1, counted(call) * WRITE_USD + Decimal(15) / 1_000_000))

    worst: list[tuple[int, Decimal]] = []
    first = await house.run()
    house.targets.documents["targets/support.json"] = document(
        max_usd_per_day="1", request={"system": PROMPT + "Changed."}
    )
    house.messages.hook = look
    before = await spent_by(house, "support")
    second = await house.run()
    assert (held[0].tokens - before.tokens, held[0].known_usd - before.known_usd) == worst[0]
    assert (await spent_by(house, "support")).usd == first.cost_usd + second.cost_usd


@pytest.mark.parametrize(
    ("caps", "target_caps", "code"),
    [
        (Caps(usd_per_day=Decimal(0)), {}, "stack-day-cap"),
        (Caps(usd_per_month=Decimal(0)), {}, "stack-month-cap"),
        (Caps(usd_per_call=Decimal(0)), {}, "call-cap"),
        (Caps(tokens_per_day=0), {}, "stack-day-cap"),
        (Caps(tokens_per_month=0), {}, "stack-month-cap"),
        (Caps(tokens_per_call=9), {}, "call-cap"),
        (Caps(usd_per_day=Decimal("0.001")), {}, "stack-day-cap"),
        (Caps(usd_per_month=Decimal("0.001")), {}, "stack-month-cap"),
        (Caps(), {"max_usd_per_day": "0"}, "target-day-cap"),
        (Caps(), {"max_usd_per_day": "0.001"}, "target-day-cap"),
        (Caps(), {"max_usd_per_call": "0.001"}, "call-cap"),
        (Caps(), {"max_tokens_per_day": 100}, "target-day-cap"),
        (Caps(), {"max_tokens_per_call": 100}, "call-cap"),
    ],
)
async def test_a_call_that_would_pass_a_cap_is_not_made(caps: Caps, target_caps: dict[str, Any], code: str) -> None:
    """The entry is skipped with the cap's name, counted, and nothing is spent; 0 allows nothing."""
    house = House({"targets/support.json": document(**target_caps)}, caps=caps)
    report = await house.run()
    assert (codes(report), house.messages.calls) == ([code], [])
    assert house.metrics.value("EntriesCapped") == 1
    assert (await spent_today(house)).usd == 0


async def test_a_stack_cap_lets_through_what_fits_and_no_more() -> None:
    """Of ten cold entries as many are written as the day's cap has room for at the worst case."""
    house = House(numbered(10), caps=Caps(usd_per_day=Decimal("0.2")), max_concurrency=4)
    report = await house.run()
    warmed = report.count(Outcome.WARMED)
    assert 0 < warmed < 10
    assert codes(report).count("stack-day-cap") == 10 - warmed
    assert (await spent_today(house)).usd == report.cost_usd <= Decimal("0.2")
    day = report.as_json()["budget"]["day"]
    assert (Decimal(day["spent_usd"]), day["cap_usd"]) == (report.cost_usd, "0.2")
    assert (day["spent_tokens"], day["cap_tokens"]) == (report.usage.input_tokens, None)
    used = house.metrics.value("DayBudgetUsed")
    assert used == pytest.approx(float(report.cost_usd / Decimal("0.2") * 100))
    assert house.metrics.value("MonthBudgetUsed") is None


async def test_runs_beside_each_other_share_the_cap() -> None:
    """Eight runs of eight deployments' sandboxes over different targets never spend past the day's cap together."""
    cap = Decimal("0.3")
    first = House(numbered(4), caps=Caps(usd_per_day=cap))
    houses = [
        first,
        *(
            House(
                {f"targets/{n}-{i}.json": document(f"t{n}-{i}") for i in range(4)},
                store=first.store,
                caps=Caps(usd_per_day=cap),
            )
            for n in range(7)
        ),
    ]
    reports = await asyncio.gather(*(house.run() for house in houses))
    total = sum((report.cost_usd for report in reports), Decimal(0))
    assert 0 < total <= cap
    assert (await spent_today(first)).usd == total


@pytest.mark.parametrize(
    ("error", "is_spent"),
    [
        (CallTimeoutError("no answer within 60 s"), True),
        (UnreachableError("no usable answer: ReadError"), True),
        (NotConnectedError("no connection: ConnectError"), False),
        (OverloadedError("529", http_status=529, retry_after_seconds=9999), False),
        (RejectedError("400", http_status=400), False),
    ],
)
async def test_only_an_error_status_releases_what_was_reserved(error: WarmCallError, *, is_spent: bool) -> None:
    """A timeout or a dropped connection may be billed, so the worst case is committed, and the report says so."""
    house = House({"targets/support.json": document(max_usd_per_day="1")}, messages=FakeMessages(script=[error] * 2))
    report = await house.run()
    spent = await spent_by(house, "support")
    assert report.results[0].outcome is Outcome.FAILED
    worst = counted(house.messages.calls[0])
    assert spent.tokens == (worst + 1 if is_spent else 0)
    assert spent.usd == (worst * WRITE_USD + Decimal(15) / 1_000_000 if is_spent else 0)
    assert any("may be billed" in notice for notice in report.results[0].notices) is is_spent


async def test_a_lost_connection_is_tried_again_only_where_no_cap_reserved_for_one_call() -> None:
    """Without a cap the retry may cost a second call; the lost one is counted at its worst case."""
    lost = UnreachableError("no usable answer: ReadError")
    capped = House(numbered(1), caps=Caps(usd_per_day=Decimal(1)), messages=FakeMessages(script=[lost]))
    free = House(numbered(1), messages=FakeMessages(script=[lost]))
    assert (await capped.run()).count(Outcome.FAILED) == len(capped.messages.calls) == 1
    report = await free.run()
    assert (report.count(Outcome.WARMED), len(free.messages.calls)) == (1, 2)
    assert (await spent_today(free)).known_usd > report.cost_usd


async def test_where_the_api_does_not_count_the_bytes_are_the_bound() -> None:
    """No token is shorter than a byte, so the body's bytes are reserved, and what the API adds to them."""

    class Uncounted(FakeMessages):
        async def count_tokens(self, call: WarmCall, *, timeout_seconds: float) -> int:
            raise OverloadedError(f"529 for {call.model} within {timeout_seconds} s", http_status=529)

    house = House(
        {"targets/support.json": document(max_usd_per_day="1")}, messages=Uncounted(script=[CallTimeoutError("late")])
    )
    await house.run()
    body = json.dumps(house.messages.calls[0].body, ensure_ascii=False).encode()
    assert (await spent_by(house, "support")).tokens == len(body) + ADDED_TOKENS + 1


async def test_a_stream_is_reserved_with_all_the_output_it_may_generate() -> None:
    """It is closed at its first event, but what was generated until then may be billed."""
    request = {**document()["request"], "thinking": {"type": "enabled", "budget_tokens": 2000}, "max_tokens": 4000}
    refused = House({"targets/support.json": document(request=request, max_tokens_per_call=1)})
    assert codes(await refused.run()) == ["call-cap"]
    exact = counted(refused.messages.counted[0]) + 2001
    short = document(request=request, max_tokens_per_call=exact - 1)
    enough = document(request=request, max_tokens_per_call=exact)
    assert codes(await House({"targets/support.json": short}).run()) == ["call-cap"]
    house = House({"targets/support.json": enough})
    report = await house.run()
    assert codes(report) == [None]
    assert (await spent_by(house, "support")).tokens == report.usage.input_tokens + 2001


async def test_a_model_without_a_price_is_held_to_tokens_or_refused() -> None:
    """Under a cap in USD alone it is refused with the reason; with one in tokens beside it, it is held to that."""
    unknown = document(models=["claude-of-tomorrow"], max_usd_per_day="5")
    held = {**unknown, "max_tokens_per_day": 100_000}
    assert codes(await House({"targets/support.json": unknown}).run()) == ["unpriced"]
    house = House({"targets/support.json": held})
    report = await house.run()
    assert codes(report) == [None]
    spent = await spent_by(house, "support")
    assert spent.tokens == report.usage.input_tokens
    assert spent.usd == 0


async def test_a_twin_whose_target_has_money_left_makes_the_call() -> None:
    """The first target's cap refuses, the second's allows, and the call warms what was allowed."""
    request = document()["request"]
    house = House(
        {
            "targets/a.json": document("a", request=request, max_usd_per_day="0.001"),
            "targets/b.json": document("b", request=request),
        }
    )
    report = await house.run()
    assert {result.entry.target.name: result.code for result in report.results} == {"a": "target-day-cap", "b": None}
    assert len(house.messages.calls) == 1


async def test_a_lower_cap_than_what_is_spent_stops_the_day() -> None:
    """A cap that is set after the fact counts what was spent before it."""
    house = House(numbered(1))
    report = await house.run()
    capped = House(
        house.documents, messages=house.messages, store=house.store, caps=Caps(usd_per_day=report.cost_usd / 2)
    )
    capped.clock.seconds = 240
    assert codes(await capped.run()) == ["stack-day-cap"]


async def test_a_new_day_has_a_new_allowance() -> None:
    """Days are UTC's: what is refused at 23:58 is called at 00:02."""
    house = House({"targets/support.json": document(max_usd_per_day="0.05")})
    house.clock.seconds = (11 * 60 + 50) * 60
    assert codes(await house.run()) == [None]
    house.clock.seconds += 480
    assert codes(await house.run()) == ["target-day-cap"]
    house.clock.seconds += 240
    assert codes(await house.run()) == [None]


async def test_an_hour_is_reserved_at_the_price_of_an_hour() -> None:
    """A write for an hour costs 2 base prices, not 1.25."""
    block = {"type": "text", "text": PROMPT, "cache_control": {"type": "ephemeral", "ttl": "1h"}}
    hourly = document(request={"system": [block]}, max_usd_per_day="1")
    house = House(
        {"targets/support.json": hourly},
        messages=FakeMessages(script=[CallTimeoutError("late")]),
    )
    await house.run()
    spent = await spent_by(house, "support")
    assert spent.usd == counted(house.messages.calls[0]) * HOUR_WRITE_USD + Decimal(15) / 1_000_000


async def test_the_money_of_a_call_nobody_saw_the_end_of_stays_spent() -> None:
    """A run that is cut off while it calls returns what it did not use, and not what it reserved."""
    house = House(numbered(1), caps=Caps(usd_per_day=Decimal(1)))
    run = asyncio.create_task(house.run())

    def cut_off(_: WarmCall) -> None:
        run.cancel()

    house.messages.hook = cut_off
    with pytest.raises(asyncio.CancelledError):
        await run
    spent = await spent_today(house)
    assert spent == replace(spent, tokens=counted(house.messages.calls[0]) + 1)


OUTSIDE = {"type": "document", "source": {"type": "url", "url": "https://example.com/a.pdf"}}


def with_document(**changes: Any) -> dict[str, Any]:
    """Return a target whose prefix refers to a document that is not in it."""
    content = [OUTSIDE, {"type": "text", "text": PROMPT, "cache_control": {"type": "ephemeral"}}]
    return document(request={"messages": [{"role": "user", "content": content}]}, **changes)


async def test_what_lies_outside_the_body_is_refused_under_a_cap_where_nobody_counts_it() -> None:
    """Its bytes say nothing of a document that the API fetches, so nothing bounds the call."""

    class Uncounted(FakeMessages):
        async def count_tokens(self, call: WarmCall, *, timeout_seconds: float) -> int:
            raise RejectedError(f"404 for {call.model} within {timeout_seconds} s", http_status=404)

    house = House({"targets/support.json": with_document(max_usd_per_day="9")}, messages=Uncounted())
    assert codes(await house.run()) == ["unbounded"]
    assert house.messages.calls == []
    free = House({"targets/support.json": with_document()}, messages=Uncounted())
    assert codes(await free.run()) == [None]


async def test_what_lies_outside_the_body_is_counted_before_every_call() -> None:
    """The document may be another one tomorrow, so the last usage bounds nothing."""
    house = House({"targets/support.json": with_document(max_usd_per_day="9")})
    for _ in range(3):
        await house.run()
        house.clock.seconds += 240
    assert (len(house.messages.calls), len(house.messages.counted)) == (3, 3)


async def test_a_runs_own_reservations_starve_no_entry() -> None:
    """A worst case is a write, a refresh a twelfth of it: twenty refreshes fit where two writes would."""
    house = House(numbered(20), caps=Caps(usd_per_day=Decimal(2)))
    first = await house.run()
    left = Decimal("0.075")
    capped = House(
        house.documents,
        messages=house.messages,
        store=house.store,
        caps=Caps(usd_per_day=first.cost_usd + left),
        clock=house.clock,
    )
    house.clock.seconds += 240
    report = await capped.run()
    assert (report.count(Outcome.WARMED), report.skipped) == (20, {})
    assert report.cost_usd <= left


async def test_the_models_of_a_target_wait_for_each_others_reservations() -> None:
    """Its cap has no room for three writes at once, but for one after the other's refresh."""
    models = ["claude-sonnet-4-6", "claude-haiku-4-5", "claude-sonnet-4-5"]
    house = House({"targets/support.json": document(models=models, max_usd_per_day="0.2")})
    first = await house.run()
    house.targets.documents["targets/support.json"] = document(
        models=models, max_usd_per_day=f"{first.cost_usd + Decimal('0.05'):f}"
    )
    house.clock.seconds += 240
    assert codes(await house.run()) == [None, None, None]


async def test_a_run_that_is_killed_takes_no_more_with_it_than_it_had_in_flight() -> None:
    """Of a day's dollar the leases of one call at a time are gone, not all of it."""
    house = House(numbered(50), caps=Caps(usd_per_day=Decimal(1)), max_concurrency=1)
    killed = KilledState(house.store)
    dying = House(numbered(50), caps=Caps(usd_per_day=Decimal(1)), max_concurrency=1, store=killed)
    run = asyncio.create_task(dying.run())

    def kill(_: WarmCall) -> None:
        if len(dying.messages.calls) > 1:
            run.cancel()

    dying.messages.hook = kill
    with pytest.raises(asyncio.CancelledError):
        await run
    assert (await spent_today(house)).known_usd < Decimal("0.15")
    assert (await house.run()).count(Outcome.WARMED) > 20


class _Killed(BaseException):
    """What ends a run wherever it is."""


class KilledState(MemoryState):
    """A store whose run never lives to settle."""

    def __init__(self, store: Any) -> None:
        super().__init__()
        self.__dict__.update(store.__dict__)

    async def settle(self, lease: Lease, *, spent: Amount) -> None:
        """Do nothing: the process is gone."""


async def test_a_run_that_dies_before_its_first_call_takes_nothing_with_it() -> None:
    """One that is killed for its memory while it fetches a body, at each tick, uses up no cap."""
    house = House(numbered(3), caps=Caps(usd_per_day=Decimal(1)))
    dying = House(numbered(3), caps=Caps(usd_per_day=Decimal(1)), store=KilledState(house.store))

    def kill() -> None:
        raise _Killed

    dying.targets.before_fetch = kill
    with pytest.raises(BaseExceptionGroup):
        await dying.run()
    assert (await spent_today(house)).known_usd == 0
    assert (await house.run()).count(Outcome.WARMED) == 3


async def test_a_run_that_cannot_go_on_returns_what_it_reserved() -> None:
    """Nothing is sent where the secret cannot be read, so nothing is spent."""
    house = House(numbered(3), caps=Caps(usd_per_day=Decimal(1)))
    house.messages.script = [SecretUnreadableError("no secret")] * 3
    with pytest.raises(SecretUnreadableError):
        await house.run()
    assert (await spent_today(house)).known_usd == 0


async def test_a_call_that_cannot_end_in_time_is_deferred_also_after_counting() -> None:
    """Counting took the time the call would have needed."""
    house = House(numbered(1), caps=Caps(usd_per_day=Decimal(1)))

    class Slow(FakeMessages):
        async def count_tokens(self, call: WarmCall, *, timeout_seconds: float) -> int:
            house.clock.seconds += 55
            return await super().count_tokens(call, timeout_seconds=timeout_seconds)

    slow = House(
        house.documents, messages=Slow(), store=house.store, caps=Caps(usd_per_day=Decimal(1)), clock=house.clock
    )
    report = await slow.run(seconds=110)
    assert (codes(report), slow.messages.calls) == (["deadline"], [])


async def test_waiting_for_room_ends_with_the_runs_time() -> None:
    """An entry whose turn has not come when no call may start any more is deferred, not capped."""
    left = Decimal("0.04")
    house = House(numbered(3), caps=Caps(usd_per_day=left))

    def slow(_: WarmCall) -> None:
        house.clock.seconds += 60

    house.messages.hook = slow
    report = await house.run(seconds=110)
    assert sorted(str(code) for code in codes(report)) == ["None", "deadline", "deadline"]


async def test_a_broken_call_is_counted_and_opens_the_breaker_at_the_fifth_time() -> None:
    """What nobody expected may be billed, and is not repeated at every tick for ever."""
    house = House({"targets/support.json": document(max_usd_per_day="9")})
    house.messages.script = [KeyError("surprise")] * 9
    for _ in range(6):
        await house.run()
        house.clock.seconds += 240
    assert len(house.messages.calls) == 5
    assert (await spent_by(house, "support")).known_usd > 0
    assert codes(await house.run()) == ["breaker-open"]
