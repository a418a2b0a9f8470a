"""The plan as a person reads it: for each entry the two times to live side by side, in 80 columns.

What comes from outside is plain text: rich would read brackets in a str as markup.
"""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from rich.console import Group
from rich.text import Text

from prompt_cache_warmer.rules.outlook import TTLS, UNCACHED, Kept, Way

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from decimal import Decimal

    from prompt_cache_warmer.rules.advice import Forecast
    from prompt_cache_warmer.rules.outlook import PaysFrom
    from prompt_cache_warmer.rules.prospect import Prospect

_WIDTH = 80
_INDENT = 2
_LABEL_WIDTH = 22
_USD_WIDTH, _CALLS_WIDTH, _COLD_WIDTH = 13, 8, 7
_BLOCK_WIDTH = _USD_WIDTH + _CALLS_WIDTH + _COLD_WIDTH
_PRICE_PLACES = 6  # a refresh costs fractions of a cent
_DAY_PLACES = {1_000: 4, 1_000_000: 2}  # below so many USD; none beyond
_ROUND_FROM = 100  # rates above it have no need of a decimal
_THOUSANDS_FROM = 100_000
_NOW = ">"
_NEVER = "never"
_LEGEND = (
    "> is what the target says. A prefix-price is the prefix once, as plain input. Tokens are estimates, "
    "prices today's, requests come at random."
)
_BOUND_LEGEND = (
    " Without --requests-per-day costs are those of the warm calls alone, and the most they can be. "
    "Each new prefix costs one write (a miss) on top; around the clock that is all that once calls for."
)


def plan_table(prospects: Sequence[Prospect], requests_per_day: float | None) -> Group:
    """Lay out what keeping entries warm will cost."""
    legend = _LEGEND + ("" if requests_per_day else _BOUND_LEGEND)
    has_figures = any(prospect.ways for prospect in prospects)
    return Group(
        *(line for prospect in prospects for line in _entry(prospect, requests_per_day)),
        *([_wrapped(legend, style="dim")] if has_figures else []),
    )


def _entry(prospect: Prospect, requests_per_day: float | None) -> Iterator[Text]:
    target, way = prospect.entry.target, prospect.way
    yield Text(f"{target.name} on {prospect.entry.model}", style="bold")
    facts = [f"about {target.prefix_tokens:,} tokens", f"ttl {way.ttl}", f"keep: {way.keep}"]
    facts.append(f"open {prospect.hours.hours_per_day:.1f} hours a day" if target.windows else "around the clock")
    if target.cold_start_value_usd:
        facts.append(f"a cold start counts {target.cold_start_value_usd} USD")
    yield _wrapped(", ".join(facts), indent=_INDENT)
    for note in prospect.notes:
        yield _wrapped(note, indent=_INDENT)
    if prospect.ways:
        yield from _prices(prospect)
        yield from _days(prospect, requests_per_day)
        yield from _pays(prospect)
    yield _wrapped(f"-> {prospect.recommendation.sentence}", indent=_INDENT, style="green")
    yield Text()


def _prices(prospect: Prospect) -> Iterator[Text]:
    yield _row("USD for the prefix", [f"ttl {ttl}" for ttl in TTLS], style="bold")
    costs = [prospect.costs[ttl] for ttl in TTLS]
    yield _row("  miss (write)", [_usd(cost.write_usd, _PRICE_PLACES) for cost in costs])
    yield _row("  hit, refresh (read)", [_usd(cost.read_usd, _PRICE_PLACES) for cost in costs])
    yield _row("  plain input", [_usd(cost.plain_usd, _PRICE_PLACES) for cost in costs])


