"""The metrics of a real request: under which names they are published, and under which they cannot be."""

from __future__ import annotations

import pytest

from prompt_cache_warmer.rules.traffic_metrics import kept_metrics, request_metrics
from prompt_cache_warmer.values.observation import Sight
from prompt_cache_warmer.values.usage import Usage
from tests.fakes import EPOCH, MODEL

WHOLE = {"service": "svc"}


def published(target: str, model: str) -> list[tuple[dict[str, str], ...]]:
    """Return the dimensions of a request's metrics, and those of a hit that warming kept."""
    sets = (
        request_metrics(
            service="svc",
            target=target,
            model=model,
            at=EPOCH,
            sight=Sight.HIT,
            usage=Usage(read_tokens=5),
            first_token_ms=None,
        ),
        kept_metrics(service="svc", target=target, model=model, at=EPOCH, tokens=5, ttl="1h"),
    )
    assert [sum(sets[0].values["TrafficReadTokens"]), sum(sets[1].values["Warmed1hTokens"])] == [5, 5]
    return [(dict(one.dimensions), *map(dict, one.also)) for one in sets]


@pytest.mark.parametrize(
    ("target", "model"),
    [("support", MODEL), ("support", "us.anthropic.claude-sonnet-4-6-v1:0"), ("s", "m" * 255), ("t" * 255, "a model")],
    ids=["usual", "bedrock", "long model", "long target"],
)
def test_a_request_counts_for_the_service_and_for_its_target_on_its_model(target: str, model: str) -> None:
    """Both under the same values."""
    assert published(target, model) == [(WHOLE, {**WHOLE, "Target": target, "Model": model})] * 2


@pytest.mark.parametrize("name", ["", " ", "modèle", "a\nb", "a\x7f", "\u202e", "m" * 256])
def test_a_name_that_cloudwatch_refuses_counts_for_the_service_only(name: str) -> None:
    """Blank, not printable ASCII, or over 255 characters: the whole set would be refused with it."""
    assert published("support", name) == published(name, MODEL) == [(WHOLE,)] * 2
