"""Cache diagnostics: the documented states and reasons, parsed by the SDK."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from anthropic.types import (
    CacheMissMessagesChanged,
    CacheMissModelChanged,
    CacheMissPreviousMessageNotFound,
    CacheMissSystemChanged,
    CacheMissToolsChanged,
    CacheMissUnavailable,
)

from tests.infra.messages_api.messages_api_bodies import (
    LONG_TEXT,
    MARKER,
    NEW_MODEL,
    create,
    text,
    tokens_of,
    tool,
    warm_body,
)

if TYPE_CHECKING:
    import anthropic

    from infra.local.messages_api import LocalMessagesApi

SYSTEM_TOKENS = tokens_of(text(LONG_TEXT))
TOOL = tool("a")
OPT_IN = {"previous_message_id": None}


def body(previous_id: str | None = None, **changes: Any) -> dict[str, Any]:
    """Make a request that asks for a diagnosis."""
    return warm_body(tools=[TOOL], diagnostics={"previous_message_id": previous_id}, **changes)


def reason(client: anthropic.Anthropic, request: dict[str, Any], **headers: str) -> Any:
    """Send a request and read the reason off its diagnosis."""
    diagnostics = create(client, request, **headers).diagnostics
    assert diagnostics is not None
    return diagnostics.cache_miss_reason


def test_what_is_not_asked_is_not_answered(client: anthropic.Anthropic) -> None:
    """Without the object the answer's `diagnostics` is null."""
    assert create(client, warm_body()).diagnostics is None


def test_a_first_turn_has_nothing_to_compare(client: anthropic.Anthropic) -> None:
    """A null previous id opts in and is answered with null."""
    assert create(client, body()).diagnostics is None


def test_the_same_request_again_has_no_divergence(client: anthropic.Anthropic) -> None:
    """No divergence is `diagnostics: null`."""
    first = create(client, body())
    assert create(client, body(first.id)).diagnostics is None


def test_appended_messages_are_no_divergence(client: anthropic.Anthropic) -> None:
    """A conversation that only grew still matches."""
    question = {"role": "user", "content": "Q1"}
    first = create(client, body(messages=[question]))
    longer = [question, {"role": "assistant", "content": "A1"}, {"role": "user", "content": "Q2"}]
    assert create(client, body(first.id, messages=longer)).diagnostics is None


def test_a_comparison_may_still_be_running(api: LocalMessagesApi, client: anthropic.Anthropic) -> None:
    """Told to, the emulator answers with a null reason: still comparing."""
    first = create(client, body())
    api.is_diagnosis_pending = True
    diagnostics = create(client, body(first.id)).diagnostics
    assert diagnostics is not None
    assert diagnostics.cache_miss_reason is None


CHANGES: list[tuple[dict[str, Any], type, int]] = [
    ({"model": NEW_MODEL}, CacheMissModelChanged, tokens_of(TOOL) + SYSTEM_TOKENS),
    ({"speed": "fast"}, CacheMissModelChanged, tokens_of(TOOL) + SYSTEM_TOKENS),
    ({"tools": [tool("b")]}, CacheMissToolsChanged, tokens_of(TOOL) + SYSTEM_TOKENS),
    ({"system": [text("other")]}, CacheMissSystemChanged, SYSTEM_TOKENS),
    ({"messages": [{"role": "user", "content": "real"}]}, CacheMissMessagesChanged, 0),
]


@pytest.mark.parametrize(("change", "expected", "missed"), CHANGES)
def test_each_change_has_its_reason_and_an_estimate(
    client: anthropic.Anthropic, change: dict[str, Any], expected: type, missed: int
) -> None:
    """Model or speed, tools, system, messages: the type, and the tokens that would have been read."""
    first = create(client, body())
    found = reason(client, {**body(first.id), **change})
    assert isinstance(found, expected)
    assert found.cache_missed_input_tokens == missed  # type: ignore[attr-defined]  # every type listed has it


