"""Budgets: what a call may cost at worst, and which cap has no room for it.

A cap of 0 allows nothing, no cap allows everything. A call at an unknown price is held to the caps in
tokens; where a cap in USD applies and none in tokens does, it is refused. A cap per call holds no more
than one call, so it does not stand in for one of a day or a month. What is used up refuses every call,
because a price that is not known is not 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

from prompt_cache_warmer.rules.reasons import Reason
from prompt_cache_warmer.values.caps import NO_CAPS
from prompt_cache_warmer.values.money import NOTHING, Amount
from prompt_cache_warmer.values.pricing import cost_usd
from prompt_cache_warmer.values.usage import Usage

if TYPE_CHECKING:
    from prompt_cache_warmer.values.body import Ttl
    from prompt_cache_warmer.values.caps import Caps
    from prompt_cache_warmer.values.model_prices import PriceList

# What the API counts ahead of a call is an estimate; its documentation says so, a tenth covers it.
COUNTED_TOKENS_MARGIN = Decimal("1.1")
# What the API adds to a body by itself: the instructions for tools and for structured output, with room to spare.
ADDED_TOKENS = 2_000
_ENDLESS = Decimal("Infinity")


@dataclass(frozen=True, slots=True)
class Allowance:
    """What one cap still has room for.

    Attributes:
        reason: the reason that names the cap when it refuses.
        usd: how much money is left; None where there is no cap.
        tokens: how many tokens are left; None where there is no cap.
    """

    reason: Reason
    usd: Decimal | None
    tokens: int | None

    def has_room(self, amount: Amount) -> bool:
        """Tell whether a call's amount fits; only what is known of its price counts."""
        return (
            not self.is_used_up
            and (self.usd is None or amount.known_usd <= self.usd)
            and (self.tokens is None or amount.tokens <= self.tokens)
        )

    def calls_left(self, amount: Amount) -> Decimal:
        """Count how many calls of an amount fit, as a fraction."""
        in_usd = self.usd / amount.usd if self.usd is not None and amount.usd else _ENDLESS
        in_tokens = Decimal(self.tokens) / amount.tokens if self.tokens is not None and amount.tokens else _ENDLESS
        return min(in_usd, in_tokens)

    @property
    def is_used_up(self) -> bool:
        """Whether nothing at all is left."""
        return (self.usd is not None and self.usd <= 0) or (self.tokens is not None and self.tokens <= 0)


@dataclass(frozen=True, slots=True)
class Spent:
    """What was spent or reserved so far.

    Attributes:
        target_today: by the target on the day.
        stack_today: by the whole stack on the day.
        stack_this_month: by the whole stack in the month.
    """

    target_today: Amount = NOTHING
    stack_today: Amount = NOTHING
    stack_this_month: Amount = NOTHING


def allowances(target: Caps, stack: Caps, spent: Spent) -> tuple[Allowance, ...]:
    """List what every cap that applies to a target's calls still has room for."""
    if target == NO_CAPS == stack:
        return ()
    today, this_month = spent.stack_today, spent.stack_this_month
    found = (
        Allowance(Reason.CALL_CAP, target.usd_per_call, target.tokens_per_call),
        Allowance(Reason.CALL_CAP, stack.usd_per_call, stack.tokens_per_call),
        _left(Reason.TARGET_DAY_CAP, target.usd_per_day, target.tokens_per_day, spent.target_today),
        _left(Reason.STACK_DAY_CAP, stack.usd_per_day, stack.tokens_per_day, today),
        _left(Reason.STACK_MONTH_CAP, stack.usd_per_month, stack.tokens_per_month, this_month),
    )
    return tuple(allowance for allowance in found if (allowance.usd, allowance.tokens) != (None, None))


def refusal(found: tuple[Allowance, ...], worst: Amount | None) -> Reason | None:
    """Name the cap that has no room for a call, or None when all have.

    Args:
        found: what the caps that apply still have room for.
        worst: what the call may cost; None where its tokens are not known yet, then only a cap that is
            used up refuses it.
    """
    if worst is None:
        return next((allowance.reason for allowance in found if allowance.is_used_up), None)
    if worst.usd is None and _are_tokens_missing(found):
        return Reason.UNPRICED
    return next((allowance.reason for allowance in found if not allowance.has_room(worst)), None)


def tightest_of_stack(found: tuple[Allowance, ...], worst: Amount) -> Reason:
    """Name the stack's cap over time that has room for the fewest such calls; the day's where they are alike."""
    caps = [one for one in found if one.reason in (Reason.STACK_DAY_CAP, Reason.STACK_MONTH_CAP)]
    return min(caps, key=lambda one: one.calls_left(worst)).reason


def worst_case(
    model: str,
    *,
    tokens: int,
    output_tokens: int,
    ttl: Ttl,
    speed: str | None,
    at: datetime,
    prices: PriceList | None = None,
) -> Amount:
    """Price a full write: what a call may cost at worst.

    Args:
        model: the model's id.
        tokens: all input of the call.
        output_tokens: how many tokens it may generate.
        ttl: the dearest time to live its markers ask for.
        speed: the inference speed it asks for; it changes the price.
        at: when the call is made.
        prices: prices of one's own in place of the known ones.
    """
    is_1h = ttl == "1h"
    usage = Usage(
        write_5m_tokens=0 if is_1h else tokens,
        write_1h_tokens=tokens if is_1h else 0,
        output_tokens=output_tokens,
        speed=speed,
    )
    return Amount(cost_usd(model, usage, at=at, prices=prices), tokens + output_tokens)


def renewed_at(reason: Reason, now: datetime) -> datetime | None:
    """Say when the cap that a reason names starts anew, None for every other reason; days and months are UTC's."""
    midnight = datetime.combine(now.astimezone(UTC).date(), time(), UTC)
    if reason in (Reason.TARGET_DAY_CAP, Reason.STACK_DAY_CAP):
        return midnight + timedelta(days=1)
    if reason is Reason.STACK_MONTH_CAP:
        return (midnight.replace(day=1) + timedelta(days=31)).replace(day=1)
    return None


def _are_tokens_missing(found: tuple[Allowance, ...]) -> bool:
    """Tell whether a cap in USD stands alone: none in tokens holds as much as it does."""
    in_usd = {allowance.reason is Reason.CALL_CAP for allowance in found if allowance.usd is not None}
    in_tokens = {allowance.reason is Reason.CALL_CAP for allowance in found if allowance.tokens is not None}
    is_period_held = False in in_tokens
    return not is_period_held and (False in in_usd or (bool(in_usd) and not in_tokens))


def _left(reason: Reason, usd: Decimal | None, tokens: int | None, spent: Amount) -> Allowance:
    return Allowance(
        reason,
        None if usd is None else usd - spent.known_usd,
        None if tokens is None else tokens - spent.tokens,
    )
