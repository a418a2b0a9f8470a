"""Usage: what the API says a call read, wrote and billed. The only proof there is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from prompt_cache_warmer.values.body import Ttl

# A hundred times the largest context window: what is more is no count, and money would be counted by it.
MAX_COUNT = 100_000_000


@dataclass(frozen=True, slots=True)
class Usage:
    """The tokens of one call; every input token is in exactly one of the first four counts.

    Attributes:
        uncached_tokens: input after the last cached position, at the base price.
        read_tokens: input read from the cache.
        write_5m_tokens: input written to the cache for 5 minutes.
        write_1h_tokens: input written to the cache for 1 hour.
        output_tokens: what the call generated.
        is_split: whether the API said which of the written tokens live how long.
        is_reported: whether the answer carried a usage at all; without one nothing is proved.
        speed: the inference speed the API reports, None where it reports none; it changes the price.
        service_tier: OpenAI's, None for its default and everywhere else; it changes the price.
    """

    uncached_tokens: int = 0
    read_tokens: int = 0
    write_5m_tokens: int = 0
    write_1h_tokens: int = 0
    output_tokens: int = 0
    is_split: bool = True
    is_reported: bool = True
    speed: str | None = None
    service_tier: str | None = None

    @property
    def written_tokens(self) -> int:
        """Input written to the cache, of either time to live."""
        return self.write_5m_tokens + self.write_1h_tokens

    @property
    def cached_tokens(self) -> int:
        """Input that is in the cache after the call: read or written."""
        return self.read_tokens + self.written_tokens

    @property
    def input_tokens(self) -> int:
        """All input, cached or not."""
        return self.uncached_tokens + self.cached_tokens

    @classmethod
    def from_api(cls, usage: Mapping[str, Any], *, unsplit_ttl: Ttl) -> Usage:
        """Read the ``usage`` object of a response.

        Args:
            usage: the object as JSON; cache fields may be absent or null.
            unsplit_ttl: the class of the written tokens when the answer does not split them.

        Raises:
            ValueError: when a count is not a whole number of 0 to ``MAX_COUNT``, or the split exceeds its sum.
        """
        split = usage.get("cache_creation") or {}
        if not isinstance(split, Mapping):
            raise ValueError("usage.cache_creation is not an object")  # noqa: TRY004 - a bad answer, not a bad call
        write_5m = _count(split, "ephemeral_5m_input_tokens")
        write_1h = _count(split, "ephemeral_1h_input_tokens")
        no_sum = usage.get("cache_creation_input_tokens") is None
        written = write_5m + write_1h if no_sum else _count(usage, "cache_creation_input_tokens")
        if write_5m + write_1h > written:
            raise ValueError(f"usage splits {write_5m + write_1h} written tokens but counts {written}")
        rest = written - write_5m - write_1h
        speed = usage.get("speed")
        return cls(
            uncached_tokens=_count(usage, "input_tokens"),
            read_tokens=_count(usage, "cache_read_input_tokens"),
            write_5m_tokens=write_5m + (rest if unsplit_ttl == "5m" else 0),
            write_1h_tokens=write_1h + (rest if unsplit_ttl == "1h" else 0),
            output_tokens=_count(usage, "output_tokens"),
            is_split=rest == 0,
            speed=speed if isinstance(speed, str) else None,
        )


def _count(counts: Mapping[str, Any], field: str) -> int:
    value = counts.get(field)
    if value is None:
        return 0
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= MAX_COUNT:
        raise ValueError(f"usage.{field} is not a token count")
    return value
