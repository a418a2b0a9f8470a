"""The one exception that every refusal of the emulator is, in the API's own words.

Where the wording of the real API is known from public reports it is used as it stands, so that a
client that (wrongly) reads messages meets the real ones.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

OVERLOADED_STATUS = 529  # not in the HTTP registry; the API uses it for `overloaded_error`

ERROR_TYPES: dict[int, str] = {
    HTTPStatus.BAD_REQUEST: "invalid_request_error",
    HTTPStatus.UNAUTHORIZED: "authentication_error",
    HTTPStatus.PAYMENT_REQUIRED: "billing_error",
    HTTPStatus.FORBIDDEN: "permission_error",
    HTTPStatus.NOT_FOUND: "not_found_error",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "request_too_large",
    HTTPStatus.TOO_MANY_REQUESTS: "rate_limit_error",
    HTTPStatus.INTERNAL_SERVER_ERROR: "api_error",
    HTTPStatus.GATEWAY_TIMEOUT: "timeout_error",
    OVERLOADED_STATUS: "overloaded_error",
}
"""The `error.type` that belongs to each status, from the API's page of errors."""

FALLBACK_ERROR_TYPE = "api_error"


class ApiError(Exception):
    """A refusal, as the API would word it.

    Attributes:
        status: the HTTP status.
        error_type: `error.type` of the body; the one that belongs to the status unless given.
        message: `error.message` of the body.
        error_code: `error.details.error_code`; None leaves `details` out.
        headers: further response headers, such as `retry-after`.
    """

    def __init__(
        self,
        *,
        status: int,
        message: str,
        error_type: str | None = None,
        error_code: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = int(status)
        self.error_type = error_type or ERROR_TYPES.get(self.status, FALLBACK_ERROR_TYPE)
        self.message = message
        self.error_code = error_code
        self.headers = headers or {}

    def as_json(self, *, request_id: str) -> dict[str, Any]:
        """Render the refusal as the body of a response."""
        error: dict[str, Any] = {"type": self.error_type, "message": self.message}
        if self.error_code is not None:
            error["details"] = {"error_code": self.error_code}
        return {"type": "error", "error": error, "request_id": request_id}


def invalid_request(message: str) -> ApiError:
    """Make the 400 that nearly every rule of a request answers with."""
    return ApiError(status=HTTPStatus.BAD_REQUEST, message=message)
