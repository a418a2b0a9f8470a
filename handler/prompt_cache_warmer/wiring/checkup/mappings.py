"""Event source mappings: what brings a queue's messages to a function."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any

from prompt_cache_warmer.rules.checkup import Finding, red

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_WELL = frozenset({"Enabled", "Enabling", "Creating", "Updating"})


def not_taking(check: str, mappings: Sequence[Mapping[str, Any]], what: str) -> Finding | None:
    """Return what is wrong with a queue's mappings, None where all of them are on.

    Args:
        check: the check.
        mappings: as ``list_event_source_mappings`` gives them.
        what: what does not happen then.
    """
    off = next((one for one in mappings if one["State"] not in _WELL), None)
    if off is None:
        return None
    fix = (
        "sam deploy --parameter-overrides ScheduleState=ENABLED; or at once: "
        f"aws lambda update-event-source-mapping --enabled --uuid {shlex.quote(off['UUID'])}"
    )
    return red(check, f"{what}: the queue's mapping is {off['State']}", fix=fix)
