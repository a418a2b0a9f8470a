"""The ports: what the warm use case needs from the outside, as Protocols.

Adapters implement them with S3, the Anthropic SDK, EMF and JSON logs; the tests' fakes implement
them in memory and pass the same contract tests.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from prompt_cache_warmer.values.problems import Problem, Severity

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from prompt_cache_warmer.rules.metrics import MetricSet
    from prompt_cache_warmer.rules.report import EntryResult, RunReport
    from prompt_cache_warmer.rules.request import WarmCall
    from prompt_cache_warmer.values.targets import Target, TargetSummary
    from prompt_cache_warmer.values.usage import Usage


@dataclass(frozen=True, slots=True)
class Index:
    """What there is to keep warm now.

    Attributes:
        targets: every valid target, in the order of their sources; no two have the same name.
        problems: every error and warning of every document.
    """

    targets: tuple[TargetSummary, ...]
    problems: tuple[Problem, ...]

    @property
    def invalid_sources(self) -> frozenset[str]:
        """The documents that are not a valid target."""
        valid = {target.source for target in self.targets}
        errors = {problem.source for problem in self.problems if problem.severity is Severity.ERROR}
        return frozenset(errors - valid)


def unlimited() -> float:
    """Say that there is time without end."""
    return math.inf


@dataclass(frozen=True, slots=True)
class Answer:
    """What the API said to a warm call.

    Attributes:
        usage: the call's tokens: the only proof.
        message_id: the message's id.
        request_id: the API's id of the request, None where it sent none.
        workspace_id: the workspace the credential resolved to, None where the API does not say.
    """

    usage: Usage
    message_id: str | None = None
    request_id: str | None = None
    workspace_id: str | None = None


class TargetIndex(Protocol):
    """Lists the targets without holding their prompts."""

    async def load(self, *, remaining_seconds: Callable[[], float] = unlimited) -> Index:
        """Return what there is to keep warm now, reading for a part of the time that is left.

        Raises:
            TargetsUnreadableError: when the whole listing is not possible; a bad document is a
                problem of the index instead.
        """


class BodySource(Protocol):
    """Fetches the body of a target when its turn comes."""

    async def fetch(self, target: TargetSummary) -> Target:
        """Return the target with its body, in the version the summary speaks of.

        Raises:
            TargetUnavailableError: when that version cannot be had any more, or not now.
        """


class MessagesApi(Protocol):
    """Makes one warm call."""

    async def send(self, call: WarmCall, *, timeout_seconds: float) -> Answer:
        """Send the call once, without any retry of its own.

        Raises:
            WarmCallError: the branch that says what the operator should do.
            SecretUnreadableError: when there are no credentials at all.
        """


class MetricSink(Protocol):
    """Publishes metrics."""

    def emit(self, metric_sets: Sequence[MetricSet]) -> None:
        """Publish the sets."""


class RunLog(Protocol):
    """Writes the run's log: one line per call, per failure, per invalid document, and one for the run."""

    def document(self, problem: Problem) -> None:
        """Write that a document is not a target, or was not read yet."""

    def entry(self, result: EntryResult) -> None:
        """Write what became of an entry that was called, failed or was deferred."""

    def finished(self, report: RunReport) -> None:
        """Write the run's totals."""


class Clock(Protocol):
    """The time, and waiting for it."""

    def now(self) -> datetime:
        """Return the current time, aware, in UTC."""

    def monotonic_seconds(self) -> float:
        """Return seconds that never go back, for measuring."""

    async def sleep(self, seconds: float) -> None:
        """Wait."""
