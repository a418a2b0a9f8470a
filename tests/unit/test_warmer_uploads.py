"""Runs for uploads: just the targets they are of, by a tick's own rules, once for each upload."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from prompt_cache_warmer.ports import Index
from prompt_cache_warmer.rules.order import Order
from prompt_cache_warmer.rules.uploads import Ignored, Upload
from prompt_cache_warmer.values.caps import Caps
from prompt_cache_warmer.values.problems import Problem, ProblemCode
from prompt_cache_warmer.values.snapshot import CredentialState, Pause
from prompt_cache_warmer.values.state import Breaker
from prompt_cache_warmer.warm.selection import select
from tests.fakes import EPOCH, FakeMessages, document, etag
from tests.house import House, numbered

if TYPE_CHECKING:
    from prompt_cache_warmer.rules.report import RunReport

REFERRING = {"system": [{"type": "text", "text_from": "prompts/p.md", "cache_control": {"type": "ephemeral"}}]}
PROMPT = "You are a bot. " * 2000
HOUR = timedelta(hours=1)


def uploaded(house: House, *keys: str, seconds: float = 0) -> Order:
    """Return the order of uploads of what is in the house now, some seconds ago."""
    stored = {**house.targets.documents, **house.targets.prompts}
    at = house.clock.now() - timedelta(seconds=seconds)
    return Order(uploads=tuple(Upload(key, etag(stored[key]), at) for key in keys), is_batch=True)


def said(report: RunReport) -> dict[str, str]:
    """Return each target's verdict, or why it was not called."""
    return {one.entry.target.name: (one.verdict and one.verdict.value) or str(one.code) for one in report.results}


def referring(name: str, **changes: Any) -> dict[str, Any]:
    """Return a target whose prompt stands in another object."""
    return document(name, request=REFERRING, **changes)


async def test_an_upload_warms_exactly_its_target() -> None:
    """The others are not even decided."""
    house = House(numbered(3))
    report = await house.run(uploaded(house, "targets/001.json"))
    assert said(report) == {"t001": "written"}
    assert len(house.messages.calls) == 1


async def test_a_prompts_upload_warms_those_that_refer_to_it() -> None:
    """And no other."""
    house = House({"targets/a.json": referring("a"), "targets/b.json": document("b"), "targets/c.json": referring("c")})
    house.targets.prompts["prompts/p.md"] = PROMPT
    report = await house.run(uploaded(house, "prompts/p.md"))
    assert set(said(report)) == {"a", "c"}
    assert {one.verdict for one in report.results} == {"written"}
    assert len(house.messages.calls) == 1  # the same bytes are called once


async def test_the_same_upload_told_twice_makes_no_second_call() -> None:
    """Not even of a 5-minute entry, which every tick finds due; a later upload of the same bytes is another one."""
    house = House(numbered(1))
    first = uploaded(house, "targets/000.json")
    house.clock.seconds += 2
    assert said(await house.run(first)) == {"t000": "written"}
    house.clock.seconds += 120
    assert said(await house.run(first)) == {"t000": "called-this-tick"}
    assert said(await house.run(uploaded(house, "targets/000.json"))) == {"t000": "refreshed"}


@pytest.mark.parametrize("again_seconds", [0, 1, 49, 50, 60])
async def test_an_upload_of_a_clock_ahead_makes_one_call_too(again_seconds: float) -> None:
    """Its time comes from another clock than the call's: told again soon, it is the same upload."""
    house = House(numbered(1))
    ahead = uploaded(house, "targets/000.json", seconds=-61)
    assert said(await house.run(ahead)) == {"t000": "written"}
    house.clock.seconds += again_seconds
    assert said(await house.run(ahead)) == {"t000": "called-this-tick"}
    assert len(house.messages.calls) == 1


async def test_an_upload_of_a_clock_ahead_is_no_old_one() -> None:
    """What was called more than a minute before is called again, and a changed prompt at once."""
    house = House(numbered(1))
    await house.run()
    house.clock.seconds += 61
    assert said(await house.run(uploaded(house, "targets/000.json", seconds=-1))) == {"t000": "refreshed"}
    house.targets.documents["targets/000.json"] = document("t000", request=None, system_prompt=PROMPT)
    assert said(await house.run(uploaded(house, "targets/000.json", seconds=-1))) == {"t000": "written"}


HOURLY = {"system": [{"type": "text", "text": PROMPT, "cache_control": {"type": "ephemeral", "ttl": "1h"}}]}


@pytest.mark.parametrize("keep", ["always", "once"])
async def test_a_selection_knows_the_last_call_of_the_same_bytes(keep: str) -> None:
    """A copy of what is warm is not called for its upload, nor by its name; nothing of the other is reported."""
    house = House({"targets/a.json": document("a", request=HOURLY)})
    await house.run()
    house.clock.seconds += 480
    house.targets.documents["targets/b.json"] = document("b", request=HOURLY, keep=keep)
    assert said(await house.run(Order(dry_run=True))) == {"a": "outlives-tick", "b": "outlives-tick"}
    for order in (uploaded(house, "targets/b.json"), Order(targets=("b",))):
        report = await house.run(order)
        assert said(report) == {"b": "outlives-tick"}
        assert report.as_json()["totals"]["entries"] == 1
    assert len(house.messages.calls) == 1


