"""Why traffic misses, end to end: the emulator produces each cause, and report and metric say that one.

The function warms as it is deployed; the application asks with the SDK's own client; what was seen of its
requests is made of real answers and reaches the state table as an observer sends it.
"""

from __future__ import annotations

import asyncio
import io
from typing import TYPE_CHECKING, Any

import anthropic
import pytest

from infra.local.cloud import API_KEY, NAMESPACE, SERVICE, STATE_TABLE, WORKSPACE, LocalCloud
from infra.local.emf import publish
from infra.local.function import LocalClock
from prompt_cache_warmer.adapters.client_messages import AsyncClientMessages
from prompt_cache_warmer.adapters.dynamodb_state import DynamoDbState
from prompt_cache_warmer.adapters.emf import EmfMetricSink
from prompt_cache_warmer.adapters.state_table import StateTable
from prompt_cache_warmer.rules.keyed_apart import is_keyed_apart
from prompt_cache_warmer.rules.order import Order
from prompt_cache_warmer.rules.traffic import match, sight_of, touches
from prompt_cache_warmer.values.body import TTL_SECONDS
from prompt_cache_warmer.values.observation import Miss, Sight, Sightings
from prompt_cache_warmer.values.regions import region_of
from prompt_cache_warmer.values.state import EntryKey
from prompt_cache_warmer.values.usage import Usage
from prompt_cache_warmer.warm.caller import Caller
from prompt_cache_warmer.warm.claims import RunLimits
from prompt_cache_warmer.warm.warmer import Policy, Recorders, Warmer
from tests.deployments import Deployment, api, codes, prompt
from tests.fakes import MODEL, MemoryLog, MemoryTargets, document, reading

if TYPE_CHECKING:
    from collections.abc import Callable

    from prompt_cache_warmer.values.targets import TargetSummary

# Powertools warns of time stamps that CloudWatch would refuse; the clock here stands at a day long past.
pytestmark = pytest.mark.filterwarnings("ignore:This metric doesn't meet the requirements")

NAME = "bot"
KEY = EntryKey(NAME, "default", MODEL)
HOURLY = document(NAME, request=prompt("1h"))
SHORT = document(NAME, request=prompt("1h", "Hi") | {"system": [{**prompt("1h")["system"][0], "text": "Be kind."}]})
HELLO = [{"role": "user", "content": "Hello?"}]
OTHER_KEY, OTHER_WORKSPACE = "sk-ant-local-other-key", "wrkspc_other"


def summary(document: dict[str, Any]) -> TargetSummary:
    """Return a target as the application's observer knows it."""
    found = reading(document).target
    assert found is not None
    return found.summary


def unmarked(turns: int = 1, *, marks_last: bool = False) -> dict[str, Any]:
    """Return the application's request without a marker on its prompt, after some turns of conversation."""
    marker = {"cache_control": {"type": "ephemeral"}}
    texts: list[dict[str, Any]] = [{"type": "text", "text": f"Turn {number}?"} for number in range(turns)]
    texts[-1] |= marker if marks_last else {}
    return {
        "system": [{"type": "text", "text": prompt()["system"][0]["text"]}],
        "messages": [
            {"role": ("user", "assistant")[number % 2], "content": [text]} for number, text in enumerate(texts)
        ],
    }


def seen(client: Any, target: TargetSummary, request: dict[str, Any], *, at: Any, prefix_tokens: int) -> Sightings:
    """Send a request of the application and say what was seen of it, by its own answer."""
    body = {"messages": HELLO, **request}
    with client:
        raw = client.messages.with_raw_response.create(model=MODEL, max_tokens=1, **body)
    usage = Usage.from_api(raw.http_response.json()["usage"], unsplit_ttl="5m")
    found = match(body, (), MODEL, [target], ascribed_to=target.name).own
    assert found is not None
    sight = sight_of(found, usage, prefix_tokens=prefix_tokens or None)
    miss = Miss(
        at=at,
        drifted=found.drifted,
        read_tokens=usage.read_tokens,
        written_tokens=usage.written_tokens,
        uncached_tokens=usage.uncached_tokens,
        workspace_id=raw.headers.get("anthropic-workspace-id"),
        region=region_of(raw.http_request.url.host, raw.http_request.headers.get("authorization")),
        marker_distance=found.marker_distance,
        fingerprint=target.prefix_digest,
        is_keyed_apart=is_keyed_apart(body, target.prefix_end),
    )
    touched_at = at if touches(found, usage, sight) else None
    return Sightings(
        hits=int(sight is Sight.HIT),
        cold_starts=int(sight is Sight.COLD_START),
        drifts=int(sight is Sight.DRIFT),
        touched_at=touched_at,
        touched_ttl_seconds=None if touched_at is None else TTL_SECONDS[found.ttl],
        fingerprint=target.prefix_digest,
        last_miss=None if sight is Sight.HIT else miss,
    )


