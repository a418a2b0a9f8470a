"""Tables in Markdown, and the places of a page that they are put into."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


def table(headings: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Write a table."""
    headings = list(headings)
    lines = [headings, ["---"] * len(headings), *map(list, rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def filled(text: str, parts: Mapping[str, str], *, page: str) -> str:
    """Return a page with each part between its two comments.

    Raises:
        ValueError: when the page has not exactly one place for a part.
    """
    for name, part in parts.items():
        begin, end = f"<!-- {name}: generated -->\n", "<!-- end -->"
        if text.count(begin) != 1:
            raise ValueError(f"{page} must have exactly one place for {name!r}, found {text.count(begin)}")
        before, _, rest = text.partition(begin)
        text = before + begin + part + end + rest.partition(end)[2]
    return text
