"""How many requests of AWS a run makes: nothing is fetched that is not due, and a warmed entry takes two writes."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import boto3
import pytest

from infra.local.cloud import LocalCloud
from infra.local.function import InProcessFunction
from prompt_cache_warmer.adapters.s3_bucket import Bucket
from prompt_cache_warmer.wiring.aws import aws_client

if TYPE_CHECKING:
    from collections.abc import Iterator

TARGETS = 5
NOTHING_DUE = {"ListObjectsV2": 2, "BatchGetItem": 1}  # the documents, what they may refer to, and the state


def target(number: int, **fields: object) -> dict[str, Any]:
    """Return a document that lives for an hour once it was called."""
    block = {"type": "text", "text": f"You are {number}. " * 500, "cache_control": {"type": "ephemeral", "ttl": "1h"}}
    request = {"system": [block]}
    return {"name": f"t{number}", "models": ["claude-sonnet-4-6"], "keep": "always", "request": request, **fields}


@pytest.fixture
def requests() -> Iterator[Counter[str]]:
    """Count the requests of every client that the handler makes, by operation."""
    counted: Counter[str] = Counter()

    def count(model: Any, **_: object) -> None:
        counted[model.name] += 1

    boto3.setup_default_session()
    assert boto3.DEFAULT_SESSION is not None
    boto3.DEFAULT_SESSION.events.register("before-call", count)
    yield counted
    boto3.DEFAULT_SESSION.events.unregister("before-call", count)


@pytest.fixture
def cloud() -> Iterator[LocalCloud]:
    """Return a cloud with a state table and some targets."""
    with LocalCloud(state=True) as cloud:
        for number in range(TARGETS):
            cloud.put(f"targets/{number}.json", target(number))
        yield cloud


def test_nothing_is_fetched_that_is_not_due(cloud: LocalCloud, requests: Counter[str]) -> None:
    """A warm sandbox lists and reads the state; a document that changed is the only one it gets."""
    function = InProcessFunction(cloud.environment())
    function.invoke({})
    requests.clear()
    assert function.invoke({})["totals"]["entries_due"] == 0
    assert requests == NOTHING_DUE
    cloud.put("targets/0.json", target(0, max_usd_per_day="5"))
    requests.clear()
    assert function.invoke({})["totals"]["entries_due"] == 0
    assert requests == {**NOTHING_DUE, "GetObject": 1}


def test_a_new_sandbox_gets_every_document_once(cloud: LocalCloud, requests: Counter[str]) -> None:
    """Names and fingerprints are known per sandbox, and a document that is called was read just before."""
    InProcessFunction(cloud.environment()).invoke({})
    requests.clear()
    assert InProcessFunction(cloud.environment()).invoke({})["totals"]["entries_due"] == 0
    assert requests == {**NOTHING_DUE, "GetObject": TARGETS}


@pytest.mark.parametrize(
    ("settings", "fields", "of_the_run"),
    [
        ({}, {}, 1),
        ({}, {"max_usd_per_day": "5"}, 1),
        ({"MAX_USD_PER_DAY": "50", "MAX_TOKENS_PER_MONTH": "100000000"}, {"max_usd_per_day": "5"}, 4),
    ],
    ids=["no caps", "a target's caps", "the stack's caps too"],
)
def test_a_warmed_entry_takes_two_writes(
    cloud: LocalCloud, requests: Counter[str], settings: dict[str, str], fields: dict[str, Any], of_the_run: int
) -> None:
    """Its claim and its commit.

    The run itself has one more, what the stack spent; under the stack's caps two leases and their returns, because
    nobody knew how many tokens the first calls have.
    """
    for number in range(TARGETS):
        cloud.put(f"targets/{number}.json", target(number, **fields))
    assert InProcessFunction(cloud.environment(**settings)).invoke({})["totals"]["entries_warmed"] == TARGETS
    assert requests["UpdateItem"] == 2 * TARGETS + of_the_run


def test_listings_and_items_are_read_as_botocore_reads_them(
    cloud: LocalCloud, requests: Counter[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Blanks, signs and other scripts in keys, every size, page after page; items with all that is remembered."""
    for name, value in cloud.environment().items():
        monkeypatch.setenv(name, value)
    for key in ("a b+c&d%20.json", "ä/ツ.json", "plain.json"):
        cloud.put(f"targets/{key}", "x" * len(key))
    InProcessFunction(cloud.environment()).invoke({})
    bucket, table = cloud.environment()["TARGETS_BUCKET"], cloud.environment()["STATE_TABLE"]
    ours, theirs = aws_client("s3"), cloud.aws.s3
    read, expected = (
        [found for page in pages for found in page["Contents"]]
        for pages in (
            client.get_paginator("list_objects_v2").paginate(
                Bucket=bucket, Prefix="targets/", PaginationConfig={"PageSize": 3}
            )
            for client in (ours, theirs)
        )
    )
    assert requests["ListObjectsV2"] == 2 + 3
    assert len(read) == TARGETS + 3
    assert read == [{name: found[name] for name in ("Key", "ETag", "Size", "LastModified")} for found in expected]
    assert list(Bucket(ours, bucket).objects("targets/")) == [found["Key"] for found in expected]
    keys = [{"pk": {"S": f"target/t{number}"}} for number in range(TARGETS)]
    items = [
        client.batch_get_item(RequestItems={table: {"Keys": keys}})["Responses"]
        for client in (aws_client("dynamodb"), cloud.aws.dynamodb)
    ]
    assert items[0] == items[1]
    assert len(items[0][table]) == TARGETS
