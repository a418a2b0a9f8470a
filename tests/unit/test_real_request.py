"""The smallest real request behind a warm call, and what is asked of the API's diagnosis."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from prompt_cache_warmer.errors import OverloadedError, RejectedError, WarmCallError, ZeroRefusedError
from prompt_cache_warmer.rules.request import (
    PLACEHOLDER_TEXT,
    REQUEST_TEXT,
    Form,
    WarmCall,
    real_request,
    warm_call,
    with_diagnostics,
    with_one_token,
)
from prompt_cache_warmer.rules.retry import changed_call
from tests.fakes import MODEL, target

MARK = {"type": "ephemeral", "ttl": "1h"}
SYSTEM = [{"type": "text", "text": "You are a support agent.", "cache_control": MARK}]
TOOL = {"name": "search", "input_schema": {"type": "object"}, "description": "Search."}
USE = {"type": "tool_use", "id": "toolu_a", "name": "search", "input": {}, "cache_control": MARK}
FORMAT = {"type": "json_schema", "schema": {"type": "object"}}


def request_of(body: dict[str, Any], **changes: Any) -> WarmCall:
    """Build the real request of a target with that body."""
    return real_request(target(request=body, **changes), MODEL)


def test_it_is_the_applications_body_with_a_short_message_and_one_token() -> None:
    """Markers, thinking and effort as the application has them; sampling and the like are no part of it."""
    call = request_of(
        {
            "system": SYSTEM,
            "thinking": {"type": "adaptive"},
            "output_config": {"effort": "high"},
            "temperature": 0.3,
            "metadata": {"user_id": "u"},
            "messages": [{"role": "user", "content": "A user's own words."}],
        },
        betas=["b-1"],
    )
    assert call.body == {
        "system": SYSTEM,
        "thinking": {"type": "adaptive"},
        "output_config": {"effort": "high"},
        "messages": [{"role": "user", "content": [{"type": "text", "text": "Answer with A."}]}],
        "model": MODEL,
        "max_tokens": 1,
    }
    assert (call.form, call.betas, call.credential, call.requested_ttl) == (Form.ASKED, ("b-1",), "default", "1h")


def test_its_message_is_as_long_as_the_placeholder_and_another_one() -> None:
    """So the two calls have as many tokens, and the diagnosis has a difference to find."""
    assert len(REQUEST_TEXT) == len(PLACEHOLDER_TEXT)
    assert REQUEST_TEXT != PLACEHOLDER_TEXT


@pytest.mark.parametrize(
    ("body", "max_tokens", "carried"),
    [
        ({"thinking": {"type": "enabled", "budget_tokens": 2048}}, 2049, "thinking"),
        ({"output_config": {"format": FORMAT}}, 1, "output_config"),
        ({"output_format": FORMAT}, 1, "output_format"),
        ({"tools": [TOOL], "tool_choice": {"type": "any"}}, 1, "tool_choice"),
        ({"tools": [TOOL], "tool_choice": {"type": "tool", "name": "search"}}, 1, "tool_choice"),
    ],
)
def test_what_needs_a_stream_is_carried_and_closed_early(body: dict[str, Any], max_tokens: int, carried: str) -> None:
    """Also a forced tool choice behind a system prefix, which the warm call may leave out and a request may not."""
    call = request_of({"system": SYSTEM, **body})
    assert (call.form, call.body["stream"], call.body["max_tokens"]) == (Form.STREAMED, True, max_tokens)
    assert call.body[carried] == body[carried]
    assert call.body["system"] == SYSTEM


def test_a_tool_choice_that_is_not_forced_needs_no_stream() -> None:
    """It is carried all the same."""
    choice = {"type": "auto", "disable_parallel_tool_use": True}
    call = request_of({"system": SYSTEM, "tools": [TOOL], "tool_choice": choice})
    assert (call.form, call.body["tool_choice"], call.body["max_tokens"]) == (Form.ASKED, choice, 1)
    assert "stream" not in call.body


def test_a_prefix_in_the_messages_is_cut_as_the_warm_call_cuts_it() -> None:
    """Open tool calls are answered, and nothing behind the last marker is sent."""
    call = request_of(
        {
            "tools": [TOOL],
            "messages": [
                {"role": "user", "content": "Look it up. " * 50},
                {"role": "assistant", "content": [USE]},
                {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "toolu_a", "content": "secret"}]},
            ],
        }
    )
    assert call.body["messages"][2:] == [
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "toolu_a", "content": "Answer with A."}]}
    ]
    assert "secret" not in repr(call.body)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"system": "You are brief."}, "system"),
        ({"system": [{"type": "text", "text": "You are brief."}], "tools": [TOOL]}, "system"),
        ({"tools": [TOOL, {**TOOL, "name": "fetch"}]}, "tools"),
    ],
    ids=["text", "block", "tools"],
)
def test_a_marker_of_ours_is_not_sent(body: dict[str, Any], field: str) -> None:
    """The application sends none, so neither does its request; the warm call has it, and both have the same prefix."""
    found = target(request=body)
    call, warm = real_request(found, MODEL), warm_call(found, MODEL)
    assert "cache_control" not in repr(call.body)
    assert warm.body[field][-1].pop("cache_control") == {"type": "ephemeral"}
    assert call.body[field] == warm.body[field]
    assert {each: call.body[each] for each in body if each != field} == {
        each: body[each] for each in body if each != field
    }


@pytest.mark.parametrize("marker", [MARK, {"type": "ephemeral"}])
def test_automatic_caching_is_sent_as_the_application_sends_it(marker: dict[str, str]) -> None:
    """At the top level and on no block; markers of the author's own stay where they are."""
    tools = [{**TOOL, "cache_control": MARK}]
    call = request_of({"tools": tools, "system": "You are brief.", "cache_control": marker})
    assert call.body["cache_control"] == marker
    assert call.body["system"] == [{"type": "text", "text": "You are brief."}]
    assert call.body["tools"] == tools


