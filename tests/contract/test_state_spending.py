"""What every state store does with the stack's allowance, credentials and pauses; memory and DynamoDB alike."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from prompt_cache_warmer.values.caps import NO_CAPS, Caps
from prompt_cache_warmer.values.snapshot import CredentialState, Pause
from prompt_cache_warmer.values.state import Breaker, EntryKey
from tests.state_cases import DAY, KEY, NOTHING, PICO, amount, at, snapshot

if TYPE_CHECKING:
    from prompt_cache_warmer.ports import StateStore
    from prompt_cache_warmer.values.money import Amount
    from prompt_cache_warmer.values.snapshot import Lease

TOMORROW = DAY + timedelta(days=1)
WIDE = Caps(Decimal(100), Decimal(100), None, 10**6, 10**6, None)
FREE = Caps(usd_per_call=Decimal(0), tokens_per_call=0)
OPEN = Breaker(failures=1, reason="credential", opened_at=at(0), open_until=at(3600))


async def leased(state: StateStore, wanted: Amount, caps: Caps, *, day: date = DAY) -> Lease:
    """Lease, and check that the lease says what it is for."""
    lease = await state.lease(wanted, caps=caps, day=day)
    assert lease.day == day
    return lease


async def totals(state: StateStore, *, day: date = DAY) -> tuple[Amount, Amount]:
    """Return what the stack spent or reserved on a day and in its month."""
    found = await snapshot(state, day=day)
    return found.spent_today, found.spent_this_month


async def test_a_lease_counts_until_it_is_settled(state: StateStore) -> None:
    """All of it while the run lasts, then what was spent, on the day and in the month."""
    lease = await leased(state, amount("2", 3000), WIDE)
    assert lease.amount == amount("2", 3000)
    assert await totals(state) == (amount("2", 3000), amount("2", 3000))
    await state.settle(lease, spent=amount("0.25", 400))
    assert await totals(state) == (amount("0.25", 400), amount("0.25", 400))


@pytest.mark.parametrize(
    ("caps", "granted"),
    [
        (Caps(usd_per_day=Decimal(5)), amount("4", 9000)),
        (Caps(usd_per_month=Decimal(5)), amount("4", 9000)),
        (Caps(tokens_per_day=5000), amount("9", 4000)),
        (Caps(tokens_per_month=5000), amount("9", 4000)),
        (Caps(usd_per_day=Decimal(5), usd_per_month=Decimal(3)), amount("2", 9000)),
        (Caps(usd_per_day=Decimal(3), usd_per_month=Decimal(5)), amount("2", 9000)),
        (Caps(usd_per_day=Decimal(5), tokens_per_month=2000), amount("4", 1000)),
        (Caps(usd_per_day=Decimal(1), tokens_per_day=3000), amount("0", 2000)),
        (Caps(usd_per_day=Decimal(1) + PICO), amount(PICO, 9000)),
        (Caps(usd_per_day=Decimal(10), tokens_per_day=10_000), amount("9", 9000)),
        (Caps(usd_per_day=Decimal(10) - PICO, tokens_per_day=9999), amount(9 - PICO, 8999)),
        (Caps(usd_per_day=Decimal(1), tokens_per_day=1000), NOTHING),
        (Caps(usd_per_day=Decimal("0.5"), tokens_per_month=1), NOTHING),
        (Caps(usd_per_day=Decimal(0), tokens_per_day=0), NOTHING),
    ],
)
async def test_a_lease_is_as_much_as_there_is_room_for(state: StateStore, caps: Caps, granted: Amount) -> None:
    """1 USD and 1,000 tokens are spent, 9 and 9,000 are wanted; money and tokens are held apart."""
    await leased(state, amount(), WIDE)
    lease = await leased(state, amount("9", 9000), caps)
    assert lease.amount == granted
    assert await totals(state) == (amount() + granted, amount() + granted)
    await state.settle(lease, spent=NOTHING)
    assert await totals(state) == (amount(), amount())


@pytest.mark.parametrize("caps", [NO_CAPS, FREE])
async def test_without_caps_nothing_is_leased_and_all_spending_counted(state: StateStore, caps: Caps) -> None:
    """The caps of a call are a rule's business."""
    lease = await leased(state, amount(), caps)
    assert lease.amount == NOTHING
    assert await totals(state) == (NOTHING, NOTHING)
    await state.settle(lease, spent=amount("0.25", 400))
    await state.settle(await leased(state, amount(), caps), spent=NOTHING)
    assert await totals(state) == (amount("0.25", 400), amount("0.25", 400))


