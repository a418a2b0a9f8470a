"""The loggers of the packages that speak to the outside, held to warnings."""

from __future__ import annotations

import logging

# At their debug level these write whole requests, prompts and keys included, so no setting may open them.
TALKATIVE_LOGGERS = ("anthropic", "httpx2", "httpcore2", "botocore", "boto3", "urllib3")


def hush() -> None:
    """Let these loggers write warnings and errors alone, whatever the root logger lets pass."""
    for name in TALKATIVE_LOGGERS:
        logging.getLogger(name).setLevel(logging.WARNING)
