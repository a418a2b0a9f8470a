"""From an answered request to what is recorded of it: target, sight, metrics, callback, and what the state is told."""

from __future__ import annotations

import logging
from collections import deque
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

from prompt_cache_warmer.library.observing.prefix_memory import PrefixMemory
from prompt_cache_warmer.library.observing.sighting import observed, sightings
from prompt_cache_warmer.library.prompts.bodies import as_json
from prompt_cache_warmer.rules.traffic import (
    MODEL_DRIFT,
    Match,
    Matches,
    entry_key,
    is_elsewhere,
    match,
    sight_of,
    touches,
)
from prompt_cache_warmer.rules.traffic_metrics import request_metrics
from prompt_cache_warmer.values.body import DEFAULT_TTL
from prompt_cache_warmer.values.usage_shapes import NO_USAGE, usage_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from prompt_cache_warmer.library.observing.account import Account
    from prompt_cache_warmer.library.observing.calls import AnsweredCall
    from prompt_cache_warmer.library.observing.capturing import Capturing
    from prompt_cache_warmer.library.observing.open_calls import OpenCalls
    from prompt_cache_warmer.library.observing.records import ObservedRequest
    from prompt_cache_warmer.ports import MetricSink
    from prompt_cache_warmer.values.body import Ttl
    from prompt_cache_warmer.values.observation import Sight
    from prompt_cache_warmer.values.targets import TargetSummary
    from prompt_cache_warmer.values.usage import Usage

# Requests that wait for the targets to be read; each holds on to its body.
MAX_WAITING = 256
MAX_WAITING_BYTES = 16 * 1024 * 1024

_log = logging.getLogger("prompt_cache_warmer.observer")


class Told(Protocol):
    """Hears of every recorded request."""

    def __call__(self, request: ObservedRequest, /) -> object:
        """Hear of one."""
        ...


@dataclass(frozen=True, slots=True)
class Publication:
    """Where metrics are published.

    Attributes:
        sink: publishes them, None for nothing.
        service: the value of their service dimension.
    """

    sink: MetricSink | None
    service: str


