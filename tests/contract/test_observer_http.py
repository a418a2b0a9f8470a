"""The observer over HTTP: the emulator's ledger, targets in S3, the state's table, CloudWatch, and a dead network."""

from __future__ import annotations

import json
import socket
import time
from contextlib import closing
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import anthropic
import pytest

from infra.local.cloud import BUCKET, SERVICE, STATE_TABLE, create_state_table
from infra.local.messages_api import Fault, LocalMessagesApi
from prompt_cache_warmer import CacheObserver
from prompt_cache_warmer.adapters.body_cache import BodyCache
from prompt_cache_warmer.adapters.dynamodb_state import DynamoDbState
from prompt_cache_warmer.adapters.s3_bucket import Bucket
from prompt_cache_warmer.adapters.s3_targets import S3Targets
from prompt_cache_warmer.adapters.state_table import StateTable
from prompt_cache_warmer.values.observation import Sight
from tests.canaries import CANARY
from tests.fakes import EPOCH, MODEL, FakeClock, document, target
from tests.observer_cases import REQUEST
from tests.observer_parts import Session
from tests.state_cases import KEY, NOTHING, asking, outcome, proof

if TYPE_CHECKING:
    from infra.local.aws import LocalAws

PLACE = f"s3://{BUCKET}/targets/"
DIGEST = target().summary.prefix_digest


def client(api: LocalMessagesApi, observer: CacheObserver, **options: Any) -> anthropic.Anthropic:
    """Return a client that an observer is on."""
    return anthropic.Anthropic(
        api_key="k", base_url=api.base_url, middleware=[observer], **{"max_retries": 0, **options}
    )


def upload(aws: LocalAws, *names: str) -> None:
    """Put documents into the bucket."""
    for name in names:
        aws.s3.put_object(Bucket=BUCKET, Key=f"targets/{name}.json", Body=json.dumps(document(name)).encode())


def test_what_is_told_is_the_ledger_to_the_token(api: LocalMessagesApi) -> None:
    """Whole, streamed, raw and retried, with a cold start when the cache is evicted."""
    told: list[Any] = []
    observer = CacheObserver(targets=document(), on_request=told.append)
    api.event_pause_seconds = 0.0
    with client(api, observer, max_retries=2) as asked:
        for turn in range(12):
            body = {**REQUEST, "messages": [{"role": "user", "content": f"Question {turn}, and so on."}]}
            if turn == 6:
                api.forget_entries()
            if turn == 7:
                api.faults.add(Fault(kind="status", status=529))
            if turn % 3 == 0:
                asked.messages.create(**body)
            elif turn % 3 == 1:
                with asked.messages.stream(**body) as stream:
                    stream.until_done()
            else:
                asked.messages.with_raw_response.create(**body).parse()
    ledger = [request.usage.as_json() for request in api.requests if request.usage is not None]
    assert [
        (
            each.usage.read_tokens,
            each.usage.write_5m_tokens,
            each.usage.uncached_tokens,
            each.usage.output_tokens,
        )
        for each in told
    ] == [
        (
            usage["cache_read_input_tokens"],
            usage["cache_creation"]["ephemeral_5m_input_tokens"],
            usage["input_tokens"],
            usage["output_tokens"],
        )
        for usage in ledger
    ]
    assert [each.sight for each in told].count(Sight.COLD_START) == 2
    counts = observer.counts
    assert (counts.requests, counts.hits, counts.cold_starts, dict(counts.failures)) == (12, 10, 2, {})
    assert all(each.workspace_id and each.request_id and each.duration_ms > 0 for each in told)


def test_targets_in_s3_are_read_in_the_background_and_what_waited_is_recorded(
    aws: LocalAws, api: LocalMessagesApi
) -> None:
    """A bucket that is not there yet, one that is empty, and one that has them."""
    told: list[Any] = []
    observer = CacheObserver(targets=PLACE, session=Session(aws), on_request=told.append, clock=FakeClock())
    with client(api, observer) as asked:
        asked.messages.create(**REQUEST)
        observer.flush()
        assert told == []
        assert set(observer.counts.failures) == {"targets"}
        aws.s3.create_bucket(Bucket=BUCKET)
        upload(aws, "support", "other")
        assert observer.flush()
        asked.messages.create(**REQUEST)
    assert [(each.target, each.sight) for each in told] == [("support", "cold-start"), ("support", "hit")]
    observer.close()


def test_an_empty_bucket_has_no_targets(aws: LocalAws, api: LocalMessagesApi) -> None:
    """Every request belongs to none, and nothing failed."""
    aws.s3.create_bucket(Bucket=BUCKET)
    observer = CacheObserver(targets=PLACE, session=Session(aws))
    with client(api, observer) as asked:
        asked.messages.create(**REQUEST)
        assert observer.close()
        asked.messages.create(**REQUEST)  # the thread is started again
        assert observer._background.is_started
    assert observer.close()
    counts = observer.counts
    assert (counts.unascribed, counts.requests, dict(counts.failures)) == (2, 2, {})


