"""One history of an application beside the warmer, with its ticks or without, and what its observers published.

Everything is the real thing on the local cloud: observer, SDK, table, handler and CloudWatch; time is the
emulator's. What a history reads at its end without ticks, no warm call can have saved.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Self

import anthropic

from infra.local.agent_day import AgentClock, agent_cloud
from infra.local.cloud import API_KEY, BUCKET, SERVICE, STATE_TABLE, WORKSPACE
from infra.local.messages_api import Fault
from prompt_cache_warmer import CacheObserver
from tests.deployments import MESSAGES, Deployment
from tests.fakes import MODEL

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from infra.local.messages_api import EmulatorClock
    from prompt_cache_warmer.library.observing.records import ObservedRequest

OTHER_KEY, OTHER_WORKSPACE = "sk-ant-local-other-key", "wrkspc_other"
TICK_SECONDS = 240


@dataclass(frozen=True, slots=True)
class Read:
    """What a request read from the cache and wrote to it.

    Attributes:
        read_tokens: read.
        written_tokens: written.
    """

    read_tokens: int
    written_tokens: int


class SkewedClock(AgentClock):
    """Another machine's clock.

    Args:
        clock: the emulator's.
        ahead_seconds: by how much it is ahead.
    """

    def __init__(self, clock: EmulatorClock, *, ahead_seconds: float = 0.0) -> None:
        super().__init__(clock)
        self._ahead = timedelta(seconds=ahead_seconds)

    def now(self) -> datetime:
        """Return its time."""
        return super().now() + self._ahead


class Loses(anthropic.Middleware):
    """The network behind an observer, which loses every answer."""

    def handle(self, request: anthropic.APIRequest, call_next: anthropic.CallNext) -> anthropic.APIResponse[Any]:
        """Ask, and lose the answer."""
        call_next(request)
        raise TimeoutError


class Process:
    """One process of the application, with an observer of its own.

    Args:
        world: where it runs.
        key: its API key.
        ahead_seconds: by how much its clock is ahead.
    """

    def __init__(self, world: World, *, key: str = API_KEY, ahead_seconds: float = 0.0) -> None:
        self.seen: list[ObservedRequest] = []
        self._world = world
        self._key = key
        self.observer = CacheObserver(
            targets=f"s3://{BUCKET}/targets/",
            state_table=STATE_TABLE,
            metrics="cloudwatch",
            service=SERVICE,
            session=world.cloud.aws,
            clock=SkewedClock(world.cloud.api.clock, ahead_seconds=ahead_seconds),
            on_request=self.seen.append,
        )
        self.client = self._client(self.observer)

    def _client(self, *middleware: anthropic.Middleware) -> anthropic.Anthropic:
        base_url = self._world.cloud.api.base_url
        return anthropic.Anthropic(api_key=self._key, base_url=base_url, max_retries=0, middleware=middleware)

    def ask(self, request: dict[str, Any], *, ascribed_to: str | None = None, **more: Any) -> Read:
        """Send a real request, whole or streamed to its end, and tell of it."""
        body = asking(request, **more)
        if ascribed_to is None:
            said = self._said(body)
        else:
            with self.observer.ascribe(ascribed_to):
                said = self._said(body)
        self.observer.flush()
        return Read(said.usage.cache_read_input_tokens or 0, said.usage.cache_creation_input_tokens or 0)

    def _said(self, body: dict[str, Any]) -> anthropic.types.Message:
        if not body.pop("stream", False):
            said: anthropic.types.Message = self.client.messages.create(**body)
            return said
        with self.client.messages.stream(**body) as stream:
            return stream.get_final_message()

    def open(self, request: dict[str, Any]) -> anthropic.Stream[Any]:
        """Begin a stream, and read nothing of it."""
        stream: anthropic.Stream[Any] = self.client.messages.create(**asking(request), stream=True)
        return stream

    def ask_in_vain(self, request: dict[str, Any]) -> None:
        """Send a request whose answer is lost on its way."""
        with self._client(self.observer, Loses()) as client:
            try:
                client.messages.create(**asking(request))
            except (TimeoutError, anthropic.APIError):
                self.observer.flush()

    def ask_refused(self, request: dict[str, Any]) -> None:
        """Send a request that is refused, for there are too many."""
        self._world.cloud.api.faults.add(Fault(kind="status", status=429, path=MESSAGES))
        try:
            self.client.messages.create(**asking(request))
        except anthropic.RateLimitError:
            self.observer.flush()

    def ask_unseen(self, request: dict[str, Any]) -> None:
        """Send a request that no observer sees."""
        with self._client() as client:
            client.messages.create(**asking(request))

    def end(self) -> None:
        """End it as an interpreter ends."""
        assert self.observer.close()
        self.client.close()


def asking(request: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Return a whole request of the application."""
    return {"model": MODEL, "max_tokens": 1, "messages": [{"role": "user", "content": "Hello?"}], **request, **more}


@dataclass
class World:
    """A deployment, and whether its schedule is on.

    Attributes:
        documents: the targets.
        is_warming: whether the schedule is on.
    """

    documents: Sequence[dict[str, Any]]
    is_warming: bool
    _processes: list[Process] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        self.cloud = self._stack.enter_context(agent_cloud())  # of a day that CloudWatch still takes metrics of
        self.cloud.api.api_keys = {API_KEY: WORKSPACE, OTHER_KEY: OTHER_WORKSPACE}
        self.deployment = Deployment(self.cloud)
        for document in self.documents:
            self.cloud.put(f"targets/{document['name']}.json", document)
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def process(self, **options: Any) -> Process:
        """Start a process of the application; the targets are known to it."""
        process = Process(self, **options)
        assert process.observer.flush()
        self._processes.append(process)
        return process

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self.cloud.api.clock.advance(seconds)

    def tick(self) -> None:
        """Let the schedule tick, where it is on."""
        if self.is_warming:
            self.deployment.tick()

    def tick_for(self, seconds: int) -> None:
        """Let time pass, with a tick every four minutes."""
        for _ in range(seconds // TICK_SECONDS):
            self.wait(TICK_SECONDS)
            self.tick()
        self.wait(seconds % TICK_SECONDS)

    def play(self, history: Callable[[World], Read]) -> Read:
        """Play a history to its end, when every process ends; returns what its last request came to."""
        last = history(self)
        for process in self._processes:
            process.end()
        return last

    def published(self, *names: str) -> dict[str, float | None]:
        """Read metrics back from CloudWatch."""
        return {name: self.deployment.metric(name) for name in names}
