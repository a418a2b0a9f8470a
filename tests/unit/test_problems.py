"""Problems: places as JSON paths, values shown or hidden, nearest names, and what stops a target."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prompt_cache_warmer.values.problems import Problem, ProblemCode, Severity, json_path, named, nearest, shown

WARNINGS = {
    "unknown-request-field",
    "model-not-listed",
    "marker-added",
    "automatic-caching",
    "below-minimum",
    "minimum-disputed",
    "hardly-worth-it",
    "changing-text",
    "images-cut",
    "not-read-yet",
}


@pytest.mark.parametrize("code", ProblemCode)
def test_a_code_either_stops_a_target_or_warns(code: ProblemCode) -> None:
    """The warnings are these ten; everything else keeps a target from being warmed."""
    expected = Severity.WARNING if code.value in WARNINGS else Severity.ERROR
    assert code.severity is expected
    assert Problem(code, "a.json", "$", "m").severity is expected


@pytest.mark.parametrize(
    ("parts", "written"),
    [
        ((), "$"),
        (("request", "system", 0, "text"), "$.request.system[0].text"),
        (("$schema",), "$['$schema']"),
        (("x-y",), "$['x-y']"),
        (("",), "$['']"),
        (("it's",), '$["it\'s"]'),
        (("\x1b[31m",), "$['\\x1b[31m']"),
        (("be kind", 3), "$[a name of 7 characters][3]"),
        (("a" * 60,), "$." + "a" * 60),
        (("a" * 61,), "$[a name of 61 characters]"),
    ],
)
def test_a_place_is_a_json_path(parts: tuple[str | int, ...], written: str) -> None:
    """Plain names with dots, others in quotes, prose by its length."""
    assert json_path(parts) == written


@pytest.mark.parametrize(
    ("value", "path", "said"),
    [
        ("always", ("keep",), "'always'"),
        ("a" * 60, ("name",), repr("a" * 60)),
        ("a" * 61, ("name",), "a string of 61 characters"),
        ("\x1b[31m", ("models", 0), "'\\x1b[31m'"),
        (7, ("expected_requests",), "7"),
        (1.5, ("expected_requests",), "1.5"),
        (10**60, ("expected_requests",), "a number"),
        (True, ("request", "system"), "true"),
        (None, ("request",), "null"),
        ([1, 2], ("name",), "a list of 2"),
        ({"a": 1}, ("name",), "an object of 1 fields"),
        ("adaptive", ("request", "thinking"), "'adaptive'"),
        ("I think", ("request", "messages", 0, "content", 0, "thinking"), "a string of 7 characters"),
        ("user", ("request", "messages", 0, "role"), "'user'"),
        ("Be kind.", ("request", "messages", 0), "a string of 8 characters"),
        ("Be kind.", ("seed_messages", 0, "content"), "a string of 8 characters"),
        ("Be kind.", (), "'Be kind.'"),
        (5, ("request", "system", 0, "text"), "a number"),
        ("mon", ("windows", 0, "days"), "'mon'"),
        ("Be kind.", ("windows", 0), "a string of 8 characters"),
        ("Be kind.", ("windows", 0, "type"), "a string of 8 characters"),
        ("Be kind.", ("request", "messages", 0, "content", 0, "from"), "a string of 8 characters"),
        ("2,50", ("max_usd_per_day",), "'2,50'"),
        ("x" * 1234567, (), "a string of 1,234,567 characters"),
    ],
)
def test_a_value_is_shown_only_where_no_prompt_can_stand(value: object, path: tuple[str | int, ...], said: str) -> None:
    """Names and the API's own words are shown while they are short; everything else is type and size."""
    assert shown(value, path) == said


@settings(deadline=None)  # a loaded machine is not a defect
@given(st.text())
def test_what_is_said_of_a_text_is_short_and_printable(text: str) -> None:
    """A terminal or a log line takes it as it is."""
    for said in (shown(text), named(text), json_path((text,))):
        assert len(said) < 700  # sixty characters, each escaped at most as \UXXXXXXXX
        assert said.isprintable()


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("sytem", "; did you mean 'system'?"),
        ("SYSTEM", ""),
        ("seed_message", "; did you mean 'seed_messages'?"),
        ("foo", ""),
        ("", ""),
    ],
)
def test_the_nearest_known_name_is_suggested(name: str, said: str) -> None:
    """One suggestion for a slip, none for another word."""
    assert nearest(name, ("system", "system_prompt", "seed_messages")) == said
