"""A replay as a person reads it: every rule in a row of 80 columns, the cheapest first, and a sentence below."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.console import Group
from rich.text import Text

from prompt_cache_warmer.values.money import usd_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from decimal import Decimal

    from prompt_cache_warmer.cli.conditions import Conditions
    from prompt_cache_warmer.rules.replay.arrivals import Arrivals
    from prompt_cache_warmer.rules.replay.score import Score

OURS = ("decide_1h", "decide_5m", "advised")
LEGEND = Text(
    "> is this service; x least: times the clairvoyant's cost. Costs are the prefix's\n"
    "alone: hits, misses, warm calls. replay --help says what each rule does.",
    style="dim",
)

_WIDTH = 80
_INDENT = "  "
_NAME_WIDTH, _USD_WIDTH, _RATIO_WIDTH, _COLD_WIDTH, _SHARE_WIDTH, _CALLS_WIDTH = 19, 15, 10, 11, 9, 12
_USD_PLACES = 4
_RATIO_PLACES = 3
_ADVISED_WORDS = {"1h": "ttl 1h", "5m": "ttl 5m", "none": "no caching"}


@dataclass(frozen=True, slots=True)
class _Row:
    """One row: a rule, or a clairvoyant, who makes no cold start he could not count."""

    name: str
    cost_pico: int
    ratio: float
    cold_starts: int | None = None
    share: float | None = None
    calls: str = ""

    @property
    def usd(self) -> Decimal:
        return usd_of(self.cost_pico)


def replay_table(name: str, arrivals: Arrivals, score: Score, conditions: Conditions) -> Group:
    """Lay out what every rule would have cost on one file."""
    rows = sorted(_rows(score, conditions), key=lambda row: (row.cost_pico, row.name not in OURS))
    calls = "warm calls" if score.days < 1 else "calls a day"
    return Group(
        Text(_plain(name), style="bold"),
        Text(_filled(conditions.in_words(arrivals))),
        Text(_line("", "rule", "USD", "x least", "cold", "share", calls), style="bold"),
        *map(_drawn, rows),
        Text(_filled(f"-> {_sentence(score, rows)}"), style="green"),
        Text(),
    )


def _own(score: Score) -> str:
    """Name the rule that the first day advises."""
    return "uncached" if score.advised == "none" else f"decide_{score.advised}"


def _rows(score: Score, conditions: Conditions) -> Iterator[_Row]:
    least = score.clairvoyant_pico
    known = {
        "clairvoyant": least,
        "clairvoyant_1h": score.clairvoyant_1h_pico,
        "clairvoyant_5m": score.clairvoyant_5m_pico,
    }
    for name, cost_pico in known.items():
        if conditions.shows(name):
            yield _Row(name, cost_pico, cost_pico / least if least else 1.0)
    for name, outcome in score.rules.items():
        is_shown = conditions.shows(_own(score) if name == "advised" else name)
        if is_shown:
            per_day = score.warm_calls_per_day(name)
            yield _Row(
                name,
                outcome.cost_pico,
                score.vs_clairvoyant(name),
                cold_starts=outcome.cold_starts,
                share=outcome.cold_starts / outcome.requests,
                calls=f"{outcome.warm_calls:,}" if per_day is None else f"{per_day:,.1f}",
            )


def _drawn(row: _Row) -> Text:
    is_ours = row.name in OURS
    cold = "" if row.cold_starts is None else f"{row.cold_starts:,}"
    share = "" if row.share is None else f"{row.share:.1%}"
    usd, ratio = f"{row.usd:,.{_USD_PLACES}f}", f"{row.ratio:.{_RATIO_PLACES}f}"
    return Text(_line(">" if is_ours else "", row.name, usd, ratio, cold, share, row.calls), "bold" if is_ours else "")


def _line(mark: str, name: str, *cells: str) -> str:
    widths = (_USD_WIDTH, _RATIO_WIDTH, _COLD_WIDTH, _SHARE_WIDTH, _CALLS_WIDTH)
    figures = "".join(f"{cell:>{width}}" for cell, width in zip(cells, widths, strict=True))
    return f"{mark:<2}{name:<{_NAME_WIDTH}}{figures}".rstrip()


def _sentence(score: Score, rows: list[_Row]) -> str:
    """Say how the choice of the first day did, and beside it the best of what else could have been chosen."""
    by_name = {row.name: row for row in rows}
    own = _own(score)
    words = f"As its first day advises ({_ADVISED_WORDS[score.advised]})"
    if own not in by_name:  # the other time to live was asked for
        own = next(name for name in OURS if name in by_name)
        words = f"With {own}"
    chosen = by_name[own]
    subject = "leaving out the cache" if own == "uncached" else "this service"
    ours = (
        f"{words} {subject} costs {chosen.usd:,.2f} USD, "
        f"{chosen.ratio:.2f} times the least anybody could have paid, with {_cold(chosen)}."
    )
    rival = next(row for row in rows if row.name not in (own, "advised") and row.cold_starts is not None)
    if rival.cost_pico < chosen.cost_pico:
        return f"{ours} {rival.name} costs less here: {rival.ratio:.2f} times the least, with {_cold(rival)}."
    return f"{ours} The best of the others, {rival.name}, costs {rival.ratio:.2f} times the least, with {_cold(rival)}."


def _cold(row: _Row) -> str:
    return f"{row.cold_starts:,} cold start{'' if row.cold_starts == 1 else 's'}"


def _filled(sentence: str) -> str:
    return textwrap.fill(sentence, _WIDTH, initial_indent=_INDENT, subsequent_indent=_INDENT, break_on_hyphens=False)


def _plain(text: str) -> str:
    """Replace what a terminal would obey."""
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)
