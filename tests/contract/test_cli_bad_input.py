"""Every command with what goes wrong: a sentence and an exit code, never a traceback, and never a hang.

The rows are the commands of the group itself, so that a new one without a row fails. What fails inside Python is run
in this process, where a crash is the test's; pipes and closed outputs are those of real processes.
"""

from __future__ import annotations

import importlib.abc
import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from infra.local.lambda_emulator import ROOT
from prompt_cache_warmer import cli
from prompt_cache_warmer.cli.commands import commands
from tests.fakes import document
from tests.local_stack import BUCKET, NAMESPACE, STACK, STATE_TABLE, VARIABLES, LocalStack

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from click.testing import Result

BOUND_SECONDS = 60  # of one process: it loads the SDK on a slow machine and asks a server on loopback
CLOSED_PORT = "http://127.0.0.1:9"
TARGET, REQUEST, ARRIVALS, REPORT = "targets/support.json", "request.json", "arrivals.csv", "run.json"


@dataclass(frozen=True)
class Row:
    """One command.

    Attributes:
        works: how it is called when nothing is wrong.
        file: the argument that is a file it reads; None where it reads none.
        stack: the options that name its deployment; none where it asks nothing of AWS.
        missing: for each thing of a deployment that it may be told by its own name, that name of nothing.
        calls_api: how it is called to ask the Messages API from here; empty where it does not.
    """

    works: tuple[str, ...]
    file: str | None = None
    stack: tuple[str, ...] = ()
    missing: tuple[tuple[str, ...], ...] = ()
    calls_api: tuple[str, ...] = ()


SHOP = ("--stack", STACK)
NO_TABLE, NO_FUNCTION = ("--table", "no-such-table"), ("--function", "nobody")
NO_BUCKET = ("--bucket", "no-such-bucket")
ROWS = {
    "init": Row(("init", "starter", "--dir", "made")),
    "check": Row(("check", TARGET), TARGET, ("check", f"s3://{BUCKET}/targets/")),
    "plan": Row(("plan", TARGET), TARGET),
    "capture": Row(("capture", REQUEST), REQUEST, ("capture", REQUEST, "--upload", *SHOP), (NO_BUCKET,)),
    "diff": Row(("diff", TARGET, REQUEST), TARGET),
    "status": Row(("status", *SHOP), None, ("status", *SHOP), (NO_FUNCTION, (*SHOP, *NO_TABLE), (*SHOP, *NO_BUCKET))),
    "doctor": Row(("doctor", *SHOP), None, ("doctor", *SHOP), (NO_FUNCTION, (*SHOP, *NO_TABLE), (*SHOP, *NO_BUCKET))),
    "warm": Row(
        ("warm", "support", "--dry-run", "--file", TARGET),
        TARGET,
        ("warm", "support", *SHOP),
        (NO_FUNCTION,),
        ("warm", "support", "--file", TARGET),
    ),
    "show": Row(("show", REPORT), REPORT),
    "pause": Row(
        ("pause", "--for", "1h", "--reason", "x", *SHOP),
        None,
        ("pause", "--for", "1h", "--reason", "x", *SHOP),
        (NO_TABLE,),
    ),
    "resume": Row(("resume", *SHOP), None, ("resume", *SHOP), (NO_TABLE,)),
    "touch": Row(
        ("touch", "support", "--model", "m", *SHOP), None, ("touch", "support", "--model", "m", *SHOP), (NO_TABLE,)
    ),
    "verify": Row(
        ("verify", "support", "--file", TARGET),
        TARGET,
        ("verify", "support", *SHOP),
        (NO_FUNCTION,),
        ("verify", "support", "--file", TARGET),
    ),
    "report": Row(("report", *SHOP), None, ("report", *SHOP), (("--service", "nobody"),)),
    "replay": Row(("replay", ARRIVALS), ARRIVALS),
    "metrics": Row(("metrics",)),
    "schema": Row(("schema",)),
    "completion": Row(("completion", "bash")),
}
ASKING = [name for name, row in ROWS.items() if row.stack]
READING = [name for name, row in ROWS.items() if row.file]


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalStack]:
    """Return a deployed stack with one target, in a folder that holds a file of each kind."""
    folder = tmp_path_factory.mktemp("work")
    (folder / "targets").mkdir()
    (folder / TARGET).write_text(json.dumps(document()))
    (folder / REQUEST).write_text(json.dumps({"model": "claude-sonnet-4-6", **document()["request"]}))
    (folder / ARRIVALS).write_text("t_s\n0\n60\n7200\n")
    with LocalStack() as stack, pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        stack.put(TARGET, document())
        point: Any = {"MetricName": "TargetsLoaded", "Dimensions": [{"Name": "service", "Value": "another"}]}
        stack.aws.cloudwatch.put_metric_data(Namespace=NAMESPACE, MetricData=[point | {"Value": 1.0}])
        (folder / REPORT).write_text(stack.run("warm", "support", "--dry-run", "--file", TARGET, "--json").stdout)
        yield stack


