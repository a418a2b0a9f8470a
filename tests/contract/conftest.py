"""An AWS account, state stores and a Messages API on loopback for the contract tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from infra.local.aws import LocalAws
from infra.local.cloud import STATE_TABLE, create_state_table
from infra.local.messages_api import EmulatorClock, LocalMessagesApi
from prompt_cache_warmer.adapters.dynamodb_state import DynamoDbState
from prompt_cache_warmer.adapters.memory_state import MemoryState
from prompt_cache_warmer.adapters.state_table import StateTable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prompt_cache_warmer.ports import StateStore


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


@pytest.fixture
def dynamodb_state(aws: LocalAws) -> DynamoDbState:
    """Return a store in an empty state table."""
    create_state_table(aws)
    return DynamoDbState(StateTable(aws.dynamodb, STATE_TABLE))


@pytest.fixture(params=["memory", "dynamodb"])
def state(request: pytest.FixtureRequest) -> StateStore:
    """Return each store there is, empty."""
    if request.param == "memory":
        return MemoryState()
    store: DynamoDbState = request.getfixturevalue("dynamodb_state")
    return store
