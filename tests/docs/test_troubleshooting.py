"""The page of what goes wrong: every command, option, code, metric, parameter and field that it names exists."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

import botocore.session
import click
import pytest
from botocore import xform_name

from infra.local.lambda_emulator import ROOT
from prompt_cache_warmer.cli.commands import commands
from prompt_cache_warmer.rules import breaker
from prompt_cache_warmer.rules.diagnosis import Cause
from prompt_cache_warmer.rules.metrics import CATALOGUE
from prompt_cache_warmer.rules.reasons import Reason
from prompt_cache_warmer.rules.status import Warm
from prompt_cache_warmer.rules.verdict import Verdict
from prompt_cache_warmer.settings import VARIABLES
from prompt_cache_warmer.values.document import json_schema
from prompt_cache_warmer.values.problems import ProblemCode
from tests.docs.pages import page

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE = page("troubleshooting.md")
PARAMETERS = set(re.findall(r"^  ([A-Za-z]+):$", (ROOT / "template.yaml").read_text(encoding="utf-8"), re.MULTILINE))
CHECKS = {
    *("schedule", "targets", "ticks", "secret", "credential default", "caps", "clock", "api-clock"),
    *("pause", "stopped", "breakers", "budget"),
}
WORDS = {
    *(metric.name for metric in CATALOGUE),
    *(reason.value for reason in Reason),
    *(code.value for code in ProblemCode),
    *(verdict.value for verdict in Verdict),
    *(cause.value for cause in Cause),
    *(warm.value for warm in Warm),
    *(breaker.CANNOT_BE_HELD, breaker.NEVER_CACHED, "spend-limit"),
    *VARIABLES,
    *PARAMETERS,
    *json_schema()["properties"],
    *commands.commands,
    *CHECKS,
    *("STACK", "ENABLED", "DISABLED", "false", "run", "keep: while-used", "--explain", "entries", "kms:Decrypt"),
    "AccessDenied",  # S3's and Secrets Manager's own word
}
SYMPTOMS = {
    *("everything is cold", "hits are low", "written at every tick", "`uncached`", "401", "spend limit", "budget"),
    *("prompt was changed", "another workspace", "5 minutes or 1 hour", "thousands of documents", "clock", "kms key"),
}


def quoted() -> list[str]:
    """Return all that stands in backticks, with its line ends as blanks."""
    return [" ".join(found.split()) for found in re.findall(r"`([^`]+)`", PAGE)]


def own_commands() -> list[str]:
    """Return the command lines of ours."""
    return [line for line in quoted() if line.startswith("prompt-cache-warmer ")]


def test_each_symptom_has_a_section_with_the_first_line_to_type() -> None:
    """Symptom, first command, fix."""
    sections = PAGE.split("\n## ")[1:]
    for symptom in SYMPTOMS:
        assert any(symptom in section.splitlines()[0].lower() for section in sections), symptom
    assert len(sections) == len(SYMPTOMS)
    for section in sections:
        assert re.match(r"[^\n]+\n\nFirst: `(prompt-cache-warmer|aws) ", section), section.splitlines()[0]


@pytest.mark.parametrize("line", sorted(set(own_commands())))
def test_each_command_can_be_typed(line: str) -> None:
    """Its command, arguments and options are those of the group."""
    _, name, *arguments = shlex.split(line)
    arguments = ["not-allowed" if argument == "CODE" else argument for argument in arguments]
    arguments = ["9" if argument == "N" else "name" if argument == "NAME" else argument for argument in arguments]
    command = commands.commands[name]
    for option in (argument for argument in arguments if argument.startswith("--")):
        assert any(option in parameter.opts for parameter in command.params), option
    assert any(isinstance(parameter, click.Argument) for parameter in command.params) or not arguments or "--" in line


def test_each_command_of_aws_exists() -> None:
    """By the SDK's own models; logs tail is the CLI's own."""
    lines = [line for line in quoted() if line.startswith("aws ")]
    assert lines
    session = botocore.session.get_session()
    for line in lines:
        _, service, operation, *_ = line.split()
        if (service, operation) != ("logs", "tail"):
            names = session.get_service_model(service).operation_names
            assert operation.replace("-", "_") in {xform_name(name) for name in names}


def unknown() -> Iterator[str]:
    """Yield what is quoted and is the name of nothing."""
    for word in quoted():
        if word not in WORDS and not word.startswith(("prompt-cache-warmer ", "aws ")):
            yield word


def test_each_quoted_word_is_the_name_of_something() -> None:
    """A reason, a verdict, a code, a cause, a metric, a parameter, a field, a check or a command."""
    assert list(unknown()) == []


def test_the_checks_named_are_doctors() -> None:
    """By the words that it prints."""
    from prompt_cache_warmer.wiring.checkup import account, keys, parts, standing, targets  # noqa: PLC0415 - it loads boto3

    known = {parts.SCHEDULE, *targets.OF_LOOK, keys.SECRET, f"{keys.CREDENTIAL} default", account.AWS_CLOCK}
    assert known | {account.API_CLOCK, *standing.OF_STANDING} >= CHECKS
