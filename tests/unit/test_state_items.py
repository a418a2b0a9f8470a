"""Items of the state table: bounded in size for ever, and read without ever failing."""

from __future__ import annotations

import json
from datetime import date, timedelta
from typing import Any

import pytest

from prompt_cache_warmer.adapters.counts import Count
from prompt_cache_warmer.adapters.state_items import ItemReader, count_in, entry_name, expires_at, is_newer
from prompt_cache_warmer.adapters.state_leftovers import NOTHING_LEFT, leftovers
from prompt_cache_warmer.adapters.state_update import Update
from prompt_cache_warmer.adapters.state_writes import claiming, committing
from prompt_cache_warmer.values.caps import Caps
from prompt_cache_warmer.values.observation import Miss, Sightings
from prompt_cache_warmer.values.state import Breaker, EntryKey, EntryState
from tests.dynamodb_doubles import QuickTable
from tests.state_cases import DAY, KEY, NOON, amount, asking, at, model, outcome, proof

MODELS = 16  # the most a target may have
MAX_ITEM_BYTES = 120_000  # a third of what DynamoDB holds, and a hundred of them are below the 16 MB it reads at once
MAX_WORST_ITEM_BYTES = 350_000  # DynamoDB holds 400 KB
MAX_EXPRESSION_BYTES = 4096  # DynamoDB's limit
MAX_OPERATORS = 300  # DynamoDB's limit
TIERS = ("tools", "system", "messages", "settings")
MISS = Miss(at(0), TIERS, 10**6, 10**6, 10**6, workspace_id="w" * 40, region="ap-southeast-2", marker_distance=99)
SEEN = Sightings(hits=10**6, cold_starts=1, drifts=1, touched_at=at(0), fingerprint="f" * 64, last_miss=MISS)


@pytest.mark.untraced  # long, and all it runs is covered by others: traced, it takes some times as long
async def test_an_item_stays_small_for_400_days() -> None:
    """All 16 names of a target change every day, and a run dies twice a day."""
    table = QuickTable()
    store = table.store()
    largest = 0
    for days in range(400):
        day, now = DAY + timedelta(days=days), NOON + timedelta(days=days)
        keys = [model(f"claude-some-model-4-{days}-{number}-with-a-long-name") for number in range(MODELS)]
        await store.load(keys, day=day)
        for number, key in enumerate(keys):
            request = asking(key, day=day)
            await store.claim(request)
            await store.touch(key, at=now, fingerprint="f" * 64)
            if number % 8:
                breaker = Breaker(version="v" * 40, opened_at=now, open_until=now, reason="rejected")
                await store.commit(outcome(request, amount(), warmth=proof(warmed_at=now), breaker=breaker))
            await store.observe(key, SEEN)
        largest = max(largest, len(json.dumps(table.items["target/support"])))  # more than DynamoDB counts
    item = table.items["target/support"]
    assert sum(name.endswith(" sequence") for name in item) == MODELS + 32
    assert {name.split()[1] for name in item if len(name.split()) == 2} <= {
        f"{day:%Y-%m-%d}",
        f"{day - timedelta(days=1):%Y-%m-%d}",
    }
    assert largest < MAX_ITEM_BYTES


async def test_an_item_of_the_longest_names_still_fits() -> None:
    """The longest target, credential and model names, and a document with the most references it may have."""
    table = QuickTable()
    store = table.store()
    version = "+".join(["e" * 34] * 65)
    for days in range(6):
        keys = [EntryKey("t" * 64, "c" * 64, f"{days}-{number:02}-".ljust(128, "m")) for number in range(MODELS)]
        await store.load(keys, day=DAY + timedelta(days=days))
        for key in keys:
            request = asking(key, day=DAY + timedelta(days=days))
            await store.claim(request)
            await store.touch(key, at=at(days), fingerprint="f" * 64)
            await store.commit(outcome(request, amount(), warmth=proof(), breaker=Breaker(version=version)))
            await store.observe(key, SEEN)
    [item] = [each for name, each in table.items.items() if name.startswith("target/")]
    assert sum(name.endswith(" sequence") for name in item) == MODELS + 32
    assert len(json.dumps(item)) < MAX_WORST_ITEM_BYTES


