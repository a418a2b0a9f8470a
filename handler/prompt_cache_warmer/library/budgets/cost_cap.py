"""CostCap: refuses a call that may cost too much, before it is made.

Prices are the engine's, so every kind of token has its own: plain input, cache reads, writes for five
minutes and for an hour, output. Where a price has tiers, all of a call's input decides which one holds,
so each kind is priced at the tier of the whole call and the parts add up to what the engine says of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, localcontext
from typing import TYPE_CHECKING, TypedDict, TypeVar

from prompt_cache_warmer.adapters.system_clock import SystemClock
from prompt_cache_warmer.errors import ArgumentTypeError, ArgumentValueError, CostCapError, UnpricedError
from prompt_cache_warmer.library.arguments import token_count, usd
from prompt_cache_warmer.values.model_prices import PriceList
from prompt_cache_warmer.values.money import MONEY
from prompt_cache_warmer.values.pricing import cost_usd, is_known_model, known_models
from prompt_cache_warmer.values.problems import named, nearest
from prompt_cache_warmer.values.usage import Usage

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Unpack

    from prompt_cache_warmer.ports import Clock
    from prompt_cache_warmer.values.model_prices import ModelPrices

T = TypeVar("T")


class CallTokens(TypedDict, total=False):
    """What ``CostCap.estimate`` takes beside the model."""

    input_tokens: int
    output_tokens: int
    cache_read_tokens: int
    cache_write_tokens: int
    cache_write_1h_tokens: int
    at: datetime | None


@dataclass(frozen=True, slots=True)
class CostEstimate:
    """What one call may cost, in USD, by kind of token.

    Attributes:
        model: the model it would be made on.
        input_usd: input that is not cached.
        output_usd: output.
        cache_read_usd: input read from the cache.
        cache_write_usd: input written to the cache for 5 minutes.
        cache_write_1h_usd: input written to the cache for 1 hour.
    """

    model: str
    input_usd: Decimal
    output_usd: Decimal
    cache_read_usd: Decimal
    cache_write_usd: Decimal
    cache_write_1h_usd: Decimal

    @property
    def total_usd(self) -> Decimal:
        """The whole call: the sum of its parts."""
        with localcontext(MONEY):
            cached = self.cache_read_usd + self.cache_write_usd + self.cache_write_1h_usd
            return self.input_usd + cached + self.output_usd


class CostCap:
    """Gates calls by what each may cost at most; one that may cost more is not made.

    Safe to use from any number of threads and processes: nothing changes after it is made.

    A model is known by its id, also with a date or ``latest`` at the end. One that only begins like a known
    model is another, and nobody knows what it costs.

    Args:
        usd_per_call: the most one call may cost; a ``Decimal``, a whole number or a number as text. 0
            allows only what is free.
        prices: prices of one's own by model id, in place of all known ones; None for the known ones.
        clock: tells the time, because prices change; the machine's own when absent.

    Raises:
        ArgumentTypeError: for a cap or prices of another type.
        ArgumentValueError: for a cap that is negative or no number.
    """

    def __init__(
        self,
        *,
        usd_per_call: Decimal | int | str,
        prices: Mapping[str, ModelPrices] | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._usd_per_call = usd("usd_per_call", usd_per_call)
        self._prices = None if prices is None else PriceList(prices)
        self._clock = SystemClock() if clock is None else clock

    @property
    def usd_per_call(self) -> Decimal:
        """The most one call may cost, in USD."""
        return self._usd_per_call

    @property
    def models(self) -> tuple[str, ...]:
        """The models with a known price, sorted; their dated ids and aliases are known too, unless prices are own."""
        return tuple(sorted(known_models() if self._prices is None else self._prices.models))

    def estimate(
        self,
        model: str,
        *,
        input_tokens: int = 0,
        output_tokens: int = 0,
        cache_read_tokens: int = 0,
        cache_write_tokens: int = 0,
        cache_write_1h_tokens: int = 0,
        at: datetime | None = None,
    ) -> CostEstimate:
        """Estimate what one call may cost, whatever the cap is.

        Every token of input is in exactly one of the four counts of input.

        Args:
            model: the model's id.
            input_tokens: input that is not cached.
            output_tokens: output; the request's ``max_tokens`` for the worst case.
            cache_read_tokens: input read from the cache (cached input).
            cache_write_tokens: input written to the cache for 5 minutes.
            cache_write_1h_tokens: input written to the cache for 1 hour.
            at: when the call would be made, aware; now when absent.

        Raises:
            UnpricedError: for a model without a known price.
            ArgumentTypeError: for an argument of another type.
            ArgumentValueError: for a negative number of tokens, or a time without a zone.
        """
        if not isinstance(model, str):
            raise ArgumentTypeError("model", f"a value of type {type(model).__name__} is not a model's id")
        usage = Usage(
            uncached_tokens=token_count("input_tokens", input_tokens),
            output_tokens=token_count("output_tokens", output_tokens),
            read_tokens=token_count("cache_read_tokens", cache_read_tokens),
            write_5m_tokens=token_count("cache_write_tokens", cache_write_tokens),
            write_1h_tokens=token_count("cache_write_1h_tokens", cache_write_1h_tokens),
        )
        with localcontext(MONEY):
            return self._priced(model, usage, at=self._clock.now() if at is None else _aware(at))

    def check(self, model: str, **tokens: Unpack[CallTokens]) -> CostEstimate:
        """Estimate one call and refuse it when it may cost more than the cap.

        Args:
            model: the model's id.
            tokens: the tokens and the time, as ``estimate`` takes them.

        Raises:
            CostCapError: when it may cost more; it holds the estimate, the cap and the model.
            UnpricedError: for a model without a known price.
            ArgumentError: for an argument that ``estimate`` refuses.
        """
        estimate = self.estimate(model, **tokens)
        if estimate.total_usd > self._usd_per_call:
            raise CostCapError(estimate_usd=estimate.total_usd, cap_usd=self._usd_per_call, model=model)
        return estimate

    def run(  # noqa: PLR0913 - one argument a kind of token, all by keyword
        self,
        call: Callable[..., T],
        /,
        *args: object,
        model: str,
        input_tokens: int = 0,
        output_tokens: int = 0,
        cache_read_tokens: int = 0,
        cache_write_tokens: int = 0,
        cache_write_1h_tokens: int = 0,
        at: datetime | None = None,
        **kwargs: object,
    ) -> T:
        """Make a call if it may not cost more than the cap; otherwise nothing is called.

        The model, the tokens and the time are this method's own and are not handed on; a call that takes
        a ``model`` of its own is handed over with it, as ``functools.partial`` does. What the call raises
        passes through. A coroutine function's call is checked at once, and what it returns is to be awaited:
        ``await cap.run(ask, prompt, model=...)``.

        Args:
            call: what to call; a function or a coroutine function.
            args: its arguments by position.
            model: the model's id.
            input_tokens: input that is not cached.
            output_tokens: output; the request's ``max_tokens`` for the worst case.
            cache_read_tokens: input read from the cache.
            cache_write_tokens: input written to the cache for 5 minutes.
            cache_write_1h_tokens: input written to the cache for 1 hour.
            at: when the call would be made, aware; now when absent.
            kwargs: its arguments by keyword.

        Returns:
            What the call returns.

        Raises:
            CostCapError: when it may cost more; it holds the estimate, the cap and the model.
            UnpricedError: for a model without a known price.
            ArgumentTypeError: for what cannot be called, and for an argument of another type.
            ArgumentValueError: for a negative number of tokens, or a time without a zone.
        """
        if not callable(call):
            raise ArgumentTypeError("call", f"a value of type {type(call).__name__} cannot be called")
        self.check(
            model,
            input_tokens=input_tokens,
            output_tokens=output_tokens,
            cache_read_tokens=cache_read_tokens,
            cache_write_tokens=cache_write_tokens,
            cache_write_1h_tokens=cache_write_1h_tokens,
            at=at,
        )
        return call(*args, **kwargs)

    def _priced(self, model: str, usage: Usage, *, at: datetime) -> CostEstimate:
        all_input = usage.input_tokens
        is_known = self._prices is not None or is_known_model(model)

        def cost(of: Usage) -> Decimal:
            found = cost_usd(model, of, at=at, prices=self._prices) if is_known else None
            if found is None:
                hint = nearest(model, self.models)
                raise UnpricedError(f"no price is known for model {named(model)}; give it in prices{hint}")
            return found

        def part(tokens: int, all_of_it: Usage) -> Decimal:
            # A token's price at the tier of the whole call: all input as one kind, divided; the division is exact.
            return cost(all_of_it) / all_input * tokens if tokens else Decimal(0)

        plain = Usage(uncached_tokens=all_input)
        with_output = Usage(uncached_tokens=all_input, output_tokens=usage.output_tokens)
        return CostEstimate(
            model=model,
            input_usd=part(usage.uncached_tokens, plain),
            output_usd=cost(with_output) - cost(plain),  # the tier looks at input alone
            cache_read_usd=part(usage.read_tokens, Usage(read_tokens=all_input)),
            cache_write_usd=part(usage.write_5m_tokens, Usage(write_5m_tokens=all_input)),
            cache_write_1h_usd=part(usage.write_1h_tokens, Usage(write_1h_tokens=all_input)),
        )


def _aware(at: object) -> datetime:
    if not isinstance(at, datetime):
        raise ArgumentTypeError("at", f"a value of type {type(at).__name__} is not a datetime")
    if at.tzinfo is None:
        raise ArgumentValueError("at", f"{at.isoformat()} has no time zone; allowed: an aware datetime")
    return at
