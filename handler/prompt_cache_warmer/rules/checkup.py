"""A checkup's findings: what was looked at, whether it is as it should be, and what to type where it is not."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class CheckState(StrEnum):
    """What a check found.

    ``noted`` is what somebody asked for and should not be forgotten, such as a pause: it is no fault.
    """

    GREEN = "green"
    RED = "red"
    NOTED = "noted"
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


def noted(check: str, sentence: str, *, fix: str) -> Finding:
    """Say that something is as somebody asked for it, and what takes it back."""
    return Finding(check, CheckState.NOTED, sentence, fix)


def not_asked(check: str, sentence: str, *, fix: str | None = None) -> Finding:
    """Say why something was not looked at, and what would tell: that is neither good nor bad."""
    return Finding(check, CheckState.NOT_ASKED, sentence, fix)


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """How a deployment is named in the commands to type next.

    Attributes:
        state: the option for a command that works on its state: ``--stack shop``.
        function: the option for a command that asks its function.
    """

    state: str
    function: str
