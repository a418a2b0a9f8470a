"""Diagnoses in a run: attached to every entry, called or not, in report, log and metrics, and logged once."""

from __future__ import annotations

import io
import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from click.testing import CliRunner

from prompt_cache_warmer.adapters.json_log import JsonRunLog
from prompt_cache_warmer.cli.show import show
from prompt_cache_warmer.rules.diagnosis import Cause, Diagnosis
from prompt_cache_warmer.rules.entry_result import CallFacts, EntryResult, Outcome
from prompt_cache_warmer.rules.measurement import measure
from prompt_cache_warmer.rules.order import Order
from prompt_cache_warmer.rules.report import RunReport
from prompt_cache_warmer.values.observation import Miss, Sightings
from prompt_cache_warmer.values.state import EntryKey
from prompt_cache_warmer.values.targets import Entry
from tests.fakes import EPOCH, MODEL, document, target
from tests.house import House

if TYPE_CHECKING:
    from prompt_cache_warmer.values.targets import TargetSummary

KEY = EntryKey("support", "default", MODEL)
HOUR = {"type": "ephemeral", "ttl": "1h"}
REQUEST = {"system": [{"type": "text", "text": "You are a bot. " * 2000, "cache_control": HOUR}]}
PREFIX = target(request=REQUEST).summary.prefix_digest
EVICTED = Diagnosis(Cause.EVICTED_EARLY, "gone", {"age_seconds": 7, "region": None, "tiers": ["a", "b"]})
SEEN = Sightings(hits=3, cold_starts=2, drifts=1)


def summary(name: str = "support") -> TargetSummary:
    """Return a target."""
    return target(name=name).summary


def result(name: str, outcome: Outcome = Outcome.SKIPPED, diagnosis: Diagnosis | None = None) -> EntryResult:
    """Return an entry's result."""
    return EntryResult(Entry(summary(name), MODEL), outcome, "why", code="outlives-tick", diagnosis=diagnosis)


def report(*results: EntryResult, order: Order | None = None) -> RunReport:
    """Return a run's report."""
    return RunReport(order or Order(), EPOCH, 5, len(results), 0, results=results)


def seen(house: House, **changes: Any) -> Sightings:
    """Return a cold start of now, that wrote the prefix in the warm call's workspace."""
    miss = Miss(
        house.clock.now(),
        **{"written_tokens": 9_000, "workspace_id": "wrkspc_fake", "marker_distance": 0, **changes},
    )
    return Sightings(cold_starts=1, touched_at=miss.at, fingerprint=PREFIX, last_miss=miss)


def warmed_house() -> House:
    """Return a house with one target of an hour."""
    return House({"targets/support.json": document(request=REQUEST)})


async def test_an_entry_is_diagnosed_whether_it_is_called_or_not() -> None:
    """Its line has traffic and cause; after the next answered warm call neither."""
    house = warmed_house()
    assert (await house.run()).results[0].traffic is None
    house.clock.seconds += 240
    await house.store.observe(KEY, seen(house))
    (skipped,) = (await house.run()).results
    assert (skipped.outcome, skipped.traffic and skipped.traffic.requests) == (Outcome.SKIPPED, 1)
    assert skipped.diagnosis is not None
    assert skipped.diagnosis.cause is Cause.EVICTED_EARLY
    house.clock.seconds += 3_360
    (called,) = (await house.run()).results
    assert (called.outcome, called.diagnosis) == (Outcome.WARMED, skipped.diagnosis)
    house.clock.seconds += 240
    (healed,) = (await house.run()).results
    assert (healed.traffic, healed.diagnosis) == (None, None)


async def test_a_cause_is_logged_when_it_changes_and_not_at_each_tick() -> None:
    """Found, another one, gone; a warm call in between, after which nothing was seen yet, is no news."""
    house = warmed_house()
    await house.run()

    async def logged(*sightings: Sightings, minutes: float = 4) -> list[str | None]:
        before = len(house.log.diagnoses)
        house.clock.seconds += minutes * 60
        for each in sightings:
            await house.store.observe(KEY, each)
        await house.run()
        return [None if each.diagnosis is None else each.diagnosis.cause.value for each in house.log.diagnoses[before:]]

    assert await logged() == []
    house.clock.seconds += 60
    assert await logged(seen(house), minutes=0) == ["evicted-early"]
    assert await logged() == []
    assert await logged(seen(house), minutes=0) == []
    house.clock.seconds += 1
    assert await logged(seen(house, drifted=("system",)), minutes=0) == ["prefix-drift"]
    assert await logged(minutes=60) == []  # called: still the old miss, then forgotten
    assert await logged() == []
    house.clock.seconds += 1
    assert await logged(seen(house, drifted=("tools",)), minutes=0) == []
    assert await logged(minutes=60) == []
    assert await logged(Sightings(hits=1), minutes=1) == [None]
    assert await logged(Sightings(hits=1), minutes=1) == []
    house.clock.seconds += 1
    assert await logged(seen(house), minutes=0) == ["evicted-early"]


async def test_hits_alone_are_no_news() -> None:
    """There was no cause before, and there is none."""
    house = warmed_house()
    await house.run()
    house.clock.seconds += 240
    await house.store.observe(KEY, Sightings(hits=1))
    (found,) = (await house.run()).results
    assert (found.traffic, found.diagnosis, house.log.diagnoses) == (Sightings(hits=1), None, [])


