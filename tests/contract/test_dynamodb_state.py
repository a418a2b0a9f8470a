"""The state table on the wire: few requests, answers that get lost, batches, and errors an operator understands."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.config import Config
from botocore.stub import Stubber

from infra.local.cloud import STATE_TABLE, LocalCloud, create_state_table
from prompt_cache_warmer.adapters.dynamodb_state import LEASE_ATTEMPTS, DynamoDbState
from prompt_cache_warmer.adapters.memory_state import MemoryState
from prompt_cache_warmer.adapters.state_table import READ_ATTEMPTS, StateTable
from prompt_cache_warmer.errors import StateUnavailableError
from prompt_cache_warmer.ports import ClaimAnswer
from prompt_cache_warmer.values.caps import NO_CAPS, Caps
from prompt_cache_warmer.values.observation import Sightings
from prompt_cache_warmer.values.snapshot import CredentialState, Pause
from prompt_cache_warmer.values.state import EntryKey, EntryState
from prompt_cache_warmer.wiring.aws import state_store
from tests.dynamodb_doubles import Wire
from tests.state_cases import DAY, KEY, NOTHING, amount, asking, at, known, model, outcome, proof, snapshot, spent

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from mypy_boto3_dynamodb import DynamoDBClient

    from infra.local.aws import LocalAws
    from prompt_cache_warmer.ports import StateStore

WIDE = Caps(tokens_per_day=10**6)
ADVICE = "check STATE_TABLE, the function's role and its network path to DynamoDB"

OPERATIONS: list[Callable[[StateStore], Awaitable[Any]]] = [
    lambda store: store.load([KEY], day=DAY),
    lambda store: store.claim(asking()),
    lambda store: store.commit(outcome(asking(), amount())),
    lambda store: store.touch(KEY, at=at(0)),
    lambda store: store.observe(KEY, Sightings(hits=1, touched_at=at(0))),
    lambda store: store.lease(amount(), caps=WIDE, day=DAY),
    lambda store: store.save_credential("default", CredentialState(1)),
    lambda store: store.pause(Pause("x", since=at(0), until=at(1))),
    lambda store: store.resume(),
]


@pytest.fixture
def wire(aws: LocalAws) -> Wire:
    """Return a client that can be tampered with, in front of an empty state table."""
    create_state_table(aws)
    return Wire(aws.dynamodb)


async def test_a_warm_call_costs_two_writes(wire: Wire) -> None:
    """Claim and reservation are one, cost and proof the other; a touch is one."""
    store = wire.store()
    request = asking(caps=WIDE)
    await store.claim(request)
    await store.commit(outcome(request, amount(), warmth=proof()))
    assert len(wire.writes) == 2
    await store.touch(KEY, at=at(1))
    assert (len(wire.writes), wire.reads) == (3, [])


async def test_a_touch_during_the_call_costs_one_write_more(wire: Wire) -> None:
    """Only then the first request since has to be found out."""
    store = wire.store()
    request = asking()
    await store.claim(request)
    await store.touch(KEY, at=at(1))
    await store.commit(outcome(request, amount(), warmth=proof()))
    assert len(wire.writes) == 4


async def test_a_run_without_caps_writes_its_spending_once(wire: Wire) -> None:
    """Nothing is leased, and what was not spent is not written."""
    store = wire.store()
    for spending in (NOTHING, amount("0.1", 5)):
        await store.settle(await store.lease(amount(), caps=NO_CAPS, day=DAY), spent=spending)
    await store.lease(amount(), caps=Caps(usd_per_day=amount().known_usd * 0, tokens_per_day=0), day=DAY)
    await store.lease(NOTHING, caps=WIDE, day=DAY)
    assert len(wire.writes) == 1


async def test_a_lease_costs_one_write_where_there_is_room(wire: Wire) -> None:
    """And one more where somebody else was before it."""
    store = wire.store()
    caps = Caps(tokens_per_day=1500)
    await store.settle(await store.lease(amount(), caps=caps, day=DAY), spent=amount("1", 900))
    assert len(wire.writes) == 2
    assert (await store.lease(amount(), caps=caps, day=DAY)).amount == amount("1", 600)
    assert len(wire.writes) == 4


async def test_a_write_whose_answer_is_lost_counts_once(wire: Wire) -> None:
    """The SDK sends it again: the second one knows the first."""
    store = wire.store()
    wire.loses_answers = True
    request = asking(caps=Caps(tokens_per_day=1500))
    assert await store.claim(request) is ClaimAnswer.GRANTED
    assert await spent(store) == amount()
    assert await store.claim(replace(request, owner="run-2")) is ClaimAnswer.TAKEN
    assert await store.commit(outcome(request, amount("0.25", 5), warmth=proof()))
    assert await spent(store) == amount("0.25", 5)
    assert await known(store) == EntryState(1, proof(), breaker=outcome(request, amount()).breaker)

    lost = asking(sequence=1, worst=amount("2", 100))
    await store.claim(lost)
    await store.claim(asking(sequence=2, owner="run-2"))
    assert not await store.commit(outcome(lost, amount("0.5", 10)))
    assert await spent(store) == amount("1.75", 1015)


async def test_a_lease_whose_answer_is_lost_counts_once(wire: Wire) -> None:
    """Taken and returned, whatever else is leased meanwhile."""
    store = wire.store()
    wire.loses_answers = True
    caps = Caps(tokens_per_day=2500)
    first, second, third = [await store.lease(amount(), caps=caps, day=DAY) for _ in range(3)]
    assert [lease.amount.tokens for lease in (first, second, third)] == [1000, 1000, 500]
    assert (await snapshot(store)).spent_today.tokens == 2500
    await store.settle(first, spent=amount("0", 10))
    await store.settle(third, spent=amount("0", 20))
    assert (await snapshot(store)).spent_today == amount("1", 1030)


async def test_a_lease_that_never_comes_through_is_an_error(wire: Wire) -> None:
    """It is not taken for an allowance that is used up."""
    wire.refuses = True
    with pytest.raises(StateUnavailableError, match=f"in {LEASE_ATTEMPTS} attempts"):
        await wire.store().lease(amount(), caps=WIDE, day=DAY)
    assert len(wire.writes) == LEASE_ATTEMPTS >= 2 * 32


async def test_a_claim_that_is_refused_for_no_reason_is_taken(wire: Wire) -> None:
    """What was in the way is gone again: the next tick tries."""
    wire.refuses = True
    assert await wire.store().claim(asking()) is ClaimAnswer.TAKEN
    assert len(wire.writes) == 2


async def test_many_targets_are_read_in_batches(wire: Wire) -> None:
    """A hundred items a request, each item once, however many models and credentials there are."""
    store = wire.store()
    keys = [EntryKey(f"t-{number}", f"c-{number % 2}", f"m-{each}") for number in range(250) for each in range(3)]
    await asyncio.gather(*(store.claim(asking(key)) for key in keys[::50]))
    await store.save_credential("c-1", CredentialState(1))
    found = await store.load(keys, day=DAY)
    assert set(found.entries) == set(keys[::50])
    assert set(found.spent_by_target) == {f"t-{number}" for number in range(250)}
    assert found.credentials == {"c-1": CredentialState(1)}
    assert sorted(map(len, wire.reads)) == [54, 100, 100]
    read = [key for batch in wire.reads for key in batch]
    assert len(set(read)) == len(read) == 254


async def test_what_could_not_be_read_at_once_is_read_again(wire: Wire) -> None:
    """After a pause that grows, and only what is left."""
    store = wire.store()
    keys = [EntryKey(f"t-{number}", "default", "m") for number in range(8)]
    await asyncio.gather(*(store.claim(asking(key)) for key in keys))
    wire.keeps_keys = 4
    found = await store.load(keys, day=DAY)
    assert set(found.entries) == set(keys)
    assert list(map(len, wire.reads)) == [11, 7, 3]
    assert wire.pauses == [0.05, 0.1]


async def test_a_table_that_never_answers_a_read_is_an_error(wire: Wire) -> None:
    """After some seconds in all."""
    wire.keeps_keys = 0
    with pytest.raises(StateUnavailableError, match="refused BatchGetItem: UnprocessedKeys; check STATE_TABLE"):
        await wire.store().load([KEY], day=DAY)
    assert len(wire.reads) == READ_ATTEMPTS
    assert 5 < sum(wire.pauses) < 10


@pytest.mark.parametrize("operation", OPERATIONS)
async def test_a_missing_table_says_what_to_do(
    aws: LocalAws, operation: Callable[[StateStore], Awaitable[Any]]
) -> None:
    """Whatever is asked of it."""
    with pytest.raises(StateUnavailableError) as caught:
        await operation(DynamoDbState(StateTable(aws.dynamodb, "nowhere")))
    assert str(caught.value).startswith("state table 'nowhere' refused ")
    assert str(caught.value).endswith(
        "ResourceNotFoundException; there is no such table in this region: "
        "deploy the stack that makes it, or correct STATE_TABLE"
    )


async def test_a_table_in_another_region_is_a_missing_one(aws: LocalAws) -> None:
    """The region is the function's own."""
    create_state_table(aws)
    elsewhere = client(aws, region="eu-central-1")
    with pytest.raises(StateUnavailableError, match="no such table in this region"):
        await DynamoDbState(StateTable(elsewhere, STATE_TABLE)).load([KEY], day=DAY)


