"""The smallest prefix that each model caches, in tokens: below it there is silence, not an error.

Figures of the Claude API's documentation. Sources disagree on some (Sonnet 4.6 was measured near
2,048 by two third parties) and Fable and Mythos 5.2 are not in the table at all, so the emulator
takes overrides.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

DEFAULT_MINIMUM_TOKENS = 1024  # for models the table does not name: the commonest figure in it

MINIMUM_TOKENS: dict[str, int] = {
    "claude-haiku-5-5": 512,
    "claude-sonnet-5-5": 512,
    "claude-opus-5-5": 512,
    "claude-opus-5": 512,
    "claude-fable-5": 512,
    "claude-fable-5-1": 512,
    "claude-mythos-5": 512,
    "claude-mythos-5-1": 512,
    "claude-opus-4-8": 1024,
    "claude-sonnet-5": 1024,
    "claude-sonnet-4-6": 1024,
    "claude-sonnet-4-5": 1024,
    "claude-opus-4-7": 2048,
    "claude-mythos-preview": 2048,
    "claude-opus-4-6": 4096,
    "claude-opus-4-5": 4096,
    "claude-haiku-4-5": 4096,
}

_SNAPSHOT_DATE = re.compile(r"-\d{8}$")  # as in claude-haiku-4-5-20251001


def minimum_tokens(model: str, overrides: Mapping[str, int]) -> int:
    """Look a model's minimum up: overrides first, then the table; a dated snapshot is its model."""
    undated = _SNAPSHOT_DATE.sub("", model)
    for table in (overrides, MINIMUM_TOKENS):
        for name in (model, undated):
            if name in table:
                return table[name]
    return DEFAULT_MINIMUM_TOKENS
