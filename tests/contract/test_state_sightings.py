"""What every state store does with what was seen of an entry's traffic; memory and DynamoDB alike."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from infra.local.cloud import STATE_TABLE, create_state_table
from prompt_cache_warmer.values.observation import Miss, Sightings
from prompt_cache_warmer.values.state import Breaker, EntryState, Observed, Traffic
from tests.dynamodb_doubles import Wire
from tests.state_cases import DAY, KEY, NOTHING, asking, at, known, model, outcome, proof

if TYPE_CHECKING:
    from infra.local.aws import LocalAws
    from prompt_cache_warmer.adapters.dynamodb_state import DynamoDbState
    from prompt_cache_warmer.ports import StateStore

MISS = Miss(
    at=at(3),
    drifted=("tools", "settings"),
    read_tokens=1,
    written_tokens=2,
    uncached_tokens=3,
    workspace_id="wrkspc_1",
    region="eu-central-1",
    marker_distance=0,
    fingerprint="f-1",
    is_keyed_apart=True,
)
SEEN = Sightings(hits=5, cold_starts=2, drifts=1, touched_at=at(4), fingerprint="f-1", last_miss=MISS)


async def warm(store: StateStore, *, sequence: int = 0, **changes: Any) -> None:
    """Let a warm call be answered."""
    request = asking(sequence=sequence)
    await store.claim(request)
    await store.commit(outcome(request, NOTHING, warmth=proof(**changes)))


async def test_what_was_seen_is_remembered_whole(state: StateStore) -> None:
    """Counts, the last miss and the fingerprint; the traffic is remembered as a touch's, with its fingerprint."""
    assert await state.observe(KEY, SEEN) == Observed(previous_at=None, is_news=True, warmth=None)
    assert await known(state) == EntryState(
        traffic=Traffic(at(4), "f-1", at(4)), sightings=replace(SEEN, touched_at=None)
    )


async def test_what_was_seen_later_is_added(state: StateStore) -> None:
    """Counts are summed, the later miss is kept, the first request since the warm call stays the first."""
    await state.observe(KEY, SEEN)
    later = Sightings(
        hits=1, cold_starts=3, drifts=5, touched_at=at(9), fingerprint="f-1", last_miss=Miss(at(8), read_tokens=7)
    )
    assert await state.observe(KEY, later) == Observed(previous_at=at(4), is_news=True)
    assert await known(state) == EntryState(
        traffic=Traffic(at(9), "f-1", at(4)),
        sightings=Sightings(6, 5, 6, fingerprint="f-1", last_miss=Miss(at(8), read_tokens=7)),
    )


@pytest.mark.parametrize("seconds", [3, 4])
async def test_counts_are_added_also_when_the_traffic_is_no_news(state: StateStore, seconds: float) -> None:
    """Processes report one after the other; an older request changes no time, and the later one is told of."""
    await state.observe(KEY, SEEN)
    older = Sightings(hits=10, touched_at=at(seconds), fingerprint="f-1")
    assert await state.observe(KEY, older) == Observed(previous_at=at(4), is_news=False)
    found = await known(state)
    assert found.traffic == Traffic(at(4), "f-1", at(4))
    assert found.sightings == Sightings(15, 2, 1, fingerprint="f-1", last_miss=MISS)


@pytest.mark.parametrize(("seconds", "is_news"), [(3, False), (9, True)])
@pytest.mark.parametrize("miss", [None, Miss(at(1), read_tokens=7)])
async def test_what_was_seen_of_another_prefix_starts_from_zero(
    state: StateStore, seconds: float, *, is_news: bool, miss: Miss | None
) -> None:
    """Its counts and its miss take the place of the old ones, however late it is told; the traffic is the later one."""
    await state.observe(KEY, SEEN)
    other = Sightings(cold_starts=4, touched_at=at(seconds), fingerprint="f-2", last_miss=miss)
    assert await state.observe(KEY, other) == Observed(previous_at=at(4), is_news=is_news)
    found = await known(state)
    assert found.traffic == (Traffic(at(9), "f-2", at(4)) if is_news else Traffic(at(4), "f-1", at(4)))
    assert found.sightings == Sightings(cold_starts=4, fingerprint="f-2", last_miss=miss)
    await state.observe(KEY, Sightings(hits=1, fingerprint="f-2", last_miss=Miss(at(2))))
    assert (await known(state)).sightings == Sightings(1, 4, fingerprint="f-2", last_miss=Miss(at(2)))


