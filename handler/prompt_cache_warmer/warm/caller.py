"""One warm call with everything around it: its form, its one retry, its price and its verdict."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from prompt_cache_warmer.errors import CredentialError, SpendLimitError, WarmCallError, ZeroRefusedError
from prompt_cache_warmer.rules.report import CallFacts, EntryResult, Outcome
from prompt_cache_warmer.rules.request import Form, WarmCall, warm_call, with_one_token
from prompt_cache_warmer.rules.retry import needed_seconds, wait_before_retry_seconds
from prompt_cache_warmer.rules.verdict import Verdict, granted_ttls, verdict_of
from prompt_cache_warmer.values.pricing import cost_usd, savings_usd

if TYPE_CHECKING:
    from collections.abc import Callable

    from prompt_cache_warmer.ports import Answer, Clock, MessagesApi
    from prompt_cache_warmer.values.targets import Entry, Target

_UNAUTHORIZED = 401


@dataclass(slots=True)
class _Sent:
    """The last request that was sent for an entry, and how many there were."""

    call: WarmCall
    attempts: int = 0
    latency_ms: int = 0

    @property
    def facts(self) -> CallFacts:
        """What is known of the request before its answer is looked at."""
        return CallFacts(self.call.form.value, self.call.form_reason, self.attempts, self.latency_ms)


class Caller:
    """Makes warm calls and says what each one proved.

    It remembers which models and credentials refuse ``max_tokens: 0``, for as long as the sandbox lives.

    Args:
        messages: sends one request.
        clock: the time.
        request_timeout_seconds: how long one request may take.
    """

    def __init__(self, *, messages: MessagesApi, clock: Clock, request_timeout_seconds: float) -> None:
        self._messages = messages
        self._clock = clock
        self._timeout_seconds = request_timeout_seconds
        self._zero_refused: set[tuple[str, str]] = set()

    async def warm(
        self, entry: Entry, target: Target, *, remaining_seconds: Callable[[], float]
    ) -> tuple[EntryResult, WarmCallError | None]:
        """Warm one entry.

        Returns:
            The result, and the error behind it when the call failed.
        """
        refused = (entry.model, entry.credential) in self._zero_refused
        sent = _Sent(warm_call(target, entry.model, zero_refused=refused))
        started_at = self._clock.now()
        try:
            answer = await self._send(sent, remaining_seconds)
        except WarmCallError as error:
            return self._failed(entry, sent, error), error
        if sent.call.form is Form.ONE:  # only an answer proves that one token is what was wanted
            self._zero_refused.add((entry.model, entry.credential))
        cost = cost_usd(entry.model, answer.usage, at=started_at)
        verdict = verdict_of(answer.usage)
        return (
            EntryResult(
                entry,
                Outcome.WARMED,
                verdict.sentence,
                verdict=verdict,
                usage=answer.usage,
                cost_usd=cost,
                estimated_savings_usd=savings_usd(
                    entry.model,
                    answer.usage,
                    expected_requests=entry.target.expected_requests,
                    warm_cost_usd=cost,
                    at=started_at,
                ),
                granted_ttls=granted_ttls(answer.usage),
                notices=_notices(entry, sent.call, answer, is_priced=cost is not None),
                call=replace(
                    sent.facts,
                    message_id=answer.message_id,
                    request_id=answer.request_id,
                    workspace_id=answer.workspace_id,
                ),
            ),
            None,
        )

    async def _send(self, sent: _Sent, remaining_seconds: Callable[[], float]) -> Answer:
        """Send until answered: at most one retry, and once more with one token where 0 is refused."""
        retries = 0
        while True:
            sent.attempts += 1
            started = self._clock.monotonic_seconds()
            try:
                return await self._messages.send(sent.call, timeout_seconds=self._timeout_seconds)
            except ZeroRefusedError as error:
                if sent.call.form is not Form.ZERO or remaining_seconds() < needed_seconds(self._timeout_seconds):
                    raise
                sent.call = with_one_token(sent.call, f"the API refused max_tokens: 0 ({error.http_status})")
            except WarmCallError as error:
                wait_seconds = wait_before_retry_seconds(
                    error,
                    retries=retries,
                    remaining_seconds=remaining_seconds(),
                    request_timeout_seconds=self._timeout_seconds,
                )
                if wait_seconds is None:
                    raise
                retries += 1
                await self._clock.sleep(wait_seconds)
            finally:
                sent.latency_ms = round((self._clock.monotonic_seconds() - started) * 1000)

    def _failed(self, entry: Entry, sent: _Sent, error: WarmCallError) -> EntryResult:
        return EntryResult(
            entry,
            Outcome.FAILED,
            str(error),
            verdict=Verdict.FAILED,
            code=error.code,
            advice=error.advice,
            call=replace(
                sent.facts,
                request_id=error.request_id,
                workspace_id=error.workspace_id,
                http_status=error.http_status,
            ),
        )


def stops_credential(error: WarmCallError | None) -> bool:
    """Tell whether every other call with the same credential would fail the same way in this run."""
    return isinstance(error, SpendLimitError) or (
        isinstance(error, CredentialError) and error.http_status in (None, _UNAUTHORIZED)
    )


def _notices(entry: Entry, call: WarmCall, answer: Answer, *, is_priced: bool) -> tuple[str, ...]:
    """Say what is worth knowing about an answered call."""
    found: list[str] = []
    granted, asked = granted_ttls(answer.usage), tuple(dict.fromkeys(entry.target.ttls))
    is_short = verdict_of(answer.usage) is Verdict.WRITTEN and not set(asked) <= set(granted)
    if granted and (is_short or not set(granted) <= set(asked)):
        found.append(f"markers ask for ttl {', '.join(asked)}; the API granted {', '.join(granted)}")
    if call.form is Form.STREAMED:
        found.append("closed after message_start: the API may bill output that its usage did not show yet")
    if not is_priced:
        found.append(f"no price is known for {entry.model}: the cost is unknown, not 0")
    return tuple(found)
