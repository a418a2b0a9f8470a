"""Bodies as applications pass them: copied as the JSON the API would get, and of the shape it takes.

The shape is the target document's (``values.document``), so that a key computed here and a target read
by the Lambda agree on what a body is. What the API refuses beyond its shape, such as a fifth marker, is
not looked for here: these functions also serve to find out.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

from prompt_cache_warmer.errors import ArgumentTypeError, ArgumentValueError
from prompt_cache_warmer.values.body import BETA_HEADER
from prompt_cache_warmer.values.problems import Problem, ProblemCode, json_path, shown
from prompt_cache_warmer.values.validation import parse_document

if TYPE_CHECKING:
    from prompt_cache_warmer.values.body import Json
    from prompt_cache_warmer.values.problems import JsonPath

_MAX_DEPTH = 64  # as for target documents: no legal body comes near it, a body that holds itself passes it
# Arguments of the SDK's create that are no part of the body.
_CALL_OPTIONS = frozenset({"extra_headers", "extra_body", "extra_query", "timeout"})
_NOT_GIVEN = frozenset({"NotGiven", "Omit"})  # the SDK's own words for an argument that was left out
_NOT_LISTS = (bytes, bytearray, memoryview)  # sequences to Python, no JSON
_NOT_JSON = "is not JSON; allowed: text, numbers, true, false, None, lists, mappings and the SDK's objects"


def checked_body(body: object, *, within: str = "", betas: object = ()) -> Json:
    """Copy a Messages API body and check its shape.

    Args:
        body: the body; mappings and sequences of any kind stand for objects and lists.
        within: the argument that holds the whole body; nothing where its fields are arguments.
        betas: the values of the ``anthropic-beta`` header.

    Returns:
        The copy, which shares no list and no object with ``body``; key order is kept, fields that are
        None are left out, because the API takes null there as absent.

    Raises:
        ArgumentTypeError: for what is not JSON or has the wrong type, with its place.
        ArgumentValueError: for a value the API has no meaning for, with its place.
    """
    if not isinstance(body, Mapping):
        raise ArgumentTypeError(
            within,
            f"a value of type {type(body).__name__} is not a Messages API body, such as {{'system': [...]}}",
        )
    outer = (within,) if within else ()
    read = {field: value for field, value in sent_body(as_json(body, outer), within).items() if value is not None}
    # A document around the body, because that is what the engine's own check takes.
    document = {"name": "body", "models": ["any"], "keep": "once", "request": read, "betas": as_json(betas, ("betas",))}
    problems = parse_document(document, source="")
    if isinstance(problems, tuple):
        _refuse(problems[0], within)
    return read


def sent_body(request: Json, within: str) -> Json:
    """Return the body of a request as it is passed to the SDK's ``create``, the betas of its headers in ``betas``.

    Args:
        request: the request; what is no part of the body, such as ``timeout``, is left out.
        within: the argument that holds it, for the errors.

    Raises:
        ArgumentTypeError: for headers or an extra body that are no mappings.
    """
    body = {field: value for field, value in request.items() if field not in _CALL_OPTIONS}
    extra_body, headers = request.get("extra_body"), request.get("extra_headers")
    for option, value in (("extra_body", extra_body), ("extra_headers", headers)):
        if value is not None and not isinstance(value, dict):
            raise ArgumentTypeError(f"{within}.{option}".lstrip("."), f"{shown(value)} is not a mapping")
    body |= extra_body or {}
    written = {header.lower(): value for header, value in (headers or {}).items()}.get(BETA_HEADER)
    if not isinstance(written, str):
        return body
    betas = [beta.strip() for beta in written.split(",") if beta.strip()]
    return {**body, "betas": [*(body.get("betas") or ()), *betas]}


def written_place(path: JsonPath) -> str:
    """Write a place as the application's own code would: ``messages[0].content[1]``."""
    return json_path(path).removeprefix("$.")


def _refuse(problem: Problem, within: str) -> NoReturn:
    error = ArgumentTypeError if problem.code is ProblemCode.WRONG_TYPE else ArgumentValueError
    place = problem.path.removeprefix("$.")
    raise error(place if within else place.removeprefix("request."), problem.message)


def as_json(value: object, path: JsonPath) -> Any:  # noqa: ANN401 - JSON is any of its types
    """Copy a value as the JSON the API would get; the SDK's own objects as what they were read from.

    Args:
        value: the value; mappings and sequences of any kind stand for objects and lists.
        path: where it stands, for the errors.

    Raises:
        ArgumentTypeError: for what is not JSON, with its place.
        ArgumentValueError: for what no request can carry, with its place.
    """
    if isinstance(value, str):
        return _text(value, path)
    if value is None or isinstance(value, int):
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ArgumentValueError(written_place(path), f"{value} is no number in JSON")
        return value
    if len(path) > _MAX_DEPTH:
        raise ArgumentValueError(written_place(path[:1]), f"nested more than {_MAX_DEPTH} levels deep")
    if isinstance(value, Mapping):
        given = {key: inner for key, inner in value.items() if type(inner).__name__ not in _NOT_GIVEN}
        return {_key(key, path): as_json(inner, (*path, key)) for key, inner in given.items()}
    if isinstance(value, Sequence) and not isinstance(value, _NOT_LISTS):
        return [as_json(inner, (*path, index)) for index, inner in enumerate(value)]
    to_dict = getattr(value, "to_dict", None)  # a block of an answer that goes back in a message
    if callable(to_dict) and not isinstance(value, type):
        return as_json(to_dict(mode="json"), path)
    raise ArgumentTypeError(written_place(path), f"a value of type {type(value).__name__} {_NOT_JSON}")


def _key(key: object, path: JsonPath) -> str:
    if not isinstance(key, str):
        raise ArgumentTypeError(written_place(path), f"a key of type {type(key).__name__} {_NOT_JSON}")
    return _text(key, path)


def _text(text: str, path: JsonPath) -> str:
    """Refuse half of a surrogate pair: no request can carry it, and nothing can hash it."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        # Not chained: the original error carries the whole text, and a prompt stays out of every log.
        message = f"character {error.start:,} is half of a surrogate pair, which no request can carry"
    else:
        return text
    raise ArgumentValueError(written_place(path), message)