async def test_what_the_last_requests_marker_asked_for_is_kept_with_it(state: StateStore) -> None:
    """An older request changes nothing of it, and a later one whose reporter does not say forgets it."""
    await state.observe(KEY, replace(SEEN, touched_ttl_seconds=300))
    assert (await known(state)).traffic == Traffic(at(4), "f-1", at(4), 300)
    assert (await known(state)).sightings == replace(SEEN, touched_at=None)
    await state.observe(KEY, Sightings(hits=1, touched_at=at(3), touched_ttl_seconds=3600))
    assert (await known(state)).traffic == Traffic(at(4), "f-1", at(4), 300)
    await state.observe(KEY, Sightings(hits=1, touched_at=at(5), touched_ttl_seconds=3600))
    assert (await known(state)).traffic == Traffic(at(5), None, at(4), 3600)
    assert await state.touch(KEY, at=at(6))
    assert (await known(state)).traffic == Traffic(at(6), None, at(4))
    await state.observe(KEY, Sightings(hits=1, touched_at=at(7), touched_ttl_seconds=300))
    await state.observe(KEY, Sightings(hits=1, touched_at=at(8)))
    assert (await known(state)).traffic == Traffic(at(8), None, at(4))


@pytest.mark.parametrize("seconds", [2, 3])
async def test_a_miss_that_is_not_later_is_counted_and_not_kept(state: StateStore, seconds: float) -> None:
    """The last one is what is looked at, in whatever order they are reported."""
    await state.observe(KEY, SEEN)
    older = Sightings(cold_starts=1, touched_at=at(9), fingerprint="f-1", last_miss=Miss(at(seconds)))
    assert (await state.observe(KEY, older)).is_news
    assert (await known(state)).sightings == Sightings(5, 3, 1, fingerprint="f-1", last_miss=MISS)


async def test_a_later_miss_is_kept_also_with_traffic_that_is_no_news(state: StateStore) -> None:
    """The two are compared apart."""
    await state.observe(KEY, replace(SEEN, touched_at=at(60)))
    later = Sightings(drifts=1, touched_at=at(5), last_miss=Miss(at(50), drifted=("system",)))
    assert not (await state.observe(KEY, later)).is_news
    found = await known(state)
    assert found.traffic == Traffic(at(60), "f-1", at(60))
    assert found.sightings == Sightings(5, 2, 2, fingerprint="f-1", last_miss=Miss(at(50), drifted=("system",)))


async def test_what_touched_nothing_is_counted_and_is_no_traffic(state: StateStore) -> None:
    """A drift reads and writes something else, so the entry's time to live goes on."""
    await state.touch(KEY, at=at(1), fingerprint="f-0")
    seen = Sightings(drifts=2, fingerprint="f-1", last_miss=MISS)
    assert await state.observe(KEY, seen) == Observed(previous_at=at(1), is_news=False)
    assert await known(state) == EntryState(traffic=Traffic(at(1), "f-0", at(1)), sightings=seen)
    assert (await known(state, model("other"))).sightings is None


async def test_nothing_seen_is_nothing(state: StateStore) -> None:
    """An observer may ask what is known without having seen anything, and a request may be a touch alone."""
    assert await state.observe(KEY, Sightings()) == Observed()
    assert (await known(state)).sightings is None
    assert await state.observe(KEY, Sightings(touched_at=at(4))) == Observed(is_news=True)
    assert await known(state) == EntryState(traffic=Traffic(at(4), None, at(4)))
    assert await state.observe(KEY, Sightings()) == Observed(previous_at=at(4))


async def test_a_fingerprint_nobody_said_leaves_the_known_one(state: StateStore) -> None:
    """That of what was seen; that of the traffic is the traffic's own, as with a touch."""
    await state.observe(KEY, SEEN)
    await state.observe(KEY, Sightings(hits=1, touched_at=at(9)))
    found = await known(state)
    assert found.traffic == Traffic(at(9), None, at(4))
    assert found.sightings == replace(SEEN, hits=6, touched_at=None)


