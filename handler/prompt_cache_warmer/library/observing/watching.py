"""Which of a client's requests are the application's messages, and the attempts that follow them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from prompt_cache_warmer.adapters.warm_mark import is_warming
from prompt_cache_warmer.library.observing.attempt import Attempt
from prompt_cache_warmer.library.observing.calls import model_of

if TYPE_CHECKING:
    from collections.abc import Callable

    import anthropic

    from prompt_cache_warmer.library.observing.account import Account
    from prompt_cache_warmer.library.observing.calls import AnsweredCall
    from prompt_cache_warmer.library.observing.open_calls import OpenCalls
    from prompt_cache_warmer.ports import Clock

_MESSAGES_PATH = "/v1/messages"


class Watch:
    """Looks at requests that are about to be sent.

    Args:
        account: counts warm calls.
        open_calls: knows the requests that may have touched something and are in no account.
        clock: tells the time.
        take: is handed each answered call, and told whether nothing may be locked.
        failed: is told of what cannot be read.
    """

    def __init__(
        self,
        *,
        account: Account,
        open_calls: OpenCalls,
        clock: Clock,
        take: Callable[[AnsweredCall, bool], None],
        failed: Callable[[Exception], None],
    ) -> None:
        self._account = account
        self._open_calls = open_calls
        self._clock = clock
        self._take = take
        self._failed = failed

    def begin(self, request: anthropic.APIRequest, *, ascribed_to: str | None) -> Attempt | None:
        """Follow a request; None where it is not one of the application's messages."""
        try:
            if request.method.lower() != "post" or request.url.partition("?")[0] != _MESSAGES_PATH:
                return None
            body, at = _body(request), self._clock.now()
            if is_warming() or body.get("max_tokens") == 0:
                if not request.retries_taken:
                    self._account.count("warm_calls")
                if not is_warming():  # the application's own, which keeps an entry alive as its requests do
                    self._open_calls.unexplained(model_of(body), at)
                return None
            return Attempt(
                body=body,
                ascribed_to=ascribed_to,
                at=at,
                open_calls=self._open_calls,
                seconds=self._clock.monotonic_seconds,
                take=self._take,
                failed=self._failed,
            )
        except Exception as error:  # noqa: BLE001 - whatever it is, the application must not see it
            self._failed(error)
            return None


def _body(request: anthropic.APIRequest) -> dict[str, Any]:
    """Return the body that is sent: what the method was given, and ``extra_body`` over it."""
    given, more = request.json, request.options.extra_json
    return {**(given if isinstance(given, dict) else {}), **(more or {})}
