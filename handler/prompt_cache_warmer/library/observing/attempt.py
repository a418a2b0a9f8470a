"""One attempt of the SDK: from the request that is sent to the end of its answer's body."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx2

from prompt_cache_warmer.adapters.answer_reading import Reading
from prompt_cache_warmer.adapters.anthropic_exchange import (
    AUTHORIZATION_HEADER,
    REQUEST_ID_HEADER,
    WORKSPACE_HEADER,
)
from prompt_cache_warmer.adapters.observed_response import BodyWatch
from prompt_cache_warmer.library.observing.calls import AnsweredCall, model_of
from prompt_cache_warmer.values.body import BETA_HEADER
from prompt_cache_warmer.values.regions import region_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    import anthropic

    from prompt_cache_warmer.library.observing.open_calls import OpenCalls

_MS_PER_SECOND = 1_000


class Attempt:
    """Follows one attempt, and hands over what was answered.

    Args:
        body: the Messages API body.
        ascribed_to: the target's name, where the application says it.
        at: when the attempt started.
        open_calls: knows the requests that may have touched something and are in no account.
        seconds: the monotonic clock.
        take: is handed the answered call, and told whether nothing may be locked.
        failed: is told of what cannot be read.
    """

    def __init__(
        self,
        *,
        body: Mapping[str, Any],
        ascribed_to: str | None,
        at: datetime,
        open_calls: OpenCalls,
        seconds: Callable[[], float],
        take: Callable[[AnsweredCall, bool], None],
        failed: Callable[[Exception], None],
    ) -> None:
        self._body = body
        self._ascribed_to = ascribed_to
        self._at = at
        self._seconds = seconds
        self._started_seconds = seconds()
        self._take = take
        self._failed = failed
        self._reading = Reading(seconds)
        self._response: httpx2.Response | None = None
        self._open_calls = open_calls
        self._model = model_of(body)
        self._number = open_calls.begin(self, self._model, at)

    def lost(self) -> None:
        """There is no answer, and nobody knows what the request came to."""
        self._open_calls.unexplained(self._model, self._at)
        self._open_calls.end(self._number)

    def answered(self, response: anthropic.APIResponse[Any] | anthropic.AsyncAPIResponse[Any]) -> None:
        """Look at a response, whose body may be still to come; an error's is not looked at."""
        try:
            http_response = getattr(response, "http_response", None)
            if not isinstance(http_response, httpx2.Response) or http_response.is_client_error:
                self._open_calls.end(self._number)  # refused, or what another middleware made up without asking
                return
            if not http_response.is_success:
                self.lost()
                return
            self._response = http_response
            BodyWatch(self._reading, over=self._over, failed=self._failed).open(http_response)
        except Exception as error:  # noqa: BLE001 - whatever it is, the application must not see it
            self._failed(error)

    def _over(self, is_dropped: bool) -> None:  # noqa: FBT001 - the watch's one question
        try:
            self._take(self._call(), is_dropped)
            if not is_dropped:  # or nothing may be locked, and it counts as one that nobody could read
                self._open_calls.end(self._number)
        except Exception as error:  # noqa: BLE001 - as above
            self._failed(error)

    def _call(self) -> AnsweredCall:
        response = self._response
        assert response is not None  # noqa: S101 - only a watched response ends
        request, first_token_seconds = response.request, self._reading.first_token_seconds
        return AnsweredCall(
            body=self._body,
            betas=_betas(request.headers.get(BETA_HEADER), self._body.get("betas")),
            counts=self._reading.counts,
            ascribed_to=self._ascribed_to,
            at=self._at,
            is_streamed=first_token_seconds is not None or self._body.get("stream") is True,
            first_token_ms=None if first_token_seconds is None else self._elapsed_ms(first_token_seconds),
            duration_ms=self._elapsed_ms(self._seconds()),
            workspace_id=response.headers.get(WORKSPACE_HEADER),
            region=region_of(request.url.netloc.decode(), request.headers.get(AUTHORIZATION_HEADER)),
            request_id=response.headers.get(REQUEST_ID_HEADER),
            size_bytes=int(request.headers.get("content-length") or 0),
        )

    def _elapsed_ms(self, until_seconds: float) -> float:
        return (until_seconds - self._started_seconds) * _MS_PER_SECOND


def _betas(header: str | None, field: object) -> tuple[str, ...]:
    """List the beta features of the sent header; Bedrock's clients put them into the body instead."""
    named = (header or "").split(",") + [str(beta) for beta in (field if isinstance(field, list) else ())]
    return tuple(dict.fromkeys(beta.strip() for beta in named if beta.strip()))
