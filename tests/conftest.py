"""What is true of every test: nothing it does lets the planted word out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.canary_watch import watch

if TYPE_CHECKING:
    import pytest


def pytest_configure(config: pytest.Config) -> None:
    """Listen."""
    watch(config)
