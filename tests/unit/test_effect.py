"""The figures of a report, by hand: what was seen, what it saved, what it cost, and what is not known."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from prompt_cache_warmer.rules.effect import Effect, Moment, effect, merged
from prompt_cache_warmer.rules.effect_figures import Savings, Seen, rates
from prompt_cache_warmer.rules.effect_sources import Series
from prompt_cache_warmer.rules.effect_window import Window, window
from prompt_cache_warmer.values.usage import Usage
from tests.fakes import EPOCH, MODEL
from tests.report_cases import HAIKU, HOUR, START, TRAFFIC, WARM, WEEK, one_entry, series

WINDOW = window(START, now=EPOCH)

# claude-sonnet-4-6 in USD per million tokens: base 3, read 0.30, written 3.75 for 5 minutes and 6 for 1 hour.
# Against uncached: 4.5 x 2.70 - 0.2 x 0.75 - 0.15 x 3. Against no warming: 0.4 x 3.45 + 0.2 x 5.70.
VS_UNCACHED = Decimal("11.55")
VS_NO_WARMING = Decimal("2.52")
SPENT = Decimal("0.4875")
NET = Decimal("2.0325")


BOUNDS = "and of all targets together spent is a lower bound and net an upper bound"


def found(*given: list[Series], over: Window = WINDOW) -> Effect:
    """Compute the effect of series."""
    return effect("svc", over, [one for part in given for one in part])


def test_the_figures_of_one_entry() -> None:
    """Every figure of the issue, computed by hand from the raw counts and the model's prices."""
    whole = found(one_entry())
    (target,) = whole.targets
    (model,) = target.models
    usage = Usage(uncached_tokens=50_000, read_tokens=4_500_000, write_5m_tokens=200_000, write_1h_tokens=150_000)
    assert whole.seen == target.seen == model.seen
    assert model.seen == Seen(100, 90, 7, 3, usage, warmed_5m_tokens=400_000, warmed_1h_tokens=200_000)
    assert model.seen.hit_ratio == 0.9
    assert model.savings == target.savings == whole.savings == Savings(VS_UNCACHED, VS_NO_WARMING, SPENT)
    assert whole.savings.net_usd == NET
    assert (target.target, model.model, model.is_priced) == ("support", MODEL, True)
    assert (*whole.notices, *whole.unpriced) == ()
    assert whole.unascribed_usd == 0


def test_the_report_as_json() -> None:
    """Money as text without an exponent, a ratio as a number, definitions beside the figures."""
    written = found(one_entry()).as_json()
    figures = {
        "requests": 100,
        "hits": 90,
        "cold_starts": 7,
        "drifts": 3,
        "hit_ratio": 0.9,
        "read_tokens": 4_500_000,
        "write_5m_tokens": 200_000,
        "write_1h_tokens": 150_000,
        "uncached_tokens": 50_000,
    }
    money = {
        "saved_vs_uncached_usd": "11.55",
        "saved_vs_no_warming_usd": "2.52",
        "spent_usd": "0.487500000000",
        "net_usd": "2.032500000000",
    }
    amounts = {name: Decimal(amount) for name, amount in money.items()}
    total = written["total"]
    assert {name: Decimal(total[name]) if name in amounts else total[name] for name in total} == figures | amounts
    assert not any("E" in total[name] for name in amounts)
    assert set(figures) | set(money) == set(written["definitions"]) - {"why", "prices"}
    assert written["targets"][0]["target"] == "support"
    assert written["targets"][0]["models"][0]["model"] == MODEL
    assert written["targets"][0]["models"][0]["is_priced"] is True
    assert written["window"] == {"start": "2026-11-15T12:00:00+00:00", "end": "2026-11-22T12:00:00+00:00"} | {
        "bucket_seconds": 3_600
    }
    assert len(written["series"]) == 168
    assert written["series"][0]["start"] == "2026-11-15T12:00:00+00:00"
    assert Decimal(written["series"][0]["saved_vs_no_warming_usd"]) == VS_NO_WARMING
    assert written["series"][1]["hit_ratio"] is None
    assert written["service"] == "svc"


