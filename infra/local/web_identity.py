"""A stand-in for the one STS call that moto lacks: `GetWebIdentityToken`, over the same HTTP as the real one.

It answers a form of the STS query protocol with an identity token, signed as STS signs them by a key of this
process, whose subject is the role of the local function. Nothing else of STS is here: the rest is moto's.
"""

from __future__ import annotations

import time
from functools import cache
from typing import TYPE_CHECKING
from urllib.parse import parse_qs
from xml.sax.saxutils import escape

from joserfc import jwt
from joserfc.jwk import RSAKey

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

SUBJECT = "arn:aws:iam::123456789012:role/prompt-cache-warmer-local"
ISSUER = "https://00000000-0000-4000-8000-000000000000.tokens.sts.global.api.aws"
_ACTION = b"Action=GetWebIdentityToken&"
_DEFAULT_SECONDS = 300
_KEY_BITS = 2048
_HEADERS = [("Content-Type", "text/xml"), ("x-amzn-RequestId", "local")]
_ANSWER = """<GetWebIdentityTokenResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
<GetWebIdentityTokenResult><WebIdentityToken>{token}</WebIdentityToken><Expiration>{until}</Expiration>
</GetWebIdentityTokenResult><ResponseMetadata><RequestId>local</RequestId></ResponseMetadata>
</GetWebIdentityTokenResponse>"""
_REFUSAL = """<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type>
<Code>{code}</Code><Message>The local STS was told to refuse.</Message></Error><RequestId>local</RequestId>
</ErrorResponse>"""


@cache
def signing_key() -> RSAKey:
    """Return the key of this process's STS; its public half is what a federation rule knows."""
    return RSAKey.generate_key(_KEY_BITS)


def wants_identity_token(body: bytes) -> bool:
    """Tell whether a form asks for an identity token."""
    return _ACTION in body + b"&"


def answer(body: bytes, start_response: Callable[..., Any], *, refusal: str | None) -> Iterable[bytes]:
    """Answer a form that asks for an identity token.

    Args:
        body: the form.
        start_response: WSGI's.
        refusal: the code of the error to answer with; None grants it.
    """
    if refusal is not None:
        start_response("403 Forbidden", _HEADERS)
        return [_REFUSAL.format(code=escape(refusal)).encode()]
    form = {name: values[0] for name, values in parse_qs(body.decode()).items()}
    now = int(time.time())
    until = now + int(form.get("DurationSeconds", _DEFAULT_SECONDS))
    claims = {"iss": ISSUER, "sub": SUBJECT, "aud": form["Audience.member.1"], "iat": now, "exp": until}
    token = jwt.encode({"alg": form["SigningAlgorithm"]}, claims, signing_key())
    start_response("200 OK", _HEADERS)
    stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(until))
    return [_ANSWER.format(token=token, until=stamp).encode()]
