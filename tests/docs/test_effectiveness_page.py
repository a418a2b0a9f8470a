"""The page on real traffic: its commands run and print what it shows, and its figures are defined as the code does."""

from __future__ import annotations

import re
import shlex

import boto3
import pytest
from click.testing import CliRunner

from infra.local.lambda_emulator import ROOT
from infra.local.messages_api import LocalMessagesApi
from prompt_cache_warmer.cli.commands import commands
from prompt_cache_warmer.cli.effect_words import LABELS
from prompt_cache_warmer.cli.report import ReportSeams
from prompt_cache_warmer.rules.effect_figures import DEFINITIONS
from tests.docs.pages import fenced, page
from tests.fakes import FakeClock
from tests.lambda_endpoint import FakeLambda
from tests.report_cases import FakeHistory, working_week
from tests.stacks import Stack

PAGE = page("effectiveness.md")


def test_verify_prints_what_the_page_shows() -> None:
    """From the example's files, against the Messages API emulator: every line and no other."""
    command, *shown = fenced(PAGE, "verify output").splitlines()
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
    (line,) = fenced(PAGE, "verify pipeline").splitlines()
    deploy, _, verify = line.removeprefix("$ ").partition(" && ")
    assert deploy == "sam deploy --config-env production --no-confirm-changeset"
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


def test_the_reports_transcript_is_the_commands_own_output() -> None:
    """Line by line from the first on; behind it come the causes and the definitions."""
    command, *lines = fenced(PAGE, "report output").splitlines()
    seams = ReportSeams(clock=FakeClock(), open_history=FakeHistory(working_week()).open)
    result = CliRunner(catch_exceptions=False, env={"ANTHROPIC_ADMIN_KEY": None}).invoke(
        commands, shlex.split(command)[2:], obj=seams
    )
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.splitlines()[: len(lines)] == lines
    assert len(lines) > 10


def test_every_figure_is_defined_as_the_command_defines_it() -> None:
    """All of them, in the same words and order."""
    table = PAGE.partition("<!-- report figures -->\n")[2].partition("\n\n")[0]
    rows = re.findall(r"^\| (.+?) \| (.+) \|$", table, re.MULTILINE)[2:]
    assert rows == [(LABELS[name], words) for name, words in DEFINITIONS.items()]