def test_only_late_hits_prove_that_warming_saved_anything() -> None:
    """However many tokens were read: without hits that only a warm call can have kept, nothing is saved by it."""
    sums = {**TRAFFIC, "Warmed5mTokens": 0.0, "Warmed1hTokens": 0.0}
    whole = found(series(sums), series(sums, target="support", model=MODEL), series(WARM))
    assert whole.savings == Savings(VS_UNCACHED, Decimal(0), SPENT)
    assert whole.savings.net_usd == -SPENT


def test_caching_may_cost_more_than_it_saves() -> None:
    """Writes that nobody reads: the difference to the base price is lost."""
    sums = {"TrafficRequests": 1.0, "TrafficWrite1hTokens": 1_000_000.0}
    assert found(series(sums), series(sums, target="a", model=MODEL)).savings.vs_uncached_usd == -3


def test_a_price_by_size_is_that_of_the_mean_request() -> None:
    """Haiku 5.5 costs 0.1 USD per million up to 100,000 tokens and 0.5 above: sums of small requests stay small."""
    sums = {"TrafficRequests": 100.0, "TrafficReadTokens": 5_000_000.0}
    small = found(series(sums, target="a", model="claude-haiku-5-5")).savings.vs_uncached_usd
    large = found(series({**sums, "TrafficRequests": 10.0}, target="a", model="claude-haiku-5-5"))
    assert small == Decimal("0.45")
    assert large.savings.vs_uncached_usd == Decimal("2.25")


def test_a_model_without_a_price_has_unknown_money_and_is_counted() -> None:
    """Never 0: neither what it saved nor what it cost; the sums are those of the others."""
    unknown = [*series(TRAFFIC, target="other", model="m-1"), *series({**WARM, "WarmCostUSD": 0.0}, target="other")]
    whole = found(one_entry(), unknown, series({"EntriesUnpriced": 4.0}))
    other, support = whole.targets
    assert other.savings == Savings(None, None, None, has_unpriced=True)
    assert other.models[0].savings == Savings(None, None, None)
    assert (other.savings.net_usd, other.models[0].is_priced, other.is_priced) == (None, False, False)
    assert support.savings.net_usd == NET
    assert whole.savings == Savings(VS_UNCACHED, VS_NO_WARMING, SPENT, has_unpriced=True)
    assert (whole.unpriced, whole.calls_unpriced) == (("m-1",), 4)
    assert whole.notices == (
        "1 model has no known price, so what it saved is in no sum: m-1",
        f"4 warm calls were billed at an unknown price and are in no sum: the net of 1 target is unknown, {BOUNDS}",
    )


BILLED = {"CacheReadTokens": 1_000.0, "WarmCostUSD": 0.0}
SAVED = {"TrafficRequests": 1.0, "TrafficReadTokens": 5_000.0, "Warmed5mTokens": 1_000_000.0}
PAID = {"CacheReadTokens": 1_000.0, "WarmCostUSD": 0.25}


@pytest.mark.parametrize(
    ("rows", "spent"),
    [
        ([*series(BILLED, target="t", model="m-1"), *series(PAID, target="t", model=MODEL)], Decimal("0.25")),
        (series(BILLED, target="t"), None),
        ([*series(BILLED, target="t"), *series(PAID, target="t", at=START + HOUR)], Decimal("0.25")),
        (
            [*series(PAID, target="t", model=MODEL), *series(BILLED, target="t", model=MODEL, at=START + HOUR)],
            Decimal("0.25"),
        ),
    ],
    ids=["one model", "the target", "a while of the target", "a while of a model"],
)
def test_a_target_of_which_a_part_is_unpriced_has_no_net(rows: list[Series], spent: Decimal | None) -> None:
    """Tokens that cost nothing in any bucket; the totals count it, and what they say are bounds."""
    saved = [*series(SAVED, target="t", model=MODEL), *series(SAVED)]
    whole = found(saved, rows, series(PAID), one_entry())
    support, target = whole.targets
    assert target.savings == Savings(Decimal("0.0135"), Decimal("3.45"), spent, has_unpriced=True)
    assert (target.savings.net_usd, target.as_json()["net_usd"]) == (None, None)
    assert support.savings.net_usd == NET
    written = whole.as_json()
    assert (written["spent_is_lower_bound"], written["net_is_upper_bound"], written["targets_with_unknown_net"]) == (
        True,
        True,
        1,
    )
    assert Decimal(written["total"]["net_usd"]) == Decimal("5.97") - Decimal("0.7375")
    said = "warm calls were billed at an unknown price and are in no sum: the net of 1 target is unknown, and of all "
    assert any(notice.startswith(said) for notice in whole.notices)


