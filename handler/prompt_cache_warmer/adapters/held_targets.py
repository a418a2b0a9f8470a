"""Targets that the process itself holds: what the library's callers have added."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prompt_cache_warmer.errors import TargetUnavailableError
from prompt_cache_warmer.ports import Index, unlimited

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from prompt_cache_warmer.values.targets import Target, TargetSummary


class HeldTargets:
    """A ``TargetIndex`` and ``BodySource`` over targets in memory, as they were when it was made.

    Args:
        targets: the targets by name.
    """

    def __init__(self, targets: Mapping[str, Target]) -> None:
        self._targets = dict(targets)

    async def load(
        self,
        *,
        remaining_seconds: Callable[[], float] = unlimited,  # noqa: ARG002 - takes no time
        only: frozenset[str] | None = None,
    ) -> Index:
        """Return what there is to keep warm."""
        held = (target.summary for target in self._targets.values())
        return Index(tuple(one for one in held if only is None or one.source in only), ())

    async def fetch(self, target: TargetSummary) -> Target:
        """Return the target with its body.

        Raises:
            TargetUnavailableError: when it is not one of these.
        """
        held = self._targets.get(target.name)
        if held is None or held.summary is not target:
            raise TargetUnavailableError(f"target {target.name!r} is not held any more")
        return held
