"""Reservation: a part of a budget pool that is held for one call."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Self

from prompt_cache_warmer.errors import ArgumentValueError, StateUnavailableError
from prompt_cache_warmer.library.arguments import token_count, usd
from prompt_cache_warmer.values.money import pico_usd
from prompt_cache_warmer.values.pool import RETRY, PoolAmount, in_unit

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

    Once a commit was tried, what is held is never given back. Where the table could not be reached, the end of
    the ``with``, or ``release``, tries the same commit once more. If that fails too, the amount stays held until
    the reservation ends by itself, and for 15 minutes the same commit may be tried again by hand. Nothing can be
    told to a table that is out of reach for longer: then the pool forgets that money, so the error that comes
    out of the ``with`` names it in a note, to be given to ``BudgetPool.record`` when the table is back.

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
        self._tried: tuple[PoolAmount, datetime] | None = None  # the commit that may be counted, and since when

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
            input_tokens: the input; as much as was reserved when absent, or as was tried to commit before.
            output_tokens: the output; the same when absent.
            usd: the money in USD; the same when absent.

        Returns:
            Whether it was counted: False when the pool was reset since, so that it belongs to no budget.

        Raises:
            ArgumentValueError: when it is more than was reserved, under a cap the pool has; all of it is counted.
                Also for a negative amount, when it was committed or released before, and for another try with
                another amount or 15 minutes after the first; nothing is changed.
            ArgumentTypeError: for an argument of another type; nothing is changed.
            StateUnavailableError: when the pool's table cannot be written; the same commit may be tried again
                for 15 minutes, and is counted once.
        """
        spent = self._spent(input_tokens, output_tokens, usd)
        if not self._take_turn():
            raise ArgumentValueError(
                "reservation", "it was committed or released before; allowed: once. What else was spent, record"
            )
        return self._commit(spent)

    def release(self) -> bool:
        """Give back what is held, for a call that was not made or is not billed.

        Returns:
            Whether it was given back: releasing what is settled changes nothing, and where a commit was tried
            the same commit is tried again.

        Raises:
            StateUnavailableError: when the pool's table cannot be written; it ends with its lease anyhow.
            ArgumentValueError: as ``commit`` does when it is tried again.
        """
        if not self._take_turn():
            return False
        if self._tried is not None:
            self._commit(self._tried[0])
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
        is_owed = self._tried is not None and self.is_open
        try:
            self.release()
        except (StateUnavailableError, ArgumentValueError) as failed:
            if error is None:
                raise
            what = "its commit was tried again" if is_owed else "it could not be released and ends with its lease"
            error.add_note(f"reservation: {what}: {failed}")
        else:
            if is_owed and error is not None:
                error.add_note("reservation: its commit was tried again and went through")

    def _commit(self, spent: PoolAmount) -> bool:
        """Commit in one's turn, which comes again while nobody knows whether it is counted."""
        now = self._clock.now()
        refusal = self._refusal(spent, now)
        if refusal is not None:
            self._turn.append(self._hold)
            raise refusal
        try:
            is_counted = self._store.commit(self._hold, spent, now=now)
        except BaseException as failed:  # an interrupt as well may come before the write or after it
            self._turn.append(self._hold)
            failed.add_note(f"reservation: {_in_words(spent)} may not be counted; held until {self.ends_at}")
            raise
        over = next((cap for cap in self._caps if spent.under(cap) > self.amount.under(cap)), None)
        if is_counted and over is not None:
            raise ArgumentValueError(
                over.removeprefix("max_"),
                f"{in_unit(over, spent.under(over)):,} is more than the {in_unit(over, self.amount.under(over)):,} "
                "that was reserved; it is counted all the same, because it was spent: reserve more next time",
            )
        return is_counted

    def _refusal(self, spent: PoolAmount, now: datetime) -> ArgumentValueError | None:
        """Remember a commit's first try, and refuse another that might count beside it."""
        if self._tried is None:
            self._tried = spent, now
        tried, at = self._tried
        if spent != tried:
            return ArgumentValueError(
                "reservation", f"a commit of {_in_words(tried)} was tried and may be counted; allowed: the same again"
            )
        if now - at >= RETRY:
            return ArgumentValueError(
                "reservation",
                f"its commit of {_in_words(tried)} was first tried at {at} and may be counted; allowed: again within "
                "15 minutes. Look at the snapshot, and record what is missing",
            )
        return None

    def _spent(self, input_tokens: object, output_tokens: object, money: object) -> PoolAmount:
        held = self.amount if self._tried is None else self._tried[0]
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


def _in_words(amount: PoolAmount) -> str:
    return f"{amount.input_tokens:,} input tokens, {amount.output_tokens:,} output tokens and {amount.usd:,} USD"