class Recorder:
    """Records answered requests; nothing it does raises.

    Args:
        account: counts, and keeps what the state is to be told.
        open_calls: knows the requests that may have touched something and are in no account.
        publication: where the metrics are published.
        on_request: hears of every request.
        capturing: makes drafts of targets of requests, None for none.
        seconds: the monotonic clock.
        wake: tells the background that there is something due.
    """

    def __init__(
        self,
        *,
        account: Account,
        open_calls: OpenCalls,
        publication: Publication,
        on_request: Told | None,
        capturing: Capturing | None,
        seconds: Callable[[], float],
        wake: Callable[[], None],
    ) -> None:
        self._account = account
        self._open_calls = open_calls
        self._publication = publication
        self._on_request = on_request
        self._capturing = capturing
        self._seconds = seconds
        self._wake = wake
        self._targets: tuple[TargetSummary, ...] | None = None
        self._calls: deque[AnsweredCall] = deque()
        self._prefixes = PrefixMemory()
        self._lost = 0

    def know(self, targets: Sequence[TargetSummary]) -> None:
        """Go by these targets from now on."""
        self._targets = tuple(targets)

    @property
    def targets(self) -> tuple[TargetSummary, ...] | None:
        """The targets it goes by, None before there are any."""
        return self._targets

    @property
    def lost(self) -> int:
        """How many calls were given up because too many were waiting."""
        return self._lost

    def add(self, call: AnsweredCall) -> None:
        """Take a call in, without a lock and without recording it: also safe while garbage is collected."""
        waiting_bytes = call.size_bytes + sum(each.size_bytes for each in tuple(self._calls))
        if not self._calls or (len(self._calls) < MAX_WAITING and waiting_bytes <= MAX_WAITING_BYTES):
            self._calls.append(call)
        else:
            self._lost += 1
            self._open_calls.unexplained(call.model, call.at)

    @property
    def waiting(self) -> int:
        """How many calls wait for the targets."""
        return len(self._calls)

    def record(self) -> None:
        """Record the calls that were taken in, as soon as the targets are known."""
        while self._targets is not None:
            try:
                call = self._calls.popleft()
            except IndexError:
                return
            try:
                self._record(call, self._targets)
            except Exception as error:  # noqa: BLE001 - whatever it is, the application must not see it
                self.failed("observing", error)

    def failed(self, what: str, error: BaseException) -> None:
        """Count something that went wrong, and log the first of its kind without its text: it may hold anything."""
        if self._account.fail(what) == 1:
            _log.warning("%s failed (%s); this is logged once, see CacheObserver.counts", what, type(error).__name__)

    def forget(self) -> None:
        """Begin anew in a forked child."""
        self._calls.clear()
        self._lost = 0

    def _record(self, call: AnsweredCall, targets: Sequence[TargetSummary]) -> None:
        try:
            usage = usage_of(call.counts, provider="anthropic", unsplit_ttl=_ttl_of(call.body))
        except ValueError as error:
            self.failed("observing", error)
            usage = NO_USAGE
        model = call.model
        if not usage.is_reported:
            self._account.count("unproven")
            self._open_calls.unexplained(model, call.at)
            return
        call, found = self._match(call, targets)
        sight = None
        is_touch = False
        for each in (found.own, *found.others):
            if each is not None:
                seen_as, touched = self._note(call, each, usage, model, is_own=each is found.own)
                is_touch = is_touch or touched
                sight = seen_as if each is found.own else sight
        if usage.read_tokens and not is_touch:  # it read something that is nobody's here, or not by its prefix
            self._open_calls.unexplained(model, call.at)
        if self._capturing is not None and self._capturing.offer(call, found.own, model):
            self._wake()
        self._account.see(sight)
        self._tell(call, found.own, sight, usage, model)

    def _note(self, call: AnsweredCall, found: Match, usage: Usage, model: str, *, is_own: bool) -> tuple[Sight, bool]:
        """Keep what a request says of an entry; returns what it was to it, and whether it touched it."""
        key = entry_key(found.target, model)
        warmth = self._account.warmth(key, found.target.prefix_digest)
        sight = sight_of(found, usage, prefix_tokens=None if warmth is None else warmth.cached_tokens or None)
        is_other = warmth is not None and is_elsewhere(warmth, workspace_id=call.workspace_id, region=call.region)
        is_touch = touches(found, usage, sight) and not is_other
        if MODEL_DRIFT in found.drifted or not (is_own or is_touch):
            return sight, is_touch
        seen, hit = sightings(call, found, usage, sight, is_touch=is_touch, is_own=is_own)
        if self._account.note(key, seen, hit, self._seconds()):
            self._wake()
        return sight, is_touch

    def _match(self, call: AnsweredCall, targets: Sequence[TargetSummary]) -> tuple[AnsweredCall, Matches]:
        """Find the targets of a call; returns it with a body of plain JSON."""
        try:
            return call, self._matches(call, targets)
        except (TypeError, AttributeError):  # the SDK's own objects in the prompt: what they are sent as is the same
            plain = replace(call, body={field: as_json(value, (field,)) for field, value in call.body.items()})
            return plain, self._matches(plain, targets)

    def _matches(self, call: AnsweredCall, targets: Sequence[TargetSummary]) -> Matches:
        return match(call.body, call.betas, call.model, targets, ascribed_to=call.ascribed_to, hashed_by=self._prefixes)

    def _tell(self, call: AnsweredCall, found: Match | None, sight: Sight | None, usage: Usage, model: str) -> None:
        if self._publication.sink is not None and found is not None and sight is not None:
            try:
                self._publication.sink.emit(
                    [
                        request_metrics(
                            service=self._publication.service,
                            target=found.target.name,
                            model=model,
                            at=call.at,
                            sight=sight,
                            usage=usage,
                            first_token_ms=call.first_token_ms,
                        )
                    ]
                )
            except Exception as error:  # noqa: BLE001 - a broken sink only counts
                self.failed("metrics", error)
        if self._on_request is not None:
            try:
                self._on_request(observed(call, found, sight, usage))
            except Exception as error:  # noqa: BLE001 - a broken callback only counts
                self.failed("callback", error)


def _ttl_of(body: Mapping[str, Any]) -> Ttl:
    """The class of written tokens where an answer does not split them; every API of Anthropic does."""
    return "1h" if (body.get("cache_control") or {}).get("ttl") == "1h" else DEFAULT_TTL