def test_the_estimate_of_changed_messages_ends_at_the_last_breakpoint(client: anthropic.Anthropic) -> None:
    """What was marked behind the divergence is missed, what was shared before it is not."""
    first_turn, marked = {"role": "user", "content": "same"}, text("marked block", cache_control=MARKER)
    first = create(client, body(messages=[first_turn, {"role": "user", "content": [marked]}]))
    changed = body(first.id, messages=[first_turn, {"role": "user", "content": "edited"}])
    found = reason(client, changed)
    assert isinstance(found, CacheMissMessagesChanged)
    assert found.cache_missed_input_tokens == tokens_of(marked)


def test_the_first_divergence_is_named(client: anthropic.Anthropic) -> None:
    """With tools, system and messages all changed, the reason is the tools, which come first."""
    first = create(client, body())
    changed = {**body(first.id), "tools": [], "system": "x", "messages": [{"role": "user", "content": "y"}]}
    assert isinstance(reason(client, changed), CacheMissToolsChanged)


def test_traffic_after_a_warm_call_passes_with_messages_changed(client: anthropic.Anthropic) -> None:
    """A real request that names a warm call's id differs in its messages alone, by design."""
    warm = create(client, body())
    real = body(warm.id, max_tokens=50, messages=[{"role": "user", "content": "A question"}])
    assert isinstance(reason(client, real), CacheMissMessagesChanged)


@pytest.mark.parametrize(
    "change",
    [
        {"tool_choice": {"type": "auto"}},
        {"thinking": {"type": "adaptive"}},
        {"output_config": {"effort": "low"}},
        {"context_management": {"edits": []}},
    ],
)
def test_another_parameter_makes_the_diagnosis_unavailable(client: anthropic.Anthropic, change: dict[str, Any]) -> None:
    """Model, tools and system match but another prompt-affecting parameter differs: `unavailable`."""
    first = create(client, body())
    assert isinstance(reason(client, body(first.id, **change)), CacheMissUnavailable)


def test_another_set_of_betas_makes_the_diagnosis_unavailable(client: anthropic.Anthropic) -> None:
    """The set of active betas affects the prompt too."""
    first = create(client, body())
    assert isinstance(reason(client, body(first.id), anthropic_beta="b"), CacheMissUnavailable)


def test_an_unknown_id_is_not_found(client: anthropic.Anthropic) -> None:
    """An id that no message has is `previous_message_not_found`, without an estimate."""
    assert isinstance(reason(client, body("msg_unknown")), CacheMissPreviousMessageNotFound)


def test_a_request_that_did_not_opt_in_left_no_fingerprint(client: anthropic.Anthropic) -> None:
    """Only requests that carry the `diagnostics` object can be compared with later."""
    first = create(client, warm_body())
    assert isinstance(reason(client, body(first.id)), CacheMissPreviousMessageNotFound)


def test_another_workspace_is_not_compared_with(client: anthropic.Anthropic) -> None:
    """Fingerprints stay within their workspace."""
    first = create(client, body())
    other = client.with_options(api_key="sk-other")
    assert isinstance(reason(other, body(first.id)), CacheMissPreviousMessageNotFound)


def test_fingerprints_are_kept_for_ten_minutes(api: LocalMessagesApi, client: anthropic.Anthropic) -> None:
    """One second before ten minutes the comparison works, at ten minutes the fingerprint is gone."""
    first = create(client, body())
    api.clock.advance(599)
    assert create(client, body(first.id)).diagnostics is None
    api.clock.advance(1)
    assert isinstance(reason(client, body(first.id)), CacheMissPreviousMessageNotFound)


def test_it_compares_requests_not_the_cache(api: LocalMessagesApi, client: anthropic.Anthropic) -> None:
    """A lapsed entry is a miss without a divergence: null diagnosis, nothing read."""
    first = create(client, body())
    api.clock.advance(301)
    again = create(client, body(first.id))
    assert again.diagnostics is None
    assert again.usage.cache_read_input_tokens == 0


def test_a_stream_carries_its_diagnosis_in_message_start(client: anthropic.Anthropic) -> None:
    """The SDK's accumulated message has the reason of `message_start`."""
    first = create(client, body())
    with client.messages.stream(
        model=NEW_MODEL,
        max_tokens=5,
        messages=[{"role": "user", "content": "."}],
        diagnostics={"previous_message_id": first.id},
    ) as stream:
        diagnostics = stream.get_final_message().diagnostics
    assert diagnostics is not None
    assert isinstance(diagnostics.cache_miss_reason, CacheMissModelChanged)
