"""CostCap: what a call may cost by kind of token, at the tier of the whole call, and what is not made."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from decimal import ROUND_UP, Context, Decimal, Inexact, Rounded, localcontext
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prompt_cache_warmer.errors import (
    ArgumentError,
    ArgumentTypeError,
    ArgumentValueError,
    CostCapError,
    OverBudgetError,
    UnpricedError,
)
from prompt_cache_warmer.library.budgets.cost_cap import CostCap, CostEstimate
from prompt_cache_warmer.values.model_prices import ModelPrices
from prompt_cache_warmer.values.pricing import cost_usd
from prompt_cache_warmer.values.usage import Usage
from tests.fakes import FakeClock

AT = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
SONNET = "claude-sonnet-4-6"
TIERED = "claude-haiku-5-5"
OWN = ModelPrices(
    input_usd_per_mtok=Decimal(2),
    output_usd_per_mtok=Decimal(8),
    cache_read_usd_per_mtok=Decimal("0.5"),
    cache_write_5m_usd_per_mtok=Decimal("2.5"),
    cache_write_1h_usd_per_mtok=Decimal(4),
)


class Calls:
    """A call to be gated; keeps what it was called with."""

    def __init__(self) -> None:
        self.seen: list[tuple[tuple[object, ...], dict[str, object]]] = []

    def __call__(self, *args: object, **kwargs: object) -> str:
        """Answer."""
        self.seen.append((args, kwargs))
        return "answer"


def cap(usd: Decimal | int | str = "100", **arguments: Any) -> CostCap:
    """Return a cap that is far away, with a clock that stands at noon."""
    return CostCap(usd_per_call=usd, **arguments)


def test_each_kind_of_token_has_its_own_cost() -> None:
    """llm-cost-cap: "`estimate` (input, output, cached input, **cache write**)", the write for an hour apart."""
    found = cap().estimate(
        SONNET,
        input_tokens=100,
        output_tokens=10,
        cache_read_tokens=10_000,
        cache_write_tokens=1_000,
        cache_write_1h_tokens=2_000,
        at=AT,
    )
    # Sonnet 4.6: 3, 15, 0.30, 3.75 and 6 USD a million
    assert found == CostEstimate(
        model=SONNET,
        input_usd=Decimal("0.0003"),
        output_usd=Decimal("0.00015"),
        cache_read_usd=Decimal("0.003"),
        cache_write_usd=Decimal("0.00375"),
        cache_write_1h_usd=Decimal("0.012"),
    )
    assert found.total_usd == Decimal("0.0192")


@pytest.mark.parametrize(
    ("tokens", "costs", "total"),
    [
        # Haiku 5.5 up to 100,000 tokens of input: 0.1, 0.5 out, 0.01 read, 0.125 and 0.2 written, a million.
        ({"cache_read_tokens": 99_000, "input_tokens": 1_000}, ("0.0001", "0", "0.00099", "0", "0"), "0.00109"),
        # One token more, and every token of the call costs five times that, the output as well.
        ({"cache_read_tokens": 99_000, "input_tokens": 1_001}, ("0.0005005", "0", "0.00495", "0", "0"), "0.0054505"),
        (
            {
                "cache_read_tokens": 70_000,
                "cache_write_tokens": 30_000,
                "cache_write_1h_tokens": 100,
                "output_tokens": 1_000,
            },
            ("0", "0.0025", "0.0035", "0.01875", "0.0001"),
            "0.02485",
        ),
        ({"output_tokens": 1_000_000}, ("0", "0.5", "0", "0", "0"), "0.5"),
    ],
)
def test_the_parts_are_at_the_tier_of_the_whole_call(
    tokens: dict[str, int], costs: tuple[str, ...], total: str
) -> None:
    """llm-cost-cap: "the breakdown adds up", also where small parts of a large call cost what large ones do."""
    found = cap().estimate(TIERED, **tokens, at=AT)
    parts = (
        found.input_usd,
        found.output_usd,
        found.cache_read_usd,
        found.cache_write_usd,
        found.cache_write_1h_usd,
    )
    assert parts == tuple(Decimal(cost) for cost in costs)
    assert found.total_usd == Decimal(total)


@given(
    model=st.sampled_from([SONNET, TIERED, "claude-opus-5", "claude-fable-5-1", "claude-2", "own"]),
    counts=st.tuples(*[st.integers(0, 10_000_000)] * 5),
)
def test_the_breakdown_is_the_engines_price(model: str, counts: tuple[int, int, int, int, int]) -> None:
    """llm-cost-cap: "the breakdown adds up" to what the engine says of the whole call, to the last digit."""
    plain, output, read, write, write_1h = counts
    chosen = cap(prices={"own": OWN}) if model == "own" else cap()
    found = chosen.estimate(
        model,
        input_tokens=plain,
        output_tokens=output,
        cache_read_tokens=read,
        cache_write_tokens=write,
        cache_write_1h_tokens=write_1h,
        at=AT,
    )
    usage = Usage(plain, read, write, write_1h, output)
    assert found.total_usd == (OWN.cost_usd(usage) if model == "own" else cost_usd(model, usage, at=AT))


def test_a_call_of_nothing_costs_nothing() -> None:
    """Every part is 0, and a cap of 0 lets it through."""
    assert cap("0").check(SONNET).total_usd == 0


def test_a_call_over_the_cap_is_refused() -> None:
    """llm-cost-cap: "`check` raising with estimate, cap and model", and none of them only in the text."""
    with pytest.raises(CostCapError) as refused:
        cap("0.0299").check(SONNET, input_tokens=10_000, at=AT)
    assert refused.value.estimate_usd == Decimal("0.03")
    assert refused.value.cap_usd == Decimal("0.0299")
    assert refused.value.model == SONNET
    assert isinstance(refused.value, OverBudgetError)


def test_a_call_at_the_cap_is_allowed() -> None:
    """The cap is the most a call may cost, so what costs just that passes, and the estimate comes back."""
    found = cap("0.03").check(SONNET, input_tokens=10_000, at=AT)
    assert (found.total_usd, found.input_usd) == (Decimal("0.03"), Decimal("0.03"))
    assert cap("0.03").usd_per_call == Decimal("0.03")


def test_an_estimate_is_not_capped() -> None:
    """Whoever chooses between models wants to know what the dear one costs."""
    assert cap("0.01").estimate(SONNET, input_tokens=1_000_000, at=AT).total_usd == 3


def test_a_call_is_made_when_it_is_within_the_cap() -> None:
    """llm-cost-cap: "`run` gating a call": it gets its own arguments and not the cap's."""
    calls = Calls()
    answer = cap("0.0192").run(
        calls,
        "prompt",
        1,
        model=SONNET,
        input_tokens=100,
        output_tokens=10,
        cache_read_tokens=10_000,
        cache_write_tokens=1_000,
        cache_write_1h_tokens=2_000,
        at=AT,
        max_tokens=10,
    )
    assert answer == "answer"
    assert calls.seen == [(("prompt", 1), {"max_tokens": 10})]


