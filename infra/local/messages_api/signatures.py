"""AWS signatures, verified: the signature is made again over the request as it was received, with the caller's secret.

The signing is botocore's own, so that it agrees with every client; only what the request says was signed is signed.
How old a signature is is not looked at: the emulator's clock is moved by hours.
"""

from __future__ import annotations

import hmac
import re
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from infra.local.messages_api.errors import ApiError

if TYPE_CHECKING:
    from collections.abc import Mapping

PLATFORM_SERVICE = "aws-external-anthropic"
WORKSPACE_HEADER = "anthropic-workspace-id"
COUNTING = "/count_tokens"
ACTIONS = {
    PLATFORM_SERVICE: ("CreateInference", "CountTokens"),
    "bedrock-mantle": ("CreateInference", "CountTokens"),
    "bedrock": ("InvokeModel", "InvokeModel"),
}
"""The IAM action of a message and of a count, by the service that is signed for."""

_SIGNATURE = re.compile(
    r"AWS4-HMAC-SHA256 Credential=(?P<key_id>[^/]+)/\d{8}/(?P<region>[^/]+)/(?P<service>[^/]+)/aws4_request, "
    r"SignedHeaders=(?P<names>[^,]+), Signature=(?P<signature>[0-9a-f]{64})"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class AwsCaller:
    """One AWS identity.

    Attributes:
        secret_key: what its requests are signed with.
        workspaces: the workspaces of Claude Platform on AWS it may use.
        actions: what it may do, such as `bedrock:InvokeModel`; None for all.
    """

    secret_key: str = field(repr=False)
    workspaces: tuple[str, ...] = ()
    actions: frozenset[str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedRequest:
    """A request as it was received; header names are in lower case."""

    method: str
    url: str
    headers: Mapping[str, str]
    raw_body: bytes


def is_signed(headers: Mapping[str, str]) -> bool:
    """Tell whether a request says that it is signed."""
    return headers.get("authorization", "").startswith("AWS4-")


def verified_account(request: SignedRequest, callers: Mapping[str, AwsCaller]) -> str:
    """Check who signed a request and whether they may; returns whose caches it uses.

    Raises:
        ApiError: 403, in AWS's words.
    """
    signed = _SIGNATURE.fullmatch(request.headers.get("authorization", ""))
    if signed is None:
        raise _denied("IncompleteSignatureException", "Authorization header requires a SigV4 signature.")
    caller = callers.get(signed["key_id"])
    if caller is None:
        raise _denied("UnrecognizedClientException", "The security token included in the request is invalid.")
    expected = _signature(request, signed["names"].split(";"), signed, caller)
    if not hmac.compare_digest(expected, signed["signature"]):
        message = "The request signature we calculated does not match the signature you provided."
        raise _denied("InvalidSignatureException", message)
    service = signed["service"]
    if service not in ACTIONS:
        raise _denied("InvalidSignatureException", f"Credential should be scoped to a known service, not {service}.")
    action = f"{service}:{ACTIONS[service][request.url.partition('?')[0].endswith(COUNTING)]}"
    if caller.actions is not None and action not in caller.actions:
        raise _denied("AccessDeniedException", f"User: {signed['key_id']} is not authorized to perform: {action}")
    if service != PLATFORM_SERVICE:
        return f"account of {signed['key_id']}"
    workspace = request.headers.get(WORKSPACE_HEADER, "")
    if workspace not in caller.workspaces:
        raise _denied("AccessDeniedException", f"User: {signed['key_id']} is not authorized to use this workspace")
    return workspace


def _signature(request: SignedRequest, names: list[str], signed: re.Match[str], caller: AwsCaller) -> str:
    headers = {name: request.headers.get(name, "") for name in names}
    again = AWSRequest(method=request.method, url=request.url, headers=headers, data=request.raw_body)
    again.context["timestamp"] = request.headers.get("x-amz-date", "")
    signer = SigV4Auth(Credentials(signed["key_id"], caller.secret_key), signed["service"], signed["region"])
    return str(signer.signature(signer.string_to_sign(again, signer.canonical_request(again)), again))


def _denied(kind: str, message: str) -> ApiError:
    return ApiError(status=HTTPStatus.FORBIDDEN, error_type=kind, message=message)