def said(result: Result, *, codes: tuple[int, ...] = (2,)) -> str:
    """Check that a command ended as it must; returns the last line of what it said of it."""
    assert result.exit_code in codes
    assert "Traceback" not in result.output
    lines = (result.stderr or result.stdout).splitlines()
    assert lines
    return lines[-1]


def test_every_command_has_a_row() -> None:
    """A new command says here how it is called, and what it reads and asks."""
    assert set(ROWS) == set(commands.commands)


@pytest.mark.parametrize("name", ROWS)
def test_a_command_that_is_called_wrongly(deployed: LocalStack, name: str) -> None:
    """An option nobody knows: exit code 2, and where to read more."""
    result = deployed.run(name, "--nonsense")
    assert said(result).startswith("Error: No such option '--nonsense'")
    assert f"Try 'prompt-cache-warmer {name} --help' for help." in result.stderr


WRONG: dict[str, dict[str, str | None]] = {
    "no network": {"AWS_ENDPOINT_URL": CLOSED_PORT},
    "no region": {"AWS_DEFAULT_REGION": None, "AWS_REGION": None},
    "another region": {"AWS_DEFAULT_REGION": "eu-west-1", "AWS_REGION": "eu-west-1"},
    "no credentials": {
        "AWS_ACCESS_KEY_ID": None,
        "AWS_SECRET_ACCESS_KEY": None,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_SHARED_CREDENTIALS_FILE": "nowhere",
        "AWS_CONFIG_FILE": "nowhere",
    },
    "no such profile": {"AWS_PROFILE": "nobody"},
}


@pytest.mark.parametrize("condition", WRONG)
@pytest.mark.parametrize("name", ASKING)
def test_aws_that_cannot_be_asked(deployed: LocalStack, name: str, condition: str) -> None:
    """One sentence on standard error and exit code 2; doctor, which looks for just that, says it as a finding."""
    if name == "check" and condition.endswith("region"):
        assert deployed.run(*ROWS[name].stack, **WRONG[condition]).exit_code == 0  # S3 finds a bucket from anywhere
        return
    result = deployed.run(*ROWS[name].stack, **WRONG[condition])
    if name == "doctor":
        assert said(result, codes=(1, 2)).endswith(" not asked")
        assert result.stderr == ""
        return
    is_read = name == "report" and condition == "another region"  # there is nothing to report there
    assert said(result, codes=(1,) if is_read else (2,)).startswith("Error: ")
    assert len(result.stderr.splitlines()) == 1
    assert result.stdout == ""


@pytest.mark.parametrize("name", ASKING)
def test_a_stack_that_does_not_exist(deployed: LocalStack, name: str) -> None:
    """By its name, whatever it was wanted for."""
    arguments = ["nowhere" if argument == STACK else argument for argument in ROWS[name].stack]
    if name == "check":
        arguments = ["check", "s3://no-such-bucket/targets/"]
    line = said(deployed.run(*arguments))
    expected = {"report": "nowhere", "check": "no-such-bucket", "doctor": " not asked"}
    assert expected.get(name, "Error: there is no stack 'nowhere' in us-east-1") in line


MISSING = [(name, missing) for name, row in ROWS.items() for missing in row.missing]


@pytest.mark.parametrize(("name", "missing"), MISSING, ids=[f"{name} {' '.join(of)}" for name, of in MISSING])
def test_a_bucket_table_or_function_that_does_not_exist(
    deployed: LocalStack, name: str, missing: tuple[str, ...]
) -> None:
    """It is named in the sentence."""
    own = [argument for argument in ROWS[name].stack if argument not in SHOP]
    result = deployed.run(*own, *missing)
    said(result, codes=(1, 2) if name == "doctor" else (2,))
    assert missing[-1] in result.output


def test_a_secret_that_is_none_is_doctors_finding(deployed: LocalStack) -> None:
    """No other command reads it."""
    deployed.reconfigure(ANTHROPIC_SECRET_ID="no-such-secret")
    result = deployed.run("doctor", *SHOP)
    deployed.reconfigure()
    assert said(result, codes=(1,)).endswith(" not asked")
    assert "no-such-secret" in result.stdout


BROKEN = {
    "no JSON": b'{"name": ',
    "no object": b"[1, 2]",
    "not UTF-8": b"\xff\xfe\x00",
    "empty": b"",
    "deep": b"[" * 100_000,
    "a huge number": b'{"name": 1e999999, "t_s": [NaN]}',
    "binary": bytes(range(256)) * 8,
}


@pytest.mark.parametrize("kind", BROKEN)
@pytest.mark.parametrize("name", READING)
def test_a_broken_document(deployed: LocalStack, name: str, kind: str, tmp_path: Path) -> None:
    """Read as far as it goes: said with its place, in the document's own terms."""
    file = ROWS[name].file or ""
    broken = tmp_path / file
    broken.parent.mkdir(exist_ok=True)
    broken.write_bytes(BROKEN[kind])
    arguments = [str(broken) if argument == file else argument for argument in ROWS[name].works]
    if name == "verify":
        arguments = ["verify", "support", "--file", str(broken)]
    said(deployed.run(*arguments, ANTHROPIC_API_KEY="sk-test", ANTHROPIC_BASE_URL=CLOSED_PORT), codes=(1, 2))


