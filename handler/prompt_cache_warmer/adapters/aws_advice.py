"""What is said where AWS could not be asked: one advice for each kind of error, whichever command asked."""

from __future__ import annotations

from botocore import exceptions

from prompt_cache_warmer.adapters.aws_answers import FIRST_SERVER_STATUS, EndpointAddressError, NotAwsError
from prompt_cache_warmer.adapters.s3_bucket import error_word

AwsError = exceptions.BotoCoreError | exceptions.ClientError

_NO_REGION = "nothing says which region is meant: set AWS_DEFAULT_REGION, or AWS_PROFILE to a profile that has a region"
_LOG_IN = "log in to AWS (aws sso login, or aws configure), or set AWS_PROFILE"
_NOBODY = (
    exceptions.NoCredentialsError,
    exceptions.PartialCredentialsError,
    exceptions.CredentialRetrievalError,
    exceptions.TokenRetrievalError,
    exceptions.SSOError,
)
_UNREACHED = (exceptions.ConnectionError, exceptions.HTTPClientError)
_GONE = frozenset({"ResourceNotFoundException", "NoSuchBucket", "404"})
_OVER = frozenset(
    {
        *("ExpiredToken", "ExpiredTokenException", "InvalidClientTokenId", "UnrecognizedClientException"),
        *("InvalidAccessKeyId", "InvalidToken", "InvalidSignatureException", "SignatureDoesNotMatch", "RequestExpired"),
    }
)
_DENIED = frozenset({"AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "403"})
_BUSY = frozenset({"Throttling", "ThrottlingException", "ProvisionedThroughputExceededException", "SlowDown"})


def reason(error: AwsError, *, needs: str = "") -> str:
    """Say why AWS could not be asked, and what to do about it.

    Args:
        error: what botocore raised.
        needs: the IAM actions that whoever asks needs.

    Returns:
        A clause for the end of a sentence, without AWS's own words, which may hold request details.
    """
    if isinstance(error, exceptions.ProfileNotFound):
        return f"there is no profile {error.kwargs['profile']!r}: aws configure list-profiles"
    if isinstance(error, EndpointAddressError):
        return str(error)
    if isinstance(error, exceptions.NoRegionError):
        return _NO_REGION
    if isinstance(error, exceptions.InvalidRegionError):
        return f"{error.kwargs['region_name']!r} is no region's name: see AWS_DEFAULT_REGION, and AWS_PROFILE's region"
    word = error_word(error)
    if isinstance(error, exceptions.ClientError):
        return f"{word}; {_of_answer(error, word, needs)}"
    return f"{word}; {_of_none(error, needs)}"


def is_failing(error: AwsError) -> bool:
    """Tell whether AWS, or a proxy in front of it, failed: nothing was refused, and asked again it may answer."""
    return (
        isinstance(error, exceptions.ClientError)
        and error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0) >= FIRST_SERVER_STATUS
    )


def _of_none(error: exceptions.BotoCoreError, needs: str) -> str:
    """Advise where there was no answer of AWS's."""
    if isinstance(error, NotAwsError):
        return "check AWS_ENDPOINT_URL and the proxy"
    if isinstance(error, _NOBODY):
        return f"{_LOG_IN} to a profile that may {needs}" if needs else _LOG_IN
    if isinstance(error, _UNREACHED):
        return "check the network path, the region and AWS_ENDPOINT_URL"
    return "see how AWS is set up here: aws configure list"


def _of_answer(error: exceptions.ClientError, word: str, needs: str) -> str:
    """Advise by what was answered."""
    if is_failing(error) or word in _BUSY:
        return "AWS, or a proxy on the way to it, fails: try again, and check the network path and AWS_ENDPOINT_URL"
    if word in _OVER:
        return "your login to AWS is over, or not valid: log in again (aws sso login, or aws configure)"
    if word in _DENIED and needs:
        return f"your own AWS identity asks here and needs {needs}"
    none = "there is none of that name: " if word in _GONE else ""
    return f"{none}check the name, and your own AWS identity and region: they ask here, not the function's"
