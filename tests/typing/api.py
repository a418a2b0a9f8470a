"""The public API as an application uses it: never run, only read by mypy and by pyright in strict mode.

What an application may not write stands in ``mistakes.py`` beside this file.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping  # noqa: TC003 - as an application imports them
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, assert_type

import anthropic
from anthropic.lib.bedrock import AnthropicBedrock, AsyncAnthropicBedrock
from anthropic.lib.vertex import AnthropicVertex, AsyncAnthropicVertex
from anthropic.types import Message, MessageParam, TextBlockParam

import prompt_cache_warmer
from prompt_cache_warmer import (
    ArgumentError,
    AsyncCacheWarmer,
    AsyncWarmSchedule,
    Breakpoint,
    BudgetPool,
    CacheObserver,
    CacheTracker,
    CacheWarmer,
    CacheWarmerError,
    CostCap,
    CostCapError,
    EntryWarmth,
    FitResult,
    MessagesTooLongError,
    ModelPrices,
    ObservedRequest,
    OverBudgetError,
    PoolExhaustedError,
    PrefixWarning,
    Sight,
    StateUnavailableError,
    UnpricedError,
    Verdict,
    WarmResult,
    WarmSchedule,
    add_cache_breakpoints,
    compute_cache_key,
    find_breakpoints,
    fit_messages,
    scope_blocks,
    to_system_blocks,
)

MODEL = "claude-sonnet-4-6"
PRICES = {
    MODEL: ModelPrices(
        input_usd_per_mtok=Decimal(3),
        output_usd_per_mtok=Decimal(15),
        cache_read_usd_per_mtok=Decimal("0.30"),
        cache_write_5m_usd_per_mtok=Decimal("3.75"),
        cache_write_1h_usd_per_mtok=Decimal(6),
    )
}


def transport(request: dict[str, Any]) -> dict[str, Any]:
    """Answer as the API does."""
    return {"usage": {"input_tokens": 1}, "request": request}


async def async_transport(request: Mapping[str, Any]) -> Message:
    """Answer as the API does."""
    return await anthropic.AsyncAnthropic().messages.create(max_tokens=1, messages=[], model=str(request["model"]))


class OwnMessages:
    """The part of a client that counts."""

    def create(self, **request: Any) -> Message:
        """Answer as the API does."""
        raise NotImplementedError(request)


class OwnClient:
    """A client of the application's own, in the SDK's shape."""

    def __init__(self) -> None:
        self.messages = OwnMessages()


def every_client(own: OwnClient) -> list[CacheWarmer]:
    """Every client of the SDK, one of the same shape and a bare callable."""
    return [
        CacheWarmer(client=anthropic.Anthropic(), model=MODEL),
        CacheWarmer(client=AnthropicBedrock(), model=MODEL),
        CacheWarmer(client=AnthropicVertex(region="global"), model=MODEL),
        CacheWarmer(client=anthropic.AnthropicFoundry(), model=MODEL),
        CacheWarmer(client=anthropic.AnthropicAWS(), model=MODEL),
        CacheWarmer(client=anthropic.Anthropic().with_options(max_retries=0), model=MODEL),
        CacheWarmer(client=own, model=MODEL),
        CacheWarmer(client=transport, models=[MODEL, "claude-haiku-4-5"]),
    ]


def every_async_client() -> list[AsyncCacheWarmer]:
    """Every asynchronous client of the SDK, and a coroutine function."""
    return [
        AsyncCacheWarmer(client=anthropic.AsyncAnthropic(), model=MODEL),
        AsyncCacheWarmer(client=AsyncAnthropicBedrock(), model=MODEL),
        AsyncCacheWarmer(client=AsyncAnthropicVertex(region="global"), model=MODEL),
        AsyncCacheWarmer(client=anthropic.AsyncAnthropicFoundry(), model=MODEL),
        AsyncCacheWarmer(client=anthropic.AsyncAnthropicAWS(), model=MODEL),
        AsyncCacheWarmer(client=async_transport, models=(MODEL,)),
    ]


def article(client: anthropic.Anthropic, system: list[TextBlockParam], messages: list[MessageParam]) -> None:
    """The article's own lines, with the SDK's types."""
    warmer = CacheWarmer(client=client, model=MODEL, prices=PRICES, max_usd_per_day="2.50", max_tokens=1)
    assert_type(warmer.add(system_prompt="You are ...", seed_messages=[{"role": "user", "content": "ping"}]), str)
    warmer.add(system_prompt=system, seed_messages=messages, tools=[{"name": "search", "input_schema": {}}], name="a")
    warmer.add(request={"system": system, "messages": messages}, expected_requests=1_000)
    result = assert_type(warmer.warm(), WarmResult)
    print(f"{result.cache_creation_tokens} tokens, saves ${result.estimated_savings:.4f}")  # noqa: T201 - as it says
    schedule = WarmSchedule(warmer=warmer, interval_seconds=240)
    assert_type(schedule.start(), WarmSchedule)
    assert_type(schedule.stop(timeout_seconds=1), bool)
    assert_type(warmer.targets, tuple[str, ...])


def results(warmer: CacheWarmer, boto3_client: Any) -> None:
    """What a result says, and what a callback is told."""
    shared = CacheWarmer(client=transport, model=MODEL, state_table="entries", dynamodb_client=boto3_client)
    done: list[tuple[EntryWarmth, int, int]] = []

    def progress(entry: EntryWarmth, count: int, total: int) -> None:
        done.append((entry, count, total))

    result = warmer.warm(verify=True, on_progress=progress)
    assert_type(result.cache_creation_tokens, int)
    assert_type(result.cache_read_tokens, int)
    assert_type(result.input_tokens, int)
    assert_type(result.output_tokens, int)
    assert_type(result.estimated_savings, Decimal)
    assert_type(result.cost_usd, Decimal | None)
    assert_type(result.latency_ms, int)
    assert_type(result.verified_hit_tokens, int | None)
    assert_type(result.verdict, Verdict | None)
    assert_type(result.raw, list[object])
    assert_type(result.results, tuple[EntryWarmth, ...])
    for entry in result.failures:
        assert_type(entry, EntryWarmth)
        assert_type(entry.error, Exception | None)
        assert_type(entry.verdict, Verdict | None)
        assert_type(entry.warm_until, datetime | None)
    assert_type(shared.touch(at=datetime.now(UTC)), bool)
    assert_type(warmer.touch("support", model=MODEL), bool)
    print(result.verdict is Verdict.WRITTEN, Verdict.PARTIAL.sentence)  # noqa: T201 - any use of them


def schedules(warmer: CacheWarmer) -> None:
    """A schedule in a ``with`` block, with callbacks of either kind."""
    found: list[WarmResult] = []
    errors: list[Exception] = []
    with WarmSchedule(warmer=warmer, on_result=found.append, on_error=errors.append) as schedule:
        assert_type(schedule, WarmSchedule)
        assert_type(schedule.is_running, bool)


async def asynchronous(client: anthropic.AsyncAnthropic) -> None:
    """The same with ``await``."""
    warmer = AsyncCacheWarmer(client=client, model=MODEL)
    assert_type(warmer.add(system_prompt="You are ..."), str)
    assert_type(await warmer.warm(verify=True), WarmResult)
    assert_type(await warmer.touch(), bool)
    schedule = AsyncWarmSchedule(warmer=warmer, interval_seconds=240.0)
    assert_type(await schedule.start(), AsyncWarmSchedule)
    await schedule.stop()
    async with AsyncWarmSchedule(warmer=warmer, on_result=print) as again:
        assert_type(again, AsyncWarmSchedule)


def breakpoints(system: list[TextBlockParam], request: dict[str, object]) -> None:
    """Markers and keys, of typed blocks and of plain JSON."""
    found = assert_type(find_breakpoints(request), list[Breakpoint])
    assert_type(add_cache_breakpoints(system, count=2, ttl="1h", taken=found), list[dict[str, Any]])
    assert_type(add_cache_breakpoints("You are ...", taken=1), list[dict[str, Any]])
    assert_type(to_system_blocks("You are ..."), list[dict[str, Any]])
    assert_type(scope_blocks(request), list[dict[str, Any]])
    assert_type(compute_cache_key(request, strict=True), str)
    assert_type(compute_cache_key(model=MODEL, system=system, betas=["one"], effort="high"), str)
    for one in found:
        print(one.path, one.tier == "automatic", one.ttl == "5m")  # noqa: T201 - any use of them


def ask(question: str, *, loudly: bool = False) -> str:
    """Stand for a call of the application's own."""
    return question.upper() if loudly else question


