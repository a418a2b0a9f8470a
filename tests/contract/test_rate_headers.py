"""What an answer says of the rate limits reaches the engine: every client, whole, streamed and refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from infra.local.messages_api import RateLimits as ApiLimits
from prompt_cache_warmer.adapters.client_messages import AsyncClientMessages, ClientMessages
from prompt_cache_warmer.errors import RateLimitedError
from prompt_cache_warmer.rules.request import WarmCall, warm_call
from prompt_cache_warmer.values.rate_limits import NO_RATE_LIMITS, RateLimits
from tests.fakes import MODEL, target
from tests.message_adapters import opened
from tests.provider_clients import ASYNC_CLIENTS, SYNC_CLIENTS

if TYPE_CHECKING:
    from collections.abc import Callable

    from infra.local.messages_api import LocalMessagesApi
    from prompt_cache_warmer.ports import Answer

BEDROCK = {"bedrock", "async-bedrock", "mantle", "async-mantle"}
TIMEOUT_SECONDS = 10.0
STREAMED: dict[str, Any] = {"thinking": {"type": "enabled", "budget_tokens": 1024}}


def call(**request: Any) -> WarmCall:
    """Return a warm call."""
    return warm_call(target(request={"system": target().body["system"], **request}), MODEL)


async def answered(name: str, own: Any, **request: Any) -> Answer:
    """Send a warm call over a client of the SDK."""
    if name.startswith("async"):
        async with own:
            return await AsyncClientMessages(own).send(call(**request), timeout_seconds=TIMEOUT_SECONDS)
    with own:
        return await ClientMessages(own).send(call(**request), timeout_seconds=TIMEOUT_SECONDS)


@pytest.mark.parametrize("request_", [{}, STREAMED], ids=["whole", "streamed"])
@pytest.mark.parametrize("name", [name for name, _ in SYNC_CLIENTS + ASYNC_CLIENTS])
async def test_an_answer_says_what_remains(api: LocalMessagesApi, name: str, request_: dict[str, Any]) -> None:
    """Requests and input tokens, over the application's own clients too; Bedrock sends no such headers."""
    api.rate_limits = ApiLimits(requests_per_minute=50, input_tokens_per_minute=1_000_000, is_continuous=True)
    makers: dict[str, Callable[[str], Any]] = dict(SYNC_CLIENTS + ASYNC_CLIENTS)
    found = (await answered(name, makers[name](api.base_url), **request_)).rate_limits
    if name in BEDROCK:
        assert found == NO_RATE_LIMITS
        return
    assert found.requests is not None
    assert found.input_tokens is not None
    assert (found.requests.limit, found.requests.remaining) == (50, 49)
    assert (found.input_tokens.limit, 900_000 < found.input_tokens.remaining < 1_000_000) == (1_000_000, True)
    assert found.requests.reset_at is not None


async def test_a_refusal_says_what_remains_too(api: LocalMessagesApi) -> None:
    """A 429 of the service's own adapter carries the headers and the wait."""
    api.rate_limits = ApiLimits(requests_per_minute=1, is_continuous=True)
    async with opened("service", api.base_url) as messages:
        await messages.send(call(), timeout_seconds=TIMEOUT_SECONDS)
        with pytest.raises(RateLimitedError) as refusal:
            await messages.send(call(), timeout_seconds=TIMEOUT_SECONDS)
    assert refusal.value.retry_after_seconds == 60
    found = RateLimits.from_headers(refusal.value.rate_headers or {})
    assert found.requests is not None
    assert (found.requests.limit, found.requests.remaining) == (1, 0)
    assert all(name.startswith("anthropic-ratelimit-") for name in refusal.value.rate_headers or {})
