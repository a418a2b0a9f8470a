"""A verification as a person reads it: a line for each entry, and the why below it.

Made from the JSON that a function answers. What comes from outside is cleaned of what a terminal obeys.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import click

from prompt_cache_warmer.values.problems import ProblemCode

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_INDENT = "  "
_COST_PLACES = 6  # a refresh costs fractions of a cent


def verification_lines(answer: Mapping[str, Any]) -> Iterator[str]:
    """Yield the lines of a verification.

    Args:
        answer: the run report of an order to verify, as JSON.

    Raises:
        LookupError, TypeError, ValueError, ArithmeticError, AttributeError: when it is no such report.
    """
    for line in answer["verified"]:
        yield from _entry(line)
    if answer["verified_truncated"]:
        yield f"and {answer['verified_truncated']:,} more that are not listed"
    for problem in answer["problems"]:
        if problem["code"] == ProblemCode.NO_SUCH_TARGET:
            yield f"{_word(is_proven=False)}: {_plain(problem['message'])}"
    cost = Decimal(answer["verification_cost_usd"])
    yield f"{answer['entries_proven']:,} of {answer['entries_verified']:,} proven, for {cost:.{_COST_PLACES}f} USD"


def _entry(line: Mapping[str, Any]) -> Iterator[str]:
    evidence, is_proven = line["evidence"], line["is_proven"]
    words = [_plain(f"{line['target']} on {line['model']}"), _word(is_proven=is_proven)]
    if not is_proven:
        words.append(_plain(line["reason"]))
    if "read_tokens" in evidence:
        words.append(f"{evidence['read_tokens']:,} of {evidence['expected_tokens']:,} tokens read")
    yield ": ".join(words)
    for why in _whys(line):
        yield click.style(_plain(f"{_INDENT}{why}"), dim=True)


def _whys(line: Mapping[str, Any]) -> Iterator[str]:
    evidence = line["evidence"]
    if not line["is_proven"]:
        yield line["sentence"]
    warm, request = evidence.get("warm_workspace_id"), evidence.get("request_workspace_id")
    if warm and request and warm != request:
        yield f"the warm call went to workspace {warm}, the request to {request}"
    if not line["is_proven"] and "divergence" in evidence:
        missed = f", {evidence['missed_tokens']:,} tokens missed" if evidence.get("missed_tokens") else ""
        yield f"the API's diagnostics: {evidence['divergence']}{missed}"
    if "shared_with" in line:
        yield f"by the calls of {line['shared_with']}, which are the same bytes"
    yield from line.get("notices", ())
    if "advice" in line:
        yield line["advice"]


def _word(*, is_proven: bool) -> str:
    return click.style("proven", fg="green") if is_proven else click.style("not proven", fg="red")


def _plain(text: str) -> str:
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)
