"""The open questions that only the real API can answer. Skipped without a key; a few cents with one.

    ANTHROPIC_API_KEY=... .venv/bin/pytest -m live --no-cov -s

Each test asks one question and prints the answer; it fails only where the answer would break the service.
"""

from __future__ import annotations

import os
import time
import uuid
from typing import TYPE_CHECKING, Any

import anthropic
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from anthropic.types import Message, Usage

KEY = os.environ.get("ANTHROPIC_API_KEY", "")  # noqa: TID251 - the suite's own switch
MODEL = "claude-haiku-4-5"
SPREAD_SECONDS = 3  # an immediate second call may miss
ZERO: dict[str, Any] = {"max_tokens": 0}

pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(not KEY, reason="asks the real API: needs ANTHROPIC_API_KEY"),
    pytest.mark.timeout(180),
]


@pytest.fixture
def client() -> Iterator[anthropic.Anthropic]:
    """Return a client of the real API."""
    with anthropic.Anthropic(api_key=KEY, max_retries=2) as opened:
        yield opened


@pytest.fixture
def ask(client: anthropic.Anthropic) -> Callable[..., Usage]:
    """Return a function that sends a request with a prefix nobody else has."""
    unique = f"Test run {uuid.uuid4()}. " + "The quick brown fox jumps over the lazy dog. " * 700

    def send(*, ttl: str = "5m", repeat: int = 1, **request: Any) -> Usage:
        time.sleep(SPREAD_SECONDS)
        block = {"type": "text", "text": unique * repeat, "cache_control": {"type": "ephemeral", "ttl": ttl}}
        body: dict[str, Any] = {
            "model": MODEL,
            "system": [block],
            "messages": [{"role": "user", "content": "Reply with OK."}],
            **ZERO,
            **request,
        }
        known = {name: body.pop(name) for name in ("model", "system", "messages", "max_tokens")}
        message: Message = client.messages.create(**known, extra_body=body)
        return message.usage

    return send


def told(question: str, answer: object) -> None:
    """Print an answer where a person sees it."""
    print(f"\n{question}: {answer}")  # noqa: T201 - the answer is what this suite is for


def read(usage: Usage) -> int:
    """Return the tokens read from the cache."""
    return usage.cache_read_input_tokens or 0


def test_max_tokens_0_writes_and_the_next_request_reads(ask: Callable[..., Usage]) -> None:
    """The whole service stands on this."""
    written = ask().cache_creation_input_tokens or 0
    assert written > 0
    assert read(ask(max_tokens=8)) == written


@pytest.mark.parametrize(("first", "second"), [("1h", "5m"), ("5m", "1h")])
def test_does_a_marker_of_one_ttl_hit_an_entry_of_the_other(ask: Callable[..., Usage], first: str, second: str) -> None:
    """Decides whether a warm call may carry other markers than real traffic."""
    ask(ttl=first)
    told(f"a {second} marker reads a {first} entry", read(ask(ttl=second)) > 0)


def test_is_the_granted_ttl_the_one_that_was_asked_for(ask: Callable[..., Usage]) -> None:
    """Some providers grant 5 minutes for 1 hour."""
    split = ask(ttl="1h").cache_creation
    told("the API grants 1h", split is not None and split.ephemeral_1h_input_tokens > 0)


def test_may_output_format_be_left_out_of_the_warm_call(ask: Callable[..., Usage]) -> None:
    """If so, the streamed form is not needed for structured output."""
    schema = {
        "type": "object",
        "properties": {"ok": {"type": "boolean"}},
        "required": ["ok"],
        "additionalProperties": False,
    }
    ask()
    used = ask(max_tokens=32, output_config={"format": {"type": "json_schema", "schema": schema}})
    told("a request with output_config.format reads an entry written without it", read(used) > 0)


@pytest.mark.parametrize("changed", [{"service_tier": "standard_only"}, {"thinking": {"type": "disabled"}}])
def test_which_settings_enter_the_key_of_the_system_tier(ask: Callable[..., Usage], changed: dict[str, Any]) -> None:
    """What does not enter it need not be copied, but copying is always safe."""
    ask()
    told(f"a request with {changed} reads an entry written without it", read(ask(**changed)) > 0)


def test_does_a_stream_closed_after_its_first_event_leave_the_entry(
    client: anthropic.Anthropic, ask: Callable[..., Usage]
) -> None:
    """The fallback stands on this."""
    text = f"Test run {uuid.uuid4()}. " + "Pack my box with five dozen liquor jugs. " * 700
    system: Any = [{"type": "text", "text": text, "cache_control": {"type": "ephemeral"}}]
    messages: Any = [{"role": "user", "content": "Reply with OK."}]
    with client.messages.create(model=MODEL, max_tokens=1, system=system, messages=messages, stream=True) as stream:
        first = next(iter(stream))
    told("output tokens of message_start", first.message.usage.output_tokens if first.type == "message_start" else None)
    time.sleep(SPREAD_SECONDS)
    again = client.messages.create(model=MODEL, max_tokens=1, system=system, messages=messages)
    assert read(again.usage) > 0
    assert ask is not None


def test_does_the_api_diagnose_warm_calls(client: anthropic.Anthropic) -> None:
    """A real request that names a warm call's id and gets messages_changed has passed."""
    text = f"Test run {uuid.uuid4()}. " + "Sphinx of black quartz, judge my vow. " * 700
    system: Any = [{"type": "text", "text": text, "cache_control": {"type": "ephemeral"}}]
    warm = client.messages.create(
        model=MODEL,
        max_tokens=0,
        system=system,
        messages=[{"role": "user", "content": "Reply with OK."}],
        diagnostics={"previous_message_id": None},
    )
    time.sleep(SPREAD_SECONDS)
    real = client.messages.create(
        model=MODEL,
        max_tokens=8,
        system=system,
        messages=[{"role": "user", "content": "Hello there."}],
        diagnostics={"previous_message_id": warm.id},
    )
    told("diagnostics of a real request that names a warm call", real.diagnostics)
