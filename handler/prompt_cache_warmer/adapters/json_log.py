"""The run's log as JSON lines, as Powertools writes them: never a prompt, a key or a request body.

The logger is this object's own. Powertools' ``Logger`` class keeps one per service name for the whole
process, and the first one's level and stream would win; its formatter has no such state.
"""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any, TextIO

from aws_lambda_powertools.logging.formatter import LambdaPowertoolsFormatter

from prompt_cache_warmer.rules.entry_result import Outcome
from prompt_cache_warmer.values.problems import Problem, Severity

if TYPE_CHECKING:
    from prompt_cache_warmer.rules.entry_result import EntryResult
    from prompt_cache_warmer.rules.report import RunReport
    from prompt_cache_warmer.rules.uploads import Ignored
    from prompt_cache_warmer.rules.verification import Verification

_LEVELS = {Outcome.FAILED: logging.ERROR, Outcome.DEFERRED: logging.WARNING}


class JsonRunLog:
    """Writes one line per call, failure or deferral, per invalid document, and one for the run.

    Args:
        service: the value of every line's ``service``.
        level: the lowest level that is written.
        stream: where to write.
    """

    def __init__(self, *, service: str, level: str, stream: TextIO) -> None:
        formatter = LambdaPowertoolsFormatter(service=service, use_rfc3339=True, json_serializer=_line)
        formatter.remove_keys(["location"])  # always a place in this file
        handler = logging.StreamHandler(stream)
        handler.setFormatter(formatter)
        handler.addFilter(_without_task_name)
        self._logger = logging.Logger(service, level)  # noqa: LOG001 - getLogger() would share it
        self._logger.addHandler(handler)

    def document(self, problem: Problem) -> None:
        """Write that a document is not a target, or was not read yet."""
        is_error = problem.severity is Severity.ERROR
        self._logger.log(
            logging.ERROR if is_error else logging.WARNING,
            "target invalid" if is_error else "target not read yet",
            extra={
                "code": problem.code.value,
                "source": problem.source,
                "path": problem.path,
                "problem": problem.message,
            },
        )

    def ignored(self, ignored: Ignored) -> None:
        """Write that an upload or a message is not acted on; a message that goes back to its queue is an error."""
        is_done_with = ignored.message_id is None
        self._logger.log(
            logging.INFO if is_done_with else logging.ERROR,
            "upload ignored" if is_done_with else "message not understood",
            extra=ignored.as_json(),
        )

    def entry(self, result: EntryResult) -> None:
        """Write what became of an entry that was called, failed or was deferred."""
        level = _LEVELS.get(result.outcome, logging.INFO)
        self._logger.log(level, "entry %s", result.outcome.value, extra=result.as_json())

    def diagnosed(self, result: EntryResult) -> None:
        """Write that an entry's traffic misses for another cause than at the last run, or no longer."""
        level = logging.INFO if result.diagnosis is None else logging.WARNING
        found = "entry missed no more" if result.diagnosis is None else "entry missed"
        line = result.as_json()
        kept = ("target", "model", "credential", "traffic", "diagnosis")
        self._logger.log(level, found, extra={name: line[name] for name in kept if name in line})

    def verified(self, verification: Verification) -> None:
        """Write what a verification found of an entry."""
        level = logging.INFO if verification.is_proven else logging.WARNING
        found = "entry proven" if verification.is_proven else "entry not proven"
        self._logger.log(level, found, extra=verification.as_json())

    def finished(self, report: RunReport) -> None:
        """Write the run's totals."""
        extra: dict[str, Any] = {
            "trigger": report.order.trigger.value,
            "execution_id": report.order.execution_id,
            "scheduled_time": report.order.scheduled_time,
            "dry_run": report.order.dry_run,
            "duration_ms": report.duration_ms,
            **report.totals(),
        }
        self._logger.info("run finished", extra=extra)


def _line(log: object) -> str:
    """Write a line in ASCII: an object's key may hold signs that turn or hide the text around them."""
    return json.dumps(log, default=str, separators=(",", ":"))


def _without_task_name(record: logging.LogRecord) -> bool:
    """Drop asyncio's numbering of tasks, which Python adds and nobody reads."""
    record.__dict__.pop("taskName", None)
    return True
