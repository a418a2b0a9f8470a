"""The Messages API as other providers offer it: their paths, bodies and credentials, as the API's own.

What the client classes of the SDK (2.12) send:

| client | path | model | version | credential |
|---|---|---|---|---|
| `Anthropic`, `AnthropicAWS` | `/v1/messages` | body | header | `x-api-key`, Bearer or SigV4 |
| `AnthropicFoundry`, `AnthropicBedrockMantle` | `/anthropic/v1/messages` | body | header | `api-key`, Bearer or SigV4 |
| `AnthropicGoogleCloud` | `/v1/projects/P/locations/L/workspaces/W/invoke/v1/messages` | body | header | Bearer |
| `AnthropicVertex` | `/v1/projects/P/locations/L/publishers/anthropic/models/M:rawPredict` | path | body | Bearer |
| `AnthropicBedrock` | `/model/M/invoke` | path | body | SigV4 or Bearer |

Vertex streams from `:streamRawPredict` and counts with the model `count-tokens`; Bedrock streams from
`invoke-with-response-stream` in AWS's binary event stream, takes betas in the body and cannot count.

**Credentials**: whatever names the caller is one key of the emulator: `x-api-key`, else `api-key`, else the
Bearer token, else the access key id of a SigV4 signature. Unless `aws_callers` are given, signatures are not checked,
and a workspace, project or location that a header or path names is not looked at: the key alone decides on the
workspace. **Regions**: a signature for Bedrock names one, and each has a cache of its own; other requests have none.

**InvokeModel** refuses in AWS's shape, says no workspace, and refuses the API version of the SDK for the ids of models
before Claude 4.7, as Anthropic's page on them says. What is not imitated: the other providers' shapes of refusals,
their other minimums, and models whose names the tables do not know (minimum 1,024 tokens).
"""

from __future__ import annotations

import base64
import json
import re
import struct
import zlib
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from infra.local.messages_api.emulator import COUNT_TOKENS_PATH, MESSAGES_PATH
from infra.local.messages_api.errors import ERROR_TYPES, OVERLOADED_STATUS, ApiError, invalid_request

if TYPE_CHECKING:
    from collections.abc import Mapping

EVENT_STREAM = "text/event-stream"
AWS_EVENT_STREAM = "application/vnd.amazon.eventstream"

_IN_FRONT = re.compile(r"/anthropic|/v1/projects/[^/]+/locations/[^/]+/workspaces/[^/]+/invoke")
_VERTEX = re.compile(
    r"/v1/projects/[^/]+/locations/[^/]+/publishers/anthropic/models/(?P<model>.+):(?P<verb>rawPredict|streamRawPredict)"
)
_BEDROCK = re.compile(r"/model/(?P<model>.+)/(?P<verb>invoke|invoke-with-response-stream)")
_VERTEX_COUNTING = "count-tokens"  # stands in the place of the model; the model itself stands in the body
_SIGNED_BY = re.compile(r"AWS4-HMAC-SHA256 Credential=(?P<key_id>[^/]+)/")
_SIGNED_FOR = re.compile(r"Credential=[^/]+/\d+/(?P<region>[^/]+)/(?:bedrock|bedrock-mantle)/aws4_request")
_HEADER_OF_FIELD = {"anthropic_version": "anthropic-version", "anthropic_beta": "anthropic-beta"}
_UNREAD = "unread"  # a version for a body that cannot be read, so that the body is what is refused
_LATE_VERSION = "2026-10-21"
# The ids of models that do not take it: Claude 3, and Claude 4 up to 4.6.
_EARLY_MODEL = re.compile(r"(?:.*[./])?anthropic\.claude-(?:3|[a-z]+-4(?:-[0-6])?(?!\d|-[7-9]))(?:-.*)?")
_AWS_TYPES: dict[int, str] = {
    HTTPStatus.BAD_REQUEST: "ValidationException",
    HTTPStatus.UNAUTHORIZED: "UnrecognizedClientException",
    HTTPStatus.FORBIDDEN: "AccessDeniedException",
    HTTPStatus.NOT_FOUND: "ResourceNotFoundException",
    HTTPStatus.REQUEST_TIMEOUT: "ModelTimeoutException",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "ValidationException",
    HTTPStatus.TOO_MANY_REQUESTS: "ThrottlingException",
    HTTPStatus.INTERNAL_SERVER_ERROR: "InternalServerException",
    HTTPStatus.SERVICE_UNAVAILABLE: "ServiceUnavailableException",
    OVERLOADED_STATUS: "ServiceUnavailableException",
}
"""What InvokeModel calls a refusal, by its status; from botocore's model of it."""