@pytest.mark.parametrize(
    "kind", ["input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens", "cache_write_1h_tokens"]
)
def test_nothing_is_called_when_it_is_over_the_cap(kind: str) -> None:
    """llm-cost-cap: "`run` gating a call" by every kind of token: a refused one is not begun."""
    calls = Calls()
    tokens: dict[str, Any] = {kind: 10_000_000}
    with pytest.raises(CostCapError):
        cap("2").run(calls, model=SONNET, at=AT, **tokens)
    assert calls.seen == []


def test_a_model_that_the_call_takes_is_handed_over_with_it() -> None:
    """A partial keeps the call's own ``model``, which the cap does not hand on."""
    calls = Calls()
    cap().run(partial(calls, model="claude-x"), model=SONNET)
    assert calls.seen == [((), {"model": "claude-x"})]


def test_what_a_call_raises_passes_through() -> None:
    """An error of the call's own is not the cap's business."""

    def fail() -> None:
        raise KeyError("its own")

    with pytest.raises(KeyError, match="its own"):
        cap().run(fail, model=SONNET)


def test_a_coroutine_function_is_gated_before_it_begins() -> None:
    """What is within the cap is to be awaited; what is over it raises at once, and no coroutine is left unawaited."""
    begun: list[str] = []

    async def ask(prompt: str) -> str:
        await asyncio.sleep(0)
        begun.append(prompt)
        return prompt.upper()

    async def both() -> str:
        with pytest.raises(CostCapError):
            _ = cap("0.01").run(ask, "dear", model=SONNET, output_tokens=1_000, at=AT)
        return await cap("0.02").run(ask, "cheap", model=SONNET, output_tokens=1_000, at=AT)

    assert asyncio.run(both()) == "CHEAP"
    assert begun == ["cheap"]


