"""The items of the state table: what they hold, how long, how large they get, and what other versions wrote."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from infra.local.cloud import STATE_TABLE
from prompt_cache_warmer.adapters.dynamodb_state import DynamoDbState
from prompt_cache_warmer.adapters.state_table import StateTable
from prompt_cache_warmer.ports import ClaimAnswer
from prompt_cache_warmer.values.caps import Caps
from prompt_cache_warmer.values.snapshot import CredentialState, Pause
from prompt_cache_warmer.values.state import CLOSED, Breaker, EntryState
from tests.state_cases import DAY, KEY, NOON, amount, asking, at, known, model, outcome, proof, snapshot, spent

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

    from infra.local.aws import LocalAws

ITEM = "target/support"
PRESENT = Pause("deploying", since=at(0), until=at(60))


@pytest.fixture
def dynamodb(aws: LocalAws) -> DynamoDBClient:
    """Return a client that looks into the table."""
    return aws.dynamodb


def item(dynamodb: DynamoDBClient, key: str = ITEM) -> dict[str, Any]:
    """Return an item as it is stored."""
    return dict(dynamodb.get_item(TableName=STATE_TABLE, Key={"pk": {"S": key}}).get("Item", {}))


def change(dynamodb: DynamoDBClient, key: str, **attributes: Any) -> dict[str, Any]:
    """Write attributes over those of an item, as another version or a person would; returns it."""
    changed = {**item(dynamodb, key), "pk": {"S": key}, **attributes}
    dynamodb.put_item(TableName=STATE_TABLE, Item=changed)
    return item(dynamodb, key)


async def test_an_item_is_readable_in_the_console(dynamodb_state: DynamoDbState, dynamodb: DynamoDBClient) -> None:
    """Names say the day, the credential, the model and what; numbers are whole pico-USD and milliseconds."""
    await dynamodb_state.claim(asking(worst=amount("1.5", 1000)))
    await dynamodb_state.touch(KEY, at=at(1), fingerprint="f-1")
    found = item(dynamodb)
    found["default claude-sonnet-4-6 claim"]["M"].pop("token")
    noon = int(NOON.timestamp()) * 1000
    assert found == {
        "pk": {"S": "target/support"},
        "schema": {"N": "1"},
        "expires_at": {"N": str(int(datetime(2027, 1, 2, tzinfo=UTC).timestamp()))},
        "usd 2026-11-22": {"N": "1500000000000"},
        "tokens 2026-11-22": {"N": "1000"},
        "default claude-sonnet-4-6 sequence": {"N": "1"},
        "default claude-sonnet-4-6 claim": {"M": {"owner": {"S": "run-1"}, "until": {"N": str(noon + 60_000)}}},
        "default claude-sonnet-4-6 used_at": {"N": str(noon + 60_000)},
        "default claude-sonnet-4-6 traffic_at": {"N": str(noon + 1000)},
        "default claude-sonnet-4-6 traffic_fingerprint": {"S": "f-1"},
        "default claude-sonnet-4-6 resumed_at": {"N": str(noon + 1000)},
    }


async def test_every_item_has_a_schema(dynamodb_state: DynamoDbState, dynamodb: DynamoDBClient) -> None:
    """Whatever is written first, and an item of spending alone."""
    await dynamodb_state.touch(KEY, at=at(0))
    await dynamodb_state.commit(outcome(asking(model("m", asking().key)), amount()))
    await dynamodb_state.lease(amount(), caps=Caps(tokens_per_day=5000), day=DAY)
    await dynamodb_state.save_credential("default", CredentialState(1))
    await dynamodb_state.pause(PRESENT)
    found = dynamodb.scan(TableName=STATE_TABLE)["Items"]
    assert {each["pk"]["S"] for each in found} == {ITEM, "stack", "credential/default", "control/pause"}
    assert {each["schema"]["N"] for each in found} == {"1"}


async def test_items_live_40_days_after_their_last_write(
    dynamodb_state: DynamoDbState, dynamodb: DynamoDBClient
) -> None:
    """To the end of the day; what is reported late never shortens it, what is newer extends it."""

    async def days(key: str = ITEM) -> int:
        end = datetime.fromtimestamp(int(item(dynamodb, key)["expires_at"]["N"]), UTC)
        assert (end.hour, end.minute, end.second) == (0, 0, 0)
        return (end.date() - DAY).days

    await dynamodb_state.touch(KEY, at=at(0))
    assert await days() == 41
    assert await dynamodb_state.touch(model("m-2"), at=at(0) - timedelta(days=60))
    assert await days() == 41
    assert await dynamodb_state.touch(model("m-2"), at=at(0) + timedelta(days=3))
    assert await days() == 44
    request = asking(day=DAY + timedelta(days=5))
    await dynamodb_state.claim(request)
    assert await days() == 46
    lost = asking(sequence=7, day=DAY + timedelta(days=7))
    assert not await dynamodb_state.commit(outcome(lost, amount()))
    assert await days() == 48
    lease = await dynamodb_state.lease(amount(), caps=Caps(tokens_per_day=5000), day=DAY)
    assert await days("stack") == 41
    await dynamodb_state.settle(lease, spent=amount())
    assert await days("stack") == 41


async def test_the_stacks_item_stays_small(dynamodb_state: DynamoDbState, dynamodb: DynamoDBClient) -> None:
    """Days and months go by, and the leases of runs that died go with them."""
    caps = Caps(tokens_per_day=10**9)
    for days in range(0, 400, 10):
        day = DAY + timedelta(days=days)
        await dynamodb_state.load([], day=day)
        await dynamodb_state.lease(amount(), caps=caps, day=day)  # dies
        await dynamodb_state.settle(await dynamodb_state.lease(amount(), caps=caps, day=day), spent=amount())
    names = {" ".join(name.split()[:2]) for name in item(dynamodb, "stack") if " " in name}
    assert names == {f"{what} {period}" for what in ("usd", "tokens") for period in (day, f"{day:%Y-%m}")} | {
        f"lease {day}"
    }


async def test_an_entry_not_used_for_40_days_is_removed(
    dynamodb_state: DynamoDbState, dynamodb: DynamoDBClient
) -> None:
    """At 40 days it is still there, then the target's next claim removes it; what is asked for or touched is used."""
    for name in ("claimed", "touched", "asked-for", "resting"):
        await dynamodb_state.claim(asking(model(name)))
    await dynamodb_state.touch(model("touched"), at=at(0) + timedelta(days=1))
    for sequence, (days, left) in enumerate([(40, {"claimed", "touched"}), (41, {"touched"}), (42, set())], start=1):
        day = DAY + timedelta(days=days)
        await dynamodb_state.load([model("asked-for"), model("resting")], day=day)
        await dynamodb_state.claim(asking(model("asked-for"), sequence=sequence, day=day))
        names = {name.split()[1] for name in item(dynamodb) if len(name.split()) == 3}
        assert names == {"asked-for", "resting"} | left


