"""Looks at a response of the SDK without changing it: its usage is known once its body was read.

A body that the client has read already is read here at once. One that is still to come is handed on by a stream
around the response's own, through the public attributes ``APIResponse.http_response`` and ``Response.stream``:
the SDK's tracing does the same. Every byte, every error and the end go through as they come.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import httpx2

from prompt_cache_warmer.adapters.answer_reading import AnswerReader, Reading, reader_for

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator


@dataclass(slots=True, eq=False)
class BodyWatch:
    """Watches one body.

    Attributes:
        reading: what is known of it so far.
        over: told once when there is no more of it; told whether nothing may be locked, because the body was
            dropped and the interpreter is collecting garbage.
        failed: told of what is wrong with it, once.
    """

    reading: Reading
    over: Callable[[bool], None]
    failed: Callable[[Exception], None]
    _reader: AnswerReader | None = None
    _to_tell: list[None] = field(default_factory=lambda: [None])

    def open(self, response: httpx2.Response) -> None:
        """Watch a response's body: at once where the client has read it, else as it passes by."""
        is_read = response.is_closed or response.is_stream_consumed
        try:
            self._reader = reader_for(response.headers, self.reading, is_decoded=is_read)
        except Exception as error:  # noqa: BLE001 - an observer never fails; what it cannot read it does not know
            self.failed(error)
        if is_read:
            self.feed(response.content)
            self.end()
        else:
            response.stream = _watched(response.stream, self)

    def feed(self, chunk: bytes) -> None:
        """Take a chunk in."""
        if self._reader is not None:
            try:
                self._reader.feed(chunk)
            except Exception as error:  # noqa: BLE001 - as above
                self._reader = None
                self.failed(error)

    def end(self, *, is_dropped: bool = False) -> None:
        """Tell that there is no more, once."""
        try:
            self._to_tell.pop()  # in one step, because one thread may close what another one reads
        except IndexError:
            return
        if self._reader is not None and not is_dropped:
            try:
                self._reader.end()
            except Exception as error:  # noqa: BLE001 - as above
                self.failed(error)
        self.over(is_dropped)


class _Watched:
    def __init__(self, inner: Any, watch: BodyWatch) -> None:  # noqa: ANN401 - any stream of a transport
        self._inner = inner
        self._watch = watch

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - what others put on a stream stays reachable
        return getattr(object.__getattribute__(self, "_inner"), name)


class _WatchedBody(_Watched, httpx2.SyncByteStream):
    def __iter__(self) -> Iterator[bytes]:
        try:
            for chunk in self._inner:
                self._watch.feed(chunk)
                yield chunk
        except GeneratorExit:
            self._watch.end(is_dropped=True)
            raise
        except BaseException:
            self._watch.end()
            raise
        self._watch.end()

    def close(self) -> None:
        try:
            self._inner.close()
        finally:
            # A stream that is dropped closes its response in the same way, and the interpreter may be collecting it.
            self._watch.end(is_dropped=isinstance(sys.exception(), GeneratorExit))


class _WatchedAsyncBody(_Watched, httpx2.AsyncByteStream):
    async def __aiter__(self) -> AsyncIterator[bytes]:
        chunks = aiter(self._inner)
        try:
            async for chunk in chunks:
                self._watch.feed(chunk)
                yield chunk
        except GeneratorExit:
            self._watch.end(is_dropped=True)
            raise
        except BaseException:
            self._watch.end()
            raise
        finally:
            if isinstance(chunks, AsyncGenerator):  # in the task that read it, and not in one of the loop's own, later
                await chunks.aclose()
        self._watch.end()

    async def aclose(self) -> None:
        try:
            await self._inner.aclose()
        finally:
            self._watch.end(is_dropped=isinstance(sys.exception(), GeneratorExit))


class _WatchedEitherBody(_WatchedBody, _WatchedAsyncBody):
    """Both at once, as ``httpx2.ByteStream`` is."""


def _watched(inner: object, watch: BodyWatch) -> _WatchedBody | _WatchedAsyncBody:
    """Return a stream of the same kind: a response refuses to read the other."""
    if not isinstance(inner, httpx2.SyncByteStream):
        return _WatchedAsyncBody(inner, watch)
    return _WatchedEitherBody(inner, watch) if isinstance(inner, httpx2.AsyncByteStream) else _WatchedBody(inner, watch)
