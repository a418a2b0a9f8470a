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
    "call_form": "zero",
}
UNPRICED = {**WARMED, "target": "other", "verdict": "refreshed", "read_tokens": 12_345, "cost_usd": None}
FAILED = {"target": "[b]old[/b]", "model": "m[/]", "outcome": "failed", "verdict": "failed", "reason": "[/red] no"}
SKIPPED = {"target": "idle", "model": "m", "outcome": "skipped", "reason": "it is not due"}
REPORT = {
    "entries": [FAILED, WARMED, UNPRICED, SKIPPED],
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


def drawn(report: Any, **options: Any) -> str:
    """Draw the table on a wide page."""
    console = Console(width=200)
    with console.capture() as captured:
        console.print(report_table(report, **options))
    return captured.get()


def cells(line: str) -> list[str]:
    """Split a row of the drawn table."""
    return [cell.strip() for cell in line.strip("│\n").split("│")]


def test_a_report_is_a_row_for_each_entry_and_the_totals() -> None:
    """Verdict, tokens, cost and reason of every entry stand as the report has them."""
    rows = [cells(line) for line in drawn(REPORT).splitlines() if line.startswith("│")]
    assert rows == [
        ["[b]old[/b]", "failed", "", "", "", "", "[/red] no"],
        ["m[/]", "", "", "", "", "", ""],
        ["support", "written", "0", "1,234", "7", "0.012000", "it is kept always"],
        ["claude-opus-5", "", "", "", "", "", "the granted ttl is 5m"],
        ["", "", "", "", "", "", "(zero)"],
        ["other", "refreshed", "12,345", "1,234", "7", "unknown", "it is kept always"],
        ["claude-opus-5", "", "", "", "", "", "the granted ttl is 5m"],
        ["", "", "", "", "", "", "(zero)"],
        ["idle", "skipped", "", "", "", "", "it is not due"],
        ["m", "", "", "", "", "", ""],
        ["targets/[draft].json", "invalid", "", "", "", "", "$.keep: keep is missing"],
        ["4 entries", "2 warmed", "12,345", "1,234", "7", "0.012346", "1 failed, 0 deferred, 1 invalid documents"],
    ]


def test_a_table_may_have_a_title() -> None:
    """The demo names its ticks."""
    assert drawn(REPORT, title="tick 1").splitlines()[0].strip() == "tick 1"


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
    """Garbage is exit code 1 and never a traceback."""
    assert show(given) == (1, NOT_A_REPORT)


def test_bytes_that_are_not_text_are_no_report(tmp_path: Path) -> None:
    """A gzip file is not a report either."""
    (tmp_path / "report.gz").write_bytes(b"\x1f\x8b\x08")
    result = CliRunner(catch_exceptions=False).invoke(commands, ["show", str(tmp_path / "report.gz")])
    assert (result.exit_code, result.output) == (1, NOT_A_REPORT)


def test_a_missing_file_is_a_wrong_call() -> None:
    """The caller's mistake is exit code 2."""
    assert CliRunner().invoke(commands, ["show", "nowhere.json"]).exit_code == 2


@pytest.mark.parametrize(
    ("amount", "said"), [(None, "unknown"), ("0", "0.000000"), ("0.00000049", "0.000000"), ("12.5", "12.500000")]
)
def test_an_amount_has_six_places(amount: str | None, said: str) -> None:
    """A refresh costs fractions of a cent, and an unknown price is not 0."""
    assert usd(amount) == said
