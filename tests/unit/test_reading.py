"""From a document to a target: both forms, key order, betas, nulls, and what the summary says."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prompt_cache_warmer.adapters.documents import decode
from prompt_cache_warmer.values.body import Tier
from prompt_cache_warmer.values.caps import Caps
from prompt_cache_warmer.values.markers import MarkerOrigin
from prompt_cache_warmer.values.problems import ProblemCode
from prompt_cache_warmer.values.reading import rebuild_target
from prompt_cache_warmer.values.targets import Entry, entries
from tests.documents import (
    FIVE_MINUTES,
    ONE_HOUR,
    PROSE,
    SOURCE,
    findings,
    json_values,
    read,
    read_request,
    short_document,
    target_document,
    text,
    tool,
    user,
    valid,
)


def test_the_summary_says_all_that_deciding_needs() -> None:
    """Name, models, rule, credential, size, estimate and ttls come out of the document as written."""
    document = target_document(
        name="research",
        models=["claude-opus-5", "claude-haiku-4-5"],
        credential="team-b",
        expected_requests=7,
        enabled=False,
        betas=["b-1"],
        request={
            "tools": [tool(cache_control=ONE_HOUR)],
            "system": [text("word" * 6_000, cache_control=FIVE_MINUTES)],
        },
    )
    target = valid(read(document, size_bytes=321))
    summary = target.summary
    assert (summary.name, summary.source, summary.version) == ("research", SOURCE, "etag-1")
    assert summary.models == ("claude-opus-5", "claude-haiku-4-5")
    assert (summary.keep, summary.credential, summary.enabled) == ("always", "team-b", False)
    assert (summary.expected_requests, summary.size_bytes, summary.ttls) == (7, 321, ("1h", "5m"))
    assert summary.prefix_tokens == 6_021  # 24,000 bytes of text and 85 bytes of tool, four to a token
    assert (target.betas, target.seeds, summary.warnings) == (("b-1",), False, ())
    assert (summary.windows, summary.cold_start_value_usd, summary.caps) == ((), Decimal(0), Caps())


def test_defaults_are_the_documented_ones() -> None:
    """Absent means the default credential, 100 expected requests, enabled, no betas."""
    target = valid(read(target_document()))
    summary = target.summary
    assert (summary.credential, summary.expected_requests, summary.enabled) == ("default", 100, True)
    assert target.betas == ()


def test_one_digest_stands_for_every_tier_of_the_fingerprint() -> None:
    """It is the same for ever, because state is kept under it, and another one when any tier is another."""
    summary = valid(read(target_document())).summary
    tiers = summary.fingerprint
    assert summary.prefix_digest == "ac9081d4db1c7c330bd024c88651feec0a8f241c77e0b8b36d5af4b5b36d9bdb"
    for tier in ("tools", "system", "messages", "settings"):
        other = replace(summary, fingerprint=replace(tiers, **{tier: "0" * 64}))
        assert other.prefix_digest != summary.prefix_digest, tier
    swapped = replace(tiers, tools=tiers.system, system=tiers.tools)
    assert replace(summary, fingerprint=swapped).prefix_digest != summary.prefix_digest


def test_both_forms_make_the_same_body_and_fingerprint() -> None:
    """The short form is the request with other names: same order, same bytes, same hashes."""
    system = [text(PROSE, cache_control=FIVE_MINUTES)]
    short = valid(read(short_document(tools=[tool()], system_prompt=system, seed_messages=[user(text("Hi."))])))
    whole = valid(read_request({"tools": [tool()], "system": system, "messages": [user(text("Hi."))]}))
    assert dict(sorted(short.body.items())) == dict(sorted(whole.body.items()))
    assert short.summary.fingerprint == whole.summary.fingerprint
    assert (short.seeds, whole.seeds) == (True, False)


def test_the_short_form_keeps_the_documents_own_order() -> None:
    """Fields stand in the body in the order in which their author wrote them."""
    document = {"seed_messages": [user(text("Hi."))], **short_document(), "tools": [tool()]}
    assert list(valid(read(document)).body) == ["messages", "system", "tools"]


def test_null_fields_of_a_request_are_left_out() -> None:
    """A pasted body with nulls is the body without them; nulls inside a field stay."""
    request = {"system": PROSE, "tools": None, "thinking": None, "cache_control": None, "metadata": {"user_id": None}}
    assert list(valid(read_request(request)).body) == ["system", "metadata"]


@pytest.mark.parametrize("beside", [True, False])
def test_betas_may_stand_in_either_place(*, beside: bool) -> None:
    """An SDK call carries betas in the request, a target beside it; both are the header's values in order."""
    betas = ["b-2", "a-1", "b-2"]
    reading = (
        read_request({"system": PROSE}, betas=betas) if beside else read_request({"system": PROSE, "betas": betas})
    )
    assert valid(reading).betas == ("b-2", "a-1", "b-2")


