"""DynamoDB clients for tests: one that tampers with what travels, one that is quick and asks for no condition."""

from __future__ import annotations

import re
from collections import defaultdict
from typing import TYPE_CHECKING, Any, cast

from botocore.exceptions import ClientError

from infra.local.cloud import STATE_TABLE
from prompt_cache_warmer.adapters.dynamodb_state import DynamoDbState
from prompt_cache_warmer.adapters.state_table import StateTable

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


class Wire:
    """Passes requests on.

    Args:
        client: the client that reaches the server.

    Attributes:
        loses_answers: whether each write is made twice, as the SDK does when an answer does not come.
        keeps_keys: how many keys of a read are answered; None is all of them.
        refuses: whether each write is refused with a failed condition and no item.
        writes: every write, in order.
        reads: every read, in order.
        pauses: how long was waited between them.
    """

    def __init__(self, client: DynamoDBClient) -> None:
        self._client: Any = client
        self.loses_answers = False
        self.keeps_keys: int | None = None
        self.refuses = False
        self.writes: list[dict[str, Any]] = []
        self.reads: list[list[str]] = []
        self.pauses: list[float] = []

    def store(self) -> DynamoDbState:
        """Return a store that uses it."""
        return DynamoDbState(StateTable(cast("DynamoDBClient", self), STATE_TABLE, sleep=self.pauses.append))

    def update_item(self, **arguments: Any) -> Any:
        """Write."""
        self.writes.append(arguments)
        if self.refuses:
            raise ClientError({"Error": {"Code": "ConditionalCheckFailedException"}}, "UpdateItem")
        if self.loses_answers:
            self._client.update_item(**arguments)
        return self._client.update_item(**arguments)

    def batch_get_item(self, *, RequestItems: dict[str, Any]) -> Any:  # noqa: N803 - boto3's own name
        """Read."""
        [(table, request)] = RequestItems.items()
        assert request["ConsistentRead"] is True
        keys = request["Keys"]
        self.reads.append([key["pk"]["S"] for key in keys])
        kept = keys if self.keeps_keys is None else keys[: self.keeps_keys]
        answer: dict[str, Any] = {"Responses": {table: []}, "UnprocessedKeys": {}}
        if kept:
            answer = dict(self._client.batch_get_item(RequestItems={table: {**request, "Keys": kept}}))
        if kept != keys:
            answer["UnprocessedKeys"] = {table: {"Keys": keys[len(kept) :], "ConsistentRead": True}}
        return answer


class QuickTable:
    """A table in memory that carries out updates whatever their condition is: thousands in a second.

    Attributes:
        items: what it holds, by key.
    """

    def __init__(self) -> None:
        self.items: defaultdict[str, dict[str, Any]] = defaultdict(dict)

    def store(self) -> DynamoDbState:
        """Return a store that uses it."""
        return DynamoDbState(StateTable(cast("DynamoDBClient", self), STATE_TABLE))

    def update_item(self, **arguments: Any) -> dict[str, Any]:
        """Write."""
        names, values = arguments["ExpressionAttributeNames"], arguments["ExpressionAttributeValues"]
        item = self.items[arguments["Key"]["pk"]["S"]]
        before = dict(item)
        item.setdefault("pk", arguments["Key"]["pk"])
        puts, _, removals = arguments["UpdateExpression"].removeprefix("SET ").partition(" REMOVE ")
        for name, otherwise, put, change in re.findall(
            r"(#\d+) = (?:if_not_exists\(#\d+, (:\d+)\)|(:\d+))(?: \+ (:\d+))?", puts
        ):
            value = values[put] if put else item.get(names[name], values[otherwise or put])
            item[names[name]] = {"N": str(int(value["N"]) + int(values[change]["N"]))} if change else value
        for name in re.findall(r"#\d+", removals):
            item.pop(names[name], None)
        return {"Attributes": before} if "ReturnValues" in arguments else {}

    def batch_get_item(self, *, RequestItems: dict[str, Any]) -> Any:  # noqa: N803 - boto3's own name
        """Read."""
        [(table, request)] = RequestItems.items()
        keys = [key["pk"]["S"] for key in request["Keys"]]
        return {
            "Responses": {table: [dict(self.items[key]) for key in keys if key in self.items]},
            "UnprocessedKeys": {},
        }
