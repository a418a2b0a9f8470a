"""Warm calls over a transport of the application's own: any callable that takes a request and returns a message.

The request is what ``client.messages.create(**request)`` takes: the Messages API's JSON body as a dictionary,
and where the target has betas, ``extra_headers``. The answer may be a dictionary or an object with the same
names. An answer without ``usage`` is accepted, and proves nothing.
"""

from __future__ import annotations

import asyncio
import copy
import inspect
import json
import sys
from typing import TYPE_CHECKING, Any

from prompt_cache_warmer.adapters.own_thread import in_own_thread, is_cancelled
from prompt_cache_warmer.errors import (
    ArgumentTypeError,
    CallTimeoutError,
    TransportError,
    UnreachableError,
    WarmCallError,
)
from prompt_cache_warmer.ports import Answer
from prompt_cache_warmer.rules.budget import ADDED_TOKENS
from prompt_cache_warmer.values.body import BETA_HEADER
from prompt_cache_warmer.values.usage_shapes import member, usage_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from prompt_cache_warmer.rules.request import WarmCall


class TransportMessages:
    """A ``MessagesApi`` over a callable.

    Args:
        transport: takes a request and returns a message, or something that can be awaited for one.
        is_async: whether it is called in the event loop; else it has a thread of its own.
    """

    def __init__(self, transport: Callable[[dict[str, Any]], object], *, is_async: bool) -> None:
        self._transport = transport
        self._is_async = is_async

    async def send(self, call: WarmCall, *, timeout_seconds: float) -> Answer:
        """Send a warm call once.

        Raises:
            WarmCallError: the branch that says what to do; what the transport raised is its cause.
        """
        request = _request(call)
        try:
            async with asyncio.timeout(timeout_seconds) as timeout:
                message = await (self._awaited(request) if self._is_async else self._blocking(request))
        except TimeoutError as error:
            if not timeout.expired():  # the transport's own
                raise _failed(error, call) from error
            raise CallTimeoutError(f"no answer within {timeout_seconds:g} s") from None
        except WarmCallError:
            raise
        except Exception as error:  # whatever a transport raises is its own and goes to whoever brought it
            raise _failed(error, call) from error
        except asyncio.CancelledError as error:
            if is_cancelled():
                raise
            raise _failed(error, call) from error
        except (KeyboardInterrupt, SystemExit, GeneratorExit):  # orders to the whole process
            raise
        except BaseException as error:  # such as the timeouts of some libraries
            raise _failed(error, call) from error
        return _answer(message, call)

    async def count_tokens(self, call: WarmCall, *, timeout_seconds: float) -> int:  # noqa: ARG002 - asks nobody
        """Bound a call's input tokens by its bytes, because a transport answers messages only."""
        return len(json.dumps(call.body, ensure_ascii=False).encode()) + ADDED_TOKENS

    async def _awaited(self, request: dict[str, Any]) -> object:
        answer = self._transport(request)
        if not inspect.isawaitable(answer):
            raise ArgumentTypeError("client", "the transport is not asynchronous; use CacheWarmer for it")
        return await answer

    async def _blocking(self, request: dict[str, Any]) -> object:
        answer = await in_own_thread(lambda: self._transport(request))
        if inspect.isawaitable(answer):
            if inspect.iscoroutine(answer):
                answer.close()
            raise ArgumentTypeError("client", "the transport is asynchronous; use AsyncCacheWarmer for it")
        return answer


def taking_request(transport: Callable[..., object]) -> Callable[[dict[str, Any]], object]:
    """Return a callable that takes the request as one dictionary; one that takes keywords only gets it as those."""
    try:
        inspect.signature(transport).bind({})
    except TypeError:  # such as a client's own messages.create
        return lambda request: transport(**request)
    except ValueError:  # it does not say what it takes
        return transport
    return transport


def _request(call: WarmCall) -> dict[str, Any]:
    body = copy.deepcopy(call.body)  # gateways edit what they are given, and the target's own must stay as it is
    return {**body, **({"extra_headers": {BETA_HEADER: ",".join(call.betas)}} if call.betas else {})}


def _failed(error: BaseException, call: WarmCall) -> WarmCallError:
    """Turn what a transport raised into ours: the SDK's errors as the SDK's, every other as the transport's."""
    anthropic = sys.modules.get("anthropic")  # whoever raises its errors has loaded it
    if anthropic is not None and isinstance(error, anthropic.APIError):
        from prompt_cache_warmer.adapters.anthropic_errors import translate  # noqa: PLC0415 - see above

        return translate(error, call)
    return TransportError(f"the transport raised {type(error).__name__}")


def _answer(message: object, call: WarmCall) -> Answer:
    if member(message, "type") == "error":
        raise TransportError("the transport answered with an error of the API's instead of raising it")
    try:
        usage = usage_of(message, provider="anthropic", unsplit_ttl=call.requested_ttl)
    except ValueError as error:
        raise UnreachableError(f"an answer whose usage cannot be read: {error}") from None
    message_id, request_id = member(message, "id"), member(message, "_request_id")
    return Answer(
        usage,
        message_id=message_id if isinstance(message_id, str) else None,
        request_id=request_id if isinstance(request_id, str) else None,
        raw=message,
    )