async def ask_slowly(question: str) -> bytes:
    """Stand for a coroutine function of the application's own."""
    return question.encode()


async def gates(prices: Mapping[str, ModelPrices], boto3_client: Any) -> None:
    """What a call may cost, alone and together."""
    cap = CostCap(usd_per_call="0.05", prices=prices)
    assert_type(cap.usd_per_call, Decimal)
    assert_type(cap.models, tuple[str, ...])
    assert_type(cap.estimate(MODEL, input_tokens=10, cache_write_1h_tokens=5).total_usd, Decimal)
    assert_type(cap.check(MODEL, cache_read_tokens=10, at=datetime.now(UTC)).input_usd, Decimal)
    assert_type(cap.run(ask, "why?", model=MODEL, input_tokens=3, loudly=True), str)
    assert_type(await cap.run(ask_slowly, "why?", model=MODEL, output_tokens=3), bytes)

    pool = BudgetPool(max_total_tokens=1_000_000, max_usd=Decimal(5), lease_seconds=60)
    assert_type(BudgetPool.in_table(table="entries", name="nightly", client=boto3_client, max_usd=5), BudgetPool)
    pool.record(input_tokens=10, usd="0.01")
    with pool.reserve(input_tokens=10, output_tokens=10, usd=Decimal("0.10")) as reservation:
        assert_type(reservation.commit(input_tokens=9, usd="0.08"), bool)
    assert_type(pool.reserve(output_tokens=1).release(), bool)
    left = pool.snapshot().remaining
    assert_type(left.total_tokens, int | None)
    assert_type(left.usd, Decimal | None)
    assert_type(pool.snapshot().used.usd, Decimal)
    assert_type(pool.reset(), int)


