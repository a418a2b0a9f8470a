"""Warmers: the engine over the application's own client, for targets added in code."""

from __future__ import annotations

import asyncio
import os
from contextlib import contextmanager
from contextvars import ContextVar
from threading import Lock
from typing import TYPE_CHECKING, Generic, TypeVar

from prompt_cache_warmer.errors import CacheWarmerError, OverBudgetError
from prompt_cache_warmer.library.warming.blocking import wait_for
from prompt_cache_warmer.library.warming.clients import AsyncClient, Client
from prompt_cache_warmer.library.warming.holding import REQUEST_TIMEOUT_SECONDS, Holding
from prompt_cache_warmer.library.warming.mode import BY_HAND, Mode
from prompt_cache_warmer.values.document import DEFAULT_EXPECTED_REQUESTS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime
    from decimal import Decimal
    from typing import Any

    from prompt_cache_warmer.library.warming.progress import Progress
    from prompt_cache_warmer.library.warming.results import WarmResult
    from prompt_cache_warmer.ports import Clock
    from prompt_cache_warmer.values.model_prices import ModelPrices
    from prompt_cache_warmer.values.problems import Problem
    from prompt_cache_warmer.wiring.aws import TableClient


Kind = TypeVar("Kind")


# What the library's own clients are remembered as, unless they say otherwise: never as a stack's own key.
OWN_CREDENTIAL = "library"

_under_way: ContextVar[tuple[CacheWarmer, ...]] = ContextVar("_under_way", default=())


