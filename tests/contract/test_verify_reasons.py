"""Verifying over HTTP: proven for a healthy target, and each reason why not produced by the Messages API itself."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from click.testing import CliRunner, Result

from infra.local.messages_api import Fault
from prompt_cache_warmer.adapters.api_keys import StaticApiKeys
from prompt_cache_warmer.adapters.memory_state import MemoryState
from prompt_cache_warmer.cli.commands import commands
from prompt_cache_warmer.cli.stack import Seams
from prompt_cache_warmer.rules.order import Order
from prompt_cache_warmer.warm.caller import Caller
from prompt_cache_warmer.warm.claims import RunLimits
from prompt_cache_warmer.warm.warmer import Policy, Recorders, Warmer
from tests.fakes import MODEL, FakeClock, MemoryLog, MemoryMetrics, MemoryTargets, document
from tests.message_adapters import stored
from tests.prefix_shapes import LONG, MODELS, SHAPES, SYSTEM

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from infra.local.messages_api import LocalMessagesApi
    from prompt_cache_warmer.ports import Answer, MessagesApi
    from prompt_cache_warmer.rules.request import WarmCall
    from prompt_cache_warmer.rules.verification import Verification

MESSAGES = "/v1/messages"
HOUR = {"type": "ephemeral", "ttl": "1h"}
TOOL = {"name": "search", "input_schema": {"type": "object", "properties": {}}}


class WaitingClock(FakeClock):
    """A clock that does something while the verifier waits.

    Args:
        meanwhile: what happens then.
    """

    def __init__(self, meanwhile: Callable[[], object]) -> None:
        super().__init__()
        self._meanwhile = meanwhile

    async def sleep(self, seconds: float) -> None:
        """Wait, and let it happen."""
        await super().sleep(seconds)
        self._meanwhile()


class Gateway:
    """A gateway that changes real requests on their way, and leaves warm calls alone.

    Args:
        messages: where calls go.
        change: what it makes of a real request's body.
        others: where real requests go; to the same unless given.
    """

    def __init__(
        self, messages: MessagesApi, change: dict[str, Any] | None = None, others: MessagesApi | None = None
    ) -> None:
        self._messages = messages
        self._change = change or {}
        self._others = others or messages

    async def send(self, call: WarmCall, *, timeout_seconds: float) -> Answer:
        """Send a call, changed if it is a real request."""
        if not (call.body.get("diagnostics") or {}).get("previous_message_id"):
            return await self._messages.send(call, timeout_seconds=timeout_seconds)
        changed = replace(call, body={**call.body, **self._change})
        return await self._others.send(changed, timeout_seconds=timeout_seconds)

    async def count_tokens(self, call: WarmCall, *, timeout_seconds: float) -> int:
        """Count."""
        return await self._messages.count_tokens(call, timeout_seconds=timeout_seconds)


async def verified(
    api: LocalMessagesApi,
    *,
    change: dict[str, Any] | None = None,
    meanwhile: Callable[[], object] = lambda: None,
    request_key: str | None = None,
    **changes: Any,
) -> Verification:
    """Verify one target against the emulator."""
    targets = MemoryTargets({"targets/support.json": document(**changes)})
    clock = WaitingClock(meanwhile)
    async with (
        stored(StaticApiKeys("sk-a"), base_url=api.base_url) as own,
        stored(StaticApiKeys(request_key or "sk-a"), base_url=api.base_url) as others,
    ):
        warmer = Warmer(
            index=targets,
            bodies=targets,
            caller=Caller(messages=Gateway(own, change, others), clock=clock, request_timeout_seconds=10),
            store=MemoryState(),
            recorders=Recorders(metrics=MemoryMetrics(), log=MemoryLog(), detail="run", service="svc"),
            clock=clock,
            policy=Policy(limits=RunLimits(4, 1_000_000, 10), tick_seconds=240),
        )
        report = await warmer.run(Order(verify=("support",)), remaining_seconds=lambda: math.inf)
    (found,) = report.verifications
    return found


def facts(found: Verification) -> tuple[str, Any, Any]:
    """Return the reason, the divergence and whether the whole prefix was read."""
    line = found.as_json()
    evidence = line["evidence"]
    return line["reason"], evidence.get("divergence"), evidence.get("read_tokens") == evidence.get("expected_tokens")


@pytest.mark.filterwarnings("ignore:Using Claude with")  # the SDK's advice on thinking, to the application
@pytest.mark.parametrize("refuses_zero", [False, True], ids=["takes 0", "refuses 0"])
@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("shape", SHAPES)
async def test_a_healthy_target_of_any_shape_is_proven(
    api: LocalMessagesApi, shape: str, model: str, *, refuses_zero: bool
) -> None:
    """Cold before; the request reads every token that was written, by the API's own count."""
    api.refuses_zero = refuses_zero
    request = dict(SHAPES[shape])
    betas = request.pop("betas", [])
    found = await verified(api, request=request, betas=betas, models=[model])
    assert found.is_proven, found.as_json()
    warmed, asked = [received.usage for received in api.requests if received.path == MESSAGES and received.usage]
    assert asked.cache_read_input_tokens == warmed.cache_creation_input_tokens > 0
    assert (asked.cache_creation_input_tokens == 0) is (shape != "automatic caching")  # that marks the message too
    assert (asked.output_tokens == 1) is (shape != "thinking with a budget")  # the stream is closed, its bill unknown
    assert found.as_json()["evidence"]["read_tokens"] == asked.cache_read_input_tokens


