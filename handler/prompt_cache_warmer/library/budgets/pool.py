"""BudgetPool: one budget of tokens and money that any number of calls share, also across processes.

A call reserves what it may cost at worst, is made, and commits what it did cost. What was really spent
is always counted, also where it is more than was reserved, comes after the reservation has ended, or
passes a cap: a budget that forgets money is worth less than one that is overrun and says so.

In memory a pool holds for the threads of one process. In a table (``BudgetPool.in_table``) it holds for
every process and every Lambda run that names it. Calls to a table take milliseconds and block: from a
coroutine make them in a thread, with ``asyncio.to_thread``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from prompt_cache_warmer.adapters.memory_pool import MemoryPool
from prompt_cache_warmer.adapters.system_clock import SystemClock
from prompt_cache_warmer.errors import ArgumentTypeError, ArgumentValueError
from prompt_cache_warmer.library.arguments import token_count, usd
from prompt_cache_warmer.library.budgets.reservation import Reservation
from prompt_cache_warmer.library.budgets.store import PoolStore
from prompt_cache_warmer.library.tables import opening_table
from prompt_cache_warmer.values.money import pico_usd
from prompt_cache_warmer.values.pool import CapName, PoolAmount, PoolCaps, plain_usd
from prompt_cache_warmer.values.problems import named

if TYPE_CHECKING:
    from decimal import Decimal

    from prompt_cache_warmer.ports import Clock
    from prompt_cache_warmer.wiring.aws import TableClient

# How long a reservation holds by itself: as long as the longest Lambda run, and longer than the SDK's
# ten minutes for one try of a call.
LEASE_SECONDS = 900.0
MOST_LEASE_SECONDS = 86_400.0  # a day: what is still held then belongs to nobody


@dataclass(frozen=True, slots=True)
class PoolRemaining:
    """What each cap still has room for, never less than 0; None where there is no cap.

    Attributes:
        input_tokens: under ``max_input_tokens``.
        output_tokens: under ``max_output_tokens``.
        total_tokens: under ``max_total_tokens``.
        usd: under ``max_usd``.
    """

    input_tokens: int | None
    output_tokens: int | None
    total_tokens: int | None
    usd: Decimal | None


@dataclass(frozen=True, slots=True)
class PoolSnapshot:
    """A pool at one moment; its parts belong together.

    Attributes:
        generation: how often the pool was reset.
        used: what was recorded and committed.
        reserved: what is held for calls that are not over.
        remaining: what is neither.
    """

    generation: int
    used: PoolAmount
    reserved: PoolAmount
    remaining: PoolRemaining


class BudgetPool:
    """A budget of tokens and money, shared by threads, and with a table by processes; safe in all of them.

    A cap of None is none, a cap of 0 allows nothing. A cap is held against what adds to what it caps, so
    a call without output is fine where ``max_output_tokens`` is used up. Amounts of money are rounded up to
    whole pico-USD, caps down. The caps are this object's own: another process may hold the same pool to
    others.

    Args:
        max_input_tokens: the most input, cached or not.
        max_output_tokens: the most output.
        max_total_tokens: the most input and output together.
        max_usd: the most money in USD; a ``Decimal``, a whole number or a number as text.
        store: where the pool is kept; this object's own memory when absent.
        lease_seconds: how long a reservation holds by itself, for a process that dies in a call; longer
            than any call takes. A commit that comes later still counts what was spent.
        clock: tells the time; the machine's own when absent.

    Raises:
        ArgumentTypeError: for a cap, a lease or a store of another type.
        ArgumentValueError: for a negative cap, or a lease that is not above 0 and at most a day.
    """

    def __init__(
        self,
        *,
        max_input_tokens: int | None = None,
        max_output_tokens: int | None = None,
        max_total_tokens: int | None = None,
        max_usd: Decimal | int | str | None = None,
        store: PoolStore | None = None,
        lease_seconds: float = LEASE_SECONDS,
        clock: Clock | None = None,
    ) -> None:
        tokens: dict[CapName, int | None] = {
            "max_input_tokens": max_input_tokens,
            "max_output_tokens": max_output_tokens,
            "max_total_tokens": max_total_tokens,
        }
        self._caps: PoolCaps = {cap: token_count(cap, most) for cap, most in tokens.items() if most is not None}
        if max_usd is not None:
            self._caps["max_usd"] = -pico_usd(usd("max_usd", max_usd).copy_negate())
        self._store = MemoryPool() if store is None else _store(store)
        self._lease = _lease(lease_seconds)
        self._clock = SystemClock() if clock is None else clock

    @classmethod
    def in_table(  # noqa: PLR0913 - where it is, and the caps, all by keyword
        cls,
        *,
        table: str,
        name: str,
        client: TableClient | None = None,
        max_input_tokens: int | None = None,
        max_output_tokens: int | None = None,
        max_total_tokens: int | None = None,
        max_usd: Decimal | int | str | None = None,
        lease_seconds: float = LEASE_SECONDS,
        clock: Clock | None = None,
    ) -> BudgetPool:
        """Return the pool of a name that lives in a stack's state table, shared by every process that names it.

        It needs ``dynamodb:UpdateItem`` and ``dynamodb:BatchGetItem`` on the table, and the extra ``aws`` of
        this package. A pool that nothing is written to for 40 days starts anew.

        Args:
            table: the table's name: the stack's output, or any table with a partition key ``pk`` (text).
            name: the pool's name: lower-case letters, digits, dots, dashes and underscores, at most 64.
            client: a boto3 DynamoDB client; one by the environment's configuration when absent.
            max_input_tokens: as for the class.
            max_output_tokens: as for the class.
            max_total_tokens: as for the class.
            max_usd: as for the class.
            lease_seconds: as for the class.
            clock: as for the class.

        Raises:
            ArgumentTypeError: as for the class.
            ArgumentValueError: as for the class, and for a table or a pool that cannot have that name, and
                where the table cannot be opened: no region is said, or the extra ``aws`` is not installed.
        """
        table, name = _table_name(table), _pool_name(name)
        with opening_table("table"):
            from prompt_cache_warmer.wiring.aws import pool_store  # noqa: PLC0415 - boto3, only who has a table needs it

            store = pool_store(table, name, client=client)
        return cls(
            max_input_tokens=max_input_tokens,
            max_output_tokens=max_output_tokens,
            max_total_tokens=max_total_tokens,
            max_usd=max_usd,
            store=store,
            lease_seconds=lease_seconds,
            clock=clock,
        )

    def record(self, *, input_tokens: int = 0, output_tokens: int = 0, usd: Decimal | int | str = 0) -> None:
        """Count what a call used, all of it or nothing.

        Args:
            input_tokens: input, cached or not.
            output_tokens: output.
            usd: money in USD.

        Raises:
            PoolExhaustedError: when a cap has no room for it; it names the cap, and the pool is unchanged.
            ArgumentTypeError: for an argument of another type.
            ArgumentValueError: for a negative amount.
            StateUnavailableError: when the pool's table cannot be written; then nobody knows whether it is
                counted, so reserve and commit what must be counted once.
        """
        self._store.record(_amount(input_tokens, output_tokens, usd), caps=self._caps, now=self._clock.now())

    def reserve(self, *, input_tokens: int = 0, output_tokens: int = 0, usd: Decimal | int | str = 0) -> Reservation:
        """Hold what a call may use at worst, before it is made.

        Args:
            input_tokens: input, cached or not.
            output_tokens: output; the request's ``max_tokens``.
            usd: money in USD.

        Returns:
            The reservation, to be committed or released, or used in a ``with``.

        Raises:
            PoolExhaustedError: when a cap has no room for it; it names the cap, and the pool is unchanged.
            ArgumentTypeError: for an argument of another type.
            ArgumentValueError: for a negative amount.
            StateUnavailableError: when the pool's table cannot be written.
        """
        amount = _amount(input_tokens, output_tokens, usd)
        hold = self._store.reserve(amount, caps=self._caps, lease=self._lease, now=self._clock.now())
        return Reservation(hold, store=self._store, caps=self._caps, clock=self._clock)

    def snapshot(self) -> PoolSnapshot:
        """Return what is used, reserved and left now.

        Raises:
            StateUnavailableError: when the pool's table cannot be read.
        """
        state = self._store.read(now=self._clock.now())

        def left(cap: CapName) -> int | None:
            return max(0, self._caps[cap] - state.taken.under(cap)) if cap in self._caps else None

        pico = left("max_usd")
        return PoolSnapshot(
            generation=state.generation,
            used=state.taken - state.held,
            reserved=state.held,
            remaining=PoolRemaining(
                input_tokens=left("max_input_tokens"),
                output_tokens=left("max_output_tokens"),
                total_tokens=left("max_total_tokens"),
                usd=None if pico is None else plain_usd(pico),
            ),
        )

    def reset(self) -> int:
        """Start anew with nothing used and nothing reserved.

        Reservations made before commit into nothing from now on, and their ``commit`` says so.

        Returns:
            The new generation, one above the last.

        Raises:
            StateUnavailableError: when the pool's table cannot be read or written.
        """
        return self._store.reset(now=self._clock.now())


def _amount(input_tokens: object, output_tokens: object, money: object) -> PoolAmount:
    return PoolAmount(
        token_count("input_tokens", input_tokens),
        token_count("output_tokens", output_tokens),
        pico_usd(usd("usd", money)),
    )


def _store(store: object) -> PoolStore:
    if not isinstance(store, PoolStore):
        raise ArgumentTypeError("store", f"a value of type {type(store).__name__} is not a PoolStore")
    return store


def _lease(seconds: object) -> timedelta:
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        raise ArgumentTypeError("lease_seconds", f"a value of type {type(seconds).__name__} is not a number of seconds")
    if not 0 < seconds <= MOST_LEASE_SECONDS:
        raise ArgumentValueError("lease_seconds", f"{seconds} is not allowed; allowed: above 0, at most {86_400:,}")
    return timedelta(seconds=seconds)


def _table_name(name: object) -> str:
    if not isinstance(name, str):
        raise ArgumentTypeError("table", f"a value of type {type(name).__name__} is not a table's name")
    if not name:
        raise ArgumentValueError("table", "a table's name is needed, not an empty text")
    return name


def _pool_name(name: object) -> str:
    if not isinstance(name, str):
        raise ArgumentTypeError("name", f"a value of type {type(name).__name__} is not a pool's name")
    from prompt_cache_warmer.values.document import NAME_PATTERN  # noqa: PLC0415 - loads pydantic, as above

    if not re.fullmatch(NAME_PATTERN, name):
        raise ArgumentValueError("name", f"{named(name)} is not a pool's name; allowed: {NAME_PATTERN}")
    return name