async def test_a_claim_that_removes_the_most_is_within_dynamodbs_limits() -> None:
    """One expression may be 4 KB long and have 300 operators."""
    table = QuickTable()
    store = table.store()
    for number in range(MODELS * 4):
        request = asking(model(f"m-{number}"))
        await store.claim(request)
        await store.touch(model(f"m-{number}"), at=at(number), fingerprint="f")
        await store.commit(outcome(request, amount(), warmth=proof()))
        await store.claim(asking(model(f"m-{number}"), sequence=1))
        await store.observe(model(f"m-{number}"), SEEN)
    item: dict[str, Any] = table.items["target/support"] | {
        f"{what} 2020-{month:02}-{day:02}": {"N": "1"}
        for what in ("usd", "tokens")
        for month in range(1, 13)
        for day in range(1, 29)
    }
    left = leftovers(item, [KEY], day=DAY + timedelta(days=60))
    assert len(left.entries) == MODELS * 4
    arguments = claiming(asking(), "token", left).arguments()
    for expression in ("UpdateExpression", "ConditionExpression"):
        assert len(arguments[expression]) <= MAX_EXPRESSION_BYTES
        operators = sum(arguments[expression].count(sign) for sign in ("=", "<", "+", "(", ",", "AND", "OR"))
        assert operators <= MAX_OPERATORS
    assert arguments["UpdateExpression"].count("#") > 200


def test_what_is_written_is_never_removed_as_well() -> None:
    """DynamoDB refuses an expression that names an attribute twice; a clock that went back could make one."""
    item = {"usd 2026-11-22": {"N": "1"}, "tokens 2026-11-22": {"N": "1"}, "usd 2026-11-21": {"N": "1"}}
    left = leftovers(item, [KEY], day=DAY + timedelta(days=2))
    assert set(left.spending) == set(item)
    arguments = claiming(asking(), "token", left).arguments()
    _, _, removed = arguments["UpdateExpression"].partition(" REMOVE ")
    assert [arguments["ExpressionAttributeNames"][name] for name in removed.split(", ")] == ["usd 2026-11-21"]


def test_yesterday_and_its_month_are_no_leftovers() -> None:
    """A run that began before midnight commits after it."""
    periods = ("2026-10-31", "2026-11-01", "2026-11-02", "2026-10", "2026-11")
    item = {f"{what} {period}": {"N": "1"} for what in ("usd", "tokens") for period in periods}
    item |= {
        "lease 2026-10-31 a": {"N": "1"},
        "lease 2026-11-01 b": {"N": "1"},
        "settled 2026-10-31 c m 1 r": {"N": "1"},
    }
    first, second = (leftovers(item, (), day=DAY.replace(day=day)).spending for day in (1, 2))
    assert first == ()
    assert set(second) == {
        *("usd 2026-10-31", "tokens 2026-10-31", "usd 2026-10", "tokens 2026-10"),
        *("lease 2026-10-31 a", "settled 2026-10-31 c m 1 r"),
    }


def test_a_credential_named_like_spending_is_an_entry() -> None:
    """Three words are an entry's, whatever the first two say."""
    key = EntryKey("support", "usd", "2020-01-01")
    item = {entry_name(key, "sequence"): {"N": "4"}, entry_name(key, "used_at"): {"N": "1"}}
    assert leftovers(item, [key], day=DAY).spending == ()
    assert leftovers(item, [], day=DAY).entries == (("usd 2020-01-01 sequence", 4, tuple(item)),)
    assert ItemReader().entry(item, key) == EntryState(sequence=4)


