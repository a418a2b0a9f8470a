"""A replay as a picture: what each rule had cost as time went on, and below it when users met a cold cache.

Every series is named at its own end, so there is no legend to look up. Hue says the kind of rule and
the stroke its time to live; the hues are those of Okabe and Ito, which colour-blind people can tell
apart. matplotlib is loaded when a picture is asked for, and draws into files only.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from itertools import pairwise
from typing import TYPE_CHECKING

import click

from prompt_cache_warmer.cli.label_places import places
from prompt_cache_warmer.values.installation import from_a_clone

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from prompt_cache_warmer.rules.replay.course import Course

PLOT_SUFFIX = ".png"
LABEL = "label"  # the id of every series' name in the picture

_INCHES = (13.6, 8.8)
_DOTS_PER_INCH = 150
_PANELS = (3.2, 2.0)  # how high they are beside each other
_LEFT, _RIGHT, _TOP, _BOTTOM = 0.065, 0.69, 0.885, 0.075  # of the picture; the names stand on the right
_BETWEEN = 0.13
_TITLE_PLACE, _SUBTITLE_PLACE = 0.95, 0.918
_NOTE = "bold: this service; solid: ttl 1h, dashed: ttl 5m"
_NOTE_PLACE, _NOTE_SHIFT = 0.022, 0.022
_INK, _SOFT, _GRID = "#222222", "#666666", "#e6e6e6"
_TITLE_POINTS, _FONT_POINTS = 15.0, 9.5
_POINTS_PER_INCH = 72
_LABEL_HEIGHT_POINTS = 1.5 * _FONT_POINTS  # so that names have air between them
_LABEL_PLACE, _LEADER_END = 1.035, 1.03  # of the panel's width: where names begin, and their leaders end
_HEADROOM = 1.05
_SIDE = 0.004  # of the time, so that the first mark is whole
# A series so many times as high as all below it would press them to the floor: it leaves at the top.
_OFF_THE_SCALE = 2.5
_MARK_HEIGHT = 0.62  # of a row
_MINUTE_SECONDS, _HOUR_SECONDS, _DAY_SECONDS = 60.0, 3_600.0, 86_400.0
_UNITS_TO_FILL = 3  # a unit is used from so many of it on
_ADVISED = "advised"
_CLAIRVOYANT = "clairvoyant"


@dataclass(frozen=True, slots=True)
class _Stroke:
    """How a rule is drawn."""

    colour: str
    dashes: str = "-"
    width: float = 1.6
    is_ours: bool = False


# Okabe and Ito, "Color Universal Design" (2008); their yellow is too pale for a line on white.
_BLACK, _ORANGE, _GREEN, _BLUE = "#000000", "#E69F00", "#009E73", "#0072B2"
_VERMILLION, _PURPLE, _GREY = "#D55E00", "#CC79A7", "#999999"
_STROKES = {
    _CLAIRVOYANT: _Stroke(_BLACK, dashes=":", width=2.0),
    "decide_1h": _Stroke(_BLUE, width=2.8, is_ours=True),
    "decide_5m": _Stroke(_BLUE, dashes="--", width=2.8, is_ours=True),
    "never_1h": _Stroke(_GREEN),
    "never_5m": _Stroke(_GREEN, dashes="--"),
    "ping_5m_always": _Stroke(_VERMILLION, dashes="--"),
    "ping_5m_skipping": _Stroke(_PURPLE, dashes="--"),
    "ping_5m_bounded": _Stroke(_ORANGE, dashes="--"),
    "uncached": _Stroke(_GREY),
}


@dataclass(frozen=True, slots=True)
class _Series:
    """One rule in the picture."""

    name: str
    course: Course
    is_advised: bool

    @property
    def stroke(self) -> _Stroke:
        return _STROKES[self.name]

    @property
    def cost_usd(self) -> float:
        return self.course.costs_usd[-1]

    @property
    def title(self) -> str:
        return f"{self.name} (advised)" if self.is_advised else self.name


def require_matplotlib() -> None:
    """Make sure that a picture can be drawn.

    Raises:
        ClickException: saying what to install.
    """
    if find_spec("matplotlib") is None:
        raise click.ClickException(f"matplotlib is not installed; --plot needs, {from_a_clone('cli', 'plot')}")


def draw(image: Path, courses: Mapping[str, Course], *, title: str, subtitle: str) -> None:
    """Draw a replay into a PNG file.

    Args:
        image: the file.
        courses: each rule's course, by name; ``advised`` is one of the others and is named beside it.
        title: what was replayed.
        subtitle: under which conditions.
    """
    picture(courses, title=title, subtitle=subtitle).savefig(image, dpi=_DOTS_PER_INCH)


def picture(courses: Mapping[str, Course], *, title: str, subtitle: str) -> Figure:
    """Draw a replay; as ``draw`` does, into no file."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415 - see the module's docstring
    from matplotlib.figure import Figure  # noqa: PLC0415 - an extra

    figure = Figure(figsize=_INCHES, dpi=_DOTS_PER_INCH, facecolor="white")
    FigureCanvasAgg(figure)
    figure.text(_LEFT, _TITLE_PLACE, title, fontsize=_TITLE_POINTS, fontweight="bold", color=_INK, parse_math=False)
    figure.text(_LEFT, _SUBTITLE_PLACE, subtitle, fontsize=_FONT_POINTS + 1, color=_SOFT, parse_math=False)
    costs, colds = figure.subplots(2, 1, sharex=True, height_ratios=_PANELS)
    figure.subplots_adjust(left=_LEFT, right=_RIGHT, top=_TOP, bottom=_BOTTOM, hspace=_BETWEEN)
    series = _by_cost(courses)
    unit, unit_seconds = _time_unit(max(one.course.times_s[-1] for one in series))
    for axes in (costs, colds):
        _clear(axes)
    _draw_costs(costs, series, unit_seconds)
    _draw_colds(colds, [one for one in series if one.course.cold_starts is not None], unit_seconds)
    colds.set_xlabel(f"time since t_s = 0 ({unit})", fontsize=_FONT_POINTS + 1, color=_INK)
    figure.align_ylabels((costs, colds))
    figure.text(_RIGHT + _NOTE_SHIFT, _NOTE_PLACE, _NOTE, fontsize=_FONT_POINTS, color=_SOFT)
    return figure


