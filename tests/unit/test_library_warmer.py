"""Warmers over a transport: what is called, what is told, what is refused."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from datetime import timedelta
from decimal import Decimal, Inexact, localcontext
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, NoReturn

import pytest

from prompt_cache_warmer import (
    AsyncCacheWarmer,
    CacheWarmer,
    ModelPrices,
    OverBudgetError,
    Verdict,
)
from prompt_cache_warmer.adapters.held_targets import HeldTargets
from prompt_cache_warmer.adapters.transport_messages import taking_request
from prompt_cache_warmer.errors import (
    CacheWarmerError,
    CallTimeoutError,
    StateUnavailableError,
    TargetUnavailableError,
    TransportError,
    UnreachableError,
)
from prompt_cache_warmer.library.warming.mode import Mode
from prompt_cache_warmer.ports import ClaimRequest
from prompt_cache_warmer.rules.request import Form, asking_for, warm_call
from prompt_cache_warmer.values.caps import NO_CAPS
from prompt_cache_warmer.values.money import NOTHING
from prompt_cache_warmer.values.state import EntryKey
from tests.fakes import EPOCH, MODEL, document, target
from tests.library import (
    CACHED_TOKENS,
    LONG_SYSTEM_PROMPT,
    PING,
    TOOL_SCHEMAS,
    Bench,
    MemoryTransport,
    answered,
    async_warmer,
)

if TYPE_CHECKING:
    from prompt_cache_warmer import EntryWarmth

HAIKU = "claude-haiku-4-5"
OWN_PRICES = {
    MODEL: ModelPrices(
        input_usd_per_mtok=Decimal(10),
        output_usd_per_mtok=Decimal(20),
        cache_read_usd_per_mtok=Decimal(1),
        cache_write_5m_usd_per_mtok=Decimal(15),
        cache_write_1h_usd_per_mtok=Decimal(25),
    )
}


def anthropic_omit() -> object:
    """Return what the SDK takes for an argument that was left out."""
    return type("Omit", (), {})()


def warmer_of(transport: Any = None, **settings: Any) -> CacheWarmer:
    """Return a warmer without a target."""
    return CacheWarmer(client=transport or MemoryTransport(), **{"model": MODEL, **settings})


# --- what is called ---------------------------------------------------------------------------------


def test_a_call_is_the_engines_own_warm_call() -> None:
    """The system prompt is marked, the author's ping follows it unchanged, and no token is asked for.

    prompt-cache-warmer: "own messages; tools;", "own client or a callable transport"
    """
    transport = MemoryTransport()
    warmer = warmer_of(transport)
    warmer.add(system_prompt=LONG_SYSTEM_PROMPT, seed_messages=PING, tools=TOOL_SCHEMAS)
    warmer.warm()
    marked = [{"type": "text", "text": LONG_SYSTEM_PROMPT, "cache_control": {"type": "ephemeral"}}]
    assert transport.requests == [
        {"model": MODEL, "max_tokens": 0, "system": marked, "messages": PING, "tools": TOOL_SCHEMAS}
    ]


def test_without_messages_of_ones_own_there_is_a_ping() -> None:
    """The API needs a message, so the engine's placeholder stands there.

    prompt-cache-warmer: "default ping text or own messages"
    """
    bench = Bench()
    bench.warmer.warm()
    assert bench.transport.requests[0]["messages"] == [
        {"role": "user", "content": [{"type": "text", "text": "Reply with OK."}]}
    ]


@pytest.mark.parametrize("max_tokens", [1, 8])
def test_the_tokens_asked_for_can_be_set(max_tokens: int) -> None:
    """Some gateways refuse 0; what the call generates is part of its cost.

    prompt-cache-warmer: "settable max_tokens"
    """
    bench = Bench({"max_tokens": max_tokens})
    bench.transport.script = [answered(written=CACHED_TOKENS, output=max_tokens)]
    result = bench.warmer.warm()
    assert bench.transport.requests[0]["max_tokens"] == max_tokens
    # 10,000 tokens written at 3.75, 8 plain at 3.00, the output at 15.00 USD per million.
    assert result.cost_usd == (CACHED_TOKENS * Decimal("3.75") + 8 * 3 + max_tokens * 15) / 1_000_000


def test_a_request_is_taken_as_it_is_passed_to_the_sdk() -> None:
    """Its extra body joins the body, its beta header the target's betas, and its timeout is the call's own affair."""
    bench = Bench()
    warmer = CacheWarmer(client=bench.transport, model=MODEL)
    warmer.add(
        request={
            "model": MODEL,
            "max_tokens": 1024,
            "system": [{"type": "text", "text": LONG_SYSTEM_PROMPT, "cache_control": {"type": "ephemeral"}}],
            "messages": [{"role": "user", "content": "a customer's question"}],
            "extra_body": {"context_management": {"edits": []}},
            "extra_headers": {"Anthropic-Beta": "context-1m-2025-08-07, other-2026-01-01"},
            "timeout": 30,
            "metadata": anthropic_omit(),
        }
    )
    warmer.warm()
    request = bench.transport.requests[0]
    assert request["context_management"] == {"edits": []}
    assert request["extra_headers"] == {"anthropic-beta": "context-1m-2025-08-07,other-2026-01-01"}
    assert {"timeout", "extra_body"}.isdisjoint(request)
    assert "customer" not in str(request)


def test_a_transport_of_keywords_gets_the_request_as_those() -> None:
    """Such as a client's own ``messages.create``."""
    transport = MemoryTransport()

    def create(*, model: str, max_tokens: int, **rest: Any) -> object:
        return transport({"model": model, "max_tokens": max_tokens, **rest})

    warmer = warmer_of(create)
    warmer.add(system_prompt=LONG_SYSTEM_PROMPT)
    assert warmer.warm().verdict is Verdict.WRITTEN
    assert transport.requests[0]["max_tokens"] == 0


