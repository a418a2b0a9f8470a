"""A check of credentials: the cheapest call that proves each of them, made with what the function itself runs with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prompt_cache_warmer.adapters.credential_proof import prove
from prompt_cache_warmer.errors import SecretUnreadableError, WarmCallError
from prompt_cache_warmer.rules.credentials import CredentialCheck
from prompt_cache_warmer.values.credentials import Bedrock
from prompt_cache_warmer.values.document import DEFAULT_CREDENTIAL
from prompt_cache_warmer.wiring.credentials import credential_clients

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from prompt_cache_warmer.adapters.credential_clients import CredentialClients
    from prompt_cache_warmer.settings import Settings
    from prompt_cache_warmer.values.credentials import Keyless

CHECK_TIMEOUT_SECONDS = 10.0  # a count takes a fraction of a second; a person waits for all of them
# Models that every provider has had for a year, for credentials of which no target is known.
_CLAUDE_MODEL, _BEDROCK_MODEL = "claude-haiku-4-5", "anthropic.claude-haiku-4-5-20251001-v1:0"
_UNREADABLE = "Look at the secret or parameter the message names, and at what the role may read."


async def check_credentials(
    settings: Settings,
    names: Sequence[str] | None = None,
    *,
    models: Mapping[str, str] | None = None,
    timeout_seconds: float = CHECK_TIMEOUT_SECONDS,
) -> tuple[CredentialCheck, ...]:
    """Prove credentials, each by the cheapest call there is: a count of tokens, which is free, where one is offered.

    Amazon Bedrock's InvokeModel counts none: there a request without a message is sent, which is refused, and free,
    once signature and role were accepted. No warm call is made and nothing is remembered.

    Args:
        settings: what the function runs with.
        names: which credentials, in the order of the answer; all that there are, by name, when absent.
        models: a model to ask with, by the credential's name: one of a target that uses it. Others are asked with
            a model that every provider offers.
        timeout_seconds: how long one call may take.

    Returns:
        What was found of each; nothing is raised for a credential that does not work. A source that cannot be read
        at all is the problem of every name that was asked for, or of the name ``default``.
    """
    clients = credential_clients(settings)
    try:
        try:
            asked = tuple(await clients.names() if names is None else dict.fromkeys(names))
        except SecretUnreadableError as error:
            asked = tuple(settings.keyless)
            unread = CredentialCheck(
                name=DEFAULT_CREDENTIAL, kind="stored key", problem=f"{error}.", advice=_UNREADABLE
            )
            found = [await _check(name, clients, settings.keyless, models or {}, timeout_seconds) for name in asked]
            return (unread, *found)
        return tuple([await _check(name, clients, settings.keyless, models or {}, timeout_seconds) for name in asked])
    finally:
        await clients.close()


async def _check(
    name: str,
    clients: CredentialClients,
    keyless: Mapping[str, Keyless],
    models: Mapping[str, str],
    timeout_seconds: float,
) -> CredentialCheck:
    kind, region = "unknown", None
    try:
        meant = await clients.meant(name)
        own = keyless.get(meant)
        kind = f"API key in {await clients.label(meant)}" if own is None else own.words
        region = getattr(own, "region", None)
        fallback = _BEDROCK_MODEL if isinstance(own, Bedrock) else _CLAUDE_MODEL
        proven = await prove(clients, name, models.get(name, fallback), timeout_seconds=timeout_seconds)
    except SecretUnreadableError as error:
        return CredentialCheck(name=name, kind="stored key", problem=f"{error}.", advice=_UNREADABLE)
    except WarmCallError as error:
        return CredentialCheck(
            name=name,
            kind=kind,
            region=region,
            workspace_id=error.workspace_id,
            problem=f"{str(error).rstrip('.')}.",
            advice=error.advice,
        )
    return CredentialCheck(
        name=name,
        kind=kind if meant == name else f"{kind} (as {meant})",
        proof=proven.words,
        workspace_id=proven.workspace_id,
        region=proven.region or region,
    )
