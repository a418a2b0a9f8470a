"""Runs that remember: just in time, once per tick, whoever runs beside them, and through any failure."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from prompt_cache_warmer.adapters.memory_state import MemoryState
from prompt_cache_warmer.errors import (
    CallTimeoutError,
    CredentialError,
    OverloadedError,
    RejectedError,
    SpendLimitError,
    StateUnavailableError,
)
from prompt_cache_warmer.ports import Answer, ClaimRequest
from prompt_cache_warmer.rules.breaker import CANNOT_BE_HELD, NEVER_CACHED
from prompt_cache_warmer.rules.entry_result import Outcome
from prompt_cache_warmer.rules.order import Order
from prompt_cache_warmer.rules.reasons import Reason
from prompt_cache_warmer.rules.verdict import Verdict
from prompt_cache_warmer.values.caps import NO_CAPS
from prompt_cache_warmer.values.money import NOTHING
from prompt_cache_warmer.values.snapshot import CredentialState, Pause
from prompt_cache_warmer.values.state import EntryKey
from prompt_cache_warmer.values.usage import Usage
from tests.fakes import EPOCH, MODEL, document
from tests.house import House, numbered

if TYPE_CHECKING:
    from prompt_cache_warmer.ports import ClaimAnswer, Commit
    from prompt_cache_warmer.rules.report import RunReport
    from prompt_cache_warmer.values.snapshot import Snapshot

TICK_SECONDS = 240
HOUR = {"type": "ephemeral", "ttl": "1h"}
KEY = EntryKey("support", "default", MODEL)


def hourly(name: str = "support", **changes: Any) -> dict[str, Any]:
    """Return a document whose prefix lives for an hour."""
    block = {"type": "text", "text": f"You are {name}. " * 2000, "cache_control": HOUR}
    return document(name, request={"system": [block]}, **changes)


def one(**changes: Any) -> House:
    """Return a house with one target of an hour."""
    return House({"targets/support.json": hourly(**changes)})


async def ticks(house: House, count: int) -> list[str]:
    """Run that many ticks and say what each did with the one entry there is."""
    seen = []
    for _ in range(count):
        report = await house.run(tick(house))
        seen.append(said(report))
        house.clock.seconds += TICK_SECONDS
    return seen


def tick(house: House) -> Order:
    """Return what the schedule asks for now."""
    return Order(scheduled_time=house.clock.now().isoformat(), execution_id=str(house.clock.seconds))


def said(report: RunReport) -> str:
    """Say what a run did with its one entry: the verdict, or why there was no call."""
    result = report.results[0]
    return result.verdict.value if result.verdict is not None else str(result.code)


async def test_an_hour_is_refreshed_only_when_the_next_tick_would_be_too_late() -> None:
    """Written at minute 0, it outlives 13 ticks and is refreshed at minute 56, with 4 to spare."""
    house = one()
    seen = await ticks(house, 30)
    assert seen[:15] == ["written", *["outlives-tick"] * 13, "refreshed"]
    assert seen[15:] == [*["outlives-tick"] * 13, "refreshed", "outlives-tick"]
    assert len(house.messages.calls) == 3


async def test_five_minutes_are_refreshed_at_every_tick() -> None:
    """Nothing of five minutes outlives a tick of four and a minute of jitter."""
    house = House({"targets/support.json": document()})
    assert await ticks(house, 4) == ["written", "refreshed", "refreshed", "refreshed"]


async def test_a_tick_that_is_delivered_twice_calls_once() -> None:
    """The second delivery has the same due time, so what was called since then is not called again."""
    house = House({"targets/support.json": document()})
    order = tick(house)
    house.clock.seconds += 20
    first, again = await house.run(order), await house.run(order)
    assert (said(first), said(again)) == ("written", "called-this-tick")
    assert len(house.messages.calls) == 1


async def test_a_failed_call_is_not_repeated_by_the_same_tick() -> None:
    """It may be billed, so only the next tick tries again."""
    house = House({"targets/support.json": document()})
    house.messages.script = [CallTimeoutError("no answer within 60 s")]
    order = tick(house)
    house.clock.seconds += 20
    first, again = await house.run(order), await house.run(order)
    assert (said(first), said(again)) == ("failed", "called-this-tick")
    house.clock.seconds = TICK_SECONDS
    assert said(await house.run(tick(house))) == "written"


@pytest.mark.parametrize(("ahead", "lapses_at"), [({"days": 1}, "13:00"), ({"seconds": 270}, "13:04")])
async def test_a_request_dated_in_the_future_keeps_no_entry_alive(ahead: dict[str, int], lapses_at: str) -> None:
    """Half a minute ahead of the run it counts as now, as clocks are; a day ahead it is not believed."""
    house = one()
    await house.run()
    await house.store.touch(KEY, at=house.clock.now() + timedelta(**ahead))
    house.clock.seconds += TICK_SECONDS
    report = await house.run(tick(house))
    assert said(report) == "outlives-tick"
    assert report.results[0].as_json()["lapses_at"] == f"2026-11-22T{lapses_at}:00+00:00"


@pytest.mark.untraced  # long, and all it runs is covered by others: traced, it takes some times as long
async def test_two_runs_at_once_call_each_of_a_thousand_entries_once() -> None:
    """Whoever claims an entry first calls it; the other says that it is claimed or called."""
    documents = numbered(1000)
    house = House(documents)
    other = House(documents, messages=house.messages, clock=house.clock, store=house.store)
    order = tick(house)
    first, second = await asyncio.gather(house.run(order), other.run(order))
    assert len(house.messages.calls) == 1000
    assert first.count(Outcome.WARMED) + second.count(Outcome.WARMED) == 1000
    codes = {str(result.code) for report in (first, second) for result in report.results if result.verdict is None}
    assert codes <= {"claimed", "called-this-tick"}
    assert first.count(Outcome.FAILED) == second.count(Outcome.FAILED) == 0


async def test_two_runs_at_once_call_twins_once_whoever_is_first() -> None:
    """The first one of equal bytes decides: who finds it claimed leaves all of them to the other run."""
    request = hourly()["request"]
    documents: dict[str, object] = {f"targets/{name}.json": document(name, request=request) for name in "abcdefgh"}
    for delays in range(6):
        house = House(documents, store=Hesitant(delays))
        others = [House(documents, messages=house.messages, clock=house.clock, store=house.store) for _ in range(3)]
        order = tick(house)
        await asyncio.gather(*(each.run(order) for each in (house, *others)))
        assert len(house.messages.calls) == 1


async def test_a_run_that_finds_a_later_twin_claimed_gives_back_what_it_claimed() -> None:
    """The other run was refused the first one, by the table or a cap, and makes the call for all of them."""
    request = hourly()["request"]
    capped: dict[str, object] = {
        f"targets/{name}.json": document(name, request=request, max_usd_per_day="9") for name in "abc"
    }
    house = House(capped, store=PassedBy())
    report = await house.run()
    assert house.messages.calls == []
    assert [(result.entry.target.name, result.code) for result in report.results] == [
        (name, "claimed") for name in "abc"
    ]
    keys = [EntryKey(name, "default", MODEL) for name in "abc"]
    snapshot = await house.store.load(keys, day=house.clock.now().date())
    assert [key.target for key in keys if (state := snapshot.entries.get(key)) and state.claim is not None] == ["b"]
    assert snapshot.spent_by_target["a"] == NOTHING


async def test_a_claim_of_a_run_that_died_ends_by_itself() -> None:
    """Until then the entry is left to it; afterwards the next run calls."""
    house = one()
    until = house.clock.now() + timedelta(seconds=TICK_SECONDS)
    await house.store.claim(ClaimRequest(KEY, "a run that died", 0, until, EPOCH.date(), NOTHING, NO_CAPS))
    assert said(await house.run()) == "claimed"
    house.clock.seconds += TICK_SECONDS
    assert said(await house.run()) == "written"


async def test_losing_the_state_costs_one_call_per_entry() -> None:
    """An entry that nothing is known of is called once and then known again."""
    house = one()
    assert await ticks(house, 2) == ["written", "outlives-tick"]
    anew = one()
    anew.messages, anew.clock = house.messages, house.clock
    anew = House(house.documents, messages=house.messages, clock=house.clock)
    assert await ticks(anew, 3) == ["refreshed", "outlives-tick", "outlives-tick"]


async def test_a_changed_prompt_starts_a_new_life() -> None:
    """Another fingerprint is cold, whatever was known of the old one."""
    house = one()
    assert await ticks(house, 2) == ["written", "outlives-tick"]
    changed = {"type": "text", "text": "You are new. " * 2000, "cache_control": HOUR}
    house.targets.documents["targets/support.json"] = document(request={"system": [changed]})
    assert await ticks(house, 2) == ["written", "outlives-tick"]


async def test_traffic_puts_the_next_call_off() -> None:
    """A real request at minute 40 restarts the hour, so nothing is due at minute 56."""
    house = one()
    await ticks(house, 10)
    await house.store.touch(KEY, at=EPOCH + timedelta(minutes=40))
    assert await ticks(house, 14) == ["outlives-tick"] * 14
    assert await ticks(house, 1) == ["refreshed"]


async def test_while_used_waits_for_traffic_and_lets_a_newcomer_go_after_three_refreshes() -> None:
    """No call before any traffic; after one request a fifth of break-even's 19 refreshes, and none after them."""
    house = one(keep="while-used")
    assert await ticks(house, 2) == ["no-traffic", "no-traffic"]
    await house.store.touch(KEY, at=house.clock.now())
    seen = await ticks(house, 5 * 15)
    assert len(house.messages.calls) == 3
    assert seen[-1] == "left-to-traffic"
    assert "break-even" in seen


