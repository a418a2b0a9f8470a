"""Answers of the Usage API in the two shapes that are known, and in shapes that are not."""

from __future__ import annotations

from typing import Any

import pytest

from prompt_cache_warmer.adapters.usage_report import rows_of
from prompt_cache_warmer.rules.effect_sources import ReportedUsage, SourceError
from prompt_cache_warmer.values.usage import Usage

TOKENS: dict[str, Any] = {
    "uncached_input_tokens": 1,
    "cache_creation": {"ephemeral_5m_input_tokens": 2, "ephemeral_1h_input_tokens": 3},
    "cache_read_input_tokens": 4,
    "output_tokens": 5,
    "server_tool_use": {"web_search_requests": 1},
}
NAMES = {"model": "m", "workspace_id": None, "api_key_id": "apikey_x"}
FOUND = ReportedUsage(
    "m", None, Usage(uncached_tokens=1, read_tokens=4, write_5m_tokens=2, write_1h_tokens=3, output_tokens=5)
)
UNKNOWN = "the Usage API answered in a shape this version does not know: "


def test_both_shapes_are_read() -> None:
    """Buckets that hold results, and rows that hold a group and a usage."""
    bucket = {"starting_at": "a", "ending_at": "b", "results": [{**NAMES, **TOKENS}, {**NAMES, **TOKENS}]}
    row = {"starting_at": "a", "ending_at": "b", "group": NAMES, "usage": {**TOKENS, "total_tokens": 15}}
    assert list(rows_of({"data": [bucket, {"results": []}]})) == [FOUND, FOUND]
    assert list(rows_of({"data": [row]})) == [FOUND]
    assert list(rows_of({"data": []})) == []


@pytest.mark.parametrize(
    ("page", "said"),
    [
        ({}, "data is no list"),
        ({"data": [{"results": None}]}, "results is no list"),
        ({"data": [{"rows": []}]}, "an entry of data has neither results nor group"),
        ({"data": ["x"]}, "an entry of data has neither results nor group"),
        ({"data": [{"group": NAMES}]}, "a row lacks one of uncached_input_tokens, cache_read_input_tokens, cache_"),
        ({"data": [{"results": ["x"]}]}, "a row lacks one of"),
        *(
            ({"data": [{"results": [{key: value for key, value in TOKENS.items() if key != missing}]}]}, "a row lacks")
            for missing in ("uncached_input_tokens", "cache_read_input_tokens", "cache_creation")
        ),
        ({"data": [{"results": [{**TOKENS, "uncached_input_tokens": -1}]}]}, "usage.input_tokens is not a token count"),
        ({"data": [{"results": [{**TOKENS, "cache_creation": 7}]}]}, "usage.cache_creation is not an object"),
    ],
    ids=["data", "results", "rows", "text", "usage", "row", "plain", "read", "written", "negative", "creation"],
)
def test_any_other_shape_is_an_error_and_not_nothing(page: dict[str, Any], said: str) -> None:
    """Counted as 0 it would look as if ours were more."""
    with pytest.raises(SourceError) as refusal:
        list(rows_of(page))
    assert str(refusal.value).startswith(UNKNOWN + said)


def test_a_name_that_is_no_text_is_none() -> None:
    """The tokens count all the same."""
    (row,) = rows_of({"data": [{"results": [{**TOKENS, "model": 7}]}]})
    assert row == ReportedUsage(None, None, FOUND.usage)
