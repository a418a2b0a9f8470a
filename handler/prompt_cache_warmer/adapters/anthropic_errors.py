"""The SDK's errors turned into ours, by status, error type and error code; never by prose where a code exists.

Amazon Bedrock has errors of its own: their type stands in a header and their message at the body's top level. The
API's own message is quoted in part, because it says what to correct, unless it quotes the request.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import anthropic

from prompt_cache_warmer.adapters.anthropic_exchange import AWS_REQUEST_ID_HEADER
from prompt_cache_warmer.errors import (
    CallTimeoutError,
    CredentialError,
    ExchangeRefusedError,
    NotConnectedError,
    OverloadedError,
    RateLimitedError,
    RejectedError,
    SpendLimitError,
    UnreachableError,
    WarmCallError,
    ZeroRefusedError,
)
from prompt_cache_warmer.rules.request import Form
from prompt_cache_warmer.values.rate_limits import RATE_HEADERS_BEGINNING

if TYPE_CHECKING:
    from prompt_cache_warmer.rules.request import WarmCall

_BAD_REQUEST, _UNAUTHORIZED, _PAYMENT_REQUIRED, _FORBIDDEN = 400, 401, 402, 403
_TIMEOUT, _TOO_MANY_REQUESTS, _SERVER_ERRORS = 408, 429, 500

# Types in lower case: in a stream of Bedrock's they begin with a small letter. Sources: the API's page of errors, and
# Bedrock's "Troubleshooting API error codes" with botocore's model of InvokeModel, November 2026.
_CREDENTIAL_TYPES = frozenset(
    {
        *("authentication_error", "permission_error", "accessdeniedexception", "unrecognizedclientexception"),
        *("invalidsignatureexception", "incompletesignature", "incompletesignatureexception", "notauthorized"),
        *("expiredtokenexception", "missingauthenticationtokenexception", "requestexpired"),
    }
)
_RATE_TYPES = frozenset(
    {"rate_limit_error", "throttlingexception", "servicequotaexceededexception", "modelnotreadyexception"}
)
_SERVER_TYPES = frozenset(
    {
        *("overloaded_error", "api_error", "timeout_error", "internalserverexception", "serviceunavailableexception"),
        *("modelerrorexception", "modelstreamerrorexception", "modeltimeoutexception"),
    }
)
_WORD = re.compile(r"[A-Za-z0-9_.:-]{1,100}")
AWS_TYPE_HEADER = "x-amzn-errortype"
_SPEND_LIMIT_CODES = frozenset(
    {"enforced_spend_limit_reached", "contract_spend_limit_reached", "linked_organization_spend_limit_reached"}
)
# The SDK's HTTP library raises these before anything is sent; by name, because which library is the SDK's matter.
_NEVER_SENT = frozenset({"ConnectError", "ConnectTimeout"})
# The cap a customer set and credits that are used up have no code of their own yet: how the message of a 400 begins is
# the only sign. Documented for an organization; users' reports of 2026 have the workspace's and the credits' (GitHub,
# anthropics/claude-code, 55998 and 88711).
_NO_MONEY = re.compile(
    r"You have reached your specified (?:workspace )?API usage limits|Your credit balance is too low", re.IGNORECASE
)
# A refusal of 0 begins with the field it refuses and speaks of nothing else; "input length and max_tokens
# exceed the context" does not. A wrong guess costs one refused request: only an answer is remembered. Bedrock says
# first whose refusal it is.
_ZERO_REFUSAL = re.compile(
    r"(?:The model returned the following errors:|Malformed input request:)?\W*max_tokens\b(?!.*context)"
)

# A gateway may quote what it refuses, the key itself included.
_KEY_HEADERS = ("x-api-key", "authorization", "x-amz-security-token")
_BEARER = "Bearer "
_KEY_BEGINNING = "sk-ant-"

QUOTED_CHARACTERS = 200  # enough to say what to correct
# A run of the request this long in an error message is a quotation of it. Every fourth window is looked
# for, so that a run of 19 is always found and a body of 8 MiB costs a tenth of a second, not more.
ECHO_CHARACTERS = 16
ECHO_STRIDE = 4


def translate(error: anthropic.AnthropicError, call: WarmCall) -> WarmCallError:
    """Turn an SDK error into the branch that says what the operator should do."""
    if not isinstance(error, anthropic.APIStatusError):
        return _unanswered(error)
    facts = f"{error.status_code} {_type(error) or 'without an error type'}{_code(error)}{_quotation(error, call)}"
    return _branch(error, call)(
        facts,
        http_status=error.status_code,
        request_id=error.request_id or error.response.headers.get(AWS_REQUEST_ID_HEADER),
        workspace_id=error.workspace_id,
        retry_after_seconds=_retry_after_seconds(error),
        rate_headers=_rate_headers(error),
    )


def _unanswered(error: anthropic.AnthropicError) -> WarmCallError:
    """Turn an error that is no answer of the Messages API into ours."""
    if isinstance(error.__cause__, WarmCallError):  # what proves who calls could not be had
        return error.__cause__
    if isinstance(error, anthropic.WorkloadIdentityError):
        return _exchange_error(error)
    if not isinstance(error, anthropic.APIError):
        return RejectedError(f"the provider's client does not offer this call ({type(error).__name__})")
    cause = type(error.__cause__ or error).__name__
    if cause in _NEVER_SENT:
        return NotConnectedError(f"no connection: {cause}")
    if isinstance(error, anthropic.APITimeoutError):
        return CallTimeoutError("no answer within the time one call may take")
    return UnreachableError(f"no usable answer: {cause}")


def _branch(error: anthropic.APIStatusError, call: WarmCall) -> type[WarmCallError]:
    """Choose the branch; the first rule that holds decides."""
    status, kind, message = error.status_code, (_type(error) or "").lower(), said_by(error)
    is_bad_request = status == _BAD_REQUEST
    rules: tuple[tuple[type[WarmCallError], bool], ...] = (
        (SpendLimitError, _word(error.error_code) in _SPEND_LIMIT_CODES),
        (SpendLimitError, status == _PAYMENT_REQUIRED or kind == "billing_error"),
        (SpendLimitError, is_bad_request and bool(_NO_MONEY.match(message))),
        (CredentialError, status in (_UNAUTHORIZED, _FORBIDDEN) or kind in _CREDENTIAL_TYPES),
        (RateLimitedError, status == _TOO_MANY_REQUESTS or kind in _RATE_TYPES),
        (CallTimeoutError, status == _TIMEOUT),
        (OverloadedError, status >= _SERVER_ERRORS or kind in _SERVER_TYPES),
        (ZeroRefusedError, is_bad_request and call.form is Form.ZERO and bool(_ZERO_REFUSAL.match(message))),
    )
    return next((branch for branch, holds in rules if holds), RejectedError)


def is_refusal(status: int | None) -> bool:
    """Tell whether an exchange of tokens that was answered with a status will be answered so again."""
    return status is not None and status < _SERVER_ERRORS and status not in (_TIMEOUT, _TOO_MANY_REQUESTS)


def _exchange_error(error: anthropic.WorkloadIdentityError) -> WarmCallError:
    """Say why Anthropic granted no token; its answer may echo the identity token, so its text is not quoted."""
    status = error.status_code
    if status is None:
        return NotConnectedError("no connection to exchange the identity token over")
    facts = f"{status}: the identity token was not exchanged for one of Anthropic's"
    branch: type[WarmCallError] = OverloadedError
    if status == _TOO_MANY_REQUESTS:
        branch = RateLimitedError
    elif is_refusal(status):
        branch = ExchangeRefusedError
        facts += "; see why on the Workload identity page of the Claude Console: rule, audience, subject or workspace"
    return branch(facts, http_status=status, request_id=error.request_id)


def _type(error: anthropic.APIStatusError) -> str | None:
    """Return an error's type: the API's, or AWS's, whose header may have an address behind it."""
    named = error.response.headers.get(AWS_TYPE_HEADER, "").partition(":")[0]
    return _word(error.type) or _word(named) or None


