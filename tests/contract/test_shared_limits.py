"""Warm calls beside an application on one workspace: the application is refused nothing that it is not refused alone.

The limits are real token buckets, the application sends the same requests each time, and what it is refused is
compared request by request with what it is refused without any warm call. All of it in simulated time.
"""

from __future__ import annotations

import pytest

from prompt_cache_warmer.rules.entry_result import Outcome
from tests.shared_limits import TICK_SECONDS, Arrival, Seen, Warming, Workspace, application, beside

SECONDS = 60 + TICK_SECONDS
ROOMY = Workspace(requests=4_000, input_tokens=4_000_000)


def both(
    workspace: Workspace, warming: Warming, *, load: float, burst: float = 0.1, seed: int = 7
) -> tuple[Seen, Seen]:
    """Let an application run alone and beside warmers."""
    arrivals: list[Arrival] = application(
        workspace, load=load, burst=burst, seconds=SECONDS + (warming.ticks - 1) * TICK_SECONDS, seed=seed
    )
    return beside(workspace, arrivals), beside(workspace, arrivals, warming)


@pytest.mark.parametrize(
    ("load", "share_percent", "least_warmed"),
    [(0.2, 20, 200), (0.5, 50, 400), (0.8, 50, 250), (0.8, 100, 450)],
    ids=["20-by-20", "50-by-50", "80-by-50", "80-by-100"],
)
def test_the_application_is_refused_nothing_because_of_us(load: float, share_percent: int, least_warmed: int) -> None:
    """A thousand cold entries want twice what the workspace has; bursts of a tenth of a minute come every 20 s."""
    alone, shared = both(Workspace(), Warming(share_percent=share_percent), load=load)
    assert shared.requests == alone.requests > 2_000
    assert shared.refused == alone.refused
    assert (shared.warm_refusals, shared.count(Outcome.FAILED)) == (0, 0)
    assert shared.count(Outcome.WARMED) >= least_warmed
    assert shared.count(Outcome.WARMED) + shared.count(Outcome.DEFERRED) == 1_000
    kept = 1 - share_percent / 100
    assert shared.least_remaining > kept - 0.1 - 0.05  # a burst below what is kept for bursts, and a little


def test_without_pacing_the_application_is_refused() -> None:
    """The same thousand entries at full speed: the check above can fail."""
    alone, shared = both(Workspace(), Warming(share_percent=None), load=0.8)
    assert alone.refused == set()
    assert len(shared.refused) > 100
    assert shared.warm_refusals > 100


def test_four_workers_at_once_share_the_share() -> None:
    """Each has a quarter of the entries, knows nothing of the others, and all hold to the same limits."""
    alone, shared = both(Workspace(), Warming(workers=4), load=0.8)
    assert shared.refused == alone.refused
    assert len(shared.reports) == 4
    assert 250 <= shared.count(Outcome.WARMED) <= 500


def test_where_there_is_room_everything_is_warmed() -> None:
    """A thousand entries on a workspace with room: all written in one run and all refreshed in the next."""
    alone, shared = both(ROOMY, Warming(ticks=2, max_concurrency=100), load=0.2, burst=0.02)
    assert shared.refused == alone.refused
    assert [report.count(Outcome.WARMED) for report in shared.reports] == [1_000, 1_000]
    assert all(20 < seconds < 60 for seconds in shared.run_seconds)  # spread over 40 s, with what waited for credit


def test_beside_an_application_above_its_limit_warm_calls_give_way() -> None:
    """A third of its requests is refused anyway; a handful of warm calls find that out, and the run ends early."""
    alone, shared = both(Workspace(requests=1_000), Warming(), load=1.2, burst=0.05)
    assert len(alone.refused) > 1_000
    assert shared.count(Outcome.WARMED) <= 10
    assert len(shared.refused - alone.refused) <= shared.count(Outcome.WARMED)
    assert shared.count(Outcome.DEFERRED) >= 990
    (report,) = shared.reports
    assert {result.code for result in report.results if result.outcome is Outcome.DEFERRED} == {"rate-limits"}
    assert shared.run_seconds[0] < 150  # of 230: what could not go any more was left at once
