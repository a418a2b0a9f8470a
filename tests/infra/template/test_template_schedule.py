"""Time: the schedule's syntax and input, and no run that outlives its tick."""

from __future__ import annotations

import itertools
import json
from typing import TYPE_CHECKING

import pytest

from infra.local.template_checks import substitutions
from prompt_cache_warmer.rules.retry import RUN_END_MARGIN_SECONDS

if TYPE_CHECKING:
    from infra.local.transform import Template

AWS_LEAST_EVENT_AGE_SECONDS = 60
SECONDS_FOR_START_AND_LISTING = 10  # a cold start and the listing of the bucket, before the first warm call


@pytest.fixture(scope="module")
def schedule(resources: Template) -> Template:
    """The schedule's properties."""
    found: Template = resources["WarmerFunctionTick"]["Properties"]
    return found


def permitted(template: Template, *, tick: int, timeout: int) -> bool:
    """Evaluate the template's Rules for one pair of parameters."""
    chosen = {"TickMinutes": str(tick), "Timeout": str(timeout)}
    for name, rule in template["Rules"].items():
        if not name.startswith("Timeout"):
            continue
        parameter, value = rule["RuleCondition"]["Fn::Equals"]
        if chosen[parameter["Ref"]] != value:
            continue
        for assertion in rule["Assertions"]:
            values, asked = assertion["Assert"]["Fn::Contains"]
            if chosen[asked["Ref"]] not in values:
                return False
    return True


def test_the_schedule_ticks_every_tick_minutes(schedule: Template, transformed: Template) -> None:
    """The expression is AWS's own syntax for every tick that may be chosen."""
    expressions = substitutions(schedule["ScheduleExpression"], transformed)
    assert expressions == ["rate(2 minutes)", "rate(3 minutes)", "rate(4 minutes)"]


def test_the_schedule_is_exact_and_has_an_off_switch(schedule: Template, source: Template) -> None:
    """No flexible window, no fixed name, and its state is a parameter that is on by default."""
    assert schedule["FlexibleTimeWindow"] == {"Mode": "OFF"}
    assert "Name" not in schedule
    assert schedule["State"] == {"Ref": "ScheduleState"}
    assert source["Parameters"]["ScheduleState"]["Default"] == "ENABLED"


def test_the_function_knows_its_tick(function: Template) -> None:
    """The handler plans with the same number of minutes the schedule ticks at."""
    assert function["Environment"]["Variables"]["TICK_MINUTES"] == {"Ref": "TickMinutes"}


def test_the_input_identifies_the_tick(schedule: Template) -> None:
    """What the handler receives is JSON and carries the scheduled time and the execution's id."""
    text = schedule["Target"]["Input"]
    for attribute, value in {"scheduled-time": "2026-03-01T12:00:00Z", "execution-id": "d32c5kddcf5bb8c3"}.items():
        text = text.replace(f"<aws.scheduler.{attribute}>", value)
    assert json.loads(text) == {
        "source": "prompt-cache-warmer.schedule",
        "scheduled_time": "2026-03-01T12:00:00Z",
        "execution_id": "d32c5kddcf5bb8c3",
    }


def test_a_run_ends_before_the_next_tick(source: Template) -> None:
    """Of all pairs of tick and timeout, exactly those with timeout < tick can be deployed."""
    ticks, timeouts = (source["Parameters"][name]["AllowedValues"] for name in ("TickMinutes", "Timeout"))
    pairs = list(itertools.product(ticks, timeouts))
    assert {pair for pair in pairs if permitted(source, tick=pair[0], timeout=pair[1])} == {
        (tick, timeout) for tick, timeout in pairs if timeout < tick * 60
    }


def test_the_defaults_may_be_deployed_at_every_tick(source: Template) -> None:
    """Whoever changes only the tick never has to change the timeout as well."""
    timeout = source["Parameters"]["Timeout"]["Default"]
    assert all(
        permitted(source, tick=tick, timeout=timeout) for tick in source["Parameters"]["TickMinutes"]["AllowedValues"]
    )


def test_one_slow_request_fits_into_the_shortest_run(source: Template) -> None:
    """Even with the longest request timeout a run of the shortest timeout begins warm calls."""
    longest = source["Parameters"]["RequestTimeoutSeconds"]["MaxValue"]
    shortest = min(source["Parameters"]["Timeout"]["AllowedValues"])
    assert longest + RUN_END_MARGIN_SECONDS + SECONDS_FOR_START_AND_LISTING <= shortest


def test_no_run_starts_after_its_tick(source: Template, resources: Template, schedule: Template) -> None:
    """Time to deliver a tick plus time to start it is at most the tick, so a late one is dropped."""
    age = {"Fn::FindInMap": ["HalfTick", {"Ref": "TickMinutes"}, "Seconds"]}
    assert schedule["Target"]["RetryPolicy"]["MaximumEventAgeInSeconds"] == age
    assert resources["WarmerAsyncRuns"]["Properties"]["MaximumEventAgeInSeconds"] == age
    for tick in source["Parameters"]["TickMinutes"]["AllowedValues"]:
        half = source["Mappings"]["HalfTick"][str(tick)]["Seconds"]
        assert AWS_LEAST_EVENT_AGE_SECONDS <= half <= tick * 60 / 2


def test_a_retry_of_the_default_ends_within_its_tick(source: Template) -> None:
    """At the default tick even a run that was retried at the last moment ends before the next tick."""
    parameters = source["Parameters"]
    half = source["Mappings"]["HalfTick"][str(parameters["TickMinutes"]["Default"])]["Seconds"]
    assert half + parameters["Timeout"]["Default"] < parameters["TickMinutes"]["Default"] * 60


def test_a_failed_run_is_tried_again_once(resources: Template, schedule: Template) -> None:
    """Retries are few: Lambda runs a failed event once more, the schedule delivers a few times more."""
    assert resources["WarmerAsyncRuns"]["Properties"]["MaximumRetryAttempts"] == 1
    assert schedule["Target"]["RetryPolicy"]["MaximumRetryAttempts"] == 3


def test_what_failed_is_kept(resources: Template, schedule: Template) -> None:
    """Deliveries that failed and runs that failed end in an encrypted queue for 14 days."""
    queue = {"Fn::GetAtt": ["FailuresQueue", "Arn"]}
    assert schedule["Target"]["DeadLetterConfig"] == {"Arn": queue}
    invoke = resources["WarmerAsyncRuns"]["Properties"]
    assert invoke["DestinationConfig"]["OnFailure"]["Destination"] == queue
    properties = resources["FailuresQueue"]["Properties"]
    assert properties["SqsManagedSseEnabled"] == {"Fn::If": ["HasEncryptionKey", False, True]}
    assert properties["MessageRetentionPeriod"] == 14 * 24 * 3600


def test_the_schedule_may_only_invoke_and_report(resources: Template) -> None:
    """The schedule's role invokes the one function and sends to the one queue."""
    documents = [policy["PolicyDocument"] for policy in resources["WarmerFunctionTickRole"]["Properties"]["Policies"]]
    granted = [(one["Action"], one["Resource"]) for document in documents for one in document["Statement"]]
    assert granted == [
        ("lambda:InvokeFunction", {"Fn::GetAtt": ["WarmerFunction", "Arn"]}),
        ("sqs:SendMessage", {"Fn::GetAtt": ["FailuresQueue", "Arn"]}),
    ]
