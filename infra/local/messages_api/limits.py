"""Rate limits per workspace: fixed windows of one minute on the emulator's clock.

The real API uses token buckets; a fixed window is exact to test and answers with the same headers.
A window opens with the first call after the previous one ended. Every authenticated call counts as a
request, refused ones too, except the call that the request limit itself refuses. Cache reads do not
count toward input tokens; writes and plain input do.
"""

from __future__ import annotations

import math
import threading
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Protocol

from infra.local.messages_api.errors import ApiError

WINDOW_SECONDS = 60  # the limits are published per minute

_KINDS = ("requests", "input-tokens", "output-tokens")


@dataclass(frozen=True, slots=True, kw_only=True)
class RateLimits:
    """Limits of one workspace, generous unless a test lowers them."""

    requests_per_minute: int = 1_000_000
    input_tokens_per_minute: int = 1_000_000_000
    output_tokens_per_minute: int = 1_000_000_000

    def of(self, kind: str) -> int:
        """Look one limit up by the name it has in the headers."""
        return {
            "requests": self.requests_per_minute,
            "input-tokens": self.input_tokens_per_minute,
            "output-tokens": self.output_tokens_per_minute,
        }[kind]


class HasRateLimits(Protocol):
    """Whatever holds the limits now in force."""

    rate_limits: RateLimits


class _Window:
    """The counters of one workspace's minute."""

    def __init__(self, opened_at_seconds: float) -> None:
        self.ends_at_seconds = opened_at_seconds + WINDOW_SECONDS
        self.used = dict.fromkeys(_KINDS, 0)


class RateLimiter:
    """Counts calls and tokens and refuses what exceeds the limits. Safe to use from several threads."""

    def __init__(self, behaviour: HasRateLimits) -> None:
        self._behaviour = behaviour
        self._lock = threading.Lock()
        self._windows: dict[str, _Window] = {}

    def count_request(self, workspace_id: str, now_seconds: float) -> None:
        """Count one call.

        Raises:
            ApiError: 429 with `retry-after`, the minute's requests are used up.
        """
        self._spend(workspace_id, now_seconds, {"requests": 1})

    def count_tokens(self, workspace_id: str, now_seconds: float, *, input_tokens: int, output_tokens: int) -> None:
        """Count the tokens of one call, all or none.

        Raises:
            ApiError: 429 with `retry-after`, the minute's tokens do not suffice.
        """
        self._spend(workspace_id, now_seconds, {"input-tokens": input_tokens, "output-tokens": output_tokens})

    def headers(self, workspace_id: str, now_seconds: float) -> dict[str, str]:
        """Render the rate-limit headers of a response."""
        with self._lock:
            window = self._window(workspace_id, now_seconds)
            reset = datetime.fromtimestamp(window.ends_at_seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
            limits = {kind: self._behaviour.rate_limits.of(kind) for kind in _KINDS}
            remaining = {kind: max(0, limits[kind] - window.used[kind]) for kind in _KINDS}
        limits["tokens"] = limits["input-tokens"] + limits["output-tokens"]
        remaining["tokens"] = remaining["input-tokens"] + remaining["output-tokens"]
        headers: dict[str, str] = {}
        for kind, limit in limits.items():
            headers[f"anthropic-ratelimit-{kind}-limit"] = str(limit)
            headers[f"anthropic-ratelimit-{kind}-remaining"] = str(remaining[kind])
            headers[f"anthropic-ratelimit-{kind}-reset"] = reset
        return headers

    def _spend(self, workspace_id: str, now_seconds: float, amounts: dict[str, int]) -> None:
        with self._lock:
            window = self._window(workspace_id, now_seconds)
            for kind, amount in amounts.items():
                if window.used[kind] + amount > self._behaviour.rate_limits.of(kind):
                    wait_seconds = max(1, math.ceil(window.ends_at_seconds - now_seconds))
                    raise ApiError(
                        status=HTTPStatus.TOO_MANY_REQUESTS,
                        message=f"This request would exceed the rate limit of {self._behaviour.rate_limits.of(kind)} "
                        f"{kind.replace('-', ' ')} per minute of your workspace.",
                        headers={"retry-after": str(wait_seconds)},
                    )
            for kind, amount in amounts.items():
                window.used[kind] += amount

    def _window(self, workspace_id: str, now_seconds: float) -> _Window:
        window = self._windows.get(workspace_id)
        if window is None or now_seconds >= window.ends_at_seconds:
            window = self._windows[workspace_id] = _Window(now_seconds)
        return window
