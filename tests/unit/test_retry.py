"""When a failed call is tried once more."""

from __future__ import annotations

import math
from typing import Any

import pytest

from prompt_cache_warmer.errors import (
    CallTimeoutError,
    CredentialError,
    OverloadedError,
    RateLimitedError,
    RejectedError,
    SpendLimitError,
    UnreachableError,
    WarmCallError,
)
from prompt_cache_warmer.rules.retry import needed_seconds, wait_before_retry_seconds


def wait(error: WarmCallError, *, retries: int = 0, remaining: float = 900) -> float | None:
    """Ask with a timeout of 60 s."""
    return wait_before_retry_seconds(error, retries=retries, remaining_seconds=remaining, request_timeout_seconds=60)


@pytest.mark.parametrize("kind", [OverloadedError, RateLimitedError, UnreachableError])
def test_not_now_is_tried_once_after_a_second(kind: type[WarmCallError]) -> None:
    """429, 529, 5xx and a lost connection are tried once more, never twice."""
    assert wait(kind("x")) == 1.0
    assert wait(kind("x"), retries=1) is None


@pytest.mark.parametrize("kind", [CredentialError, SpendLimitError, RejectedError, CallTimeoutError, WarmCallError])
def test_no_and_a_timeout_are_never_tried_again(kind: type[WarmCallError]) -> None:
    """A refusal will be repeated, and a timeout may be billed."""
    assert wait(kind("x")) is None


def test_the_wait_the_api_asks_for_is_honoured_only_if_it_still_fits() -> None:
    """retry-after plus a full timeout and the margin must fit in what is left of the run."""
    error = RateLimitedError("x", retry_after_seconds=30)
    assert wait(error, remaining=95) == 30
    assert wait(error, remaining=94.9) is None


def test_a_retry_at_once_is_honoured_too() -> None:
    """retry-after: 0 means now."""
    assert wait(RateLimitedError("x", retry_after_seconds=0)) == 0


def test_a_long_wait_is_left_to_the_next_tick() -> None:
    """Where the run has no end of its own: half a minute, say, and not the hour an API may ask for."""
    asked = [RateLimitedError("x", retry_after_seconds=seconds) for seconds in (30, 30.1)]
    bounds: dict[str, Any] = {
        "retries": 0,
        "remaining_seconds": math.inf,
        "request_timeout_seconds": 60.0,
        "longest_wait_seconds": 30.0,
    }
    assert [wait_before_retry_seconds(error, **bounds) for error in asked] == [30, None]


def test_a_call_needs_its_timeout_and_the_margin() -> None:
    """Five seconds are kept free to emit metrics and answer."""
    assert needed_seconds(60) == 65
