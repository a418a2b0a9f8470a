"""The observer on every client of the SDK, whole and streamed: usage, target and, for Bedrock, the region."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from prompt_cache_warmer import CacheObserver
from prompt_cache_warmer.values.observation import Sight
from tests.fakes import MODEL, document
from tests.observer_cases import REQUEST
from tests.provider_clients import ASYNC_CLIENTS, REGION, SYNC_CLIENTS

if TYPE_CHECKING:
    from infra.local.messages_api import LocalMessagesApi

BEDROCK = {"bedrock", "async-bedrock", "mantle", "async-mantle"}
BETA = {"anthropic-beta": "context-1m"}


@pytest.mark.parametrize("name", [name for name, _ in SYNC_CLIENTS])
def test_a_synchronous_client(api: LocalMessagesApi, name: str) -> None:
    """A write, then reads in every form."""
    told: list[Any] = []
    observer = CacheObserver(targets=document(), on_request=told.append)
    with dict(SYNC_CLIENTS)[name](api.base_url) as plain:
        asked = plain.with_options(middleware=[observer])
        message = asked.messages.create(**REQUEST)
        events = [event.type for event in asked.messages.create(**REQUEST, stream=True)]
        with asked.messages.stream(**REQUEST) as stream:
            assert stream.get_final_message().content[0].text == message.content[0].text
        assert (events[0], events[-1]) == ("message_start", "message_stop")
    check(api, told, name)
    assert dict(observer.counts.failures) == {}


@pytest.mark.parametrize("name", [name for name, _ in ASYNC_CLIENTS])
async def test_an_asynchronous_client(api: LocalMessagesApi, name: str) -> None:
    """The same, awaited."""
    told: list[Any] = []
    observer = CacheObserver(targets=document(), on_request=told.append)
    async with dict(ASYNC_CLIENTS)[name](api.base_url) as plain:
        asked = plain.with_options(middleware=[observer])
        message = await asked.messages.create(**REQUEST)
        events = [event.type async for event in await asked.messages.create(**REQUEST, stream=True)]
        async with asked.messages.stream(**REQUEST) as stream:
            assert (await stream.get_final_message()).content[0].text == message.content[0].text
        assert (events[0], events[-1]) == ("message_start", "message_stop")
    check(api, told, name)
    assert dict(observer.counts.failures) == {}


def check(api: LocalMessagesApi, told: list[Any], name: str) -> None:
    """Check that three requests were told of as the emulator noted them."""
    ledger = [request.usage.as_json() for request in api.requests if request.usage is not None]
    assert [each.sight for each in told] == [Sight.COLD_START, Sight.HIT, Sight.HIT]
    assert {each.target for each in told} == {"support"}
    assert {each.model for each in told} == {MODEL}
    assert {each.region for each in told} == ({REGION} if name in BEDROCK else {None})
    assert [each.is_streamed for each in told] == [False, True, True]
    assert [each.first_token_ms is not None for each in told] == [False, True, True]
    for each, usage in zip(told, ledger, strict=True):
        assert each.usage.read_tokens == usage["cache_read_input_tokens"]
        assert each.usage.written_tokens == usage["cache_creation_input_tokens"]
        assert each.usage.output_tokens == usage["output_tokens"]


@pytest.mark.parametrize("name", ["anthropic", "bedrock", "mantle", "vertex"])
def test_betas_of_a_header_are_seen_wherever_the_client_puts_them(api: LocalMessagesApi, name: str) -> None:
    """Bedrock's and Vertex's take them in the body."""
    told: list[Any] = []
    observer = CacheObserver(targets=document(betas=["context-1m"]), target="support", on_request=told.append)
    with dict(SYNC_CLIENTS)[name](api.base_url) as plain:
        asked = plain.with_options(middleware=[observer])
        asked.messages.create(**REQUEST, extra_headers=BETA)
        asked.beta.messages.create(**REQUEST, betas=["context-1m"])
        asked.messages.create(**REQUEST)
    assert [each.drifted for each in told] == [(), (), ("settings",)]
