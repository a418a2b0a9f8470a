"""Targets and entries: what there is to keep warm, apart from the prompt's bytes.

A ``TargetSummary`` is what deciding needs and is kept between ticks; a ``Target`` adds the body and
lives only while its call is made.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from prompt_cache_warmer.values.caps import NO_CAPS
from prompt_cache_warmer.values.state import EntryKey

if TYPE_CHECKING:
    from prompt_cache_warmer.values.body import Json, Ttl
    from prompt_cache_warmer.values.caps import Caps
    from prompt_cache_warmer.values.document import Keep
    from prompt_cache_warmer.values.markers import MarkedBody
    from prompt_cache_warmer.values.model_prices import PriceList
    from prompt_cache_warmer.values.prefix import Fingerprint, PrefixEnd
    from prompt_cache_warmer.values.problems import Problem
    from prompt_cache_warmer.values.windows import Window


@dataclass(frozen=True, slots=True)
class TargetSummary:
    """All that is known of a target without holding its prompt.

    Attributes:
        name: unique over the bucket.
        source: the object key or file it was read from.
        version: changes whenever the document or an object it refers to changes.
        models: the models to keep warm, each an entry of its own.
        keep: the keeping rule.
        credential: which key makes the calls.
        enabled: whether it is warmed at all.
        expected_requests: how many real requests the savings estimate speaks of.
        fingerprint: the prefix's hash per tier.
        prefix_end: where it ends.
        call_digest: hash of the warm call's bytes without the placeholder; equal ones are called once.
        prefix_tokens: estimated tokens of the prefix.
        ttls: the time to live of every marker, in order.
        size_bytes: size of the document with everything it refers to.
        warnings: what is worth knowing about it.
        windows: when it is kept warm; around the clock without any.
        cold_start_value_usd: what one avoided cold start is worth, beside the tokens it saves.
        caps: the most its warm calls may cost.
        prices: prices of one's own in place of the known ones.
        references: the keys of the objects it refers to.
    """

    name: str
    source: str
    version: str
    models: tuple[str, ...]
    keep: Keep
    credential: str
    enabled: bool
    expected_requests: int
    fingerprint: Fingerprint
    prefix_end: PrefixEnd
    call_digest: str
    prefix_tokens: int
    ttls: tuple[Ttl, ...]
    size_bytes: int
    warnings: tuple[Problem, ...] = ()
    windows: tuple[Window, ...] = ()
    cold_start_value_usd: Decimal = Decimal(0)
    caps: Caps = NO_CAPS
    prices: PriceList | None = None
    references: tuple[str, ...] = ()

    @property
    def prefix_digest(self) -> str:
        """One hash over all tiers of the fingerprint: what state is kept for, SHA-256 in hexadecimal."""
        return self.fingerprint.combined


@dataclass(frozen=True, slots=True)
class Target:
    """A target with its body.

    Attributes:
        summary: everything but the body.
        marked: the application's body, markers normalised and references resolved.
        betas: the values of the ``anthropic-beta`` header, in the author's order.
        seeds: whether the messages after the prefix are the author's own placeholder (short form).
    """

    summary: TargetSummary
    marked: MarkedBody
    betas: tuple[str, ...]
    seeds: bool

    @property
    def body(self) -> Json:
        """The application's body."""
        return self.marked.body


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that can be warm: a target on a model with a credential."""

    target: TargetSummary
    model: str

    @property
    def credential(self) -> str:
        """The name of the key that makes its calls."""
        return self.target.credential

    @property
    def call_key(self) -> tuple[str, str, str]:
        """What it shares with every entry whose warm call is the same bytes."""
        return self.model, self.target.credential, self.target.call_digest

    @property
    def key(self) -> EntryKey:
        """What its state is kept under."""
        return EntryKey(self.target.name, self.target.credential, self.model)


def entries(targets: tuple[TargetSummary, ...]) -> tuple[Entry, ...]:
    """List the entries of targets, in order."""
    return tuple(Entry(target, model) for target in targets for model in target.models)


def twins_beside(chosen: tuple[Entry, ...], every: tuple[Entry, ...]) -> tuple[Entry, ...]:
    """List the entries beside the chosen ones whose warm call is the same bytes as that of one of them."""
    keys, calls = {entry.key for entry in chosen}, {entry.call_key for entry in chosen}
    return tuple(entry for entry in every if entry.call_key in calls and entry.key not in keys)
