"""The pace of warm calls on limits they share: figures by hand."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

import pytest

from prompt_cache_warmer.rules.pace import Cost, Pace
from prompt_cache_warmer.values.rate_limits import NO_RATE_LIMITS, RateLimit, RateLimits

ONE = Cost()
NOW = datetime(2026, 11, 23, tzinfo=UTC)


def requests(remaining: int, limit: int = 600) -> RateLimits:
    """Return what an answer says of requests alone."""
    return RateLimits(requests=RateLimit(limit, remaining))


def tokens(remaining: int, limit: int = 60_000) -> RateLimits:
    """Return what an answer says of input tokens alone."""
    return RateLimits(input_tokens=RateLimit(limit, remaining))


def read(limits: RateLimits, *, share_percent: int = 50, workers: int = 1) -> Pace:
    """Return a pace whose probe was answered at 0 s and left nothing under way."""
    pace = Pace(share_percent=share_percent, workers=workers)
    pace.start(Cost(0), at=0)
    pace.hear(limits, at=0)
    pace.end(Cost(0), Cost(0), at=0, is_heard=True)
    return pace


def wait(pace: Pace, cost: Cost, *, at: float) -> float:
    """Return how long a call waits, where something is known."""
    found = pace.wait_seconds(cost, at=at)
    assert found is not None
    return found


def starts_at_once(pace: Pace, *, at: float, cost: Cost = ONE) -> int:
    """Start calls as long as they may, and count them."""
    count = 0
    while pace.wait_seconds(cost, at=at) == 0:
        pace.start(cost, at=at)
        count += 1
        assert count < 100_000
    return count


def test_before_the_first_answer_one_call_goes_alone() -> None:
    """The second waits for the answer, and ten seconds at most: then it goes alone too."""
    pace = Pace(share_percent=50)
    assert pace.wait_seconds(ONE, at=0) == 0
    for at in (0, 10):
        pace.start(ONE, at=at)
        assert (pace.wait_seconds(ONE, at=at), pace.probe_seconds(at=at)) == (None, 10)
        assert (pace.wait_seconds(ONE, at=at + 9.5), pace.probe_seconds(at=at + 9.5)) == (None, 0.5)
        assert pace.wait_seconds(ONE, at=at + 10) == 0


def test_a_probe_that_was_not_sent_leaves_its_place_to_another() -> None:
    """A claim that another run holds says nothing of the limits."""
    pace = Pace(share_percent=50)
    pace.start(ONE, at=0)
    pace.end(ONE, None, at=1, is_heard=False)
    assert pace.wait_seconds(ONE, at=1) == 0
    pace.start(ONE, at=1)
    assert pace.wait_seconds(ONE, at=1) is None


def test_an_answer_without_headers_paces_nothing() -> None:
    """Bedrock and gateways: nothing is known, so nothing is held back."""
    pace = Pace(share_percent=1)
    pace.start(ONE, at=0)
    pace.hear(NO_RATE_LIMITS, at=1)
    pace.end(ONE, ONE, at=1, is_heard=False)
    assert [pace.wait_seconds(Cost(1, 10**9), at=1) for _ in range(3)] == [0, 0, 0]
    pace.start(Cost(1, 10**9), at=1)
    assert pace.wait_seconds(ONE, at=1) == 0


def test_a_full_bucket_lets_go_a_second_s_worth_at_once() -> None:
    """Of 600 a minute 300 may be used, 5 a second: 5 start, and one more that leaves the debt."""
    pace = read(requests(600))
    assert starts_at_once(pace, at=0) == 6
    assert pace.wait_seconds(ONE, at=0) == pytest.approx(0.203, abs=0.001)  # 294 t + 5 t^2 = 60


def test_credit_accrues_at_what_remains_above_what_is_kept() -> None:
    """360 of 600 remain, 300 are kept: 60 a minute, one a second, while nothing else is said."""
    pace = read(requests(360))
    pace.start(ONE, at=0)  # the credit of one second is gone
    pace.start(ONE, at=0)
    pace.hear(requests(358), at=0)
    pace.end(ONE, ONE, at=0, is_heard=True)
    pace.end(ONE, ONE, at=0, is_heard=True)
    # 58 above and 10 more each second: 58 t + 5 t^2 = 60
    assert pace.wait_seconds(ONE, at=0) == pytest.approx(0.955, abs=0.001)
    assert pace.wait_seconds(ONE, at=0.5) == pytest.approx(0.455, abs=0.001)
    assert pace.wait_seconds(ONE, at=0.956) == 0


def test_no_burst_builds_up_while_nothing_starts() -> None:
    """After an hour without a call there is credit for one second, not for an hour."""
    assert starts_at_once(read(requests(600)), at=3600) == 6


def test_the_bucket_is_taken_to_fill_but_never_above_its_limit() -> None:
    """With 290 of 600 left, 10 a second: 300 are kept, so one may start after 1.1 s, and no hour makes 601."""
    pace = read(requests(290))
    assert pace.wait_seconds(ONE, at=0) == pytest.approx(1.1)
    assert pace.wait_seconds(ONE, at=1) == pytest.approx(0.1)
    assert pace.wait_seconds(Cost(300), at=3600) == 0
    assert pace.wait_seconds(Cost(301), at=3600) == math.inf


def test_a_call_under_way_counts_as_used_until_its_answer() -> None:
    """Two above what is kept: while one is under way the second fits no more, and its answer says what is true."""
    pace = read(requests(302))
    pace.start(Cost(2), at=0)
    assert wait(pace, ONE, at=0) > 0.09  # 0.1 s until one more is there
    pace.hear(requests(600), at=0)
    pace.end(Cost(2), Cost(2), at=0, is_heard=True)
    pace.start(Cost(0), at=1)
    assert pace.wait_seconds(ONE, at=1) == 0


def test_what_was_used_without_an_answer_that_said_so_is_counted_off() -> None:
    """A call that timed out may have been counted: 2 above what is kept are 1, and then there is none for two."""
    for is_heard, expected in ((True, 0.0), (False, 0.1)):
        pace = read(requests(302))
        pace.start(Cost(0), at=0)
        pace.end(Cost(0), ONE, at=0, is_heard=is_heard)
        pace.start(Cost(-1), at=0)  # its debt is paid
        pace.end(Cost(-1), Cost(-1), at=0, is_heard=True)
        assert pace.wait_seconds(Cost(2), at=0) == pytest.approx(expected, abs=1e-6), is_heard


def test_a_write_may_go_in_credit_and_leaves_a_debt() -> None:
    """15,000 tokens with credit for 500: what is owed is paid at 250 to 500 a second before the next goes."""
    pace = read(tokens(60_000))
    write = Cost(1, 15_000)
    assert pace.wait_seconds(write, at=0) == 0
    pace.start(write, at=0)
    # 14,500 are owed: 15 s at 375 a second in the mean while the bucket fills, then 17.75 s at 500
    assert pace.wait_seconds(Cost(1, 100), at=0) == pytest.approx(32.75)
    # a refresh waits until 600 are owed: 13,900 are paid after 15 s and 16.55 s
    assert pace.wait_seconds(Cost(1, 0), at=0) == pytest.approx(31.55)


def test_refreshes_go_while_no_tokens_are_above_what_is_kept() -> None:
    """Each takes 5 tokens that count: 120 of them owe 600, a hundredth of the limit; then they wait, too."""
    pace = read(tokens(30_000))
    for _ in range(121):
        assert pace.wait_seconds(Cost(1, 0), at=0) == 0
        pace.start(Cost(1, 0), at=0)
        pace.end(Cost(1, 0), Cost(1, 5), at=0, is_heard=True)
    assert wait(pace, Cost(1, 0), at=0) > 0


def test_the_debt_is_paid_while_time_passes() -> None:
    """However often it is looked at meanwhile."""
    pace = read(tokens(60_000))
    pace.start(Cost(1, 15_000), at=0)
    pace.hear(tokens(45_000), at=0)
    pace.end(Cost(1, 15_000), Cost(1, 15_000), at=0, is_heard=True)
    for second in range(1, 33):
        assert wait(pace, Cost(1, 100), at=second) > 0
    assert pace.wait_seconds(Cost(1, 100), at=33) == 0


def test_what_was_expected_is_corrected_by_what_was_used() -> None:
    """A refresh that was a write owes its tokens; a write that was a refresh gets them back."""
    pace = read(tokens(60_000))
    pace.start(Cost(1, 0), at=0)
    pace.hear(tokens(50_000), at=0)
    pace.end(Cost(1, 0), Cost(1, 10_000), at=0, is_heard=True)
    assert wait(pace, Cost(1, 1), at=0) > 20
    other = read(tokens(60_000))
    other.start(Cost(1, 10_000), at=0)
    other.hear(tokens(60_000), at=0)
    other.end(Cost(1, 10_000), Cost(1, 0), at=0, is_heard=True)
    assert other.wait_seconds(Cost(1, 1), at=0) == 0


def test_a_call_takes_no_more_than_what_remains_above_what_is_kept() -> None:
    """40,000 of 60,000 remain, 30,000 are kept: 15,000 wait 5 s for 1,000 a second, 30,001 wait for ever."""
    pace = read(tokens(40_000))
    assert pace.wait_seconds(Cost(1, 10_000), at=0) == 0
    assert pace.wait_seconds(Cost(1, 15_000), at=0) == pytest.approx(5)
    assert pace.wait_seconds(Cost(1, 30_000), at=0) == pytest.approx(20)
    assert pace.wait_seconds(Cost(1, 30_001), at=0) == math.inf


def test_the_scarcer_limit_holds() -> None:
    """Requests without end do not help where tokens are used up, and the other way round."""
    both = RateLimits(RateLimit(600, 600), RateLimit(60_000, 0))
    assert read(both).wait_seconds(Cost(1, 10), at=0) == pytest.approx(30.01)
    both = RateLimits(RateLimit(600, 0), RateLimit(60_000, 60_000))
    assert read(both).wait_seconds(Cost(1, 10), at=0) == pytest.approx(30.1)


def test_a_debt_of_an_empty_bucket_is_paid_once_it_has_filled() -> None:
    """300 of 600 are kept: 30 s until there is anything, then the second request needs its own time."""
    pace = read(requests(0))
    pace.start(ONE, at=0)
    # 30.1 s until one above; the debt: 5 (t - 30.1)^2 = 60
    assert pace.wait_seconds(ONE, at=0) == pytest.approx(30.1 + math.sqrt(12))


def test_an_application_that_takes_what_fills_the_bucket_is_believed() -> None:
    """An answer that finds too little, where enough was expected, doubles the wait; one that finds enough ends that."""
    pace = read(requests(290))
    waits: list[float] = []
    for _ in range(3):
        at = 100.0 * (len(waits) + 1)
        pace.start(Cost(0), at=at)  # it was expected to be full by now
        pace.hear(requests(290), at=at)
        pace.hear(requests(290), at=at)  # of another call under way: nothing new
        pace.end(Cost(0), Cost(0), at=at, is_heard=True)
        waits.append(wait(pace, ONE, at=at))
    assert waits == pytest.approx([2.2, 4.4, 8.8])
    pace.hear(requests(300), at=400)
    assert pace.wait_seconds(ONE, at=400) == pytest.approx(0.1)


def test_a_429_holds_until_the_time_it_names() -> None:
    """Whatever remains meanwhile."""
    pace = read(requests(600))
    pace.hold(20, now=NOW, at=10)
    pace.hold(5, now=NOW, at=11)
    assert pace.wait_seconds(ONE, at=10) == 20
    assert pace.wait_seconds(ONE, at=25) == 5
    assert pace.wait_seconds(ONE, at=30) == 0
    assert pace.reason(ONE, at=25) == "the API answered 429 and asked to wait; 5 s of that are left"


def test_a_probe_that_is_refused_without_headers_is_followed_by_another() -> None:
    """After the wait one goes alone again: still nothing is known."""
    pace = Pace(share_percent=50)
    pace.start(ONE, at=0)
    pace.hold(7, now=NOW, at=1)
    pace.end(ONE, ONE, at=1, is_heard=False)
    assert pace.wait_seconds(ONE, at=1) == 7
    assert pace.wait_seconds(ONE, at=8) == 0
    pace.start(ONE, at=8)
    assert pace.wait_seconds(ONE, at=8) is None


def test_a_refused_probe_whose_headers_were_read_is_an_answer() -> None:
    """What remains is known then, and the wait is kept."""
    pace = Pace(share_percent=50)
    pace.start(ONE, at=0)
    pace.hear(requests(0), at=1)
    pace.hold(7, now=NOW, at=1)
    pace.end(ONE, ONE, at=1, is_heard=True)
    assert pace.wait_seconds(ONE, at=1) == pytest.approx(30.1)


def test_what_a_refusal_asked_to_wait_outlives_what_is_known() -> None:
    """After a minute the bucket may be full or empty again, but the five minutes are not over.

    The clock of the calls stood still meanwhile: the time of day counts.
    """
    pace = read(requests(600))
    pace.told(NOW)
    pace.hold(300, now=NOW, at=0)
    soon = pace.as_of(NOW + timedelta(seconds=59), at=0)
    assert (soon.is_answered, soon.wait_seconds(ONE, at=0)) == (True, 241)
    late = pace.as_of(NOW + timedelta(seconds=61), at=5)
    assert (late.is_answered, late.wait_seconds(ONE, at=5)) == (False, 239)
    later = late.as_of(NOW + timedelta(seconds=299), at=5)
    assert later.wait_seconds(ONE, at=5) == 1
    assert later.as_of(NOW + timedelta(seconds=300), at=9).wait_seconds(ONE, at=9) == 0


@pytest.mark.parametrize("seconds", [7_200.0, 1e12, math.inf])
def test_no_wait_is_remembered_for_more_than_an_hour(seconds: float) -> None:
    """A gateway may ask for any number: this run waits so long, and a later one tries again after an hour."""
    pace = Pace(share_percent=50)
    pace.hold(seconds, now=NOW, at=0)
    assert pace.wait_seconds(ONE, at=0) == seconds
    assert pace.as_of(NOW + timedelta(seconds=3_599), at=0).wait_seconds(ONE, at=0) == 1
    assert pace.as_of(NOW + timedelta(seconds=3_600), at=0).wait_seconds(ONE, at=0) == 0


def test_workers_divide_the_share() -> None:
    """Four workers: a quarter of the rate each, and no call above a quarter of the share."""
    pace = read(requests(600), workers=4)
    assert starts_at_once(pace, at=0) == 2  # 1.25 a second, and the debt of the second one
    pace = read(tokens(60_000), workers=4)
    assert pace.wait_seconds(Cost(1, 7_500), at=0) == 0
    assert pace.wait_seconds(Cost(1, 7_501), at=0) == math.inf
    pace.start(Cost(1, 125), at=0)
    pace.start(Cost(1, 125), at=0)
    # 125 are owed: 7,500 a minute and worker are 125 a second, nearly all of it while 250 are under way
    assert pace.wait_seconds(Cost(1, 1), at=0) == pytest.approx(1.0, abs=0.01)


def test_the_whole_of_a_large_limit_costs_no_wait() -> None:
    """100 % of a million a minute: a second's worth, 16,666, starts at once."""
    assert starts_at_once(read(requests(1_000_000, 1_000_000), share_percent=100), at=0) > 16_000


