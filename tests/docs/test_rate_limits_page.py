"""The page on rate limits: its figures are the formula's and the code's own."""

from __future__ import annotations

import re

import pytest

from prompt_cache_warmer.rules.spread import LONGEST_PART, STARTS_PER_SECOND
from prompt_cache_warmer.settings import Settings
from tests.docs.pages import page

PAGE = page("rate-limits.md")
FLAT = " ".join(PAGE.split())
SHARES = (30, 10, 100)


@pytest.mark.parametrize("used_percent", [0, 50, 80, 100])
def test_the_table_is_the_formula_s(used_percent: int) -> None:
    """What remains is K + min(L - A, share x L), and warm calls may use the second part of it."""
    (row,) = re.findall(rf"^\| {used_percent} % \| (.+) \|$", PAGE, re.MULTILINE)
    shown = [[int(figure) for figure in re.findall(r"\d+", cell)] for cell in row.split("|")]
    may_use = [min(100 - used_percent, share) for share in SHARES]
    assert shown == [[100 - share + used, used] for share, used in zip(SHARES, may_use, strict=True)]


def test_the_page_names_what_there_is() -> None:
    """The setting, the code of what is deferred, and how fast a run starts its calls."""
    assert "RATE_LIMIT_SHARE_PERCENT" in {field.alias for field in Settings.model_fields.values()}
    assert all(word in FLAT for word in ("`RateLimitSharePercent`", "`RATE_LIMIT_SHARE_PERCENT`", "`rate-limits`"))
    assert f"{STARTS_PER_SECOND} a second and over half of its time at most" in FLAT
    assert LONGEST_PART == 0.5
