"""Reservation: a part of a budget pool that is held for one call."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Self

from prompt_cache_warmer.errors import ArgumentValueError, StateUnavailableError
from prompt_cache_warmer.library.arguments import token_count, usd
from prompt_cache_warmer.values.money import pico_usd
from prompt_cache_warmer.values.pool import PoolAmount, in_unit

if TYPE_CHECKING:
    from datetime import datetime
    from decimal import Decimal
    from types import TracebackType

    from prompt_cache_warmer.library.budgets.store import PoolStore
    from prompt_cache_warmer.ports import Clock
    from prompt_cache_warmer.values.pool import PoolCaps, PoolHold


class Reservation:
    """What ``BudgetPool.reserve`` holds for one call, until it is committed or released, once.

    At the end of a ``with`` it is released if it was not committed, whether or not the call raised. A call
    that failed but may be billed (a timeout, a lost connection) is to be committed by its worst case in
    the ``with``: ``reservation.commit()``.

    It is not released when the object is garbage collected: nobody can tell then whether the call was
    made, collection may come at any time or never, and a process that dies collects nothing. What is
    forgotten ends with its lease instead, which holds for all three.

    It may be handed from one thread to another; of two that commit it at once one is refused. It belongs to
    the process that made it.
    """

    def __init__(self, hold: PoolHold, *, store: PoolStore, caps: PoolCaps, clock: Clock) -> None:
        self._hold = hold
        self._store = store
        self._caps = caps
        self._clock = clock
        self._turn = deque([hold])  # whoever takes it out may settle; no lock that a fork could leave shut

    @property
    def amount(self) -> PoolAmount:
        """What is held."""
        return self._hold.amount

    @property
    def generation(self) -> int:
        """The pool's generation it was made in."""
        return self._hold.generation

    @property
    def ends_at(self) -> datetime:
        """When it ends by itself, aware."""
        return self._hold.until

    @property
    def is_open(self) -> bool:
        """Whether it was neither committed nor released."""
        return bool(self._turn)

    def commit(
        self,
        *,
        input_tokens: int | None = None,
        output_tokens: int | None = None,
        usd: Decimal | int | str | None = None,
    ) -> bool:
        """Count what the call really used in the place of what was reserved.

        Spending that is real is counted whole, whatever the caps and the reservation are, also when the
        lease was over; only then an overrun is refused with an error, so that it cannot go unseen.

        Args:
            input_tokens: the input; as much as was reserved when absent.
            output_tokens: the output; as much as was reserved when absent.
            usd: the money in USD; as much as was reserved when absent.

        Returns:
            Whether it was counted: False when the pool was reset since, so that it belongs to no budget.

        Raises:
            ArgumentValueError: when it is more than was reserved, under a cap the pool has; all of it is counted.
                Also for a negative amount, and when it was committed or released before; nothing is changed.
            ArgumentTypeError: for an argument of another type; nothing is changed.
            StateUnavailableError: when the pool's table cannot be written; the same commit may be tried again.
        """
        spent = self._spent(input_tokens, output_tokens, usd)
        if not self._take_turn():
            raise ArgumentValueError(
                "reservation", "it was committed or released before; allowed: once. What else was spent, record"
            )
        try:
            is_counted = self._store.commit(self._hold, spent, now=self._clock.now())
        except StateUnavailableError:
            self._turn.append(self._hold)
            raise
        over = next((cap for cap in self._caps if spent.under(cap) > self.amount.under(cap)), None)
        if is_counted and over is not None:
            raise ArgumentValueError(
                over.removeprefix("max_"),
                f"{in_unit(over, spent.under(over)):,} is more than the {in_unit(over, self.amount.under(over)):,} "
                "that was reserved; it is counted all the same, because it was spent: reserve more next time",
            )
        return is_counted

    def release(self) -> bool:
        """Give back what is held, for a call that was not made or is not billed.

        Returns:
            Whether it was still open; releasing what is settled changes nothing.

        Raises:
            StateUnavailableError: when the pool's table cannot be written; it ends with its lease anyhow.
        """
        if not self._take_turn():
            return False
        try:
            self._store.release(self._hold, now=self._clock.now())
        except StateUnavailableError:
            self._turn.append(self._hold)
            raise
        return True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            self.release()
        except StateUnavailableError as unavailable:
            if error is None:
                raise
            error.add_note(f"the reservation could not be released and ends with its lease: {unavailable}")

    def _spent(self, input_tokens: object, output_tokens: object, money: object) -> PoolAmount:
        held = self.amount
        return PoolAmount(
            held.input_tokens if input_tokens is None else token_count("input_tokens", input_tokens),
            held.output_tokens if output_tokens is None else token_count("output_tokens", output_tokens),
            held.pico_usd if money is None else pico_usd(usd("usd", money)),
        )

    def _take_turn(self) -> bool:
        try:
            self._turn.pop()
        except IndexError:
            return False
        return True
