"""Shell completion: the scripts, and what they are answered."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from prompt_cache_warmer.cli.commands import commands
from prompt_cache_warmer.cli.completion import COMPLETE_VARIABLE, PROGRAM, SHELLS
from prompt_cache_warmer.values.problems import ProblemCode


def run(*arguments: str) -> Result:
    """Run ``completion``; a crash fails the test."""
    return CliRunner(catch_exceptions=False).invoke(commands, ["completion", *arguments])


def completed(*words: str) -> list[str]:
    """Return what bash is answered for the last of these words."""
    environment = {
        COMPLETE_VARIABLE: "bash_complete",
        "COMP_WORDS": " ".join((PROGRAM, *words)),
        "COMP_CWORD": str(len(words)),
    }
    result = CliRunner(catch_exceptions=False, env=environment).invoke(commands, [], prog_name=PROGRAM)
    assert result.exit_code == 0
    return [line.partition(",")[2] or line for line in result.output.splitlines()]


@pytest.mark.parametrize("shell", SHELLS)
def test_the_script_asks_the_program_by_its_variable(shell: str) -> None:
    """It is click's own for the shell, with our names in it."""
    result = run(shell)
    assert result.exit_code == 0
    assert f"{COMPLETE_VARIABLE}={shell}_complete" in result.output
    assert "prompt-cache-warmer" in result.output
    assert "%(" not in result.output


@pytest.mark.parametrize("arguments", [[], ["powershell"], ["bash", "zsh"], ["bash", "--json"]], ids=str)
def test_another_call_is_exit_code_2(arguments: list[str]) -> None:
    """One shell out of three, and no JSON: a script is for the shell."""
    assert run(*arguments).exit_code == 2


def test_commands_and_options_are_completed() -> None:
    """In the order of the help."""
    assert completed("ch") == ["check"]
    assert completed("p") == ["plan", "pause"]
    assert completed("warm", "--a") == ["--all"]
    assert completed("init", "--keep", "") == ["always", "while-used", "once"]


def test_lint_codes_and_metrics_are_completed() -> None:
    """By how they begin."""
    assert completed("check", "--explain", "marker-") == ["marker-misplaced", "marker-order", "marker-added"]
    assert completed("check", "--explain", "") == [code.value for code in ProblemCode]
    assert completed("metrics", "EntriesL") == ["EntriesLapsed"]


def test_paths_are_the_shells_own() -> None:
    """It is told to complete files."""
    assert completed("check", "targets/") == ["targets/"]


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash on this machine")
def test_bash_completes_with_the_script(tmp_path: Path) -> None:
    """A real bash sources it and completes a command through it, from the console script itself."""
    program = Path(sys.executable).with_name(PROGRAM)
    script = tmp_path / "completion.bash"
    script.write_text(run("bash").output)
    lines = (
        f'source "{script}"; COMP_WORDS=({PROGRAM} check --expl); COMP_CWORD=2; '
        f'_prompt_cache_warmer_completion {PROGRAM}; printf "%s\\n" "${{COMPREPLY[@]}}"'
    )
    path = f"{program.parent}:{os.defpath}"
    done = subprocess.run(  # noqa: S603 - our own script
        ["bash", "--norc", "-c", lines],  # noqa: S607 - the shell of whoever completes
        env={"PATH": path, "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert (done.stdout, done.stderr) == ("--explain\n", "")
