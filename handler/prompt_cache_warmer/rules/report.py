"""The run report: what a run found, decided, called and proved. The handler returns it as JSON.

A Lambda answer may have 6 MB, so at most 200 entries and 200 problems are listed, failures first and then the
entries whose traffic missed; what is left out is counted. Totals always cover everything.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from prompt_cache_warmer.rules.credentials import CredentialUse, credential_notices
from prompt_cache_warmer.rules.entry_result import EntryResult, Outcome, money_json, time_json, usage_json
from prompt_cache_warmer.rules.reasons import Reason
from prompt_cache_warmer.rules.uploads import Ignored, Upload, failures_json
from prompt_cache_warmer.rules.verdict import Verdict
from prompt_cache_warmer.rules.verification import Verification, verifications_json
from prompt_cache_warmer.values.caps import NO_CAPS
from prompt_cache_warmer.values.money import NOTHING, Amount
from prompt_cache_warmer.values.problems import Problem, ProblemCode, Severity
from prompt_cache_warmer.values.usage import Usage

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from prompt_cache_warmer.rules.diagnosis import Cause
    from prompt_cache_warmer.rules.order import Order
    from prompt_cache_warmer.values.caps import Caps
    from prompt_cache_warmer.values.snapshot import Pause

MAX_LISTED = 200
_OUTCOMES = tuple(Outcome)  # in the order a report shows them
_UNREAD = (ProblemCode.NOT_READ_YET, ProblemCode.UNREADABLE)
CAPPED_CODES = frozenset(reason.value for reason in Reason if reason.is_capped)


@dataclass(frozen=True, slots=True)
class RunStanding:
    """What held for the whole run.

    Attributes:
        pause: the pause that stops all warming, None where there is none.
        spent_today: what the whole stack spent or reserved on the UTC day, this run included.
        spent_this_month: what it spent or reserved in the month.
        caps: what it may spend.
        stopped_credentials: the names of the credentials whose calls were all kept back.
        is_durable: whether the state outlives this process.
        is_own_machine: whether the run was one on somebody's own machine, whose state nobody asks for later.
        troubles: what was wrong with the state, one sentence each.
    """

    pause: Pause | None = None
    spent_today: Amount = NOTHING
    spent_this_month: Amount = NOTHING
    caps: Caps = NO_CAPS
    stopped_credentials: tuple[str, ...] = ()
    is_durable: bool = True
    is_own_machine: bool = False
    troubles: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Return it as a part of the report; caps that are not set are null."""
        return {
            "state": "table" if self.is_durable else "memory",
            "pause": self.pause and pause_json(self.pause),
            "stopped_credentials": list(self.stopped_credentials),
            "budget": {
                "day": _budget_json(self.spent_today, self.caps.usd_per_day, self.caps.tokens_per_day),
                "month": _budget_json(self.spent_this_month, self.caps.usd_per_month, self.caps.tokens_per_month),
            },
        }


