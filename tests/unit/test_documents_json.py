"""JSON documents: what is JSON is taken as it is, what merely looks like it is refused with its place."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings

from prompt_cache_warmer.adapters.documents import DocumentError, decode
from prompt_cache_warmer.values.problems import Problem, ProblemCode
from tests.documents import json_values

if TYPE_CHECKING:
    from typing import Any

REFUSED: dict[str, tuple[bytes, ProblemCode, str]] = {
    "nothing": (b"", ProblemCode.SYNTAX, "not JSON at line 1, column 1: Expecting value"),
    "trailing comma": (
        b'{"a": 1,\n}',
        ProblemCode.SYNTAX,
        "not JSON at line 1, column 8: Illegal trailing comma before end of object",
    ),
    "single quotes": (
        b"{'a': 1}",
        ProblemCode.SYNTAX,
        "not JSON at line 1, column 2: Expecting property name enclosed in double quotes",
    ),
    "comment": (b"// a\n{}", ProblemCode.SYNTAX, "not JSON at line 1, column 1: Expecting value"),
    "two values": (b"{}{}", ProblemCode.SYNTAX, "not JSON at line 1, column 3: Extra data"),
    "raw newline in a string": (
        b'{\n"a": "b\nc"}',
        ProblemCode.SYNTAX,
        "not JSON at line 2, column 8: Invalid control character at",
    ),
    "NaN": (b'{"a": NaN}', ProblemCode.SYNTAX, "NaN is not JSON; write a number or null"),
    "infinity": (b"[-Infinity]", ProblemCode.SYNTAX, "-Infinity is not JSON; write a number or null"),
    "number beyond a float": (
        b"[1e400]",
        ProblemCode.SYNTAX,
        "a number is too large for JSON readers; write it as text",
    ),
    "number of 5,000 digits": (b"1" * 5000, ProblemCode.SYNTAX, "a number of 5,000 digits is too long"),
    "half a surrogate pair": (b'["\\ud83d"]', ProblemCode.SYNTAX, "a \\u escape is half of a surrogate pair"),
    "half a surrogate pair as a key": (
        b'{"\\uDE00": 1}',
        ProblemCode.SYNTAX,
        "a \\u escape is half of a surrogate pair",
    ),
    "UTF-16": ('{"a": 1}'.encode("utf-16"), ProblemCode.SYNTAX, "byte 0 is not UTF-8"),
    "Latin-1": (b'{"a": "\xfc"}', ProblemCode.SYNTAX, "byte 7 is not UTF-8"),
    "duplicate key": (
        b'{"a": {"name": 1, "b": 2, "name": 1}}',
        ProblemCode.DUPLICATE_KEY,
        "the key 'name' stands twice in one object",
    ),
    "duplicate key spelt differently": (
        b'{"a": 1, "\\u0061": 2}',
        ProblemCode.DUPLICATE_KEY,
        "the key 'a' stands twice in one object",
    ),
    "prose as a duplicate key": (
        b'{"be kind": 1, "be kind": 2}',
        ProblemCode.DUPLICATE_KEY,
        "the key a name of 7 characters stands twice in one object",
    ),
    "65 lists around a value": (
        b"[" * 65 + b"1" + b"]" * 65,
        ProblemCode.TOO_DEEP,
        "nested more than 64 levels deep",
    ),
    "depth bomb": (b"[" * 200_000, ProblemCode.TOO_DEEP, "nested more than 64 levels deep"),
    "object bomb": (b'{"a":' * 100_000, ProblemCode.TOO_DEEP, "nested more than 64 levels deep"),
    "200,001 values": (
        b"[" + b"0," * 199_999 + b"0]",
        ProblemCode.TOO_LARGE,
        "more than 200,000 values, aliases expanded",
    ),
}


@pytest.mark.parametrize(("content", "code", "message"), REFUSED.values(), ids=REFUSED)
def test_what_is_not_json_is_refused_with_its_place(content: bytes, code: ProblemCode, message: str) -> None:
    """Each document is refused with just this problem, at the document itself."""
    with pytest.raises(DocumentError) as caught:
        decode(content, "targets/a.json")
    assert caught.value.problem("targets/a.json") == Problem(code, "targets/a.json", "$", message)


@pytest.mark.parametrize(
    ("content", "value"),
    [
        (b'\xef\xbb\xbf{"a": 1}', {"a": 1}),
        (b'"\\ud83d\\ude00"', "\U0001f600"),
        (b"null", None),
        (b"-0", 0),
        (b"[" + b"0," * 199_998 + b"0]", [0] * 199_999),
        (b"[1.0, 1, 1e2]", [1.0, 1, 100.0]),
        (b"[" * 64 + b"1" + b"]" * 64, json.loads("[" * 64 + "1" + "]" * 64)),
        (b"[" * 65 + b"]" * 65, json.loads("[" * 65 + "]" * 65)),
    ],
)
def test_what_is_json_is_taken(content: bytes, value: object) -> None:
    """A byte-order mark, surrogate pairs, a bare null and 64 levels are JSON; integers stay integers."""
    decoded = decode(content, "a.json")
    assert decoded == value
    assert json.dumps(decoded) == json.dumps(value)


@settings(deadline=None)  # a loaded machine is not a defect
@given(json_values())
def test_every_json_value_comes_through_with_its_key_order(value: Any) -> None:
    """Writing the decoded value again gives the same bytes, so the order of keys survived."""
    written = json.dumps(value, ensure_ascii=False)
    assert json.dumps(decode(written.encode(), "a.json"), ensure_ascii=False) == written


@pytest.mark.parametrize("name", ["targets/readme.md", "targets/a.JSON", "targets/json", "a.json.bak", ""])
def test_another_suffix_is_an_unknown_format(name: str) -> None:
    """Only .json, .yaml and .yml are documents, and the message says so."""
    with pytest.raises(DocumentError, match=r"the name ends in none of \.json, \.yaml, \.yml") as caught:
        decode(b"{}", name)
    assert caught.value.code is ProblemCode.UNKNOWN_FORMAT
