"""Every adapter that speaks to the Messages API over HTTP, by name."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import anthropic

from prompt_cache_warmer.adapters.anthropic_messages import DEFAULT_BASE_URL, AnthropicMessages
from prompt_cache_warmer.adapters.api_keys import ApiKeys, StaticApiKeys
from prompt_cache_warmer.adapters.client_messages import AsyncClientMessages, ClientMessages
from prompt_cache_warmer.adapters.credential_clients import CredentialClients
from tests.library_http import async_client, client

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from prompt_cache_warmer.ports import MessagesApi

ADAPTERS = ("service", "client", "async client")


def stored(*stores: ApiKeys, base_url: str = DEFAULT_BASE_URL) -> AnthropicMessages:
    """Return the service's adapter with stored keys only."""
    return AnthropicMessages(
        CredentialClients(
            stores, of_key=lambda key: anthropic.AsyncAnthropic(api_key=key, base_url=base_url, max_retries=0)
        )
    )


@asynccontextmanager
async def opened(name: str, base_url: str) -> AsyncIterator[MessagesApi]:
    """Open an adapter by its name."""
    if name == "service":
        async with stored(StaticApiKeys("sk-test"), base_url=base_url) as service:
            yield service
    elif name == "client":
        with client(base_url) as own:
            yield ClientMessages(own)
    else:
        async with async_client(base_url) as async_own:
            yield AsyncClientMessages(async_own)
