"""One warm call with everything around it: its form, its one retry, its price and its verdict."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from prompt_cache_warmer.errors import RunError, UnexpectedCallError, WarmCallError
from prompt_cache_warmer.rules.budget import ADDED_TOKENS, COUNTED_TOKENS_MARGIN
from prompt_cache_warmer.rules.entry_result import CallFacts, EntryResult, Outcome
from prompt_cache_warmer.rules.request import Form, WarmCall, asking_for, asks_diagnostics, warm_call, without_stream
from prompt_cache_warmer.rules.retry import changed_call, needed_seconds, wait_before_retry_seconds
from prompt_cache_warmer.rules.verdict import Verdict, granted_ttls, verdict_of
from prompt_cache_warmer.values.body import has_outside_content
from prompt_cache_warmer.values.divergence import Divergence
from prompt_cache_warmer.values.money import Amount
from prompt_cache_warmer.values.pricing import cost_usd, savings_usd
from prompt_cache_warmer.values.rate_limits import RateLimits
from prompt_cache_warmer.warm.called import Called

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from decimal import Decimal

    from prompt_cache_warmer.ports import Answer, Clock, MessagesApi
    from prompt_cache_warmer.values.targets import Entry, Target
    from prompt_cache_warmer.values.usage import Usage


# Counting takes the API a fraction of a second; a run has better uses for its time than waiting for it.
COUNT_TIMEOUT_SECONDS = 10.0


@dataclass(slots=True)
class _Sent:
    """The last request that was sent for an entry, and how many there were.

    Attributes:
        call: the request as it was sent last.
        started_at: when it was sent.
        attempts: how many were sent.
        unanswered: how many of them got no answer and may be billed.
        latency_seconds: from the start of the last one to its answer.
    """

    call: WarmCall
    started_at: datetime
    attempts: int = 0
    unanswered: int = 0
    latency_seconds: float = 0.0

    @property
    def facts(self) -> CallFacts:
        """What is known of the request before its answer is looked at."""
        latency_ms = round(self.latency_seconds * 1000)
        return CallFacts(self.call.form.value, self.call.form_reason, self.attempts, latency_ms)


def _unheard(_limits: RateLimits, _retry_after_seconds: float | None) -> None:
    """Leave what an answer says of the rate limits: nobody paces by it."""


class Caller:
    """Makes warm calls and says what each one proved.

    It remembers which models and credentials refuse ``max_tokens: 0``, for as long as the sandbox lives.

    Args:
        messages: sends one request.
        clock: the time.
        request_timeout_seconds: how long one request may take.
        max_tokens: how many tokens every call asks for, at least.
        longest_wait_seconds: how long a retry waits at most, for runs that have no end of their own.
        closes_streams: whether the client can close a stream after its first event.
        keeps_answers: whether results carry the client's own answers and errors; they hold on to the bodies.
    """

    def __init__(
        self,
        *,
        messages: MessagesApi,
        clock: Clock,
        request_timeout_seconds: float,
        max_tokens: int = 0,
        longest_wait_seconds: float = math.inf,
        closes_streams: bool = True,
        keeps_answers: bool = False,
    ) -> None:
        self._messages = messages
        self._clock = clock
        self._timeout_seconds = request_timeout_seconds
        self._max_tokens = max_tokens
        self._longest_wait_seconds = longest_wait_seconds
        self._closes_streams = closes_streams
        self._keeps_answers = keeps_answers
        self._zero_refused: set[tuple[str, str]] = set()
        self._counted: dict[tuple[str, str], int] = {}

    def prepare(self, entry: Entry, target: Target) -> WarmCall:
        """Build the call for an entry."""
        call = warm_call(target, entry.model, zero_refused=(entry.model, entry.credential) in self._zero_refused)
        call = asking_for(call, self._max_tokens)
        return call if self._closes_streams else without_stream(call)

    async def bounded_tokens(self, entry: Entry, call: WarmCall, *, remaining_seconds: float) -> int | None:
        """Bound how many input tokens a call has, before anything is spent.

        By the API's own count, asked for once per prefix and model and raised by its margin of error. Where it
        cannot be had, or is more than that, by the body's bytes, because no token is shorter than a byte, and
        what the API adds.

        Returns:
            The bound, or None where there is none: the body refers to content that is not in it.
        """
        key = (entry.target.call_digest, entry.model)
        is_lasting = not has_outside_content(call.body)  # what lies outside may be another tomorrow
        if key not in self._counted or not is_lasting:
            timeout_seconds = min(COUNT_TIMEOUT_SECONDS, self._timeout_seconds, max(1.0, remaining_seconds))
            most = len(json.dumps(call.body, ensure_ascii=False).encode()) + ADDED_TOKENS if is_lasting else None
            try:
                counted = await self._messages.count_tokens(call, timeout_seconds=timeout_seconds)
            except WarmCallError:
                return most
            raised = int(counted * COUNTED_TOKENS_MARGIN) + 1
            self._counted[key] = raised if most is None else min(raised, most)  # one wrong count must not hold it back
        return self._counted[key]

    async def warm(
        self,
        entry: Entry,
        call: WarmCall,
        *,
        remaining_seconds: Callable[[], float],
        is_capped: bool = False,
        heard: Callable[[RateLimits, float | None], None] = _unheard,
    ) -> Called:
        """Warm one entry.

        Args:
            entry: the entry.
            call: its call.
            remaining_seconds: says at any moment how much time the run has left.
            is_capped: whether money or tokens were reserved for one request only, so that one without an
                answer is not sent again.
            heard: told by every answer, a refusal too, what it says of the limits and how long it asks to wait.
        """
        sent = _Sent(call, self._clock.now())
        try:
            answer = await self._send(sent, remaining_seconds, is_capped=is_capped, heard=heard)
        except RunError:
            raise
        except Exception as unexpected:  # noqa: BLE001 - one entry never sinks another; its type is told, never its text
            error = _expected(unexpected)
            result = self._failed(entry, sent, error)
            sent.unanswered += error is not unexpected
            return Called(result, sent.started_at, sent.latency_seconds, unanswered=sent.unanswered, failure=error)
        if sent.call.form is Form.ONE:  # only an answer proves that one token is what was wanted
            self._zero_refused.add((entry.model, entry.credential))
        if asks_diagnostics(call) and not asks_diagnostics(sent.call):
            answer = replace(answer, divergence=Divergence.REFUSED)
        return Called(
            self._answered(entry, sent, answer),
            sent.started_at,
            sent.latency_seconds,
            billed=_billed(entry, sent, answer),
            unanswered=sent.unanswered + (not answer.usage.is_reported),
        )

    async def _send(
        self,
        sent: _Sent,
        remaining_seconds: Callable[[], float],
        *,
        is_capped: bool,
        heard: Callable[[RateLimits, float | None], None],
    ) -> Answer:
        """Send until answered: at most one retry, and once more without each thing that an API may refuse."""
        retries = 0
        while True:
            sent.attempts += 1
            sent.started_at = self._clock.now()
            started = self._clock.monotonic_seconds()
            try:
                answer = await self._messages.send(sent.call, timeout_seconds=self._timeout_seconds)
            except WarmCallError as error:
                heard(RateLimits.from_headers(error.rate_headers or {}), error.retry_after_seconds)
                sent.unanswered += error.may_be_billed
                changed = changed_call(sent.call, error)
                if changed is not None and remaining_seconds() >= needed_seconds(self._timeout_seconds):
                    sent.call = changed
                    continue
                wait_seconds = wait_before_retry_seconds(
                    error,
                    retries=retries,
                    remaining_seconds=remaining_seconds(),
                    request_timeout_seconds=self._timeout_seconds,
                    longest_wait_seconds=self._longest_wait_seconds,
                )
                if wait_seconds is None or (is_capped and error.may_be_billed):
                    raise
                retries += 1
                await self._clock.sleep(wait_seconds)
                if remaining_seconds() < needed_seconds(self._timeout_seconds):  # the run was stopped meanwhile
                    raise
            else:
                heard(answer.rate_limits, None)
                return answer
            finally:
                sent.latency_seconds = self._clock.monotonic_seconds() - started

    def _failed(self, entry: Entry, sent: _Sent, error: WarmCallError) -> EntryResult:
        return EntryResult(
            entry,
            Outcome.FAILED,
            str(error),
            verdict=Verdict.FAILED,
            code=error.code,
            advice=error.advice,
            error=error if self._keeps_answers else None,
            call=replace(
                sent.facts,
                request_id=error.request_id,
                workspace_id=error.workspace_id,
                http_status=error.http_status,
            ),
        )

    def _answered(self, entry: Entry, sent: _Sent, answer: Answer) -> EntryResult:
        cost = _cost_usd(entry, answer.usage, at=sent.started_at)
        verdict = verdict_of(answer.usage)
        return EntryResult(
            entry,
            Outcome.WARMED,
            verdict.sentence if answer.usage.is_reported else "it was answered without a usage, so nothing is proved",
            verdict=verdict if answer.usage.is_reported else None,
            usage=answer.usage,
            cost_usd=cost,
            estimated_savings_usd=savings_usd(
                entry.model,
                answer.usage,
                expected_requests=entry.target.expected_requests,
                warm_cost_usd=cost,
                at=sent.started_at,
                prices=entry.target.prices,
            ),
            granted_ttls=granted_ttls(answer.usage),
            notices=_notices(entry, sent.call, answer, is_priced=cost is not None),
            call=replace(
                sent.facts,
                message_id=answer.message_id,
                request_id=answer.request_id,
                workspace_id=answer.workspace_id,
                region=answer.region,
                divergence=answer.divergence,
                missed_tokens=answer.missed_tokens,
            ),
            raw=answer.raw if self._keeps_answers else None,
        )


def _expected(error: Exception) -> WarmCallError:
    """Return an error of a call as one of ours; what nobody expected is a defect, and the call may be billed."""
    if isinstance(error, WarmCallError):
        return error
    expected = UnexpectedCallError(f"unexpected {type(error).__name__}")
    expected.__cause__ = error
    return expected


def _cost_usd(entry: Entry, usage: Usage, *, at: datetime) -> Decimal | None:
    """Price a call; one without a usage has an unknown cost, not none."""
    return cost_usd(entry.model, usage, at=at, prices=entry.target.prices) if usage.is_reported else None


def _billed(entry: Entry, sent: _Sent, answer: Answer) -> Amount:
    usage = answer.usage
    if sent.call.form is Form.STREAMED:
        usage = replace(usage, output_tokens=max(usage.output_tokens, int(sent.call.body["max_tokens"])))
    return Amount(_cost_usd(entry, usage, at=sent.started_at), usage.input_tokens + usage.output_tokens)


def _notices(entry: Entry, call: WarmCall, answer: Answer, *, is_priced: bool) -> tuple[str, ...]:
    """Say what is worth knowing about an answered call."""
    found: list[str] = []
    granted, asked = granted_ttls(answer.usage), tuple(dict.fromkeys(entry.target.ttls))
    is_short = verdict_of(answer.usage) is Verdict.WRITTEN and not set(asked) <= set(granted)
    if granted and (is_short or not set(granted) <= set(asked)):
        found.append(f"markers ask for ttl {', '.join(asked)}; the API granted {', '.join(granted)}")
    if call.form is Form.STREAMED:
        found.append("closed after message_start: the API may bill output that its usage did not show yet")
    if not is_priced and answer.usage.is_reported:
        found.append(f"no price is known for {entry.model}: the cost is unknown, not 0")
    return tuple(found)
