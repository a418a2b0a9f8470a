"""BudgetPool's arguments and its reservations, over a pool in memory; what every store does is a contract test."""

from __future__ import annotations

import gc
import os
from contextlib import suppress
from decimal import ROUND_UP, Context, Decimal, Inexact, Rounded, localcontext
from typing import TYPE_CHECKING, Any

import pytest

from prompt_cache_warmer.adapters.memory_pool import MemoryPool
from prompt_cache_warmer.errors import (
    ArgumentError,
    ArgumentTypeError,
    ArgumentValueError,
    OverBudgetError,
    PoolExhaustedError,
    StateUnavailableError,
)
from prompt_cache_warmer.library.budgets.pool import BudgetPool, PoolRemaining
from prompt_cache_warmer.values.pool import PoolAmount
from tests.fakes import EPOCH, FakeClock
from tests.interpreter import printed

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from prompt_cache_warmer.values.pool import PoolHold

TRILLION = 10**12  # pico-USD in a dollar
CHILD_SECONDS = 20  # for what takes a millisecond
UNUSED = (0, 0, Decimal(0))


class BrokenPool(MemoryPool):
    """A pool in memory that can be out of reach.

    Attributes:
        is_broken: whether it is.
        failures: what the next commits fail with, one after the other.
    """

    def __init__(self) -> None:
        super().__init__()
        self.is_broken = False
        self.failures: list[BaseException] = []

    def commit(self, hold: PoolHold, spent: PoolAmount, *, now: datetime) -> bool:
        """Commit, if it can be reached."""
        self._fail()
        return super().commit(hold, spent, now=now)

    def release(self, hold: PoolHold, *, now: datetime) -> None:
        """Release, if it can be reached."""
        self._fail()
        super().release(hold, now=now)

    def _fail(self) -> None:
        if self.failures:
            raise self.failures.pop(0)
        if self.is_broken:
            raise StateUnavailableError("out of reach")


def used(pool: BudgetPool) -> tuple[int, int, Decimal]:
    """Return what is used of a pool."""
    found = pool.snapshot().used
    return found.input_tokens, found.output_tokens, found.usd


def test_the_error_says_which_cap_and_by_how_much() -> None:
    """token-budget-pool: "the error names the cap", its value, what is taken and what did not fit."""
    pool = BudgetPool(max_usd="10", max_total_tokens=1_000_000)
    pool.record(usd="9.5", input_tokens=999_000)
    with pytest.raises(PoolExhaustedError) as by_money:
        pool.record(usd="0.75")
    assert str(by_money.value) == "max_usd is 10; 9.5 are taken and 0.75 more do not fit"
    assert isinstance(by_money.value, OverBudgetError)
    with pytest.raises(PoolExhaustedError) as by_tokens:
        pool.reserve(output_tokens=1_001)
    assert str(by_tokens.value) == "max_total_tokens is 1,000,000; 999,000 are taken and 1,001 more do not fit"


@pytest.mark.parametrize("cap", ["max_input_tokens", "max_output_tokens", "max_total_tokens", "max_usd"])
def test_negative_caps_are_refused(cap: str) -> None:
    """token-budget-pool: "negatives refused" for caps, with the name, the value and what is allowed."""
    arguments: dict[str, Any] = {cap: -1}
    with pytest.raises(ArgumentValueError, match=rf"^{cap}: -1 is not allowed; allowed: 0 to ") as refused:
        BudgetPool(**arguments)
    assert refused.value.argument == cap


@pytest.mark.parametrize("amount", ["input_tokens", "output_tokens", "usd"])
@pytest.mark.parametrize("method", ["record", "reserve", "commit"])
def test_negative_amounts_are_refused(method: str, amount: str) -> None:
    """token-budget-pool: "over-commit and negatives refused": a negative amount changes nothing, wherever it stands."""
    pool = BudgetPool()
    with pool.reserve(input_tokens=10, output_tokens=10, usd=1) as reservation:
        act = reservation.commit if method == "commit" else getattr(pool, method)
        with pytest.raises(ArgumentValueError, match=rf"^{amount}: -1 is not allowed"):
            act(**{amount: -1})
        assert reservation.is_open
        assert used(pool) == UNUSED
        assert pool.snapshot().reserved == PoolAmount(10, 10, TRILLION)


