"""What a deployment costs: by hand for one, monotone for all, and its assumptions beside the real handler."""

from __future__ import annotations

from decimal import Decimal

import pytest

from infra.local import costs
from infra.local.cloud import LocalCloud
from infra.local.costs import Deployment, metrics_usd, monthly_usd, observer_metrics
from tests.deployments import api, prompt
from tests.monitored import Monitored

# Powertools warns of time stamps that CloudWatch would refuse; the clock here stands at a day long past.
pytestmark = pytest.mark.filterwarnings("ignore:This metric doesn't meet the requirements")

# Ten targets, every alarm, by hand: 10,800 runs of 2 s and half a GB, 108,000 calls.
TEN = {
    "custom metrics (CloudWatch)": "44.10",  # 27 + 10 x 12 = 147 at 0.30
    "dashboard (CloudWatch)": "3.00",
    "alarms (CloudWatch)": "1.60",
    "log (CloudWatch)": "0.20034",  # 10,800 x 5 KB + 108,000 x 3 KB = 0.378 GB at 0.53
    "runs (Lambda)": "0.1461607200",  # 10,800 GB-s at 0.0000133334 and 10,800 requests
    "state (DynamoDB)": "0.301050",  # 140,400 reads and 453,600 writes
    "documents (S3)": "0.1512",  # 21,600 lists and 108,000 gets
    "key (Secrets Manager)": "0.40",
    "waiting for uploads (SQS)": "0.2592",  # 648,000 polls
    "schedule (EventBridge)": "0.0108",
}


def test_ten_targets_by_hand() -> None:
    """Every line of the table, worked out on paper."""
    found = monthly_usd(Deployment(10, alarm_metrics=16))
    assert {name: usd.normalize() for name, usd in found.items()} == {
        name: Decimal(usd).normalize() for name, usd in TEN.items()
    }


def test_what_is_left_out_costs_nothing() -> None:
    """No dashboard, no alarms, no uploads, no metrics by target; a shorter tick costs more runs."""
    found = monthly_usd(Deployment(10, detail="run", has_dashboard=False, warms_on_upload=False))
    assert found["dashboard (CloudWatch)"] == found["alarms (CloudWatch)"] == found["waiting for uploads (SQS)"] == 0
    assert found["custom metrics (CloudWatch)"] == Decimal("8.10")
    assert Deployment(1, tick_minutes=2).runs == 2 * Deployment(1).runs == 21_600


@pytest.mark.parametrize(("metrics", "usd"), [(0, "0"), (10_000, "3000"), (10_001, "3000.10"), (60_027, "8002.70")])
def test_metrics_beyond_ten_thousand_are_cheaper(metrics: int, usd: str) -> None:
    """0.30 USD each at first, 0.10 beyond."""
    assert metrics_usd(metrics) == Decimal(usd)


def test_an_observer_publishes_twelve_for_the_service_and_for_each_entry_with_traffic() -> None:
    """What the catalogue has of traffic."""
    assert [observer_metrics(entries) for entries in (0, 1, 10)] == [12, 24, 132]


def test_a_run_prints_no_more_than_is_reckoned_with() -> None:
    """The bytes of the log of runs that call three targets at every tick, with Lambda's own lines of about 300."""
    targets, ticks = 3, 6
    with LocalCloud(api(), state=True) as cloud:
        warmer = Monitored(cloud, MetricDetail="target")
        for number in range(targets):
            warmer.put(f"bot-{number}", request=prompt("5m", f"You are bot number {number}. "))
        warmer.tick(4 * ticks)
        warmer.close()
    printed = len(warmer.output.encode()) / ticks + 300
    reckoned = costs.RUN_LOG_BYTES + targets * costs.CALL_LOG_BYTES
    assert reckoned / 2 < printed <= reckoned
