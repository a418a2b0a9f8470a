"""The verification: what is proven, what is not and why, by figures alone."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from prompt_cache_warmer.rules.entry_result import CallFacts, EntryResult, Outcome
from prompt_cache_warmer.rules.verdict import Verdict
from prompt_cache_warmer.rules.verification import (
    MAX_VERIFIED,
    Finding,
    Verification,
    calls_for_request,
    judge,
    verifications_json,
)
from prompt_cache_warmer.values.divergence import Divergence, read_divergence
from prompt_cache_warmer.values.targets import Entry
from prompt_cache_warmer.values.usage import Usage
from tests.fakes import MODEL, target

ENTRY = Entry(target().summary, MODEL)
CALL = CallFacts("zero", "cheapest", 1, 800, message_id="msg_1", request_id="req_1", workspace_id="wrkspc_a")
WARMED = EntryResult(
    ENTRY,
    Outcome.WARMED,
    "it was cold",
    verdict=Verdict.WRITTEN,
    usage=Usage(write_5m_tokens=5000, uncached_tokens=4),
    cost_usd=Decimal("0.02"),
    granted_ttls=("5m",),
    call=CALL,
)


def asked(read: int, divergence: Divergence | None = Divergence.MESSAGES_CHANGED, **facts: Any) -> EntryResult:
    """Return what became of a real request that read so many tokens."""
    call = replace(CALL, form="asked", message_id="msg_2", request_id="req_2", divergence=divergence)
    return EntryResult(
        ENTRY,
        Outcome.WARMED,
        "",
        usage=Usage(read_tokens=read, uncached_tokens=4, output_tokens=1),
        cost_usd=Decimal("0.001"),
        call=replace(call, **facts),
    )


def unsent(outcome: Outcome, code: str, reason: str, call: CallFacts | None = None, **more: Any) -> EntryResult:
    """Return an entry without an answer."""
    return EntryResult(ENTRY, outcome, reason, code=code, call=call, **more)


@pytest.mark.parametrize(
    "divergence",
    [
        None,
        Divergence.MESSAGES_CHANGED,
        Divergence.PENDING,
        Divergence.NOT_FOUND,
        Divergence.UNAVAILABLE,
        Divergence.REFUSED,
        Divergence.TOOLS_CHANGED,
    ],
)
@pytest.mark.parametrize("read", [5000, 5001])
def test_what_read_all_is_proven_whatever_the_api_compares(read: int, divergence: Divergence | None) -> None:
    """The usage is the proof; the diagnostics only compare requests."""
    found = judge(WARMED, asked(read, divergence))
    assert (found.finding, found.is_proven) == (Finding.READ, True)


@pytest.mark.parametrize(
    ("read", "divergence", "finding"),
    [
        (4999, None, Finding.READ_PART),
        (4999, Divergence.MESSAGES_CHANGED, Finding.READ_PART),
        (1, Divergence.PENDING, Finding.READ_PART),
        (0, None, Finding.READ_NOTHING),
        (0, Divergence.MESSAGES_CHANGED, Finding.READ_NOTHING),
        (0, Divergence.NOT_FOUND, Finding.READ_NOTHING),
        (0, Divergence.UNAVAILABLE, Finding.READ_NOTHING),
        (0, Divergence.REFUSED, Finding.READ_NOTHING),
        (0, Divergence.MODEL_CHANGED, Finding.MODEL_CHANGED),
        (0, Divergence.TOOLS_CHANGED, Finding.TOOLS_CHANGED),
        (0, Divergence.SYSTEM_CHANGED, Finding.SYSTEM_CHANGED),
        (300, Divergence.SYSTEM_CHANGED, Finding.SYSTEM_CHANGED),
    ],
)
def test_what_read_less_is_not_proven_and_the_diagnostics_say_why(
    read: int, divergence: Divergence | None, finding: Finding
) -> None:
    """Only a difference of model, tools or system explains it; everything else leaves what was seen."""
    found = judge(WARMED, asked(read, divergence))
    assert (found.finding, found.is_proven) == (finding, False)


@pytest.mark.parametrize(
    ("warm", "real", "finding"),
    [
        ("wrkspc_a", "wrkspc_b", Finding.OTHER_WORKSPACE),
        ("wrkspc_a", "wrkspc_a", Finding.READ),
        (None, "wrkspc_b", Finding.READ),
        ("wrkspc_a", None, Finding.READ),
        (None, None, Finding.READ),
    ],
)
def test_a_read_in_another_workspace_is_no_proof(warm: str | None, real: str | None, finding: Finding) -> None:
    """Whatever it read there, no call of ours had warmed it; where the API does not say, the usage decides."""
    warmed = replace(WARMED, call=replace(CALL, workspace_id=warm))
    assert judge(warmed, asked(5000, workspace_id=real)).finding is finding


def test_another_workspace_explains_a_miss_too() -> None:
    """The diagnostics cannot: they compare within one workspace."""
    found = judge(WARMED, asked(0, Divergence.NOT_FOUND, workspace_id="wrkspc_b"))
    assert found.finding is Finding.OTHER_WORKSPACE
    assert (found.as_json()["evidence"]["warm_workspace_id"], found.as_json()["evidence"]["request_workspace_id"]) == (
        "wrkspc_a",
        "wrkspc_b",
    )


@pytest.mark.parametrize(
    ("warmed", "finding", "needs_request"),
    [
        (WARMED, Finding.REQUEST_NOT_MADE, True),
        (replace(WARMED, usage=Usage(read_tokens=5000)), Finding.REQUEST_NOT_MADE, True),
        (replace(WARMED, usage=Usage(uncached_tokens=900)), Finding.BELOW_MINIMUM, False),
        (replace(WARMED, usage=Usage(is_reported=False)), Finding.NO_USAGE, False),
        (unsent(Outcome.SKIPPED, "paused", "all warming is paused"), Finding.WARM_CALL_NOT_MADE, False),
        (unsent(Outcome.DEFERRED, "deadline", "no time"), Finding.WARM_CALL_NOT_MADE, False),
        (unsent(Outcome.FAILED, "body-unavailable", "it changed"), Finding.WARM_CALL_NOT_MADE, False),
        (unsent(Outcome.FAILED, "timeout", "no answer", CALL), Finding.WARM_CALL_FAILED, False),
        (unsent(Outcome.FAILED, "timeout", "no answer", shared_with="b"), Finding.WARM_CALL_FAILED, False),
    ],
)
def test_without_a_real_request_the_warm_call_says_why(
    warmed: EntryResult, finding: Finding, *, needs_request: bool
) -> None:
    """Nothing is asked where nothing can be read."""
    assert judge(warmed, None).finding is finding
    assert calls_for_request(warmed) is needs_request


def test_what_kept_a_call_back_is_named() -> None:
    """The engine's own code, sentence and advice stand beside the finding."""
    refused = unsent(Outcome.SKIPPED, "call-cap", "the call may cost more than the cap per call")
    line = judge(WARMED, refused).as_json()
    assert (line["reason"], line["code"]) == ("request-not-made", "call-cap")
    assert line["sentence"] == "the real request was not made: the call may cost more than the cap per call"
    failed = unsent(Outcome.FAILED, "credential", "401 no", CALL, advice="Check the key.")
    line = judge(failed, None).as_json()
    assert (line["reason"], line["code"], line["advice"]) == ("warm-call-failed", "credential", "Check the key.")
    assert line["sentence"] == "the warm call failed: 401 no"
    line = judge(WARMED, failed).as_json()
    assert (line["reason"], line["code"], line["sentence"]) == (
        "request-failed",
        "credential",
        "the real request failed: 401 no",
    )