async def test_an_unknown_price_leases_no_money(state: StateStore) -> None:
    """Tokens are leased all the same."""
    lease = await leased(state, amount(None, 500), WIDE)
    assert lease.amount == amount("0", 500)
    await state.settle(lease, spent=amount(None, 100))
    assert await totals(state) == (amount("0", 100), amount("0", 100))


async def test_nothing_wanted_is_nothing_leased(state: StateStore) -> None:
    """A run without any call to make needs no allowance."""
    lease = await leased(state, NOTHING, WIDE)
    assert lease.amount == NOTHING
    await state.settle(lease, spent=NOTHING)
    assert await totals(state) == (NOTHING, NOTHING)


async def test_a_lease_without_room_still_counts_what_was_spent(state: StateStore) -> None:
    """What a run spent although nothing was granted is not lost."""
    lease = await leased(state, amount(), Caps(usd_per_day=Decimal(0), tokens_per_day=0))
    await state.settle(lease, spent=amount("0.25", 1))
    assert await totals(state) == (amount("0.25", 1), amount("0.25", 1))


async def test_a_lease_is_settled_once(state: StateStore) -> None:
    """Sent again it changes nothing, not even beside another lease."""
    first, second = await leased(state, amount(), WIDE), await leased(state, amount(), WIDE)
    for _ in range(2):
        await state.settle(first, spent=amount("0.5", 1))
    assert await totals(state) == (amount("1.5", 1001), amount("1.5", 1001))
    await state.settle(second, spent=amount("0.25", 1))
    assert await totals(state) == (amount("0.75", 2), amount("0.75", 2))


async def test_more_than_was_leased_counts_in_full(state: StateStore) -> None:
    """The caps are passed by what is known too late, and then nothing more is leased."""
    caps = Caps(usd_per_day=Decimal(1), tokens_per_day=1000)
    await state.settle(await leased(state, amount(), caps), spent=amount("1.5", 1500))
    assert await totals(state) == (amount("1.5", 1500), amount("1.5", 1500))
    assert (await leased(state, amount(PICO, 1), caps)).amount == NOTHING


async def test_a_lease_is_settled_to_its_own_day(state: StateStore) -> None:
    """Also after midnight, when the next run has begun its own."""
    before = await leased(state, amount(), WIDE)
    await snapshot(state, day=TOMORROW)
    after = await leased(state, amount("2", 2000), WIDE, day=TOMORROW)
    await state.settle(before, spent=amount("0.25", 10))
    assert await totals(state) == (amount("0.25", 10), amount("2.25", 2010))
    assert await totals(state, day=TOMORROW) == (amount("2", 2000), amount("2.25", 2010))
    await state.settle(after, spent=amount("0.5", 20))
    assert await totals(state, day=TOMORROW) == (amount("0.5", 20), amount("0.75", 30))


async def test_a_lease_is_settled_to_its_own_month(state: StateStore) -> None:
    """The last day of one and the first of the next have allowances of their own."""
    last, first = date(2026, 11, 30), date(2026, 12, 1)
    before = await leased(state, amount(), Caps(usd_per_month=Decimal(1)), day=last)
    await snapshot(state, day=first)
    after = await leased(state, amount(), Caps(usd_per_month=Decimal(1)), day=first)
    await state.settle(after, spent=amount("0.5", 5))
    await state.settle(before, spent=amount("0.25", 10))
    assert await totals(state, day=last) == (amount("0.25", 10), amount("0.25", 10))
    assert await totals(state, day=first) == (amount("0.5", 5), amount("0.5", 5))


