"""Any sequence of operations on the state: memory and DynamoDB answer alike, and no cap is passed.

A state machine of Hypothesis: it makes up runs that claim, commit, lease and settle in any order, each as often as it
likes, beside an application that reports traffic, and shrinks a difference to the fewest steps.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, multiple, rule, run_state_machine_as_test

from infra.local.cloud import STATE_TABLE, create_state_table
from prompt_cache_warmer.adapters.dynamodb_state import DynamoDbState
from prompt_cache_warmer.adapters.memory_state import MemoryState
from prompt_cache_warmer.adapters.state_table import StateTable
from prompt_cache_warmer.ports import ClaimAnswer
from prompt_cache_warmer.values.caps import Caps
from prompt_cache_warmer.values.money import Amount
from prompt_cache_warmer.values.snapshot import CredentialState, Pause
from prompt_cache_warmer.values.state import UNKNOWN, EntryKey
from tests.state_cases import DAY, NOON, asking, at, outcome, proof

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from infra.local.aws import LocalAws
    from prompt_cache_warmer.ports import ClaimRequest, StateStore
    from prompt_cache_warmer.values.snapshot import Lease, Snapshot

MACHINES, STEPS = 12, 25  # some seconds: each step is some requests to moto
KEYS = tuple(EntryKey(target, "default", model) for target in ("a", "b") for model in ("sonnet", "haiku"))
TARGET_CAPS = Caps(usd_per_day=Decimal(3), tokens_per_day=5_000)
STACK_CAPS = Caps(usd_per_day=Decimal(5), usd_per_month=Decimal(6))
AMOUNTS = st.builds(Amount, st.sampled_from([Decimal(0), Decimal("0.7"), Decimal(2)]), st.sampled_from([0, 900, 2_500]))
PARTS = st.sampled_from([Decimal(0), Decimal("0.5"), Decimal(1)])
SECONDS = st.integers(0, 50)
BEHIND = st.sampled_from([0, 0, 0, 1])  # by how much the run that claims is behind the store


def part_of(amount: Amount, part: Decimal) -> Amount:
    """Return a part of an amount: what a call cost of what it might have."""
    return Amount(amount.known_usd * part, int(amount.tokens * part))


class Stores(RuleBasedStateMachine):
    """Does everything to both stores; ``aws`` is given by the test."""

    aws: LocalAws
    requests = Bundle[Any]("requests")
    leases = Bundle[Any]("leases")

    def __init__(self) -> None:
        super().__init__()
        self.aws.reset()
        create_state_table(self.aws)
        self.stores: tuple[StateStore, StateStore] = (
            MemoryState(),
            DynamoDbState(StateTable(self.aws.dynamodb, STATE_TABLE)),
        )
        self.runner = asyncio.Runner()
        self.granted: set[tuple[EntryKey, int]] = set()

    def teardown(self) -> None:
        """End the loop."""
        self.runner.close()

    def both(self, memory: Coroutine[Any, Any, Any], table: Coroutine[Any, Any, Any]) -> tuple[Any, Any]:
        """Wait for both."""

        async def answers() -> tuple[Any, Any]:
            return await memory, await table

        return self.runner.run(answers())

    def alike(self, operation: str, *given: Any, **named: Any) -> Any:
        """Do an operation to both stores and return the answer, which is the same."""
        one, other = self.both(*(getattr(store, operation)(*given, **named) for store in self.stores))
        assert one == other
        return one

    def snapshot(self) -> Snapshot:
        """Return what both know, which is the same."""
        found: Snapshot = self.alike("load", KEYS, day=DAY)
        return found

    @rule(
        target=requests, key=st.sampled_from(KEYS), worst=AMOUNTS, behind=st.sampled_from([0, 0, 0, 1]), owner=SECONDS
    )
    def claim(self, key: EntryKey, worst: Amount, behind: int, owner: int) -> Any:
        """Claim an entry, mostly as it was seen last; a sequence is granted once."""
        sequence = self.snapshot().entries.get(key, UNKNOWN).sequence - behind
        request = asking(key, owner=f"run-{owner}", sequence=sequence, worst=worst, caps=TARGET_CAPS)
        answer = self.alike("claim", request)
        if answer is not ClaimAnswer.GRANTED:
            return multiple()
        assert (key, sequence) not in self.granted
        self.granted.add((key, sequence))
        return request

    @rule(request=requests, part=PARTS, seconds=SECONDS, is_proof=st.booleans())
    def commit(self, request: ClaimRequest, part: Decimal, seconds: int, *, is_proof: bool) -> None:
        """Commit what came of a claim, in time or late, once or again."""
        warmth = proof(warmed_at=at(seconds)) if is_proof else None
        self.alike("commit", outcome(request, part_of(request.amount, part), warmth=warmth))

    @rule(target=leases, wanted=AMOUNTS)
    def lease(self, wanted: Amount) -> tuple[Lease, Lease]:
        """Lease a part of what the stack may spend."""
        one, other = self.both(*(store.lease(wanted, caps=STACK_CAPS, day=DAY) for store in self.stores))
        assert replace(one, id="") == replace(other, id="")
        return one, other

    @rule(leases=leases, part=PARTS)
    def settle(self, leases: tuple[Lease, Lease], part: Decimal) -> None:
        """Return what is left of a lease, once or again."""
        spent = part_of(leases[0].amount, part)
        self.both(*(store.settle(lease, spent=spent) for store, lease in zip(self.stores, leases, strict=True)))

    @rule(key=st.sampled_from(KEYS), seconds=SECONDS)
    def touch(self, key: EntryKey, seconds: int) -> None:
        """Report a request of the application, in order or not."""
        self.alike("touch", key, at=at(seconds), fingerprint="f-1")

    @rule(sequence=st.integers(1, 3), seconds=SECONDS)
    def let_go(self, sequence: int, seconds: int) -> None:
        """Let a credential's calls go."""
        self.alike("save_credential", "default", CredentialState(sequence, resumed_at=at(seconds)))

    @rule(seconds=SECONDS)
    def pause(self, seconds: int) -> None:
        """Pause everything."""
        self.alike("pause", Pause("incident", NOON, at(seconds)))

    @rule()
    def resume(self) -> None:
        """End the pause, if there is one."""
        self.alike("resume")

    @invariant()
    def no_cap_is_passed(self) -> None:
        """Where no call costs more than was reserved for it; and both stores know the same."""
        found = self.snapshot()
        assert found.spent_today.known_usd <= Decimal(5)
        assert all(one.known_usd <= Decimal(3) and one.tokens <= 5_000 for one in found.spent_by_target.values())


def test_both_stores_answer_alike_whatever_is_asked(aws: LocalAws) -> None:
    """The store in memory, which all runs without a table use and all tests of the engine, is DynamoDB's twin."""

    class Given(Stores):
        """The machine with an account of its own."""

    Given.aws = aws
    run_state_machine_as_test(
        Given,
        settings=settings(
            max_examples=MACHINES,
            stateful_step_count=STEPS,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
        ),
    )