def test_a_diagnosis_is_asked_for_in_the_body_alone() -> None:
    """A warm call asks that its fingerprint is kept, a request names its message."""
    call = warm_call(target(), MODEL)
    first, second = with_diagnostics(call, None), with_diagnostics(call, "msg_1")
    assert first.body == {**call.body, "diagnostics": {"previous_message_id": None}}
    assert second.body["diagnostics"] == {"previous_message_id": "msg_1"}
    assert "diagnostics" not in call.body
    assert replace(first, body=call.body) == call


ZERO = warm_call(target(), MODEL)
TRACED = with_diagnostics(ZERO, None)


@pytest.mark.parametrize(
    ("call", "error", "changed"),
    [
        (ZERO, ZeroRefusedError("no", http_status=400), with_one_token(ZERO, "the API refused max_tokens: 0 (400)")),
        (with_one_token(ZERO, "x"), ZeroRefusedError("no", http_status=400), None),
        (
            TRACED,
            ZeroRefusedError("no", http_status=400),
            with_one_token(TRACED, "the API refused max_tokens: 0 (400)"),
        ),
        (TRACED, RejectedError("no", http_status=400), ZERO),
        (TRACED, RejectedError("no", http_status=404), None),
        (TRACED, RejectedError("no", http_status=413), None),
        (TRACED, OverloadedError("no", http_status=529), None),
        (TRACED, OverloadedError("no", http_status=400), None),
        (ZERO, RejectedError("no", http_status=400), None),
    ],
    ids=["0", "1", "0 and traced", "traced", "no model", "too large", "overloaded", "no refusal", "nothing to drop"],
)
def test_a_refused_call_is_sent_without_what_it_can_do_without(
    call: WarmCall, error: WarmCallError, changed: WarmCall | None
) -> None:
    """0 becomes 1, and any 400 may mean the diagnostics, because providers say so in many ways."""
    assert changed_call(call, error) == changed
