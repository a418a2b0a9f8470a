"""What is true of every test: nothing lets a planted word out, and the handler asks AWS for what it may do only."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests import call_watch, canary_watch

if TYPE_CHECKING:
    import pytest


def pytest_configure(config: pytest.Config) -> None:
    """Listen."""
    canary_watch.watch(config)
    call_watch.watch(config)
