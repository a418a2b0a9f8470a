"""What a replay depends on beside the requests, and the options that say it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import wraps
from typing import TYPE_CHECKING, Any, Literal

import click

from prompt_cache_warmer.adapters.arrivals_csv import DEFAULT_PREFIX_TOKENS
from prompt_cache_warmer.cli import arguments
from prompt_cache_warmer.cli.stack import Seams
from prompt_cache_warmer.errors import UnpricedError
from prompt_cache_warmer.rules.replay.arrivals import MAX_TOKENS, MICROSECONDS
from prompt_cache_warmer.rules.replay.priced import Tariff
from prompt_cache_warmer.rules.replay.score import Score, score
from prompt_cache_warmer.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable
    from decimal import Decimal

    from prompt_cache_warmer.rules.replay.arrivals import Arrivals

DEFAULT_MODEL = "claude-sonnet-4-6"  # the one the README's prices speak of
DEFAULT_TICK_SECONDS = 60.0 * Settings.model_fields["tick_minutes"].default

_DAY_US = 86_400 * MICROSECONDS

ShownTtl = Literal["5m", "1h", "both"]


@dataclass(frozen=True, slots=True)
class Conditions:
    """What a replay depends on beside the requests.

    Attributes:
        tariff: what they cost.
        prefix_tokens: how many tokens a request has that does not say; None where nobody said.
        ttl: the time to live whose rules are shown.
        tick_seconds: the interval of the ticks; 0 for exact timers.
        tail_seconds: how long idle refreshes are counted behind the last request.
    """

    tariff: Tariff
    prefix_tokens: int | None
    ttl: ShownTtl
    tick_seconds: float
    tail_seconds: float

    def score(self, arrivals: Arrivals) -> Score:
        """Replay one file."""
        return score(arrivals, self.tariff, tick_seconds=self.tick_seconds, tail_seconds=self.tail_seconds)

    def shows(self, name: str) -> bool:
        """Tell whether a rule is shown: its name says its time to live, and one without is shown always."""
        ttls = {"5m", "1h"} & set(name.split("_"))
        return self.ttl == "both" or not ttls or self.ttl in ttls

    def in_words(self, arrivals: Arrivals) -> str:
        """Say in a line what is replayed, and how."""
        smallest, largest = min(arrivals.tokens), max(arrivals.tokens)
        size = f"{smallest:,}" if smallest == largest else f"{smallest:,} to {largest:,}"
        days = (arrivals.times_us[-1] - arrivals.times_us[0]) / _DAY_US
        span = f"{days:,.1f} days" if days >= 1 else f"{24 * days:.1f} hours"
        words = [f"{len(arrivals):,} requests in {span}, prefix of {size} tokens, {self.tariff.model}"]
        words.append(f"ticks every {self.tick_seconds:g} s" if self.tick_seconds else "exact timers")
        if self.tariff.cold_start_value_usd:
            words.append(f"a cold start counts {self.tariff.cold_start_value_usd} USD")
        if self.tail_seconds:
            words.append(f"{self.tail_seconds:g} s after the last request")
        return ", ".join(words)

    def as_json(self) -> dict[str, Any]:
        """Return them as ``replay --json`` does."""
        return {
            "model": self.tariff.model,
            "prefix_tokens": self.prefix_tokens,
            "ttl": self.ttl,
            "cold_start_value_usd": float(self.tariff.cold_start_value_usd),
            "tick_seconds": self.tick_seconds,
            "end_seconds": self.tail_seconds,
        }


def takes_conditions(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options that say the conditions of a replay, as its one argument ``conditions``."""

    @click.option(
        "--model",
        type=arguments.model,
        default=DEFAULT_MODEL,
        show_default=True,
        metavar="MODEL",
        help="The model whose prices count, as they are today.",
    )
    @click.option(
        "--prefix-tokens",
        type=click.IntRange(1, MAX_TOKENS),
        metavar="N",
        help="The size of the prefix where a request has no input_tokens.  "
        f"[default: {DEFAULT_PREFIX_TOKENS:,} in a file without that column: what the README's prices speak of]",
    )
    @click.option(
        "--ttl",
        type=click.Choice(["5m", "1h", "both"]),
        default="both",
        show_default=True,
        help="Show only the rules with this time to live.",
    )
    @click.option(
        "--cold-start-value-usd",
        type=arguments.usd,
        default="0",
        show_default=True,
        metavar="USD",
        help="What one avoided cold start is worth; counted into every cost.",
    )
    @click.option(
        "--tick-seconds",
        type=arguments.tick_seconds,
        default=f"{DEFAULT_TICK_SECONDS:g}",
        show_default=True,
        metavar="S",
        help="The interval of the service's ticks; 0: exact timers.",
    )
    @click.option(
        "--end-seconds",
        type=arguments.seconds,
        default="0",
        show_default=True,
        metavar="S",
        help="How long to keep counting idle warm calls after the last request.",
    )
    @wraps(command)
    def with_conditions(
        *given: object,
        model: str,
        cold_start_value_usd: Decimal,
        prefix_tokens: int | None,
        ttl: ShownTtl,
        tick_seconds: float,
        end_seconds: float,
        **others: object,
    ) -> None:
        now = click.get_current_context().ensure_object(Seams).clock.now()
        tariff = Tariff(model, now, cold_start_value_usd)
        try:
            tariff.costs(1, "5m")
        except UnpricedError as error:
            raise click.BadParameter(str(error), param_hint="'--model'") from error
        command(*given, conditions=Conditions(tariff, prefix_tokens, ttl, tick_seconds, end_seconds), **others)

    return with_conditions
