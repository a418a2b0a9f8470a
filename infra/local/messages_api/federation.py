"""Workload identity federation: an identity token of AWS's is exchanged for one of the API's, if a rule matches.

What is checked of the identity token: its signature by the issuer's key, its audience, its subject and its age by
real time. What a rule that does not match answers is the one opaque refusal that the real endpoint documents.
"""

from __future__ import annotations

import json
import secrets
import threading
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from joserfc import jwt
from joserfc.errors import JoseError

from infra.local.messages_api.errors import ApiError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from joserfc.jwk import RSAKey

    from infra.local.messages_api.clock import EmulatorClock

TOKEN_PATH = "/v1/oauth/token"  # noqa: S105 - a path
GRANT_TYPE = "urn:ietf:params:oauth:grant-type:jwt-bearer"
EXCHANGE_BETA = "oidc-federation-2026-04-01"
BEARER_BETA = "oauth-2025-04-20"
TOKEN_SECONDS = 600  # the lifetime in the documentation's example of a rule
_TOKEN_BEGINNING = "sk-ant-oat01-local-"  # noqa: S105 - how every such token begins


@dataclass(frozen=True, slots=True, kw_only=True)
class FederationRule:
    """One rule: whose identity tokens are exchanged, and for which workspace.

    Attributes:
        key: the issuer's public key.
        organization_id: the organization the rule belongs to.
        subject: the subject an identity token must have.
        audience: the audience it must be for.
        workspaces: the workspaces the rule covers; the first is used where none is asked for and there is one.
        service_account_id: the service account it stands for; None accepts a request that names none.
    """

    key: RSAKey
    organization_id: str
    subject: str
    audience: str
    workspaces: tuple[str, ...]
    service_account_id: str | None = None


class TokenExchange:
    """Grants tokens and remembers whose they are. Safe to use from several threads."""

    def __init__(self, clock: EmulatorClock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._granted: dict[str, tuple[str, float]] = {}

    def grant(self, rules: Mapping[str, FederationRule], headers: Mapping[str, str], raw_body: bytes) -> dict[str, Any]:
        """Exchange an identity token.

        Raises:
            ApiError: 401, whatever does not match.
        """
        try:
            asked = json.loads(raw_body)
            rule = rules[asked["federation_rule_id"]]
            claims = jwt.decode(asked["assertion"], rule.key).claims
            registry = jwt.JWTClaimsRegistry(
                sub={"essential": True, "value": rule.subject},
                aud={"essential": True, "value": rule.audience},
                exp={"essential": True},
            )
            registry.validate(claims)
            workspace = asked.get("workspace_id") or (rule.workspaces[0] if len(rule.workspaces) == 1 else None)
            matches = (
                asked["grant_type"] == GRANT_TYPE,
                asked["organization_id"] == rule.organization_id,
                asked.get("service_account_id") == rule.service_account_id,
                workspace in rule.workspaces,
                EXCHANGE_BETA in headers.get("anthropic-beta", ""),
            )
        except (JoseError, ValueError, KeyError, TypeError):
            raise _refused() from None
        if not all(matches):
            raise _refused()
        token = f"{_TOKEN_BEGINNING}{secrets.token_hex(16)}"
        with self._lock:
            self._granted[token] = (str(workspace), self._clock.now_seconds() + TOKEN_SECONDS)
        return {"access_token": token, "token_type": "Bearer", "expires_in": TOKEN_SECONDS}

    def workspace_of(self, headers: Mapping[str, str]) -> str | None:
        """Return the workspace of a request with a granted token; None for one without.

        Raises:
            ApiError: 401, the token has lapsed, or the beta that goes with it is missing.
        """
        token = headers.get("authorization", "").removeprefix("Bearer ")
        with self._lock:
            found = self._granted.get(token)
        if found is None:
            return None
        workspace, until_seconds = found
        if self._clock.now_seconds() >= until_seconds or BEARER_BETA not in headers.get("anthropic-beta", ""):
            raise _refused()
        return workspace

    def forget(self) -> None:
        """Revoke every token."""
        with self._lock:
            self._granted.clear()


def _refused() -> ApiError:
    return ApiError(status=HTTPStatus.UNAUTHORIZED, message="Authentication failed")
