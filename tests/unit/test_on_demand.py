"""The SDK is loaded when a call is due: in a fresh interpreter, and by whom."""

from __future__ import annotations

import pytest

from prompt_cache_warmer.wiring.on_demand import MessagesOnDemand
from tests.interpreter import printed

LOADED = "print([name for name in ('anthropic', 'httpx2', 'opentelemetry') if name in sys.modules])"


def test_the_handler_loads_no_sdk() -> None:
    """What a cold start imports holds neither the SDK nor what only the SDK needs."""
    assert printed(f"import sys, app\n{LOADED}") == "['httpx2']\n"  # genai-prices has an updater that nobody starts


def test_the_handler_leaves_the_collector_running() -> None:
    """It pauses while the handler is imported and goes on afterwards, past what was imported."""
    script = "import gc, app\nprint(gc.isenabled(), gc.get_freeze_count() > 50_000)"
    assert printed(script) == "True True\n"


class _Messages:
    """Notes what it is asked; stands where the SDK would."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def __aexit__(self, *_: object) -> None:
        self.asked.append("closed")

    async def send(self, call: object, *, timeout_seconds: float) -> str:
        self.asked.append(f"send {call} {timeout_seconds:g}")
        return "answer"

    async def count_tokens(self, call: object, *, timeout_seconds: float) -> int:
        self.asked.append(f"count {call} {timeout_seconds:g}")
        return 7

    async def fetch(self, target: object) -> str:
        self.asked.append(f"fetch {target}")
        return "body"


class _Made:
    """Makes the messages, and counts how often."""

    def __init__(self) -> None:
        self.messages = _Messages()
        self.times = 0

    def __call__(self) -> _Messages:
        self.times += 1
        return self.messages


@pytest.fixture
def made() -> _Made:
    """Return what makes the messages."""
    return _Made()


@pytest.fixture
def on_demand(made: _Made) -> MessagesOnDemand:
    """Return what makes them on demand; its bodies come from the same."""
    return MessagesOnDemand(made.messages, made)  # type: ignore[arg-type] # doubles of two adapters in one


async def test_a_run_without_a_call_makes_nothing(made: _Made, on_demand: MessagesOnDemand) -> None:
    """Neither at its start nor to close it at its end."""
    async with on_demand as entered:
        assert entered is on_demand
    assert (made.times, made.messages.asked) == (0, [])


async def test_a_body_makes_it_ready_once(made: _Made, on_demand: MessagesOnDemand) -> None:
    """All that follows goes to the one that was made, run after run, and is closed at each one's end."""
    call = "call"
    for _ in range(2):
        async with on_demand:
            assert await on_demand.fetch("target") == "body"  # type: ignore[arg-type, comparison-overlap] # doubles
            assert made.times == 1
            assert await on_demand.send(call, timeout_seconds=3) == "answer"  # type: ignore[arg-type, comparison-overlap] # doubles
            assert await on_demand.count_tokens(call, timeout_seconds=2) == 7  # type: ignore[arg-type] # doubles
    assert made.times == 1
    assert made.messages.asked == ["fetch target", "send call 3", "count call 2", "closed"] * 2


async def test_a_call_without_a_body_makes_it_too(made: _Made, on_demand: MessagesOnDemand) -> None:
    """Nobody calls without a body today; the call would go out all the same."""
    await on_demand.count_tokens("call", timeout_seconds=2)  # type: ignore[arg-type] # doubles
    assert made.times == 1