def test_calls_of_an_unknown_price_may_hide_in_what_a_target_spent_on_all_its_models() -> None:
    """METRIC_DETAIL=target: both models are in one sum, so where runs had such calls the sum is not trusted."""
    mixed = [
        *series(PAID, target="t"),
        *series(SAVED, target="t", model="m-1"),
        *series(SAVED, target="t", model=MODEL),
    ]
    sure = [*series(PAID, target="sure"), *series(SAVED, target="sure", model=MODEL)]
    by_model = [*series(PAID, target="u", model=MODEL), *series(SAVED, target="u", model="m-1")]
    unpriced = series({"EntriesUnpriced": 2.0})
    nets = [one.savings.net_usd for one in found(mixed, sure, by_model, unpriced).targets]
    assert nets == [Decimal("3.2"), None, Decimal("-0.25")]
    trusted = [one.savings.net_usd for one in found(mixed, sure, by_model).targets]
    assert trusted == [Decimal("3.2"), Decimal("3.2"), Decimal("-0.25")]


def test_two_targets_without_a_net_are_counted() -> None:
    """Neither is named as if the other were known."""
    whole = found(series(BILLED, target="a"), series(BILLED, target="b"), series(PAID), series(SAVED))
    assert whole.targets_unpriced == 2
    assert "the nets of 2 targets are unknown" in whole.notices[0]


@pytest.mark.parametrize(
    "unknown", [series({"EntriesUnpriced": 3.0}), series(BILLED, at=START + HOUR)], ids=["counted", "a selection's"]
)
def test_where_nobody_knows_whose_calls_were_unpriced_the_whole_is_a_bound(unknown: list[Series]) -> None:
    """METRIC_DETAIL=run, or a target whose part is hidden: its spending is a lower bound, its net an upper one."""
    whole = found(one_entry(), unknown)
    assert whole.targets[0].savings.net_usd == NET
    assert (whole.savings.net_usd, whole.savings.most_net_usd) == (None, NET)
    assert whole.notices[0].endswith(f"of which targets is not known, {BOUNDS}")
    assert whole.as_json()["net_is_upper_bound"] is True
    assert found(one_entry()).as_json()["net_is_upper_bound"] is False


def test_what_a_model_without_a_known_price_cost_is_known_where_it_was_published() -> None:
    """Its target has prices of its own, which CloudWatch has not: what it saved stays unknown."""
    whole = found(series(PAID, target="t", model="m-1"), series(SAVED, target="t", model="m-1"), series(PAID))
    assert whole.targets[0].savings == whole.targets[0].models[0].savings == Savings(None, None, Decimal("0.25"))


# claude-sonnet-4-6 in USD per million tokens, of requests above 200,000 tokens: until 2026-03-13 twice the price to
# read and to write (0.60 and 7.50), as of then no other price (0.30 and 3.75).
LARGE = {"TrafficRequests": 1.0, "TrafficReadTokens": 300_000.0, "Warmed5mTokens": 300_000.0}
CHANGED = datetime(2026, 3, 13, tzinfo=UTC)


def test_a_price_that_changed_counts_from_its_day_on() -> None:
    """Each bucket has its own time's, whatever holds at the window's end."""
    over = window(CHANGED - 10 * HOUR, now=CHANGED + 10 * HOUR)
    parts = [series(LARGE, at=at, target="t", model=MODEL) for at in (CHANGED - HOUR, CHANGED, CHANGED + HOUR)]
    whole = found(*parts, over=over)
    before, after = Decimal("2.07"), Decimal("1.035")
    assert whole.savings.vs_no_warming_usd == before + after + after
    assert whole.savings.vs_uncached_usd == Decimal("1.62") + 2 * Decimal("0.81")
    saved = {moment.start: moment.vs_no_warming_usd for moment in whole.moments if moment.vs_no_warming_usd}
    assert saved == {CHANGED - HOUR: before, CHANGED: after, CHANGED + HOUR: after}


def test_a_price_is_never_that_of_a_time_to_come() -> None:
    """The last bucket of a window may end in the future; it began in the past."""
    over = window(CHANGED - 5 * WEEK, now=CHANGED - HOUR)
    assert over.end >= CHANGED
    last = [*over.starts()][-1]
    assert last < CHANGED - HOUR
    assert found(series(LARGE, at=last, target="t", model=MODEL), over=over).savings.vs_no_warming_usd == Decimal(
        "2.07"
    )