def test_a_transport_that_does_not_say_what_it_takes_gets_one_dictionary() -> None:
    """Builtins often have no signature."""
    assert taking_request(max) is max


def test_a_transport_is_asked_for_a_whole_message_where_a_stream_would_do() -> None:
    """It cannot close a stream after its first event, so it gets the smallest legal request without one."""
    bench = Bench()
    warmer = CacheWarmer(client=bench.transport, model=MODEL)
    warmer.add(
        request={
            "thinking": {"type": "enabled", "budget_tokens": 1024},
            "system": [{"type": "text", "text": LONG_SYSTEM_PROMPT, "cache_control": {"type": "ephemeral"}}],
        }
    )
    warmer.warm()
    request = bench.transport.requests[0]
    assert (request["max_tokens"], "stream" in request) == (1025, False)


def test_what_was_added_stays_as_it_was() -> None:
    """A list that the caller goes on changing changes no target."""
    transport = MemoryTransport()
    warmer = warmer_of(transport)
    tools = [dict(TOOL_SCHEMAS[0])]
    warmer.add(system_prompt=LONG_SYSTEM_PROMPT, tools=tools)
    tools[0]["description"] = "changed"
    tools.append(tools[0])
    warmer.warm()
    assert transport.requests[0]["tools"] == TOOL_SCHEMAS


def test_several_models_are_called_at_once() -> None:
    """Each waits for the other: one after the other they would wait for ever.

    The article's roadmap: "several models at once"
    """
    together = threading.Barrier(2, timeout=10)
    bench = Bench({"models": [MODEL, HAIKU]})
    bench.transport.hook = lambda _: together.wait()
    result = bench.warmer.warm()
    assert [(one.model, one.verdict) for one in result.results] == [
        (MODEL, Verdict.WRITTEN),
        (HAIKU, Verdict.WRITTEN),
    ]
    assert result.cache_creation_tokens == 2 * CACHED_TOKENS
    assert result.model is None


