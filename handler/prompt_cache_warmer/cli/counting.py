"""Numbers of things in words: ``1 entry``, ``2 entries``."""

from __future__ import annotations


def counted(number: int, noun: str, nouns: str = "") -> str:
    """Write how many there are of something.

    Args:
        number: how many.
        noun: what one of them is called.
        nouns: what several are called; with an s unless said.
    """
    return f"{number:,} {noun if number == 1 else nouns or noun + 's'}"
