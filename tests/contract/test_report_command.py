"""``report`` as its user runs it: EMF lines into CloudWatch by the real path, read back over boto3, figures by hand."""

from __future__ import annotations

import io
import json
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import anthropic
import boto3
import pytest
from click.testing import CliRunner, Result

from infra.local import emf
from infra.local.messages_api import EmulatorClock, LocalMessagesApi
from prompt_cache_warmer.adapters.emf import EmfMetricSink
from prompt_cache_warmer.cli.commands import commands
from prompt_cache_warmer.cli.report import ReportSeams
from prompt_cache_warmer.ports import Answer
from prompt_cache_warmer.rules.metrics import MetricSet
from prompt_cache_warmer.values.usage import Usage
from tests.canaries import CANARY
from tests.fakes import EPOCH, MODEL, FakeClock, FakeMessages, document
from tests.house import House

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime
    from pathlib import Path

    from infra.local.aws import LocalAws
    from prompt_cache_warmer.rules.metrics import Detail

    Run = Callable[..., Result]

HOUR = timedelta(hours=1)
SERVICE = "svc"  # as the tests' house calls itself
NAMESPACE = "PromptCacheWarmer"
HAIKU = "claude-haiku-4-5"


@pytest.fixture
def run(aws: LocalAws, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Return what runs the command with the account in its environment; only the time is not the machine's."""
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)

    def run_one(*arguments: str, **environment: str | None) -> Result:
        own: dict[str, str | None] = {
            "ANTHROPIC_ADMIN_KEY": None,
            "ANTHROPIC_BASE_URL": None,
            "POWERTOOLS_METRICS_NAMESPACE": None,
        }
        runner = CliRunner(env={**own, **aws.environment(), "POWERTOOLS_SERVICE_NAME": SERVICE, **environment})
        return runner.invoke(
            commands, ["report", *arguments], obj=ReportSeams(clock=FakeClock()), catch_exceptions=False
        )

    return run_one


def publish(aws: LocalAws, sets: Sequence[MetricSet]) -> None:
    """Publish sets as the function and the observers do: EMF lines on standard output, which CloudWatch reads."""
    stream = io.StringIO()
    EmfMetricSink(namespace=NAMESPACE, stream=stream).emit(sets)
    assert emf.publish(stream.getvalue(), aws.cloudwatch) > 0


def traffic(target: str, model: str, at: datetime, **values: float) -> list[MetricSet]:
    """Return what an application's observer publishes: for the service, and for the target and model."""
    published = {name: (float(value),) for name, value in values.items()}
    whole = {"service": SERVICE}
    return [MetricSet(whole, published, at), MetricSet({**whole, "Target": target, "Model": model}, published, at)]


async def warmed(detail: Detail, *models: str) -> list[MetricSet]:
    """Run the warmer once on one target, an hour ago; every call writes 50,000 tokens for an hour."""
    answers = [Answer(Usage(write_1h_tokens=50_000, uncached_tokens=10)) for _ in models]
    house = House({"targets/a.json": document("support", models=list(models))}, FakeMessages([*answers]), detail=detail)
    house.clock.seconds = -3_600.0
    await house.run()
    return house.metrics.sets


def money(figures: dict[str, Any]) -> dict[str, Decimal]:
    """Return the amounts of a row."""
    return {name: Decimal(amount) for name, amount in figures.items() if name.endswith("_usd")}


