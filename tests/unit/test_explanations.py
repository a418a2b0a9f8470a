"""The catalogue of explanations: one for every code, and examples that are what they say."""

from __future__ import annotations

import json

import pytest

from prompt_cache_warmer.adapters.documents import DocumentError, decode
from prompt_cache_warmer.values.explanations import EXPLANATIONS
from prompt_cache_warmer.values.problems import ProblemCode
from tests.documents import ONE_HOUR, read, target_document, text

WITH_EXAMPLE = [code for code, found in EXPLANATIONS.items() if found.wrong is not None]
TEXTS = {"prompts/support.md": "You are a support agent."}


def codes(example: str) -> set[ProblemCode]:
    """Return what is found in a document that has these fields, or is this."""
    try:
        fields = decode(example.encode(), "a.json")
    except DocumentError as error:
        return {error.code}
    if not isinstance(fields, dict):
        return {problem.code for problem in read(fields).problems}
    whole = target_document(request={"system": [text("You are a support agent.", cache_control=ONE_HOUR)]})
    return {problem.code for problem in read(whole | fields, TEXTS).problems}


def test_every_code_is_explained_and_nothing_else() -> None:
    """The two sets are equal, so that no code in brackets leads nowhere."""
    assert set(EXPLANATIONS) == set(ProblemCode)


@pytest.mark.parametrize("code", list(ProblemCode), ids=str)
def test_an_explanation_is_whole_sentences(code: ProblemCode) -> None:
    """What it means, why it matters and what to do, each ending as sentences do; an example has both halves."""
    found = EXPLANATIONS[code]
    for said in (found.meaning, found.why, found.mend):
        assert said[0].isupper() or said.startswith(("text_from", "request.", "models ", "prompt-cache-warmer "))
        assert said.endswith(".")
        assert "  " not in said
    assert (found.wrong is None) == (found.right is None)


@pytest.mark.parametrize("code", WITH_EXAMPLE, ids=str)
def test_the_examples_are_what_they_say(code: ProblemCode) -> None:
    """The first has the problem and the second has not, nor an error of another kind."""
    found = EXPLANATIONS[code]
    assert code in codes(found.wrong or "")
    left = codes(found.right or "")
    assert code not in left
    assert {other for other in left if other.severity == "error"} == set()


def test_most_codes_have_an_example() -> None:
    """Where a few fields show it."""
    assert len(WITH_EXAMPLE) >= 15
    assert json.loads(EXPLANATIONS[ProblemCode.NOT_ALLOWED].right or "") == {"keep": "always"}
