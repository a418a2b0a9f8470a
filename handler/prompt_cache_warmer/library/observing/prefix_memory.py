"""Remembers the hashes of the last prefixes, so that a long prompt is hashed once and not at every request.

An application passes the same text again and again, and the SDK hands it on as the same object. A text is known
by that object, which is kept as long as its hash is, so that no other can take its place; everything else is
known by what it says. Safe to use from any thread: at worst a prefix is hashed twice.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from prompt_cache_warmer.values.prefix import RENDERED_SETTINGS, Fingerprint, fingerprints

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from prompt_cache_warmer.values.body import Block

# Shorter ones are written as fast as they are looked up.
LONG_CHARACTERS = 2_048
# A process has a few prompts; one that makes a new text for each request must not keep many of them alive.
MAX_REMEMBERED = 8
MAX_HELD_CHARACTERS = 16_000_000

_OTHER_FIELDS = (*RENDERED_SETTINGS, "output_config", "tool_choice")

Key = tuple[Any, ...]


class PrefixMemory:
    """A ``rules.traffic.Hasher`` that remembers."""

    def __init__(self) -> None:
        self._remembered: dict[Key, tuple[tuple[Fingerprint, ...], list[str]]] = {}

    def __call__(
        self, body: Mapping[str, Any], prefix: Sequence[Block], betas: Sequence[str], /, *, at: Collection[int]
    ) -> tuple[Fingerprint, ...]:
        """Hash prefixes, or remember their hashes."""
        texts: list[str] = []
        key = (
            tuple(sorted(at)),
            tuple(sorted(set(betas))),
            json.dumps({field: body[field] for field in _OTHER_FIELDS if field in body}),
            *(_part(body, block, texts) for block in prefix),
        )
        remembered = self._remembered.get(key)
        if remembered is not None:
            return remembered[0]
        found = tuple(fingerprints(body, prefix, betas, at=at))
        characters = sum(map(len, texts))
        if 0 < characters <= MAX_HELD_CHARACTERS:
            held = sum(len(text) for _, kept in tuple(self._remembered.values()) for text in kept)
            if len(self._remembered) >= MAX_REMEMBERED or held + characters > MAX_HELD_CHARACTERS:
                self._remembered = {}  # anew and not emptied: another thread may be looking at it
            self._remembered[key] = found, texts
        return found


def _part(body: Mapping[str, Any], block: Block, texts: list[str]) -> Key:
    """Say what a block is; a long text of its own goes to ``texts`` and is known by its object."""
    text = block.content.get("text")
    role = body["messages"][block.path[1]].get("role") if block.path[0] == "messages" else None
    if not isinstance(text, str) or len(text) < LONG_CHARACTERS:
        return block.tier, role, json.dumps(block.content)
    texts.append(text)
    rest = {field: value for field, value in block.content.items() if field != "text"}
    return block.tier, role, tuple(block.content), id(text), json.dumps(rest)
