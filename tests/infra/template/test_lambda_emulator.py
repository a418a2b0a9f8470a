"""The Lambda emulator: answers, errors and timeouts as Lambda reports them, and nothing left behind."""

from __future__ import annotations

import os
import signal
import socket
import time
from pathlib import Path

import pytest

from infra.local.lambda_emulator import EmulatorError, FunctionError, LambdaEmulator

pytestmark = pytest.mark.enable_socket  # loopback, between the test and the emulator

HANDLER = """
import importlib, os, sys, time

def lambda_handler(event, context):
    print("a line on stdout")
    print("a line on stderr", file=sys.stderr)
    match event["do"]:
        case "answer":
            return {"event": event, "memory_mb": int(context.memory_limit_in_mb)}
        case "remaining":
            return context.get_remaining_time_in_millis()
        case "raise":
            raise ValueError("planted")
        case "sleep":
            time.sleep(60)
        case "die":
            os._exit(3)
        case "environment":
            return dict(os.environ)
        case "pid":
            return os.getpid()
        case "import":
            return importlib.import_module(event["name"]).__name__
"""


@pytest.fixture
def task_root(tmp_path: Path) -> Path:
    """A folder with a handler that does what it is told."""
    (tmp_path / "app.py").write_text(HANDLER)
    return tmp_path


def test_an_answer_comes_back(task_root: Path) -> None:
    """The handler gets the event and the context, and its answer comes back parsed."""
    with LambdaEmulator(task_root, environment={}, memory_mb=640) as function:
        answer = function.invoke({"do": "answer", "text": "ünï"})
    assert answer == {"event": {"do": "answer", "text": "ünï"}, "memory_mb": 640}


def test_one_sandbox_serves_many_invocations(task_root: Path) -> None:
    """The process stays warm between invocations, as in the cloud."""
    with LambdaEmulator(task_root, environment={}) as function:
        assert len({function.invoke({"do": "pid"}) for _ in range(3)}) == 1


def test_an_exception_is_told_apart_from_an_answer(task_root: Path) -> None:
    """An exception arrives as its class, its message and its frames; the sandbox lives on."""
    with LambdaEmulator(task_root, environment={}) as function:
        with pytest.raises(FunctionError, match="ValueError: planted") as caught:
            function.invoke({"do": "raise"})
        assert function.invoke({"do": "answer"})["event"] == {"do": "answer"}
    assert (caught.value.type, caught.value.message) == ("ValueError", "planted")
    assert "lambda_handler" in caught.value.stack_trace[-1]


def test_a_timeout_kills_the_sandbox_and_the_next_one_answers(task_root: Path) -> None:
    """The timeout is enforced, reported as Lambda's, and followed by a new sandbox."""
    with LambdaEmulator(task_root, environment={}, timeout_seconds=2) as function:
        first = function.invoke({"do": "pid"})
        with pytest.raises(FunctionError, match=r"timed out after 2\.00 seconds") as caught:
            function.invoke({"do": "sleep"})
        assert function.invoke({"do": "pid"}) != first
    assert caught.value.type == "Sandbox.Timedout"


def test_the_handler_knows_its_remaining_time(task_root: Path) -> None:
    """The context counts down from the timeout it was given."""
    with LambdaEmulator(task_root, environment={}, timeout_seconds=30) as function:
        assert 25_000 < function.invoke({"do": "remaining"}) <= 30_000


def test_a_process_that_dies_is_an_error(task_root: Path) -> None:
    """A process that ends in the middle of an invocation is an error with its exit status."""
    with LambdaEmulator(task_root, environment={}) as function:
        with pytest.raises(FunctionError, match="exit status 3") as caught:
            function.invoke({"do": "die"})
        assert function.invoke({"do": "answer"})["event"] == {"do": "answer"}
    assert caught.value.type == "Runtime.ExitError"


def test_everything_printed_is_there_when_the_invocation_returns(task_root: Path) -> None:
    """Lines of both streams and the REPORT line can be read at once, and after the end."""
    with LambdaEmulator(task_root, environment={}) as function:
        for count in range(1, 6):
            function.invoke({"do": "answer"})
            lines = function.output().splitlines()
            assert lines.count("a line on stdout") == lines.count("a line on stderr") == count
            assert sum(line.startswith("REPORT RequestId:") for line in lines) == count
    assert function.output().splitlines().count("a line on stdout") == 5


