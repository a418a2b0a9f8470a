"""Model ids of every provider: which model of the Claude family an id names, and which versions came before it.

Amazon Bedrock puts ``anthropic.`` in front of a model's name, a region group (``eu.``, ``global.``) or the ARN of an
inference profile in front of that, and a version (``-v1:0``) at its end; Vertex AI puts the date behind an at sign.
"""

from __future__ import annotations

import re

_BEDROCK = re.compile(r"(?:^|[./:])anthropic\.(?P<name>claude-[a-z0-9-]+?)(?:-v\d+(?::\d+)?)?$")
_BEDROCK_ARN = re.compile(r"arn:[a-z-]+:bedrock:")
# ``claude-sonnet-4-6``, ``claude-haiku-4-5-20251001``, ``claude-opus-5``; and the older ``claude-3-5-haiku-20241022``.
_VERSION = re.compile(r"claude-(?:[a-z]+-)?(?P<major>\d{1,2})(?:-(?P<minor>\d{1,2}))?(?![0-9])")


def is_bedrock_id(model: str) -> bool:
    """Tell whether an id is Amazon Bedrock's: of a model, or the ARN of something that stands for one."""
    return _BEDROCK.search(model) is not None or _BEDROCK_ARN.match(model) is not None


def claude_id(model: str) -> str:
    """Return the id the Claude API has for the model an id names; the id itself where it names none."""
    named = _BEDROCK.search(model)
    return model if named is None else named["name"]


def version_of(model: str) -> tuple[int, int] | None:
    """Read a model's version, such as ``(4, 6)``; None for an id that names no model of the Claude family."""
    found = _VERSION.match(claude_id(model))
    return None if found is None else (int(found["major"]), int(found["minor"] or 0))
