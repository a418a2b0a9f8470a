"""Our metrics beside the Usage API's: less is the rule, more is a warning."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from prompt_cache_warmer.rules.effect_check import cross_check
from prompt_cache_warmer.rules.effect_sources import Series
from prompt_cache_warmer.rules.effect_window import Window
from prompt_cache_warmer.values.usage import Usage
from tests.fakes import EPOCH, MODEL
from tests.report_cases import HAIKU, HOUR, START, TRAFFIC, WARM, one_entry, reported, series

WINDOW = Window(START, EPOCH - HOUR, 3_600)
# Traffic and warm calls together: 4.5 + 1.0 M read, 200 + 50 k written for 5 minutes, 150 k for 1 hour, 50.1 k plain.
OURS: dict[str, Any] = {
    "read_tokens": 5_500_000,
    "write_5m_tokens": 250_000,
    "write_1h_tokens": 150_000,
    "uncached_tokens": 50_100,
}


def test_ours_are_traffic_and_warm_calls_by_model() -> None:
    """The API's dated id and ours are the same model; its workspaces are added up."""
    half = {name: count // 2 for name, count in OURS.items()}
    rows = [reported(f"{MODEL}-20260217", **half), reported(MODEL, "wrkspc_b", **half), reported(HAIKU, read_tokens=9)]
    check = cross_check(WINDOW, one_entry(), rows)
    haiku, sonnet = check.models
    assert (sonnet.model, sonnet.ours, sonnet.theirs) == (MODEL, Usage(**OURS), Usage(**OURS))
    assert (sonnet.has_warm_calls, sonnet.is_consistent) == (True, True)
    assert (haiku.model, haiku.ours, haiku.theirs) == (HAIKU, Usage(), Usage(read_tokens=9))
    assert not haiku.has_warm_calls
    assert check.total.ours == Usage(**OURS)
    assert check.total.theirs == Usage(**{**OURS, "read_tokens": 5_500_009})
    assert (check.is_consistent, check.notices, check.workspaces) == (True, (), 2)


@pytest.mark.parametrize("name", OURS)
def test_where_ours_is_more_it_is_told(name: str) -> None:
    """By a single token of any kind."""
    check = cross_check(WINDOW, one_entry(), [reported(**{**OURS, name: OURS[name] - 1})])
    assert not check.models[0].is_consistent
    assert not check.is_consistent
    (notice,) = check.notices
    assert notice.startswith("our metrics count more than the Usage API: a request at the window's edge may be")
    written = check.as_json()
    assert written["is_consistent"] is written["models"][0]["is_consistent"] is False
    assert written["models"][0]["difference"] == dict.fromkeys(OURS, 0) | {name: -1}


def test_one_model_that_is_more_is_told_though_the_sum_is_less() -> None:
    """Another model's tokens hide nothing."""
    rows = [reported(HAIKU, **{name: 10 * count for name, count in OURS.items()})]
    check = cross_check(WINDOW, one_entry(), rows)
    assert check.total.is_consistent
    assert not check.is_consistent


def test_warm_calls_that_are_not_known_by_model_are_in_the_sum() -> None:
    """METRIC_DETAIL=target: a model's row has its traffic only, and says so; the total has everything."""
    given = [*series(TRAFFIC), *series(WARM), *series(TRAFFIC, target="a", model=MODEL), *series(WARM, target="a")]
    check = cross_check(WINDOW, given, [])
    (model,) = check.models
    assert (model.ours.read_tokens, model.has_warm_calls) == (4_500_000, False)
    assert (check.total.ours, check.total.has_warm_calls) == (Usage(**OURS), True)


def test_what_is_outside_the_settled_part_is_not_compared() -> None:
    """The last hour is not: the Usage API does not know it yet."""
    points = {START - HOUR: 1.0, START: 2.0, EPOCH - 2 * HOUR: 4.0, EPOCH - HOUR: 8.0}
    check = cross_check(WINDOW, [Series("TrafficReadTokens", points=points)], [])
    assert check.total.ours.read_tokens == 6


def test_rows_without_a_model_and_series_with_a_cause_have_a_place() -> None:
    """The first are a row of their own, the second are no tokens."""
    caused = [Series("TrafficReadTokens", cause="a", points={START: 1.0})]
    check = cross_check(WINDOW, caused, [reported(None, None, read_tokens=5)])
    assert [(model.model, model.theirs.read_tokens) for model in check.models] == [("(no model named)", 5)]
    assert check.total.ours == Usage()


def test_the_check_as_json() -> None:
    """Both sides, the difference, and what is compared."""
    written = cross_check(Window(START, START + timedelta(days=1), 60), one_entry(), [reported(**OURS)]).as_json()
    assert written["total"] == {
        "model": "all models",
        "ours": OURS,
        "usage_api": OURS,
        "difference": dict.fromkeys(OURS, 0),
        "has_warm_calls": True,
        "is_consistent": True,
    }
    assert (written["workspaces"], written["is_consistent"]) == (1, True)
    assert written["window"]["bucket_seconds"] == 60
    assert "five minutes" in written["definition"]
