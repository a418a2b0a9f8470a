"""What both warmers are: targets added in code, and the engine that warms them over the caller's client."""

from __future__ import annotations

import asyncio
import warnings
from dataclasses import replace
from datetime import datetime
from decimal import localcontext
from threading import Lock
from typing import TYPE_CHECKING, Any

from prompt_cache_warmer.adapters.memory_state import MemoryState
from prompt_cache_warmer.adapters.system_clock import SystemClock
from prompt_cache_warmer.errors import ArgumentTypeError, ArgumentValueError
from prompt_cache_warmer.library.arguments import (
    checked_callback,
    checked_count,
    checked_moment,
    checked_seconds,
    usd,
)
from prompt_cache_warmer.library.tables import opening_table
from prompt_cache_warmer.library.warming.mode import BY_HAND, Mode
from prompt_cache_warmer.library.warming.models import checked_models, checked_name
from prompt_cache_warmer.library.warming.progress import Progress, ProgressLog
from prompt_cache_warmer.library.warming.results import WarmResult, entry_warmth
from prompt_cache_warmer.library.warming.targets import added_target, unsent_options
from prompt_cache_warmer.rules.entry_result import EntryResult, Outcome
from prompt_cache_warmer.rules.order import Order
from prompt_cache_warmer.rules.reasons import Reason
from prompt_cache_warmer.rules.verdict import Verdict
from prompt_cache_warmer.values.body import TTL_SECONDS
from prompt_cache_warmer.values.caps import Caps
from prompt_cache_warmer.values.document import MAX_EXPECTED_REQUESTS
from prompt_cache_warmer.values.model_prices import PriceList
from prompt_cache_warmer.values.money import MONEY
from prompt_cache_warmer.values.problems import Problem, ProblemCode, nearest, shown
from prompt_cache_warmer.values.state import MAX_CLOCK_SKEW
from prompt_cache_warmer.values.targets import entries
from prompt_cache_warmer.warm.claims import RunLimits
from prompt_cache_warmer.warm.ledger import longest_claim_seconds
from prompt_cache_warmer.warm.warmer import Policy
from prompt_cache_warmer.wiring.engine import Engine, connected

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime
    from decimal import Decimal

    from prompt_cache_warmer.ports import Clock, StateStore
    from prompt_cache_warmer.values.model_prices import ModelPrices
    from prompt_cache_warmer.values.state import EntryKey
    from prompt_cache_warmer.values.targets import Target
    from prompt_cache_warmer.wiring.aws import TableClient


# The API may miss an entry that was written a moment ago; an SDK issue reports 40 to 60 %.
VERIFY_WAIT_SECONDS = 2.0
# As the service's MAX_CONCURRENCY, MAX_INFLIGHT_BYTES and REQUEST_TIMEOUT_SECONDS.
MAX_CONCURRENCY = 32
MAX_INFLIGHT_BYTES = 64 * 1024 * 1024
REQUEST_TIMEOUT_SECONDS = 60.0
MAX_TIMEOUT_SECONDS = 120.0  # a call without output takes seconds; one that died holds its entry for four of these
CLAIM_POLL_SECONDS = 0.5  # how often it is looked whether another process's call has ended
MAX_MAX_TOKENS = 100_000  # a warm call that generates more is a mistake

_TOLD_IN_RESULTS_ONLY = frozenset({ProblemCode.MARKER_ADDED, ProblemCode.AUTOMATIC_CACHING})


class PrefixWarning(UserWarning):
    """A prefix is hardly worth warming, or looks as if it changed with every request."""


