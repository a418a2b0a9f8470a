"""The command line as a whole: help, version, schema, exit codes, and a missing extra explained."""

from __future__ import annotations

import errno
import io
import json
import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import BinaryIO

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
            ["Usage: commands check [OPTIONS] PATH...", "--root", "--prompts-prefix", "--strict", "--json", "prompts/"],
        ),
        (["check", "-h"], ["Exits with 1"]),
        (
            ["plan", "--help"],
            [
                "Usage: commands plan [OPTIONS] PATH...",
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
                "--model MODEL",
                "[default: while-used]",
                "-o, --output FILE.json",
            ],
        ),
        (["schema", "--help"], ["Usage: commands schema [OPTIONS]", "For editors and pipelines"]),
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
                "--function NAME",
                "[env var: WARMER_FUNCTION]",
                "--file TARGET.json",
                "--root",
                "--json",
                "ANTHROPIC_API_KEY",
                "your application",
                "Exits with 0",
            ],
        ),
        (["show", "--help"], ["Usage: commands show [OPTIONS] [REPORT.json]", "function answers"]),
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


@pytest.mark.parametrize("arguments", [["wram"], ["schema", "extra"], ["--nothing"]])
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
def test_a_missing_extra_is_explained(
    missing: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Installed without the cli extra, the command says what to install instead of a traceback."""
    for name in list(sys.modules):
        if name.split(".")[0] == missing or name.startswith(
            ("prompt_cache_warmer.cli.", "prompt_cache_warmer.adapters.")
        ):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(SystemExit) as left:
        cli.main()
    assert left.value.code == 2
    said = capsys.readouterr().err
    assert said.startswith(f"prompt-cache-warmer: {missing}")
    needs = "the command line needs, from a clone of prompt-cache-warmer: pip install '.[cli]'"
    assert said.endswith(f"is not installed; {needs}\n")


def test_help_says_what_the_exit_codes_mean() -> None:
    """In one place, for every command."""
    said = " ".join(CliRunner().invoke(commands, ["--help"]).output.split())
    assert "Exit codes: 0 all is well; 1 it was read or asked, and the answer is bad: " in said
    assert "; 2 it was called wrongly, or could not be asked or written at all: no region, no credentials," in said


class Full(io.StringIO):
    """A stream that fails once something was written to it, and whose descriptor is that of a file."""

    def __init__(self, file: BinaryIO, error: OSError) -> None:
        super().__init__()
        self.file = file
        self.error = error

    def flush(self) -> None:
        """Fail where there is something to write."""
        if self.getvalue():
            raise self.error

    def fileno(self) -> int:
        """Return the file's."""
        return self.file.fileno()


def leave(monkeypatch: pytest.MonkeyPatch, *arguments: str, **streams: object) -> object:
    """Run the console script with other streams; returns its exit code."""
    monkeypatch.setattr(sys, "argv", ["prompt-cache-warmer", *arguments])
    for name, stream in streams.items():
        monkeypatch.setattr(sys, name, stream)
    with pytest.raises(SystemExit) as left:
        cli.main()
    return left.value.code


@pytest.mark.parametrize("arguments", [["schema"], ["--version"], ["show", "--help"]])
def test_an_output_that_cannot_be_written_is_one_sentence(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Of every command: exit code 2, no traceback, and what is left goes nowhere when the interpreter ends."""
    said = io.StringIO()
    with (tmp_path / "out").open("wb") as file:
        full = Full(file, OSError(errno.ENOSPC, "No space left on device"))
        assert leave(monkeypatch, *arguments, stdout=full, stderr=said) == 2
        assert said.getvalue() == "Error: the output cannot be written: No space left on device\n"
        assert os.fstat(file.fileno()).st_rdev == Path(os.devnull).stat().st_rdev


def test_where_nothing_can_be_said_the_exit_code_says_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Standard error may be on the same full disk."""

    class Mute(Full):
        def write(self, _: str) -> int:
            super().write("x")
            raise self.error

    with (tmp_path / "out").open("wb") as out, (tmp_path / "err").open("wb") as err:
        error = OSError(errno.ENOSPC, "No space left on device")
        assert leave(monkeypatch, "schema", stdout=Full(out, error), stderr=Mute(err, error)) == 2
        assert os.fstat(err.fileno()).st_rdev == Path(os.devnull).stat().st_rdev


def test_a_closed_pipe_is_silent(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Who closed it wants to hear no more: exit code 1, as click's own, also where it shows at the end only."""
    said = io.StringIO()
    with (tmp_path / "out").open("wb") as file:
        closed = Full(file, BrokenPipeError(errno.EPIPE, "Broken pipe"))
        assert leave(monkeypatch, "schema", stdout=closed, stderr=said) == 1

        class Late(Full):
            calls = 0

            def flush(self) -> None:
                self.calls += 1
                if self.calls > 1:
                    super().flush()

        late = Late(file, BrokenPipeError(errno.EPIPE, "Broken pipe"))
        assert leave(monkeypatch, "schema", stdout=late, stderr=said) == 1
    assert said.getvalue() == ""


@pytest.mark.parametrize(
    "error", [OSError(errno.ENOENT, "No such file"), OSError(errno.ENOSPC, "No space left on device", "a.html")]
)
def test_what_nobody_foresaw_is_a_sentence_and_a_traceback_only_for_whoever_asks(
    error: OSError, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is a defect, which its traceback shows."""
    monkeypatch.setattr(sys, "argv", ["prompt-cache-warmer", "schema"])
    with (tmp_path / "out").open("wb") as file:
        monkeypatch.setattr(sys, "stdout", Full(file, error))
        with pytest.raises(SystemExit) as left:
            cli.main()
        monkeypatch.setenv("PROMPT_CACHE_WARMER_DEBUG", "1")
        with pytest.raises(OSError, match=str(error.strerror)):
            cli.main()
    assert left.value.code == 2
    assert capsys.readouterr().err == (
        f"Error: {type(error).__name__}: this is a defect of prompt-cache-warmer: please report it, with what "
        "PROMPT_CACHE_WARMER_DEBUG=1 shows of it\n"
    )


def test_a_closed_standard_output_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """Python has none then, and nobody reads it."""
    assert leave(monkeypatch, "schema", stdout=None) == 0


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a device that is always full")
@pytest.mark.parametrize("redirected", [">/dev/full", ">/dev/full 2>&1"])
def test_a_full_disk_leaves_no_complaint_of_the_interpreter(redirected: str) -> None:
    """The real streams of a real process."""
    script = f"{sys.executable} -c 'from prompt_cache_warmer.cli import main; main()' schema {redirected}"
    done = subprocess.run(["/bin/sh", "-c", script], capture_output=True, text=True, check=False)  # noqa: S603 - our own command
    said = "" if "2>&1" in redirected else "Error: the output cannot be written: No space left on device\n"
    assert (done.returncode, done.stdout, done.stderr) == (2, "", said)
