"""Bad arguments: each a typed error that names the argument, the value and what is allowed."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import pytest

from prompt_cache_warmer.errors import ArgumentError, ArgumentTypeError, ArgumentValueError
from prompt_cache_warmer.library.tracking.arguments import MissRetry
from prompt_cache_warmer.library.tracking.tracker import CacheTracker

if TYPE_CHECKING:
    from collections.abc import Callable


def ignore(_: object) -> None:
    """Take an alert."""


async def ignore_later(_: object) -> None:
    """Take an alert, if anybody awaits it."""


class Later:
    """An object that is called as a coroutine function is."""

    async def __call__(self, _: object) -> None:
        """Take an alert, if anybody awaits it."""


def made(**options: Any) -> Any:
    """Make a tracker."""
    return CacheTracker(**options)


NAIVE = datetime(2026, 11, 22)  # noqa: DTZ001 - without a zone on purpose
PROVIDERS = "allowed: anthropic, openai, bedrock"
BOUNDS = "allowed: 0 to 1,000,000,000"


@pytest.mark.parametrize(
    ("call", "kind", "message"),
    [
        (
            lambda: made(provider="antropic"),
            ValueError,
            f"provider: 'antropic' is not allowed; did you mean 'anthropic'?; {PROVIDERS}",
        ),
        (lambda: made(provider=None), ValueError, f"provider: null is not allowed; {PROVIDERS}"),
        (lambda: made(alert_threshold=0), ValueError, "alert_threshold: 0 is not allowed; allowed: above 0, up to 1"),
        (
            lambda: made(alert_threshold=1.1),
            ValueError,
            "alert_threshold: 1.1 is not allowed; allowed: above 0, up to 1",
        ),
        (
            lambda: made(alert_threshold=float("nan")),
            ValueError,
            "alert_threshold: nan is not allowed; allowed: above 0, up to 1",
        ),
        (lambda: made(alert_threshold=True), TypeError, "alert_threshold: true is not a number"),
        (lambda: made(alert_threshold="0.5"), TypeError, "alert_threshold: '0.5' is not a number"),
        (
            lambda: made(on_alert=ignore),
            ValueError,
            "on_alert: is never called without alert_threshold; allowed: both, or neither",
        ),
        (
            lambda: made(alert_threshold=0.5, on_alert=5),
            TypeError,
            "on_alert: a int is not allowed; allowed: a plain function",
        ),
        (
            lambda: made(alert_threshold=0.5, on_alert=ignore_later),
            TypeError,
            "on_alert: a function is not allowed; allowed: a plain function",
        ),
        (
            lambda: made(alert_threshold=0.5, on_alert=Later()),
            TypeError,
            "on_alert: a Later is not allowed; allowed: a plain function",
        ),
        (lambda: made(window_calls=1), ValueError, "window_calls: 1 is not allowed; allowed: a whole number from 2 on"),
        (lambda: made(window_calls=2.0), TypeError, "window_calls: 2.0 is not a whole number"),
        (lambda: made(max_history=0), ValueError, "max_history: 0 is not allowed; allowed: a whole number from 1 on"),
        (lambda: made(max_history=True), TypeError, "max_history: true is not a whole number"),
        (lambda: made(miss_retry=2.0), TypeError, "miss_retry: a float is not allowed; allowed: a MissRetry, or None"),
        (lambda: made(prices=[]), TypeError, "prices: a list of 0 is not a mapping of model ids to ModelPrices"),
        (lambda: MissRetry(delay_seconds=-1), ValueError, f"delay_seconds: -1 is not allowed; {BOUNDS}"),
        (lambda: MissRetry(within_seconds=float("inf")), ValueError, f"within_seconds: inf is not allowed; {BOUNDS}"),
        (lambda: MissRetry(delay_seconds="2"), TypeError, "delay_seconds: '2' is not a number"),  # type: ignore[arg-type]  # wrong on purpose
        (lambda: made().wrap("call"), TypeError, "call: a str cannot be called"),
        (lambda: made().record(request=[]), TypeError, "request: a list is not allowed; allowed: keyword arguments"),
        (
            lambda: made().record(request={"system": object()}),
            ValueError,
            "request: cannot be read as a request: TypeError",
        ),
        (lambda: made().record({"input_tokens": -1}), ValueError, "answer: usage.input_tokens is not a token count"),
        (lambda: made().record(elapsed_ms=-1), ValueError, f"elapsed_ms: -1 is not allowed; {BOUNDS}"),
        (lambda: made().record(elapsed_ms=True), TypeError, "elapsed_ms: true is not a number"),
        (
            lambda: made().aggregate(since=NAIVE),
            ValueError,
            "since: 2026-11-22T00:00:00 has no time zone; allowed: an aware datetime",
        ),
        (lambda: made().by_prefix(since=5), TypeError, "since: a int is not allowed; allowed: a datetime"),
        (
            lambda: made().by_prefix(since=NAIVE, window_seconds=5),
            ValueError,
            "window_seconds: is not allowed together with since; allowed: one of them",
        ),
        (lambda: made().aggregate(window_seconds=-1), ValueError, f"window_seconds: -1 is not allowed; {BOUNDS}"),
        (
            lambda: made().over_time(bucket_seconds=0.5),
            ValueError,
            "bucket_seconds: 0.5 is not allowed; allowed: 1 to 1,000,000,000",
        ),
    ],
)
def test_a_bad_argument_is_named(call: Callable[[], Any], kind: type[Exception], message: str) -> None:
    """The argument, the value and what is allowed; both as our own error and as Python's."""
    with pytest.raises(ArgumentError) as raised:
        call()
    assert str(raised.value) == message
    assert raised.value.argument == message.partition(":")[0]
    assert isinstance(raised.value, kind)
    assert isinstance(raised.value, ArgumentTypeError if kind is TypeError else ArgumentValueError)


def test_a_bad_request_is_never_quoted() -> None:
    """An error about a request says its kind, not its words."""
    with pytest.raises(ArgumentError) as raised:
        made().record(request={"system": "planted words", "messages": [{"role": "user", "content": {1, 2}}]})
    assert "planted" not in str(raised.value)
    assert raised.value.__cause__ is None
