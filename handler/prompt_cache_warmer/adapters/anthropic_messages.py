"""The service's warm calls over the official SDK: a client per credential, no retry of its own, typed errors."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Self, TypeVar

import anthropic

from prompt_cache_warmer.adapters.anthropic_errors import translate
from prompt_cache_warmer.adapters.anthropic_exchange import count, exchange
from prompt_cache_warmer.errors import CallTimeoutError, CredentialError, UnreachableError
from prompt_cache_warmer.values.problems import nearest, shown

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from prompt_cache_warmer.adapters.api_keys import ApiKeys
    from prompt_cache_warmer.ports import Answer
    from prompt_cache_warmer.rules.request import WarmCall

A = TypeVar("A")

DEFAULT_BASE_URL = "https://api.anthropic.com"
# At their debug level these write whole requests, prompts and keys included, so no setting may open them.
TALKATIVE_LOGGERS = ("anthropic", "httpx2", "httpcore2", "botocore", "boto3", "urllib3")


class AnthropicMessages:
    """The Messages API; use it as an async context manager, once per run.

    Clients are made when a credential is first used and closed at the end of the run.

    Args:
        keys: where the API keys come from.
        base_url: the API's address.
    """

    def __init__(self, keys: ApiKeys, *, base_url: str = DEFAULT_BASE_URL) -> None:
        self._keys_source = keys
        self._base_url = base_url
        self._keys: asyncio.Task[Mapping[str, str]] | None = None
        self._clients: dict[str, anthropic.AsyncAnthropic] = {}
        for name in TALKATIVE_LOGGERS:
            logging.getLogger(name).setLevel(logging.WARNING)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._keys is not None:
            self._keys.cancel()
            self._keys = None
        clients, self._clients = self._clients, {}
        for client in clients.values():
            await client.close()

    async def send(self, call: WarmCall, *, timeout_seconds: float) -> Answer:
        """Send a warm call once.

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
        exchange: Callable[[anthropic.AsyncAnthropic, WarmCall, float], Awaitable[A]],
    ) -> A:
        """Do one exchange, its errors turned into ours."""
        try:
            async with asyncio.timeout(timeout_seconds):
                client = await self._client(call.credential)
                return await exchange(client, call, timeout_seconds)
        except anthropic.APIError as error:
            raise translate(error, call) from None
        except TimeoutError:
            raise CallTimeoutError(f"no answer within {timeout_seconds:g} s") from None
        except ValueError:
            raise UnreachableError("an answer that is not the API's: its body is not JSON") from None

    async def _client(self, credential: str) -> anthropic.AsyncAnthropic:
        if self._keys is None:
            self._keys = asyncio.ensure_future(self._read_keys())
        keys = await asyncio.shield(self._keys)
        if credential not in keys:
            known = ", ".join(sorted(keys))
            message = f"there is no credential {shown(credential)}{nearest(credential, keys)}; there is: {known}"
            raise CredentialError(message)
        if credential not in self._clients:
            # No await between the look and the making: each client costs a TLS context.
            self._clients[credential] = anthropic.AsyncAnthropic(
                api_key=keys[credential], base_url=self._base_url, max_retries=0
            )
        return self._clients[credential]

    async def _read_keys(self) -> Mapping[str, str]:
        return await self._keys_source.read()