def test_two_threads_do_not_both_pay_a_write() -> None:
    """They take turns, so the second one reads what the first has written."""
    bench = Bench()
    results: list[Any] = []
    threads = [threading.Thread(target=lambda: results.append(bench.warmer.warm())) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(result.verdict.value for result in results) == ["refreshed"] * 3 + ["written"]


async def test_a_synchronous_warmer_works_inside_a_running_loop() -> None:
    """In a notebook there is one already."""
    assert Bench().warmer.warm().verdict is Verdict.WRITTEN


async def test_an_asynchronous_warmer_does_the_same_with_await() -> None:
    """Its results, errors and arguments are the synchronous one's.

    The article's roadmap: "an async warm"
    """
    transport = MemoryTransport()
    warmer = async_warmer(transport)
    first, second = await asyncio.gather(warmer.warm(), warmer.warm(verify=False))
    assert (first.verdict, second.verdict) == (Verdict.WRITTEN, Verdict.REFRESHED)
    transport.script = [OSError("no route")]
    with pytest.raises(OSError, match="no route"):
        await warmer.warm()


def test_an_asynchronous_warmer_can_be_used_in_one_loop_after_the_other() -> None:
    """What is remembered is not bound to a loop."""
    warmer = async_warmer(MemoryTransport())
    assert [asyncio.run(warmer.warm()).verdict for _ in range(2)] == [Verdict.WRITTEN, Verdict.REFRESHED]


# --- what is told -----------------------------------------------------------------------------------


def test_savings_are_per_hit_and_net_of_every_call() -> None:
    """50,000 tokens save 0.135 USD a hit, and a call that refreshes saves as much as one that writes, less its price.

    The article: "Its arithmetic is wrong: 50K tokens at 0.30 instead of 3.00 USD/MTok save 0.135 USD per *hit*
    (13.50 per 100), and a ping that reads reports zero savings. Ours is right and net of the warm calls' own cost."
    """
    bench = Bench()
    bench.transport.script = [answered(written=50_000), answered(read=50_000)]
    written, refreshed = bench.warmer.warm(), bench.warmer.warm()
    plain = 8 * 3
    assert written.estimated_savings == Decimal("13.50") - (50_000 * Decimal("3.75") + plain) / 1_000_000
    assert refreshed.estimated_savings == Decimal("13.50") - (50_000 * Decimal("0.30") + plain) / 1_000_000


def test_savings_speak_of_as_many_requests_as_are_expected() -> None:
    """A hundred unless the target says otherwise."""
    warmer = warmer_of(lambda _: answered(read=50_000))
    warmer.add(system_prompt=LONG_SYSTEM_PROMPT, expected_requests=1)
    assert warmer.warm().estimated_savings == Decimal("0.135") - (50_000 * Decimal("0.30") + 24) / 1_000_000


def test_a_result_has_everything_a_reader_asks_for() -> None:
    """Model, counts, latency, cost and the client's own answer.

    prompt-cache-warmer: "result with model, token counts, both latencies, cost, raw responses"
    """
    bench = Bench()
    took_seconds = iter([0.25, 0.75])
    bench.transport.hook = lambda _: setattr(bench.clock, "seconds", bench.clock.seconds + next(took_seconds))
    result = bench.warmer.warm(verify=True)
    assert result.model == MODEL
    assert (result.cache_creation_tokens, result.input_tokens, result.output_tokens) == (CACHED_TOKENS, 8, 0)
    assert (result.latency_ms, result.verify_latency_ms) == (250, 750)
    assert result.raw == [answered(1, written=CACHED_TOKENS), answered(2, read=CACHED_TOKENS)]
    # a write and a read of 10,000 tokens, and twice 8 plain ones
    assert result.cost_usd == (10_000 * Decimal("3.75") + 10_000 * Decimal("0.30") + 16 * 3) / 1_000_000


def test_a_verifying_call_waits_two_seconds_and_is_paid_for() -> None:
    """An entry that was written a moment ago may be missed; the proof is what the second call read.

    prompt-cache-warmer: "an optional verifying second call
    (ours waits at least 2 s and its cost is counted)" and its defect "verify cost left out"
    """
    bench = Bench()
    plain = bench.warmer.warm().cost_usd
    assert plain == (10_000 * Decimal("3.75") + 24) / 1_000_000
    bench.clock.seconds += 400
    result = bench.warmer.warm(verify=True)
    assert bench.clock.slept == [2.0]
    assert result.verified_hit_tokens == CACHED_TOKENS
    assert result.cache_read_tokens == 0
    assert result.cost_usd == plain + (10_000 * Decimal("0.30") + 24) / 1_000_000
    assert result.estimated_savings == 10_000 * Decimal("2.70") * 100 / 1_000_000 - result.cost_usd


def test_only_what_may_be_read_is_verified() -> None:
    """A second call for an entry that failed, or that the API does not cache, would prove nothing."""
    bench = Bench({"models": [MODEL, HAIKU, "claude-opus-4-6"]})

    def refuse(request: dict[str, Any]) -> None:
        if request["model"] == HAIKU:
            raise OSError("no route")
        if request["model"] == "claude-opus-4-6":
            bench.transport.script.append(answered())

    bench.transport.hook = refuse
    result = bench.warmer.warm(verify=True)
    assert [one.verified_hit_tokens for one in result.results] == [CACHED_TOKENS, None, None]
    assert [request["model"] for request in bench.transport.requests].count(MODEL) == 2
    assert len(bench.transport.requests) == 4


def test_a_verifying_call_that_fails_says_so() -> None:
    """The entry was warmed all the same, and what the second call may have cost is unknown."""
    bench = Bench()
    bench.transport.script = [answered(written=CACHED_TOKENS), OSError("no route")]
    result = bench.warmer.warm(verify=True)
    assert result.verdict is Verdict.WRITTEN
    assert (result.verified_hit_tokens, result.cost_usd) == (None, None)
    assert result.results[0].notices[0] == "not verified: the transport raised OSError"


def test_an_unknown_price_is_unknown() -> None:
    """It formats, and it is never 0.

    prompt-cache-warmer: "overridable prices, cost `None` for unknown models"
    """
    warmer = warmer_of(model="claude-unheard-of")
    warmer.add(system_prompt=LONG_SYSTEM_PROMPT)
    result = warmer.warm()
    assert result.cost_usd is None
    assert f"{result.estimated_savings:.4f}" == "NaN"


def test_prices_can_be_ones_own() -> None:
    """They stand in place of all known ones, so that an empty list means that nothing is known.

    prompt-cache-warmer: "overridable prices", and its defect: "`prices={}` ignored"
    """
    own, none = (warmer_of(prices=prices) for prices in (OWN_PRICES, {}))
    for warmer in (own, none):
        warmer.add(system_prompt=LONG_SYSTEM_PROMPT)
    assert own.warm().cost_usd == (10_000 * 15 + 8 * 10) / Decimal(1_000_000)
    assert none.warm().cost_usd is None


def test_opus_costs_what_it_costs() -> None:
    """5.00 USD per million tokens plain, so 6.25 to write, not 18.75.

    prompt-cache-warmer's defect: "Opus prices 3 times too high"
    """
    warmer = warmer_of(model="claude-opus-4-7")
    warmer.add(system_prompt=LONG_SYSTEM_PROMPT)
    assert warmer.warm().cost_usd == (10_000 * Decimal("6.25") + 8 * 5) / 1_000_000


@pytest.mark.parametrize("as_object", [False, True])
def test_answers_may_be_dictionaries_or_objects(as_object: bool) -> None:  # noqa: FBT001 - a parametrised case
    """An object has the same names as attributes.

    prompt-cache-warmer: "dict or object responses, missing usage accepted"
    """

    def transport(_: dict[str, Any]) -> object:
        usage = answered(written=CACHED_TOKENS)["usage"]
        if not as_object:
            return {"usage": usage}
        return SimpleNamespace(
            usage=SimpleNamespace(**{**usage, "cache_creation": SimpleNamespace(**usage["cache_creation"])})
        )

    warmer = warmer_of(transport)
    warmer.add(system_prompt=LONG_SYSTEM_PROMPT)
    result = warmer.warm()
    assert (result.verdict, result.cache_creation_tokens) == (Verdict.WRITTEN, CACHED_TOKENS)


@pytest.mark.parametrize("answer", [{"id": "msg_1"}, SimpleNamespace(id="msg_1"), {"usage": None}, None, "done"])
def test_an_answer_without_usage_proves_nothing(answer: object) -> None:
    """No verdict, no cost and no error, as often as it comes.

    prompt-cache-warmer: "missing usage accepted"
    """
    warmer = warmer_of(lambda _: answer)
    warmer.add(system_prompt=LONG_SYSTEM_PROMPT)
    for _ in range(4):  # more often than a breaker would look on
        result = warmer.warm()
        assert (result.verdict, result.cost_usd, result.cache_read_tokens) == (None, None, 0)
        assert result.results[0].is_called
        assert result.results[0].reason == "it was answered without a usage, so nothing is proved"
        assert result.estimated_savings.is_nan()


def test_a_call_without_usage_counts_as_dear_as_it_can_have_been() -> None:
    """About 0.14 USD at the worst: one fits into the day's cap, and a second one does not any more."""
    warmer = warmer_of(lambda _: {}, max_usd_per_day="0.20")
    warmer.add(system_prompt=LONG_SYSTEM_PROMPT)
    warmer.warm()
    with pytest.raises(OverBudgetError):
        warmer.warm()


def test_a_usage_that_is_no_usage_is_an_error() -> None:
    """What cannot be read is not taken for nothing."""
    warmer = warmer_of(lambda _: {"usage": {"input_tokens": "many"}})
    warmer.add(system_prompt=LONG_SYSTEM_PROMPT)
    with pytest.raises(UnreachableError, match=r"usage\.input_tokens is not a token count"):
        warmer.warm()


def test_every_entry_is_told_as_it_is_done() -> None:
    """With how many are done and how many there are; what the callback raises changes nothing."""
    told: list[tuple[str, Verdict | None, int, int]] = []

    def note(entry: EntryWarmth, done: int, total: int) -> None:
        told.append((entry.model, entry.verdict, done, total))
        raise KeyError("a defect of the callback")

    result = Bench({"models": [MODEL, HAIKU]}).warmer.warm(on_progress=note)
    assert sorted(told) == sorted(
        (one.model, one.verdict, done, 2) for one, done in zip(result.results, (told[0][2], told[1][2]), strict=True)
    )
    assert [done for *_, done, _ in told] == [1, 2]


# --- what goes wrong --------------------------------------------------------------------------------


def test_what_the_transport_raises_comes_out_as_it_is() -> None:
    """Whoever brought the transport knows its errors.

    prompt-cache-warmer: "transport errors propagate"
    """
    mistake = ConnectionError("no route to the gateway")
    bench = Bench()
    bench.transport.script = [mistake]
    with pytest.raises(ConnectionError) as raised:
        bench.warmer.warm()
    assert raised.value is mistake


def test_one_failing_model_hides_no_other() -> None:
    """Its error stands in its result; only when every call failed it is raised."""
    bench = Bench({"models": [MODEL, HAIKU]})

    def refuse(request: dict[str, Any]) -> None:
        if request["model"] == HAIKU:
            raise OSError("no route")

    bench.transport.hook = refuse
    result = bench.warmer.warm()
    assert result.verdict is Verdict.FAILED
    assert [one.verdict for one in result.results] == [Verdict.WRITTEN, Verdict.FAILED]
    (failure,) = result.failures
    assert isinstance(failure.error, OSError)
    assert (failure.code, failure.reason) == ("transport", "the transport raised OSError")
    assert result.cost_usd is None  # the failed call may be billed
    assert result.cache_creation_tokens == CACHED_TOKENS


def test_when_all_fail_the_error_names_the_others() -> None:
    """The first one's error is raised, with a note of what failed too."""
    bench = Bench({"models": [MODEL, HAIKU]})
    bench.transport.script = [OSError("one"), OSError("two")]
    with pytest.raises(OSError, match=r"one|two") as raised:
        bench.warmer.warm()
    assert raised.value.__notes__ == [f"these failed too: support on {HAIKU}"]


def test_asking_by_hand_is_never_kept_back_by_earlier_failures() -> None:
    """Whoever corrected something wants to see a call, not that there were failures before."""
    bench = Bench()
    bench.transport.script = [OSError("no route") for _ in range(7)]
    for _ in range(7):  # more than open a breaker
        with pytest.raises(OSError, match="no route"):
            bench.warmer.warm()
    assert bench.warmer.warm().verdict is Verdict.WRITTEN


def test_a_transport_that_takes_too_long_is_given_up() -> None:
    """The thread is left behind, and the call counts as one that may be billed."""
    release = threading.Event()
    bench = Bench({"request_timeout_seconds": 0.05})
    bench.transport.hook = lambda _: release.wait(10)
    with pytest.raises(CallTimeoutError, match=r"no answer within 0\.05 s"):
        bench.warmer.warm()
    release.set()


def test_a_timeout_of_the_transports_own_is_its_own() -> None:
    """It is not taken for ours."""
    bench = Bench()
    bench.transport.script = [TimeoutError("the gateway's")]
    with pytest.raises(TimeoutError, match="the gateway's"):
        bench.warmer.warm()


def test_a_cap_keeps_every_call_back() -> None:
    """By the worst case of a call, a full write: what is not affordable is an error that names the argument."""
    bench = Bench({"max_usd_per_day": "0.001"})
    with pytest.raises(OverBudgetError, match="max_usd_per_day"):
        bench.warmer.warm()
    assert bench.transport.requests == []


def test_a_cap_leaves_room_for_what_fits() -> None:
    """The second write of a day may not fit any more, and the entry says so."""
    bench = Bench({"max_usd_per_day": "0.15", "models": [MODEL, HAIKU]})
    result = bench.warmer.warm()
    capped = [one for one in result.results if one.is_capped]
    assert 0 <= len(capped) <= 1
    assert result.cost_usd is not None
    assert result.cost_usd <= Decimal("0.15")


def test_a_plain_callable_in_an_asynchronous_warmer_is_found_out_when_it_is_called() -> None:
    """Only its answer shows that it cannot be awaited."""
    warmer = AsyncCacheWarmer(client=lambda _: answered(), model=MODEL)  # type: ignore[arg-type, return-value] # not awaited
    warmer.add(system_prompt=LONG_SYSTEM_PROMPT)
    with pytest.raises(TypeError, match="use CacheWarmer"):
        asyncio.run(warmer.warm())


def test_a_callable_that_returns_a_coroutine_is_found_out_when_it_is_called() -> None:
    """The coroutine is closed, so that nobody is warned of it."""
    transport = MemoryTransport()

    def awaitable(request: dict[str, Any]) -> object:
        return transport.send(request)

    warmer = warmer_of(awaitable)
    warmer.add(system_prompt=LONG_SYSTEM_PROMPT)
    with pytest.raises(TypeError, match="use AsyncCacheWarmer"):
        warmer.warm()
    assert transport.requests == []


# --- touches ----------------------------------------------------------------------------------------


def test_a_touch_is_remembered_once() -> None:
    """An older one than the last changes nothing."""
    bench = Bench()
    assert bench.warmer.touch(at=EPOCH)
    assert not bench.warmer.touch("support", at=EPOCH - timedelta(seconds=1))
    assert bench.warmer.touch("support", model=MODEL, at=EPOCH + timedelta(seconds=1))


async def test_an_asynchronous_touch_is_awaited() -> None:
    """It may go to a table."""
    warmer = async_warmer(MemoryTransport())
    assert await warmer.touch()


# --- what hardly ever happens -----------------------------------------------------------------------


def test_nothing_is_verified_where_nothing_was_cached() -> None:
    """A prefix below the model's minimum stays uncached however often it is sent."""
    bench = Bench()
    bench.transport.script = [answered()]
    result = bench.warmer.warm(verify=True)
    assert (result.verdict, result.verified_hit_tokens) == (Verdict.UNCACHED, None)
    assert (len(bench.transport.requests), bench.clock.slept) == (1, [])


def test_what_keeps_every_call_from_being_made_is_an_error() -> None:
    """Where that is not the client, the reason is raised and no result that looks like one."""
    bench = Bench()
    store = bench.warmer.holding.store

    async def refuse(_: object) -> NoReturn:
        raise StateUnavailableError("the table is throttled")

    store.claim = refuse  # type: ignore[assignment, method-assign] # a table that can be read and not written
    with pytest.raises(StateUnavailableError, match=f"support on {MODEL} could not be warmed: the table is throttled"):
        bench.warmer.warm()
    assert bench.transport.requests == []


def test_an_entry_that_another_process_is_calling_is_left_to_it() -> None:
    """Nothing was called, and that is no result: once no call can take that long it is an error."""
    bench = Bench()
    store = bench.warmer.holding.store
    until, day = EPOCH + timedelta(minutes=5), EPOCH.date()
    key = EntryKey("support", "library", MODEL)
    asyncio.run(store.claim(ClaimRequest(key, "another", 0, until, day, NOTHING, NO_CAPS)))
    with pytest.raises(CacheWarmerError, match=f"support on {MODEL} was not called: another run is calling it"):
        bench.warmer.warm()
    assert 240 <= bench.clock.seconds <= 241  # three requests of a minute, and one of waiting
    (result,) = bench.warmer.run(Mode(scheduled_at=EPOCH, interval_seconds=240)).results  # a schedule does not wait
    assert (result.verdict, result.code) == (None, "claimed")
    assert (result.cost_usd, result.estimated_savings) == (Decimal(0), Decimal(0))
    bench.clock.seconds = 299
    assert bench.warmer.warm().verdict is Verdict.WRITTEN
    assert 300 <= bench.clock.seconds <= 301


def test_a_forked_child_waits_for_no_call_of_its_parents(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its own turn and its entries are free, whatever was under way at the fork."""
    called, release = threading.Event(), threading.Event()

    def wait(_: object) -> None:
        called.set()
        release.wait(10)

    bench = Bench()
    bench.transport.hook = wait
    thread = threading.Thread(target=bench.warmer.warm)
    thread.start()
    assert called.wait(10)
    bench.transport.hook = None
    monkeypatch.setattr(os, "getpid", lambda: -1)
    assert bench.warmer.warm().verdict is Verdict.WRITTEN
    release.set()
    thread.join()


def test_a_callback_that_warms_is_told_that_it_would_wait_for_itself() -> None:
    """It gets an error, and the warming it is called by goes on."""
    bench = Bench()
    errors: list[Exception] = []

    def again(*_: object) -> None:
        try:
            bench.warmer.warm()
        except CacheWarmerError as error:
            errors.append(error)

    assert bench.warmer.warm(on_progress=again).verdict is Verdict.WRITTEN
    assert [str(error) for error in errors] == ["warm() was called by its own on_progress, and would wait for itself"]


def test_a_transport_may_edit_what_it_is_given() -> None:
    """Gateways do; the target stays as it was added."""
    bench = Bench()
    sent: list[str] = []

    def scrub(request: dict[str, Any]) -> None:
        sent.append(str(request["system"]))
        request["system"][0].pop("cache_control")
        request["system"][0]["text"] = "scrubbed"

    bench.transport.hook = scrub
    bench.warmer.warm()
    bench.warmer.warm()
    assert sent[0] == sent[1]
    assert "cache_control" in sent[1]


class Interruption(BaseException):
    """What some libraries raise for a timeout: it is no ``Exception``."""


def test_what_is_no_exception_is_a_failed_call() -> None:
    """In a thread of its own it would end nothing but the thread; the entry can be warmed again at once."""
    bench = Bench()

    def interrupt(_: object) -> NoReturn:
        raise Interruption

    bench.transport.hook = interrupt
    with pytest.raises(TransportError, match="the call raised Interruption") as raised:
        bench.warmer.warm()
    assert isinstance(raised.value.__cause__, Interruption)
    bench.transport.hook = None
    assert bench.warmer.warm().verdict is Verdict.WRITTEN


def test_a_transport_that_has_nothing_more_to_say_is_a_failed_call() -> None:
    """No future can carry a ``StopIteration``; it comes out all the same, and nobody waits for a timeout."""
    answers = iter([answered(written=CACHED_TOKENS)])
    warmer = warmer_of(lambda _: next(answers))
    warmer.add(system_prompt=LONG_SYSTEM_PROMPT)
    assert warmer.warm().verdict is Verdict.WRITTEN
    with pytest.raises(StopIteration):
        warmer.warm()


async def test_what_is_no_exception_is_a_failed_call_where_it_is_awaited_too() -> None:
    """The entry can be warmed again at once."""
    transport = MemoryTransport()
    interrupted = False

    async def send(request: dict[str, Any]) -> object:
        nonlocal interrupted
        if not interrupted:
            interrupted = True
            raise Interruption
        return transport(request)

    warmer = AsyncCacheWarmer(client=send, model=MODEL)
    warmer.add(system_prompt=LONG_SYSTEM_PROMPT)
    with pytest.raises(TransportError, match="the transport raised Interruption"):
        await warmer.warm()
    assert (await warmer.warm()).verdict is Verdict.WRITTEN


def test_an_order_to_the_whole_process_is_obeyed_and_leaves_nothing_behind() -> None:
    """The claim is given back on the way out."""
    transport = MemoryTransport()
    left = False

    async def send(request: dict[str, Any]) -> object:
        nonlocal left
        if not left:
            left = True
            raise SystemExit(3)
        return transport(request)

    warmer = AsyncCacheWarmer(client=send, model=MODEL)
    warmer.add(system_prompt=LONG_SYSTEM_PROMPT)
    with pytest.raises(SystemExit):
        asyncio.run(warmer.warm())
    assert asyncio.run(asyncio.wait_for(warmer.warm(), 10)).verdict is Verdict.WRITTEN


def test_figures_are_exact_whatever_the_callers_arithmetic_is() -> None:
    """It may round to three digits, or refuse to round at all."""
    exact = (10_000 * Decimal("3.75") + 8 * 3) / 1_000_000
    with localcontext(prec=3):
        result = Bench().warmer.warm()
        assert result.cost_usd is not None
        assert result.cost_usd.compare(exact) == 0
    with localcontext() as context:
        context.traps[Inexact] = True
        assert Bench().warmer.warm(verify=True).cost_usd is not None


async def test_a_cancellation_of_the_transports_own_is_a_failed_call() -> None:
    """A task inside it was cancelled, and not the warmer."""

    async def send(_: dict[str, Any]) -> object:
        raise asyncio.CancelledError

    warmer = AsyncCacheWarmer(client=send, model=MODEL)
    warmer.add(system_prompt=LONG_SYSTEM_PROMPT)
    with pytest.raises(TransportError, match="the transport raised CancelledError"):
        await warmer.warm()


async def test_a_cancellation_from_outside_is_one() -> None:
    """Whoever waits no longer gets no failure instead."""
    begun = asyncio.Event()

    async def send(_: dict[str, Any]) -> object:
        begun.set()
        await asyncio.Event().wait()
        return None

    warmer = AsyncCacheWarmer(client=send, model=MODEL)
    warmer.add(system_prompt=LONG_SYSTEM_PROMPT)
    task = asyncio.create_task(warmer.warm())
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


def test_an_error_that_was_answered_is_an_error() -> None:
    """Some transports hand on the API's JSON whatever it says."""
    warmer = warmer_of(lambda _: {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}})
    warmer.add(system_prompt=LONG_SYSTEM_PROMPT)
    with pytest.raises(TransportError, match="answered with an error of the API's"):
        warmer.warm()


def test_a_verifying_call_that_missed_is_told() -> None:
    """It read nothing and paid a write; without a usage nothing at all is known."""
    bench = Bench()
    bench.transport.script = [answered(written=CACHED_TOKENS), answered(written=CACHED_TOKENS)]
    result = bench.warmer.warm(verify=True).results[0]
    assert result.verified_hit_tokens == 0
    assert result.notices == ("the verifying call missed and wrote 10,000 tokens again",)
    bench.transport.script = [answered(written=CACHED_TOKENS), {}]
    assert bench.warmer.warm(verify=True).verified_hit_tokens is None


def test_no_result_quotes_a_prompt() -> None:
    """An error's own text may, so it is not shown with the result."""
    bench = Bench({"models": [MODEL, HAIKU]})
    bench.transport.script = [OSError("SECRET")]
    result = bench.warmer.warm()
    assert result.failures
    assert "SECRET" not in repr(result)


def test_one_error_object_gets_one_note() -> None:
    """A transport may raise the same one again and again."""
    bench = Bench({"models": [MODEL, HAIKU]})
    mistake = OSError("no route")
    bench.transport.script = [mistake] * 4
    for _ in range(2):
        with pytest.raises(OSError, match="no route"):
            bench.warmer.warm()
    assert mistake.__notes__ == [f"these failed too: support on {HAIKU}"]


def test_the_callers_own_event_loop_stays() -> None:
    """A program may keep one between its calls."""
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    try:
        Bench().warmer.touch()
        assert asyncio.get_event_loop_policy().get_event_loop() is loop
    finally:
        asyncio.set_event_loop(None)
        loop.close()


def test_without_boto3_a_shared_state_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """The library itself does without."""
    monkeypatch.setitem(sys.modules, "boto3", None)
    monkeypatch.delitem(sys.modules, "prompt_cache_warmer.wiring.aws", raising=False)
    with pytest.raises(ValueError, match=r"state_table: it needs boto3; install it from a clone of .*\[aws\]"):
        warmer_of(state_table="warmer-state")


def test_a_stream_asks_for_as_many_tokens_as_are_wanted() -> None:
    """It is closed before it has generated them."""
    thinking = {"thinking": {"type": "enabled", "budget_tokens": 1024}, **document()["request"]}
    call = asking_for(warm_call(target(request=thinking), HAIKU), 4_000)
    assert (call.form, call.body["max_tokens"], call.body["stream"]) == (Form.STREAMED, 4_000, True)


def test_an_awaitable_that_is_no_coroutine_is_refused_as_well() -> None:
    """A future has nothing to close."""

    class Later:
        def __await__(self) -> NoReturn:
            raise NotImplementedError

    warmer = warmer_of(lambda _: Later())
    warmer.add(system_prompt=LONG_SYSTEM_PROMPT)
    with pytest.raises(TypeError, match="use AsyncCacheWarmer"):
        warmer.warm()


def test_a_target_that_is_gone_is_not_called() -> None:
    """The run under way holds the targets it began with, and knows no others."""
    held = HeldTargets({"support": target(name="support")})
    assert asyncio.run(held.fetch(asyncio.run(held.load()).targets[0])).summary.name == "support"
    with pytest.raises(TargetUnavailableError, match="'other' is not held any more"):
        asyncio.run(held.fetch(target(name="other").summary))
    with pytest.raises(TargetUnavailableError, match="'support' is not held any more"):
        asyncio.run(held.fetch(target(name="support").summary))
