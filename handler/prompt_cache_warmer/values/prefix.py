"""The prefix: what the API caches, its fingerprint per tier, and an estimate of its size.

A fingerprint says whether two bodies share a prefix. It is sensitive to key order, as the API is, and
insensitive to what the API's own key leaves out: markers and their ttl, and whether a text stands as
a bare string or as one text block.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from itertools import takewhile
from sys import intern
from typing import TYPE_CHECKING, Any

from prompt_cache_warmer.values.body import Block, Json, Tier, blocks

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

# English prose and JSON come to about four bytes a token; the API's own count is in `usage`.
BYTES_PER_TOKEN = 4
# The API scales pictures down to about this many tokens; base64 bytes would say hundreds of times more.
MEDIA_TOKENS = 1_600
_TEXT_SOURCES = frozenset({"text", "content"})  # a document's source; every other one is a file

# Request settings that are rendered into the prompt or choose another cache, beside the three tiers.
RENDERED_SETTINGS = (
    "thinking",
    "speed",
    "inference_geo",
    "service_tier",
    "mcp_servers",
    "context_management",
)


# What the key does not contain: these belong to one request, so a warm call leaves them out.
PER_REQUEST_FIELDS = frozenset(
    {
        *("model", "max_tokens", "stream", "stop_sequences", "metadata", "diagnostics", "betas", "cache_control"),
        *("temperature", "top_p", "top_k"),
    }
)
FORCED_TOOL_CHOICES = frozenset({"any", "tool"})


@dataclass(frozen=True, slots=True)
class PrefixEnd:
    """Where a prefix ends, in any body that has it.

    Attributes:
        tier: the tier of its last block.
        count: how many blocks of that tier it has.
    """

    tier: Tier
    count: int

    @classmethod
    def of(cls, prefix: Sequence[Block]) -> PrefixEnd:
        """Say where a prefix ends, given its blocks."""
        tier = prefix[-1].tier
        return cls(tier, sum(block.tier is tier for block in prefix))

    def index_in(self, found: Sequence[Block]) -> int | None:
        """Find the block of another body that stands where the prefix ends; None where it has too few."""
        same_tier = [index for index, block in enumerate(found) if block.tier is self.tier]
        return same_tier[self.count - 1] if self.count <= len(same_tier) else None


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """A stable hash of a prefix, one per tier, each a SHA-256 in hexadecimal.

    Attributes:
        tools: the tools, in order.
        system: the system blocks.
        messages: the messages up to the end of the prefix.
        settings: thinking, effort, betas and the other settings that are part of the key.
    """

    tools: str
    system: str
    messages: str
    settings: str

    @property
    def combined(self) -> str:
        """One hash over all four, SHA-256 in hexadecimal."""
        written = f"{self.tools}\n{self.system}\n{self.messages}\n{self.settings}"
        return hashlib.sha256(written.encode()).hexdigest()


def shared_body(body: Mapping[str, Any], end: Block) -> Json:
    """Return what every request with this prefix shares: the body up to ``end``, without per-request fields.

    Key order is kept. A forced ``tool_choice`` goes where the prefix ends before the messages, because
    it is part of the messages' key only and ``max_tokens: 0`` cannot carry it.
    """
    shared = {field: value for field, value in body.items() if field not in PER_REQUEST_FIELDS}
    if end.tier is not Tier.MESSAGES:
        shared.pop("messages", None)
        if (shared.get("tool_choice") or {}).get("type") in FORCED_TOOL_CHOICES:
            del shared["tool_choice"]
        return shared
    message_index = int(end.path[1])
    kept = list(body["messages"][: message_index + 1])
    last = kept[message_index]
    if len(end.path) > len(("messages", message_index, "content")):
        block_index = int(end.path[-1])
        kept[message_index] = {**last, "content": last["content"][: block_index + 1]}
    return {**shared, "messages": kept}


def digest(shared: Mapping[str, Any], betas: Sequence[str]) -> str:
    """Hash the exact bytes a warm call shares with real traffic, markers and key order included."""
    return hashlib.sha256(_compact([shared, sorted(set(betas))]).encode()).hexdigest()


def prefix_blocks(body: Mapping[str, Any], end: Block) -> list[Block]:
    """List the blocks of the prefix that ends in ``end``, that block included."""
    return [*takewhile(lambda block: block.path != end.path, blocks(body)), end]


def fingerprint(
    body: Mapping[str, Any], end: Block, betas: Sequence[str] = (), *, sort_keys: bool = False
) -> Fingerprint:
    """Hash the prefix of ``body`` that ends in ``end``.

    Args:
        body: a Messages API body.
        end: the last block of its prefix.
        betas: the values of the ``anthropic-beta`` header.
        sort_keys: whether an object is the same in any order of its keys; to the API it is not.
    """
    prefix = prefix_blocks(body, end)
    (found,) = fingerprints(body, prefix, betas, at={len(prefix) - 1}, sort_keys=sort_keys)
    return found


def fingerprints(
    body: Mapping[str, Any],
    prefix: Iterable[Block],
    betas: Sequence[str] = (),
    *,
    at: Collection[int],
    sort_keys: bool = False,
) -> Iterator[Fingerprint]:
    """Hash several prefixes of ``body`` in one pass, the shortest first.

    Args:
        body: a Messages API body.
        prefix: its blocks in order, as far as the longest prefix goes.
        betas: the values of the ``anthropic-beta`` header.
        at: where the prefixes end among them.
        sort_keys: whether an object is the same in any order of its keys; to the API it is not.
    """
    settings: Json = {field: body[field] for field in RENDERED_SETTINGS if body.get(field) is not None}
    effort = (body.get("output_config") or {}).get("effort")
    settings |= {"effort": effort, "betas": sorted(set(betas))}
    settings_hash = hashlib.sha256(_compact(settings, sort_keys=sort_keys).encode()).hexdigest()
    tiers = {tier: hashlib.sha256() for tier in Tier}
    for index, block in enumerate(prefix):
        written = _compact([_role(body, block), _unmarked(block.content)], sort_keys=sort_keys)
        tiers[block.tier].update(written.encode())
        if index not in at:
            continue
        messages = tiers[Tier.MESSAGES].copy()
        tool_choice = body.get("tool_choice") if block.tier is Tier.MESSAGES else None  # it keys the messages alone
        if tool_choice is not None:
            messages.update(_compact(tool_choice, sort_keys=sort_keys).encode())
        yield Fingerprint(  # most targets share a tier, if only one with nothing in it, and so one text in memory
            tools=intern(tiers[Tier.TOOLS].hexdigest()),
            system=tiers[Tier.SYSTEM].hexdigest(),
            messages=intern(messages.hexdigest()),
            settings=intern(settings_hash),
        )


def estimate_tokens(prefix: Iterable[Block]) -> int:
    """Estimate how many tokens a prefix has, without a call; within about a third for English."""
    measured = [_measure(block.content) for block in prefix if not block.is_deferred]
    text_bytes = sum(size for size, _ in measured)
    return text_bytes // BYTES_PER_TOKEN + MEDIA_TOKENS * sum(media for _, media in measured)


def _measure(content: Json) -> tuple[int, int]:
    """Count a block's bytes of text, and its pictures and files."""
    kind = content.get("type")
    inner = content.get("text" if kind == "text" else "content")
    if kind == "image":
        return 0, 1
    if kind == "document":
        source = content.get("source")
        if not isinstance(source, dict) or source.get("type") not in _TEXT_SOURCES:
            return 0, 1
        inner = source.get("data", source.get("content"))
    if isinstance(inner, list):
        measured = [_measure(block) for block in inner if isinstance(block, dict)]
        return sum(size for size, _ in measured), sum(media for _, media in measured)
    return len((inner if isinstance(inner, str) else _compact(_unmarked(content))).encode()), 0


def _role(body: Mapping[str, Any], block: Block) -> str:
    if block.tier is not Tier.MESSAGES:
        return ""
    message: Json = body["messages"][block.path[1]]
    return str(message.get("role", ""))


def _unmarked(content: Json) -> Json:
    return {field: value for field, value in content.items() if field != "cache_control"}


def _compact(value: object, *, sort_keys: bool = False) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=sort_keys)