def store(cloud: LocalCloud) -> DynamoDbState:
    """Return the state table as the application's role reaches it."""
    return DynamoDbState(StateTable(cloud.aws.dynamodb, STATE_TABLE))


def ask(
    deployment: Deployment, request: dict[str, Any] | None = None, *, key: str = API_KEY, target: Any = HOURLY
) -> None:
    """Let the application send a request, and its observer report it."""
    table = store(deployment.cloud)
    told = asyncio.run(table.observe(KEY, Sightings()))
    client = anthropic.Anthropic(api_key=key, base_url=deployment.cloud.api.base_url, max_retries=0)
    found = seen(
        client,
        summary(target),
        request or target["request"],
        at=deployment.now(),
        prefix_tokens=told.warmth.cached_tokens if told.warmth else 0,
    )
    asyncio.run(table.observe(KEY, found))


def drifts(deployment: Deployment) -> None:
    """Ask with another prompt."""
    ask(deployment, prompt("1h", "You are another bot. "))


def asks_from_another_workspace(deployment: Deployment) -> None:
    """Ask with the key of another workspace."""
    deployment.cloud.api.api_keys = {API_KEY: WORKSPACE, OTHER_KEY: OTHER_WORKSPACE}
    ask(deployment, key=OTHER_KEY)


def asks_late_after_a_downgrade(deployment: Deployment) -> None:
    """Ask six minutes after a warm call that was granted five."""
    deployment.wait(5)
    ask(deployment)


def asks_after_an_eviction(deployment: Deployment) -> None:
    """Ask when the cache has dropped everything, later than clocks can differ."""
    deployment.wait(1)
    deployment.cloud.api.forget_entries()
    ask(deployment)


def marks_a_place_too_far(deployment: Deployment) -> None:
    """Ask after 25 turns with the only marker on the last of them."""
    ask(deployment, unmarked(25, marks_last=True))


def marks_nothing(deployment: Deployment) -> None:
    """Ask without any marker."""
    ask(deployment, unmarked())


def asks_a_short_prompt(deployment: Deployment) -> None:
    """Ask with the target's own few words."""
    ask(deployment, target=SHORT)


@pytest.mark.parametrize(
    ("act", "target", "cause", "evidence", "counts"),
    [
        (drifts, HOURLY, "prefix-drift", {"tiers": ["system"], "is_present_version": True}, (0, 0, 1)),
        (
            asks_from_another_workspace,
            HOURLY,
            "other-workspace",
            {"request_workspace_id": OTHER_WORKSPACE, "warm_workspace_id": WORKSPACE, "read_tokens": 0},
            (0, 1, 0),
        ),
        (
            asks_late_after_a_downgrade,
            HOURLY,
            "ttl-downgraded",
            {"asked_ttl_seconds": 3600, "granted_ttl_seconds": 300, "age_seconds": 360},
            (0, 1, 0),
        ),
        (
            asks_after_an_eviction,
            HOURLY,
            "evicted-early",
            {"age_seconds": 120, "granted_ttl_seconds": 3600, "read_tokens": 0, "workspace_id": WORKSPACE},
            (0, 1, 0),
        ),
        (
            marks_a_place_too_far,
            HOURLY,
            "lookback-exceeded",
            {"has_marker": True, "marker_distance": 25, "lookback_positions": 20},
            (0, 1, 0),
        ),
        (marks_nothing, HOURLY, "lookback-exceeded", {"has_marker": False, "written_tokens": 0}, (0, 1, 0)),
        (asks_a_short_prompt, SHORT, "below-minimum", {"verdict": "uncached", "minimum_tokens": 1024}, (0, 1, 0)),
    ],
)
def test_each_cause_is_diagnosed(
    deployment: Deployment,
    act: Callable[[Deployment], None],
    target: dict[str, Any],
    cause: str,
    evidence: dict[str, Any],
    counts: tuple[int, int, int],
) -> None:
    """Warmed, asked a minute later, and at the next tick the report, the log and the metric say why it missed."""
    deployment.cloud.put("targets/bot.json", target)
    deployment.cloud.api.downgrades_hour = cause == "ttl-downgraded"
    deployment.tick()
    deployment.wait(1)
    act(deployment)
    deployment.wait(1)
    (entry,) = deployment.tick()["entries"]
    assert entry["diagnosis"]["cause"] == cause
    assert evidence.items() <= entry["diagnosis"]["evidence"].items()
    hits, cold_starts, drifted = counts
    assert entry["traffic"] == {"requests": 1, "hits": hits, "cold_starts": cold_starts, "drifts": drifted}
    assert deployment.metric("EntriesMissed") == 1
    assert deployment.metric("EntriesMissed", Cause=cause) == 1
    assert deployment.function.output().count('"entry missed"') == 1
    assert "You are" not in deployment.function.output()