class Holding:
    """Targets and the engine over them; the faces are ``CacheWarmer`` and ``AsyncCacheWarmer``."""

    def __init__(  # noqa: PLR0913 - the public constructors' own arguments, by name
        self,
        *,
        client: object,
        is_async: bool,
        credential: str,
        model: str | None,
        models: Sequence[str] | None,
        prices: Mapping[str, ModelPrices] | None,
        max_tokens: int,
        max_usd_per_day: Decimal | int | str | None,
        request_timeout_seconds: float,
        state_table: str | None,
        dynamodb_client: TableClient | None,
        clock: Clock | None,
    ) -> None:
        self.models = checked_models(model, models)
        self._credential = checked_name("credential", credential)
        self._prices = None if prices is None else PriceList(prices)
        self._caps = Caps(usd_per_day=None if max_usd_per_day is None else usd("max_usd_per_day", max_usd_per_day))
        self._timeout_seconds = checked_seconds(
            "request_timeout_seconds", request_timeout_seconds, at_most=MAX_TIMEOUT_SECONDS
        )
        self._is_durable = state_table is not None
        self.clock = clock or SystemClock()
        self._engine = Engine(
            connected(client, is_async=is_async),
            store=MemoryState() if state_table is None else _shared_state(state_table, dynamodb_client),
            clock=self.clock,
            request_timeout_seconds=self._timeout_seconds,
            max_tokens=checked_count("max_tokens", max_tokens, at_least=0, at_most=MAX_MAX_TOKENS),
        )
        self._targets: dict[str, Target] = {}
        self._adding = Lock()

    @property
    def advice(self) -> tuple[Problem, ...]:
        """Everything worth knowing about the targets, with its place."""
        return tuple(problem for target in self._targets.values() for problem in target.summary.warnings)

    @property
    def names(self) -> tuple[str, ...]:
        """The targets' names, in the order they were added."""
        return tuple(self._targets)

    @property
    def store(self) -> StateStore:
        """Where entries and spending are remembered."""
        return self._engine.store

    @property
    def ttl_seconds(self) -> tuple[int, int]:
        """The shortest and the longest time to live of the targets, each by its shortest marker."""
        found = [min(TTL_SECONDS[ttl] for ttl in target.summary.ttls) for target in self._targets.values()]
        return min(found), max(found)

    def add(self, *, name: str | None, prompt: Mapping[str, Any], expected_requests: int) -> str:
        """Add a target and return its name; warn of what makes it hardly worth warming."""
        checked_count("expected_requests", expected_requests, at_least=1, at_most=MAX_EXPECTED_REQUESTS)
        if name is not None and not isinstance(name, str):
            raise ArgumentTypeError("name", f"a value of type {type(name).__name__} is not a name")
        target = added_target(
            name=name,
            models=self.models,
            prompt=prompt,
            expected_requests=expected_requests,
            prices=self._prices,
            credential=self._credential,
        )
        summary = target.summary
        for problem in summary.warnings:  # first, so that where a warning is an error nothing is added
            if problem.code not in _TOLD_IN_RESULTS_ONLY:
                place = problem.path.removeprefix("$.")
                warnings.warn(f"{place}: {problem.message}", PrefixWarning, stacklevel=3)
        for option in unsent_options(prompt.get("request")):
            message = f"request.{option} is not sent with warm calls; set it on the client if they need it"
            warnings.warn(message, PrefixWarning, stacklevel=3)
        with self._adding:
            if name is not None and name in self._targets:
                raise ArgumentValueError("name", f"{shown(name)} is taken by another target of this warmer")
            self._targets = {**self._targets, summary.name: target}  # a run under way keeps the targets it began with
        return summary.name

    async def warm(self, mode: Mode, *, verify: bool, on_progress: Progress | None) -> WarmResult:
        """Warm the targets; by hand every entry is called, on a schedule those that are due.

        Raises:
            ArgumentValueError: when there is no target.
            RunError: when the run as a whole could not happen.
        """
        checked_callback("on_progress", on_progress)
        targets = self._targets
        if not targets:
            raise ArgumentValueError("add", "there is no target to warm; add one first")
        with localcontext(MONEY):  # the caller's own arithmetic may round, or refuse to
            return await self._warm(targets, mode, verify=verify, on_progress=on_progress)

    async def _warm(
        self, targets: Mapping[str, Target], mode: Mode, *, verify: bool, on_progress: Progress | None
    ) -> WarmResult:
        log = ProgressLog(on_progress, total=sum(len(target.summary.models) for target in targets.values()))
        first = await self._run(targets, mode, log)
        if mode is BY_HAND:
            first |= await self._after_others(targets, first, log)
        verified: dict[EntryKey, EntryResult] = {}
        if verify:
            cached = {key for key, result in first.items() if _may_be_read(result)}
            again = _only_entries(targets, cached)
            if again:
                await self.clock.sleep(VERIFY_WAIT_SECONDS)
                verified = await self._run(again, BY_HAND, ProgressLog(None, total=0))
        ordered = [entry.key for entry in entries(tuple(target.summary for target in targets.values()))]
        return WarmResult(tuple(entry_warmth(first[key], verified.get(key)) for key in ordered))

    async def _after_others(
        self, targets: Mapping[str, Target], results: Mapping[EntryKey, EntryResult], log: ProgressLog
    ) -> dict[EntryKey, EntryResult]:
        """Call what another process was calling once it has ended, or its claim has."""
        waiting = _claimed(results)
        done: dict[EntryKey, EntryResult] = {}
        waited_seconds = 0.0
        while waiting and waited_seconds <= longest_claim_seconds(self._timeout_seconds):
            await self.clock.sleep(CLAIM_POLL_SECONDS)
            waited_seconds += CLAIM_POLL_SECONDS
            done |= await self._run(_only_entries(targets, waiting), BY_HAND, log)
            waiting = _claimed(done)
        return done

    async def touch(self, name: str | None, *, model: str | None, at: datetime | None) -> bool:
        """Report a real request; an earlier one than the last known changes nothing.

        Returns:
            Whether it was newer than the last known one, of any entry.
        """
        now = self.clock.now()
        moment = now if at is None else checked_moment("at", at, latest=now + MAX_CLOCK_SKEW)
        if model is not None and model not in self.models:
            raise ArgumentValueError("model", f"{shown(model)} is not one of {', '.join(self.models)}")
        touched = await asyncio.gather(
            *(
                self.store.touch(entry.key, at=moment, fingerprint=entry.target.prefix_digest)
                for entry in entries(tuple(target.summary for target in self._chosen(name)))
                if model in (None, entry.model)
            )
        )
        return any(touched)

    def _chosen(self, name: str | None) -> Iterable[Target]:
        if name is None:
            return self._targets.values()
        if not isinstance(name, str):
            raise ArgumentTypeError("name", f"a value of type {type(name).__name__} is not a name")
        if name not in self._targets:
            raise ArgumentValueError("name", f"there is no target {shown(name)}{nearest(name, self._targets)}")
        return [self._targets[name]]

    async def _run(self, targets: Mapping[str, Target], mode: Mode, log: ProgressLog) -> dict[EntryKey, EntryResult]:
        is_by_hand = mode.scheduled_at is None
        policy = Policy(
            limits=RunLimits(
                max_concurrency=MAX_CONCURRENCY,
                max_inflight_bytes=MAX_INFLIGHT_BYTES,
                request_timeout_seconds=self._timeout_seconds,
            ),
            tick_seconds=mode.interval_seconds,
            jitter_seconds=mode.jitter_seconds,
            caps=self._caps,
            is_durable=self._is_durable,
            is_plain=True,
            overrides_breakers=is_by_hand,
            overrides_credentials=True,  # a refused key costs nothing, and its owner is told at every tick
        )
        order = Order(
            targets=tuple(targets) if is_by_hand else None,
            scheduled_time=None if mode.scheduled_at is None else mode.scheduled_at.isoformat(),
        )
        report = await self._engine.run(
            order, targets, policy=policy, log=log, remaining_seconds=mode.remaining_seconds
        )
        return {result.entry.key: result for result in report.results}


