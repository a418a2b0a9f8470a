"""From pydantic's findings to ours: each with its JSON path, the value, what is allowed, the nearest name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from prompt_cache_warmer.values.document import (
    BETA_PATTERN,
    MODEL_PATTERN,
    NAME_PATTERN,
    Marker,
    Request,
    TargetDocument,
)
from prompt_cache_warmer.values.problems import JsonPath, Problem, ProblemCode, json_path, nearest, shown

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pydantic_core import ErrorDetails

_PLAIN_WORDS = {
    "string_type": "text",
    "list_type": "a list",
    "dict_type": "an object",
    "model_type": "an object",
    "model_attributes_type": "an object",
    "bool_type": "true or false",
    "int_type": "a whole number",
}
_NAMES = tuple(str(field.alias or name) for name, field in TargetDocument.model_fields.items())
_TEXT_OR_BLOCKS = frozenset({"system", "system_prompt", "content"})
_PATTERN_WORDS = {
    MODEL_PATTERN: "a model id: 1 to 128 characters without blanks",
    BETA_PATTERN: "1 to 128 of letters, digits, '.', '_' and '-'",
    NAME_PATTERN: "1 to 64 of a-z, 0-9, '.', '_' and '-', beginning with a letter or digit",
}


def parse_document(value: object, source: str) -> TargetDocument | tuple[Problem, ...]:
    """Check a document's shape.

    Returns:
        The document, or every problem of its shape, in the document's order.
    """
    if not isinstance(value, dict):
        message = f"a target document must be an object, not {shown(value)}"
        return (Problem(ProblemCode.NOT_AN_OBJECT, source, "$", message),)
    try:
        return TargetDocument.model_validate(value)
    except ValidationError as error:
        found = (_problem(detail, value, source) for detail in error.errors(include_url=False, include_input=False))
        return tuple(dict.fromkeys(found))


def _problem(detail: ErrorDetails, document: Mapping[str, Any], source: str) -> Problem:
    path, value = _locate(detail["loc"], document)
    kind = detail["type"]
    place = json_path(path)
    name = _last_name(path)
    context = detail.get("ctx", {})
    if kind == "extra_forbidden":
        known = _known_fields(path[:-1])
        message = f"unknown field {shown(name)}{nearest(name, known)}; allowed: {', '.join(known)}"
        return Problem(ProblemCode.UNKNOWN_FIELD, source, place, message)
    if kind == "missing":
        return Problem(ProblemCode.MISSING_FIELD, source, place, _missing(name, document))
    if kind in _PLAIN_WORDS:
        expected = "text or a list of blocks" if name in _TEXT_OR_BLOCKS else _PLAIN_WORDS[kind]
        return Problem(ProblemCode.WRONG_TYPE, source, place, f"{name}={shown(value, path)} must be {expected}")
    expected = str(context.get("expected", ""))
    allowed = expected or _PATTERN_WORDS.get(str(context.get("pattern")), detail["msg"])
    closest = (
        nearest(value, expected.replace("'", "").replace(" or ", ", ").split(", "))
        if expected and isinstance(value, str)
        else ""
    )
    message = f"{name}={shown(value, path)} is not allowed; allowed: {allowed}{closest}"
    return Problem(ProblemCode.NOT_ALLOWED, source, place, message)


def _last_name(path: JsonPath) -> str:
    """Name a place by its field and, inside a list, its position: ``models[1]``."""
    names = [at for at, part in enumerate(path) if isinstance(part, str)]
    return json_path(path[names[-1] :]).removeprefix("$.") if names else "$"


def _missing(name: str, document: Mapping[str, Any]) -> str:
    if name == "keep":
        return "keep is missing; say how long to keep the prefix warm, because that is what costs money: 'always'"
    request = document.get("request")
    if name == "models" and isinstance(request, dict) and isinstance(request.get("model"), str):
        return f'models is missing; request.model says {shown(request["model"])}: write "models": [...] with it'
    return f"{name} is missing"


def _locate(location: tuple[str | int, ...], document: object) -> tuple[JsonPath, object]:
    """Turn pydantic's location, which also names union members, into a path that exists in the document."""
    path: list[str | int] = []
    value = document
    for position, part in enumerate(location):
        last = position == len(location) - 1
        if isinstance(value, dict) and (part in value or last):
            value = value.get(part)
            path.append(part)
        elif isinstance(value, list) and isinstance(part, int):
            value = value[part]
            path.append(part)
    return tuple(path), value


def _known_fields(parent: JsonPath) -> tuple[str, ...]:
    """Name the fields of the object at ``parent``; only the document itself and markers are closed."""
    if parent and parent[-1] == "cache_control":
        return tuple(Marker.model_fields)
    return _NAMES


KNOWN_REQUEST_FIELDS = (
    *Request.model_fields,
    *("max_tokens", "stream", "stop_sequences", "temperature", "top_p", "top_k", "metadata", "service_tier"),
    *(
        "inference_geo",
        "speed",
        "container",
        "context_management",
        "mcp_servers",
        "diagnostics",
        "output_format",
    ),
)
"""The Messages API's top-level fields, for naming the nearest one; others travel as they are."""


def unknown_request_fields(request: Mapping[str, Any], source: str) -> Iterator[Problem]:
    """Warn of top-level request fields nobody knows: they travel as they are, and the API may refuse them."""
    for field in request:
        if field not in KNOWN_REQUEST_FIELDS:
            yield Problem(
                ProblemCode.UNKNOWN_REQUEST_FIELD,
                source,
                json_path(("request", field)),
                f"request field {shown(field)} is not known{nearest(field, KNOWN_REQUEST_FIELDS)}; it is sent as it is",
            )