async def test_a_lease_that_outlives_its_day_never_makes_spending_negative(state: StateStore) -> None:
    """Its day was forgotten meanwhile; nobody's room grows by what is returned to it."""
    old = await leased(state, amount("2", 2000), WIDE, day=date(2026, 10, 30))
    for day in (date(2026, 11, 2), date(2026, 11, 3)):
        await snapshot(state, day=day)
        await state.settle(await leased(state, amount(), WIDE, day=day), spent=amount())
    await state.settle(old, spent=amount("0.5", 5))
    for total in await totals(state, day=date(2026, 10, 30)):
        assert total.known_usd >= 0
        assert total.tokens >= 0


async def test_a_month_adds_up_and_old_days_are_forgotten(state: StateStore) -> None:
    """The month's sum stays when its days go; the month before yesterday's goes too."""
    for day in (date(2026, 10, 30), date(2026, 11, 1), date(2026, 11, 2), date(2026, 11, 5)):
        await snapshot(state, day=day)
        await state.settle(await leased(state, amount(), WIDE, day=day), spent=amount("0.5", 5))
    assert await totals(state, day=date(2026, 11, 5)) == (amount("0.5", 5), amount("1.5", 15))
    for day in (date(2026, 10, 30), date(2026, 11, 1), date(2026, 11, 2)):
        assert (await totals(state, day=day))[0] == NOTHING
    assert (await totals(state, day=date(2026, 10, 30)))[1] == NOTHING


async def test_a_credential_is_remembered_by_its_sequence(state: StateStore) -> None:
    """Whoever has seen the last change may make the next; anyone else changes nothing."""
    assert await state.save_credential("default", CredentialState(1, OPEN))
    other = replace(OPEN, failures=9)
    for sequence in (0, 1, 3):
        assert not await state.save_credential("default", CredentialState(sequence, other))
    keys = [KEY, EntryKey("support", "second", "m")]
    assert (await state.load(keys, day=DAY)).credentials == {"default": CredentialState(1, OPEN)}
    assert await state.save_credential("default", CredentialState(2))
    assert await state.save_credential("second", CredentialState(1, other))
    assert (await state.load(keys, day=DAY)).credentials == {
        "default": CredentialState(2),
        "second": CredentialState(1, other),
    }
    assert (await state.load(keys[1:], day=DAY)).credentials == {"second": CredentialState(1, other)}


async def test_when_a_credential_was_let_go_is_remembered(state: StateStore) -> None:
    """To the millisecond, with its breaker; a change that says nothing of it leaves it."""
    at = datetime(2026, 11, 22, 12, 0, 0, 123_456, tzinfo=UTC)
    kept = at.replace(microsecond=123_000)
    assert await state.save_credential("default", CredentialState(1, OPEN, resumed_at=at))
    assert (await state.load([KEY], day=DAY)).credentials == {"default": CredentialState(1, OPEN, resumed_at=kept)}
    assert await state.save_credential("default", CredentialState(2))
    assert (await state.load([KEY], day=DAY)).credentials == {"default": CredentialState(2, resumed_at=kept)}


async def test_a_pause_lasts_until_it_is_ended_or_replaced(state: StateStore) -> None:
    """It comes back as it was asked for, over or not, to the millisecond: the rules decide."""
    assert not await state.resume()
    first = Pause("deploying", since=at(-7200), until=at(-3600))
    second = Pause("too dear: 1 € a call", since=at(0), until=at(60))
    await state.pause(first)
    assert (await snapshot(state)).pause == first
    await state.pause(replace(second, until=at(60) + timedelta(microseconds=999)))
    assert (await snapshot(state)).pause == second
    assert await state.resume()
    assert (await snapshot(state)).pause is None
    assert not await state.resume()
    await state.pause(first)
    assert await state.resume()
