"""Runs at the same time, each in a thread with an event loop of its own: no cap is passed, no entry is called twice."""

from __future__ import annotations

import asyncio
import sys
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from threading import Barrier
from typing import TYPE_CHECKING, TypeVar

import pytest

from prompt_cache_warmer.adapters.dynamodb_state import DynamoDbState
from prompt_cache_warmer.adapters.memory_state import MemoryState
from prompt_cache_warmer.ports import ClaimAnswer
from prompt_cache_warmer.values.caps import Caps
from prompt_cache_warmer.values.money import Amount
from prompt_cache_warmer.values.state import EntryKey
from tests.state_cases import DAY, KEY, PICO, amount, asking, known, model, outcome, proof, snapshot, spent

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator

    from prompt_cache_warmer.ports import StateStore

RUNS = 32
PATIENCE_SECONDS = 60.0  # after that a run that failed no longer keeps the others waiting
QUICK_CLAIMS_PER_RUN = 1000
ENTRIES = {MemoryState: 1000, DynamoDbState: 300}  # moto does a hundred writes a second here

T = TypeVar("T")


@pytest.fixture(autouse=True)
def _threads_take_turns_often() -> Iterator[None]:
    """Let threads interrupt each other a hundred times as often as Python does by itself."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(interval / 100)
    yield
    sys.setswitchinterval(interval)


def at_once(run: Callable[[int], Coroutine[None, None, T]], runs: int = RUNS) -> list[T]:
    """Carry out runs at the same time."""
    with ThreadPoolExecutor(runs) as threads:
        return list(threads.map(lambda number: asyncio.run(run(number)), range(runs)))


def test_leases_never_pass_a_cap_and_settle_exactly(state: StateStore) -> None:
    """Of 10 USD and 20,000 tokens 32 runs get no pico more, whenever one looks; what they spend is kept."""
    caps = Caps(usd_per_day=Decimal(10), usd_per_month=Decimal(11), tokens_per_month=20_000)
    asked = Barrier(RUNS)

    async def run(_: int) -> Amount:
        lease = await state.lease(amount(1 - PICO, 1000), caps=caps, day=DAY)
        used = Amount(min(lease.amount.known_usd, Decimal("0.123")), lease.amount.tokens // 4)
        total = (await snapshot(state)).spent_today
        assert total.known_usd <= 10
        assert total.tokens <= 20_000
        asked.wait(PATIENCE_SECONDS)
        await state.settle(lease, spent=used)
        return used

    sums = sum(at_once(run), start=Amount())
    found = asyncio.run(snapshot(state))
    assert sums.known_usd > 0
    assert found.spent_today == found.spent_this_month == sums


def test_leases_that_are_not_settled_fill_a_cap_to_the_last_pico(state: StateStore) -> None:
    """Every one of 32 runs comes through, together they get exactly the cap."""
    caps = Caps(usd_per_day=10 + PICO, tokens_per_day=20_001)

    async def run(_: int) -> Amount:
        return (await state.lease(amount(1 - PICO, 1000), caps=caps, day=DAY)).amount

    assert sum(at_once(run), start=Amount()) == amount(10 + PICO, 20_001)
    assert asyncio.run(snapshot(state)).spent_today == amount(10 + PICO, 20_001)


def test_claims_of_one_target_never_pass_its_cap(state: StateStore) -> None:
    """32 models and room for ten; what the ten spend is what is counted."""
    caps = Caps(usd_per_day=Decimal(10), tokens_per_day=100_000)
    asked = Barrier(RUNS)

    async def run(number: int) -> ClaimAnswer:
        request = asking(model(f"m-{number}"), owner=f"run-{number}", caps=caps)
        answer = await state.claim(request)
        asked.wait(PATIENCE_SECONDS)  # what is spent makes room again
        if answer is ClaimAnswer.GRANTED:
            assert await state.commit(outcome(request, amount("0.000000000001", number), warmth=proof()))
        return answer

    answers = at_once(run)
    assert answers.count(ClaimAnswer.GRANTED) == 10
    assert answers.count(ClaimAnswer.CAPPED) == 22
    tokens = sum(number for number, answer in enumerate(answers) if answer is ClaimAnswer.GRANTED)
    assert asyncio.run(spent(state)) == amount(10 * PICO, tokens)


def test_many_quick_claims_in_memory_add_up() -> None:
    """Threads that do nothing but claim come between each other's every step."""
    state = MemoryState()
    sys.setswitchinterval(1e-6)
    caps = Caps(tokens_per_day=5_000_000)

    async def run(number: int) -> int:
        answers = [
            await state.claim(asking(model(f"m-{number}-{each}"), caps=caps)) for each in range(QUICK_CLAIMS_PER_RUN)
        ]
        return answers.count(ClaimAnswer.GRANTED)

    assert sum(at_once(run, runs=8)) == 5000
    assert asyncio.run(spent(state)).tokens == 5_000_000


def test_one_entry_is_claimed_once(state: StateStore) -> None:
    """Of 32 runs one gets it, and touches meanwhile harm nobody."""

    async def run(number: int) -> ClaimAnswer:
        request = asking(owner=f"run-{number}")
        _, answer = await asyncio.gather(
            state.touch(KEY, at=proof().warmed_at.replace(second=number)), state.claim(request)
        )
        if answer is ClaimAnswer.GRANTED:
            assert await state.commit(outcome(request, amount("0.5", 1), warmth=proof()))
        return answer

    answers = at_once(run)
    assert answers.count(ClaimAnswer.GRANTED) == 1
    found = asyncio.run(known(state))
    assert (found.sequence, found.claim, found.warmth) == (1, None, proof())
    assert found.traffic is not None
    assert found.traffic.last_at == proof().warmed_at.replace(second=31)
    assert asyncio.run(spent(state)) == amount("0.5", 1)


def test_two_runs_share_many_entries(state: MemoryState | DynamoDbState) -> None:
    """Each entry is claimed exactly once, whichever run is faster."""
    count = ENTRIES[type(state)]
    keys = [EntryKey(f"target-{number // 4}", "default", f"m-{number % 4}") for number in range(count)]

    async def run(number: int) -> list[EntryKey]:
        ours = keys if number else keys[::-1]
        answers = await asyncio.gather(*(state.claim(asking(key, owner=f"run-{number}")) for key in ours))
        return [key for key, answer in zip(ours, answers, strict=True) if answer is ClaimAnswer.GRANTED]

    first, second = at_once(run, runs=2)
    assert sorted(first + second) == sorted(keys)
    found = asyncio.run(state.load(keys, day=DAY))
    assert {state.sequence for state in found.entries.values()} == {1}
    assert len(found.entries) == count
    assert set(found.spent_by_target.values()) == {amount("4", 4000)}
