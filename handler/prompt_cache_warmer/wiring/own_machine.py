"""A run on this machine: the engine over the SDK's own client, with what its environment says."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import anthropic

from prompt_cache_warmer.adapters.anthropic_messages import DEFAULT_BASE_URL
from prompt_cache_warmer.adapters.memory_state import MemoryState
from prompt_cache_warmer.errors import SecretUnreadableError
from prompt_cache_warmer.settings import Settings, own_base_url
from prompt_cache_warmer.warm.claims import RunLimits
from prompt_cache_warmer.warm.warmer import Policy
from prompt_cache_warmer.wiring.engine import Engine, connected

if TYPE_CHECKING:
    from collections.abc import Mapping

    from prompt_cache_warmer.ports import Clock, RunLog
    from prompt_cache_warmer.rules.order import Order
    from prompt_cache_warmer.rules.report import RunReport
    from prompt_cache_warmer.values.targets import Target

_NO_NEXT_TICK_SECONDS = 0.0
_NO_KEY = "none"  # for a dry run, which calls nothing


async def run_here(order: Order, targets: Mapping[str, Target], *, clock: Clock, log: RunLog) -> RunReport:
    """Carry out an order with the key and the address that the SDK finds in its environment.

    What is asked for by name is called whatever its keeping rule: nothing is remembered here that it could go by.
    The targets' own windows and caps hold; spending is remembered as long as this lasts.

    Args:
        order: what is asked for.
        targets: the targets by name.
        clock: the time.
        log: told of every entry as it is done.

    Raises:
        RunError: when nothing could be asked, such as without a key.
        SettingsError: when the environment's address is none that a key may travel to; nothing was sent.
    """
    address = DEFAULT_BASE_URL if (said := own_base_url()) == "" else said
    default = Settings.model_fields
    async with anthropic.AsyncAnthropic(api_key=_NO_KEY if order.dry_run else None, base_url=address) as client:
        if (client.api_key, client.auth_token, client.credentials) == (None, None, None):
            raise SecretUnreadableError("there is no ANTHROPIC_API_KEY in the environment")
        engine = Engine(
            connected(client, is_async=True),
            store=MemoryState(),
            clock=clock,
            request_timeout_seconds=default["request_timeout_seconds"].default,
            max_tokens=0,
        )
        policy = Policy(
            limits=RunLimits(
                max_concurrency=default["max_concurrency"].default,
                max_inflight_bytes=default["max_inflight_bytes"].default,
                request_timeout_seconds=default["request_timeout_seconds"].default,
            ),
            tick_seconds=_NO_NEXT_TICK_SECONDS,
            is_plain=True,
        )
        report = await engine.run(order, targets, policy=policy, log=log, remaining_seconds=lambda: math.inf)
        return replace(report, standing=replace(report.standing, is_own_machine=True))
