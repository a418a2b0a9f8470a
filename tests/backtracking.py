"""Counts the steps of a backtracking matcher, so that a pattern's growth is a number and not a time.

It walks the same parse tree as ``re`` and leaves out what ``re`` saves, so a pattern that is linear here is linear
there. Attacks are made of the pattern itself: what leads to a repetition, the repetition many times, and a character
that nothing matches.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

_parser: Any = re._parser  # type: ignore[attr-defined]  # `re` gives its tree out nowhere else
_NEVER = "\x00"
_MANY = 100
_REPEATS = ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT")


class TooManyStepsError(Exception):
    """Nobody waits for more."""


class Matcher:
    """Matches one pattern in the plainest way, and counts.

    Args:
        pattern: the pattern.
        most: how many steps to count at most.
    """

    def __init__(self, pattern: re.Pattern[str] | re.Pattern[bytes], *, most: int = 200_000) -> None:
        source = pattern.pattern if isinstance(pattern.pattern, str) else pattern.pattern.decode("latin-1")
        self.tree = list(_parser.parse(source, pattern.flags & ~re.UNICODE))
        self._most = most
        self._known: dict[tuple[int, str], bool] = {}  # by the node's identity: the tree holds them all
        self.steps = 0

    def count(self, text: str, *, everywhere: bool) -> int:
        """Return the steps until it is known whether the whole text matches, or any part of it from anywhere."""
        self.steps = 0
        for start in range(len(text) + 1 if everywhere else 1):
            for end in self._run(self.tree, text, start):
                if everywhere or end == len(text):
                    return self.steps
        return self.steps

    def attacks(self, times: int) -> list[str]:
        """Return texts that repeat each of its repetitions, and end in what it does not match."""
        return [f"{before}{pump * times}{_NEVER}" for before, pump in _pumps(self.tree, "")]

    def _run(self, nodes: list[Any], text: str, at: int) -> Iterator[int]:
        if not nodes:
            yield at
            return
        for end in self._one(nodes[0], text, at):
            yield from self._run(nodes[1:], text, end)

    def _one(self, node: Any, text: str, at: int) -> Iterator[int]:
        self.steps += 1
        if self.steps > self._most:
            raise TooManyStepsError
        name, argument = str(node[0]), node[1]
        if name == "SUBPATTERN":
            yield from self._run(list(argument[3]), text, at)
        elif name == "BRANCH":
            for branch in argument[1]:
                yield from self._run(list(branch), text, at)
        elif name in _REPEATS:
            least, most, body = argument
            yield from self._repeated(list(body), text, at, least=least, most=most, is_lazy=name == "MIN_REPEAT")
        elif name in {"ASSERT", "ASSERT_NOT", "AT"}:
            if self._asserted(name, argument, text, at):
                yield at
        elif at < len(text) and self._matches(node, text[at]):
            yield at + 1

    def _asserted(self, name: str, argument: Any, text: str, at: int) -> bool:
        """Tell whether a place is one that the pattern asks for; what has to stand before it is not looked at."""
        if name == "AT":
            return _holds(str(argument), text, at)
        is_ahead, body = argument[0] > 0, list(argument[1])
        return not is_ahead or any(True for _ in self._run(body, text, at)) is (name == "ASSERT")

    def _matches(self, node: Any, character: str) -> bool:
        asked = (id(node), character)
        if asked not in self._known:
            self._known[asked] = matches(node, character)
        return self._known[asked]

    def _repeated(self, body: list[Any], text: str, at: int, *, least: int, most: int, is_lazy: bool) -> Iterator[int]:
        """Repeat as often as it goes and then less and less; the other way round where that is asked."""
        if is_lazy and least == 0:
            yield at
        for end in self._run(body, text, at) if most else ():
            if end > at:
                less = max(least - 1, 0)
                yield from self._repeated(body, text, end, least=less, most=most - 1, is_lazy=is_lazy)
        if not is_lazy and least == 0:
            yield at


def matches(node: Any, character: str) -> bool:
    """Tell whether a node that stands for one character stands for this one."""
    single = re.compile(_written(node), re.DOTALL)
    return single.fullmatch(character) is not None


def _written(node: Any) -> str:
    """Write a node for one character out again."""
    name, argument = str(node[0]), node[1]
    if name in {"LITERAL", "NOT_LITERAL"}:
        return f"[{'^' if name == 'NOT_LITERAL' else ''}{re.escape(chr(argument))}]"
    if name == "ANY":
        return "."
    parts = []
    for kind, value in argument:
        if str(kind) == "LITERAL":
            parts.append(re.escape(chr(value)))
        elif str(kind) == "RANGE":
            parts.append(f"{re.escape(chr(value[0]))}-{re.escape(chr(value[1]))}")
        elif str(kind) == "CATEGORY":
            parts.append(_CATEGORIES[str(value)])
    negated = any(str(kind) == "NEGATE" for kind, _ in argument)
    return f"[{'^' if negated else ''}{''.join(parts)}]"


_CATEGORIES = {
    "CATEGORY_DIGIT": r"\d",
    "CATEGORY_NOT_DIGIT": r"\D",
    "CATEGORY_SPACE": r"\s",
    "CATEGORY_NOT_SPACE": r"\S",
    "CATEGORY_WORD": r"\w",
    "CATEGORY_NOT_WORD": r"\W",
}


def _holds(where: str, text: str, at: int) -> bool:
    if where in {"AT_BEGINNING", "AT_BEGINNING_STRING"}:
        return at == 0
    if where in {"AT_END", "AT_END_STRING"}:
        return at == len(text) or (where == "AT_END" and text[at:] == "\n")
    words = [0 <= place < len(text) and re.fullmatch(r"\w", text[place]) is not None for place in (at - 1, at)]
    return (words[0] != words[1]) is (where == "AT_BOUNDARY")


def _sample(nodes: list[Any]) -> str:
    """Return the shortest text a pattern matches, assertions aside."""
    found = ""
    for node in nodes:
        name, argument = str(node[0]), node[1]
        if name == "SUBPATTERN":
            found += _sample(list(argument[3]))
        elif name == "BRANCH":
            found += _sample(list(argument[1][0]))
        elif name in _REPEATS:
            found += _sample(list(argument[2])) * argument[0]
        elif name not in {"AT", "ASSERT", "ASSERT_NOT"}:
            found += next(character for character in _TYPICAL if matches(node, character))
    return found


_TYPICAL = [*"a0A-. _/:=@#\n", *map(chr, range(33, 127)), "\x7f", "\u200e", "\u2019"]


def _pumps(nodes: list[Any], before: str) -> Iterator[tuple[str, str]]:
    """List every repetition of a pattern: what leads to it, and what is repeated."""
    for at, node in enumerate(nodes):
        led = before + _sample(nodes[:at])
        name, argument = str(node[0]), node[1]
        if name == "SUBPATTERN":
            yield from _pumps(list(argument[3]), led)
        elif name == "BRANCH":
            for branch in argument[1]:
                yield from _pumps(list(branch), led)
        elif name in _REPEATS:
            body = list(argument[2])
            if argument[1] > _MANY:
                once, after = _sample(body) or _TYPICAL[0], _sample(nodes[at + 1 : at + 2])
                yield led, once
                yield led, once + after  # so that what follows could begin at many places
                yield led, after or once
            yield from _pumps(body, led)
