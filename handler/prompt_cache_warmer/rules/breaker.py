"""Breakers: when calls are kept back, for how long, and what closes them again.

Closed, calls are made. Open, they are kept back until a cool-down has passed or, for an entry, until
its target's document changes. Half-open, one call is made to see: an answer closes the breaker, a
failure opens it again.

What the API refuses (400, 403, 404, 413) it will refuse again, so one refusal opens an entry's breaker;
that it refuses ``max_tokens: 0`` is no such answer, because the same call with 1 may have lacked the time.
A refused key (401), a refused exchange of an identity or a spend limit is the credential's matter and opens its
breaker. What may pass by itself opens one only after several failures in a row. An entry that keeps being
written where a refresh was due cannot be held warm: its prefix differs by run, or it is evicted.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from prompt_cache_warmer.errors import (
    CredentialError,
    ExchangeRefusedError,
    RejectedError,
    SpendLimitError,
    WarmCallError,
    ZeroRefusedError,
)
from prompt_cache_warmer.rules.verdict import Verdict
from prompt_cache_warmer.values.state import CLOSED, Breaker

if TYPE_CHECKING:
    from datetime import datetime

# Twenty minutes of four-minute ticks: an overload of the API is over by then, or will last.
MAX_FAILURES = 5
# One write may be an eviction, two bad luck; a field study saw 9 % of entries rewritten, so three are a pattern.
MAX_UNHELD = 3
FAILURES_COOL_DOWN = timedelta(minutes=10)
REFUSED_COOL_DOWN = timedelta(hours=1)

CANNOT_BE_HELD = "cannot-be-held"
NEVER_CACHED = "never-cached"

_UNAUTHORIZED = 401
_REFUSED = frozenset({CredentialError.code, RejectedError.code})


def stops_credential(error: WarmCallError) -> bool:
    """Tell whether every other call with the same credential would fail the same way."""
    return isinstance(error, SpendLimitError) or (isinstance(error, CredentialError) and _is_of_every_call(error))


def _is_of_every_call(error: CredentialError) -> bool:
    return isinstance(error, ExchangeRefusedError) or error.http_status in (None, _UNAUTHORIZED)


def is_disproved(error: WarmCallError) -> bool:
    """Tell whether a stop is not believed where the API answered other calls of the same key in the same run.

    A 401 costs nothing and may come of one server that does not know the key; money that is used up stays so.
    """
    is_of_money = isinstance(error, SpendLimitError | ExchangeRefusedError)
    return isinstance(error, CredentialError) and error.http_status == _UNAUTHORIZED and not is_of_money


def after_failure(breaker: Breaker, error: WarmCallError, *, at: datetime) -> Breaker:
    """Return an entry's breaker after a failed call."""
    if stops_credential(error):
        return replace(breaker, failed_at=at)
    failures = breaker.failures + 1
    failed = replace(breaker, failures=failures, failed_at=at)
    if isinstance(error, RejectedError | CredentialError) and not isinstance(error, ZeroRefusedError):
        return _opened(failed, error.code, at, REFUSED_COOL_DOWN)
    if failures >= MAX_FAILURES or breaker.is_half_open(at):
        return _opened(failed, error.code, at, FAILURES_COOL_DOWN)
    return failed


def after_answer(breaker: Breaker, verdict: Verdict, *, was_alive: bool, at: datetime) -> Breaker:
    """Return an entry's breaker after an answered call.

    Args:
        breaker: the breaker before it.
        verdict: what the call proved.
        was_alive: whether the entry should have been alive when the call was made.
        at: when the call was made.
    """
    closed = replace(CLOSED, version=breaker.version)
    if verdict is Verdict.REFRESHED:
        return closed
    is_unheld = verdict is Verdict.UNCACHED or was_alive
    unheld = breaker.unheld + is_unheld
    if is_unheld and unheld >= MAX_UNHELD:
        reason = NEVER_CACHED if verdict is Verdict.UNCACHED else CANNOT_BE_HELD
        return _opened(replace(closed, unheld=unheld), reason, at, REFUSED_COOL_DOWN)
    return replace(closed, unheld=unheld)


def credential_after_failure(breaker: Breaker, error: WarmCallError, *, at: datetime) -> Breaker:
    """Return a credential's breaker after a failed call; an unknown name costs nothing and is tried each tick."""
    if isinstance(error, SpendLimitError) or (stops_credential(error) and error.http_status is not None):
        return _opened(replace(breaker, failures=breaker.failures + 1), error.code, at, REFUSED_COOL_DOWN)
    return breaker


def after_resume(breaker: Breaker, resumed_at: datetime | None) -> Breaker:
    """Return an entry's breaker after an operator let its credential's calls go.

    What the API refused before then is tried again, because a permission or a model's access is put right outside of
    any document. A refusal costs nothing; what failed or was pointless for another reason stays as it is.

    Args:
        breaker: the breaker as it was kept.
        resumed_at: when the credential's calls were let go last, None where nobody did.
    """
    if resumed_at is None or breaker.reason not in _REFUSED or breaker.opened_at is None:
        return breaker
    if breaker.opened_at > resumed_at:
        return breaker
    return replace(CLOSED, failed_at=breaker.failed_at, version=breaker.version)


def _opened(breaker: Breaker, reason: str, at: datetime, cool_down: timedelta) -> Breaker:
    return replace(breaker, reason=reason, opened_at=at, open_until=at + cool_down)
