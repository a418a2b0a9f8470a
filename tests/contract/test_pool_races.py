"""Threads and processes that use one pool at the same time: nothing is lost, and no cap is passed."""

from __future__ import annotations

import random
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, TypeVar

import pytest

from infra.local.cloud import STATE_TABLE, create_state_table
from infra.local.lambda_emulator import ROOT
from prompt_cache_warmer.adapters.memory_pool import MemoryPool
from prompt_cache_warmer.errors import PoolExhaustedError
from prompt_cache_warmer.library.budgets.pool import BudgetPool
from prompt_cache_warmer.values.pool import PoolAmount
from tests.fakes import FakeClock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from infra.local.aws import LocalAws

THREADS = 200
STRESS_SECONDS = 5
DOLLAR = 10**12  # in pico-USD
UNUSED = PoolAmount()

# What another process runs: 25 calls of its own, each of which may find the pool full.
PROCESS = """
import sys
from prompt_cache_warmer import errors
from prompt_cache_warmer.library.budgets.pool import BudgetPool
pool = BudgetPool.in_table(table=sys.argv[1], name="agents", max_usd="4")
made = 0
for _ in range(25):
    try:
        with pool.reserve(usd="0.1", input_tokens=3) as reservation:
            reservation.commit(usd="0.0625")
            made += 1
    except errors.PoolExhaustedError:
        pass
print(made)
"""

T = TypeVar("T")


@pytest.fixture(autouse=True)
def _threads_take_turns_often() -> Iterator[None]:
    """Let threads interrupt each other a hundred times as often as Python does by itself."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(interval / 100)
    yield
    sys.setswitchinterval(interval)


@pytest.fixture(params=["memory", "dynamodb"])
def open_pool(request: pytest.FixtureRequest) -> Callable[..., BudgetPool]:
    """Return what opens the same empty pool, once for each who asks."""
    store = MemoryPool()
    if request.param == "memory":
        return lambda **caps: BudgetPool(store=store, **caps)
    aws: LocalAws = request.getfixturevalue("aws")
    create_state_table(aws)
    return lambda **caps: BudgetPool.in_table(table=STATE_TABLE, name="agents", client=aws.dynamodb, **caps)


def at_once(run: Callable[[int], T], threads: int) -> list[T]:
    """Carry out runs at the same time; none begins before all are there."""
    gate = threading.Barrier(threads)

    def wait(number: int) -> T:
        gate.wait()
        return run(number)

    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(wait, range(threads)))


@dataclass
class Tally:
    """What one thread did."""

    amount: PoolAmount = UNUSED
    times: int = 0


def test_200_threads_lose_nothing_in_five_seconds() -> None:
    """token-budget-pool: "thread safety": 200 threads on one pool for 5 s count every token and pico-USD once."""
    pool = BudgetPool()
    end = time.monotonic() + STRESS_SECONDS

    def run(number: int) -> Tally:
        chance, tally = random.Random(number), Tally()  # noqa: S311 - not for secrets: which thread does what
        while time.monotonic() < end:
            amount = PoolAmount(chance.randrange(9), chance.randrange(9), chance.randrange(DOLLAR))
            arguments = {"input_tokens": amount.input_tokens, "output_tokens": amount.output_tokens}
            kind = chance.randrange(4)
            if kind == 0:
                pool.record(**arguments, usd=Decimal(amount.pico_usd).scaleb(-12))
            elif kind == 1:
                pool.reserve(input_tokens=50, output_tokens=50, usd=1).commit(
                    **arguments, usd=Decimal(amount.pico_usd).scaleb(-12)
                )
            else:
                with pool.reserve(**arguments, usd=1):
                    tally.times += 1
                continue
            tally.amount += amount
            tally.times += 1
        return tally

    tallies = at_once(run, THREADS)
    found = pool.snapshot()
    assert found.used == sum((tally.amount for tally in tallies), start=UNUSED)
    assert found.reserved == UNUSED
    assert min(tally.times for tally in tallies) > 0


def test_threads_never_pass_a_cap(open_pool: Callable[..., BudgetPool]) -> None:
    """Of 32 calls ten fit, whenever one looks; what those spend is what is counted."""

    def run(number: int) -> int | None:
        pool = open_pool(max_usd=10, max_total_tokens=100_000)
        try:
            pool.reserve(usd=1, input_tokens=number)
        except PoolExhaustedError:
            return None
        assert pool.snapshot().remaining.usd in {Decimal(left) for left in range(10)}
        return number

    made = [number for number in at_once(run, 32) if number is not None]
    assert len(made) == 10
    found = open_pool().snapshot()
    assert (found.used, found.reserved) == (UNUSED, PoolAmount(sum(made), 0, 10 * DOLLAR))


def test_records_fill_a_cap_to_the_last_token(open_pool: Callable[..., BudgetPool]) -> None:
    """Every thread's records come through until nothing fits any more."""

    def run(_: int) -> int:
        pool, made = open_pool(max_output_tokens=101), 0
        for _ in range(10):
            try:
                pool.record(output_tokens=1)
            except PoolExhaustedError:
                continue
            made += 1
        return made

    assert sum(at_once(run, 16)) == 101
    assert open_pool().snapshot().used == PoolAmount(0, 101)


