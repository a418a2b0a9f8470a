"""Problems are logged, so none of them ever quotes a prompt, wherever the author put it by mistake."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prompt_cache_warmer.adapters.documents import DocumentError, decode
from prompt_cache_warmer.values.document import TargetDocument
from prompt_cache_warmer.values.problems import shown
from tests.body_cases import ERRORS, WARNINGS
from tests.canaries import CANARY
from tests.document_cases import DOCUMENTS
from tests.documents import FIVE_MINUTES, SOURCE, Json, read, text, tool, user
from tests.keeping_cases import KEEPING
from tests.reference_cases import REFERENCES
from tests.request_cases import REQUESTS

if TYPE_CHECKING:
    from collections.abc import Iterator

PROSE = f"You are {CANARY}."  # short enough to be shown as a value
CASES = {**DOCUMENTS, **KEEPING, **REQUESTS, **REFERENCES, **ERRORS, **WARNINGS}

# Every place where people put a prompt, by right or by mistake; a function of what is put there.
PLACES: dict[str, Any] = {
    "document": lambda planted: planted,
    "list of documents": lambda planted: [planted],
    "request": lambda planted: {"request": planted},
    "system": lambda planted: {"request": {"system": planted}},
    "system block": lambda planted: {"request": {"system": [planted]}},
    "text": lambda planted: {"request": {"system": [{"type": "text", "text": planted}]}},
    "text without a type": lambda planted: {"request": {"system": [{"text": planted}]}},
    "text twice": lambda planted: {"request": {"system": [{"type": "text", "text": planted, "text_from": "../a"}]}},
    "text_from": lambda planted: {"request": {"system": [{"type": "text", "text_from": planted}]}},
    "tools": lambda planted: {"request": {"tools": planted}},
    "tool": lambda planted: {"request": {"tools": [planted]}},
    "tool's description": lambda planted: {"request": {"tools": [tool(description=planted, cache_control="5m")]}},
    "tool's schema": lambda planted: {"request": {"tools": [tool(input_schema=planted, cache_control={})]}},
    "messages": lambda planted: {"request": {"messages": planted}},
    "message": lambda planted: {"request": {"messages": [planted]}},
    "message's content": lambda planted: {"request": {"messages": [{"role": "user", "content": planted}]}},
    "message's block": lambda planted: {"request": {"messages": [{"role": "user", "content": [planted]}]}},
    "message without a role": lambda planted: {"request": {"messages": [{"content": planted}]}},
    "tool call": lambda planted: {"request": {"messages": [user({"type": "tool_use", "input": planted})]}},
    "tool result": lambda planted: {"request": {"messages": [user({"type": "tool_result", "content": planted})]}},
    "nested block": lambda planted: {"request": {"messages": [user({"type": "tool_result", "content": [planted]})]}},
    "nested reference": lambda planted: {
        "request": {"messages": [user({"type": "tool_result", "content": [{"type": "text", "text_from": planted}]})]}
    },
    "document's data": lambda planted: {
        "request": {"messages": [user({"type": "document", "source": {"type": "text", "data": planted}})]}
    },
    "thinking block": lambda planted: {
        "request": {"messages": [user({"type": "thinking", "thinking": planted, "cache_control": FIVE_MINUTES})]}
    },
    "output format": lambda planted: {"request": {"system": "a", "output_config": {"format": planted}}},
    "unknown request field": lambda planted: {"request": {"system": " ", "prompt": planted}},
    "authorization token": lambda planted: {
        "request": {"system": " ", "mcp_servers": [{"authorization_token": planted}]}
    },
    "unknown field": lambda planted: {"prompt": planted, "system_prompt": "a"},
    "system_prompt": lambda planted: {"system_prompt": planted},
    "system_prompt block": lambda planted: {"system_prompt": [planted]},
    "system_prompt text": lambda planted: {"system_prompt": [text(planted, cache_control={"ttl": "9m"})]},
    "marker": lambda planted: {"request": {"tools": [tool(cache_control=planted)]}},
    "automatic caching": lambda planted: {"request": {"system": "a", "cache_control": planted}},
    "short form tools": lambda planted: {"tools": planted},
    "short form tool": lambda planted: {"tools": [planted]},
    "seed_messages": lambda planted: {"seed_messages": planted},
    "seed message": lambda planted: {"seed_messages": [planted]},
    "key of the document": lambda planted: {str(planted): "a", "system_prompt": "a"},
    "key of the request": lambda planted: {"request": {str(planted): "a", "system": "a"}},
    "key of a marker": lambda planted: {"system_prompt": [text("a", cache_control={str(planted): "1h"})]},
}
SHAPES: dict[str, Any] = {
    "text": PROSE,
    "blank text around it": f"\n {PROSE}\n",
    "long text": PROSE * 1000,
    "a list": [PROSE],
    "nested lists": [[PROSE]],
    "an object": {"text": PROSE},
    "an object of prose": {PROSE: PROSE},
    "a text block": text(PROSE),
    "a list of text blocks": [text(PROSE)],
    "a message": {"role": "user", "content": PROSE},
}


def _said(document: object) -> Iterator[str]:
    for extra in ({}, {"name": "A", "models": [], "keep": "never"}):
        whole = {"name": "a", "models": ["m"], "keep": "always", **document} if isinstance(document, dict) else document
        problems = read({**whole, **extra} if isinstance(whole, dict) else whole).problems
        yield from (f"{problem.path} {problem.message}" for problem in problems)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("place", PLACES)
def test_a_prompt_in_the_wrong_place_is_never_quoted(place: str, shape: str) -> None:
    """Whatever shape a prompt has and wherever it stands, no problem repeats a word of it."""
    for said in _said(PLACES[place](SHAPES[shape])):
        assert CANARY not in said


def test_these_places_do_yield_problems() -> None:
    """The test above looks at problems of nearly every place and shape, so it does not pass by silence."""
    silent = [(place, shape) for place in PLACES for shape in SHAPES if not any(_said(PLACES[place](SHAPES[shape])))]
    assert silent == []


def _planted(document: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """List every place of a document."""
    yield path
    if isinstance(document, dict | list):
        for key in document if isinstance(document, dict) else range(len(document)):
            yield from _planted(document[key], (*path, key))


def _replaced(document: Any, path: tuple[str | int, ...], value: object) -> Any:
    """Return a document with another value at one place."""
    if not path:
        return value
    copied: Any = dict(document) if isinstance(document, dict) else list(document)
    copied[path[0]] = _replaced(document[path[0]], path[1:], value)
    return copied


# Names, models and the API's own words are shown, because the author has to find them.
_NAMES = frozenset({"name", "models", "betas", "credential", "model", "keep", "type", "role", "ttl"})
_NAMES_TOO = frozenset({"$schema", "enabled", "expected_requests", "thinking", "budget_tokens", "effort"})
_AMOUNTS = frozenset(field for field in TargetDocument.model_fields if field.startswith(("max_", "cold_start_")))
_OF_WINDOWS = frozenset({"days", "from", "to", "timezone", "lead_minutes"})


@settings(deadline=None)  # a loaded machine is not a defect
@given(st.data())
def test_no_broken_document_quotes_what_stands_where_prompts_stand(data: st.DataObject) -> None:
    """Put a prompt anywhere into any of these tests' documents: no problem repeats a word of it."""
    document = data.draw(st.sampled_from([case.document for case in CASES.values()]))
    path = data.draw(st.sampled_from(list(_planted(document))))
    fields = [part for part in path if isinstance(part, str)]
    if fields and fields[-1] in _NAMES | _NAMES_TOO | _AMOUNTS:
        return
    if fields[:1] == ["windows"] and fields[-1] in _OF_WINDOWS:
        return
    changed = _replaced(document, path, data.draw(st.sampled_from(list(SHAPES.values()))))
    for problem in read(changed).problems:
        assert CANARY not in f"{problem.path} {problem.message}"