@pytest.mark.parametrize(
    ("schema", "newer"),
    [({"N": "1"}, False), ({"N": "0"}, False), ({"N": "2"}, True), ({"S": "1"}, True), ({"N": "x"}, True)],
)
def test_a_schema_that_is_not_known_is_newer(schema: dict[str, str], newer: bool) -> None:  # noqa: FBT001 - a column
    """What cannot be read may mean anything; an item without one holds nothing yet."""
    assert is_newer({"schema": schema}) is newer
    assert ItemReader().is_readable("target/a", {"schema": schema}) is not newer
    assert not is_newer({})


def test_an_item_lives_at_least_40_days() -> None:
    """From the last second of the day it was written on."""
    assert expires_at(DAY) - (NOON + timedelta(hours=12)).timestamp() == 40 * 24 * 3600


def test_a_commit_does_not_wait_for_traffic_it_cannot_read() -> None:
    """The second write asks for no silence, whatever stands there, so that a broken attribute cannot hold it up."""
    commit = outcome(asking(), amount(), warmth=proof())
    name = entry_name(KEY, "traffic_at")
    assert name in committing(commit).arguments()["ExpressionAttributeNames"].values()
    second = committing(commit, seen={name: {"S": "today"}}).arguments()
    assert name not in second["ExpressionAttributeNames"].values()


def test_an_update_without_conditions_has_none() -> None:
    """An empty expression is refused by DynamoDB."""
    update = Update("stack")
    update.put("a", {"S": "b"})
    assert "ConditionExpression" not in update.arguments()
    assert update.arguments()["UpdateExpression"] == "SET #0 = :0"


def test_a_cap_below_a_reservation_is_no_room_at_all() -> None:
    """An absent number is 0, and 0 is more than a negative bound."""
    request = asking(caps=Caps(tokens_per_day=999))
    condition = claiming(request, "token", leftovers({}, [KEY], day=DAY)).arguments()["ConditionExpression"]
    assert condition.count("attribute_not_exists") == 2  # schema and sequence


@pytest.mark.parametrize(
    ("strange", "spending", "entries"),
    [
        pytest.param({}, (), 0, id="nothing"),
        pytest.param({"usd 2026-11-21": {"N": "1"}}, (), 0, id="yesterday"),
        pytest.param({"tokens 2026-11-20": {"N": "1"}}, ("tokens 2026-11-20",), 0, id="the day before"),
        pytest.param({"usd 2026-10": {"N": "1"}}, ("usd 2026-10",), 0, id="a month gone by"),
        pytest.param({"lease 2026-11-20 a": {"N": "1"}}, ("lease 2026-11-20 a",), 0, id="a dead run's lease"),
        pytest.param({"default m-2 sequence": {"N": "3"}}, (), 1, id="another model"),
        pytest.param({"other m sequence": {"N": "3"}}, (), 1, id="another credential"),
    ],
)
def test_only_what_is_strange_to_an_item_is_left_over(
    strange: dict[str, dict[str, str]], spending: tuple[str, ...], entries: int
) -> None:
    """An item of a day's ordinary use has nothing that may go; each thing that may is seen beside all of that."""
    asked = EntryKey("bot", "default", "m-1")
    ordinary = {"pk": {"S": "target/bot"}, "schema": {"N": "1"}, "expires_at": {"N": "1798934400"}}
    ordinary |= {
        f"default m-1 {part}": {"N": "1"} for part in ("sequence", "used_at", "committed", "breaker", "warmth")
    }
    ordinary |= {f"{what} 2026-11-22": {"N": "1"} for what in ("usd", "tokens")}
    assert leftovers(ordinary, [asked], day=date(2026, 11, 22)) is NOTHING_LEFT
    left = leftovers({**ordinary, **strange}, [asked], day=date(2026, 11, 22))
    assert (left.spending, len(left.entries)) == (spending, entries)


def test_a_number_that_cannot_be_read_counts_as_none() -> None:
    """What was spent counts all the same where the tokens beside it cannot be read."""
    item = {"usd 2026-11-22": {"N": "7"}, "tokens 2026-11-22": {"S": "many"}}
    assert count_in(item, "2026-11-22") == Count(7, 0)