def test_a_tick_that_calls_nothing_diagnoses_all_the_same(deployment: Deployment) -> None:
    """And so does each one after it, until the next warm call; the log has one line."""
    deployment.cloud.put("targets/bot.json", HOURLY)
    deployment.tick()
    deployment.wait(1)
    drifts(deployment)
    for _ in range(3):
        answer = deployment.tick()
        assert codes(answer) == ["outlives-tick"]
        assert answer["entries"][0]["diagnosis"]["cause"] == "prefix-drift"
        deployment.wait(4)
    assert deployment.metric("EntriesMissed", Cause="prefix-drift") == 3
    assert deployment.function.output().count('"entry missed"') == 1


def test_an_entry_that_is_healed_is_diagnosed_no_more(deployment: Deployment) -> None:
    """The next answered warm call begins anew, and the hits after it are hits."""
    deployment.cloud.put("targets/bot.json", HOURLY)
    deployment.tick()
    deployment.wait(1)
    asks_after_an_eviction(deployment)
    deployment.wait(55)
    called = deployment.tick()
    assert codes(called) == ["refreshed"]
    assert called["entries"][0]["diagnosis"]["cause"] == "evicted-early"
    deployment.wait(1)
    (quiet,) = deployment.tick()["entries"]
    assert {"diagnosis", "traffic"}.isdisjoint(quiet)
    ask(deployment)
    (healed,) = deployment.tick()["entries"]
    assert healed["traffic"] == {"requests": 1, "hits": 1, "cold_starts": 0, "drifts": 0}
    assert "diagnosis" not in healed
    assert deployment.metric("EntriesMissed") == 1
    assert deployment.function.output().count('"entry missed no more"') == 1


def test_hits_have_no_diagnosis(deployment: Deployment) -> None:
    """What warm calls hold is read, as often as it is asked for."""
    deployment.cloud.put("targets/bot.json", HOURLY)
    deployment.tick()
    for _ in range(3):
        deployment.wait(1)
        ask(deployment)
    (entry,) = deployment.tick()["entries"]
    assert entry["traffic"] == {"requests": 3, "hits": 3, "cold_starts": 0, "drifts": 0}
    assert "diagnosis" not in entry
    assert deployment.metric("EntriesMissed") == 0


def test_a_cold_start_after_a_lapse_nobody_promised_to_prevent_has_none(deployment: Deployment) -> None:
    """A target that is warmed once is cold after its hour: that is what it asks for."""
    once = {**HOURLY, "keep": "once"}
    deployment.cloud.put("targets/bot.json", once)
    deployment.tick()
    deployment.wait(61)
    ask(deployment, target=once)
    (entry,) = deployment.tick()["entries"]
    assert entry["traffic"] == {"requests": 1, "hits": 0, "cold_starts": 1, "drifts": 0}
    assert "diagnosis" not in entry
    assert deployment.metric("EntriesMissed") == 0


CITING = {
    "type": "document",
    "source": {"type": "text", "media_type": "text/plain", "data": "Some text."},
    "citations": {"enabled": True},
}
PICTURE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}}
EXAMPLES = {"type": "text", "text": "Examples. " * 2500, "cache_control": {"type": "ephemeral", "ttl": "1h"}}
EXEMPLARY = document(NAME, request={"system": "Be kind.", "messages": [{"role": "user", "content": [EXAMPLES]}]})


@pytest.mark.parametrize(
    ("target", "content"),
    [
        pytest.param(HOURLY, [CITING, {"type": "text", "text": "What does it say?"}], id="citations-behind-system"),
        pytest.param(EXEMPLARY, [EXAMPLES, CITING], id="citations-behind-messages"),
        pytest.param(EXEMPLARY, [EXAMPLES, PICTURE], id="image-behind-messages"),
    ],
)
def test_a_request_that_is_keyed_apart_says_nothing_of_an_eviction(
    deployment: Deployment, target: dict[str, Any], content: list[dict[str, Any]]
) -> None:
    """It is a cold start, as its usage says, and the warmed entry is alive all the same."""
    deployment.cloud.put("targets/bot.json", target)
    deployment.tick()
    deployment.wait(2)
    ask(deployment, {**target["request"], "messages": [{"role": "user", "content": content}]}, target=target)
    (entry,) = deployment.tick()["entries"]
    assert entry["traffic"] == {"requests": 1, "hits": 0, "cold_starts": 1, "drifts": 0}
    assert "diagnosis" not in entry
    ask(deployment, {"messages": HELLO, **target["request"]}, target=target)
    (entry,) = deployment.tick()["entries"]
    assert entry["traffic"] == {"requests": 2, "hits": 1, "cold_starts": 1, "drifts": 0}


