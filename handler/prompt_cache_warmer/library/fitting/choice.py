"""Which units of a conversation stay: every strategy is an order of wanting, and whether it may leave one out.

A result must begin with a user's message where the conversation does. So whatever would begin with an
assistant's brings the nearest user's message before it along, and that message's tokens count too.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from prompt_cache_warmer.library.fitting.units import Unit


StrategyName = Literal["tail", "head", "middle", "slide", "drop-oldest", "drop-middle", "priority"]


@dataclass(frozen=True, slots=True)
class Strategy:
    """How to choose between the units that need not be kept.

    Attributes:
        wanted: puts the units' numbers in order, the most wanted first; takes each unit's priority too.
        may_skip: whether a unit that does not fit is left out and the next one tried; otherwise it is the end.
    """

    wanted: Callable[[Sequence[int], Sequence[float]], list[int]]
    may_skip: bool


def _newest_first(free: Sequence[int], _: Sequence[float]) -> list[int]:
    return list(reversed(free))


def _oldest_first(free: Sequence[int], _: Sequence[float]) -> list[int]:
    return list(free)


def _ends_first(free: Sequence[int], _: Sequence[float]) -> list[int]:
    """Take the newest, the oldest, the second newest and so on; the middle comes last."""
    return list(dict.fromkeys(chain.from_iterable(zip(reversed(free), free, strict=True))))


def _important_first(free: Sequence[int], priorities: Sequence[float]) -> list[int]:
    return sorted(free, key=lambda number: (priorities[number], number), reverse=True)


STRATEGIES = {
    "tail": Strategy(_newest_first, may_skip=True),
    "head": Strategy(_oldest_first, may_skip=True),
    "middle": Strategy(_ends_first, may_skip=True),
    "slide": Strategy(_newest_first, may_skip=False),
    "drop-oldest": Strategy(_newest_first, may_skip=False),
    "drop-middle": Strategy(_ends_first, may_skip=False),
    "priority": Strategy(_important_first, may_skip=False),
}


@dataclass(frozen=True, slots=True)
class Choice:
    """What stays.

    Attributes:
        kept: the numbers of the units, in order.
        tokens: what they have together.
    """

    kept: tuple[int, ...]
    tokens: int


class _Selection:
    """Units chosen so far, and what they have together with the user's message that must lead them."""

    def __init__(self, units: Sequence[Unit], tokens: Sequence[int], chosen: Iterable[int]) -> None:
        self._units = units
        self._tokens = tokens
        self._leaders = _leaders(units)
        self._chosen: set[int] = set()
        self._chosen_tokens = 0
        self._front: int | None = None
        for number in chosen:
            self.add(number)

    def __contains__(self, number: int) -> bool:
        return number in self._chosen

    @property
    def has_conversation(self) -> bool:
        """Whether anything but system messages is chosen; the API takes no request without."""
        return self._front is not None

    @property
    def tokens(self) -> int:
        """How many tokens there are."""
        return self._chosen_tokens + self._leader_tokens(self._front)

    def add(self, number: int) -> None:
        """Choose a unit."""
        self._front = self._front_with(number)
        self._chosen.add(number)
        self._chosen_tokens += self._tokens[number]

    def tokens_with(self, number: int) -> int:
        """Count what there would be with one more unit."""
        return self._chosen_tokens + self._tokens[number] + self._leader_tokens(self._front_with(number))

    def choice(self) -> Choice:
        """Return the units chosen, with the one that must lead them."""
        leader = None if self._front is None else self._leaders[self._front]
        kept = self._chosen if leader is None else self._chosen | {leader}
        return Choice(tuple(sorted(kept)), self.tokens)

    def _front_with(self, number: int) -> int | None:
        if self._units[number].led_by is None or (self._front is not None and self._front < number):
            return self._front
        return number

    def _leader_tokens(self, front: int | None) -> int:
        leader = None if front is None else self._leaders[front]
        return 0 if leader is None else self._tokens[leader]


def choose(
    units: Sequence[Unit],
    tokens: Sequence[int],
    *,
    strategy: Strategy,
    pinned: Sequence[int],
    priorities: Sequence[float],
    room_tokens: int,
) -> Choice:
    """Choose the units that stay.

    Args:
        units: all units, in order.
        tokens: how many tokens each has.
        strategy: how to choose.
        pinned: the numbers of the units that must stay.
        priorities: how important each unit is.
        room_tokens: how many tokens there is room for.

    Returns:
        What stays. Where nothing legal fits it is the least there can be, with more tokens than there is room for.
    """
    must = set(pinned)
    wanted = strategy.wanted([number for number in range(len(units)) if number not in must], priorities)
    select = partial(_Selection, units, tokens)
    least = select(pinned)
    candidates = [number for number in wanted if units[number].led_by is not None]
    if not least.has_conversation and candidates:
        least.add(min(candidates if strategy.may_skip else candidates[:1], key=least.tokens_with))
    if strategy.may_skip:
        filled = _fill_with_gaps(select(pinned), wanted, room_tokens)
    else:
        filled = select([*pinned, *wanted[: _count_fitting(select(pinned), wanted, room_tokens)]])
    if candidates and not filled.has_conversation:  # system messages that may go have taken the room
        filled = _fill_with_gaps(least, wanted, room_tokens) if strategy.may_skip else least
    return filled.choice()


def _fill_with_gaps(selection: _Selection, wanted: Sequence[int], room_tokens: int) -> _Selection:
    """Take every unit that still fits; again, because a new leader may have fewer tokens than the one before."""
    has_grown = True
    while has_grown:
        has_grown = False
        for number in wanted:
            if number not in selection and selection.tokens_with(number) <= room_tokens:
                selection.add(number)
                has_grown = True
    return selection


def _count_fitting(selection: _Selection, wanted: Sequence[int], room_tokens: int) -> int:
    """Count how many of the most wanted units fit together, none of them left out."""
    fitting = 0
    for count, number in enumerate(wanted, start=1):
        selection.add(number)
        if selection.tokens <= room_tokens:
            fitting = count
    return fitting


def _leaders(units: Sequence[Unit]) -> list[int | None]:
    """Name for each unit the one that must lead it where it comes first; None where it may come first itself."""
    leaders: list[int | None] = []
    last_user: int | None = None
    first = next((unit.led_by for unit in units if unit.led_by is not None), None)
    for number, unit in enumerate(units):
        if unit.led_by == "user":
            last_user = number
        leaders.append(last_user if unit.led_by == "assistant" and first == "user" else None)
    return leaders
