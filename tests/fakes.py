"""Fakes of the ports: real classes in memory. They pass the same contract tests as the adapters."""

from __future__ import annotations

import asyncio
import hashlib
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from prompt_cache_warmer.adapters.indexing import index_of
from prompt_cache_warmer.errors import CredentialError, TargetUnavailableError
from prompt_cache_warmer.ports import Answer, unlimited
from prompt_cache_warmer.rules.request import Form
from prompt_cache_warmer.values.reading import Origin, Reading, read_target
from prompt_cache_warmer.values.usage import Usage

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from prompt_cache_warmer.ports import Index
    from prompt_cache_warmer.rules.entry_result import EntryResult
    from prompt_cache_warmer.rules.metrics import MetricSet
    from prompt_cache_warmer.rules.report import RunReport
    from prompt_cache_warmer.rules.request import WarmCall
    from prompt_cache_warmer.rules.uploads import Ignored
    from prompt_cache_warmer.rules.verification import Verification
    from prompt_cache_warmer.values.problems import Problem, ProblemCode
    from prompt_cache_warmer.values.targets import Target, TargetSummary

EPOCH = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
MODEL = "claude-sonnet-4-6"


def document(name: str = "support", **changes: Any) -> dict[str, Any]:
    """Return a valid target document; keyword arguments replace or, with None, remove fields."""
    whole = {
        "name": name,
        "models": [MODEL],
        "keep": "always",
        "request": {
            "system": [
                {"type": "text", "text": f"You are {name}. " * 2000, "cache_control": {"type": "ephemeral"}},
            ],
        },
        **changes,
    }
    return {key: value for key, value in whole.items() if value is not None}


def reading(value: object, *, source: str = "targets/a.json", **texts: str) -> Reading:
    """Read a document as the adapters do."""
    return read_target(value, Origin(source, "1", 100, "prompts/"), texts)


def target(**changes: Any) -> Target:
    """Return the target of a valid document."""
    found = reading(document(**changes)).target
    assert found is not None
    return found


def etag(value: object) -> str:
    """Return the entity tag S3 gives to an object written as JSON, without its quotes."""
    content = value if isinstance(value, str) else json.dumps(value)
    return hashlib.md5(content.encode(), usedforsecurity=False).hexdigest()


class FakeClock:
    """A clock that moves only when told to; sleeping moves it."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.slept: list[float] = []

    def now(self) -> datetime:
        """Return the clock's time."""
        return EPOCH + timedelta(seconds=self.seconds)

    def monotonic_seconds(self) -> float:
        """Return the seconds since the clock was made."""
        return self.seconds

    async def sleep(self, seconds: float) -> None:
        """Move on at once."""
        self.slept.append(seconds)
        self.seconds += seconds
        await asyncio.sleep(0)


class MemoryTargets:
    """Targets in memory: a ``TargetIndex`` and a ``BodySource``."""

    def __init__(self, documents: dict[str, object] | None = None) -> None:
        self.documents = documents or {}
        self.prompts: dict[str, str] = {}
        self.modified_at: dict[str, datetime] = {}
        self.before_fetch: Callable[[], None] | None = None

    async def load(
        self, *, remaining_seconds: Callable[[], float] = unlimited, only: frozenset[str] | None = None
    ) -> Index:
        """Read every document, or only some, if there is any time."""
        assert remaining_seconds() > 0
        asked = [(key, value) for key, value in sorted(self.documents.items()) if only is None or key in only]
        readings = [reading(value, source=key, **self.prompts) for key, value in asked]
        return index_of(
            ((found.target.summary if found.target else None, found.problems) for found in readings),
            etags={key: etag(value) for key, value in (*self.documents.items(), *self.prompts.items())},
            modified_at=self.modified_at,
        )

    async def fetch(self, target: TargetSummary) -> Target:
        """Return the body, if the document is still what it was."""
        if self.before_fetch is not None:
            self.before_fetch()
        found = reading(self.documents.get(target.source), source=target.source, **self.prompts).target
        if found is None or found.summary.fingerprint != target.fingerprint:
            raise TargetUnavailableError(f"{target.source!r} is not what was listed any more")
        return found