async def test_an_observer_is_told_what_the_last_warm_call_proved(state: StateStore) -> None:
    """Its tokens, its time to live, when it was, where it was answered; and the last traffic before."""
    await state.touch(KEY, at=at(-5))
    await warm(state)
    told = await state.observe(KEY, SEEN)
    assert told == Observed(previous_at=at(-5), is_news=True, warmth=proof())


async def test_an_answered_warm_call_begins_anew(state: StateStore) -> None:
    """Counts, miss and fingerprint are of the time since; the traffic stays, and the next sightings start at 0."""
    await state.observe(KEY, replace(SEEN, touched_at=at(-4)))
    await warm(state)
    assert await known(state) == EntryState(
        sequence=1, warmth=proof(), traffic=Traffic(at(-4), "f-1", None), breaker=Breaker(version="v-1")
    )
    await state.observe(KEY, Sightings(hits=1, touched_at=at(9), last_miss=Miss(at(-99))))
    assert (await known(state)).sightings == Sightings(hits=1, last_miss=Miss(at(-99)))


async def test_a_request_seen_during_a_warm_call_is_forgotten_with_it(state: StateStore) -> None:
    """It came while the entry was being written; as traffic it is the first one since."""
    request = asking()
    await state.claim(request)
    await state.observe(KEY, SEEN)
    assert await state.commit(outcome(request, NOTHING, warmth=proof()))
    found = await known(state)
    assert (found.sightings, found.traffic) == (None, Traffic(at(4), "f-1", at(4)))


async def test_a_failed_call_forgets_nothing(state: StateStore) -> None:
    """What was seen is counted from calls that were answered."""
    await state.observe(KEY, SEEN)
    request = asking()
    await state.claim(request)
    assert (await known(state)).sightings == replace(SEEN, touched_at=None)
    await state.commit(outcome(request, NOTHING))
    assert (await known(state)).sightings == replace(SEEN, touched_at=None)


async def test_sightings_are_kept_to_the_millisecond(state: StateStore) -> None:
    """As every other time."""
    fine, cut = timedelta(microseconds=1999), timedelta(microseconds=1000)
    seen = Sightings(hits=1, touched_at=at(4) + fine, last_miss=Miss(at(3) + fine))
    assert (await state.observe(KEY, seen)).is_news
    assert not (await state.observe(KEY, seen)).is_news
    found = await known(state)
    assert found.traffic == Traffic(at(4) + cut, None, at(4) + cut)
    assert found.sightings == Sightings(hits=2, last_miss=Miss(at(3) + cut))


async def test_observers_at_once_lose_no_count(state: StateStore) -> None:
    """Whatever order their reports come in, the sums, the last traffic and the last miss are the same."""
    reports = [
        Sightings(hits=1, drifts=2, touched_at=at(number), last_miss=Miss(at(number), read_tokens=number))
        for number in range(1, 25)
    ]
    await asyncio.gather(*(state.observe(KEY, seen) for seen in reports[::2] + reports[1::2]))
    found = await known(state)
    assert found.traffic is not None
    assert (found.traffic.last_at, found.sightings) == (
        at(24),
        Sightings(hits=24, drifts=48, last_miss=Miss(at(24), read_tokens=24)),
    )


async def test_observers_of_two_prefixes_at_once_mix_nothing(state: StateStore) -> None:
    """Whoever is last has only what is its own."""
    reports = [
        Sightings(
            hits=number % 2,
            drifts=(number + 1) % 2,
            touched_at=at(number),
            fingerprint=f"f-{number % 2}",
            last_miss=Miss(at(number), fingerprint=f"f-{number % 2}"),
        )
        for number in range(1, 3)
    ]
    await asyncio.gather(*(state.observe(KEY, seen) for seen in reports))
    found = (await known(state)).sightings
    assert found in [replace(seen, touched_at=None) for seen in reports]


@pytest.fixture
def wire(aws: LocalAws) -> Wire:
    """Return a client that can be tampered with, in front of an empty state table."""
    create_state_table(aws)
    return Wire(aws.dynamodb)