async def test_the_whole_report_by_hand(run: Run, aws: LocalAws) -> None:
    """Warm calls by a real run, traffic by hand, two targets, two models, two hours: every figure of the issue.

    claude-sonnet-4-6: base 3, read 0.30, write 3.75 and 6 USD per million. claude-haiku-4-5: a third of that.
    """
    publish(aws, await warmed("entry", MODEL, HAIKU))
    first = {"TrafficRequests": 40, "TrafficHits": 38, "TrafficColdStarts": 2, "TrafficReadTokens": 1_900_000}
    first |= {"TrafficWrite1hTokens": 100_000, "TrafficUncachedTokens": 4_000, "Warmed1hTokens": 300_000}
    second = {"TrafficRequests": 10, "TrafficHits": 6, "TrafficColdStarts": 1, "PrefixDrift": 3}
    second |= {"TrafficReadTokens": 60_000, "TrafficWrite5mTokens": 40_000, "Warmed5mTokens": 20_000}
    publish(aws, traffic("support", MODEL, EPOCH - 30 * HOUR, **first))
    publish(aws, traffic("router", HAIKU, EPOCH - HOUR, **second))
    publish(aws, [MetricSet({"service": "another"}, {"TrafficRequests": (1_000.0,)}, EPOCH - HOUR)])
    publish(aws, traffic("support", MODEL, EPOCH - 8 * 24 * HOUR, TrafficRequests=500.0))
    result = run("--json")
    assert result.exit_code == 0
    answer = json.loads(result.stdout)
    total = answer["total"]
    assert {name: total[name] for name in ("requests", "hits", "cold_starts", "drifts", "hit_ratio")} == {
        "requests": 50,
        "hits": 44,
        "cold_starts": 3,
        "drifts": 3,
        "hit_ratio": 0.88,
    }
    tokens = [total[name] for name in ("read_tokens", "write_5m_tokens", "write_1h_tokens", "uncached_tokens")]
    assert tokens == [1_960_000, 40_000, 100_000, 4_000]
    router, support = answer["targets"]
    # support, sonnet: 1.9 x 2.70 - 0.1 x 3 = 4.83; 0.3 x 5.70 = 1.71; 50,000 written for 0.30 and 10 plain.
    sonnet_spent, haiku_spent = Decimal("0.30003"), Decimal("0.10001")
    sonnet, haiku = (next(model for model in support["models"] if model["model"] == name) for name in (MODEL, HAIKU))
    assert money(sonnet) == {
        "saved_vs_uncached_usd": Decimal("4.83"),
        "saved_vs_no_warming_usd": Decimal("1.71"),
        "spent_usd": sonnet_spent,
        "net_usd": Decimal("1.71") - sonnet_spent,
    }
    assert (haiku["requests"], haiku["hit_ratio"], Decimal(haiku["net_usd"])) == (0, None, -haiku_spent)
    assert Decimal(support["spent_usd"]) == sonnet_spent + haiku_spent
    # router, haiku: 0.06 x 0.90 - 0.04 x 0.25 = 0.044; 0.02 x 1.15 = 0.023; nobody warms it.
    assert (router["target"], router["spent_usd"], router["net_usd"]) == ("router", None, None)
    assert Decimal(router["saved_vs_uncached_usd"]) == Decimal("0.044")
    assert Decimal(router["saved_vs_no_warming_usd"]) == Decimal("0.023")
    assert money(total) == {
        "saved_vs_uncached_usd": Decimal("4.874"),
        "saved_vs_no_warming_usd": Decimal("1.733"),
        "spent_usd": sonnet_spent + haiku_spent,
        "net_usd": Decimal("1.733") - sonnet_spent - haiku_spent,
    }
    by_hour = {moment["start"]: moment["requests"] for moment in answer["series"] if moment["requests"]}
    assert by_hour == {"2026-11-21T06:00:00+00:00": 40, "2026-11-22T11:00:00+00:00": 10}
    assert answer["notices"] == []


@pytest.mark.parametrize("since", ["8d", "24h", "90m", "2026-11-22", "2026-11-22T10:00Z"])
def test_since_says_what_counts(run: Run, aws: LocalAws, since: str) -> None:
    """Whatever period CloudWatch is asked in, the sums are the same."""
    for hours in (7 * 24 + 1, 5, 1):
        publish(aws, traffic("support", MODEL, EPOCH - hours * HOUR, TrafficRequests=10.0**hours if hours < 9 else 1.0))
    expected = {"8d": 100_011, "24h": 100_010, "90m": 10, "2026-11-22": 100_010, "2026-11-22T10:00Z": 10}
    answer = json.loads(run("--json", "--since", since).stdout)
    assert answer["total"]["requests"] == answer["targets"][0]["requests"] == expected[since]


async def test_with_run_detail_the_cost_is_known_for_the_service(run: Run, aws: LocalAws) -> None:
    """No row has a cost, the total has, and a note says why."""
    publish(aws, await warmed("run", MODEL))
    publish(aws, traffic("support", MODEL, EPOCH - HOUR, TrafficRequests=1.0, TrafficHits=1.0))
    result = run("--json")
    answer = json.loads(result.stdout)
    assert (answer["targets"][0]["spent_usd"], Decimal(answer["total"]["spent_usd"])) == (None, Decimal("0.30003"))
    assert "is known for the service only: METRIC_DETAIL was run" in result.stderr


def test_why_entries_were_missed(run: Run, aws: LocalAws) -> None:
    """Counted by the dimension Cause."""
    for cause, count in (("prefix-drift", 2.0), ("evicted-early", 3.0)):
        aws.cloudwatch.put_metric_data(
            Namespace=NAMESPACE,
            MetricData=[
                {
                    "MetricName": "EntriesMissed",
                    "Dimensions": [{"Name": "service", "Value": SERVICE}, {"Name": "Cause", "Value": cause}],
                    "Timestamp": EPOCH - HOUR,
                    "Value": count,
                }
            ],
        )
    publish(aws, traffic("support", MODEL, EPOCH - HOUR, TrafficRequests=1.0))
    assert json.loads(run("--json").stdout)["why"] == {"evicted-early": 3, "prefix-drift": 2}


