"""What the emulator received: the requests, for tests to look at, and how many were open at once."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from infra.local.messages_api.usage import Usage


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceivedRequest:
    """One request and what became of it.

    Attributes:
        path: the path without the query.
        headers: the headers, names in lower case.
        raw_body: the body's bytes as received.
        body: the parsed body; None when it is not JSON.
        started_at_seconds: when it arrived, on the emulator's clock.
        status: the status of the answer; None when the connection was dropped without one.
        usage: what the answer says was used; None when it is no message.
        disconnected: whether the client hung up before the answer was complete.
    """

    path: str
    headers: Mapping[str, str] = field(repr=False)  # they carry the key
    raw_body: bytes = field(repr=False)
    body: Any = field(repr=False)
    started_at_seconds: float
    status: int | None
    usage: Usage | None
    disconnected: bool


class RequestLog:
    """The last requests, oldest first. Safe to use from several threads.

    A request is logged when its answer begins, so whoever has an answer finds its request here.
    """

    def __init__(self, keep_requests: int) -> None:
        self._lock = threading.Lock()
        self._keep_requests = keep_requests
        self._next_number = 0
        self._requests: dict[int, ReceivedRequest] = {}

    def add(self, received: ReceivedRequest) -> int:
        """Log one request and return its number, dropping the oldest when there are too many."""
        with self._lock:
            number = self._next_number
            self._next_number += 1
            self._requests[number] = received
            while len(self._requests) > self._keep_requests:
                del self._requests[next(iter(self._requests))]
            return number

    def mark_disconnected(self, number: int, usage: Usage | None) -> None:
        """Note that the client hung up, and what had been used by then."""
        with self._lock:
            if number in self._requests:
                self._requests[number] = replace(self._requests[number], disconnected=True, usage=usage)

    def all(self) -> tuple[ReceivedRequest, ...]:
        """Copy the log."""
        with self._lock:
            return tuple(self._requests.values())

    def clear(self) -> None:
        """Forget every request."""
        with self._lock:
            self._requests.clear()


class ConnectionGauge:
    """Counts the requests that are open, and remembers the most there were at once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open = 0
        self._peak = 0

    @property
    def peak(self) -> int:
        """The most requests that were open at once."""
        with self._lock:
            return self._peak

    @contextmanager
    def one_open(self) -> Iterator[None]:
        """Count one request as open for the length of the block."""
        with self._lock:
            self._open += 1
            self._peak = max(self._peak, self._open)
        try:
            yield
        finally:
            with self._lock:
                self._open -= 1
