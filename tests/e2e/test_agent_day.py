"""The example agent beside the warmer: what its observer published is what the Messages API noted."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from infra.local.agent_day import APP_KEY, REQUESTS_PER_CONVERSATION, AgentDay, agent_cloud
from infra.local.cloud import BUCKET, SERVICE, STATE_TABLE
from infra.local.lambda_emulator import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from infra.local.cloud import LocalCloud

CONVERSATIONS = 15  # `make agent` has a hundred, which are 2,000 requests


@pytest.fixture
def cloud() -> Iterator[LocalCloud]:
    """Return a cloud with the example targets."""
    with agent_cloud() as started:
        started.upload(ROOT / "infra/examples")
        yield started


@pytest.mark.others_call("cloudwatch:PutMetricData")  # the application's observer
def test_what_is_published_is_what_the_api_noted(cloud: LocalCloud) -> None:
    """Requests, hits, cold starts, hits that only the warmer can have kept, and every token; nothing was lost."""
    day = AgentDay(cloud, conversations=CONVERSATIONS)
    day.run()
    figures = {row.name: (row.published, row.noted) for row in day.rows()}
    assert {name: published for name, (published, _) in figures.items()} == {
        name: noted for name, (_, noted) in figures.items()
    }
    assert figures["TrafficRequests"] == (CONVERSATIONS * REQUESTS_PER_CONVERSATION,) * 2
    assert figures["TrafficColdStarts"] == (1, 1)  # the very first one
    assert figures["WarmedHits"][0] > CONVERSATIONS // 2
    counts = day.observer.counts
    assert (counts.requests, counts.lost, counts.unproven, dict(counts.failures)) == (300, 0, 0, {})
    assert not [entry for report in day.reports for entry in report["entries"] if entry.get("diagnosis")]


@pytest.mark.others_call("cloudwatch:PutMetricData")  # the application's observer
def test_the_example_runs_as_its_first_lines_say(cloud: LocalCloud) -> None:
    """One question from the command line, its answer, and what it read from the cache."""
    environment = {
        **cloud.aws.environment(),
        "ANTHROPIC_API_KEY": APP_KEY,
        "ANTHROPIC_BASE_URL": cloud.api.base_url,
        "PYTHONPATH": str(ROOT / "handler"),
    }
    command = [sys.executable, str(ROOT / "infra/examples/agent.py"), "--bucket", BUCKET, "--table", STATE_TABLE]
    command += ["--stack", SERVICE, "Where is my tent?"]
    said = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)  # noqa: S603 - our own command
    assert said.stdout.splitlines()[-1] == "hits: 0, cold starts: 1, of no target: 0"
    assert said.stderr == ""
    (item,) = [
        item
        for item in cloud.aws.dynamodb.scan(TableName=STATE_TABLE)["Items"]
        if item["pk"]["S"] == "target/support-agent"
    ]
    assert "default claude-sonnet-4-6 traffic_at" in item
