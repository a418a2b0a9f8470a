"""What the API would refuse is an error, what it would silently not cache is a warning, each at its place."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from prompt_cache_warmer.values.problems import ProblemCode
from tests.body_cases import ERRORS, WARNINGS, WORTH
from tests.documents import (
    FIVE_MINUTES,
    ONE_HOUR,
    PICTURE,
    PROSE,
    assistant,
    findings,
    read,
    read_request,
    short_document,
    target_document,
    text,
    tool,
    user,
    valid,
)

if TYPE_CHECKING:
    from tests.document_cases import Case


@pytest.mark.parametrize("case", ERRORS.values(), ids=ERRORS)
def test_what_the_api_would_refuse_is_an_error(case: Case) -> None:
    """Each document is no target and has just the error written beside it."""
    reading = read(case.document, case.texts)
    assert reading.target is None
    assert [(found.code, found.path, found.message) for found in reading.errors] == [
        (case.code, case.path, case.message)
    ]


@pytest.mark.parametrize("case", WARNINGS.values(), ids=WARNINGS)
def test_what_the_api_would_not_cache_for_long_is_a_warning(case: Case) -> None:
    """Each document is a target, and the warning beside it is its only one."""
    reading = read(case.document, case.texts)
    assert valid(reading).summary.warnings == reading.problems
    assert [(found.code, found.path, found.message) for found in reading.problems] == [
        (case.code, case.path, case.message)
    ]


@pytest.mark.parametrize(
    "request_body",
    [
        {"tools": [tool(cache_control=ONE_HOUR)], "system": [text(PROSE, cache_control=ONE_HOUR)]},
        {"tools": [tool(cache_control=ONE_HOUR)], "system": [text(PROSE, cache_control=FIVE_MINUTES)]},
        {"system": [text(PROSE, cache_control=ONE_HOUR), text(PROSE)], "cache_control": FIVE_MINUTES},
        {"system": [text(PROSE, cache_control=ONE_HOUR)], "cache_control": ONE_HOUR},
        {"system": [text(f"{PROSE}{n}", cache_control=FIVE_MINUTES) for n in range(4)]},
        {"system": [text(f"{PROSE}{n}", cache_control=FIVE_MINUTES) for n in range(3)], "cache_control": FIVE_MINUTES},
        {"system": [text(PROSE, cache_control=None)], "thinking": {"type": "enabled", "budget_tokens": 1024}},
        {"system": PROSE, "thinking": {"type": "disabled"}},
        {"system": PROSE, "messages": [user(PICTURE, text("What is it?"))]},
    ],
)
def test_what_the_api_takes_is_no_error(request_body: dict[str, object]) -> None:
    """Up to 4 markers, 1h before 5m, automatic caching that agrees, and every thinking mode are fine."""
    assert read_request(request_body).errors == ()


def test_all_errors_of_a_body_are_reported_together() -> None:
    """Blank text, a misplaced marker, the order and the number of markers come in one reading."""
    reading = read_request(
        {
            "tools": [tool(cache_control=FIVE_MINUTES)],
            "system": [text(" "), *(text(PROSE, cache_control=ONE_HOUR) for _ in range(4))],
            "thinking": {"type": "enabled"},
        }
    )
    assert findings(reading.problems) == [
        (ProblemCode.BLANK_PROMPT, "$.request.system[0]"),
        (ProblemCode.TOO_MANY_MARKERS, "$.request.system[4]"),
        (ProblemCode.MARKER_ORDER, "$.request.system[1].cache_control"),
        (ProblemCode.MISSING_FIELD, "$.request.thinking.budget_tokens"),
    ]


def test_a_blank_marked_block_is_blank_and_misplaced() -> None:
    """An empty text block can carry no marker either, and both are said."""
    reading = read_request({"system": [text("", cache_control=FIVE_MINUTES)]})
    assert [(found.code, found.message) for found in reading.errors] == [
        (ProblemCode.BLANK_PROMPT, "the text is blank; the API refuses blank text"),
        (
            ProblemCode.MARKER_MISPLACED,
            "an empty text block cannot carry cache_control; mark a text, tool or tool_result block instead",
        ),
    ]


def test_a_disputed_minimum_is_named() -> None:
    """Where third parties measured a larger minimum than the documented one, both are said."""
    size = "about 2,047 tokens (estimate)"
    system = [text("word" * 2_047, cache_control=FIVE_MINUTES)]
    reading = read(target_document(models=["claude-sonnet-4-6"], request={"system": system}))
    assert [(found.code, found.path, found.message) for found in reading.problems] == [
        (
            ProblemCode.MINIMUM_DISPUTED,
            "$.request.system[0]",
            f"{size}; claude-sonnet-4-6 is documented to cache from 1,024, third parties measured 2,048",
        ),
        (
            ProblemCode.HARDLY_WORTH_IT,
            "$.request.system[0]",
            f"{size}; under 5,000 it is hardly worth warming",
        ),
    ]


def test_every_model_below_its_minimum_is_named() -> None:
    """Models differ: one prefix is too short for one, disputed for another and fine for a third."""
    reading = read(
        target_document(
            models=["claude-opus-4-6", "claude-sonnet-4-6", "claude-opus-5", "unknown"],
            request={"system": [text("word" * 2_000, cache_control=FIVE_MINUTES)]},
        )
    )
    assert [found.code for found in reading.problems] == [ProblemCode.BELOW_MINIMUM, ProblemCode.MINIMUM_DISPUTED]
    assert "claude-opus-4-6 caches from 4,096" in reading.problems[0].message


def test_what_changes_after_the_prefix_is_no_warning() -> None:
    """A time stamp behind the last marker is where it belongs."""
    messages = [user(text("a", cache_control=FIVE_MINUTES), text("It is 2026-11-05 07:30."))]
    assert read_request({"system": [text(WORTH)], "messages": messages}).problems == ()


def test_dates_without_a_time_are_no_warning() -> None:
    """A knowledge cut-off or a version is stable text."""
    words = f"Released 2026-11-05; version 1.2.3; current guidelines of 2026. {WORTH}"
    assert read_request({"system": [text(words, cache_control=FIVE_MINUTES)]}).problems == ()


@pytest.mark.parametrize(
    "messages",
    [
        [user(PICTURE, text(WORTH, cache_control=FIVE_MINUTES)), user(PICTURE)],
        [user(text(WORTH, cache_control=FIVE_MINUTES)), assistant(text("a"))],
    ],
)
def test_pictures_that_do_not_change_the_key_are_no_warning(messages: list[object]) -> None:
    """With a picture inside the prefix, or none at all, cutting the rest keeps the key of the messages."""
    assert read_request({"messages": messages}).problems == ()


def test_the_short_forms_own_messages_are_not_cut() -> None:
    """Unmarked seed messages are sent as they are, so a picture among them changes nothing."""
    seeds = [user(text(WORTH, cache_control=FIVE_MINUTES)), user(PICTURE)]
    assert read(short_document(system_prompt=None, seed_messages=seeds)).problems == ()
