"""``CacheObserver``: middleware for the application's own client that tells what its requests do to the caches.

    client = anthropic.Anthropic(
        middleware=[CacheObserver(targets="s3://BUCKET/targets/", state_table="TABLE", metrics="emf", service="STACK")]
    )

It sees every attempt the SDK makes, synchronous or asynchronous, streamed or not. It changes nothing, raises
nothing and waits for nothing: what it cannot do it counts.
"""

from __future__ import annotations

import atexit
import os
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Literal, Self
from weakref import WeakSet

import anthropic

from prompt_cache_warmer.adapters.system_clock import SystemClock
from prompt_cache_warmer.errors import ArgumentTypeError
from prompt_cache_warmer.library.arguments import checked_callback
from prompt_cache_warmer.library.observing import arguments as check
from prompt_cache_warmer.library.observing.account import Account
from prompt_cache_warmer.library.observing.background import Background
from prompt_cache_warmer.library.observing.capturing import Capturing
from prompt_cache_warmer.library.observing.connecting import connect
from prompt_cache_warmer.library.observing.open_calls import OpenCalls
from prompt_cache_warmer.library.observing.recording import Publication, Recorder, Told
from prompt_cache_warmer.library.observing.telling import Teller
from prompt_cache_warmer.library.observing.watching import Watch
from prompt_cache_warmer.settings import DEFAULT_NAMESPACE, DEFAULT_PROMPTS_PREFIX, DEFAULT_SERVICE

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from prompt_cache_warmer.library.observing.calls import AnsweredCall
    from prompt_cache_warmer.library.observing.records import ObserverCounts
    from prompt_cache_warmer.ports import Clock
    from prompt_cache_warmer.wiring.observing import AwsSession


_ascribed_to: ContextVar[str | None] = ContextVar("prompt_cache_warmer_ascribed_to", default=None)