@pytest.mark.parametrize("shape", ["system as one marked block", "four markers", "structured output"])
async def test_what_is_proven_is_proven_again_when_it_is_warm(api: LocalMessagesApi, shape: str) -> None:
    """A refresh reads what a write left, and the next request reads as much."""
    for verdict in ("written", "refreshed"):
        found = await verified(api, request=SHAPES[shape])
        assert (found.is_proven, found.as_json()["evidence"]["verdict"]) == (True, verdict)


async def test_messages_changed_is_what_the_diagnostics_say_when_all_is_well(api: LocalMessagesApi) -> None:
    """Model, tools and system are the warm call's, and the message is another."""
    assert facts(await verified(api)) == ("read", "messages_changed", True)


@pytest.mark.parametrize(
    ("change", "reason", "divergence"),
    [
        ({"model": "claude-opus-4-8"}, "model-changed", "model_changed"),
        ({"tools": [TOOL]}, "tools-changed", "tools_changed"),
        ({"system": [{**SYSTEM[0], "text": f"It is 12:00. {LONG}"}]}, "system-changed", "system_changed"),
        ({"thinking": {"type": "adaptive"}}, "read-nothing", "unavailable"),
    ],
    ids=["model", "tools", "system", "settings"],
)
async def test_a_request_that_is_changed_on_its_way_is_not_proven(
    api: LocalMessagesApi, change: dict[str, Any], reason: str, divergence: str
) -> None:
    """Each reason with what the API misses; what it cannot name is a read of nothing."""
    found = await verified(api, change=change, models=["claude-opus-5-5"], request={"system": SYSTEM})
    assert facts(found) == (reason, divergence, False)
    missed = found.as_json()["evidence"].get("missed_tokens")
    assert missed == (found.as_json()["evidence"]["expected_tokens"] if reason.endswith("changed") else None)


async def test_a_key_of_another_workspace_is_named(api: LocalMessagesApi) -> None:
    """As when a key is rotated in between: nothing is shared, and the diagnostics find no message."""
    api.api_keys = {"sk-a": "wrkspc_a", "sk-b": "wrkspc_b"}
    found = await verified(api, request_key="sk-b")
    assert facts(found) == ("other-workspace", "previous_message_not_found", False)
    evidence = found.as_json()["evidence"]
    assert (evidence["warm_workspace_id"], evidence["request_workspace_id"]) == ("wrkspc_a", "wrkspc_b")


@pytest.mark.parametrize(
    "request_",
    [{"system": LONG}, {"system": [{"type": "text", "text": LONG}]}, {"tools": [{**TOOL, "description": LONG}]}],
    ids=["text", "block", "tool"],
)
async def test_a_target_whose_author_wrote_no_marker_is_not_proven(
    api: LocalMessagesApi, request_: dict[str, Any]
) -> None:
    """Real traffic reads nothing: all of it is plain input, while the warm call wrote it with a marker of ours."""
    found = await verified(api, request=request_)
    warmed, asked = [received.usage for received in api.requests if received.usage]
    assert facts(found) == ("no-marker", "messages_changed", False)
    assert warmed.cache_creation_input_tokens > 0
    assert (asked.cache_read_input_tokens, asked.cache_creation_input_tokens) == (0, 0)
    assert asked.input_tokens > warmed.cache_creation_input_tokens


async def test_automatic_caching_reads_by_the_apis_own_lookback(api: LocalMessagesApi) -> None:
    """Sent at the top level it finds the warmed block behind it, and not from more than 20 blocks away."""
    request = {"cache_control": {"type": "ephemeral"}, "system": LONG}
    found = await verified(api, request=request)
    assert facts(found)[0] == "read"
    assert found.notices[0].startswith("automatic-caching: ")
    assert [("cache_control" in each.body) for each in api.requests if each.path == MESSAGES] == [False, True]
    texts = [{"role": "user", "content": [{"type": "text", "text": f"Line {number}."} for number in range(25)]}]
    far = await verified(api, request=request, change={"messages": texts}, models=["claude-opus-4-8"])
    assert facts(far)[0] == "read-nothing"