@pytest.mark.parametrize(
    ("tokens", "price"), [(1, "0.45"), (99_999, "0.45"), (100_000, "0.45"), (100_001, "2.25"), (100_999, "2.25")]
)
def test_a_dearer_tier_begins_with_the_first_token_above_it(tokens: int, price: str) -> None:
    """Haiku 5.5 again: what a million tokens save that are read by requests of this size, on either side of it."""
    priced = rates("claude-haiku-5-5", tokens, at=EPOCH)
    assert priced is not None
    assert priced.vs_uncached_usd(Usage(read_tokens=5_000_000)) == Decimal(price)


def test_a_price_by_size_is_that_of_each_buckets_mean_request() -> None:
    """Haiku 5.5: an hour of large requests is dear, and an hour of small ones beside it stays cheap."""
    small = {"TrafficRequests": 90.0, "TrafficReadTokens": 180_000.0}
    large = {"TrafficRequests": 10.0, "TrafficReadTokens": 1_500_000.0, "Warmed5mTokens": 1_500_000.0}
    model = "claude-haiku-5-5"
    whole = found(series(small, target="t", model=model), series(large, at=START + HOUR, target="t", model=model))
    # Per million tokens: base 0.10, read 0.01, written 0.125 up to 100,000 tokens, five times as much above.
    assert whole.savings.vs_no_warming_usd == Decimal("1.5") * (Decimal("0.625") - Decimal("0.05"))
    assert whole.savings.vs_uncached_usd == Decimal("0.18") * Decimal("0.09") + Decimal("1.5") * Decimal("0.45")
    assert "by the mean size of a model's requests in it" in whole.as_json()["definitions"]["prices"]


def test_where_no_price_is_known_at_all_no_sum_is() -> None:
    """A total of nothing known is unknown."""
    whole = found(series(TRAFFIC), series(TRAFFIC, target="a", model="m-1"), series(TRAFFIC, target="b", model="m-2"))
    assert whole.savings == Savings(None, None, None)
    assert whole.notices[0] == "2 models have no known price, so what they saved is in no sum: m-1, m-2"


@pytest.mark.parametrize("detail", ["entry", "target", "both"])
def test_what_was_spent_is_published_for_a_target_or_for_its_models(detail: str) -> None:
    """By METRIC_DETAIL; where it was changed in between, the two add up."""
    sums = {**WARM, "WarmCostUSD": 0.25} if detail == "both" else WARM
    by_model = series(sums, target="support", model=MODEL) if detail != "target" else []
    by_target = series(sums, target="support") if detail != "entry" else []
    whole = found(series(TRAFFIC, target="support", model=MODEL), by_model, by_target)
    (target,) = whole.targets
    assert target.savings.spent_usd == (Decimal("0.5") if detail == "both" else SPENT)
    expected = {"entry": SPENT, "target": None, "both": Decimal("0.25")}
    assert target.models[0].savings.spent_usd == expected[detail]


def test_where_only_the_sum_of_the_service_was_published_it_is_said() -> None:
    """METRIC_DETAIL=run: no row has a cost or a net, the total has both."""
    whole = found(series(TRAFFIC), series(WARM), series(TRAFFIC, target="support", model=MODEL))
    assert whole.targets[0].savings == Savings(VS_UNCACHED, VS_NO_WARMING, None)
    assert whole.savings.net_usd == NET
    assert whole.unascribed_usd == SPENT
    (notice,) = whole.notices
    assert notice.startswith("0.487500 USD of what was spent is known for the service only: METRIC_DETAIL was run, or")


def test_a_target_that_was_warmed_and_never_used_is_a_row() -> None:
    """It saved nothing that anybody saw, and cost something."""
    whole = found(series(WARM), series(WARM, target="idle"))
    assert whole.targets[0].savings == Savings(Decimal(0), Decimal(0), SPENT)
    assert whole.targets[0].seen == Seen()
    assert whole.has_data
    assert whole.notices == (
        "no traffic was reported: add CacheObserver to the application, or nothing proves what warming saves",
    )