class _Warmer(Generic[Kind]):
    """What both warmers have in common."""

    _is_async: bool

    def __init__(  # noqa: PLR0913 - every setting has a default but the client and the model
        self,
        *,
        client: Kind,
        credential: str = OWN_CREDENTIAL,
        model: str | None = None,
        models: Sequence[str] | None = None,
        prices: Mapping[str, ModelPrices] | None = None,
        max_tokens: int = 0,
        max_usd_per_day: Decimal | int | str | None = None,
        request_timeout_seconds: float = REQUEST_TIMEOUT_SECONDS,
        state_table: str | None = None,
        dynamodb_client: TableClient | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.holding = Holding(
            client=client,
            is_async=self._is_async,
            credential=credential,
            model=model,
            models=models,
            prices=prices,
            max_tokens=max_tokens,
            max_usd_per_day=max_usd_per_day,
            request_timeout_seconds=request_timeout_seconds,
            state_table=state_table,
            dynamodb_client=dynamodb_client,
            clock=clock,
        )
        self._turns = (os.getpid(), Lock())

    @property
    def targets(self) -> tuple[str, ...]:
        """The names of the targets, in the order they were added."""
        return self.holding.names

    @property
    def advice(self) -> tuple[Problem, ...]:
        """Everything worth knowing about the targets, each with its place and a sentence."""
        return self.holding.advice

    def add(
        self,
        *,
        system_prompt: str | Sequence[Mapping[str, Any]] | None = None,
        seed_messages: Sequence[Mapping[str, Any]] | None = None,
        tools: Sequence[Mapping[str, Any]] | None = None,
        request: Mapping[str, Any] | None = None,
        name: str | None = None,
        expected_requests: int = DEFAULT_EXPECTED_REQUESTS,
    ) -> str:
        """Add a target: a prompt prefix to keep warm on every model of this warmer.

        Args:
            system_prompt: the system prompt, as text or as blocks.
            seed_messages: messages; marked ones are part of the prefix, unmarked ones the placeholder behind it.
            tools: the tools.
            request: instead of these three, what the application passes to ``client.messages.create``.
            name: the target's name; without one it is made of the prefix, the same in every process.
            expected_requests: how many real requests ``estimated_savings`` speaks of.

        Returns:
            The target's name.

        Raises:
            ArgumentTypeError: for a value of the wrong type, naming the argument and the place in it.
            ArgumentValueError: for one that is not allowed, or a name that is taken.

        Warns:
            PrefixWarning: where the prefix is too short to be worth it, or looks as if it changed by request.
        """
        prompt = {"system_prompt": system_prompt, "tools": tools, "seed_messages": seed_messages, "request": request}
        return self.holding.add(name=name, prompt=prompt, expected_requests=expected_requests)


class CacheWarmer(_Warmer[Client]):
    """Keeps prompt prefixes warm over a synchronous client; any number of threads may use it.

    Args:
        client: a client of the ``anthropic`` SDK, of any provider, or a callable that is given the request
            as one dictionary and returns a message, such as ``lambda request: client.messages.create(**request)``.
        model: the model to warm on.
        models: instead, several models, each with a cache entry of its own; they are called at the same time.
        prices: prices by model in place of all known ones; a model that is not in them has none.
        max_tokens: how many tokens a warm call asks for; 0, the cheapest, where it works.
        max_usd_per_day: the most the warm calls may cost in a UTC day, by their worst case; None for no cap.
        request_timeout_seconds: how long one call may take.
        credential: the name under which the client's key is remembered in a shared table. Keys of one workspace may
            share a name, those of another need another one, because each workspace has a cache of its own; a
            stack's own key is ``default`` there.
        state_table: the DynamoDB table in which entries and spending are remembered, so that processes share them;
            a stack's own or one of the same shape. In memory without.
        dynamodb_client: a boto3 client for that table; one with boto3's own settings without.
        clock: the time; the machine's own without.

    Raises:
        ArgumentTypeError: for an asynchronous client, and for what is no client at all.
        ArgumentValueError: for no model, and for every value that is not allowed.
    """

    _is_async = False

    def warm(self, *, verify: bool = False, on_progress: Progress | None = None) -> WarmResult:
        """Call every entry once, now, and say what ``usage`` proved.

        Args:
            verify: whether a second call, at least 2 s later, proves that the entries can be read.
            on_progress: called with each entry's result, how many are done and how many there are.

        Raises:
            Exception: whatever the client raised, where no entry at all could be warmed; else failures stand
                in the result.
            ArgumentValueError: when there is no target.
            StateUnavailableError: when a shared state cannot be reached.
        """
        return _unless_failed(self.run(BY_HAND, verify=verify, on_progress=on_progress))

    def touch(self, name: str | None = None, *, model: str | None = None, at: datetime | None = None) -> bool:
        """Report a real request of the application; a schedule then keeps the entry by break-even.

        Args:
            name: the target it was for; every target without.
            model: the model it was for; every model without.
            at: when it started, with a time zone; now without.

        Returns:
            Whether it was newer than the last one that was reported.
        """
        return wait_for(lambda: self.holding.touch(name, model=model, at=at))

    def run(self, mode: Mode, *, verify: bool = False, on_progress: Progress | None = None) -> WarmResult:
        """Make one run in a mode, for the schedules; failures stand in the result."""
        if self in _under_way.get():
            raise CacheWarmerError("warm() was called by its own on_progress, and would wait for itself")
        with self._turn, _noted(self):  # two threads at once would each pay a write
            return wait_for(lambda: self.holding.warm(mode, verify=verify, on_progress=on_progress))

    @property
    def _turn(self) -> Lock:
        """One warming at a time; a forked child has a turn of its own, its parent's may never end there."""
        if self._turns[0] != os.getpid():
            self._turns = (os.getpid(), Lock())
        return self._turns[1]


class AsyncCacheWarmer(_Warmer[AsyncClient]):
    """``CacheWarmer`` over an asynchronous client: the same arguments, results and errors, with ``await``."""

    _is_async = True
    _loop_turns: tuple[asyncio.AbstractEventLoop, asyncio.Lock] | None = None

    async def warm(self, *, verify: bool = False, on_progress: Progress | None = None) -> WarmResult:
        """Call every entry once, now, and say what ``usage`` proved; see ``CacheWarmer.warm``."""
        return _unless_failed(await self.run(BY_HAND, verify=verify, on_progress=on_progress))

    async def touch(self, name: str | None = None, *, model: str | None = None, at: datetime | None = None) -> bool:
        """Report a real request of the application; see ``CacheWarmer.touch``."""
        return await self.holding.touch(name, model=model, at=at)

    async def run(self, mode: Mode, *, verify: bool = False, on_progress: Progress | None = None) -> WarmResult:
        """Make one run in a mode, for the schedules; failures stand in the result."""
        async with self._turn:  # two tasks at once would each pay a write
            return await self.holding.warm(mode, verify=verify, on_progress=on_progress)

    @property
    def _turn(self) -> asyncio.Lock:
        """One warming at a time in each event loop; a lock belongs to one."""
        loop = asyncio.get_running_loop()
        if self._loop_turns is None or self._loop_turns[0] is not loop:
            self._loop_turns = (loop, asyncio.Lock())
        return self._loop_turns[1]


@contextmanager
def _noted(warmer: CacheWarmer) -> Iterator[None]:
    """Note that a warmer is at work in this context, so that its callbacks do not wait for it."""
    token = _under_way.set((*_under_way.get(), warmer))
    try:
        yield
    finally:
        _under_way.reset(token)


def _unless_failed(result: WarmResult) -> WarmResult:
    """Return a result, unless no entry at all could be warmed.

    Raises:
        Exception: what the client raised, when every call failed.
        CacheWarmerError: when something else kept every call from being made, such as another process's call.
        OverBudgetError: when a cap kept every call back.
    """
    if any(one.is_called and one.error is None for one in result.results):
        return result
    error = result.failures[0].error if result.failures else None
    if error is not None:
        others = ", ".join(f"{one.target} on {one.model}" for one in result.failures[1:])
        note = f"these failed too: {others}"
        if others and note not in getattr(error, "__notes__", ()):  # one error object may be raised again and again
            error.add_note(note)
        raise error
    capped = next((one for one in result.results if one.is_capped), None)
    if capped is not None:
        raise OverBudgetError(f"max_usd_per_day: {capped.target} on {capped.model} was not called: {capped.reason}")
    first = result.results[0]
    raise CacheWarmerError(f"{first.target} on {first.model} was not called: {first.reason}")
