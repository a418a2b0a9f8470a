"""Durations as people read them at a glance."""

from __future__ import annotations

_UNITS = ((86_400, "d"), (3_600, "h"), (60, "m"))
_MINUTE_SECONDS = 60


def short(seconds: float) -> str:
    """Write a duration in at most six characters, cut and not rounded: ``45s``, ``52m``, ``3h12m`` or ``4d``."""
    whole = max(0, int(seconds))
    for unit_seconds, unit in _UNITS:
        if whole >= unit_seconds:
            count, rest_seconds = divmod(whole, unit_seconds)
            minutes = rest_seconds // _MINUTE_SECONDS
            return f"{count}{unit}{minutes}m" if unit == "h" and minutes else f"{count}{unit}"
    return f"{whole}s"
