"""Warmers over every client class of the SDK, over real HTTP: what is sent, what is proved, what is raised."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import anthropic
import pytest

from infra.local.messages_api.faults import Fault
from prompt_cache_warmer import AsyncCacheWarmer, CacheWarmer, Verdict
from prompt_cache_warmer.errors import CallTimeoutError, TransportError
from prompt_cache_warmer.library.warming.mode import BY_HAND, Mode
from tests.fakes import MODEL, FakeClock
from tests.library import LONG_SYSTEM_PROMPT, PING, TOOL_SCHEMAS
from tests.library_http import async_client, client
from tests.provider_clients import ASYNC_CLIENTS, SYNC_CLIENTS

if TYPE_CHECKING:
    from collections.abc import Callable

    from infra.local.messages_api import LocalMessagesApi

THINKING = {
    "thinking": {"type": "enabled", "budget_tokens": 2048},
    "system": [{"type": "text", "text": LONG_SYSTEM_PROMPT, "cache_control": {"type": "ephemeral"}}],
}


def named(clients: list[tuple[str, Callable[[str], Any]]]) -> list[Any]:
    """Return a list of clients as pytest's parameters."""
    return [pytest.param(make, id=name) for name, make in clients]


@pytest.mark.parametrize("make", named(SYNC_CLIENTS))
def test_any_synchronous_client_warms_and_proves_it(api: LocalMessagesApi, make: Callable[[str], Any]) -> None:
    """Written, then read by the verifying call; the SDK's own messages come back.

    prompt-cache-warmer: "own client or a callable transport"
    """
    with make(api.base_url) as own:
        warmer = CacheWarmer(client=own, model=MODEL)
        warmer.add(system_prompt=LONG_SYSTEM_PROMPT, seed_messages=PING, tools=TOOL_SCHEMAS)
        api.clock.advance(1)
        result = warmer.warm()
        again = warmer.warm()
    assert (result.verdict, again.verdict) == (Verdict.WRITTEN, Verdict.REFRESHED)
    assert again.cache_read_tokens == result.cache_creation_tokens > 5_000
    (message,) = again.raw
    assert isinstance(message, anthropic.types.Message)
    assert message.usage.cache_read_input_tokens == again.cache_read_tokens


@pytest.mark.parametrize("make", named(ASYNC_CLIENTS))
async def test_any_asynchronous_client_warms_and_proves_it(api: LocalMessagesApi, make: Callable[[str], Any]) -> None:
    """The same with await."""
    async with make(api.base_url) as own:
        warmer = AsyncCacheWarmer(client=own, model=MODEL)
        warmer.add(system_prompt=LONG_SYSTEM_PROMPT)
        results = [await warmer.warm() for _ in range(2)]
    assert [result.verdict for result in results] == [Verdict.WRITTEN, Verdict.REFRESHED]
    assert all(isinstance(result.raw[0], anthropic.types.Message) for result in results)


@pytest.mark.parametrize("make", named(SYNC_CLIENTS))
def test_a_synchronous_client_in_an_asynchronous_warmer_is_an_error(make: Callable[[str], Any]) -> None:
    """Known before anything is called."""
    with pytest.raises(TypeError, match=r"client: .* is not asynchronous; use CacheWarmer for it"):
        AsyncCacheWarmer(client=make("http://127.0.0.1:1"), model=MODEL)


@pytest.mark.parametrize("make", named(ASYNC_CLIENTS))
async def test_an_asynchronous_client_in_a_synchronous_warmer_is_an_error(make: Callable[[str], Any]) -> None:
    """Known before anything is called."""
    async with make("http://127.0.0.1:1") as own:
        with pytest.raises(TypeError, match=r"client: .* is asynchronous; use AsyncCacheWarmer for it"):
            CacheWarmer(client=own, model=MODEL)


def test_what_zero_cannot_carry_is_a_stream_closed_after_its_first_event(api: LocalMessagesApi) -> None:
    """As the service sends it: the connection is closed before the answer is generated."""
    warmer = CacheWarmer(client=client(api.base_url), model=MODEL)
    warmer.add(request=THINKING)
    result = warmer.warm()
    assert result.verdict is Verdict.WRITTEN
    assert api.requests[0].body["stream"] is True
    assert result.results[0].notices[0].startswith("closed after message_start")
    (message,) = result.raw
    assert isinstance(message, anthropic.types.Message)