def test_of_commits_at_once_one_counts(open_pool: Callable[..., BudgetPool]) -> None:
    """A reservation that several threads commit is committed by one of them; the others are told."""
    pool = open_pool(max_usd=10)
    reservation = pool.reserve(usd=1)

    def run(_: int) -> bool:
        try:
            return reservation.commit(usd="0.5")
        except ValueError:
            return False

    assert at_once(run, 16).count(True) == 1
    assert pool.snapshot().used == PoolAmount(pico_usd=DOLLAR // 2)


def test_what_is_over_is_given_back_once(open_pool: Callable[..., BudgetPool]) -> None:
    """Of many that come upon expired reservations at the same time, one gives each back."""
    clock = FakeClock()
    for _ in range(10):
        open_pool(clock=clock, lease_seconds=10).reserve(usd=1)
    open_pool(clock=clock).record(usd=5)
    clock.seconds = 400

    def run(_: int) -> bool:
        try:
            open_pool(clock=clock, max_usd=15).record(usd=1)
        except PoolExhaustedError:
            return False
        return True

    assert at_once(run, 16).count(True) == 10
    found = open_pool(clock=clock).snapshot()
    assert (found.used, found.reserved) == (PoolAmount(pico_usd=15 * DOLLAR), UNUSED)


def test_resets_at_once_lose_no_later_record(open_pool: Callable[..., BudgetPool]) -> None:
    """What is recorded after the last reset is there, and each reset is of a generation of its own or of another's."""

    def run(number: int) -> int:
        pool = open_pool()
        pool.record(input_tokens=1)
        return pool.reset() if number % 2 else 0

    generations = at_once(run, 16)
    pool = open_pool()
    before = pool.snapshot()
    assert before.generation == max(generations)
    assert 0 <= before.used.input_tokens < 16
    pool.record(input_tokens=100)
    assert pool.snapshot().used.input_tokens == before.used.input_tokens + 100


def test_processes_share_a_pool(aws: LocalAws) -> None:
    """token-budget-pool: "durable and shared across Lambda runs and processes (DynamoDB)": four real ones."""
    create_state_table(aws)
    environment = {**aws.environment(), "PYTHONPATH": str(ROOT / "handler")}
    processes = [
        subprocess.Popen(  # noqa: S603 - our own interpreter
            [sys.executable, "-c", PROCESS, STATE_TABLE], env=environment, stdout=subprocess.PIPE, text=True
        )
        for _ in range(4)
    ]
    made = [int(process.communicate(timeout=100)[0]) for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0, 0]
    used = BudgetPool.in_table(table=STATE_TABLE, name="agents", client=aws.dynamodb).snapshot().used
    assert used == PoolAmount(3 * sum(made), 0, sum(made) * DOLLAR // 16)
    # at most 4 USD; a call that needs 0.1 stops fitting at the earliest when four are held at once
    assert Decimal("3.5") < used.usd <= 4
