"""Rate limits per workspace: fixed windows of one minute on the emulator's clock, or token buckets.

The real API uses token buckets per workspace and class of models. A fixed window is exact to test, answers with the
same headers, and is what there is unless `is_continuous` is set. A window opens with the first call after the
previous one ended. Every authenticated call counts as a request, refused ones too, except the call that the request
limit itself refuses. Cache reads do not count toward input tokens; writes and plain input do.

A bucket holds a minute's worth, begins full and is filled at a sixtieth of that per second. The API rounds the
tokens it says remain to the nearest thousand, and so do the buckets; what they refuse goes by the exact count.
"""

from __future__ import annotations

import math
import re
import threading
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Protocol

from infra.local.messages_api.errors import ApiError

WINDOW_SECONDS = 60  # the limits are published per minute

_KINDS = ("requests", "input-tokens", "output-tokens")
_ROUNDED_TO = 1_000  # tokens, in the headers of the real API
_ENOUGH = 1e-9  # sums of fractions miss a whole number by less
_CLASS = re.compile(r"claude-[a-z]+-\d+")  # `claude-sonnet-4`: versions 4, 4.5 and 4.6 share one limit


@dataclass(frozen=True, slots=True, kw_only=True)
class RateLimits:
    """Limits of one workspace, generous unless a test lowers them.

    Attributes:
        requests_per_minute: requests.
        input_tokens_per_minute: uncached and written input tokens.
        output_tokens_per_minute: output tokens.
        is_continuous: whether they are token buckets, each class of models with its own, instead of fixed windows.
    """

    requests_per_minute: int = 1_000_000
    input_tokens_per_minute: int = 1_000_000_000
    output_tokens_per_minute: int = 1_000_000_000
    is_continuous: bool = False

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


class _Counter(Protocol):
    """What counts one workspace's use of its limits."""

    def remaining(self, kind: str, limit: int, now_seconds: float) -> int: ...

    def wait_seconds(self, kind: str, amount: int, limit: int, now_seconds: float) -> float: ...

    def spend(self, kind: str, amount: int, limit: int, now_seconds: float) -> None: ...

    def full_at_seconds(self, kind: str, limit: int, now_seconds: float) -> float: ...


class _Window:
    """The counters of one workspace's minute."""

    def __init__(self) -> None:
        self._ends_at_seconds = -math.inf
        self._used = dict.fromkeys(_KINDS, 0)

    def remaining(self, kind: str, limit: int, now_seconds: float) -> int:
        self._open(now_seconds)
        return max(0, limit - self._used[kind])

    def wait_seconds(self, kind: str, amount: int, limit: int, now_seconds: float) -> float:
        """Say how long this much has to wait, 0 where there is room."""
        self._open(now_seconds)
        return self._ends_at_seconds - now_seconds if self._used[kind] + amount > limit else 0.0

    def spend(self, kind: str, amount: int, limit: int, now_seconds: float) -> None:  # noqa: ARG002 - a bucket's need it
        self._used[kind] += amount

    def full_at_seconds(self, kind: str, limit: int, now_seconds: float) -> float:  # noqa: ARG002 - as above
        self._open(now_seconds)
        return self._ends_at_seconds

    def _open(self, now_seconds: float) -> None:
        if now_seconds >= self._ends_at_seconds:
            self._ends_at_seconds = now_seconds + WINDOW_SECONDS
            self._used = dict.fromkeys(_KINDS, 0)


class _Buckets:
    """The buckets of one workspace and class of models; what is missing of each is kept, so that limits may change."""

    def __init__(self) -> None:
        self._missing = dict.fromkeys(_KINDS, 0.0)
        self._filled_at_seconds = dict.fromkeys(_KINDS, 0.0)

    def remaining(self, kind: str, limit: int, now_seconds: float) -> int:
        left = math.floor(max(0.0, limit - self._fill(kind, limit, now_seconds)) + _ENOUGH)
        return left if kind == "requests" else min(limit, round(left / _ROUNDED_TO) * _ROUNDED_TO)

    def wait_seconds(self, kind: str, amount: int, limit: int, now_seconds: float) -> float:
        """Say how long this much has to wait, 0 where there is room."""
        lacking = self._fill(kind, limit, now_seconds) + amount - limit
        return 0.0 if lacking <= _ENOUGH else lacking / max(limit, 1) * WINDOW_SECONDS

    def spend(self, kind: str, amount: int, limit: int, now_seconds: float) -> None:
        self._missing[kind] = self._fill(kind, limit, now_seconds) + amount

    def full_at_seconds(self, kind: str, limit: int, now_seconds: float) -> float:
        return now_seconds + self._fill(kind, limit, now_seconds) / max(limit, 1) * WINDOW_SECONDS

    def _fill(self, kind: str, limit: int, now_seconds: float) -> float:
        filled = (now_seconds - self._filled_at_seconds[kind]) * limit / WINDOW_SECONDS
        self._missing[kind] = max(0.0, self._missing[kind] - filled)
        self._filled_at_seconds[kind] = now_seconds
        return self._missing[kind]


