"""API keys by credential name, from Secrets Manager or, on one's own machine, from the environment.

The secret is either the key as plain text, which is the credential ``default``, or a JSON object of
credential names to keys. It is read once per run, so that a rotated key is used at the next tick.
"""

from __future__ import annotations

import asyncio
import json
import re
from typing import TYPE_CHECKING, Protocol

from botocore.exceptions import BotoCoreError, ClientError

from prompt_cache_warmer.adapters.s3_bucket import error_word
from prompt_cache_warmer.errors import SecretUnreadableError
from prompt_cache_warmer.values.document import DEFAULT_CREDENTIAL, NAME_PATTERN

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mypy_boto3_secretsmanager import SecretsManagerClient


_KEY_BEGINNING = "sk-ant-"  # in the place of a name it is a key, and names are shown


class ApiKeys(Protocol):
    """Where the keys come from."""

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

    def __init__(self, key: str) -> None:
        self._keys = {DEFAULT_CREDENTIAL: key}

    async def read(self) -> Mapping[str, str]:
        """Return the one key."""
        return self._keys


class SecretApiKeys:
    """The keys of one Secrets Manager secret.

    Args:
        client: a boto3 Secrets Manager client.
        secret_id: the secret's name or ARN.
    """

    def __init__(self, client: SecretsManagerClient, secret_id: str) -> None:
        self._client = client
        self._secret_id = secret_id

    async def read(self) -> Mapping[str, str]:
        """Return the keys as they are in the secret now.

        Raises:
            SecretUnreadableError: when the secret cannot be read or holds no usable key.
        """
        try:
            answer = await asyncio.to_thread(self._client.get_secret_value, SecretId=self._secret_id)
        except (BotoCoreError, ClientError) as error:
            raise SecretUnreadableError(
                f"secret {self._secret_id!r} could not be read: {error_word(error)}; "
                "check ANTHROPIC_SECRET_ID and the function's role"
            ) from error
        return parse_keys(answer.get("SecretString", ""), self._secret_id)


def parse_keys(secret: str, secret_id: str) -> Mapping[str, str]:
    """Read the keys out of a secret's text, which no error ever quotes.

    Raises:
        SecretUnreadableError: when it holds no usable key.
    """
    text = secret.strip()
    if not text.startswith("{"):
        keys: Mapping[str, object] = {DEFAULT_CREDENTIAL: text}
    else:
        try:
            keys = json.loads(text)
        except json.JSONDecodeError as error:
            message = f"secret {secret_id!r} begins like JSON and is not, at character {error.pos}"
            raise SecretUnreadableError(message) from None
    usable = {name: key.strip() for name, key in keys.items() if isinstance(key, str) and _is_key(key.strip())}
    named = [name for name in usable if re.match(NAME_PATTERN, name) and not name.startswith(_KEY_BEGINNING)]
    if not usable or len(named) != len(keys):
        raise SecretUnreadableError(
            f"secret {secret_id!r} must be an API key as plain text, or a JSON object of credential names to keys: "
            "names of a-z, 0-9, '.', '_' and '-', keys of printable ASCII without blanks"
        )
    return usable


def _is_key(text: str) -> bool:
    """Whether a text can travel in a header: a key with a line end or an invisible character in it cannot."""
    return bool(text) and text.isascii() and text.isprintable() and " " not in text