async def test_what_was_seen_costs_one_write_and_a_second_where_the_first_is_refused(wire: Wire) -> None:
    """It is on nobody's way, and throttled; nothing is ever read for it."""
    store = wire.store()
    await store.observe(KEY, SEEN)
    await store.observe(KEY, replace(SEEN, touched_at=at(9), last_miss=None))
    assert len(wire.writes) == 2
    await store.observe(KEY, SEEN)
    assert (len(wire.writes), wire.reads) == (4, [])
    for written in wire.writes:
        assert len(written["UpdateExpression"]) + len(written["ConditionExpression"]) < 1000


async def test_a_prefix_that_comes_between_two_tries_is_noticed(wire: Wire) -> None:
    """Each write goes by the prefix it knows of; a new one costs one more, a third at most."""
    store = wire.store()
    await store.observe(KEY, SEEN)
    await store.observe(KEY, Sightings(hits=1, fingerprint="f-2"))
    assert len(wire.writes) == 3
    await store.observe(KEY, Sightings(hits=1, fingerprint="f-2"))
    assert len(wire.writes) == 4
    assert (await known(store)).sightings == Sightings(hits=2, fingerprint="f-2")


async def test_what_an_older_version_wrote_is_read(dynamodb_state: DynamoDbState, aws: LocalAws) -> None:
    """It knew nothing of what a marker asked for, of a miss's prefix, or of who proved a time to live."""
    await dynamodb_state.observe(KEY, replace(SEEN, touched_ttl_seconds=300))
    await warm(dynamodb_state)
    await dynamodb_state.observe(KEY, replace(SEEN, touched_ttl_seconds=300))
    item = dict(aws.dynamodb.get_item(TableName=STATE_TABLE, Key={"pk": {"S": "target/support"}})["Item"])
    prefix = f"default {KEY.model}"
    del item[f"{prefix} traffic_ttl"]
    for part, fields in (("last_miss", ("fingerprint", "is_keyed_apart")), ("warmth", ("is_ttl_granted",))):
        written = dict(item[f"{prefix} {part}"]["M"])
        for field in fields:
            del written[field]
        item[f"{prefix} {part}"] = {"M": written}
    aws.dynamodb.put_item(TableName=STATE_TABLE, Item=item)
    snapshot = await dynamodb_state.load([KEY], day=DAY)
    assert snapshot.unreadable == ()
    found = snapshot.entries[KEY]
    assert found.traffic == Traffic(at(4), "f-1", at(4))
    assert found.sightings == replace(
        SEEN, touched_at=None, last_miss=replace(MISS, fingerprint=None, is_keyed_apart=False)
    )
    assert found.warmth == replace(proof(), is_ttl_granted=False)


async def test_a_write_whose_answer_is_lost_counts_twice_at_most(wire: Wire) -> None:
    """The SDK sends it again and nobody can tell: the traffic is the same, the counts are one report more."""
    store = wire.store()
    wire.loses_answers = True
    assert not (await store.observe(KEY, Sightings(hits=1, touched_at=at(1)))).is_news
    wire.loses_answers = False
    found = await known(store)
    assert found.traffic == Traffic(at(1), None, at(1))
    assert found.sightings is not None
    assert 1 <= found.sightings.hits <= 3


async def test_what_is_refused_again_and_again_still_counts(wire: Wire) -> None:
    """The last of four writes adds the counts alone, which nothing but a newer schema refuses."""
    wire.refuses = True
    assert await wire.store().observe(KEY, SEEN) == Observed()
    assert len(wire.writes) == 4
    last = wire.writes[-1]
    assert set(last["ExpressionAttributeNames"].values()) == {
        *("schema", "expires_at"),
        *(f"default {KEY.model} {what}" for what in ("hits", "cold_starts", "drifts", "sighted_fingerprint")),
    }
    assert last["ConditionExpression"].count("#") == 2  # the schema's


