"""What a tracker keeps of a request: hashes and sizes, made in one pass."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from prompt_cache_warmer.library.tracking.requests import read_request
from prompt_cache_warmer.values.body import blocks
from prompt_cache_warmer.values.prefix import fingerprint, fingerprints
from tests.tracker_cases import HOUR, MARK, ask

TEXTS = st.lists(st.text(min_size=1, max_size=4), max_size=4)


def parts(texts: list[str]) -> list[dict[str, Any]]:
    """Return the texts as blocks."""
    return [{"type": "text", "text": each} for each in texts]


@given(TEXTS, TEXTS, TEXTS, st.lists(st.sampled_from(["auto", "none"]), max_size=1))
def test_one_pass_finds_every_prefixs_own_fingerprint(
    tools: list[str], system: list[str], messages: list[str], choices: list[str]
) -> None:
    """Each is that of its prefix alone; the blocks are walked once, and only those asked for are told."""
    body: dict[str, Any] = {
        "tools": [{"name": each} for each in tools],
        "system": parts(system),
        "messages": [{"role": "user", "content": parts([each])} for each in messages],
        "thinking": {"type": "adaptive"},
    }
    body |= {"tool_choice": {"type": choices[0]}} if choices else {}
    positions = list(blocks(body))
    alone = [fingerprint(body, end, ["beta"]) for end in positions]
    every = range(len(positions))
    assert list(fingerprints(body, iter(positions), ["beta"], at=every)) == alone
    assert list(fingerprints(body, iter(positions), ["beta"], at=every[1::2])) == alone[1::2]


def test_a_request_is_kept_without_its_words() -> None:
    """Its hashes are made when it is read, so that neither the prompt stays nor anybody waits for its hashing."""
    tools = [{"name": "planted_tool", "description": "planted description", "cache_control": HOUR}]
    messages = [{"role": "user", "content": [{"type": "text", "text": "planted question", "cache_control": MARK}]}]
    request = read_request(ask("planted words", tools=tools, messages=messages), provider="anthropic")
    assert "planted" not in repr(request)
    assert [mark.ttl for mark in request.marks] == ["1h", "5m", "5m"]
    assert request.readable == tuple(mark.digest for mark in reversed(request.marks))
    assert len(set(request.readable)) == 3


def test_the_api_looks_back_twenty_blocks_from_each_marker() -> None:
    """Of 60 blocks with markers on the 30th and the 60th, the last 20 and the 20 before the 30th are looked for."""
    content = parts([f"part {number}" for number in range(60)])
    for place in (29, 59):
        content[place]["cache_control"] = MARK
    request = read_request({"model": "m", "messages": [{"role": "user", "content": content}]}, provider="anthropic")
    assert len(request.readable) == len(set(request.readable)) == 40
    assert (request.readable[0], request.readable[20]) == (request.marks[1].digest, request.marks[0].digest)
