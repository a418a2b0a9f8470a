"""Rate limits: what the headers of the API's answers say of a workspace's limits per minute.

Two of the four kinds matter to warm calls: each of them is a request, and what it writes to the cache or
sends uncached counts as input tokens; cache reads do not. They generate next to nothing, so the limits on
output tokens and on all tokens together are not looked at. Amazon Bedrock and most gateways send no such
headers, and a gateway may send anything under these names: what is absent or makes no sense says nothing.
Source: the API's page on rate limits, November 2026.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

RATE_HEADERS_BEGINNING = "anthropic-ratelimit-"
MINUTE_SECONDS = 60  # the limits are per minute, and a bucket is filled at that rate all the time

_COUNT = re.compile(r"[0-9]{1,12}")  # far above every limit there is, and no word of a gateway's


@dataclass(frozen=True, slots=True)
class RateLimit:
    """One limit at the moment of an answer.

    Attributes:
        limit: how much there is per minute, and at most at once.
        remaining: how much of it is left; never above the limit. The API rounds tokens to the nearest thousand.
        reset_at: when all of it will be there again if nothing is used, None where the API does not say.
    """

    limit: int
    remaining: int
    reset_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class RateLimits:
    """What one answer says of the limits that warm calls share with the application.

    Attributes:
        requests: requests per minute, None where nothing is known.
        input_tokens: uncached and written input tokens per minute, None where nothing is known.
    """

    requests: RateLimit | None = None
    input_tokens: RateLimit | None = None

    @classmethod
    def from_headers(cls, headers: Mapping[str, str]) -> RateLimits:
        """Read an answer's headers.

        Args:
            headers: the headers, names in lower case.
        """
        return cls(_limit(headers, "requests"), _limit(headers, "input-tokens"))


NO_RATE_LIMITS = RateLimits()
"""Nothing is known."""


def _limit(headers: Mapping[str, str], kind: str) -> RateLimit | None:
    beginning = f"{RATE_HEADERS_BEGINNING}{kind}-"
    limit, remaining = _count(headers.get(f"{beginning}limit")), _count(headers.get(f"{beginning}remaining"))
    if not limit or remaining is None:
        return None
    return RateLimit(limit, min(limit, remaining), _time(headers.get(f"{beginning}reset")))


def _count(value: str | None) -> int | None:
    return int(value) if value is not None and _COUNT.fullmatch(value) else None


def _time(value: str | None) -> datetime | None:
    try:
        at = datetime.fromisoformat(value or "")
    except ValueError:
        return None
    return None if at.tzinfo is None else at
