"""What can be wrong with a target document: a closed set of codes, and one record per finding.

A problem names the place (source and JSON path), the value and what is allowed. Problems are logged, so
a value is shown only where no prompt can stand: everywhere else its type and size are. Whoever writes
broken YAML turns prose into keys, so a key that reads as prose is not shown either.
"""

from __future__ import annotations

import difflib
import json
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

JsonPath = tuple[str | int, ...]

SHOWN_CHARACTERS = 60  # enough for any name, model or enum value; too little to quote a prompt by accident
NEAREST_CUTOFF = 0.6  # difflib's own default: "sytem" finds "system", "foo" finds nothing
MAX_PROBLEMS = 100  # of one document; the rest is counted, so that one broken list cannot fill the log

# Where a value is a name, a number or one of the API's own words; everything else may be part of a prompt.
_SHOWN_FIELDS = frozenset(
    {
        *("$schema", "name", "models", "keep", "betas", "credential", "expected_requests", "enabled", "model"),
        *("type", "role", "ttl", "effort", "budget_tokens"),
        *("cold_start_value_usd", "max_usd_per_day", "max_usd_per_call", "max_tokens_per_day", "max_tokens_per_call"),
    }
)
# Words of a window; elsewhere some of them name fields of the application's own.
_SHOWN_WINDOW_FIELDS = frozenset({"days", "from", "to", "timezone", "lead_minutes"})
_SHOWN_PLACES = frozenset({("request", "thinking"), ("request", "tool_choice"), ("request", "output_config")})
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
    # Warnings: the target is warmed, or will be, and this is worth knowing.
    NOT_READ_YET = "not-read-yet"
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
        ProblemCode.NOT_READ_YET,
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

    def as_json(self) -> dict[str, str]:
        """Return the finding as reports and ``check --json`` list it."""
        return {
            "severity": self.severity.value,
            "code": self.code.value,
            "source": self.source,
            "path": self.path,
            "message": self.message,
        }


def json_path(parts: Iterable[str | int]) -> str:
    """Write a place in a document as a JSON path, such as ``$.request.system[0].text``."""
    written = "$"
    for part in parts:
        if isinstance(part, str) and part and len(part) <= SHOWN_CHARACTERS and set(part) <= _PLAIN_KEY:
            written += f".{part}"
        else:
            written += f"[{part if isinstance(part, int) else named(part)}]"
    return written


def shown(value: object, path: JsonPath = ()) -> str:
    """Show a value in a message: short scalars as they are, everything that may be prompt text by type and size.

    Args:
        value: any JSON value.
        path: where it stands in a document; nothing for a value that is known to be no prompt.
    """
    if isinstance(value, list):
        return f"a list of {len(value):,}"
    if isinstance(value, dict):
        return f"an object of {len(value):,} fields"
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    written = value if isinstance(value, str) else json.dumps(value)
    if _may_be_shown(path) and len(written) <= SHOWN_CHARACTERS:
        return repr(value)
    return f"a string of {len(written):,} characters" if isinstance(value, str) else "a number"


def _may_be_shown(path: JsonPath) -> bool:
    field = next((part for part in reversed(path) if isinstance(part, str)), None)
    if path[:1] == ("windows",):
        return field in _SHOWN_WINDOW_FIELDS
    return not path or path in _SHOWN_PLACES or field in _SHOWN_FIELDS


def named(name: str) -> str:
    """Show a key or an object's name; one that is long or holds blanks may be prose, so only its size is shown."""
    is_prose = len(name) > SHOWN_CHARACTERS or any(character.isspace() for character in name)
    return f"a name of {len(name):,} characters" if is_prose else repr(name)


def listed(found: Sequence[Problem]) -> tuple[Problem, ...]:
    """Keep the first problems of a document and count the rest in one more."""
    if len(found) <= MAX_PROBLEMS:
        return tuple(found)
    rest = found[MAX_PROBLEMS:]
    message = f"and {len(rest):,} more problems of this document, from here on"
    return (*found[:MAX_PROBLEMS], Problem(rest[0].code, rest[0].source, rest[0].path, message))


def nearest(name: str, known: Iterable[str]) -> str:
    """Suggest the known name nearest to a misspelt one: ``"; did you mean 'system'?"``, or nothing."""
    found = difflib.get_close_matches(name, list(known), n=1, cutoff=NEAREST_CUTOFF)
    return f"; did you mean {found[0]!r}?" if found else ""
