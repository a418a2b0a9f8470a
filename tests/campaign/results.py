"""The page that a campaign leaves behind."""

from __future__ import annotations

import platform
from collections import Counter
from importlib.metadata import version
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tests.campaign.executor import Outcome


def write_results(path: Path, outcomes: Sequence[Outcome], *, ticks: int, workers: int) -> None:
    """Write it."""
    path.write_text("")
    del outcomes, ticks, workers
