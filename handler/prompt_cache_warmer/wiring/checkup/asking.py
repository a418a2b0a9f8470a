"""How a check asks: AWS with a short patience, all checks beside each other, and no one of them hides another."""

from __future__ import annotations

import asyncio
from threading import Lock
from typing import TYPE_CHECKING, Any

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from prompt_cache_warmer.adapters.own_thread import in_own_thread
from prompt_cache_warmer.adapters.s3_bucket import error_word
from prompt_cache_warmer.rules.checkup import Finding, not_asked, red
from prompt_cache_warmer.wiring.aws import AWS_CONNECT_TIMEOUT_SECONDS, aws_client

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

CHECK_SECONDS = 20.0  # a check asks two or three things, each of which AWS answers in less than a second
_READ_TIMEOUT_SECONDS = 5
_ATTEMPTS = 2
_DENIED = frozenset({"AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "Forbidden", "403"})
_MAKING = Lock()  # boto3's default session makes one client at a time


def make_client(service: str) -> Any:  # noqa: ANN401 - boto3's clients have no common type
    """Make a client that gives up soon: somebody waits for the answer."""
    config = Config(
        connect_timeout=AWS_CONNECT_TIMEOUT_SECONDS,
        read_timeout=_READ_TIMEOUT_SECONDS,
        retries={"total_max_attempts": _ATTEMPTS, "mode": "standard"},
    )
    with _MAKING:
        return aws_client(service, config=config)


def is_denied(error: BaseException | None) -> bool:
    """Tell whether AWS refused something because whoever asked may not, here or in one of an error's causes."""
    while error is not None:
        if isinstance(error, ClientError) and error_word(error) in _DENIED:
            return True
        error = error.__cause__
    return False


def answered(check: str, action: str, ask: Callable[[], Finding]) -> Finding:
    """Ask AWS something, and turn what it refuses into a finding.

    Args:
        check: the check.
        action: the IAM action that it needs, for whoever may not.
        ask: asks, and says what was found.
    """
    try:
        return ask()
    except ClientError as error:
        word = error_word(error)
        if is_denied(error):
            return not_asked(check, f"your own AWS identity may not {action} ({word})")
        return red(check, f"AWS refused {action}: {word}", fix="check the name and the region: aws configure list")
    except BotoCoreError as error:
        return not_asked(check, f"AWS gave no answer to {action}: {error_word(error)}")


async def all_found(
    checks: Mapping[str, Callable[[], Sequence[Finding]]], *, bound_seconds: float = CHECK_SECONDS
) -> list[Finding]:
    """Make checks beside each other, each for so long; what they found is in their order.

    Args:
        checks: the checks by name.
        bound_seconds: how long one may take. What takes longer is left behind and holds up nobody's exit.
    """
    found = await asyncio.gather(*(_bounded(name, check, bound_seconds) for name, check in checks.items()))
    return [finding for findings in found for finding in findings]


async def _bounded(name: str, check: Callable[[], Sequence[Finding]], seconds: float) -> Sequence[Finding]:
    try:
        return await asyncio.wait_for(in_own_thread(check), seconds)
    except TimeoutError:
        return [red(name, f"no answer within {seconds:g} seconds", fix="check the network path, and try again")]
    except Exception as error:  # noqa: BLE001 - one check's defect must not hide what the others found
        said = f"the check itself failed: {type(error).__name__}"
        return [red(name, said, fix="this is a defect of prompt-cache-warmer: please report it with this line")]
