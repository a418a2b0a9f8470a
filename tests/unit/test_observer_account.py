"""What an observer keeps until the state is told of it."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from anthropic.types import TextBlock

from prompt_cache_warmer.library.observing.account import Account
from prompt_cache_warmer.rules.traffic import Hit, Match
from prompt_cache_warmer.values.observation import Miss, Sight, Sightings
from prompt_cache_warmer.values.state import EntryKey, Warmth
from tests.fakes import EPOCH, MODEL, target
from tests.observer_cases import REQUEST
from tests.observer_parts import Desk, answered

KEY = EntryKey("support", "default", MODEL)
OTHER = EntryKey("other", "default", MODEL)
MINE = target().summary


def at(seconds: float) -> Any:
    """Return a moment."""
    return EPOCH + timedelta(seconds=seconds)


def hit(seconds: float) -> Hit:
    """Return a hit at a moment."""
    return Hit(at(seconds), Match(MINE, (), None), MODEL, 100, 300)


def note(account: Account, seconds: float, *, is_hit: bool = True, touched: bool = True, now: float = 0.0) -> bool:
    """Note a request that started at a moment."""
    seen = Sightings(
        hits=int(is_hit),
        cold_starts=int(not is_hit),
        touched_at=at(seconds) if touched else None,
        last_miss=None if is_hit else Miss(at(seconds)),
    )
    return account.note(KEY, seen, hit(seconds) if is_hit else None, now)


def test_the_first_request_and_every_one_that_is_due_wakes_whoever_tells() -> None:
    """In between it knows already; after 30 seconds it is due again."""
    account = Account()
    assert note(account, 0)
    assert account.due(0) == [KEY]
    account.take(KEY, 0)
    assert account.due(0) == []
    assert note(account, 1, now=1)
    assert not note(account, 2, now=2)
    assert account.due(29.9) == []
    assert not note(account, 3, now=29.9)
    assert account.due(30) == [KEY]
    assert note(account, 4, now=30)


def test_the_next_is_due_when_its_30_seconds_are_over() -> None:
    """At once for an entry that was never told, never for nothing."""
    account = Account()
    assert account.next_due_in_seconds(0) == math.inf
    note(account, 0)
    assert account.next_due_in_seconds(5) == 0
    account.take(KEY, 10)
    assert account.next_due_in_seconds(10) == math.inf
    note(account, 1)
    assert account.next_due_in_seconds(15) == 25
    account.note(OTHER, Sightings(hits=1), None, 15)
    assert account.next_due_in_seconds(15) == 0
    account.take(OTHER, 15)
    assert account.next_due_in_seconds(99) == 0


def test_what_is_taken_is_the_sum_with_the_first_hit() -> None:
    """Only a hit that was the first of them."""
    account = Account()
    note(account, 1)
    note(account, 2)
    note(account, 3, is_hit=False)
    seen, first = account.take(KEY, 0)
    assert seen == Sightings(hits=2, cold_starts=1, touched_at=at(3), last_miss=Miss(at(3)))
    assert seen.requests == 3
    assert first == hit(1)
    note(account, 4, is_hit=False)
    note(account, 5)
    assert account.take(KEY, 0)[1] is None


def test_a_request_that_started_before_the_first_hit_and_touched_the_entry_was_the_first() -> None:
    """A long answer may end after a later one: a hit takes its place, a cold start leaves none."""
    account = Account()
    note(account, 5)
    note(account, 2)
    assert account.take(KEY, 0)[1] == hit(2)
    note(account, 5)
    note(account, 2, is_hit=False)
    assert account.take(KEY, 0)[1] is None
    note(account, 5)
    note(account, 2, is_hit=False, touched=False)
    note(account, 5)
    assert account.take(KEY, 0)[1] == hit(5)


def test_a_hit_a_whole_life_after_what_waits_takes_the_first_ones_place() -> None:
    """With when the last of that started; what was then answered of the time between leaves none."""
    account = Account()
    note(account, 0)
    note(account, 10)
    note(account, 459)
    assert account.take(KEY, 0)[1] == hit(0)
    note(account, 0, is_hit=False)
    note(account, 10)
    note(account, 460)
    note(account, 470)
    assert account.take(KEY, 0)[1] == replace(hit(460), previous_at=at(10))
    note(account, 0)
    note(account, 450)
    note(account, 200)
    assert account.take(KEY, 0)[1] is None
    note(account, 0, touched=False, is_hit=False)
    note(account, 450)
    assert account.take(KEY, 0)[1] is None


def test_what_could_not_be_told_is_due_at_once_and_what_is_released_too() -> None:
    """Whatever the 30 seconds say, which begin again with the next try; an entry with nothing to tell is not due."""
    account = Account()
    note(account, 1)
    account.put_back(KEY, *account.take(KEY, 10))
    assert (account.due(11), account.next_due_in_seconds(11)) == ([KEY], 0)
    account.take(KEY, 11)
    note(account, 2, now=12)
    assert (account.due(12), account.next_due_in_seconds(12)) == ([], 29)
    account.release()
    assert (account.due(12), account.next_due_in_seconds(12)) == ([KEY], 0)
    account.take(KEY, 13)
    account.release()
    note(account, 3, now=14)
    assert (account.due(14), account.next_due_in_seconds(14)) == ([], 29)
    account.release()
    account.forget()
    note(account, 4, now=14)
    account.take(KEY, 15)
    note(account, 5, now=16)
    assert account.due(16) == []


def test_what_could_not_be_told_is_put_back_before_what_came_since() -> None:
    """Nothing is lost; what came since may have been the first after all, so that nothing is proven then."""
    account = Account()
    note(account, 1)
    seen, first = account.take(KEY, 0)
    account.put_back(KEY, seen, first)
    assert account.take(KEY, 0) == (seen, first)
    note(account, 9)
    account.put_back(KEY, seen, first)
    again, same = account.take(KEY, 0)
    assert (again.hits, again.touched_at, same) == (2, at(9), None)


def test_a_hit_after_a_cold_start_that_was_put_back_is_not_the_first() -> None:
    """It may have read what the cold start wrote."""
    account = Account()
    note(account, 1, is_hit=False)
    seen, first = account.take(KEY, 0)
    assert first is None
    note(account, 2)
    account.put_back(KEY, seen, first)
    assert account.take(KEY, 0)[1] is None


def test_the_entry_that_was_tried_longest_ago_is_told_first() -> None:
    """So that one that cannot be told never keeps the others back."""
    account = Account()
    note(account, 0)
    account.take(KEY, 5)
    note(account, 0)
    account.note(OTHER, Sightings(hits=1), None, 0)
    assert account.due(100) == [OTHER, KEY]
    account.take(OTHER, 6)
    account.note(OTHER, Sightings(hits=1), None, 0)
    assert account.due(100) == [KEY, OTHER]


def warmth(**changes: Any) -> Warmth:
    """Return what a warm call proved."""
    given: dict[str, Any] = {
        "fingerprint": "f",
        "asked_ttl_seconds": 300,
        "warmed_at": EPOCH,
        "ttl_seconds": 300,
        "verdict": "written",
        "cached_tokens": 70,
        **changes,
    }
    return Warmth(**given)


def test_a_prefix_is_as_large_as_the_last_warm_call_proved() -> None:
    """Of that fingerprint only, and unknown where it proved nothing."""
    account = Account()
    assert account.warmth(KEY, "f") is None
    note(account, 0)
    account.take(KEY, 0)
    account.learn(KEY, warmth())
    assert (account.warmth(KEY, "f"), account.warmth(KEY, "g")) == (warmth(), None)
    assert account.warmth(OTHER, "f") is None


def test_a_child_begins_anew_but_knows_how_large_prefixes_are() -> None:
    """What was seen before the fork is its parent's to tell."""
    account = Account()
    note(account, 0)
    account.take(KEY, 0)
    account.learn(KEY, warmth())
    note(account, 1)
    account.count("warm_calls")
    account.see(Sight.HIT)
    account.fail("state")
    account.forget()
    assert account.counts() == type(account.counts())()
    assert account.due(100) == []
    assert account.warmth(KEY, "f") == warmth()
    assert note(account, 2)
    assert account.due(2) == [KEY]