@pytest.mark.parametrize(("idle_seconds", "kept"), [(5_000, True), (3_000, False)])
async def test_a_hit_that_only_a_warm_call_can_have_kept_is_published(
    aws: LocalAws,
    api: LocalMessagesApi,
    idle_seconds: int,
    kept: bool,  # noqa: FBT001 - a column
) -> None:
    """In CloudWatch, in both dimension sets, with the tokens of the prefix."""
    create_state_table(aws)
    state = DynamoDbState(StateTable(aws.dynamodb, STATE_TABLE))
    now = datetime.now(EPOCH.tzinfo).replace(microsecond=0)
    clock = FakeClock()
    clock.seconds = (now - EPOCH).total_seconds()
    await state.touch(KEY, at=now - timedelta(seconds=idle_seconds), fingerprint=DIGEST)
    request = asking()
    await state.claim(request)
    warmed_at = now - timedelta(seconds=100)
    await state.commit(
        outcome(
            request,
            NOTHING,
            warmth=replace(proof(warmed_at=warmed_at, fingerprint=DIGEST), workspace_id=None, region=None),
        )
    )
    observer = CacheObserver(
        targets=document(), state_table=STATE_TABLE, metrics="cloudwatch", session=Session(aws), clock=clock
    )
    with anthropic.Anthropic(api_key="k", base_url=api.base_url) as warmer:
        warmer.messages.create(**{**REQUEST, "max_tokens": 0})  # of this client's own the observer would know
    with client(api, observer) as asked:
        for _ in range(3):
            asked.messages.create(**REQUEST)
            observer.flush()
    assert observer.close()
    written = next(request.usage.as_json() for request in api.requests if request.usage is not None)
    size = written["cache_creation_input_tokens"]
    for dimensions in ({}, {"Target": "support", "Model": MODEL}):
        assert metric(aws, "TrafficRequests", **dimensions) == metric(aws, "TrafficHits", **dimensions) == 3
        assert metric(aws, "TrafficReadTokens", **dimensions) == 3 * size
        assert metric(aws, "WarmedHits", **dimensions) == kept
        assert metric(aws, "Warmed5mTokens", **dimensions) == 5_000 * kept
    assert metric(aws, "TrafficRequests", Target="support") == 0


def metric(aws: LocalAws, name: str, **dimensions: str) -> float:
    """Return the sum of a metric."""
    now = datetime.now(EPOCH.tzinfo)
    wanted: Any = {
        "Namespace": "PromptCacheWarmer",
        "MetricName": name,
        "Dimensions": [{"Name": key, "Value": value} for key, value in {"service": SERVICE, **dimensions}.items()],
    }
    answer = aws.cloudwatch.get_metric_data(
        MetricDataQueries=[{"Id": "m", "MetricStat": {"Metric": wanted, "Period": 3600, "Stat": "Sum"}}],
        StartTime=now - timedelta(hours=1),
        EndTime=now + timedelta(hours=1),
    )
    return sum(answer["MetricDataResults"][0]["Values"])


def test_with_a_dead_network_requests_go_on_and_nothing_is_lost(
    aws: LocalAws, api: LocalMessagesApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Failures are counted, a flush returns in time, and what can be sent later is."""
    with closing(socket.socket()) as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    session, url = Session(aws), aws.endpoint_url
    create_state_table(aws)
    monkeypatch.setattr(aws, "endpoint_url", f"http://127.0.0.1:{port}")
    observer = CacheObserver(targets=document(), state_table=STATE_TABLE, metrics="cloudwatch", session=session)
    with client(api, observer) as asked:
        for _ in range(3):
            asked.messages.create(**REQUEST)
        started = time.monotonic()
        assert not observer.flush(timeout_seconds=0.05)
        assert time.monotonic() - started < 1
        assert not observer.flush(timeout_seconds=30)  # in time, and not sent
        counts = observer.counts
        assert (counts.requests, counts.lost) == (3, 0)
        assert min(counts.failures["state"], counts.failures["metrics"]) >= 1
        monkeypatch.setattr(aws, "endpoint_url", url)
        observer._teller._store._table._client._connections._made.clear()  # type: ignore[union-attr]  # the network is back
        assert observer.close()
    assert metric(aws, "TrafficRequests") == 3
    assert session.calls["UpdateItem"] >= 2


async def test_an_executor_that_takes_no_more_work_is_done_without(aws: LocalAws) -> None:
    """As at the interpreter's end."""
    create_state_table(aws)
    state = DynamoDbState(StateTable(aws.dynamodb, STATE_TABLE))
    state._workers[1].shutdown()
    assert await state.touch(KEY, at=EPOCH)
    aws.s3.create_bucket(Bucket=BUCKET)
    upload(aws, "support")
    targets = S3Targets(
        Bucket(aws.s3, BUCKET),
        targets_prefix="targets/",
        prompts_prefix="prompts/",
        bodies=BodyCache(0),
        max_inflight_bytes=10**6,
    )
    targets._readers.shutdown()
    assert [each.name for each in (await targets.load()).targets] == ["support"]


def test_a_request_is_captured_and_belongs_to_its_target_from_then_on(aws: LocalAws, api: LocalMessagesApi) -> None:
    """After two requests with the same prefix; nothing that a user said is in the bucket."""
    aws.s3.create_bucket(Bucket=BUCKET)
    aws.s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    told: list[Any] = []
    observer = CacheObserver(
        targets=PLACE, target="billing", capture="new", session=Session(aws), on_request=told.append
    )
    with client(api, observer) as asked:
        assert observer.flush()
        for _ in range(3):
            asked.messages.create(**REQUEST)
            assert observer.flush()
    assert observer.close()
    assert [each.target for each in told] == [None, None, "billing"]
    (listed,) = aws.s3.list_object_versions(Bucket=BUCKET)["Versions"]
    assert listed["Key"] == "targets/billing.json"
    written = aws.s3.get_object(Bucket=BUCKET, Key=listed["Key"])["Body"].read().decode()
    assert REQUEST["system"][0]["text"] in written
    assert CANARY not in written
    assert dict(observer.counts.failures) == {}
