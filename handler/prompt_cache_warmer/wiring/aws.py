"""What of AWS every adapter shares: how its clients behave, and the store of a stack's state.

Apart from the sandbox, so that a command that only looks at the state does not load the Anthropic SDK.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import boto3
from botocore.config import Config

from prompt_cache_warmer.adapters.dynamodb_pool import DynamoDbPool
from prompt_cache_warmer.adapters.dynamodb_state import DynamoDbState
from prompt_cache_warmer.adapters.memory_state import MemoryState
from prompt_cache_warmer.adapters.s3_targets import READERS
from prompt_cache_warmer.adapters.state_table import StateTable

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

    from prompt_cache_warmer.ports import StateStore

# A tick has minutes, not hours: an AWS call that hangs must fail while the run can still say so.
AWS_CONNECT_TIMEOUT_SECONDS = 3
AWS_READ_TIMEOUT_SECONDS = 15
AWS_ATTEMPTS = 3


def state_store(table: str | None, *, client: DynamoDBClient | None = None) -> StateStore:
    """Return the store of a stack's state: its table, or this process's memory without one."""
    if table is None:
        return MemoryState()
    return DynamoDbState(StateTable(client or boto3.client("dynamodb", config=aws_config()), table))


def pool_store(table: str, name: str, *, client: DynamoDBClient | None = None) -> DynamoDbPool:
    """Return the store of one budget pool in a state table."""
    return DynamoDbPool(StateTable(client or boto3.client("dynamodb", config=aws_config()), table), name)


def aws_config() -> Config:
    """Return how every AWS client behaves."""
    return Config(
        connect_timeout=AWS_CONNECT_TIMEOUT_SECONDS,
        read_timeout=AWS_READ_TIMEOUT_SECONDS,
        retries={"total_max_attempts": AWS_ATTEMPTS, "mode": "standard"},
        max_pool_connections=READERS,
    )
