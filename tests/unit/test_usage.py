"""Usage: every input token in exactly one count, whatever the answer leaves out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prompt_cache_warmer.values.usage import Usage

if TYPE_CHECKING:
    from prompt_cache_warmer.values.body import Ttl

SPLIT = {"ephemeral_5m_input_tokens": 30, "ephemeral_1h_input_tokens": 70}


@pytest.mark.parametrize(
    ("answer", "unsplit_ttl", "expected"),
    [
        ({}, "5m", Usage()),
        (
            {
                "input_tokens": 5,
                "cache_read_input_tokens": None,
                "cache_creation_input_tokens": None,
                "output_tokens": 1,
            },
            "5m",
            Usage(uncached_tokens=5, output_tokens=1),
        ),
        ({"cache_read_input_tokens": 9_000}, "1h", Usage(read_tokens=9_000)),
        # Without a split, what was written has the ttl that was asked for.
        ({"cache_creation_input_tokens": 100}, "5m", Usage(write_5m_tokens=100, is_split=False)),
        ({"cache_creation_input_tokens": 100}, "1h", Usage(write_1h_tokens=100, is_split=False)),
        (
            {"cache_creation_input_tokens": 100, "cache_creation": None},
            "1h",
            Usage(write_1h_tokens=100, is_split=False),
        ),
        # With one, the answer is right, whatever was asked for.
        (
            {"cache_creation_input_tokens": 100, "cache_creation": SPLIT},
            "5m",
            Usage(write_5m_tokens=30, write_1h_tokens=70),
        ),
        (
            {"cache_creation_input_tokens": 150, "cache_creation": SPLIT},
            "5m",
            Usage(write_5m_tokens=80, write_1h_tokens=70, is_split=False),
        ),
        ({"cache_creation": SPLIT}, "5m", Usage(write_5m_tokens=30, write_1h_tokens=70)),
        ({"cache_creation_input_tokens": None, "cache_creation": {}}, "1h", Usage()),
        ({"speed": "fast", "service_tier": "standard"}, "5m", Usage(speed="fast")),
        ({"speed": 5}, "5m", Usage()),
    ],
)
def test_an_answers_usage_is_read(answer: dict[str, Any], unsplit_ttl: Ttl, expected: Usage) -> None:
    """Absent and null are 0; the split says which ttl was really granted."""
    assert Usage.from_api(answer, unsplit_ttl=unsplit_ttl) == expected


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ({"input_tokens": -1}, "usage.input_tokens is not a token count"),
        ({"output_tokens": "5"}, "usage.output_tokens is not a token count"),
        ({"cache_read_input_tokens": 1.0}, "usage.cache_read_input_tokens is not a token count"),
        ({"cache_creation_input_tokens": True}, "usage.cache_creation_input_tokens is not a token count"),
        ({"cache_creation": {"ephemeral_1h_input_tokens": []}}, "usage.ephemeral_1h_input_tokens is not a token count"),
        ({"cache_creation": [30, 70]}, "usage.cache_creation is not an object"),
        (
            {"cache_creation_input_tokens": 99, "cache_creation": SPLIT},
            "usage splits 100 written tokens but counts 99",
        ),
    ],
)
def test_an_answer_that_proves_nothing_is_refused(answer: dict[str, Any], message: str) -> None:
    """A count that is none is an error and never taken for 0."""
    with pytest.raises(ValueError, match=f"^{message}$"):
        Usage.from_api(answer, unsplit_ttl="5m")


def test_sums_follow_from_the_counts() -> None:
    """Written is both ttls, cached is written and read, input is all of it."""
    usage = Usage(uncached_tokens=1, read_tokens=20, write_5m_tokens=300, write_1h_tokens=4_000, output_tokens=50_000)
    assert (usage.written_tokens, usage.cached_tokens, usage.input_tokens) == (4_300, 4_320, 4_321)


@settings(deadline=None)  # a loaded machine is not a defect
@given(
    st.integers(0, 10**7),
    st.integers(0, 10**7),
    st.integers(0, 10**7),
    st.integers(0, 10**7),
    st.sampled_from(["5m", "1h"]),
)
def test_no_token_is_lost_or_counted_twice(plain: int, read: int, five: int, rest: int, unsplit_ttl: Ttl) -> None:
    """Input is what the API calls total input: read, written and plain."""
    answer = {
        "input_tokens": plain,
        "cache_read_input_tokens": read,
        "cache_creation_input_tokens": five + rest,
        "cache_creation": {"ephemeral_5m_input_tokens": five},
    }
    assert Usage.from_api(answer, unsplit_ttl=unsplit_ttl).input_tokens == plain + read + five + rest
