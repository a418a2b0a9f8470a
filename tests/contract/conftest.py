"""A bucket and a Messages API on loopback for the contract tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from infra.local.aws import LocalAws
from infra.local.messages_api import EmulatorClock, LocalMessagesApi

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def account() -> Iterator[LocalAws]:
    """Return an AWS account."""
    with LocalAws() as started:
        yield started


@pytest.fixture
def aws(account: LocalAws) -> LocalAws:
    """Return an empty AWS account."""
    account.reset()
    return account


@pytest.fixture
def api() -> Iterator[LocalMessagesApi]:
    """Return a Messages API whose clock stands still."""
    with LocalMessagesApi(clock=EmulatorClock(frozen=True)) as emulator:
        yield emulator
