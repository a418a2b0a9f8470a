"""Who asks, from where, and by which clock."""

from __future__ import annotations

import platform
import urllib.request
from datetime import UTC
from email.utils import parsedate_to_datetime
from importlib import metadata
from typing import TYPE_CHECKING
from urllib.error import HTTPError, URLError

from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError, NoRegionError
from botocore.exceptions import ConnectionError as ConnectionError_

from prompt_cache_warmer.adapters.aws_advice import is_failing
from prompt_cache_warmer.adapters.aws_answers import EndpointAddressError, NotAwsError
from prompt_cache_warmer.adapters.s3_bucket import error_word
from prompt_cache_warmer.rules.checkup import Finding, green, not_asked, red
from prompt_cache_warmer.values.installation import from_a_clone
from prompt_cache_warmer.values.state import MAX_CLOCK_SKEW
from prompt_cache_warmer.wiring.checkup.asking import make_client

if TYPE_CHECKING:
    from prompt_cache_warmer.ports import Clock

IDENTITY, AWS_CLOCK, API_CLOCK, VERSIONS = "identity", "clock", "api-clock", "versions"
DEFAULT_API = "https://api.anthropic.com"
_API_PATH = "/v1/models"  # any path answers with a date; without a key this one answers 401
_API_TIMEOUT_SECONDS = 5.0
_UNREACHED_BY = (ConnectionError_, HTTPClientError, NotAwsError, EndpointAddressError)
_LOG_IN = "log in (aws sso login, or aws configure) or set AWS_PROFILE; then: aws sts get-caller-identity"
_UNREACHED = "check the network path to AWS, the region and AWS_ENDPOINT_URL; then: aws sts get-caller-identity"
_SET_CLOCK = "set this machine's clock by the network: timedatectl set-ntp true"
_PACKAGES = {"anthropic": (2, 12), "boto3": (1, 40)}  # as pyproject.toml asks for them


def check_identity(clock: Clock) -> list[Finding]:
    """Say which AWS identity, account and region ask, and whether AWS's clock is this machine's."""
    try:
        sts = make_client("sts")
        answer = sts.get_caller_identity()
    except NoRegionError:
        fix = "set AWS_DEFAULT_REGION, or AWS_PROFILE to a profile that has a region"
        return [red(IDENTITY, "nothing says which AWS region is meant", fix=fix), _unasked_clock()]
    except (ClientError, BotoCoreError) as error:
        is_unreached = isinstance(error, _UNREACHED_BY) or is_failing(error)
        fix = _UNREACHED if is_unreached else _LOG_IN
        what = "AWS cannot be reached" if is_unreached else "AWS does not know who asks"
        return [red(IDENTITY, f"{what}: {error_word(error)}", fix=fix), _unasked_clock()]
    said = f"{answer['Arn']} in account {answer['Account']}, region {sts.meta.region_name}"
    return [
        green(IDENTITY, said),
        _skew(AWS_CLOCK, "AWS", answer["ResponseMetadata"]["HTTPHeaders"].get("date"), clock),
    ]


def check_api_clock(base_url: str | None, clock: Clock) -> list[Finding]:
    """Say whether the Messages API can be reached from here, and whether its clock is this machine's."""
    address = f"{(base_url or DEFAULT_API).rstrip('/')}{_API_PATH}"
    request = urllib.request.Request(address, method="HEAD")  # noqa: S310 - the settings allow https, and http on loopback
    try:
        with urllib.request.urlopen(request, timeout=_API_TIMEOUT_SECONDS) as answer:  # noqa: S310 - as above
            date = answer.headers.get("date")
    except HTTPError as error:
        with error:
            date = error.headers.get("date")
    except (URLError, OSError) as error:
        why = error.reason if isinstance(error, URLError) else error
        return [not_asked(API_CLOCK, f"the Messages API cannot be reached from here: {type(why).__name__}")]
    return [_skew(API_CLOCK, "the Messages API", date, clock)]


def check_versions() -> list[Finding]:
    """Say what this command runs with, and whether that is new enough."""
    found = {name: metadata.version(name) for name in ("prompt-cache-warmer", *_PACKAGES)}
    said = ", ".join((f"Python {platform.python_version()}", *(f"{name} {version}" for name, version in found.items())))
    old = [name for name, oldest in _PACKAGES.items() if _numbers(found[name]) < oldest]
    if old:
        return [
            red(
                VERSIONS,
                f"{said}: too old: {', '.join(old)}",
                fix=f"install again {from_a_clone('aws', 'cli')}",
            )
        ]
    return [green(VERSIONS, said)]


def _skew(check: str, whose: str, date: str | None, clock: Clock) -> Finding:
    try:
        theirs = parsedate_to_datetime(date or "").astimezone(UTC)
    except ValueError:
        return not_asked(check, f"{whose} sent no date")
    seconds = (clock.now() - theirs).total_seconds()
    most = MAX_CLOCK_SKEW.total_seconds()
    if abs(seconds) > most:
        way = "ahead of" if seconds > 0 else "behind"
        return red(check, f"this machine's clock is {abs(seconds):,.0f} s {way} that of {whose}", fix=_SET_CLOCK)
    return green(check, f"this machine's clock is within {most:g} s of that of {whose}")


def _unasked_clock() -> Finding:
    return not_asked(AWS_CLOCK, "AWS was not asked")


def _numbers(version: str) -> tuple[int, ...]:
    """Read the first two numbers of a version."""
    return tuple(int(part) for part in version.split(".")[:2])