def _word(value: object) -> str:
    """Return a stable word of an error; nothing for what is none: a gateway may put anything of any length there."""
    return value if isinstance(value, str) and _WORD.fullmatch(value) else ""


def said_by(error: anthropic.APIStatusError) -> str:
    """Return an error's message: the API's, or AWS's; it may quote the request, so it is for telling errors apart."""
    body = error.body if isinstance(error.body, dict) else {}
    said = (error.api_message, body.get("message"), body.get("Message"))
    return next((message for message in said if isinstance(message, str) and message), "")


def _code(error: anthropic.APIStatusError) -> str:
    return f" ({code})" if (code := _word(error.error_code)) else ""


def _quotation(error: anthropic.APIStatusError, call: WarmCall) -> str:
    """Quote the API's message, unless a part of it stands in the request or is a key."""
    message = " ".join(said_by(error).split())[:QUOTED_CHARACTERS]
    if not message:
        return ""
    headers = error.request.headers
    keys = [value.removeprefix(_BEARER) for name in _KEY_HEADERS if (value := headers.get(name))]
    if _KEY_BEGINNING in message or any(key[:ECHO_CHARACTERS] in message for key in keys):
        return ": (the API's message quotes a key and is withheld)"
    said, sent = _squeeze(message), _squeeze(json.dumps(call.body, ensure_ascii=False))
    windows = range(0, len(said) - ECHO_CHARACTERS + 1, ECHO_STRIDE)
    if any(said[at : at + ECHO_CHARACTERS] in sent for at in windows):
        return ": (the API's message quotes the request and is withheld)"
    return f": {message}"


def _squeeze(text: str) -> str:
    """Drop everything that quoting and escaping change: blanks, quotes, backslashes, escaped line ends."""
    for escaped in ("\\n", "\\r", "\\t", "\\", '"', "'"):
        text = text.replace(escaped, "")
    return "".join(text.split())


def _rate_headers(error: anthropic.APIStatusError) -> dict[str, str]:
    headers = error.response.headers
    return {name: value for name, value in headers.items() if name.startswith(RATE_HEADERS_BEGINNING)}


def _retry_after_seconds(error: anthropic.APIStatusError) -> float | None:
    try:
        seconds = float(error.response.headers.get("retry-after", ""))
    except ValueError:
        return None
    return seconds if seconds >= 0 else None