async def test_while_used_keeps_what_was_in_use_for_long_until_break_even() -> None:
    """After a day of requests every half hour it is held over 19 idle refreshes: 1.9 prefix prices at 0.1 each."""
    house = one(keep="while-used")
    for _ in range(48):
        await house.store.touch(KEY, at=house.clock.now())
        await ticks(house, 7)
    assert house.messages.calls == []
    seen = await ticks(house, 20 * 15)
    assert len(house.messages.calls) == 19
    assert seen[-1] == "left-to-traffic"


async def test_once_is_called_once() -> None:
    """keep: once warms a new prefix, and again only when it is asked for by name."""
    house = one(keep="once")
    assert await ticks(house, 20) == ["written", *["outlives-tick"] * 13, *["kept-once"] * 6]
    assert said(await house.run(Order(targets=("support",)))) == "refreshed"


async def test_nothing_is_called_while_paused() -> None:
    """The pause holds until its end, the report and the metric say so, and then warming goes on."""
    house = one()
    now = house.clock.now()
    await house.store.pause(Pause("incident 7", since=now, until=now + timedelta(seconds=TICK_SECONDS)))
    report = await house.run()
    assert said(report) == "paused"
    assert report.results[0].reason == "all warming is paused: incident 7, until 2026-11-22T12:04:00Z"
    assert report.as_json()["pause"]["reason"] == "incident 7"
    assert house.metrics.value("Paused") == 1
    house.clock.seconds += TICK_SECONDS
    after = await house.run()
    assert (said(after), after.as_json()["pause"]) == ("written", None)


