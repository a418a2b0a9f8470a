"""What every state store does with entries: claims, commits, caps of a target, touches; memory and DynamoDB alike."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from prompt_cache_warmer.ports import ClaimAnswer
from prompt_cache_warmer.values.caps import Caps
from prompt_cache_warmer.values.money import Amount
from prompt_cache_warmer.values.state import CLOSED, Breaker, Claim, EntryKey, EntryState, Traffic
from tests.state_cases import DAY, KEY, NOTHING, PICO, amount, asking, at, known, model, outcome, proof, snapshot, spent

if TYPE_CHECKING:
    from prompt_cache_warmer.ports import StateStore

GRANTED, TAKEN, CAPPED = ClaimAnswer.GRANTED, ClaimAnswer.TAKEN, ClaimAnswer.CAPPED
TOMORROW = DAY + timedelta(days=1)
OPEN = Breaker(failures=2, unheld=1, reason="rejected", opened_at=at(1), open_until=at(3600), version="v-2")


async def test_an_empty_store_knows_nothing(state: StateStore) -> None:
    """Entries and credentials are missing, spending is nothing, there is no pause; asking nothing is allowed."""
    found = await state.load([KEY, KEY, model("other")], day=DAY)
    assert (found.entries, found.credentials, found.pause, found.unreadable) == ({}, {}, None, ())
    assert found.spent_by_target == {"support": NOTHING}
    assert (found.spent_today, found.spent_this_month) == (NOTHING, NOTHING)
    assert (await state.load([], day=DAY)).spent_by_target == {}


async def test_a_claim_is_granted_and_its_money_reserved(state: StateStore) -> None:
    """The entry shows who holds it until when, and the worst case counts at once."""
    assert await state.claim(asking(worst=amount("0.000000000001", 7))) is GRANTED
    assert await known(state) == EntryState(sequence=1, claim=Claim("run-1", at(60)))
    assert await spent(state) == Amount(PICO, 7)


@pytest.mark.parametrize("owner", ["run-1", "run-2"])
async def test_a_claim_is_granted_once(state: StateStore, owner: str) -> None:
    """Whoever has not seen the last claim is refused, the holder's own duplicate too, and reserves nothing."""
    await state.claim(asking())
    assert await state.claim(asking(owner=owner)) is TAKEN
    assert await known(state) == EntryState(sequence=1, claim=Claim("run-1", at(60)))
    assert await spent(state) == amount()


@pytest.mark.parametrize("sequence", [1, 7])
async def test_a_claim_ahead_of_the_store_is_refused(state: StateStore, sequence: int) -> None:
    """A sequence the store has not given, after its items were lost, is not the last one."""
    assert await state.claim(asking(sequence=sequence)) is TAKEN
    assert (await snapshot(state)).entries == {}


async def test_a_claim_that_was_seen_can_be_taken_over(state: StateStore) -> None:
    """Whether a claim is over is for the caller to say: who has seen it may claim; its money stays counted."""
    await state.claim(asking())
    assert await state.claim(asking(owner="run-2", sequence=1)) is GRANTED
    assert await known(state) == EntryState(sequence=2, claim=Claim("run-2", at(60)))
    assert await spent(state) == amount("2", 2000)


async def test_a_commit_keeps_what_was_proved_and_what_was_spent(state: StateStore) -> None:
    """Every field of warmth and breaker comes back, the claim is over, the cost takes the reservation's place."""
    request = asking()
    await state.claim(request)
    commit = outcome(request, amount("0.25", 400), warmth=proof(), breaker=OPEN)
    assert await state.commit(commit)
    assert await known(state) == EntryState(sequence=1, warmth=proof(), breaker=OPEN)
    assert await spent(state) == amount("0.25", 400)


async def test_a_commit_replaces_warmth_and_breaker_whole(state: StateStore) -> None:
    """Nothing of the last call is left: fields that are None now are None."""
    request = asking()
    await state.claim(request)
    await state.commit(outcome(request, NOTHING, warmth=proof(), breaker=OPEN))
    request = asking(sequence=1)
    await state.claim(request)
    bare = replace(proof(), message_id=None, idle_since=None, ttl_seconds=None, habit=None)
    assert await state.commit(outcome(request, NOTHING, warmth=bare, breaker=CLOSED))
    assert await known(state) == EntryState(sequence=2, warmth=bare)


async def test_a_failed_call_leaves_the_warmth(state: StateStore) -> None:
    """Without a proof only the breaker and the money change."""
    request = asking()
    await state.claim(request)
    await state.commit(outcome(request, NOTHING, warmth=proof()))
    request = asking(sequence=1)
    await state.claim(request)
    assert await state.commit(outcome(request, amount("3", 1), breaker=OPEN))
    assert await known(state) == EntryState(sequence=2, warmth=proof(), breaker=OPEN)
    assert await spent(state) == amount("3", 1)


