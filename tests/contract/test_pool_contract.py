"""One suite for a budget pool over every store there is, and what only a table can get wrong."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal, cast

import boto3
import pytest
from botocore.exceptions import ReadTimeoutError

from infra.local.cloud import STATE_TABLE, create_state_table
from infra.local.lambda_emulator import ROOT
from prompt_cache_warmer.adapters.memory_pool import MemoryPool
from prompt_cache_warmer.errors import ArgumentValueError, PoolExhaustedError, StateUnavailableError
from prompt_cache_warmer.library.budgets.pool import BudgetPool, PoolRemaining, PoolSnapshot
from prompt_cache_warmer.values.pool import PoolAmount
from tests.dynamodb_doubles import Wire
from tests.fakes import EPOCH, FakeClock

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

    from infra.local.aws import LocalAws

# What another process runs: a call that is over and one it dies in.
PROCESS = """
import os, sys
from prompt_cache_warmer import BudgetPool
pool = BudgetPool.in_table(table=sys.argv[1], name="agents", max_usd=1)
with pool.reserve(usd="0.5", input_tokens=3) as reservation:
    reservation.commit(usd="0.25")
pool.reserve(usd="0.25")
print(pool.snapshot().remaining.usd, flush=True)
os._exit(0)
"""
PROCESS_SECONDS = 100  # for what takes one or two
ITEM = "pool/agents"
DOLLAR = 10**12  # in pico-USD
NOON = int(EPOCH.timestamp()) * 1000
UNUSED = PoolAmount()


class Pools:
    """Opens the same pool again and again, as other processes would where the store can be shared.

    Attributes:
        clock: the clock of all of them.
    """

    def __init__(self, aws: LocalAws | None) -> None:
        self._aws = aws
        self._memory = MemoryPool()
        self.clock = FakeClock()

    def open(self, **caps: Any) -> BudgetPool:
        """Return the pool, held to some caps."""
        if self._aws is None:
            return BudgetPool(store=self._memory, clock=self.clock, **caps)
        return BudgetPool.in_table(
            table=STATE_TABLE, name="agents", client=self._aws.dynamodb, clock=self.clock, **caps
        )


@pytest.fixture
def table(aws: LocalAws) -> LocalAws:
    """Return an account with an empty state table."""
    create_state_table(aws)
    return aws


@pytest.fixture(params=["memory", "dynamodb"])
def pools(request: pytest.FixtureRequest) -> Pools:
    """Return each store there is, empty."""
    return Pools(None if request.param == "memory" else request.getfixturevalue("table"))


def shown(pool: BudgetPool) -> tuple[PoolAmount, PoolAmount]:
    """Return what is used and what is reserved."""
    found = pool.snapshot()
    return found.used, found.reserved


@pytest.mark.parametrize(
    ("cap", "limit", "amounts", "last", "over"),
    [
        ("max_input_tokens", 100, {"output_tokens": 500, "usd": 5}, {"input_tokens": 100}, {"input_tokens": 1}),
        ("max_output_tokens", 100, {"input_tokens": 500, "usd": 5}, {"output_tokens": 100}, {"output_tokens": 1}),
        ("max_total_tokens", 100, {"input_tokens": 60, "usd": 5}, {"output_tokens": 40}, {"input_tokens": 1}),
        ("max_usd", "0.3", {"usd": "0.1", "input_tokens": 500}, {"usd": "0.2"}, {"usd": "0.000000000001"}),
    ],
)
@pytest.mark.parametrize("method", ["record", "reserve"])
def test_each_cap_holds_to_the_last_token_and_pico(
    pools: Pools, method: str, cap: str, limit: Any, amounts: Any, last: Any, over: Any
) -> None:
    """token-budget-pool: "Caps on input, output, total tokens and USD"; "the error names the cap" that is reached."""
    pool = pools.open(**{cap: limit})
    act = getattr(pool, method)
    act(**amounts)
    act(**last)
    before = shown(pool)
    with pytest.raises(PoolExhaustedError) as refused:
        act(**over)
    wanted = next(iter(over.values()))
    assert refused.value.cap == cap
    assert (refused.value.limit, refused.value.taken) == (Decimal(limit), Decimal(limit))
    assert refused.value.wanted == Decimal(wanted)
    assert shown(pool) == before


def test_no_cap_is_unlimited_and_a_cap_of_0_is_nothing(pools: Pools) -> None:
    """token-budget-pool: "none = unlimited and 0 = nothing", for each of the four on its own."""
    for _ in range(2):
        pools.open().record(input_tokens=10**15, output_tokens=10**15, usd=10**12)
    assert shown(pools.open()) == (PoolAmount(2 * 10**15, 2 * 10**15, 2 * 10**12 * DOLLAR), UNUSED)
    nothing = {
        "max_input_tokens": {"input_tokens": 1},
        "max_output_tokens": {"output_tokens": 1},
        "max_total_tokens": {"output_tokens": 1},
        "max_usd": {"usd": "0.000000000001"},
    }
    pools.open().reset()
    for cap, least in nothing.items():
        with pytest.raises(PoolExhaustedError, match=f"^{cap} is 0; 0 are taken"):
            pools.open(**{cap: 0}).record(**least)  # type: ignore[arg-type] # one amount of either type
    assert shown(pools.open()) == (UNUSED, UNUSED)


def test_a_cap_of_0_refuses_only_what_it_is_about(pools: Pools) -> None:
    """A call without output is fine where output is used up, and so is one that costs nothing."""
    pool = pools.open(max_output_tokens=0, max_usd=0)
    pool.record(input_tokens=5)
    pool.reserve(input_tokens=5).commit()
    assert shown(pool)[0] == PoolAmount(10)


@pytest.mark.parametrize("method", ["record", "reserve"])
def test_one_full_cap_keeps_everything_as_it_was(pools: Pools, method: str) -> None:
    """token-budget-pool: "atomic record, unchanged on breach": tokens that fit do not count alone."""
    pool = pools.open(max_input_tokens=1_000, max_usd=1)
    pool.record(input_tokens=10, output_tokens=1, usd="0.5")
    with pytest.raises(PoolExhaustedError, match=r"^max_usd is 1; 0.5 are taken and 0.500000000001 more do not fit$"):
        getattr(pool, method)(input_tokens=10, output_tokens=1, usd="0.500000000001")
    assert shown(pool) == (PoolAmount(10, 1, DOLLAR // 2), UNUSED)


def test_a_call_reserves_and_commits_what_it_used(pools: Pools) -> None:
    """token-budget-pool: "reserve / commit / release": what was used takes the place of what was held."""
    pool = pools.open(max_usd=1, max_total_tokens=150)
    reservation = pool.reserve(input_tokens=100, output_tokens=50, usd="0.75")
    assert shown(pool) == (UNUSED, PoolAmount(100, 50, 3 * DOLLAR // 4))
    with pytest.raises(PoolExhaustedError, match=r"^max_total_tokens is 150; 150 are taken and 1 more do not fit$"):
        pool.record(input_tokens=1)
    with pytest.raises(PoolExhaustedError, match=r"^max_usd is 1; 0.75 are taken and 0.5 more do not fit$"):
        pool.reserve(usd="0.5")
    assert reservation.commit(input_tokens=90, output_tokens=5, usd="0.25")
    assert shown(pool) == (PoolAmount(90, 5, DOLLAR // 4), UNUSED)
    pool.record(input_tokens=55, usd="0.75")


def test_a_release_gives_back_what_was_held(pools: Pools) -> None:
    """token-budget-pool: "reserve / commit / release": a call that is not made takes nothing."""
    pool = pools.open(max_usd=1)
    reservation = pool.reserve(input_tokens=100, usd=1)
    assert reservation.release()
    assert shown(pool) == (UNUSED, UNUSED)
    assert not reservation.release()
    pool.record(usd=1)


def test_a_with_releases_what_was_not_committed(pools: Pools) -> None:
    """token-budget-pool: "reserve / commit / release with automatic release", whether or not the call raised."""
    pool = pools.open(max_usd=1)

    def fail() -> None:
        with pool.reserve(usd=1):
            raise KeyError("the call's own")

    with pytest.raises(KeyError):
        fail()
    assert shown(pool) == (UNUSED, UNUSED)
    with pool.reserve(usd=1) as forgotten:
        assert forgotten.is_open
    assert shown(pool) == (UNUSED, UNUSED)
    with pool.reserve(usd=1) as committed:
        committed.commit(usd="0.5")
    assert shown(pool) == (PoolAmount(pico_usd=DOLLAR // 2), UNUSED)


def test_a_snapshot_shows_each_cap(pools: Pools) -> None:
    """token-budget-pool: "snapshot with remaining", never below 0, beside what is used and reserved."""
    pool = pools.open(max_input_tokens=1_000, max_output_tokens=100, max_total_tokens=1_050, max_usd="2")
    pool.record(input_tokens=500, output_tokens=40, usd="0.5")
    pool.reserve(input_tokens=400, output_tokens=50, usd="1.25")
    assert pool.snapshot() == PoolSnapshot(
        generation=0,
        used=PoolAmount(500, 40, DOLLAR // 2),
        reserved=PoolAmount(400, 50, 5 * DOLLAR // 4),
        remaining=PoolRemaining(input_tokens=100, output_tokens=10, total_tokens=60, usd=Decimal("0.25")),
    )
    lower = pools.open(max_input_tokens=899, max_output_tokens=89, max_total_tokens=989, max_usd="1.7")
    assert lower.snapshot().remaining == PoolRemaining(input_tokens=0, output_tokens=0, total_tokens=0, usd=Decimal(0))


def test_a_reset_starts_a_new_generation(pools: Pools) -> None:
    """token-budget-pool: "reset with generation": reservations made before commit into nothing and say so."""
    pool = pools.open(max_usd=1)
    pool.record(input_tokens=7, usd="0.25")
    old, released = pool.reserve(usd="0.5"), pool.reserve(usd="0.25")
    assert pools.open().reset() == 1
    assert pool.snapshot() == PoolSnapshot(1, UNUSED, UNUSED, PoolRemaining(None, None, None, Decimal(1)))
    new = pool.reserve(usd=1)
    assert (old.generation, new.generation) == (0, 1)
    assert old.commit(usd="0.75") is False
    released.release()
    assert shown(pool) == (UNUSED, PoolAmount(pico_usd=DOLLAR))
    assert new.commit(usd="0.125") is True
    assert pools.open().reset() == 2
    assert shown(pool) == (UNUSED, UNUSED)
    pool.record(usd=1)


def test_an_overrun_is_counted_past_the_cap(pools: Pools) -> None:
    """token-budget-pool: "over-commit and negatives refused": an overrun is told and counted."""
    for cap, spent in {
        "max_input_tokens": {"input_tokens": 6},
        "max_output_tokens": {"output_tokens": 4},
        "max_total_tokens": {"input_tokens": 4, "output_tokens": 4},
    }.items():
        tokens = pools.open(**{cap: 15})
        reservation = tokens.reserve(input_tokens=5, output_tokens=2)
        for amount in ("input_tokens", "output_tokens", "usd"):
            with pytest.raises(ArgumentValueError, match=rf"^{amount}: -1 is not allowed"):
                reservation.commit(**{amount: -1})
        assert shown(tokens) == (UNUSED, PoolAmount(5, 2))
        with pytest.raises(ArgumentValueError, match=r"_tokens: \d is more than the \d that was reserved"):
            reservation.commit(**spent)
        assert shown(tokens) == (PoolAmount(spent.get("input_tokens", 5), spent.get("output_tokens", 2)), UNUSED)
        tokens.reset()
    pool = pools.open(max_usd=1)
    other = pool.reserve(usd="0.5")
    with pytest.raises(ArgumentValueError, match=r"^usd: 0.75 is more than the 0.5 that was reserved; it is counted"):
        pool.reserve(usd="0.5").commit(usd="0.75")
    assert shown(pool) == (PoolAmount(pico_usd=3 * DOLLAR // 4), PoolAmount(pico_usd=DOLLAR // 2))
    assert pool.snapshot().remaining.usd == 0
    with pytest.raises(PoolExhaustedError, match=r"^max_usd is 1; 1.25 are taken and 0.001 more do not fit$"):
        pool.record(usd="0.001")
    pool.record(input_tokens=1)
    assert other.commit(usd="0.125")
    assert pool.snapshot().remaining.usd == Decimal("0.125")


def test_an_overrun_of_an_old_generation_is_nobodys(pools: Pools) -> None:
    """It is counted nowhere, so there is nothing to complain of."""
    pool = pools.open(max_usd=1)
    old = pool.reserve(usd="0.5")
    pool.reset()
    assert old.commit(usd="0.75") is False


def test_a_reservation_ends_with_its_lease(pools: Pools) -> None:
    """What a dead process held is held until the lease is over, to the millisecond, and not longer."""
    pool = pools.open(max_usd=1, lease_seconds=60)
    pool.reserve(input_tokens=5, usd=1)
    pools.clock.seconds = 59.999
    assert shown(pool) == (UNUSED, PoolAmount(5, 0, DOLLAR))
    with pytest.raises(PoolExhaustedError):
        pools.open(max_usd=1).record(usd=1)
    pools.clock.seconds = 60
    assert shown(pool) == (UNUSED, UNUSED)
    pools.open(max_usd=1).record(usd="0.75")
    assert shown(pool) == (PoolAmount(pico_usd=3 * DOLLAR // 4), UNUSED)


@pytest.mark.parametrize("is_swept", [False, True])
def test_a_commit_after_the_lease_still_counts(pools: Pools, *, is_swept: bool) -> None:
    """The money was spent, whether or not somebody else has been given its place meanwhile."""
    pool = pools.open(max_usd=1, lease_seconds=60)
    late, later = pool.reserve(usd="0.5"), pool.reserve(usd="0.5")
    pools.clock.seconds = 60
    if is_swept:
        pool.record(usd=1)
    assert late.commit(usd="0.25") is True
    assert later.release() is True
    assert shown(pool) == (PoolAmount(pico_usd=DOLLAR // 4 + is_swept * DOLLAR), UNUSED)


def test_money_is_rounded_up_and_caps_down(pools: Pools) -> None:
    """A cap is never passed by a rounding: a tenth of a pico-USD counts as one, 1.9 of them allow one."""
    pool = pools.open(max_usd="0.0000000000019")
    pool.record(usd="0.0000000000001")
    with pytest.raises(PoolExhaustedError):
        pool.record(usd="0.0000000000001")
    assert shown(pool)[0] == PoolAmount(pico_usd=1)


def test_each_process_has_caps_of_its_own(pools: Pools) -> None:
    """The pool keeps what is used; what is allowed, each of those who use it says."""
    pools.open(max_usd=10).record(usd=9)
    with pytest.raises(PoolExhaustedError, match=r"^max_usd is 1; 9 are taken"):
        pools.open(max_usd=1).record(usd="0.5")
    assert pools.open(max_usd=1).snapshot().remaining.usd == 0
    assert pools.open(max_usd=10).snapshot().remaining.usd == 1


# What only a table can get wrong.


def item(aws: LocalAws, key: str = ITEM) -> dict[str, Any]:
    """Return an item as it is stored."""
    return dict(aws.dynamodb.get_item(TableName=STATE_TABLE, Key={"pk": {"S": key}}).get("Item", {}))


def attributes(aws: LocalAws, kind: str) -> list[str]:
    """Return the names of the item's attributes of a kind."""
    return [name for name in item(aws) if name.startswith(f"{kind} ")]


