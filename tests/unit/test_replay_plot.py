"""The picture of a replay: a PNG with every series named at its end, and no two names on each other."""

from __future__ import annotations

from itertools import combinations, pairwise
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prompt_cache_warmer.cli.label_places import places
from prompt_cache_warmer.cli.replay_plot import LABEL, draw, picture
from prompt_cache_warmer.rules.replay.course import Course, courses
from tests.replay_cases import SONNET, after_gaps, arrivals

if TYPE_CHECKING:
    from pathlib import Path

    from matplotlib.figure import Figure
    from matplotlib.text import Text

    from prompt_cache_warmer.rules.replay.arrivals import Arrivals

HOUR = 3_600.0
DAY = 24 * HOUR
RULES = (
    *("clairvoyant", "decide_1h", "decide_5m", "never_1h", "never_5m"),
    *("ping_5m_always", "ping_5m_skipping", "ping_5m_bounded", "uncached"),
)
SHAPES = {
    "one request": arrivals(0),
    "a minute": arrivals(*range(0, 60, 5)),
    "dense": after_gaps(*[30.0] * 3_000),  # all rules but one cost nearly the same
    "days": after_gaps(*([60.0] * 30 + [14 * HOUR]) * 6),
    "sparse": after_gaps(*[30 * HOUR] * 40),
}


def course_of(requests: Arrivals) -> dict[str, Course]:
    """Return every rule's course on ticks."""
    return courses(requests, SONNET, tick_seconds=240.0, tail_seconds=0.0)


def flat(name: str, *costs: float) -> dict[str, Course]:
    """Return a course that ends at a cost."""
    return {name: Course(tuple(map(float, range(len(costs)))), costs, (0.0,), 1, len(costs))}


def labels(figure: Figure) -> list[list[Text]]:
    """Return the names of each panel, by the id they carry."""
    return [[text for text in axes.texts if text.get_gid() == LABEL] for axes in figure.axes]


def drawn(requests: Arrivals) -> Figure:
    """Draw a replay."""
    return picture(course_of(requests), title="days.csv", subtitle="3 requests, claude-sonnet-4-6")


def test_a_png_is_made(tmp_path: Path) -> None:
    """A file with a PNG's signature, of a size that prints."""
    image = tmp_path / "out.png"
    draw(image, course_of(SHAPES["days"]), title="days.csv", subtitle="")
    content = image.read_bytes()
    assert content.startswith(b"\x89PNG\r\n\x1a\n")
    width, height = (int.from_bytes(content[at : at + 4]) for at in (16, 20))
    assert (width, height) == (2040, 1320)


@pytest.mark.parametrize("shape", SHAPES)
def test_every_series_is_named_and_no_two_names_touch(shape: str) -> None:
    """By matplotlib's own boxes: apart from each other, and within the picture."""
    figure = drawn(SHAPES[shape])
    figure.canvas.draw()
    costs, colds = labels(figure)
    assert sorted(text.get_text().split()[0] for text in costs) == sorted(RULES)
    assert sorted(text.get_text().split()[0] for text in colds) == sorted(set(RULES) - {"clairvoyant"})
    for panel, axes in zip((costs, colds), figure.axes, strict=True):
        for box in (text.get_window_extent() for text in panel):
            assert axes.bbox.x1 < box.x0 < box.x1 < figure.bbox.width
            assert axes.bbox.y0 <= (box.y0 + box.y1) / 2 <= axes.bbox.y1
    boxes = [text.get_window_extent() for text in (*figure.texts, *costs, *colds)]
    assert [(one, other) for one, other in combinations(boxes, 2) if one.overlaps(other)] == []


def test_names_carry_the_figures_and_the_advised_one_says_so() -> None:
    """Two hours apart with a tail of nothing, by hand: 0.72 USD against the least of 0.72, and 1.8."""
    figure = picture(
        courses(after_gaps(2 * HOUR, 2 * HOUR, 60.0), SONNET, tick_seconds=0.0, tail_seconds=0.0), title="", subtitle=""
    )
    costs, colds = ({text.get_text() for text in panel} for panel in labels(figure))
    assert {
        "clairvoyant  0.7500 USD",
        "decide_1h (advised)  0.7500 USD, 1.00 x least",
        "never_1h  1.83 USD, 2.44 x least",
    } <= costs
    assert {"decide_1h (advised)  1 cold, 25.0%", "never_1h  3 cold, 75.0%", "uncached  4 cold, 100.0%"} <= colds


def test_axes_have_titles_with_units_and_the_picture_says_what_it_shows() -> None:
    """Cost in USD, cold starts in requests, time in what fits its length."""
    figure = drawn(SHAPES["days"])
    costs, colds = figure.axes
    assert (costs.get_ylabel(), colds.get_ylabel()) == ("cost so far (USD)", "cold starts (requests)")
    assert [text.get_text() for text in figure.texts] == [
        "days.csv",
        "3 requests, claude-sonnet-4-6",
        "bold: this service; solid: ttl 1h, dashed: ttl 5m",
    ]


