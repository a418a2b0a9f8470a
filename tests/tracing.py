"""Keeps coverage's tracing, which makes some tests ten times as long, to where it tells something.

Unit and contract tests say what is covered; end-to-end tests, those of the pages and of the infrastructure run without
it, and so do tests that are marked: pytest-cov's own marker for that does not work where ``--no-cov`` is said. And in a
worker of pytest-xdist pytest-cov starts it twice, as if the worker were the process that gathers from workers: the
first is stopped before the worker's own begins.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from coverage import Coverage

if TYPE_CHECKING:
    from collections.abc import Generator

MARKER = "untraced"
"""The marker of a long test; what it runs is covered by others."""
_TRACED = frozenset({"unit", "contract"})  # folders


class Untraced:
    """Stops tracing during the tests that are marked."""

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None]:
        """Stop it, and go on after the test."""
        is_traced = _TRACED.intersection(item.path.parts) and item.get_closest_marker(MARKER) is None
        tracing = None if is_traced else Coverage.current()
        if tracing is None:
            return (yield)
        tracing.stop()
        try:
            return (yield)
        finally:
            tracing.start()


def keep_short(config: pytest.Config) -> None:
    """Know the marker from now on, and trace once."""
    config.addinivalue_line("markers", f"{MARKER}: runs without coverage's tracing")
    config.pluginmanager.register(Untraced(), MARKER)
    if hasattr(config, "workerinput"):
        tracing = Coverage.current()
        if tracing is not None:
            tracing.stop()