class CacheObserver(anthropic.Middleware):
    """Records what each real request read from the cache and wrote to it, for the target it belongs to.

    Args:
        targets: what is kept warm: ``s3://bucket/prefix/`` as the stack reads it, or documents: files, folders of
            them, or mappings.
        target: the name of the target that every request belongs to, unless ``ascribe`` says another; a request
            with another prefix is a drift then. None goes by the prefix alone.
        state_table: the stack's table, which is told of traffic at most once per entry and 30 seconds; it is what
            makes ``keep: while-used`` work and what the warmer explains misses by. None tells nobody.
        metrics: ``emf`` writes one line per request to standard output, for Lambda and the CloudWatch agent;
            ``cloudwatch`` puts them by its API, every minute, in the background; None publishes nothing.
        service: the value of the metrics' ``service`` dimension: the stack's name.
        namespace: the metrics' CloudWatch namespace.
        on_request: called with the ``ObservedRequest`` after each one, in the thread that records it: the
            request's own, or the observer's for requests that waited for the targets to be read.
        capture: writes a target document for a target that requests are ascribed to and that is not there
            (``new``), or also gives one with another prefix theirs (``changed``; the bucket must keep versions);
            only with ``targets`` in S3, and with the right to write there. None writes nothing.
        prompts_prefix: what documents may refer to, as the stack's ``PromptsPrefix``.
        session: a boto3 session for everything that goes to AWS; None for the default one.
        clock: tells the time.

    Raises:
        ArgumentTypeError: for an argument of the wrong type.
        ArgumentValueError: for one that is not allowed, and for a document that is no target.
    """

    def __init__(  # noqa: PLR0913 - each is a choice of its own, by keyword, with a default
        self,
        *,
        targets: str | Path | Mapping[str, Any] | Sequence[str | Path | Mapping[str, Any]],
        target: str | None = None,
        state_table: str | None = None,
        metrics: Literal["emf", "cloudwatch"] | None = None,
        service: str = DEFAULT_SERVICE,
        namespace: str = DEFAULT_NAMESPACE,
        on_request: Told | None = None,
        capture: Literal["new", "changed"] | None = None,
        prompts_prefix: str = DEFAULT_PROMPTS_PREFIX,
        session: AwsSession | None = None,
        clock: Clock | None = None,
    ) -> None:
        check.check_prompts_prefix(prompts_prefix)
        found = check.read_targets(targets, prompts_prefix=prompts_prefix)
        check.check_target(target, None if isinstance(found, check.BucketPlace) else found)
        check.check_metrics(metrics, service=service, namespace=namespace)
        check.check_table(state_table)
        check.check_seams(clock=clock, session=session)
        check.check_capture(capture, found)
        checked_callback("on_request", on_request)
        connected = connect(
            found,
            prompts_prefix=prompts_prefix,
            state_table=state_table,
            metrics=metrics,
            namespace=namespace,
            session=session,
        )
        self._clock = clock or SystemClock()
        self._target = target
        self._account = Account()
        self._open_calls = OpenCalls()
        self._has_network = connected.has_network
        self._gathered = connected.gathered
        publication = Publication(connected.sink, service)
        self._capturing = None
        if capture is not None and connected.source is not None:
            self._capturing = Capturing(
                store=connected.source.store,
                may_replace=capture == "changed",
                seconds=self._clock.monotonic_seconds,
                failed=self._failed_at,
            )
        self._recorder = Recorder(
            account=self._account,
            open_calls=self._open_calls,
            publication=publication,
            on_request=on_request,
            capturing=self._capturing,
            seconds=self._clock.monotonic_seconds,
            wake=self._wake,
        )
        if connected.known is not None:
            self._recorder.know(connected.known)
        self._teller = Teller(
            account=self._account,
            open_calls=self._open_calls,
            recorder=self._recorder,
            connected=connected,
            capturing=self._capturing,
            publication=publication,
            seconds=self._clock.monotonic_seconds,
        )
        self._watch = Watch(
            account=self._account,
            open_calls=self._open_calls,
            clock=self._clock,
            take=self._take,
            failed=self._failed,
        )
        self._background = Background(self._teller.work)
        _observers.add(self)

    def handle(self, request: anthropic.APIRequest, call_next: anthropic.CallNext) -> anthropic.APIResponse[Any]:
        """Pass a synchronous request on, and look at its answer."""
        attempt = self._watch.begin(request, ascribed_to=_ascribed_to.get() or self._target)
        try:
            response = call_next(request)
        except BaseException:
            if attempt is not None:
                attempt.lost()
            raise
        if attempt is not None:
            attempt.answered(response)
        return response

    async def handle_async(
        self, request: anthropic.APIRequest, call_next: anthropic.AsyncCallNext
    ) -> anthropic.AsyncAPIResponse[Any]:
        """Pass an asynchronous request on, and look at its answer."""
        attempt = self._watch.begin(request, ascribed_to=_ascribed_to.get() or self._target)
        try:
            response = await call_next(request)
        except BaseException:
            if attempt is not None:
                attempt.lost()
            raise
        if attempt is not None:
            attempt.answered(response)
        return response

    @contextmanager
    def ascribe(self, target: str) -> Iterator[Self]:
        """Say that every request which begins inside belongs to a target, of this thread or task.

        Args:
            target: the target's name; requests of one that is not known are counted as ``unascribed``.

        Raises:
            ArgumentTypeError: for anything but text.
        """
        if not isinstance(target, str):
            raise ArgumentTypeError("target", f"a value of type {type(target).__name__} is not text")
        token = _ascribed_to.set(target)
        try:
            yield self
        finally:
            _ascribed_to.reset(token)

    @property
    def counts(self) -> ObserverCounts:
        """How much it has seen in this process, and what it could not do."""
        self._recorder.record()  # what was dropped waits for somebody
        gathered_lost = 0 if self._gathered is None else self._gathered.lost
        return self._account.counts(lost=self._recorder.lost + gathered_lost, waiting=self._recorder.waiting)

    def flush(self, *, timeout_seconds: float = 5.0) -> bool:
        """Send what is waiting and wait for it.

        In Lambda call it before the handler returns: the sandbox stands still afterwards. The state hears of an
        entry at most once in 30 seconds however often this is called; what it was not told then waits for the
        next time, or for ``close`` or the interpreter's exit, which tell everything.

        Args:
            timeout_seconds: how long to wait at most; what takes longer goes on.

        Returns:
            Whether everything that is due was sent in that time. What failed is counted, and kept for the next time.
        """
        seconds = check.checked_wait(timeout_seconds)
        self._recorder.record()
        if not self._has_network:
            return True
        return self._background.flush(seconds) and not self._teller.has_waiting

    def close(self, *, timeout_seconds: float = 5.0) -> bool:
        """Send everything, and end the background thread; a later request starts it again.

        At the interpreter's exit everything is sent for two seconds, so that nobody has to call this.

        Args:
            timeout_seconds: how long to wait at most.

        Returns:
            Whether everything was sent in that time.
        """
        seconds = check.checked_wait(timeout_seconds)
        self._release()
        is_done = self.flush(timeout_seconds=seconds)
        self._background.stop()
        return is_done

    def _release(self) -> None:
        """Record what waits, and have the state told of it however lately it was."""
        self._recorder.record()
        self._account.release()

    def _begin_anew(self) -> None:
        """Leave to the parent what was seen before the fork."""
        self._account.forget()
        self._open_calls.forget()
        self._recorder.forget()
        self._teller.forget()
        if self._capturing is not None:
            self._capturing.forget()
        if self._gathered is not None:
            self._gathered.forget()

    def _wake(self) -> None:
        if self._has_network:
            self._background.wake()

    def _take(self, call: AnsweredCall, is_dropped: bool) -> None:  # noqa: FBT001 - the attempt's one question
        self._recorder.add(call)
        if is_dropped:  # the interpreter may be collecting garbage, so whoever comes next records it
            return
        self._recorder.record()
        if self._has_network and not self._background.is_started:
            self._background.wake()

    def _failed(self, error: Exception) -> None:
        self._failed_at("observing", error)

    def _failed_at(self, what: str, error: BaseException) -> None:
        self._recorder.failed(what, error)


_observers: WeakSet[CacheObserver] = WeakSet()


@atexit.register
def _record_all() -> None:
    """Record what was dropped, so that all is flushed: what is registered later comes first at the exit."""
    for observer in list(_observers):
        observer._release()  # noqa: SLF001 - of this module's own class


def _begin_all_anew() -> None:
    for observer in list(_observers):
        observer._begin_anew()  # noqa: SLF001 - as above


with suppress(AttributeError):  # a platform without forks has nothing to register with
    os.register_at_fork(after_in_child=_begin_all_anew)  # after the locks, which were registered before
