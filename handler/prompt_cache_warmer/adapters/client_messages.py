"""Warm calls over a client of the SDK that the application itself has made, of any provider.

The client's own retries are switched off for warm calls: the engine retries by its own rules, and knows
what an attempt without an answer may have cost.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar

import anthropic

from prompt_cache_warmer.adapters.anthropic_errors import translate
from prompt_cache_warmer.adapters.anthropic_exchange import count, count_sync, exchange, exchange_sync
from prompt_cache_warmer.adapters.own_thread import in_own_thread, is_cancelled
from prompt_cache_warmer.errors import CallTimeoutError, TransportError, UnreachableError

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from prompt_cache_warmer.ports import Answer
    from prompt_cache_warmer.rules.request import WarmCall

A = TypeVar("A")
C = TypeVar("C", anthropic.Anthropic, anthropic.AsyncAnthropic)


class AsyncClientMessages:
    """A ``MessagesApi`` over an asynchronous client.

    Args:
        client: the application's client.
    """

    def __init__(self, client: anthropic.AsyncAnthropic) -> None:
        self._client = client

    async def send(self, call: WarmCall, *, timeout_seconds: float) -> Answer:
        """Send a warm call once.

        Raises:
            WarmCallError: the branch that says what to do; the SDK's own error is its cause.
        """
        work = exchange(_unretried(self._client), call, timeout_seconds, keeps_message=True)
        return await _within(timeout_seconds, call, work)

    async def count_tokens(self, call: WarmCall, *, timeout_seconds: float) -> int:
        """Ask for the API's own estimate of a call's input tokens.

        Raises:
            WarmCallError: when it cannot be had.
        """
        return await _within(timeout_seconds, call, count(_unretried(self._client), call, timeout_seconds))


class ClientMessages:
    """A ``MessagesApi`` over a synchronous client; every call has a thread of its own.

    Args:
        client: the application's client.
    """

    def __init__(self, client: anthropic.Anthropic) -> None:
        self._client = client

    async def send(self, call: WarmCall, *, timeout_seconds: float) -> Answer:
        """Send a warm call once.

        Raises:
            WarmCallError: the branch that says what to do; the SDK's own error is its cause.
        """
        work = in_own_thread(lambda: exchange_sync(_unretried(self._client), call, timeout_seconds))
        return await _within(timeout_seconds, call, work)

    async def count_tokens(self, call: WarmCall, *, timeout_seconds: float) -> int:
        """Ask for the API's own estimate of a call's input tokens.

        Raises:
            WarmCallError: when it cannot be had.
        """
        work = in_own_thread(lambda: count_sync(_unretried(self._client), call, timeout_seconds))
        return await _within(timeout_seconds, call, work)


def is_async_client(client: object) -> bool | None:
    """Tell whether a client of the SDK is asynchronous; None for anything that is no client of the SDK."""
    messages = getattr(client, "messages", None)
    if isinstance(messages, anthropic.resources.AsyncMessages):
        return True
    return False if isinstance(messages, anthropic.resources.Messages) else None


def _unretried(client: C) -> C:
    """Return a client as it is now, a new key included, without its own retries."""
    try:
        return client.with_options(max_retries=0)
    except Exception:  # noqa: BLE001 - a subclass may have any constructor; what cannot be copied is used as it is
        return client


async def _within(timeout_seconds: float, call: WarmCall, work: Awaitable[A]) -> A:
    """Wait for one exchange, its errors turned into ours."""
    try:
        async with asyncio.timeout(timeout_seconds):
            return await work
    except anthropic.APIError as error:
        raise translate(error, call) from error
    except anthropic.AnthropicError as error:  # what the client refuses itself, such as counting on Bedrock
        raise TransportError(f"the client raised {type(error).__name__}") from error
    except asyncio.CancelledError as error:
        if is_cancelled():
            raise
        raise TransportError(f"the client raised {type(error).__name__}") from error
    except TimeoutError:
        raise CallTimeoutError(f"no answer within {timeout_seconds:g} s") from None
    except (ValueError, RecursionError):  # the latter of lists in lists in lists
        raise UnreachableError("an answer that is not the API's: its body is not JSON") from None