def test_a_request_without_a_usage_proves_nothing() -> None:
    """Its money counts as spent, its silence as nothing."""
    silent = replace(asked(0), usage=Usage(is_reported=False), cost_usd=None)
    assert judge(WARMED, silent).finding is Finding.NO_USAGE


def test_the_line_has_the_figures_of_both_calls_and_no_text() -> None:
    """Tokens, ids, ttls and costs; what is not known is left out."""
    found = judge(WARMED, asked(4000, Divergence.TOOLS_CHANGED, missed_tokens=1000))
    assert found.as_json() == {
        "target": "support",
        "model": MODEL,
        "credential": "default",
        "is_proven": False,
        "reason": "tools-changed",
        "sentence": "the real request arrived with other tools than the warm call",
        "evidence": {
            "expected_tokens": 5000,
            "read_tokens": 4000,
            "written_tokens": 0,
            "uncached_tokens": 4,
            "verdict": "written",
            "divergence": "tools_changed",
            "missed_tokens": 1000,
            "asked_ttls": ["5m"],
            "granted_ttls": ["5m"],
            "warm_workspace_id": "wrkspc_a",
            "request_workspace_id": "wrkspc_a",
            "warm_message_id": "msg_1",
            "request_message_id": "msg_2",
            "warm_request_id": "req_1",
            "request_request_id": "req_2",
        },
        "warm_cost_usd": "0.02",
        "request_cost_usd": "0.001",
        "cost_usd": "0.021",
    }


