"""The report's page in a real browser: light and dark, wide and on a phone, asking for nothing."""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING, Any

import pytest

from prompt_cache_warmer.cli.report_page import report_page
from prompt_cache_warmer.rules.effect import effect
from prompt_cache_warmer.rules.effect_check import cross_check
from prompt_cache_warmer.rules.effect_window import settled, window
from tests.e2e.chromium import CHROMIUM, chromium
from tests.fakes import EPOCH, MODEL
from tests.report_cases import HAIKU, START, reported, working_week

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium here to look at the page with"),
    pytest.mark.enable_socket,
]

HOSTILE = '"><script>document.title="ran"</script>&<b>'

# Every text with its own colour and the nearest background behind it, as WCAG's contrast; the lowest of them.
CONTRAST = """
(() => {
  const parse = (text) => text.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map((c) => c / 255)
    .map((c) => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const found = parse(getComputedStyle(at).backgroundColor);
      if (found.length < 4 || found[3] === 1) return found;
    }
    return [255, 255, 255];
  };
  const texts = [...document.querySelectorAll("body *")].filter((element) =>
    !element.closest("svg") && element.checkVisibility({visibilityProperty: true})
    && [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim()));
  const ratios = texts.map((element) => {
    const [a, b] = [light(parse(getComputedStyle(element).color)), light(behind(element))];
    return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  });
  return {texts: texts.length, lowest: Math.min(...ratios)};
})()
"""
# What sticks out of the page on the right.
OUTSIDE = """
[...document.querySelectorAll("body *")].filter((element) => element.getBoundingClientRect().right > innerWidth + 1
  && element.checkVisibility() && !element.closest("thead")).map((element) => element.outerHTML.slice(0, 90))
"""
NAMELESS = """
[...document.querySelectorAll("svg")].filter((svg) => !document.getElementById(svg.getAttribute("aria-labelledby"))
  ?.textContent || svg.getAttribute("role") !== "img").length
"""
HEADLESS = """
[...document.querySelectorAll("table")].filter((table) => !table.caption || !table.tHead
  || [...table.tBodies[0].rows].some((row) => row.cells[0].scope !== "row")).length
"""


@pytest.fixture(scope="module")
def page_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write the page of a working week, with one target that has a hostile name, and a cross-check that fails."""
    over = window(START, now=EPOCH)
    series = [*working_week(), *(one for one in hostile_series())]
    part = settled(over, now=EPOCH)
    assert part is not None
    check = cross_check(part[0], series, [reported(MODEL, read_tokens=1), reported(HAIKU, read_tokens=10**9)])
    found = effect("warmer-production", over, series)
    file = tmp_path_factory.mktemp("page") / "report.html"
    file.write_text(report_page(found, check, check.notices, at=EPOCH), encoding="utf-8")
    return file


def hostile_series() -> list[Any]:
    """Return traffic of a target and for a cause whose names want to be markup, and are long."""
    from prompt_cache_warmer.rules.effect_sources import Series  # noqa: PLC0415 - for the annotation's sake

    return [
        Series("TrafficRequests", HOSTILE + "x" * 80, "m" * 60, points={START: 3.0}),
        Series("EntriesMissed", cause=HOSTILE, points={START: 1.0}),
    ]


@pytest.mark.parametrize("is_dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
async def test_the_page_can_be_read(
    page_file: Path,
    tmp_path: Path,
    width: int,
    is_dark: bool,  # noqa: FBT001 - a column
) -> None:
    """No sideways scrolling, enough contrast for every text, named plots and headed tables, nothing asked for."""
    async with chromium(tmp_path) as page:
        await page.show(page_file.as_uri(), width=width, is_dark=is_dark)
        assert await page.value("document.documentElement.scrollWidth") <= width
        assert await page.value(OUTSIDE) == []
        contrast = await page.value(CONTRAST)
        assert contrast["texts"] > 100
        assert contrast["lowest"] >= 4.5
        assert await page.value(NAMELESS) == await page.value(HEADLESS) == 0
        assert await page.value("document.querySelectorAll('svg').length") == 3
        assert await page.value("document.title") == "warmer-production: what the caches did"
        assert await page.value("document.querySelectorAll('script').length") == 0
        pixel, size = first_pixel(await page.picture())
        assert (max(pixel) < 64) if is_dark else (min(pixel) > 192)
        assert size[0] in (width, width - 15)  # less a scroll bar
        assert size[1] > 900
        assert page.requests == [page_file.as_uri()]
        assert page.complaints == []


async def test_a_picture_shows_what_is_drawn(page_file: Path, tmp_path: Path) -> None:
    """The plots have room and lines; on a phone every row of a table is a card of its own."""
    async with chromium(tmp_path) as page:
        await page.show(page_file.as_uri(), width=390, is_dark=False)
        boxes = await page.value(
            "[...document.querySelectorAll('svg.high')].map((e) => e.getBoundingClientRect().width)"
        )
        assert all(250 < box < 390 for box in boxes)
        assert await page.value("document.querySelector('path.first').getTotalLength()") > 500
        assert await page.value("getComputedStyle(document.querySelector('.stack tr')).display") == "grid"
        before = "getComputedStyle(document.querySelector('.stack tbody td'), '::before').content"
        assert await page.value(before) == '"requests"'
        assert await page.value(f"document.body.innerText.includes({HOSTILE!r})")


def first_pixel(png: bytes) -> tuple[tuple[int, ...], tuple[int, int]]:
    """Read the pixel at the top left of a PNG, and its size: no filter changes the first pixel of the first row."""
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    at, packed, size = 8, b"", (0, 0)
    while at < len(png):
        (length,), kind = struct.unpack(">I", png[at : at + 4]), png[at + 4 : at + 8]
        data = png[at + 8 : at + 8 + length]
        if kind == b"IHDR":
            size = struct.unpack(">II", data[:8])
        packed += data if kind == b"IDAT" else b""
        at += 12 + length
    return tuple(zlib.decompress(packed)[1:4]), size
