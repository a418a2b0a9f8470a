"""The published JSON Schema is current, and an editor that uses it agrees with the reading."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from jsonschema import Draft202012Validator

from prompt_cache_warmer.values.document import json_schema
from prompt_cache_warmer.values.problems import ProblemCode
from tests.body_cases import ERRORS, WARNINGS
from tests.document_cases import DOCUMENTS
from tests.documents import BETA_BLOCKS, MCP_TOOLSET, MESSAGE_BLOCKS, TOOLS, short_document, target_document, user
from tests.keeping_cases import KEEPING, WINDOW, windowed
from tests.request_cases import REQUESTS

if TYPE_CHECKING:
    from tests.document_cases import Case

ROOT = Path(__file__).parents[2]
SCHEMA = json_schema()
# What a schema says clumsily at best: one field against another. The newline is Python's: `$` stands before one there.
BEYOND_A_SCHEMA = {
    *("a model twice", "betas twice", "both forms", "name ends in a newline"),
    *("to is from", "midnight to midnight", "from ends in a newline", "'2\\n' USD"),
    *("1e-13 USD", "not a number of USD"),  # a number's decimals; JSON has no NaN
}
# 600 names would fill an editor's list with what nobody looks for.
UNKNOWN_ZONES = {name for name, case in KEEPING.items() if "allowed: an IANA time zone" in case.message}


def is_valid(document: object) -> bool:
    """Ask the schema."""
    return Draft202012Validator(SCHEMA).is_valid(document)


def test_the_published_schema_is_current() -> None:
    """`make schema` writes it again."""
    assert json.loads((ROOT / "infra/targets.schema.json").read_text()) == SCHEMA


def test_the_schema_is_a_schema() -> None:
    """Draft 2020-12, with a title, and closed at the top."""
    Draft202012Validator.check_schema(SCHEMA)
    assert (SCHEMA["$schema"], SCHEMA["title"], SCHEMA["additionalProperties"]) == (
        "https://json-schema.org/draft/2020-12/schema",
        "prompt-cache-warmer target",
        False,
    )
    assert SCHEMA["required"] == ["name", "models", "keep"]
    assert all(field in SCHEMA["properties"] for field in ("$schema", "request", "system_prompt", "seed_messages"))


@pytest.mark.parametrize(
    "document",
    [
        target_document(),
        short_document(),
        windowed(days="Mon, wed-FRI", to="24:00", lead_minutes=120),
        target_document(keep="while-used", windows=[WINDOW] * 16, cold_start_value_usd=0.05, max_usd_per_day="2.50"),
        target_document(keep="once", max_usd_per_call=0, max_tokens_per_day=0, max_tokens_per_call=5),
        {"$schema": "../x", **target_document(betas=[], expected_requests=1, enabled=False, credential="a")},
        target_document(
            request={
                "tools": [*TOOLS.values(), MCP_TOOLSET],
                "system": "a",
                "messages": [user(*MESSAGE_BLOCKS.values(), *BETA_BLOCKS.values())],
                "anything": {"else": 1},
            }
        ),
        *(case.document for case in WARNINGS.values()),
    ],
)
def test_an_editor_takes_what_is_a_target(document: object) -> None:
    """Valid and warned documents are valid for the schema too."""
    assert is_valid(document)


@pytest.mark.parametrize(
    "case",
    [
        case
        for name, case in {**DOCUMENTS, **KEEPING, **REQUESTS}.items()
        if name not in BEYOND_A_SCHEMA | UNKNOWN_ZONES
    ],
    ids=lambda case: str(case.path),
)
def test_an_editor_marks_what_has_a_broken_shape(case: Case) -> None:
    """Every error of shape is an error for the schema."""
    assert not is_valid(case.document)


def test_what_only_the_reading_finds() -> None:
    """Rules between fields are the reading's own: the schema lets these pass, and that is known."""
    assert all(is_valid(KEEPING[name].document) for name in (BEYOND_A_SCHEMA & set(KEEPING)) | UNKNOWN_ZONES)
    passing = {name for name, case in ERRORS.items() if is_valid(case.document)}
    assert passing == set(ERRORS)
    assert {ERRORS[name].code for name in passing} >= {ProblemCode.MARKER_ORDER, ProblemCode.BLANK_PROMPT}


def test_every_field_is_described() -> None:
    """An editor shows what a field is for."""
    undescribed = [
        name
        for name, field in SCHEMA["properties"].items()
        if "description" not in field and not _described_by_type(field)
    ]
    assert undescribed == []


def test_every_field_of_a_window_is_described() -> None:
    """Under the names it has in a document, with the defaults an editor shows."""
    fields = SCHEMA["$defs"]["WindowDocument"]["properties"]
    assert list(fields) == ["days", "from", "to", "timezone", "lead_minutes"]
    assert all(field["description"] for field in fields.values())
    assert SCHEMA["$defs"]["WindowDocument"]["required"] == ["from", "to", "timezone"]
    assert (fields["days"]["default"], fields["lead_minutes"]["default"]) == ("daily", 5)
    assert SCHEMA["properties"]["cold_start_value_usd"]["default"] == "0"


def _described_by_type(field: dict[str, Any]) -> bool:
    return any("$ref" in option for option in field.get("anyOf", ()))