@pytest.mark.parametrize(
    ("warmed", "real", "cost"),
    [
        (WARMED, asked(5000), Decimal("0.021")),
        (WARMED, None, Decimal("0.02")),
        (replace(WARMED, cost_usd=None), asked(5000), None),
        (WARMED, replace(asked(5000), cost_usd=None), None),
        (unsent(Outcome.SKIPPED, "paused", ""), None, None),
    ],
    ids=["both", "one", "warm call unpriced", "request unpriced", "none"],
)
def test_the_cost_is_that_of_both_calls_or_unknown(
    warmed: EntryResult, real: EntryResult | None, cost: Decimal | None
) -> None:
    """An unknown price is never 0."""
    assert judge(warmed, real).cost_usd == cost


def test_notices_say_what_the_proof_does_not_cover() -> None:
    """A ttl that was not granted, a marker the application may lack, diagnostics nobody gave."""
    added = target(request={"system": "You are support. " * 2000})
    own = Entry(added.summary, MODEL)
    warmed = replace(WARMED, entry=own, notices=("markers ask for ttl 1h; the API granted 5m",), granted_ttls=("5m",))
    found = judge(warmed, asked(5000, Divergence.REFUSED))
    assert found.is_proven
    ttl, marker, undiagnosed = found.notices
    assert ttl == "markers ask for ttl 1h; the API granted 5m"
    assert marker.startswith("marker-added: ")
    assert undiagnosed == "the API takes no diagnostics here, so its usage alone decided"
    assert found.as_json()["notices"] == list(found.notices)
    assert "notices" not in judge(WARMED, asked(5000)).as_json()
    assert judge(WARMED, replace(asked(5000), notices=("a", "a"))).notices == ("a",)


UNMARKED = replace(WARMED, entry=Entry(target(request={"system": "You are support. " * 2000}).summary, MODEL))


@pytest.mark.parametrize(
    "divergence", [None, Divergence.MESSAGES_CHANGED, Divergence.SYSTEM_CHANGED, Divergence.REFUSED]
)
def test_a_target_without_a_marker_reads_nothing_and_is_told_what_to_put_where(divergence: Divergence | None) -> None:
    """That explains it, whatever the API compares; the sentence names the place, and no notice says it again."""
    found = judge(UNMARKED, asked(0, divergence))
    assert (found.finding, found.is_proven) == (Finding.NO_MARKER, False)
    assert found.sentence == (
        'the application\'s request has no marker, so it reads nothing: put "cache_control": {"type": "ephemeral"} on '
        "the last block it shares, in the application and in the target: $.request.system"
    )
    assert not any(notice.startswith("marker-added") for notice in found.notices)
    assert found.as_json()["reason"] == "no-marker"


@pytest.mark.parametrize(
    ("real", "finding"),
    [
        (asked(5000), Finding.READ),
        (asked(300), Finding.READ_PART),
        (replace(asked(0), usage=Usage(is_reported=False)), Finding.NO_USAGE),
        (asked(0, workspace_id="wrkspc_b"), Finding.OTHER_WORKSPACE),
    ],
    ids=["all", "part", "no usage", "elsewhere"],
)
def test_usage_decides_what_a_target_without_a_marker_reads(real: EntryResult, finding: Finding) -> None:
    """Where something was read after all it is no matter of markers, and the notice stays."""
    found = judge(UNMARKED, real)
    assert found.finding is finding
    assert found.notices[0].startswith("marker-added: ")