async def test_a_lost_claim_commits_its_money_and_nothing_else(state: StateStore) -> None:
    """Who took the claim over keeps it, and its own commit is not disturbed."""
    lost, held = asking(owner="run-1"), asking(owner="run-2", sequence=1)
    await state.claim(lost)
    await state.claim(held)
    assert not await state.commit(outcome(lost, amount("0.5", 10), warmth=proof(fingerprint="stale"), breaker=OPEN))
    assert await known(state) == EntryState(sequence=2, claim=Claim("run-2", at(60)))
    assert await spent(state) == amount("1.5", 1010)
    assert await state.commit(outcome(held, amount("0.25", 5), warmth=proof()))
    assert await known(state) == EntryState(sequence=2, warmth=proof(), breaker=Breaker(version="v-1"))
    assert await spent(state) == amount("0.75", 15)


async def test_a_commit_counts_once(state: StateStore) -> None:
    """Sent again, held or lost, it says the same and adds nothing."""
    lost, held = asking(owner="run-1"), asking(owner="run-2", sequence=1)
    await state.claim(lost)
    await state.claim(held)
    for _ in range(2):
        assert not await state.commit(outcome(lost, amount("0.5", 10)))
        assert await state.commit(outcome(held, amount("0.25", 5)))
    assert await spent(state) == amount("0.75", 15)


async def test_a_commit_that_is_late_twice_counts_once(state: StateStore) -> None:
    """Also when the next claim came between the two."""
    request = asking()
    await state.claim(request)
    assert await state.commit(outcome(request, amount("0.5", 10), warmth=proof()))
    await state.claim(asking(sequence=1, owner="run-2"))
    assert await state.commit(outcome(request, amount("0.5", 10), warmth=proof(fingerprint="late")))
    assert await known(state) == EntryState(
        sequence=2, warmth=proof(), breaker=Breaker(version="v-1"), claim=Claim("run-2", at(60))
    )
    assert await spent(state) == amount("1.5", 1010)


async def test_a_commit_whose_item_was_lost_still_counts(state: StateStore) -> None:
    """A store that lost everything meanwhile counts what was spent, never less than nothing."""
    assert not await state.commit(outcome(asking(), amount("0.25", 5), warmth=proof()))
    assert await spent(state) == amount("0.25", 5)
    assert (await known(state)).warmth is None


async def test_entries_of_a_target_do_not_disturb_each_other(state: StateStore) -> None:
    """Models and credentials have claims, warmth and touches of their own; the money is the target's."""
    other_model, other_key = model("m-2"), EntryKey("support", "second", KEY.model)
    for key in (KEY, other_model, other_key, EntryKey("other", "default", KEY.model)):
        assert await state.claim(asking(key)) is GRANTED
    await state.commit(outcome(asking(), amount("0.5", 1), warmth=proof()))
    await state.touch(other_key, at=at(5))
    assert (await known(state, other_model)) == EntryState(sequence=1, claim=Claim("run-1", at(60)))
    assert (await known(state, other_key)).traffic == Traffic(at(5), None, at(5))
    assert await known(state) == EntryState(sequence=1, warmth=proof(), breaker=Breaker(version="v-1"))
    assert await spent(state) == amount("2.5", 2001)


@pytest.mark.parametrize(
    ("caps", "fits", "too_much"),
    [
        (Caps(usd_per_day=Decimal("2.5")), Amount(Decimal("1.5"), 10**9), Amount(Decimal("1.5") + PICO, 0)),
        (Caps(tokens_per_day=1500), Amount(Decimal(10**6), 500), Amount(Decimal(0), 501)),
        (Caps(usd_per_day=Decimal(2), tokens_per_day=1500), amount("1", 500), amount("1", 501)),
        (Caps(usd_per_day=Decimal(2), tokens_per_day=1500), amount("1", 500), Amount(1 + PICO, 500)),
    ],
)
async def test_a_cap_may_be_reached_and_not_passed(
    state: StateStore, caps: Caps, fits: Amount, too_much: Amount
) -> None:
    """To the pico-USD and to the token, over all models of a target; what is refused leaves no trace."""
    await state.claim(asking(model("m-2")))
    assert await state.claim(asking(worst=too_much, caps=caps)) is CAPPED
    assert (await snapshot(state)).entries == {}
    assert await spent(state) == amount()
    assert await state.claim(asking(worst=fits, caps=caps)) is GRANTED
    assert await spent(state) == amount() + fits


