"""Which workspace a request's credential resolves to."""

from __future__ import annotations

import hashlib
from http import HTTPStatus
from typing import TYPE_CHECKING

from infra.local.messages_api.errors import ApiError

if TYPE_CHECKING:
    from collections.abc import Mapping

_BEARER = "bearer "
_WORKSPACE_ID_HEX_DIGITS = 24  # as many characters as the ids of real workspaces have after their prefix


def resolve_workspace(headers: Mapping[str, str], api_keys: Mapping[str, str] | None) -> str:
    """Find the workspace of `x-api-key` or `authorization: Bearer`; header names are in lower case.

    With no `api_keys` every credential is accepted, and its workspace id is made from its hash.

    Raises:
        ApiError: 401, there is no credential or it is unknown.
    """
    credential = _credential(headers)
    if not credential:
        raise _unauthenticated("x-api-key header is required")
    if api_keys is None:
        return f"wrkspc_{hashlib.sha256(credential.encode()).hexdigest()[:_WORKSPACE_ID_HEX_DIGITS]}"
    if credential not in api_keys:
        raise _unauthenticated("invalid x-api-key")
    return api_keys[credential]


def _credential(headers: Mapping[str, str]) -> str:
    if "x-api-key" in headers:
        return headers["x-api-key"].strip()
    authorization = headers.get("authorization", "")
    return authorization[len(_BEARER) :].strip() if authorization.lower().startswith(_BEARER) else ""


def _unauthenticated(message: str) -> ApiError:
    return ApiError(status=HTTPStatus.UNAUTHORIZED, message=message)
