"""The state table: conditional writes and batch reads, with DynamoDB's errors turned into ours.

Two calls of DynamoDB's are all there is, ``UpdateItem`` and ``BatchGetItem``: nothing is ever read in
order to be written back, and nothing is deleted but by the table's own time to live.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from prompt_cache_warmer.adapters.aws_advice import is_failing
from prompt_cache_warmer.adapters.aws_answers import NotAwsError
from prompt_cache_warmer.adapters.s3_bucket import error_word
from prompt_cache_warmer.adapters.state_items import PARTITION_KEY
from prompt_cache_warmer.errors import StateUnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from mypy_boto3_dynamodb import DynamoDBClient

    from prompt_cache_warmer.adapters.state_items import Item
    from prompt_cache_warmer.adapters.state_update import Update

KEYS_PER_READ = 100  # DynamoDB's own limit

# What a read could not process is asked for again, after 50 ms and twice as long each time: 6 s in all,
# by when the table has either scaled up or something is wrong with it.
READ_ATTEMPTS = 8
FIRST_READ_PAUSE_SECONDS = 0.05

_CONDITION_FAILED = "ConditionalCheckFailedException"
_NO_SUCH_TABLE = "ResourceNotFoundException"
_FAILING = "DynamoDB, or a proxy on the way to it, fails: the next run tries again"
_CHECK = "check STATE_TABLE, the function's role and its network path to DynamoDB"


class StateTable:
    """Reads and writes the items of one table.

    Args:
        client: a boto3 DynamoDB client; it is used from several threads at once.
        name: the table's name.
        sleep: waits between the attempts of a read.
    """

    def __init__(self, client: DynamoDBClient, name: str, *, sleep: Callable[[float], None] = time.sleep) -> None:
        self._client = client
        self._name = name
        self._sleep = sleep

    def write(self, update: Update) -> Item | None:
        """Write, or tell why not.

        Returns:
            None when it is written; otherwise the item as it is, for which the conditions do not hold.

        Raises:
            StateUnavailableError: when the table cannot be written.
        """
        is_written, item = self._update(update.arguments())
        return None if is_written else item

    def exchange(self, update: Update) -> tuple[bool, Item]:
        """Write, and tell what was there before.

        Returns:
            Whether it is written, and the item as it was before, or as it is where it is not written.

        Raises:
            StateUnavailableError: when the table cannot be written.
        """
        return self._update({**update.arguments(), "ReturnValues": "ALL_OLD"})

    def _update(self, arguments: dict[str, Any]) -> tuple[bool, Item]:
        try:
            written: Mapping[str, Any] = dict(self._client.update_item(TableName=self._name, **arguments))
        except ClientError as error:
            if error_word(error) == _CONDITION_FAILED:
                refused: Mapping[str, Any] = error.response
                return False, dict(refused.get("Item", {}))
            raise self._failed("UpdateItem", error) from error
        except BotoCoreError as error:
            raise self._unasked("UpdateItem", error_word(error)) from error
        return True, dict(written.get("Attributes", {}))

    def read(self, keys: Sequence[str]) -> dict[str, Item]:
        """Read up to ``KEYS_PER_READ`` items as they are now; those that do not exist are missing.

        Raises:
            StateUnavailableError: when the table cannot be read.
        """
        found: dict[str, Item] = {}
        waiting: list[Any] = [{PARTITION_KEY: {"S": key}} for key in keys]
        for attempt in range(READ_ATTEMPTS):
            if attempt:
                self._sleep(FIRST_READ_PAUSE_SECONDS * 2 ** (attempt - 1))
            try:
                answer = self._client.batch_get_item(
                    RequestItems={self._name: {"Keys": waiting, "ConsistentRead": True}}
                )
                if "Responses" not in answer:  # in every answer of DynamoDB's; read as nothing known, it would be paid
                    raise NotAwsError
            except ClientError as error:
                raise self._failed("BatchGetItem", error) from error
            except BotoCoreError as error:
                raise self._unasked("BatchGetItem", error_word(error)) from error
            found |= {item[PARTITION_KEY]["S"]: item for item in answer["Responses"].get(self._name, ())}
            if self._name not in answer["UnprocessedKeys"]:
                return found
            waiting = list(answer["UnprocessedKeys"][self._name]["Keys"])
        raise self._refused("BatchGetItem", "UnprocessedKeys")

    def _failed(self, operation: str, error: ClientError) -> StateUnavailableError:
        if is_failing(error):
            said = f"could not be asked for {operation}: {error_word(error)}; {_FAILING}"
            return StateUnavailableError(f"state table {self._name!r} {said}")
        return self._refused(operation, error_word(error))

    def _refused(self, operation: str, word: str) -> StateUnavailableError:
        if word == _NO_SUCH_TABLE:
            advice = "there is no such table in this region: deploy the stack that makes it, or correct STATE_TABLE"
        else:
            advice = _CHECK
        return StateUnavailableError(f"state table {self._name!r} refused {operation}: {word}; {advice}")

    def _unasked(self, operation: str, word: str) -> StateUnavailableError:
        """Tell of a question that got no answer, so that nothing refused it: no credentials, no network."""
        said = f"could not be asked for {operation}, or gave no answer"
        return StateUnavailableError(f"state table {self._name!r} {said}: {word}; {_CHECK}")
