"""Rate limits as token buckets: filled all the time, one for each workspace and class of models."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anthropic
import pytest

from infra.local.messages_api import EmulatorClock, LocalMessagesApi, RateLimits
from infra.local.messages_api.limits import model_class
from tests.infra.messages_api.messages_api_bodies import LONG_TEXT, create, text, tokens_of, warm_body

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

REQUESTS = "anthropic-ratelimit-requests"
TOKENS = "anthropic-ratelimit-input-tokens"
WRITE_TOKENS = tokens_of(text(LONG_TEXT)) + tokens_of(text("."))


@pytest.fixture
def api() -> Iterator[LocalMessagesApi]:
    """Run an emulator with buckets of 6 requests a minute on a frozen clock."""
    limits = RateLimits(requests_per_minute=6, is_continuous=True)
    with LocalMessagesApi(clock=EmulatorClock(frozen=True), rate_limits=limits) as running:
        yield running


def headers_of(client: anthropic.Anthropic, **changes: object) -> Mapping[str, str]:
    """Make a call and read its headers, a refusal's too."""
    try:
        return client.messages.with_raw_response.create(**warm_body(**changes)).headers
    except anthropic.RateLimitError as refusal:
        return refusal.response.headers


def test_a_bucket_is_filled_all_the_time(api: LocalMessagesApi, client: anthropic.Anthropic) -> None:
    """Six at once, the seventh waits 10 s for one request; after 25 s there are two, and one half of a third."""
    for remaining in range(5, -1, -1):
        assert headers_of(client)[f"{REQUESTS}-remaining"] == str(remaining)
    refused = headers_of(client)
    assert (refused["retry-after"], refused[f"{REQUESTS}-remaining"]) == ("10", "0")
    assert refused[f"{REQUESTS}-reset"] == "2026-01-01T00:01:00Z"
    api.clock.advance(25)
    assert [headers_of(client).get("retry-after") for _ in range(3)] == [None, None, "5"]
    api.clock.advance(3600)
    assert headers_of(client)[f"{REQUESTS}-remaining"] == "5"  # never more than a minute's worth


def test_a_refused_request_takes_nothing(api: LocalMessagesApi, client: anthropic.Anthropic) -> None:
    """After 10 s one goes, however often it was refused before."""
    for _ in range(20):
        headers_of(client)
    api.clock.advance(10)
    assert "retry-after" not in headers_of(client)


def test_tokens_are_rounded_to_the_nearest_thousand(api: LocalMessagesApi, client: anthropic.Anthropic) -> None:
    """As the API documents; what is refused goes by the exact count, and the wait is until all of it is there."""
    api.rate_limits = RateLimits(input_tokens_per_minute=WRITE_TOKENS + 600, is_continuous=True)
    api.minimum_cacheable_tokens = {}
    first = headers_of(client)
    assert first[f"{TOKENS}-limit"] == str(WRITE_TOKENS + 600)
    assert first[f"{TOKENS}-remaining"] == "1000"
    api.forget_entries()
    refused = headers_of(client)
    seconds = (WRITE_TOKENS - 600) / (WRITE_TOKENS + 600) * 60
    assert seconds < float(refused["retry-after"]) <= seconds + 1
    api.clock.advance(float(refused["retry-after"]))
    assert "retry-after" not in headers_of(client)


@pytest.mark.usefixtures("api")
def test_each_class_of_models_has_a_bucket_of_its_own(client: anthropic.Anthropic) -> None:
    """Two versions of Sonnet 4 share one, Opus has another, and so has another workspace."""
    assert headers_of(client, model="claude-sonnet-4-6")[f"{REQUESTS}-remaining"] == "5"
    assert headers_of(client, model="claude-sonnet-4-7")[f"{REQUESTS}-remaining"] == "4"
    assert headers_of(client, model="claude-opus-4-8")[f"{REQUESTS}-remaining"] == "5"
    other = client.with_options(api_key="sk-other")
    assert headers_of(other, model="claude-sonnet-4-6")[f"{REQUESTS}-remaining"] == "5"


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("claude-sonnet-4-6", "claude-sonnet-4"),
        ("eu.anthropic.claude-opus-5-v1:0", "claude-opus-5"),
        ("some-model", "some-model"),
        (None, ""),
    ],
    ids=["first-party", "bedrock", "unknown", "none"],
)
def test_the_class_of_a_model(model: str | None, expected: str) -> None:
    """The family and its first number; an id that has none is a class by itself."""
    assert model_class(model) == expected


def test_a_limit_may_change_while_it_runs(api: LocalMessagesApi, client: anthropic.Anthropic) -> None:
    """What was used stays used; and a limit of 0 refuses everything."""
    create(client, warm_body())
    api.rate_limits = RateLimits(requests_per_minute=10, is_continuous=True)
    assert headers_of(client)[f"{REQUESTS}-remaining"] == "8"
    api.rate_limits = RateLimits(requests_per_minute=0, is_continuous=True)
    assert headers_of(client)[f"{REQUESTS}-remaining"] == "0"
