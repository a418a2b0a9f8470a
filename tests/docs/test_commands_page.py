"""The page of commands: what click says, current, and every line on it can be typed."""

from __future__ import annotations

import re
import shlex

import pytest
from click.testing import CliRunner

from infra.local.generate_commands import command_parts
from infra.local.generated_tables import filled
from infra.local.lambda_emulator import ROOT
from prompt_cache_warmer.cli.commands import commands

PATH = ROOT / "infra/docs/commands.md"
PAGE = PATH.read_text(encoding="utf-8")


def test_the_page_is_current() -> None:
    """Help, exit codes and variables are those of the code; `make generate` writes them."""
    assert filled(PAGE, command_parts(), page=PATH.name) == PAGE


def test_every_command_has_its_section_in_the_order_of_the_help() -> None:
    """One each, with its usage."""
    assert re.findall(r"^### (\S+)$", PAGE, re.MULTILINE) == list(commands.commands)
    for name in commands.commands:
        assert f"### {name}\n\n```text\nUsage: prompt-cache-warmer {name} " in PAGE


def test_the_help_on_the_page_is_what_a_terminal_of_80_columns_shows() -> None:
    """And no line is wider."""
    shown = CliRunner().invoke(commands, ["check", "--help"], prog_name="prompt-cache-warmer", terminal_width=80).output
    assert f"```text\n{shown.strip()}\n```" in PAGE
    blocks = re.findall(r"```text\n(.*?)\n```", PAGE, re.DOTALL)
    assert len(blocks) == len(commands.commands) + 1
    assert max(len(line) for block in blocks for line in block.splitlines()) <= 80


def test_a_variable_stands_with_its_option_and_commands() -> None:
    """Written by hand for two of them."""
    assert re.search(r"^\| `WARMER_FUNCTION` \| `--function` \| .*`warm`.*`verify`", PAGE, re.MULTILINE)
    assert re.search(r"^\| `POWERTOOLS_METRICS_NAMESPACE` \| `--namespace` \| `report` \|$", PAGE, re.MULTILINE)


@pytest.mark.parametrize("line", re.findall(r"^\$ (prompt-cache-warmer .*)$", PAGE, re.MULTILINE))
def test_the_lines_of_the_console_can_be_typed(line: str) -> None:
    """Up to where their output goes."""
    _, *arguments = shlex.split(line.partition(" > ")[0])
    assert CliRunner(catch_exceptions=False).invoke(commands, arguments).exit_code == 0


def test_every_link_of_the_page_leads_somewhere() -> None:
    """Files exist where the links say."""
    for target in re.findall(r"\]\(([^)#]+)", PAGE):
        assert (PATH.parent / target).exists(), target
