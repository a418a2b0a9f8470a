"""Budgets: what caps leave, which one has no room for a call, and what a call may cost at worst."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prompt_cache_warmer.rules.budget import (
    Allowance,
    Spent,
    allowances,
    refusal,
    renewed_at,
    tightest_of_stack,
    worst_case,
)
from prompt_cache_warmer.rules.reasons import Reason
from prompt_cache_warmer.values.caps import NO_CAPS, Caps
from prompt_cache_warmer.values.money import Amount

AT = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
CALL = Amount(Decimal("0.20"), 20_000)
UNPRICED = Amount(None, 20_000)
SPENT = Spent(
    target_today=Amount(Decimal("0.80"), 80_000),
    stack_today=Amount(Decimal("4.80"), 480_000),
    stack_this_month=Amount(Decimal("99.80"), 9_980_000),
)


def usd(text: str | None) -> Decimal | None:
    """Read an amount, or none."""
    return None if text is None else Decimal(text)


def caps(**written: Any) -> Caps:
    """Return caps, money written as text."""
    money: dict[str, Any] = {name: Decimal(value) for name, value in written.items() if "usd" in name}
    return Caps(**{**written, **money})


def cap(reason: Reason = Reason.TARGET_DAY_CAP, *, left: str | None = None, tokens: int | None = None) -> Allowance:
    """Return what a cap has left."""
    return Allowance(reason, usd(left), tokens)


def test_every_cap_leaves_what_is_not_spent_of_it() -> None:
    """Per call the whole cap, per day and month the rest; the target's caps count what the target spent."""
    target = Caps(usd_per_day=Decimal(1), usd_per_call=Decimal("0.5"), tokens_per_day=100_000, tokens_per_call=50_000)
    stack = Caps(
        usd_per_day=Decimal(5),
        usd_per_month=Decimal(100),
        usd_per_call=Decimal("0.6"),
        tokens_per_day=500_000,
        tokens_per_month=10_000_000,
        tokens_per_call=60_000,
    )
    assert allowances(target, stack, SPENT) == (
        cap(Reason.CALL_CAP, left="0.5", tokens=50_000),
        cap(Reason.CALL_CAP, left="0.6", tokens=60_000),
        cap(Reason.TARGET_DAY_CAP, left="0.20", tokens=20_000),
        cap(Reason.STACK_DAY_CAP, left="0.20", tokens=20_000),
        cap(Reason.STACK_MONTH_CAP, left="0.20", tokens=20_000),
    )


def test_without_caps_there_is_nothing_to_ask() -> None:
    """Absent is no cap; a cap of tokens alone says nothing of money, and one of 0 is a cap."""
    assert allowances(NO_CAPS, NO_CAPS, SPENT) == ()
    assert allowances(Caps(tokens_per_day=100_000), NO_CAPS, SPENT) == (cap(tokens=20_000),)
    assert allowances(NO_CAPS, Caps(usd_per_month=Decimal(0)), Spent()) == (cap(Reason.STACK_MONTH_CAP, left="0"),)
    assert refusal((), CALL) is refusal((), None) is refusal((), UNPRICED) is None


@pytest.mark.parametrize(
    ("target", "stack", "reason"),
    [
        ({}, {}, None),
        ({"usd_per_call": "0.20"}, {}, None),
        ({"usd_per_call": "0.19"}, {}, Reason.CALL_CAP),
        ({}, {"usd_per_call": "0.19"}, Reason.CALL_CAP),
        ({"tokens_per_call": 20_000}, {}, None),
        ({"tokens_per_call": 19_999}, {}, Reason.CALL_CAP),
        ({"usd_per_day": "1"}, {}, None),
        ({"usd_per_day": "0.99"}, {}, Reason.TARGET_DAY_CAP),
        ({"tokens_per_day": 100_000}, {}, None),
        ({"tokens_per_day": 99_999}, {}, Reason.TARGET_DAY_CAP),
        ({}, {"usd_per_day": "5"}, None),
        ({}, {"usd_per_day": "4.99"}, Reason.STACK_DAY_CAP),
        ({}, {"tokens_per_day": 499_999}, Reason.STACK_DAY_CAP),
        ({}, {"usd_per_month": "100"}, None),
        ({}, {"usd_per_month": "99.99"}, Reason.STACK_MONTH_CAP),
        ({}, {"tokens_per_month": 9_999_999}, Reason.STACK_MONTH_CAP),
        # Lowered below what is spent already
        ({"usd_per_day": "0.5"}, {}, Reason.TARGET_DAY_CAP),
        # The nearest one is named
        ({"usd_per_call": "0", "usd_per_day": "0"}, {"usd_per_day": "0"}, Reason.CALL_CAP),
        ({"usd_per_day": "0"}, {"usd_per_day": "0", "usd_per_month": "0"}, Reason.TARGET_DAY_CAP),
        ({}, {"usd_per_day": "0", "usd_per_month": "0"}, Reason.STACK_DAY_CAP),
    ],
)
def test_a_call_of_twenty_cents_fits_or_is_refused_by_name(
    target: dict[str, Any], stack: dict[str, Any], reason: Reason | None
) -> None:
    """20 cents and 20,000 tokens on top of what is spent: up to the cap, not a cent or a token beyond."""
    assert refusal(allowances(caps(**target), caps(**stack), SPENT), CALL) is reason


