"""The divergence: where two requests differ first, as the API says it when one names the other in ``diagnostics``.

It compares the requests and not the cache, so it says why nothing was read; what was read, ``usage`` says.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any


class Divergence(StrEnum):
    """Where two requests differ first, or why nobody can say; the first six are the API's own words."""

    MODEL_CHANGED = "model_changed"
    TOOLS_CHANGED = "tools_changed"
    SYSTEM_CHANGED = "system_changed"
    MESSAGES_CHANGED = "messages_changed"
    NOT_FOUND = "previous_message_not_found"
    UNAVAILABLE = "unavailable"
    PENDING = "pending"
    REFUSED = "refused"


def read_divergence(diagnostics: object) -> tuple[Divergence | None, int | None]:
    """Read the ``diagnostics`` of a message.

    Args:
        diagnostics: the object as JSON; null where nothing was asked or no difference was found. A reason of
            null means that the API is still comparing; one that nobody knows counts as ``unavailable``.

    Returns:
        The divergence, and the API's estimate of the tokens that were missed for it; None where it says nothing.
    """
    if not isinstance(diagnostics, Mapping):
        return None, None
    reason = diagnostics.get("cache_miss_reason")
    if reason is None:
        return Divergence.PENDING, None
    found: Mapping[str, Any] = reason if isinstance(reason, Mapping) else {}
    kind, missed = found.get("type"), found.get("cache_missed_input_tokens")
    is_count = isinstance(missed, int) and not isinstance(missed, bool) and missed >= 0
    divergence = Divergence(kind) if isinstance(kind, str) and kind in _SAID else Divergence.UNAVAILABLE
    return divergence, missed if is_count else None


# What an answer may say; the other two are ours.
_SAID = frozenset(Divergence) - {Divergence.PENDING, Divergence.REFUSED}
