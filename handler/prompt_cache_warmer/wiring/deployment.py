"""A deployment by one name: its stack's outputs, and the settings its function runs with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from botocore.config import Config

from prompt_cache_warmer.adapters.body_cache import BodyCache
from prompt_cache_warmer.adapters.deployed_stack import function_environment, read_stack
from prompt_cache_warmer.adapters.s3_bucket import Bucket
from prompt_cache_warmer.adapters.s3_targets import S3Targets
from prompt_cache_warmer.adapters.watched_bucket import WatchedBucket
from prompt_cache_warmer.errors import RunError, SettingsError
from prompt_cache_warmer.settings import Settings
from prompt_cache_warmer.wiring.aws import AWS_CONNECT_TIMEOUT_SECONDS, aws_client

if TYPE_CHECKING:
    from prompt_cache_warmer.adapters.deployed_function import FunctionClient
    from prompt_cache_warmer.adapters.deployed_stack import ConfigurationClient, DeployedStack, StackClient
    from prompt_cache_warmer.adapters.watched_bucket import Told

# No function runs longer; whoever stops waiting sooner never learns what was proven, and pays for it all the same.
LONGEST_FUNCTION_SECONDS = 900
_ANSWER_MARGIN_SECONDS = 10
_NO_BODIES = 0  # bytes: whoever only looks needs no prompt twice


def deployed_stack(name: str) -> DeployedStack:
    """Read what a stack made, with boto3's own region and credentials.

    Raises:
        RunError: when it cannot be told; one sentence.
        BotoCoreError: when nothing says which region is meant.
    """
    client: StackClient = aws_client("cloudformation")
    return read_stack(client, name)


def deployed_settings(function: str) -> Settings:
    """Read the settings a deployed function runs with.

    Raises:
        RunError: when they cannot be read, or are none of this version's; one sentence.
        BotoCoreError: when nothing says which region is meant.
    """
    client: ConfigurationClient = aws_client("lambda")
    try:
        return Settings.from_environment(function_environment(client, function))
    except SettingsError as error:
        said = "; ".join(error.problems)
        raise RunError(f"the environment of function {function!r} is not valid: {said}") from error


def deployed_targets(settings: Settings, *, told: Told | None = None) -> S3Targets:
    """Return the targets of a deployment, to be looked at.

    Args:
        settings: its bucket and prefixes.
        told: told of every document that is read; None where nobody waits for it.

    Raises:
        BotoCoreError: when nothing says which region is meant.
    """
    client, name, prefix = aws_client("s3"), settings.targets_bucket, settings.targets_prefix
    return S3Targets(
        Bucket(client, name) if told is None else WatchedBucket(client, name, prefix=prefix, told=told),
        targets_prefix=settings.targets_prefix,
        prompts_prefix=settings.prompts_prefix,
        bodies=BodyCache(_NO_BODIES),
        max_inflight_bytes=settings.max_inflight_bytes,
    )


def function_client() -> FunctionClient:
    """Return a client that asks the deployed function, and asks once: asked again, it would spend again."""
    config = Config(
        connect_timeout=AWS_CONNECT_TIMEOUT_SECONDS,
        read_timeout=LONGEST_FUNCTION_SECONDS + _ANSWER_MARGIN_SECONDS,
        retries={"total_max_attempts": 1},
        tcp_keepalive=True,  # networks drop a connection on which nothing is said for minutes
    )
    client: FunctionClient = aws_client("lambda", config=config)
    return client
