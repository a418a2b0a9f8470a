"""Rate limits, end to end: the real handler on a workspace that has room for a few calls only."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from infra.local.cloud import LocalCloud
from infra.local.messages_api import RateLimits
from tests.deployments import Deployment, api, codes, prompt
from tests.fakes import document

if TYPE_CHECKING:
    from collections.abc import Iterator

# Powertools warns of time stamps that CloudWatch would refuse; the clock here stands at a day long past.
pytestmark = pytest.mark.filterwarnings("ignore:This metric doesn't meet the requirements")

TIMEOUT_SECONDS = "104"  # of the 110 of a run: what has to wait for a second is left to the next run


@contextmanager
def eight_targets(*, share_percent: str, requests_per_minute: int) -> Iterator[Deployment]:
    """Deploy beside an API that limits requests, with eight targets that are due."""
    with LocalCloud(api(), state=True) as cloud:
        cloud.api.rate_limits = RateLimits(requests_per_minute=requests_per_minute, is_continuous=True)
        for number in range(8):
            request = prompt("1h", f"You are bot {number}. ")
            cloud.put(f"targets/t{number}.json", document(f"t{number}", request=request))
        yield Deployment(cloud, RATE_LIMIT_SHARE_PERCENT=share_percent, REQUEST_TIMEOUT_SECONDS=TIMEOUT_SECONDS)


def test_what_the_share_does_not_allow_is_deferred_and_goes_first_at_the_next_tick() -> None:
    """Of 10 requests a minute 5 are kept; the clock stands still, so nothing fills: the rest waits for its tick."""
    with eight_targets(share_percent="50", requests_per_minute=10) as deployment:
        first = deployment.tick()
        deferred = {line["target"]: line for line in first["entries"] if line["outcome"] == "deferred"}
        assert 1 <= len(deployment.calls) <= 5
        assert len(deferred) == 8 - len(deployment.calls)
        assert {line["code"] for line in deferred.values()} == {"rate-limits"}
        line = next(iter(deferred.values()))
        assert "of 10 requests per minute remain, all of it by" in line["reason"]
        assert "warm calls may use 50 % of the limit (RATE_LIMIT_SHARE_PERCENT)" in line["reason"]
        assert line["advice"].startswith("If it lasts, raise the workspace's rate limit or RATE_LIMIT_SHARE_PERCENT")
        assert deployment.metric("EntriesDeferred") == len(deferred)
        logged = [json.loads(text) for text in deployment.function.output().splitlines() if '"rate-limits"' in text]
        assert {entry["level"] for entry in logged if "code" in entry} == {"WARNING"}
        before = len(deployment.calls)
        deployment.wait(4)
        deployment.tick()
        again = [json.loads(received.raw_body)["system"][0]["text"] for received in deployment.calls[before:]]
        assert again
        assert {"t" + text.removeprefix("You are bot ")[0] for text in again} <= set(deferred)


def test_without_a_share_every_call_is_made() -> None:
    """The setting is empty: eight calls go at once, and the API refuses those above its limit."""
    with eight_targets(share_percent="", requests_per_minute=5) as deployment:
        assert sorted(codes(deployment.tick())) == ["failed"] * 3 + ["written"] * 5
        assert [received.status for received in deployment.calls].count(429) == 3
