"""When a failed warm call is tried once more within the same run.

At most one retry, only for answers that say "not now" (429, 529 and other 5xx, a refused or dropped
connection), and only while the wait and another full timeout still fit the run. A timeout is not
retried: it has used the time, and the call may be billed. Refusals are never retried, but a call that may
do without what was refused is sent without it.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from prompt_cache_warmer.errors import CallTimeoutError, RejectedError, TransientError, WarmCallError, ZeroRefusedError
from prompt_cache_warmer.rules.request import Form, asks_diagnostics, with_one_token, without_diagnostics

if TYPE_CHECKING:
    from prompt_cache_warmer.rules.request import WarmCall

_BAD_REQUEST = 400

MAX_RETRIES = 1
DEFAULT_WAIT_SECONDS = 1.0  # for an answer that names no wait; an overloaded API wants a moment
RUN_END_MARGIN_SECONDS = 5.0  # kept free to emit metrics, write the logs and answer


def needed_seconds(request_timeout_seconds: float) -> float:
    """How much of the run's time must be left for a call to start."""
    return request_timeout_seconds + RUN_END_MARGIN_SECONDS


def wait_before_retry_seconds(
    error: WarmCallError,
    *,
    retries: int,
    remaining_seconds: float,
    request_timeout_seconds: float,
    longest_wait_seconds: float = math.inf,
) -> float | None:
    """How long to wait before the same call is made again; None when it is not.

    Args:
        error: why the call failed.
        retries: how often this call was retried already.
        remaining_seconds: how much of the run's time is left.
        request_timeout_seconds: how long one call may take.
        longest_wait_seconds: how long to wait at most, where the run itself has no end.
    """
    if retries >= MAX_RETRIES or not isinstance(error, TransientError) or isinstance(error, CallTimeoutError):
        return None
    asked = error.retry_after_seconds
    wait = DEFAULT_WAIT_SECONDS if asked is None else asked
    fits = wait <= longest_wait_seconds and wait + needed_seconds(request_timeout_seconds) <= remaining_seconds
    return wait if fits else None


def changed_call(call: WarmCall, error: WarmCallError) -> WarmCall | None:
    """Return a refused call without what may have been refused; None where there is nothing it can do without.

    Args:
        call: the call.
        error: why it failed. Providers say in many ways that they do not know ``diagnostics``, so every 400 may
            mean it: if it meant something else, the call is refused again, and no refusal is billed.
    """
    if isinstance(error, ZeroRefusedError):
        is_zero = call.form is Form.ZERO
        return with_one_token(call, f"the API refused max_tokens: 0 ({error.http_status})") if is_zero else None
    is_bad_request = isinstance(error, RejectedError) and error.http_status == _BAD_REQUEST
    return without_diagnostics(call) if is_bad_request and asks_diagnostics(call) else None
