"""Rate limits and their headers, and the table of minimums."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anthropic
import pytest

from infra.local.messages_api import EmulatorClock, LocalMessagesApi, RateLimits
from infra.local.messages_api.minimums import MINIMUM_TOKENS, minimum_tokens
from tests.infra.messages_api.messages_api_bodies import (
    LONG_TEXT,
    MODEL,
    PLACEHOLDER,
    counters,
    create,
    send_raw,
    text,
    tokens_of,
    warm_body,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

SYSTEM_TOKENS = tokens_of(text(LONG_TEXT))
PLACEHOLDER_TOKENS = tokens_of(text("."))


def headers_of(client: anthropic.Anthropic, max_tokens: int = 1) -> Mapping[str, str]:
    """Make a call with one long marked system prompt and read its headers."""
    raw = client.messages.with_raw_response.create(
        model=MODEL,
        max_tokens=max_tokens,
        system=[{"type": "text", "text": LONG_TEXT, "cache_control": {"type": "ephemeral"}}],
        messages=[{"role": "user", "content": "."}],
    )
    return raw.headers


def test_each_response_carries_the_rate_limit_headers(api: LocalMessagesApi, client: anthropic.Anthropic) -> None:
    """Limit, remaining and reset, for requests, input tokens, output tokens and tokens."""
    api.rate_limits = RateLimits(requests_per_minute=10, input_tokens_per_minute=100_000, output_tokens_per_minute=500)
    headers = headers_of(client)
    written = SYSTEM_TOKENS + PLACEHOLDER_TOKENS
    shown = {
        name.removeprefix("anthropic-ratelimit-"): value
        for name, value in headers.items()
        if name.startswith("anthropic-ratelimit-") and not name.endswith("-reset")
    }
    assert shown == {
        "requests-limit": "10",
        "requests-remaining": "9",
        "input-tokens-limit": "100000",
        "input-tokens-remaining": str(100_000 - written),
        "output-tokens-limit": "500",
        "output-tokens-remaining": "499",
        "tokens-limit": "100500",
        "tokens-remaining": str(100_500 - written - 1),
    }
    resets = {value for name, value in headers.items() if name.endswith("-reset")}
    assert resets == {"2026-01-01T00:01:00Z"}


def test_cache_reads_do_not_count_toward_input_tokens(client: anthropic.Anthropic) -> None:
    """A write and plain input use the limit up; a read uses only its plain input and one request."""
    first, second = headers_of(client), headers_of(client)
    name = "anthropic-ratelimit-input-tokens-remaining"
    assert int(first[name]) - int(second[name]) == PLACEHOLDER_TOKENS
    name = "anthropic-ratelimit-requests-remaining"
    assert int(first[name]) - int(second[name]) == 1


def test_a_prewarm_counts_as_a_request_without_output(client: anthropic.Anthropic) -> None:
    """Every warm call is a request; it produces no output tokens."""
    headers = headers_of(client, max_tokens=0)
    assert headers["anthropic-ratelimit-requests-remaining"] == "999999"
    assert headers["anthropic-ratelimit-output-tokens-remaining"] == "1000000000"


def test_requests_over_the_limit_wait_for_the_window_to_end(api: LocalMessagesApi, client: anthropic.Anthropic) -> None:
    """The third call of two allowed is 429 with the seconds to the window's end; after it calls pass."""
    api.rate_limits = RateLimits(requests_per_minute=2)
    create(client, warm_body())
    api.clock.advance(15)
    create(client, warm_body())
    with pytest.raises(anthropic.RateLimitError) as refusal:
        create(client, warm_body())
    assert refusal.value.type == "rate_limit_error"
    assert refusal.value.error_code is None
    assert refusal.value.response.headers["retry-after"] == "45"
    assert refusal.value.response.headers["anthropic-ratelimit-requests-remaining"] == "0"
    api.clock.advance(45)
    create(client, warm_body())


def test_refused_requests_count_too(api: LocalMessagesApi, client: anthropic.Anthropic) -> None:
    """A call that ends in 400 has used a request of the minute."""
    api.rate_limits = RateLimits(requests_per_minute=1)
    with pytest.raises(anthropic.BadRequestError):
        create(client, warm_body(max_tokens=-1))
    with pytest.raises(anthropic.RateLimitError):
        create(client, warm_body())


