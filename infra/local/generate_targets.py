"""Generated parts of the target documents' page: fields out of the JSON Schema, limits, and what check finds.

The words of a field stand in the model (``values/document.py``), so that the schema, an editor that knows
it and the page say the same.
"""

from __future__ import annotations

from typing import Any

from infra.local.generated_tables import table
from prompt_cache_warmer.adapters.documents import MAX_DEPTH, MAX_VALUES
from prompt_cache_warmer.values.body import MAX_MARKERS
from prompt_cache_warmer.values.document import MAX_MODELS, json_schema
from prompt_cache_warmer.values.explanations import EXPLANATIONS
from prompt_cache_warmer.values.keeping import MAX_WINDOWS
from prompt_cache_warmer.values.limits import MAX_TARGET_BYTES
from prompt_cache_warmer.values.problems import MAX_PROBLEMS, Severity
from prompt_cache_warmer.values.references import MAX_REFERENCES
from prompt_cache_warmer.values.validation import PATTERN_WORDS

Schema = dict[str, Any]

_MIB_BYTES = 1024 * 1024
_TYPES = {"string": "text", "integer": "whole number", "boolean": "true or false", "object": "object"}
_AMOUNT = ["string", "number"]  # money is text, so that it stays exact, or a number
_HEADINGS = ("field", "type", "default", "allowed", "meaning")
# The objects that get a table of their own: the part of the page, and the schema's name of it.
_OBJECTS = {
    "request fields": "Request",
    "block fields": "ContentBlock",
    "marker fields": "Marker",
    "window fields": "WindowDocument",
}


def target_parts() -> dict[str, str]:
    """Return every generated part of the page."""
    schema = json_schema()
    return {
        "target fields": _fields(schema),
        **{part: _fields(schema["$defs"][name]) for part, name in _OBJECTS.items()},
        "limits": _limits(),
        "warnings": _findings(Severity.WARNING),
        "errors": _findings(Severity.ERROR),
    }


def _fields(schema: Schema) -> str:
    required = schema.get("required", ())
    return table(
        _HEADINGS,
        (
            (f"`{name}`", _type(found), _default(found, is_required=name in required), _allowed(found), _meaning(found))
            for name, found in schema["properties"].items()
        ),
    )


def _meaning(field: Schema) -> str:
    if "description" not in field:
        raise LookupError(f"{field.get('title')} has no description in the model")
    return str(field["description"]).replace("|", "\\|")


def _members(field: Schema) -> list[Schema]:
    """Return what a field may be, without null."""
    return [member for member in field.get("anyOf", [field]) if member.get("type") != "null"]


def _type(field: Schema) -> str:
    members = _members(field)
    if [member.get("type") for member in members] == _AMOUNT:
        return "USD, as text or number"
    (member,) = members
    if "oneOf" in member:
        return "text or list of blocks"
    if "$ref" in member:
        return "object"
    if member["type"] != "array":
        return _TYPES[member["type"]]
    items = member["items"]
    return f"list of {'objects' if '$ref' in items else _TYPES[items['type']] + 's'}"


def _default(field: Schema, *, is_required: bool) -> str:
    if is_required:
        return "required"
    default = field.get("default")
    return "" if default is None else f"`{str(default).lower() if isinstance(default, bool) else default}`"


def _allowed(field: Schema) -> str:
    """Say the values, the pattern in words or the bounds of a field."""
    *_, member = _members(field)  # of an amount the number, whose bounds are those of the text too
    counted = _bounds(member, "minItems", "maxItems")
    each = member.get("items", member)
    if "const" in each or "enum" in each:
        return ", ".join(f"`{value}`" for value in each.get("enum", [each.get("const")]))
    words = PATTERN_WORDS.get(each.get("pattern", ""), "") or _bounds(each, "minimum", "maximum")
    return "; ".join(filter(None, (counted, f"each {words}" if words and each is not member else words)))


def _bounds(schema: Schema, least: str, most: str) -> str:
    return f"{schema[least]:,} to {schema[most]:,}" if most in schema else ""


def _limits() -> str:
    rows = (
        ("a document with all that it refers to, every use counted", f"{MAX_TARGET_BYTES // _MIB_BYTES} MiB"),
        ("models", str(MAX_MODELS)),
        ("windows", str(MAX_WINDOWS)),
        ("markers (`cache_control`), automatic caching included", str(MAX_MARKERS)),
        ("different texts it refers to (`text_from`)", str(MAX_REFERENCES)),
        ("values in it, YAML aliases expanded", f"{MAX_VALUES:,}"),
        ("lists and objects inside each other", str(MAX_DEPTH)),
        ("problems that are listed of one document; the rest is counted", str(MAX_PROBLEMS)),
    )
    return table(("of one target", "at most"), rows)


def _findings(severity: Severity) -> str:
    rows = ((code, found) for code, found in EXPLANATIONS.items() if code.severity is severity)
    return table(
        ("code", "what was found", "what to do"),
        ((f"`{code.value}`", found.meaning, found.mend) for code, found in rows),
    )
