"""What is said of a document that is not a target: exact place, value, what is allowed, nearest name."""

from __future__ import annotations

import pytest

from prompt_cache_warmer.values.problems import ProblemCode, Severity
from tests.document_cases import DOCUMENTS, Case
from tests.documents import PROSE, findings, read, short_document, target_document, text, valid
from tests.keeping_cases import KEEPING
from tests.request_cases import REQUESTS

SHAPES = {**DOCUMENTS, **KEEPING, **REQUESTS}


@pytest.mark.parametrize("case", SHAPES.values(), ids=SHAPES)
def test_a_broken_document_has_one_problem_that_says_it_all(case: Case) -> None:
    """Each broken document is no target and has just the problem written beside it."""
    reading = read(case.document, case.texts)
    assert reading.target is None
    assert [(found.code, found.path, found.message) for found in reading.errors] == [
        (case.code, case.path, case.message)
    ]


def test_all_problems_are_reported_together() -> None:
    """One reading names every problem of the shape and of the references, not the first one."""
    reading = read(
        {
            "name": "A",
            "models": [],
            "request": {"system": [text("a"), {"type": "text", "text_from": "../x"}, 5]},
            "tols": [],
        }
    )
    assert findings(reading.problems) == [
        (ProblemCode.NOT_ALLOWED, "$.name"),
        (ProblemCode.NOT_ALLOWED, "$.models"),
        (ProblemCode.MISSING_FIELD, "$.keep"),
        (ProblemCode.WRONG_TYPE, "$.request.system[2]"),
        (ProblemCode.UNKNOWN_FIELD, "$.tols"),
        (ProblemCode.REFERENCE_NOT_ALLOWED, "$.request.system[1].text_from"),
    ]
    assert {found.severity for found in reading.problems} == {Severity.ERROR}


def test_a_broken_list_is_counted_and_not_listed() -> None:
    """A list of thousands of broken items yields a hundred problems and one that counts the rest."""
    reading = read(short_document(tools=[1] * 5000))
    assert len(reading.problems) == 101
    assert reading.problems[99].path == "$.tools[99]"
    assert (reading.problems[100].path, reading.problems[100].message) == (
        "$.tools[100]",
        "and 4,900 more problems of this document, from here on",
    )


def test_a_hundred_problems_are_all_listed() -> None:
    """The bound is on what comes after the hundredth."""
    reading = read(short_document(tools=[1] * 100))
    assert [found.path for found in reading.problems] == [f"$.tools[{number}]" for number in range(100)]


@pytest.mark.parametrize("name", ["a", "0", "a.b_c-d", "a" * 64])
def test_a_name_may_be_what_a_metric_dimension_may_be(name: str) -> None:
    """The shortest and the longest names and every allowed character are taken."""
    assert valid(read(target_document(name=name))).summary.name == name


@pytest.mark.parametrize(
    "model", ["claude-opus-5", "anthropic.claude-v1:0", "claude-sonnet-4-5@20250929", "projects/p/models/m", "m" * 128]
)
def test_a_model_may_be_any_providers_id(model: str) -> None:
    """Dated ids, Bedrock's and Google's forms are taken as they are."""
    assert valid(read(target_document(models=[model]))).summary.models == (model,)


@pytest.mark.parametrize("keep", ["always", "while-used", "once"])
def test_there_are_three_rules_of_keeping(keep: str) -> None:
    """Each is taken as it is written."""
    assert valid(read(target_document(keep=keep))).summary.keep == keep


def test_all_problems_of_windows_and_amounts_are_reported_together() -> None:
    """Two windows and a cap, each with its own place."""
    reading = read(
        target_document(
            windows=[{"from": "7:30", "to": 1140}, {"days": "x", "form": 1, "to": "1", "timezone": "x"}],
            max_usd_per_day="x",
        )
    )
    assert findings(reading.problems) == [
        (ProblemCode.NOT_ALLOWED, "$.windows[0].from"),
        (ProblemCode.WRONG_TYPE, "$.windows[0].to"),
        (ProblemCode.MISSING_FIELD, "$.windows[0].timezone"),
        (ProblemCode.NOT_ALLOWED, "$.windows[1].days"),
        (ProblemCode.MISSING_FIELD, "$.windows[1].from"),
        (ProblemCode.NOT_ALLOWED, "$.windows[1].to"),
        (ProblemCode.NOT_ALLOWED, "$.windows[1].timezone"),
        (ProblemCode.UNKNOWN_FIELD, "$.windows[1].form"),
        (ProblemCode.NOT_ALLOWED, "$.max_usd_per_day"),
    ]


def test_null_says_nothing() -> None:
    """A field of the short form or an optional field that is null counts as absent."""
    document = {
        **short_document(),
        "$schema": "../targets.schema.json",
        "request": None,
        "tools": None,
        "seed_messages": None,
        "betas": None,
    }
    target = valid(read(document))
    assert (target.body, target.betas) == ({"system": [text(PROSE, cache_control={"type": "ephemeral"})]}, ())