def _complaint(written: str, suffix: str) -> str:
    """Say what the decoder says, nothing when the text is a document after all."""
    try:
        decode(written.encode(), f"a{suffix}")
    except DocumentError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("suffix", [".json", ".yaml"])
@settings(deadline=None)  # a loaded machine is not a defect
@given(data=st.data())
def test_a_damaged_document_is_never_quoted(suffix: str, data: st.DataObject) -> None:
    """Cut or garble a document anywhere: what the decoder says repeats none of it."""
    whole = json.dumps({"name": "a", "system_prompt": PROSE, PROSE: [PROSE, {PROSE: PROSE}]}, indent=1)
    at = data.draw(st.integers(0, len(whole)))
    junk = data.draw(
        st.sampled_from(["", '"', "{", ":", ",", "\\", "\x00", "*", "!", "&", "[", "\n- ", "\t", "%", "?"])
    )
    assert CANARY not in _complaint(whole[:at] + junk + whole[data.draw(st.integers(at, len(whole))) :], suffix)


@pytest.mark.parametrize(
    "written",
    [
        f"system_prompt: !{CANARY} be kind",
        f"system_prompt: *{CANARY}",
        f"system_prompt: &{CANARY} &{CANARY} a",
        f"system_prompt: %{CANARY}",
        f"%{CANARY}\n---\na: 1",
        f"%TAG !{CANARY}! a\n---\na: !{CANARY}!b c",
        f"system_prompt: You are {CANARY}: be kind",
        f"{PROSE}: 1\n{PROSE}: 2",
        f'system_prompt: "\\{CANARY}"',
        f"a: |{CANARY}\n  b",
        f"? [{CANARY}]\n: a",
        f"'{CANARY}",
        f"{{{CANARY}",
    ],
)
def test_prose_that_yaml_takes_for_its_own_signs_is_never_quoted(written: str) -> None:
    """Tags, aliases, anchors, directives and escapes out of prose are refused without repeating them."""
    with pytest.raises(DocumentError) as caught:
        decode(written.encode(), "a.yaml")
    assert CANARY not in str(caught.value)


@pytest.mark.parametrize("number", [12345678901234567890, 1.5, -7])
def test_a_number_where_a_prompt_stands_is_not_shown(number: float) -> None:
    """Digits may be a secret too; true, false and null cannot."""
    path: tuple[str | int, ...] = ("request", "system", 0, "text")
    assert shown(number, path) == "a number"
    assert [shown(value, path) for value in (True, None)] == ["true", "null"]


def test_the_source_and_the_name_are_still_said() -> None:
    """What is not a prompt is shown, so that the author finds the place."""
    document: Json = {"name": "Support", "models": ["m"], "keep": "always", "system_prompt": PROSE}
    problem = read(document).problems[0]
    assert (problem.source, problem.path) == (SOURCE, "$.name")
    assert problem.message.startswith("name='Support' is not allowed")
