"""Warm calls over the official SDK: one request per call, no retry of its own, typed errors.

Everything but the four arguments the SDK insists on travels in ``extra_body``: pasted bodies have
fields outside the SDK's signature, and the SDK serialises both the same way, so tools, system and
messages are the bytes the application's own SDK sends.
"""

from __future__ import annotations

import asyncio
import json
import logging
from typing import TYPE_CHECKING, Any, Self, TypeVar

import anthropic

from prompt_cache_warmer.adapters.anthropic_errors import translate
from prompt_cache_warmer.errors import CallTimeoutError, CredentialError, UnreachableError
from prompt_cache_warmer.ports import Answer
from prompt_cache_warmer.rules.request import Form
from prompt_cache_warmer.values.problems import nearest, shown
from prompt_cache_warmer.values.usage import Usage

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from prompt_cache_warmer.adapters.api_keys import ApiKeys
    from prompt_cache_warmer.rules.request import WarmCall

A = TypeVar("A")

DEFAULT_BASE_URL = "https://api.anthropic.com"
BETA_HEADER = "anthropic-beta"
WORKSPACE_HEADER = "anthropic-workspace-id"
REQUEST_ID_HEADER = "request-id"

# What the counting endpoint takes of a body; anything else would be refused.
_COUNTED_FIELDS = frozenset(
    {
        *("system", "tools", "tool_choice", "thinking", "output_config", "output_format", "cache_control", "speed"),
        *("context_management", "mcp_servers", "user_profile_id"),
    }
)
_ARGUMENTS = frozenset({"model", "messages", "max_tokens", "stream"})
# At their debug level these write whole requests, prompts and keys included, so no setting may open them.
_TALKATIVE_LOGGERS = ("anthropic", "httpx2", "httpcore2", "botocore", "boto3", "urllib3")


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
        for name in _TALKATIVE_LOGGERS:
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
        return await self._within(timeout_seconds, call, _exchange)

    async def count_tokens(self, call: WarmCall, *, timeout_seconds: float) -> int:
        """Ask for the API's own estimate of a call's input tokens; counting is free.

        Raises:
            WarmCallError: when it cannot be had.
            SecretUnreadableError: when there are no credentials at all.
        """
        return await self._within(timeout_seconds, call, _count)

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


async def _exchange(client: anthropic.AsyncAnthropic, call: WarmCall, timeout_seconds: float) -> Answer:
    arguments: dict[str, Any] = {
        "model": call.body["model"],
        "messages": call.body["messages"],
        "max_tokens": call.body["max_tokens"],
        "extra_body": {field: value for field, value in call.body.items() if field not in _ARGUMENTS},
        "extra_headers": _headers(call),
        "timeout": timeout_seconds,
    }
    if call.form is Form.STREAMED:
        return await _first_event(client, call, arguments)
    raw = await client.messages.with_raw_response.create(**arguments)
    return _answer(json.loads(raw.http_response.content), raw.headers, call)


async def _count(client: anthropic.AsyncAnthropic, call: WarmCall, timeout_seconds: float) -> int:
    counted = await client.messages.count_tokens(
        model=call.body["model"],
        messages=call.body["messages"],
        extra_body={field: value for field, value in call.body.items() if field in _COUNTED_FIELDS},
        extra_headers=_headers(call),
        timeout=timeout_seconds,
    )
    tokens: object = counted.input_tokens  # the SDK does not check what it was answered
    if not isinstance(tokens, int) or isinstance(tokens, bool) or tokens < 0:
        raise UnreachableError("an answer without a token count")
    return tokens


def _headers(call: WarmCall) -> dict[str, str]:
    return {BETA_HEADER: ",".join(call.betas)} if call.betas else {}


async def _first_event(client: anthropic.AsyncAnthropic, call: WarmCall, arguments: dict[str, Any]) -> Answer:
    """Open a stream, take ``usage`` from its first event and close it."""
    async with await client.messages.create(**arguments, stream=True) as stream:
        async for event in stream:
            if event.type == "message_start":
                return _answer(event.to_dict(mode="json").get("message"), stream.response.headers, call)
    raise UnreachableError("the stream ended before message_start")


def _answer(message: object, headers: Mapping[str, str], call: WarmCall) -> Answer:
    usage = message.get("usage") if isinstance(message, dict) else None
    if not isinstance(message, dict) or not isinstance(usage, dict):
        raise UnreachableError("an answer without usage, so nothing is proved")
    try:
        counted = Usage.from_api(usage, unsplit_ttl=call.requested_ttl)
    except ValueError as error:
        raise UnreachableError(f"an answer whose usage cannot be read: {error}") from None
    return Answer(
        usage=counted,
        message_id=message.get("id"),
        request_id=headers.get(REQUEST_ID_HEADER),
        workspace_id=headers.get(WORKSPACE_HEADER),
    )
