"""The engine of one process: the same run as the service's, over a client and targets that the process holds."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from prompt_cache_warmer.adapters.callables import is_async_callable
from prompt_cache_warmer.adapters.held_targets import HeldTargets
from prompt_cache_warmer.adapters.transport_messages import TransportMessages, taking_request
from prompt_cache_warmer.errors import ArgumentTypeError
from prompt_cache_warmer.warm.caller import Caller
from prompt_cache_warmer.warm.warmer import Policy, Recorders, Warmer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from prompt_cache_warmer.ports import Clock, MessagesApi, RunLog, StateStore
    from prompt_cache_warmer.rules.metrics import MetricSet
    from prompt_cache_warmer.rules.order import Order
    from prompt_cache_warmer.rules.report import RunReport
    from prompt_cache_warmer.values.targets import Target

# An API may ask to wait for an hour; nobody waits for that in a call, and the next tick comes sooner.
LONGEST_WAIT_SECONDS = 30.0
_SERVICE = "prompt-cache-warmer"


@dataclass(frozen=True, slots=True)
class ConnectedClient:
    """A client as the engine uses it.

    Attributes:
        messages: makes the calls.
        closes_streams: whether a stream can be closed after its first event.
    """

    messages: MessagesApi
    closes_streams: bool


class Engine:
    """Runs orders over a client and the targets that are held at the time.

    Args:
        client: the client.
        store: remembers entries and spending.
        clock: the time.
        request_timeout_seconds: how long one request may take.
        max_tokens: how many tokens every call asks for, at least.
    """

    def __init__(
        self,
        client: ConnectedClient,
        *,
        store: StateStore,
        clock: Clock,
        request_timeout_seconds: float,
        max_tokens: int,
    ) -> None:
        self.store = store
        self.clock = clock
        self._caller = Caller(
            messages=client.messages,
            clock=clock,
            request_timeout_seconds=request_timeout_seconds,
            max_tokens=max_tokens,
            longest_wait_seconds=LONGEST_WAIT_SECONDS,
            closes_streams=client.closes_streams,
            keeps_answers=True,
        )

    async def run(
        self,
        order: Order,
        targets: Mapping[str, Target],
        *,
        policy: Policy,
        log: RunLog,
        remaining_seconds: Callable[[], float],
    ) -> RunReport:
        """Carry out one order over targets.

        Args:
            order: what is asked for.
            targets: the targets by name.
            policy: what bounds the run.
            log: told of every entry as it is done.
            remaining_seconds: says at any moment how much time the run has left; 0 ends it.

        Raises:
            RunError: when the run as a whole could not happen.
        """
        held = HeldTargets(targets)
        warmer = Warmer(
            index=held,
            bodies=held,
            caller=self._caller,
            store=self.store,
            recorders=Recorders(metrics=_NoMetrics(), log=log, detail="run", service=_SERVICE),
            clock=self.clock,
            policy=policy,
        )
        return await warmer.run(order, remaining_seconds=remaining_seconds)


def connected(client: object, *, is_async: bool) -> ConnectedClient:
    """Return a client as the engine uses it.

    Args:
        client: a client of the ``anthropic`` SDK, of any provider; an object with its ``messages.create``; or a
            callable that takes a request and returns a message.
        is_async: which kind it must be.

    Raises:
        ArgumentTypeError: for the wrong kind, and for anything else.
    """
    if "anthropic" in sys.modules:  # whoever has one of its clients has loaded it
        from prompt_cache_warmer.adapters.client_messages import (  # noqa: PLC0415 - see above
            AsyncClientMessages,
            ClientMessages,
            is_async_client,
        )

        found = is_async_client(client)
        if found is not None:
            _check_kind(client, found=found, wanted=is_async)
            messages = AsyncClientMessages(client) if is_async else ClientMessages(client)  # type: ignore[arg-type] # the SDK's classes share no base but a private one
            return ConnectedClient(messages, closes_streams=True)
    create = getattr(getattr(client, "messages", None), "create", None)
    if callable(create):
        _check_kind(client, found=is_async_callable(create), wanted=is_async, may_be_unknown=True)
        return ConnectedClient(
            TransportMessages(lambda request: create(**request), is_async=is_async), closes_streams=False
        )
    if callable(client) and not isinstance(client, type):
        _check_kind(client, found=is_async_callable(client), wanted=is_async, may_be_unknown=True)
        return ConnectedClient(TransportMessages(taking_request(client), is_async=is_async), closes_streams=False)
    raise ArgumentTypeError(
        "client",
        f"{_kind(client)} is not a client; allowed: a client of the anthropic SDK, or a callable that takes a request",
    )


def _check_kind(client: object, *, found: bool, wanted: bool, may_be_unknown: bool = False) -> None:
    """Refuse the wrong kind; a plain callable may return something that can be awaited, so only its call tells."""
    if found and not wanted:
        raise ArgumentTypeError("client", f"{_kind(client)} is asynchronous; use AsyncCacheWarmer for it")
    if wanted and not found and not may_be_unknown:
        raise ArgumentTypeError("client", f"{_kind(client)} is not asynchronous; use CacheWarmer for it")


def _kind(client: object) -> str:
    return f"the class {client.__name__}" if isinstance(client, type) else f"a value of type {type(client).__name__}"


class _NoMetrics:
    """The library publishes no metrics of its own: its results go to whoever asked."""

    def emit(self, metric_sets: Sequence[MetricSet]) -> None:
        """Publish nothing."""
