"""``warm`` end to end: what the deployed function is asked and answers, what is called, and the exit codes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import boto3
import pytest

from infra.local.function import InProcessFunction, LocalClock
from infra.local.messages_api import EmulatorClock, Fault, LocalMessagesApi
from tests.deployments import MESSAGES, prompt
from tests.fakes import MODEL, document
from tests.lambda_endpoint import FakeLambda
from tests.stacks import Stack

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.deployments import Deployment

# Powertools warns of time stamps that CloudWatch would refuse; the clock here stands at a day long past.
pytestmark = pytest.mark.filterwarnings("ignore:This metric doesn't meet the requirements")

KEY = "sk-of-this-machine"


@pytest.fixture(autouse=True)
def _new_session(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let boto3 read the environment anew, without a stack of this machine."""
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    monkeypatch.delenv("WARMER_STACK", raising=False)


@pytest.fixture
def aws(deployment: Deployment) -> Iterator[FakeLambda]:
    """Return the deployed function of a bucket with two targets, behind AWS Lambda's own address."""
    for name, keep in (("support", "once"), ("sales", "while-used")):
        deployment.cloud.put(f"targets/{name}.json", document(name, keep=keep, request=prompt("1h", f"{name} bot. ")))
    clock = LocalClock(deployment.cloud.api.clock)
    with FakeLambda(InProcessFunction(deployment.cloud.environment(), clock=clock).invoke) as endpoint:
        yield endpoint


def test_a_target_is_warmed_by_name_and_shown(deployment: Deployment, aws: FakeLambda) -> None:
    """One invocation, one write by the API's own account, the table of show, and 0."""
    result = aws.run("support", "support", command="warm")
    assert (result.exit_code, result.stderr) == (0, "")
    assert [event for _, event in aws.asked] == [{"targets": ["support"]}]
    (call,) = deployment.calls
    assert call.usage is not None
    tokens = f"{call.usage.cache_creation_input_tokens:,}"
    assert result.stdout.splitlines()[1].split()[:5] == ["support", MODEL, "written", "0", tokens]


def test_what_is_alive_is_not_called_again(deployment: Deployment, aws: FakeLambda) -> None:
    """And that is well: the report says why."""
    aws.run("support", command="warm")
    deployment.wait(1)
    result = aws.run("support", command="warm")
    assert (result.exit_code, len(deployment.calls)) == (0, 1)
    assert "1 not called (outlives-tick): it is alive and outlives the next tick" in " ".join(result.stdout.split())


def test_all_is_what_a_tick_does(deployment: Deployment, aws: FakeLambda) -> None:
    """By each target's own rule, and what its rule leaves is no fault; by name it is not warm."""
    result = aws.run("--all", "--json", command="warm")
    assert [event for _, event in aws.asked] == [{}]
    answer = json.loads(result.stdout)
    assert (result.exit_code, answer["skipped"]) == (0, {"no-traffic": 1})
    assert len(deployment.calls) == 1
    named = aws.run("sales", command="warm")
    assert (named.exit_code, len(deployment.calls)) == (1, 1)


def test_a_dry_run_calls_nothing(deployment: Deployment, aws: FakeLambda) -> None:
    """It says what it would cost."""
    result = aws.run("--all", "--dry-run", command="warm")
    assert [event for _, event in aws.asked] == [{"dry_run": True}]
    assert (result.exit_code, deployment.calls) == (0, [])
    assert "would be warmed" in result.stdout


def test_a_misspelt_name_is_exit_code_1(deployment: Deployment, aws: FakeLambda) -> None:
    """The function knows the nearest one."""
    result = aws.run("suport", command="warm")
    assert (result.exit_code, deployment.calls) == (1, [])
    assert "there is no valid target 'suport'; did you mean 'support'?" in " ".join(result.stdout.split())


def test_what_the_api_refuses_is_exit_code_1(deployment: Deployment, aws: FakeLambda) -> None:
    """The entry failed, and the report says what to do."""
    deployment.cloud.api.faults.add(Fault(kind="status", status=403, path=MESSAGES))
    result = aws.run("support", command="warm")
    assert result.exit_code == 1
    assert "failed" in result.stdout


def test_a_prefix_that_is_not_cached_is_exit_code_1(deployment: Deployment, aws: FakeLambda) -> None:
    """The call succeeded and left nothing."""
    short = {"system": [{"type": "text", "text": "You are a bot.", "cache_control": {"type": "ephemeral"}}]}
    deployment.cloud.put("targets/short.json", document("short", keep="always", request=short))
    result = aws.run("short", command="warm")
    assert (result.exit_code, len(deployment.calls)) == (1, 1)
    assert "uncached" in result.stdout


@pytest.mark.parametrize("said", [{}, {"totals": None}, {"totals": {}, "problems": [], "entries": []}, "x"], ids=str)
def test_an_answer_of_another_kind_is_one_sentence(said: object) -> None:
    """Such as that of another function, or of another version."""
    with FakeLambda(lambda _: said) as aws:
        result = aws.run("support", command="warm")
    assert (result.exit_code, result.stdout) == (2, "")
    (line,) = result.stderr.splitlines()
    assert line.startswith("Error: function 'warmer' answered ")


def test_what_the_function_raises_is_one_sentence(deployment: Deployment) -> None:
    """With exit code 2, asked once: asked again, it would spend again."""
    sandbox = InProcessFunction(deployment.cloud.environment(TARGETS_BUCKET="nobodys"))
    with FakeLambda(sandbox.invoke) as aws:
        result = aws.run("--all", command="warm")
    assert (result.exit_code, result.stdout, len(aws.asked)) == (2, "", 1)
    (line,) = result.stderr.splitlines()
    assert line.startswith("Error: function 'warmer' failed: TargetsUnreadableError: ")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with the two targets as files."""
    for name in ("support", "sales"):
        whole = document(name, keep="while-used", request=prompt("1h", f"{name} bot. "))
        (tmp_path / f"{name}.json").write_text(json.dumps(whole))
    return tmp_path


def test_from_files_it_is_done_here_whatever_the_rule(folder: Path) -> None:
    """With this machine's key, over HTTP, for all targets of the folder; a stack in the environment changes nothing."""
    with LocalMessagesApi(clock=EmulatorClock(frozen=True), api_keys={KEY: "wrkspc_mine"}) as api:
        environment = {"ANTHROPIC_API_KEY": KEY, "ANTHROPIC_BASE_URL": api.base_url, "WARMER_STACK": "s"}
        result = Stack().run("warm", "--file", str(folder), "--json", **environment)
        calls = [(request.body["model"], request.usage) for request in api.requests if request.path == MESSAGES]
    assert (result.exit_code, result.stderr) == (0, "")
    answer = json.loads(result.stdout)
    assert {(line["target"], line["verdict"]) for line in answer["entries"]} == {
        ("sales", "written"),
        ("support", "written"),
    }
    written = [usage.cache_creation_input_tokens for _, usage in calls if usage is not None]
    assert sum(written) == answer["totals"]["write_1h_tokens"] > 2_000


def test_from_files_a_refused_key_is_exit_code_1(folder: Path) -> None:
    """It was asked, and the answer is bad."""
    with LocalMessagesApi(clock=EmulatorClock(frozen=True), api_keys={KEY: "wrkspc_mine"}) as api:
        environment = {"ANTHROPIC_API_KEY": "sk-wrong", "ANTHROPIC_BASE_URL": api.base_url}
        result = Stack().run("warm", "support", "--file", str(folder), **environment)
    assert result.exit_code == 1
    assert "failed" in result.stdout
    assert "sk-wrong" not in result.output
