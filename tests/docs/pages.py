"""The pages of the documentation, for the tests that read them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from infra.local.generate import PAGES
from infra.local.lambda_emulator import ROOT

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

README = ROOT / "README.md"
_FENCED = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\[[^\]\n]*\]\(([^)\s]+)\)")


def page(name: str) -> str:
    """Return the text of a page of infra/docs."""
    return (PAGES / name).read_text(encoding="utf-8")


def fenced(text: str, name: str) -> str:
    """Return what stands in the fence behind a comment."""
    found = re.search(rf"<!-- {re.escape(name)} -->\n```\w+\n(.*?)\n```\n", text, re.DOTALL)
    assert found, name
    return found[1]


def rows(text: str, name: str) -> list[list[str]]:
    """Return the cells of a generated table, without its headings."""
    part = text.partition(f"<!-- {name}: generated -->\n")[2].partition("<!-- end -->")[0]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in part.splitlines()[2:]]


def anchors(text: str) -> set[str]:
    """Return what the headings of a page can be linked by, as GitHub makes it; a repeated one gets a number."""
    found: set[str] = set()
    for heading in re.findall(r"^#{1,6} (.+)$", _FENCED.sub("", text), re.MULTILINE):
        anchor = re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")
        repeated = sum(known == anchor or bool(re.fullmatch(rf"{re.escape(anchor)}-\d+", known)) for known in found)
        found.add(f"{anchor}-{repeated}" if repeated else anchor)
    return found


def links(text: str) -> list[str]:
    """Return the relative links of a page, outside its blocks."""
    return [
        link for link in _LINK.findall(_FENCED.sub("", text)) if "://" not in link and not link.startswith("mailto:")
    ]


def broken_links(paths: Sequence[Path]) -> list[str]:
    """Name every relative link of some pages that leads to no file, or to no heading of one."""
    broken = []
    for path in paths:
        for link in links(path.read_text(encoding="utf-8")):
            name, _, anchor = link.partition("#")
            target = (path.parent / name).resolve() if name else path
            is_there = target.exists() and (not anchor or anchor in anchors(target.read_text(encoding="utf-8")))
            if not is_there:
                broken.append(f"{path.name}: {link}")
    return broken
