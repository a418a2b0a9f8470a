"""The service's warm calls over the official SDK: a client per credential, no retry of its own, typed errors."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Self, TypeVar

import anthropic

from prompt_cache_warmer.adapters.anthropic_errors import translate
from prompt_cache_warmer.adapters.anthropic_exchange import count, exchange
from prompt_cache_warmer.adapters.talkative import hush
from prompt_cache_warmer.errors import CallTimeoutError, UnreachableError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from prompt_cache_warmer.adapters.anthropic_exchange import AsyncClient
    from prompt_cache_warmer.adapters.credential_clients import CredentialClients
    from prompt_cache_warmer.ports import Answer
    from prompt_cache_warmer.rules.request import WarmCall

A = TypeVar("A")

DEFAULT_BASE_URL = "https://api.anthropic.com"


class AnthropicMessages:
    """The Messages API of every provider; use it as an async context manager, once per run.

    Args:
        clients: the client of every credential.
    """

    def __init__(self, clients: CredentialClients) -> None:
        self._clients = clients
        hush()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._clients.close()

    async def send(self, call: WarmCall, *, timeout_seconds: float) -> Answer:
        """Send a warm call once; again only with a new key, after the API refused one that was rotated meanwhile.

        Raises:
            WarmCallError: the branch that says what the operator should do.
            SecretUnreadableError: when there are no credentials at all.
        """
        return await self._within(timeout_seconds, call, exchange)

    async def count_tokens(self, call: WarmCall, *, timeout_seconds: float) -> int:
        """Ask for the API's own estimate of a call's input tokens; counting is free.

        Raises:
            WarmCallError: when it cannot be had.
            SecretUnreadableError: when there are no credentials at all.
        """
        return await self._within(timeout_seconds, call, count)

    async def _within(
        self,
        timeout_seconds: float,
        call: WarmCall,
        exchange: Callable[[AsyncClient, WarmCall, float], Awaitable[A]],
    ) -> A:
        """Do one exchange, its errors turned into ours."""
        try:
            async with asyncio.timeout(timeout_seconds):
                client = await self._clients.get(call.credential)
                try:
                    return await exchange(client, call, timeout_seconds)
                except anthropic.AuthenticationError:
                    renewed = await self._clients.renewed(call.credential, client)
                    if renewed is None:
                        raise
                    return await exchange(renewed, call, timeout_seconds)
        except anthropic.AnthropicError as error:
            raise translate(error, call) from None
        except TimeoutError:
            raise CallTimeoutError(f"no answer within {timeout_seconds:g} s") from None
        except ValueError:
            raise UnreachableError("an answer that is not the API's: its body is not JSON") from None
