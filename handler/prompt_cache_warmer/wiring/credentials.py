"""The credentials of one deployment: what its settings name, and what finds each of them."""

from __future__ import annotations

from functools import partial
from threading import Lock
from typing import TYPE_CHECKING, Generic, TypeVar, cast

import anthropic
import boto3
from botocore.exceptions import NoCredentialsError

from prompt_cache_warmer.adapters.anthropic_messages import DEFAULT_BASE_URL
from prompt_cache_warmer.adapters.api_keys import ApiKeys, ParameterApiKeys, SecretApiKeys, StaticApiKeys
from prompt_cache_warmer.adapters.credential_clients import CredentialClients
from prompt_cache_warmer.adapters.keyless_clients import SigningAccess, federated_client, signing_client
from prompt_cache_warmer.values.credentials import Federation, Keyless
from prompt_cache_warmer.wiring.aws import aws_client

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from prompt_cache_warmer.adapters.anthropic_exchange import AsyncClient
    from prompt_cache_warmer.adapters.api_keys import ParametersClient
    from prompt_cache_warmer.adapters.keyless_clients import TokenService
    from prompt_cache_warmer.settings import Settings

T = TypeVar("T")

_ONE_AT_A_TIME = Lock()  # boto3's default session may not make two clients at once


def credential_clients(settings: Settings) -> CredentialClients:
    """Return the client of every credential that the settings name; nothing is made or read before it is used."""
    base_url = settings.anthropic_base_url or DEFAULT_BASE_URL
    make_sts = _Once(lambda: cast("TokenService", aws_client("sts")))

    async def keyless(credential: Keyless) -> AsyncClient:
        if isinstance(credential, Federation):
            return federated_client(credential, base_url=base_url, make_sts=make_sts)
        return await signing_client(credential, read_access=_signing_access)

    return CredentialClients(
        tuple(_stores(settings)),
        of_key=lambda key: anthropic.AsyncAnthropic(api_key=key, base_url=base_url, max_retries=0),
        keyless={name: partial(keyless, credential) for name, credential in settings.keyless.items()},
        default=settings.default_credential,
    )


def _stores(settings: Settings) -> Iterator[ApiKeys]:
    if settings.anthropic_api_key is not None:
        yield StaticApiKeys(settings.anthropic_api_key.get_secret_value())
    if settings.anthropic_secret_id is not None:
        make_secrets = _Once(lambda: aws_client("secretsmanager"))
        yield SecretApiKeys(make_secrets, settings.anthropic_secret_id)
    if settings.anthropic_parameter is not None:
        make_ssm = _Once(lambda: cast("ParametersClient", aws_client("ssm")))
        yield ParameterApiKeys(make_ssm, settings.anthropic_parameter)


def _signing_access() -> SigningAccess:
    """Find the AWS credentials of this process, by boto3's own chain.

    Raises:
        NoCredentialsError: when there are none.
    """
    with _ONE_AT_A_TIME:
        session = boto3.Session()
        found = session.get_credentials()
        frozen = None if found is None else found.get_frozen_credentials()
        if frozen is None or frozen.access_key is None or frozen.secret_key is None:
            raise NoCredentialsError
    return SigningAccess(
        access_key=frozen.access_key,
        secret_key=frozen.secret_key,
        session_token=frozen.token,
        region=session.region_name,
    )


class _Once(Generic[T]):
    """Makes a client when it is first asked for, and only then.

    Args:
        make: makes it.
    """

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        self._made: T | None = None

    def __call__(self) -> T:
        """Return the client."""
        with _ONE_AT_A_TIME:
            if self._made is None:
                self._made = self._make()
            return self._made
