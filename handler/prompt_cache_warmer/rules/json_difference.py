"""The first place where two JSON values differ, and how; what stands there is never part of the answer.

The order is the one the API renders in: object keys as they were written, lists from their start. Values
are compared as they are written in JSON, so 1, 1.0 and true are three things.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import StrEnum
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

from prompt_cache_warmer.values.body_checks import changing_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from prompt_cache_warmer.values.problems import JsonPath

# A uuid has 36 characters and a time stamp with its zone 32: either shows within this many of where it differs.
_AROUND_CHARACTERS = 40


class DifferenceKind(StrEnum):
    """How a request differs from a target at one place; added and removed are seen from the target."""

    CHANGED_TEXT = "changed-text"
    CHANGED_VALUE = "changed-value"
    REORDERED_KEYS = "reordered-keys"
    REORDERED = "reordered"
    ADDED = "added"
    REMOVED = "removed"
    MODEL_NOT_LISTED = "model-not-listed"
    MARKER_MISSING = "marker-missing"
    MARKER_TOO_EARLY = "marker-too-early"
    MARKER_TOO_FAR = "marker-too-far"
    OTHER_TTL = "other-ttl"


class Invalidator(StrEnum):
    """What makes a prefix differ from request to request without anybody having changed it."""

    TIME_STAMP = "a time stamp"
    UUID = "a uuid"
    DATE = "today's date"
    KEY_ORDER = "keys that are not in one order"
    ITEM_ORDER = "a list that is not in one order"
    TOOL_ORDER = "tools that are not in one order"
    TOOL_SET = "a tool set that varies"


@dataclass(frozen=True, slots=True)
class Difference:
    """One place where a request differs from a target.

    Attributes:
        kind: how it differs.
        target_path: the place in the target's body; None where there is nothing there.
        request_path: the place in the request's body; None where there is nothing there.
        character: where in the text of both the first differing character stands, from 0; None where it is no text.
        invalidator: what probably makes it differ by itself; None where nothing was recognised.
    """

    kind: DifferenceKind
    target_path: JsonPath | None
    request_path: JsonPath | None
    character: int | None = None
    invalidator: Invalidator | None = None


@dataclass(frozen=True, slots=True)
class Item:
    """One item of a list, as it is compared.

    Attributes:
        name: what makes it the same item although something in it was changed.
        written: the whole item as JSON.
    """

    name: str
    written: str


def first_difference(target: object, request: object, path: JsonPath = ()) -> Difference | None:
    """Find the first place where two JSON values differ; None where they are the same, key order included.

    Args:
        target: the one value.
        request: the other one.
        path: where both stand.
    """
    if isinstance(target, dict) and isinstance(request, dict):
        return _of_objects(target, request, path)
    if isinstance(target, list) and isinstance(request, list):
        return _of_lists(target, request, path)
    if written(target) == written(request):
        return None
    if isinstance(target, str) and isinstance(request, str):
        return _of_texts(target, request, path)
    return Difference(DifferenceKind.CHANGED_VALUE, path, path)


def parting(
    target: Sequence[Item], request: Sequence[Item], *, may_go_on: bool = False
) -> tuple[int, DifferenceKind | None] | None:
    """Find where two lists part, and how.

    Args:
        target: the one list.
        request: the other one.
        may_go_on: whether the request's list may be longer, because the prefix ends with the target's.

    Returns:
        The position and the kind of difference, None for an item in whose inside it is; None for equal lists.
    """
    for index in range(len(target) if may_go_on else max(len(target), len(request))):
        if index >= len(target):
            return index, DifferenceKind.ADDED
        if index >= len(request):
            return index, DifferenceKind.REMOVED
        if target[index] != request[index]:
            return index, _moved(target[index:], request[index:])
    return None


def written(value: object) -> str:
    """Write a value as JSON, keys in their own order."""
    return json.dumps(value, ensure_ascii=False)


def _moved(target: Sequence[Item], request: Sequence[Item]) -> DifferenceKind | None:
    """Tell what became of the first item of two lists that differ there."""
    ours, theirs = target[0].name, request[0].name
    if ours == theirs:
        return None
    ours_later = any(item.name == ours for item in request)
    theirs_later = any(item.name == theirs for item in target)
    if ours_later and theirs_later:
        return DifferenceKind.REORDERED
    if ours_later:
        return DifferenceKind.ADDED
    return DifferenceKind.REMOVED if theirs_later else None


def _of_objects(target: Mapping[str, Any], request: Mapping[str, Any], path: JsonPath) -> Difference | None:
    for ours, theirs in zip_longest(target, request):
        if ours != theirs:
            return _of_keys(target, request, ours, theirs, path)
        found = first_difference(target[ours], request[ours], (*path, ours))
        if found is not None:
            return found
    return None


def _of_keys(
    target: Mapping[str, Any], request: Mapping[str, Any], ours: str | None, theirs: str | None, path: JsonPath
) -> Difference:
    """Tell what became of a key; None stands for the end of an object."""
    if theirs is not None and theirs not in target:
        return Difference(DifferenceKind.ADDED, None, (*path, theirs))
    if ours is not None and ours not in request:
        return Difference(DifferenceKind.REMOVED, (*path, ours), None)
    return Difference(DifferenceKind.REORDERED_KEYS, path, path, invalidator=Invalidator.KEY_ORDER)


def _of_lists(target: Sequence[object], request: Sequence[object], path: JsonPath) -> Difference | None:
    found = parting(*([Item(written(value), written(value)) for value in values] for values in (target, request)))
    if found is None:
        return None
    index, kind = found
    place = (*path, index)
    if kind is None:
        return first_difference(target[index], request[index], place)
    return Difference(
        kind,
        None if kind is DifferenceKind.ADDED else place,
        None if kind is DifferenceKind.REMOVED else place,
        invalidator=Invalidator.ITEM_ORDER if kind is DifferenceKind.REORDERED else None,
    )


def _of_texts(target: str, request: str, path: JsonPath) -> Difference:
    shorter = min(len(target), len(request))
    pairs = enumerate(zip(target, request, strict=False))  # the longer text's rest is the difference
    character = next((at for at, (ours, theirs) in pairs if ours != theirs), shorter)
    near = slice(max(0, character - _AROUND_CHARACTERS), character + _AROUND_CHARACTERS)
    ours, theirs = changing_text(target[near]), changing_text(request[near])
    changing = Invalidator(ours) if ours is not None and ours == theirs else None
    return Difference(DifferenceKind.CHANGED_TEXT, path, path, character, changing)