@pytest.mark.parametrize("code", ["AccessDeniedException", "ThrottlingException", "ValidationException"])
async def test_an_error_is_named_by_its_code_alone(aws: LocalAws, code: str) -> None:
    """DynamoDB's own text may quote the request."""
    stubbed = client(aws)
    with Stubber(stubbed) as stub:
        stub.add_client_error("update_item", code, "planted")
        stub.add_client_error("batch_get_item", code, "planted")
        store = DynamoDbState(StateTable(stubbed, STATE_TABLE))
        with pytest.raises(StateUnavailableError) as written:
            await store.claim(asking())
        with pytest.raises(StateUnavailableError) as read:
            await store.load([KEY], day=DAY)
    assert str(written.value) == f"state table '{STATE_TABLE}' refused UpdateItem: {code}; {ADVICE}"
    assert str(read.value) == f"state table '{STATE_TABLE}' refused BatchGetItem: {code}; {ADVICE}"


async def test_a_table_that_cannot_be_reached_is_named(aws: LocalAws) -> None:
    """No answer at all is an error of the same kind, which says that nothing refused anything."""
    nobody = boto3.client(
        "dynamodb",
        endpoint_url="http://127.0.0.1:1",
        config=Config(retries={"total_max_attempts": 1}),
        **keys_of(aws),
    )
    for operation in OPERATIONS:
        unasked = "could not be asked for (UpdateItem|BatchGetItem), or gave no answer: EndpointConnectionError"
        with pytest.raises(StateUnavailableError, match=f"{unasked}; {ADVICE}"):
            await operation(DynamoDbState(StateTable(nobody, STATE_TABLE)))