async def test_a_selection_tries_a_stopped_credential_by_itself() -> None:
    """Its trial is its own: twins that were not asked for do not take the turn."""
    house = House({f"targets/{name}.json": document(name, request=HOURLY) for name in ("a", "b", "c")})
    stop = Breaker(failures=1, reason="credential", opened_at=EPOCH - 2 * HOUR, open_until=EPOCH - HOUR)
    await house.store.save_credential("default", CredentialState(1, stop))
    assert said(await house.run(Order(targets=("b",)))) == {"b": "written"}


async def test_uploads_of_one_batch_are_each_their_own() -> None:
    """What was called since its own upload is not called again, whatever else is in the batch."""
    house = House(numbered(2))
    old = uploaded(house, "targets/000.json")
    house.clock.seconds += 1
    await house.run()
    house.clock.seconds += 60
    new = uploaded(house, "targets/001.json")
    both = Order(uploads=(*(old.uploads or ()), *(new.uploads or ())), is_batch=True)
    assert said(await house.run(both)) == {"t000": "called-this-tick", "t001": "refreshed"}


async def test_the_latest_upload_of_a_target_counts() -> None:
    """A call between two uploads of it does not stand for the second."""
    house = House(numbered(1))
    first = uploaded(house, "targets/000.json")
    house.clock.seconds += 1
    await house.run()
    house.clock.seconds += 1
    second = uploaded(house, "targets/000.json")
    both = Order(uploads=(*(second.uploads or ()), *(first.uploads or ())), is_batch=True)
    assert said(await house.run(both)) == {"t000": "refreshed"}


async def test_a_tick_that_came_first_leaves_nothing_to_do() -> None:
    """The call that was made since the upload is the upload's call, though 5-minute entries are always due."""
    house = House(numbered(1))
    order = uploaded(house, "targets/000.json")
    house.clock.seconds += 1
    await house.run()
    assert said(await house.run(order)) == {"t000": "called-this-tick"}


@pytest.mark.parametrize(
    ("keys", "ignored"),
    [
        (
            ("targets/000.json", "old"),
            Ignored("targets/000.json", "a newer version is in the bucket; its own upload is acted on"),
        ),
        (("targets/gone.json", "x"), Ignored("targets/gone.json", "it is not in the bucket any more")),
        (
            ("prompts/unused.md", etag("nobody's")),
            Ignored("prompts/unused.md", "no valid target refers to it"),
        ),
        (
            ("targets/broken.json", etag({"name": "broken"})),
            Ignored("targets/broken.json", "it is not a valid target; its problems say why"),
        ),
    ],
    ids=["an older version", "gone", "a prompt of nobody's", "a broken document"],
)
async def test_what_is_not_acted_on_is_said_in_the_log_and_the_report(keys: tuple[str, str], ignored: Ignored) -> None:
    """And does not keep the others of the batch from being warmed."""
    house = House({**numbered(2), "targets/broken.json": {"name": "broken"}})
    house.targets.prompts["prompts/unused.md"] = "nobody's"
    key, tag = keys
    good = uploaded(house, "targets/001.json").uploads or ()
    unread = Ignored("Records[2]", "not JSON", "m-3")
    report = await house.run(Order(uploads=(Upload(key, tag, EPOCH), *good), ignored=(unread,), is_batch=True))
    assert said(report) == {"t001": "written"}
    assert house.log.unheeded == [unread, ignored]
    answer = report.as_json()
    assert answer["trigger"] == "upload"
    assert answer["uploads"] == [key, "targets/001.json"]
    assert answer["ignored"] == [
        {"place": "Records[2]", "reason": "not JSON", "message_id": "m-3"},
        {"place": ignored.place, "reason": ignored.reason},
    ]
    assert answer["batchItemFailures"] == [{"itemIdentifier": "m-3"}]
    assert {problem["source"] for problem in answer["problems"] if problem["severity"] == "error"} == {
        "targets/broken.json"
    }


