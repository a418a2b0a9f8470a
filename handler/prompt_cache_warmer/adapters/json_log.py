"""The run's log as JSON lines, by Powertools: never a prompt, a key or a request body."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TextIO

from aws_lambda_powertools import Logger

if TYPE_CHECKING:
    from prompt_cache_warmer.rules.report import EntryResult, RunReport
    from prompt_cache_warmer.values.problems import Problem

from prompt_cache_warmer.rules.report import Outcome


class JsonRunLog:
    """Writes one line per call, failure or deferral, per invalid document, and one for the run.

    Args:
        service: the value of every line's ``service``.
        level: the lowest level that is written.
        stream: where to write.
    """

    def __init__(self, *, service: str, level: str, stream: TextIO) -> None:
        self._logger = Logger(service=service, level=level, stream=stream, use_rfc3339=True)

    def invalid(self, problem: Problem) -> None:
        """Write that a document is not a target."""
        self._logger.error(
            "target invalid",
            extra={
                "code": problem.code.value,
                "source": problem.source,
                "path": problem.path,
                "problem": problem.message,
            },
        )

    def entry(self, result: EntryResult) -> None:
        """Write what became of an entry that was called, failed or was deferred."""
        write = {
            Outcome.FAILED: self._logger.error,
            Outcome.DEFERRED: self._logger.warning,
        }.get(result.outcome, self._logger.info)
        write(f"entry {result.outcome.value}", extra=result.as_json())

    def finished(self, report: RunReport) -> None:
        """Write the run's totals."""
        extra: dict[str, Any] = {
            "execution_id": report.order.execution_id,
            "scheduled_time": report.order.scheduled_time,
            "dry_run": report.order.dry_run,
            "duration_ms": report.duration_ms,
            **report.totals(),
        }
        self._logger.info("run finished", extra=extra)
