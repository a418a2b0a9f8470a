"""The checkup: all checks of a deployment, beside each other, with those that need another one's answer after it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError

from prompt_cache_warmer.errors import CacheWarmerError
from prompt_cache_warmer.rules.checkup import Finding, Named, not_asked
from prompt_cache_warmer.warm.look import Look, look
from prompt_cache_warmer.wiring.aws import state_store
from prompt_cache_warmer.wiring.checkup.account import check_api_clock, check_identity, check_versions
from prompt_cache_warmer.wiring.checkup.asking import all_found
from prompt_cache_warmer.wiring.checkup.keys import CREDENTIAL, check_keys, check_secret, uses_of
from prompt_cache_warmer.wiring.checkup.parts import check_bucket, check_function, check_schedule, check_table
from prompt_cache_warmer.wiring.checkup.standing import OF_STANDING, check_standing
from prompt_cache_warmer.wiring.checkup.targets import OF_LOOK, TARGETS, check_look
from prompt_cache_warmer.wiring.checkup.upload_trigger import UPLOADS, check_uploads
from prompt_cache_warmer.wiring.checkup.workers import WORKERS, check_workers
from prompt_cache_warmer.wiring.deployment import deployed_targets

if TYPE_CHECKING:
    from collections.abc import Callable

    from prompt_cache_warmer.ports import Clock
    from prompt_cache_warmer.settings import Settings

_SECONDS_PER_MINUTE = 60.0
_OF_STATE = (*OF_LOOK, *OF_STANDING)
_OF_SETTINGS = (
    "bucket",
    "table",
    "function",
    "schedule",
    UPLOADS,
    WORKERS,
    "secret",
    "api-clock",
    *_OF_STATE,
    CREDENTIAL,
)


async def check_account(clock: Clock) -> list[Finding]:
    """Say who asks and with what; nothing of a deployment is asked."""
    return await all_found({"identity": lambda: check_identity(clock), "versions": lambda: [*check_versions()]})


async def check_deployment(settings: Settings, *, function: str | None, named: Named, clock: Clock) -> list[Finding]:
    """Look at everything a deployment consists of, by its function's settings.

    Args:
        settings: what the function runs with.
        function: the function's name or ARN; None where only bucket and table are known.
        named: how the deployment is named in the commands to type next.
        clock: the time.
    """
    looks: list[Look] = []

    def looked() -> list[Finding]:
        try:
            found = asyncio.run(_look(settings, clock))
        except (CacheWarmerError, BotoCoreError) as error:
            return [not_asked(check, _first(error)) for check in _OF_STATE]
        looks.append(found)
        return [*check_look(found, settings), *check_standing(found, settings, named)]

    checks: dict[str, Callable[[], list[Finding]]] = {
        "bucket": lambda: check_bucket(settings.targets_bucket, settings.targets_prefix),
        "table": lambda: check_table(settings.state_table or ""),
        TARGETS: looked,
    }
    if function is not None:
        checks = {
            "function": lambda: check_function(function),
            "schedule": lambda: check_schedule(function),
            UPLOADS: lambda: check_uploads(function, settings.targets_bucket),
            WORKERS: lambda: check_workers(settings.due_queue_url),
            **checks,
            "secret": lambda: check_secret(settings.anthropic_secret_id),
            "api-clock": lambda: check_api_clock(settings.anthropic_base_url, clock),
        }
    findings = await all_found(checks)
    if function is None:
        return [*findings, not_asked(CREDENTIAL, "which key is used says the function: --stack or --function")]
    uses = uses_of(looks[0]) if looks else {}
    return [*findings, *await all_found({CREDENTIAL: lambda: check_keys(settings, uses, named)})]


def nothing_asked(why: str) -> list[Finding]:
    """Say of everything that needs a deployment's settings that it was not asked."""
    return [not_asked(check, why) for check in _OF_SETTINGS]


async def _look(settings: Settings, clock: Clock) -> Look:
    return await look(
        deployed_targets(settings),
        state_store(settings.state_table),
        now=clock.now(),
        tick_seconds=settings.tick_minutes * _SECONDS_PER_MINUTE,
        caps=settings.caps,
    )


def _first(error: Exception) -> str:
    """Take what happened out of a message, without what the function's operator is told to check."""
    return " ".join(str(error).split()).partition("; check ")[0]
