"""Settings of credentials: every problem in one sentence, and the credentials they name."""

from __future__ import annotations

import pytest

from prompt_cache_warmer.errors import SettingsError
from prompt_cache_warmer.settings import Settings
from prompt_cache_warmer.values.credentials import Bedrock, Federation, Platform

BUCKET = {"TARGETS_BUCKET": "my-bucket"}
SECRET = {"ANTHROPIC_SECRET_ID": "warmer/key"}
ORGANIZATION = "12345678-1234-4234-8234-123456789012"
FEDERATION = {"ANTHROPIC_FEDERATION_RULE_ID": "fdrl_1", "ANTHROPIC_ORGANIZATION_ID": ORGANIZATION}
PLATFORM = {"CLAUDE_PLATFORM_WORKSPACE_ID": "wrkspc_1"}
KEY = "sk-ant-api03-planted"
NO_REGION = "is no AWS region; write them as 'eu-central-1,us-east-1'"


def settings(**environment: str) -> Settings:
    """Read settings with a bucket."""
    return Settings.from_environment({**BUCKET, **environment})


@pytest.mark.parametrize(
    "source",
    [
        SECRET,
        {"ANTHROPIC_PARAMETER": "/warmer/key"},
        {"ANTHROPIC_API_KEY": KEY},
        FEDERATION,
        PLATFORM,
        {"BEDROCK_REGIONS": "eu-central-1"},
        {"BEDROCK_MANTLE_REGIONS": "us-east-1"},
        {**SECRET, "ANTHROPIC_PARAMETER": "warmer-key"},
        {"ANTHROPIC_API_KEY": KEY, **PLATFORM},
    ],
    ids=["secret", "parameter", "key", "federation", "platform", "bedrock", "mantle", "two stores", "key and platform"],
)
def test_one_way_to_reach_claude_is_enough(source: dict[str, str]) -> None:
    """Each of them alone, and several that give different names."""
    assert settings(**source).targets_bucket == "my-bucket"


def test_each_keyless_credential_has_its_name() -> None:
    """One for federation, one for the platform, and one for each region of each of Bedrock's two ways."""
    found = settings(
        **FEDERATION,
        **PLATFORM,
        ANTHROPIC_WORKSPACE_ID="default",
        BEDROCK_REGIONS="eu-central-1,us-east-1",
        BEDROCK_MANTLE_REGIONS="eu-central-1",
    ).keyless
    assert found == {
        "federated": Federation(rule_id="fdrl_1", organization_id=ORGANIZATION, workspace_id="default"),
        "aws": Platform(workspace_id="wrkspc_1"),
        "bedrock-eu-central-1": Bedrock(region="eu-central-1"),
        "bedrock-us-east-1": Bedrock(region="us-east-1"),
        "bedrock-mantle-eu-central-1": Bedrock(region="eu-central-1", is_mantle=True),
    }
    assert [credential.words for credential in found.values()] == [
        "workload identity federation, rule fdrl_1",
        "Claude Platform on AWS, workspace wrkspc_1",
        "Amazon Bedrock in eu-central-1, InvokeModel",
        "Amazon Bedrock in us-east-1, InvokeModel",
        "Amazon Bedrock in eu-central-1, Messages endpoint",
    ]
    assert settings(**SECRET).keyless == {}


@pytest.mark.parametrize(
    ("environment", "problem"),
    [
        (
            {**SECRET, "ANTHROPIC_API_KEY": KEY},
            "ANTHROPIC_API_KEY and ANTHROPIC_SECRET_ID are both set: a key comes from one of them",
        ),
        (
            {"ANTHROPIC_PARAMETER": "key", "ANTHROPIC_API_KEY": KEY},
            "ANTHROPIC_API_KEY and ANTHROPIC_PARAMETER are both set: a key comes from one of them",
        ),
        (
            {"ANTHROPIC_PARAMETER": KEY},
            (
                "ANTHROPIC_PARAMETER=***: is an API key; put the key into a SecureString parameter and name the "
                "parameter here"
            ),
        ),
        (
            {"ANTHROPIC_PARAMETER": "a b"},
            (
                "ANTHROPIC_PARAMETER='a b': must be the name or ARN of an SSM parameter: a-z, A-Z, 0-9, '_', '.', '-' "
                "and '/'"
            ),
        ),
        (
            {"ANTHROPIC_FEDERATION_RULE_ID": "fdrl_1"},
            "ANTHROPIC_FEDERATION_RULE_ID needs ANTHROPIC_ORGANIZATION_ID, the organization the rule belongs to",
        ),
        (
            {**SECRET, "ANTHROPIC_SERVICE_ACCOUNT_ID": "svac_1"},
            "ANTHROPIC_SERVICE_ACCOUNT_ID is for federation and needs ANTHROPIC_FEDERATION_RULE_ID",
        ),
        (
            {**FEDERATION, "ANTHROPIC_FEDERATION_RULE_ID": "rule"},
            "ANTHROPIC_FEDERATION_RULE_ID='rule': String should match pattern '^fdrl_[A-Za-z0-9]{1,64}$'",
        ),
        (
            {**SECRET, "CLAUDE_PLATFORM_REGION": "eu-central-1"},
            "CLAUDE_PLATFORM_REGION needs CLAUDE_PLATFORM_WORKSPACE_ID",
        ),
        (
            {**PLATFORM, "CLAUDE_PLATFORM_REGION": "Frankfurt"},
            "CLAUDE_PLATFORM_REGION='Frankfurt': must be an AWS region such as 'eu-central-1'",
        ),
        (
            {"BEDROCK_REGIONS": "eu-central-1,Frankfurt"},
            f"BEDROCK_REGIONS='eu-central-1,Frankfurt': 'Frankfurt' {NO_REGION}",
        ),
        ({"BEDROCK_REGIONS": "eu-central-1,"}, f"BEDROCK_REGIONS='eu-central-1,': '' {NO_REGION}"),
        (
            {"BEDROCK_MANTLE_REGIONS": "us-east-1,us-east-1"},
            "BEDROCK_MANTLE_REGIONS='us-east-1,us-east-1': names a region twice",
        ),
        (
            {**SECRET, "DEFAULT_CREDENTIAL": "default"},
            "DEFAULT_CREDENTIAL='default' names itself; name the credential that 'default' stands for",
        ),
        (
            {**PLATFORM, **FEDERATION, "DEFAULT_CREDENTIAL": "federate"},
            "DEFAULT_CREDENTIAL='federate' is no credential; did you mean 'federated'?; there is: federated, aws",
        ),
        (
            {"ANTHROPIC_API_KEY": KEY, **PLATFORM, "DEFAULT_CREDENTIAL": "aws"},
            "DEFAULT_CREDENTIAL='aws': ANTHROPIC_API_KEY is the credential 'default' already",
        ),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else None,
)
def test_what_is_wrong_is_said_in_one_sentence(environment: dict[str, str], problem: str) -> None:
    """It names the variable, its value and what is allowed; a key is never shown."""
    with pytest.raises(SettingsError) as caught:
        settings(**environment)
    assert caught.value.problems == (problem,)


@pytest.mark.parametrize("chosen", ["team", "aws"])
def test_a_default_may_be_a_stored_key_that_nobody_has_read_yet(chosen: str) -> None:
    """Which keys a secret holds is known only at run time."""
    assert settings(**SECRET, **PLATFORM, DEFAULT_CREDENTIAL=chosen).default_credential == chosen
