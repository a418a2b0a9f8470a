"""Workers that can be killed: processes of their own, or the built artifact under Lambda's runtime emulator."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, Self

from infra.local.lambda_emulator import ROOT, FunctionError, LambdaEmulator

if TYPE_CHECKING:
    from collections.abc import Mapping

GRACE_SECONDS = 0.5  # the handler's own clock starts a little later; its message is hidden for longer
MARK = "FAN_OUT_WORKER"  # tells the processes of one worker from those of another


class Died(Exception):  # noqa: N818 - what happened, and no fault of the test's
    """The worker died, or its run failed: Lambda keeps the message."""


class Worker(Protocol):
    """One sandbox after the other."""

    def invoke(self, event: object) -> dict[str, Any]:
        """Return the handler's answer.

        Raises:
            Died: when there is none.
        """

    def kill(self) -> None:
        """End the present sandbox at once, whatever it is doing."""


class ProcessWorker:
    """The handler of a folder in a Python process of its own.

    Args:
        environment: the function's environment.
        timeout_seconds: what the handler is told that it has; after it the process is killed, as Lambda does it.
    """

    def __init__(self, environment: Mapping[str, str], *, timeout_seconds: float) -> None:
        self._environment = {
            **environment,
            "PYTHONPATH": f"{ROOT / 'handler'}:{ROOT}",
            "PATH": os.defpath,
            "NO_PROXY": "127.0.0.1",
        }
        self._timeout_seconds = timeout_seconds
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        self._start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        self._reap()

    def invoke(self, event: object) -> dict[str, Any]:
        """Return the handler's answer; after a death in the next sandbox."""
        process = self._process or self._start()
        self._ready()
        assert process.stdin is not None
        deadline = threading.Timer(self._timeout_seconds + GRACE_SECONDS, process.kill)
        deadline.start()
        with contextlib.suppress(BrokenPipeError):
            process.stdin.write(json.dumps(event) + "\n")
            process.stdin.flush()
        answer = self._line()
        deadline.cancel()
        if answer is None or "errorType" in answer:
            if answer is None:
                self._reap()
            raise Died(answer)
        return answer

    def kill(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.kill()

    def _start(self) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "tests.fan_out.worker", str(self._timeout_seconds)]
        self._process = subprocess.Popen(  # noqa: S603 - our own command
            command,
            cwd=ROOT,
            env=self._environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self._is_ready = False
        return self._process

    def _ready(self) -> None:
        if not self._is_ready:
            self._is_ready = self._line() == {}

    def _line(self) -> dict[str, Any] | None:
        assert self._process is not None
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        found: dict[str, Any] | None = json.loads(line) if line else None
        return found

    def _reap(self) -> None:
        if self._process is not None:
            self._process.communicate()
            self._process = None


class EmulatedWorker(LambdaEmulator):
    """The built artifact under the runtime emulator, which starts the next sandbox by itself.

    Args:
        artifact: the built folder.
        environment: the function's environment.
        timeout_seconds: enforced.
        number: which of the workers it is.
    """

    def __init__(self, artifact: Path, environment: Mapping[str, str], *, timeout_seconds: int, number: int) -> None:
        self._mark = f"{MARK}={number}-{os.getpid()}"
        name, _, value = self._mark.partition("=")
        super().__init__(artifact, environment={**environment, name: value}, timeout_seconds=timeout_seconds)

    def invoke(self, event: object) -> dict[str, Any]:
        """Return the handler's answer."""
        try:
            answer: dict[str, Any] = super().invoke(event)
        except FunctionError as error:
            raise Died(error.type) from error
        return answer

    def kill(self) -> None:
        """End the runtime, not the emulator that stands for Lambda."""
        for folder in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                is_ours = self._mark.encode() in (folder / "environ").read_bytes().split(b"\0")
                if is_ours and b"aws-lambda-rie" not in (folder / "cmdline").read_bytes():
                    os.kill(int(folder.name), signal.SIGKILL)
