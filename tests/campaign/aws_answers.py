"""The answers of AWS that are no good, as each service words them."""

from __future__ import annotations

import json

from tests.campaign.wire import Request, Response

# service -> name -> status and code.
ERRORS: dict[str, dict[str, tuple[int, str]]] = {
    "s3": {
        "throttled": (503, "SlowDown"),
        "500": (500, "InternalError"),
        "denied": (403, "AccessDenied"),
        "expired": (400, "ExpiredToken"),
        "no bucket": (404, "NoSuchBucket"),
    },
    "dynamodb": {
        "throttled": (400, "ProvisionedThroughputExceededException"),
        "throttling": (400, "ThrottlingException"),
        "500": (500, "InternalServerError"),
        "denied": (400, "AccessDeniedException"),
        "no table": (400, "ResourceNotFoundException"),
        "expired": (400, "ExpiredTokenException"),
    },
    "secretsmanager": {
        "throttled": (400, "ThrottlingException"),
        "500": (500, "InternalServiceError"),
        "denied": (400, "AccessDeniedException"),
        "gone": (400, "ResourceNotFoundException"),
        "no key": (400, "DecryptionFailure"),
    },
}
_TARGET = "x-amz-target"


def service_of(request: Request) -> str:
    """Tell which service a request is for."""
    target = request.header(_TARGET)
    if target.startswith("DynamoDB_"):
        return "dynamodb"
    return "secretsmanager" if target.startswith("secretsmanager") else "s3"


def operation_of(request: Request) -> str:
    """Name the place of a request: the service, the operation and what it is about."""
    service = service_of(request)
    if service == "s3":
        path, _, query = request.target.partition("?")
        _, _, key = path.removeprefix("/").partition("/")
        if not key:
            prefix = next((part.partition("=")[2] for part in query.split("&") if part.startswith("prefix=")), "")
            return f"s3-list {prefix.replace('%2F', '/')}"
        return f"s3-get {key}"
    operation = request.header(_TARGET).rpartition(".")[2]
    if service == "dynamodb" and operation == "UpdateItem":
        (key,) = json.loads(request.body)["Key"].values()
        return f"{service}-{operation} {key['S']}"
    return f"{service}-{operation}"


def error(request: Request, name: str) -> Response:
    """Make a service's error answer."""
    service = service_of(request)
    status, code = ERRORS[service][name]
    if service == "s3":
        body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>campaign</Message></Error>".encode()
        return Response(status, (("content-type", "application/xml"),), body)
    body = json.dumps({"__type": f"com.amazonaws#{code}", "message": "campaign"}).encode()
    return Response(status, (("content-type", "application/x-amz-json-1.0"),), body)


def unprocessed(request: Request) -> Response:
    """Answer a batch read with nothing read yet."""
    asked = json.loads(request.body)["RequestItems"]
    body = json.dumps({"Responses": {}, "UnprocessedKeys": asked}).encode()
    return Response(200, (("content-type", "application/x-amz-json-1.0"),), body)


def garbled(answer: Response, name: str) -> Response:
    """Spoil an answer's body, its status left as it was."""
    body = {"html": b"<html>proxy</html>", "empty": b"", "cut": answer.body[: len(answer.body) // 2]}[name]
    kept = tuple((key, value) for key, value in answer.headers if not key.lower().startswith("x-amz-c"))
    return Response(answer.status, kept, body)
