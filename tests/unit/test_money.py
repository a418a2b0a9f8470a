"""Amounts: what is known of money is added, and whole pico-USD never pass a cap by a rounding."""

from __future__ import annotations

from decimal import ROUND_UP, Context, Decimal, Inexact, Rounded, localcontext

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prompt_cache_warmer.values.money import NOTHING, Amount, pico_usd, usd_of


def test_amounts_add_and_subtract_part_by_part() -> None:
    """Money and tokens are apart, and a difference may be negative."""
    more, less = Amount(Decimal("0.30"), 100), Amount(Decimal("0.10"), 300)
    assert more + less == Amount(Decimal("0.40"), 400)
    assert more - less == Amount(Decimal("0.20"), -200)
    assert less - more == Amount(Decimal("-0.20"), 200)
    assert more + NOTHING == more


def test_an_unknown_price_is_no_zero_but_adds_nothing() -> None:
    """It stays unknown in the amount itself; sums are of the money that is known of, and of all tokens."""
    unknown = Amount(None, 7)
    assert unknown != Amount(Decimal(0), 7)
    assert (unknown.usd, unknown.known_usd) == (None, Decimal(0))
    assert Amount(Decimal("0.1")).known_usd == Decimal("0.1")
    assert unknown + Amount(Decimal("0.1"), 3) == Amount(Decimal("0.1"), 10)
    assert Amount(Decimal("0.1"), 3) - unknown == Amount(Decimal("0.1"), -4)


@pytest.mark.parametrize(
    ("usd", "pico"),
    [
        ("0", 0),
        ("0.000000000001", 1),
        ("0.0000000000001", 1),  # a tenth of one is reserved as one
        ("0.0000000000019", 2),
        ("2.50", 2_500_000_000_000),
        ("1000000", 10**18),
        ("-0.0000000000019", -1),  # up, not away from zero
    ],
)
def test_money_is_counted_in_whole_pico_usd_rounded_up(usd: str, pico: int) -> None:
    """Whatever is reserved is at least what it may cost."""
    assert pico_usd(Decimal(usd)) == pico


@pytest.mark.parametrize(
    "context", [Context(prec=6), Context(prec=6, rounding=ROUND_UP), Context(traps=[Inexact, Rounded])]
)
def test_money_is_exact_whatever_the_callers_arithmetic_is(context: Context) -> None:
    """A precision of six digits, or a trap for what is inexact, is for the caller's own numbers."""
    with localcontext(context):
        counted = pico_usd(Decimal("12.3456789012341"))
        back = usd_of(12_345_678_901_235)
        more = Amount(Decimal("12.3456789"), 1) + Amount(Decimal("0.0000001"), 1)
        less = Amount(Decimal("12.3456789"), 1) - Amount(Decimal("0.0000001"), 1)
    assert (counted, back) == (12_345_678_901_235, Decimal("12.345678901235"))
    assert (more, less) == (Amount(Decimal("12.3456790"), 2), Amount(Decimal("12.3456788")))


@given(st.integers(-(10**18), 10**18))
def test_whole_pico_usd_come_back_exactly(pico: int) -> None:
    """To USD and back nothing is lost, up to a million dollars."""
    assert pico_usd(usd_of(pico)) == pico


@given(st.decimals(0, 10**6, places=15))
def test_rounding_adds_less_than_one_pico_usd(usd: Decimal) -> None:
    """And takes nothing away."""
    assert 0 <= usd_of(pico_usd(usd)) - usd < Decimal("1e-12")
