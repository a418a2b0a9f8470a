"""What a deployment really publishes, at every detail: what alarms and dashboard may name."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from infra.local.cloud import LocalCloud
from tests.deployments import api, prompt
from tests.monitored import Monitored

if TYPE_CHECKING:
    from infra.local.metric_data import MetricKey

DETAILS = ("run", "target", "entry")


@dataclass(frozen=True)
class Published:
    """What a deployment published.

    Attributes:
        metrics: every metric with its dimensions, AWS's own of Lambda and SQS among them.
        log_fields: the fields of its log's lines.
    """

    metrics: frozenset[MetricKey]
    log_fields: frozenset[str]


@pytest.fixture(scope="session")
def published_by_detail() -> dict[str, Published]:
    """What the handler and the observer publish of two targets, one of which is asked for, drifts and is missed."""
    found = {}
    for detail in DETAILS:
        with LocalCloud(api(), state=True) as cloud:
            warmer = Monitored(cloud, MetricDetail=detail)
            _live(warmer)
            warmer.close()
        lines = [json.loads(line) for line in warmer.output.splitlines() if line.startswith("{")]
        fields: dict[bool, set[str]] = defaultdict(set)
        for line in lines:
            fields["_aws" in line] |= set(line)
        found[detail] = Published(frozenset(warmer.data.keys), frozenset(fields[False]))
    return found


def _live(warmer: Monitored) -> None:
    """Do in a short while whatever makes one of them publish something."""
    warmer.put()
    warmer.put("idle", keep="while-used")
    warmer.put("broken", keep="allways")
    warmer.tick(8)
    warmer.ask()
    warmer.wait(1)  # an observer tells the table of an entry twice a minute at most
    warmer.ask(prompt("5m", "You are another bot. "))
    warmer.wait(1)
    warmer.tick(8)
    warmer.ask(streams=True)
    warmer.tick(12)
    warmer.ask(streams=True)  # so long after the last one that only warm calls can have kept it


@pytest.fixture(params=DETAILS)
def detail(request: pytest.FixtureRequest) -> str:
    """Each detail."""
    return str(request.param)


@pytest.fixture
def published(published_by_detail: dict[str, Published], detail: str) -> Published:
    """What is published at a detail."""
    return published_by_detail[detail]
