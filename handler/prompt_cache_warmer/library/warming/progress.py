"""Telling a callback of every entry as it is done."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

from prompt_cache_warmer.library.warming.results import EntryWarmth, entry_warmth
from prompt_cache_warmer.rules.reasons import Reason

if TYPE_CHECKING:
    from prompt_cache_warmer.rules.entry_result import EntryResult
    from prompt_cache_warmer.rules.report import RunReport
    from prompt_cache_warmer.rules.uploads import Ignored
    from prompt_cache_warmer.rules.verification import Verification
    from prompt_cache_warmer.values.problems import Problem

Progress = Callable[[EntryWarmth, int, int], object]


class ProgressLog:
    """Tells a callback of every entry as it is done; what the callback raises is its own affair."""

    def __init__(self, on_progress: Progress | None, *, total: int) -> None:
        self._on_progress = on_progress
        self._total = total
        self._done = 0

    def document(self, problem: Problem) -> None:
        """Tell nobody: what is wrong with a target was raised when it was added."""

    def ignored(self, ignored: Ignored) -> None:
        """Tell nobody: nothing is uploaded here."""

    def entry(self, result: EntryResult) -> None:
        """Tell the callback."""
        if result.code == Reason.CLAIMED:  # it is called again, or told in the result
            return
        self._done += 1
        if self._on_progress is not None:
            with suppress(Exception, SystemExit):
                self._on_progress(entry_warmth(result), self._done, self._total)

    def diagnosed(self, result: EntryResult) -> None:
        """Tell nobody: the report has it."""

    def verified(self, verification: Verification) -> None:
        """Tell nobody: the report has it."""

    def finished(self, report: RunReport) -> None:
        """Tell nobody: the result is returned."""
