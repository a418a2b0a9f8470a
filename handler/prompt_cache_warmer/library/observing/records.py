"""What an observer tells: each request it saw, and how much it has seen."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from prompt_cache_warmer.values.observation import Sight
    from prompt_cache_warmer.values.usage import Usage


@dataclass(frozen=True, slots=True, kw_only=True)
class ObservedRequest:
    """One answered request of the application; it holds no text of the prompt or the answer.

    Attributes:
        at: when it started, in UTC.
        model: the model it asked.
        usage: what the API reported.
        target: the target it belongs to; None where it belongs to none that is known.
        sight: ``hit``, ``cold-start`` or ``drift``; None where it belongs to no target.
        drifted: the tiers that are not the target's: ``tools``, ``system``, ``messages``, ``settings``, ``model``.
        is_streamed: whether the answer came as a stream.
        first_token_ms: how long its first token took, in milliseconds; None where it was not streamed.
        duration_ms: how long the answer took to its end, in milliseconds.
        workspace_id: the workspace its credential resolved to, None where the API did not say.
        region: the AWS region that answered, None where it did not go to Bedrock.
        request_id: the API's id of the request, None where it sent none.
    """

    at: datetime
    model: str
    usage: Usage
    target: str | None = None
    sight: Sight | None = None
    drifted: tuple[str, ...] = ()
    is_streamed: bool = False
    first_token_ms: float | None = None
    duration_ms: float = 0.0
    workspace_id: str | None = None
    region: str | None = None
    request_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ObserverCounts:
    """How much an observer has seen in this process, and what it could not do.

    Attributes:
        requests: answered requests of the application whose usage was read; each is one of the next four.
        hits: they read their target's prefix from the cache.
        cold_starts: they carried it and did not.
        drifts: they were ascribed to a target and carried another prefix.
        unascribed: they belong to no target that is known.
        warm_calls: calls that only warm the cache; they are no traffic and are in no other count.
        waiting: answered requests that wait for the targets to be read; they are in no other count yet.
        unproven: answered requests whose usage could not be read.
        lost: requests, or metric values of them, that were given up because too many were waiting.
        failures: how often something went wrong, by what it was: ``callback``, ``metrics``, ``state``, ``targets``,
            ``capture``, ``observing``. None of them ever reached the application.
    """

    requests: int = 0
    hits: int = 0
    cold_starts: int = 0
    drifts: int = 0
    unascribed: int = 0
    warm_calls: int = 0
    waiting: int = 0
    unproven: int = 0
    lost: int = 0
    failures: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def hit_ratio(self) -> float | None:
        """Hits by hits, cold starts and drifts; None before the first of them."""
        ascribed = self.hits + self.cold_starts + self.drifts
        return self.hits / ascribed if ascribed else None
