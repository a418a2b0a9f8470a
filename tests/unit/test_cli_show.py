"""``show``: a run report as a table, and one sentence for what is none."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner
from rich.console import Console

from prompt_cache_warmer.cli.commands import commands
from prompt_cache_warmer.cli.report_table import report_table, usd

if TYPE_CHECKING:
    from pathlib import Path

NOT_A_REPORT = "Error: this is not a run report: expected the JSON the handler answers\n"
TOTALS = {
    "entries": 4,
    "entries_warmed": 2,
    "read_tokens": 12_345,
    "write_5m_tokens": 1_000,
    "write_1h_tokens": 234,
    "uncached_tokens": 7,
    "cost_usd": "0.0123456",
    "entries_failed": 1,
    "entries_deferred": 0,
    "targets_invalid": 1,
}
WARMED = {
    "target": "support",
    "model": "claude-opus-5",
    "outcome": "warmed",
    "verdict": "written",
    "reason": "it is kept always",
    "read_tokens": 0,
    "write_5m_tokens": 1_000,
    "write_1h_tokens": 234,
    "uncached_tokens": 7,
    "cost_usd": "0.012",
    "notices": ["the granted ttl is 5m"],
    "form": "zero",
    "form_reason": "the cheapest",
}
UNPRICED = {
    **WARMED,
    "target": "other",
    "verdict": "refreshed",
    "read_tokens": 12_345,
    "cost_usd": None,
    "form": "streamed",
    "form_reason": "max_tokens: 0 cannot carry it",
}
FAILED = {
    "target": "[b]old[/b]",
    "model": "m[/]",
    "outcome": "failed",
    "verdict": "failed",
    "reason": "[/red] no",
    "advice": "Correct \x1b[31mit.",
}
SHARED = {"target": "twin", "model": "m", "outcome": "warmed", "reason": "alive", "shared_with": "support"}
SKIPPED = {"target": "idle", "model": "m", "outcome": "skipped", "reason": "it is not due", "code": "outlives-tick"}
REPORT = {
    "entries": [FAILED, WARMED, UNPRICED, SHARED, SKIPPED],
    "skipped": {"outlives-tick": 1_000, "[of tomorrow]": 2},
    "problems": [
        {"severity": "warning", "source": "targets/w.json", "path": "$", "message": "short"},
        {"severity": "error", "source": "targets/[draft].json", "path": "$.keep", "message": "keep is missing"},
    ],
    "totals": TOTALS,
}


def show(given: str) -> tuple[int, str]:
    """Run ``show`` on standard input; a crash fails the test."""
    result = CliRunner(catch_exceptions=False).invoke(commands, ["show"], input=given)
    return result.exit_code, result.output


def drawn(report: Any) -> list[str]:
    """Draw the report on a page of 80 columns."""
    console = Console(width=80)
    with console.capture() as captured:
        console.print(report_table(report))
    return [line.rstrip() for line in captured.get().splitlines()]


def test_a_report_shows_every_entry_with_figures_and_why_and_the_totals() -> None:
    """Verdict, tokens, cost and reasons of every entry stand as the report has them, within 80 columns."""
    assert drawn(REPORT) == [
        "entry                               verdict       read  written  plain       USD",
        "[b]old[/b] m[/]                     failed",
        "  [/red] no",
        "  Correct \N{REPLACEMENT CHARACTER}[31mit.",
        "support claude-opus-5               written          0    1,234      7  0.012000",
        "  it is kept always",
        "  the granted ttl is 5m",
        "other claude-opus-5                 refreshed   12,345    1,234      7   unknown",
        "  it is kept always",
        "  the granted ttl is 5m",
        "  sent as streamed: max_tokens: 0 cannot carry it",
        "twin m                              warmed",
        "  alive",
        "  by the call of support, which is the same bytes",
        "1000 not called (outlives-tick): it is alive and outlives the next tick",
        "2 not called ([of tomorrow]): [of tomorrow]",
        "targets/[draft].json                invalid",
        "  $.keep: keep is missing",
        "─" * 80,
        "4 entries                           2 warmed    12,345    1,234      7  0.012346",
        "1 failed, 0 deferred, 1 invalid document",
    ]


def test_what_holds_for_the_whole_run_stands_below_the_totals() -> None:
    """A pause, stopped credentials, what is spent under each cap, and the notices; nothing where there is none."""
    budget = {"spent_usd": "0.5", "cap_usd": "2.50", "spent_tokens": 9_000, "cap_tokens": None}
    standing = {
        "pause": {"reason": "incident [7]", "until": "2026-11-22T13:00:00+00:00"},
        "stopped_credentials": ["default"],
        "budget": {"day": budget, "month": {**budget, "cap_usd": None, "cap_tokens": 10_000}},
        "notices": ["no STATE_TABLE"],
    }
    assert drawn({**REPORT, **standing})[-5:] == [
        "paused until 2026-11-22T13:00:00+00:00: incident [7]",
        "stopped credentials: default",
        "spent this day (UTC): 0.500000 of 2.50 USD",
        "spent this month (UTC): 9,000 of 10,000 tokens",
        "no STATE_TABLE",
    ]


def test_where_there_is_less_room_every_figure_has_its_own_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """Below 80 columns; the same figures and whys, and no header of columns."""
    monkeypatch.setenv("COLUMNS", "79")
    exit_code, output = show(json.dumps(REPORT))
    assert exit_code == 0
    assert [line.rstrip() for line in output.splitlines()] == [
        "[b]old[/b] m[/]: failed",
        "  [/red] no",
        "  Correct \N{REPLACEMENT CHARACTER}[31mit.",
        "support claude-opus-5: written",
        "  read: 0",
        "  written: 1,234",
        "  plain: 7",
        "  USD: 0.012000",
        "  it is kept always",
        "  the granted ttl is 5m",
        "other claude-opus-5: refreshed",
        "  read: 12,345",
        "  written: 1,234",
        "  plain: 7",
        "  USD: unknown",
        "  it is kept always",
        "  the granted ttl is 5m",
        "  sent as streamed: max_tokens: 0 cannot carry it",
        "twin m: warmed",
        "  alive",
        "  by the call of support, which is the same bytes",
        "1000 not called (outlives-tick): it is alive and outlives the next tick",
        "2 not called ([of tomorrow]): [of tomorrow]",
        "targets/[draft].json: invalid",
        "  $.keep: keep is missing",
        "─" * 79,
        "4 entries: 2 warmed",
        "  read: 12,345",
        "  written: 1,234",
        "  plain: 7",
        "  USD: 0.012346",
        "1 failed, 0 deferred, 1 invalid document",
    ]
    monkeypatch.setenv("COLUMNS", "40")
    assert max(map(len, show(json.dumps(REPORT))[1].splitlines())) == 40
    monkeypatch.setenv("COLUMNS", "80")
    assert show(json.dumps(REPORT))[1].startswith("entry      ")


def test_what_was_verified_stands_below_the_table() -> None:
    """An answer to an order to verify has proofs, which are said as verify says them."""
    verified = {
        "is_proven": False,
        "entries_verified": 2,
        "entries_proven": 1,
        "verification_cost_usd": "0.0221",
        "verified_truncated": 0,
        "verified": [
            {
                "target": "support",
                "model": "claude-opus-5",
                "is_proven": True,
                "reason": "read",
                "sentence": "a real request read all that the warm call left in the cache",
                "evidence": {"expected_tokens": 5616, "read_tokens": 5616},
            },
            {
                "target": "other",
                "model": "claude-opus-5",
                "is_proven": False,
                "reason": "read-nothing",
                "sentence": "nothing was read and no difference is known",
                "evidence": {"expected_tokens": 9, "read_tokens": 0},
            },
        ],
    }
    answer = {**REPORT, **verified, "problems": []}
    exit_code, output = show(json.dumps(answer))
    assert exit_code == 0
    assert output.splitlines()[-5:] == [
        "1 failed, 0 deferred, 1 invalid document",
        "support on claude-opus-5: proven: 5,616 of 5,616 tokens read",
        "other on claude-opus-5: not proven: read-nothing: 0 of 9 tokens read",
        "  nothing was read and no difference is known",
        "1 of 2 proven, for 0.022100 USD",
    ]
    assert show(json.dumps({**answer, "verified": [{}]})) == (2, NOT_A_REPORT)


def test_a_report_is_read_from_standard_input_or_a_file(tmp_path: Path) -> None:
    """A pipe from the AWS CLI and a saved file are both shown."""
    exit_code, output = show(json.dumps(REPORT))
    assert (exit_code, "4 entries" in output) == (0, True)
    (tmp_path / "report.json").write_text(json.dumps(REPORT))
    result = CliRunner().invoke(commands, ["show", str(tmp_path / "report.json")])
    assert (result.exit_code, result.output) == (0, output)


@pytest.mark.parametrize(
    "given",
    [
        "",
        "not json",
        "null",
        "[]",
        "5",
        '"report"',
        "{}",
        "[" * 100_000,
        '{"errorMessage": "Task timed out", "errorType": "Sandbox.Timedout"}',
        json.dumps({**REPORT, "entries": 5}),
        json.dumps({**REPORT, "entries": [5]}),
        json.dumps({**REPORT, "entries": [{}]}),
        json.dumps({**REPORT, "entries": [{**WARMED, "reason": None}]}),
        json.dumps({**REPORT, "entries": [{**WARMED, "verdict": ["written"]}]}),
        json.dumps({**REPORT, "entries": [{**WARMED, "read_tokens": "many"}]}),
        json.dumps({**REPORT, "entries": [{**WARMED, "cost_usd": "a lot"}]}),
        json.dumps({**REPORT, "problems": None}),
        json.dumps({**REPORT, "problems": [{"severity": "error", "source": 5, "path": "$", "message": "m"}]}),
        json.dumps({**REPORT, "totals": {}}),
        json.dumps({**REPORT, "totals": {**TOTALS, "cost_usd": "a lot"}}),
        json.dumps({**REPORT, "totals": {**TOTALS, "cost_usd": [1]}}),
    ],
)
def test_what_is_not_a_report_is_said_in_one_sentence(given: str) -> None:
    """Garbage is exit code 2 and never a traceback."""
    assert show(given) == (2, NOT_A_REPORT)


def test_bytes_that_are_not_text_are_no_report(tmp_path: Path) -> None:
    """A gzip file is not a report either."""
    (tmp_path / "report.gz").write_bytes(b"\x1f\x8b\x08")
    result = CliRunner(catch_exceptions=False).invoke(commands, ["show", str(tmp_path / "report.gz")])
    assert (result.exit_code, result.output) == (2, NOT_A_REPORT)


def test_a_missing_file_is_a_wrong_call() -> None:
    """The caller's mistake is exit code 2."""
    assert CliRunner().invoke(commands, ["show", "nowhere.json"]).exit_code == 2


@pytest.mark.parametrize(
    ("amount", "said"), [(None, "unknown"), ("0", "0.000000"), ("0.00000049", "0.000000"), ("12.5", "12.500000")]
)
def test_an_amount_has_six_places(amount: str | None, said: str) -> None:
    """A refresh costs fractions of a cent, and an unknown price is not 0."""
    assert usd(amount) == said


def test_as_json_a_report_is_printed_again() -> None:
    """Indented, every field as it was; what is no report is still none."""
    runner = CliRunner(catch_exceptions=False)
    result = runner.invoke(commands, ["show", "--json"], input=json.dumps(REPORT))
    assert (result.exit_code, json.loads(result.stdout)) == (0, REPORT)
    assert result.stdout.startswith('{\n  "entries": [\n')
    assert runner.invoke(commands, ["show", "--json"], input="{}").exit_code == 2