async def test_an_entry_that_is_used_again_is_not_removed(dynamodb_state: DynamoDbState, aws: LocalAws) -> None:
    """Another run claims it between the load that found it unused and the claim that would remove it."""
    other = DynamoDbState(StateTable(aws.dynamodb, STATE_TABLE))
    await dynamodb_state.claim(asking(model("old")))
    day = DAY + timedelta(days=50)
    await dynamodb_state.load([KEY], day=day)
    assert await other.claim(asking(model("old"), sequence=1, day=day)) is ClaimAnswer.GRANTED
    assert await dynamodb_state.claim(asking(day=day)) is ClaimAnswer.GRANTED
    assert (await known(dynamodb_state, model("old"))).sequence == 2
    assert await spent(dynamodb_state, day=day) == amount("2", 2000)


async def test_a_refused_claim_removes_nothing(dynamodb_state: DynamoDbState) -> None:
    """What is over its cap, or taken, stays as it is."""
    await dynamodb_state.claim(asking(model("old")))
    day = DAY + timedelta(days=50)
    for request in (asking(day=day, caps=Caps(tokens_per_day=1)), asking(day=day, sequence=5)):
        await dynamodb_state.load([KEY], day=day)
        await dynamodb_state.claim(request)
    assert (await known(dynamodb_state, model("old"))).sequence == 1


async def test_records_of_a_newer_schema_are_unknown_and_not_written_over(
    dynamodb_state: DynamoDbState, dynamodb: DynamoDBClient
) -> None:
    """Nobody warms what another version keeps account of; its money is still seen, and said why."""
    request = asking()
    await dynamodb_state.claim(request)
    await dynamodb_state.touch(KEY, at=at(0))
    before = change(dynamodb, ITEM, schema={"N": "2"})
    found = await snapshot(dynamodb_state)
    assert found.entries == {}
    assert found.spent_by_target == {"support": amount()}
    [sentence] = found.unreadable
    assert "item 'target/support' is of schema 2, this version knows 1" in sentence
    assert "deploy the newer version again, or delete the item" in sentence
    assert await dynamodb_state.claim(asking(model("m-2"))) is ClaimAnswer.TAKEN
    for caps in (Caps(), Caps(tokens_per_day=0)):
        assert await dynamodb_state.claim(asking(sequence=1, caps=caps)) is ClaimAnswer.TAKEN
    assert not await dynamodb_state.touch(KEY, at=at(9))
    assert item(dynamodb) == before
    assert not await dynamodb_state.commit(outcome(request, amount("0.25", 5), warmth=proof()))
    assert await spent(dynamodb_state) == amount("0.25", 5)
    kept = {name: value for name, value in item(dynamodb).items() if name.startswith("default")}
    assert kept == {name: value for name, value in before.items() if name.startswith("default")}
    assert item(dynamodb)["schema"] == {"N": "2"}