def test_empty_betas_in_one_place_leave_those_of_the_other() -> None:
    """An empty list says nothing, so it does not contradict the other place."""
    assert valid(read_request({"system": PROSE, "betas": ["a"]}, betas=[])).betas == ("a",)
    assert valid(read_request({"system": PROSE, "betas": []}, betas=["a"])).betas == ("a",)


def test_a_model_pasted_with_the_body_is_fine_when_it_is_listed() -> None:
    """Only a model that is not kept warm is worth a warning."""
    reading = read_request({"model": "claude-opus-4-8", "system": [text("word" * 5_000, cache_control=FIVE_MINUTES)]})
    assert findings(reading.problems) == []


def test_the_documents_own_value_is_not_changed() -> None:
    """Reading adds markers and resolves references in a new body; what was decoded stays as it was."""
    document = target_document(request={"system": [{"type": "text", "text_from": "prompts/a"}], "tools": None})
    before = json.dumps(document)
    valid(read(document, {"prompts/a": PROSE}))
    assert json.dumps(document) == before


@settings(deadline=None)  # a loaded machine is not a defect
@given(st.permutations(["name", "description", "input_schema", "strict", "cache_control"]), json_values())
def test_key_order_survives_bytes_and_reading(order: list[str], schema: Any) -> None:
    """The author's bytes of tools come out of decoding and reading again, key for key."""
    fields: dict[str, Any] = {
        "name": "a",
        "description": "b",
        "input_schema": {"z": schema, "a": [schema], "": 1},
        "strict": True,
        "cache_control": {"ttl": "1h", "type": "ephemeral"},
    }
    tools = [{field: fields[field] for field in order}]
    written = json.dumps(target_document(request={"tools": tools, "system": PROSE}))
    target = valid(read(decode(written.encode(), "a.json")))
    assert json.dumps(target.body["tools"]) == json.dumps(tools)
    assert json.dumps(target.body["system"]) == json.dumps(PROSE)


def test_automatic_caching_becomes_an_explicit_marker() -> None:
    """The body has no top-level cache_control any more and its marker stands on the last shared block."""
    target = valid(read_request({"cache_control": ONE_HOUR, "system": PROSE, "messages": [user(text("Hi."))]}))
    assert target.body["system"] == [text(PROSE, cache_control=ONE_HOUR)]
    assert "cache_control" not in target.body
    assert (target.marked.origin, target.marked.end.tier) == (MarkerOrigin.AUTOMATIC, Tier.SYSTEM)


def test_warnings_are_counted_beyond_a_hundred() -> None:
    """A target with a time stamp in every block stays a target; its warnings stay few."""
    blocks = [text(f"2026-11-05 07:{minute // 60:02}:{minute % 60:02} {'word' * 100}") for minute in range(150)]
    reading = read_request({"system": blocks})
    warnings = valid(reading).summary.warnings
    assert warnings == reading.problems
    assert len(warnings) == 101
    assert warnings[0].code is ProblemCode.MARKER_ADDED
    assert warnings[100].message == "and 51 more problems of this document, from here on"


def test_entries_are_targets_times_models() -> None:
    """Each model of each target is an entry with the target's credential, in order."""
    first = valid(read(target_document(name="a", models=["m1", "m2"], credential="c"))).summary
    second = valid(read(target_document(name="b", models=["m1"]))).summary
    found = entries((first, second))
    assert found == (Entry(first, "m1"), Entry(first, "m2"), Entry(second, "m1"))
    assert [entry.credential for entry in found] == ["c", "c", "default"]


def test_errors_of_the_body_are_told_beside_those_of_other_fields() -> None:
    """A misspelt rule does not hide a blank prompt, and a reference is not looked up for it."""
    blank = {"type": "text", "text": " "}
    referring = {"type": "text", "text_from": "prompts/p.md"}
    document = target_document(keep="allways", request={"system": [referring, blank]})
    assert findings(read(document).problems) == [
        (ProblemCode.NOT_ALLOWED, "$.keep"),
        (ProblemCode.BLANK_PROMPT, "$.request.system[1]"),
    ]


def test_an_unknown_field_is_hinted_at_even_where_nothing_is_to_be_cached() -> None:
    """Whoever misspells system is told so, not only that there is no prompt."""
    found = findings(read(target_document(request={"sytem": "You are a bot."})).problems)
    assert set(found) == {
        (ProblemCode.NOTHING_TO_CACHE, "$.request"),
        (ProblemCode.UNKNOWN_REQUEST_FIELD, "$.request.sytem"),
    }


def test_a_target_is_rebuilt_from_its_document_without_checking_it_again() -> None:
    """The same body, marker, betas and form come out as from the first reading."""
    for document in (
        target_document(betas=["x-2026"]),
        short_document(seed_messages=[{"role": "user", "content": "a"}]),
    ):
        first = valid(read(document))
        assert rebuild_target(document, first.summary, {}) == first
    with pytest.raises(ValueError, match="nothing to cache"):
        rebuild_target({}, first.summary, {})
