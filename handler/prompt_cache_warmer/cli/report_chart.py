"""Plots of a report as inline SVG: drawn in a box that stretches, with every word beside it as HTML.

So a line keeps its width and a word its size on a phone and on a wide screen. Colours are the page's own. Each
bucket has a title of its own for whoever points at it; the same figures stand in a table of the page.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from html import escape
from itertools import accumulate
from typing import TYPE_CHECKING

from prompt_cache_warmer.cli.effect_words import percent, usd

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from prompt_cache_warmer.rules.effect import Moment
    from prompt_cache_warmer.rules.effect_window import Window

_WIDE, _HIGH = 1000, 100  # the box's own units; the page stretches it
_VOLUME_HIGH = 30  # so that the requests stay behind the line
_BAR = 0.8  # of a bucket's width
MAX_POINTS = 60  # on a phone a point is five pixels wide then
_SIZES = (1, 2, 3, 4, 6, 12)  # of 400 buckets twelve make 34 points
_LINES = 4  # between the bottom and the top
_MAX_TICKS = 6
_DAY = timedelta(days=1)
_TICKS = (
    *(timedelta(minutes=minutes) for minutes in (15, 30, 60, 180, 360, 720)),
    *(timedelta(days=days) for days in (1, 2, 7, 14, 30, 60, 91)),
)
_EDGE = 4.0  # percent: a label nearer to an end than this is put inside
_NICE = (Decimal(1), Decimal(2), Decimal("2.5"), Decimal(5), Decimal(10))
_LEAST_TOP = Decimal("0.0001")  # USD: the scale of a plot without any money
_SPENT_UNKNOWN = "spent on warming: unknown, and so is the net"


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a bucket stands in the box."""

    left: float
    width: float

    @property
    def middle(self) -> float:
        return self.left + self.width / 2


def plot_size(count: int) -> int:
    """Choose how many buckets one point of a plot stands for: whole parts of an hour or a day, sixty points or less."""
    return next((size for size in _SIZES if count <= size * MAX_POINTS), _SIZES[-1])


def ratio_plot(window: Window, moments: Sequence[Moment]) -> str:
    """Draw the hit ratio of each bucket with its requests behind, and its cold starts below."""
    places = _places(len(moments))
    most = max((moment.seen.requests for moment in moments), default=0) or 1
    coldest = max((moment.seen.cold_starts for moment in moments), default=0) or 1
    volume = _bars(places, [_VOLUME_HIGH * moment.seen.requests / most for moment in moments], "volume")
    cold = _bars(places, [_HIGH * moment.seen.cold_starts / coldest for moment in moments], "cold")
    points = [
        None if moment.seen.hit_ratio is None else (place.middle, _HIGH * (1 - moment.seen.hit_ratio))
        for place, moment in zip(places, moments, strict=True)
    ]
    titles = [
        f"{_when(moment.start, window)}: {percent(moment.seen.hit_ratio)} of {moment.seen.requests:,} requests, "
        f"{moment.seen.cold_starts:,} cold starts"
        for moment in moments
    ]
    inner = f"{_grid()}{volume}{_line(points, 'first')}{_hovers(places, titles)}"
    label = "Hit ratio over time, from 0 to 100 percent, with the number of requests behind it"
    return _figure(
        _scale([f"{100 * step // _LINES}%" for step in range(_LINES + 1)]),
        _svg("ratio", label, inner, "high"),
        f"<div></div>{_svg('cold', f'Cold starts over time, at most {coldest:,} in a bucket', cold, 'low')}",
        _days(window),
        _key(
            ('<i class="first"></i>', "hit ratio"),
            ('<i class="volume"></i>', f"requests, at most {most:,}"),
            ('<i class="cold"></i>', f"cold starts, at most {coldest:,}"),
        ),
    )


def money_plot(window: Window, moments: Sequence[Moment]) -> str:
    """Draw what warm calls saved and cost, added up over time; between the lines lies the net.

    Where nothing is known of what they cost there is one line, and nothing is said of the net.
    """
    places = _places(len(moments))
    known = [moment.spent_usd for moment in moments if moment.spent_usd is not None]
    saved = list(accumulate(moment.vs_no_warming_usd for moment in moments))
    spent = list(accumulate(moment.spent_usd or Decimal(0) for moment in moments)) if known else []
    told: Sequence[Decimal | None] = spent if known else [None] * len(saved)
    top = nice_top(max((*saved, *spent, _LEAST_TOP)))
    saved_line, spent_line = (
        [(place.middle, _high(amount, top)) for place, amount in zip(places, of, strict=False)]
        for of in (saved, spent)  # the second one may have no point at all
    )
    titles = [
        f"{_when(moment.start, window)}, up to its end: saved {usd(a)} USD, {_spent_words(a, b)}"
        for moment, a, b in zip(moments, saved, told, strict=True)
    ]
    between = " ".join(f"{x:.1f},{y:.2f}" for x, y in (*saved_line, *reversed(spent_line))) if known else ""
    area = f'<polygon class="between" points="{between}"/>' if known else ""
    inner = f"{_grid()}{area}{_line(saved_line, 'first')}{_line(spent_line, 'second')}{_hovers(places, titles)}"
    label = f"Money over time, added up, from 0 to {usd(top)} USD: saved against no warming, and " + (
        "spent on warming" if known else "what was spent on warming is unknown"
    )
    return _figure(
        _scale([_short(top * step / _LINES) for step in range(_LINES + 1)]),
        _svg("money", label, inner, "high"),
        "",
        _days(window),
        _key(
            ('<i class="first"></i>', f"saved against no warming: {usd(saved[-1])} USD"),
            ('<i class="second"></i>', f"spent on warming: {usd(spent[-1])} USD") if known else ("", _SPENT_UNKNOWN),
        ),
    )


