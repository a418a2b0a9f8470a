"""Whether it is AWS that answers: a proxy's page is no answer, and an address that is none is told by its own name.

botocore reads whatever comes with status 200, and leaves out what it does not find: a write that a proxy answered
would pass for written. What is found here is an error of botocore's own tree, so that every adapter knows it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

from botocore.exceptions import BotoCoreError

from prompt_cache_warmer.adapters.aws_reading import READERS

if TYPE_CHECKING:
    from collections.abc import Callable

_FIRST_REDIRECT_STATUS = 300
FIRST_SERVER_STATUS = 500
_REQUEST_ID = re.compile(r"x-amzn?-request-?id", re.IGNORECASE)  # S3's, and everybody else's
_PAGE = re.compile(rb"\s*<(!doctype|html)", re.IGNORECASE)
_IS_JSON = re.compile(rb"\s*\{.*\}\s*", re.DOTALL)
_INVALID = "Invalid endpoint: "


class NotAwsError(BotoCoreError):
    """Something that is not AWS answered in its place."""

    fmt = "something that is not AWS answered"


class EndpointAddressError(BotoCoreError):
    """AWS is said to be at an address that is none."""

    fmt = "AWS_ENDPOINT_URL={address!r} is no http(s):// address"


def checked(make: Callable[..., Any], service: str, **arguments: Any) -> Any:  # noqa: ANN401 - boto3's clients have no common type
    """Make a client whose answers are checked to be AWS's.

    Args:
        make: makes a boto3 client.
        service: of which service.
        arguments: the client's own.

    Raises:
        EndpointAddressError: when the address that is configured for AWS is none.
        BotoCoreError: when nothing says which region is meant, or there is no such profile.
    """
    try:
        client = make(service, **arguments)
    except ValueError as error:  # botocore's own word for it
        if not str(error).startswith(_INVALID):
            raise
        raise EndpointAddressError(address=str(error).removeprefix(_INVALID)) from error
    meta = getattr(client, "meta", None)
    if meta is not None:  # an application's own session may make clients that are not botocore's
        event = f"before-parse.{meta.service_model.service_id.hyphenize()}"
        meta.events.register(event, check_answer)
        for operation, read in READERS.get(service, {}).items():
            meta.events.register(f"{event}.{operation}", read)
    return client


def check_answer(*, operation_model: Any, response_dict: dict[str, Any], **_: object) -> None:  # noqa: ANN401 - botocore's own
    """Check an answer before botocore reads it; a handler of its event ``before-parse``.

    Raises:
        NotAwsError: when it is none of AWS's.
    """
    status, body = response_dict["status_code"], response_dict["body"]
    if status >= FIRST_SERVER_STATUS:
        if not _is_readable(body):
            response_dict["body"] = b""  # then botocore goes by the status, and asks again
        return
    if not isinstance(body, bytes):  # a stream: whoever reads it looks at its headers
        return
    is_named = any(_REQUEST_ID.fullmatch(name) for name in response_dict["headers"])
    if status >= _FIRST_REDIRECT_STATUS:
        if body.strip() and not _is_readable(body):
            raise NotAwsError
    elif not is_named or not _is_output(body, operation_model):
        raise NotAwsError


def _is_output(body: bytes, operation_model: Any) -> bool:  # noqa: ANN401 - botocore's own
    """Tell whether a body is of the service's own kind; what has no output may have none."""
    if not body.strip():
        return operation_model.output_shape is None or operation_model.service_model.resolved_protocol != "json"
    return _is_readable(body)


def _is_readable(body: bytes) -> bool:
    """Tell whether a body is a JSON object or XML, and no page for people."""
    if _PAGE.match(body):
        return False
    if _IS_JSON.fullmatch(body):
        return True
    try:
        ET.fromstring(body)  # noqa: S314 - botocore reads the same bytes with the same parser right after
    except ET.ParseError:
        return False
    return True