@pytest.mark.parametrize("cap", ["max_input_tokens", "max_output_tokens", "max_total_tokens"])
@pytest.mark.parametrize("value", [1.5, "10", True, Decimal(1)])
def test_caps_of_tokens_are_whole_numbers(cap: str, value: object) -> None:
    """A number as text is none, nor is True."""
    arguments: dict[str, Any] = {cap: value}
    with pytest.raises(ArgumentTypeError, match=rf"^{cap}: .* is not a whole number of tokens$"):
        BudgetPool(**arguments)


@pytest.mark.parametrize(
    ("argument", "value"), [("max_usd", 0.5), ("max_usd", True), ("usd", 0.5), ("usd", None), ("input_tokens", 1.0)]
)
def test_amounts_of_another_type_are_refused(argument: str, value: Any) -> None:
    """Money is a Decimal, a whole number or a number as text; a float is not the amount that was written."""
    act: Callable[..., object] = BudgetPool if argument == "max_usd" else BudgetPool().record
    with pytest.raises(ArgumentTypeError, match=rf"^{argument}: .* is not a "):
        act(**{argument: value})


@pytest.mark.parametrize("value", ["nan", "inf", "-0.01", "1000000000000.01", "ten"])
def test_amounts_that_are_no_money_are_refused(value: str) -> None:
    """What is no number, negative, or beyond any bill."""
    for act in (lambda: BudgetPool(max_usd=value), lambda: BudgetPool().record(usd=value)):
        with pytest.raises(ArgumentValueError, match=r"usd: .*(is not a number|allowed: 0 to 1,000,000,000,000 USD)$"):
            act()


@pytest.mark.parametrize("seconds", [0, -1, float("nan"), float("inf"), 86_400.1, 10**400])
def test_a_lease_is_above_zero_and_at_most_a_day(seconds: float) -> None:
    """What is held for longer belongs to nobody."""
    with pytest.raises(
        ArgumentValueError, match=r"^lease_seconds: .* is not allowed; allowed: above 0, at most 86,400$"
    ):
        BudgetPool(lease_seconds=seconds)


@pytest.mark.parametrize("seconds", ["900", None, True])
def test_a_lease_is_a_number(seconds: Any) -> None:
    """Seconds, as a number."""
    with pytest.raises(ArgumentTypeError, match=r"^lease_seconds: .* is not a number of seconds$"):
        BudgetPool(lease_seconds=seconds)


@pytest.mark.parametrize("store", ["agents", object(), 0])
def test_a_store_is_one(store: Any) -> None:
    """A table's name in the place of a store is the usual mistake."""
    with pytest.raises(ArgumentTypeError, match=r"^store: a value of type \w+ is not a PoolStore$"):
        BudgetPool(store=store)


def test_a_lease_of_a_day_is_the_longest() -> None:
    """It ends when it says, and by itself after fifteen minutes when nobody says."""
    clock = FakeClock()
    day = BudgetPool(lease_seconds=86_400, clock=clock).reserve()
    usual = BudgetPool(clock=clock).reserve()
    assert ((day.ends_at - EPOCH).total_seconds(), (usual.ends_at - EPOCH).total_seconds()) == (86_400, 900)


@pytest.mark.parametrize("name", ["", "Agents", "a b", "a/b", "a\n", "x" * 65, "-a"])
def test_a_pools_name_is_like_a_targets(name: str) -> None:
    """It becomes a key of the table."""
    with pytest.raises(ArgumentValueError, match=r"^name: .* is not a pool's name; allowed: "):
        BudgetPool.in_table(table="t", name=name)


