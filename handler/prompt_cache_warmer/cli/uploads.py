"""What ``capture --upload`` does and says: one captured prefix into the bucket of a stack."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

import click

from prompt_cache_warmer.cli.opening import asked_here
from prompt_cache_warmer.cli.request_files import UnusableError
from prompt_cache_warmer.errors import CaptureError, TargetsUnreadableError
from prompt_cache_warmer.values.installation import from_a_clone

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prompt_cache_warmer.adapters.s3_capture import Stored
    from prompt_cache_warmer.rules.draft import Draft
    from prompt_cache_warmer.settings import Settings
    from prompt_cache_warmer.values.targets import TargetSummary

_SAID = {
    "written": "target {name!r} was written to {place}",
    "replaced": "target {name!r} in {place} has this prefix now; its other fields are as they were",
    "same": "target {name!r} in {place} has this prefix already; nothing was written",
    "known": "target {name!r} in {place} has this prefix already; nothing was written",
}


def upload(settings: Settings, draft: Draft, target: TargetSummary, *, is_named: bool, as_json: bool) -> None:
    """Put a captured prefix into the bucket and say what came of it.

    Args:
        settings: the bucket and its prefixes.
        draft: what is stored.
        target: what a tick would read of it.
        is_named: whether its name was said, so that a target of that name is meant.
        as_json: whether to say it in JSON.

    Raises:
        ClickException: with one line, when nothing could be written or may be; an UnusableError, when the bucket could
            not be asked.
    """
    stored = _store(settings, draft, is_named=is_named)
    for line in _hints(stored, settings, target):
        click.echo(line, err=True)
    if as_json:
        answer = {
            "outcome": stored.outcome.value,
            "target": stored.target.name,
            "bucket": settings.targets_bucket,
            "key": stored.target.source,
            "version_id": stored.version_id,
            "fingerprint": stored.target.prefix_digest,
            "uncompared": list(stored.uncompared),
        }
        click.echo(json.dumps(answer, indent=2))
        return
    place = f"s3://{settings.targets_bucket}/{stored.target.source}"
    version = "" if stored.version_id is None else f" (version {stored.version_id})"
    click.echo(_SAID[stored.outcome].format(name=stored.target.name, place=place) + version)


def _store(settings: Settings, draft: Draft, *, is_named: bool) -> Stored:
    try:
        from botocore.exceptions import BotoCoreError  # noqa: PLC0415 - see cli.stack

        from prompt_cache_warmer.adapters.aws_advice import reason  # noqa: PLC0415 - only where it is asked for
        from prompt_cache_warmer.wiring.capture import capture_into  # noqa: PLC0415 - only where it is asked for
    except ModuleNotFoundError as error:
        message = f"{error.name} is not installed; --upload needs, {from_a_clone('aws', 'cli')}"
        raise UnusableError(message) from error
    try:
        return asyncio.run(capture_into(settings, draft, may_replace=is_named))
    except CaptureError as error:
        raise click.ClickException(str(error)) from error
    except TargetsUnreadableError as error:
        raise UnusableError(asked_here(error)) from error
    except BotoCoreError as error:
        raise UnusableError(f"bucket {settings.targets_bucket!r} cannot be opened: {reason(error)}") from error


def _hints(stored: Stored, settings: Settings, target: TargetSummary) -> Iterator[str]:
    """Say what keeps the target from serving the captured request, and what was lost or not seen."""
    own = stored.target
    if not own.enabled:
        yield f"target {own.name!r} is not enabled: nothing keeps it warm"
    missing = [model for model in target.models if model not in own.models]
    if missing:
        yield f"target {own.name!r} is not kept warm on {', '.join(missing)}: add it to its models"
    if own.ttls != target.ttls:
        yield f"its markers have the ttl {', '.join(own.ttls)}, those of the captured request {', '.join(target.ttls)}"
    if stored.unused_references:
        yield f"its text stands in the document now, not in {', '.join(stored.unused_references)} any more"
    if stored.outcome == "written" and not stored.is_versioned:
        seen = "keeps no versions" if stored.is_versioned is False else "may keep no versions: that could not be seen"
        yield f"bucket {settings.targets_bucket!r} {seen}"
    if stored.uncompared:
        yield f"not compared, because they are no valid targets: {', '.join(stored.uncompared)}"
