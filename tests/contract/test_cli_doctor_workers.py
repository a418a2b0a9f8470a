"""``doctor`` and the fan-out: what a tick sends is only called if somebody takes it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from prompt_cache_warmer.adapters.system_clock import SystemClock
from tests.checked import checked, deny
from tests.fakes import document
from tests.local_stack import ACCOUNT, FUNCTION, LocalStack

if TYPE_CHECKING:
    from collections.abc import Iterator

CHECKS = ("due-queue", "workers", "worker-function")


@pytest.fixture(scope="module")
def deployed() -> Iterator[LocalStack]:
    """Return a deployed stack for the tests that change nothing of it for long."""
    with LocalStack() as stack:
        stack.clock = SystemClock()
        stack.put("targets/support.json", document("support"))
        yield stack


@pytest.fixture
def queue(deployed: LocalStack) -> Iterator[str]:
    """Have the function send what is due to a queue; returns its address."""
    queues = deployed.aws.client("sqs")
    url: str = queues.create_queue(QueueName="due")["QueueUrl"]
    deployed.reconfigure(DUE_QUEUE_URL=url)
    yield url
    deployed.reconfigure()
    queues.delete_queue(QueueUrl=url)


@pytest.fixture
def mapping(deployed: LocalStack, queue: str) -> Iterator[str]:
    """Have the stack's one function take what is in the queue; returns the mapping's id."""
    name = queue.rpartition("/")[2]
    made = deployed.functions.create_event_source_mapping(
        FunctionName=FUNCTION, EventSourceArn=f"arn:aws:sqs:us-east-1:{ACCOUNT}:{name}"
    )
    yield made["UUID"]
    deployed.functions.delete_event_source_mapping(UUID=made["UUID"])


def states(stack: LocalStack) -> list[str]:
    """Return the states of the workers' checks, as far as there are any."""
    _, found = checked(stack)
    return [found[check]["state"] for check in CHECKS if check in found]


def test_a_function_that_calls_itself_has_no_workers(deployed: LocalStack) -> None:
    """FanOut is off: nothing is wrong, and nothing is said."""
    assert states(deployed) == []


def test_workers_that_take_what_is_sent_are_green(deployed: LocalStack, mapping: str) -> None:
    """The queue, who takes from it, and the function itself."""
    assert mapping
    _, found = checked(deployed)
    assert [found[check]["sentence"] for check in CHECKS] == [
        "what is due is sent to due",
        f"{FUNCTION} takes what a tick sends",
        f"{FUNCTION} is active on python3.13, its last update successful",
    ]
    assert states(deployed) == ["green"] * 3


def test_a_mapping_that_is_off_is_red_with_the_line_that_turns_it_on(deployed: LocalStack, mapping: str) -> None:
    """Everything else looks well: the ticks run, and send."""
    deployed.functions.update_event_source_mapping(UUID=mapping, Enabled=False)
    code, found = checked(deployed)
    assert (code, found["workers"]["state"]) == (1, "red")
    assert found["workers"]["sentence"].startswith("the workers take nothing, and nothing is called: ")
    assert found["workers"]["fix"].endswith(f"aws lambda update-event-source-mapping --enabled --uuid {mapping}")


@pytest.mark.usefixtures("queue")
def test_a_queue_that_nobody_reads_is_red(deployed: LocalStack) -> None:
    """Its messages expire unseen."""
    _, found = checked(deployed)
    assert found["workers"]["sentence"] == "no function takes what a tick sends: nothing is called"
    assert states(deployed) == ["green", "red"]


def test_a_queue_that_is_gone_is_red(deployed: LocalStack, queue: str) -> None:
    """Nothing more can be asked of it."""
    deployed.reconfigure(DUE_QUEUE_URL=f"{queue}-of-before")
    _, found = checked(deployed)
    assert found["due-queue"]["sentence"] == f"there is no queue {queue}-of-before: what is due goes nowhere"
    assert states(deployed) == ["red"]


@pytest.mark.parametrize(
    ("operation", "found"),
    [("GetQueueAttributes", ["not asked"]), ("ListEventSourceMappings", ["green", "not asked"])],
)
@pytest.mark.usefixtures("mapping")
def test_workers_that_you_may_not_look_at_are_not_asked(
    deployed: LocalStack, monkeypatch: pytest.MonkeyPatch, operation: str, found: list[str]
) -> None:
    """It is no fault of the deployment."""
    deny(monkeypatch, operation)
    assert states(deployed) == found