async def test_an_old_request_never_lets_an_item_end_early(dynamodb_state: DynamoDbState, aws: LocalAws) -> None:
    """Items live 40 days after their last write; a drift, which touches nothing, gives a new item an end too."""

    def days(target: str = "support") -> float:
        item = aws.dynamodb.get_item(TableName=STATE_TABLE, Key={"pk": {"S": f"target/{target}"}})["Item"]
        return (int(item["expires_at"]["N"]) - at(-12 * 3600).timestamp()) / 86_400

    await dynamodb_state.observe(KEY, Sightings(drifts=1, last_miss=Miss(at(0))))
    assert days() == 41
    await dynamodb_state.observe(model("m-2"), Sightings(hits=1, touched_at=at(0) - timedelta(days=60)))
    assert days() == 41
    assert (await known(dynamodb_state, model("m-2"))).traffic is not None
    await dynamodb_state.observe(model("m-2"), Sightings(hits=1, touched_at=at(0) + timedelta(days=3)))
    assert days() == 44


async def test_sightings_nobody_can_date_make_no_end(dynamodb_state: DynamoDbState, aws: LocalAws) -> None:
    """Counts alone say no day; the next claim does."""
    await dynamodb_state.observe(KEY, Sightings(hits=1))
    item = aws.dynamodb.get_item(TableName=STATE_TABLE, Key={"pk": {"S": "target/support"}})["Item"]
    assert "expires_at" not in item
    assert (await known(dynamodb_state)).sightings == Sightings(hits=1)


async def test_a_newer_schema_is_not_written_over(wire: Wire, aws: LocalAws) -> None:
    """Nothing is added and nothing is told, and it is tried once."""
    dynamodb_state = wire.store()
    await dynamodb_state.observe(KEY, SEEN)
    item = aws.dynamodb.get_item(TableName=STATE_TABLE, Key={"pk": {"S": "target/support"}})["Item"]
    newer: dict[str, Any] = {**item, "schema": {"N": "2"}}
    aws.dynamodb.put_item(TableName=STATE_TABLE, Item=newer)
    assert await dynamodb_state.observe(KEY, replace(SEEN, touched_at=at(9))) == Observed()
    assert await dynamodb_state.observe(KEY, Sightings(hits=1)) == Observed()
    assert len(wire.writes) == 3
    assert aws.dynamodb.get_item(TableName=STATE_TABLE, Key={"pk": {"S": "target/support"}})["Item"] == newer


@pytest.mark.parametrize(
    ("part", "broken", "left"),
    [
        ("last_miss", {"S": "yesterday"}, replace(SEEN, touched_at=None, last_miss=None)),
        ("last_miss", {"M": {"at": {"S": "-"}}}, replace(SEEN, touched_at=None, last_miss=None)),
        ("sighted_fingerprint", {"N": "1"}, replace(SEEN, touched_at=None, fingerprint=None)),
        ("hits", {"N": "-1"}, replace(SEEN, touched_at=None, hits=0)),
    ],
)
async def test_sightings_that_cannot_be_read_are_unknown(
    dynamodb_state: DynamoDbState, aws: LocalAws, part: str, broken: Any, left: Sightings
) -> None:
    """The rest stands, the place is named, and the next answered warm call puts it right."""
    await dynamodb_state.observe(KEY, SEEN)
    item = aws.dynamodb.get_item(TableName=STATE_TABLE, Key={"pk": {"S": "target/support"}})["Item"]
    aws.dynamodb.put_item(TableName=STATE_TABLE, Item={**item, f"default {KEY.model} {part}": broken})
    found = await dynamodb_state.load([KEY], day=DAY)
    assert found.entries[KEY].sightings == left
    [sentence] = found.unreadable
    assert sentence.startswith(f"item 'target/support', default claude-sonnet-4-6: {part} is not what")
    await warm(dynamodb_state)
    assert (await dynamodb_state.load([KEY], day=DAY)).unreadable == ()


async def test_an_entry_that_is_removed_leaves_nothing_behind(dynamodb_state: DynamoDbState, aws: LocalAws) -> None:
    """What was seen of an entry nobody asks for any more goes with the rest of it."""
    old = model("old")
    await dynamodb_state.claim(asking(old))
    await dynamodb_state.observe(old, SEEN)
    day = DAY + timedelta(days=50)
    await dynamodb_state.load([KEY], day=day)
    await dynamodb_state.claim(asking(day=day))
    item = aws.dynamodb.get_item(TableName=STATE_TABLE, Key={"pk": {"S": "target/support"}})["Item"]
    assert not any(" old " in name for name in item)
