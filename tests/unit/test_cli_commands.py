"""The command line as a whole: help, version, schema, exit codes, and a missing extra explained."""

from __future__ import annotations

import json
import sys
from importlib.metadata import version

import pytest
from click.testing import CliRunner

from prompt_cache_warmer import cli
from prompt_cache_warmer.cli.commands import commands
from prompt_cache_warmer.values.document import json_schema


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--help"], ["Usage: commands [OPTIONS] COMMAND", "check", "schema", "show", "at the lowest price"]),
        (["-h"], ["Usage: commands [OPTIONS] COMMAND"]),
        (
            ["check", "--help"],
            ["Usage: commands check [OPTIONS] FILE...", "--root", "--prompts-prefix", "--strict", "--json", "prompts/"],
        ),
        (["check", "-h"], ["Exits with 1"]),
        (
            ["plan", "--help"],
            [
                "Usage: commands plan [OPTIONS] FILE...",
                "--root",
                "--prompts-prefix",
                "--requests-per-day N",
                "[default: 4; 1<=x<=60]",
                "Amounts of USD",
            ],
        ),
        (
            ["replay", "--help"],
            [
                "Usage: commands replay [OPTIONS] ARRIVALS.csv...",
                "[default: claude-sonnet-4-6]",
                "--prefix-tokens N",
                "--ttl [5m|1h|both]",
                "--cold-start-value-usd USD",
                "--tick-seconds S",
                "[default: 240]",
                "--end-seconds S",
                "OUT-1.png",
                "are JSON numbers",
            ],
        ),
        (
            ["diff", "--help"],
            ["Usage: commands diff [OPTIONS] TARGET.json REQUEST.json", "--root", "--prompts-prefix", "Exits with 0"],
        ),
        (
            ["capture", "--help"],
            [
                "Usage: commands capture [OPTIONS] REQUEST.json",
                "captured- and",
                "--ttl [5m|1h]",
                "--messages",
                "--models MODEL,...",
                "[default: while-used]",
                "-o, --output FILE.json",
            ],
        ),
        (["schema", "--help"], ["Usage: commands schema [OPTIONS]", "for editors and pipelines"]),
        (
            ["pause", "--help"],
            [
                "Usage: commands pause [OPTIONS]",
                "--until TIME",
                "--for DURATION",
                "--reason TEXT",
                "STATE_TABLE",
                "--json",
            ],
        ),
        (["resume", "--help"], ["Usage: commands resume [OPTIONS]", "--credential NAME", "--table NAME", "--json"]),
        (
            ["touch", "--help"],
            [
                "Usage: commands touch [OPTIONS] NAME",
                "--model MODEL",
                "--credential NAME",
                "--at TIME",
                "[default: now]",
            ],
        ),
        (
            ["verify", "--help"],
            [
                "Usage: commands verify [OPTIONS] NAME...",
                "--function FUNCTION",
                "[env var: WARMER_FUNCTION]",
                "--file TARGET.json",
                "--root",
                "--json",
                "ANTHROPIC_API_KEY",
                "your application",
                "Exits with 0",
            ],
        ),
        (["show", "--help"], ["Usage: commands show [OPTIONS] [REPORT]", "standard input"]),
    ],
)
def test_help_of_each_command(arguments: list[str], expected: list[str]) -> None:
    """Every command says what it takes and what it does, with exit code 0."""
    result = CliRunner().invoke(commands, arguments)
    assert result.exit_code == 0
    assert [words for words in expected if words not in result.output] == []


def test_the_version_is_the_distributions() -> None:
    """One source of the version."""
    result = CliRunner().invoke(commands, ["--version"], prog_name="prompt-cache-warmer")
    assert result.output == f"prompt-cache-warmer {version('prompt-cache-warmer')}\n"


def test_schema_prints_the_json_schema() -> None:
    """What it prints is what is published."""
    result = CliRunner().invoke(commands, ["schema"])
    assert (result.exit_code, json.loads(result.output)) == (0, json_schema())


@pytest.mark.parametrize("arguments", [["warm"], ["schema", "extra"], ["--nothing"]])
def test_an_unknown_command_or_option_is_exit_code_2(arguments: list[str]) -> None:
    """A wrong call is told from a finding."""
    assert CliRunner().invoke(commands, arguments).exit_code == 2


def test_main_runs_the_commands(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """The console script is this function."""
    monkeypatch.setattr(sys, "argv", ["prompt-cache-warmer", "schema"])
    with pytest.raises(SystemExit) as left:
        cli.main()
    assert left.value.code == 0
    assert json.loads(capsys.readouterr().out)["title"] == "prompt-cache-warmer target"


@pytest.mark.parametrize("missing", ["click", "yaml", "rich"])
def test_a_missing_extra_is_explained(missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Installed without the cli extra, the command says what to install instead of a traceback."""
    for name in list(sys.modules):
        if name.split(".")[0] == missing or name.startswith(
            ("prompt_cache_warmer.cli.", "prompt_cache_warmer.adapters.")
        ):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(SystemExit) as left:
        cli.main()
    assert str(left.value.code).startswith(f"prompt-cache-warmer: {missing}")
    assert str(left.value.code).endswith(
        "is not installed; the command line needs: pip install 'prompt-cache-warmer[cli]'"
    )
