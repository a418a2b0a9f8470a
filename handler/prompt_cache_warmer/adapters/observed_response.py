"""Looks at a response of the SDK without changing it: its usage is known once its body was read.

A body that the client has read already is read here at once. One that is still to come is handed on by a stream
around the response's own, through the public attributes ``APIResponse.http_response`` and ``Response.stream``:
the SDK's tracing does the same. Every byte, every error and the end go through as they come.
"""

from __future__ import annotations

from dataclasses import dataclass
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
    _is_over: bool = False

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
        elif isinstance(response.stream, httpx2.AsyncByteStream):
            response.stream = _WatchedAsyncBody(response.stream, self)
        else:
            response.stream = _WatchedBody(response.stream, self)

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
        if self._is_over:
            return
        self._is_over = True
        if self._reader is not None and not is_dropped:
            try:
                self._reader.end()
            except Exception as error:  # noqa: BLE001 - as above
                self.failed(error)
        self.over(is_dropped)


class _WatchedBody(httpx2.SyncByteStream):
    def __init__(self, inner: Any, watch: BodyWatch) -> None:  # noqa: ANN401 - any stream of a transport
        self._inner = inner
        self._watch = watch

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - what others put on a stream stays reachable
        return getattr(object.__getattribute__(self, "_inner"), name)

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
            self._watch.end()


class _WatchedAsyncBody(httpx2.AsyncByteStream):
    def __init__(self, inner: Any, watch: BodyWatch) -> None:  # noqa: ANN401 - any stream of a transport
        self._inner = inner
        self._watch = watch

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - what others put on a stream stays reachable
        return getattr(object.__getattribute__(self, "_inner"), name)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for chunk in self._inner:
                self._watch.feed(chunk)
                yield chunk
        except GeneratorExit:
            self._watch.end(is_dropped=True)
            raise
        except BaseException:
            self._watch.end()
            raise
        self._watch.end()

    async def aclose(self) -> None:
        try:
            await self._inner.aclose()
        finally:
            self._watch.end()