async def test_a_dry_run_diagnoses_too() -> None:
    """It shows what a run would report."""
    house = warmed_house()
    await house.run()
    house.clock.seconds += 90
    await house.store.observe(KEY, seen(house))
    house.clock.seconds += 3_500
    (planned,) = (await house.run(Order(dry_run=True))).results
    assert (planned.outcome, planned.diagnosis and planned.diagnosis.cause) == (Outcome.PLANNED, Cause.EVICTED_EARLY)


def test_a_line_of_the_report_has_traffic_and_diagnosis() -> None:
    """Only where something was seen; absent facts are left out, and a call's region stands beside its workspace."""
    assert {"traffic", "diagnosis", "region"}.isdisjoint(result("a").as_json())
    call = CallFacts("zero", "", 1, 5, region="eu-central-1")
    whole = EntryResult(Entry(summary(), MODEL), Outcome.WARMED, "", call=call, traffic=SEEN, diagnosis=EVICTED)
    line = json.loads(json.dumps(whole.as_json()))
    assert line["traffic"] == {"requests": 6, "hits": 3, "cold_starts": 2, "drifts": 1}
    assert line["diagnosis"] == {
        "cause": "evicted-early",
        "sentence": "gone",
        "evidence": {"age_seconds": 7, "tiers": ["a", "b"]},
    }
    assert line["region"] == "eu-central-1"


def test_diagnosed_entries_are_listed_after_failures() -> None:
    """Also one of 300 that was not called; the totals count it."""
    found = report(
        *(result(f"t-{n}") for n in range(300)),
        result("deferred", Outcome.DEFERRED),
        result("z-missed", diagnosis=EVICTED),
        result("failed", Outcome.FAILED),
    ).as_json()
    assert [line["target"] for line in found["entries"][:3]] == ["failed", "z-missed", "deferred"]
    assert found["totals"]["entries_missed"] == 1


def test_missed_entries_are_counted_by_cause() -> None:
    """One set for each cause there is, beside the run's own; a selection publishes none."""
    drifted = Diagnosis(Cause.PREFIX_DRIFT, "")
    found = report(
        result("a", diagnosis=EVICTED), result("b", diagnosis=drifted), result("c", diagnosis=EVICTED), result("d")
    )
    (run, *causes) = measure(found, detail="run", service="svc")
    assert sum(run.values["EntriesMissed"]) == 3
    assert sum(run.values["EntriesToMend"]) == 1  # an eviction is nobody's mistake
    assert [(each.dimensions, each.values, each.at) for each in causes] == [
        ({"service": "svc", "Cause": "evicted-early"}, {"EntriesMissed": (2,)}, EPOCH),
        ({"service": "svc", "Cause": "prefix-drift"}, {"EntriesMissed": (1,)}, EPOCH),
    ]
    selection = report(result("a", diagnosis=EVICTED), order=Order(targets=("a",)))
    (only,) = measure(selection, detail="run", service="svc")
    assert {"EntriesMissed", "EntriesToMend"}.isdisjoint(only.values)


def test_the_log_line_says_what_was_missed_and_that_it_is_over() -> None:
    """A warning with entry, traffic, cause and evidence; then one line that it is gone."""
    stream = io.StringIO()
    log = JsonRunLog(service="svc", level="INFO", stream=stream)
    entry = Entry(summary(), MODEL)
    log.diagnosed(EntryResult(entry, Outcome.SKIPPED, "", traffic=SEEN, diagnosis=EVICTED))
    log.diagnosed(EntryResult(entry, Outcome.WARMED, "", traffic=SEEN))
    missed, healed = map(json.loads, stream.getvalue().splitlines())
    assert (missed["level"], missed["message"]) == ("WARNING", "entry missed")
    assert missed["diagnosis"]["cause"] == "evicted-early"
    assert (missed["target"], missed["traffic"]["requests"]) == ("support", 6)
    assert (healed["level"], healed["message"], "diagnosis" in healed) == ("INFO", "entry missed no more", False)
    assert "outcome" not in missed


def test_show_prints_the_diagnosis_under_its_entry() -> None:
    """What was seen, the cause with what to do, the evidence; of an entry that was not called as well."""
    seen_and_missed = EntryResult(
        Entry(summary("missed"), MODEL), Outcome.SKIPPED, "why", code="outlives-tick", traffic=SEEN, diagnosis=EVICTED
    )
    hits = EntryResult(Entry(summary("hit"), MODEL), Outcome.WARMED, "why", traffic=Sightings(hits=1000))
    whole = json.dumps(report(seen_and_missed, hits, result("other")).as_json())
    printed = [line.strip() for line in CliRunner().invoke(show, input=whole).output.splitlines()]
    start = next(number for number, line in enumerate(printed) if line.startswith("missed claude-sonnet-4-6"))
    text = " ".join(printed[start : start + 6])
    assert "traffic since the last warm call: 6 requests, 3 hits, 2 cold starts, 1 drift" in text
    assert "missed (evicted-early): gone evidence: age_seconds 7, tiers a+b" in text
    assert any("1,000 requests, 1,000 hits" in line for line in printed)
    assert not any(line.startswith("other ") for line in printed)


async def test_a_miss_from_before_the_last_call_is_over() -> None:
    """It was reported late: the traffic is shown, and nothing is wrong."""
    house = warmed_house()
    late = seen(house)
    house.clock.seconds += 10
    await house.run()
    await house.store.observe(KEY, late)
    house.clock.seconds += timedelta(minutes=4).total_seconds()
    (found,) = (await house.run()).results
    assert found.traffic is not None
    assert (found.traffic.cold_starts, found.diagnosis) == (1, None)