async def test_the_stack_is_shared_by_versions(dynamodb_state: DynamoDbState, dynamodb: DynamoDBClient) -> None:
    """Caps hold across a deployment: spending has no schema, and a newer one is not taken back."""
    caps = Caps(tokens_per_day=1500)
    change(dynamodb, "stack", schema={"N": "2"}, **{"tokens 2026-11-22": {"N": "1000"}})
    lease = await dynamodb_state.lease(amount("0", 1000), caps=caps, day=DAY)
    assert lease.amount == amount("0", 500)
    await dynamodb_state.settle(lease, spent=amount("0", 1))
    assert (await snapshot(dynamodb_state)).spent_today == amount("0", 1001)
    assert item(dynamodb, "stack")["schema"] == {"N": "2"}


async def test_a_credential_of_a_newer_schema_is_unknown(
    dynamodb_state: DynamoDbState, dynamodb: DynamoDBClient
) -> None:
    """And kept."""
    await dynamodb_state.save_credential("default", CredentialState(1))
    before = change(dynamodb, "credential/default", schema={"N": "2"})
    found = await snapshot(dynamodb_state)
    assert found.credentials == {}
    assert "item 'credential/default' is of schema 2, this version knows 1" in found.unreadable[0]
    assert not await dynamodb_state.save_credential("default", CredentialState(1))
    assert not await dynamodb_state.save_credential("default", CredentialState(2))
    assert item(dynamodb, "credential/default") == before


@pytest.mark.parametrize("broken", [{"schema": {"N": "2"}}, {"pause": {"S": "forever"}}, {"pause": {"M": {}}}])
async def test_a_pause_nobody_can_read_has_no_end(
    dynamodb_state: DynamoDbState, dynamodb: DynamoDBClient, broken: dict[str, Any]
) -> None:
    """It is the operator's order to stop; another order, or its end, takes its place."""
    for order in (dynamodb_state.resume(), dynamodb_state.pause(PRESENT)):
        await dynamodb_state.pause(PRESENT)
        change(dynamodb, "control/pause", **broken)
        found = await snapshot(dynamodb_state)
        assert found.pause is not None
        assert found.pause.until.year == 9999
        assert "control/pause" in found.unreadable[0]
        assert await order is not False
    assert (await snapshot(dynamodb_state)).pause == PRESENT


@pytest.mark.parametrize(
    ("part", "broken", "left"),
    [
        ("warmth", {"S": "hot"}, EntryState(1, None, breaker=Breaker(version="v-1"))),
        ("warmth", {"M": {"fingerprint": {"S": "f"}}}, EntryState(1, None, breaker=Breaker(version="v-1"))),
        ("breaker", {"M": {"failures": {"N": "-1"}}}, EntryState(1, proof())),
        ("breaker", {"M": {"opened_at": {"N": "9" * 38}}}, EntryState(1, proof())),
        ("claim", {"M": {}}, EntryState(1, proof(), breaker=Breaker(version="v-1"))),
        ("traffic_at", {"S": "today"}, EntryState(1, proof(), breaker=Breaker(version="v-1"))),
    ],
)
async def test_a_record_that_cannot_be_read_is_unknown_and_learned_again(
    dynamodb_state: DynamoDbState, dynamodb: DynamoDBClient, part: str, broken: Any, left: EntryState
) -> None:
    """The rest of its entry stands, the place is named, and the next call puts it right."""
    request = asking()
    await dynamodb_state.claim(request)
    await dynamodb_state.commit(outcome(request, amount(), warmth=proof()))
    change(dynamodb, ITEM, **{f"default {KEY.model} {part}": broken})
    found = await snapshot(dynamodb_state)
    assert found.entries == {KEY: left}
    [sentence] = found.unreadable
    assert sentence.startswith(f"item 'target/support', default claude-sonnet-4-6: {part} is not what")
    request = asking(sequence=1)
    assert await dynamodb_state.claim(request) is ClaimAnswer.GRANTED
    if part != "traffic_at":
        assert await dynamodb_state.commit(outcome(request, amount(), warmth=proof(), breaker=CLOSED))
        assert (await snapshot(dynamodb_state)).entries == {KEY: EntryState(2, proof())}
        assert (await snapshot(dynamodb_state)).unreadable == ()
