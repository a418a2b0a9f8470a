"""What a deployment costs on AWS in a month: pure arithmetic over list prices, an upper bound without free tiers.

Prices are AWS's list prices of us-east-1 in November 2026, in USD, from the pricing page of each service; other
regions differ by some percent. What a run does (its lists, reads, writes and seconds) was read off the code; the bytes
it logs are measured on the real handler. Anthropic's bill is another matter: see ``prompt-cache-warmer plan``.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from prompt_cache_warmer.rules.metrics import CATALOGUE, Detail, Scope, custom_metric_count

DAYS = 30
MINUTES = DAYS * 24 * 60
MILLION = Decimal(1_000_000)
GIGABYTE = Decimal(1_000_000_000)

# Prices, USD.
LAMBDA_GB_SECOND = Decimal("0.0000133334")  # arm64, the default; x86_64 is a quarter dearer
LAMBDA_MILLION_REQUESTS = Decimal("0.20")
METRIC = Decimal("0.30")  # the first 10,000 custom metrics of an account
METRIC_BEYOND = Decimal("0.10")
METRICS_AT_FIRST_PRICE = 10_000
ALARM_METRIC = Decimal("0.10")  # a standard alarm, for each metric it looks at
DASHBOARD = Decimal("3.00")  # the first three of an account are free
LOG_GIGABYTE = Decimal("0.50")  # taken in
LOG_GIGABYTE_KEPT = Decimal("0.03")  # for a month
TABLE_MILLION_READS = Decimal("0.125")  # strongly consistent, up to 4 KB each
TABLE_MILLION_WRITES = Decimal("0.625")  # up to 1 KB each
S3_THOUSAND_LISTS = Decimal("0.005")
S3_THOUSAND_GETS = Decimal("0.0004")
SCHEDULER_MILLION = Decimal("1.00")
SECRET = Decimal("0.40")
SQS_MILLION = Decimal("0.40")

# What a run does.
RUN_SECONDS = Decimal(2)  # 0.6 s of one round of calls in tests/bench/results.md, and the API may take longer
LISTS_PER_RUN = 2  # targets and prompts, up to 1,000 keys each
STACK_READS_PER_RUN = 3  # the stack's spending, its pause, and the credential
WRITES_PER_CALL = 4  # an entry's claim and its result, up to 2 KB
STACK_WRITES_PER_RUN = 2  # the day's allowance, leased and given back
RUN_LOG_BYTES = 5_000  # the run's metrics, its totals, and Lambda's own three lines
CALL_LOG_BYTES = 3_000  # a line for a call, and the metrics of its target
POLLS_PER_MINUTE = 15  # Lambda's five readers of the queue of uploads, for 20 seconds each


@dataclass(frozen=True, slots=True)
class Deployment:
    """What is deployed, as far as its price depends on it.

    Attributes:
        targets: how many there are, of one model each, and with 5-minute markers: called at every tick.
        detail: how finely the metrics are split.
        alarm_metrics: how many metrics its alarms look at together.
        has_dashboard: whether it has one.
        warms_on_upload: whether uploads are waited for.
        tick_minutes: minutes between two runs.
        memory_mb: the function's memory.
    """

    targets: int
    detail: Detail = "auto"
    alarm_metrics: int = 0
    has_dashboard: bool = True
    warms_on_upload: bool = True
    tick_minutes: int = 4
    memory_mb: int = 512

    @property
    def runs(self) -> int:
        """Runs in a month."""
        return MINUTES // self.tick_minutes

    @property
    def metrics(self) -> int:
        """Custom metrics of the runs."""
        return custom_metric_count(self.detail, targets=self.targets, entries=self.targets)


def monthly_usd(deployed: Deployment) -> dict[str, Decimal]:
    """Return what each service costs in a month, in USD, by what it is for."""
    runs, calls = deployed.runs, deployed.runs * deployed.targets
    gb_seconds = runs * RUN_SECONDS * deployed.memory_mb / 1024
    logged_gb = (runs * RUN_LOG_BYTES + calls * CALL_LOG_BYTES) / GIGABYTE
    reads = runs * STACK_READS_PER_RUN + calls
    writes = runs * STACK_WRITES_PER_RUN + calls * WRITES_PER_CALL
    polls = MINUTES * POLLS_PER_MINUTE if deployed.warms_on_upload else 0
    return {
        "custom metrics (CloudWatch)": metrics_usd(deployed.metrics),
        "dashboard (CloudWatch)": DASHBOARD if deployed.has_dashboard else Decimal(0),
        "alarms (CloudWatch)": deployed.alarm_metrics * ALARM_METRIC,
        "log (CloudWatch)": logged_gb * (LOG_GIGABYTE + LOG_GIGABYTE_KEPT),
        "runs (Lambda)": gb_seconds * LAMBDA_GB_SECOND + runs / MILLION * LAMBDA_MILLION_REQUESTS,
        "state (DynamoDB)": (reads * TABLE_MILLION_READS + writes * TABLE_MILLION_WRITES) / MILLION,
        "documents (S3)": (runs * LISTS_PER_RUN * S3_THOUSAND_LISTS + calls * S3_THOUSAND_GETS) / 1000,
        "key (Secrets Manager)": SECRET,
        "waiting for uploads (SQS)": polls / MILLION * SQS_MILLION,
        "schedule (EventBridge)": runs / MILLION * SCHEDULER_MILLION,
    }


def metrics_usd(metrics: int) -> Decimal:
    """Return what a number of custom metrics costs in a month, in USD."""
    first = min(metrics, METRICS_AT_FIRST_PRICE)
    return first * METRIC + (metrics - first) * METRIC_BEYOND


def observer_metrics(entries: int) -> int:
    """Count the custom metrics of an application's observers, for a number of targets and models with traffic."""
    return sum(metric.scope is Scope.TRAFFIC for metric in CATALOGUE) * (1 + entries)
