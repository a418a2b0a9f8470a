"""From what was read of every document to one index in which no two targets have the same name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prompt_cache_warmer.ports import Index
from prompt_cache_warmer.values.problems import Problem, ProblemCode, shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from prompt_cache_warmer.values.targets import TargetSummary


def index_of(
    documents: Iterable[tuple[TargetSummary | None, tuple[Problem, ...]]],
    *,
    etags: Mapping[str, str] | None = None,
    modified_at: Mapping[str, datetime] | None = None,
) -> Index:
    """Index documents in their order; the first target of a name keeps it, later ones are errors.

    Args:
        documents: what was read of each.
        etags: the entity tag, without quotes, of every object that was listed, where there is a listing.
        modified_at: when each of them was put.
    """
    by_name: dict[str, TargetSummary] = {}
    problems: list[Problem] = []
    for summary, found in documents:
        problems += found
        if summary is None:
            continue
        first = by_name.setdefault(summary.name, summary)
        if first is not summary:
            message = f"name={shown(summary.name)} is taken by {first.source}; a name stands in one document only"
            problems.append(Problem(ProblemCode.DUPLICATE_NAME, summary.source, "$.name", message))
    return Index(tuple(by_name.values()), tuple(problems), etags or {}, modified_at or {})