async def test_what_zero_cannot_carry_is_a_stream_asynchronously_too(api: LocalMessagesApi) -> None:
    """The same with await."""
    async with async_client(api.base_url) as own:
        warmer = AsyncCacheWarmer(client=own, model=MODEL)
        warmer.add(request=THINKING)
        assert (await warmer.warm()).verdict is Verdict.WRITTEN
    assert api.requests[0].body["stream"] is True


def test_the_clients_own_retries_are_not_used(api: LocalMessagesApi) -> None:
    """The engine retries an overload once by its own rules, however often the client would."""
    own = anthropic.Anthropic(api_key="sk-ant-local", base_url=api.base_url, max_retries=5)
    api.faults.add(Fault(kind="status", status=529, times=6))
    warmer = CacheWarmer(client=own, model=MODEL)
    warmer.add(system_prompt=LONG_SYSTEM_PROMPT)
    with pytest.raises(anthropic.APIStatusError) as raised:
        warmer.warm()
    assert raised.value.status_code == 529
    assert len(api.requests) == 2
    assert own.max_retries == 5


async def test_an_asynchronous_clients_own_retries_are_not_used_either(api: LocalMessagesApi) -> None:
    """The same with await."""
    async with anthropic.AsyncAnthropic(api_key="sk-ant-local", base_url=api.base_url, max_retries=5) as own:
        api.faults.add(Fault(kind="status", status=529, times=6))
        warmer = AsyncCacheWarmer(client=own, model=MODEL)
        warmer.add(system_prompt=LONG_SYSTEM_PROMPT)
        with pytest.raises(anthropic.APIStatusError):
            await warmer.warm()
    assert len(api.requests) == 2


def test_a_refused_key_is_the_sdks_own_error(api: LocalMessagesApi) -> None:
    """Whoever made the client catches what it raises."""
    api.faults.add(Fault(kind="status", status=401))
    warmer = CacheWarmer(client=client(api.base_url), model=MODEL)
    warmer.add(system_prompt=LONG_SYSTEM_PROMPT)
    with pytest.raises(anthropic.AuthenticationError):
        warmer.warm()
    assert warmer.warm().verdict is Verdict.WRITTEN


@pytest.mark.parametrize("kind", ["delay", "slow_body"])
def test_an_answer_that_takes_too_long_is_given_up(api: LocalMessagesApi, kind: Any) -> None:
    """Also one that trickles, which no time between two bytes would end."""
    api.faults.add(Fault(kind=kind, seconds=5))
    warmer = CacheWarmer(client=client(api.base_url), model=MODEL, request_timeout_seconds=0.3)
    warmer.add(system_prompt=LONG_SYSTEM_PROMPT)
    with pytest.raises((anthropic.APITimeoutError, CallTimeoutError)):
        warmer.warm()
    assert len(api.requests) <= 1  # one that was not answered at all may not be in the log yet


def test_asking_by_hand_tries_every_entry_of_a_credential_that_was_stopped(api: LocalMessagesApi) -> None:
    """Without waiting for what one of them shows, as a schedule would."""
    api.faults.add(Fault(kind="status", status=401))
    clock = FakeClock()
    warmer = CacheWarmer(client=client(api.base_url), models=[MODEL, "claude-haiku-4-5"], clock=clock)
    warmer.add(system_prompt=LONG_SYSTEM_PROMPT)
    warmer.run(BY_HAND)  # one is refused, the other is not called for it or was before it
    clock.seconds += 3_700  # the credential is on trial
    assert all(entry.is_called for entry in warmer.warm().results)


def test_a_refused_key_keeps_no_tick_back(api: LocalMessagesApi) -> None:
    """A refusal costs nothing; once the key is put right, also on the same client, the next tick finds it."""
    api.faults.add(Fault(kind="status", status=401))
    clock, own = FakeClock(), client(api.base_url)
    warmer = CacheWarmer(client=own, model=MODEL, clock=clock)
    warmer.add(system_prompt=LONG_SYSTEM_PROMPT)
    assert warmer.run(Mode(scheduled_at=clock.now(), interval_seconds=240)).verdict is Verdict.FAILED
    clock.seconds += 240
    own.api_key = "sk-ant-new"
    assert warmer.run(Mode(scheduled_at=clock.now(), interval_seconds=240)).verdict is Verdict.WRITTEN
    assert len(api.requests) == 2
    # the local API's workspaces go by the key: this one is the new key's
    other = CacheWarmer(client=client(api.base_url), model=MODEL)
    other.add(system_prompt=LONG_SYSTEM_PROMPT)
    assert other.warm().verdict is Verdict.WRITTEN