def _shared_state(table: object, client: TableClient | None) -> StateStore:
    """Open a state table; what speaks to AWS is loaded here and not before."""
    if not isinstance(table, str) or not table:
        raise ArgumentTypeError("state_table", f"{shown(table)} is not the name of a table")
    with opening_table("state_table"):
        from prompt_cache_warmer.wiring.aws import state_store  # noqa: PLC0415 - see above

        return state_store(table, client=client)


def _may_be_read(result: EntryResult) -> bool:
    """Tell whether a second call could prove something: the first was answered and left something cached."""
    return result.outcome is Outcome.WARMED and result.verdict is not Verdict.UNCACHED


def _claimed(results: Mapping[EntryKey, EntryResult]) -> set[EntryKey]:
    return {key for key, result in results.items() if result.code == Reason.CLAIMED}


def _only_entries(targets: Mapping[str, Target], keys: set[EntryKey]) -> dict[str, Target]:
    """Return the targets of some entries, each with those of its models that are meant."""
    return {name: held for name, target in targets.items() if (held := _only(target, keys)) is not None}


def _only(target: Target, keys: set[EntryKey]) -> Target | None:
    """Return a target with those of its models whose entries are meant; None where none is."""
    models = tuple(entry.model for entry in entries((target.summary,)) if entry.key in keys)
    return replace(target, summary=replace(target.summary, models=models)) if models else None
