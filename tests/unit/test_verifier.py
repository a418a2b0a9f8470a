"""A run that verifies: a warm call, a wait, a real request; held to the same money, and leaving no traffic behind."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from prompt_cache_warmer.adapters.memory_state import MemoryState
from prompt_cache_warmer.errors import (
    CallTimeoutError,
    CredentialError,
    OverloadedError,
    RejectedError,
    StateUnavailableError,
)
from prompt_cache_warmer.ports import Answer
from prompt_cache_warmer.rules.order import Order
from prompt_cache_warmer.rules.request import PLACEHOLDER_TEXT, REQUEST_TEXT, Form
from prompt_cache_warmer.rules.verification import Finding
from prompt_cache_warmer.values.caps import Caps
from prompt_cache_warmer.values.divergence import Divergence
from prompt_cache_warmer.values.snapshot import Pause
from prompt_cache_warmer.values.state import EntryKey
from prompt_cache_warmer.values.usage import Usage
from tests.fakes import EPOCH, MODEL, FakeMessages, document
from tests.house import House, numbered

if TYPE_CHECKING:
    from prompt_cache_warmer.ports import ClaimAnswer, ClaimRequest
    from prompt_cache_warmer.rules.report import RunReport
    from prompt_cache_warmer.rules.request import WarmCall
    from prompt_cache_warmer.values.snapshot import Lease, Snapshot

KEY = EntryKey("support", "default", MODEL)
VERIFY = Order(verify=("support",))
WRITE = Answer(Usage(write_5m_tokens=5000, uncached_tokens=4), message_id="msg_w", workspace_id="wrkspc_a")


def house(messages: FakeMessages | None = None, caps: Caps | None = None, **changes: Any) -> House:
    """Return a house with one target, ``support``."""
    documents: dict[str, object] = {"targets/support.json": document(**changes)}
    return House(documents, messages=messages or FakeMessages(), caps=caps or Caps())


def findings(report: RunReport) -> list[Finding]:
    """Return what was found of each entry."""
    return [one.finding for one in report.verifications]


def texts(house: House) -> list[str]:
    """Return the last words of each call."""
    return [call.body["messages"][-1]["content"][-1]["text"] for call in house.messages.calls]


async def test_it_warms_waits_and_asks() -> None:
    """The warm call asks that its fingerprint is kept, two seconds pass, and the request names its message."""
    home = house()
    at: list[float] = []
    home.messages.hook = lambda _: at.append(home.clock.seconds)
    report = await home.run(VERIFY)
    assert texts(home) == [PLACEHOLDER_TEXT, REQUEST_TEXT]
    assert [call.body["diagnostics"] for call in home.messages.calls] == [
        {"previous_message_id": None},
        {"previous_message_id": "msg_1"},
    ]
    assert [call.form for call in home.messages.calls] == [Form.ZERO, Form.ASKED]
    assert at == [0, 2]
    assert findings(report) == [Finding.READ]
    assert report.as_json()["is_proven"] is True


async def test_it_warms_what_traffic_holds_too() -> None:
    """A request a moment ago is no proof of what a warm call leaves."""
    home = house(request={"system": [{**_block(), "cache_control": {"type": "ephemeral", "ttl": "1h"}}]})
    await home.run()
    home.clock.seconds += 60
    await home.store.touch(KEY, at=home.clock.now())
    assert findings(await home.run(VERIFY)) == [Finding.READ]


async def test_an_event_with_a_ticks_identity_is_verified_too() -> None:
    """That the entry was called since the tick was due keeps a second warm call back, never the request behind it."""
    home = house()
    report = await home.run(replace(VERIFY, scheduled_time="2026-11-22T11:59:00Z"))
    assert findings(report) == [Finding.READ]


async def test_only_a_verification_asks_for_diagnostics() -> None:
    """An ordinary run and an order of names send what they always sent, once."""
    home = house()
    for order in (Order(), Order(targets=("support",))):
        report = await home.run(order)
        home.clock.seconds += 240
        assert "verified" not in report.as_json()
        assert "is_proven" not in report.as_json()
    assert [call.body.get("diagnostics") for call in home.messages.calls] == [None, None]


@pytest.mark.parametrize("keep", ["always", "while-used", "once"])
async def test_it_warms_whatever_is_remembered(keep: str) -> None:
    """A proof is wanted now: also of an entry that outlives the tick, has no traffic, or was kept once."""
    home = house(keep=keep, request={"system": [{**_block(), "cache_control": {"type": "ephemeral", "ttl": "1h"}}]})
    for _ in range(2):
        assert findings(await home.run(VERIFY)) == [Finding.READ]
        home.clock.seconds += 60
    assert len(home.messages.calls) == 4


def _block() -> dict[str, Any]:
    return {"type": "text", "text": "You are support. " * 2000}


async def test_the_request_is_no_traffic_and_leaves_the_state_as_the_warm_call_left_it() -> None:
    """No touch, no refresh, no verdict of its own; the claim is ended."""
    home, plain = house(), house()
    await home.run(VERIFY)
    await plain.run(Order(targets=("support",)))
    (verified,) = (await home.store.load([KEY], day=EPOCH.date())).entries.values()
    (warmed,) = (await plain.store.load([KEY], day=EPOCH.date())).entries.values()
    assert warmed.warmth is not None
    assert verified.warmth == warmed.warmth
    assert (verified.traffic, verified.claim, verified.breaker) == (None, None, warmed.breaker)
    home.clock.seconds += 240
    report = await home.run()
    assert [str(one.verdict) for one in report.results] == ["refreshed"]


async def test_it_publishes_no_run_level_metrics() -> None:
    """A selection is no picture of the whole, and a real request is no warm call: only its cost is counted."""
    home = house()
    report = await home.run(VERIFY)
    assert home.metrics.value("EntriesDue") is None
    assert home.metrics.value("EntriesWritten", Target="support") == 1
    assert home.metrics.value("EntriesRefreshed", Target="support") == 0
    (verification,) = report.verifications
    assert verification.cost_usd is not None
    assert verification.cost_usd > report.cost_usd
    for dimensions in ({"Target": "support"}, {}):
        assert home.metrics.value("WarmCostUSD", **dimensions) == float(verification.cost_usd)
        assert home.metrics.value("CacheReadTokens", **dimensions) == 0
    assert len(home.log.results) == 1
    assert home.log.verifications == list(report.verifications)


async def test_both_calls_are_counted_as_spent() -> None:
    """By the target, and by the stack on the day and in the month; the report knows it too."""
    home = house()
    report = await home.run(VERIFY)
    snapshot = await home.store.load([KEY], day=EPOCH.date())
    tokens = len(repr((MODEL, "default", None, document()["request"]["system"]))) // 4
    written, read = tokens * Decimal("3.75") + 5 * 3, tokens * Decimal("0.3") + 5 * 3 + 15
    total = (written + read) / 1_000_000
    assert snapshot.spent_by_target["support"].usd == snapshot.spent_today.usd == total
    assert snapshot.spent_this_month.usd == report.standing.spent_today.usd == total
    line = report.as_json()["verified"][0]
    assert Decimal(line["cost_usd"]) == total
    assert Decimal(line["warm_cost_usd"]) == report.cost_usd == written / 1_000_000


@pytest.mark.parametrize(
    ("caps", "target_caps", "code"),
    [
        (Caps(usd_per_day=Decimal(0)), {}, "stack-day-cap"),
        (Caps(usd_per_month=Decimal(0)), {}, "stack-month-cap"),
        (Caps(usd_per_call=Decimal(0)), {}, "call-cap"),
        (Caps(tokens_per_day=0), {}, "stack-day-cap"),
        (Caps(), {"max_usd_per_day": "0"}, "target-day-cap"),
        (Caps(), {"max_usd_per_call": "0"}, "call-cap"),
        (Caps(), {"max_tokens_per_call": 10}, "call-cap"),
    ],
)
async def test_a_cap_of_nothing_allows_no_call(caps: Caps, target_caps: dict[str, Any], code: str) -> None:
    """Neither of the two is made."""
    home = house(caps=caps, **target_caps)
    report = await home.run(VERIFY)
    assert home.messages.calls == []
    assert findings(report) == [Finding.WARM_CALL_NOT_MADE]
    assert report.as_json()["verified"][0]["code"] == code


@pytest.mark.parametrize(
    ("caps", "target_caps", "code"),
    [
        (Caps(usd_per_day=Decimal("0.05")), {}, "stack-day-cap"),
        (Caps(usd_per_month=Decimal("0.05")), {}, "stack-month-cap"),
        (Caps(tokens_per_day=13_000), {}, "stack-day-cap"),
        (Caps(), {"max_usd_per_day": "0.05"}, "target-day-cap"),
        (Caps(), {"max_tokens_per_day": 13_000}, "target-day-cap"),
    ],
)
async def test_a_cap_with_room_for_one_call_allows_one(caps: Caps, target_caps: dict[str, Any], code: str) -> None:
    """A full write of about 8,500 tokens for 0.032 USD was spent, and as much would be reserved again."""
    home = house(caps=caps, **target_caps)
    report = await home.run(VERIFY)
    assert texts(home) == [PLACEHOLDER_TEXT]
    assert findings(report) == [Finding.REQUEST_NOT_MADE]
    line = report.as_json()["verified"][0]
    assert line["code"] == code
    assert line["sentence"].startswith("the real request was not made: the call may pass the ")


async def test_both_calls_are_counted_to_the_day_the_run_began_on() -> None:
    """The request comes a second after midnight (UTC)."""
    home = house(caps=Caps(usd_per_day=Decimal(1)))
    home.clock.seconds = 12 * 3600 - 1
    report = await home.run(VERIFY)
    assert home.clock.now().date() == EPOCH.date() + timedelta(days=1)
    assert findings(report) == [Finding.READ]
    spent = [(await home.store.load([KEY], day=EPOCH.date() + timedelta(days=day))).spent_today.usd for day in (0, 1)]
    assert spent == [report.verifications[0].cost_usd, 0]


async def test_a_request_without_an_answer_is_counted_at_its_worst_case() -> None:
    """It may be billed; under a cap it is sent once."""
    home = house(FakeMessages(script=[WRITE, CallTimeoutError("no answer")]), caps=Caps(usd_per_day=Decimal(1)))
    held: list[Decimal] = []

    def look(call: WarmCall) -> None:
        if call.form is Form.ASKED:
            tokens = int(len(repr(home.messages.counted[0].body)) // 4 * Decimal("1.1")) + 1
            held.append((tokens * Decimal("3.75") + 15) / 1_000_000)

    home.messages.hook = look
    report = await home.run(VERIFY)
    assert findings(report) == [Finding.REQUEST_FAILED]
    written = (5000 * Decimal("3.75") + 4 * 3) / 1_000_000
    assert (await home.store.load([KEY], day=EPOCH.date())).spent_today.usd == written + held[0]
    assert report.standing.spent_today.usd == written + held[0]
    (notice,) = report.verifications[0].notices
    assert notice.startswith("no answer, so up to ")


async def test_a_failed_request_leaves_the_entrys_breaker_alone() -> None:
    """The entry was warmed; what its request came to is no reason to let it go cold."""
    home = house(FakeMessages(script=[WRITE, RejectedError("400 no", http_status=400), RejectedError("400 no")]))
    report = await home.run(VERIFY)
    assert findings(report) == [Finding.REQUEST_FAILED]
    (state,) = (await home.store.load([KEY], day=EPOCH.date())).entries.values()
    assert (state.breaker.failures, state.breaker.open_until) == (0, None)


async def test_a_failed_warm_call_is_followed_by_no_request() -> None:
    """Nor by a wait."""
    home = house(FakeMessages(script=[CredentialError("401 no", http_status=401)]))
    report = await home.run(VERIFY)
    assert (findings(report), len(home.messages.calls), home.clock.slept) == ([Finding.WARM_CALL_FAILED], 1, [])


@pytest.mark.parametrize(
    ("answer", "finding"),
    [
        (Answer(Usage(uncached_tokens=900)), Finding.BELOW_MINIMUM),
        (Answer(Usage(is_reported=False)), Finding.NO_USAGE),
    ],
)
async def test_where_nothing_is_cached_nothing_is_asked(answer: Answer, finding: Finding) -> None:
    """A request could read nothing, and costs money."""
    home = house(FakeMessages(script=[answer]))
    assert findings(await home.run(VERIFY)) == [finding]
    assert (len(home.messages.calls), home.clock.slept) == (1, [])


async def test_a_pause_holds() -> None:
    """Nobody spends through it."""
    home = house()
    await home.store.pause(Pause("load test", since=EPOCH, until=EPOCH + timedelta(hours=1)))
    report = await home.run(VERIFY)
    assert home.messages.calls == []
    line = report.as_json()["verified"][0]
    assert (line["reason"], line["code"]) == ("warm-call-not-made", "paused")
    assert line["sentence"].endswith(": all warming is paused: load test, until 2026-11-22T13:00:00Z")


async def test_a_pause_between_the_two_calls_holds() -> None:
    """The request is decided anew, by what holds when it is made."""
    home = house()

    def pause(_: WarmCall) -> None:
        asking = home.store.pause(Pause("stop", since=EPOCH, until=EPOCH + timedelta(hours=1)))
        with pytest.raises(StopIteration):  # the store's coroutine never waits
            asking.send(None)

    home.messages.hook = pause
    report = await home.run(VERIFY)
    assert findings(report) == [Finding.REQUEST_NOT_MADE]
    assert report.as_json()["verified"][0]["code"] == "paused"
    assert len(home.messages.calls) == 1


@pytest.mark.parametrize(
    "changes", [{"enabled": False}, {"windows": [{"days": "mon", "from": "07:00", "to": "08:00", "timezone": "UTC"}]}]
)
async def test_what_its_owner_does_not_keep_warm_now_is_not_verified(changes: dict[str, Any]) -> None:
    """Disabled, or outside its windows: it is Sunday."""
    home = house(**changes)
    assert findings(await home.run(VERIFY)) == [Finding.WARM_CALL_NOT_MADE]
    assert home.messages.calls == []


async def test_without_time_the_request_is_not_made() -> None:
    """67 seconds are enough for the warm call, and 2 less are not for the request."""
    home = house()
    report = await home.run(VERIFY, seconds=66)
    assert findings(report) == [Finding.REQUEST_NOT_MADE]
    assert report.as_json()["verified"][0]["code"] == "deadline"
    assert len(home.messages.calls) == 1


async def test_entries_of_the_same_bytes_share_both_calls() -> None:
    """Called once, asked once, and the cost stays with the one that was called."""
    same = document()["request"]
    home = House({f"targets/{name}.json": document(name, request=same) for name in ("a", "b")})
    report = await home.run(Order(verify=("a", "b")))
    assert len(home.messages.calls) == 2
    lines = {line["target"]: line for line in report.as_json()["verified"]}
    assert [lines[name]["is_proven"] for name in ("a", "b")] == [True, True]
    assert (lines["a"].get("shared_with"), lines["b"]["shared_with"]) == (None, "a")
    assert "cost_usd" not in lines["b"]


TEXT = "You are support. " * 2000
MARKED: dict[str, Any] = {"system": [{"type": "text", "text": TEXT, "cache_control": {"type": "ephemeral"}}]}


@pytest.mark.parametrize("markers", [{}, {"cache_control": {"type": "ephemeral"}}], ids=["none", "automatic"])
async def test_equal_warm_calls_whose_requests_differ_are_asked_for_apart(markers: dict[str, Any]) -> None:
    """One warm call for three, and a real request for each kind of markers: the proof of one is none of the other."""
    requests = {"a": MARKED, "b": {"system": TEXT, **markers}, "c": {"system": TEXT, **markers}}
    home = House({f"targets/{name}.json": document(name, request=each) for name, each in requests.items()})
    report = await home.run(Order(verify=("a", "b", "c")))
    warm, first, second = home.messages.calls
    assert [call.form for call in (warm, first, second)] == [Form.ZERO, Form.ASKED, Form.ASKED]
    shown = {("cache_control" in call.body, call.body["system"] == MARKED["system"]) for call in (first, second)}
    assert shown == {(False, True), (bool(markers), False)}
    assert {call.body["diagnostics"]["previous_message_id"] for call in (first, second)} == {"msg_1"}
    lines = {line["target"]: line for line in report.as_json()["verified"]}
    assert (lines["a"].get("shared_with"), lines["b"].get("shared_with"), lines["c"]["shared_with"]) == (
        None,
        None,
        "b",
    )
    assert lines["b"]["warm_cost_usd"] == "0"
    assert Decimal(lines["b"]["cost_usd"]) == Decimal(lines["b"]["request_cost_usd"]) > 0
    total = Decimal(lines["a"]["cost_usd"]) + Decimal(lines["b"]["cost_usd"])
    assert Decimal(report.as_json()["verification_cost_usd"]) == report.standing.spent_today.usd == total


async def test_what_has_no_marker_is_asked_for_as_it_is_and_not_proven() -> None:
    """The warm call writes with a marker of ours; real traffic, which has none, reads nothing."""
    unread = Answer(Usage(uncached_tokens=5004), message_id="msg_r", workspace_id="wrkspc_a")
    home = house(FakeMessages(script=[WRITE, unread]), request={"system": TEXT})
    report = await home.run(VERIFY)
    warm, asked = home.messages.calls
    assert ("cache_control" in repr(warm.body), "cache_control" in repr(asked.body)) == (True, False)
    assert findings(report) == [Finding.NO_MARKER]
    assert report.as_json()["is_proven"] is False


async def test_one_entry_never_sinks_another() -> None:
    """Each model of each target has a finding of its own, in any order."""
    home = House(numbered(3, models=[MODEL, "claude-opus-4-8"]), max_inflight_bytes=10_000)

    def fail(call: WarmCall) -> None:
        if call.form is Form.ASKED and call.model == MODEL and "t001" in repr(call.body["system"]):
            raise RejectedError("413 no", http_status=413)

    home.messages.hook = fail
    report = await home.run(Order(verify=("t000", "t001", "t002")))
    found = {(one.entry.target.name, one.entry.model): one.finding for one in report.verifications}
    assert len(found) == 6
    assert found.pop(("t001", MODEL)) is Finding.REQUEST_FAILED
    assert set(found.values()) == {Finding.READ}
    assert report.as_json()["is_proven"] is False
    assert home.clock.slept == [2]


async def test_an_unknown_name_is_a_problem_and_nothing_is_proven_by_it() -> None:
    """The others are verified all the same."""
    home = house()
    report = await home.run(Order(verify=("suport", "support")))
    answer = report.as_json()
    assert [(problem["path"], problem["message"]) for problem in answer["problems"]] == [
        ("$.verify", "there is no valid target 'suport'; did you mean 'support'?")
    ]
    assert (answer["is_proven"], answer["entries_proven"]) == (False, 1)


async def test_where_diagnostics_are_refused_the_usage_decides() -> None:
    """Both calls go without it then, and the proof says so."""
    refused = RejectedError("400 extraneous key", http_status=400)
    home = house(FakeMessages(script=[refused]))
    report = await home.run(VERIFY)
    assert [call.body.get("diagnostics") for call in home.messages.calls] == [{"previous_message_id": None}, None, None]
    (found,) = report.verifications
    assert (found.finding, found.warmed.call and found.warmed.call.divergence) == (Finding.READ, Divergence.REFUSED)
    assert found.notices[-1] == "the API takes no diagnostics here, so its usage alone decided"


async def test_a_message_without_an_id_cannot_be_named() -> None:
    """The request is sent without."""
    home = house(FakeMessages(script=[replace(WRITE, message_id=None)]))
    await home.run(VERIFY)
    assert "diagnostics" not in home.messages.calls[1].body


async def test_refused_diagnostics_are_not_given_up_without_time() -> None:
    """The second attempt needs as much of the run as the first."""
    home = house(FakeMessages(script=[RejectedError("400 extraneous key", http_status=400)]))

    def take_time(_: WarmCall) -> None:
        home.clock.seconds += 20

    home.messages.hook = take_time
    report = await home.run(VERIFY, seconds=70)
    assert (findings(report), len(home.messages.calls)) == ([Finding.WARM_CALL_FAILED], 1)


async def test_an_overloaded_api_is_asked_once_more() -> None:
    """The request has the warm call's one retry."""
    home = house(FakeMessages(script=[WRITE, OverloadedError("529", http_status=529)]))
    read = Answer(Usage(read_tokens=5000), message_id="msg_r", workspace_id="wrkspc_a", missed_tokens=3)
    home.messages.script.append(replace(read, divergence=Divergence.MESSAGES_CHANGED))
    (found,) = (await home.run(VERIFY)).verifications
    assert found.is_proven
    assert found.as_json()["evidence"]["divergence"] == "messages_changed"
    assert found.as_json()["evidence"]["missed_tokens"] == 3


