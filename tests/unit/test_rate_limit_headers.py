"""What the headers of an answer say of the rate limits, and what a gateway may make of them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from prompt_cache_warmer.values.rate_limits import NO_RATE_LIMITS, RateLimit, RateLimits

HEADERS = {
    "anthropic-ratelimit-requests-limit": "4000",
    "anthropic-ratelimit-requests-remaining": "3999",
    "anthropic-ratelimit-requests-reset": "2026-11-22T12:00:01Z",
    "anthropic-ratelimit-input-tokens-limit": "2000000",
    "anthropic-ratelimit-input-tokens-remaining": "0",
    "anthropic-ratelimit-input-tokens-reset": "2026-11-22T12:01:00+00:00",
    "anthropic-ratelimit-output-tokens-limit": "400000",
    "anthropic-ratelimit-output-tokens-remaining": "1",
    "content-type": "application/json",
}


def test_requests_and_input_tokens_are_read() -> None:
    """Limit, what remains and when it is whole again; output tokens do not matter to warm calls."""
    assert RateLimits.from_headers(HEADERS) == RateLimits(
        RateLimit(4000, 3999, datetime(2026, 11, 22, 12, 0, 1, tzinfo=UTC)),
        RateLimit(2_000_000, 0, datetime(2026, 11, 22, 12, 1, tzinfo=UTC)),
    )


def test_no_headers_say_nothing() -> None:
    """Bedrock sends none."""
    assert RateLimits.from_headers({}) == NO_RATE_LIMITS == RateLimits(None, None)


def test_one_limit_may_be_known_without_the_other() -> None:
    """A gateway that only counts requests says nothing of tokens."""
    only = {name: value for name, value in HEADERS.items() if "requests" in name}
    assert RateLimits.from_headers(only).input_tokens is None
    assert RateLimits.from_headers(only).requests is not None


@pytest.mark.parametrize("field", ["limit", "remaining"])
@pytest.mark.parametrize(
    "value",
    ["", "unlimited", "-1", "1.5", "1e3", " 7", "٣", "9" * 13, "NaN", "0x10", None],
    ids=["empty", "word", "negative", "fraction", "exponent", "blank", "arabic", "huge", "nan", "hex", "absent"],
)
def test_a_limit_that_makes_no_sense_says_nothing(field: str, value: str | None) -> None:
    """Whatever a gateway puts there is no error, and the other limit is read all the same."""
    headers = {**HEADERS, f"anthropic-ratelimit-requests-{field}": value}
    found = RateLimits.from_headers({name: text for name, text in headers.items() if text is not None})
    assert found.requests is None
    assert found.input_tokens is not None


def test_a_limit_of_0_says_nothing() -> None:
    """A workspace without any limit left could not answer at all."""
    assert RateLimits.from_headers({**HEADERS, "anthropic-ratelimit-requests-limit": "0"}).requests is None


def test_more_than_the_limit_is_the_limit() -> None:
    """Rounding to the nearest thousand, or a limit that was lowered, may leave more than there can be."""
    found = RateLimits.from_headers({**HEADERS, "anthropic-ratelimit-requests-remaining": "5000"})
    assert found.requests is not None
    assert found.requests.remaining == 4000


@pytest.mark.parametrize(
    "value", ["", "soon", "60", "2026-11-22T12:00:01"], ids=["empty", "word", "seconds", "without-zone"]
)
def test_a_reset_that_makes_no_sense_is_left_out(value: str) -> None:
    """The limit is known all the same."""
    found = RateLimits.from_headers({**HEADERS, "anthropic-ratelimit-requests-reset": value})
    assert found.requests == RateLimit(4000, 3999, None)
