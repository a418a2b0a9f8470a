"""A check of credentials: the cheapest call that proves each of them, made with what the function itself runs with."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from prompt_cache_warmer.adapters.credential_proof import Proven, prove
from prompt_cache_warmer.errors import (
    CallTimeoutError,
    RejectedError,
    SecretUnreadableError,
    SpendLimitError,
    UnreachableError,
    WarmCallError,
)
from prompt_cache_warmer.rules.credentials import CredentialCheck
from prompt_cache_warmer.values.credentials import Bedrock
from prompt_cache_warmer.values.document import DEFAULT_CREDENTIAL
from prompt_cache_warmer.values.problems import shown
from prompt_cache_warmer.wiring.checkup.asking import is_denied
from prompt_cache_warmer.wiring.credentials import credential_clients

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from prompt_cache_warmer.adapters.credential_clients import CredentialClients
    from prompt_cache_warmer.settings import Settings
    from prompt_cache_warmer.values.credentials import Keyless

CHECK_TIMEOUT_SECONDS = 10.0  # a count takes a fraction of a second; a person waits for all of them
# Models that every provider has had for a year, for credentials of which no target is known.
_CLAUDE_MODEL, _BEDROCK_MODEL = "claude-haiku-4-5", "anthropic.claude-haiku-4-5-20251001-v1:0"
MAX_MODELS = 5  # of one credential: each is a call, and a workspace's limit counts them all
_UNREADABLE = "Look at the secret or parameter the message names, and at what the role may read."


async def check_credentials(
    settings: Settings,
    names: Sequence[str] | None = None,
    *,
    models: Mapping[str, Sequence[str]] | None = None,
    timeout_seconds: float = CHECK_TIMEOUT_SECONDS,
) -> tuple[CredentialCheck, ...]:
    """Prove credentials, each by the cheapest call there is: a count of tokens, which is free, where one is offered.

    Amazon Bedrock's InvokeModel counts none: there a request without a message is sent, which is refused, and free,
    once signature and role were accepted. No warm call is made and nothing is remembered.

    Args:
        settings: what the function runs with.
        names: which credentials, in the order of the answer; all that there are, by name, when absent.
        models: the models to ask with, by the credential's name: those of the targets that use it, of which the first
            MAX_MODELS are asked. Others are asked with a model that every provider offers.
        timeout_seconds: how long one credential may take; they are asked beside each other.

    Returns:
        What was found of each; nothing is raised for a credential that does not work. A source that cannot be read
        at all is the problem of every name that was asked for, or of the name ``default``.
    """
    clients = credential_clients(settings)
    unread: tuple[CredentialCheck, ...] = ()
    try:
        try:
            asked = tuple(await clients.names() if names is None else dict.fromkeys(names))
        except SecretUnreadableError as error:
            asked, unread = tuple(settings.keyless), (_unread(DEFAULT_CREDENTIAL, error),)
        checks = (
            _check(name, clients, settings.keyless, tuple((models or {}).get(name, ())), timeout_seconds)
            for name in asked
        )
        return (*unread, *await asyncio.gather(*checks))
    finally:
        await clients.close()


async def _check(
    name: str,
    clients: CredentialClients,
    keyless: Mapping[str, Keyless],
    models: Sequence[str],
    timeout_seconds: float,
) -> CredentialCheck:
    kind, own = "unknown", None
    try:
        async with asyncio.timeout(timeout_seconds):
            meant = await clients.meant(name)
            own = keyless.get(meant)
            kind = f"API key in {await clients.label(meant)}" if own is None else own.words
            asked = models[:MAX_MODELS] or [_BEDROCK_MODEL if isinstance(own, Bedrock) else _CLAUDE_MODEL]
            proven = await _prove_all(clients, name, asked, timeout_seconds)
    except SecretUnreadableError as error:
        return _unread(name, error)
    except TimeoutError:
        return _failed(name, kind, own, CallTimeoutError(f"no answer within {timeout_seconds:g} s"))
    except WarmCallError as error:
        return _failed(name, kind, own, error)
    some = f", with {MAX_MODELS} of its {len(models)} models" if len(models) > MAX_MODELS else ""
    return CredentialCheck(
        name=name,
        kind=kind if meant == name else f"{kind} (as {meant})",
        proof=f"{proven.words}{some}",
        workspace_id=proven.workspace_id,
        region=proven.region or getattr(own, "region", None),
        is_of_asker=own is not None,
    )


async def _prove_all(clients: CredentialClients, name: str, models: Sequence[str], timeout_seconds: float) -> Proven:
    """Prove a credential with several models beside each other.

    Raises:
        WarmCallError: what the first model that fails met; it names the model where that is what was refused.
        SecretUnreadableError: when there are no credentials at all.
    """
    asked = [prove(clients, name, model, timeout_seconds=timeout_seconds) for model in models]
    found = await asyncio.gather(*asked, return_exceptions=True)  # so that none goes on after its client is closed
    for model, one in zip(models, found, strict=True):
        if isinstance(one, RejectedError):
            raise RejectedError(
                f"model {shown(model)}: {one}", http_status=one.http_status, workspace_id=one.workspace_id
            ) from one
        if isinstance(one, BaseException):
            raise one
    return next(one for one in found if isinstance(one, Proven))


def _unread(name: str, error: SecretUnreadableError) -> CredentialCheck:
    return CredentialCheck(
        name=name, kind="stored key", problem=f"{error}.", advice=_UNREADABLE, is_of_asker=is_denied(error)
    )


def _failed(name: str, kind: str, own: Keyless | None, error: WarmCallError) -> CredentialCheck:
    """Say why a credential could not be proven, and whether that may be for who asked, or from where."""
    if own is None:
        is_of_asker = is_denied(error) or (isinstance(error, UnreachableError) and error.http_status is None)
    else:  # what is refused of the request itself, or for the bill, would meet the function too
        is_of_asker = not isinstance(error, RejectedError | SpendLimitError)
    return CredentialCheck(
        name=name,
        kind=kind,
        region=getattr(own, "region", None),
        workspace_id=error.workspace_id,
        problem=f"{str(error).rstrip('.')}.",
        advice=error.advice,
        is_of_asker=is_of_asker,
    )