def test_nothing_published_is_no_data() -> None:
    """Zeros and unknowns, and nothing to show."""
    whole = found()
    assert not whole.has_data
    assert whole.savings == Savings(Decimal(0), Decimal(0), None)
    assert whole.as_json()["total"]["hit_ratio"] is None


@pytest.mark.parametrize("metric", ["TrafficRequests", "WarmCostUSD", "EntriesUnpriced"])
def test_any_figure_is_data(metric: str) -> None:
    """Traffic without warming and warming without traffic are both worth a report."""
    assert found(series({metric: 1.0})).has_data


def test_a_long_window_says_what_may_be_missing() -> None:
    """CloudWatch names what published something in the last two weeks."""
    over = window(EPOCH - 3 * WEEK, now=EPOCH)
    (notice,) = found(one_entry(), over=over).notices
    assert notice.startswith("CloudWatch names targets that published something in the last two weeks: older ones are")


def test_targets_and_models_are_listed_by_name_and_added_up() -> None:
    """Two targets on two models."""
    parts = [
        series({"TrafficRequests": count, "TrafficHits": count}, target=target, model=model)
        for target, model, count in (("b", MODEL, 1.0), ("a", MODEL, 2.0), ("a", HAIKU, 4.0))
    ]
    whole = found(*parts)
    assert [(one.target, one.seen.hits, [model.model for model in one.models]) for one in whole.targets] == [
        ("a", 6, [HAIKU, MODEL]),
        ("b", 1, [MODEL]),
    ]


def test_every_bucket_has_what_was_published_in_it() -> None:
    """Requests, savings and spending of their hour, nothing of the others."""
    later = [Series("TrafficRequests", points={START: 2.0, START + HOUR: 3.0})]
    warmed = [Series("Warmed5mTokens", "a", MODEL, points={START + HOUR: 1_000_000.0})]
    used = [Series("TrafficRequests", "a", MODEL, points={START: 2.0, START + HOUR: 3.0})]
    cost = [Series("WarmCostUSD", points={START + 2 * HOUR: 0.1 + 0.2})]
    moments = found(later, warmed, used, cost).moments
    assert moments[0] == Moment(START, Seen(requests=2), Decimal(0), Decimal(0))
    assert moments[1] == Moment(START + HOUR, Seen(requests=3), Decimal("3.45"), Decimal(0))
    assert moments[2] == Moment(START + 2 * HOUR, Seen(), Decimal(0), Decimal("0.3"))
    assert moments[3:] == tuple(Moment(at, Seen(), Decimal(0), Decimal(0)) for at in list(WINDOW.starts())[3:])
    first, second = merged(moments[:3], 2)
    assert first == Moment(START, Seen(requests=5), Decimal("3.45"), Decimal(0))
    assert second == moments[2]


def test_misses_are_counted_by_cause() -> None:
    """The most frequent first, then by name; other metrics with a cause are none."""
    causes = [
        Series("EntriesMissed", cause="b", points={START: 1.0, START + HOUR: 1.0}),
        Series("EntriesMissed", cause="a", points={START: 2.0}),
        Series("EntriesMissed", cause="c", points={START: 5.0}),
        Series("EntriesMissed", cause="never", points={START: 0.0}),
        Series("TrafficRequests", cause="x", points={START: 9.0}),
    ]
    whole = found(causes)
    assert (whole.seen, whole.moments[0].seen) == (Seen(), Seen())
    assert whole.causes == (("c", 5), ("a", 2), ("b", 2))
    assert whole.as_json()["why"] == {"c": 5, "a": 2, "b": 2}


def test_seen_is_added_field_by_field() -> None:
    """Nothing is lost and nothing is counted twice."""
    one: dict[str, Any] = {"requests": 1, "hits": 2, "cold_starts": 3, "drifts": 4}
    tokens = Usage(uncached_tokens=1, read_tokens=2, write_5m_tokens=3, write_1h_tokens=4)
    twice = Usage(uncached_tokens=2, read_tokens=4, write_5m_tokens=6, write_1h_tokens=8)
    left = Seen(**one, usage=tokens, warmed_5m_tokens=5, warmed_1h_tokens=6)
    assert left + left == Seen(2, 4, 6, 8, twice, warmed_5m_tokens=10, warmed_1h_tokens=12)
    assert Seen(requests=3, usage=Usage(read_tokens=8)).mean_tokens == 2
    assert Seen(requests=3).mean_tokens == Seen().mean_tokens == 1
