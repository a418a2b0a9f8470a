"""The two answers of AWS's that grow with the number of targets, read without botocore's model of every field.

A page of a listing and a batch of state items hold thousands of small values; botocore goes through its model for each
of them, and through a parser of free-form dates for each object of a listing, which takes most of the CPU of a tick on
which nothing is due. Its event ``before-parse`` lets a handler give a part of the answer as it is: what is given here
has the same names and values, and the rest is left for botocore. What does not look as expected is left as it came.
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_OK = 200


def read_listing(*, response_dict: dict[str, Any], customized_response_dict: dict[str, Any], **_: object) -> None:
    """Read the objects of a page of a listing; a handler of ``before-parse.s3.ListObjectsV2``."""
    if response_dict["status_code"] != _OK:
        return
    try:
        page = ET.fromstring(response_dict["body"])  # noqa: S314 - botocore reads the same bytes with the same parser
        listed = page.findall("{*}Contents")
        found = [_object({part.tag.rpartition("}")[2]: part.text or "" for part in one}) for one in listed]
    except (ET.ParseError, LookupError, ValueError):
        return
    if found:
        for one in listed:
            page.remove(one)
        customized_response_dict["Contents"] = found
        response_dict["body"] = ET.tostring(page)


def read_items(*, response_dict: dict[str, Any], customized_response_dict: dict[str, Any], **_: object) -> None:
    """Read the items of a batch; a handler of ``before-parse.dynamodb.BatchGetItem``.

    They stay as DynamoDB writes them, which is how botocore's client gives them too, but for bytes: no item of ours
    holds any.
    """
    if response_dict["status_code"] != _OK:
        return
    try:
        answer = json.loads(response_dict["body"])
        responses = answer.pop("Responses")
    except (AttributeError, LookupError, TypeError, ValueError, RecursionError):
        return
    if _are_items(responses):
        customized_response_dict["Responses"] = responses
        response_dict["body"] = json.dumps({**answer, "Responses": {}}).encode()


READERS: Mapping[str, Mapping[str, Callable[..., None]]] = {
    "s3": {"ListObjectsV2": read_listing},
    "dynamodb": {"BatchGetItem": read_items},
}
"""The handlers by service and operation."""


def _object(parts: Mapping[str, str]) -> dict[str, object]:
    return {
        "Key": parts["Key"],
        "ETag": parts["ETag"],
        "Size": int(parts["Size"]),
        "LastModified": datetime.fromisoformat(parts["LastModified"]),
    }


def _are_items(responses: object) -> bool:
    return isinstance(responses, dict) and all(
        isinstance(items, list) and all(map(_is_item, items)) for items in responses.values()
    )


def _is_item(item: object) -> bool:
    return isinstance(item, dict) and all(isinstance(value, dict) for value in item.values())