async def test_once_is_asked_for_by_an_upload() -> None:
    """The same bytes again are called again, but only where the entry does not outlive the next tick."""
    hourly = [{"type": "text", "text": PROMPT, "cache_control": {"type": "ephemeral", "ttl": "1h"}}]
    house = House({"targets/a.json": document("a", keep="once", request={"system": hourly})})
    assert said(await house.run(uploaded(house, "targets/a.json"))) == {"a": "written"}
    house.clock.seconds += 600
    assert said(await house.run(uploaded(house, "targets/a.json"))) == {"a": "outlives-tick"}
    house.clock.seconds += 2700
    assert said(await house.run()) == {"a": "kept-once"}
    report = await house.run(uploaded(house, "targets/a.json"))
    assert said(report) == {"a": "refreshed"}
    assert [one.decision.reason.value for one in report.results if one.decision] == ["requested"]


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"keep": "while-used"}, "no-traffic"),
        ({"windows": [{"from": "20:00", "to": "21:00", "timezone": "UTC"}]}, "outside-window"),
        ({"keep": "once", "windows": [{"from": "20:00", "to": "21:00", "timezone": "UTC"}]}, "outside-window"),
        ({"enabled": False}, "disabled"),
        ({"max_usd_per_day": "0"}, "target-day-cap"),
    ],
    ids=["nobody uses it", "outside its window", "once, outside its window", "disabled", "its cap"],
)
async def test_an_upload_spends_nothing_that_a_tick_would_refuse(changes: dict[str, Any], code: str) -> None:
    """The target's own rule and caps hold."""
    house = House({"targets/a.json": document("a", **changes)})
    assert said(await house.run(uploaded(house, "targets/a.json"))) == {"a": code}
    assert house.messages.calls == []


async def test_the_stacks_cap_and_a_pause_hold_for_uploads() -> None:
    """As they do for a tick."""
    capped = House(numbered(1), caps=Caps(tokens_per_day=10))
    assert said(await capped.run(uploaded(capped, "targets/000.json"))) == {"t000": "stack-day-cap"}
    paused = House(numbered(1))
    await paused.store.pause(Pause("incident", since=EPOCH, until=EPOCH + timedelta(hours=1)))
    assert said(await paused.run(uploaded(paused, "targets/000.json"))) == {"t000": "paused"}


async def test_a_run_for_uploads_is_no_picture_of_the_whole() -> None:
    """It publishes what its calls did and none of the run's own metrics."""
    house = House(numbered(3))
    await house.run(uploaded(house, "targets/001.json"))
    names = {name for one in house.metrics.sets for name in one.values}
    assert "EntriesWritten" in names
    assert not {"TargetsLoaded", "EntriesDue", "RunDuration", "Paused"} & names
    assert house.metrics.value("EntriesWritten", Target="t001") == 1


async def test_what_a_tick_deferred_keeps_its_turn() -> None:
    """A run for uploads in between does not forget who waits longest; whom it called waits no more."""
    messages = FakeMessages()
    house = House(numbered(4), messages=messages, max_concurrency=1)
    messages.hook = lambda _: setattr(house.clock, "seconds", house.clock.seconds + 100)
    await house.run(seconds=166)  # two fit: 100 of 166 seconds, then 66 are just enough to begin another
    assert [call.body["system"][0]["text"][:13] for call in messages.calls] == ["You are t000.", "You are t001."]
    await house.run(uploaded(house, "targets/002.json"))
    house.targets.documents["targets/00.json"] = document("t00")
    messages.calls.clear()
    await house.run(seconds=10_000)
    assert messages.calls[0].body["system"][0]["text"][:13] == "You are t003."


async def test_a_long_batch_is_counted_and_not_listed() -> None:
    """At most 200 keys and 200 reasons stand in the report; what goes back to the queue is told in full."""
    house = House({})
    uploads = tuple(Upload(f"targets/{n}.json", "x", EPOCH) for n in range(250))
    unread = tuple(Ignored(f"Records[{n}]", "not JSON", f"m-{n}") for n in range(250, 500))
    answer = (await house.run(Order(uploads=uploads, ignored=unread, is_batch=True))).as_json()
    assert (len(answer["uploads"]), answer["uploads_truncated"]) == (200, 50)
    assert (len(answer["ignored"]), answer["ignored_truncated"]) == (200, 300)
    assert len(answer["batchItemFailures"]) == 250


async def test_only_a_queue_is_told_what_goes_back() -> None:
    """A rule that invokes the function itself knows no messages."""
    house = House(numbered(1))
    answer = (await house.run(Order(uploads=()))).as_json()
    assert (answer["uploads"], answer["ignored"]) == ([], [])
    assert "batchItemFailures" not in answer
    assert "uploads" not in (await house.run(Order())).as_json()


async def test_an_upload_while_a_tick_runs_makes_one_call() -> None:
    """Whoever comes second finds the entry claimed."""
    house = House(numbered(1))
    order = uploaded(house, "targets/000.json")
    reports = await asyncio.gather(house.run(order), house.run())
    assert len(house.messages.calls) == 1
    assert sorted(said(report)["t000"] for report in reports) == ["claimed", "written"]


def test_an_upload_that_was_not_read_yet_is_left_to_the_next_tick() -> None:
    """There was no time for it: that is another thing than a document that is not valid."""
    unread = Problem(ProblemCode.NOT_READ_YET, "targets/a.json", "$", "no time")
    index = Index((), (unread,), {"targets/a.json": "x"})
    chosen = select(index, Order(uploads=(Upload("targets/a.json", "x", EPOCH),)))
    assert chosen.targets == ()
    assert chosen.ignored == (Ignored("targets/a.json", "there was no time left to read it; the next tick goes on"),)