@pytest.mark.parametrize("caps", [Caps(usd_per_day=Decimal(0)), Caps(tokens_per_day=0), Caps(Decimal("0.9"))])
async def test_a_cap_holds_for_the_first_claim_of_a_day(state: StateStore, caps: Caps) -> None:
    """0 allows nothing, and a worst case above the cap never fits; a claim without a call of its own does."""
    assert await state.claim(asking(caps=caps)) is CAPPED
    assert (await snapshot(state)).entries == {}
    assert await state.claim(asking(caps=caps, worst=NOTHING)) is GRANTED


async def test_a_cap_finer_than_a_pico_is_rounded_down(state: StateStore) -> None:
    """And a reservation is rounded up."""
    assert await state.claim(asking(worst=amount(PICO, 0), caps=Caps(usd_per_day=PICO * Decimal("0.9")))) is CAPPED
    assert await state.claim(asking(worst=amount(PICO / 2, 0))) is GRANTED
    assert await spent(state) == Amount(PICO)


async def test_only_the_caps_of_the_day_are_looked_at(state: StateStore) -> None:
    """The caps of a call are a rule's business, and a target has none of the month."""
    others = Caps(usd_per_month=Decimal(0), usd_per_call=Decimal(0), tokens_per_month=0, tokens_per_call=0)
    assert await state.claim(asking(caps=others)) is GRANTED


async def test_an_unknown_price_adds_no_money(state: StateStore) -> None:
    """It is held to the cap in tokens alone; its commit may know the price."""
    request = asking(worst=amount(None, 600), caps=Caps(usd_per_day=Decimal(0), tokens_per_day=1000))
    assert await state.claim(request) is GRANTED
    assert await spent(state) == amount("0", 600)
    assert await state.claim(replace(request, key=model("m-2"))) is CAPPED
    await state.commit(outcome(request, amount("0.5", 100)))
    assert await spent(state) == amount("0.5", 100)
    request = asking(sequence=1)
    await state.claim(request)
    await state.commit(outcome(request, amount(None, 5)))
    assert await spent(state) == amount("0.5", 105)


async def test_taken_comes_before_capped(state: StateStore) -> None:
    """A claim that could not be granted anyway is not blamed on the cap."""
    await state.claim(asking())
    assert await state.claim(asking(caps=Caps(usd_per_day=Decimal(0)))) is TAKEN


async def test_a_call_that_cost_more_than_its_worst_case_counts_in_full(state: StateStore) -> None:
    """The cap is passed by what is known too late, and then nothing more is granted."""
    caps = Caps(usd_per_day=Decimal(2), tokens_per_day=5000)
    request = asking(caps=caps)
    await state.claim(request)
    await state.commit(outcome(request, amount("2.5", 1000)))
    assert await spent(state) == amount("2.5", 1000)
    assert await state.claim(asking(sequence=1, caps=caps, worst=amount(PICO, 0))) is CAPPED
    assert await state.claim(asking(sequence=1, caps=caps, worst=amount("0", 4000))) is GRANTED


async def test_a_new_day_has_room_of_its_own(state: StateStore) -> None:
    """Midnight needs no reset, and a claim from before it is committed to its own day."""
    caps = Caps(usd_per_day=Decimal(1))
    before, after = asking(caps=caps), asking(sequence=1, caps=caps, day=TOMORROW, owner="run-2")
    await state.claim(before)
    assert await state.claim(replace(after, day=DAY)) is CAPPED
    assert await state.claim(after) is GRANTED
    assert not await state.commit(outcome(before, amount("0.25", 10)))
    assert (await spent(state), await spent(state, day=TOMORROW)) == (amount("0.25", 10), amount())
    assert await state.commit(outcome(after, amount("0.5", 20)))
    assert (await spent(state), await spent(state, day=TOMORROW)) == (amount("0.25", 10), amount("0.5", 20))


async def test_days_gone_by_are_forgotten(state: StateStore) -> None:
    """All but yesterday, with the next claim that is made after a load."""
    for sequence, day in enumerate((DAY, TOMORROW, TOMORROW + timedelta(days=1))):
        await state.load([KEY], day=day)
        await state.claim(asking(sequence=sequence, day=day))
    assert [await spent(state, day=DAY + timedelta(days=days)) for days in range(3)] == [NOTHING, amount(), amount()]