_STRING_HEADER = 7  # the type of a header's value in an AWS event stream


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A provider's request as the Messages API's own.

    Attributes:
        path: the path of the API.
        headers: the headers, names in lower case, with the version and the betas.
        raw_body: the body, with the model.
        stream_type: the content type in which an answer is streamed.
    """

    path: str
    headers: Mapping[str, str]
    raw_body: bytes
    stream_type: str = EVENT_STREAM

    def encode(self, event: bytes) -> bytes:
        """Put an event of a stream in the form in which the provider sends it."""
        return _aws_message(event) if self.stream_type == AWS_EVENT_STREAM else event


def with_key(headers: Mapping[str, str]) -> dict[str, str]:
    """Name the caller in `x-api-key`, whichever way the provider does; a Bearer token stays where it is."""
    signed = _SIGNED_BY.match(headers.get("authorization", ""))
    key = headers.get("x-api-key") or headers.get("api-key") or (signed["key_id"] if signed else None)
    return dict(headers) if key is None else {**headers, "x-api-key": key}


def bedrock_region(headers: Mapping[str, str]) -> str | None:
    """Read the AWS region a request to Bedrock is signed for; header names are in lower case."""
    signed = _SIGNED_FOR.search(headers.get("authorization", ""))
    return signed["region"] if signed else None


def is_invoke_model(path: str) -> bool:
    """Tell whether a path is one of Bedrock's InvokeModel."""
    return _BEDROCK.fullmatch(path) is not None


def refusal(path: str, error: ApiError, *, request_id: str) -> tuple[int, dict[str, Any], dict[str, str]]:
    """Render a refusal as the provider would: its status, body and headers."""
    if not is_invoke_model(path):
        return error.status, error.as_json(request_id=request_id), error.headers
    status = HTTPStatus.FORBIDDEN if error.status == HTTPStatus.UNAUTHORIZED else error.status
    own = error.error_type if error.error_type not in ERROR_TYPES.values() else None
    kind = own or _AWS_TYPES.get(error.status, "InternalServerException")
    address = "http://internal.amazon.com/coral/com.amazon.bedrock/"
    return int(status), {"message": error.message}, {**error.headers, "x-amzn-errortype": f"{kind}:{address}"}


def first_party(path: str, headers: Mapping[str, str], raw_body: bytes) -> Asked:
    """Turn a provider's request into the Messages API's own; any other stays as it is.

    Raises:
        ApiError: 400, the body has a field that the provider takes from the path.
    """
    if vertex := _VERTEX.fullmatch(path):
        if vertex["model"] == _VERTEX_COUNTING:
            return _unwrapped(COUNT_TOKENS_PATH, headers, raw_body, {})
        return _unwrapped(MESSAGES_PATH, headers, raw_body, {"model": vertex["model"]})
    if bedrock := _BEDROCK.fullmatch(path):
        named = {"model": bedrock["model"], "stream": bedrock["verb"] != "invoke"}
        asked = _unwrapped(MESSAGES_PATH, headers, raw_body, named, stream_type=AWS_EVENT_STREAM)
        if asked.headers.get("anthropic-version") == _LATE_VERSION and _EARLY_MODEL.fullmatch(bedrock["model"]):
            raise invalid_request("anthropic_version: Input should be 'bedrock-2023-05-31'")
        return asked
    in_front = _IN_FRONT.match(path)
    return Asked(path=path[in_front.end() :] if in_front else path, headers=headers, raw_body=raw_body)


def _unwrapped(
    path: str, headers: Mapping[str, str], raw_body: bytes, named: dict[str, Any], *, stream_type: str = EVENT_STREAM
) -> Asked:
    """Move what the path names into the body, and what the body says of version and betas into the headers."""
    try:
        body = json.loads(raw_body)
    except (ValueError, RecursionError):
        body = None
    if not isinstance(body, dict):
        return Asked(path=path, headers={**headers, "anthropic-version": _UNREAD}, raw_body=raw_body)
    for field in named:
        if field in body:
            raise invalid_request(f"{field}: Extra inputs are not permitted")
    moved = {name: _as_header(body.pop(field)) for field, name in _HEADER_OF_FIELD.items() if field in body}
    wrapped = {name: value for name, value in headers.items() if name != "anthropic-version"}
    return Asked(
        path=path,
        headers={**wrapped, **moved},
        raw_body=json.dumps({**named, **body}).encode(),
        stream_type=stream_type,
    )


def _as_header(value: object) -> str:
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)


def _aws_message(event: bytes) -> bytes:
    """Frame an event as AWS does: lengths, their checksum, headers, payload, checksum of it all."""
    data = event.partition(b"data: ")[2].strip()
    payload = json.dumps({"bytes": base64.b64encode(data).decode()}).encode()
    headers = b"".join(
        _aws_header(name, value)
        for name, value in (
            (":event-type", "chunk"),
            (":content-type", "application/json"),
            (":message-type", "event"),
        )
    )
    around_bytes = 16  # two lengths and two checksums of four bytes each
    lengths = struct.pack("!II", around_bytes + len(headers) + len(payload), len(headers))
    message = lengths + struct.pack("!I", zlib.crc32(lengths)) + headers + payload
    return message + struct.pack("!I", zlib.crc32(message))


def _aws_header(name: str, value: str) -> bytes:
    return (
        struct.pack("!B", len(name)) + name.encode() + struct.pack("!BH", _STRING_HEADER, len(value)) + value.encode()
    )
