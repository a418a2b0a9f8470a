"""Regions: Bedrock keeps a cache in each, and nobody else has any."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any

import anthropic
import pytest

from tests.infra.messages_api.messages_api_bodies import LONG_TEXT, MARKER, MODEL, PLACEHOLDER, counters, text

if TYPE_CHECKING:
    from infra.local.messages_api import LocalMessagesApi

QUESTION: dict[str, Any] = {
    "model": MODEL,
    "max_tokens": 1,
    "system": [text(LONG_TEXT, cache_control=MARKER)],
    "messages": [PLACEHOLDER],
}
SIGNING: dict[str, Any] = {"aws_access_key": "LOCALKEYID", "aws_secret_key": "local-secret", "max_retries": 0}
PREFIX_TOKENS, PLAIN_TOKENS = 2_107, 7
WRITTEN, READ = (0, PREFIX_TOKENS, PLAIN_TOKENS), (PREFIX_TOKENS, 0, PLAIN_TOKENS)


def ask(kind: str, url: str, region: str) -> tuple[int | None, int | None, int]:
    """Ask one of the providers whose requests are signed for a region; returns the usage."""
    client: Any
    if kind == "bedrock":
        client = anthropic.AnthropicBedrock(base_url=url, aws_region=region, **SIGNING)
    elif kind == "mantle":
        client = anthropic.AnthropicBedrockMantle(base_url=f"{url}/anthropic", aws_region=region, **SIGNING)
    else:
        client = anthropic.AnthropicAWS(base_url=url, workspace_id="wrkspc_local", aws_region=region, **SIGNING)
    with closing(client):
        return counters(client.messages.create(**QUESTION))


@pytest.mark.parametrize("kind", ["bedrock", "mantle"])
def test_bedrocks_cache_is_one_per_region(api: LocalMessagesApi, kind: str) -> None:
    """What one region has written another does not read, with the same key."""
    regions = ("eu-central-1", "us-east-1", "eu-central-1", "us-east-1")
    assert [ask(kind, api.base_url, region) for region in regions] == [WRITTEN, WRITTEN, READ, READ]
    assert {(entry.region, entry.tokens) for entry in api.entries()} == {
        ("eu-central-1", PREFIX_TOKENS),
        ("us-east-1", PREFIX_TOKENS),
    }


def test_a_read_refreshes_the_entry_of_its_own_region(api: LocalMessagesApi) -> None:
    """The other one lapses at its own time."""
    ask("bedrock", api.base_url, "eu-central-1")
    ask("bedrock", api.base_url, "us-east-1")
    api.clock.advance(200)
    ask("bedrock", api.base_url, "us-east-1")
    api.clock.advance(200)
    assert [entry.region for entry in api.entries()] == ["us-east-1"]


def test_only_bedrock_has_regions(api: LocalMessagesApi) -> None:
    """The Claude Platform on AWS signs for a region too, and its caches are the workspaces'."""
    assert [ask("aws", api.base_url, region) for region in ("eu-central-1", "us-east-1")] == [WRITTEN, READ]
    assert [entry.region for entry in api.entries()] == [None]
