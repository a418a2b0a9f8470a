"""Mistakes in the use of the public API that a type checker must find: never run, only read.

Each line is wrong in one way and has an ignore for it. Both checkers report an ignore that nothing needs, so the day
a mistake goes unseen, ``make types`` fails.
"""

from __future__ import annotations

from typing import Any

import anthropic
from anthropic.lib.bedrock import AnthropicBedrock, AsyncAnthropicBedrock

import prompt_cache_warmer
from prompt_cache_warmer import (
    AsyncCacheWarmer,
    AsyncWarmSchedule,
    BudgetPool,
    CacheTracker,
    CacheWarmer,
    CostCap,
    ModelPrices,
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


def transport(request: dict[str, Any]) -> dict[str, Any]:
    """Answer as the API does."""
    return request


def names() -> None:
    """A misspelt name is no name, although names are loaded when they are first used."""
    prompt_cache_warmer.CacheWarmr  # type: ignore[attr-defined] # noqa: B018 - misspelt


def clients(sync: anthropic.Anthropic, other: anthropic.AsyncAnthropic) -> None:
    """The wrong kind of client, and what is none."""
    CacheWarmer(client=other, model=MODEL)  # type: ignore[arg-type] # an asynchronous client
    CacheWarmer(client=AsyncAnthropicBedrock(), model=MODEL)  # type: ignore[arg-type] # one that shares no public base
    CacheWarmer(client=anthropic.AsyncAnthropicFoundry(), model=MODEL)  # type: ignore[arg-type] # one with its own messages
    CacheWarmer(client="sk-ant-", model=MODEL)  # type: ignore[arg-type] # a key
    CacheWarmer(client=None, model=MODEL)  # type: ignore[arg-type] # none at all
    CacheWarmer(client=anthropic.Anthropic, model=MODEL)  # type: ignore[arg-type] # the class
    CacheWarmer(model=MODEL)  # type: ignore[call-arg] # no client
    CacheWarmer(sync, model=MODEL)  # type: ignore[call-arg] # by position
    CacheWarmer(client=sync, modle=MODEL)  # type: ignore[call-arg] # misspelt
    AsyncCacheWarmer(client=sync, model=MODEL)  # type: ignore[arg-type] # a synchronous client
    AsyncCacheWarmer(client=AnthropicBedrock(), model=MODEL)  # type: ignore[arg-type] # one that shares no public base
    AsyncCacheWarmer(client=transport, model=MODEL)  # type: ignore[arg-type] # a plain function


def settings(client: anthropic.Anthropic) -> None:
    """Values of the wrong type."""
    CacheWarmer(client=client, model=7)  # type: ignore[arg-type] # not an id
    CacheWarmer(client=client, model=[MODEL])  # type: ignore[arg-type] # several stand in ``models``
    CacheWarmer(client=client, model=MODEL, max_usd_per_day=2.50)  # type: ignore[arg-type] # money is no float
    CacheWarmer(client=client, model=MODEL, prices={MODEL: 3})  # type: ignore[dict-item] # a ``ModelPrices``
    CacheWarmer(client=client, model=MODEL, request_timeout_seconds="60")  # type: ignore[arg-type] # a number
    CacheWarmer(client=client, model=MODEL, max_tokens=0.5)  # type: ignore[arg-type] # a whole one


async def warming(warmer: CacheWarmer, other: AsyncCacheWarmer) -> WarmResult:
    """Targets, runs and schedules."""
    warmer.add("You are ...")  # type: ignore[call-arg] # by position
    warmer.add(system_prompt=b"You are ...")  # type: ignore[arg-type] # bytes are no prompt
    warmer.add(system_prompt="You are ...", seed_messages="ping")  # type: ignore[arg-type] # a message is no text
    warmer.add(system="You are ...")  # type: ignore[call-arg] # the article says ``system_prompt``
    warmer.warm(True)  # type: ignore[call-arg] # by position
    warmer.warm(on_progress=lambda _: None)  # type: ignore[misc, arg-type] # it is told three things
    await warmer.warm()  # type: ignore[misc] # a synchronous warmer is not awaited
    warmer.warm().estimated_saving  # type: ignore[attr-defined] # noqa: B018 - misspelt
    warmer.warm().cost_usd + 1  # type: ignore[operator] # unknown at an unknown price
    warmer.touch(at="now")  # type: ignore[arg-type] # a moment is a datetime
    WarmSchedule(warmer, interval_seconds=240)  # type: ignore[call-arg] # by position
    WarmSchedule(warmer=other)  # type: ignore[arg-type] # an asynchronous warmer
    WarmSchedule(warmer=warmer, interval_seconds="4m")  # type: ignore[arg-type] # seconds are a number
    WarmSchedule(interval_seconds=240)  # type: ignore[call-arg] # of nothing
    AsyncWarmSchedule(warmer=warmer)  # type: ignore[arg-type] # a synchronous warmer
    with AsyncWarmSchedule(warmer=other):  # type: ignore[attr-defined] # ``async with``
        pass
    return other.warm()  # type: ignore[return-value] # it must be awaited


def prompts(request: dict[str, Any]) -> None:
    """Markers and keys."""
    add_cache_breakpoints("You are ...", 2)  # type: ignore[call-arg] # by position
    add_cache_breakpoints("You are ...", ttl="2h")  # type: ignore[arg-type] # 5m or 1h
    add_cache_breakpoints(7)  # type: ignore[arg-type] # no prompt
    to_system_blocks(None)  # type: ignore[arg-type] # no prompt
    find_breakpoints([request])  # type: ignore[arg-type] # one request at a time
    scope_blocks("You are ...")  # type: ignore[arg-type] # a request
    compute_cache_key(request, MODEL)  # type: ignore[call-arg] # by position
    compute_cache_key(model=MODEL, tools={"name": "search"})  # type: ignore[arg-type] # tools are a list


def money(cap: CostCap, pool: BudgetPool) -> None:
    """Floats are no money, and every count has its name."""
    CostCap(0)  # type: ignore[call-arg] # by position
    CostCap()  # type: ignore[call-arg] # the dangerous choice has no default
    CostCap(usd_per_call=0.05)  # type: ignore[arg-type] # money is no float
    cap.estimate(MODEL, 10)  # type: ignore[call-arg] # by position
    cap.check(MODEL, tokens=10)  # type: ignore[call-arg] # of which kind?
    cap.estimate(input_tokens=10)  # type: ignore[call-arg] # on which model?
    cap.run(transport, {}, input_tokens=10)  # type: ignore[call-arg] # on which model?
    BudgetPool(1_000)  # type: ignore[call-arg] # by position
    BudgetPool(max_usd=5.0)  # type: ignore[arg-type] # money is no float
    BudgetPool.in_table(table="entries", name="nightly", client=cap)  # type: ignore[arg-type] # not boto3's
    BudgetPool.in_table(name="nightly")  # type: ignore[call-arg] # in which table?
    pool.record(usd=0.01)  # type: ignore[arg-type] # money is no float
    pool.reserve(10)  # type: ignore[call-arg] # by position
    ModelPrices(input_usd_per_mtok=3.0)  # type: ignore[arg-type, call-arg] # money is no float, and four are missing


def calls(tracker: CacheTracker, messages: list[dict[str, Any]]) -> None:
    """Trackers and fitting."""
    CacheTracker("anthropic")  # type: ignore[call-arg] # by position
    CacheTracker(provider="azure")  # type: ignore[arg-type] # one of three
    tracker.wrap(transport)()  # type: ignore[call-arg] # a wrapped call takes what the call did
    tracker.wrap("create")  # type: ignore[arg-type] # not a call
    tracker.aggregate(60)  # type: ignore[call-arg, arg-type] # by position
    fit_messages(messages, 1_000)  # type: ignore[call-arg] # by position
    fit_messages(messages)  # type: ignore[call-arg] # into what?
    fit_messages(["hello"], budget_tokens=1_000)  # type: ignore[type-var] # a message is no text