def _days(prospect: Prospect, requests_per_day: float | None) -> Iterator[Text]:
    head = "a day, at most" if requests_per_day is None else f"{_count(requests_per_day)} requests a day"
    columns = f"{'USD':>{_USD_WIDTH}}{'calls':>{_CALLS_WIDTH}}"
    yield _row(head, [columns + ("" if prospect.is_bound else f"{'cold':>{_COLD_WIDTH}}")] * 2, style="bold", left=True)
    for keep, label in _labels(prospect).items():
        yield _row(f"  {label}", [_day(prospect, Way(ttl, keep)) for ttl in TTLS], left=True)
    if UNCACHED in prospect.ways:
        yield _row("  not cached", [_figures(prospect.ways[UNCACHED], "", is_bound=False)], left=True)


def _labels(prospect: Prospect) -> dict[Kept, str]:
    """Name the rows: around the clock once makes no call on an ordinary day, so it is the same as not warming."""
    warmed: dict[Kept, str] = {"always": "always", "while-used": "while-used"}
    if prospect.is_bound:
        return warmed | {"once": "once"}
    if prospect.hours.openings:
        return warmed | {"once": "once", "never": "not warmed"}
    return warmed | {"once": "once, or not warmed"}


def _day(prospect: Prospect, way: Way) -> str:
    mark = _NOW if way == prospect.way else ""
    if way not in prospect.ways:
        return f"{mark:<2}{'ticks too far apart':>{_USD_WIDTH + _CALLS_WIDTH - 2}}"
    return _figures(prospect.ways[way], mark, is_bound=prospect.is_bound)


def _figures(forecast: Forecast, mark: str, *, is_bound: bool) -> str:
    places = next((places for below, places in _DAY_PLACES.items() if forecast.cost_usd < below), 0)
    usd = f"{mark} {_usd(forecast.cost_usd, places)}"
    cold = "" if is_bound else f"{_rate(forecast.cold_starts):>{_COLD_WIDTH}}"
    return f"{usd:>{_USD_WIDTH}}{_rate(forecast.warm_calls):>{_CALLS_WIDTH}}{cold}"


def _pays(prospect: Prospect) -> Iterator[Text]:
    pays = [prospect.pays[ttl] for ttl in TTLS]
    yield Text(f"{'':{_INDENT}}requests a day for which always pays", style="bold")
    yield _row("  vs. not warming", [_stretch(one) for one in pays], left=True)
    yield _row("  vs. not caching", [_from(one.than_not_caching) for one in pays], left=True)


def _stretch(pays: PaysFrom) -> str:
    if pays.than_not_warming is None or pays.until is None:
        return _from(pays.than_not_warming)
    return f"{_from(pays.than_not_warming)} to {_rate(pays.until)}"


def _from(rate: float | None) -> str:
    return _NEVER if rate is None else f"from {_rate(rate)}"


def _row(label: str, cells: Sequence[str], *, style: str = "", left: bool = False) -> Text:
    """Draw one row; figures of a day fill their block from the left, everything else ends where USD ends."""
    width = _BLOCK_WIDTH if left else _USD_WIDTH
    blocks = "".join(f"{cell:<{_BLOCK_WIDTH}}" if left else f"{cell:>{width}}".ljust(_BLOCK_WIDTH) for cell in cells)
    return Text(f"{'':{_INDENT}}{label:<{_LABEL_WIDTH}}{blocks}".rstrip(), style=style)


def _wrapped(sentence: str, *, indent: int = 0, style: str = "") -> Text:
    edge = " " * indent
    return Text(
        textwrap.fill(sentence, _WIDTH, initial_indent=edge, subsequent_indent=edge, break_on_hyphens=False), style
    )


def _usd(amount: Decimal, places: int) -> str:
    return f"{amount:,.{places}f}"


def _rate(rate: float) -> str:
    if rate >= _THOUSANDS_FROM:
        return f"{rate / 1_000:,.0f}k"
    return f"{rate:,.0f}" if rate >= _ROUND_FROM else f"{rate:.1f}"


def _count(requests: float) -> str:
    """Write a number of requests as it was given, unless that is too long."""
    return _rate(requests) if requests >= _THOUSANDS_FROM else f"{requests:,g}"
