"""The sandbox: the engine of one deployment, and what it keeps between ticks."""

from __future__ import annotations

import asyncio
import gc
import sys
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any

from prompt_cache_warmer.adapters.body_cache import BodyCache
from prompt_cache_warmer.adapters.emf import EmfMetricSink
from prompt_cache_warmer.adapters.json_log import JsonRunLog
from prompt_cache_warmer.adapters.s3_bucket import Bucket
from prompt_cache_warmer.adapters.s3_targets import S3Targets
from prompt_cache_warmer.adapters.sqs_due_queue import SqsDueQueue
from prompt_cache_warmer.adapters.system_clock import SystemClock
from prompt_cache_warmer.adapters.talkative import hush
from prompt_cache_warmer.rules.order import Order
from prompt_cache_warmer.rules.retry import needed_seconds
from prompt_cache_warmer.rules.uploads import Watched
from prompt_cache_warmer.settings import MIB_BYTES, Settings
from prompt_cache_warmer.warm.caller import Caller
from prompt_cache_warmer.warm.claims import RunLimits
from prompt_cache_warmer.warm.warmer import Policy, Recorders, Warmer
from prompt_cache_warmer.wiring.aws import aws_client, state_store
from prompt_cache_warmer.wiring.on_demand import MessagesOnDemand

if TYPE_CHECKING:
    from collections.abc import Callable

    from prompt_cache_warmer.adapters.anthropic_messages import AnthropicMessages
    from prompt_cache_warmer.ports import Clock
    from prompt_cache_warmer.rules.report import RunReport

# Bodies kept between ticks: a few dozen ordinary prompts, a sixteenth of the smallest sensible function.
BODY_CACHE_BYTES = 32 * MIB_BYTES
SECONDS_PER_MINUTE = 60


class Sandbox:
    """One Lambda sandbox: the engine and what it keeps between ticks.

    Args:
        settings: what this deployment runs with.
        clock: the time; the machine's own when absent.
    """

    def __init__(self, settings: Settings, *, clock: Clock | None = None) -> None:
        hush()
        clock = clock or SystemClock()
        self._watched = Watched(settings.targets_bucket, settings.targets_prefix, settings.prompts_prefix)
        targets = S3Targets(
            Bucket(aws_client("s3"), settings.targets_bucket),
            targets_prefix=settings.targets_prefix,
            prompts_prefix=settings.prompts_prefix,
            bodies=BodyCache(BODY_CACHE_BYTES),
            max_inflight_bytes=settings.max_inflight_bytes,
            call_seconds=needed_seconds(settings.request_timeout_seconds),
        )
        self._messages = MessagesOnDemand(targets, partial(_messages, settings))
        self._warmer = Warmer(
            index=targets,
            bodies=self._messages,
            caller=Caller(
                messages=self._messages, clock=clock, request_timeout_seconds=settings.request_timeout_seconds
            ),
            store=state_store(settings.state_table),
            recorders=Recorders(
                metrics=EmfMetricSink(namespace=settings.metrics_namespace, stream=sys.stdout),
                log=JsonRunLog(service=settings.service_name, level=settings.log_level, stream=sys.stdout),
                detail=settings.metric_detail,
                service=settings.service_name,
            ),
            clock=clock,
            policy=Policy(
                limits=RunLimits(
                    max_concurrency=settings.max_concurrency,
                    max_inflight_bytes=settings.max_inflight_bytes,
                    request_timeout_seconds=settings.request_timeout_seconds,
                    rate_limit_share_percent=settings.rate_limit_share_percent,
                    workers=settings.fan_out_workers,
                ),
                tick_seconds=settings.tick_minutes * SECONDS_PER_MINUTE,
                caps=settings.caps,
                is_durable=settings.state_table is not None,
            ),
            queue=None if settings.due_queue_url is None else SqsDueQueue(aws_client("sqs"), settings.due_queue_url),
        )

    def handle(self, event: object, *, remaining_seconds: Callable[[], float]) -> dict[str, Any]:
        """Carry out one invocation and answer its run report as JSON.

        Args:
            event: the event of the invocation.
            remaining_seconds: says at any moment how much time the invocation has left.

        Raises:
            RunError: when the run as a whole could not happen.
        """
        order = Order.from_event(event, watched=self._watched)
        return asyncio.run(self._run(order, remaining_seconds)).as_json()

    async def _run(self, order: Order, remaining_seconds: Callable[[], float]) -> RunReport:
        async with self._messages:
            return await self._warmer.run(order, remaining_seconds=remaining_seconds)


def _messages(settings: Settings) -> AnthropicMessages:
    gc.disable()  # as in app.py
    try:
        return _loaded_messages(settings)
    finally:
        gc.enable()


def _loaded_messages(settings: Settings) -> AnthropicMessages:
    from prompt_cache_warmer.adapters.anthropic_messages import AnthropicMessages  # noqa: PLC0415 - loads the SDK
    from prompt_cache_warmer.wiring.credentials import credential_clients  # noqa: PLC0415 - as above

    return AnthropicMessages(credential_clients(settings))


@lru_cache(maxsize=1)
def sandbox(settings: Settings) -> Sandbox:
    """Return this process's sandbox, so that a warm one keeps its index and bodies."""
    return Sandbox(settings)
