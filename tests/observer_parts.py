"""Parts of an observer by themselves: answered calls, a recorder without targets, a teller, stores that fail."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from prompt_cache_warmer.errors import StateUnavailableError
from prompt_cache_warmer.library.observing.account import Account
from prompt_cache_warmer.library.observing.calls import AnsweredCall
from prompt_cache_warmer.library.observing.connecting import Connected
from prompt_cache_warmer.library.observing.open_calls import OpenCalls
from prompt_cache_warmer.library.observing.recording import Publication, Recorder
from prompt_cache_warmer.library.observing.telling import Teller
from prompt_cache_warmer.values.state import Observed
from tests.fakes import EPOCH, FakeClock, MemoryMetrics, target
from tests.observer_cases import HIT, REQUEST

if TYPE_CHECKING:
    from infra.local.aws import LocalAws
    from prompt_cache_warmer.library.observing.capturing import Capturing
    from prompt_cache_warmer.library.observing.records import ObservedRequest
    from prompt_cache_warmer.values.observation import Sightings
    from prompt_cache_warmer.values.state import EntryKey
    from prompt_cache_warmer.values.targets import TargetSummary


def answered(**changes: Any) -> AnsweredCall:
    """Return a call that was answered, with a hit unless it is told otherwise."""
    given: dict[str, Any] = {
        "body": REQUEST,
        "betas": (),
        "counts": HIT,
        "ascribed_to": None,
        "at": EPOCH,
        "is_streamed": False,
        "first_token_ms": None,
        "duration_ms": 1.0,
        "workspace_id": None,
        "region": None,
        "request_id": None,
        **changes,
    }
    return AnsweredCall(**given)


class Store:
    """The one method of a state store that an observer uses.

    Attributes:
        script: what to answer next: an error to raise, or an answer.
        refused: entries it cannot be told of.
        told: every entry it was told of, with what was seen.
    """

    def __init__(self) -> None:
        self.script: list[Observed | BaseException] = []
        self.refused: set[EntryKey] = set()
        self.told: list[tuple[EntryKey, Sightings]] = []

    async def observe(self, key: EntryKey, seen: Sightings) -> Observed:
        """Keep what it is told, unless it is scripted to fail."""
        if key in self.refused:
            raise StateUnavailableError("refused")
        scripted = self.script.pop(0) if self.script else Observed()
        if isinstance(scripted, BaseException):
            raise scripted
        self.told.append((key, seen))
        return scripted


class Session:
    """A session of the local account that counts what its clients do."""

    def __init__(self, aws: LocalAws) -> None:
        self._aws = aws
        self.calls: Counter[str] = Counter()

    def client(self, service: str, *, config: Any) -> Any:
        """Make a client."""
        made = self._aws.client(service, config=config)
        made.meta.events.register("before-call", self._count)
        return made

    def _count(self, *, model: Any, **_: Any) -> None:
        self.calls[model.name] += 1


class Offline:
    """A session of boto3 without a network."""

    def client(self, service: str, **_: Any) -> Any:
        """Make no client."""
        raise OSError(f"{service} is out of reach")


class Source:
    """Targets that may change.

    Attributes:
        targets: what is read; an error is raised.
        reads: how often they were read.
    """

    def __init__(self) -> None:
        self.targets: tuple[TargetSummary, ...] | Exception = (target().summary,)
        self.reads = 0

    def load(self) -> tuple[TargetSummary, ...]:
        """Read them."""
        self.reads += 1
        if isinstance(self.targets, Exception):
            raise self.targets
        return self.targets

    def store(self, draft: object, /, *, may_replace: bool) -> object:
        """Store nothing."""
        return draft, may_replace


class Gathered(MemoryMetrics):
    """Gathers metrics, and counts how often it is flushed; it may fail."""

    lost = 0

    def __init__(self) -> None:
        super().__init__()
        self.flushes = 0
        self.fails: Exception | None = None

    @property
    def has_waiting(self) -> bool:
        """Whether anything was not put."""
        return self.fails is not None

    def flush(self) -> None:
        """Count it."""
        self.flushes += 1
        if self.fails is not None:
            raise self.fails


@dataclass
class Desk:
    """A recorder and a teller over what is in memory.

    Attributes:
        source: the targets that may change; None for the one that is known.
        store: the state.
        gathered: the metrics.
        capturing: stores captured prefixes.
    """

    source: Source | None = None
    store: Store | None = None
    gathered: Gathered | None = None
    capturing: Capturing | None = None
    clock: FakeClock = field(default_factory=FakeClock)
    told: list[ObservedRequest] = field(default_factory=list)
    woken: int = 0

    def __post_init__(self) -> None:
        self.account = Account()
        self.open_calls = OpenCalls()
        publication = Publication(self.gathered, "svc")
        self.recorder = Recorder(
            account=self.account,
            open_calls=self.open_calls,
            publication=publication,
            on_request=self.told.append,
            capturing=self.capturing,
            seconds=self.clock.monotonic_seconds,
            wake=self._wake,
        )
        if self.source is None:
            self.recorder.know((target().summary,))
        gathered: Any = self.gathered
        store: Any = self.store
        self.teller = Teller(
            account=self.account,
            open_calls=self.open_calls,
            recorder=self.recorder,
            connected=Connected(source=self.source, store=store, sink=gathered, gathered=gathered),
            capturing=self.capturing,
            publication=publication,
            seconds=self.clock.monotonic_seconds,
        )

    def _wake(self) -> None:
        self.woken += 1

    def record(self, **changes: Any) -> None:
        """Record a call that was answered now."""
        self.recorder.add(answered(**{"at": self.clock.now(), **changes}))
        self.recorder.record()

    @property
    def failures(self) -> dict[str, int]:
        """What failed, how often."""
        return dict(self.account.counts().failures)