@pytest.mark.parametrize(
    ("left", "tokens", "is_used_up"),
    [
        (None, None, False),
        ("0.000000000001", 1, False),
        ("0", None, True),
        ("-0.01", None, True),
        (None, 0, True),
        (None, -1, True),
        ("0", 1, True),
        ("1", 0, True),
    ],
)
def test_what_is_used_up_refuses_every_call(left: str | None, tokens: int | None, *, is_used_up: bool) -> None:
    """Of unknown size, at an unknown price, or free: 0 means nothing."""
    found = cap(Reason.STACK_DAY_CAP, left=left, tokens=tokens)
    assert found.is_used_up is is_used_up
    expected = Reason.STACK_DAY_CAP if is_used_up else None
    assert refusal((found,), None) is expected
    held = (found, cap(tokens=99_999))
    assert refusal(held, Amount(None, 1)) is expected
    assert refusal(held, Amount(Decimal(0), 1)) is expected


def test_a_call_whose_size_is_not_known_yet_is_refused_by_nothing_else() -> None:
    """It is asked again once its tokens are counted."""
    assert refusal((cap(left="0.01", tokens=1),), None) is None


@pytest.mark.parametrize(
    ("found", "reason"),
    [
        # A cap in USD alone cannot hold it
        ([cap(left="9")], Reason.UNPRICED),
        ([cap(Reason.CALL_CAP, left="9")], Reason.UNPRICED),
        ([cap(Reason.STACK_MONTH_CAP, left="9")], Reason.UNPRICED),
        # One in tokens beside it does
        ([cap(left="9", tokens=20_000)], None),
        ([cap(left="9", tokens=19_999)], Reason.TARGET_DAY_CAP),
        ([cap(left="9"), cap(Reason.STACK_DAY_CAP, tokens=20_000)], None),
        ([cap(Reason.STACK_MONTH_CAP, left="9"), cap(tokens=20_000)], None),
        ([cap(Reason.CALL_CAP, left="9", tokens=20_000)], None),
        ([cap(Reason.CALL_CAP, left="9"), cap(tokens=20_000)], None),
        # But one per call holds no more than one call
        ([cap(left="9"), cap(Reason.CALL_CAP, tokens=20_000)], Reason.UNPRICED),
        ([cap(Reason.CALL_CAP, left="9", tokens=20_000), cap(left="9")], Reason.UNPRICED),
        # Without a cap in USD there is nothing to hold in USD
        ([cap(tokens=20_000)], None),
        ([cap(Reason.CALL_CAP, tokens=20_000)], None),
    ],
)
def test_a_call_at_an_unknown_price_is_held_to_tokens(found: list[Allowance], reason: Reason | None) -> None:
    """It is refused with a reason of its own where no cap in tokens holds as much as the one in USD."""
    assert refusal(tuple(found), UNPRICED) is reason
    assert reason is not Reason.UNPRICED or refusal(tuple(found), CALL) is None


@given(
    st.lists(st.tuples(st.sampled_from(list(Reason)), st.integers(0, 40) | st.none(), st.integers(0, 40) | st.none())),
    st.integers(0, 40) | st.none(),
    st.integers(1, 40),
)
def test_what_is_not_refused_passes_no_cap(
    drawn: list[tuple[Reason, int | None, int | None]], cents: int | None, tokens: int
) -> None:
    """Whatever is left of whichever caps, after the call none is below 0, and an unknown price met no bare USD."""
    found = tuple(Allowance(reason, usd(None if c is None else str(c)), t) for reason, c, t in drawn)
    amount = Amount(usd(None if cents is None else str(cents)), tokens)
    if refusal(found, amount) is None:
        assert all(one.usd is None or one.usd - amount.known_usd >= 0 for one in found)
        assert all(one.tokens is None or one.tokens - tokens >= 0 for one in found)
        if cents is None and any(one.usd is not None for one in found):
            assert any(one.tokens is not None for one in found)


