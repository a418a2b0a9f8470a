"""Messages into a token budget: whole messages are dropped, nothing in a message is changed.

| strategy | what it does |
|---|---|
| `tail` | Takes every message that still fits, the newest first. |
| `head` | Takes every message that still fits, the oldest first. |
| `middle` | Takes every message that still fits, from both ends in turn, so that the middle goes. |
| `slide` | Keeps the newest messages without a gap, as a window does. |
| `drop-oldest` | Drops the oldest message until the rest fits; the same window as `slide`. |
| `drop-middle` | Drops the message nearest to the middle until the rest fits, which leaves one gap. |
| `priority` | Drops the least important message until the rest fits, the older one of equals. |

Never dropped, whatever the strategy: **the cached prefix**, that is all messages up to and including the last
that carries ``cache_control`` (a cut inside it makes every later request miss); system messages, the first
and the last N as asked. What the API takes together or not at all goes together (see ``fitting_units``), and
what would begin with an assistant's message brings the user's message before it along.

Top-level automatic caching keeps nothing: its marker moves with the last message, so no cut could spare it.
For the same reason fit first and mark the last message afterwards.

A cut is a change of the conversation. An API that binds ``thinking`` blocks to what stood before them refuses
those behind a cut: let it drop them (``thinking.block_binding``) or keep what follows the cached prefix whole.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from prompt_cache_warmer.errors import ArgumentTypeError, ArgumentValueError, MessagesTooLongError
from prompt_cache_warmer.library.fitting.choice import STRATEGIES, Strategy, StrategyName, choose
from prompt_cache_warmer.library.fitting.figures import (
    check_switch,
    checked_amount,
    count_each,
    count_fixed,
    read_priorities,
)
from prompt_cache_warmer.library.fitting.units import cached_until, read_messages, units_of
from prompt_cache_warmer.values.problems import nearest, shown

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from prompt_cache_warmer.library.fitting.units import Unit
    from prompt_cache_warmer.values.body import Json


# What is given comes back: an application's own typed messages stay what they are.
Message = TypeVar("Message", bound=Mapping[str, Any])


@dataclass(frozen=True, slots=True)
class FitResult(Generic[Message]):
    """Messages that fit, and what was dropped for it.

    Attributes:
        messages: what stays, in order; a copy that shares nothing with the messages given.
        dropped: what went, in order; a copy too.
        kept_places: where the messages that stay stood in the list given, to carry counts and priorities along.
        before_tokens: what the messages given have, with the request's tools and system prompt.
        after_tokens: what those that stay have, with the same.
        budget_tokens: what there was room for.
    """

    messages: list[Message] = field(repr=False)  # a result may be logged, a prompt may not
    dropped: list[Message] = field(repr=False)
    kept_places: tuple[int, ...]
    before_tokens: int
    after_tokens: int
    budget_tokens: int

    @property
    def truncated(self) -> bool:
        """Whether anything was dropped."""
        return bool(self.dropped)

    @property
    def fits(self) -> bool:
        """Whether what stays is within the budget; only ``partial=True`` returns what is not."""
        return self.after_tokens <= self.budget_tokens


def fit_messages(  # noqa: PLR0913 - every one but the budget has a default, and all are keyword-only
    messages: Sequence[Message],
    *,
    budget_tokens: int,
    strategy: StrategyName = "tail",
    keep_system: bool = True,
    keep_first: int = 0,
    keep_last: int = 0,
    priorities: Sequence[float] | None = None,
    count_tokens: Callable[[Mapping[str, Any]], int] | None = None,
    token_counts: Sequence[int | None] | None = None,
    request: Mapping[str, Any] | None = None,
    partial: bool = False,
) -> FitResult[Message]:
    """Drop messages until the rest fits into a token budget, and never cut the cached prefix.

    Args:
        messages: the conversation, as the Messages API takes it; it is not changed.
        budget_tokens: how many tokens there is room for; 0 is room for nothing.
        strategy: which messages go first; the module's docstring lists them.
        keep_system: whether messages of role ``system`` stay.
        keep_first: how many of the first messages stay; system messages are not counted.
        keep_last: how many of the last messages stay; give 1 to be sure of the question itself.
        priorities: how important each message is, for ``strategy="priority"`` and for it alone.
        count_tokens: counts one message's tokens; the engine's estimate unless given.
        token_counts: the tokens of each message where they are known; None where they are to be counted.
        request: the rest of the request; what the engine estimates of its tools and system prompt is room taken.
        partial: where what must stay does not fit, return it anyway, and nothing else.

    Returns:
        What stays and what went.

    Raises:
        ArgumentTypeError: an argument has the wrong type.
        ArgumentValueError: an argument has a value that is not allowed, or the API would refuse the messages.
        MessagesTooLongError: what must stay does not fit.
    """
    for argument, amount in {"budget_tokens": budget_tokens, "keep_first": keep_first, "keep_last": keep_last}.items():
        checked_amount(argument, amount)
    for argument, switch in {"keep_system": keep_system, "partial": partial}.items():
        check_switch(argument, switch)
    chosen_strategy = _strategy(strategy)
    plain = read_messages(messages)
    weights = read_priorities(priorities, length=len(plain), is_used=strategy == "priority")
    counts = count_each(messages, plain, known=token_counts, counter=count_tokens)
    fixed_tokens = count_fixed(request)
    units = units_of(plain)
    choice = choose(
        units,
        [sum(counts[at] for at in unit.places) for unit in units],
        strategy=chosen_strategy,
        pinned=_pinned(units, plain, keep_system=keep_system, keep_first=keep_first, keep_last=keep_last),
        priorities=[max(weights[at] for at in unit.places) for unit in units],
        room_tokens=budget_tokens - fixed_tokens,
    )
    after_tokens = choice.tokens + fixed_tokens
    if after_tokens > budget_tokens and not partial:
        raise MessagesTooLongError(budget_tokens=budget_tokens, needed_tokens=after_tokens)
    kept = tuple(at for number in choice.kept for at in units[number].places)
    gone = sorted(set(range(len(plain))).difference(kept))
    return FitResult(
        messages=[copy.deepcopy(messages[at]) for at in kept],
        dropped=[copy.deepcopy(messages[at]) for at in gone],
        kept_places=kept,
        before_tokens=sum(counts) + fixed_tokens,
        after_tokens=after_tokens,
        budget_tokens=budget_tokens,
    )


def _strategy(name: object) -> Strategy:
    if not isinstance(name, str):
        raise ArgumentTypeError("strategy", f"is of type {type(name).__name__}; give a name")
    if name not in STRATEGIES:
        raise ArgumentValueError(
            "strategy", f"is {shown(name)}; allowed: {', '.join(map(repr, STRATEGIES))}{nearest(name, STRATEGIES)}"
        )
    return STRATEGIES[name]


def _pinned(
    units: Sequence[Unit], messages: Sequence[Json], *, keep_system: bool, keep_first: int, keep_last: int
) -> list[int]:
    """List the units that must stay: one message that must is enough."""
    is_system = [message["role"] == "system" for message in messages]
    conversation = [at for at, is_one in enumerate(is_system) if not is_one]
    must = {*range(cached_until(messages)), *conversation[:keep_first]}
    must.update(conversation[max(len(conversation) - keep_last, 0) :])
    must.update(at for at, is_one in enumerate(is_system) if is_one and keep_system)
    return [number for number, unit in enumerate(units) if not must.isdisjoint(unit.places)]
