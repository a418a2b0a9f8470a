"""What can be wrong with a target document: a closed set of codes, and one record per finding.

A problem names the place (source and JSON path), the value and what is allowed. Values that stand
inside a prompt are never shown, only their type and size, because problems are logged.
"""

from __future__ import annotations

import difflib
import json
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

JsonPath = tuple[str | int, ...]

SHOWN_CHARACTERS = 60  # enough for any name, model or enum value; too little to quote a prompt by accident
NEAREST_CUTOFF = 0.6  # difflib's own default: "sytem" finds "system", "foo" finds nothing

_PROMPT_FIELDS = frozenset({"text", "content", "description", "input_schema", "data", "system", "system_prompt"})
_NAMING_FIELDS = frozenset({"type", "role", "ttl"})  # the API's own words, wherever they stand
_PLAIN_KEY = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_")


class Severity(StrEnum):
    """Whether a finding keeps a target from being warmed."""

    ERROR = "error"
    WARNING = "warning"


class ProblemCode(StrEnum):
    """Every finding there is; the first line of each group says what it does to the target."""

    # Errors: the document is not a target.
    UNREADABLE = "unreadable"
    UNKNOWN_FORMAT = "unknown-format"
    SYNTAX = "syntax"
    DUPLICATE_KEY = "duplicate-key"
    TOO_LARGE = "too-large"
    TOO_DEEP = "too-deep"
    NOT_AN_OBJECT = "not-an-object"
    UNKNOWN_FIELD = "unknown-field"
    MISSING_FIELD = "missing-field"
    WRONG_TYPE = "wrong-type"
    NOT_ALLOWED = "not-allowed"
    DUPLICATE_NAME = "duplicate-name"
    BLANK_PROMPT = "blank-prompt"
    NOTHING_TO_CACHE = "nothing-to-cache"
    TOO_MANY_MARKERS = "too-many-markers"
    MARKER_MISPLACED = "marker-misplaced"
    MARKER_ORDER = "marker-order"
    REFERENCE_NOT_ALLOWED = "reference-not-allowed"
    REFERENCE_MISSING = "reference-missing"
    NO_SUCH_TARGET = "no-such-target"
    # Warnings: the target is warmed, and this is worth knowing.
    UNKNOWN_REQUEST_FIELD = "unknown-request-field"
    MODEL_NOT_LISTED = "model-not-listed"
    MARKER_ADDED = "marker-added"
    AUTOMATIC_CACHING = "automatic-caching"
    BELOW_MINIMUM = "below-minimum"
    MINIMUM_DISPUTED = "minimum-disputed"
    HARDLY_WORTH_IT = "hardly-worth-it"
    CHANGING_TEXT = "changing-text"
    IMAGES_CUT = "images-cut"

    @property
    def severity(self) -> Severity:
        """Tell whether this finding keeps the target from being warmed."""
        return Severity.WARNING if self in _WARNINGS else Severity.ERROR


_WARNINGS = frozenset(
    {
        ProblemCode.UNKNOWN_REQUEST_FIELD,
        ProblemCode.MODEL_NOT_LISTED,
        ProblemCode.MARKER_ADDED,
        ProblemCode.AUTOMATIC_CACHING,
        ProblemCode.BELOW_MINIMUM,
        ProblemCode.MINIMUM_DISPUTED,
        ProblemCode.HARDLY_WORTH_IT,
        ProblemCode.CHANGING_TEXT,
        ProblemCode.IMAGES_CUT,
    }
)


@dataclass(frozen=True, slots=True)
class Problem:
    """One finding about one document.

    Attributes:
        code: what kind of finding it is.
        source: the object key or the file it was found in.
        path: the JSON path of the place, ``$`` for the document itself.
        message: one sentence that names the value and what is allowed.
    """

    code: ProblemCode
    source: str
    path: str
    message: str

    @property
    def severity(self) -> Severity:
        """Tell whether it keeps the target from being warmed."""
        return self.code.severity

    def __str__(self) -> str:
        return f"{self.source}: {self.path}: {self.severity}: {self.message} [{self.code}]"


def json_path(parts: Iterable[str | int]) -> str:
    """Write a place in a document as a JSON path, such as ``$.request.system[0].text``."""
    written = "$"
    for part in parts:
        if isinstance(part, int):
            written += f"[{part}]"
        elif part and set(part) <= _PLAIN_KEY:
            written += f".{part}"
        else:
            written += f"[{part!r}]"
    return written


def shown(value: object, path: JsonPath = ()) -> str:
    """Show a value in a message: short scalars as they are, everything that may be prompt text by type and size."""
    inside_prompt = bool(_PROMPT_FIELDS.intersection(path)) and not _NAMING_FIELDS.intersection(path[-1:])
    if isinstance(value, str):
        hidden = inside_prompt or len(value) > SHOWN_CHARACTERS
        return f"a string of {len(value):,} characters" if hidden else repr(value)
    if isinstance(value, list):
        return f"a list of {len(value):,}"
    if isinstance(value, dict):
        return f"an object of {len(value):,} fields"
    return json.dumps(value)


def nearest(name: str, known: Iterable[str]) -> str:
    """Suggest the known name nearest to a misspelt one: ``"; did you mean 'system'?"``, or nothing."""
    found = difflib.get_close_matches(name, list(known), n=1, cutoff=NEAREST_CUTOFF)
    return f"; did you mean {found[0]!r}?" if found else ""
