"""YAML documents: read as the JSON they stand for, without YAML's traps, and never expanded without bound."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prompt_cache_warmer.adapters.documents import DocumentError, decode
from prompt_cache_warmer.values.problems import ProblemCode
from tests.documents import json_values

TAG = "a tag is not allowed; put text that begins with '!' in quotes"
ALIAS = "an alias stands for nothing before it; put text that begins with '*' in quotes"
TEN_LEVELS = "".join(f"l{n + 1}: &l{n + 1} [{', '.join([f'*l{n}'] * 9)}]\n" for n in range(9))
BILLION_LAUGHS = f"l0: &l0 [x, x, x, x, x, x, x, x, x]\n{TEN_LEVELS}"

TAKEN: dict[str, tuple[str, object]] = {
    "nothing": ("", None),
    "a comment": ("# nothing yet\n", None),
    "byte-order mark": ("\ufeffa: 1", {"a": 1}),
    "the Norway trap": ("[no, NO, yes, on, off, y, n]", ["no", "NO", "yes", "on", "off", "y", "n"]),
    "booleans": ("[true, True, TRUE, false, False, FALSE, tRue]", [True, True, True, False, False, False, "tRue"]),
    "nulls": ("[null, Null, NULL, ~, nULL]", [None, None, None, None, "nULL"]),
    "a field without a value": ("a:\nb: ''\n", {"a": None, "b": ""}),
    "dates": ("[2026-11-05, 2026-11-05T07:30:00Z]", ["2026-11-05", "2026-11-05T07:30:00Z"]),
    "sexagesimals": ("[7:30, 190:20:30, 1:2.5]", ["7:30", "190:20:30", "1:2.5"]),
    "octal and hexadecimal": ("[0777, 0o17, 0x1F, 0b1, 00501]", ["0777", "0o17", "0x1F", "0b1", "00501"]),
    "grouped digits": ("[1_000, '1,000']", ["1_000", "1,000"]),
    "numbers": ("[0, -7, +7, 1.5, .5, 1., 2e3, -1.5E-2]", [0, -7, 7, 1.5, 0.5, 1.0, 2000.0, -0.015]),
    "not numbers": ("[.inf, -.inf, .nan, ., 1.2.3, '7', \"7\"]", [".inf", "-.inf", ".nan", ".", "1.2.3", "7", "7"]),
    "keys are text": ("1: a\nyes: b\nnull: c\n2026-11-05: d\n", {"1": "a", "yes": "b", "null": "c", "2026-11-05": "d"}),
    "block text": ("a: |\n  one\n  two\nb: >-\n  one\n  two\n", {"a": "one\ntwo\n", "b": "one two"}),
    "block text that looks like a number": ("a: |-\n  7\n", {"a": "7"}),
    "a quoted merge key": ("'<<': 1", {"<<": 1}),
    "an alias": ("a: &a [1, {b: c}]\nd: *a\n", {"a": [1, {"b": "c"}], "d": [1, {"b": "c"}]}),
    "an anchor set again": ("a: &a 1\nb: &a 2\nc: *a\n", {"a": 1, "b": 2, "c": 2}),
    "json": ('{"a": [1, "\\u00e9", null]}', {"a": [1, "é", None]}),
    "version directive": ("%YAML 1.2\n---\na: 1\n...\n", {"a": 1}),
    "64 levels": ("[" * 64 + "1" + "]" * 64, json.loads("[" * 64 + "1" + "]" * 64)),
}

REFUSED: dict[str, tuple[str, ProblemCode, str]] = {
    "bad indentation": (
        "a: 1\n  b: 2\n",
        ProblemCode.SYNTAX,
        "not YAML at line 2, column 4: mapping values are not allowed in this context",
    ),
    "tab": (
        "a:\n\tb: 1\n",
        ProblemCode.SYNTAX,
        "not YAML at line 2, column 1: found character that cannot start any token",
    ),
    "colon in prose": (
        "a: be kind: always\n",
        ProblemCode.SYNTAX,
        "not YAML at line 1, column 11: mapping values are not allowed in this context",
    ),
    "control character": ("a: \x07", ProblemCode.SYNTAX, "not YAML: it holds a character YAML does not allow"),
    "half a surrogate pair": (
        'a: "\\ud83d"',
        ProblemCode.SYNTAX,
        "not YAML at line 1, column 7: found invalid Unicode character escape code",
    ),
    "string tag": ("a: !!str 5", ProblemCode.SYNTAX, f"not YAML as JSON has it at line 1: {TAG}"),
    "tag that makes an object": (
        "a: !!python/object/apply:os.system [x]",
        ProblemCode.SYNTAX,
        f"not YAML as JSON has it at line 1: {TAG}",
    ),
    "set": ("\na: !!set {b, c}", ProblemCode.SYNTAX, f"not YAML as JSON has it at line 2: {TAG}"),
    "tag on a key": ("!!binary aGk=: 1", ProblemCode.SYNTAX, f"not YAML as JSON has it at line 1: {TAG}"),
    "prose with an exclamation": (
        "a: !Important be kind",
        ProblemCode.SYNTAX,
        f"not YAML as JSON has it at line 1: {TAG}",
    ),
    "prose with an asterisk": ("a: *Important", ProblemCode.SYNTAX, f"not YAML as JSON has it at line 1: {ALIAS}"),
    "alias of itself": ("a: &a [*a]", ProblemCode.SYNTAX, f"not YAML as JSON has it at line 1: {ALIAS}"),
    "alias as a key": (
        "a: &a b\n*a : c\n",
        ProblemCode.SYNTAX,
        "not YAML as JSON has it at line 2: a key must be text",
    ),
    "list as a key": ("? [a]\n: b\n", ProblemCode.SYNTAX, "not YAML as JSON has it at line 1: a key must be text"),
    "merge key": (
        "a: &a {b: 1}\nc:\n  <<: *a\n",
        ProblemCode.SYNTAX,
        "not YAML as JSON has it at line 3: the merge key << is not allowed; write the fields out",
    ),
    "two documents": (
        "a: 1\n---\nb: 2\n",
        ProblemCode.SYNTAX,
        "not YAML as JSON has it at line 2: a second document begins; one object holds one target",
    ),
    "duplicate key": ("a: 1\nb: 2\n'a': 3\n", ProblemCode.DUPLICATE_KEY, "the key 'a' stands twice in one object"),
    "number beyond a float": (
        "a: 1e999",
        ProblemCode.SYNTAX,
        "a number is too large for JSON readers; write it as text",
    ),
    "number of 5,000 digits": ("1" * 5000, ProblemCode.SYNTAX, "a number of 5,000 digits is too long"),
    "65 levels": ("[" * 65 + "1" + "]" * 65, ProblemCode.TOO_DEEP, "nested more than 64 levels deep"),
    "depth by aliases": (
        "a: &a " + "[" * 40 + "1" + "]" * 40 + "\nb: " + "[" * 40 + "*a" + "]" * 40,
        ProblemCode.TOO_DEEP,
        "nested more than 64 levels deep",
    ),
    "billion laughs": (BILLION_LAUGHS, ProblemCode.TOO_LARGE, "more than 200,000 values, aliases expanded"),
    "megabyte laughs": (
        f"a: &a {'x' * 1_000_000}\nb: [{', '.join(['*a'] * 9)}]\n",
        ProblemCode.TOO_LARGE,
        "more than 8,388,608 characters once its aliases are expanded",
    ),
}


@pytest.mark.parametrize(("content", "value"), TAKEN.values(), ids=TAKEN)
def test_yaml_means_what_json_would_mean(content: str, value: object) -> None:
    """Plain words stay words, JSON's numbers are numbers, and a key is always text."""
    decoded = decode(content.encode(), "targets/a.yaml")
    assert decoded == value
    assert json.dumps(decoded) == json.dumps(value)


@pytest.mark.parametrize(("content", "code", "message"), REFUSED.values(), ids=REFUSED)
def test_yaml_that_json_does_not_have_is_refused_with_its_line(content: str, code: ProblemCode, message: str) -> None:
    """Each document is refused with just this message and never by a crash."""
    with pytest.raises(DocumentError) as caught:
        decode(content.encode(), "targets/a.yml")
    assert (caught.value.code, str(caught.value)) == (code, message)


@pytest.mark.parametrize("bomb", ["[", "{a: ", "- ", "? "])
def test_a_depth_bomb_is_refused_at_once(bomb: str) -> None:
    """Nesting that kills the process when libyaml's tree is built is refused at its sixty-fifth level."""
    began = time.perf_counter()
    with pytest.raises(DocumentError):
        decode((bomb * 200_000).encode(), "a.yaml")
    assert time.perf_counter() - began < 2


@settings(deadline=None)  # a loaded machine is not a defect
@given(json_values(st.characters(max_codepoint=0xD7FF)))
def test_json_means_the_same_read_as_yaml(value: Any) -> None:
    """A document saved under the other suffix is the same target, keys in order."""
    decoded = decode(json.dumps(value).encode(), "a.yaml")
    assert json.dumps(decoded) == json.dumps(value)
