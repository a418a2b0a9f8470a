"""The function in this process: the handler, invoked as Lambda would, its output kept apart.

The other way to run it is the built artifact under the real runtime emulator (``lambda_emulator``);
both have the same two methods, so the demo and the tests take either.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import json
import time
import traceback
from typing import TYPE_CHECKING, Any, Protocol
from unittest import mock

if TYPE_CHECKING:
    from collections.abc import Mapping

_MILLISECONDS = 1000


class Function(Protocol):
    """A deployed function, wherever it runs."""

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


class InProcessFunction:
    """The handler in this process: a new sandbox, and exactly the environment that is passed.

    Args:
        environment: the function's environment variables.
        timeout_seconds: what the context object says; nothing is killed here.
    """

    def __init__(self, environment: Mapping[str, str], *, timeout_seconds: float = 110) -> None:
        self._environment = dict(environment)
        self._timeout_seconds = timeout_seconds
        self._output = io.StringIO()
        self._app = importlib.import_module("app")
        importlib.import_module("prompt_cache_warmer.wiring").sandbox.cache_clear()

    def invoke(self, event: Mapping[str, Any] | None) -> dict[str, Any]:
        """Invoke the handler and return its answer as the JSON Lambda would return."""
        # Standard error goes into the same log, as in Lambda, so that whoever searches it for secrets sees all.
        with (
            mock.patch.dict("os.environ", self._environment, clear=True),
            contextlib.redirect_stdout(self._output),
            contextlib.redirect_stderr(self._output),
        ):
            try:
                answer = self._app.lambda_handler(json.loads(json.dumps(event)), _Context(self._timeout_seconds))
            except Exception:
                traceback.print_exc(file=self._output)  # as the runtime does
                raise
        returned: dict[str, Any] = json.loads(json.dumps(answer))
        return returned

    def output(self) -> str:
        """Return everything the handler printed so far."""
        return self._output.getvalue()
