"""The remembered hashes are those that would be computed, whatever changed since."""

from __future__ import annotations

from typing import Any

import pytest

from prompt_cache_warmer.library.observing import prefix_memory
from prompt_cache_warmer.library.observing.prefix_memory import LONG_CHARACTERS, MAX_REMEMBERED, PrefixMemory
from prompt_cache_warmer.values.body import blocks
from prompt_cache_warmer.values.prefix import Fingerprint, fingerprints

LONG = "A long prompt. " * 300
BODY: dict[str, Any] = {
    "tools": [{"name": "t", "input_schema": {"type": "object"}}],
    "system": [{"type": "text", "text": LONG}, {"type": "text", "text": "short"}],
    "messages": [{"role": "user", "content": [{"type": "text", "text": LONG + "!"}]}],
}


def hashed(memory: PrefixMemory, body: dict[str, Any], *betas: str, at: tuple[int, ...] = (1, 3)) -> Any:
    """Return the hashes of a body, checked against those that are computed."""
    prefix = list(blocks(body))[: max(at) + 1] if at else []
    found = memory(body, prefix, betas, at=frozenset(at))
    assert tuple(found) == tuple(fingerprints(body, prefix, betas, at=frozenset(at)))
    return found


def changed(text: str = LONG, **changes: Any) -> dict[str, Any]:
    """Return a body with another first system block."""
    return {**BODY, "system": [{"type": "text", "text": text, **changes}, BODY["system"][1]]}


def test_the_same_text_is_hashed_once() -> None:
    """It is known by its object; an equal one of another object is hashed anew."""
    memory = PrefixMemory()
    first = hashed(memory, BODY)
    assert hashed(memory, {**BODY, "max_tokens": 5}) is first
    assert hashed(memory, changed("".join(list(LONG)))) is not first
    assert hashed(memory, BODY) is first


@pytest.mark.parametrize(
    "other",
    [
        {**BODY, "tools": [{"name": "u", "input_schema": {"type": "object"}}]},
        {**BODY, "tools": [{"input_schema": {"type": "object"}, "name": "t"}]},
        changed(cache_control={"type": "ephemeral"}),
        changed(citations=[{"a": 1}]),
        {**BODY, "system": [{"text": LONG, "type": "text"}, BODY["system"][1]]},
        {**BODY, "system": [BODY["system"][0], {"type": "text", "text": "other"}]},
        {**BODY, "messages": [{"role": "assistant", "content": BODY["messages"][0]["content"]}]},
        {**BODY, "thinking": {"type": "adaptive"}},
        {**BODY, "thinking": None},
        {**BODY, "service_tier": "auto"},
        {**BODY, "output_config": {"effort": "low"}},
        {**BODY, "tool_choice": {"type": "auto"}},
        {**BODY, "speed": "fast"},
    ],
    ids=lambda other: "-".join(sorted(set(other) - {"max_tokens"})),
)
def test_whatever_is_part_of_the_key_is_hashed_anew(other: dict[str, Any]) -> None:
    """With the same texts, in both orders."""
    for first, second in ((BODY, other), (other, BODY)):
        memory = PrefixMemory()
        hashed(memory, first)
        hashed(memory, second)


def test_betas_and_ends_are_part_of_the_key() -> None:
    """In any order of the betas."""
    memory = PrefixMemory()
    assert hashed(memory, BODY, "a", "b") is hashed(memory, BODY, "b", "a", "a")
    assert hashed(memory, BODY, "a") is not hashed(memory, BODY, "a", "b")
    assert len(hashed(memory, BODY, at=(1,))) == 1
    assert hashed(memory, BODY, at=()) == ()


def test_nothing_short_is_remembered() -> None:
    """It is hashed as fast as it is looked up."""
    memory = PrefixMemory()
    for characters, is_same in ((LONG_CHARACTERS - 1, False), (LONG_CHARACTERS, True)):
        body = {"system": "x" * characters}
        assert (hashed(memory, body, at=(0,)) is hashed(memory, body, at=(0,))) is is_same


def test_only_the_last_few_are_remembered() -> None:
    """A process that makes a new text for every request keeps few of them alive."""
    memory = PrefixMemory()
    bodies = [{"system": f"{number:05}" * 500} for number in range(MAX_REMEMBERED + 1)]
    found = [hashed(memory, body, at=(0,)) for body in bodies]
    assert [hashed(memory, body, at=(0,)) is was for body, was in zip(bodies[-1:], found[-1:], strict=True)] == [True]
    assert hashed(memory, bodies[0], at=(0,)) is not found[0]


def test_only_so_many_characters_are_held() -> None:
    """One text that is larger is never, and several that are together begin anew."""
    memory = PrefixMemory()
    huge = {"system": "x" * (prefix_memory.MAX_HELD_CHARACTERS + 1)}
    assert hashed(memory, huge, at=(0,)) is not hashed(memory, huge, at=(0,))
    half = prefix_memory.MAX_HELD_CHARACTERS // 2 + 1
    one, two = {"system": "a" * half}, {"system": "b" * half}
    first = hashed(memory, one, at=(0,))
    second = hashed(memory, two, at=(0,))
    assert hashed(memory, two, at=(0,)) is second
    assert hashed(memory, one, at=(0,)) is not first
    assert isinstance(first[0], Fingerprint)
