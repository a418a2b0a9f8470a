"""The point of it all: whatever the application sends, the warm call writes what its request then reads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anthropic
import pytest

from infra.local.messages_api import EmulatorClock, LocalMessagesApi
from prompt_cache_warmer.adapters.anthropic_messages import AnthropicMessages
from prompt_cache_warmer.adapters.api_keys import StaticApiKeys
from prompt_cache_warmer.rules.request import warm_call
from tests.fakes import target

if TYPE_CHECKING:
    from collections.abc import Iterator

LONG = "The quick brown fox jumps over the lazy dog. " * 500  # about 5,600 tokens: above every minimum
MARK = {"type": "ephemeral"}
HOUR = {"type": "ephemeral", "ttl": "1h"}
SYSTEM = [{"type": "text", "text": LONG, "cache_control": MARK}]
TOOL = {"name": "search", "description": LONG, "input_schema": {"type": "object", "properties": {}}}
SECOND_TOOL = {**TOOL, "name": "fetch", "description": "Fetch a page."}
QUESTION = {"role": "user", "content": "What now?"}
PICTURE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}}
USE = {"type": "tool_use", "id": "toolu_1", "name": "search", "input": {"b": 1, "a": [2, {"z": None}]}}
RESULT = {"type": "tool_result", "tool_use_id": "toolu_1", "content": [{"type": "text", "text": LONG}]}


def marked(block: dict[str, Any], marker: dict[str, str] | None = None) -> dict[str, Any]:
    """Return a block with a marker."""
    return {**block, "cache_control": marker or MARK}


SHAPES: dict[str, dict[str, Any]] = {
    "system as one marked block": {"system": SYSTEM},
    "system of two blocks, 1h before 5m": {
        "system": [marked({"type": "text", "text": LONG}, HOUR), marked({"type": "text", "text": "Be kind."})]
    },
    "tools only": {"tools": [TOOL, marked(SECOND_TOOL)]},
    "tools and system, both marked": {"tools": [marked(TOOL, HOUR)], "system": SYSTEM},
    "forced tool choice behind a system prefix": {
        "tools": [TOOL],
        "tool_choice": {"type": "any"},
        "system": SYSTEM,
    },
    "no parallel tool use": {
        "tools": [TOOL],
        "tool_choice": {"type": "auto", "disable_parallel_tool_use": True},
        "system": SYSTEM,
        "messages": [{"role": "user", "content": [marked({"type": "text", "text": "Context."})]}],
    },
    "few shots in the messages": {
        "system": "You are brief.",
        "messages": [
            {"role": "user", "content": LONG},
            {"role": "assistant", "content": [marked({"type": "text", "text": "Understood."})]},
        ],
    },
    "a shared document in the first message": {
        "messages": [{"role": "user", "content": [marked({"type": "text", "text": LONG})]}],
    },
    "a picture in the prefix": {
        "system": "You look at pictures.",
        "messages": [{"role": "user", "content": [PICTURE, marked({"type": "text", "text": LONG})]}],
    },
    "a tool call and its result in the prefix": {
        "tools": [TOOL],
        "messages": [
            {"role": "user", "content": "Look it up."},
            {"role": "assistant", "content": [USE]},
            {"role": "user", "content": [marked(RESULT)]},
        ],
    },
    "a tool call as the end of the prefix": {
        "tools": [TOOL],
        "messages": [{"role": "user", "content": LONG}, {"role": "assistant", "content": [marked(USE)]}],
    },
    "adaptive thinking and effort": {
        "thinking": {"type": "adaptive"},
        "output_config": {"effort": "high"},
        "system": SYSTEM,
    },
    "thinking with a budget": {
        "thinking": {"type": "enabled", "budget_tokens": 2048},
        "system": SYSTEM,
        "messages": [{"role": "user", "content": [marked({"type": "text", "text": "Context."})]}],
    },
    "structured output": {
        "output_config": {"effort": "low", "format": {"type": "json_schema", "schema": {"type": "object"}}},
        "system": SYSTEM,
    },
    "forced tool choice with marked messages": {
        "tools": [TOOL],
        "tool_choice": {"type": "tool", "name": "search"},
        "messages": [{"role": "user", "content": [marked({"type": "text", "text": LONG})]}],
    },
    "automatic caching": {"cache_control": MARK, "system": LONG},
    "geo, tier, speed and betas": {
        "inference_geo": "eu",
        "service_tier": "standard_only",
        "speed": "fast",
        "betas": ["context-1m-2025-08-07"],
        "system": SYSTEM,
    },
    "four markers": {
        "tools": [marked(TOOL)],
        "system": [marked({"type": "text", "text": LONG}), marked({"type": "text", "text": "Be kind."})],
        "messages": [{"role": "user", "content": [marked({"type": "text", "text": "Context."})]}],
    },
}
MODELS = ("claude-sonnet-4-6", "claude-opus-5-5")  # thinking and effort key different tiers on these two


@pytest.fixture(params=[False, True], ids=["takes 0", "refuses 0"])
def picky_api(request: pytest.FixtureRequest) -> Iterator[LocalMessagesApi]:
    """Return an API that does or does not take max_tokens 0."""
    with LocalMessagesApi(clock=EmulatorClock(frozen=True), refuses_zero=request.param) as emulator:
        yield emulator


@pytest.mark.filterwarnings("ignore:Using Claude with")  # the SDK's advice on thinking, to the application
@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("shape", SHAPES)
async def test_the_applications_request_reads_all_that_was_warmed(
    picky_api: LocalMessagesApi, shape: str, model: str
) -> None:
    """Cold before, warmed once, then the application's own request reads every token of the prefix."""
    request = SHAPES[shape]
    call = warm_call(target(request=request), model, zero_refused=picky_api.refuses_zero)
    async with AnthropicMessages(StaticApiKeys("k"), base_url=picky_api.base_url) as messages:
        warmed = (await messages.send(call, timeout_seconds=10)).usage
        again = (await messages.send(call, timeout_seconds=10)).usage
    application = dict(request)
    application["messages"] = [*application.get("messages", ()), QUESTION]
    if application["messages"][-2:-1] and application["messages"][-2]["role"] == "assistant":
        application["messages"] = _answered(application["messages"])
    betas = application.pop("betas", [])
    budget = (application.get("thinking") or {}).get("budget_tokens", 0)
    async with anthropic.AsyncAnthropic(api_key="k", base_url=picky_api.base_url, max_retries=0) as client:
        usage = (
            await client.messages.create(
                model=model,
                max_tokens=budget + 100,
                messages=application.pop("messages"),
                extra_headers={"anthropic-beta": ",".join(betas)} if betas else {},
                extra_body=application,
            )
        ).usage
    assert (warmed.read_tokens, again.written_tokens) == (0, 0)
    assert warmed.written_tokens == again.read_tokens > 0
    assert usage.cache_read_input_tokens == warmed.written_tokens


def _answered(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Answer a tool call that ends the shared prefix, as the application would."""
    calls = [block for block in messages[-2]["content"] if block["type"] == "tool_use"]
    if not calls:
        return messages
    results = [{"type": "tool_result", "tool_use_id": call["id"], "content": "found"} for call in calls]
    return [*messages[:-1], {"role": "user", "content": results}]