def test_an_hour_nobody_was_granted_is_not_claimed(deployment: Deployment) -> None:
    """The application writes for five minutes and a warm call only reads: it lapses after five minutes, unevicted."""
    deployment.cloud.put("targets/bot.json", HOURLY)
    ask(deployment, prompt("5m"))
    deployment.wait(1)
    (called,) = deployment.tick()["entries"]
    assert called["verdict"] == "refreshed"
    deployment.wait(7)
    ask(deployment, prompt("5m"))
    (entry,) = deployment.tick()["entries"]
    assert entry["traffic"] == {"requests": 1, "hits": 0, "cold_starts": 1, "drifts": 0}
    assert "diagnosis" not in entry


def test_traffic_that_marks_five_minutes_is_not_believed_for_an_hour(deployment: Deployment) -> None:
    """What the application keeps alive by requests of five minutes is warmed like any entry of five minutes."""
    deployment.cloud.put("targets/bot.json", HOURLY)
    ask(deployment, prompt("5m"))
    verdicts = []
    for _ in range(4):
        verdicts.append(deployment.tick()["entries"][0].get("verdict"))
        deployment.wait(4)
    assert verdicts == ["refreshed"] * 4
    ask(deployment, prompt("5m"))
    (entry,) = deployment.tick()["entries"]
    assert entry["traffic"] == {"requests": 1, "hits": 1, "cold_starts": 0, "drifts": 0}


def bedrock(url: str, region: str) -> dict[str, Any]:
    """Return what a client of Bedrock in a region is made of."""
    return {
        "base_url": url,
        "aws_region": region,
        "aws_access_key": "LOCALKEYID",
        "aws_secret_key": "local-secret",
        "max_retries": 0,
    }


async def test_another_region_of_bedrock_is_diagnosed() -> None:
    """The service has no Bedrock credentials yet, so its engine runs here over the SDK's own Bedrock client."""
    behaviour = api()
    behaviour.api_keys = None
    with LocalCloud(behaviour, state=True) as cloud:
        url, clock, lines, table = cloud.api.base_url, LocalClock(cloud.api.clock), io.StringIO(), store(cloud)
        since = clock.now()
        own: Any = anthropic.AsyncAnthropicBedrock(**bedrock(url, "eu-central-1"))
        async with own as warming:
            targets = MemoryTargets({"targets/bot.json": HOURLY})
            warmer = Warmer(
                index=targets,
                bodies=targets,
                caller=Caller(messages=AsyncClientMessages(warming), clock=clock, request_timeout_seconds=10),
                recorders=Recorders(
                    metrics=EmfMetricSink(namespace=NAMESPACE, stream=lines),
                    log=MemoryLog(),
                    detail="run",
                    service=SERVICE,
                ),
                store=table,
                clock=clock,
                policy=Policy(
                    limits=RunLimits(max_concurrency=1, max_inflight_bytes=10**6, request_timeout_seconds=10),
                    tick_seconds=240,
                ),
            )

            async def tick() -> dict[str, Any]:
                report = await warmer.run(Order(), remaining_seconds=lambda: 900.0)
                entry: dict[str, Any] = report.as_json()["entries"][0]
                return entry

            async def asked(region: str) -> None:
                told = await table.observe(KEY, Sightings())
                assert told.warmth is not None
                assert told.warmth.region == "eu-central-1"
                client = anthropic.AnthropicBedrock(**bedrock(url, region))
                found = seen(
                    client,
                    summary(HOURLY),
                    HOURLY["request"],
                    at=clock.now(),
                    prefix_tokens=told.warmth.cached_tokens,
                )
                await table.observe(KEY, found)

            assert (await tick())["region"] == "eu-central-1"
            cloud.api.clock.advance(60)
            await asked("eu-central-1")
            assert "diagnosis" not in await tick()
            cloud.api.clock.advance(60)
            await asked("us-east-1")
            entry = await tick()
        publish(lines.getvalue(), cloud.aws.cloudwatch)
        assert entry["diagnosis"]["cause"] == "other-region"
        assert {"request_region": "us-east-1", "warm_region": "eu-central-1"}.items() <= entry["diagnosis"][
            "evidence"
        ].items()
        assert entry["traffic"] == {"requests": 2, "hits": 1, "cold_starts": 1, "drifts": 0}
        assert cloud.metric_sum("EntriesMissed", since, Cause="other-region") == 1
