"""What became of the entries' traffic since their last warm calls: attached to a run's results, and logged when new."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from prompt_cache_warmer.rules.diagnosis import Cause, diagnose

if TYPE_CHECKING:
    from collections.abc import Iterable

    from prompt_cache_warmer.ports import RunLog
    from prompt_cache_warmer.rules.entry_result import EntryResult
    from prompt_cache_warmer.values.state import EntryKey
    from prompt_cache_warmer.warm.docket import Case


class Diagnoses:
    """Diagnoses the entries of each run, called or not.

    It remembers what it found at the last runs, for as long as the sandbox lives, so that a cause is logged when
    it is found and when it is gone, and not at each tick.

    Args:
        log: where what is new is written.
    """

    def __init__(self, log: RunLog) -> None:
        self._log = log
        self._causes: dict[EntryKey, Cause | None] = {}

    def attach(self, results: Iterable[EntryResult], cases: Iterable[Case]) -> list[EntryResult]:
        """Return results with what was seen of each entry's traffic before this run, and why it missed.

        Args:
            results: what became of the entries.
            cases: the same entries with what was remembered of them when the run began.
        """
        by_key = {case.entry.key: case for case in cases}
        return [self._diagnosed(result, by_key[result.entry.key]) for result in results]

    def _diagnosed(self, result: EntryResult, case: Case) -> EntryResult:
        key, sightings = case.entry.key, case.state.sightings
        if sightings is None:  # nobody asked for it since its last call, so what was found is neither true nor over
            return result
        found = diagnose(case.state, fingerprint=case.entry.target.prefix_digest, model=case.entry.model)
        diagnosed = replace(result, traffic=sightings, diagnosis=found)
        cause = None if found is None else found.cause
        if cause is not self._causes.get(key):
            self._log.diagnosed(diagnosed)
        self._causes[key] = cause
        return diagnosed
