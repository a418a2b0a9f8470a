"""Where the figures of a report come from, as Protocols; adapters fill them with CloudWatch and the Usage API."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from prompt_cache_warmer.errors import CacheWarmerError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from prompt_cache_warmer.rules.effect_window import BucketWidth, Window
    from prompt_cache_warmer.values.usage import Usage


class SourceError(CacheWarmerError):
    """A source cannot be read; the message says which, why and what to do."""


class NothingPublishedError(SourceError):
    """The source was read, and no warmer has published anything to it."""


@dataclass(frozen=True, slots=True)
class Series:
    """The sums of one metric over time.

    Attributes:
        metric: the metric's name.
        target: the target it speaks of, None for the whole service.
        model: the model it speaks of, None for all.
        cause: the cause it counts, None for metrics that have none.
        points: its sum in each bucket that has one, by the bucket's start.
    """

    metric: str
    target: str | None = None
    model: str | None = None
    cause: str | None = None
    points: Mapping[datetime, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ReportedUsage:
    """What the Usage API says of one model in one workspace.

    Attributes:
        model: the model's id, None where the API names none.
        workspace_id: the workspace, None for the default one.
        usage: its tokens.
    """

    model: str | None
    workspace_id: str | None
    usage: Usage


class MetricHistory(Protocol):
    """The metrics that one service and its applications have published."""

    def read(self, window: Window) -> tuple[Series, ...]:
        """Return every series with data in a window.

        Raises:
            SourceError: when it cannot be read.
        """


class UsageReports(Protocol):
    """What the provider says it billed."""

    async def read(self, window: Window, width: BucketWidth) -> Sequence[ReportedUsage]:
        """Return the tokens of a window in buckets of a width, by model and workspace.

        Raises:
            SourceError: when it cannot be read.
        """
