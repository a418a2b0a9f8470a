"""The run report: what the handler answers."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal

from prompt_cache_warmer.rules.entry_result import EntryResult, Outcome
from prompt_cache_warmer.rules.order import Order
from prompt_cache_warmer.rules.report import RunReport
from prompt_cache_warmer.rules.verdict import Verdict
from prompt_cache_warmer.values.problems import Problem, ProblemCode
from prompt_cache_warmer.values.targets import Entry
from prompt_cache_warmer.values.usage import Usage
from tests.fakes import target

AT = datetime(2026, 11, 22, 12, 0, 0, 500, tzinfo=UTC)
SUMMARY = target().summary


def result(number: int, outcome: Outcome = Outcome.WARMED, verdict: Verdict | None = Verdict.REFRESHED) -> EntryResult:
    """Return an entry's result."""
    usage = Usage(read_tokens=7) if outcome is Outcome.WARMED else None
    cost = Decimal("0.0000015") if usage else None
    return EntryResult(Entry(SUMMARY, f"m{number}"), outcome, "why", verdict=verdict, usage=usage, cost_usd=cost)


def report(*results: EntryResult, problems: tuple[Problem, ...] = ()) -> RunReport:
    """Return a run's report."""
    order = Order(execution_id="e", scheduled_time="2026-11-22T12:00:00Z")
    return RunReport(
        order=order,
        started_at=AT,
        duration_ms=5,
        targets_loaded=1,
        targets_invalid=0,
        results=results,
        problems=problems,
    )


def test_failures_come_first_and_what_is_left_out_is_counted() -> None:
    """At most 200 entries: a failure at the very end is still the first line."""
    answer = report(*(result(n) for n in range(300)), result(300, Outcome.FAILED, Verdict.FAILED)).as_json()
    assert (len(answer["entries"]), answer["truncated"]) == (200, 101)
    assert answer["entries"][0]["model"] == "m300"
    assert (answer["totals"]["entries"], answer["totals"]["refreshed"], answer["totals"]["failed"]) == (301, 300, 1)


def test_the_order_is_failed_deferred_warmed_sent_planned_skipped() -> None:
    """What a person must act on stands above what went well."""
    mixed = [result(n, outcome, None) for n, outcome in enumerate(reversed(Outcome))]
    assert [line["outcome"] for line in report(*mixed).as_json()["entries"]] == [
        "failed",
        "deferred",
        "warmed",
        "sent",
        "planned",
        "skipped",
    ]


def test_errors_of_documents_come_before_warnings_and_are_bounded_too() -> None:
    """200 problems are listed, the rest is counted."""
    warning = Problem(ProblemCode.MARKER_ADDED, "a", "$", "w")
    error = Problem(ProblemCode.SYNTAX, "b", "$", "e")
    answer = report(problems=(*[warning] * 250, error)).as_json()
    assert answer["problems"][0]["code"] == "syntax"
    assert (len(answer["problems"]), answer["problems_truncated"]) == (200, 51)


def test_money_is_written_in_full_and_never_as_a_float() -> None:
    """Tiny amounts have no exponent and no rounding."""
    answer = report(result(1), result(2)).as_json()
    assert answer["entries"][0]["cost_usd"] == "0.0000015"
    assert answer["totals"]["cost_usd"] == "0.0000030"


def test_absent_facts_are_left_out_of_a_line() -> None:
    """A deferred entry has no tokens, no cost and no call."""
    (line,) = report(result(1, Outcome.DEFERRED, None)).as_json()["entries"]
    assert line == {
        "target": "support",
        "model": "m1",
        "credential": "default",
        "outcome": "deferred",
        "reason": "why",
    }


def test_the_largest_report_is_far_below_lambdas_6_mb() -> None:
    """200 entries and 200 problems with long texts."""
    long = EntryResult(Entry(SUMMARY, "m" * 128), Outcome.FAILED, "r" * 400, code="c", advice="a" * 200)
    problems = (Problem(ProblemCode.UNKNOWN_FIELD, "k" * 1024, "$" * 300, "m" * 600),) * 300
    answer = report(*[long] * 300, problems=problems).as_json()
    assert len(json.dumps(answer)) < 1_000_000


def test_the_report_says_which_tick_it_is_and_when_it_ran() -> None:
    """The tick's identity comes from the schedule, the start from the clock."""
    answer = report().as_json()
    assert (answer["execution_id"], answer["scheduled_time"]) == ("e", "2026-11-22T12:00:00Z")
    assert answer["started_at"] == "2026-11-22T12:00:00.000+00:00"
    assert answer["dry_run"] is False