def _spent_words(saved: Decimal, spent: Decimal | None) -> str:
    return "spent unknown" if spent is None else f"spent {usd(spent)} USD, net {usd(saved - spent)} USD"


def nice_top(amount: Decimal) -> Decimal:
    """Return the end of a scale that holds an amount: 1, 2, 2.5 or 5 of some power of ten."""
    power = Decimal(10) ** amount.adjusted()
    return next(step * power for step in _NICE if step * power >= amount)


def _high(amount: Decimal, top: Decimal) -> float:
    return float(_HIGH * (1 - amount / top))


def _short(amount: Decimal) -> str:
    return f"{amount.normalize():f}"


def _places(count: int) -> list[_Place]:
    width = _WIDE / max(1, count)
    return [_Place(number * width, width) for number in range(count)]


def _grid() -> str:
    heights = (_HIGH * step / _LINES for step in range(_LINES + 1))
    return "".join(f'<line class="grid" x1="0" x2="{_WIDE}" y1="{y:g}" y2="{y:g}"/>' for y in heights)


def _bars(places: Sequence[_Place], heights: Iterable[float], name: str) -> str:
    return "".join(
        f'<rect class="{name}" x="{place.middle - place.width * _BAR / 2:.2f}" y="{_HIGH - high:.2f}" '
        f'width="{place.width * _BAR:.2f}" height="{high:.2f}"/>'
        for place, high in zip(places, heights, strict=True)
        if high
    )


def _line(points: Sequence[tuple[float, float] | None], name: str) -> str:
    """Draw a line that is interrupted where there is nothing; a point alone is a dot."""
    parts = []
    for run in _runs(points):
        drawn = run if len(run) > 1 else [*run, *run]
        parts.append("M" + " L".join(f"{x:.2f} {y:.2f}" for x, y in drawn))
    return f'<path class="{name}" d="{" ".join(parts)}"/>' if parts else ""


def _runs(points: Sequence[tuple[float, float] | None]) -> Iterator[list[tuple[float, float]]]:
    run: list[tuple[float, float]] = []
    for point in (*points, None):
        if point is not None:
            run.append(point)
        elif run:
            yield run
            run = []


def _hovers(places: Sequence[_Place], titles: Sequence[str]) -> str:
    return "".join(
        f'<rect class="hover" x="{place.left:.2f}" y="0" width="{place.width:.2f}" height="{_HIGH}">'
        f"<title>{escape(title)}</title></rect>"
        for place, title in zip(places, titles, strict=True)
    )


def _svg(name: str, label: str, inner: str, size: str) -> str:
    return (
        f'<svg class="{size}" viewBox="0 0 {_WIDE} {_HIGH}" preserveAspectRatio="none" role="img" '
        f'aria-labelledby="{name}-title"><title id="{name}-title">{escape(label)}</title>{inner}</svg>'
    )


def _figure(scale: str, plot: str, below: str, days: str, key: str) -> str:
    return f'<figure><div class="plot">{scale}{plot}{below}<div></div>{days}</div>{key}</figure>'


def _scale(labels: Sequence[str]) -> str:
    """Write the labels of the lines, from the bottom up; the hidden ones make room for the widest."""
    room = "".join(f"<span>{escape(label)}</span>" for label in labels)
    shown = "".join(
        f'<b style="top:{100 - 100 * step / _LINES:g}%">{escape(label)}</b>' for step, label in enumerate(labels)
    )
    return f'<div class="scale" aria-hidden="true">{room}{shown}</div>'


def _days(window: Window) -> str:
    labels = []
    for at in _ticks(window):
        left = 100 * (at - window.start) / window.span
        side = ' class="left"' if left < _EDGE else ' class="right"' if left > 100 - _EDGE else ""
        text = f"{at:%H:%M}" if window.span <= _DAY else f"{at.day} {at:%b}"
        labels.append(f'<b{side} style="left:{left:.2f}%">{text}</b>')
    return f'<div class="days" aria-hidden="true">{"".join(labels)}</div>'


def _ticks(window: Window) -> Iterator[datetime]:
    """Return round moments of a window, at most six and at least one."""
    step = next((step for step in _TICKS if window.span / step <= _MAX_TICKS), _TICKS[-1])
    seconds = step.total_seconds()
    at = datetime.fromtimestamp(-(-window.start.timestamp() // seconds) * seconds, UTC)
    while at <= window.end:
        yield at
        at += step


def _when(at: datetime, window: Window) -> str:
    return f"{at:%Y-%m-%d}" if window.bucket_seconds >= _DAY.total_seconds() else f"{at:%Y-%m-%d %H:%M}"


def _key(*entries: tuple[str, str]) -> str:
    return f'<ul class="key">{"".join(f"<li>{sign}{escape(text)}</li>" for sign, text in entries)}</ul>'
