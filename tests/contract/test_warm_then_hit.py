"""The point of it all: whatever the application sends, the warm call writes what its request then reads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anthropic
import pytest

from infra.local.messages_api import EmulatorClock, LocalMessagesApi
from prompt_cache_warmer.adapters.api_keys import StaticApiKeys
from prompt_cache_warmer.rules.request import warm_call
from tests.fakes import target
from tests.message_adapters import stored
from tests.prefix_shapes import MODELS, SHAPES

if TYPE_CHECKING:
    from collections.abc import Iterator

QUESTION = {"role": "user", "content": "What now?"}


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
    async with stored(StaticApiKeys("k"), base_url=picky_api.base_url) as messages:
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