class LostState(MemoryState):
    """A state that is lost once the warm call was made."""

    def __init__(self, lost: str) -> None:
        super().__init__()
        self._lost = lost
        self._asked: list[str] = []

    async def load(self, *given: Any, **named: Any) -> Snapshot:
        """Fail the second time."""
        self._fail("load")
        return await super().load(*given, **named)

    async def lease(self, *given: Any, **named: Any) -> Lease:
        """Fail the second time."""
        self._fail("lease")
        return await super().lease(*given, **named)

    async def claim(self, request: ClaimRequest) -> ClaimAnswer:
        """Fail the second time."""
        self._fail("claim")
        return await super().claim(request)

    async def settle(self, *given: Any, **named: Any) -> None:
        """Fail the second time."""
        self._fail("settle")
        await super().settle(*given, **named)

    def _fail(self, asked: str) -> None:
        if asked == self._lost and asked in self._asked:
            raise StateUnavailableError(f"no {asked}")
        self._asked.append(asked)


@pytest.mark.parametrize("lost", ["load", "lease", "claim"])
async def test_a_state_that_is_lost_in_between_keeps_the_report(lost: str) -> None:
    """Nothing is called that cannot be accounted for, and what the warm call cost is told."""
    home = House({"targets/support.json": document()}, store=LostState(lost))
    report = await home.run(VERIFY)
    (found,) = report.verifications
    assert (found.finding, len(home.messages.calls)) == (Finding.REQUEST_NOT_MADE, 1)
    line = found.as_json()
    assert (line["code"], line["sentence"]) == ("state-unavailable", f"the real request was not made: no {lost}")
    assert line["advice"].startswith("Look at the state table")
    assert report.cost_usd > 0


async def test_a_lease_that_cannot_be_returned_is_told() -> None:
    """The request was made; what was leased for it stays counted."""
    home = House({"targets/support.json": document()}, store=LostState("settle"))
    report = await home.run(VERIFY)
    assert findings(report) == [Finding.READ]
    assert any("could not be returned: no settle" in notice for notice in report.notices)