@pytest.mark.parametrize(
    ("share_percent", "used_percent", "remaining_percent"),
    [(50, 0, 100), (50, 50, 100), (50, 80, 70), (50, 100, 50), (20, 80, 100), (20, 100, 80), (100, 50, 50)],
    ids=["50-idle", "50-half", "50-busy", "50-full", "20-busy", "20-full", "100-half"],
)
def test_what_remains_settles_where_the_formula_says(
    share_percent: int, used_percent: int, remaining_percent: int
) -> None:
    """Beside an even application, after ten minutes with more calls due than can go, each answered at once."""
    limit, step_seconds = 6_000, 0.1
    level, at = float(limit), 0.0
    pace = read(requests(limit, limit), share_percent=share_percent)
    for _ in range(6_000):
        at += step_seconds
        level = min(limit, level + limit / 60 * step_seconds) - limit * used_percent / 100 / 60 * step_seconds
        while pace.wait_seconds(ONE, at=at) == 0:
            pace.start(ONE, at=at)
            level -= 1
            pace.hear(requests(max(0, int(level)), limit), at=at)
            pace.end(ONE, ONE, at=at, is_heard=True)
    assert level / limit * 100 == pytest.approx(remaining_percent, abs=2)


def test_a_reason_has_the_numbers() -> None:
    """What remains, the limit, the share, and what the call takes; when it is whole again, where the API says so."""
    reset_at = datetime(2026, 11, 22, 12, 0, 59, tzinfo=UTC)
    pace = read(RateLimits(RateLimit(1_000, 900), RateLimit(60_000, 1_000, reset_at)), share_percent=20)
    assert pace.reason(Cost(1, 11_000), at=0) == (
        "about 1,000 of 60,000 input tokens per minute remain, all of it by 12:00:59Z if nothing used any; warm calls "
        "may use 20 % of the limit (RATE_LIMIT_SHARE_PERCENT), and this one takes 11,000 and could start in 58.0 s at "
        "the earliest"
    )
    assert pace.reason(Cost(1, 13_000), at=0).endswith("and this one takes 13,000, which is more than that")
    assert "(RATE_LIMIT_SHARE_PERCENT) divided by 4 workers, and" in read(requests(0), workers=4).reason(ONE, at=0)
    assert read(requests(0)).reason(ONE, at=0).startswith("about 0 of 600 requests per minute remain; warm")
    behind = read(requests(0))
    behind.start(Cost(5), at=0)
    assert behind.reason(ONE, at=0).startswith("about 0 of 600")
