"""Capture: a target document made of a real request, when the target it is ascribed to has not that prefix yet.

Only what requests share is taken (``rules.capture``), only requests that the application ascribes to a target by
name are looked at, and a document is written only where nothing is lost (``adapters.s3_capture``). A prefix counts
when two requests one after the other have it, and when it holds no text that changes with the time: a prompt that
is another one at every request can be kept warm for none.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Protocol

from prompt_cache_warmer.errors import CaptureError
from prompt_cache_warmer.library.prompts.bodies import as_json
from prompt_cache_warmer.rules.capture import capture
from prompt_cache_warmer.rules.draft import Draft, written
from prompt_cache_warmer.values.problems import ProblemCode

if TYPE_CHECKING:
    from collections.abc import Callable

    from prompt_cache_warmer.library.observing.calls import AnsweredCall
    from prompt_cache_warmer.rules.traffic import Match
    from prompt_cache_warmer.values.document import Keep

# What was captured is known to the observer when it reads the targets again; until then it is not looked at twice.
PAUSE_SECONDS = 300.0
# Nothing is known yet of how long it is used, so that it costs nothing where it is not.
KEEP: Keep = "while-used"


class Storing(Protocol):
    """Stores a captured prefix, if none of the bucket's targets has it."""

    def __call__(self, draft: Draft, /, *, may_replace: bool) -> object:
        """Store it.

        Raises:
            CaptureError: when it may not be stored.
        """
        ...


class Capturing:
    """Makes drafts of requests, and stores them in the background.

    Args:
        store: stores them.
        may_replace: whether a target with another prefix gets the request's.
        seconds: the monotonic clock.
        failed: is told of what could not be stored.
    """

    def __init__(
        self,
        *,
        store: Storing,
        may_replace: bool,
        seconds: Callable[[], float],
        failed: Callable[[str, BaseException], None],
    ) -> None:
        self._store = store
        self._may_replace = may_replace
        self._seconds = seconds
        self._failed = failed
        self._waiting: dict[str, Draft] = {}
        self._looked_at_seconds: dict[str, float] = {}
        self._last_seen: dict[str, str] = {}

    def offer(self, call: AnsweredCall, found: Match | None, model: str) -> bool:
        """Take a request in whose target has another prefix or is not there; returns whether there is work now."""
        name = call.ascribed_to
        if name is None or (found is not None and not (found.drifted and self._may_replace)):
            return False
        now = self._seconds()
        if now < self._looked_at_seconds.get(name, -math.inf) + PAUSE_SECONDS:
            return False
        try:
            draft = self._draft(call, name, model)
        except Exception as error:  # noqa: BLE001 - what cannot be captured is recorded all the same
            self._failed("capture", error)
            draft = None
        if draft is None or draft.captured.fingerprint.combined == self._last_seen.get(name):
            self._looked_at_seconds[name] = now
        if draft is None:
            return False
        digest = draft.captured.fingerprint.combined
        is_second, self._last_seen[name] = self._last_seen.get(name) == digest, digest
        if is_second:
            self._waiting[name] = draft
        return is_second

    def _draft(self, call: AnsweredCall, name: str, model: str) -> Draft | None:
        """Make a draft of a request; None where there is nothing to cache.

        Raises:
            CaptureError: when its prefix changes with the time.
        """
        body = {field: as_json(value, (field,)) for field, value in call.body.items()}
        captured = capture(body, call.betas)
        if captured is None:
            return None
        draft = Draft(name, (model,), KEEP, call.betas, captured)
        _, reading = written(draft.document(), name)
        if any(problem.code is ProblemCode.CHANGING_TEXT for problem in reading.problems):
            raise CaptureError(f"the prefix for {name!r} holds a time, a date or an id, and is another one next time")
        return draft

    def work(self) -> bool:
        """Store what is waiting; returns whether anything was, so that the targets are read again."""
        is_stored = False
        while self._waiting:
            _, draft = self._waiting.popitem()
            try:
                self._store(draft, may_replace=self._may_replace)
            except Exception as error:  # noqa: BLE001 - a broken capture only counts
                self._failed("capture", error)
            else:
                is_stored = True
        return is_stored

    def forget(self) -> None:
        """Begin anew in a forked child."""
        self._waiting.clear()
        self._last_seen.clear()