def test_prices_of_ones_own_stand_in_place_of_the_known_ones() -> None:
    """llm-cost-cap: "own prices and models": a model nobody else knows, and a known one at the contract's price."""
    own = {"in-house": OWN, SONNET: OWN}
    ours = cap("0.01", prices=own)
    own.clear()  # the cap has its own copy
    found = ours.estimate("in-house", input_tokens=1_000, output_tokens=100, cache_read_tokens=2_000)
    # 1,000 x 2 + 100 x 8 + 2,000 x 0.5 millionths
    assert (found.input_usd, found.output_usd, found.cache_read_usd) == (
        Decimal("0.002"),
        Decimal("0.0008"),
        Decimal("0.001"),
    )
    # 1,000 x 2.5 and 1,000 x 4
    written = ours.estimate(SONNET, cache_write_tokens=1_000, cache_write_1h_tokens=1_000)
    assert (written.cache_write_usd, written.cache_write_1h_usd) == (Decimal("0.0025"), Decimal("0.004"))
    assert ours.models == (SONNET, "in-house")
    with pytest.raises(CostCapError):
        ours.check("in-house", input_tokens=5_001)


def test_no_prices_of_ones_own_are_no_prices() -> None:
    """An empty list of prices is a list, so no model has a price then."""
    assert cap(prices={}).models == ()
    with pytest.raises(UnpricedError):
        cap(prices={}).check(SONNET)


@pytest.mark.parametrize("method", ["estimate", "check", "run"])
def test_an_unknown_model_is_refused(method: str) -> None:
    """llm-cost-cap: "unknown model is an error" that names the nearest one; its cost is never taken for 0."""
    calls = Calls()
    arguments = (calls,) if method == "run" else ()
    with pytest.raises(UnpricedError, match=r"'claude-haiku-5-6'; .* did you mean 'claude-haiku-5-5'\?$"):
        getattr(cap(), method)(*arguments, model="claude-haiku-5-6", output_tokens=1)
    assert calls.seen == []


def test_an_unknown_model_without_a_neighbour_is_refused_too() -> None:
    """Nothing is suggested where nothing is near; a model without tokens is refused as well."""
    with pytest.raises(UnpricedError, match=r"^no price is known for model 'zzz'; give it in prices$"):
        cap().estimate("zzz")


def test_known_models_are_listed() -> None:
    """llm-cost-cap: "known models listed", sorted, each with a price, the tiered ones and the old ones too."""
    models = cap().models
    assert list(models) == sorted(models)
    assert {SONNET, TIERED, "claude-opus-5", "claude-2"} <= set(models)
    assert all(cap().estimate(model, output_tokens=1_000_000).total_usd > 0 for model in models)


@pytest.mark.parametrize(
    ("model", "usd"),
    [
        ("claude-haiku-4-5-20251001", 1),
        ("claude-sonnet-4-6-20260101", 3),
        ("claude-sonnet-4-20250514", 3),
        ("claude-sonnet-4@20250514", 3),
        ("claude-opus-4-1-20250805", 15),
        ("claude-3-7-sonnet-latest", 3),
        ("claude-3-7-sonnet-20250219", 3),
    ],
)
def test_dated_ids_of_known_models_are_known(model: str, usd: int) -> None:
    """The list has the shortest ids; what the API answers with has a price all the same."""
    assert cap().estimate(model, input_tokens=1_000_000, at=AT).total_usd == usd


