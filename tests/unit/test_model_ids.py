"""Model ids of every provider: the same model, its version, its minimum and its price."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from prompt_cache_warmer.values.limits import Minimum, minimum_prefix
from prompt_cache_warmer.values.model_ids import claude_id, is_bedrock_id, version_of
from prompt_cache_warmer.values.pricing import cost_usd
from prompt_cache_warmer.values.usage import Usage

AT = datetime(2026, 11, 23, tzinfo=UTC)
PROFILE = "arn:aws:bedrock:eu-central-1:123456789012:inference-profile/eu.anthropic.claude-sonnet-4-6"
OPAQUE = "arn:aws:bedrock:eu-central-1:123456789012:application-inference-profile/abc"


@pytest.mark.parametrize(
    ("model", "is_bedrock", "name", "version"),
    [
        ("claude-sonnet-4-6", False, "claude-sonnet-4-6", (4, 6)),
        ("claude-haiku-4-5-20251001", False, "claude-haiku-4-5-20251001", (4, 5)),
        ("claude-sonnet-4-20250514", False, "claude-sonnet-4-20250514", (4, 0)),
        ("claude-opus-5", False, "claude-opus-5", (5, 0)),
        ("claude-haiku-4-5@20251001", False, "claude-haiku-4-5@20251001", (4, 5)),
        ("anthropic.claude-sonnet-4-6", True, "claude-sonnet-4-6", (4, 6)),
        ("eu.anthropic.claude-opus-4-6-v1", True, "claude-opus-4-6", (4, 6)),
        ("us.anthropic.claude-sonnet-4-5-20250929-v1:0", True, "claude-sonnet-4-5-20250929", (4, 5)),
        ("global.anthropic.claude-sonnet-4-20250514-v1:0", True, "claude-sonnet-4-20250514", (4, 0)),
        ("anthropic.claude-3-5-haiku-20241022-v1:0", True, "claude-3-5-haiku-20241022", (3, 5)),
        ("anthropic.claude-opus-4-7", True, "claude-opus-4-7", (4, 7)),
        ("global.anthropic.claude-fable-5-1-v1:0", True, "claude-fable-5-1", (5, 1)),
        (PROFILE, True, "claude-sonnet-4-6", (4, 6)),
        (OPAQUE, True, OPAQUE, None),
        ("gpt-5", False, "gpt-5", None),
        ("amazon.nova-pro-v1:0", False, "amazon.nova-pro-v1:0", None),
    ],
)
def test_an_id_names_a_model(model: str, is_bedrock: bool, name: str, version: tuple[int, int] | None) -> None:  # noqa: FBT001 - a column
    """Whoever offers it, and in whatever region."""
    assert (is_bedrock_id(model), claude_id(model), version_of(model)) == (is_bedrock, name, version)


@pytest.mark.parametrize(
    ("model", "tokens"),
    [
        ("eu.anthropic.claude-sonnet-4-6", 1_024),
        ("global.anthropic.claude-opus-4-6-v1", 4_096),
        ("anthropic.claude-opus-4-7", 4_096),
        ("claude-opus-4-7", 2_048),
        ("us.anthropic.claude-haiku-4-5-20251001-v1:0", 4_096),
        ("anthropic.claude-opus-5-5", 512),
    ],
)
def test_bedrocks_models_have_its_minimums(model: str, tokens: int) -> None:
    """Claude Opus 4.7 caches from another length there."""
    found = minimum_prefix(model)
    assert found is not None
    assert found.tokens == tokens
    assert minimum_prefix(OPAQUE) is None
    assert minimum_prefix("claude-sonnet-4-6") == Minimum(1_024, disputed_tokens=2_048)


@pytest.mark.parametrize(
    ("model", "usd"),
    [
        ("eu.anthropic.claude-sonnet-4-6", "4.125"),  # 1.1 times the price of the global one
        ("global.anthropic.claude-opus-4-6-v1", "6.25"),
        (PROFILE, "4.125"),
        ("anthropic.claude-opus-4-8", "6.875"),
        ("claude-sonnet-4-6", "3.75"),
    ],
)
def test_bedrocks_models_have_its_prices(model: str, usd: str) -> None:
    """A million tokens written for five minutes."""
    assert cost_usd(model, Usage(write_5m_tokens=1_000_000), at=AT) == Decimal(usd)


@pytest.mark.parametrize("model", [OPAQUE, "anthropic.claude-zeta-9", "gpt-5"])
def test_what_nobody_knows_has_no_price(model: str) -> None:
    """Unknown stays unknown, whoever offers it."""
    assert cost_usd(model, Usage(write_5m_tokens=1_000), at=AT) is None