async def tracking(client: anthropic.AsyncAnthropic, hook: Callable[[object], None]) -> None:
    """A wrapped call takes and returns what the call did."""
    tracker = CacheTracker(provider="anthropic", alert_threshold=0.8, on_alert=hook, prices=PRICES)
    assert_type(tracker.wrap(ask)("why?", loudly=True), str)
    assert_type(await tracker.wrap(ask_slowly)("why?"), bytes)
    answer = await tracker.wrap(client.messages.create)(model=MODEL, max_tokens=1, messages=[])
    record = tracker.record(answer, request={"model": MODEL}, elapsed_ms=12)
    assert_type(record.hit_ratio, float | None)
    assert_type(record.cost_usd, Decimal | None)
    assert_type(tracker.aggregate(window_seconds=60).hit_ratio, float | None)
    assert_type(tracker.by_prefix()["no-prefix"].saved_usd, Decimal | None)
    assert_type([moment for moment, _ in tracker.over_time(bucket_seconds=60)], list[datetime])
    tracker.reset()


def observing(seen: list[ObservedRequest]) -> None:
    """One observer fits both kinds of clients."""
    observer = CacheObserver(targets="s3://bucket/targets/", state_table="table", metrics="emf", on_request=seen.append)
    anthropic.Anthropic(api_key="key", middleware=[observer])
    anthropic.AsyncAnthropic(api_key="key", middleware=[observer])
    with observer.ascribe("support-agent") as same:
        assert_type(same, CacheObserver)
    assert_type(observer.counts.hit_ratio, float | None)
    assert_type(observer.counts.failures["state"], int)
    assert_type(seen[0].sight, Sight | None)
    assert_type(seen[0].usage.read_tokens, int)
    assert_type(observer.flush(timeout_seconds=1), bool)


def fitting(messages: list[MessageParam], plain: list[dict[str, Any]]) -> None:
    """Typed messages stay typed."""
    typed = assert_type(fit_messages(messages, budget_tokens=1_000), FitResult[MessageParam])
    assert_type(typed.messages, list[MessageParam])
    assert_type(typed.dropped[0]["role"] == "user", bool)
    untyped = fit_messages(plain, budget_tokens=1_000, strategy="priority", priorities=[1, 0.5], keep_last=1)
    assert_type(untyped.messages, list[dict[str, Any]])
    assert_type(untyped.truncated, bool)
    assert_type(untyped.kept_places, tuple[int, ...])
    fit_messages(plain, budget_tokens=1_000, count_tokens=lambda message: len(str(message)), request={"system": "x"})


def errors() -> str:
    """Each error is caught by the branch that says what to do, and holds the figures."""
    try:
        raise UnpricedError(MODEL)
    except ArgumentError as error:
        return assert_type(error.argument, str)
    except CostCapError as error:
        return f"{assert_type(error.estimate_usd, Decimal)} {assert_type(error.cap_usd, Decimal)} {error.model}"
    except PoolExhaustedError as error:
        return f"{assert_type(error.cap, str)} {assert_type(error.limit, Decimal | int)}"
    except MessagesTooLongError as error:
        return str(assert_type(error.needed_tokens, int))
    except (OverBudgetError, StateUnavailableError, CacheWarmerError) as error:
        return str(error)


warning: type[UserWarning] = PrefixWarning
lazily: type[CacheWarmer] = prompt_cache_warmer.CacheWarmer
