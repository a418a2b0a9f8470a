"""Unit tests open no socket: what needs one belongs in tests/contract or tests/e2e."""

from __future__ import annotations

import pytest_socket
from hypothesis import settings

settings.register_profile("campaign", max_examples=10_000)  # what `make campaign` asks for


def pytest_runtest_setup() -> None:
    """Close the network before each test; the event loop's own socket pair stays allowed."""
    pytest_socket.disable_socket(allow_unix_socket=True)


def pytest_runtest_teardown() -> None:
    """Open it again for tests of other folders."""
    pytest_socket.enable_socket()
