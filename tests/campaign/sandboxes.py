"""Sandboxes of the real handler on a lane of their own, by a clock of their own."""

from __future__ import annotations

import asyncio
import contextlib
import io
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from unittest import mock

from infra.local.cloud import BUCKET, NAMESPACE, SECRET, SERVICE, STATE_TABLE
from prompt_cache_warmer.settings import Settings
from prompt_cache_warmer.wiring.sandbox import Sandbox

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.campaign.cloud import CampaignCloud
    from tests.campaign.proxy import Lane, Proxy


class SkewedClock:
    """The true time and what a sandbox's own clock is off by; waiting passes at once.

    Args:
        cloud: knows the true time.
    """

    def __init__(self, cloud: CampaignCloud) -> None:
        self._cloud = cloud
        self.skew_seconds = 0.0

    def now(self) -> datetime:
        """Return the sandbox's time."""
        return datetime.fromtimestamp(self._cloud.now_seconds(), UTC) + timedelta(seconds=self.skew_seconds)

    def monotonic_seconds(self) -> float:
        """Return seconds that never go back."""
        return self._cloud.now_seconds()

    async def sleep(self, seconds: float) -> None:
        """Let that much time have passed; those who wait at the same time wait together."""
        until_seconds = self._cloud.now_seconds() + seconds
        await asyncio.sleep(0.002)
        self._cloud.api.clock.advance(max(0.0, until_seconds - self._cloud.now_seconds()))


class CampaignSandbox:
    """One sandbox: alive until it is killed.

    Args:
        cloud: the world.
        proxy: the way to it.
        name: its name.
        settings: its settings beside the usual ones.
    """

    def __init__(self, cloud: CampaignCloud, proxy: Proxy, name: str, settings: Mapping[str, str]) -> None:
        self._cloud = cloud
        self.lane: Lane = proxy.open(name)
        self.clock = SkewedClock(cloud)
        self._output = io.StringIO()
        self._environment = {
            **cloud.aws.environment(),
            "AWS_ENDPOINT_URL": self.lane.url,
            "ANTHROPIC_BASE_URL": self.lane.url,
            "ANTHROPIC_SECRET_ID": SECRET,
            "TARGETS_BUCKET": BUCKET,
            "STATE_TABLE": STATE_TABLE,
            "POWERTOOLS_METRICS_NAMESPACE": NAMESPACE,
            "POWERTOOLS_SERVICE_NAME": SERVICE,
            "REQUEST_TIMEOUT_SECONDS": "2",
            **settings,
        }
        self.was_cancelled = False
        self._root: asyncio.Task[Any] | None = None
        self.printed_when_killed: int | None = None
        self.lane.on_death = self._died
        with self.surroundings(), contextlib.redirect_stdout(self._output):
            self._sandbox = Sandbox(Settings.from_environment(self._environment), clock=self.clock)

    def surroundings(self) -> Any:
        """Be the process it runs in."""
        return mock.patch.dict("os.environ", self._environment)

    def _died(self) -> None:
        self.printed_when_killed = self._output.tell()

    def invoke(self, event: object, *, seconds: float) -> dict[str, Any]:
        """Invoke it; raises what the handler raises.

        Args:
            event: the event.
            seconds: how much time the run has, by the true clock.
        """
        started_seconds = self._cloud.now_seconds()
        self.was_cancelled = False
        self.lane.cancel = lambda: None

        def remaining_seconds() -> float:
            if self._root is None:
                loop, self._root = asyncio.get_running_loop(), asyncio.current_task()
                self.lane.cancel = lambda: self._cancel(loop)
            return seconds - (self._cloud.now_seconds() - started_seconds)

        self._root = None
        try:
            return self._sandbox.handle(event, remaining_seconds=remaining_seconds)
        finally:
            self.lane.cancel = lambda: None

    def _cancel(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._root is not None and not self.was_cancelled:
            self.was_cancelled = True
            with contextlib.suppress(RuntimeError):  # the run has ended meanwhile
                loop.call_soon_threadsafe(self._root.cancel)

    def take_output(self) -> str:
        """Return what it printed since the last time, until it was killed."""
        printed = self._output.getvalue()[: self.printed_when_killed]
        self._output.seek(0)
        self._output.truncate()
        return printed