@pytest.mark.parametrize(
    "model",
    [
        "claude-sonnet-4-6-ultra",
        "claude-sonnet-4-61",
        "claude-sonnet-4-6-2026010",
        "claude-sonnet-4-6-202601011",
        "claude-sonnet-4-6-ultra-20260101",
        "claude-sonnet-4-6-latest-ultra",
        "claude-sonnet-4-6-20260101 and more",
    ],
)
def test_a_model_that_only_begins_like_a_known_one_is_unknown(model: str) -> None:
    """llm-cost-cap: "unknown model is an error": a dearer one of the same name would pass the cap; own prices help."""
    with pytest.raises(UnpricedError, match=r"^no price is known for model "):
        cap().check(model, output_tokens=1)
    assert cap(prices={model: OWN}).check(model, output_tokens=1_000_000).total_usd == 8


@pytest.mark.parametrize(
    "context", [Context(prec=6), Context(prec=6, rounding=ROUND_UP), Context(traps=[Inexact, Rounded])]
)
def test_money_is_exact_whatever_the_callers_arithmetic_is(context: Context) -> None:
    """A precision of six digits, or a trap for what is inexact, is for the caller's own numbers."""
    with localcontext(context):
        ours = cap("118.518516", prices={"own": OWN}).estimate("own", input_tokens=1_234_567, output_tokens=7_654_321)
        ours_usd = ours.total_usd
        known = cap("118.518516").check(SONNET, input_tokens=1_234_567, output_tokens=7_654_321, at=AT)
        known_usd = known.total_usd
        with pytest.raises(CostCapError) as refused:
            cap("118.518515").check(SONNET, input_tokens=1_234_567, output_tokens=7_654_321, at=AT)
    # 1,234,567 x 3 and 7,654,321 x 15 millionths of a dollar; with prices of one's own x 2 and x 8
    assert (known.input_usd, known.output_usd) == (Decimal("3.703701"), Decimal("114.814815"))
    assert (known_usd, refused.value.estimate_usd) == (Decimal("118.518516"), Decimal("118.518516"))
    assert (ours.input_usd, ours.output_usd, ours_usd) == (
        Decimal("2.469134"),
        Decimal("61.234568"),
        Decimal("63.703702"),
    )


@pytest.mark.parametrize(
    "kind", ["input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens", "cache_write_1h_tokens"]
)
def test_negative_tokens_are_refused(kind: str) -> None:
    """llm-cost-cap: "negatives refused" for each kind of token, with the kind, the value and what is allowed."""
    tokens: dict[str, Any] = {kind: -1}
    with pytest.raises(ArgumentValueError, match=rf"^{kind}: -1 is not allowed; allowed: 0 to ") as refused:
        cap().check(SONNET, **tokens)
    assert refused.value.argument == kind


@pytest.mark.parametrize(
    "usd", ["-0.01", Decimal(-1), -1, "nan", "inf", "-inf", "1e13", "a dollar", "", Decimal("nan")]
)
def test_a_cap_that_is_no_amount_is_refused(usd: Decimal | int | str) -> None:
    """llm-cost-cap: "negatives refused" for the cap too, and what is no number or beyond any bill."""
    with pytest.raises(ArgumentValueError, match=r"^usd_per_call: ") as refused:
        cap(usd)
    assert isinstance(refused.value, ValueError)


@pytest.mark.parametrize("usd", [0.5, None, True, b"1", [1]])
def test_a_cap_of_another_type_is_refused(usd: Any) -> None:
    """A float is not the amount that was written; the message says what to write."""
    with pytest.raises(
        ArgumentTypeError, match=r"^usd_per_call: .* is not a Decimal, a whole number or a number as text"
    ):
        cap(usd)


