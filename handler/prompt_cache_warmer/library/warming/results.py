"""Results: what warming proved, per entry and over all of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal, localcontext
from typing import TYPE_CHECKING

from prompt_cache_warmer.errors import CacheWarmerError, StateUnavailableError
from prompt_cache_warmer.rules.entry_result import Outcome
from prompt_cache_warmer.rules.report import CAPPED_CODES
from prompt_cache_warmer.rules.verdict import Verdict
from prompt_cache_warmer.values.money import MONEY

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from prompt_cache_warmer.rules.entry_result import EntryResult

_UNKNOWN_USD = Decimal("NaN")  # a number to every format, and no amount
_NOTHING_USD = Decimal(0)
_STOPPED = "the schedule was stopped before its turn"


@dataclass(frozen=True, slots=True)
class EntryWarmth:
    """What became of one entry: one target on one model.

    Attributes:
        target: the target's name.
        model: the model.
        verdict: what ``usage`` proved; None where no call was made, or its answer carried no usage.
        reason: why, in words.
        code: the stable word for a failure or for why no call was made; None where one was answered.
        is_called: whether a call was made for this entry.
        is_capped: whether a cap kept it from being called.
        cache_creation_tokens: tokens the call wrote to the cache, of either time to live.
        cache_read_tokens: tokens it read from the cache.
        input_tokens: tokens it paid as plain input.
        output_tokens: tokens it generated.
        cost_usd: what the call cost, a verifying call included; None at an unknown price.
        estimated_savings: what the entry saves in USD over ``expected_requests`` real requests, less what warming
            it cost; NaN at an unknown price.
        latency_ms: from the call's start to its answer; None where no call was made.
        warm_until: until when it is warm if nothing touches it; None where nothing proves that it is.
        verified_hit_tokens: tokens a verifying second call read; None without one.
        verify_latency_ms: that call's own time; None without one.
        notices: what is worth knowing about the call, in words.
        message_id: the answer's id.
        request_id: the API's id of the request.
        workspace_id: the workspace the client resolved to, None where the API does not say.
        error: what the client raised, None where the call was answered.
        raw: what the client returned: the SDK's message, or whatever a transport answered.
        verify_raw: the same of the verifying call.
    """

    target: str
    model: str
    verdict: Verdict | None
    reason: str
    code: str | None = None
    is_called: bool = False
    is_capped: bool = False
    cache_creation_tokens: int = 0
    cache_read_tokens: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: Decimal | None = _NOTHING_USD
    estimated_savings: Decimal = _NOTHING_USD
    latency_ms: int | None = None
    warm_until: datetime | None = None
    verified_hit_tokens: int | None = None
    verify_latency_ms: int | None = None
    notices: tuple[str, ...] = ()
    message_id: str | None = None
    request_id: str | None = None
    workspace_id: str | None = None
    error: Exception | None = field(default=None, repr=False)  # it may quote the request
    raw: object = field(default=None, repr=False)
    verify_raw: object = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class WarmResult:
    """What one ``warm()`` proved, over all its entries.

    Attributes:
        results: what became of each entry, in the order the targets were added and the models named.
    """

    results: tuple[EntryWarmth, ...]

    @property
    def cache_creation_tokens(self) -> int:
        """Tokens that were written to the cache."""
        return sum(result.cache_creation_tokens for result in self.results)

    @property
    def cache_read_tokens(self) -> int:
        """Tokens that were read from the cache."""
        return sum(result.cache_read_tokens for result in self.results)

    @property
    def input_tokens(self) -> int:
        """Tokens that were paid as plain input."""
        return sum(result.input_tokens for result in self.results)

    @property
    def output_tokens(self) -> int:
        """Tokens that were generated."""
        return sum(result.output_tokens for result in self.results)

    @property
    def cost_usd(self) -> Decimal | None:
        """What all calls cost in USD, verifying ones included; None as soon as one price is unknown."""
        costs = [result.cost_usd for result in self.results]
        known = [cost for cost in costs if cost is not None]
        return _sum(known) if len(known) == len(costs) else None

    @property
    def estimated_savings(self) -> Decimal:
        """What the entries save in USD over their expected real requests, less what warming cost; NaN if unknown."""
        return _sum(result.estimated_savings for result in self.results)

    @property
    def latency_ms(self) -> int:
        """The slowest call's time, because calls are made at once; 0 where none was made."""
        return max((result.latency_ms or 0 for result in self.results), default=0)

    @property
    def verify_latency_ms(self) -> int | None:
        """The slowest verifying call's time; None without one."""
        return max((one.verify_latency_ms for one in self.results if one.verify_latency_ms is not None), default=None)

    @property
    def verified_hit_tokens(self) -> int | None:
        """Tokens the verifying calls read; None without any."""
        found = [result.verified_hit_tokens for result in self.results if result.verified_hit_tokens is not None]
        return sum(found) if found else None

    @property
    def verdict(self) -> Verdict | None:
        """The verdict that most needs a look: ``failed`` before ``uncached``, ``partial``, ``written``, ``refreshed``.

        None where no call was made or proved anything.
        """
        found = {result.verdict for result in self.results}
        return next((verdict for verdict in _WORST_FIRST if verdict in found), None)

    @property
    def failures(self) -> tuple[EntryWarmth, ...]:
        """The entries that could not be warmed."""
        return tuple(result for result in self.results if result.verdict is Verdict.FAILED)

    @property
    def raw(self) -> list[object]:
        """What the client returned for every call, verifying ones included."""
        both = [answer for result in self.results for answer in (result.raw, result.verify_raw)]
        return [answer for answer in both if answer is not None]

    @property
    def model(self) -> str | None:
        """The one model of all entries; None where there are several."""
        models = {result.model for result in self.results}
        return models.pop() if len(models) == 1 else None


