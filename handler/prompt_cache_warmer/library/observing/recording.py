"""From an answered request to what is recorded of it: target, sight, metrics, callback, and what the state is told."""

from __future__ import annotations

import logging
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from prompt_cache_warmer.library.observing.account import Account, FirstHit
from prompt_cache_warmer.library.observing.prefix_memory import PrefixMemory
from prompt_cache_warmer.library.observing.records import ObservedRequest
from prompt_cache_warmer.library.prompts.bodies import as_json
from prompt_cache_warmer.rules.traffic import Match, entry_key, match, sight_of, touches
from prompt_cache_warmer.rules.traffic_metrics import request_metrics
from prompt_cache_warmer.values.body import DEFAULT_TTL
from prompt_cache_warmer.values.observation import Miss, Sight, Sightings
from prompt_cache_warmer.values.usage_shapes import NO_USAGE, usage_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from prompt_cache_warmer.library.observing.capturing import Capturing
    from prompt_cache_warmer.ports import MetricSink
    from prompt_cache_warmer.values.body import Ttl
    from prompt_cache_warmer.values.targets import TargetSummary
    from prompt_cache_warmer.values.usage import Usage

MAX_WAITING = 256  # requests that wait for the targets to be read; each holds on to its body

_log = logging.getLogger("prompt_cache_warmer.observer")


@dataclass(frozen=True, slots=True, kw_only=True)
class AnsweredCall:
    """One request of the application that was answered, body included.

    Attributes:
        body: the Messages API body as the SDK was given it.
        betas: the values of its ``anthropic-beta`` header.
        counts: the counts of the answer's usage.
        ascribed_to: the target's name, where the application says it.
        at: when it started.
        is_streamed: whether the answer came as a stream.
        first_token_ms: how long its first token took.
        duration_ms: how long the answer took.
        workspace_id: the workspace its credential resolved to.
        region: the AWS region that answered.
        request_id: the API's id of it.
    """

    body: Mapping[str, Any] = field(repr=False)  # prompts are not for tracebacks
    betas: tuple[str, ...]
    counts: Mapping[str, Any]
    ascribed_to: str | None
    at: datetime
    is_streamed: bool
    first_token_ms: float | None
    duration_ms: float
    workspace_id: str | None
    region: str | None
    request_id: str | None


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
        publication: Publication,
        on_request: Told | None,
        capturing: Capturing | None,
        seconds: Callable[[], float],
        wake: Callable[[], None],
    ) -> None:
        self._account = account
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
        if len(self._calls) < MAX_WAITING:
            self._calls.append(call)
        else:
            self._lost += 1

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
        if not usage.is_reported:
            self._account.count("unproven")
            return
        model = str(call.body.get("model") or "")
        found = self._match(call, model, targets)
        sight = None
        if found is not None:
            key = entry_key(found.target, model)
            size = self._account.prefix_tokens(key, found.target.prefix_digest)
            sight = sight_of(found, usage, prefix_tokens=size)
            seen, hit = _sightings(call, found, usage, sight, model)
            if self._account.note(key, seen, hit, self._seconds()):
                self._wake()
        if self._capturing is not None and self._capturing.offer(call, found, model):
            self._wake()
        self._account.see(sight)
        self._tell(call, found, sight, usage, model)

    def _match(self, call: AnsweredCall, model: str, targets: Sequence[TargetSummary]) -> Match | None:
        ascribed_to, hashed_by = call.ascribed_to, self._prefixes
        try:
            return match(call.body, call.betas, model, targets, ascribed_to=ascribed_to, hashed_by=hashed_by)
        except (TypeError, AttributeError):  # the SDK's own objects in the prompt: what they are sent as is the same
            plain = {field: as_json(value, (field,)) for field, value in call.body.items()}
            return match(plain, call.betas, model, targets, ascribed_to=ascribed_to, hashed_by=hashed_by)

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
                self._on_request(_observed(call, found, sight, usage, model))
            except Exception as error:  # noqa: BLE001 - a broken callback only counts
                self.failed("callback", error)


def _ttl_of(body: Mapping[str, Any]) -> Ttl:
    """The class of written tokens where an answer does not split them; every API of Anthropic does."""
    return "1h" if (body.get("cache_control") or {}).get("ttl") == "1h" else DEFAULT_TTL


def _sightings(
    call: AnsweredCall, found: Match, usage: Usage, sight: Sight, model: str
) -> tuple[Sightings, FirstHit | None]:
    miss = None
    if sight is not Sight.HIT:
        miss = Miss(
            at=call.at,
            drifted=found.drifted,
            read_tokens=usage.read_tokens,
            written_tokens=usage.written_tokens,
            uncached_tokens=usage.uncached_tokens,
            workspace_id=call.workspace_id,
            region=call.region,
            marker_distance=found.marker_distance,
        )
    seen = Sightings(
        hits=int(sight is Sight.HIT),
        cold_starts=int(sight is Sight.COLD_START),
        drifts=int(sight is Sight.DRIFT),
        touched_at=call.at if touches(found, usage) else None,
        fingerprint=found.target.prefix_digest,
        last_miss=miss,
    )
    hit = FirstHit(call.at, usage.read_tokens, found.target, model) if sight is Sight.HIT else None
    return seen, hit


def _observed(
    call: AnsweredCall, found: Match | None, sight: Sight | None, usage: Usage, model: str
) -> ObservedRequest:
    return ObservedRequest(
        at=call.at,
        model=model,
        usage=usage,
        target=None if found is None else found.target.name,
        sight=sight,
        drifted=() if found is None else found.drifted,
        is_streamed=call.is_streamed,
        first_token_ms=call.first_token_ms,
        duration_ms=call.duration_ms,
        workspace_id=call.workspace_id,
        region=call.region,
        request_id=call.request_id,
    )