@dataclass
class FakeMessages:
    """A Messages API in memory with one cache per credential and no lifetime.

    Attributes:
        script: what to do instead for the next calls: an error to raise, or an answer.
        credentials: the credentials there are.
        hook: called at the start of each call.
    """

    script: list[Exception | Answer] = field(default_factory=list)
    credentials: frozenset[str] = frozenset({"default"})
    hook: Callable[[WarmCall], None] | None = None
    calls: list[WarmCall] = field(default_factory=list)
    counted: list[WarmCall] = field(default_factory=list)
    timeouts: list[float] = field(default_factory=list)
    in_flight: int = 0
    peak: int = 0
    _warm: set[str] = field(default_factory=set)

    async def send(self, call: WarmCall, *, timeout_seconds: float) -> Answer:
        """Answer from the script, else as a cache would."""
        self.in_flight += 1
        self.peak = max(self.peak, self.in_flight)
        try:
            self.calls.append(call)
            self.timeouts.append(timeout_seconds)
            if self.hook is not None:
                self.hook(call)
            await asyncio.sleep(0)
            return self._answer(call)
        finally:
            self.in_flight -= 1

    async def count_tokens(self, call: WarmCall, *, timeout_seconds: float) -> int:
        """Count a quarter of the body's characters."""
        assert timeout_seconds > 0
        self.counted.append(call)
        if call.credential not in self.credentials:
            raise CredentialError(f"there is no credential {call.credential!r}")
        return len(repr(call.body)) // 4

    def _answer(self, call: WarmCall) -> Answer:
        if call.credential not in self.credentials:
            raise CredentialError(f"there is no credential {call.credential!r}")
        if self.script:
            scripted = self.script.pop(0)
            if isinstance(scripted, Exception):
                raise scripted
            return scripted
        key = repr((call.model, call.credential, call.body.get("tools"), call.body.get("system")))
        tokens = len(key) // 4
        alive = key in self._warm
        self._warm.add(key)
        output = 0 if call.form is Form.ZERO else 1
        is_1h = call.requested_ttl == "1h"
        usage = Usage(
            uncached_tokens=5,
            read_tokens=tokens if alive else 0,
            write_5m_tokens=0 if alive or is_1h else tokens,
            write_1h_tokens=tokens if is_1h and not alive else 0,
            output_tokens=output,
        )
        number = len(self.calls)
        return Answer(usage, message_id=f"msg_{number}", request_id=f"req_{number}", workspace_id="wrkspc_fake")


@dataclass
class MemoryQueue:
    """A workers' queue in memory.

    Attributes:
        refusals: why messages are not taken, by their place among those that are sent at once.
        bodies: the messages that were taken.
    """

    refusals: dict[int, str] = field(default_factory=dict)
    bodies: list[str] = field(default_factory=list)

    async def send(self, bodies: Sequence[str]) -> dict[int, str]:
        """Take the messages that are not refused."""
        self.bodies += [body for place, body in enumerate(bodies) if place not in self.refusals]
        return {place: why for place, why in self.refusals.items() if place < len(bodies)}

    def records(self) -> dict[str, object]:
        """Return what was taken as Lambda hands it over; message n is m-n."""
        return {
            "Records": [
                {"messageId": f"m-{number}", "body": body, "eventSource": "aws:sqs"}
                for number, body in enumerate(self.bodies)
            ]
        }


class MemoryMetrics:
    """A metric sink that keeps what it is given."""

    def __init__(self) -> None:
        self.sets: list[MetricSet] = []

    def emit(self, metric_sets: Sequence[MetricSet]) -> None:
        """Keep the sets."""
        self.sets += metric_sets

    def value(self, name: str, **dimensions: str) -> float | None:
        """Return a metric's sum over the sets with just these dimensions beside ``service``."""
        found = [
            sum(found.values[name])
            for found in self.sets
            if name in found.values and {k: v for k, v in found.dimensions.items() if k != "service"} == dimensions
        ]
        return sum(found) if found else None


class MemoryLog:
    """A run log that keeps what it is given."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []
        self.unheeded: list[Ignored] = []
        self.results: list[EntryResult] = []
        self.diagnoses: list[EntryResult] = []
        self.verifications: list[Verification] = []
        self.reports: list[RunReport] = []

    def document(self, problem: Problem) -> None:
        """Keep the problem."""
        self.problems.append(problem)

    def ignored(self, ignored: Ignored) -> None:
        """Keep it."""
        self.unheeded.append(ignored)

    def entry(self, result: EntryResult) -> None:
        """Keep the result."""
        self.results.append(result)

    def diagnosed(self, result: EntryResult) -> None:
        """Keep the result."""
        self.diagnoses.append(result)

    def verified(self, verification: Verification) -> None:
        """Keep the verification."""
        self.verifications.append(verification)

    def finished(self, report: RunReport) -> None:
        """Keep the report."""
        self.reports.append(report)


def codes(problems: Sequence[Problem]) -> list[ProblemCode]:
    """Return the codes of problems."""
    return [problem.code for problem in problems]
