"""What every Messages API port does: the fake of the unit tests and the real SDK over HTTP alike."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from prompt_cache_warmer.errors import CredentialError
from prompt_cache_warmer.rules.budget import COUNTED_TOKENS_MARGIN
from prompt_cache_warmer.rules.request import warm_call
from tests.fakes import MODEL, FakeMessages, document, target
from tests.message_adapters import ADAPTERS, opened

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from infra.local.messages_api import LocalMessagesApi
    from prompt_cache_warmer.ports import MessagesApi


@pytest.fixture(params=["fake", *ADAPTERS])
async def messages(request: pytest.FixtureRequest, api: LocalMessagesApi) -> AsyncIterator[MessagesApi]:
    """Return the port under test."""
    if request.param == "fake":
        yield FakeMessages()
    else:
        async with opened(request.param, api.base_url) as real:
            yield real


async def test_the_first_call_writes_and_the_second_reads_what_it_wrote(messages: MessagesApi) -> None:
    """The usage of the second call reads exactly what the first one's wrote."""
    call = warm_call(target(), MODEL)
    first = await messages.send(call, timeout_seconds=10)
    second = await messages.send(call, timeout_seconds=10)
    assert (first.usage.read_tokens, second.usage.written_tokens) == (0, 0)
    assert first.usage.write_5m_tokens == second.usage.read_tokens > 0
    assert first.usage.uncached_tokens > 0


async def test_an_answer_has_the_apis_ids(messages: MessagesApi) -> None:
    """Message, request and workspace are named, for the log and the report."""
    answer = await messages.send(warm_call(target(), MODEL), timeout_seconds=10)
    assert answer.message_id
    assert answer.request_id
    assert answer.workspace_id


async def test_max_tokens_0_generates_nothing(messages: MessagesApi) -> None:
    """The cheapest form bills no output."""
    assert (await messages.send(warm_call(target(), MODEL), timeout_seconds=10)).usage.output_tokens == 0


async def test_the_streamed_form_proves_its_usage_too(messages: MessagesApi) -> None:
    """What 0 cannot carry still says what it wrote."""
    request = {**document()["request"], "thinking": {"type": "enabled", "budget_tokens": 1024}}
    call = warm_call(target(request=request), "claude-haiku-4-5")
    assert (await messages.send(call, timeout_seconds=10)).usage.write_5m_tokens > 0


async def test_counting_bounds_what_the_call_then_has(messages: MessagesApi) -> None:
    """The API's own count, raised by its margin, is at least what usage then shows; counting writes nothing."""
    call = warm_call(target(), MODEL)
    counted = await messages.count_tokens(call, timeout_seconds=10)
    usage = (await messages.send(call, timeout_seconds=10)).usage
    assert usage.read_tokens == 0
    assert usage.input_tokens <= counted * COUNTED_TOKENS_MARGIN <= 2 * usage.input_tokens


@pytest.mark.parametrize("messages", ["fake", "service"], indirect=True)  # a client is its own credential
async def test_a_credential_nobody_has_cannot_count(messages: MessagesApi) -> None:
    """It says so as a call would."""
    with pytest.raises(CredentialError, match="there is no credential 'second'"):
        await messages.count_tokens(warm_call(target(credential="second"), MODEL), timeout_seconds=10)


@pytest.mark.parametrize("messages", ["fake", "service"], indirect=True)
async def test_a_credential_nobody_has_is_a_credential_error(messages: MessagesApi) -> None:
    """It is the target's or the secret's mistake and says so without any call."""
    with pytest.raises(CredentialError, match="there is no credential 'second'"):
        await messages.send(warm_call(target(credential="second"), MODEL), timeout_seconds=10)
