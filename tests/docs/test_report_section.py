"""The README's section on the report: its transcript and its definitions are the command's own."""

from __future__ import annotations

import re
import shlex

from click.testing import CliRunner

from infra.local.lambda_emulator import ROOT
from prompt_cache_warmer.cli.commands import commands
from prompt_cache_warmer.cli.effect_words import LABELS
from prompt_cache_warmer.cli.report import ReportSeams
from prompt_cache_warmer.rules.effect_figures import DEFINITIONS
from tests.fakes import FakeClock
from tests.report_cases import FakeHistory, working_week

README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_transcript_is_the_commands_own_output() -> None:
    """Line by line from the first on; behind it come the causes and the definitions."""
    block = README.partition("<!-- report output -->\n```console\n")[2].partition("\n```\n")[0]
    command, *lines = block.splitlines()
    seams = ReportSeams(clock=FakeClock(), open_history=FakeHistory(working_week()).open)
    result = CliRunner(catch_exceptions=False, env={"ANTHROPIC_ADMIN_KEY": None}).invoke(
        commands, shlex.split(command)[2:], obj=seams
    )
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.splitlines()[: len(lines)] == lines
    assert len(lines) > 10


def test_every_figure_is_defined_as_the_command_defines_it() -> None:
    """All of them, in the same words and order."""
    table = README.partition("<!-- report figures -->\n")[2].partition("\n\n")[0]
    rows = re.findall(r"^\| (.+?) \| (.+) \|$", table, re.MULTILINE)[2:]
    assert rows == [(LABELS[name], words) for name, words in DEFINITIONS.items()]
