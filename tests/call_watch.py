"""Listens to every call of AWS that the handler makes in any test: one that its role may not make fails the test.

The handler's are the calls that are made in its surroundings, where its settings are the environment. What the
policies allow in detail is enforced in ``tests/e2e/test_least_privilege.py``; this is that nothing else is asked.
"""

from __future__ import annotations

import os
from functools import cache
from typing import TYPE_CHECKING, Any

import botocore.handlers
import pytest

from infra.local.generate_security import statements
from tests.aws_calls import action_of

if TYPE_CHECKING:
    from collections.abc import Generator

_SETTING = "TARGETS_BUCKET"  # required, so it is there wherever the handler runs
_MACHINE = "PATH"  # the handler has exactly its settings; a command that has the same one has the machine's beside it

BESIDE = "others_call"
"""The marker of a test in which others call AWS while the handler runs, from threads of its process; with what."""


class CallWatch:
    """Listens during one test after the other."""

    def __init__(self) -> None:
        self._refused: list[str] = []

    def asked(self, *, model: Any, **_: object) -> None:
        """Note a call of the handler's that its role may not make."""
        if _SETTING in os.environ and _MACHINE not in os.environ:  # noqa: TID251 - whether this is the handler, not what it is set to
            action = action_of(model)
            if action not in _granted():
                self._refused.append(action)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Fail the test at its end."""
        report = yield
        if call.when != "teardown":
            return report
        marker = item.get_closest_marker(BESIDE)
        refused, self._refused = sorted({*self._refused}.difference(() if marker is None else marker.args)), []
        if refused and report.passed:
            report.outcome = "failed"
            report.longrepr = f"the handler asked AWS for what its role may not do: {', '.join(refused)}"
        return report


def watch(config: pytest.Config) -> None:
    """Begin to listen, for as long as pytest runs."""
    config.addinivalue_line("markers", f"{BESIDE}(*actions): others in this process call AWS while the handler runs")
    listener = CallWatch()
    config.pluginmanager.register(listener, "call-watch")
    handler = ("before-parameter-build", listener.asked)
    botocore.handlers.BUILTIN_HANDLERS.append(handler)  # what every new session of botocore begins with
    config.add_cleanup(lambda: botocore.handlers.BUILTIN_HANDLERS.remove(handler))


@cache
def _granted() -> frozenset[str]:
    """Return the actions of the function's role."""
    return frozenset(action for each in statements("WarmerRole") for action in each.actions)
