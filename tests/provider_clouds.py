"""A deployment with every kind of credential on the local cloud: signatures verified, identity tokens exchanged.

What the role signs with is what ``LocalAws`` gives out; what it may do is the test's to say.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from infra.local import web_identity
from infra.local.cloud import API_KEY, WORKSPACE, LocalCloud
from infra.local.messages_api import AwsCaller, EmulatorClock, FederationRule, LocalMessagesApi
from tests.deployments import MONDAY
from tests.fakes import MODEL

if TYPE_CHECKING:
    from collections.abc import Mapping

ROLE_KEY_ID = ROLE_SECRET = "local"
ORGANIZATION = "12345678-1234-4234-8234-123456789012"
AUDIENCE = "https://api.anthropic.com"
RULE, SERVICE_ACCOUNT = "fdrl_warmer", "svac_warmer"
PLATFORM_WORKSPACE, FEDERATED_WORKSPACE = "wrkspc_platform", "wrkspc_federated"
EUROPE, AMERICA = "eu-central-1", "us-east-1"
BEDROCK_MODEL = "eu.anthropic.claude-sonnet-4-6"
NO_STORED_KEY = {"ANTHROPIC_SECRET_ID": ""}

FEDERATION = {
    "ANTHROPIC_FEDERATION_RULE_ID": RULE,
    "ANTHROPIC_ORGANIZATION_ID": ORGANIZATION,
    "ANTHROPIC_SERVICE_ACCOUNT_ID": SERVICE_ACCOUNT,
}
PLATFORM = {"CLAUDE_PLATFORM_WORKSPACE_ID": PLATFORM_WORKSPACE, "CLAUDE_PLATFORM_REGION": EUROPE}
BEDROCK = {"BEDROCK_REGIONS": f"{EUROPE},{AMERICA}"}
MANTLE = {"BEDROCK_MANTLE_REGIONS": EUROPE}

KINDS: dict[str, tuple[dict[str, str], str, str]] = {
    "secret": ({}, "default", MODEL),
    "parameter": ({**NO_STORED_KEY, "ANTHROPIC_PARAMETER": "/warmer/key"}, "default", MODEL),
    "federation": ({**NO_STORED_KEY, **FEDERATION}, "federated", MODEL),
    "platform": ({**NO_STORED_KEY, **PLATFORM}, "aws", MODEL),
    "bedrock": ({**NO_STORED_KEY, **BEDROCK}, f"bedrock-{EUROPE}", BEDROCK_MODEL),
    "mantle": ({**NO_STORED_KEY, **MANTLE}, f"bedrock-mantle-{EUROPE}", "anthropic.claude-opus-4-8"),
}
"""Each kind of credential: the settings that ask for it, its name, and a model of its provider."""


def provider_api(**behaviour: Any) -> LocalMessagesApi:
    """Return a Messages API that verifies every kind of credential, and nothing it was not told of."""
    clock = EmulatorClock(frozen=True)
    clock.advance(MONDAY.timestamp() - clock.now_seconds())
    rule = FederationRule(
        key=web_identity.signing_key(),
        organization_id=ORGANIZATION,
        subject=web_identity.SUBJECT,
        audience=AUDIENCE,
        workspaces=(FEDERATED_WORKSPACE,),
        service_account_id=SERVICE_ACCOUNT,
    )
    usual: dict[str, Any] = {
        "clock": clock,
        "api_keys": {API_KEY: WORKSPACE},
        "aws_callers": {ROLE_KEY_ID: AwsCaller(secret_key=ROLE_SECRET, workspaces=(PLATFORM_WORKSPACE,))},
        "federation_rules": {RULE: rule},
        "bedrock_refuses_zero": True,
    }
    return LocalMessagesApi(**{**usual, **behaviour})


def provider_settings(cloud: LocalCloud, settings: Mapping[str, str]) -> dict[str, str]:
    """Return settings with every provider's address on the local cloud, as the SDK reads them."""
    url = cloud.api.base_url
    return {
        "ANTHROPIC_AWS_BASE_URL": url,
        "ANTHROPIC_BEDROCK_BASE_URL": url,
        "ANTHROPIC_BEDROCK_MANTLE_BASE_URL": f"{url}/anthropic",
        **settings,
    }