def test_the_message_about_a_float_says_what_to_write() -> None:
    """The same digits as text or as a Decimal."""
    with pytest.raises(ArgumentTypeError, match=r'^usd_per_call: 0\.5 is .*; write Decimal\("0\.5"\) or "0\.5"$'):
        cap(0.5)  # type: ignore[arg-type] # the wrong type is the case


@pytest.mark.parametrize("value", [1.0, "1", None, True, Decimal(1)])
def test_tokens_of_another_type_are_refused(value: Any) -> None:
    """A count is a whole number, and True is none."""
    with pytest.raises(ArgumentTypeError, match=r"^input_tokens: .* is not a whole number of tokens$"):
        cap().estimate(SONNET, input_tokens=value)


def test_text_is_never_quoted_in_an_error() -> None:
    """Whoever hands over a prompt in the place of a number does not find it in a log."""
    for arguments in ({"input_tokens": "secret prompt"}, {"at": "secret prompt"}):
        with pytest.raises(ArgumentError) as refused:
            cap().estimate(SONNET, **arguments)  # type: ignore[arg-type] # the wrong type is the case
        assert "secret" not in str(refused.value)
    with pytest.raises(ArgumentTypeError) as refused:
        cap().estimate(["secret prompt"])  # type: ignore[arg-type] # the wrong type is the case
    assert str(refused.value) == "model: a value of type list is not a model's id"
    with pytest.raises(UnpricedError) as unpriced:
        cap().estimate("secret prompt of a hundred words")
    assert "secret" not in str(unpriced.value)


def test_a_count_beyond_any_call_is_refused() -> None:
    """A thousand million million tokens are the most there can be."""
    most = 10**15
    assert cap("1000000000000").estimate(SONNET, input_tokens=most, at=AT).total_usd == 3_000_000_000
    with pytest.raises(ArgumentValueError, match="allowed: 0 to 1,000,000,000,000,000 tokens"):
        cap().estimate(SONNET, input_tokens=most + 1)


def test_what_cannot_be_called_is_refused() -> None:
    """The result of a call in the place of the call is the usual mistake."""
    with pytest.raises(ArgumentTypeError, match=r"^call: a value of type str cannot be called$"):
        cap().run("answer", model=SONNET)  # type: ignore[arg-type] # the wrong type is the case


def test_prices_are_those_of_the_time() -> None:
    """Sonnet 4.6 lost its tier on 13 March 2026: 300,000 tokens cost 1.80 USD before and 0.90 after."""
    before = cap().estimate(SONNET, input_tokens=300_000, at=datetime(2026, 3, 12, tzinfo=UTC))
    after = cap().estimate(SONNET, input_tokens=300_000, at=datetime(2026, 3, 14, tzinfo=UTC))
    assert (before.total_usd, after.total_usd) == (Decimal("1.8"), Decimal("0.9"))


def test_a_call_is_gated_by_the_prices_of_its_time() -> None:
    """What passes a cap of 1 USD today did not in March."""
    calls = Calls()
    assert cap(1).run(calls, model=SONNET, input_tokens=300_000, at=AT) == "answer"
    with pytest.raises(CostCapError):
        cap(1).run(calls, model=SONNET, input_tokens=300_000, at=datetime(2026, 3, 12, tzinfo=UTC))
    assert len(calls.seen) == 1


def test_the_time_is_the_clocks_when_none_is_given() -> None:
    """A clock that stands in February 2026 has February's prices; the machine's own has today's."""

    class February(FakeClock):
        def now(self) -> datetime:
            return datetime(2026, 2, 1, tzinfo=UTC)

    assert cap(clock=February()).check(SONNET, input_tokens=300_000).total_usd == Decimal("1.8")
    assert cap().check(SONNET, input_tokens=100_000).total_usd == Decimal("0.3")


def test_a_time_without_a_zone_is_refused() -> None:
    """Nobody knows which moment it is."""
    with pytest.raises(ArgumentValueError, match=r"^at: 2026-11-22T12:00:00 has no time zone"):
        cap().estimate(SONNET, at=AT.replace(tzinfo=None))
