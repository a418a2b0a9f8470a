"""How a report writes its figures, what they are called, and what to do about each cause of a miss."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from prompt_cache_warmer.rules.diagnosis import Cause

if TYPE_CHECKING:
    from prompt_cache_warmer.rules.effect_figures import Savings

NONE = "-"  # there is nothing to divide by
UNKNOWN = "unknown"
AT_LEAST, AT_MOST = ">= ", "<= "

LABELS = {
    "requests": "requests",
    "hits": "hits",
    "cold_starts": "cold starts",
    "drifts": "drifts",
    "hit_ratio": "hit ratio",
    "read_tokens": "read",
    "write_5m_tokens": "written 5m",
    "write_1h_tokens": "written 1h",
    "uncached_tokens": "uncached",
    "saved_vs_uncached_usd": "saved against uncached",
    "saved_vs_no_warming_usd": "saved against no warming",
    "spent_usd": "spent on warming",
    "net_usd": "net",
}

# What to do about a cause; a word of the metric's dimension that is none of them has a newer version's meaning.
ADVICE: dict[str, str] = {
    Cause.PREFIX_DRIFT: "the application sends another prefix than the target: prompt-cache-warmer diff shows where it "
    "first differs, capture makes a target of what is sent",
    Cause.OTHER_WORKSPACE: "the application's key belongs to another workspace than the warmer's, and caches are not "
    "shared: give the target a credential of that workspace",
    Cause.TTL_DOWNGRADED: "1 hour was asked and 5 minutes were granted: mark the prefix 5m, or ask the provider",
    Cause.EVICTED_EARLY: "the entry vanished before its time, which the provider never rules out: if it lasts, warm it "
    "more often",
    Cause.LOOKBACK_EXCEEDED: "the marker stands more than 20 blocks behind the prefix: mark the prefix's last block in "
    "the application too",
    Cause.BELOW_MINIMUM: "the prefix is shorter than the model caches: make it longer, or drop the target",
    Cause.OTHER_REGION: "another region answered than the one that was warmed: pin the region, or warm each",
}
NO_ADVICE = "see the run report's evidence"

# Down to these amounts so many decimals are shown: a refresh costs fractions of a cent.
_USD_PLACES = ((Decimal(1), 2), (Decimal("0.01"), 4))
_SMALLEST_PLACES = 6
_UNITS = ((1_000_000_000, "G"), (1_000_000, "M"), (1_000, "k"))
_LARGE = 100  # from here on three digits say enough


def named(count: int, noun: str) -> str:
    """Write a count with its noun, such as ``1 drift`` or ``2 drifts``."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def savings_words(savings: Savings, *, is_priced: bool = True) -> tuple[str, ...]:
    """Write the money of a row, saved against both, spent and net; ``-`` for what is published elsewhere only."""
    absent = UNKNOWN if savings.has_unpriced or not is_priced else NONE
    spent = absent if savings.spent_usd is None else AT_LEAST * savings.has_unpriced + usd(savings.spent_usd)
    net = absent if savings.net_usd is None else usd(savings.net_usd)
    return (usd(savings.vs_uncached_usd), usd(savings.vs_no_warming_usd), spent, net)


def total_words(savings: Savings) -> tuple[str, ...]:
    """Write the money of all targets, whose net is an upper bound where a part of what was spent is unknown."""
    *words, net = savings_words(savings)
    bound = savings.most_net_usd if savings.has_unpriced else None
    return (*words, net if bound is None else f"{AT_MOST}{usd(bound)}")


def percent(ratio: float | None) -> str:
    """Write a ratio; ``-`` where there was nothing to divide by. All and none are said of nothing less."""
    if ratio is None:
        return NONE
    written = f"{ratio:.1%}"
    if written == "100.0%" and ratio < 1:
        return "99.9%"
    return "0.1%" if written == "0.0%" and ratio > 0 else written


def usd(amount: Decimal | None) -> str:
    """Write money: cents from a dollar on, and what it takes to see it below."""
    if amount is None:
        return UNKNOWN
    if not amount:
        return "0.00"
    places = next((places for least, places in _USD_PLACES if abs(amount) >= least), _SMALLEST_PLACES)
    return f"{amount:,.{places}f}"


def compact(count: int) -> str:
    """Write a count in at most five characters, such as ``57.5M``."""
    for size, unit in _UNITS:
        if count >= size:
            scaled = count / size
            return f"{scaled:.0f}{unit}" if scaled >= _LARGE else f"{scaled:.1f}{unit}"
    return str(count)
