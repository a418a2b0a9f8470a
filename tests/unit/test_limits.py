"""The table of minimums: the facts' figures, the longest matching family, and nothing for what nobody knows."""

from __future__ import annotations

import pytest

from prompt_cache_warmer.values.limits import Minimum, minimum_prefix


@pytest.mark.parametrize(
    ("model", "tokens"),
    [
        ("claude-haiku-5-5", 512),
        ("claude-sonnet-5-5", 512),
        ("claude-opus-5-5", 512),
        ("claude-opus-5", 512),
        ("claude-fable-5", 512),
        ("claude-fable-5-1", 512),
        ("claude-mythos-5", 512),
        ("claude-mythos-5-1", 512),
        ("claude-opus-4-8", 1_024),
        ("claude-sonnet-5", 1_024),
        ("claude-sonnet-4-5", 1_024),
        ("claude-opus-4-7", 2_048),
        ("claude-mythos-preview", 2_048),
        ("claude-opus-4-6", 4_096),
        ("claude-opus-4-5", 4_096),
        ("claude-haiku-4-5", 4_096),
        # Dated ids belong to their family; the longest matching family wins.
        ("claude-haiku-4-5-20251001", 4_096),
        ("claude-sonnet-5-5-20261014", 512),
        ("claude-sonnet-5-20260801", 1_024),
    ],
)
def test_a_model_has_its_familys_minimum(model: str, tokens: int) -> None:
    """Every row of the facts document, and ids with a date."""
    assert minimum_prefix(model) == Minimum(tokens)


def test_a_disputed_minimum_says_so() -> None:
    """Sonnet 4.6 is documented at 1,024 tokens and was measured near 2,048."""
    assert minimum_prefix("claude-sonnet-4-6-20260115") == Minimum(1_024, disputed_tokens=2_048)


@pytest.mark.parametrize(
    "model",
    ["", "claude", "claude-opus", "claude-opus-4", "claude-opus-50", "claude-sonnet-4-60", "gpt-5", "Claude-Opus-5"],
)
def test_an_unknown_model_has_no_minimum(model: str) -> None:
    """A family's name must match as a whole, so that claude-opus-50 is not taken for claude-opus-5."""
    assert minimum_prefix(model) is None
