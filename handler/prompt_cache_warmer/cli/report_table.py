"""The run report as a table; made from the same object the handler answers."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Mapping

VERDICT_STYLES = {
    "refreshed": "green",
    "written": "yellow",
    "partial": "yellow",
    "uncached": "magenta",
    "failed": "bold red",
    "deferred": "red",
}
_COST_PLACES = 6  # a refresh costs fractions of a cent


def report_table(report: Mapping[str, Any], *, title: str | None = None) -> Table:
    """Make the table of a run report: one row per entry, the invalid documents, the totals."""
    table = Table(title=title, title_justify="left", show_footer=False, expand=False)
    table.add_column("entry", overflow="fold")
    table.add_column("verdict", no_wrap=True)
    for heading in ("read", "written", "plain", "USD"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("why", overflow="fold")
    for line in report["entries"]:
        table.add_row(*_row(line))
    for problem in report["problems"]:
        if problem["severity"] == "error":
            why = f"{problem['path']}: {problem['message']}"
            invalid = Text("invalid", style=VERDICT_STYLES["failed"])
            table.add_row(Text(problem["source"]), invalid, "", "", "", "", Text(why))
    totals = report["totals"]
    table.add_section()
    table.add_row(
        Text(f"{totals['entries']} entries"),
        Text(f"{totals['entries_warmed']} warmed"),
        f"{totals['read_tokens']:,}",
        f"{totals['write_5m_tokens'] + totals['write_1h_tokens']:,}",
        f"{totals['uncached_tokens']:,}",
        usd(totals["cost_usd"]),
        Text(
            f"{totals['entries_failed']} failed, {totals['entries_deferred']} deferred, "
            f"{totals['targets_invalid']} invalid documents"
        ),
    )
    return table


def usd(amount: str | None) -> str:
    """Write an amount of a report in USD, or ``unknown``."""
    return "unknown" if amount is None else f"{Decimal(amount):.{_COST_PLACES}f}"


def _row(line: Mapping[str, Any]) -> tuple[str | Text, ...]:
    """Make an entry's row; what comes from outside is plain text, because rich reads brackets in a str as markup."""
    word = line.get("verdict") or line["outcome"]
    entry = Text(f"{line['target']}\n  {line['model']}")
    why = "\n".join((line["reason"], *line.get("notices", ())))
    if line.get("call_form"):
        why += f"\n({line['call_form']})"
    verdict = Text(word, style=VERDICT_STYLES.get(word, ""))
    if "read_tokens" not in line:
        return entry, verdict, "", "", "", "", Text(why)
    written = line["write_5m_tokens"] + line["write_1h_tokens"]
    return (
        entry,
        verdict,
        f"{line['read_tokens']:,}",
        f"{written:,}",
        f"{line['uncached_tokens']:,}",
        usd(line.get("cost_usd")),
        Text(why),
    )