@pytest.mark.parametrize("name", READING)
def test_a_file_that_does_not_exist_or_is_a_folder(deployed: LocalStack, name: str, tmp_path: Path) -> None:
    """One sentence that names it."""
    file = ROWS[name].file or ""
    for path in (tmp_path / "nowhere" / file, tmp_path):
        arguments = [str(path) if argument == file else argument for argument in ROWS[name].works]
        result = deployed.run(*arguments)
        assert said(result, codes=(1, 2))
        assert result.stdout == "" or name in ("check", "plan", "replay")


CALLING = [name for name, row in ROWS.items() if row.calls_api]


@pytest.mark.parametrize("name", CALLING)
def test_an_api_that_cannot_be_asked_from_here(deployed: LocalStack, name: str) -> None:
    """Without a key it is one sentence; where nobody answers the report says so of each entry."""
    assert said(deployed.run(*ROWS[name].calls_api)) == "Error: there is no ANTHROPIC_API_KEY in the environment"
    result = deployed.run(*ROWS[name].calls_api, ANTHROPIC_API_KEY="sk-test", ANTHROPIC_BASE_URL=CLOSED_PORT)
    said(result, codes=(1,))


def surroundings(deployed: LocalStack) -> dict[str, str]:
    """Return the environment of a real process in front of the stack."""
    kept = {name: value for name, value in os.environ.items() if name not in VARIABLES}  # noqa: TID251 - a process's own
    return {
        **kept,
        **deployed.aws.environment(),
        "ANTHROPIC_API_KEY": "sk-test",
        "ANTHROPIC_BASE_URL": deployed.api.base_url,
        "PYTHONPATH": str(ROOT / "handler"),
        "PYTHONDONTWRITEBYTECODE": "1",
    }


ENTRY = "import sys; from prompt_cache_warmer.cli import main; main()"


@pytest.mark.parametrize("name", ROWS)
def test_a_pipe_that_is_closed_early_and_an_output_that_is_closed(
    deployed: LocalStack, name: str, tmp_path: Path
) -> None:
    """Who closed it wants to hear no more: a real process says nothing of it, and ends."""
    bare = ["doctor", "--bucket", BUCKET, "--table", STATE_TABLE]  # checks no key, which would load the SDK
    works = bare if name == "doctor" else list(ROWS[name].works)
    works = [str(tmp_path / "made") if argument == "made" else argument for argument in works]
    command = [sys.executable, "-c", ENTRY, *works]
    reading, writing = os.pipe()
    os.close(reading)  # as `| head -0` does, and before the first byte: nobody races
    environment = surroundings(deployed)
    piped = subprocess.Popen(  # noqa: S603 - our own command
        command, stdin=subprocess.DEVNULL, stdout=writing, stderr=subprocess.PIPE, text=True, env=environment
    )
    os.close(writing)
    closed = subprocess.Popen(  # noqa: S603 - our own command
        ["/bin/sh", "-c", 'exec "$@" >&-', "sh", *command[: -len(works)], *again(works)],
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    )
    _, piped_said = piped.communicate(timeout=BOUND_SECONDS)
    _, closed_said = closed.communicate(timeout=BOUND_SECONDS)
    for code, words in ((piped.returncode, piped_said), (closed.returncode, closed_said)):
        assert code in (0, 1, 2)
        assert "Traceback" not in words
        assert "Exception ignored" not in words
    assert (piped.returncode, piped_said) == (1, "") or name == "report"


def again(works: list[str]) -> list[str]:
    """Return the same command for a second process beside the first: a folder of its own where it writes."""
    return [f"{argument}-2" if argument.endswith("/made") else argument for argument in works]


def test_ctrl_c_ends_a_watch_without_a_word(deployed: LocalStack) -> None:
    """A real process and a real signal: the exit code is that of its last look."""
    command = [sys.executable, "-u", "-c", ENTRY, "status", *SHOP, "--watch", "3600"]
    with subprocess.Popen(  # noqa: S603 - our own command
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=surroundings(deployed)
    ) as watching:
        assert watching.stdout is not None
        line = watching.stdout.readline()
        watching.send_signal(signal.SIGINT)
        rest, words = watching.communicate(timeout=BOUND_SECONDS)
    assert (watching.returncode, rest, words) == (1, "", "")
    assert line.rstrip().endswith("wrong: support claude-sonnet-4-6 never (cold)")


def test_ctrl_c_while_it_loads_is_no_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    """Loading takes a second, and users are quicker."""

    class Impatient(importlib.abc.MetaPathFinder):
        def find_spec(self, name: str, *_: object) -> None:
            if name == "prompt_cache_warmer.cli.commands":
                raise KeyboardInterrupt

    monkeypatch.delitem(sys.modules, "prompt_cache_warmer.cli.commands")
    monkeypatch.setattr(sys, "meta_path", [Impatient(), *sys.meta_path])
    with pytest.raises(SystemExit) as left:
        cli.main()
    assert left.value.code == 1
