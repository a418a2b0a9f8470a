"""The figures that fitting works with: the tokens of each message, what is sent besides, and the priorities."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isnan
from typing import TYPE_CHECKING, Any

from prompt_cache_warmer.errors import ArgumentTypeError, ArgumentValueError
from prompt_cache_warmer.library.prompts.bodies import checked_body
from prompt_cache_warmer.values.body import Json, blocks
from prompt_cache_warmer.values.prefix import estimate_tokens

if TYPE_CHECKING:
    from collections.abc import Callable

# Every message takes room, however short: the marks of its turn alone are more than this.
LEAST_MESSAGE_TOKENS = 1


def count_each(
    messages: Sequence[Mapping[str, Any]],
    plain: Sequence[Json],
    *,
    known: Sequence[int | None] | None,
    counter: Callable[[Mapping[str, Any]], int] | None,
) -> list[int]:
    """Count the tokens of each message.

    Args:
        messages: the messages as they were given; the counter gets these.
        plain: the same as the engine reads them.
        known: counts that are known already; None for a message that is to be counted.
        counter: counts one message; the engine's estimate unless given.

    Raises:
        ArgumentTypeError: a count is no whole number, or what should be a list or a callable is not.
        ArgumentValueError: a count is negative, there are not as many as messages, or a message is not JSON.
    """
    if known is not None:
        _check_length("token_counts", known, len(plain))
    if counter is not None and not callable(counter):
        raise ArgumentTypeError("count_tokens", f"is of type {type(counter).__name__}; give a callable")
    counts: list[int] = []
    for at, message in enumerate(plain):
        given = None if known is None else known[at]
        if given is not None:
            counts.append(checked_amount(f"token_counts[{at}]", given))
        elif counter is not None:
            counts.append(checked_amount(f"count_tokens(messages[{at}])", counter(messages[at])))
        else:
            counts.append(_estimate(message, f"messages[{at}]"))
    return counts


def count_fixed(request: Mapping[str, Any] | None) -> int:
    """Estimate a request's tools and system prompt: they are sent whichever messages stay.

    Raises:
        ArgumentTypeError: it is no request, or its tools or system prompt have a wrong type.
        ArgumentValueError: its tools or system prompt have a value the API has no meaning for.
    """
    if request is None:
        return 0
    if not isinstance(request, Mapping):
        raise ArgumentTypeError("request", f"is of type {type(request).__name__}; give the request's body")
    fixed = {name: request[name] for name in ("tools", "system") if name in request}
    return estimate_tokens(blocks(checked_body(fixed, within="request")))


def read_priorities(priorities: Sequence[float] | None, *, length: int, is_used: bool) -> Sequence[float]:
    """Check the priorities; all are alike where none are given.

    Raises:
        ArgumentTypeError: one is no number, or they are no list.
        ArgumentValueError: they are missing, not used, not as many as messages, or one is NaN.
    """
    if priorities is None and is_used:
        raise ArgumentValueError("priorities", "is missing; strategy 'priority' needs one for each message")
    if priorities is None:
        return [0.0] * length
    if not is_used:
        raise ArgumentValueError("priorities", "is given; only strategy 'priority' uses it")
    _check_length("priorities", priorities, length)
    return [_checked_number(f"priorities[{at}]", priority) for at, priority in enumerate(priorities)]


def checked_amount(argument: str, amount: object) -> int:
    """Return a whole number of 0 or more.

    Raises:
        ArgumentTypeError: it is no whole number.
        ArgumentValueError: it is negative.
    """
    if isinstance(amount, bool) or not isinstance(amount, int):
        raise ArgumentTypeError(argument, f"is of type {type(amount).__name__}; give a whole number, 0 or more")
    if amount < 0:
        raise ArgumentValueError(argument, f"is {amount:,}; give 0 or more")
    return amount


def check_switch(argument: str, switch: object) -> None:
    """Check that a switch is on or off.

    Raises:
        ArgumentTypeError: it is neither.
    """
    if not isinstance(switch, bool):
        raise ArgumentTypeError(argument, f"is of type {type(switch).__name__}; give True or False")


def _estimate(message: Json, place: str) -> int:
    try:
        return max(estimate_tokens(blocks({"messages": [message]})), LEAST_MESSAGE_TOKENS)
    except (TypeError, ValueError, RecursionError):
        pass  # not chained: an encoding error carries the whole text, and a prompt stays out of every log
    raise ArgumentValueError(place, "is not JSON, so it has no tokens to count")


def _checked_number(argument: str, number: object) -> float:
    if isinstance(number, bool) or not isinstance(number, int | float):
        raise ArgumentTypeError(argument, f"is of type {type(number).__name__}; give a number")
    if isinstance(number, float) and isnan(number):
        raise ArgumentValueError(argument, "is not a number; give one that can be compared")
    return number


def _check_length(argument: str, values: object, length: int) -> None:
    if not isinstance(values, Sequence) or isinstance(values, str | bytes):
        raise ArgumentTypeError(argument, f"is of type {type(values).__name__}; give a list, one for each message")
    if len(values) != length:
        raise ArgumentValueError(argument, f"has {len(values):,} entries for {length:,} messages; give as many")