@pytest.mark.parametrize(
    ("sight", "name"),
    [(Sight.HIT, "hits"), (Sight.COLD_START, "cold_starts"), (Sight.DRIFT, "drifts"), (None, "unascribed")],
)
def test_every_request_is_one_of_four(sight: Sight | None, name: str) -> None:
    """And counted as a request."""
    account = Account()
    account.see(sight)
    counts = account.counts(lost=3)
    assert (counts.requests, getattr(counts, name), counts.lost) == (1, 1, 3)
    assert sum((counts.hits, counts.cold_starts, counts.drifts, counts.unascribed)) == 1
    assert counts.hit_ratio == (None if sight is None else float(sight is Sight.HIT))


def test_failures_are_counted_by_what_failed() -> None:
    """And the counts that are handed out do not change any more."""
    account = Account()
    assert [account.fail("state"), account.fail("state"), account.fail("metrics")] == [1, 2, 1]
    counts = account.counts()
    account.fail("state")
    assert counts.failures == {"state": 2, "metrics": 1}
    with pytest.raises(TypeError):
        counts.failures["state"] = 0  # type: ignore[index]  # what is tested


def test_objects_of_the_sdk_in_a_body_are_what_they_are_sent_as() -> None:
    """Behind the prefix, and in it."""
    block = TextBlock(type="text", text="Here it is.")
    said = [{"role": "assistant", "content": [block]}]
    desk = Desk()
    desk.record(body={**REQUEST, "messages": said})
    desk.record(body={**REQUEST, "system": [block]}, ascribed_to="support")
    assert [(each.target, each.drifted) for each in desk.told] == [("support", ()), ("support", ("system",))]
    assert desk.failures == {}


def test_a_waiting_call_says_nothing_of_its_body() -> None:
    """Its prompt must not stand in a traceback."""
    assert "body" not in repr(answered())