async def test_what_lapses_next_goes_first_and_what_is_cold_last() -> None:
    """A cold entry loses nothing by waiting, one that is about to lapse loses its write."""
    house = House({"targets/b.json": hourly("b")}, max_concurrency=1)
    await house.run()
    house.clock.seconds += 60
    house.targets.documents["targets/a.json"] = hourly("a")
    await house.run()
    house.targets.documents["targets/0.json"] = hourly("cold")
    house.clock.seconds += 3400
    house.messages.calls.clear()
    await house.run()
    assert [call.body["system"][0]["text"][:14] for call in house.messages.calls] == [
        "You are b. You",
        "You are a. You",
        "You are cold. ",
    ]


async def test_three_writes_where_a_refresh_was_due_open_the_breaker() -> None:
    """The entry is left alone for an hour, then tried once, and left alone again."""
    house = House({"targets/support.json": document()})
    written = Answer(Usage(write_5m_tokens=9000))
    house.messages.script = [written] * 9
    assert await ticks(house, 6) == ["written"] * 4 + ["breaker-open"] * 2
    report = await house.run()
    assert report.results[0].reason.endswith("cannot-be-held, until 2026-11-22T13:12:00Z")
    assert house.metrics.value("BreakersOpen") == 3
    house.clock.seconds = 73 * 60
    assert await ticks(house, 3) == ["written", "written", "breaker-open"]
    assert CANNOT_BE_HELD in report.results[0].reason


async def test_what_is_never_cached_opens_the_breaker_too() -> None:
    """Three calls that leave nothing cached are enough."""
    house = House({"targets/support.json": document()})
    house.messages.script = [Answer(Usage(uncached_tokens=40))] * 5
    assert await ticks(house, 4) == ["uncached"] * 3 + ["breaker-open"]
    state = await house.store.load([KEY], day=EPOCH.date())
    assert state.entries[KEY].breaker.reason == NEVER_CACHED