def open_in_table(aws: LocalAws, client: object = None, name: str = "agents", **arguments: Any) -> BudgetPool:
    """Return a pool in the state table, by another client where one is given."""
    used = cast("DynamoDBClient", client or aws.dynamodb)
    return BudgetPool.in_table(table=STATE_TABLE, name=name, client=used, **arguments)


def test_a_pool_outlives_its_process(table: LocalAws) -> None:
    """token-budget-pool: "Beyond: durable and shared across Lambda runs and processes (DynamoDB), same interface"."""
    environment = {**table.environment(), "PYTHONPATH": str(ROOT / "handler")}
    for left in ("0.5", "0"):
        process = subprocess.run(  # noqa: S603 - our own interpreter
            [sys.executable, "-c", PROCESS, STATE_TABLE],
            env=environment,
            capture_output=True,
            text=True,
            check=True,
            timeout=PROCESS_SECONDS,
        )
        assert process.stdout == f"{left}\n"
    own = open_in_table(table, max_usd=1)
    assert shown(own) == (PoolAmount(6, 0, DOLLAR // 2), PoolAmount(pico_usd=DOLLAR // 2))
    with pytest.raises(PoolExhaustedError, match=r"^max_usd is 1; 1 are taken and 0.25 more do not fit$"):
        own.reserve(usd="0.25")


def test_pools_of_other_names_are_others(table: LocalAws) -> None:
    """Each has an item of its own."""
    open_in_table(table).record(usd=1)
    open_in_table(table, name="batch").record(usd=2)
    assert item(table)["taken usd"] == {"N": str(DOLLAR)}
    assert item(table, "pool/batch")["taken usd"] == {"N": str(2 * DOLLAR)}


def test_an_item_is_readable_in_the_console(table: LocalAws) -> None:
    """Names say what is counted; numbers are whole tokens, pico-USD and milliseconds; it goes after forty days."""
    pool = open_in_table(table, clock=FakeClock())
    pool.reserve(input_tokens=10, output_tokens=5, usd="1.5")
    found = item(table)
    [held] = attributes(table, "hold 0")
    assert found == {
        "pk": {"S": "pool/agents"},
        "schema": {"N": "1"},
        "expires_at": {"N": str(int(datetime(2027, 1, 2, tzinfo=UTC).timestamp()))},
        "sweep_at": {"N": str(NOON + 300_000)},
        "taken input_tokens": {"N": "10"},
        "taken output_tokens": {"N": "5"},
        "taken total_tokens": {"N": "15"},
        "taken usd": {"N": "1500000000000"},
        held: {
            "M": {
                "input": {"N": "10"},
                "output": {"N": "5"},
                "usd": {"N": "1500000000000"},
                "until": {"N": str(NOON + 900_000)},
            }
        },
    }
    pool.reset()
    assert item(table) == {
        "pk": {"S": "pool/agents"},
        "schema": {"N": "1"},
        "expires_at": {"N": str(int(datetime(2027, 1, 2, tzinfo=UTC).timestamp()))},
        "sweep_at": {"N": str(NOON + 300_000)},
        "generation": {"N": "1"},
        "taken input_tokens": {"N": "0"},
        "taken output_tokens": {"N": "0"},
        "taken total_tokens": {"N": "0"},
        "taken usd": {"N": "0"},
    }


@pytest.mark.parametrize("act", ["reserve", "commit", "release", "reset"])
def test_every_write_keeps_the_item_for_longer(
    table: LocalAws, act: Literal["reserve", "commit", "release", "reset"]
) -> None:
    """An item that is in use never goes."""
    clock = FakeClock()
    pool = open_in_table(table, clock=clock, lease_seconds=86_400)
    reservation = pool.reserve(usd=1)
    clock.seconds = 86_400 / 2  # the next day begins at midnight
    getattr(reservation if act in {"commit", "release"} else pool, act)()
    assert item(table)["expires_at"] == {"N": str(int(datetime(2027, 1, 3, tzinfo=UTC).timestamp()))}


def test_a_write_whose_answer_was_lost_counts_once(table: LocalAws) -> None:
    """The SDK sends each again; records, reservations, commits, releases and resets know themselves."""
    wire = Wire(table.dynamodb)
    wire.loses_answers = True
    pool = open_in_table(table, wire, max_usd=10, max_input_tokens=100)
    pool.record(usd=1, input_tokens=10)
    assert shown(pool) == (PoolAmount(10, 0, DOLLAR), UNUSED)
    reservation = pool.reserve(usd=2, input_tokens=20)
    assert shown(pool) == (PoolAmount(10, 0, DOLLAR), PoolAmount(20, 0, 2 * DOLLAR))
    assert reservation.commit(usd=1, input_tokens=5) is True
    assert shown(pool) == (PoolAmount(15, 0, 2 * DOLLAR), UNUSED)
    pool.reserve(usd=3).release()
    assert shown(pool) == (PoolAmount(15, 0, 2 * DOLLAR), UNUSED)
    assert pool.reset() == 1
    assert pool.snapshot().generation == 1
    pool.record(usd=10)
    assert shown(pool) == (PoolAmount(pico_usd=10 * DOLLAR), UNUSED)


def test_a_late_commit_whose_answer_was_lost_counts_once(table: LocalAws) -> None:
    """Also where its place had been given away."""
    clock = FakeClock()
    wire = Wire(table.dynamodb)
    wire.loses_answers = True
    pool = open_in_table(table, wire, max_usd=1, clock=clock)
    late = pool.reserve(usd=1)
    clock.seconds = 900
    pool.record(usd=1)
    assert late.commit(usd="0.25") is True
    assert shown(pool) == (PoolAmount(pico_usd=5 * DOLLAR // 4), UNUSED)


def test_a_record_that_was_made_before_a_reset_is_not_made_again_after_it(table: LocalAws) -> None:
    """The second try of a write finds its mark, whatever generation it is by then."""
    pool = open_in_table(table)

    class Late(Wire):
        def update_item(self, **arguments: Any) -> Any:
            if not self.writes:
                self.writes.append(arguments)
                table.dynamodb.update_item(**arguments)
                pool.reset()
            return table.dynamodb.update_item(**arguments)

    open_in_table(table, Late(table.dynamodb)).record(usd=1)
    assert pool.snapshot().generation == 1
    assert shown(pool) == (UNUSED, UNUSED)


def test_marks_go_with_the_next_write(table: LocalAws) -> None:
    """However much is recorded, the item holds the mark of the last write only."""
    pool = open_in_table(table)
    for _ in range(5):
        pool.record(usd=1)
        pool.reserve(usd=1).commit()
    assert len(attributes(table, "mark")) == 1
    pool.reserve().release()
    assert attributes(table, "mark") == []
    assert shown(pool) == (PoolAmount(pico_usd=10 * DOLLAR), UNUSED)


def test_marks_are_not_forgotten_with_a_refused_write(table: LocalAws) -> None:
    """They go with the next write that is made."""
    pool = open_in_table(table, max_usd=1)
    pool.record(usd=1)
    with pytest.raises(PoolExhaustedError):
        pool.record(usd=1)
    pool.record(input_tokens=1)
    assert len(attributes(table, "mark")) == 1


def test_what_dead_processes_leave_behind_is_swept(table: LocalAws) -> None:
    """More reservations than one write removes, and the marks of each, go with a later write of anybody's."""
    clock = FakeClock()
    for _ in range(60):
        dead = open_in_table(table, clock=clock, lease_seconds=100)
        dead.record(usd=1)
        dead.reserve(usd=2)
    # the mark of each process's record went with its own reservation
    assert (len(attributes(table, "hold")), len(attributes(table, "mark"))) == (60, 0)
    for _ in range(60):
        open_in_table(table, clock=clock).record(usd=1)
    clock.seconds = 299.999
    open_in_table(table, clock=clock).record(usd=1)
    assert (len(attributes(table, "hold")), len(attributes(table, "mark"))) == (60, 61)
    clock.seconds = 300
    wire = Wire(table.dynamodb)
    living = open_in_table(table, wire, clock=clock)
    living.record(usd=1)
    # the write itself is refused twice, and each sweep holds no more conditions than an expression can
    assert [write["ConditionExpression"].count("attribute_exists") for write in wire.writes] == [0, 50, 0, 10, 0]
    assert (len(attributes(table, "hold")), len(attributes(table, "mark"))) == (0, 2)  # of the last two processes
    assert item(table)["sweep_at"] == {"N": str(NOON + 600_000)}
    assert shown(living) == (PoolAmount(pico_usd=122 * DOLLAR), UNUSED)
    assert item(table)["taken usd"] == {"N": str(122 * DOLLAR)}


def test_a_full_cap_sweeps_at_once(table: LocalAws) -> None:
    """Nobody is refused for what a dead process held, and what others hold stays."""
    clock = FakeClock()
    open_in_table(table, clock=clock, lease_seconds=10).reserve(usd=1)
    open_in_table(table, clock=clock, lease_seconds=100).reserve(usd=1)
    clock.seconds = 10
    pool = open_in_table(table, clock=clock, max_usd=2)
    pool.record(usd=1)
    assert shown(pool) == (PoolAmount(pico_usd=DOLLAR), PoolAmount(pico_usd=DOLLAR))
    with pytest.raises(PoolExhaustedError):
        pool.record(usd="0.1")


def test_what_earlier_generations_held_is_swept(table: LocalAws) -> None:
    """A reset removes as much as one write may; the rest goes later and gives nothing back."""
    clock = FakeClock()
    pool = open_in_table(table, clock=clock, lease_seconds=86_400, max_usd=200)
    reservations = [pool.reserve(usd=1) for _ in range(70)]
    pool.reset()
    assert len(attributes(table, "hold")) == 20
    for number, reservation in enumerate(reservations):
        assert reservation.commit(usd=2) is False if number % 2 else reservation.release()
    assert shown(pool) == (UNUSED, UNUSED)
    assert item(table)["taken usd"] == {"N": "0"}
    clock.seconds = 300
    pool.record(usd=200)
    assert attributes(table, "hold") == []
    assert shown(pool) == (PoolAmount(pico_usd=200 * DOLLAR), UNUSED)


def test_a_process_that_missed_a_reset_catches_up(table: LocalAws) -> None:
    """Its next write counts in the new generation, and its next reset starts another one."""
    stale = open_in_table(table)
    stale.record(usd=1)
    open_in_table(table).reset()
    stale.record(usd=2)
    assert shown(stale) == (PoolAmount(pico_usd=2 * DOLLAR), UNUSED)
    assert open_in_table(table).reset() == 2
    reservation = stale.reserve(usd=3)
    assert (reservation.generation, shown(stale)) == (2, (UNUSED, PoolAmount(pico_usd=3 * DOLLAR)))
    assert open_in_table(table).reset() == 3
    assert stale.reset() == 4


def test_a_reset_that_others_were_ahead_of_is_theirs(table: LocalAws) -> None:
    """It resets nothing twice, and returns the generation there is."""
    other = open_in_table(table)

    class Slow(Wire):
        def batch_get_item(self, *, RequestItems: dict[str, Any]) -> Any:  # noqa: N803 - boto3's own name
            found = super().batch_get_item(RequestItems=RequestItems)
            other.reset()
            other.reset()
            other.record(usd=1)
            return found

    assert open_in_table(table, Slow(table.dynamodb)).reset() == 2
    assert shown(other) == (PoolAmount(pico_usd=DOLLAR), UNUSED)


def test_a_pool_without_its_table_says_so(aws: LocalAws) -> None:
    """Every method says that the table is missing; a call that cannot be counted is not made."""
    pool = open_in_table(aws)
    for act in (pool.record, pool.reserve, pool.snapshot, pool.reset):
        with pytest.raises(StateUnavailableError, match="there is no such table in this region"):
            act()


def test_a_commit_can_be_made_again_when_the_table_is_back(table: LocalAws) -> None:
    """It stays open while the table cannot be reached, and then counts once."""
    pool = open_in_table(table)
    reservation = pool.reserve(usd=1)
    kept = item(table)
    table.dynamodb.delete_table(TableName=STATE_TABLE)
    with pytest.raises(StateUnavailableError):
        reservation.commit(usd="0.5")
    create_state_table(table)
    table.dynamodb.put_item(TableName=STATE_TABLE, Item=kept)
    assert reservation.commit(usd="0.5") is True
    assert shown(pool) == (PoolAmount(pico_usd=DOLLAR // 2), UNUSED)


class Unanswered(Wire):
    """Gives up waiting for an answer.

    Attributes:
        unanswered: of how many of the next writes.
        is_reached: whether they are made all the same.
    """

    unanswered = 0
    is_reached = True

    def update_item(self, **arguments: Any) -> Any:
        """Write, and perhaps do not learn of it."""
        if not self.unanswered:
            return super().update_item(**arguments)
        self.unanswered -= 1
        if self.is_reached:
            super().update_item(**arguments)
        raise ReadTimeoutError(endpoint_url="")


@pytest.mark.parametrize("is_reached", [True, False])
@pytest.mark.parametrize("lease_seconds", [300, 900, 86_400])
def test_a_commit_that_is_tried_again_late_counts_once(
    table: LocalAws, lease_seconds: float, *, is_reached: bool
) -> None:
    """Until 15 minutes later, whatever others have swept meanwhile, and whether or not the first was counted."""
    clock = FakeClock()
    wire = Unanswered(table.dynamodb)
    wire.is_reached = is_reached
    pool = open_in_table(table, wire, clock=clock, lease_seconds=lease_seconds)
    other = open_in_table(table, clock=clock)
    reservation = pool.reserve(usd=1)
    wire.unanswered = 1
    with pytest.raises(StateUnavailableError):
        reservation.commit(usd="0.5")
    for seconds in (400, 800, 899):
        clock.seconds = seconds
        other.record(input_tokens=1)
    assert reservation.commit(usd="0.5") is True
    assert shown(other) == (PoolAmount(3, 0, DOLLAR // 2), UNUSED)


@pytest.mark.parametrize("is_reached", [True, False])
def test_a_late_commit_that_is_tried_again_counts_once(table: LocalAws, *, is_reached: bool) -> None:
    """Also when its lease was over before the first try."""
    clock = FakeClock()
    wire = Unanswered(table.dynamodb)
    pool = open_in_table(table, wire, clock=clock, lease_seconds=60, max_usd=1)
    other = open_in_table(table, clock=clock, max_usd=1)
    reservation = pool.reserve(usd=1)
    clock.seconds = 60
    other.record(usd=1)
    wire.unanswered = 2 if is_reached else 1  # the first finds the reservation gone
    wire.is_reached = is_reached
    with pytest.raises(StateUnavailableError):
        reservation.commit(usd="0.5")
    assert wire.unanswered == 0
    clock.seconds = 959
    other.record(input_tokens=1)
    assert reservation.commit(usd="0.5") is True
    assert shown(other) == (PoolAmount(1, 0, 3 * DOLLAR // 2), UNUSED)


def test_what_remembers_a_commit_goes_in_the_end(table: LocalAws) -> None:
    """Two minutes after it can be tried again no more: the answers to the tries are in by then."""
    clock = FakeClock()
    open_in_table(table, clock=clock).reserve(usd=1).commit()
    other = open_in_table(table, clock=clock)
    clock.seconds = 1_019.999
    other.record(usd=1)
    assert len(attributes(table, "mark")) == 2
    clock.seconds = 1_020 + 300
    other.record(usd=1)
    assert len(attributes(table, "mark")) == 1


@pytest.mark.parametrize("is_reached", [True, False])
def test_a_with_counts_a_commit_that_was_not_answered(table: LocalAws, *, is_reached: bool) -> None:
    """Once, whether or not it was made, and the error that comes out says that it went through."""
    wire = Unanswered(table.dynamodb)
    wire.is_reached = is_reached
    pool = open_in_table(table, wire, max_usd=1)

    def call() -> None:
        with pool.reserve(usd=1) as reservation:
            wire.unanswered = 1
            reservation.commit(usd="0.5")

    with pytest.raises(StateUnavailableError) as told:
        call()
    assert told.value.__notes__[-1] == "reservation: its commit was tried again and went through"
    assert shown(pool) == (PoolAmount(pico_usd=DOLLAR // 2), UNUSED)


def test_a_table_that_refuses_without_a_reason_is_not_asked_for_ever(table: LocalAws) -> None:
    """After more attempts than a full item needs the state counts as unavailable."""
    wire = Wire(table.dynamodb)
    wire.refuses = True
    with pytest.raises(StateUnavailableError, match=r"^'pool/agents' could not be changed in 64 attempts"):
        open_in_table(table, wire).record(usd=1)
    assert len(wire.writes) == 64


def test_what_is_used_costs_one_write(table: LocalAws) -> None:
    """A record is one write, a call two, and no read, as long as nothing is in the way."""
    wire = Wire(table.dynamodb)
    pool = open_in_table(table, wire, max_usd=1)
    pool.record(usd="0.1")
    pool.reserve(usd="0.1").commit()
    pool.reserve(usd="0.1").release()
    assert (len(wire.writes), wire.reads) == (5, [])


def test_a_pool_finds_its_table_by_the_environment(table: LocalAws, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a client of one's own it is the one that boto3 makes by itself."""
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    for name, value in table.environment().items():
        monkeypatch.setenv(name, value)
    BudgetPool.in_table(
        table=STATE_TABLE,
        name="agents",
        max_input_tokens=100,
        max_output_tokens=100,
        max_total_tokens=100,
        max_usd=1,
        lease_seconds=60,
        clock=FakeClock(),
    ).reserve(usd=1)
    assert item(table)["taken usd"] == {"N": str(DOLLAR)}
    [held] = attributes(table, "hold")
    assert item(table)[held]["M"]["until"] == {"N": str(NOON + 60_000)}


@pytest.mark.parametrize("cap", ["max_input_tokens", "max_output_tokens", "max_total_tokens", "max_usd"])
def test_a_pool_in_a_table_has_every_cap(table: LocalAws, cap: str) -> None:
    """Each is handed on to the pool."""
    caps: dict[str, Any] = {cap: 1}
    with pytest.raises(PoolExhaustedError, match=f"^{cap} is 1; 0 are taken and [24] more do not fit$"):
        open_in_table(table, **caps).record(input_tokens=2, output_tokens=2, usd=2)


def test_what_is_not_ours_in_an_item_is_left_alone(table: LocalAws) -> None:
    """An attribute of a later version stays; a hold nobody can read holds nothing and goes with a sweep."""
    clock = FakeClock()
    pool = open_in_table(table, clock=clock)
    pool.record(usd=1)
    table.dynamodb.put_item(
        TableName=STATE_TABLE,
        Item={**item(table), "hold 0 broken": {"S": "?"}, "owner": {"S": "team"}, "schema": {"N": "2"}},
    )
    assert shown(pool) == (PoolAmount(pico_usd=DOLLAR), UNUSED)
    clock.seconds = 300
    pool.record(usd=1)
    assert attributes(table, "hold") == []
    assert (item(table)["owner"], item(table)["schema"]) == ({"S": "team"}, {"N": "2"})
