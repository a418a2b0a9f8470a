"""Verifying end to end: what the handler answers, what it spends, and that no cap is passed by it."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import TYPE_CHECKING

import boto3
import pytest

from infra.local.function import InProcessFunction, LocalClock, invoke_at_once
from infra.local.messages_api import Fault
from prompt_cache_warmer.errors import EventError
from tests.deployments import MESSAGES, Deployment, days_spending, prompt
from tests.fakes import MODEL, document
from tests.lambda_endpoint import FakeLambda

if TYPE_CHECKING:
    from collections.abc import Callable

# Powertools warns of time stamps that CloudWatch would refuse; the clock here stands at a day long past.
pytestmark = pytest.mark.filterwarnings("ignore:This metric doesn't meet the requirements")

EVENT = {"verify": ["support"]}


class QuickClock(LocalClock):
    """The emulator's clock, which waiting moves on at once.

    Args:
        deployment: whose clock it is.
        meanwhile: what happens while somebody waits.
    """

    def __init__(self, deployment: Deployment, meanwhile: Callable[[], object] = lambda: None) -> None:
        super().__init__(deployment.cloud.api.clock)
        self._deployment = deployment
        self._meanwhile = meanwhile

    async def sleep(self, seconds: float) -> None:
        """Move on."""
        self._deployment.wait(seconds / 60)
        self._meanwhile()


def function(
    deployment: Deployment, meanwhile: Callable[[], object] = lambda: None, **settings: str
) -> InProcessFunction:
    """Return a sandbox of a deployment that does not wait in real time."""
    return InProcessFunction(deployment.cloud.environment(**settings), clock=QuickClock(deployment, meanwhile))


def test_a_deployed_target_is_proven(deployment: Deployment) -> None:
    """Each of its models, with tokens and costs that are the API's own, and no state but the warm call's."""
    models = [MODEL, "claude-opus-4-8"]
    deployment.cloud.put("targets/support.json", document("support", request=prompt("1h"), models=models))
    answer = function(deployment).invoke(EVENT)
    assert (answer["is_proven"], answer["entries_proven"]) == (True, 2)
    assert sorted(line["model"] for line in answer["verified"]) == sorted(models)
    written = {
        call.body["model"]: call.usage.cache_creation_input_tokens for call in deployment.calls[:2] if call.usage
    }
    read = {call.body["model"]: call.usage.cache_read_input_tokens for call in deployment.calls[2:] if call.usage}
    assert read == written == {line["model"]: line["evidence"]["read_tokens"] for line in answer["verified"]}
    assert [call.started_at_seconds - deployment.calls[0].started_at_seconds >= 2 for call in deployment.calls] == [
        False,
        False,
        True,
        True,
    ]
    assert days_spending(answer) == Decimal(answer["verification_cost_usd"]) > 0
    assert deployment.tick()["skipped"] == {"outlives-tick": 2}


def test_it_publishes_what_was_warmed_and_nothing_of_the_run(deployment: Deployment) -> None:
    """A real request is no warm call, no traffic, and a selection no picture of the whole."""
    deployment.cloud.put("targets/support.json", document("support", request=prompt("5m")))
    sandbox = function(deployment)
    sandbox.invoke(EVENT)
    printed = sandbox.output()
    assert '"EntriesWritten": [1.0]' in printed.replace('":[', '": [')
    assert "TargetsLoaded" not in printed
    assert "TrafficRequests" not in printed
    (line,) = [json.loads(line) for line in printed.splitlines() if "entry proven" in line]
    assert (line["target"], line["reason"], line["level"]) == ("support", "read", "INFO")
    assert "You are a bot" not in printed


@pytest.mark.parametrize("cap_usd", ["0", "0.016", "0.035", "0.05"])
@pytest.mark.parametrize("setting", ["MAX_USD_PER_DAY", "MAX_USD_PER_MONTH", "target"])
def test_no_cap_is_passed_by_the_apis_own_ledger(deployment: Deployment, setting: str, cap_usd: str) -> None:
    """Five verifications, their entry evicted in between, so that each wants a full write: the cap ends them."""
    own = {"max_usd_per_day": cap_usd} if setting == "target" else {}
    settings = {} if setting == "target" else {setting: cap_usd}
    deployment.cloud.put("targets/support.json", document("support", request=prompt("5m"), **own))
    sandbox = function(deployment, deployment.cloud.api.forget_entries, **settings)
    answers = []
    for _ in range(5):
        answers.append(sandbox.invoke(EVENT))
        deployment.wait(1)
    assert deployment.cost_usd <= Decimal(cap_usd)
    assert days_spending(answers[-1]) == deployment.cost_usd
    code = {"MAX_USD_PER_DAY": "stack-day-cap", "MAX_USD_PER_MONTH": "stack-month-cap", "target": "target-day-cap"}
    assert answers[-1]["verified"][0]["code"] == code[setting]
    assert [answer["is_proven"] for answer in answers] == [False] * 5


def test_a_cap_per_call_holds_for_both(deployment: Deployment) -> None:
    """0 allows neither."""
    deployment.cloud.put("targets/support.json", document("support", request=prompt("5m")))
    answer = function(deployment, MAX_USD_PER_CALL="0").invoke(EVENT)
    assert (answer["is_proven"], deployment.calls) == (False, [])


def test_sandboxes_at_once_pass_no_cap(deployment: Deployment) -> None:
    """Four of them verify the same three targets under a cap with room for two writes or so."""
    names = ["a", "b", "c"]
    for name in names:
        deployment.cloud.put(f"targets/{name}.json", document(name, request=prompt("5m", f"You are bot {name}. ")))
    sandboxes = [function(deployment, MAX_USD_PER_DAY="0.05") for _ in range(4)]
    answers = invoke_at_once(sandboxes, {"verify": names})
    assert 0 < deployment.cost_usd <= Decimal("0.05")
    assert all(len(answer["verified"]) == 3 for answer in answers)
    spent = function(deployment, MAX_USD_PER_DAY="0.05").invoke({"dry_run": True})
    assert days_spending(spent) == deployment.cost_usd


def test_a_request_that_is_lost_is_counted_at_its_worst_case(deployment: Deployment) -> None:
    """It may be billed; the API's own ledger is never above what is counted."""
    deployment.cloud.put("targets/support.json", document("support", request=prompt("5m")))

    def lose() -> None:
        deployment.cloud.api.faults.add(Fault(kind="drop", path=MESSAGES))

    answer = function(deployment, lose, MAX_USD_PER_DAY="1").invoke(EVENT)
    assert (answer["verified"][0]["reason"], answer["verified"][0]["code"]) == ("request-failed", "unreachable")
    assert days_spending(answer) > 2 * Decimal("0.015") > deployment.cost_usd