async def test_a_refusal_opens_the_breaker_until_the_document_changes() -> None:
    """The API will refuse the same request again, so it is asked again in an hour, or for another document."""
    house = one()
    house.messages.script = [RejectedError("400 no such tool", http_status=400)]
    assert await ticks(house, 3) == ["failed", "breaker-open", "breaker-open"]
    report = await house.run()
    assert report.results[0].reason.endswith("rejected, until 2026-11-22T13:00:00Z")
    house.clock.seconds = 3600
    assert said(await house.run()) == "written"


async def test_five_failures_in_a_row_open_the_breaker_for_ten_minutes() -> None:
    """What may pass by itself is tried at five ticks before it is left alone."""
    house = one()
    house.messages.script = [OverloadedError("529", http_status=529, retry_after_seconds=9999)] * 6
    assert await ticks(house, 7) == ["failed"] * 5 + ["breaker-open"] * 2
    assert await ticks(house, 1) == ["failed"]


@pytest.mark.parametrize(
    "error", [SpendLimitError("429 cap", http_status=429), CredentialError("401 no", http_status=401)]
)
async def test_a_refused_credential_is_left_alone_for_an_hour_and_then_tried_once(error: Exception) -> None:
    """Its entries wait in the next runs too; after an hour one of them tries it for all."""
    house = House(numbered(3), max_concurrency=1)
    house.messages.script = [error]
    first = await house.run()
    assert (len(house.messages.calls), first.count(Outcome.FAILED)) == (1, 3)
    house.clock.seconds = TICK_SECONDS
    second = await house.run()
    assert [result.code for result in second.results] == ["credential-stopped"] * 3
    assert second.as_json()["stopped_credentials"] == ["default"]
    assert house.metrics.value("BreakersOpen") == 1
    house.clock.seconds = 3601
    third = await house.run()
    assert sorted(str(result.code) for result in third.results) == [
        "None",
        "credential-on-trial",
        "credential-on-trial",
    ]
    assert (await house.run()).count(Outcome.WARMED) == 2 + 1  # the two that waited, and the 5-minute one again


async def test_a_run_that_stops_a_credential_leaves_when_it_was_let_go() -> None:
    """Else what was refused before then would be kept back once more."""
    house = House(numbered(1))
    assert await house.store.save_credential("default", CredentialState(1, resumed_at=EPOCH))
    house.messages.script = [CredentialError("401 no", http_status=401)]
    await house.run()
    found = (await house.store.load([KEY], day=EPOCH.date())).credentials["default"]
    assert (found.sequence, found.breaker.reason, found.resumed_at) == (2, "credential", EPOCH)


async def test_twins_are_all_remembered_as_warm() -> None:
    """One call warms both targets, so neither is called at the next tick."""
    request = hourly()["request"]
    house = House({f"targets/{name}.json": document(name, request=request) for name in ("a", "b")})
    await house.run()
    house.clock.seconds += TICK_SECONDS
    assert [result.code for result in (await house.run()).results] == ["outlives-tick"] * 2
    assert len(house.messages.calls) == 1


async def test_a_late_tick_is_counted_and_explained() -> None:
    """A 5-minute entry whose next tick came after 6 minutes is a lapse, and the report says what to do."""
    house = House({"targets/support.json": document()})
    await house.run()
    house.clock.seconds += 360
    report = await house.run()
    assert report.totals()["entries_lapsed"] == 1
    assert house.metrics.value("EntriesLapsed") == 1
    assert house.metrics.value("EntriesLapsed", Target="support") == 1
    assert any("use 1-hour markers or a shorter tick" in notice for notice in report.notices)
    assert report.results[0].as_json()["decision"] == "lapsed"


async def test_only_a_changed_reason_is_logged() -> None:
    """Skips are counted, not listed; an entry whose reason changes is one line."""
    house = one(keep="while-used")
    await ticks(house, 3)
    assert house.log.results == []
    await house.store.pause(Pause("x", since=EPOCH, until=EPOCH + timedelta(days=1)))
    await ticks(house, 3)
    assert [result.code for result in house.log.results] == ["paused"]


class Hesitant(MemoryState):
    """A memory store whose claims take turns that differ from run to run."""

    def __init__(self, turns: int) -> None:
        super().__init__()
        self.turns = turns
        self.count = 0

    async def claim(self, request: ClaimRequest) -> ClaimAnswer:
        """Let others go first, a number of times that changes with every claim."""
        self.count += 1
        for _ in range((self.count * 7 + self.turns) % 5):
            await asyncio.sleep(0)
        return await super().claim(request)


