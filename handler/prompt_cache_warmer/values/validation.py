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
from prompt_cache_warmer.values.keeping import WRONG_TYPE, WindowDocument
from prompt_cache_warmer.values.problems import (
    MAX_PROBLEMS,
    JsonPath,
    Problem,
    ProblemCode,
    json_path,
    named,
    nearest,
    shown,
)

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
_NAMES, _WINDOW_NAMES = (
    tuple(str(field.alias or name) for name, field in model.model_fields.items())
    for model in (TargetDocument, WindowDocument)
)
_TEXT_OR_BLOCKS = frozenset({"system", "system_prompt", "content"})
_BOUND_WORDS = {"min_length": "at least", "ge": "at least", "max_length": "at most", "le": "at most"}
PATTERN_WORDS = {
    MODEL_PATTERN: "a model id: 1 to 128 printable ASCII characters without blanks",
    BETA_PATTERN: "1 to 128 of letters, digits, '.', '_' and '-'",
    NAME_PATTERN: "1 to 64 of a-z, 0-9, '.', '_' and '-', beginning with a letter or digit",
}
"""What each pattern allows, in words."""

_MISSING_HINTS = {
    "keep": "say how long to keep the prefix warm, because that is what costs money: 'always' (around the clock, or "
    "inside its windows), 'while-used' (as long as its users come often enough to pay for it) or 'once' (on upload, "
    "on demand and when a window opens)",
    "from": 'write a time such as "07:30"',
    "to": 'write a time such as "19:00"',
    "timezone": "write an IANA time zone, such as 'Europe/Berlin' or 'UTC'",
}


def parse_document(value: object, source: str) -> TargetDocument | tuple[Problem, ...]:
    """Check a document's shape.

    Returns:
        The document, or every problem of its shape, in the document's order.
    """
    if not isinstance(value, dict):
        what = f"a string of {len(value):,} characters" if isinstance(value, str) else shown(value)
        message = f"a target document must be an object, not {what}"
        return (Problem(ProblemCode.NOT_AN_OBJECT, source, "$", message),)
    try:
        return TargetDocument.model_validate(value)
    except ValidationError as error:
        details = error.errors(include_url=False, include_input=False)
        found = [_problem(detail, value, source) for detail in details[: MAX_PROBLEMS + 1]]
        return (*found, *found[-1:] * (len(details) - len(found)))  # beyond what is listed only the number counts


def _problem(detail: ErrorDetails, document: Mapping[str, Any], source: str) -> Problem:
    path, value = _locate(detail["loc"], document)
    kind = detail["type"]
    place = json_path(path)
    name = _last_name(path)
    if kind == "extra_forbidden":
        known = _known_fields(path[:-1])
        field = str(path[-1])
        message = f"unknown field {named(field)}{nearest(field, known)}; allowed: {', '.join(known)}"
        return Problem(ProblemCode.UNKNOWN_FIELD, source, place, message)
    if kind == "missing":
        return Problem(ProblemCode.MISSING_FIELD, source, place, _missing(name, document))
    expected = detail["ctx"]["expected"] if kind == WRONG_TYPE else _PLAIN_WORDS.get(kind)
    if expected is not None:
        expected = "text or a list of blocks" if name in _TEXT_OR_BLOCKS else expected
        return Problem(ProblemCode.WRONG_TYPE, source, place, f"{name}={shown(value, path)} must be {expected}")
    message = f"{name}={shown(value, path)} is not allowed; allowed: {_allowed(detail.get('ctx', {}), value)}"
    return Problem(ProblemCode.NOT_ALLOWED, source, place, message)


def _allowed(context: Mapping[str, Any], value: object) -> str:
    """Say what is allowed: the values of an enumeration and the nearest one, a pattern in words, or a bound."""
    if "allowed" in context:
        return str(context["allowed"])
    if "pattern" in context:
        return PATTERN_WORDS[context["pattern"]]
    if "expected" in context:
        expected = str(context["expected"])
        values = expected.replace("'", "").replace(" or ", ", ").split(", ")
        return expected + (nearest(value, values) if isinstance(value, str) else "")
    unit = " characters" if isinstance(value, str) else ""
    return ", ".join(f"{words} {context[bound]:,}{unit}" for bound, words in _BOUND_WORDS.items() if bound in context)


def _last_name(path: JsonPath) -> str:
    """Name a place by its field and, inside a list, its position: ``models[1]``."""
    last = max(at for at, part in enumerate(path) if isinstance(part, str))
    return json_path(path[last:]).removeprefix("$.")


def _missing(name: str, document: Mapping[str, Any]) -> str:
    request = document.get("request")
    if name == "models" and isinstance(request, dict) and isinstance(request.get("model"), str):
        return f'models is missing; request.model says {shown(request["model"])}: write "models": [...] with it'
    return f"{name} is missing; {_MISSING_HINTS[name]}" if name in _MISSING_HINTS else f"{name} is missing"


def _locate(location: tuple[str | int, ...], document: Mapping[str, Any]) -> tuple[JsonPath, object]:
    """Turn pydantic's location, which also names union members, into a path that exists in the document."""
    path: list[str | int] = []
    value: Any = document
    for part in location:
        if path and path[-1] in _TEXT_OR_BLOCKS and isinstance(part, str):
            continue  # the name of a union's member
        path.append(part)
        value = value[part] if isinstance(part, int) else value.get(part)
    return tuple(path), value


def _known_fields(parent: JsonPath) -> tuple[str, ...]:
    """Name the fields of the object at ``parent``; only the document itself, windows and markers are closed."""
    if parent[:1] == ("windows",):
        return _WINDOW_NAMES
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
    *("billing_policy", "compaction", "fallback_credit_token", "fallbacks", "thread"),
    *("user_profile_id", "workspace_id"),
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
                f"request field {named(field)} is not known{nearest(field, KNOWN_REQUEST_FIELDS)}; it is sent as it is",
            )