def _by_cost(courses: Mapping[str, Course]) -> list[_Series]:
    """Order the rules, the dearest first; the advised one is another's twin and is named there."""
    advised = courses.get(_ADVISED)
    series = [_Series(name, course, course is advised) for name, course in courses.items() if name != _ADVISED]
    return sorted(series, key=lambda one: one.cost_usd, reverse=True)


def _time_unit(last_s: float) -> tuple[str, float]:
    units = {"days": _DAY_SECONDS, "hours": _HOUR_SECONDS, "minutes": _MINUTE_SECONDS}
    return next((unit for unit in units.items() if last_s >= _UNITS_TO_FILL * unit[1]), ("seconds", 1.0))


def _clear(axes: Axes) -> None:
    """Leave of the frame what helps reading."""
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.spines["bottom"].set_color(_SOFT)
    axes.tick_params(colors=_SOFT, labelsize=_FONT_POINTS, length=0)
    axes.set_axisbelow(True)
    axes.margins(x=_SIDE)


def _draw_costs(axes: Axes, series: Sequence[_Series], unit_seconds: float) -> None:
    """Draw what each rule had cost; what a gap cost is spread over it."""
    least = next((one.cost_usd for one in series if one.name == _CLAIRVOYANT), series[-1].cost_usd)
    ceiling = _ceiling([one.cost_usd for one in series])
    for one in series:
        times = [time_s / unit_seconds for time_s in one.course.times_s]
        stroke = one.stroke
        axes.plot(
            times,
            one.course.costs_usd,
            color=stroke.colour,
            linestyle=stroke.dashes,
            linewidth=stroke.width,
            zorder=3 if stroke.is_ours else 2,
        )
    axes.set_ylim(0, ceiling * _HEADROOM or 1)
    axes.yaxis.set_major_formatter("{x:,g}")
    axes.set_ylabel("cost so far (USD)", fontsize=_FONT_POINTS + 1, color=_INK)
    axes.grid(axis="y", color=_GRID)
    words = []
    for one in series:
        ratio = f", {one.cost_usd / least:.2f} x least" if least and one.name != _CLAIRVOYANT else ""
        off = ", off the scale" if one.cost_usd > ceiling else ""
        words.append(f"{one.title}  {_usd(one.cost_usd)} USD{ratio}{off}")
    _name_ends(axes, series, [min(one.cost_usd, ceiling * _HEADROOM) for one in series], words)


def _draw_colds(axes: Axes, series: Sequence[_Series], unit_seconds: float) -> None:
    """Draw a row for each rule, with a mark where a request was cold."""
    rows = range(len(series))
    for row, one in zip(rows, series, strict=True):
        axes.axhline(row, color=_GRID, linewidth=1)
        marks = [time_s / unit_seconds for time_s in one.course.cold_s]
        half = _MARK_HEIGHT / 2
        axes.vlines(marks, row - half, row + half, color=one.stroke.colour, linewidth=1.3)
    axes.set_ylim(len(series) - 0.5, -0.5)
    axes.set_yticks([])
    axes.set_ylabel("cold starts (requests)", fontsize=_FONT_POINTS + 1, color=_INK)
    words = []
    for one in series:
        cold = one.course.cold_starts or 0
        words.append(f"{one.title}  {cold:,} cold, {cold / one.course.requests:.1%}")
    _name_ends(axes, series, list(map(float, rows)), words)


def _usd(amount: float) -> str:
    return f"{amount:,.2f}" if amount >= 1 else f"{amount:.4f}"


def _ceiling(costs: Sequence[float]) -> float:
    """Choose what is shown of the scale: all of it, but for what would press the rest to the floor."""
    highest = sorted(costs, reverse=True)
    for higher, lower in pairwise(highest):
        if higher <= _OFF_THE_SCALE * lower:
            return higher
    return highest[0]


def _name_ends(axes: Axes, series: Sequence[_Series], ends: Sequence[float], words: Sequence[str]) -> None:
    """Name each series at its own end, moved apart where ends lie close together."""
    box = axes.get_position()
    points_high = box.height * _INCHES[1] * _POINTS_PER_INCH
    low, high = axes.get_ylim()
    wanted = [(end - low) / (high - low) for end in ends]
    found = places(wanted, height=_LABEL_HEIGHT_POINTS / points_high, low=0.0, high=1.0)
    for one, text, end, place in zip(series, words, wanted, found, strict=True):
        stroke = one.stroke
        axes.plot(
            [1.0, (1.0 + _LEADER_END) / 2, _LEADER_END],
            [end, place, place],
            transform=axes.transAxes,
            color=stroke.colour,
            linewidth=1.4,
            clip_on=False,
            scalex=False,
            scaley=False,
        )
        axes.text(
            _LABEL_PLACE,
            place,
            text,
            transform=axes.transAxes,
            verticalalignment="center",
            fontsize=_FONT_POINTS,
            fontweight="bold" if stroke.is_ours else "normal",
            color=_INK,
            gid=LABEL,
        )