def test_a_wrong_event_fails_the_invocation_before_anything_is_spent(deployment: Deployment) -> None:
    """As for every other field."""
    deployment.cloud.put("targets/support.json", document("support", request=prompt("5m")))
    with pytest.raises(EventError, match="both verify and dry_run"):
        function(deployment).invoke({"verify": ["support"], "dry_run": True})
    assert deployment.calls == []


@pytest.fixture(autouse=True)
def _new_session(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let boto3 read the environment anew."""
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)


def test_the_command_asks_the_function_of_its_environment(deployment: Deployment) -> None:
    """Names once each, over the AWS API alone; the lines, the JSON and the exit code are the function's findings."""
    deployment.cloud.put("targets/support.json", document("support", request=prompt("1h")))
    sandbox = function(deployment)
    with FakeLambda(sandbox.invoke) as aws:
        proven = aws.run("support", "support")
        as_json = aws.run("support", "--json")
        unknown = aws.run("support", "suport")
        refused = aws.run("support", "--function", "other")
    tokens = deployment.calls[0].usage.cache_creation_input_tokens  # type: ignore[union-attr] # it was answered
    assert (proven.exit_code, proven.stderr) == (0, "")
    assert proven.stdout.splitlines()[0] == f"support on {MODEL}: proven: {tokens:,} of {tokens:,} tokens read"
    assert proven.stdout.splitlines()[1].startswith("1 of 1 proven, for 0.0")
    assert (as_json.exit_code, json.loads(as_json.stdout)["is_proven"]) == (0, True)
    assert unknown.exit_code == 1
    assert "not proven: there is no valid target 'suport'; did you mean 'support'?" in unknown.stdout
    assert refused.exit_code == 0
    assert [path.split("/")[3] for path, _ in aws.asked] == ["warmer", "warmer", "warmer", "other"]
    assert [event for _, event in aws.asked[:2]] == [EVENT, EVENT]


def test_what_the_function_raises_is_one_sentence(deployment: Deployment) -> None:
    """With exit code 2, asked once: asked again, it would spend again."""
    sandbox = InProcessFunction(deployment.cloud.environment(TARGETS_BUCKET="nobodys"), clock=QuickClock(deployment))
    with FakeLambda(sandbox.invoke) as aws:
        result = aws.run("support")
    assert (result.exit_code, result.stdout, len(aws.asked)) == (2, "", 1)
    (line,) = result.stderr.splitlines()
    assert line.startswith("Error: function 'warmer' failed: TargetsUnreadableError: ")


@pytest.mark.parametrize("said", [{}, {"verified": None}, {"verified": [{"target": "a"}]}, "x"], ids=str)
def test_an_answer_of_another_kind_is_one_sentence(said: object) -> None:
    """Such as that of another function, or of another version."""
    with FakeLambda(lambda _: said) as aws:
        result = aws.run("support")
    assert (result.exit_code, result.stdout) == (2, "")
    (line,) = result.stderr.splitlines()
    assert line.startswith("Error: function 'warmer' answered ")
