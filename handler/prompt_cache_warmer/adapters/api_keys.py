"""Stored API keys by credential name: in Secrets Manager, in an SSM parameter or, on one's own machine, at hand.

What is stored is either the key as plain text, which is the credential ``default``, or a JSON object of
credential names to keys.
"""

from __future__ import annotations

import asyncio
import json
import re
from typing import TYPE_CHECKING, Any, Protocol

from botocore.exceptions import BotoCoreError, ClientError

from prompt_cache_warmer.adapters.s3_bucket import error_word
from prompt_cache_warmer.errors import SecretUnreadableError
from prompt_cache_warmer.values.credentials import KEY_BEGINNING
from prompt_cache_warmer.values.document import DEFAULT_CREDENTIAL, NAME_PATTERN

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from mypy_boto3_secretsmanager import SecretsManagerClient


# A stored key that was copied with what stood around it: JSON's quotes, a list's brackets. No key has these.
_WRAPPING = frozenset("\"'`[]{}<>")


class ParametersClient(Protocol):
    """What is used of a boto3 SSM client."""

    @property
    def get_parameter(self) -> Callable[..., Mapping[str, Any]]:
        """Read a parameter."""


class ApiKeys(Protocol):
    """Where the keys come from."""

    @property
    def label(self) -> str:
        """What it is, for a person: ``secret 'anthropic'``."""

    async def read(self) -> Mapping[str, str]:
        """Return the keys by credential name.

        Raises:
            SecretUnreadableError: when there is no usable key at all.
        """


class StaticApiKeys:
    """One key that is already at hand.

    Args:
        key: the key of the credential ``default``.
    """

    label = "ANTHROPIC_API_KEY"

    def __init__(self, key: str) -> None:
        self._keys = {DEFAULT_CREDENTIAL: key}

    async def read(self) -> Mapping[str, str]:
        """Return the one key."""
        return self._keys


class SecretApiKeys:
    """The keys of one Secrets Manager secret.

    Args:
        make_client: makes a boto3 Secrets Manager client, or returns the one it made before.
        secret_id: the secret's name or ARN.
    """

    def __init__(self, make_client: Callable[[], SecretsManagerClient], secret_id: str) -> None:
        self._make_client = make_client
        self._secret_id = secret_id

    @property
    def label(self) -> str:
        """The secret, by its name."""
        return f"secret {self._secret_id!r}"

    async def read(self) -> Mapping[str, str]:
        """Return the keys as they are in the secret now.

        Raises:
            SecretUnreadableError: when the secret cannot be read or holds no usable key.
        """
        try:
            text = await asyncio.to_thread(self._text)
        except (BotoCoreError, ClientError) as error:
            raise SecretUnreadableError(
                f"{self.label} could not be read: {error_word(error)}; "
                "check ANTHROPIC_SECRET_ID and the function's role"
            ) from error
        return parse_keys(text, self.label)

    def _text(self) -> str:
        answer = self._make_client().get_secret_value(SecretId=self._secret_id)
        return answer.get("SecretString", "")


class ParameterApiKeys:
    """The keys of one SSM parameter.

    Args:
        make_client: makes a boto3 SSM client, or returns the one it made before.
        name: the parameter's name or ARN.
    """

    def __init__(self, make_client: Callable[[], ParametersClient], name: str) -> None:
        self._make_client = make_client
        self._name = name

    @property
    def label(self) -> str:
        """The parameter, by its name."""
        return f"parameter {self._name!r}"

    async def read(self) -> Mapping[str, str]:
        """Return the keys as they are in the parameter now.

        Raises:
            SecretUnreadableError: when the parameter cannot be read or holds no usable key.
        """
        try:
            text = await asyncio.to_thread(self._text)
        except (BotoCoreError, ClientError) as error:
            raise SecretUnreadableError(
                f"{self.label} could not be read: {error_word(error)}; "
                "check ANTHROPIC_PARAMETER and the function's role"
            ) from error
        return parse_keys(text, self.label)

    def _text(self) -> str:
        answer = self._make_client().get_parameter(Name=self._name, WithDecryption=True)
        return str(answer["Parameter"]["Value"])


def parse_keys(stored: str, label: str) -> Mapping[str, str]:
    """Read the keys out of a stored text, which no error ever quotes.

    Args:
        stored: the text.
        label: what it is stored in.

    Raises:
        SecretUnreadableError: when it holds no usable key.
    """
    text = stored.strip()
    if not text.startswith("{"):
        keys: Mapping[str, object] = {DEFAULT_CREDENTIAL: text}
    else:
        try:
            keys = json.loads(text, object_pairs_hook=_without_doubles)
        except json.JSONDecodeError as error:
            raise SecretUnreadableError(f"{label} begins like JSON and is not, at character {error.pos}") from None
        except _DoubledError:
            raise SecretUnreadableError(f"{label} has a name twice: each credential has one key") from None
    if any(isinstance(key, str) and _WRAPPING & {*key} for key in keys.values()):
        raise SecretUnreadableError(
            f"{label} has a key in quotes or brackets: store the key itself, or a JSON object of names to keys"
        )
    usable = {name: key.strip() for name, key in keys.items() if isinstance(key, str) and _is_key(key.strip())}
    named = [name for name in usable if re.fullmatch(NAME_PATTERN, name) and not name.startswith(KEY_BEGINNING)]
    if not usable or len(named) != len(keys):
        raise SecretUnreadableError(
            f"{label} must be an API key as plain text, or a JSON object of credential names to keys: "
            "names of a-z, 0-9, '.', '_' and '-', keys of printable ASCII without blanks"
        )
    return usable


class _DoubledError(Exception):
    """A JSON object has a name twice."""


def _without_doubles(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise _DoubledError
    return found


def _is_key(text: str) -> bool:
    """Whether a text can travel in a header: a key with a line end or an invisible character in it cannot."""
    return bool(text) and text.isascii() and text.isprintable() and " " not in text
