"""The page of target documents: every example is read by the real validation, and the tables name all there is."""

from __future__ import annotations

import json
import re
import shlex
from datetime import UTC, datetime
from typing import Any

import pytest
from click.testing import CliRunner
from jsonschema import Draft202012Validator

from infra.local.generate import SCHEMA
from infra.local.lambda_emulator import ROOT
from prompt_cache_warmer.adapters.documents import decode
from prompt_cache_warmer.cli.commands import commands
from prompt_cache_warmer.values.document import TargetDocument
from prompt_cache_warmer.values.problems import ProblemCode, Severity
from prompt_cache_warmer.values.windows import occurrence_at
from tests.docs.pages import page, rows
from tests.fakes import reading

PAGE = page("targets.md")
EXAMPLES = {
    name: (form, text)
    for name, form, text in re.findall(r"<!-- example: (.+?) -->\n```(json|yaml)\n(.*?)\n```\n", PAGE, re.DOTALL)
}
PROMPT = "You answer questions about our products. " * 3_000  # long enough for every model
LATER = "Each team has its own queue and its own hours. " * 3_000

# What each example keeps: its rule, its markers' times to live and the tiers' last place, by hand.
KEPT: dict[str, tuple[str, tuple[str, ...], int]] = {
    "always": ("always", ("1h",), 2),
    "while-used": ("while-used", ("1h",), 1),
    "once": ("once", ("1h",), 1),
    "office hours": ("always", ("1h",), 1),
    "nights and weekends": ("always", ("1h",), 1),
    "short form": ("always", ("1h", "5m"), 1),
    "yaml": ("always", ("1h",), 1),
}


def example(name: str) -> Any:
    """Decode an example as the adapters do."""
    form, text = EXAMPLES[name]
    return decode(text.encode(), f"targets/a.{form}")


def texts(document: object) -> dict[str, str]:
    """Return a text for each reference of a document."""
    keys = sorted(set(re.findall(r"prompts/[a-z-]+\.md", json.dumps(document))))
    return dict(zip(keys, (PROMPT, LATER), strict=False))


def test_there_is_an_example_for_every_keeping_rule_and_kind_of_document() -> None:
    """No example is without its figures here, and none is said twice."""
    assert EXAMPLES.keys() == KEPT.keys()
    assert len(re.findall("<!-- example: ", PAGE)) == len(KEPT)
    assert {rule for rule, _, _ in KEPT.values()} == {"always", "while-used", "once"}


@pytest.mark.parametrize("name", KEPT)
def test_every_example_is_a_target_without_any_finding(name: str) -> None:
    """What people copy is read by the validation itself, and by the JSON Schema that editors use."""
    document = example(name)
    found = reading(document, **texts(document))
    assert found.problems == ()
    assert found.target is not None
    summary = found.target.summary
    keep, ttls, models = KEPT[name]
    assert (summary.keep, summary.ttls, len(summary.models)) == (keep, ttls, models)
    Draft202012Validator(json.loads(SCHEMA.read_text(encoding="utf-8"))).validate(document)


@pytest.mark.parametrize(
    ("name", "at", "is_open"),
    [
        # Monday the 23rd of November 2026; Berlin is an hour ahead of UTC, New York five behind.
        ("office hours", "2026-11-23T06:24", False),
        ("office hours", "2026-11-23T06:25", True),  # five minutes before half past seven in Berlin
        ("office hours", "2026-11-23T18:00", False),
        ("office hours", "2026-11-22T12:00", False),  # a Sunday
        ("nights and weekends", "2026-11-24T02:44", False),
        ("nights and weekends", "2026-11-24T02:45", True),  # fifteen minutes before ten on Monday evening
        ("nights and weekends", "2026-11-24T10:59", True),
        ("nights and weekends", "2026-11-24T11:00", False),  # six on Tuesday morning
        ("nights and weekends", "2026-11-28T20:00", True),  # Saturday afternoon
        ("once", "2026-11-25T05:57", False),
        ("once", "2026-11-25T05:58", True),
        ("yaml", "2026-11-22T12:00", False),
        ("yaml", "2026-11-28T12:00", True),
    ],
)
def test_the_examples_windows_open_when_the_page_says(name: str, at: str, is_open: bool) -> None:  # noqa: FBT001 - a case
    """By the clock of their own time zone, lead included."""
    document = example(name)
    target = reading(document, **texts(document)).target
    assert target is not None
    moment = datetime.fromisoformat(at).replace(tzinfo=UTC)
    assert (occurrence_at(target.summary.windows, moment) is not None) is is_open


def test_the_short_form_sends_its_own_message_and_its_betas() -> None:
    """As the page says of unmarked seed messages."""
    document = example("short form")
    target = reading(document, **texts(document)).target
    assert target is not None
    assert target.seeds
    assert target.betas == ("context-1m-2025-08-07",)
    assert target.body["system"][1]["text"] == LATER


def test_the_check_commands_output_is_real() -> None:
    """The lines under the command are lines of its output."""
    block = PAGE.partition("<!-- check output -->\n```console\n")[2].partition("\n```\n")[0]
    command, *lines = block.splitlines()
    _, _, *arguments = shlex.split(command)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        result = CliRunner().invoke(commands, arguments)
    assert result.exit_code == 1
    assert len(lines) == 3
    assert set(lines) <= set(result.output.splitlines())


def test_the_field_table_is_the_models() -> None:
    """Every field, and by hand what the first and the dearest ones say."""
    found = {cells[0]: cells[1:] for cells in rows(PAGE, "target fields")}
    assert list(found) == [f"`{field.alias or name}`" for name, field in TargetDocument.model_fields.items()]
    assert found["`name`"][:2] == ["text", "required"]
    assert found["`models`"][:3] == [
        "list of texts",
        "required",
        "1 to 16; each a model id: 1 to 128 printable ASCII characters without blanks",
    ]
    assert found["`keep`"][:3] == ["text", "required", "`always`, `while-used`, `once`"]
    assert found["`max_usd_per_day`"] == [
        "USD, as text or number",
        "",
        "0 to 1,000,000",
        "the most its warm calls may cost in a UTC day; 0: nothing",
    ]
    assert found["`enabled`"][:3] == ["true or false", "`true`", ""]
    assert found["`system_prompt`"][0] == "text or list of blocks"
    assert rows(PAGE, "marker fields")[1][:4] == ["`ttl`", "text", "`5m`", "`5m`, `1h`"]
    assert rows(PAGE, "window fields")[4][:4] == ["`lead_minutes`", "whole number", "`5`", "0 to 120"]


def test_every_field_says_what_it_means() -> None:
    """In all five tables, so that an editor with the schema does too."""
    for part in ("target fields", "request fields", "block fields", "marker fields", "window fields"):
        assert all(cells[4] for cells in rows(PAGE, part)), part


def test_every_finding_is_in_one_of_the_two_tables() -> None:
    """With what was found and what to do."""
    warnings = [cells[0].strip("`") for cells in rows(PAGE, "warnings")]
    errors = [cells[0].strip("`") for cells in rows(PAGE, "errors")]
    assert sorted(warnings + errors) == sorted(ProblemCode)
    assert all(ProblemCode(code).severity is Severity.WARNING for code in warnings)
    assert all(len(cells) == 3 and all(cells) for part in ("warnings", "errors") for cells in rows(PAGE, part))


def test_the_limits_are_those_the_page_names() -> None:
    """By hand: a change of a limit is a change of what people may write."""
    assert [cells[1] for cells in rows(PAGE, "limits")] == ["8 MiB", "16", "16", "4", "64", "200,000", "64", "100"]
