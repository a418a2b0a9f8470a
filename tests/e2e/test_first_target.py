"""From nothing to a warm target: what ``init`` prints is typed as it stands, against a deployed stack."""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING

import pytest

from infra.local.cloud import API_KEY, WORKSPACE
from infra.local.function import InProcessFunction, LocalClock
from infra.local.messages_api import EmulatorClock, LocalMessagesApi
from tests.fakes import EPOCH
from tests.lambda_endpoint import FakeLambda
from tests.local_stack import BUCKET, STACK, LocalStack

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from click.testing import Result

# Powertools warns of time stamps that CloudWatch would refuse; the clock here stands at a day long past.
pytestmark = pytest.mark.filterwarnings("ignore:This metric doesn't meet the requirements")

SYSTEM_PROMPT = "You answer questions about our products, and you never guess. " * 500


@pytest.fixture
def stack() -> Iterator[LocalStack]:
    """Return a deployed stack."""
    clock = EmulatorClock(frozen=True)
    clock.advance(EPOCH.timestamp() - clock.now_seconds())  # the command line's own time
    with LocalStack(LocalMessagesApi(clock=clock, api_keys={API_KEY: WORKSPACE})) as deployed:
        yield deployed


def typed(stack: LocalStack, line: str, function: FakeLambda) -> Result | None:
    """Type a line: our own commands run, and ``aws s3 cp`` does what the AWS CLI does."""
    program, *arguments = shlex.split(line)
    if program == "prompt-cache-warmer":
        endpoint = {"AWS_ENDPOINT_URL_LAMBDA": function.address} if arguments[0] == "warm" else {}
        return stack.run(*arguments, **endpoint)
    assert (program, arguments[:2]) == ("aws", ["s3", "cp"])
    source, place = arguments[2:]
    bucket, _, key = place.removeprefix("s3://").partition("/")
    stack.aws.s3.upload_file(source, bucket, key)
    return None


@pytest.mark.parametrize("keep", ["once", "always"])
def test_what_init_prints_works_as_it_stands(
    stack: LocalStack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, keep: str
) -> None:
    """The prompt is put where it says, and each line succeeds in its turn; in the end the target is warm."""
    monkeypatch.chdir(tmp_path)
    answer = json.loads(stack.run("init", "support", "--keep", keep, "--stack", STACK, "--json").stdout)
    assert f"s3://{BUCKET}/" in answer["commands"][2]
    (tmp_path / "prompts/support.md").write_text(SYSTEM_PROMPT)
    sandbox = InProcessFunction(stack.environment(**stack.settings()), clock=LocalClock(stack.api.clock))
    ran: dict[str, Result] = {}
    with FakeLambda(sandbox.invoke) as function:
        for line in answer["commands"]:
            result = typed(stack, line, function)
            if result is not None:
                assert (result.exit_code, result.stderr) == (0, ""), (line, result.output)
                ran[line.split()[1]] = result
    assert list(ran) == ["check", "plan", "warm", "status"]
    assert "0 errors, 0 warnings" in ran["check"].stdout
    assert "written" in ran["warm"].stdout
    assert "support" in ran["status"].stdout
    (call,) = [request for request in stack.api.requests if request.path == "/v1/messages"]
    assert call.body["system"] == [
        {"type": "text", "text": SYSTEM_PROMPT, "cache_control": {"type": "ephemeral", "ttl": "1h"}}
    ]


def test_a_target_that_waits_for_requests_is_not_called(
    stack: LocalStack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every line for keep: while-used succeeds too, and nothing was spent."""
    monkeypatch.chdir(tmp_path)
    answer = json.loads(stack.run("init", "support", "--keep", "while-used", "--stack", STACK, "--json").stdout)
    (tmp_path / "prompts/support.md").write_text(SYSTEM_PROMPT)
    with FakeLambda(lambda _: {}) as function:
        results = [typed(stack, line, function) for line in answer["commands"]]
    assert [result.exit_code for result in results if result is not None] == [0, 0, 0]
    assert list(stack.api.requests) == []