class OwnClient(anthropic.Anthropic):
    """A client with a constructor of its own, which cannot be copied."""

    def __init__(self, address: str) -> None:
        super().__init__(api_key="sk-ant-local", base_url=address, max_retries=0)


def test_a_client_that_cannot_be_copied_is_used_as_it_is(api: LocalMessagesApi) -> None:
    """Its own retries then come on top."""
    warmer = CacheWarmer(client=OwnClient(api.base_url), model=MODEL)
    warmer.add(system_prompt=LONG_SYSTEM_PROMPT)
    assert warmer.warm().verdict is Verdict.WRITTEN


async def test_a_cancellation_inside_an_asynchronous_client_is_a_failed_call(api: LocalMessagesApi) -> None:
    """A hook of the application's was cancelled, and not the warmer."""
    own = async_client(api.base_url)

    async def cancelled(*_: Any, **__: Any) -> Any:
        raise asyncio.CancelledError

    own.messages.with_raw_response.create = cancelled
    make: Any = type("Stuck", (anthropic.AsyncAnthropic,), {"with_options": lambda self, **_: self})
    stuck = make(api_key="sk-ant-local", base_url=api.base_url)
    stuck.messages.with_raw_response.create = cancelled
    warmer = AsyncCacheWarmer(client=stuck, model=MODEL)
    warmer.add(system_prompt=LONG_SYSTEM_PROMPT)
    with pytest.raises(TransportError, match="the client raised CancelledError"):
        await warmer.warm()
    await own.close()
    await stuck.close()


def test_a_client_wrapped_in_a_callable_keeps_its_errors(api: LocalMessagesApi) -> None:
    """An API that refuses max_tokens: 0 is asked for one token, whoever carries the request."""
    api.refuses_zero = True
    own = client(api.base_url)
    warmer = CacheWarmer(client=lambda request: own.messages.create(**request), model=MODEL)
    warmer.add(system_prompt=LONG_SYSTEM_PROMPT)
    assert warmer.warm().verdict is Verdict.WRITTEN
    assert [request.body["max_tokens"] for request in api.requests] == [0, 1]


def test_a_clients_own_method_is_a_transport(api: LocalMessagesApi) -> None:
    """It takes keywords only."""
    create: Any = client(api.base_url).messages.create
    warmer = CacheWarmer(client=create, model=MODEL)
    warmer.add(system_prompt=LONG_SYSTEM_PROMPT)
    assert warmer.warm().verdict is Verdict.WRITTEN


def test_an_answers_own_blocks_can_be_seed_messages(api: LocalMessagesApi) -> None:
    """They are the SDK's objects, and the request has what they were read from."""
    own = client(api.base_url)
    question: Any = {"role": "user", "content": "Which products are there?"}
    answer = own.messages.create(model=MODEL, max_tokens=16, messages=[question])
    warmer = CacheWarmer(client=own, model=MODEL)
    turn = {"role": "assistant", "content": answer.content}
    warmer.add(system_prompt=LONG_SYSTEM_PROMPT, seed_messages=[question, turn])
    assert warmer.warm().verdict is Verdict.WRITTEN
    assert api.requests[-1].body["messages"][1]["content"] == [block.to_dict() for block in answer.content]


@pytest.mark.parametrize("make", named(SYNC_CLIENTS))
def test_a_cap_holds_for_any_client_whether_it_can_count_or_not(
    api: LocalMessagesApi, make: Callable[[str], Any]
) -> None:
    """Bedrock has no counting of tokens, so there the body's own size bounds the call."""
    with make(api.base_url) as own:
        warmer = CacheWarmer(client=own, model=MODEL, max_usd_per_day="0.50")
        warmer.add(system_prompt=LONG_SYSTEM_PROMPT)
        assert warmer.warm().verdict is Verdict.WRITTEN


async def test_a_cap_holds_for_an_asynchronous_client_that_cannot_count(api: LocalMessagesApi) -> None:
    """The same with await."""
    make = dict(ASYNC_CLIENTS)["async-bedrock"]
    async with make(api.base_url) as own:
        warmer = AsyncCacheWarmer(client=own, model=MODEL, max_usd_per_day="0.50")
        warmer.add(system_prompt=LONG_SYSTEM_PROMPT)
        assert (await warmer.warm()).verdict is Verdict.WRITTEN
