"""Faults on demand: what a client meets when the API, or the way to it, is not well.

A fault is picked after authentication and before validation; the first added one that matches is
used. `status`, `drop` and `garbage` leave the cache alone, as no prefill happened.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Literal

from infra.local.messages_api.errors import OVERLOADED_STATUS, ApiError

if TYPE_CHECKING:
    from collections.abc import Mapping

FaultKind = Literal["status", "delay", "drop", "garbage", "slow_body"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One way to fail.

    Attributes:
        kind: `status` answers with an error; `delay` waits `seconds` of real time, then answers
            normally; `drop` closes the connection without an answer; `garbage` answers 200 with a body
            that is not JSON; `slow_body` sends the headers at once and the normal body over `seconds`.
        times: how many requests it hits; None for all of them.
        model: hits only requests for this model, when given.
        path: hits only this path, such as `/v1/messages`, when given.
        seconds: of `delay` and `slow_body`.
        status: of `status`.
        error_type: of `status`; the one that belongs to the status unless given.
        error_code: of `status`; `error.details.error_code`, such as `enforced_spend_limit_reached`.
        message: of `status`.
        headers: of `status` and `garbage`, such as `retry-after`.
    """

    kind: FaultKind
    times: int | None = 1
    model: str | None = None
    path: str | None = None
    seconds: float = 0.0
    status: int = OVERLOADED_STATUS
    error_type: str | None = None
    error_code: str | None = None
    message: str = "The local Messages API was told to fail."
    headers: Mapping[str, str] = field(default_factory=dict)

    def as_error(self) -> ApiError:
        """Make the refusal of a `status` fault."""
        return ApiError(
            status=self.status,
            message=self.message,
            error_type=self.error_type,
            error_code=self.error_code,
            headers=dict(self.headers),
        )

    def hits(self, *, path: str, model: str | None) -> bool:
        """Tell whether a request is one of those the fault is for."""
        return self.path in (None, path) and self.model in (None, model)


class FaultBoard:
    """The faults in force. Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._faults: list[tuple[Fault, int | None]] = []

    def add(self, fault: Fault) -> None:
        """Put a fault in force, after those already there.

        Raises:
            ValueError: it would never hit, or is a `status` fault that is no error.
        """
        if fault.times is not None and fault.times < 1:
            raise ValueError(f"times is how many requests a fault hits: 1 or more, or None; got {fault.times}")
        if fault.kind == "status" and fault.status < HTTPStatus.BAD_REQUEST:
            raise ValueError(f"a status fault answers with an error, 400 or more; got {fault.status}")
        with self._lock:
            self._faults.append((fault, fault.times))

    def clear(self) -> None:
        """Take every fault out of force."""
        with self._lock:
            self._faults.clear()

    def take(self, *, path: str, model: str | None) -> Fault | None:
        """Use up one hit of the first fault that matches a request."""
        with self._lock:
            for index, (fault, left) in enumerate(self._faults):
                if not fault.hits(path=path, model=model):
                    continue
                if left is not None and left <= 1:
                    del self._faults[index]
                else:
                    self._faults[index] = (fault, None if left is None else left - 1)
                return fault
        return None