def test_automatic_caching_that_reads_nothing_is_no_missing_marker() -> None:
    """The application has one; the notice says how far it reaches."""
    automatic = target(request={"system": "You are support. " * 2000, "cache_control": {"type": "ephemeral"}})
    found = judge(replace(WARMED, entry=Entry(automatic.summary, MODEL)), asked(0))
    assert found.finding is Finding.READ_NOTHING
    assert found.notices[0].startswith("automatic-caching: ")


def test_a_shared_verification_leaves_the_costs_to_the_other() -> None:
    """The calls were made once, so they are counted once."""
    own = judge(WARMED, asked(5000))
    shared = replace(own, shared_with="other")
    line = shared.as_json()
    assert (line["shared_with"], line["is_proven"]) == ("other", True)
    assert [name for name in line if name.endswith("cost_usd")] == []
    assert verifications_json([own, shared], asked=["support"])["verification_cost_usd"] == "0.021"


def named(name: str, finding: Finding = Finding.READ) -> Verification:
    """Return a verification of a target of that name."""
    return Verification(Entry(replace(ENTRY.target, name=name), MODEL), finding, WARMED, asked(5000))


@pytest.mark.parametrize(
    ("found", "is_proven"),
    [
        ([named("a"), named("b")], True),
        ([named("a"), named("b", Finding.READ_PART)], False),
        ([named("a")], False),
        ([], False),
    ],
    ids=["both", "one is not", "one is not there", "none"],
)
def test_all_is_proven_only_where_every_name_is(found: list[Verification], *, is_proven: bool) -> None:
    """A name that nobody has is not proven, and neither is an empty list."""
    assert verifications_json(found, asked=["a", "b"])["is_proven"] is is_proven


def test_what_is_not_proven_is_listed_first_and_the_rest_is_counted() -> None:
    """An answer has an end; its figures cover everything."""
    found = [*(named(f"t{number:03}") for number in range(MAX_VERIFIED)), named("z", Finding.READ_NOTHING)]
    answer = verifications_json(found, asked=["z"])
    assert [line["target"] for line in answer["verified"][:3]] == ["z", "t000", "t001"]
    assert (len(answer["verified"]), answer["verified_truncated"]) == (200, 1)
    assert (answer["entries_verified"], answer["entries_proven"]) == (201, 200)
    assert json.loads(json.dumps(answer)) == answer


def test_every_finding_has_its_sentence() -> None:
    """The set is closed, and no two say the same."""
    assert len({finding.sentence for finding in Finding}) == len(Finding) == 14


@pytest.mark.parametrize(
    ("diagnostics", "read"),
    [
        (None, (None, None)),
        ("tools_changed", (None, None)),
        ({}, (Divergence.PENDING, None)),
        ({"cache_miss_reason": None}, (Divergence.PENDING, None)),
        (
            {"cache_miss_reason": {"type": "tools_changed", "cache_missed_input_tokens": 1200}},
            (Divergence.TOOLS_CHANGED, 1200),
        ),
        (
            {"cache_miss_reason": {"type": "messages_changed", "cache_missed_input_tokens": 0}},
            (Divergence.MESSAGES_CHANGED, 0),
        ),
        ({"cache_miss_reason": {"type": "previous_message_not_found"}}, (Divergence.NOT_FOUND, None)),
        ({"cache_miss_reason": {"type": "unavailable"}}, (Divergence.UNAVAILABLE, None)),
        ({"cache_miss_reason": {"type": "betas_changed"}}, (Divergence.UNAVAILABLE, None)),
        ({"cache_miss_reason": {"type": "pending"}}, (Divergence.UNAVAILABLE, None)),
        ({"cache_miss_reason": {"type": ["x"]}}, (Divergence.UNAVAILABLE, None)),
        ({"cache_miss_reason": "x"}, (Divergence.UNAVAILABLE, None)),
        (
            {"cache_miss_reason": {"type": "model_changed", "cache_missed_input_tokens": -1}},
            (Divergence.MODEL_CHANGED, None),
        ),
        (
            {"cache_miss_reason": {"type": "system_changed", "cache_missed_input_tokens": True}},
            (Divergence.SYSTEM_CHANGED, None),
        ),
    ],
)
def test_the_apis_diagnostics_are_read_as_they_are_documented(
    diagnostics: object, read: tuple[Divergence | None, int | None]
) -> None:
    """Nothing asked, still comparing, six reasons; whatever else comes explains nothing and breaks nothing."""
    assert read_divergence(diagnostics) == read
