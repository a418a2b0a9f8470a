"""How this package is installed, in one place: its name on the index belongs to another package."""

from __future__ import annotations


def from_a_clone(*extras: str) -> str:
    """Say how to install what is missing, as the end of a sentence.

    Args:
        extras: the extras that bring it.
    """
    return f"from a clone of prompt-cache-warmer: pip install '.[{','.join(extras)}]'"