@pytest.mark.parametrize(
    ("last_s", "unit", "last"),
    [
        (3 * DAY, "days", 3),
        (2.9 * DAY, "hours", 69.6),
        (3 * HOUR, "hours", 3),
        (600, "minutes", 10),
        (90, "seconds", 90),
    ],
)
def test_time_is_told_in_what_fits(last_s: float, unit: str, last: float) -> None:
    """From three of a unit on."""
    figure = drawn(arrivals(0, last_s))
    costs, colds = figure.axes
    assert colds.get_xlabel() == f"time since t_s = 0 ({unit})"
    assert costs.lines[0].get_xdata()[-1] == pytest.approx(last)  # type: ignore[index] # loose types


def test_a_series_far_above_all_others_leaves_at_the_top_and_says_so() -> None:
    """Ten times as high as the next one: the rest fills the panel."""
    figure = picture(
        {**flat("uncached", 0, 100), **flat("never_5m", 0, 10), **flat("decide_1h", 0, 5)}, title="", subtitle=""
    )
    assert figure.axes[0].get_ylim() == pytest.approx((0, 10.5))
    assert labels(figure)[0][0].get_text() == "uncached  100.00 USD, 20.00 x least, off the scale"
    leaders = [line for line in figure.axes[0].lines if not line.get_clip_on()]
    ends = [line.get_path().get_extents() for line in leaders]
    assert [0 <= box.y0 <= box.y1 <= 1 for box in ends] == [True] * 3
    near = picture({**flat("uncached", 0, 20), **flat("never_5m", 0, 10)}, title="", subtitle="")
    assert near.axes[0].get_ylim() == pytest.approx((0, 21))


def test_hues_and_strokes_tell_the_rules_apart() -> None:
    """No two rules look alike; 5 minutes are dashed, an hour is not, and ours are the widest."""
    figure = drawn(SHAPES["days"])
    named = zip(labels(figure)[0], figure.axes[0].lines, strict=False)
    looks = {
        text.get_text().split()[0]: (line.get_color(), line.get_linestyle(), line.get_linewidth())
        for text, line in named
    }
    assert len(set(looks.values())) == len(RULES)
    assert {name for name, look in looks.items() if look[1] == "--"} == {name for name in RULES if "5m" in name}
    assert {name for name, look in looks.items() if look[2] > 2.5} == {"decide_1h", "decide_5m"}


def test_a_title_is_plain_text() -> None:
    """Dollars in a file's name are no formula."""
    picture(flat("uncached", 0, 1), title=r"$\nonsense$.csv", subtitle="").canvas.draw()
    picture(flat("uncached", 0, 1), title="", subtitle=r"$\nonsense$").canvas.draw()


def test_every_cold_start_is_a_mark() -> None:
    """Three of them in the row of who never warms, one in ours."""
    figure = picture(
        courses(after_gaps(2 * HOUR, 2 * HOUR), SONNET, tick_seconds=0.0, tail_seconds=0.0), title="", subtitle=""
    )
    colds = figure.axes[1]
    marks = {
        text.get_text().split()[0]: len(rows.get_segments())  # type: ignore[attr-defined] # loose types
        for text, rows in zip(labels(figure)[1], colds.collections, strict=True)
    }
    assert (marks["never_5m"], marks["decide_1h"], marks["uncached"]) == (3, 1, 3)


@given(st.lists(st.floats(min_value=0, max_value=1), max_size=12))
def test_labels_are_moved_apart_and_keep_their_order(wanted: list[float]) -> None:
    """At least their height apart, within the room, in the order of what they name."""
    height = 0.07
    found = places(wanted, height=height, low=0.0, high=1.0)
    assert len(found) == len(wanted)
    ordered = sorted(zip(wanted, found, strict=True))
    assert all(later[1] - earlier[1] >= height - 1e-9 for earlier, later in pairwise(ordered))
    assert all(-1e-9 <= place <= 1 + 1e-9 for place in found)


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ([], []),
        ([0.5], [0.5]),
        ([0.9, 0.1, 0.5], [0.9, 0.1, 0.5]),  # far enough apart: nothing moves
        ([0.5, 0.5], [0.45, 0.55]),  # each by half
        ([0.5, 0.52, 0.9], [0.46, 0.56, 0.9]),
        ([0.0, 0.0, 0.05], [0.0, 0.1, 0.2]),  # the floor holds
        ([1.0, 1.0], [0.9, 1.0]),
    ],
)
def test_labels_move_as_little_as_they_can(wanted: list[float], expected: list[float]) -> None:
    """With a height of a tenth."""
    assert places(wanted, height=0.1, low=0.0, high=1.0) == pytest.approx(expected)


def test_too_many_labels_stand_as_densely_as_fits() -> None:
    """Five in the room of two."""
    assert places([0.5] * 5, height=0.1, low=0.0, high=0.2) == pytest.approx([0.0, 0.05, 0.1, 0.15, 0.2])
