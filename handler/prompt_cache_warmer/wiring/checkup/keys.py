"""The keys of a deployment: whether the secret can be read and is well-formed, and whether each credential works.

Nothing of a key is ever shown: a finding says where it stands and what it proved.
"""

from __future__ import annotations

import asyncio
import shlex
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from prompt_cache_warmer.adapters.api_keys import parse_keys
from prompt_cache_warmer.errors import SecretUnreadableError
from prompt_cache_warmer.rules.checkup import Finding, Named, green, not_asked, red
from prompt_cache_warmer.values.document import DEFAULT_CREDENTIAL
from prompt_cache_warmer.wiring.checkup.asking import answered, make_client
from prompt_cache_warmer.wiring.credential_check import check_credentials

if TYPE_CHECKING:
    from collections.abc import Mapping

    from prompt_cache_warmer.rules.credentials import CredentialCheck
    from prompt_cache_warmer.settings import Settings
    from prompt_cache_warmer.warm.look import Look

SECRET, CREDENTIAL = "secret", "credential"
_AS_YOU = "It was asked as you and from here, which proves nothing for the function's role"


@dataclass(frozen=True, slots=True)
class Use:
    """What the targets use a credential for.

    Attributes:
        target: one of them, by its name.
        models: all their models.
    """

    target: str
    models: tuple[str, ...]


def check_secret(secret_id: str | None) -> list[Finding]:
    """Say whether the secret can be read and holds keys."""
    if secret_id is None:
        return [not_asked(SECRET, "the function has no secret of Secrets Manager")]

    def read() -> Finding:
        text = make_client("secretsmanager").get_secret_value(SecretId=secret_id).get("SecretString", "")
        try:
            names = parse_keys(text, f"secret {secret_id!r}")
        except SecretUnreadableError as error:
            fix = f"aws secretsmanager put-secret-value --secret-id {shlex.quote(secret_id)} --secret-string file://key.txt"
            return red(SECRET, str(error), fix=fix)
        return green(SECRET, f"{secret_id} holds the keys of: {', '.join(sorted(names))}")

    return [answered(SECRET, "secretsmanager:GetSecretValue", read)]


def uses_of(found: Look) -> dict[str, Use]:
    """Say which credentials the targets use, each with its models and a target of it."""
    models: dict[str, dict[str, None]] = defaultdict(dict)
    targets: dict[str, str] = {}
    for status in found.statuses:
        models[status.entry.credential][status.entry.model] = None
        targets.setdefault(status.entry.credential, status.entry.target.name)
    return {name: Use(targets[name], tuple(of)) for name, of in models.items()}


def check_keys(settings: Settings, uses: Mapping[str, Use], named: Named) -> list[Finding]:
    """Prove each credential of the targets by the cheapest call there is, all beside each other.

    Args:
        settings: what the function runs with.
        uses: what the targets use, by the credential's name.
        named: how the deployment is named in commands.
    """
    models = {name: use.models for name, use in uses.items()}
    checks = asyncio.run(check_credentials(settings, sorted(models) or [DEFAULT_CREDENTIAL], models=models))
    return [_credential(check, uses.get(check.name), named) for check in checks]


def _credential(check: CredentialCheck, use: Use | None, named: Named) -> Finding:
    name = f"{CREDENTIAL} {check.name}"
    if check.problem is not None:
        said = f"{check.kind}: {check.problem}"
        if check.is_of_asker:
            target = "NAME" if use is None else shlex.quote(use.target)
            fix = f"let the function prove it, by two calls: prompt-cache-warmer verify {target} {named.function}"
            asked = said.partition("; check ")[0].rstrip(".")  # what the function's operator is told is not asked here
            return not_asked(name, f"{asked}. {_AS_YOU}", fix=fix)
        return red(name, said, fix=check.advice or "correct the key")
    where = [
        *([f"workspace {check.workspace_id}"] if check.workspace_id else []),
        *([f"region {check.region}"] if check.region else []),
    ]
    proof = f", proven by {check.proof}" if check.proof else ""
    return green(name, ", ".join([check.kind, *where]) + proof + (f". {_AS_YOU}" if check.is_of_asker else ""))
