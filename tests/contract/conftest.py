"""A bucket and a Messages API on loopback for the contract tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from infra.local.aws import LocalAws
from infra.local.messages_api import EmulatorClock, LocalMessagesApi

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def aws() -> Iterator[LocalAws]:
    """Return an empty AWS account."""
    with LocalAws() as account:
        yield account


@pytest.fixture
def api() -> Iterator[LocalMessagesApi]:
    """Return a Messages API whose clock stands still."""
    with LocalMessagesApi(clock=EmulatorClock(frozen=True)) as emulator:
        yield emulator
