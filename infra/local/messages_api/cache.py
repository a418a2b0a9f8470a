"""The prompt cache: entries, lookback and lifetimes. No I/O; time comes in as an argument.

- Entries are written at breakpoints only, one per breakpoint whose prefix reaches the minimum.
- Each breakpoint looks for an earlier write at its own position and walks back, at most
  `LOOKBACK_POSITIONS` positions in all, its own being the first.
- Every breakpoint's find is a read, and each read restarts that entry's lifetime from the start of
  the request. What is billed as read is the longest find; a shorter entry that no breakpoint found
  is not refreshed.
- An entry is alive while `now < expires_at_seconds`: exactly at its lifetime it is gone.

Unknown in reality, chosen here: the key does not contain the ttl, so a 5m marker finds a 1h entry and
the reverse. A find is a read, never a rewrite: the entry keeps the ttl it was written with.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from infra.local.messages_api.breakpoints import TTL_SECONDS

if TYPE_CHECKING:
    from infra.local.messages_api.breakpoints import BreakpointKind, Ttl
    from infra.local.messages_api.rendering import Prompt, PromptBlock

LOOKBACK_POSITIONS = 20  # "checks at most 20 positions per breakpoint, counting the breakpoint as the first"

_SWEEP_ABOVE_ENTRIES = 1024  # lapsed entries are swept when the table has doubled: cheap per write, bounded


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheEntry:
    """One cached prefix.

    Attributes:
        workspace_id: the only workspace that can read it.
        region: the only AWS region it can be read in; None outside of Bedrock.
        model: the only model that can read it.
        key: hash of the prefix and of all that enters its key.
        tokens: estimated tokens of the prefix.
        ttl: the lifetime it was written with, `5m` or `1h`.
        expires_at_seconds: when it lapses, on the emulator's clock.
        breakpoint_kind: the section of the marker that wrote it, or `automatic`.
    """

    workspace_id: str
    region: str | None = None
    model: str
    key: str
    tokens: int
    ttl: Ttl
    expires_at_seconds: float
    breakpoint_kind: BreakpointKind

    @property
    def place(self) -> tuple[str, str | None, str]:
        """Where it is found: in one workspace's cache, on Bedrock in one region, under its key."""
        return self.workspace_id, self.region, self.key


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedWrite:
    """One segment to write: from the end of what is known to one breakpoint."""

    entry: CacheEntry
    segment_tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CachePlan:
    """What one request reads, writes and pays in full.

    Attributes:
        reads: the entries found, with the lifetime the read gives them.
        read_tokens: tokens of the longest of them.
        writes: the segments after it, shortest prefix first.
        plain_tokens: tokens after the last breakpoint read or written.
    """

    reads: tuple[CacheEntry, ...]
    read_tokens: int
    writes: tuple[PlannedWrite, ...]
    plain_tokens: int

    def written_tokens(self, ttl: Ttl) -> int:
        """Sum the tokens written with one ttl."""
        return sum(write.segment_tokens for write in self.writes if write.entry.ttl == ttl)


class PromptCache:
    """The entries of all workspaces. Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._entries: dict[tuple[str, str | None, str], CacheEntry] = {}
        self._sweep_above = _SWEEP_ABOVE_ENTRIES

    def plan(
        self,
        prompt: Prompt,
        *,
        workspace_id: str,
        region: str | None = None,
        started_at_seconds: float,
        minimum_tokens: int,
        downgrades_hour: bool = False,
    ) -> CachePlan:
        """Work out what a request that started at that moment reads and writes; change nothing.

        Args:
            prompt: the rendered request.
            workspace_id: whose entries it may read.
            region: the AWS region of Bedrock whose entries it may read; None elsewhere.
            started_at_seconds: when it started; lifetimes count from here.
            minimum_tokens: the smallest prefix its model caches.
            downgrades_hour: grant 5m where 1h is asked.
        """
        marked = [
            index
            for index, block in enumerate(prompt.blocks)
            if block.breakpoint is not None and block.prefix_tokens >= minimum_tokens
        ]
        with self._lock:
            finds = [
                find
                for index in marked
                if (find := self._look_back(prompt.blocks, index, (workspace_id, region), started_at_seconds))
                is not None
            ]
        last_read = max((index for index, _ in finds), default=-1)
        read_tokens = prompt.blocks[last_read].prefix_tokens if finds else 0
        writes: list[PlannedWrite] = []
        known_tokens = read_tokens
        for index in marked:
            block = prompt.blocks[index]
            if index <= last_read or block.breakpoint is None:
                continue
            granted: Ttl = "5m" if downgrades_hour else block.breakpoint.ttl
            entry = CacheEntry(
                workspace_id=workspace_id,
                region=region,
                model=prompt.model,
                key=block.key,
                tokens=block.prefix_tokens,
                ttl=granted,
                expires_at_seconds=started_at_seconds + TTL_SECONDS[granted],
                breakpoint_kind=block.breakpoint.kind,
            )
            writes.append(PlannedWrite(entry=entry, segment_tokens=block.prefix_tokens - known_tokens))
            known_tokens = block.prefix_tokens
        return CachePlan(
            reads=tuple({entry.key: entry for _, entry in finds}.values()),
            read_tokens=read_tokens,
            writes=tuple(writes),
            plain_tokens=prompt.tokens - known_tokens,
        )

    def refresh(self, plan: CachePlan) -> None:
        """Restart the lifetimes of the entries that the plan reads: done when the request starts."""
        with self._lock:
            for entry in plan.reads:
                if entry.place in self._entries:
                    self._keep_longer(entry)

    def write(self, plan: CachePlan, *, now_seconds: float) -> None:
        """Make the entries the plan writes readable: done when the first response begins."""
        with self._lock:
            for planned in plan.writes:
                self._keep_longer(planned.entry)
            if len(self._entries) > self._sweep_above:
                self._sweep(now_seconds)
                self._sweep_above = max(_SWEEP_ABOVE_ENTRIES, 2 * len(self._entries))

    def entries(self, now_seconds: float) -> tuple[CacheEntry, ...]:
        """List the entries alive at that moment, oldest write first; the lapsed are dropped."""
        with self._lock:
            self._sweep(now_seconds)
            return tuple(self._entries.values())

    def forget(self) -> None:
        """Drop every entry, as a best-effort cache may at any time."""
        with self._lock:
            self._entries.clear()

    def _look_back(
        self, blocks: tuple[PromptBlock, ...], marked: int, cache: tuple[str, str | None], now_seconds: float
    ) -> tuple[int, CacheEntry] | None:
        """Find the nearest live write at or before a breakpoint, already given its new lifetime."""
        first_position = blocks[marked].position - LOOKBACK_POSITIONS + 1
        for index in range(marked, -1, -1):
            if blocks[index].position < first_position:
                return None
            entry = self._entries.get((*cache, blocks[index].key))
            if entry is not None and now_seconds < entry.expires_at_seconds:
                renewed = now_seconds + TTL_SECONDS[entry.ttl]
                return index, replace(entry, expires_at_seconds=max(entry.expires_at_seconds, renewed))
        return None

    def _sweep(self, now_seconds: float) -> None:
        self._entries = {
            place: entry for place, entry in self._entries.items() if now_seconds < entry.expires_at_seconds
        }

    def _keep_longer(self, entry: CacheEntry) -> None:
        present = self._entries.get(entry.place)
        if present is None or present.expires_at_seconds <= entry.expires_at_seconds:
            self._entries[entry.place] = entry