def test_a_table_and_a_name_are_texts() -> None:
    """Each argument is named that is not."""
    with pytest.raises(ArgumentTypeError, match=r"^name: a value of type int is not a pool's name$"):
        BudgetPool.in_table(table="t", name=1)  # type: ignore[arg-type] # the wrong type is the case
    with pytest.raises(ArgumentTypeError, match=r"^table: a value of type NoneType is not a table's name$"):
        BudgetPool.in_table(table=None, name="a")  # type: ignore[arg-type] # the wrong type is the case
    with pytest.raises(ArgumentValueError, match=r"^table: a table's name is needed, not an empty text$"):
        BudgetPool.in_table(table="", name="a")


def test_text_is_never_quoted_in_an_error() -> None:
    """Whoever hands over a prompt in the place of a number does not find it in a log."""
    arguments: dict[str, Any] = {"input_tokens": "secret prompt"}
    with pytest.raises(ArgumentError) as refused:
        BudgetPool().record(**arguments)
    assert "secret" not in str(refused.value)


def test_what_is_left_out_of_a_commit_counts_as_reserved() -> None:
    """A figure that is forgotten is never less than the worst case."""
    pool = BudgetPool()
    pool.reserve(input_tokens=100, output_tokens=50, usd="0.25").commit(usd="0.1")
    assert used(pool) == (100, 50, Decimal("0.1"))
    pool.reserve(input_tokens=100, output_tokens=50, usd="0.25").commit(input_tokens=0, output_tokens=1)
    assert used(pool) == (100, 51, Decimal("0.35"))
    pool.reserve(input_tokens=1, output_tokens=2, usd=3).commit()
    assert used(pool) == (101, 53, Decimal("3.35"))