async def test_an_entry_that_is_evicted_in_between_is_not_proven(api: LocalMessagesApi) -> None:
    """Nothing differs, and nothing was read."""
    found = await verified(api, meanwhile=api.forget_entries)
    assert facts(found) == ("read-nothing", "messages_changed", False)
    assert found.as_json()["evidence"]["written_tokens"] == found.as_json()["evidence"]["expected_tokens"]


async def test_a_part_that_is_evicted_in_between_is_not_proven(api: LocalMessagesApi) -> None:
    """The longer 5-minute prefix lapses, and the hour's in front of it is read."""
    request = {
        "system": [
            {"type": "text", "text": LONG, "cache_control": HOUR},
            {"type": "text", "text": LONG, "cache_control": {"type": "ephemeral"}},
        ]
    }
    found = await verified(api, request=request, meanwhile=lambda: api.clock.advance(301))
    evidence = found.as_json()["evidence"]
    assert facts(found)[:2] == ("read-part", "messages_changed")
    assert 0 < evidence["read_tokens"] < evidence["expected_tokens"]
    assert evidence["read_tokens"] + evidence["written_tokens"] == evidence["expected_tokens"]


async def test_a_comparison_that_still_runs_is_no_obstacle(api: LocalMessagesApi) -> None:
    """The usage decides, either way."""
    api.is_diagnosis_pending = True
    assert facts(await verified(api)) == ("read", "pending", True)
    assert facts(await verified(api, meanwhile=api.forget_entries)) == ("read-nothing", "pending", False)


async def test_a_message_that_is_not_known_any_more_is_no_obstacle(api: LocalMessagesApi) -> None:
    """Fingerprints are kept for minutes, entries of 1 hour for longer."""
    request = {"system": [{**SYSTEM[0], "cache_control": HOUR}]}
    found = await verified(api, request=request, meanwhile=lambda: api.clock.advance(1800))
    assert facts(found) == ("read", "previous_message_not_found", True)


async def test_a_prefix_below_the_minimum_is_not_proven_and_not_asked_for(api: LocalMessagesApi) -> None:
    """One call, no entry."""
    found = await verified(api, request={"system": [{**SYSTEM[0], "text": "You are brief."}]})
    assert facts(found)[0] == "below-minimum"
    assert len(api.requests) == 1


async def test_an_hour_that_was_not_granted_is_proven_with_a_notice(api: LocalMessagesApi) -> None:
    """It is read now, and lives for 5 minutes."""
    api.downgrades_hour = True
    found = await verified(api, request={"system": [{**SYSTEM[0], "cache_control": HOUR}]})
    assert found.is_proven
    assert found.notices == ("markers ask for ttl 1h; the API granted 5m",)
    evidence = found.as_json()["evidence"]
    assert (evidence["asked_ttls"], evidence["granted_ttls"]) == (["1h"], ["5m"])


async def test_a_refused_warm_call_is_not_proven(api: LocalMessagesApi) -> None:
    """With the engine's code; no request follows."""
    api.api_keys = {}
    found = await verified(api)
    assert (facts(found)[0], found.as_json()["code"]) == ("warm-call-failed", "credential")
    assert len(api.requests) == 1


async def test_a_refused_request_is_not_proven(api: LocalMessagesApi) -> None:
    """The warm call was answered."""
    found = await verified(api, meanwhile=lambda: api.faults.add(Fault(kind="status", status=403)))
    assert (facts(found)[0], found.as_json()["code"]) == ("request-failed", "credential")


async def test_where_diagnostics_are_refused_both_calls_go_without(api: LocalMessagesApi) -> None:
    """A provider says so in its own words, which quote the request; the usage alone proves it."""
    refusal = "diagnostics.previous_message_id: Extra inputs are not permitted"
    api.faults.add(Fault(kind="status", status=400, message=refusal))
    found = await verified(api)
    assert found.is_proven
    assert found.notices == ("the API takes no diagnostics here, so its usage alone decided",)
    assert ["diagnostics" in received.body for received in api.requests] == [True, False, False]