def test_nothing_of_the_caller_leaks_in(task_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The function sees the environment it was given and what Lambda sets, not the caller's."""
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-ant-planted")
    with LambdaEmulator(task_root, environment={"TARGETS_BUCKET": "bucket", "AWS_REGION": "eu-west-1"}) as function:
        environment = function.invoke({"do": "environment"})
    assert "ANTHROPIC_API_KEY" not in environment
    assert environment["TARGETS_BUCKET"] == "bucket"
    assert environment["AWS_REGION"] == "eu-west-1"
    assert environment["AWS_EXECUTION_ENV"] == "AWS_Lambda_python3.13"


def test_an_artifact_without_its_dependencies_fails(task_root: Path) -> None:
    """Packages come from the artifact alone, unless those of this environment are lent."""
    event = {"do": "import", "name": "pydantic"}
    with LambdaEmulator(task_root, environment={}) as function, pytest.raises(FunctionError, match="No module named"):
        function.invoke(event)
    with LambdaEmulator(task_root, environment={}, lend_packages=True) as function:
        assert function.invoke(event) == "pydantic"


def test_nothing_is_left_behind(task_root: Path) -> None:
    """After the context the function's process and the emulator's port are gone."""
    with LambdaEmulator(task_root, environment={}) as function:
        pid = function.invoke({"do": "pid"})
    assert not Path(f"/proc/{pid}").exists()
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", function.port)) != 0


def test_nothing_is_left_behind_by_an_emulator_that_hangs(task_root: Path) -> None:
    """An emulator that no longer answers signals is killed, and the function, in its own process group, too."""
    with LambdaEmulator(task_root, environment={}) as function:
        pid = function.invoke({"do": "pid"})
        emulator = int(Path(f"/proc/{pid}/stat").read_text().split()[3])
        os.kill(emulator, signal.SIGSTOP)
    assert not Path(f"/proc/{emulator}").exists()
    deadline = time.monotonic() + 5
    while Path(f"/proc/{pid}").exists() and time.monotonic() < deadline:  # whoever adopts it has to reap it
        if Path(f"/proc/{pid}/stat").read_text().split()[2] == "Z":
            break
        time.sleep(0.01)
    else:
        assert not Path(f"/proc/{pid}").exists()


def test_a_missing_handler_names_the_build(tmp_path: Path) -> None:
    """A folder without the handler says how the artifact is made."""
    emulator = LambdaEmulator(tmp_path, environment={})
    with pytest.raises(EmulatorError, match=r"the artifact is made by: make build$"), emulator:
        pass


def test_a_missing_emulator_names_the_command(task_root: Path, tmp_path: Path) -> None:
    """Without the SAM CLI's package the error says how to get it."""
    emulator = LambdaEmulator(task_root, environment={}, rie_folder=tmp_path)
    with pytest.raises(EmulatorError, match=r"make \.tools/sam/\.synced"), emulator:
        pass


def test_an_emulator_that_ends_at_once_is_an_error(task_root: Path, tmp_path: Path) -> None:
    """An emulator that does not start says what it printed."""
    for name in ("aws-lambda-rie-x86_64", "aws-lambda-rie-arm64"):
        (tmp_path / name).write_text("#!/bin/sh\necho no room\nexit 1\n")
        (tmp_path / name).chmod(0o755)
    emulator = LambdaEmulator(task_root, environment={}, rie_folder=tmp_path)
    with pytest.raises(EmulatorError, match="no room"), emulator:
        pass


def test_an_import_error_is_reported(tmp_path: Path) -> None:
    """A handler that cannot be imported is Lambda's own import error."""
    (tmp_path / "app.py").write_text("import no_such_package\n")
    with LambdaEmulator(tmp_path, environment={}) as function, pytest.raises(FunctionError) as caught:
        function.invoke({})
    assert caught.value.type == "Runtime.ImportModuleError"
