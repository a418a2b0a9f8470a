"""Streams that tell their usage: every event goes through unchanged, and the call is told once it is over.

Over means read to the end, closed, left, failed, or dropped half-way; then what is known by then is told. Usage
comes from the events and from the SDK's public ``current_message_snapshot``, which also knows what was read by
``text_stream`` or ``get_final_message``. Everything else of a stream is reached through these as before.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import suppress
from typing import Any, Protocol, Self

from prompt_cache_warmer.library.tracking.raw_responses import parsed, parsed_later
from prompt_cache_warmer.values.usage_shapes import member


class StreamObserver(Protocol):
    """What a stream tells its observer; the observer never fails and counts the end once."""

    def restart(self) -> None:
        """The request is sent now."""
        ...

    def see(self, event: object) -> None:
        """One event came."""
        ...

    def end(self) -> None:
        """No more will come."""
        ...

    def drop(self) -> None:
        """It was dropped without an end; called while the interpreter collects garbage, so nothing may be locked."""
        ...


class _Watched:
    """What a watched stream, and the manager that opens one, have in common."""

    def __init__(self, inner: Any, observer: StreamObserver) -> None:  # noqa: ANN401 - any SDK's stream
        self._inner = inner
        self._observer = observer
        self._opened = inner

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the stream has
        return getattr(object.__getattribute__(self, "_inner"), name)

    def _over(self, body: object = None) -> None:
        self._observer.see(body)
        with suppress(AssertionError):  # the SDK's own way to say that no message has begun
            self._observer.see({"message": member(self._opened, "current_message_snapshot")})
        self._observer.end()


class WatchedStream(_Watched):
    """A stream of events."""

    def __init__(self, inner: Any, observer: StreamObserver) -> None:  # noqa: ANN401 - any SDK's stream
        super().__init__(inner, observer)
        self._events = iter(inner)

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:  # noqa: ANN401 - any SDK's event
        try:
            event = next(self._events)
        except BaseException:
            self._over()
            raise
        self._observer.see(event)
        return event

    def __enter__(self) -> Self:
        self._inner.__enter__()
        return self

    def __exit__(self, *error: object) -> Any:  # noqa: ANN401 - handed on
        try:
            return self._inner.__exit__(*error)
        finally:
            self._over()

    def __del__(self) -> None:
        self._observer.drop()

    def close(self) -> None:
        """Close the stream."""
        try:
            self._inner.close()
        finally:
            self._over()


class WatchedAsyncStream(_Watched):
    """An asynchronous stream of events."""

    def __init__(self, inner: Any, observer: StreamObserver) -> None:  # noqa: ANN401 - any SDK's stream
        super().__init__(inner, observer)
        self._events = aiter(inner)

    def __aiter__(self) -> AsyncIterator[Any]:
        return self

    async def __anext__(self) -> Any:  # noqa: ANN401 - any SDK's event
        try:
            event = await anext(self._events)
        except BaseException:
            self._over()
            raise
        self._observer.see(event)
        return event

    async def __aenter__(self) -> Self:
        await self._inner.__aenter__()
        return self

    async def __aexit__(self, *error: object) -> Any:  # noqa: ANN401 - handed on
        try:
            return await self._inner.__aexit__(*error)
        finally:
            self._over()

    def __del__(self) -> None:
        self._observer.drop()

    async def close(self) -> None:
        """Close the stream."""
        try:
            await self._inner.close()
        finally:
            self._over()


class WatchedManager(_Watched):
    """What ``messages.stream()`` returns: its request is sent when it is entered, and without that nothing is told."""

    def __enter__(self) -> Any:  # noqa: ANN401 - whatever it opens
        self._observer.restart()
        opened = self._inner.__enter__()
        self._opened = watched(opened, self._observer) or opened
        return self._opened

    def __exit__(self, *error: object) -> Any:  # noqa: ANN401 - handed on
        try:
            return self._inner.__exit__(*error)
        finally:
            self._over(parsed(self._opened))


class WatchedAsyncManager(_Watched):
    """The same of an asynchronous client."""

    async def __aenter__(self) -> Any:  # noqa: ANN401 - whatever it opens
        self._observer.restart()
        opened = await self._inner.__aenter__()
        self._opened = watched(opened, self._observer) or opened
        return self._opened

    async def __aexit__(self, *error: object) -> Any:  # noqa: ANN401 - handed on
        try:
            return await self._inner.__aexit__(*error)
        finally:
            self._over(await parsed_later(self._opened))


# What an answer can do says what it is; a stream is looked for first, because streams can be entered too.
_KINDS = (
    ("__next__", WatchedStream),
    ("__anext__", WatchedAsyncStream),
    ("__enter__", WatchedManager),
    ("__aenter__", WatchedAsyncManager),
)
# What can be entered and does any of these is an answer itself, a response of ``requests`` say: it stays what it is.
_NOT_OF_MANAGERS = ("__iter__", "__aiter__", "__len__", "__bool__")


def watched(answer: object, observer: StreamObserver) -> Any:  # noqa: ANN401 - the answer's own type, watched
    """Watch an answer that is a stream, opens one, or holds one as Bedrock's do; None when it is none."""
    if isinstance(answer, Mapping):
        events = answer.get("stream")
        return {**answer, "stream": WatchedStream(events, observer)} if hasattr(events, "__iter__") else None
    kind = next((kind for name, kind in _KINDS if hasattr(answer, name)), None)
    if kind in (WatchedManager, WatchedAsyncManager) and any(hasattr(answer, name) for name in _NOT_OF_MANAGERS):
        return None
    return None if kind is None else kind(answer, observer)
