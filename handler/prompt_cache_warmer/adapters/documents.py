"""Bytes to JSON values: JSON and YAML target documents, with duplicate keys, bombs and odd numbers refused.

YAML is read as the JSON it stands for: no time stamps, no ``yes``/``no`` booleans, no octal numbers, no
tags, no merge keys, so that a document means the same in either form. It is built from the parser's
events and not from its node tree: the tree is built recursively in C, where deep nesting kills the
process. Nothing here knows what a target is.
"""

from __future__ import annotations

import json
import math
import re
from typing import TYPE_CHECKING, Any, NoReturn

import yaml

from prompt_cache_warmer.values.limits import MAX_TARGET_BYTES
from prompt_cache_warmer.values.problems import Problem, ProblemCode, named

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

JSON_SUFFIXES = (".json",)
YAML_SUFFIXES = (".yaml", ".yml")
MAX_DEPTH = 64  # the deepest body the API takes is far shallower; more is a mistake or an attack
MAX_VALUES = 200_000  # more JSON than the largest context window holds; aliases count as what they expand to

_YAML_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]*)")
_YAML_FLOAT = re.compile(r"[-+]?(\.[0-9]+|(0|[1-9][0-9]*)(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_YAML_CONSTANTS = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_QUOTED_STYLES = frozenset({"'", '"', "|", ">"})
_MERGE_KEY = "<<"
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


class DocumentError(Exception):
    """A document cannot be decoded; ``code`` says which kind of problem it is."""

    def __init__(self, code: ProblemCode, message: str) -> None:
        super().__init__(message)
        self.code = code

    def problem(self, source: str) -> Problem:
        """Return it as a problem of a document."""
        return Problem(self.code, source, "$", str(self))


def check_size(size_bytes: int) -> None:
    """Refuse a document that is too large with everything it refers to.

    Raises:
        DocumentError: naming its size and what is allowed.
    """
    if size_bytes > MAX_TARGET_BYTES:
        message = f"{size_bytes:,} bytes with everything it refers to; at most {MAX_TARGET_BYTES:,} are allowed"
        raise DocumentError(ProblemCode.TOO_LARGE, message)


def decode(content: bytes, source: str) -> Any:  # noqa: ANN401 - any JSON value
    """Decode a document by its suffix.

    Raises:
        DocumentError: naming the place and what is allowed; prompt text is never quoted.
    """
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DocumentError(ProblemCode.SYNTAX, f"byte {error.start:,} is not UTF-8") from None
    if source.endswith(JSON_SUFFIXES):
        value = _decode_json(text)
    elif source.endswith(YAML_SUFFIXES):
        value = _decode_yaml(text)
    else:
        allowed = ", ".join((*JSON_SUFFIXES, *YAML_SUFFIXES))
        raise DocumentError(ProblemCode.UNKNOWN_FORMAT, f"the name ends in none of {allowed}")
    _check_size(value)
    return value


def _decode_json(text: str) -> Any:  # noqa: ANN401 - any JSON value
    try:
        value = json.loads(
            text, object_pairs_hook=_unique, parse_constant=_no_constant, parse_int=_whole, parse_float=_finite
        )
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise DocumentError(ProblemCode.SYNTAX, f"not JSON at {place}: {error.msg}") from None
    except RecursionError:
        raise _too_deep() from None
    if _SURROGATE.search(text):
        _check_surrogates(value)
    return value


def _check_surrogates(value: object) -> None:
    """Refuse half of a surrogate pair: JSON's grammar has it, UTF-8 and therefore every request has not."""
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise DocumentError(ProblemCode.SYNTAX, "a \\u escape is half of a surrogate pair") from None


def _unique(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise DocumentError(ProblemCode.DUPLICATE_KEY, f"the key {named(name)} stands twice in one object")
        found[name] = value
    return found


def _no_constant(name: str) -> NoReturn:
    raise DocumentError(ProblemCode.SYNTAX, f"{name} is not JSON; write a number or null")


def _whole(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise DocumentError(ProblemCode.SYNTAX, f"a number of {len(text):,} digits is too long") from None


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise DocumentError(ProblemCode.SYNTAX, "a number is too large for JSON readers; write it as text")
    return value


def _decode_yaml(text: str) -> Any:  # noqa: ANN401 - any JSON value
    loader = yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader
    try:
        return _YamlValues(yaml.parse(text, Loader=loader)).document()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        place = f" at line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise DocumentError(ProblemCode.SYNTAX, f"not YAML{place}: {error.problem}") from None
    except yaml.YAMLError:
        raise DocumentError(ProblemCode.SYNTAX, "not YAML: it holds a character YAML does not allow") from None


class _YamlValues:
    """Builds JSON values from YAML events, counting what aliases expand to.

    Args:
        events: what the parser found, lazily: nothing is read beyond the first thing refused.
    """

    def __init__(self, events: Iterator[yaml.Event]) -> None:
        self._events = events
        self._anchors: dict[str, tuple[Any, int, int]] = {}
        self._values = 0
        self._characters = 0

    def document(self) -> Any:  # noqa: ANN401 - any JSON value
        """Build the stream's only document; an empty stream stands for null."""
        value = None
        next(self._events)  # the stream's start
        if isinstance(next(self._events), yaml.DocumentStartEvent):
            value = self._value(next(self._events), depth=0)
            next(self._events)  # the document's end
            following = next(self._events)
            if not isinstance(following, yaml.StreamEndEvent):
                raise _refused(following, "a second document begins; one object holds one target")
        return value

    def _value(self, event: yaml.Event, *, depth: int) -> Any:  # noqa: ANN401 - any JSON value
        if depth > MAX_DEPTH:
            raise _too_deep()
        if isinstance(event, yaml.AliasEvent):
            value, values, characters = self._anchored(event)
            self._count(values, characters)
            return value
        values, characters = self._values, self._characters
        tag, anchor = getattr(event, "tag", None), getattr(event, "anchor", None)
        if tag is not None:
            raise _refused(event, "a tag is not allowed; put text that begins with '!' in quotes")
        if isinstance(event, yaml.ScalarEvent):
            self._count(1, len(event.value))
            value = _scalar(event)
        else:
            self._count(1, 0)
            value = self._items(depth) if isinstance(event, yaml.SequenceStartEvent) else _unique(self._pairs(depth))
        if anchor is not None:
            self._anchors[anchor] = (value, self._values - values, self._characters - characters)
        return value

    def _anchored(self, event: yaml.AliasEvent) -> tuple[Any, int, int]:
        if event.anchor not in self._anchors:
            raise _refused(event, "an alias stands for nothing before it; put text that begins with '*' in quotes")
        return self._anchors[event.anchor]

    def _items(self, depth: int) -> list[Any]:
        found: list[Any] = []
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            found.append(self._value(event, depth=depth + 1))
        return found

    def _pairs(self, depth: int) -> Iterator[tuple[str, Any]]:
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            if not isinstance(event, yaml.ScalarEvent):
                raise _refused(event, "a key must be text")
            if event.value == _MERGE_KEY and event.style not in _QUOTED_STYLES:
                raise _refused(event, "the merge key << is not allowed; write the fields out")
            self._value(event, depth=depth + 1)
            yield event.value, self._value(next(self._events), depth=depth + 1)

    def _count(self, values: int, characters: int) -> None:
        self._values += values
        self._characters += characters
        if self._values > MAX_VALUES:
            raise _too_many_values()
        if self._characters > MAX_TARGET_BYTES:
            message = f"more than {MAX_TARGET_BYTES:,} characters once its aliases are expanded"
            raise DocumentError(ProblemCode.TOO_LARGE, message)


def _scalar(event: yaml.ScalarEvent) -> str | int | float | bool | None:
    text = str(event.value)
    if event.style in _QUOTED_STYLES:
        return text
    if text in _YAML_CONSTANTS:
        return _YAML_CONSTANTS[text]
    if _YAML_INTEGER.fullmatch(text):
        return _whole(text)
    return _finite(text) if _YAML_FLOAT.fullmatch(text) else text


def _check_size(value: object) -> None:
    layer, values = [value], 1
    for _ in range(MAX_DEPTH + 1):
        layer = [inner for item in layer if isinstance(item, dict | list) for inner in _inside(item)]
        if not layer:
            return
        values += len(layer)
        if values > MAX_VALUES:
            raise _too_many_values()
    raise _too_deep()


def _inside(item: dict[str, object] | list[object]) -> Iterable[object]:
    return item.values() if isinstance(item, dict) else item


def _too_deep() -> DocumentError:
    return DocumentError(ProblemCode.TOO_DEEP, f"nested more than {MAX_DEPTH} levels deep")


def _too_many_values() -> DocumentError:
    return DocumentError(ProblemCode.TOO_LARGE, f"more than {MAX_VALUES:,} values, aliases expanded")


def _refused(event: yaml.Event, why: str) -> DocumentError:
    place = "" if event.start_mark is None else f" at line {event.start_mark.line + 1}"
    return DocumentError(ProblemCode.SYNTAX, f"not YAML as JSON has it{place}: {why}")
