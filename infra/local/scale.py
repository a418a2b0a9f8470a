"""How far one function reaches and what comes after it: pure arithmetic over named limits and AWS's list prices.

The worst case for AWS: each entry has one target of its own, markers of 5 minutes, and is called at every tick. Entries
of 1 hour are called 14 times less often. Anthropic's bill is another matter: see ``prompt-cache-warmer plan``.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from math import ceil

from infra.local import costs
from infra.local.costs import MILLION, MINUTES, Deployment
from prompt_cache_warmer.rules.retry import needed_seconds
from prompt_cache_warmer.rules.situation import SCHEDULE_JITTER_SECONDS
from prompt_cache_warmer.warm.fan_out import ENTRIES_PER_MESSAGE

# What is reckoned with.
LATENCY_SECONDS = 2  # of a warm call that refreshes; one that writes a long prefix takes several times as long
CONCURRENCY = 32  # MaxConcurrency as it is by default
TIMEOUTS_SECONDS = (110, 170, 230)  # what Timeout may be
REQUEST_TIMEOUT_SECONDS = 60  # RequestTimeoutSeconds as it is by default
TICK_SECONDS = 240
HOUR_TICKS = (3600 - TICK_SECONDS - int(SCHEDULE_JITTER_SECONDS)) // TICK_SECONDS + 1  # between two calls of 1 hour
DOCUMENT_CPU_SECONDS = Decimal("0.003")  # to read one that is not known yet (tests/bench/run.md, a new sandbox)
VCPU_MB = 1_769  # a function of so much memory has one processor, one of less has its part (AWS); Python uses one
LISTS_PER_SECOND = 10  # one after the other, a thousand keys each
KEYS_PER_LIST = 1_000
TICK_BYTES_PER_ENTRY = 16_000  # what a tick holds of each entry at most, its result in the report included
IMPORTS_MB = 150
LEAST_MEMORY_MB, MOST_MEMORY_MB = 512, 3_008  # MemorySize as it is by default, and the most that it may be
MEMORY_STEP_MB = 64
WORKER_OVERHEAD_SECONDS = 1  # to read documents and state, and to give back what was leased of a cap
SQS_REQUESTS_PER_MESSAGE = Decimal("2.1")  # a tenth of a request to send it, one to receive, one to delete it
IDLE_POLLS_PER_MINUTE = 15  # as of the queue of uploads
ANTHROPIC_CALLS_PER_MINUTE = 4_000  # of the highest standard tier, for each class of models; others are agreed upon


@dataclass(frozen=True, slots=True)
class Scale:
    """A number of entries, each with a document of its own and called at every tick.

    Attributes:
        entries: how many.
    """

    entries: int

    @property
    def calls_per_minute(self) -> int:
        """What Anthropic sees, with markers of 5 minutes."""
        return ceil(self.entries * 60 / TICK_SECONDS)

    @property
    def hour_calls_per_minute(self) -> int:
        """What Anthropic sees, with markers of 1 hour, spread over the hour."""
        return ceil(self.entries * 60 / (TICK_SECONDS * HOUR_TICKS))

    @property
    def one_function_seconds(self) -> int:
        """How long one function takes for all calls."""
        return ceil(self.entries / CONCURRENCY) * LATENCY_SECONDS

    @property
    def messages(self) -> int:
        """Messages of a tick."""
        return ceil(self.entries / ENTRIES_PER_MESSAGE)

    @property
    def workers(self) -> int:
        """Workers at once that have made all calls in half a tick."""
        return ceil(self.messages * self.message_seconds / (TICK_SECONDS / 2))

    @property
    def message_seconds(self) -> int:
        """How long a worker takes for a message: one wave of calls."""
        return LATENCY_SECONDS * ceil(ENTRIES_PER_MESSAGE / CONCURRENCY) + WORKER_OVERHEAD_SECONDS

    @property
    def tick_seconds(self) -> int:
        """How long a tick takes that only decides and sends, when it knows the documents."""
        return ceil(self.entries / KEYS_PER_LIST / LISTS_PER_SECOND) + int(costs.RUN_SECONDS)

    @property
    def stacks(self) -> int:
        """Stacks, each with a prefix of its own, whose ticks hold and read their share."""
        return ceil(self.entries / entries_per_tick())

    @property
    def memory_mb(self) -> int:
        """The least `MemorySize` with which a tick of one of the stacks can decide; both functions have it."""
        entries = ceil(self.entries / self.stacks)
        sizes = range(LEAST_MEMORY_MB, MOST_MEMORY_MB + 1, MEMORY_STEP_MB)
        return next(size for size in sizes if entries_per_tick(size) >= entries)


def calls_per_run(timeout_seconds: int) -> int:
    """Count the calls that one function makes in a run; none is begun that could not end in time."""
    window_seconds = timeout_seconds - needed_seconds(REQUEST_TIMEOUT_SECONDS)
    return (int(window_seconds) // LATENCY_SECONDS + 1) * CONCURRENCY


def entries_per_tick(memory_mb: int = MOST_MEMORY_MB) -> int:
    """Count the entries that one tick can decide: those that it can hold, and can read when it knows none of them.

    Args:
        memory_mb: `MemorySize`.
    """
    held = (memory_mb - IMPORTS_MB) * 1024 * 1024 // TICK_BYTES_PER_ENTRY
    processors = min(Decimal(1), Decimal(memory_mb) / VCPU_MB)
    startable_seconds = Decimal(TIMEOUTS_SECONDS[-1] - needed_seconds(REQUEST_TIMEOUT_SECONDS))
    reading_seconds = startable_seconds / 2  # the other half is for calls
    return min(held, int(reading_seconds * processors / DOCUMENT_CPU_SECONDS))


def monthly_usd(scale: Scale) -> dict[str, Decimal]:
    """Return what AWS charges in a month, in USD, by what it is for; metrics and alarms come on top."""
    runs = Deployment(scale.entries).runs
    calls, messages = runs * scale.entries, runs * scale.messages
    seconds = runs * scale.tick_seconds + messages * scale.message_seconds
    gb_seconds = seconds * Decimal(scale.memory_mb) / 1024
    lists = runs * ceil(scale.entries / KEYS_PER_LIST)
    polls = MINUTES * IDLE_POLLS_PER_MINUTE
    return {
        "ticks and workers (Lambda)": gb_seconds * costs.LAMBDA_GB_SECOND
        + (runs + messages) / MILLION * costs.LAMBDA_MILLION_REQUESTS,
        "messages (SQS)": (messages * SQS_REQUESTS_PER_MESSAGE + polls) / MILLION * costs.SQS_MILLION,
        "state, read twice (DynamoDB)": 2 * calls / MILLION * costs.TABLE_MILLION_READS,
        "state, written (DynamoDB)": calls * costs.WRITES_PER_CALL / MILLION * costs.TABLE_MILLION_WRITES,
        "documents (S3)": (lists * costs.S3_THOUSAND_LISTS + calls * costs.S3_THOUSAND_GETS) / 1000,
        "log (CloudWatch)": calls
        * costs.CALL_LOG_BYTES
        / costs.GIGABYTE
        * (costs.LOG_GIGABYTE + costs.LOG_GIGABYTE_KEPT),
    }
