"""Wrapping a call: synchronous or asynchronous, with one answer or a stream, called once or once more."""

from __future__ import annotations

import functools
import inspect
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, cast

from prompt_cache_warmer.library.tracking.bodies import model_of
from prompt_cache_warmer.library.tracking.calls import Outcome, StreamedCall, usage_or_none
from prompt_cache_warmer.library.tracking.raw_responses import parsed, parsed_later
from prompt_cache_warmer.library.tracking.requests import TrackedRequest, read_request
from prompt_cache_warmer.library.tracking.streams import watched
from prompt_cache_warmer.values.usage_shapes import counts_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from prompt_cache_warmer.library.tracking.arguments import MissRetry
    from prompt_cache_warmer.library.tracking.book import Book
    from prompt_cache_warmer.library.tracking.calls import Start
    from prompt_cache_warmer.ports import Clock
    from prompt_cache_warmer.values.usage_shapes import Provider

P = ParamSpec("P")
R = TypeVar("R")


class Wrapper:
    """Wraps calls so that they are entered in a book.

    Args:
        book: where.
        provider: whose calls they are.
        clock: measures them, and waits for asynchronous ones.
        sleep: waits for the others.
        miss_retry: whether and when a miss is called again.
    """

    def __init__(
        self,
        book: Book,
        *,
        provider: Provider,
        clock: Clock,
        sleep: Callable[[float], object],
        miss_retry: MissRetry | None,
    ) -> None:
        self._book = book
        self._provider = provider
        self._clock = clock
        self._sleep = sleep
        self._miss_retry = miss_retry

    def wrap(self, call: Callable[P, R]) -> Callable[P, R]:
        """Return a call that does the same and is recorded."""

        @functools.wraps(call)
        def tracked(*args: P.args, **kwargs: P.kwargs) -> R:
            request = self._read(kwargs)
            start = self._book.begin(request)
            answer = call(*args, **kwargs)
            if inspect.isawaitable(answer):
                again = cast("Callable[[], Awaitable[Any]]", functools.partial(call, *args, **kwargs))
                return cast("R", self._awaited(answer, again, request))
            result, delay_seconds = self._settled(answer, parsed(answer), request, start)
            if delay_seconds is None:
                return cast("R", result)
            self._sleep(delay_seconds)
            start = self._book.begin(request)
            try:
                second = call(*args, **kwargs)
            except Exception:  # noqa: BLE001 - the first call did succeed, so the application gets its answer
                return answer
            return cast("R", self._settled(second, parsed(second), request, start, is_retry=True)[0])

        if not inspect.iscoroutinefunction(call):
            return tracked

        @functools.wraps(call)
        async def tracked_later(*args: P.args, **kwargs: P.kwargs) -> Any:  # noqa: ANN401 - whatever the call returns
            return await cast("Awaitable[Any]", tracked(*args, **kwargs))

        return cast("Callable[P, R]", tracked_later)

    async def _awaited(
        self, answer: Awaitable[Any], again: Callable[[], Awaitable[Any]], request: TrackedRequest
    ) -> Any:  # noqa: ANN401 - whatever the call returns
        start = self._book.begin(request)
        first = await answer
        result, delay_seconds = self._settled(first, await parsed_later(first), request, start)
        if delay_seconds is None:
            return result
        await self._clock.sleep(delay_seconds)
        start = self._book.begin(request)
        try:
            second = await again()
        except Exception:  # noqa: BLE001 - the first call did succeed, so the application gets its answer
            return first
        return self._settled(second, await parsed_later(second), request, start, is_retry=True)[0]

    def _read(self, arguments: Mapping[str, Any]) -> TrackedRequest:
        try:
            return read_request(arguments, provider=self._provider)
        except Exception:  # noqa: BLE001 - the API judges a request, not its tracker: the call is recorded all the same
            return TrackedRequest(provider=self._provider, model=model_of(arguments))

    def _settled(
        self,
        answer: Any,  # noqa: ANN401 - whatever the call returned
        parsed_answer: object,
        request: TrackedRequest,
        start: Start,
        *,
        is_retry: bool = False,
    ) -> tuple[Any, float | None]:
        """Record an answer, or watch it when it is a stream.

        Args:
            answer: what the call returned.
            parsed_answer: what it holds when it is a raw response, None when it is none.
            request: what was asked.
            start: how the call began.
            is_retry: whether it is the second call of a retry.

        Returns:
            What the application gets, and how long to wait before calling again; None for not at all.
        """
        book, clock = self._book, self._clock
        told = answer if parsed_answer is None else parsed_answer
        if not counts_of(told, provider=self._provider):
            call = StreamedCall(
                request=request,
                start=start,
                begin=book.begin,
                seconds=clock.monotonic_seconds,
                done=book.finish,
                dropped=book.dropped.append,
            )
            stream = watched(answer, call)
            if stream is not None:
                return stream, None
        elapsed_ms = start.elapsed_ms(clock.monotonic_seconds())
        usage = usage_or_none(told, request)
        record = book.finish(
            Outcome(request=request, start=start, usage=usage, elapsed_ms=elapsed_ms, is_retry=is_retry)
        )
        is_wanted = self._miss_retry is not None and record.is_miss and record.was_just_written
        return answer, self._miss_retry.delay_seconds if self._miss_retry and is_wanted else None