async def test_a_touch_is_remembered(state: StateStore) -> None:
    """The last one's time and prefix, and the time of the first."""
    assert await state.touch(KEY, at=at(1), fingerprint="f-1")
    assert await known(state) == EntryState(traffic=Traffic(at(1), "f-1", at(1)))
    assert await state.touch(KEY, at=at(2), fingerprint="f-2")
    assert await known(state) == EntryState(traffic=Traffic(at(2), "f-2", at(1)))
    assert await state.touch(KEY, at=at(3))
    assert await known(state) == EntryState(traffic=Traffic(at(3), None, at(1)))


@pytest.mark.parametrize("seconds", [4, 5])
async def test_a_touch_that_is_not_newer_changes_nothing(state: StateStore, seconds: float) -> None:
    """Reports come late and twice."""
    await state.touch(KEY, at=at(5), fingerprint="f-1")
    assert not await state.touch(KEY, at=at(seconds), fingerprint="f-2")
    assert (await known(state)).traffic == Traffic(at(5), "f-1", at(5))


async def test_a_touch_does_not_disturb_a_claim(state: StateStore) -> None:
    """It comes between claim and commit, both succeed, and it is the first one since the call."""
    await state.touch(KEY, at=at(-9))
    request = asking()
    await state.claim(request)
    assert await state.touch(KEY, at=at(1), fingerprint="f-1")
    assert (await known(state)).claim == Claim("run-1", at(60))
    assert await state.commit(outcome(request, amount("0.5", 1), warmth=proof()))
    assert await known(state) == EntryState(
        sequence=1, warmth=proof(), traffic=Traffic(at(1), "f-1", at(1)), breaker=Breaker(version="v-1")
    )
    assert await spent(state) == amount("0.5", 1)
    await state.touch(KEY, at=at(2))
    assert (await known(state)).traffic == Traffic(at(2), None, at(1))


async def test_of_several_touches_during_a_call_the_first_is_kept(state: StateStore) -> None:
    """Where none came before the call, all are known."""
    request = asking()
    await state.claim(request)
    for seconds in (1, 2):
        await state.touch(KEY, at=at(seconds))
    await state.commit(outcome(request, NOTHING, warmth=proof()))
    assert (await known(state)).traffic == Traffic(at(2), None, at(1))


async def test_a_commit_begins_a_new_silence(state: StateStore) -> None:
    """Requests from before the call are the last traffic, and none since."""
    await state.touch(KEY, at=at(-9), fingerprint="f-1")
    await state.touch(KEY, at=at(0))
    request = asking()
    await state.claim(request)
    await state.commit(outcome(request, NOTHING, warmth=proof(warmed_at=at(0))))
    assert (await known(state)).traffic == Traffic(at(0), None, None)
    await state.touch(KEY, at=at(7))
    await state.touch(KEY, at=at(8))
    assert (await known(state)).traffic == Traffic(at(8), None, at(7))


async def test_a_failed_call_does_not_end_the_traffic(state: StateStore) -> None:
    """The silence is counted from calls that were answered."""
    await state.touch(KEY, at=at(-9))
    await state.touch(KEY, at=at(1))
    request = asking()
    await state.claim(request)
    assert await state.commit(outcome(request, NOTHING, breaker=OPEN))
    assert (await known(state)).traffic == Traffic(at(1), None, at(-9))


async def test_a_late_report_is_not_traffic_after_the_call(state: StateStore) -> None:
    """A request from before the call that is reported after its commit is not the first one since."""
    request = asking()
    await state.claim(request)
    await state.commit(outcome(request, NOTHING, warmth=proof()))
    await state.touch(KEY, at=at(-1))
    assert (await known(state)).traffic == Traffic(at(-1), None, None)
    await state.touch(KEY, at=at(5))
    assert (await known(state)).traffic == Traffic(at(5), None, at(5))


async def test_times_are_kept_to_the_millisecond(state: StateStore) -> None:
    """What is finer is cut off, so that nothing seems younger than it is."""
    fine = timedelta(microseconds=1999)
    request = replace(asking(), until=at(60) + fine)
    await state.touch(KEY, at=at(-1) + fine)
    await state.claim(request)
    cut = timedelta(microseconds=1000)
    assert (await known(state)).claim == Claim("run-1", at(60) + cut)
    await state.commit(
        outcome(
            request,
            NOTHING,
            warmth=proof(warmed_at=at(0) + fine, used_since=at(-99) + fine),
            breaker=replace(OPEN, opened_at=at(1) + fine, open_until=at(2) + fine),
        )
    )
    assert await known(state) == EntryState(
        sequence=1,
        warmth=proof(warmed_at=at(0) + cut, used_since=at(-99) + cut),
        traffic=Traffic(at(-1) + cut),
        breaker=replace(OPEN, opened_at=at(1) + cut, open_until=at(2) + cut),
    )
    assert not await state.touch(KEY, at=at(-1) + fine)
