"""The cheapest call that proves a credential: a count of tokens, or a request that is refused for its body alone."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import anthropic

from prompt_cache_warmer.adapters.anthropic_errors import AWS_TYPE_HEADER, said_by, translate
from prompt_cache_warmer.adapters.anthropic_exchange import (
    WORKSPACE_HEADER,
    invoke_model_version,
    region_asked,
)
from prompt_cache_warmer.adapters.warm_mark import warming
from prompt_cache_warmer.errors import CallTimeoutError, RejectedError
from prompt_cache_warmer.rules.request import Form, WarmCall

if TYPE_CHECKING:
    from prompt_cache_warmer.adapters.credential_clients import CredentialClients

_COUNTED = "a count of one word's tokens, which is free"
_REFUSED = "a request without a message, refused for that alone, which is free"
_VALIDATION = "ValidationException"  # what Bedrock calls a body it does not take, once it has accepted who sends it
# A refusal for want of a message begins with that field, in the API's words and in Bedrock's alike. Another one,
# such as of the model's id, would meet every warm call too.
_NO_MESSAGE = re.compile(r"(?:The model returned the following errors:|Malformed input request:)?\W*messages\b")
_WORD = "Hello"


@dataclass(frozen=True, slots=True)
class Proven:
    """What a credential's call proved.

    Attributes:
        words: the call and what it costs, as a noun.
        workspace_id: the workspace it resolved to, None where the API does not say.
        region: the AWS region that was asked, None where it was not Bedrock.
    """

    words: str
    workspace_id: str | None = None
    region: str | None = None


async def prove(clients: CredentialClients, name: str, model: str, *, timeout_seconds: float) -> Proven:
    """Prove one credential, with the key as it is stored now.

    Args:
        clients: the clients of a deployment's credentials.
        name: the credential.
        model: the model to ask with.
        timeout_seconds: how long it may take.

    Raises:
        WarmCallError: the branch that says what is wrong.
        SecretUnreadableError: when there are no credentials at all.
    """
    call = WarmCall(model, name, {"model": model}, (), Form.ASKED, "a check", "5m")
    try:
        async with asyncio.timeout(timeout_seconds):
            client = await clients.get(name)
            with warming():
                if isinstance(client, anthropic.AsyncAnthropicBedrock):
                    return await _refused(client, model)
                return await _counted(client, model)
    except anthropic.AnthropicError as error:
        raise translate(error, call) from None
    except TimeoutError:
        raise CallTimeoutError(f"no answer within {timeout_seconds:g} s") from None


async def _counted(client: anthropic.AsyncAnthropic | anthropic.AsyncAnthropicBedrockMantle, model: str) -> Proven:
    raw = await client.messages.with_raw_response.count_tokens(
        model=model, messages=[{"role": "user", "content": _WORD}]
    )
    response = raw.http_response
    return Proven(_COUNTED, response.headers.get(WORKSPACE_HEADER), region_asked(response))


async def _refused(client: anthropic.AsyncAnthropicBedrock, model: str) -> Proven:
    """Send a request without a message: nothing is generated, whatever becomes of it."""
    try:
        await client.messages.create(
            model=model, max_tokens=1, messages=[], extra_body=invoke_model_version(client, model)
        )
    except anthropic.BadRequestError as error:
        is_validation = error.response.headers.get(AWS_TYPE_HEADER, "").partition(":")[0] == _VALIDATION
        if not is_validation or not _NO_MESSAGE.match(said_by(error)):
            raise
        return Proven(_REFUSED, region=region_asked(error.response))
    raise RejectedError("an answer to a request without a message: that is no Amazon Bedrock")
