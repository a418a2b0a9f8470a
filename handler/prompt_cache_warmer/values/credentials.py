"""Credentials: what proves who calls, by name, and the part of the settings that says so.

Names of stored keys are known only to who reads them. The others are given here: ``federated``, ``aws``,
``bedrock-REGION`` and ``bedrock-mantle-REGION``; nothing of them is stored anywhere.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr

from prompt_cache_warmer.values.document import DEFAULT_CREDENTIAL as DEFAULT_NAME
from prompt_cache_warmer.values.document import NAME_PATTERN
from prompt_cache_warmer.values.problems import nearest, shown

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

KEY_BEGINNING = "sk-ant-"  # in the place of a name it is a key, and names are shown
DEFAULT_AUDIENCE = "https://api.anthropic.com"
FEDERATED, PLATFORM, INVOKE, MANTLE = "federated", "aws", "bedrock", "bedrock-mantle"

_REGION = re.compile(r"[a-z]{2}(-[a-z]+)+-[0-9]{1,2}")
_PARAMETER_NAME = re.compile(
    r"/?[A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+)*|arn:aws[a-z-]*:ssm:[a-z0-9-]+:[0-9]{12}:parameter/\S+"
)
_SOURCES = (
    *("ANTHROPIC_SECRET_ID", "ANTHROPIC_PARAMETER", "ANTHROPIC_FEDERATION_RULE_ID", "CLAUDE_PLATFORM_WORKSPACE_ID"),
    *("BEDROCK_REGIONS", "BEDROCK_MANTLE_REGIONS", "ANTHROPIC_API_KEY"),
)
_NEEDS_RULE = ("ANTHROPIC_ORGANIZATION_ID", "ANTHROPIC_SERVICE_ACCOUNT_ID", "ANTHROPIC_WORKSPACE_ID")


@dataclass(frozen=True, slots=True, kw_only=True)
class Federation:
    """Workload identity federation: the function's role proves itself, and Anthropic grants a token for minutes.

    Attributes:
        rule_id: the federation rule that is to match.
        organization_id: Anthropic's id of the organization.
        audience: whom the role's identity token is for.
        service_account_id: the service account the rule stands for; None where the rule says it.
        workspace_id: the workspace the token is for; None where the rule has one only.
    """

    rule_id: str
    organization_id: str
    audience: str = DEFAULT_AUDIENCE
    service_account_id: str | None = None
    workspace_id: str | None = None

    @property
    def words(self) -> str:
        """What it is, for a person."""
        return f"workload identity federation, rule {self.rule_id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Platform:
    """Claude Platform on AWS: requests are signed by the function's role.

    Attributes:
        workspace_id: the workspace they are for.
        region: the workspace's region; None for the function's own.
    """

    workspace_id: str
    region: str | None = None

    @property
    def words(self) -> str:
        """What it is, for a person."""
        return f"Claude Platform on AWS, workspace {self.workspace_id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bedrock:
    """Amazon Bedrock in one region: requests are signed by the function's role.

    Attributes:
        region: the region.
        is_mantle: whether they go to its Messages endpoint; else to InvokeModel.
    """

    region: str
    is_mantle: bool = False

    @property
    def words(self) -> str:
        """What it is, for a person."""
        return f"Amazon Bedrock in {self.region}, {'Messages endpoint' if self.is_mantle else 'InvokeModel'}"


Keyless = Federation | Platform | Bedrock
"""A credential without a stored key."""


def _secret_id(value: str) -> str:
    if value.startswith(KEY_BEGINNING):
        raise ValueError("is an API key; put the key into a secret and name the secret here")
    return value


def _parameter(value: str) -> str:
    if value.startswith(KEY_BEGINNING):
        raise ValueError("is an API key; put the key into a SecureString parameter and name the parameter here")
    if not _PARAMETER_NAME.fullmatch(value):
        raise ValueError("must be the name or ARN of an SSM parameter: a-z, A-Z, 0-9, '_', '.', '-' and '/'")
    return value


def _region(value: str) -> str:
    if not _REGION.fullmatch(value):
        raise ValueError("must be an AWS region such as 'eu-central-1'")
    return value


def _regions(value: str) -> str:
    named = regions_in(value)
    for region in named:
        if not _REGION.fullmatch(region):
            raise ValueError(f"{shown(region)} is no AWS region; write them as 'eu-central-1,us-east-1'")
    if len(set(named)) < len(named):
        raise ValueError("names a region twice")
    return ",".join(named)


def regions_in(value: str | None) -> tuple[str, ...]:
    """Read a comma-separated list of regions."""
    return tuple(part.strip() for part in value.split(",")) if value else ()


_Regions = Annotated[str, AfterValidator(_regions)]


class CredentialSettings(BaseModel):
    """Which credentials a deployment has.

    Field aliases are the environment variables' names.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True, hide_input_in_errors=True)

    anthropic_secret_id: Annotated[str, AfterValidator(_secret_id)] | None = Field(
        None,
        alias="ANTHROPIC_SECRET_ID",
        description="name or ARN of the secret with the API key, or with a JSON object of credential names to keys",
    )
    anthropic_parameter: Annotated[str, AfterValidator(_parameter)] | None = Field(
        None, alias="ANTHROPIC_PARAMETER", description="name or ARN of an SSM parameter (SecureString) with the same"
    )
    anthropic_api_key: SecretStr | None = Field(
        None,
        alias="ANTHROPIC_API_KEY",
        description="instead of either, on your own machine only; the template never sets it",
    )
    federation_rule_id: Annotated[str, Field(pattern=r"^fdrl_[A-Za-z0-9]{1,64}$")] | None = Field(
        None, alias="ANTHROPIC_FEDERATION_RULE_ID", description="federation rule of the credential `federated`"
    )
    organization_id: Annotated[str, Field(pattern=r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")] | None = Field(
        None, alias="ANTHROPIC_ORGANIZATION_ID", description="id of the Anthropic organization the rule belongs to"
    )
    service_account_id: Annotated[str, Field(pattern=r"^svac_[A-Za-z0-9]{1,64}$")] | None = Field(
        None, alias="ANTHROPIC_SERVICE_ACCOUNT_ID", description="service account the rule stands for"
    )
    workspace_id: Annotated[str, Field(pattern=r"^(wrkspc_[A-Za-z0-9]{1,64}|default)$")] | None = Field(
        None, alias="ANTHROPIC_WORKSPACE_ID", description="workspace of `federated`; needed where the rule has several"
    )
    identity_audience: Annotated[str, Field(pattern=r"^[\x21-\x7e]{1,1000}$")] = Field(
        DEFAULT_AUDIENCE, alias="ANTHROPIC_IDENTITY_AUDIENCE", description="audience the federation rule expects"
    )
    platform_workspace_id: Annotated[str, Field(pattern=r"^wrkspc_[A-Za-z0-9]{1,64}$")] | None = Field(
        None, alias="CLAUDE_PLATFORM_WORKSPACE_ID", description="workspace of Claude Platform on AWS: credential `aws`"
    )
    platform_region: Annotated[str, AfterValidator(_region)] | None = Field(
        None, alias="CLAUDE_PLATFORM_REGION", description="its region; the function's own unless given"
    )
    bedrock_regions: _Regions | None = Field(
        None,
        alias="BEDROCK_REGIONS",
        description="regions of Amazon Bedrock (InvokeModel), by comma: credentials `bedrock-REGION`",
    )
    bedrock_mantle_regions: _Regions | None = Field(
        None,
        alias="BEDROCK_MANTLE_REGIONS",
        description="regions of its Messages endpoint, by comma: credentials `bedrock-mantle-REGION`",
    )
    default_credential: Annotated[str, Field(pattern=NAME_PATTERN)] | None = Field(
        None,
        alias="DEFAULT_CREDENTIAL",
        description="which credential `default` stands for, if several could; a stored key of that name needs none",
    )

    @property
    def keyless(self) -> dict[str, Keyless]:
        """The credentials without a stored key, by name."""
        found: dict[str, Keyless] = {}
        if self.federation_rule_id is not None and self.organization_id is not None:
            found[FEDERATED] = Federation(
                rule_id=self.federation_rule_id,
                organization_id=self.organization_id,
                audience=self.identity_audience,
                service_account_id=self.service_account_id,
                workspace_id=self.workspace_id,
            )
        if self.platform_workspace_id is not None:
            found[PLATFORM] = Platform(workspace_id=self.platform_workspace_id, region=self.platform_region)
        for region in regions_in(self.bedrock_regions):
            found[f"{INVOKE}-{region}"] = Bedrock(region=region)
        for region in regions_in(self.bedrock_mantle_regions):
            found[f"{MANTLE}-{region}"] = Bedrock(region=region, is_mantle=True)
        return found


def credential_disagreements(present: Mapping[str, str]) -> Iterator[str]:
    """Say which variables contradict each other, or miss each other.

    Args:
        present: the variables that are set, by name.
    """
    if not any(name in present for name in _SOURCES):
        yield f"nothing says how to reach Claude; set one of {', '.join(_SOURCES)} (the last on your own machine only)"
    stored = next((name for name in _SOURCES[:2] if name in present), None)
    if "ANTHROPIC_API_KEY" in present and stored is not None:
        yield f"ANTHROPIC_API_KEY and {stored} are both set: a key comes from one of them"
    if "ANTHROPIC_FEDERATION_RULE_ID" in present and "ANTHROPIC_ORGANIZATION_ID" not in present:
        yield "ANTHROPIC_FEDERATION_RULE_ID needs ANTHROPIC_ORGANIZATION_ID, the organization the rule belongs to"
    if "ANTHROPIC_FEDERATION_RULE_ID" not in present:
        for name in _NEEDS_RULE:
            if name in present:
                yield f"{name} is for federation and needs ANTHROPIC_FEDERATION_RULE_ID"
    if "CLAUDE_PLATFORM_REGION" in present and "CLAUDE_PLATFORM_WORKSPACE_ID" not in present:
        yield "CLAUDE_PLATFORM_REGION needs CLAUDE_PLATFORM_WORKSPACE_ID"


def default_disagreement(settings: CredentialSettings) -> str | None:
    """Say what is wrong with the name ``default`` is to stand for, as far as it is known without reading any key."""
    chosen = settings.default_credential
    if chosen is None:
        return None
    if chosen == DEFAULT_NAME:
        return "DEFAULT_CREDENTIAL='default' names itself; name the credential that 'default' stands for"
    if settings.anthropic_api_key is not None:
        return f"DEFAULT_CREDENTIAL={shown(chosen)}: ANTHROPIC_API_KEY is the credential 'default' already"
    names = list(settings.keyless)
    if chosen in names or settings.anthropic_secret_id or settings.anthropic_parameter:
        return None
    return f"DEFAULT_CREDENTIAL={shown(chosen)} is no credential{nearest(chosen, names)}; there is: {', '.join(names)}"
