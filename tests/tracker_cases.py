"""A provider made of answers given beforehand, for the tests of the tracker."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from prompt_cache_warmer.library.tracking.tracker import CacheTracker
from tests.fakes import FakeClock

if TYPE_CHECKING:
    from prompt_cache_warmer.library.tracking.alerts import CacheAlert

SONNET = "claude-sonnet-4-6"
MARK = {"type": "ephemeral"}
HOUR = {"type": "ephemeral", "ttl": "1h"}


def usage(*, read: int = 0, wrote: int = 0, wrote_1h: int = 0, plain: int = 0, output: int = 0) -> dict[str, Any]:
    """Return the usage of a Messages API answer."""
    return {
        "input_tokens": plain,
        "cache_read_input_tokens": read,
        "cache_creation_input_tokens": wrote + wrote_1h,
        "cache_creation": {"ephemeral_5m_input_tokens": wrote, "ephemeral_1h_input_tokens": wrote_1h},
        "output_tokens": output,
    }


def ask(
    system: str = "You are brief.", *, marker: dict[str, str] | None = None, model: str = SONNET, **more: Any
) -> dict[str, Any]:
    """Return the keyword arguments of a call with a marked system prompt."""
    return {
        "model": model,
        "max_tokens": 100,
        "system": [{"type": "text", "text": system, "cache_control": marker or MARK}],
        "messages": [{"role": "user", "content": "What now?"}],
        **more,
    }


@dataclass
class Desk:
    """A tracker with everything around it; calls take as long as they are told.

    Attributes:
        options: the tracker's own arguments.
        took_seconds: how long a call takes.
    """

    options: dict[str, Any] = field(default_factory=dict)
    took_seconds: float = 1.0
    clock: FakeClock = field(default_factory=FakeClock)
    answers: list[Any] = field(default_factory=list)
    alerts: list[CacheAlert] = field(default_factory=list)
    asked: list[dict[str, Any]] = field(default_factory=list)
    slept: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.tracker = CacheTracker(**{"clock": self.clock, "sleep": self.sleep, **self.options})
        self.create = self.tracker.wrap(self.answer)
        self.acreate = self.tracker.wrap(self.answer_later)

    def sleep(self, seconds: float) -> None:
        """Move the clock."""
        self.slept.append(seconds)
        self.clock.seconds += seconds

    def answer(self, **arguments: Any) -> Any:
        """Return the next answer, or raise it."""
        self.asked.append(arguments)
        self.clock.seconds += self.took_seconds
        answer = self.answers.pop(0)
        if isinstance(answer, BaseException):
            raise answer
        return answer

    async def answer_later(self, **arguments: Any) -> Any:
        """Return the next answer, or raise it."""
        return self.answer(**arguments)

    def call(self, used: dict[str, Any], *, after: float = 0.0, **arguments: Any) -> None:
        """Make a call, some seconds after the last, that uses so much."""
        self.clock.seconds += after
        self.answers.append({"usage": used})
        self.create(**(arguments or ask()))


def alarmed(**options: Any) -> Desk:
    """Return a desk whose tracker tells of drops below one half."""
    alerts: list[CacheAlert] = []
    return Desk({"alert_threshold": 0.5, "on_alert": alerts.append, **options}, alerts=alerts)
