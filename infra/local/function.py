"""The function in this process: the handler, invoked as Lambda would, its output kept apart.

The other way to run it is the built artifact under the real runtime emulator (``lambda_emulator``);
both have the same two methods, so the demo and the tests take either.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import io
import json
import threading
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Protocol
from unittest import mock

from prompt_cache_warmer.settings import Settings
from prompt_cache_warmer.wiring.sandbox import Sandbox

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from infra.local.messages_api import EmulatorClock

_MILLISECONDS = 1000


class Function(Protocol):
    """A deployed function, wherever it runs."""

    def now(self) -> datetime:
        """Return the time as the function sees it."""

    def invoke(self, event: Mapping[str, Any]) -> dict[str, Any]:
        """Invoke it and return its answer."""

    def output(self) -> str:
        """Return everything it printed so far."""


class _Context:
    """The part of Lambda's context object that the handler reads."""

    def __init__(self, timeout_seconds: float) -> None:
        self._deadline = time.monotonic() + timeout_seconds

    def get_remaining_time_in_millis(self) -> int:
        return max(0, int((self._deadline - time.monotonic()) * _MILLISECONDS))


class LocalClock:
    """The emulator's clock as the function's, so that a day can pass in a minute; waiting stays real.

    Args:
        clock: the clock the Messages API goes by.
    """

    def __init__(self, clock: EmulatorClock) -> None:
        self._clock = clock

    def now(self) -> datetime:
        """Return the emulator's time."""
        return datetime.fromtimestamp(self._clock.now_seconds(), UTC)

    def monotonic_seconds(self) -> float:
        """Return seconds that never go back."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await asyncio.sleep(seconds)


class InProcessFunction:
    """The handler in this process: a new sandbox, and exactly the environment that is passed.

    Args:
        environment: the function's environment variables.
        timeout_seconds: what the context object says; nothing is killed here.
        clock: the function's time; the machine's own when absent.
    """

    def __init__(
        self, environment: Mapping[str, str], *, timeout_seconds: float = 110, clock: LocalClock | None = None
    ) -> None:
        self._environment = dict(environment)
        self._timeout_seconds = timeout_seconds
        self._clock = clock
        self._sandbox: Sandbox | None = None
        self._output = io.StringIO()
        self._app = importlib.import_module("app")
        importlib.import_module("prompt_cache_warmer.wiring.sandbox").sandbox.cache_clear()

    def invoke(self, event: Mapping[str, Any] | None) -> dict[str, Any]:
        """Invoke the handler and return its answer as the JSON Lambda would return."""
        with self.surroundings():
            try:
                return self.exchange(event)
            except Exception:
                traceback.print_exc(file=self._output)  # as the runtime does
                raise

    def output(self) -> str:
        """Return everything the handler printed so far."""
        return self._output.getvalue()

    def now(self) -> datetime:
        """Return the time as the function sees it."""
        return datetime.now(UTC) if self._clock is None else self._clock.now()

    @contextlib.contextmanager
    def surroundings(self) -> Iterator[None]:
        """Be the process that the handler runs in; one at a time, because environment and output are the process's."""
        # Standard error goes into the same log, as in Lambda, so that whoever searches it for secrets sees all.
        with (
            mock.patch.dict("os.environ", self._environment, clear=True),
            contextlib.redirect_stdout(self._output),
            contextlib.redirect_stderr(self._output),
        ):
            yield

    def start(self) -> None:
        """Make the sandbox, inside its surroundings, where it goes by a clock that was passed."""
        if self._sandbox is None and self._clock is not None:
            self._sandbox = Sandbox(Settings.from_environment(), clock=self._clock)

    def exchange(self, event: object) -> dict[str, Any]:
        """Do what ``app.py`` does, inside the surroundings, with another clock if there is one."""
        self.start()
        event, context = json.loads(json.dumps(event)), _Context(self._timeout_seconds)
        remaining = context.get_remaining_time_in_millis
        answer = (
            self._app.lambda_handler(event, context)
            if self._sandbox is None
            else self._sandbox.handle(event, remaining_seconds=lambda: remaining() / _MILLISECONDS)
        )
        returned: dict[str, Any] = json.loads(json.dumps(answer))
        return returned


def invoke_at_once(functions: Sequence[InProcessFunction], event: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Deliver one event to several sandboxes of one deployment at the same moment, each in a thread of its own.

    Each needs a clock that is passed: without one they would all be the one sandbox of ``app.py``.
    """
    for function in functions:
        with function.surroundings():
            function.start()
    together = threading.Barrier(len(functions))

    def run(function: InProcessFunction) -> dict[str, Any]:
        together.wait()
        return function.exchange(event)

    with functions[0].surroundings(), ThreadPoolExecutor(len(functions)) as threads:
        return list(threads.map(run, functions))
