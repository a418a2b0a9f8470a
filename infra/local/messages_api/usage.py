"""The `usage` of an answer: total input = cache read + cache creation + plain input."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from infra.local.messages_api.cache import CachePlan

SERVICE_TIER = "standard"  # the emulator has no priority capacity


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Tokens of one answer, named as the API names them."""

    input_tokens: int
    cache_creation_input_tokens: int
    cache_read_input_tokens: int
    ephemeral_5m_input_tokens: int
    ephemeral_1h_input_tokens: int
    output_tokens: int
    service_tier: str = SERVICE_TIER

    @property
    def rate_limited_input_tokens(self) -> int:
        """Input that counts toward input tokens per minute: cache reads do not."""
        return self.input_tokens + self.cache_creation_input_tokens

    def as_json(self) -> dict[str, Any]:
        """Render the `usage` object of a message."""
        return {
            **self.counters_as_json(),
            "cache_creation": {
                "ephemeral_5m_input_tokens": self.ephemeral_5m_input_tokens,
                "ephemeral_1h_input_tokens": self.ephemeral_1h_input_tokens,
            },
            "service_tier": self.service_tier,
        }

    def counters_as_json(self) -> dict[str, Any]:
        """Render the shorter `usage` object of a `message_delta` event."""
        return {
            "input_tokens": self.input_tokens,
            "cache_creation_input_tokens": self.cache_creation_input_tokens,
            "cache_read_input_tokens": self.cache_read_input_tokens,
            "output_tokens": self.output_tokens,
        }


def usage_of(plan: CachePlan, *, output_tokens: int) -> Usage:
    """Turn what a request reads and writes into its usage."""
    short, long = plan.written_tokens("5m"), plan.written_tokens("1h")
    return Usage(
        input_tokens=plan.plain_tokens,
        cache_creation_input_tokens=short + long,
        cache_read_input_tokens=plan.read_tokens,
        ephemeral_5m_input_tokens=short,
        ephemeral_1h_input_tokens=long,
        output_tokens=output_tokens,
    )