async def test_another_400_is_refused_again_and_told_as_it_is(api: LocalMessagesApi) -> None:
    """It was no matter of diagnostics: the second refusal is the one that counts, and nothing is billed."""
    api.faults.add(Fault(kind="status", status=400, message="system: too odd", times=2))
    found = await verified(api)
    assert (facts(found)[0], found.as_json()["code"]) == ("warm-call-failed", "rejected")
    assert "system: too odd" in found.sentence


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Return a file with a target of two models."""
    path = tmp_path / "support.json"
    path.write_text(json.dumps(document(models=[MODEL, "claude-opus-4-8"])), encoding="utf-8")
    return path


def run(api: LocalMessagesApi, *arguments: str, clock: FakeClock | None = None) -> Result:
    """Run ``verify`` with a key and an address in its environment."""
    environment = {"ANTHROPIC_API_KEY": "sk-own", "ANTHROPIC_BASE_URL": api.base_url, "WARMER_FUNCTION": None}
    runner = CliRunner(env=environment, catch_exceptions=False)
    return runner.invoke(commands, ["verify", *arguments], obj=Seams(clock=clock or FakeClock()))


def test_from_a_file_it_is_proven_for_the_applications_own_key(api: LocalMessagesApi, file: Path) -> None:
    """Both models, with exit code 0, by the key of the environment."""
    api.api_keys = {"sk-own": "wrkspc_own"}
    clock = FakeClock()
    result = run(api, "support", "--file", str(file), clock=clock)
    assert (result.exit_code, result.stderr, clock.slept) == (0, "", [2])
    *lines, last = result.stdout.splitlines()
    sizes = [entry.tokens for entry in api.entries()]
    assert sorted(lines) == sorted(
        f"support on {entry.model}: proven: {entry.tokens:,} of {entry.tokens:,} tokens read" for entry in api.entries()
    )
    assert len(sizes) == 2
    assert last.startswith("2 of 2 proven, for 0.0")
    assert {entry.workspace_id for entry in api.entries()} == {"wrkspc_own"}


def test_from_a_file_what_is_not_proven_is_exit_code_1(api: LocalMessagesApi, file: Path) -> None:
    """The reason, the figures and the sentence; the folder serves as well as the file."""
    result = run(api, "support", "--file", str(file.parent), clock=WaitingClock(api.forget_entries))
    assert (result.exit_code, result.stderr) == (1, "")
    assert f"support on {MODEL}: not proven: read-nothing: 0 of " in result.stdout
    assert "  the API's diagnostics: messages_changed\n" in result.stdout
    assert "0 of 2 proven, for 0.17" in result.stdout


def test_json_is_the_functions_own_answer(api: LocalMessagesApi, file: Path) -> None:
    """With the run report's fields and the exit code of the lines."""
    result = run(api, "support", "support", "--file", str(file), "--json")
    answer = json.loads(result.stdout)
    assert (result.exit_code, answer["is_proven"], answer["entries_proven"]) == (0, True, 2)
    assert (answer["totals"]["entries_warmed"], answer["state"]) == (2, "memory")
    assert "You are support" not in result.stdout


def test_the_targets_own_cap_holds_from_a_file_too(api: LocalMessagesApi, tmp_path: Path) -> None:
    """0 allows nothing: the API is asked for no message."""
    path = tmp_path / "support.json"
    path.write_text(json.dumps(document(max_usd_per_call="0")), encoding="utf-8")
    result = run(api, "support", "--file", str(path), "--json")
    assert (result.exit_code, json.loads(result.stdout)["verified"][0]["code"]) == (1, "call-cap")
    assert [received for received in api.requests if received.path == MESSAGES] == []


def test_a_function_that_cannot_be_asked_is_one_sentence(api: LocalMessagesApi) -> None:
    """There is none at that address, and nobody asks again."""
    runner = CliRunner(env=lambda_at(api.base_url), catch_exceptions=False)
    result = runner.invoke(commands, ["verify", "support", "--function", "warmer"], obj=Seams(clock=FakeClock()))
    assert (result.exit_code, result.stdout) == (2, "")
    (line,) = result.stderr.splitlines()
    assert line.startswith("Error: function 'warmer' could not be asked, or gave no answer: ")
    assert line.endswith("check the name, and your own AWS identity and region: they ask here, not the function's")


def test_without_a_region_the_function_cannot_be_asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The sentence says what to set."""
    for name in ("AWS_DEFAULT_REGION", "AWS_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    result = CliRunner(catch_exceptions=False).invoke(commands, ["verify", "support", "--function", "warmer"])
    assert (result.exit_code, result.stderr) == (
        2,
        (
            "Error: function 'warmer' cannot be asked: nothing says which region is meant: "
            "set AWS_DEFAULT_REGION, or AWS_PROFILE to a profile that has a region\n"
        ),
    )


def lambda_at(url: str) -> dict[str, str]:
    """Return the environment of boto3 with Lambda at an address."""
    return {
        "AWS_ENDPOINT_URL_LAMBDA": url,
        "AWS_ACCESS_KEY_ID": "a",
        "AWS_SECRET_ACCESS_KEY": "b",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
