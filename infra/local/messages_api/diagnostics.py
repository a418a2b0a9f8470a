"""Cache diagnostics: compares a request with the one named by `diagnostics.previous_message_id`.

The three states of the answer's `diagnostics`, as the SDK documents them:

- `null`: not asked, nothing to compare with (a null previous id), or no divergence;
- `{"cache_miss_reason": null}`: the comparison is still running;
- `{"cache_miss_reason": {...}}`: the first point of divergence.

Order of comparison: model and speed, then tools, system, the other prompt-affecting parameters
(`unavailable`), then messages; messages that were only appended to are no divergence. It looks at the
requests, never at what the cache did. Only requests that carry the `diagnostics` object leave a
fingerprint, hashes and estimates alone, kept for `RETENTION_SECONDS` within their workspace.

`cache_missed_input_tokens` is the emulator's own estimate: the tokens of the earlier request between
the point of divergence and its last breakpoint.
"""

from __future__ import annotations

import hashlib
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from infra.local.messages_api.blocks import request_blocks
from infra.local.messages_api.rendering import compact_json, estimate_tokens, render_block

if TYPE_CHECKING:
    from infra.local.messages_api.blocks import JsonObject, Section
    from infra.local.messages_api.rendering import Prompt

RETENTION_SECONDS = 600  # "a short time" in the documentation; ten minutes here

_OTHER_PARAMETERS = ("tool_choice", "thinking", "context_management", "output_config", "output_format")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fingerprint:
    """What is kept of a request: hashes and token estimates, no content."""

    workspace_id: str
    taken_at_seconds: float
    model: str
    tools: str
    system: str
    parameters: str
    messages: tuple[str, ...]
    message_tokens: tuple[int, ...]
    tools_tokens: int
    system_tokens: int
    marked_tokens: int


class DiagnosticsBook:
    """The fingerprints of recent requests. Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._fingerprints: dict[str, Fingerprint] = {}

    def register(self, message_id: str, current: Fingerprint, *, previous_id: str | None) -> dict[str, Any] | None:
        """Keep the fingerprint of the request that a message answers, and compare it with an earlier one.

        Returns:
            The first point of divergence; None when there is none, or nothing to compare with.
        """
        oldest_kept = current.taken_at_seconds - RETENTION_SECONDS
        with self._lock:
            self._fingerprints[message_id] = current
            while next(iter(self._fingerprints.values())).taken_at_seconds <= oldest_kept:
                del self._fingerprints[next(iter(self._fingerprints))]
            previous = self._fingerprints.get(previous_id) if previous_id is not None else None
        if previous_id is None:
            return None
        if previous is None or previous.workspace_id != current.workspace_id:
            return {"type": "previous_message_not_found"}
        return _first_divergence(previous, current)


def take_fingerprint(
    body: JsonObject, prompt: Prompt, *, betas: frozenset[str], workspace_id: str, taken_at_seconds: float
) -> Fingerprint:
    """Reduce a request to what diagnostics compares."""
    sections: dict[Section, list[bytes]] = {"tools": [], "system": [], "messages": []}
    roles: list[str] = []
    for block in request_blocks(body):
        sections[block.section].append(render_block(block.content))
        if block.section == "messages":
            roles.append(block.role)
    marked = [block.prefix_tokens for block in prompt.blocks if block.breakpoint is not None]
    parameters = [body.get(name) for name in _OTHER_PARAMETERS]
    return Fingerprint(
        workspace_id=workspace_id,
        taken_at_seconds=taken_at_seconds,
        model=_hash(compact_json([body["model"], body.get("speed")])),
        tools=_hash(*sections["tools"]),
        system=_hash(*sections["system"]),
        parameters=_hash(compact_json([*parameters, sorted(betas)])),
        messages=tuple(_hash(role.encode(), part) for role, part in zip(roles, sections["messages"], strict=True)),
        message_tokens=tuple(estimate_tokens(part) for part in sections["messages"]),
        tools_tokens=sum(estimate_tokens(part) for part in sections["tools"]),
        system_tokens=sum(estimate_tokens(part) for part in sections["system"]),
        marked_tokens=max(marked, default=0),
    )


def _first_divergence(previous: Fingerprint, current: Fingerprint) -> dict[str, Any] | None:
    if previous.model != current.model:
        return _changed("model_changed", previous, shared_tokens=0)
    if previous.tools != current.tools:
        return _changed("tools_changed", previous, shared_tokens=0)
    if previous.system != current.system:
        return _changed("system_changed", previous, shared_tokens=previous.tools_tokens)
    if previous.parameters != current.parameters:
        return {"type": "unavailable"}
    shared_tokens = previous.tools_tokens + previous.system_tokens
    pairs = zip(previous.messages, current.messages, previous.message_tokens, strict=False)
    for before, now, tokens in pairs:
        if before != now:
            return _changed("messages_changed", previous, shared_tokens=shared_tokens)
        shared_tokens += tokens
    return None


def _changed(reason: str, previous: Fingerprint, *, shared_tokens: int) -> dict[str, Any]:
    missed = max(0, previous.marked_tokens - shared_tokens)
    return {"type": reason, "cache_missed_input_tokens": missed}


def _hash(*parts: bytes) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(b"%d:" % len(part))
        digest.update(part)
    return digest.hexdigest()
