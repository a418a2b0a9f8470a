"""A draft: the target document a captured prefix becomes, new or in the place of a target's old request."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from prompt_cache_warmer.values.reading import Origin, Reading, read_target

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from prompt_cache_warmer.rules.capture import Captured
    from prompt_cache_warmer.values.body import Json
    from prompt_cache_warmer.values.document import Keep

# What a document says its prompt with, in either form; all of it is in the captured request.
_PROMPT_FIELDS = frozenset({"request", "system_prompt", "tools", "seed_messages", "betas"})
_NO_PROMPTS = "prompts/"  # nothing stands under it
# JSON allows these in a text; a terminal may carry them out or turn the text around.
_SIGNS = re.compile("[\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")


@dataclass(frozen=True, slots=True)
class Draft:
    """What a capture has for the bucket.

    Attributes:
        name: the target's name.
        models: the models a new target keeps warm.
        keep: the keeping rule of a new target.
        betas: the values of the request's ``anthropic-beta`` header; they are part of the prefix.
        captured: the prefix.
    """

    name: str
    models: tuple[str, ...]
    keep: Keep
    betas: tuple[str, ...]
    captured: Captured

    def document(self) -> Json:
        """Return it as a new target document."""
        return {"name": self.name, "models": list(self.models), "keep": self.keep, **self._prompt()}

    def renewed(self, document: Mapping[str, Any]) -> Json:
        """Return a target's document with this prefix; every field beside the prompt is as it was."""
        kept = {field: value for field, value in document.items() if field not in _PROMPT_FIELDS}
        return {**kept, **self._prompt()}

    def _prompt(self) -> Json:
        return {**({"betas": list(self.betas)} if self.betas else {}), "request": self.captured.request}


def written(document: Mapping[str, Any], source: str) -> tuple[bytes, Reading]:
    """Write a document as JSON that is readable and cannot write to a terminal, and read it as every tick does.

    Args:
        document: a document of a draft: whatever it refers to is not there, for no prefix refers to anything.
        source: where it is to stand.
    """
    text = json.dumps(document, ensure_ascii=False, indent=2)
    content = _SIGNS.sub(lambda sign: f"\\u{ord(sign[0]):04x}", text).encode() + b"\n"
    return content, read_target(document, Origin(source, "captured", len(content), _NO_PROMPTS), {})
