"""The keys of a deployment: whether the secret can be read and is well-formed, and whether each credential works.

Nothing of a key is ever shown: a finding says where it stands and what it proved.
"""

from __future__ import annotations

import asyncio
import shlex
from typing import TYPE_CHECKING

from prompt_cache_warmer.adapters.api_keys import parse_keys
from prompt_cache_warmer.errors import SecretUnreadableError
from prompt_cache_warmer.rules.checkup import Finding, green, not_asked, red
from prompt_cache_warmer.values.document import DEFAULT_CREDENTIAL
from prompt_cache_warmer.wiring.checkup.asking import answered, make_client
from prompt_cache_warmer.wiring.credential_check import check_credentials

if TYPE_CHECKING:
    from collections.abc import Mapping

    from prompt_cache_warmer.settings import Settings

SECRET, CREDENTIAL = "secret", "credential"


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


def check_keys(settings: Settings, models: Mapping[str, str]) -> list[Finding]:
    """Prove each credential of the targets by the cheapest call there is.

    Args:
        settings: what the function runs with.
        models: a model to ask with, by the name of the credential that uses it; the names are those of the targets.
    """
    names = sorted(models) or [DEFAULT_CREDENTIAL]
    findings = []
    for check in asyncio.run(check_credentials(settings, names, models=models)):
        name = f"{CREDENTIAL} {check.name}"
        if check.problem is not None:
            findings.append(red(name, f"{check.kind}: {check.problem}", fix=check.advice or "correct the key"))
            continue
        where = [
            *([f"workspace {check.workspace_id}"] if check.workspace_id else []),
            *([f"region {check.region}"] if check.region else []),
        ]
        proof = f", proven by {check.proof}" if check.proof else ""
        findings.append(green(name, ", ".join([check.kind, *where]) + proof))
    return findings
