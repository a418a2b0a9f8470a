"""Faults as data: what a script says happens, to which request, in which order.

A fault names the *place* it waits at, such as ``messages p07.1 claude-haiku-4-5`` or ``GetItem`` of a key, so
that the same script meets the same requests whatever threads do. Each request at a place uses up the next
fault that waits there.
"""

from __future__ import annotations

import threading
from collections import Counter, defaultdict, deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

PASS = "pass"
"""Not a fault: lets one request go by, so that the next one is hit."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault.

    Attributes:
        place: the request it hits.
        kind: what happens to it.
        detail: how, as JSON.
    """

    place: str
    kind: str
    detail: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """What it counts as: where, what and which."""
        return " ".join(
            part for part in (self.place.split(" ")[0], self.kind, str(self.detail.get("name", ""))) if part
        )

    def as_json(self) -> dict[str, Any]:
        """Return it as a script writes it."""
        return {"place": self.place, "kind": self.kind, "detail": dict(self.detail)}


class FaultPlan:
    """The faults of one tick, and which of them were met. Safe to use from several threads.

    Args:
        faults: what waits, in order.
    """

    def __init__(self, faults: Iterable[Fault] = ()) -> None:
        self._lock = threading.Lock()
        self._waiting: dict[str, deque[Fault]] = defaultdict(deque)
        self.fired: list[Fault] = []
        for fault in faults:
            self._waiting[fault.place].append(fault)

    def take(self, place: str) -> Fault | None:
        """Use up the next fault at a place."""
        with self._lock:
            waiting = self._waiting.get(place)
            if not waiting:
                return None
            fault = waiting.popleft()
            if fault.kind == PASS:
                return None
            self.fired.append(fault)
            return fault

    def counts(self) -> Counter[str]:
        """Count what was met, by name."""
        with self._lock:
            return Counter(fault.name for fault in self.fired)
