"""The fan-out: two queues, a second function of the same code, and what it may do; none of it unless asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from prompt_cache_warmer.errors import SettingsError
from prompt_cache_warmer.settings import VARIABLES, Settings

if TYPE_CHECKING:
    from infra.local.transform import Template

PARTS = {"DueQueue", "DueQueuePolicy", "UnwarmedQueue", "WorkerFunction", "WorkerMessages"}
TICK_SECONDS = 240  # the longest there is


@pytest.fixture(scope="module")
def worker(resources: Template) -> Template:
    """The worker's properties."""
    found: Template = resources["WorkerFunction"]["Properties"]
    return found


@pytest.fixture(scope="module")
def queue(resources: Template) -> Template:
    """The properties of the queue of due entries."""
    found: Template = resources["DueQueue"]["Properties"]
    return found


@pytest.fixture(scope="module")
def mapping(resources: Template) -> Template:
    """The properties of what brings its messages to the worker."""
    found: Template = resources["WorkerMessages"]["Properties"]
    return found


def test_nothing_of_it_is_there_unless_it_is_asked_for(source: Template, resources: Template) -> None:
    """One run makes thousands of calls by itself, so it is off by default."""
    assert source["Parameters"]["FanOut"]["Default"] == "DISABLED"
    assert source["Conditions"]["FansOut"] == {"Fn::Equals": [{"Ref": "FanOut"}, "ENABLED"]}
    assert {name for name, one in resources.items() if one.get("Condition") == "FansOut"} == PARTS
    assert source["Outputs"]["UnwarmedQueueUrl"]["Condition"] == "FansOut"


def test_the_worker_is_the_same_function_without_a_schedule(
    worker: Template, function: Template, resources: Template
) -> None:
    """Same code, role, log, size and environment, but for the queue that it does not send to."""
    differs = {name for name in {*worker, *function} if worker.get(name) != function.get(name)}
    assert differs == {"Description", "Environment", "ReservedConcurrentExecutions"}
    assert "ReservedConcurrentExecutions" not in worker
    of_worker, of_function = (one["Environment"]["Variables"] for one in (worker, function))
    assert set(of_worker) == set(of_function) == set(VARIABLES) - {"ANTHROPIC_API_KEY"}
    assert {name for name in of_worker if of_worker[name] != of_function[name]} == {"DUE_QUEUE_URL", "FAN_OUT_WORKERS"}
    assert of_worker["DUE_QUEUE_URL"] == ""
    assert of_function["DUE_QUEUE_URL"] == {"Fn::If": ["FansOut", {"Ref": "DueQueue"}, ""]}
    assert of_worker["FAN_OUT_WORKERS"] == {"Ref": "FanOutWorkers"}
    assert of_function["FAN_OUT_WORKERS"] == {"Fn::If": ["FansOut", {"Ref": "FanOutWorkers"}, ""]}
    assert not [name for name in resources if name.startswith("WorkerFunction") and name != "WorkerFunction"]


def test_a_worker_takes_one_message_and_says_what_goes_back(mapping: Template, source: Template) -> None:
    """As many at once as the parameter says, inside Lambda's own limits."""
    assert mapping["FunctionName"] == {"Ref": "WorkerFunction"}
    assert mapping["EventSourceArn"] == {"Fn::GetAtt": ["DueQueue", "Arn"]}
    assert mapping["BatchSize"] == 1
    assert mapping["ScalingConfig"] == {"MaximumConcurrency": {"Ref": "FanOutWorkers"}}
    assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    workers = source["Parameters"]["FanOutWorkers"]
    assert (workers["MinValue"], workers["MaxValue"], workers["Default"]) == (2, 1000, 10)


def test_the_off_switch_stops_the_workers_too(mapping: Template) -> None:
    """What waits is not read, and it ends by itself."""
    assert mapping["Enabled"] == {"Fn::If": ["IsScheduled", True, False]}


@pytest.mark.parametrize("timeout", [110, 170, 230])
def test_a_message_comes_back_soon_after_a_run_can_have_ended_and_does_not_grow_old(
    timeout: int, queue: Template, source: Template
) -> None:
    """Never while its run may still be calling; a few times, and gone before a handful of ticks are over."""
    assert queue["VisibilityTimeout"] == {"Fn::FindInMap": ["HiddenDue", {"Ref": "Timeout"}, "Seconds"]}
    hidden = source["Mappings"]["HiddenDue"][str(timeout)]["Seconds"]
    assert hidden == timeout + 10
    assert hidden * queue["RedrivePolicy"]["maxReceiveCount"] < queue["MessageRetentionPeriod"] < 4 * TICK_SECONDS


def test_every_timeout_has_its_hiding_time(source: Template) -> None:
    """The mapping and the parameter name the same."""
    allowed = {str(one) for one in source["Parameters"]["Timeout"]["AllowedValues"]}
    assert set(source["Mappings"]["HiddenDue"]) == allowed


def test_what_nobody_could_do_ends_in_a_queue_of_its_own(queue: Template, resources: Template) -> None:
    """Both are encrypted, and go with the stack."""
    assert queue["RedrivePolicy"]["deadLetterTargetArn"] == {"Fn::GetAtt": ["UnwarmedQueue", "Arn"]}
    for name in ("DueQueue", "UnwarmedQueue"):
        assert resources[name]["Properties"]["SqsManagedSseEnabled"] == {"Fn::If": ["HasEncryptionKey", False, True]}
        assert resources[name]["DeletionPolicy"] == "Delete"
    days = resources["UnwarmedQueue"]["Properties"]["MessageRetentionPeriod"] / 86_400
    assert days == 14


def test_the_function_sends_and_reads_only_where_there_is_a_queue(resources: Template) -> None:
    """One statement for each need, of the one queue."""
    [policy] = resources["WarmerRole"]["Properties"]["Policies"]
    conditional = [one["Fn::If"] for one in policy["PolicyDocument"]["Statement"] if "Fn::If" in one]
    found = {one[1]["Sid"]: (one[1]["Action"], one[1]["Resource"]) for one in conditional if one[0] == "FansOut"}
    arn = {"Fn::GetAtt": ["DueQueue", "Arn"]}
    assert found == {
        "SendDue": ("sqs:SendMessage", arn),
        "ReadDue": (["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"], arn),
    }


@pytest.mark.parametrize(
    ("name", "value"),
    [("DUE_QUEUE_URL", "queue"), ("DUE_QUEUE_URL", "http://example.com/q"), ("FAN_OUT_WORKERS", "0")],
)
def test_settings_refuse_what_cannot_work(name: str, value: str) -> None:
    """A name in the place of an address, an address without TLS, no workers at all."""
    with pytest.raises(SettingsError, match=f": {name}=") as caught:
        Settings.from_environment({"TARGETS_BUCKET": "bucket", "ANTHROPIC_SECRET_ID": "s", name: value})
    assert len(caught.value.problems) == 1


def test_settings_read_what_the_stack_sets() -> None:
    """An empty address is none, and without a number there is one who calls."""
    given = {"TARGETS_BUCKET": "bucket", "ANTHROPIC_SECRET_ID": "s", "DUE_QUEUE_URL": "", "FAN_OUT_WORKERS": ""}
    found = Settings.from_environment(given)
    assert (found.due_queue_url, found.fan_out_workers) == (None, 1)
    url = "https://sqs.eu-central-1.amazonaws.com/123456789012/warmer-DueQueue-AbC"
    found = Settings.from_environment({**given, "DUE_QUEUE_URL": url, "FAN_OUT_WORKERS": "1000"})
    assert (found.due_queue_url, found.fan_out_workers) == (url, 1000)
