"""What keeps calls back, end to end: pauses, windows, breakers; and what may never stand in the output or the table."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from infra.local.cloud import SECRET
from infra.local.messages_api import Fault
from prompt_cache_warmer.adapters.state_items import PARTITION_KEY
from prompt_cache_warmer.values.snapshot import Pause
from tests.canaries import CANARY
from tests.deployments import MONDAY, TICK_MINUTES, Deployment, as_text, codes, prompt
from tests.fakes import document

if TYPE_CHECKING:
    from typing import Any

# Powertools warns of time stamps that CloudWatch would refuse; the clock here stands at a day long past.
pytestmark = pytest.mark.filterwarnings("ignore:This metric doesn't meet the requirements")

BERLIN = {"from": "07:30", "to": "19:00", "timezone": "Europe/Berlin"}


def test_a_pause_stops_all_warming_and_ends_by_itself(deployment: Deployment) -> None:
    """Paused from minute 4 to 12: nothing is called, report and metric say why; minute 12 goes on."""
    deployment.cloud.put("targets/a.json", document("a", request=prompt("5m")))
    first = deployment.ticks(1)
    until = deployment.now() + timedelta(minutes=2 * TICK_MINUTES)
    deployment.pause(Pause("load test", deployment.now(), until))
    paused = deployment.ticks(2)
    resumed = deployment.ticks(1)
    assert [codes(answer) for answer in first + paused + resumed] == [["written"], ["paused"], ["paused"], ["written"]]
    assert deployment.minutes == [0, 12]
    assert [answer["pause"] and answer["pause"]["reason"] for answer in paused + resumed] == ["load test"] * 2 + [None]
    assert (deployment.metric("Paused"), deployment.metric("EntriesWritten")) == (2, 2)


def test_a_window_opens_with_its_lead_and_is_left_to_lapse_at_its_end(deployment: Deployment) -> None:
    """In January 07:30 in Berlin is 06:30 UTC, five minutes of lead make it 06:25, and it closes at 18:00 UTC."""
    deployment.cloud.put("targets/a.json", document("a", request=prompt("1h"), windows=[{"days": "mon-fri", **BERLIN}]))
    found = {}
    for clock_time in ("00:00", "06:24", "06:28", "06:32", "17:20", "17:56", "18:00", "18:04"):
        hour, minute = map(int, clock_time.split(":"))
        deployment.wait_until(MONDAY.replace(hour=hour, minute=minute))
        found[clock_time] = codes(deployment.tick())
    assert found == {
        "00:00": ["outside-window"],
        "06:24": ["outside-window"],
        "06:28": ["written"],
        "06:32": ["outlives-tick"],
        "17:20": ["written"],  # the ticks in between were left out here, so it had lapsed
        "17:56": ["outlives-tick"],
        "18:00": ["outside-window"],
        "18:04": ["outside-window"],
    }
    assert deployment.metric("EntriesLapsed") == 1
    deployment.wait_until(MONDAY.replace(day=10, hour=8))  # a Saturday
    assert codes(deployment.tick()) == ["outside-window"]


def test_a_window_keeps_to_the_clocks_on_the_wall_when_they_change(deployment: Deployment) -> None:
    """On 29 March 2026 Berlin goes over to summer time: 07:25 is 06:25 UTC on the day before and 05:25 on that day."""
    deployment.cloud.put("targets/a.json", document("a", request=prompt("5m"), windows=[BERLIN]))
    found = {}
    for day, hour, minute in ((28, 5, 28), (28, 6, 24), (28, 6, 28), (29, 5, 24), (29, 5, 28)):
        deployment.wait_until(datetime(2026, 3, day, hour, minute, tzinfo=UTC))
        found[day, hour, minute] = codes(deployment.tick())
    assert found == {
        (28, 5, 28): ["outside-window"],
        (28, 6, 24): ["outside-window"],
        (28, 6, 28): ["written"],
        (29, 5, 24): ["outside-window"],
        (29, 5, 28): ["written"],
    }
    assert deployment.metric("EntriesLapsed") == 0


def test_while_used_holds_what_is_used_and_leaves_what_lapsed_to_the_next_request(deployment: Deployment) -> None:
    """Asked at minute 8, it is due at minute 64; after ticks that never came it is cold, counted once, not called."""
    deployment.cloud.put("targets/a.json", document("a", keep="while-used", request=prompt("1h")))
    assert [codes(answer) for answer in deployment.ticks(2)] == [["no-traffic"]] * 2
    deployment.ask("a", prompt("1h"))
    found = [codes(answer) for answer in deployment.ticks(15)]
    assert found == [*[["outlives-tick"]] * 14, ["refreshed"]]
    deployment.wait_until(deployment.started_at + timedelta(minutes=125))
    assert [codes(answer) for answer in deployment.ticks(2)] == [["left-to-traffic"]] * 2
    assert deployment.minutes == [8, 64]
    assert deployment.metric("EntriesLapsed") == 1


def test_a_missed_tick_is_a_lapse_that_is_counted(deployment: Deployment) -> None:
    """Eight minutes after a write for five it is cold: keep: always writes it again and says that it lapsed."""
    deployment.cloud.put("targets/a.json", document("a", request=prompt("5m")))
    deployment.ticks(2)
    deployment.wait(TICK_MINUTES)
    answer = deployment.tick()
    assert codes(answer) == ["written"]
    assert answer["totals"]["entries_lapsed"] == 1
    assert deployment.metric("EntriesLapsed") == 1
    assert deployment.metric("EntriesLapsed", Target="a") == 1


def test_a_refused_request_is_sent_once_until_its_document_changes(deployment: Deployment) -> None:
    """A 400 will be a 400 again; a corrected document is tried at the next tick, and its neighbour is never held up."""
    deployment.cloud.put("targets/bad.json", document("bad", models=["claude-opus-4-8"], request=prompt("5m")))
    deployment.cloud.put("targets/good.json", document("good", request=prompt("5m")))
    deployment.cloud.api.faults.add(Fault(kind="status", status=400, model="claude-opus-4-8", times=None))
    answers = deployment.ticks(4)
    assert [sorted(codes(answer)) for answer in answers] == [
        ["failed", "written"],
        *[["breaker-open", "refreshed"]] * 3,
    ]
    assert deployment.metric("BreakersOpen") == 3
    deployment.cloud.api.faults.clear()
    deployment.cloud.put("targets/bad.json", document("bad", models=["claude-opus-4-8"], request=prompt("5m", "Now. ")))
    assert sorted(codes(deployment.tick())) == ["refreshed", "written"]
    assert [received.status for received in deployment.calls if received.body["model"] == "claude-opus-4-8"] == [
        400,
        200,
    ]
    assert deployment.metric("BreakersOpen") == 3


def test_a_refused_key_stops_its_credential_and_one_call_an_hour_later_tries_it(deployment: Deployment) -> None:
    """All entries of it wait in the next run, in a new sandbox too; after an hour one goes ahead, then the others."""
    calm = Deployment(deployment.cloud, MAX_CONCURRENCY="1")
    for name in ("a", "b", "c"):
        calm.cloud.put(f"targets/{name}.json", document(name, request=prompt("5m", f"You are {name}. ")))
    calm.cloud.api.faults.add(Fault(kind="status", status=401, times=1))
    first = calm.tick()
    assert [entry["code"] for entry in first["entries"]] == ["credential"] * 3
    assert len(calm.calls) == 1
    calm.wait(TICK_MINUTES)
    second = calm.tick(calm.sandbox())
    assert codes(second) == ["credential-stopped"] * 3
    assert second["stopped_credentials"] == ["default"]
    assert calm.metric("BreakersOpen") == 1
    calm.wait(60)
    trial = calm.tick()
    assert sorted(codes(trial)) == ["credential-on-trial", "credential-on-trial", "written"]
    calm.wait(TICK_MINUTES)
    assert sorted(codes(calm.tick())) == ["refreshed", "written", "written"]
    assert [received.status for received in calm.calls] == [401, 200, 200, 200, 200]


def test_an_entry_that_cannot_be_held_is_left_alone_after_three_writes(deployment: Deployment) -> None:
    """The cache forgets it between any two ticks: written once, then three times where it should have been alive."""
    deployment.cloud.put("targets/a.json", document("a", request=prompt("5m")))
    found = []
    for _ in range(6):
        found += codes(deployment.ticks(1)[0])
        deployment.cloud.api.forget_entries()
    assert found == ["written"] * 4 + ["breaker-open"] * 2


def test_no_prompt_and_no_key_is_in_the_output_or_in_the_table(deployment: Deployment) -> None:
    """After writes, refusals that quote the prompt, nonsense and timeouts the whole table is searched for canaries."""
    key = f"sk-ant-{CANARY}-key"
    deployment.cloud.aws.secrets.put_secret_value(SecretId=SECRET, SecretString=key)
    deployment.cloud.api.api_keys = {key: "wrkspc_local"}
    planted = prompt("5m", f"You know {CANARY}-prompt. ")
    watched = Deployment(
        deployment.cloud, MAX_USD_PER_DAY="1", REQUEST_TIMEOUT_SECONDS="2", LOG_LEVEL="DEBUG", METRIC_DETAIL="entry"
    )
    watched.cloud.put("targets/good.json", document("good", request=planted))
    watched.cloud.put("targets/refused.json", document("refused", models=["claude-opus-4-8"], request=planted))
    quoted = f"bad text: You know {CANARY}-prompt"
    watched.cloud.api.faults.add(Fault(kind="status", status=400, model="claude-opus-4-8", message=quoted, times=None))
    answers: list[Any] = watched.ticks(2)
    refusal = Fault(kind="status", status=401, message=f"invalid x-api-key {key}")
    for fault in (Fault(kind="garbage"), Fault(kind="delay", seconds=4), refusal):
        watched.cloud.api.faults.add(fault)
        answers += watched.ticks(1)
    items = watched.items()
    assert {item[PARTITION_KEY]["S"] for item in items} == {
        *("stack", "credential/default", "target/good", "target/refused")
    }
    assert [entry["code"] for entry in answers[0]["entries"] if entry["target"] == "refused"] == ["rejected"]
    assert CANARY not in as_text(items)
    assert CANARY not in watched.function.output()
    assert CANARY not in json.dumps(answers)
