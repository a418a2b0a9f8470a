"""The lookback's positions and markers."""

from __future__ import annotations

from typing import Any

import pytest

from prompt_cache_warmer.rules.lookback import Reach, markers, positions, reach
from prompt_cache_warmer.values.body import blocks

MARK = {"type": "ephemeral"}
HOUR = {"type": "ephemeral", "ttl": "1h"}


def of(*kinds: str) -> list[Any]:
    """Return blocks of these types; ``*`` marks one."""
    said = [{"type": kind.rstrip("*"), **({"cache_control": MARK} if kind.endswith("*") else {})} for kind in kinds]
    return list(blocks({"messages": [{"role": "user", "content": said}]}))


@pytest.mark.parametrize(
    ("kinds", "numbers"),
    [
        ((), []),
        (("text",), [0]),
        (("text", "text"), [0, 1]),
        (("tool_use", "tool_use", "tool_use"), [0, 0, 0]),
        (("tool_result", "tool_result", "text"), [0, 0, 1]),
        (("tool_use", "tool_result", "tool_use", "tool_result"), [0, 1, 2, 3]),
        (("text", "tool_use", "tool_use", "tool_result", "tool_result", "text", "tool_use"), [0, 1, 1, 2, 2, 3, 4]),
        (("server_tool_use", "server_tool_use"), [0, 1]),
    ],
)
def test_a_run_of_calls_or_results_is_one_position(kinds: tuple[str, ...], numbers: list[int]) -> None:
    """And every other block is one of its own."""
    assert positions(of(*kinds)) == numbers


def test_markers_are_listed_with_their_places_and_lives() -> None:
    """Explicit ones in order, the automatic one on the last block."""
    body: dict[str, Any] = {
        "tools": [{"name": "t", "cache_control": HOUR}],
        "system": "Hello",
        "messages": [{"role": "user", "content": [{"type": "text", "text": "a", "cache_control": MARK}]}],
    }
    found = list(blocks(body))
    explicit = [
        (0, ("tools", 0, "cache_control"), "1h"),
        (2, ("messages", 0, "content", 0, "cache_control"), "5m"),
    ]
    assert list(markers(found, None)) == explicit
    assert list(markers(found, HOUR)) == [*explicit, (2, ("cache_control",), "1h")]


@pytest.mark.parametrize(
    ("kinds", "automatic", "at", "expected"),
    [
        (("text*",), None, 0, Reach(0, "5m", is_last=True)),
        (("text*", "text"), None, 1, None),
        (("text", "text"), HOUR, 0, Reach(1, "1h", is_last=True)),
        (("text", "text*", "text*"), None, 0, Reach(1, "5m", is_last=False)),
        (("text*", "text", "text*"), None, 0, Reach(0, "5m", is_last=False)),
        (("text*", "text"), HOUR, 0, Reach(0, "5m", is_last=False)),
        (("text", "tool_use", "tool_use", "tool_use*"), None, 0, Reach(1, "5m", is_last=True)),
        (("tool_use", "tool_use*"), None, 0, Reach(0, "5m", is_last=True)),
    ],
)
def test_an_entry_is_reached_from_the_first_marker_at_its_end_or_behind(
    kinds: tuple[str, ...], automatic: Any, at: int, expected: Reach | None
) -> None:
    """With its distance, its time to live, and whether it is the last; None where there is none."""
    assert reach(of(*kinds), automatic, at) == expected
