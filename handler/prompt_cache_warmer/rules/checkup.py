"""A checkup's findings: what was looked at, whether it is as it should be, and what to type where it is not."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class CheckState(StrEnum):
    """What a check found."""

    GREEN = "green"
    RED = "red"
    NOT_ASKED = "not asked"


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found.

    Attributes:
        check: what was looked at, as a stable word.
        state: whether it is as it should be, or could not be asked.
        sentence: what was found, in words.
        fix: what to type or to change; None where nothing is to be done.
    """

    check: str
    state: CheckState
    sentence: str
    fix: str | None = None

    def as_json(self) -> dict[str, Any]:
        """Return it as ``doctor --json`` lists it."""
        return {"check": self.check, "state": self.state.value, "sentence": self.sentence, "fix": self.fix}


def green(check: str, sentence: str) -> Finding:
    """Say that something is as it should be."""
    return Finding(check, CheckState.GREEN, sentence)


def red(check: str, sentence: str, *, fix: str) -> Finding:
    """Say that something is not as it should be, and what to do."""
    return Finding(check, CheckState.RED, sentence, fix)


def not_asked(check: str, sentence: str) -> Finding:
    """Say why something was not looked at: that is neither good nor bad."""
    return Finding(check, CheckState.NOT_ASKED, sentence)