async def test_more_targets_than_one_call_takes(run: Run, aws: LocalAws) -> None:
    """120 targets are 600 series: two calls of GetMetricData, two pages of ListMetrics."""
    for number in range(120):
        values = {"TrafficRequests": 2.0, "TrafficHits": 1.0, "TrafficReadTokens": 1.0, "TrafficColdStarts": 1.0}
        publish(aws, traffic(f"t{number:03}", MODEL, EPOCH - HOUR, **values, TrafficUncachedTokens=1.0))
    answer = json.loads(run("--json", "--since", "2h").stdout)
    assert (len(answer["targets"]), answer["total"]["requests"]) == (120, 240)
    assert {target["requests"] for target in answer["targets"]} == {2}


def test_warming_without_traffic_is_a_report_that_says_what_to_do(run: Run, aws: LocalAws) -> None:
    """It cost something, and nothing proves what it saved."""
    publish(aws, [MetricSet({"service": SERVICE}, {"WarmCostUSD": (0.5,), "CacheReadTokens": (10.0,)}, EPOCH - HOUR)])
    result = run()
    assert result.exit_code == 0
    assert "note: no traffic was reported: add CacheObserver to the application" in result.stderr
    assert "0.5000" in result.stdout


def test_a_service_that_published_nothing_lately(run: Run, aws: LocalAws) -> None:
    """What to do, and exit code 1."""
    publish(aws, traffic("support", MODEL, EPOCH - 30 * HOUR, TrafficRequests=1.0))
    result = run("--since", "2h")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith(
        "Error: 'svc' published nothing since 2026-11-22T10:00:00Z; no traffic was reported"
    )


def test_a_misspelt_service(run: Run, aws: LocalAws) -> None:
    """CloudWatch knows which ones there are."""
    publish(aws, traffic("support", MODEL, EPOCH - HOUR, TrafficRequests=1.0))
    result = run("--service", "svv")
    (line,) = result.stderr.splitlines()
    assert (
        line
        == "Error: no metrics of service 'svv' in namespace 'PromptCacheWarmer'; did you mean 'svc'?; there are: svc"
    )


def test_the_cross_check_with_the_emulators_usage_api(run: Run, aws: LocalAws, tmp_path: Path) -> None:
    """The emulator's own ledger beside our metrics: to the token, one token too many, and a key that is refused."""
    clock = EmulatorClock(frozen=True)
    clock.advance(EPOCH.timestamp() - clock.now_seconds() - 7_200)
    key = tmp_path / "admin.txt"
    key.write_text(f"sk-ant-admin-{CANARY}\n", encoding="utf-8")
    with LocalMessagesApi(clock=clock, admin_keys=frozenset({f"sk-ant-admin-{CANARY}"})) as api:
        with anthropic.Anthropic(base_url=api.base_url, api_key="sk-a", max_retries=0) as client:
            usage = client.messages.create(
                model=MODEL, max_tokens=1, messages=[{"role": "user", "content": "hello " * 100}]
            ).usage
        clock.advance(7_200)
        values = {"TrafficRequests": 1.0, "TrafficUncachedTokens": float(usage.input_tokens)}
        publish(aws, traffic("support", MODEL, EPOCH - 2 * HOUR, **values))
        arguments = ("--json", "--since", "24h", "--admin-key-file", str(key))
        same = run(*arguments, ANTHROPIC_BASE_URL=api.base_url)
        clock.advance(60)
        publish(aws, traffic("support", MODEL, EPOCH - 2 * HOUR, TrafficUncachedTokens=1.0))
        more = run(*arguments, ANTHROPIC_BASE_URL=api.base_url)
        refused = run("--json", ANTHROPIC_BASE_URL=api.base_url, ANTHROPIC_ADMIN_KEY=f"sk-ant-admin-other-{CANARY}")
    (model,) = json.loads(same.stdout)["cross_check"]["models"]
    assert (model["model"], model["ours"]["uncached_tokens"]) == (MODEL, usage.input_tokens)
    assert (same.exit_code, set(model["difference"].values()), model["is_consistent"]) == (0, {0}, True)
    answer = json.loads(more.stdout)
    assert (more.exit_code, answer["cross_check"]["models"][0]["difference"]["uncached_tokens"]) == (1, -1)
    assert "our metrics count more than the Usage API" in answer["notices"][-1]
    assert (refused.exit_code, json.loads(refused.stdout)["cross_check"]) == (1, None)
    assert "no cross-check: the Usage API answered 401" in refused.stderr
    assert CANARY not in same.output + more.output + refused.output


def test_without_a_region_or_credentials_it_is_said_what_to_set(run: Run) -> None:
    """boto3's own errors, with what to do."""
    result = run(AWS_DEFAULT_REGION=None, AWS_REGION=None)
    assert (result.exit_code, result.stderr) == (
        2,
        (
            "Error: CloudWatch cannot be asked: nothing says which region is meant: set AWS_DEFAULT_REGION, or "
            "AWS_PROFILE to a profile that has a region\n"
        ),
    )
