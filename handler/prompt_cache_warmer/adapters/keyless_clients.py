"""Clients without a stored key: the function's role proves who calls, by an identity token or by its signature.

All of them are asynchronous to make and to use: AWS is asked in threads of their own, so that a call which is given
up in time does not wait for it.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import anthropic
from botocore.exceptions import BotoCoreError, ClientError

from prompt_cache_warmer.adapters.anthropic_errors import is_refusal
from prompt_cache_warmer.adapters.s3_bucket import error_word
from prompt_cache_warmer.errors import CredentialError
from prompt_cache_warmer.values.credentials import Bedrock, Federation, Platform

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from prompt_cache_warmer.adapters.anthropic_exchange import AsyncClient

# The token is exchanged at once; five minutes are STS's own default, and the policy lets it live no longer.
IDENTITY_TOKEN_SECONDS = 300
SIGNING_ALGORITHM = "RS256"  # what Anthropic's page on federation with AWS asks STS for
_STS_HINTS = {
    "OutboundWebIdentityFederationDisabledException": "switch on outbound web identity federation for this AWS account",
    "AccessDenied": "let the function's role call sts:GetWebIdentityToken for this audience",
}


class TokenService(Protocol):
    """What is used of a boto3 STS client."""

    @property
    def get_web_identity_token(self) -> Callable[..., Mapping[str, Any]]:
        """Have the caller's identity signed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningAccess:
    """What requests to AWS are signed with.

    Attributes:
        access_key: the access key's id.
        secret_key: its secret.
        session_token: the token of temporary credentials, None for others.
        region: the region of whoever signs, None where nobody said.
    """

    access_key: str
    secret_key: str
    session_token: str | None
    region: str | None

    def __repr__(self) -> str:
        """Show the region alone."""
        return f"SigningAccess(region={self.region!r})"


class _Exchanged:
    """Anthropic's tokens for a role's identity, as the SDK exchanges them; STS is asked each time one is needed.

    What was refused once is refused to every caller without being asked again: a client lives for one run, and the
    next run asks anew.
    """

    def __init__(self, federation: Federation, *, base_url: str, make_sts: Callable[[], TokenService]) -> None:
        self._federation = federation
        self._make_sts = make_sts
        self._exchange = anthropic.WorkloadIdentityCredentials(
            identity_token_provider=self._identity_token,
            federation_rule_id=federation.rule_id,
            organization_id=federation.organization_id,
            service_account_id=federation.service_account_id,
            workspace_id=federation.workspace_id,
        )
        self._exchange.bind_base_url(base_url)
        self._refusal: CredentialError | anthropic.WorkloadIdentityError | None = None

    async def __call__(self, *, force_refresh: bool = False) -> Any:  # noqa: ANN401 - the SDK does not export its type of token
        """Return a new token."""
        if self._refusal is not None:
            raise self._refusal.with_traceback(None)
        try:
            return await asyncio.to_thread(self._exchange, force_refresh=force_refresh)
        except (CredentialError, anthropic.WorkloadIdentityError) as error:
            if isinstance(error, CredentialError) or is_refusal(error.status_code):
                self._refusal = error
            raise

    def close(self) -> None:
        """Close the connection it exchanged tokens over."""
        self._exchange.close()

    def _identity_token(self) -> str:
        try:
            answer = self._make_sts().get_web_identity_token(
                Audience=[self._federation.audience],
                SigningAlgorithm=SIGNING_ALGORITHM,
                DurationSeconds=IDENTITY_TOKEN_SECONDS,
            )
        except (BotoCoreError, ClientError) as error:
            word = error_word(error)
            raise CredentialError(
                f"STS gave no identity token: {word}; {_STS_HINTS.get(word, 'check the role and the region')}"
            ) from error
        return str(answer["WebIdentityToken"])


def federated_client(
    federation: Federation, *, base_url: str, make_sts: Callable[[], TokenService]
) -> anthropic.AsyncAnthropic:
    """Return the client of a federated credential.

    Args:
        federation: the rule and whom it is for.
        base_url: the API's address; tokens are exchanged there too.
        make_sts: makes a boto3 STS client, or returns the one it made before.
    """
    exchanged = _Exchanged(federation, base_url=base_url, make_sts=make_sts)
    return anthropic.AsyncAnthropic(credentials=exchanged, base_url=base_url, max_retries=0)


async def signing_client(credential: Platform | Bedrock, *, read_access: Callable[[], SigningAccess]) -> AsyncClient:
    """Return a client whose requests are signed with AWS credentials.

    Args:
        credential: the provider and its region.
        read_access: finds the AWS credentials.

    Raises:
        CredentialError: when there are none, or no region.
    """
    try:
        access = await asyncio.to_thread(read_access)
    except BotoCoreError as error:
        raise CredentialError(f"no AWS credentials to sign with: {error_word(error)}") from error
    region = credential.region or access.region
    if region is None:
        raise CredentialError("no AWS region to sign for: set CLAUDE_PLATFORM_REGION or AWS_DEFAULT_REGION")
    signing: dict[str, Any] = {
        "aws_access_key": access.access_key,
        "aws_secret_key": access.secret_key,
        "aws_session_token": access.session_token,
        "aws_region": region,
        "max_retries": 0,
    }
    if isinstance(credential, Platform):
        return anthropic.AsyncAnthropicAWS(workspace_id=credential.workspace_id, **signing)
    if credential.is_mantle:
        return anthropic.AsyncAnthropicBedrockMantle(**signing)
    try:
        return anthropic.AsyncAnthropicBedrock(**signing)
    except ValueError:
        raise CredentialError(
            "the environment has AWS_BEARER_TOKEN_BEDROCK beside AWS credentials; unset it: requests are signed"
        ) from None
