"""The run report as a person reads it; made from the same object the handler answers.

Figures stand in columns that fit 80 characters, and the why stands below them over the whole width,
so that no sentence is folded into a column of ten. Where there is less room every figure has a line of
its own. What comes from outside is plain text: rich would
read brackets in a str as markup, and a terminal would obey control characters.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from rich.console import Group
from rich.padding import Padding
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from prompt_cache_warmer.cli.counting import counted
from prompt_cache_warmer.rules.reasons import Reason

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from rich.console import RenderableType

    _Drawn = Callable[[Text, Text, Sequence[str]], RenderableType]

VERDICT_STYLES = {
    "refreshed": "green",
    "written": "yellow",
    "partial": "yellow",
    "uncached": "magenta",
    "failed": "bold red",
    "deferred": "red",
    "invalid": "bold red",
}
_COST_PLACES = 6  # a refresh costs fractions of a cent
_WIDTH = 80
_ENTRY_WIDTH, _VERDICT_WIDTH = 35, 9
_FIGURE_HEADS = ("read", "written", "plain", "USD")
_FIGURE_WIDTHS = (8, 8, 6, 9)
_INDENT = (0, 0, 0, 2)
_PLAIN_FORM = "zero"
_SKIPPED = "skipped"


def report_table(report: Mapping[str, Any], *, width: int = _WIDTH) -> Group:
    """Lay out a run report: every entry that was due or missed with its why, and the rest in numbers.

    Args:
        report: the handler's answer.
        width: how many characters a line has room for.
    """
    totals = report["totals"]
    is_wide = width >= _WIDTH
    drawn = _row if is_wide else _block
    due = [line for line in report["entries"] if line["outcome"] != _SKIPPED or "diagnosis" in line]
    return Group(
        *((_row(Text("entry"), Text("verdict"), _FIGURE_HEADS, style="bold"),) if is_wide else ()),
        *(part for line in due for part in _entry(line, drawn)),
        *(_skipped(code, count) for code, count in report.get("skipped", {}).items()),
        *(
            part
            for problem in report["problems"]
            if problem["severity"] == "error"
            for part in _invalid(problem, drawn)
        ),
        Rule(style="dim"),
        drawn(
            Text(counted(totals["entries"], "entry", "entries")),
            Text(f"{totals['entries_warmed']} warmed"),
            _figures(totals),
        ),
        Text(
            f"{totals['entries_failed']} failed, {totals['entries_deferred']} deferred, "
            f"{counted(totals['targets_invalid'], 'invalid document')}"
        ),
        *_standing(report),
    )


def usd(amount: str | None) -> str:
    """Write an amount of a report in USD, or ``unknown``."""
    return "unknown" if amount is None else f"{Decimal(amount):.{_COST_PLACES}f}"


def _entry(line: Mapping[str, Any], drawn: _Drawn) -> Sequence[RenderableType]:
    word = line.get("verdict") or line["outcome"]
    why = [line["reason"], *line.get("notices", ())]
    if line.get("form", _PLAIN_FORM) != _PLAIN_FORM:
        why.append(f"sent as {line['form']}: {line['form_reason']}")
    if line.get("shared_with"):
        why.append(f"by the call of {line['shared_with']}, which is the same bytes")
    if line.get("advice"):
        why.append(line["advice"])
    why += _traffic(line)
    figures = _figures(line) if "read_tokens" in line else ("",) * len(_FIGURE_WIDTHS)
    name = Text(f"{_plain(line['target'])} {_plain(line['model'])}")
    return (drawn(name, Text(_plain(word), style=VERDICT_STYLES.get(word, "")), figures), *map(_why, why))


def _traffic(line: Mapping[str, Any]) -> Iterator[str]:
    """Say what became of the application's own requests since the entry's last warm call, and why they missed."""
    if traffic := line.get("traffic"):
        yield (
            f"traffic since the last warm call: {counted(traffic['requests'], 'request')}, "
            f"{counted(traffic['hits'], 'hit')}, {counted(traffic['cold_starts'], 'cold start')}, "
            f"{counted(traffic['drifts'], 'drift')}"
        )
    if diagnosis := line.get("diagnosis"):
        yield f"missed ({diagnosis['cause']}): {diagnosis['sentence']}"
        evidence = (f"{name} {_evidence(value)}" for name, value in diagnosis["evidence"].items())
        yield f"evidence: {', '.join(evidence)}"


def _evidence(value: object) -> str:
    """Write one fact of a diagnosis."""
    return "+".join(map(str, value)) if isinstance(value, list) else str(value)


def _skipped(code: str, count: int) -> Text:
    """Say how many entries were not due, or were kept back, for one reason."""
    sentence = Reason(code).sentence if code in set(Reason) else code
    return Text(_plain(f"{count} not called ({code}): {sentence}"), style="dim")


def _standing(report: Mapping[str, Any]) -> Iterator[Text]:
    """Say what held for the whole run: a pause, stopped credentials, the budget, the notices."""
    if pause := report.get("pause"):
        yield Text(_plain(f"paused until {pause['until']}: {pause['reason']}"), style="bold yellow")
    if stopped := report.get("stopped_credentials"):
        yield Text(_plain(f"stopped credentials: {', '.join(stopped)}"), style="bold red")
    for period, budget in report.get("budget", {}).items():
        if budget["cap_usd"] is not None:
            yield Text(f"spent this {period} (UTC): {usd(budget['spent_usd'])} of {budget['cap_usd']} USD")
        if budget["cap_tokens"] is not None:
            yield Text(f"spent this {period} (UTC): {budget['spent_tokens']:,} of {budget['cap_tokens']:,} tokens")
    for notice in report.get("notices", ()):
        yield Text(_plain(notice), style="yellow")


def _invalid(problem: Mapping[str, Any], drawn: _Drawn) -> Sequence[RenderableType]:
    verdict = Text("invalid", style=VERDICT_STYLES["invalid"])
    row = drawn(Text(_plain(problem["source"])), verdict, ("",) * len(_FIGURE_WIDTHS))
    return (row, _why(f"{problem['path']}: {problem['message']}"))


def _row(name: Text, verdict: Text, figures: Sequence[str], *, style: str = "") -> Table:
    """Draw one row; every row is a table of its own, so the widths are given and not found."""
    row = Table.grid(padding=(0, 1, 0, 0))
    row.add_column(width=_ENTRY_WIDTH, overflow="fold")
    row.add_column(width=_VERDICT_WIDTH)
    for width in _FIGURE_WIDTHS:
        row.add_column(width=width, justify="right", overflow="fold")
    row.add_row(name, verdict, *map(Text, figures), style=style)
    return row


def _block(name: Text, verdict: Text, figures: Sequence[str]) -> Group:
    """Draw one row where a line has no room for it: a line for each figure."""
    lines = (f"{head}: {figure}" for head, figure in zip(_FIGURE_HEADS, figures, strict=True) if figure)
    return Group(Text.assemble(name, ": ", verdict), *(Padding(Text(line), _INDENT) for line in lines))


def _figures(counts: Mapping[str, Any]) -> tuple[str, str, str, str]:
    written = counts["write_5m_tokens"] + counts["write_1h_tokens"]
    return (
        f"{counts['read_tokens']:,}",
        f"{written:,}",
        f"{counts['uncached_tokens']:,}",
        usd(counts.get("cost_usd")),
    )


def _why(sentence: str) -> Padding:
    return Padding(Text(_plain(sentence), style="dim"), _INDENT)


def _plain(text: str) -> str:
    """Replace what a terminal would obey."""
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)
