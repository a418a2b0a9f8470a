"""Reads the usage out of an answer's bytes as they pass by: whole JSON, server-sent events, AWS event streams.

It looks at a copy of every chunk and holds nothing back: of a stream only an unfinished line is kept, and only
events that may carry usage are parsed. What it cannot read it leaves, and says that it knows nothing.
"""

from __future__ import annotations

import base64
import json
import zlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from prompt_cache_warmer.values.usage_shapes import counts_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

MAX_HELD_BYTES = 16 * 1024 * 1024  # no answer and no event is larger; what is, is not worth the memory

_USAGE = b'"usage"'  # inside a text the quotes are escaped, so that this is a field's name
_FIRST_TOKEN = b"content_block_delta"
_GZIP_OR_ZLIB = zlib.MAX_WBITS | 32  # zlib's own way to say: whichever of the two the first bytes are
_HEADER_BYTES = 2  # as many tell both from a bare deflate stream, which some servers call deflate, too
_GZIP_MAGIC = b"\x1f\x8b"
_ZLIB_CHECK, _ZLIB_METHOD, _METHOD_BITS = 31, 8, 0x0F  # RFC 1950: the header is a multiple of 31, its method 8


class UnreadableAnswerError(Exception):
    """An answer is in a form that is not read here."""


@dataclass(slots=True)
class Reading:
    """What is known of an answer so far.

    Attributes:
        seconds: the monotonic clock.
        counts: the counts of its usage; those of a later event replace those of an earlier one.
        first_token_seconds: when its first token passed by, by that clock; None before that.
    """

    seconds: Callable[[], float]
    counts: dict[str, Any] = field(default_factory=dict)
    first_token_seconds: float | None = None

    def see(self, event: bytes) -> None:
        """Take an event in."""
        if self.first_token_seconds is None and _FIRST_TOKEN in event:
            self.first_token_seconds = self.seconds()
        if _USAGE in event:
            self.counts |= counts_of(json.loads(event), provider="anthropic")


class AnswerReader(Protocol):
    """Takes an answer's bytes in, chunk by chunk."""

    def feed(self, chunk: bytes) -> None:
        """Take a chunk in; raises whatever is wrong with it."""
        ...

    def end(self) -> None:
        """There is no more."""
        ...


def reader_for(headers: Mapping[str, str], reading: Reading, *, is_decoded: bool) -> AnswerReader:
    """Choose how to read an answer by its headers.

    Args:
        headers: the answer's headers.
        reading: where what is found goes.
        is_decoded: whether its content encoding is undone already.

    Raises:
        UnreadableAnswerError: for a type or an encoding that is not known.
    """
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    make = _READERS.get(kind)
    if make is None:
        raise UnreadableAnswerError(f"content-type {kind!r}")
    encoding = "" if is_decoded else headers.get("content-encoding", "").strip().lower()
    if encoding in ("", "identity"):
        return make(reading)
    if encoding in ("gzip", "deflate"):
        return _Inflated(make(reading))
    raise UnreadableAnswerError(f"content-encoding {encoding!r}")


class _Whole:
    """One JSON object."""

    def __init__(self, reading: Reading) -> None:
        self._reading = reading
        self._held = bytearray()

    def feed(self, chunk: bytes) -> None:
        self._held += chunk
        _check_held(len(self._held))

    def end(self) -> None:
        self._reading.counts |= counts_of(json.loads(self._held), provider="anthropic") if self._held else {}


class _Lines:
    """Server-sent events: the data of each stands in one line."""

    def __init__(self, reading: Reading) -> None:
        self._reading = reading
        self._held: list[bytes] = []
        self._held_bytes = 0
        self._is_begun = False

    def feed(self, chunk: bytes) -> None:
        if self._is_begun and not self._held_bytes and _USAGE not in chunk and chunk.endswith(b"\n"):
            return  # whole lines of text, as nearly all of a long answer is: this is looked at thousands of times
        *whole, rest = chunk.split(b"\n")
        if whole:
            whole[0] = b"".join((*self._held, whole[0]))
            self._held, self._held_bytes = [], 0
            for line in whole:
                if line.startswith(b"data:"):
                    self._reading.see(line.removeprefix(b"data:"))
        self._held.append(rest)
        self._held_bytes += len(rest)
        self._is_begun = self._reading.first_token_seconds is not None
        _check_held(self._held_bytes)

    def end(self) -> None:
        self.feed(b"\n")


class _AwsEvents:
    """AWS's binary event stream, as Bedrock sends it; the SDK reads it with the same class of botocore."""

    def __init__(self, reading: Reading) -> None:
        from botocore.eventstream import EventStreamBuffer  # noqa: PLC0415 - only Bedrock's clients need botocore

        self._reading = reading
        self._buffer = EventStreamBuffer()

    def feed(self, chunk: bytes) -> None:
        self._buffer.add_data(chunk)
        for event in self._events():
            self._reading.see(event)

    def end(self) -> None:
        """Nothing is held back here."""

    def _events(self) -> Iterator[bytes]:
        for message in self._buffer:
            payload = json.loads(message.payload)
            if isinstance(payload, dict) and isinstance(payload.get("bytes"), str):
                yield base64.b64decode(payload["bytes"])


class _Inflated:
    """Another reader behind gzip or deflate."""

    def __init__(self, inner: AnswerReader) -> None:
        self._inner = inner
        self._head = b""
        self._inflater: zlib._Decompress | None = None

    def feed(self, chunk: bytes) -> None:
        if self._inflater is None:
            chunk = self._head = self._head + chunk
            if len(chunk) < _HEADER_BYTES:
                return
            self._inflater = zlib.decompressobj(_GZIP_OR_ZLIB if _has_header(chunk) else -zlib.MAX_WBITS)
        self._inner.feed(self._inflater.decompress(chunk))

    def end(self) -> None:
        if self._inflater is not None:
            self._inner.feed(self._inflater.flush())
        self._inner.end()


_READERS: dict[str, Callable[[Reading], AnswerReader]] = {
    "application/json": _Whole,
    "text/event-stream": _Lines,
    "application/vnd.amazon.eventstream": _AwsEvents,
}


def _has_header(compressed: bytes) -> bool:
    head = compressed[:_HEADER_BYTES]
    is_zlib = head[0] & _METHOD_BITS == _ZLIB_METHOD and int.from_bytes(head) % _ZLIB_CHECK == 0
    return is_zlib or head == _GZIP_MAGIC


def _check_held(held_bytes: int) -> None:
    if held_bytes > MAX_HELD_BYTES:
        raise UnreadableAnswerError(f"more than {MAX_HELD_BYTES:,} bytes in one piece")
