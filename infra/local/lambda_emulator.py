"""Run a function under the real Lambda Runtime Interface Emulator, without Docker.

The emulator is the one in the SAM CLI's own package, the runtime client is AWS's ``awslambdaric``:
the handler is loaded, invoked, timed out and killed by the code that does it in the cloud. Nothing
leaks in from the caller: the environment is what is passed, and packages come from the artifact
alone, so one that does not ship its dependencies fails here as it would there.

What it does not show: memory limits (the figure is only reported), IAM, CPU share, a read-only code
folder, and more than one invocation at a time.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import platform
import signal
import socket
import subprocess
import sys
import sysconfig
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

ROOT = Path(__file__).resolve().parents[2]
RIE_FOLDER = ROOT / ".tools/sam/lib/python3.13/site-packages/samcli/local/rapid"
_RIE_BY_MACHINE = {"x86_64": "aws-lambda-rie-x86_64", "aarch64": "aws-lambda-rie-arm64"}

# What the runtime client needs of .venv; linked into a folder of its own so that nothing else comes along.
_RUNTIME_PACKAGES = ("awslambdaric", "simplejson", "snapshot_restore_py.py")
_RUNTIME_EXTENSION = "runtime_client*.so"

_INVOCATIONS = "/2015-03-31/functions/function/invocations"
_LOOPBACK = "127.0.0.1"

_START_SECONDS = 10.0  # the emulator listens within 50 ms; the rest is for a busy machine
_STOP_SECONDS = 2.0  # after SIGTERM it kills the function and goes
_ANSWER_MARGIN_SECONDS = 10.0  # the emulator kills at the timeout; the rest is for a busy machine
_POLL_SECONDS = 0.01


class EmulatorError(RuntimeError):
    """The function could not be started here; the message says what to type."""


class FunctionError(RuntimeError):
    """The invocation failed, as Lambda reports it.

    Attributes:
        type: Lambda's ``errorType``: the exception's class, ``Sandbox.Timedout``, ``Runtime.ExitError``...
        message: Lambda's ``errorMessage``.
        stack_trace: the frames, innermost last; empty when the function was killed.
    """

    def __init__(self, *, type: str, message: str, stack_trace: tuple[str, ...] = ()) -> None:  # noqa: A002 - Lambda's word
        super().__init__(f"{type}: {message}")
        self.type = type
        self.message = message
        self.stack_trace = stack_trace


class LambdaEmulator:
    """One function under the emulator, from entering the context to leaving it.

    Args:
        task_root: what would be the zip's root: ``.aws-sam/build/<Function>``, or any folder.
        handler: ``module.function`` inside it.
        environment: the function's environment variables, credentials and endpoints included.
        memory_mb: only reported to the function.
        timeout_seconds: enforced; the sandbox is killed and made anew. Here the imports of a cold
            start count, while Lambda allows them ten seconds of their own.
        lend_packages: let the function import from ``.venv`` what its folder lacks; for source
            folders that were never built. An artifact is run without.
        rie_folder: where the emulator's binaries are.

    Attributes:
        port: where it listens, on loopback.
    """

    def __init__(
        self,
        task_root: Path,
        *,
        handler: str = "app.lambda_handler",
        environment: Mapping[str, str],
        memory_mb: int = 512,
        timeout_seconds: int = 60,
        lend_packages: bool = False,
        rie_folder: Path = RIE_FOLDER,
    ) -> None:
        self._task_root = task_root.resolve()
        self._handler = handler
        self._environment = dict(environment)
        self._memory_mb = memory_mb
        self._timeout_seconds = timeout_seconds
        self._lend_packages = lend_packages
        self._rie_folder = rie_folder
        self.port = 0
        self._output_at_the_end: str | None = None

    def __enter__(self) -> Self:
        emulator = _emulator_binary(self._rie_folder)
        module = self._task_root / (self._handler.rpartition(".")[0].replace(".", "/") + ".py")
        if not module.is_file():
            raise EmulatorError(
                f"{self._task_root} holds no {module.name} for handler {self._handler!r}; "
                "the artifact is made by: make build"
            )
        with contextlib.ExitStack() as stack:
            scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="lambda-emulator-")))
            self._log = scratch / "output.log"
            sink = stack.enter_context(self._log.open("wb"))
            process = self._start(emulator, scratch, sink)
            stack.callback(_stop, process)
            self._wait_until_it_listens(process)
            self._open = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._output_at_the_end = self.output()
        self._open.close()

    def invoke(self, event: object) -> Any:  # noqa: ANN401 - whatever JSON the handler answers
        """Invoke the function and return its answer; the first call is a cold start.

        Raises:
            FunctionError: when the handler raised, timed out or died.
        """
        wait_seconds = self._timeout_seconds + _ANSWER_MARGIN_SECONDS
        connection = http.client.HTTPConnection(_LOOPBACK, self.port, timeout=wait_seconds)
        try:
            connection.request("POST", _INVOCATIONS, body=json.dumps(event).encode())
            body = connection.getresponse().read().decode()
        finally:
            connection.close()
        return _answer(body)

    def now(self) -> datetime:
        """Return the time as the function sees it: the machine's."""
        return datetime.now(UTC)

    def output(self) -> str:
        """Return everything printed so far: the function's lines, START and REPORT, the emulator's own.

        A line is there when ``invoke`` returns, and still after the context was left.
        """
        if self._output_at_the_end is not None:
            return self._output_at_the_end
        return self._log.read_text(encoding="utf-8", errors="replace")

    def _start(self, emulator: Path, scratch: Path, sink: IO[bytes]) -> subprocess.Popen[bytes]:
        self.port, runtime_port = _free_ports(2)
        command = [
            str(emulator),
            "--runtime-interface-emulator-address",  # both addresses, or it listens on every interface
            f"{_LOOPBACK}:{self.port}",
            "--runtime-api-address",
            f"{_LOOPBACK}:{runtime_port}",
            *self._runtime(),
            "-m",
            "awslambdaric",
            self._handler,
        ]
        return subprocess.Popen(  # noqa: S603 - our own command, no shell
            command,
            cwd=self._task_root,
            env=self._whole_environment(scratch),
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def _runtime(self) -> list[str]:
        if self._lend_packages:
            return [sys.executable]
        return [str(Path(sys.executable).resolve()), "-S"]  # the interpreter below .venv, without its site-packages

    def _whole_environment(self, scratch: Path) -> dict[str, str]:
        """Return what Lambda sets and what was passed, nothing of the caller's."""
        paths = [self._task_root] if self._lend_packages else [self._task_root, _runtime_client(scratch)]
        return {
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "LANG": "C.UTF-8",
            "TZ": ":UTC",
            "HOME": str(scratch),
            "PYTHONPATH": ":".join(map(str, paths)),
            "PYTHONDONTWRITEBYTECODE": "1",  # Lambda's code folder is read-only
            "AWS_EXECUTION_ENV": "AWS_Lambda_python3.13",
            "AWS_REGION": "us-east-1",
            "AWS_DEFAULT_REGION": "us-east-1",
            "LAMBDA_TASK_ROOT": str(self._task_root),
            "AWS_LAMBDA_FUNCTION_NAME": "prompt-cache-warmer",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(self._memory_mb),
            "AWS_LAMBDA_FUNCTION_TIMEOUT": str(self._timeout_seconds),
            **self._environment,
        }

    def _wait_until_it_listens(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while time.monotonic() < deadline:
            if process.poll() is not None:
                raise EmulatorError(f"the emulator ended at once:\n{self.output()}")
            with socket.socket() as probe:
                if probe.connect_ex((_LOOPBACK, self.port)) == 0:
                    return
            time.sleep(_POLL_SECONDS)
        raise EmulatorError(f"the emulator does not listen after {_START_SECONDS:.0f} s:\n{self.output()}")


def _answer(body: str) -> Any:  # noqa: ANN401 - whatever JSON the handler answers
    """Tell an answer from an error: the emulator answers 200 to both."""
    try:
        answer = json.loads(body)
    except ValueError:
        kind = "Sandbox.Timedout" if body.startswith("Task timed out") else "Emulator.Unreadable"
        raise FunctionError(type=kind, message=body) from None
    if isinstance(answer, dict) and {"errorType", "errorMessage"} <= answer.keys():
        trace = tuple(answer.get("stackTrace", ()))
        raise FunctionError(type=answer["errorType"], message=answer["errorMessage"], stack_trace=trace)
    return answer


def _emulator_binary(folder: Path) -> Path:
    name = _RIE_BY_MACHINE.get(platform.machine())
    if name is None:
        raise EmulatorError(f"there is no emulator for {platform.machine()}: only for {sorted(_RIE_BY_MACHINE)}")
    binary = folder / name
    if not binary.is_file():
        raise EmulatorError(f"{binary} is missing; it comes with the SAM CLI: make .tools/sam/.synced")
    return binary


def _free_ports(count: int) -> list[int]:
    sockets = [socket.create_server((_LOOPBACK, 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def _runtime_client(scratch: Path) -> Path:
    """Make a folder with the runtime client and what it imports, and nothing else of ``.venv``."""
    packages = Path(sysconfig.get_path("purelib"))
    folder = scratch / "runtime"
    folder.mkdir()
    for found in (*(packages / name for name in _RUNTIME_PACKAGES), *packages.glob(_RUNTIME_EXTENSION)):
        (folder / found.name).symlink_to(found)
    return folder


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End the emulator, which kills the function; if it hangs, kill both."""
    process.terminate()
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        for function in _children(process.pid):  # each leads a process group of its own
            with contextlib.suppress(ProcessLookupError):
                os.killpg(function, signal.SIGKILL)
        process.kill()
        process.wait()


def _children(pid: int) -> list[int]:
    listings = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(child) for listing in listings for child in listing.read_text().split()]
