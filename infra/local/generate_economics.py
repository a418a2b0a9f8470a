"""Generated parts of the page on economics: what a prefix costs on each model, and when warming it starts to pay.

Prices are ``genai-prices``'s, as everywhere; how often an entry is called and what that comes to is asked of
the service's own rules. Nothing here knows a price or a formula.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from itertools import count
from math import floor
from typing import TYPE_CHECKING

from infra.local.generated_tables import table
from prompt_cache_warmer.rules.bound import break_even
from prompt_cache_warmer.rules.idle_week import monday_before
from prompt_cache_warmer.rules.outlook import TTLS, UNCACHED, Terms, Way, at_most, expected, pays_from
from prompt_cache_warmer.settings import Settings
from prompt_cache_warmer.values.limits import Minimum, minimum_prefix
from prompt_cache_warmer.values.pricing import PrefixCosts, known_models, prefix_costs

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prompt_cache_warmer.rules.advice import Forecast
    from prompt_cache_warmer.rules.outlook import Kept
    from prompt_cache_warmer.values.body import Ttl

DAY = datetime(2026, 11, 22, tzinfo=UTC)  # prices change; the page says of which day these are
TOKENS = 50_000  # the README's own prefix: a handbook with its tools
_NOTHING = Decimal(0)
_SECONDS_PER_MINUTE = 60.0
_TICK_SECONDS = Settings.model_fields["tick_minutes"].default * _SECONDS_PER_MINUTE
_RATE_EXAMPLES = (2, 5, 20, 100, 500, 2_000)  # a day: from an internal tool to a busy product
_EXAMPLE = "claude-sonnet-4-6"  # the model whose prices the README names


@dataclass(frozen=True, slots=True)
class _Model:
    """A model with what the page's prefix costs on it."""

    name: str
    minimum: Minimum
    costs: dict[Ttl, PrefixCosts]

    @property
    def terms(self) -> Terms:
        return Terms(
            short=self.costs["5m"],
            long=self.costs["1h"],
            windows=(),
            cold_start_value_usd=_NOTHING,
            tick_seconds=_TICK_SECONDS,
            monday=monday_before(DAY),
        )

    @property
    def ratios(self) -> tuple[Decimal, ...]:
        """The prices as multiples of a read: models that agree in them break even alike."""
        unit = self.costs["5m"].read_usd
        return tuple(usd / unit for ttl in TTLS for usd in (self.costs[ttl].write_usd, self.costs[ttl].plain_usd))


def economics_parts() -> dict[str, str]:
    """Return every generated part of the page."""
    return {"prices": _prices(), "break-even": _break_even(), "rates": _rates()}


def _models() -> Iterator[_Model]:
    """Yield the models whose price and whose minimum are known."""
    for name in known_models():
        minimum = minimum_prefix(name)
        found = {ttl: prefix_costs(name, TOKENS, ttl, at=DAY) for ttl in TTLS}
        costs = {ttl: cost for ttl, cost in found.items() if cost is not None}
        if minimum is not None and len(costs) == len(TTLS):
            yield _Model(name, minimum, costs)


def _prices() -> str:
    return table(
        (
            "model",
            "caches from",
            "plain input",
            "miss, 5m",
            "miss, 1h",
            "hit or refresh",
            "held for a day, 5m",
            "held for a day, 1h",
        ),
        (
            (
                f"`{model.name}`",
                f"{model.minimum.tokens:,}",
                _usd(model.costs["5m"].plain_usd),
                *(_usd(model.costs[ttl].write_usd) for ttl in TTLS),
                _usd(model.costs["5m"].read_usd),
                *(f"{at_most(model.terms)[Way(ttl, 'always')].cost_usd:,.2f}" for ttl in TTLS),
            )
            for model in _models()
        ),
    )


def _break_even() -> str:
    alike: dict[tuple[Decimal, ...], list[_Model]] = defaultdict(list)
    for model in _models():
        alike[model.ratios].append(model)
    return table(
        (
            "models",
            "break-even, 5m",
            "1h",
            "`always` from, 5m",
            "1h",
            "`while-used` from, 5m",
            "1h",
            "traffic holds it from, 5m",
            "1h",
        ),
        (
            (
                ", ".join(f"`{model.name}`" for model in models),
                *(str(break_even(models[0].costs[ttl], cold_start_value_usd=_NOTHING)) for ttl in TTLS),
                *(str(_always_pays_from(models[0].terms, ttl)) for ttl in TTLS),
                *(str(_used_pays_from(models[0].terms, ttl)) for ttl in TTLS),
                *(_rounded(pays_from(models[0].terms, ttl).until) for ttl in TTLS),
            )
            for models in alike.values()
        ),
    )


def _always_pays_from(terms: Terms, ttl: Ttl) -> int | None:
    """Find the fewest requests a day at which ``always`` is cheaper than not warming, and than not caching at all."""
    found = pays_from(terms, ttl)
    if found.than_not_warming is None or found.than_not_caching is None:
        return None
    return floor(max(found.than_not_warming, found.than_not_caching)) + 1


def _used_pays_from(terms: Terms, ttl: Ttl) -> int | None:
    """Find the same of ``while-used``, which has no formula: it is replayed at whole numbers, beside ``always``'s."""
    beside = _always_pays_from(terms, ttl)
    if beside is None:
        return None
    if not pays(terms, Way(ttl, "while-used"), beside):
        return next(more for more in count(beside + 1) if pays(terms, Way(ttl, "while-used"), more))
    return next(less for less in range(beside, 0, -1) if less == 1 or not pays(terms, Way(ttl, "while-used"), less - 1))


def pays(terms: Terms, way: Way, requests_per_day: int) -> bool:
    """Tell whether a way is cheaper than not warming the prefix, and than not caching it at all."""
    costs = _expected(terms, requests_per_day)
    return costs[way].cost_usd < min(costs[Way(way.ttl, "never")].cost_usd, costs[UNCACHED].cost_usd)


@cache
def _expected(terms: Terms, requests_per_day: int) -> dict[Way, Forecast]:
    return expected(terms, requests_per_day)


def _rates() -> str:
    (model,) = (model for model in _models() if model.name == _EXAMPLE)
    ways = (*(Way(ttl, keep) for keep in _WORDS for ttl in TTLS), UNCACHED)
    rows = []
    for way in ways:
        label = "plain input, no caching" if way.ttl is None else f"{_WORDS[way.keep]}, {way.ttl}"
        rows.append((label, *(f"{_expected(model.terms, rate)[way].cost_usd:,.2f}" for rate in _RATE_EXAMPLES)))
    return table(("USD a day at so many requests a day", *(f"{rate:,}" for rate in _RATE_EXAMPLES)), rows)


_WORDS: dict[Kept, str] = {"always": "`always`", "while-used": "`while-used`", "never": "cached, not warmed"}


def _usd(amount: Decimal) -> str:
    return f"{amount.normalize():f}"


def _rounded(requests_per_day: float | None) -> str:
    return "" if requests_per_day is None else f"{requests_per_day:,.0f}"