@pytest.mark.parametrize(
    ("day", "month", "worst", "reason"),
    [
        (("1", None), ("1", None), CALL, Reason.STACK_DAY_CAP),
        (("1", None), ("0.9", None), CALL, Reason.STACK_MONTH_CAP),
        ((None, 90_000), ("1", None), CALL, Reason.STACK_DAY_CAP),  # 4.5 calls before 5
        ((None, 110_000), ("1", None), CALL, Reason.STACK_MONTH_CAP),  # 5.5 calls after 5
        (("9", 90_000), ("1", None), CALL, Reason.STACK_DAY_CAP),
        (("0.1", None), (None, 90_000), UNPRICED, Reason.STACK_MONTH_CAP),  # money says nothing of an unknown price
        (("1", None), (None, 0), Amount(Decimal("0.20"), 0), Reason.STACK_DAY_CAP),
        ((None, 1), (None, 1), Amount(Decimal("0.20"), 0), Reason.STACK_DAY_CAP),
    ],
)
def test_the_stacks_tightest_cap_is_the_one_with_room_for_the_fewest_calls(
    day: tuple[str | None, int | None], month: tuple[str | None, int | None], worst: Amount, reason: Reason
) -> None:
    """Money and tokens are compared in calls of 0.20 USD and 20,000 tokens; what is the target's own is not asked."""
    found = (
        cap(Reason.CALL_CAP, left="0"),
        cap(Reason.TARGET_DAY_CAP, left="0"),
        cap(Reason.STACK_DAY_CAP, left=day[0], tokens=day[1]),
        cap(Reason.STACK_MONTH_CAP, left=month[0], tokens=month[1]),
    )
    assert tightest_of_stack(found, worst) is reason


@pytest.mark.parametrize(
    ("model", "ttl", "speed", "output", "worst"),
    [
        ("claude-sonnet-4-6", "5m", None, 0, "0.0375"),  # 10,000 x 3.75 millionths
        ("claude-sonnet-4-6", "1h", None, 0, "0.06"),  # x 6
        ("claude-sonnet-4-6", "5m", None, 1, "0.037515"),  # and one token x 15
        ("claude-opus-5-5", "1h", None, 0, "0.08"),  # x 8
        ("claude-opus-4-8", "1h", "fast", 0, "0.20"),  # x 20, twice the plain 10
    ],
)
def test_the_worst_case_is_a_full_write(model: str, ttl: Any, speed: str | None, output: int, worst: str) -> None:
    """All 10,000 tokens of input written at the dearest time to live, and all the output there may be."""
    found = worst_case(model, tokens=10_000, output_tokens=output, ttl=ttl, speed=speed, at=AT)
    assert found == Amount(Decimal(worst), 10_000 + output)


def test_the_worst_case_of_an_unknown_model_is_unknown_money_and_known_tokens() -> None:
    """None, never 0."""
    found = worst_case("claude-opus-9", tokens=10_000, output_tokens=1, ttl="5m", speed=None, at=AT)
    assert found == Amount(None, 10_001)


@pytest.mark.parametrize(
    ("reason", "now", "renewed"),
    [
        (Reason.TARGET_DAY_CAP, "2026-11-22T12:00", "2026-11-23"),
        (Reason.STACK_DAY_CAP, "2026-12-31T23:59", "2027-01-01"),
        (Reason.STACK_DAY_CAP, "2026-11-22T00:00", "2026-11-23"),
        (Reason.STACK_MONTH_CAP, "2026-11-22T12:00", "2026-12-01"),
        (Reason.STACK_MONTH_CAP, "2026-12-31T23:59", "2027-01-01"),
        (Reason.STACK_MONTH_CAP, "2027-01-31T00:00", "2027-02-01"),
        (Reason.STACK_MONTH_CAP, "2027-02-01T00:00", "2027-03-01"),
        (Reason.CALL_CAP, "2026-11-22T12:00", None),
        (Reason.UNPRICED, "2026-11-22T12:00", None),
        (Reason.BREAK_EVEN, "2026-11-22T12:00", None),
    ],
)
def test_a_cap_starts_anew_with_its_day_or_month(reason: Reason, now: str, renewed: str | None) -> None:
    """At midnight UTC; a cap per call and everything else never does."""
    at = datetime.fromisoformat(now).replace(tzinfo=UTC)
    expected = None if renewed is None else datetime.fromisoformat(renewed).replace(tzinfo=UTC)
    assert renewed_at(reason, at) == expected
    assert renewed_at(reason, at.astimezone(timezone(timedelta(hours=-8)))) == expected