async def test_the_wiring_makes_the_store_of_a_deployment(monkeypatch: pytest.MonkeyPatch) -> None:
    """The named table where there is one, this process's memory otherwise."""
    assert isinstance(state_store(None), MemoryState)
    with LocalCloud(state=True) as cloud:
        for name, value in cloud.environment().items():
            monkeypatch.setenv(name, value)
        store = state_store(cloud.environment()["STATE_TABLE"])
        assert isinstance(store, DynamoDbState)
        assert await store.claim(asking(model("m"))) is ClaimAnswer.GRANTED
        assert [item["pk"]["S"] for item in cloud.aws.dynamodb.scan(TableName=STATE_TABLE)["Items"]] == [
            "target/support"
        ]


def test_the_local_cloud_has_no_table_unless_asked() -> None:
    """Nor does the function know of one."""
    with LocalCloud() as cloud:
        assert "STATE_TABLE" not in cloud.environment()
        assert cloud.aws.dynamodb.list_tables()["TableNames"] == []


def keys_of(aws: LocalAws, region: str = "us-east-1") -> Any:
    """Return the keyword arguments of a client's credentials and region."""
    environment = aws.environment()
    return {
        "aws_access_key_id": environment["AWS_ACCESS_KEY_ID"],
        "aws_secret_access_key": environment["AWS_SECRET_ACCESS_KEY"],
        "region_name": region,
    }


def client(aws: LocalAws, region: str = "us-east-1") -> DynamoDBClient:
    """Return a client of a region."""
    found: DynamoDBClient = boto3.client("dynamodb", endpoint_url=aws.endpoint_url, **keys_of(aws, region))
    return found