class RateLimiter:
    """Counts calls and tokens and refuses what exceeds the limits. Safe to use from several threads."""

    def __init__(self, behaviour: HasRateLimits) -> None:
        self._behaviour = behaviour
        self._lock = threading.Lock()
        self._counters: dict[tuple[str, ...], _Counter] = {}

    def count_request(self, workspace_id: str, now_seconds: float, *, model: str | None = None) -> None:
        """Count one call.

        Raises:
            ApiError: 429 with `retry-after`, the minute's requests are used up.
        """
        self._spend(workspace_id, now_seconds, {"requests": 1}, model)

    def count_tokens(
        self,
        workspace_id: str,
        now_seconds: float,
        *,
        input_tokens: int,
        output_tokens: int,
        model: str | None = None,
    ) -> None:
        """Count the tokens of one call, all or none.

        Raises:
            ApiError: 429 with `retry-after`, the minute's tokens do not suffice.
        """
        self._spend(workspace_id, now_seconds, {"input-tokens": input_tokens, "output-tokens": output_tokens}, model)

    def headers(self, workspace_id: str, now_seconds: float, *, model: str | None = None) -> dict[str, str]:
        """Render the rate-limit headers of a response."""
        limits = {kind: self._behaviour.rate_limits.of(kind) for kind in _KINDS}
        with self._lock:
            counter = self._counter(workspace_id, model)
            remaining = {kind: counter.remaining(kind, limits[kind], now_seconds) for kind in _KINDS}
            full_at = {kind: counter.full_at_seconds(kind, limits[kind], now_seconds) for kind in _KINDS}
        limits["tokens"] = limits["input-tokens"] + limits["output-tokens"]
        remaining["tokens"] = remaining["input-tokens"] + remaining["output-tokens"]
        full_at["tokens"] = max(full_at["input-tokens"], full_at["output-tokens"])
        headers: dict[str, str] = {}
        for kind, limit in limits.items():
            headers[f"anthropic-ratelimit-{kind}-limit"] = str(limit)
            headers[f"anthropic-ratelimit-{kind}-remaining"] = str(remaining[kind])
            headers[f"anthropic-ratelimit-{kind}-reset"] = _time(full_at[kind])
        return headers

    def _spend(self, workspace_id: str, now_seconds: float, amounts: dict[str, int], model: str | None) -> None:
        with self._lock:
            counter = self._counter(workspace_id, model)
            for kind, amount in amounts.items():
                limit = self._behaviour.rate_limits.of(kind)
                wait_seconds = counter.wait_seconds(kind, amount, limit, now_seconds)
                if wait_seconds > 0:
                    raise ApiError(
                        status=HTTPStatus.TOO_MANY_REQUESTS,
                        message=f"This request would exceed the rate limit of {limit} "
                        f"{kind.replace('-', ' ')} per minute of your workspace.",
                        headers={"retry-after": str(max(1, math.ceil(wait_seconds)))},
                    )
            for kind, amount in amounts.items():
                counter.spend(kind, amount, self._behaviour.rate_limits.of(kind), now_seconds)

    def _counter(self, workspace_id: str, model: str | None) -> _Counter:
        if not self._behaviour.rate_limits.is_continuous:
            return self._counters.setdefault((workspace_id,), _Window())
        return self._counters.setdefault((workspace_id, model_class(model)), _Buckets())


def model_class(model: str | None) -> str:
    """Name the class of models that share one limit: the family and its first number; any other id is its own."""
    found = _CLASS.search(model or "")
    return found[0] if found else model or ""


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
