"""One call under way, from the start of its request until its usage is known; a stream's observer too."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from prompt_cache_warmer.values.usage_shapes import NO_USAGE, counts_of, member, usage_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from prompt_cache_warmer.library.tracking.entries import Entry
    from prompt_cache_warmer.library.tracking.records import Standing
    from prompt_cache_warmer.library.tracking.requests import TrackedRequest
    from prompt_cache_warmer.values.usage import Usage

_MS_PER_SECOND = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """How a call began.

    Attributes:
        at: when its request started.
        seconds: the same on the monotonic clock.
        standing: what was known of its prefix then.
        entry: the longest prefix that was known to be in the cache, None where there was none.
        resets: how often the book had been reset by then.
    """

    at: datetime
    seconds: float
    standing: Standing
    entry: Entry | None
    resets: int

    def elapsed_ms(self, now_seconds: float) -> float:
        """Tell how long ago it was, by the monotonic clock."""
        return (now_seconds - self.seconds) * _MS_PER_SECOND


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a call ended.

    Attributes:
        request: what was asked.
        start: how it began.
        usage: what it used.
        elapsed_ms: how long it took, None where nobody said.
        is_retry: whether it is the second call of a miss-aware retry.
    """

    request: TrackedRequest
    start: Start
    usage: Usage
    elapsed_ms: float | None
    is_retry: bool = False


@dataclass(slots=True, kw_only=True)
class StreamedCall:
    """A call whose answer comes as a stream; a ``StreamObserver``.

    A stream may also bring one whole answer after another, as the SDK's tool runner does. Each is a call of its
    own then, and nobody says how long it took.

    Attributes:
        request: what was asked.
        start: how it began.
        begin: begins it again, when its request is sent later than it was made.
        seconds: the monotonic clock.
        done: takes the outcome, once.
        dropped: takes it instead when the stream was dropped.
    """

    request: TrackedRequest
    start: Start
    begin: Callable[[TrackedRequest], Start]
    seconds: Callable[[], float]
    done: Callable[[Outcome], object]
    dropped: Callable[[Outcome], object]
    _counts: dict[str, Any] = field(default_factory=dict)
    _answer_id: object = None
    _is_over: bool = False
    _is_several: bool = False

    def restart(self) -> None:
        """Count from now on: the request is sent."""
        self.start = self.begin(self.request)

    def see(self, event: object) -> None:
        """Take in what an event says of the usage; later counts replace earlier ones, because they are sums."""
        counts = counts_of(event, provider=self.request.provider)
        answer_id = member(event, "id") if counts else None
        if answer_id is not None:  # the chunks of one completion have it in common
            if self._answer_id not in (None, answer_id):
                self._is_several = True
                self.done(self._outcome())
                self.restart()
                self._counts = {}
            self._answer_id = answer_id
        self._counts |= counts

    def end(self) -> None:
        """Tell the outcome."""
        self._tell(self.done)

    def drop(self) -> None:
        """Leave the outcome where the tracker will find it."""
        self._tell(self.dropped)

    def _tell(self, taker: Callable[[Outcome], object]) -> None:
        if self._is_over:
            return
        self._is_over = True
        taker(self._outcome())

    def _outcome(self) -> Outcome:
        elapsed_ms = None if self._is_several else self.start.elapsed_ms(self.seconds())
        usage = usage_or_none(self._counts, self.request)
        return Outcome(request=self.request, start=self.start, usage=usage, elapsed_ms=elapsed_ms)


def usage_or_none(answer: object, request: TrackedRequest) -> Usage:
    """Read an answer's usage; one that makes no sense proves nothing, and breaks nobody's call."""
    try:
        return usage_of(answer, provider=request.provider, unsplit_ttl=request.ttl)
    except ValueError:
        return NO_USAGE