def test_input_over_the_limit_is_refused_and_not_cached(api: LocalMessagesApi, client: anthropic.Anthropic) -> None:
    """A write that exceeds the input tokens of the minute is 429 and leaves no entry."""
    api.rate_limits = RateLimits(input_tokens_per_minute=SYSTEM_TOKENS)
    with pytest.raises(anthropic.RateLimitError, match="input tokens per minute"):
        create(client, warm_body())
    assert api.entries() == ()
    assert counters(create(client, warm_body(system=None)))[0] == 0


def test_output_over_the_limit_is_refused(api: LocalMessagesApi, client: anthropic.Anthropic) -> None:
    """Output tokens are limited by themselves."""
    api.rate_limits = RateLimits(output_tokens_per_minute=20)
    create(client, warm_body(max_tokens=100))
    with pytest.raises(anthropic.RateLimitError, match="output tokens per minute"):
        create(client, warm_body(max_tokens=100))


def test_a_refused_read_refreshes_nothing(api: LocalMessagesApi, client: anthropic.Anthropic) -> None:
    """A call turned away by a rate limit does not keep an entry alive."""
    create(client, warm_body())
    (before,) = api.entries()
    api.clock.advance(100)
    api.rate_limits = RateLimits(output_tokens_per_minute=0)
    with pytest.raises(anthropic.RateLimitError):
        create(client, warm_body(max_tokens=5))
    assert api.entries() == (before,)


def test_limits_are_per_workspace(api: LocalMessagesApi, client: anthropic.Anthropic) -> None:
    """One workspace's used-up minute does not touch another's."""
    api.rate_limits = RateLimits(requests_per_minute=1)
    create(client, warm_body())
    create(client.with_options(api_key="sk-other"), warm_body())


def test_the_sdk_obeys_retry_after() -> None:
    """With retries on, the SDK waits as told and succeeds once the window has passed."""
    limits = RateLimits(requests_per_minute=1)
    clock = EmulatorClock()
    with (
        LocalMessagesApi(clock=clock, rate_limits=limits) as api,
        anthropic.Anthropic(base_url=api.base_url, api_key="k", max_retries=1) as client,
    ):
        create(client, warm_body())
        clock.advance(59)  # a second of real time is left to wait
        create(client, warm_body())
        assert [request.status for request in api.requests] == [200, 429, 200]


def test_unknown_paths_show_the_limits_without_using_them(api: LocalMessagesApi) -> None:
    """A 404 is no call of the Messages API."""
    answer = send_raw(api, "{}", path="/v1/other")
    assert answer.headers["anthropic-ratelimit-requests-remaining"] == "1000000"


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("claude-haiku-5-5", 512),
        ("claude-sonnet-5-5", 512),
        ("claude-opus-5-5", 512),
        ("claude-opus-5", 512),
        ("claude-fable-5", 512),
        ("claude-fable-5-1", 512),
        ("claude-mythos-5", 512),
        ("claude-mythos-5-1", 512),
        ("claude-opus-4-8", 1024),
        ("claude-sonnet-5", 1024),
        ("claude-sonnet-4-6", 1024),
        ("claude-sonnet-4-5", 1024),
        ("claude-opus-4-7", 2048),
        ("claude-mythos-preview", 2048),
        ("claude-opus-4-6", 4096),
        ("claude-opus-4-5", 4096),
        ("claude-haiku-4-5", 4096),
        ("claude-haiku-4-5-20251001", 4096),
        ("claude-fable-5-2", 1024),
        ("some-other-model", 1024),
    ],
)
def test_the_table_of_minimums(model: str, expected: int) -> None:
    """Each model's documented minimum, a dated snapshot's like its model's, 1,024 for the unknown."""
    assert minimum_tokens(model, {}) == expected


def test_the_table_of_minimums_is_tested_whole() -> None:
    """No figure stands in the table that the test above does not name."""
    assert len(MINIMUM_TOKENS) == 17


def test_a_minimum_can_be_overridden(api: LocalMessagesApi, client: anthropic.Anthropic) -> None:
    """A measured figure, such as 2,048 for Sonnet 4.6, takes the place of the documented one."""
    api.minimum_cacheable_tokens = {MODEL: SYSTEM_TOKENS + 1}
    assert counters(create(client, warm_body(messages=[PLACEHOLDER])))[:2] == (0, 0)
    assert minimum_tokens("claude-haiku-4-5-20251001", {"claude-haiku-4-5": 2048}) == 2048
