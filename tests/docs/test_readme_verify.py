"""The README's section on verifying: its commands run, and print what it shows."""

from __future__ import annotations

import shlex

import boto3
import pytest

from infra.local.lambda_emulator import ROOT
from infra.local.messages_api import LocalMessagesApi
from tests.lambda_endpoint import FakeLambda
from tests.stacks import Stack

README = (ROOT / "README.md").read_text(encoding="utf-8")


def lines(name: str) -> list[str]:
    """Return the lines of a block."""
    return README.partition(f"<!-- {name} -->\n```console\n")[2].partition("\n```\n")[0].splitlines()


def test_the_command_prints_what_the_readme_shows() -> None:
    """From the example's files, against the Messages API emulator: every line and no other."""
    command, *shown = lines("verify output")
    with pytest.MonkeyPatch.context() as patch, LocalMessagesApi() as api:
        patch.chdir(ROOT)
        result = Stack().run(
            *shlex.split(command)[2:], ANTHROPIC_API_KEY="sk-test", ANTHROPIC_BASE_URL=api.base_url, WARMER_FUNCTION=""
        )
    assert (result.exit_code, result.stderr) == (1, "")
    assert result.stdout.splitlines() == shown


def test_the_pipelines_line_asks_the_function_it_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """Behind the deployment, which has to succeed first."""
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    (line,) = lines("verify pipeline")
    deploy, _, verify = line.removeprefix("$ ").partition(" && ")
    assert deploy == "sam deploy"
    program, command, *arguments = shlex.split(verify)
    assert (program, command) == ("prompt-cache-warmer", "verify")
    proven = {
        "is_proven": True,
        "entries_verified": 0,
        "entries_proven": 0,
        "verification_cost_usd": "0",
        "verified": [],
        "verified_truncated": 0,
        "problems": [],
    }
    with FakeLambda(lambda _: proven) as aws:
        result = aws.run(*arguments)
    assert (result.exit_code, result.stderr) == (0, "")
    assert aws.asked == [("/2015-03-31/functions/FUNCTION/invocations", {"verify": ["support-agent"]})]
