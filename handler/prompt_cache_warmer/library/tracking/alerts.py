"""When a hit ratio has dropped: two findings, and what is never one.

**missed**: a prefix was in the cache and was not read. Only calls count that began while an earlier call had proved
their prefix to be alive, and of them only the tokens that were known to be cached: read of these / these, over
the last ``window_calls`` such calls of one prefix. So a longer conversation's new part lowers nothing.

**changing**: the prompt itself keeps changing, a timestamp in the system prompt say, so that every call is the first
of a prefix nobody has seen. The hit ratio of a model's last ``window_calls`` calls was at the threshold or
above, is below it now, and more than half of them wrote a new prefix. Calls of lapsed prefixes are not among them.

Never a finding: the first write of a prefix, or of a few; the write of one that has lapsed or whose first call was
still under way; a miss right after the first write, which the API may need a moment for; an answer without usage.
Each finding is told once, and again only after the ratio was back at the threshold.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from prompt_cache_warmer.library.tracking.records import Standing, ratio_of

if TYPE_CHECKING:
    from prompt_cache_warmer.library.tracking.records import CallRecord

# One prefix that vanished early is the cache's own luck: it promises nothing. The third call is no luck any more.
MIN_JUDGED_CALLS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheAlert:
    """A hit ratio that has dropped.

    Attributes:
        reason: ``missed`` (what was cached is not read) or ``changing`` (every call has a prefix of its own).
        prefix_id: the prefix of the call that showed it.
        model: that call's model.
        ratio: the ratio there is.
        threshold: the ratio there should be.
        calls: over how many calls it was taken.
        record: the call that showed it.
    """

    reason: Literal["missed", "changing"]
    prefix_id: str
    model: str
    ratio: float
    threshold: float
    calls: int
    record: CallRecord


@dataclass(slots=True)
class _Window:
    """The last calls of one prefix or model, as (part, whole, whether the call was the first of its prefix)."""

    calls: deque[tuple[int, int, bool]]
    is_armed: bool = True

    @property
    def ratio(self) -> float:
        return ratio_of(sum(part for part, _, _ in self.calls), sum(whole for _, whole, _ in self.calls)) or 0.0


@dataclass(slots=True)
class DropWatch:
    """Watches the ratios of every prefix and model.

    Attributes:
        threshold: the ratio below which a drop is told.
        window_calls: over how many calls a ratio is taken.
        limit: how many prefixes are watched; those used longest ago go first.
    """

    threshold: float
    window_calls: int
    limit: int
    _prefixes: OrderedDict[str, _Window] = field(default_factory=OrderedDict)
    _models: OrderedDict[str, _Window] = field(default_factory=OrderedDict)

    def note(self, record: CallRecord) -> list[CacheAlert]:
        """Take one more call in, and tell of the drops it shows."""
        if not record.usage.is_reported or record.standing in (Standing.COLD, Standing.UNKNOWN):
            return []
        return [alert for alert in (self._missed(record), self._changing(record)) if alert is not None]

    def _missed(self, record: CallRecord) -> CacheAlert | None:
        if record.standing is not Standing.WARM or (record.is_miss and record.was_just_written):
            return None
        window = self._window(self._prefixes, record.prefix_id, is_armed=True)
        window.calls.append((min(record.read_tokens, record.expected_tokens), record.expected_tokens, False))
        if len(window.calls) < min(MIN_JUDGED_CALLS, self.window_calls):
            return None
        return self._told(window, record, "missed", is_low=window.ratio < self.threshold)

    def _changing(self, record: CallRecord) -> CacheAlert | None:
        window = self._window(self._models, record.model, is_armed=False)
        window.calls.append(
            (record.read_tokens, record.usage.cached_tokens, record.standing is Standing.NEW and not record.read_tokens)
        )
        if len(window.calls) < self.window_calls:
            return None
        is_low = window.ratio < self.threshold
        firsts = sum(is_first for _, _, is_first in window.calls)
        if is_low and 2 * firsts <= len(window.calls):
            return None
        return self._told(window, record, "changing", is_low=is_low)

    def _told(
        self, window: _Window, record: CallRecord, reason: Literal["missed", "changing"], *, is_low: bool
    ) -> CacheAlert | None:
        is_told, window.is_armed = is_low and window.is_armed, not is_low
        if not is_told:
            return None
        return CacheAlert(
            reason=reason,
            prefix_id=record.prefix_id,
            model=record.model,
            ratio=window.ratio,
            threshold=self.threshold,
            calls=len(window.calls),
            record=record,
        )

    def _window(self, windows: OrderedDict[str, _Window], key: str, *, is_armed: bool) -> _Window:
        window = windows.pop(key, None) or _Window(deque(maxlen=self.window_calls), is_armed)
        windows[key] = window
        if len(windows) > self.limit:
            windows.popitem(last=False)
        return window