def test_a_reservation_says_what_it_is() -> None:
    """Its amount, the generation it belongs to, when it ends, and whether it still may be settled."""
    pool = BudgetPool(clock=FakeClock(), lease_seconds=60)
    pool.reset()
    reservation = pool.reserve(input_tokens=1, output_tokens=2, usd="0.5")
    assert reservation.amount == PoolAmount(1, 2, TRILLION // 2)
    assert (reservation.amount.usd, reservation.amount.total_tokens) == (Decimal("0.5"), 3)
    assert (reservation.generation, (reservation.ends_at - EPOCH).total_seconds(), reservation.is_open) == (1, 60, True)
    reservation.release()
    assert not reservation.is_open


def test_a_second_commit_is_refused() -> None:
    """Each reservation is committed once; the second counts nothing and says what to do."""
    pool = BudgetPool()
    reservation = pool.reserve(usd=1)
    assert reservation.commit(usd="0.5")
    with pytest.raises(ArgumentValueError, match=r"^reservation: it was committed or released before; allowed: once"):
        reservation.commit(usd="0.5")
    assert used(pool) == (0, 0, Decimal("0.5"))


def test_a_commit_after_a_release_is_refused() -> None:
    """What was given back may be another call's by now."""
    pool = BudgetPool()
    reservation = pool.reserve(usd=1)
    assert reservation.release()
    with pytest.raises(ArgumentValueError, match=r"^reservation: "):
        reservation.commit()
    assert used(pool) == UNUSED


def test_a_second_release_changes_nothing() -> None:
    """So it may stand in a ``finally``, whatever came before."""
    pool = BudgetPool()
    reservation = pool.reserve(usd=1)
    assert [reservation.release(), reservation.release()] == [True, False]
    committed = pool.reserve(usd=1)
    committed.commit()
    assert not committed.release()
    assert used(pool) == (0, 0, Decimal(1))
    assert pool.snapshot().reserved == PoolAmount()


@pytest.mark.parametrize(
    ("cap", "reserved", "spent", "text"),
    [
        ("max_usd", {"usd": "0.25"}, {"usd": "0.3"}, "usd: 0.3 is more than the 0.25 that was reserved"),
        ("max_input_tokens", {"input_tokens": 10}, {"input_tokens": 1_011}, "input_tokens: 1,011 is more than the 10"),
        ("max_output_tokens", {"output_tokens": 10}, {"output_tokens": 11}, "output_tokens: 11 is more than the 10"),
        (
            "max_total_tokens",
            {"input_tokens": 10, "output_tokens": 10},
            {"input_tokens": 20, "output_tokens": 1},
            "total_tokens: 21 is more than the 20",
        ),
    ],
)
def test_an_overrun_is_refused_and_counted(
    cap: str, reserved: dict[str, Any], spent: dict[str, Any], text: str
) -> None:
    """token-budget-pool: "over-commit and negatives refused": it is an error, but what was spent is not forgotten."""
    caps: dict[str, Any] = {cap: 10_000}
    pool = BudgetPool(**caps)
    reservation = pool.reserve(**reserved)
    for amount in spent:
        with pytest.raises(ArgumentValueError, match=rf"^{amount}: -1 is not allowed"):
            reservation.commit(**{amount: -1})
    with pytest.raises(ArgumentValueError) as refused, reservation:
        reservation.commit(**spent)
    assert str(refused.value).startswith(text)
    assert str(refused.value).endswith("it is counted all the same, because it was spent: reserve more next time")
    expected = spent.get("input_tokens", 0), spent.get("output_tokens", 0), Decimal(spent.get("usd", 0))
    assert used(pool) == expected
    assert pool.snapshot().reserved == PoolAmount()


def test_no_cap_is_overrun_where_there_is_none() -> None:
    """More input than reserved is nobody's business in a pool of money, and input may make room for output."""
    pool = BudgetPool(max_usd=1, max_total_tokens=100)
    assert pool.reserve(usd="0.5", input_tokens=50, output_tokens=50).commit(input_tokens=60, output_tokens=40)
    assert used(pool) == (60, 40, Decimal("0.5"))


def test_a_forgotten_reservation_ends_with_its_lease_and_not_with_garbage_collection() -> None:
    """An object that is gone says nothing about its call, which may still be running."""
    clock = FakeClock()
    pool = BudgetPool(max_usd=1, clock=clock)
    pool.reserve(usd=1)
    gc.collect()
    assert pool.snapshot().reserved.usd == 1
    clock.seconds = 900
    assert pool.snapshot().reserved.usd == 0
    pool.record(usd=1)


def test_forgotten_reservations_do_not_pile_up() -> None:
    """They go with later reservations, also where no cap is ever reached, nobody looks, and one is held for long."""
    clock = FakeClock()
    store = MemoryPool()
    BudgetPool(store=store, clock=clock, lease_seconds=86_400).reserve(usd=1_000)
    short = BudgetPool(store=store, clock=clock, lease_seconds=1)
    for second in range(2_000):
        clock.seconds = second
        short.reserve(usd=1)
    clock.seconds = 0  # back when all of them would have been held
    assert 1_001 <= store.read(now=clock.now()).held.usd <= 1_063  # at most 64 holds are kept with nobody looking


def test_what_is_held_stays_when_what_is_over_goes() -> None:
    """However many are held at once, and those that end later than others do."""
    clock = FakeClock()
    store = MemoryPool()
    day, minute = (BudgetPool(store=store, clock=clock, lease_seconds=seconds) for seconds in (86_400, 60))
    for _ in range(100):
        day.reserve(usd=1)
        minute.reserve(usd=1)
    clock.seconds = 60
    for _ in range(200):
        day.reserve(usd=1)
    assert store.read(now=clock.now()).held.usd == 300
    clock.seconds = 0
    assert store.read(now=clock.now()).held.usd == 300


def test_a_commit_that_did_not_reach_the_store_may_be_tried_again() -> None:
    """The reservation stays open, so the same commit counts once when the store is back, whatever it is written as."""
    store = BrokenPool()
    pool = BudgetPool(store=store)
    reservation = pool.reserve(usd=1, input_tokens=10)
    store.is_broken = True
    with pytest.raises(StateUnavailableError):
        reservation.commit(usd="0.5")
    with pytest.raises(StateUnavailableError):
        reservation.release()
    store.is_broken = False
    assert [reservation.is_open, reservation.commit(), reservation.is_open] == [True, True, False]
    assert used(pool) == (10, 0, Decimal("0.5"))


def test_a_release_that_did_not_reach_the_store_may_be_tried_again() -> None:
    """The reservation stays open, and may be committed as well."""
    store = BrokenPool()
    pool = BudgetPool(store=store)
    first, second = pool.reserve(usd=1), pool.reserve(usd=1)
    store.is_broken = True
    for reservation in (first, second):
        with pytest.raises(StateUnavailableError):
            reservation.release()
    store.is_broken = False
    assert first.release()
    assert second.commit(usd="0.25")
    assert used(pool) == (0, 0, Decimal("0.25"))
    assert pool.snapshot().reserved == PoolAmount()


def test_a_commit_is_tried_again_with_the_same_amount() -> None:
    """The first may be counted, so another amount is refused and names what was tried."""
    store = BrokenPool()
    pool = BudgetPool(store=store)
    reservation = pool.reserve(usd=1)
    store.failures = [StateUnavailableError("out of reach")]
    with pytest.raises(StateUnavailableError):
        reservation.commit(input_tokens=1_000, output_tokens=5, usd="0.5")
    with pytest.raises(ArgumentValueError) as refused:
        reservation.commit(usd="0.25")
    assert str(refused.value) == (
        "reservation: a commit of 1,000 input tokens, 5 output tokens and 0.5 USD was tried and may be counted; "
        "allowed: the same again"
    )
    assert reservation.is_open
    assert reservation.commit(usd="0.50")
    assert used(pool) == (1_000, 5, Decimal("0.5"))


def test_a_commit_is_tried_again_for_fifteen_minutes() -> None:
    """Later no store knows whether it was counted: what is refused is what to look for, and nothing is given back."""
    store, clock = BrokenPool(), FakeClock()
    pool = BudgetPool(store=store, clock=clock, lease_seconds=86_400)
    late, later = pool.reserve(usd=1), pool.reserve(usd=2)
    store.failures = [StateUnavailableError("out of reach")] * 2
    for reservation in (late, later):
        with pytest.raises(StateUnavailableError):
            reservation.commit()
    clock.seconds = 899.999
    assert late.commit()
    clock.seconds = 900
    for act in (later.commit, later.release):
        with pytest.raises(ArgumentValueError) as refused:
            act()
        assert str(refused.value) == (
            "reservation: its commit of 0 input tokens, 0 output tokens and 2 USD was first tried at "
            "2026-11-22 12:00:00+00:00 and may be counted; allowed: again within 15 minutes. "
            "Look at the snapshot, and record what is missing"
        )
    assert used(pool) == (0, 0, Decimal(1))
    assert pool.snapshot().reserved.usd == 2


def test_a_paid_call_is_not_forgotten_when_its_commit_fails_in_the_with() -> None:
    """Five calls of 0.50 USD under a cap of 1: two are made and counted, though each first commit fails."""
    store = BrokenPool()
    pool = BudgetPool(store=store, max_usd=1)
    made = 0
    for _ in range(5):
        store.failures = [StateUnavailableError("out of reach")]
        with suppress(StateUnavailableError, PoolExhaustedError), pool.reserve(usd="0.5") as reservation:
            made += 1
            reservation.commit()
    assert made == 2
    assert used(pool) == (0, 0, Decimal(1))


@pytest.mark.parametrize(
    ("failures", "note"),
    [
        (["first"], "its commit was tried again and went through"),
        (["first", "second"], "its commit was tried again: second"),
    ],
)
def test_the_error_says_what_became_of_a_commit(failures: list[str], note: str) -> None:
    """What comes out of the ``with`` names the amount, until when it is held, and how the second try went."""
    store = BrokenPool()
    store.failures = [StateUnavailableError(text) for text in failures]
    reservation = BudgetPool(store=store, clock=FakeClock()).reserve(input_tokens=1_500, output_tokens=20, usd=1)
    with pytest.raises(StateUnavailableError, match="first") as told, reservation:
        reservation.commit(usd="0.5")
    amount = "1,500 input tokens, 20 output tokens and 0.5 USD"
    assert told.value.__notes__ == [
        f"reservation: {amount} may not be counted; held until 2026-11-22 12:15:00+00:00",
        f"reservation: {note}",
    ]


def test_a_commit_that_fails_twice_stays_held() -> None:
    """It is tried once more at the end of the ``with``, and never given back."""
    store = BrokenPool()
    pool = BudgetPool(store=store, max_usd=1)
    reservation = pool.reserve(usd=1)
    store.failures = [StateUnavailableError("first"), StateUnavailableError("second")]
    with pytest.raises(StateUnavailableError, match="first"), reservation:
        reservation.commit(usd="0.5")
    assert store.failures == []
    assert pool.snapshot().reserved.usd == 1
    with pytest.raises(PoolExhaustedError):
        pool.record(usd="0.1")


def test_a_release_after_a_commit_that_failed_gives_nothing_back() -> None:
    """It tries the commit again and says so, as a ``finally`` without a ``with`` needs it."""
    store = BrokenPool()
    pool = BudgetPool(store=store)
    reservation = pool.reserve(usd=1)
    store.failures = [StateUnavailableError("out of reach")]
    with pytest.raises(StateUnavailableError):
        reservation.commit(usd="0.5")
    assert [reservation.release(), reservation.is_open] == [False, False]
    assert used(pool) == (0, 0, Decimal("0.5"))


@pytest.mark.parametrize("fails_first", [True, False])
@pytest.mark.parametrize("is_committed", [True, False])
def test_an_error_of_the_calls_own_gets_no_note(*, is_committed: bool, fails_first: bool) -> None:
    """Where nothing was left to be done at the end of the ``with`` there is nothing to say."""
    store = BrokenPool()

    def call() -> None:
        with BudgetPool(store=store).reserve(usd=1) as reservation:
            if is_committed:
                store.failures = [StateUnavailableError("out of reach")] * fails_first
                with suppress(StateUnavailableError):
                    reservation.commit()
                with suppress(ArgumentValueError):
                    reservation.commit()
            raise KeyError("the call's")

    with pytest.raises(KeyError) as failed:
        call()
    assert not hasattr(failed.value, "__notes__")


def test_a_commit_whose_error_was_caught_in_the_with_is_tried_again_at_its_end() -> None:
    """It is made without a word, and its own error comes out when it fails again."""
    store = BrokenPool()
    pool = BudgetPool(store=store)

    def call() -> None:
        with pool.reserve(usd=1) as reservation, suppress(StateUnavailableError):
            reservation.commit(usd="0.5")

    store.failures = [StateUnavailableError("first")]
    call()
    assert used(pool) == (0, 0, Decimal("0.5"))
    store.failures = [StateUnavailableError("first"), StateUnavailableError("second")]
    with pytest.raises(StateUnavailableError, match="second"):
        call()
    assert used(pool) == (0, 0, Decimal("0.5"))
    assert pool.snapshot().reserved.usd == 1


def test_a_commit_that_is_interrupted_is_tried_again() -> None:
    """Nobody knows whether the interrupt came before it was counted, and trying again counts it once."""
    store = BrokenPool()
    pool = BudgetPool(store=store)
    store.failures = [KeyboardInterrupt()]
    with pytest.raises(KeyboardInterrupt), pool.reserve(usd=1) as reservation:
        reservation.commit(usd="0.5")
    assert used(pool) == (0, 0, Decimal("0.5"))
    assert pool.snapshot().reserved.usd == 0


def test_an_overrun_is_told_by_the_commit_that_went_through() -> None:
    """At the end of the ``with`` as well; there it is a note where another error comes out."""
    store = BrokenPool()
    pool = BudgetPool(store=store, max_usd=10)

    def call() -> None:
        with pool.reserve(usd=1) as reservation:
            store.failures = [StateUnavailableError("first")]
            reservation.commit(usd=2)

    with pytest.raises(StateUnavailableError) as told:
        call()
    assert told.value.__notes__[1].startswith(
        "reservation: its commit was tried again: usd: 2 is more than the 1 that was reserved; it is counted all"
    )
    assert used(pool) == (0, 0, Decimal(2))


def test_a_release_that_fails_does_not_hide_the_calls_error() -> None:
    """The call's own error comes out of the ``with``, with a note about the store's."""
    store = BrokenPool()

    def call() -> None:
        with BudgetPool(store=store).reserve(usd=1):
            store.is_broken = True
            raise KeyError("the call's")

    with pytest.raises(KeyError) as failed:
        call()
    assert failed.value.__notes__ == ["reservation: it could not be released and ends with its lease: out of reach"]


def test_a_release_that_fails_after_a_call_is_told() -> None:
    """Without an error of the call's the store's comes out."""
    store = BrokenPool()
    with pytest.raises(StateUnavailableError, match="out of reach"), BudgetPool(store=store).reserve(usd=1):
        store.is_broken = True


def test_remaining_is_shown_per_cap() -> None:
    """token-budget-pool: "snapshot with remaining", None where there is no cap, and 0 where one is passed."""
    pool = BudgetPool(max_total_tokens=100, max_usd="20")
    pool.record(input_tokens=10, output_tokens=5, usd=10)
    assert pool.snapshot().remaining == PoolRemaining(
        input_tokens=None, output_tokens=None, total_tokens=85, usd=Decimal(10)
    )
    assert str(pool.snapshot().remaining.usd) == "10"  # and not 1E+1
    with pytest.raises(ArgumentValueError):
        pool.reserve(usd=10).commit(output_tokens=86, usd="10.5")
    assert pool.snapshot().remaining == PoolRemaining(
        input_tokens=None, output_tokens=None, total_tokens=0, usd=Decimal(0)
    )


@pytest.mark.parametrize(
    "context", [Context(prec=6), Context(prec=6, rounding=ROUND_UP), Context(traps=[Inexact, Rounded])]
)
def test_money_is_exact_whatever_the_callers_arithmetic_is(context: Context) -> None:
    """A precision of six digits, or a trap for what is inexact, is for the caller's own numbers."""
    with localcontext(context):
        pool = BudgetPool(max_usd="12.3456789")
        first = pool.snapshot().remaining.usd
        pool.record(usd="1.23456789")
        pool.reserve(usd="0.000000000001").commit()
        last = pool.snapshot()
        with pytest.raises(PoolExhaustedError) as refused:
            pool.record(usd="11.11111101")
    assert first == Decimal("12.3456789")
    assert last.used.usd == Decimal("1.234567890001")
    assert last.remaining.usd == Decimal("11.111111009999")
    assert (refused.value.limit, refused.value.taken) == (Decimal("12.3456789"), Decimal("1.234567890001"))
    assert refused.value.wanted == Decimal("11.11111101")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="a platform without forks")
def test_a_child_can_use_a_pool_that_was_busy_at_the_fork() -> None:
    """Threads that record all the time never leave a child with a lock that is shut for ever."""
    script = """
import os, threading, warnings
from prompt_cache_warmer import BudgetPool
warnings.simplefilter("ignore")
pool, stop = BudgetPool(), threading.Event()

def busy():
    while not stop.is_set():
        pool.record(input_tokens=1)

threads = [threading.Thread(target=busy) for _ in range(4)]
for thread in threads:
    thread.start()
for _ in range(50):
    child = os.fork()
    if child == 0:
        pool.record(input_tokens=1)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
stop.set()
print("done")
"""
    assert printed(script) == "done\n"
