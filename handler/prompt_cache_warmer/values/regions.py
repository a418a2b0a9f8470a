"""Regions: which AWS region a request to Amazon Bedrock went to, read off the request itself.

Bedrock keeps a cache per region, and its answers do not say where they come from. A signed request does: its
signature is bound to one region, whatever host it was sent through.
"""

from __future__ import annotations

import re

# The credential scope of a signature: <key id>/<day>/<region>/<service>/aws4_request.
_SCOPE = re.compile(r"Credential=[^/,\s]+/\d{8}/([a-z0-9-]{1,32})/bedrock(?:-mantle)?/aws4_request")
# Bedrock's own hosts: the runtime, and the Messages endpoint.
_HOST = re.compile(
    r"(?:bedrock-runtime(?:-fips)?|bedrock-mantle)\.([a-z0-9-]{1,32})\.(?:amazonaws\.com(?:\.cn)?|api\.aws)(?::\d+)?"
)


def region_of(host: str, authorization: str | None) -> str | None:
    """Return the AWS region a request to Bedrock went to, None for a request that went elsewhere.

    Args:
        host: the request's host, with or without a port.
        authorization: its ``Authorization`` header, None where it has none; only the region is taken from it.
    """
    signed = _SCOPE.search(authorization or "")
    if signed is not None:
        return signed[1]
    named = _HOST.fullmatch(host.lower())
    return None if named is None else named[1]