class PassedBy(MemoryState):
    """A memory store in which another run passed a first twin by and claims the second one."""

    async def claim(self, request: ClaimRequest) -> ClaimAnswer:
        """Let the other run go before the second twin is asked for."""
        if request.key.target == "b":
            await super().claim(replace(request, owner="a run that passed the first one by"))
        return await super().claim(request)


class BrokenState(MemoryState):
    """A memory store one of whose operations fails."""

    def __init__(self, broken: str) -> None:
        super().__init__()
        self.broken = broken

    async def load(self, *args: Any, **kwargs: Any) -> Snapshot:
        """Fail if told to."""
        self._fail("load")
        return await super().load(*args, **kwargs)

    async def claim(self, request: ClaimRequest) -> ClaimAnswer:
        """Fail if told to."""
        self._fail("claim")
        return await super().claim(request)

    async def commit(self, commit: Commit) -> bool:
        """Fail if told to."""
        self._fail("commit")
        return await super().commit(commit)

    async def settle(self, *args: Any, **kwargs: Any) -> None:
        """Fail if told to."""
        self._fail("settle")
        await super().settle(*args, **kwargs)

    async def save_credential(self, *args: Any, **kwargs: Any) -> bool:
        """Fail if told to."""
        self._fail("save_credential")
        return await super().save_credential(*args, **kwargs)

    def _fail(self, operation: str) -> None:
        if operation == self.broken:
            raise StateUnavailableError(f"table state: {operation}: ThrottlingException")


async def test_without_the_state_no_run_happens() -> None:
    """What may be spent is not known, so nothing is called and the invocation fails."""
    house = House(numbered(2), store=BrokenState("load"))
    with pytest.raises(StateUnavailableError):
        await house.run()
    assert house.messages.calls == []


async def test_an_entry_that_cannot_be_claimed_is_not_called() -> None:
    """It fails by itself, with what to look at; the run goes on."""
    house = House(numbered(2), store=BrokenState("claim"))
    report = await house.run()
    assert house.messages.calls == []
    assert [result.code for result in report.results] == ["state-unavailable"] * 2


async def test_what_could_not_be_kept_is_said() -> None:
    """The call was made and is reported with its verdict, and with the notice that nothing was remembered."""
    house = House(numbered(1), store=BrokenState("commit"))
    report = await house.run()
    assert report.results[0].verdict is Verdict.WRITTEN
    assert report.results[0].notices == ("what it proved could not be kept: table state: commit: ThrottlingException",)


async def test_an_allowance_that_could_not_be_returned_is_said() -> None:
    """It stays counted as spent, which passes no cap, and the run is reported all the same."""
    house = House(numbered(1), store=BrokenState("settle"))
    report = await house.run()
    assert report.results[0].verdict is Verdict.WRITTEN
    assert any("allowance could not be returned: table state: settle" in notice for notice in report.notices)


async def test_a_stopped_credential_that_could_not_be_remembered_stops_this_run() -> None:
    """The run goes on and is reported; the next one finds out again."""
    house = House(numbered(3), store=BrokenState("save_credential"), max_concurrency=1)
    house.messages.script = [CredentialError("401 no", http_status=401)]
    report = await house.run()
    assert (len(house.messages.calls), report.count(Outcome.FAILED)) == (1, 3)


async def test_a_body_that_breaks_its_reader_is_its_own_failure() -> None:
    """Whatever nobody foresaw is told by its type, and the other entries go on."""
    house = House(numbered(2), max_concurrency=1)
    surprises = iter([KeyError("a prompt"), None])

    def surprise() -> None:
        if (error := next(surprises)) is not None:
            raise error

    house.targets.before_fetch = surprise
    report = await house.run()
    assert [(result.code, result.verdict) for result in report.results] == [
        ("internal", Verdict.FAILED),
        (None, Verdict.WRITTEN),
    ]
    assert "a prompt" not in report.results[0].reason


async def test_without_a_table_the_report_says_so_once() -> None:
    """What memory knows is lost with the sandbox, and so are its caps."""
    report = (await one().run()).as_json()
    assert report["state"] == "memory"
    assert len([notice for notice in report["notices"] if "no STATE_TABLE" in notice]) == 1


async def test_a_dry_run_claims_nothing_and_says_the_reason() -> None:
    """It decides by what is remembered and changes nothing."""
    house = one()
    report = await house.run(Order(dry_run=True))
    assert [result.code for result in report.results] == [Reason.COLD]
    assert (await house.store.load([KEY], day=EPOCH.date())).entries == {}
