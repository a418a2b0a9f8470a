"""Answers of AWS's that are read in one go: the same names and values as botocore gives, and nothing odd."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from prompt_cache_warmer.adapters.aws_reading import read_items, read_listing

NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"
CONTENT = (
    "<Contents><Key>targets/a%20b.json</Key><LastModified>2026-11-23T08:09:10.000Z</LastModified>"
    '<ETag>"e1"</ETag><Size>12</Size><StorageClass>STANDARD</StorageClass></Contents>'
)
PAGE = (
    f'<ListBucketResult xmlns="{NAMESPACE}"><IsTruncated>true</IsTruncated>{{}}'
    "<KeyCount>1</KeyCount></ListBucketResult>"
)
ITEM = {"pk": {"S": "target/a"}, "schema": {"N": "1"}}


def handled(read: Any, body: bytes, *, status: int = 200) -> tuple[dict[str, Any], bytes]:
    """Hand an answer to a handler as botocore does; return what it gives, and the body it leaves."""
    response: dict[str, Any] = {"status_code": status, "headers": {}, "body": body}
    given: dict[str, Any] = {}
    read(response_dict=response, customized_response_dict=given, operation_model=None, event_name="before-parse")
    return given, response["body"]


def test_the_objects_of_a_page_are_read_and_the_rest_is_left() -> None:
    """Keys stay as they are encoded, because botocore decodes them by the page's own word."""
    given, left = handled(read_listing, PAGE.format(CONTENT).encode())
    at = datetime(2026, 11, 23, 8, 9, 10, tzinfo=UTC)
    assert given == {"Contents": [{"Key": "targets/a%20b.json", "ETag": '"e1"', "Size": 12, "LastModified": at}]}
    assert b"IsTruncated>true<" in left
    assert b"KeyCount>1<" in left
    assert b"Contents" not in left


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (PAGE.format(CONTENT).encode(), 503),
        (PAGE.format("").encode(), 200),
        (PAGE.format(CONTENT.replace("<Size>12</Size>", "")).encode(), 200),
        (PAGE.format(CONTENT.replace("2026-11-23T", "yesterday ")).encode(), 200),
        (PAGE.format(CONTENT).encode()[:-9], 200),
        (b"<html>Please sign in</html>", 200),
    ],
    ids=["an error", "nothing listed", "no size", "no date", "cut off", "a page"],
)
def test_a_page_that_is_not_as_expected_is_left_as_it_came(body: bytes, status: int) -> None:
    """What is wrong with it botocore says, and the check of whose answer it is."""
    assert handled(read_listing, body, status=status) == ({}, body)


def test_the_items_of_a_batch_are_read_and_the_rest_is_left() -> None:
    """What could not be processed is botocore's to read."""
    body = {"Responses": {"state": [ITEM]}, "UnprocessedKeys": {"state": {"Keys": [{"pk": {"S": "b"}}]}}}
    given, left = handled(read_items, json.dumps(body).encode())
    assert given == {"Responses": {"state": [ITEM]}}
    assert json.loads(left) == {**body, "Responses": {}}


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b'{"Responses":{},"UnprocessedKeys":{}}', 500),
        (b'{"UnprocessedKeys":{}}', 200),
        (b'{"Responses":[],"UnprocessedKeys":{}}', 200),
        (b'{"Responses":{"state":{}},"UnprocessedKeys":{}}', 200),
        (b'{"Responses":{"state":["pk"]},"UnprocessedKeys":{}}', 200),
        (b'{"Responses":{"state":[{"pk":"target/a"}]},"UnprocessedKeys":{}}', 200),
        (b"[]", 200),
        (b'{"Responses":', 200),
    ],
    ids=["an error", "no responses", "a list", "no list", "no item", "no typed value", "no object", "cut off"],
)
def test_a_batch_that_is_not_as_expected_is_left_as_it_came(body: bytes, status: int) -> None:
    """What is wrong with it botocore says, and whoever reads the items."""
    assert handled(read_items, body, status=status) == ({}, body)
