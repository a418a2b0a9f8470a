"""Bytes to JSON values: JSON and YAML target documents, with duplicate keys and alias bombs refused.

YAML is read as the JSON it stands for: no time stamps, no ``yes``/``no`` booleans, no tags, so that a
document means the same in either form. Nothing here knows what a target is.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, NoReturn

import yaml

from prompt_cache_warmer.values.problems import Problem, ProblemCode, shown

if TYPE_CHECKING:
    from collections.abc import Iterable

JSON_SUFFIXES = (".json",)
YAML_SUFFIXES = (".yaml", ".yml")
MAX_DEPTH = 64  # the deepest body the API takes is far shallower; more is a mistake or an attack
MAX_YAML_NODES = 1_000_000  # aliases are expanded, so the bound is on what they expand to

_YAML_INTEGER = re.compile(r"^[-+]?(0|[1-9][0-9]*)$")
_YAML_FLOAT = re.compile(r"^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$")
_YAML_CONSTANTS = {"": None, "~": None, "null": None, "true": True, "false": False}
_QUOTED_STYLES = frozenset({"'", '"', "|", ">"})
_PLAIN_SCALAR_TAG = "tag:yaml.org,2002:"


class DocumentError(Exception):
    """A document cannot be decoded; ``code`` says which kind of problem it is."""

    def __init__(self, code: ProblemCode, message: str) -> None:
        super().__init__(message)
        self.code = code

    def problem(self, source: str) -> Problem:
        """Return it as a problem of a document."""
        return Problem(self.code, source, "$", str(self))


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
    _check_depth(value)
    return value


def _decode_json(text: str) -> Any:  # noqa: ANN401 - any JSON value
    try:
        return json.loads(text, object_pairs_hook=_unique, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise DocumentError(ProblemCode.SYNTAX, f"not JSON at {place}: {error.msg}") from None
    except RecursionError:
        raise _too_deep() from None


def _unique(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise DocumentError(ProblemCode.DUPLICATE_KEY, f"the key {shown(name)} stands twice in one object")
        found[name] = value
    return found


def _no_constant(name: str) -> NoReturn:
    raise DocumentError(ProblemCode.SYNTAX, f"{name} is not JSON; write a number or null")


def _decode_yaml(text: str) -> Any:  # noqa: ANN401 - any JSON value
    loader = yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader
    try:
        node = yaml.compose(text, Loader=loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        place = f" at line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise DocumentError(ProblemCode.SYNTAX, f"not YAML{place}: {error.problem}") from None
    except yaml.YAMLError as error:
        raise DocumentError(ProblemCode.SYNTAX, f"not YAML: {type(error).__name__}") from None
    except RecursionError:
        raise _too_deep() from None
    return _YamlValues().value(node, depth=0)


class _YamlValues:
    """Turns YAML nodes into JSON values, counting what aliases expand to."""

    def __init__(self) -> None:
        self._nodes = 0

    def value(self, node: yaml.Node | None, *, depth: int) -> Any:  # noqa: ANN401 - any JSON value
        self._nodes += 1
        if self._nodes > MAX_YAML_NODES:
            message = f"more than {MAX_YAML_NODES:,} values once its aliases are expanded"
            raise DocumentError(ProblemCode.TOO_LARGE, message)
        if depth > MAX_DEPTH:
            raise _too_deep()
        if isinstance(node, yaml.MappingNode):
            return _unique(self._pairs(node, depth))
        if isinstance(node, yaml.SequenceNode):
            return [self.value(item, depth=depth + 1) for item in node.value]
        return _scalar(node) if isinstance(node, yaml.ScalarNode) else None

    def _pairs(self, node: yaml.MappingNode, depth: int) -> Iterable[tuple[str, Any]]:
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise DocumentError(ProblemCode.SYNTAX, f"line {key.start_mark.line + 1}: a key must be text")
            yield str(key.value), self.value(value, depth=depth + 1)


def _scalar(node: yaml.ScalarNode) -> str | int | float | bool | None:
    text = str(node.value)
    if not node.tag.startswith(_PLAIN_SCALAR_TAG):
        message = f"line {node.start_mark.line + 1}: the tag {shown(node.tag)} is not allowed"
        raise DocumentError(ProblemCode.SYNTAX, message)
    if node.style in _QUOTED_STYLES:
        return text
    if text.lower() in _YAML_CONSTANTS:
        return _YAML_CONSTANTS[text.lower()]
    if _YAML_INTEGER.match(text):
        return int(text)
    return float(text) if _YAML_FLOAT.match(text) else text


def _check_depth(value: object) -> None:
    layer = [value]
    for _ in range(MAX_DEPTH + 1):
        layer = [inner for item in layer if isinstance(item, dict | list) for inner in _inside(item)]
        if not layer:
            return
    raise _too_deep()


def _inside(item: dict[str, object] | list[object]) -> Iterable[object]:
    return item.values() if isinstance(item, dict) else item


def _too_deep() -> DocumentError:
    return DocumentError(ProblemCode.TOO_DEEP, f"nested more than {MAX_DEPTH} levels deep")
