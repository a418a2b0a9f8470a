"""The documentation as a whole: every page is linked, every link leads somewhere, and what is generated is current."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from infra.local.generate import PAGES, PARTS, generated
from infra.local.generated_tables import filled
from infra.local.lambda_emulator import ROOT
from tests.docs.pages import README, anchors, broken_links, links

if TYPE_CHECKING:
    from pathlib import Path

ALL = sorted(PAGES.glob("*.md"))
MAX_README_LINES = 250


def test_generated_files_are_current() -> None:
    """The tables of the pages and the JSON Schema are what the code says; `make generate` writes them."""
    stale = [path.name for path, text in generated().items() if path.read_text(encoding="utf-8") != text]
    assert stale == []


def test_every_place_for_a_generated_part_is_filled() -> None:
    """No page has a place that nobody generates."""
    marked = {path.name for path in (*ALL, README) if ": generated -->" in path.read_text(encoding="utf-8")}
    assert marked <= PARTS.keys()
    for name in marked:
        places = re.findall(r"^<!-- (.+): generated -->$", (PAGES / name).read_text(encoding="utf-8"), re.MULTILINE)
        assert set(places) == PARTS[name]().keys()


def test_every_page_is_linked_from_the_readme() -> None:
    """Its list of pages, near the top, is complete."""
    listed = README.read_text(encoding="utf-8").partition("\n## Pages\n")[2].partition("\n## ")[0]
    assert {f"infra/docs/{path.name}" for path in ALL} <= set(links(listed))


def test_the_readme_is_short() -> None:
    """What would make it longer stands in a page."""
    assert len(README.read_text(encoding="utf-8").splitlines()) <= MAX_README_LINES


@pytest.mark.parametrize("path", [README, ROOT / "CONTRIBUTING.md", *ALL], ids=lambda path: path.name)
def test_every_link_leads_somewhere(path: Path) -> None:
    """Files exist, and anchors are headings of them."""
    assert broken_links([path]) == []


def test_a_broken_link_is_found(tmp_path: Path) -> None:
    """A missing file and a missing heading, on another page and on the same; blocks and addresses are left alone."""
    (tmp_path / "other.md").write_text(
        "# Other\n\n## What `it` is: short\n\n```\n# no heading\n```\n", encoding="utf-8"
    )
    page = tmp_path / "page.md"
    page.write_text(
        "# Page\n[a](other.md) [b](other.md#what-it-is-short) [c](#page) [d](https://example.com/none)\n"
        "[e](missing.md) [f](other.md#missing) [g](#missing) [h](other.md#no-heading)\n"
        "```\n[i](in-a-block.md)\n```\n",
        encoding="utf-8",
    )
    assert broken_links([page]) == [
        "page.md: missing.md",
        "page.md: other.md#missing",
        "page.md: #missing",
        "page.md: other.md#no-heading",
    ]


def test_headings_are_linked_as_github_does_it() -> None:
    """Lower case, without signs, blanks as dashes; the second of the same name has a number."""
    text = "# When it's called, and when not\n## `init`\n## A/B test_names\n## init\n"
    assert anchors(text) == {"when-its-called-and-when-not", "init", "ab-test_names", "init-1"}


def test_a_part_without_its_place_is_an_error() -> None:
    """So that no table is lost in an edit."""
    with pytest.raises(ValueError, match=r"a.md must have exactly one place for 'limits', found 0"):
        filled("# A\n", {"limits": "| a |\n"}, page="a.md")