@dataclass(frozen=True, slots=True)
class RunReport:
    """What one run found, decided, called and proved.

    Attributes:
        order: what the run was asked to do.
        started_at: when it started.
        duration_ms: how long it took.
        targets_loaded: valid targets there are, asked for or not.
        targets_invalid: documents that are not a valid target.
        results: what became of every entry.
        problems: errors and warnings of documents.
        standing: what held for the whole run.
        verifications: what was proven of every entry, where the order asked for it.
        ignored: uploads and messages that were not acted on.
        credentials: where each credential's calls arrive, as far as it is known.
    """

    order: Order
    started_at: datetime
    duration_ms: int
    targets_loaded: int
    targets_invalid: int
    results: tuple[EntryResult, ...] = ()
    problems: tuple[Problem, ...] = ()
    standing: RunStanding = RunStanding()
    verifications: tuple[Verification, ...] = ()
    ignored: tuple[Ignored, ...] = ()
    credentials: tuple[CredentialUse, ...] = ()

    @property
    def usage(self) -> Usage:
        """The tokens of all calls together."""
        billed = [result.usage for result in self.results if result.usage is not None]
        return Usage(
            uncached_tokens=sum(usage.uncached_tokens for usage in billed),
            read_tokens=sum(usage.read_tokens for usage in billed),
            write_5m_tokens=sum(usage.write_5m_tokens for usage in billed),
            write_1h_tokens=sum(usage.write_1h_tokens for usage in billed),
            output_tokens=sum(usage.output_tokens for usage in billed),
        )

    @property
    def cost_usd(self) -> Decimal:
        """What all calls with a known price cost together."""
        return sum((result.cost_usd for result in self.results if result.cost_usd is not None), Decimal(0))

    @property
    def entries_due(self) -> int:
        """How many entries the run decided to warm."""
        return len(self.results) - self.count(Outcome.SKIPPED)

    @property
    def entries_unpriced(self) -> int:
        """How many entries' calls were billed at an unknown price."""
        return sum(result.is_unpriced for result in self.results)

    @property
    def entries_lapsed(self) -> int:
        """How many entries were found lapsed that should have been held."""
        return sum(result.decision is not None and result.decision.is_lapse for result in self.results)

    @property
    def entries_capped(self) -> int:
        """How many due entries a cap kept from being called."""
        return sum(result.code in CAPPED_CODES for result in self.results)

    @property
    def entries_missed(self) -> int:
        """How many entries' traffic missed though warm calls should hold them."""
        return sum(result.diagnosis is not None for result in self.results)

    @property
    def entries_to_mend(self) -> int:
        """How many of them will miss again until somebody corrects the cause."""
        return sum(result.diagnosis is not None and result.diagnosis.cause.needs_mending for result in self.results)

    @property
    def causes(self) -> dict[Cause, int]:
        """For how many entries it is which cause."""
        return dict(Counter(result.diagnosis.cause for result in self.results if result.diagnosis is not None))

    @property
    def breakers_open(self) -> int:
        """How many breakers keep calls back: of entries that would be due, and of credentials."""
        kept_back = sum(result.code == Reason.BREAKER_OPEN for result in self.results)
        return kept_back + len(self.standing.stopped_credentials)

    @property
    def skipped(self) -> dict[str, int]:
        """How many entries were skipped for each reason."""
        codes = Counter(result.code for result in self.results if result.outcome is Outcome.SKIPPED)
        return {str(code): count for code, count in sorted(codes.items(), key=str)}

    @property
    def notices(self) -> tuple[str, ...]:
        """What is worth knowing about the run as a whole, in words."""
        found = list(self.standing.troubles)
        untouched = sum(result.code == Reason.NO_TRAFFIC for result in self.results)
        if untouched:
            found.append(f"{untouched} entries are not kept: {Reason.NO_TRAFFIC.sentence}")
        if not self.standing.is_durable and not self.standing.is_own_machine:
            found.append(
                "no STATE_TABLE: what is warm and what was spent is known to this sandbox only; a new one starts "
                "anew, and its caps with it"
            )
        if any(
            result.decision is not None and result.decision.reason is Reason.LAPSED and "5m" in result.entry.target.ttls
            for result in self.results
        ):
            found.append(
                "5-minute entries lapsed between two ticks: the schedule may come a minute late; "
                "use 1-hour markers or a shorter tick"
            )
        notices = list(credential_notices(self.credentials, (result.entry for result in self.results)))
        more = [f"and {len(notices) - MAX_LISTED} more like these"] if len(notices) > MAX_LISTED else []
        return (*found, *notices[:MAX_LISTED], *more)

    @property
    def waiting(self) -> tuple[str, ...]:
        """The messages that go back to their queue: an entry of theirs is another run's, was left over, or not read.

        Everything else is done with: what failed or was kept back is the next tick's, which sends it again.
        """
        entries = {
            (result.entry.target.name, result.entry.model)
            for result in self.results
            if result.outcome is Outcome.DEFERRED or result.code == Reason.CLAIMED
        }
        unread = {problem.source for problem in self.problems if problem.code in _UNREAD}
        return tuple(
            message.message_id
            for message in self.order.due or ()
            if any(one.document in unread or (one.target, one.model) in entries for one in message.entries)
        )

    def count(self, outcome: Outcome) -> int:
        """Count the entries with an outcome."""
        return sum(result.outcome is outcome for result in self.results)

    def totals(self) -> dict[str, Any]:
        """Return the totals over everything, listed or not."""
        verdicts = Counter(result.verdict for result in self.results if result.verdict is not None)
        return {
            "targets_loaded": self.targets_loaded,
            "targets_invalid": self.targets_invalid,
            "entries": len(self.results),
            "entries_due": self.entries_due,
            **{f"entries_{outcome.value}": self.count(outcome) for outcome in Outcome},
            **{verdict.value: verdicts[verdict] for verdict in Verdict},
            **usage_json(self.usage),
            "cost_usd": money_json(self.cost_usd),
            "entries_unpriced": self.entries_unpriced,
            "entries_lapsed": self.entries_lapsed,
            "entries_capped": self.entries_capped,
            "entries_missed": self.entries_missed,
            "breakers_open": self.breakers_open,
        }

    def as_json(self) -> dict[str, Any]:
        """Return the report as the handler answers it."""
        ordered = sorted(self.results, key=_rank)
        problems = sorted(self.problems, key=lambda problem: problem.severity is not Severity.ERROR)
        return {
            "trigger": self.order.trigger.value,
            "execution_id": self.order.execution_id,
            "scheduled_time": self.order.scheduled_time,
            "started_at": self.started_at.isoformat(timespec="milliseconds"),
            "duration_ms": self.duration_ms,
            "dry_run": self.order.dry_run,
            **self.standing.as_json(),
            "credentials": {use.name: use.as_json() for use in self.credentials},
            "notices": list(self.notices),
            "totals": self.totals(),
            "skipped": self.skipped,
            "problems": [problem.as_json() for problem in problems[:MAX_LISTED]],
            "problems_truncated": max(0, len(problems) - MAX_LISTED),
            "entries": [result.as_json() for result in ordered[:MAX_LISTED]],
            "truncated": max(0, len(ordered) - MAX_LISTED),
            **({} if self.order.verify is None else verifications_json(self.verifications, asked=self.order.verify)),
            **({} if self.order.uploads is None else _uploads_json(self.order.uploads)),
            **({} if self.order.uploads is None and self.order.due is None else self._batch_json()),
        }

    def _batch_json(self) -> dict[str, Any]:
        """Write what was not acted on and, for a queue, what goes back to it."""
        failures = failures_json(self.ignored) + [{"itemIdentifier": one} for one in self.waiting]
        return {
            "ignored": [one.as_json() for one in self.ignored[:MAX_LISTED]],
            "ignored_truncated": max(0, len(self.ignored) - MAX_LISTED),
            **({"batchItemFailures": failures} if self.order.is_batch else {}),
        }


def _uploads_json(uploads: Sequence[Upload]) -> dict[str, Any]:
    keys = list(dict.fromkeys(upload.key for upload in uploads))
    return {"uploads": keys[:MAX_LISTED], "uploads_truncated": max(0, len(keys) - MAX_LISTED)}


def _rank(result: EntryResult) -> tuple[bool, bool, int, str]:
    """Order entries as a report lists them: what a person must act on first."""
    is_failed = result.outcome is Outcome.FAILED
    return not is_failed, result.diagnosis is None, _OUTCOMES.index(result.outcome), result.entry.target.name


def pause_json(pause: Pause) -> dict[str, Any]:
    """Write a pause as the report and the command line show it."""
    return {"reason": pause.reason, "since": time_json(pause.since), "until": time_json(pause.until)}


def _budget_json(spent: Amount, cap_usd: Decimal | None, cap_tokens: int | None) -> dict[str, Any]:
    return {
        "spent_usd": money_json(spent.known_usd),
        "cap_usd": money_json(cap_usd),
        "spent_tokens": spent.tokens,
        "cap_tokens": cap_tokens,
    }
