"""Every adapter that speaks to the Messages API over HTTP, by name."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from prompt_cache_warmer.adapters.anthropic_messages import AnthropicMessages
from prompt_cache_warmer.adapters.api_keys import StaticApiKeys
from prompt_cache_warmer.adapters.client_messages import AsyncClientMessages, ClientMessages
from tests.library_http import async_client, client

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from prompt_cache_warmer.ports import MessagesApi

ADAPTERS = ("service", "client", "async client")


@asynccontextmanager
async def opened(name: str, base_url: str) -> AsyncIterator[MessagesApi]:
    """Open an adapter by its name."""
    if name == "service":
        async with AnthropicMessages(StaticApiKeys("sk-test"), base_url=base_url) as service:
            yield service
    elif name == "client":
        with client(base_url) as own:
            yield ClientMessages(own)
    else:
        async with async_client(base_url) as async_own:
            yield AsyncClientMessages(async_own)
