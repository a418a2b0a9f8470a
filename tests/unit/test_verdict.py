"""What usage proves."""

from __future__ import annotations

import pytest

from prompt_cache_warmer.rules.verdict import Verdict, granted_ttls, verdict_of
from prompt_cache_warmer.values.usage import Usage


@pytest.mark.parametrize(
    ("read", "written_5m", "written_1h", "verdict", "granted"),
    [
        (9, 0, 0, Verdict.REFRESHED, ()),
        (0, 9, 0, Verdict.WRITTEN, ("5m",)),
        (0, 0, 9, Verdict.WRITTEN, ("1h",)),
        (9, 9, 0, Verdict.PARTIAL, ("5m",)),
        (9, 9, 9, Verdict.PARTIAL, ("1h", "5m")),
        (0, 0, 0, Verdict.UNCACHED, ()),
    ],
)
def test_the_verdict_follows_from_what_was_read_and_written(
    read: int, written_5m: int, written_1h: int, verdict: Verdict, granted: tuple[str, ...]
) -> None:
    """Each row of the table in the facts about usage."""
    usage = Usage(uncached_tokens=5, read_tokens=read, write_5m_tokens=written_5m, write_1h_tokens=written_1h)
    assert verdict_of(usage) is verdict
    assert granted_ttls(usage) == granted


def test_an_answer_without_the_split_proves_no_ttl() -> None:
    """The class the request asked for prices it, and is not claimed to be granted."""
    assert granted_ttls(Usage(write_1h_tokens=9, is_split=False)) == ()


def test_every_verdict_has_its_sentence() -> None:
    """No verdict is shown without words."""
    assert all(verdict.sentence for verdict in Verdict)
