"""Decisions end to end: the real handler, the real DynamoDB adapter, and only the calls that are due."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from infra.local.cloud import LocalCloud, schedule_event
from tests.deployments import Deployment, api, codes, prompt
from tests.fakes import document

if TYPE_CHECKING:
    from typing import Any

# Powertools warns of time stamps that CloudWatch would refuse; the clock here stands at a day long past.
pytestmark = pytest.mark.filterwarnings("ignore:This metric doesn't meet the requirements")

HOURLY = document("hourly", request=prompt("1h"))
TWO_MODELS = ["claude-sonnet-4-6", "claude-opus-4-8"]


def test_an_entry_of_one_hour_is_called_at_minutes_0_and_56_of_20_ticks(deployment: Deployment) -> None:
    """It lapses at minute 60; five minutes of reach ahead of it, minute 56 is the last tick that is sure to come."""
    deployment.cloud.put("targets/hourly.json", HOURLY)
    answers = deployment.ticks(20)
    assert deployment.minutes == [0, 56]
    assert [received.usage.cache_read_input_tokens > 0 for received in deployment.calls if received.usage] == [
        False,
        True,
    ]
    assert [codes(answer) for answer in answers] == [
        ["written"],
        *[["outlives-tick"]] * 13,
        ["refreshed"],
        *[["outlives-tick"]] * 5,
    ]
    assert deployment.metric("EntriesSkipped") == 18


def test_a_new_sandbox_makes_no_call_more(deployment: Deployment) -> None:
    """What is warm stands in the table, so a cold start of the function costs nothing."""
    deployment.cloud.put("targets/hourly.json", HOURLY)
    deployment.ticks(5)
    deployment.ticks(15, deployment.sandbox())
    assert deployment.minutes == [0, 56]


def test_a_lost_table_costs_one_call_for_each_entry(deployment: Deployment) -> None:
    """At minute 40 nothing is known any more: both are called once more, and then when they are due again."""
    deployment.cloud.put("targets/hourly.json", {**HOURLY, "models": TWO_MODELS})
    deployment.ticks(10)
    deployment.empty_the_table()
    deployment.ticks(15)
    assert deployment.minutes == [0, 0, 40, 40, 96, 96]


def test_a_tick_that_is_delivered_twice_calls_once(deployment: Deployment) -> None:
    """The schedule promises at least one delivery; the second one finds that it was called since it was due."""
    deployment.cloud.put("targets/short.json", document("short", request=prompt("5m")))
    event = schedule_event("exec-1", deployment.now())
    assert codes(deployment.function.invoke(event)) == ["written"]
    deployment.wait(0.5)
    assert codes(deployment.function.invoke(event)) == ["called-this-tick"]
    assert codes(deployment.sandbox().invoke(event)) == ["called-this-tick"]
    assert deployment.minutes == [0]


def test_a_changed_prompt_begins_a_new_life(deployment: Deployment) -> None:
    """The old prefix would live until minute 60; the new one is written at once and counts from there."""
    deployment.cloud.put("targets/hourly.json", HOURLY)
    deployment.ticks(2)
    deployment.cloud.put("targets/hourly.json", {**HOURLY, "request": prompt("1h", "You are another bot. ")})
    answers = deployment.ticks(16)
    assert deployment.minutes == [0, 8, 64]
    assert [codes(answers[0]), codes(answers[14])] == [["written"], ["refreshed"]]


def test_a_document_that_is_written_again_unchanged_is_the_same_life(deployment: Deployment) -> None:
    """Spaces, a comment of the rule or another upload change no prefix, so nothing is called for them."""
    deployment.cloud.put("targets/hourly.json", HOURLY)
    deployment.ticks(2)
    deployment.cloud.put("targets/hourly.json", {**HOURLY, "expected_requests": 7})
    deployment.ticks(3)
    assert deployment.minutes == [0]


def test_without_a_table_each_sandbox_remembers_for_itself_and_the_report_says_so() -> None:
    """The first sandbox calls once; a new one knows nothing and calls again, which costs one read."""
    with LocalCloud(api()) as cloud:
        deployment = Deployment(cloud)
        cloud.put("targets/hourly.json", HOURLY)
        answers = [*deployment.ticks(2), deployment.tick(deployment.sandbox())]
    assert [codes(answer) for answer in answers] == [["written"], ["outlives-tick"], ["refreshed"]]
    assert [answer["state"] for answer in answers] == ["memory"] * 3
    notices: list[Any] = [[notice for notice in answer["notices"] if "STATE_TABLE" in notice] for answer in answers]
    assert [len(found) for found in notices] == [1, 1, 1]
    assert deployment.minutes == [0, 8]


def test_with_a_table_the_report_says_table_and_has_no_notice(deployment: Deployment) -> None:
    """There is nothing to say about what outlives the sandbox."""
    deployment.cloud.put("targets/hourly.json", HOURLY)
    answer = deployment.tick()
    assert (answer["state"], answer["notices"]) == ("table", [])
