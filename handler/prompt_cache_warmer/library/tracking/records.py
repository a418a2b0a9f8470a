"""What is known of one call, and of many: tokens, hit ratio, cost, savings.

The hit ratio is read / (read + creation). Where nothing was cached there is none: it is ``None``, because 0
would say that a cache was missed and 1 that it was hit. ``str()`` of a record or an aggregate prints either way.
A cost is ``None`` when it is not known, never 0; ``known_cost_usd`` of an aggregate leaves such calls out.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from prompt_cache_warmer.values.usage import Usage

NO_PREFIX = "no-prefix"  # of a call whose request is not known, or has nothing that could be cached


class Standing(StrEnum):
    """What was known of a call's prefix when the call began."""

    WARM = "warm"  # a call had read or written it, or its beginning, within its time to live
    COLD = "cold"  # it was seen before, but is not known to be alive: what it writes is an ordinary write
    NEW = "new"  # nobody had seen it: an ordinary first write
    UNKNOWN = "unknown"  # the request is not known, or marks nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class CallRecord:
    """One recorded call: what it read, wrote, cost and saved.

    Attributes:
        started_at: when its request started.
        prefix_id: what groups calls of one prompt on one model, 16 hexadecimal digits, or ``no-prefix``.
        model: the model's id, empty when it is not known.
        usage: its tokens; ``usage.is_reported`` is False when the answer carried none.
        elapsed_ms: how long it took, a stream until its end; None when nobody said.
        cost_usd: what it cost; None for a model without a known price and where no usage was reported.
        saved_usd: what the same tokens would have cost without a cache, less the cost; negative for a write.
        standing: what was known of its prefix when it began.
        expected_tokens: how many tokens were known to be in the cache then; 0 unless it was ``warm``.
        was_just_written: whether what was expected had been written for the first time moments before.
        is_retry: whether it is the second call of a miss-aware retry.
    """

    started_at: datetime
    prefix_id: str
    model: str
    usage: Usage
    elapsed_ms: float | None
    cost_usd: Decimal | None
    saved_usd: Decimal | None
    standing: Standing
    expected_tokens: int = 0
    was_just_written: bool = False
    is_retry: bool = False

    @property
    def read_tokens(self) -> int:
        """Input read from the cache."""
        return self.usage.read_tokens

    @property
    def write_5m_tokens(self) -> int:
        """Input written to the cache for 5 minutes."""
        return self.usage.write_5m_tokens

    @property
    def write_1h_tokens(self) -> int:
        """Input written to the cache for 1 hour."""
        return self.usage.write_1h_tokens

    @property
    def uncached_tokens(self) -> int:
        """Input at the plain price."""
        return self.usage.uncached_tokens

    @property
    def output_tokens(self) -> int:
        """What the call generated."""
        return self.usage.output_tokens

    @property
    def hit_ratio(self) -> float | None:
        """Read / (read + creation); None when nothing was cached."""
        return ratio_of(self.read_tokens, self.usage.cached_tokens)

    @property
    def is_miss(self) -> bool:
        """Whether nothing was read of what was known to be in the cache."""
        return self.standing is Standing.WARM and self.usage.is_reported and not self.read_tokens

    def __str__(self) -> str:
        hits, cost = shown_ratio(self.hit_ratio), shown_usd(self.cost_usd)
        return f"{self.prefix_id} {self.model or '-'}: {self.standing}, hit ratio {hits}, cost {cost}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Aggregate:
    """Sums over calls.

    Attributes:
        calls: how many, retries included.
        retries: how many were the second call of a miss-aware retry.
        misses: how many read nothing of what was known to be in the cache.
        unreported_calls: how many answers carried no usage.
        unpriced_calls: how many have no known cost.
        read_tokens: input read from the cache.
        write_5m_tokens: input written for 5 minutes.
        write_1h_tokens: input written for 1 hour.
        uncached_tokens: input at the plain price.
        output_tokens: output.
        elapsed_ms: the time of the calls that say it, summed.
        known_cost_usd: the cost of the calls whose cost is known.
        known_saved_usd: what caching saved on those, net: writes count against it.
    """

    calls: int = 0
    retries: int = 0
    misses: int = 0
    unreported_calls: int = 0
    unpriced_calls: int = 0
    read_tokens: int = 0
    write_5m_tokens: int = 0
    write_1h_tokens: int = 0
    uncached_tokens: int = 0
    output_tokens: int = 0
    elapsed_ms: float = 0.0
    known_cost_usd: Decimal = Decimal(0)
    known_saved_usd: Decimal = Decimal(0)

    @classmethod
    def of(cls, records: Sequence[CallRecord]) -> Aggregate:
        """Sum calls up."""
        return cls(
            calls=len(records),
            retries=sum(record.is_retry for record in records),
            misses=sum(record.is_miss for record in records),
            unreported_calls=sum(not record.usage.is_reported for record in records),
            unpriced_calls=sum(record.cost_usd is None for record in records),
            read_tokens=sum(record.usage.read_tokens for record in records),
            write_5m_tokens=sum(record.usage.write_5m_tokens for record in records),
            write_1h_tokens=sum(record.usage.write_1h_tokens for record in records),
            uncached_tokens=sum(record.usage.uncached_tokens for record in records),
            output_tokens=sum(record.usage.output_tokens for record in records),
            elapsed_ms=sum(record.elapsed_ms or 0.0 for record in records),
            known_cost_usd=sum((record.cost_usd or Decimal(0) for record in records), Decimal(0)),
            known_saved_usd=sum((record.saved_usd or Decimal(0) for record in records), Decimal(0)),
        )

    def __add__(self, other: Aggregate) -> Aggregate:
        """Add every sum."""
        sums: dict[str, Any] = {
            each.name: getattr(self, each.name) + getattr(other, each.name) for each in fields(self)
        }
        return Aggregate(**sums)

    @property
    def written_tokens(self) -> int:
        """Input written to the cache, of either time to live: the creation."""
        return self.write_5m_tokens + self.write_1h_tokens

    @property
    def hit_ratio(self) -> float | None:
        """Read / (read + creation); None when nothing was cached."""
        return ratio_of(self.read_tokens, self.read_tokens + self.written_tokens)

    @property
    def cost_usd(self) -> Decimal | None:
        """The cost of all calls; None when that of any is not known."""
        return None if self.unpriced_calls else self.known_cost_usd

    @property
    def saved_usd(self) -> Decimal | None:
        """What caching saved on all calls, net; None when the cost of any is not known."""
        return None if self.unpriced_calls else self.known_saved_usd

    def __str__(self) -> str:
        hits, cost, saved = shown_ratio(self.hit_ratio), shown_usd(self.cost_usd), shown_usd(self.saved_usd)
        return f"{self.calls:,} calls, hit ratio {hits}, cost {cost}, saved {saved}"


def ratio_of(part: int, whole: int) -> float | None:
    """Divide; None where there is nothing to divide by."""
    return part / whole if whole else None


def shown_ratio(ratio: float | None) -> str:
    """Write a ratio as a percentage, or that there is none."""
    return "none" if ratio is None else f"{ratio:.1%}"


def shown_usd(usd: Decimal | None) -> str:
    """Write an amount of money, or that it is not known."""
    return "unknown" if usd is None else f"{usd:.4f} USD"
