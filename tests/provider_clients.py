"""Every client class of the SDK against one server on loopback, with credentials that open nothing.

Each entry is a name and a factory that takes the server's base URL. The paths behind it are those of the
provider, so the server is asked as the provider is. Whoever opens a client closes it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import anthropic

ClientFactory = Callable[[str], Any]

KEY = "local-key"
REGION = "eu-central-1"
_SIGNING: dict[str, Any] = {"aws_access_key": "LOCALKEYID", "aws_secret_key": "local-secret", "aws_region": REGION}
_VERTEX: dict[str, Any] = {"region": "global", "project_id": "local-project", "access_token": KEY}
_WORKSPACE_PATH = "/v1/projects/local-project/locations/global/workspaces/wrkspc_local/invoke"
_OPTIONS: dict[str, Any] = {"max_retries": 0}

SYNC_CLIENTS: list[tuple[str, ClientFactory]] = [
    ("anthropic", lambda url: anthropic.Anthropic(base_url=url, api_key=KEY, **_OPTIONS)),
    ("aws", lambda url: anthropic.AnthropicAWS(base_url=url, workspace_id="wrkspc_local", **_SIGNING, **_OPTIONS)),
    ("bedrock", lambda url: anthropic.AnthropicBedrock(base_url=url, **_SIGNING, **_OPTIONS)),
    ("mantle", lambda url: anthropic.AnthropicBedrockMantle(base_url=f"{url}/anthropic", **_SIGNING, **_OPTIONS)),
    ("vertex", lambda url: anthropic.AnthropicVertex(base_url=f"{url}/v1", **_VERTEX, **_OPTIONS)),
    (
        "google-cloud",
        lambda url: anthropic.AnthropicGoogleCloud(
            base_url=url + _WORKSPACE_PATH, token_provider=lambda: KEY, **_OPTIONS
        ),
    ),
    ("foundry", lambda url: anthropic.AnthropicFoundry(base_url=f"{url}/anthropic", api_key=KEY, **_OPTIONS)),
]

ASYNC_CLIENTS: list[tuple[str, ClientFactory]] = [
    ("async-anthropic", lambda url: anthropic.AsyncAnthropic(base_url=url, api_key=KEY, **_OPTIONS)),
    (
        "async-aws",
        lambda url: anthropic.AsyncAnthropicAWS(base_url=url, workspace_id="wrkspc_local", **_SIGNING, **_OPTIONS),
    ),
    ("async-bedrock", lambda url: anthropic.AsyncAnthropicBedrock(base_url=url, **_SIGNING, **_OPTIONS)),
    (
        "async-mantle",
        lambda url: anthropic.AsyncAnthropicBedrockMantle(base_url=f"{url}/anthropic", **_SIGNING, **_OPTIONS),
    ),
    ("async-vertex", lambda url: anthropic.AsyncAnthropicVertex(base_url=f"{url}/v1", **_VERTEX, **_OPTIONS)),
    (
        "async-google-cloud",
        lambda url: anthropic.AsyncAnthropicGoogleCloud(
            base_url=url + _WORKSPACE_PATH, token_provider=lambda: KEY, **_OPTIONS
        ),
    ),
    (
        "async-foundry",
        lambda url: anthropic.AsyncAnthropicFoundry(base_url=f"{url}/anthropic", api_key=KEY, **_OPTIONS),
    ),
]