def entry_warmth(result: EntryResult, verified: EntryResult | None = None) -> EntryWarmth:
    """Return the engine's result of one entry as the library shows it.

    Args:
        result: the engine's result.
        verified: its result of the verifying call.
    """
    call, usage = result.call, result.usage
    check = None if verified is None else verified.usage
    cost, savings = _money(result, verified)
    is_stopped = result.outcome is Outcome.DEFERRED  # here only a stop leaves something to a later run
    return EntryWarmth(
        target=result.entry.target.name,
        model=result.entry.model,
        verdict=result.verdict,
        reason=_STOPPED if is_stopped else result.reason,
        code="stopped" if is_stopped else result.code,
        is_called=call is not None,
        is_capped=result.code in CAPPED_CODES,
        cache_creation_tokens=0 if usage is None else usage.written_tokens,
        cache_read_tokens=0 if usage is None else usage.read_tokens,
        input_tokens=0 if usage is None else usage.uncached_tokens,
        output_tokens=0 if usage is None else usage.output_tokens,
        cost_usd=cost,
        estimated_savings=savings,
        latency_ms=None if call is None else call.latency_ms,
        warm_until=result.warm_until if verified is None else verified.warm_until or result.warm_until,
        verified_hit_tokens=check.read_tokens if check is not None and check.is_reported else None,
        verify_latency_ms=None if verified is None or verified.call is None else verified.call.latency_ms,
        notices=(*result.notices, *(() if verified is None else _verified_notices(verified))),
        message_id=None if call is None else call.message_id,
        request_id=None if call is None else call.request_id,
        workspace_id=None if call is None else call.workspace_id,
        error=_own(result),
        raw=result.raw,
        verify_raw=None if verified is None else verified.raw,
    )


def _sum(amounts: Iterable[Decimal]) -> Decimal:
    with localcontext(MONEY):  # the caller's own arithmetic may round, or refuse to
        return sum(amounts, _NOTHING_USD)


def _money(result: EntryResult, verified: EntryResult | None) -> tuple[Decimal | None, Decimal]:
    """Return what warming an entry cost, and what it saves less that."""
    cost, checked = _cost(result), _NOTHING_USD if verified is None else _cost(verified)
    whole = None if cost is None or checked is None else cost + checked
    if whole is None or result.usage is None or checked is None:
        return whole, _UNKNOWN_USD if whole is None else -whole
    savings = result.estimated_savings_usd
    return whole, _UNKNOWN_USD if savings is None else savings - checked


def _cost(result: EntryResult) -> Decimal | None:
    """Say what an entry's call cost: nothing where none was made, unknown where it may be billed all the same."""
    if result.usage is not None:
        return result.cost_usd
    may_be_billed = result.error is not None and result.error.may_be_billed
    return None if may_be_billed else _NOTHING_USD


def _own(result: EntryResult) -> Exception | None:
    """Return what the client itself raised, where it did, else the engine's error; every failure has one."""
    if result.error is None:
        if result.verdict is not Verdict.FAILED:
            return None
        kind = StateUnavailableError if result.code == "state-unavailable" else CacheWarmerError
        return kind(f"{result.entry.target.name} on {result.entry.model} could not be warmed: {result.reason}")
    cause = result.error.__cause__
    return cause if isinstance(cause, Exception) else result.error


def _verified_notices(verified: EntryResult) -> tuple[str, ...]:
    usage = verified.usage
    if verified.outcome is Outcome.WARMED and usage is not None:
        missed = f"the verifying call missed and wrote {usage.written_tokens:,} tokens again"
        return (*([missed] if usage.written_tokens else []), *verified.notices)
    return (f"not verified: {verified.reason}", *verified.notices)


_WORST_FIRST = (Verdict.FAILED, Verdict.UNCACHED, Verdict.PARTIAL, Verdict.WRITTEN, Verdict.REFRESHED)
