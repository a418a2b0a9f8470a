"""What of AWS every adapter shares: how its clients behave, and the store of a stack's state.

Apart from the sandbox, so that a command that only looks at the state does not load the Anthropic SDK.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Protocol, cast

import boto3
from botocore.config import Config

from prompt_cache_warmer.adapters.aws_answers import checked
from prompt_cache_warmer.adapters.dynamodb_pool import DynamoDbPool
from prompt_cache_warmer.adapters.dynamodb_state import DynamoDbState
from prompt_cache_warmer.adapters.memory_state import MemoryState
from prompt_cache_warmer.adapters.s3_targets import READERS
from prompt_cache_warmer.adapters.state_table import StateTable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from mypy_boto3_dynamodb import DynamoDBClient

    from prompt_cache_warmer.ports import StateStore

# A tick has minutes, not hours: an AWS call that hangs must fail while the run can still say so.
AWS_CONNECT_TIMEOUT_SECONDS = 3
AWS_READ_TIMEOUT_SECONDS = 15
AWS_ATTEMPTS = 3


class TableClient(Protocol):
    """What is used of a boto3 DynamoDB client, so that an application needs no boto3-stubs to read our types."""

    @property
    def update_item(self) -> Callable[..., Mapping[str, Any]]:
        """Write an item."""

    @property
    def batch_get_item(self) -> Callable[..., Mapping[str, Any]]:
        """Read several."""


def state_store(table: str | None, *, client: TableClient | None = None) -> StateStore:
    """Return the store of a stack's state: its table, or this process's memory without one."""
    return MemoryState() if table is None else DynamoDbState(_state_table(table, client))


def pool_store(table: str, name: str, *, client: TableClient | None = None) -> DynamoDbPool:
    """Return the store of one budget pool in a state table."""
    return DynamoDbPool(_state_table(table, client), name)


def _state_table(name: str, client: TableClient | None) -> StateTable:
    return StateTable(cast("DynamoDBClient", _ClientOfEachProcess() if client is None else client), name)


class _ClientOfEachProcess:
    """A boto3 DynamoDB client, made anew in a forked child: connections cannot be shared with a parent."""

    def __init__(self) -> None:
        self._made = self._make()

    def __getattr__(self, name: str) -> object:
        if self._made[0] != os.getpid():
            self._made = self._make()
        return getattr(self._made[1], name)

    @staticmethod
    def _make() -> tuple[int, DynamoDBClient]:
        # What is written is ours and typed; botocore's own look at each value is a fifth of the CPU of a write.
        config = aws_config().merge(Config(parameter_validation=False))
        return os.getpid(), aws_client("dynamodb", config=config)


def aws_client(service: str, *, config: Config | None = None) -> Any:  # noqa: ANN401 - boto3's clients have no common type
    """Return a client of a service; what is not AWS's answer is an error of botocore's tree.

    Args:
        service: the service.
        config: how it behaves; as every client of ours, when absent.

    Raises:
        BotoCoreError: when nothing says which region is meant, or the address or the profile that is said is none.
    """
    return checked(boto3.client, service, config=config or aws_config())


def aws_config() -> Config:
    """Return how every AWS client behaves."""
    return Config(
        connect_timeout=AWS_CONNECT_TIMEOUT_SECONDS,
        read_timeout=AWS_READ_TIMEOUT_SECONDS,
        retries={"total_max_attempts": AWS_ATTEMPTS, "mode": "standard"},
        max_pool_connections=READERS,
    )
