"""Searches all that is said during every test for the planted words, and fails the test during which one was said.

Searched is what pytest captured (standard output, standard error, the log), every log record with its fields, every
exception of ours as text and as ``repr``, what commands and the handler printed and answered, what other processes
printed, and every request that stores state, metrics or messages. A test fails by itself, in whichever process of
pytest-xdist it runs.

Where a word is planted it may be: in buckets, secrets, requests to the Messages API and files.
"""

from __future__ import annotations

import json
import logging
import re
import subprocess
import sys
from threading import Lock
from typing import TYPE_CHECKING, Any

import botocore.handlers
import pytest
from click.testing import CliRunner

from infra.local.function import InProcessFunction
from tests.canaries import CANARIES

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from types import CodeType

MAY_SHOW = "may_show_the_canary"
"""The marker of a test that is about the word being let out on purpose; it says why."""

_OURS = ("prompt_cache_warmer", "app")
_STORING = frozenset({"dynamodb", "cloudwatch", "sqs", "logs", "events", "sns"})
_ANY = re.compile("|".join(CANARIES), re.IGNORECASE)
_TOOL = 4  # the first of sys.monitoring's ids that are nobody's: 0 debugger, 1 coverage, 2 profiler, 5 optimizer
_AROUND = 60  # characters shown around the word, so that the place is found


class CanaryWatch(logging.Handler):
    """Listens during one test after the other."""

    def __init__(self) -> None:
        super().__init__(logging.NOTSET)
        self._found: list[str] = []
        self._lock = Lock()

    def heard(self, place: str, text: object) -> None:
        """Search what was said somewhere."""
        said = text.decode(errors="replace") if isinstance(text, bytes) else str(text)
        found = _ANY.search(said)
        if found is not None:
            start, end = max(0, found.start() - _AROUND), found.end() + _AROUND
            with self._lock:
                self._found.append(f"{place}: ...{said[start:end]!r}...")

    def emit(self, record: logging.LogRecord) -> None:
        """Search a log record: its message, its fields, its traceback."""
        self.heard("log record", self.format(record))
        self.heard("fields of a log record", vars(record))

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Fail the test at its end, when everything that was captured is known."""
        report = yield
        if call.when != "teardown":
            return report
        for title, content in report.sections:
            self.heard(title, content)
        with self._lock:
            found, self._found = list(dict.fromkeys(self._found)), []
        if found and report.passed and item.get_closest_marker(MAY_SHOW) is None:
            report.outcome = "failed"
            report.longrepr = "a planted word was let out:\n" + "\n".join(found)
        return report


def watch(config: pytest.Config) -> None:
    """Begin to listen, for as long as pytest runs."""
    config.addinivalue_line("markers", f"{MAY_SHOW}(reason): a planted word is let out on purpose")
    listener = CanaryWatch()
    config.pluginmanager.register(listener, "canary-watch")
    logging.getLogger().addHandler(listener)
    config.add_cleanup(lambda: logging.getLogger().removeHandler(listener))
    _watch_requests(config, listener)
    _watch_code(config, listener)


def _watch_requests(config: pytest.Config, listener: CanaryWatch) -> None:
    """Search what any client of boto3's stores where it may not be."""

    def sent(*, model: Any, params: dict[str, Any], **_: object) -> None:
        if model.service_model.service_name in _STORING:
            listener.heard(f"{model.service_model.service_name} {model.name}", params["body"])

    handler = ("before-call", sent)
    botocore.handlers.BUILTIN_HANDLERS.append(handler)  # what every new session of botocore begins with
    config.add_cleanup(lambda: botocore.handlers.BUILTIN_HANDLERS.remove(handler))


def _watch_code(config: pytest.Config, listener: CanaryWatch) -> None:
    """Search what certain functions return, and every exception of ours; Python before 3.12 cannot tell."""
    monitoring: Any = getattr(sys, "monitoring", None)
    if monitoring is None:
        return
    spoken = {_code(function): (place, read) for function, (place, read) in _SPOKEN.items()}

    def returned(code: CodeType, _: int, value: object) -> None:
        place, read = spoken[code]
        listener.heard(place, read(value))

    def raised(_: CodeType, __: int, error: BaseException) -> None:
        if type(error).__module__.partition(".")[0] in _OURS:
            listener.heard(f"{type(error).__name__} as text", error)
            listener.heard(f"{type(error).__name__} as repr", repr(error))

    monitoring.use_tool_id(_TOOL, "canary-watch")
    monitoring.register_callback(_TOOL, monitoring.events.PY_RETURN, returned)
    monitoring.register_callback(_TOOL, monitoring.events.RAISE, raised)
    for code in spoken:
        monitoring.set_local_events(_TOOL, code, monitoring.events.PY_RETURN)
    monitoring.set_events(_TOOL, monitoring.events.RAISE)
    config.add_cleanup(lambda: monitoring.free_tool_id(_TOOL))


def _code(function: Callable[..., Any]) -> CodeType:
    code: CodeType = function.__code__
    return code


def _printed(result: Any) -> str:
    """Return what a command printed, and how it ended."""
    return f"{result.output}{result.stderr}{result.exception!r}"


def _printed_elsewhere(result: Any) -> str:
    """Return what another process printed."""
    streams = (result.stdout, result.stderr)
    return "".join(each.decode(errors="replace") if isinstance(each, bytes) else str(each) for each in streams)


_SPOKEN: dict[Callable[..., Any], tuple[str, Callable[[Any], str]]] = {
    CliRunner.invoke: ("output of a command", _printed),
    subprocess.run: ("output of a process", _printed_elsewhere),
    InProcessFunction.exchange: ("answer of the handler", json.dumps),
    InProcessFunction.output: ("output of the handler", str),
}
"""What says something to somebody, by the function whose return value it is."""
