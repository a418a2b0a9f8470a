"""``CacheTracker``: what an application's own calls read from the cache and wrote to it, and what that cost.

It wraps a call or is handed a usage, and never changes, delays or breaks a call: what it cannot read it
records as unknown. The one exception is the miss-aware retry, which is off unless asked for.

Everything is kept in memory, for this process. ``aggregate()`` counts every call since the last ``reset()``;
single calls, time windows and prefixes are those of the last ``max_history`` calls.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from prompt_cache_warmer.adapters.system_clock import SystemClock
from prompt_cache_warmer.errors import ArgumentTypeError, ArgumentValueError
from prompt_cache_warmer.library.tracking import arguments as check
from prompt_cache_warmer.library.tracking.book import Book, BookRules
from prompt_cache_warmer.library.tracking.calls import Outcome
from prompt_cache_warmer.library.tracking.history import by_prefix, chosen, over_time
from prompt_cache_warmer.library.tracking.records import Aggregate
from prompt_cache_warmer.library.tracking.requests import read_request
from prompt_cache_warmer.library.tracking.wrapping import Wrapper
from prompt_cache_warmer.values.model_prices import PriceList
from prompt_cache_warmer.values.usage_shapes import member, usage_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from prompt_cache_warmer.library.tracking.alerts import CacheAlert
    from prompt_cache_warmer.library.tracking.arguments import MissRetry
    from prompt_cache_warmer.library.tracking.records import CallRecord
    from prompt_cache_warmer.ports import Clock
    from prompt_cache_warmer.values.model_prices import ModelPrices
    from prompt_cache_warmer.values.usage_shapes import Provider

WINDOW_CALLS = 20  # a ratio over fewer says little; over more it says it late
MAX_HISTORY = 10_000  # a few megabytes

P = ParamSpec("P")
R = TypeVar("R")


class CacheTracker:
    """Records what calls read from the cache and wrote to it. Safe to use from any number of threads and tasks.

    Args:
        provider: whose calls these are: ``anthropic``, ``openai`` or ``bedrock``.
        alert_threshold: the ratio, above 0 and up to 1, below which a drop is told; None tells none. What is a
            drop, and what never is, stands in ``CacheAlert``'s module.
        on_alert: called with the ``CacheAlert``; what it raises is logged and goes no further. Without it
            an alert is one line in the log.
        window_calls: over how many calls the ratio is taken, at least 2.
        max_history: how many calls, prefixes and entries are remembered singly.
        prices: prices of one's own by model id, in place of all known ones.
        miss_retry: whether and when a miss is called again; None never does.
        clock: tells the time and waits for asynchronous calls.
        sleep: waits for the others.

    Raises:
        ArgumentError: names the argument that is not usable.
    """

    def __init__(  # noqa: PLR0913 - each is a choice of its own, by keyword, with a default
        self,
        *,
        provider: Provider = "anthropic",
        alert_threshold: float | None = None,
        on_alert: Callable[[CacheAlert], object] | None = None,
        window_calls: int = WINDOW_CALLS,
        max_history: int = MAX_HISTORY,
        prices: Mapping[str, ModelPrices] | None = None,
        miss_retry: MissRetry | None = None,
        clock: Clock | None = None,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        check.check_provider(provider)
        check.check_alert(alert_threshold, on_alert)
        check.check_whole("window_calls", window_calls, least=2)
        check.check_whole("max_history", max_history, least=1)
        check.check_retry(miss_retry)
        self._provider = provider
        self._clock = clock or SystemClock()
        rules = BookRules(
            prices=None if prices is None else PriceList(prices),
            threshold=alert_threshold,
            on_alert=on_alert,
            window_calls=window_calls,
            max_history=max_history,
            just_written_seconds=(miss_retry or check.MissRetry()).within_seconds,
        )
        self._book = Book(rules, clock=self._clock)
        self._wrapper = Wrapper(self._book, provider=provider, clock=self._clock, miss_retry=miss_retry, sleep=sleep)

    def wrap(self, call: Callable[P, R]) -> Callable[P, R]:
        """Return a call that does what ``call`` does, and is recorded.

        Args:
            call: such as ``client.messages.create`` or ``client.messages.stream``, of a synchronous or an
                asynchronous client. Model, system, tools and messages are read from its keyword arguments.

        Returns:
            A callable of the same kind. What it returns or raises is what ``call`` does; a stream comes in a
            wrapper that hands every event and attribute on. A raw response is recorded by its body, if that is
            no stream and has been read. Of a tool runner each message that is iterated is a call; what its own
            methods read is not seen. A manager that nobody enters has sent nothing, so nothing is recorded.
        """
        check.check_callable("call", call)
        return self._wrapper.wrap(call)

    def record(
        self,
        answer: object = None,
        *,
        request: Mapping[str, Any] | None = None,
        model: str | None = None,
        prefix_id: str | None = None,
        elapsed_ms: float | None = None,
    ) -> CallRecord:
        """Record a call that was made already.

        Args:
            answer: the response, its usage, or our own ``Usage``; a dictionary or an object. None for none.
            request: the call's keyword arguments; without them nothing is known of its prefix.
            model: the model's id, unless the request or the answer says it.
            prefix_id: what to group the call by, in place of the request's own prefix id.
            elapsed_ms: how long it took; it is taken to have ended now.

        Raises:
            ArgumentError: names the argument that is not usable.
        """
        if elapsed_ms is not None:
            check.check_number("elapsed_ms", elapsed_ms, least=0)
        if request is not None and not isinstance(request, Mapping):
            raise ArgumentTypeError("request", f"a {type(request).__name__} is not allowed; allowed: keyword arguments")
        named = {**(request or {})}
        named |= {"model": model or named.get("model") or member(answer, "model")}
        try:
            tracked = read_request(named, provider=self._provider, prefix_id=prefix_id)
        except Exception as error:  # noqa: BLE001 - whatever it is that is wrong with the request
            raise ArgumentValueError("request", f"cannot be read as a request: {type(error).__name__}") from None
        try:
            usage = usage_of(answer, provider=self._provider, unsplit_ttl=tracked.ttl)
        except ValueError as error:
            raise ArgumentValueError("answer", str(error)) from None
        start = self._book.begin(tracked, ago_ms=elapsed_ms or 0.0)
        return self._book.finish(Outcome(request=tracked, start=start, usage=usage, elapsed_ms=elapsed_ms))

    def aggregate(
        self, *, prefix_id: str | None = None, since: datetime | None = None, window_seconds: float | None = None
    ) -> Aggregate:
        """Sum up every call since the last reset; those of a prefix or a time window, of the last ``max_history``.

        Args:
            prefix_id: only calls of this prefix.
            since: only calls that started at this aware time or later.
            window_seconds: only calls that started within the last so many seconds.
        """
        begin = check.earliest(since=since, window_seconds=window_seconds, now=self._clock.now)
        kept, forgotten = self._book.remembered()
        total = Aggregate.of(chosen(kept, since=begin, prefix_id=prefix_id))
        return total + forgotten if begin is None and prefix_id is None else total

    def by_prefix(self, *, since: datetime | None = None, window_seconds: float | None = None) -> dict[str, Aggregate]:
        """Sum up the last ``max_history`` calls, or those of a time window, by prefix id."""
        begin = check.earliest(since=since, window_seconds=window_seconds, now=self._clock.now)
        return by_prefix(chosen(self._book.remembered()[0], since=begin))

    def over_time(self, *, bucket_seconds: float, prefix_id: str | None = None) -> list[tuple[datetime, Aggregate]]:
        """Sum up the last ``max_history`` calls by stretches of time that have any, each with the moment it begins.

        Args:
            bucket_seconds: how long a stretch is; at least 1.
            prefix_id: only calls of this prefix.
        """
        check.check_number("bucket_seconds", bucket_seconds, least=1)
        return over_time(
            chosen(self._book.remembered()[0], since=None, prefix_id=prefix_id), bucket_seconds=bucket_seconds
        )

    @property
    def history(self) -> tuple[CallRecord, ...]:
        """The last ``max_history`` calls, in the order in which they ended."""
        return self._book.remembered()[0]

    def reset(self) -> None:
        """Forget everything, what is known to be in the cache and the calls under way included."""
        self._book.reset()
