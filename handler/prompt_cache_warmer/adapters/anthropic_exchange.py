"""One exchange over the official SDK: what a warm call's arguments are, and what its answer proves.

Everything but the four arguments the SDK insists on travels in ``extra_body``: pasted bodies have
fields outside the SDK's signature, and the SDK serialises both the same way, so tools, system and
messages are the bytes the application's own SDK sends.
"""

from __future__ import annotations

import json
import re
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeAlias

import anthropic

from prompt_cache_warmer.adapters.warm_mark import warming
from prompt_cache_warmer.errors import UnreachableError
from prompt_cache_warmer.ports import Answer
from prompt_cache_warmer.rules.request import Form
from prompt_cache_warmer.values.body import BETA_HEADER
from prompt_cache_warmer.values.divergence import read_divergence
from prompt_cache_warmer.values.model_ids import version_of
from prompt_cache_warmer.values.rate_limits import RateLimits
from prompt_cache_warmer.values.regions import region_of
from prompt_cache_warmer.values.usage import Usage

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx2

    from prompt_cache_warmer.rules.request import WarmCall

WORKSPACE_HEADER = "anthropic-workspace-id"
REQUEST_ID_HEADER = "request-id"
AWS_REQUEST_ID_HEADER = "x-amzn-requestid"  # Amazon Bedrock's
AUTHORIZATION_HEADER = "authorization"

# What the counting endpoint takes of a body; anything else would be refused.
_COUNTED_FIELDS = frozenset(
    {
        *("system", "tools", "tool_choice", "thinking", "output_config", "output_format", "cache_control", "speed"),
        *("context_management", "mcp_servers", "user_profile_id"),
    }
)
_ARGUMENTS = frozenset({"model", "messages", "max_tokens", "stream"})
# What InvokeModel takes for models before Claude 4.7, and in general; the SDK's own version is for later ones only.
# Source: Anthropic's page "Claude on Amazon Bedrock (Opus 4.6 and earlier)" and AWS's "Inference using Anthropic
# Messages API", November 2026.
_VERSION_FIELD = "anthropic_version"
_INVOKE_MODEL_VERSION = "bedrock-2023-05-31"
_FIRST_OF_SDK_VERSION = (4, 7)
_IDENTIFIER = re.compile(r"[A-Za-z0-9_.:-]{1,200}")
_HTTP_LIBRARIES = frozenset({"httpx", "httpx2"})  # by name, because which one is the SDK's matter
_NO_START = "the stream ended before message_start"

AsyncClient: TypeAlias = (
    anthropic.AsyncAnthropic | anthropic.AsyncAnthropicBedrock | anthropic.AsyncAnthropicBedrockMantle
)
"""An asynchronous client of the SDK, of any provider; the Claude Platform on AWS has a class of the first."""


async def exchange(
    client: AsyncClient, call: WarmCall, timeout_seconds: float, *, keeps_message: bool = False
) -> Answer:
    """Send a warm call over an asynchronous client, as often as the client itself retries.

    Args:
        client: the client.
        call: the warm call.
        timeout_seconds: how long it may take.
        keeps_message: whether the answer carries the SDK's own message, for a caller who wants to look at it.

    Raises:
        anthropic.APIError: as the SDK raises it.
        UnreachableError: when the answer proves nothing.
        ValueError: when the answer is not JSON.
    """
    arguments = _arguments(client, call, timeout_seconds)
    with warming():
        if call.form is not Form.STREAMED:
            raw = await client.messages.with_raw_response.create(**arguments)
            answer = _answer(json.loads(raw.http_response.content), raw.http_response, call)
            return replace(answer, raw=await raw.parse()) if keeps_message else answer
        async with await client.messages.create(**arguments, stream=True) as stream:
            with _reading():
                async for event in stream:
                    if event.type == "message_start":
                        return _started(event, stream.response, call)
    raise UnreachableError(_NO_START)


def exchange_sync(client: anthropic.Anthropic, call: WarmCall, timeout_seconds: float) -> Answer:
    """Send a warm call over a synchronous client; the twin of ``exchange`` that keeps the message.

    Raises:
        anthropic.APIError: as the SDK raises it.
        UnreachableError: when the answer proves nothing.
        ValueError: when the answer is not JSON.
    """
    arguments = _arguments(client, call, timeout_seconds)
    with warming():
        if call.form is not Form.STREAMED:
            raw = client.messages.with_raw_response.create(**arguments)
            return replace(_answer(json.loads(raw.http_response.content), raw.http_response, call), raw=raw.parse())
        with client.messages.create(**arguments, stream=True) as stream, _reading():
            for event in stream:
                if event.type == "message_start":
                    return _started(event, stream.response, call)
    raise UnreachableError(_NO_START)


