"""What the API documents as limits of its prompt cache, per model; used for warnings, never to refuse.

Sources disagree on some minimums and they change, so ``usage`` is the only proof. Source: the prompt
caching documentation's table of minimum cacheable lengths, November 2026; Amazon Bedrock has some of its own.
"""

from __future__ import annotations

from dataclasses import dataclass

from prompt_cache_warmer.values.model_ids import claude_id, is_bedrock_id

# A prefix shorter than this saves so little per hit that warming it is rarely worth its calls.
WORTH_WARMING_TOKENS = 5_000
# Automatic caching finds an earlier write at most this many block positions back.
LOOKBACK_POSITIONS = 20
# Our own bound on one target with everything it refers to; the API takes 32 MB in one request.
MAX_TARGET_BYTES = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Minimum:
    """The shortest prefix a model caches, in tokens.

    Attributes:
        tokens: the documented minimum.
        disputed_tokens: a larger minimum that third parties measured, None where nobody did.
    """

    tokens: int
    disputed_tokens: int | None = None


# Longest matching beginning wins, so that dated model ids find their family.
_MINIMUMS: dict[str, Minimum] = {
    "claude-haiku-5-5": Minimum(512),
    "claude-sonnet-5-5": Minimum(512),
    "claude-opus-5-5": Minimum(512),
    "claude-opus-5": Minimum(512),
    "claude-fable-5": Minimum(512),
    "claude-mythos-5": Minimum(512),
    "claude-opus-4-8": Minimum(1_024),
    "claude-sonnet-5": Minimum(1_024),
    "claude-sonnet-4-6": Minimum(1_024, disputed_tokens=2_048),
    "claude-sonnet-4-5": Minimum(1_024),
    "claude-opus-4-7": Minimum(2_048),
    "claude-mythos-preview": Minimum(2_048),
    "claude-opus-4-6": Minimum(4_096),
    "claude-opus-4-5": Minimum(4_096),
    "claude-haiku-4-5": Minimum(4_096),
}
# Where Amazon Bedrock's table has another figure.
_BEDROCK_MINIMUMS: dict[str, Minimum] = {
    "claude-opus-4-7": Minimum(4_096),
    "claude-mythos-preview": Minimum(4_096),
}


def minimum_prefix(model: str) -> Minimum | None:
    """Look up the shortest prefix a model caches, by any provider's id; None for a model the table does not know."""
    name = claude_id(model)
    known = {**_MINIMUMS, **_BEDROCK_MINIMUMS} if is_bedrock_id(model) else _MINIMUMS
    matching = [family for family in known if name == family or name.startswith(f"{family}-")]
    return known[max(matching, key=len)] if matching else None
