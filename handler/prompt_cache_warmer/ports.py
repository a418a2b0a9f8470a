"""The ports: what the warm use case needs from the outside, as Protocols.

Adapters implement them on AWS and the SDK; the tests' fakes do so in memory and pass the same contract tests.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

from prompt_cache_warmer.values.problems import Problem, Severity
from prompt_cache_warmer.values.rate_limits import NO_RATE_LIMITS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import date, datetime

    from prompt_cache_warmer.rules.entry_result import EntryResult
    from prompt_cache_warmer.rules.metrics import MetricSet
    from prompt_cache_warmer.rules.report import RunReport
    from prompt_cache_warmer.rules.request import WarmCall
    from prompt_cache_warmer.rules.uploads import Ignored
    from prompt_cache_warmer.rules.verification import Verification
    from prompt_cache_warmer.values.caps import Caps
    from prompt_cache_warmer.values.divergence import Divergence
    from prompt_cache_warmer.values.money import Amount
    from prompt_cache_warmer.values.observation import Sightings
    from prompt_cache_warmer.values.rate_limits import RateLimits
    from prompt_cache_warmer.values.snapshot import CredentialState, Lease, Pause, Snapshot
    from prompt_cache_warmer.values.state import Breaker, EntryKey, Observed, Warmth
    from prompt_cache_warmer.values.targets import Target, TargetSummary
    from prompt_cache_warmer.values.usage import Usage


@dataclass(frozen=True, slots=True)
class Index:
    """What there is to keep warm now.

    Attributes:
        targets: every valid target, in the order of their sources; no two have the same name.
        problems: every error and warning of every document.
        etags: the entity tag, without quotes, of every object that was listed: documents and what they may refer to.
        modified_at: when each of them was put.
    """

    targets: tuple[TargetSummary, ...]
    problems: tuple[Problem, ...]
    etags: Mapping[str, str] = field(default_factory=dict)
    modified_at: Mapping[str, datetime] = field(default_factory=dict)

    @property
    def invalid_sources(self) -> frozenset[str]:
        """The documents that are not a valid target."""
        errors = frozenset(problem.source for problem in self.problems if problem.severity is Severity.ERROR)
        return errors.difference(target.source for target in self.targets)


def unlimited() -> float:
    """Say that there is time without end."""
    return math.inf


@dataclass(frozen=True, slots=True)
class Answer:
    """What the API said to a warm call.

    Attributes:
        usage: the call's tokens: the only proof.
        message_id: the message's id.
        request_id: the API's id of the request, None where it sent none.
        workspace_id: the workspace the credential resolved to, None where the API does not say.
        region: the AWS region that answered, None where the call did not go to Bedrock.
        divergence: where the request differs from the one it names; None where it names none, or nothing differs.
        missed_tokens: the API's estimate of what was missed for it, None where it says nothing.
        rate_limits: what the answer's headers say of the limits that warm calls share with the application.
        raw: what the client itself returned, for callers of the library who want to look at it.
    """

    usage: Usage
    message_id: str | None = None
    request_id: str | None = None
    workspace_id: str | None = None
    region: str | None = None
    divergence: Divergence | None = None
    missed_tokens: int | None = None
    rate_limits: RateLimits = NO_RATE_LIMITS
    raw: object = field(default=None, repr=False, compare=False)


class TargetIndex(Protocol):
    """Lists the targets without holding their prompts."""

    async def load(
        self, *, remaining_seconds: Callable[[], float] = unlimited, only: frozenset[str] | None = None
    ) -> Index:
        """Return what there is to keep warm now, or of it what some documents say, reading for a part of the time left.

        Raises:
            TargetsUnreadableError: when the whole listing is not possible; a bad document is a problem of the index.
        """


class BodySource(Protocol):
    """Fetches the body of a target when its turn comes."""

    async def fetch(self, target: TargetSummary) -> Target:
        """Return the target with its body, in the version the summary speaks of.

        Raises:
            TargetUnavailableError: when that version cannot be had any more, or not now.
        """


class MessagesApi(Protocol):
    """Makes one warm call."""

    async def send(self, call: WarmCall, *, timeout_seconds: float) -> Answer:
        """Send the call once, without any retry of its own.

        Raises:
            WarmCallError: the branch that says what the operator should do.
            SecretUnreadableError: when there are no credentials at all.
        """

    async def count_tokens(self, call: WarmCall, *, timeout_seconds: float) -> int:
        """Return the API's own estimate of a call's input tokens; counting is free.

        Raises:
            WarmCallError: when it cannot be had.
            SecretUnreadableError: when there are no credentials at all.
        """


class ClaimAnswer(StrEnum):
    """What a store says to a claim."""

    GRANTED = "granted"
    TAKEN = "taken"
    CAPPED = "capped"


@dataclass(frozen=True, slots=True)
class ClaimRequest:
    """One conditional write before a call: it claims the entry and reserves the call's worst case.

    Attributes:
        key: the entry.
        owner: the run that asks; unique per run.
        sequence: the entry's sequence as the run has seen it; any other claim since then refuses this one.
        until: when the claim ends by itself.
        day: the UTC day the reservation is counted to.
        amount: the worst case, counted to the target's day; nothing for a claim without a call of its own.
        caps: the target's caps; only those of the day are looked at.
    """

    key: EntryKey
    owner: str
    sequence: int
    until: datetime
    day: date
    amount: Amount
    caps: Caps


@dataclass(frozen=True, slots=True)
class Commit:
    """One conditional write after a call: it commits the real cost and what the call proved, and ends the claim.

    Attributes:
        request: the claim that was granted.
        spent: what the call cost, or may have cost; it takes the place of the reserved amount.
        warmth: what it proved; None leaves what was known.
        breaker: the breaker after it.
    """

    request: ClaimRequest
    spent: Amount
    warmth: Warmth | None
    breaker: Breaker


class StateStore(Protocol):
    """Remembers entries, spending and pauses between runs, shared by every run of the stack.

    Times are cut to the millisecond, money is kept to the pico-USD, and money and tokens are counted and
    capped apart. Every change is one conditional write to one item, so any number of runs may use it at
    once, and the same claim's commit or the same lease's settling counts once however often it is sent.
    Every method raises ``StateUnavailableError`` when the store cannot be reached or refuses.
    """

    async def load(self, keys: Sequence[EntryKey], *, day: date) -> Snapshot:
        """Read the state of entries, their credentials, the spending of a UTC day and its month, and the pause.

        The pause is as it was asked for, over or not. What cannot be read is unknown and named in
        ``Snapshot.unreadable``, except a pause: one that cannot be read has no end.
        """

    async def claim(self, request: ClaimRequest) -> ClaimAnswer:
        """Claim an entry and reserve its call's worst case under its target's caps, both or neither.

        Whoever has seen the last claim may take it over: whether it is over is the caller's to say.
        Money or tokens of which nothing is known to be wanted are held to no cap, not even an overspent one.

        Returns:
            ``TAKEN`` where the last claim was not seen, or the state is a newer version's; else ``CAPPED``
            where the day's caps have no room.
        """

    async def commit(self, commit: Commit) -> bool:
        """End a claim with what came of it; the money is committed even where the claim was lost meanwhile.

        Returns:
            Whether the claim was still held and warmth and breaker were kept, now or when it was committed before.
        """

    async def touch(self, key: EntryKey, *, at: datetime, fingerprint: str | None = None) -> bool:
        """Remember a real request of the application; an older one than the last known changes nothing.

        Returns:
            Whether it was newer than the last known one.
        """

    async def observe(self, key: EntryKey, seen: Sightings) -> Observed:
        """Add what was seen of an entry's traffic to what was seen since its last answered warm call.

        The counts are added, the later last miss is kept, and what is later than the last known traffic is
        remembered as ``touch`` does it; without ``touched_at`` there is no traffic to remember. The next commit
        with a warmth forgets all of it but the traffic, and so do sightings of another prefix, which start from
        zero. Where the state is a newer version's nothing is written. A write whose answer was lost may count
        twice: these counts are shown, and nothing is decided or paid by them.

        Returns:
            What was known before; nothing where the state is a newer version's.
        """

    async def lease(self, wanted: Amount, *, caps: Caps, day: date) -> Lease:
        """Take as much of what is wanted as the stack's caps of the day and the month still have room for.

        Where there is no such cap at all, nothing is leased and everything may be spent. Where only one
        of money and tokens is capped, the other is leased as it is wanted.
        """

    async def settle(self, lease: Lease, *, spent: Amount) -> None:
        """Put what was spent in the place of what was leased, on the lease's own day and month."""

    async def save_credential(self, name: str, state: CredentialState) -> bool:
        """Remember a credential's breaker, if its sequence is one above the last known, and say whether it was."""

    async def pause(self, pause: Pause) -> None:
        """Stop all warming until the pause ends."""

    async def resume(self) -> bool:
        """End a pause, and say whether there was one."""


class MetricSink(Protocol):
    """Publishes metrics."""

    def emit(self, metric_sets: Sequence[MetricSet]) -> None:
        """Publish the sets."""


class RunLog(Protocol):
    """Writes the run's log: one line per call, per failure, per invalid document, and one for the run."""

    def document(self, problem: Problem) -> None:
        """Write that a document is not a target, or was not read yet."""

    def ignored(self, ignored: Ignored) -> None:
        """Write that an upload or a message is not acted on."""

    def entry(self, result: EntryResult) -> None:
        """Write what became of an entry that was called, failed or was deferred."""

    def diagnosed(self, result: EntryResult) -> None:
        """Write that an entry's traffic misses for another cause than at the last run, or no longer."""

    def verified(self, verification: Verification) -> None:
        """Write what a verification found of an entry."""

    def finished(self, report: RunReport) -> None:
        """Write the run's totals."""


class Clock(Protocol):
    """The time, and waiting for it."""

    def now(self) -> datetime:
        """Return the current time, aware, in UTC."""

    def monotonic_seconds(self) -> float:
        """Return seconds that never go back, for measuring."""

    async def sleep(self, seconds: float) -> None:
        """Wait."""