async def count(client: AsyncClient, call: WarmCall, timeout_seconds: float) -> int:
    """Ask over an asynchronous client for the API's own estimate of a call's input tokens.

    Raises:
        anthropic.APIError: as the SDK raises it.
        UnreachableError: when the answer is no count.
    """
    counted = await client.messages.count_tokens(**_counting(call, timeout_seconds))
    return _counted(counted)


def count_sync(client: anthropic.Anthropic, call: WarmCall, timeout_seconds: float) -> int:
    """Ask over a synchronous client; the twin of ``count``.

    Raises:
        anthropic.APIError: as the SDK raises it.
        UnreachableError: when the answer is no count.
    """
    return _counted(client.messages.count_tokens(**_counting(call, timeout_seconds)))


@contextmanager
def _reading() -> Iterator[None]:
    """Turn what the SDK's HTTP library raises while a stream is read into ours: the SDK does so only when sending."""
    try:
        yield
    except Exception as error:
        if type(error).__module__.partition(".")[0] not in _HTTP_LIBRARIES:
            raise
        raise UnreachableError(f"no usable answer: {type(error).__name__}") from None


def _answer(message: object, response: httpx2.Response, call: WarmCall) -> Answer:
    """Read what a message proves."""
    if not isinstance(message, dict) or not isinstance(message.get("usage"), dict):
        raise UnreachableError("an answer without usage, so nothing is proved")
    if message["usage"].get("input_tokens") is None:  # every call has input: counted as none, it would seem free
        raise UnreachableError("an answer whose usage names no input_tokens, so nothing is proved")
    try:
        counted = Usage.from_api(message["usage"], unsplit_ttl=call.requested_ttl)
    except ValueError as error:
        raise UnreachableError(f"an answer whose usage cannot be read: {error}") from None
    divergence, missed_tokens = read_divergence(message.get("diagnostics"))
    return Answer(
        usage=counted,
        message_id=_identifier(message.get("id")),
        request_id=response.headers.get(REQUEST_ID_HEADER) or response.headers.get(AWS_REQUEST_ID_HEADER),
        workspace_id=response.headers.get(WORKSPACE_HEADER),
        region=region_asked(response),
        divergence=divergence,
        missed_tokens=missed_tokens,
        rate_limits=RateLimits.from_headers(response.headers),
    )


def _identifier(value: object) -> str | None:
    """Read an id; what is none is not kept, because it is remembered and reported as it came."""
    return value if isinstance(value, str) and _IDENTIFIER.fullmatch(value) else None


def region_asked(response: httpx2.Response) -> str | None:
    """Read which region of Bedrock a request was signed for; the signature itself is not kept."""
    try:
        request = response.request
    except RuntimeError:  # a middleware of the client's own answered, and nothing was sent
        return None
    return region_of(request.url.host, request.headers.get(AUTHORIZATION_HEADER))


def _started(event: anthropic.types.RawMessageStartEvent, response: httpx2.Response, call: WarmCall) -> Answer:
    return replace(_answer(event.to_dict(mode="json").get("message"), response, call), raw=event.message)


def _arguments(client: AsyncClient | anthropic.Anthropic, call: WarmCall, timeout_seconds: float) -> dict[str, Any]:
    return {
        "model": call.body["model"],
        "messages": call.body["messages"],
        "max_tokens": call.body["max_tokens"],
        "extra_body": {
            **invoke_model_version(client, call.model),
            **{field: value for field, value in call.body.items() if field not in _ARGUMENTS},
        },
        "extra_headers": _headers(call),
        "timeout": timeout_seconds,
    }


def _counting(call: WarmCall, timeout_seconds: float) -> dict[str, Any]:
    return {
        "model": call.body["model"],
        "messages": call.body["messages"],
        "extra_body": {field: value for field, value in call.body.items() if field in _COUNTED_FIELDS},
        "extra_headers": _headers(call),
        "timeout": timeout_seconds,
    }


def _counted(answer: object) -> int:
    """Read a count: the SDK does not check what it was answered, and hands on a list or a text as it came."""
    tokens = getattr(answer, "input_tokens", None)
    if not isinstance(tokens, int) or isinstance(tokens, bool) or tokens < 0:
        raise UnreachableError("an answer without a token count")
    return tokens


def _headers(call: WarmCall) -> dict[str, str]:
    return {BETA_HEADER: ",".join(call.betas)} if call.betas else {}


def invoke_model_version(client: object, model: str) -> dict[str, str]:
    """Name the version that InvokeModel takes for a model, where the SDK would name one that it refuses."""
    if not isinstance(client, anthropic.AnthropicBedrock | anthropic.AsyncAnthropicBedrock):
        return {}
    version = version_of(model)  # None for an ARN that does not say what stands behind it
    is_late = version is not None and version >= _FIRST_OF_SDK_VERSION
    return {} if is_late else {_VERSION_FIELD: _INVOKE_MODEL_VERSION}
