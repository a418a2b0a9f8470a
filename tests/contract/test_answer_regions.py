"""Which region answered a warm call over Bedrock: every client, with and without a stream; nobody else says one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anthropic
import httpx2
import pytest

from prompt_cache_warmer.adapters.client_messages import AsyncClientMessages, ClientMessages
from prompt_cache_warmer.rules.request import WarmCall, warm_call
from tests.fakes import MODEL, target
from tests.message_adapters import ADAPTERS, opened
from tests.provider_clients import ASYNC_CLIENTS, REGION, SYNC_CLIENTS

if TYPE_CHECKING:
    from collections.abc import Callable

    from infra.local.messages_api import LocalMessagesApi
    from prompt_cache_warmer.ports import Answer

BEDROCK = {"bedrock", "async-bedrock", "mantle", "async-mantle"}
TIMEOUT_SECONDS = 10.0
STREAMED: dict[str, Any] = {"thinking": {"type": "enabled", "budget_tokens": 1024}}


def call(**request: Any) -> WarmCall:
    """Return a warm call."""
    found = target()
    marked = {"system": found.body["system"], **request}
    return warm_call(target(request=marked), MODEL)


async def answered(name: str, own: Any, **request: Any) -> Answer:
    """Send a warm call over a client of the SDK."""
    messages = AsyncClientMessages(own) if name.startswith("async") else ClientMessages(own)
    return await messages.send(call(**request), timeout_seconds=TIMEOUT_SECONDS)


@pytest.mark.parametrize("request_", [{}, STREAMED], ids=["whole", "streamed"])
@pytest.mark.parametrize("name", [name for name, _ in SYNC_CLIENTS + ASYNC_CLIENTS])
async def test_bedrock_says_which_region_answered(api: LocalMessagesApi, name: str, request_: dict[str, Any]) -> None:
    """The one its signature is bound to; every other provider has none."""
    makers: dict[str, Callable[[str], Any]] = dict(SYNC_CLIENTS + ASYNC_CLIENTS)
    own = makers[name](api.base_url)
    found = await answered(name, own, **request_)
    assert found.region == (REGION if name in BEDROCK else None)
    assert found.usage.written_tokens > 0
    assert "local-secret" not in repr(found)
    assert "LOCALKEYID" not in repr(found)
    closed = own.close()
    if closed is not None:
        await closed


@pytest.mark.parametrize("name", ADAPTERS)
async def test_the_claude_api_has_no_region(api: LocalMessagesApi, name: str) -> None:
    """Its caches are the workspaces'."""
    async with opened(name, api.base_url) as messages:
        found = await messages.send(call(), timeout_seconds=TIMEOUT_SECONDS)
    assert (found.region, found.workspace_id is not None) == (None, True)


async def test_an_answer_nobody_sent_for_has_no_region(api: LocalMessagesApi) -> None:
    """A middleware of the client's own may put another response in the place of the API's."""
    message = {"id": "m", "usage": {"input_tokens": 1, "cache_creation_input_tokens": 9, "output_tokens": 0}}

    def answer(request: Any, call_next: Any) -> Any:
        answered = call_next(request)
        answered.http_response = httpx2.Response(200, json={"type": "message", **message})
        return answered

    with anthropic.Anthropic(api_key="k", base_url=api.base_url, middleware=[answer], max_retries=0) as own:
        found = await ClientMessages(own).send(call(), timeout_seconds=TIMEOUT_SECONDS)
    assert (found.region, found.usage.written_tokens) == (None, 9)
