"""``status`` as its operator runs it: over S3 and DynamoDB, without a key, decided by the engine's own rule."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from infra.local.messages_api import EmulatorClock, LocalMessagesApi
from prompt_cache_warmer.adapters.state_items import PARTITION_KEY, target_key
from prompt_cache_warmer.ports import ClaimRequest, Commit
from prompt_cache_warmer.values.caps import NO_CAPS
from prompt_cache_warmer.values.money import Amount
from prompt_cache_warmer.values.snapshot import CredentialState, Lease, Pause
from prompt_cache_warmer.values.state import CLOSED, Breaker, EntryKey, Warmth
from tests.fakes import EPOCH, MODEL, FakeClock, document, target
from tests.local_stack import BUCKET, FUNCTION, STACK, STATE_TABLE, LocalStack

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from click.testing import Result

MINUTE = timedelta(minutes=1)
HOUR = 60 * MINUTE
RAISE_CALL_CAP = "raise max_usd_per_call or max_tokens_per_call (or MaxUsdPerCall, MaxTokensPerCall of the stack)"
STATUS_JSON = ("status", "--stack", STACK, "--json")
HEAD = "entry                           state   left  ttl last verdict    traffic next"


@pytest.fixture(scope="module")
def deployed() -> Iterator[LocalStack]:
    """Return a deployed stack for all tests: what it is made of takes seconds."""
    with LocalStack(LocalMessagesApi(clock=EmulatorClock(frozen=True)), MAX_USD_PER_DAY="2.50") as shop:
        yield shop


@pytest.fixture
def stack(deployed: LocalStack) -> LocalStack:
    """Return the deployed stack without a target and without a memory."""
    deployed.empty()
    return deployed


def put(stack: LocalStack, name: str = "support", **changes: Any) -> None:
    """Upload a target."""
    stack.put(f"targets/{name}.json", document(name, **changes))


def called(
    stack: LocalStack,
    name: str = "support",
    *,
    at: datetime = EPOCH,
    verdict: str = "refreshed",
    ttl_seconds: int | None = 300,
    breaker: Breaker = CLOSED,
    usd: str = "0",
) -> None:
    """Remember a warm call of a target, as a tick does."""
    summary = target(name=name).summary
    version = stack.aws.s3.head_object(Bucket=BUCKET, Key=f"targets/{name}.json")["ETag"]
    request = ClaimRequest(
        EntryKey(name, "default", MODEL), "run", 0, at + MINUTE, at.date(), Amount(Decimal(usd)), NO_CAPS
    )
    warmth = Warmth(summary.prefix_digest, 300, at, ttl_seconds, verdict, cached_tokens=7_000 if ttl_seconds else 0)
    opened = Breaker(**{**{name: getattr(breaker, name) for name in Breaker.__slots__}, "version": version})

    async def remember() -> None:
        await stack.store.claim(request)
        await stack.store.commit(Commit(request, Amount(Decimal(usd)), warmth, opened))

    asyncio.run(remember())


def status(stack: LocalStack, *options: str) -> tuple[int, list[str]]:
    """Run the command; returns its exit code and its lines."""
    result = stack.run("status", "--stack", STACK, *options)
    assert result.stderr == ""
    return result.exit_code, [line.rstrip() for line in result.stdout.splitlines()]


def entry(stack: LocalStack, name: str = "support") -> dict[str, Any]:
    """Return one entry of the JSON."""
    answer = json.loads(stack.run("status", "--stack", STACK, "--json").stdout)
    (found,) = [line for line in answer["entries"] if line["target"] == name]
    return dict(found)


def test_a_real_tick_makes_everything_well(stack: LocalStack) -> None:
    """Before it the entry is cold and one line says what to type; after it, it is warm and nothing is to be done."""
    from infra.local.function import InProcessFunction, LocalClock  # noqa: PLC0415 - only here

    put(stack)
    stack.clock = FakeClock()
    cold_code, cold = status(stack)
    assert (cold_code, cold[0]) == (1, HEAD)
    assert cold[1] == "support claude-sonnet-4-6       never   -     5m  -               -       now"
    assert cold[4] == "  -> prompt-cache-warmer warm support --stack shop"
    assert cold[-1] == "no warm call is remembered"  # it was put a moment ago: nothing is overdue
    stack.api.clock.advance(EPOCH.timestamp() - stack.api.clock.now_seconds())
    function = InProcessFunction(stack.environment(MAX_USD_PER_DAY="2.50"), clock=LocalClock(stack.api.clock))
    assert stack.tick(function, "one")["totals"]["written"] == 1
    stack.clock.seconds = 60.0
    code, lines = status(stack)
    assert code == 0
    assert lines[1] == "support claude-sonnet-4-6       warm    4m    5m  written 1m      -       now"
    assert lines[2] == "1 entry, nothing to do: 1 warm, 0 lapsed, 0 never, 0 unknown"
    assert lines[-1] == "last warm call 1m ago"


@pytest.mark.parametrize(
    ("seconds", "state", "left", "decision"),
    [
        (0, "warm", 300, "due"),
        (299, "warm", 1, "due"),
        (300, "lapsed", None, "lapsed"),
        (301, "lapsed", None, "lapsed"),
    ],
)
def test_warm_until_the_last_second(
    stack: LocalStack, seconds: float, state: str, left: int | None, decision: str
) -> None:
    """Time to live counts from the start of the call; the decision is the one a tick would make at that moment."""
    put(stack)
    called(stack)
    stack.clock.seconds = seconds
    found = entry(stack)
    assert (found["state"], found["remaining_seconds"], found["decision"]) == (state, left, decision)
    assert found["is_wrong"] is (state == "lapsed")


@pytest.mark.parametrize(
    ("changes", "state", "is_wrong", "to_type"),
    [
        ({}, "lapsed", True, "prompt-cache-warmer warm support --stack shop"),
        ({"enabled": False}, "lapsed", False, None),
        ({"keep": "while-used"}, "lapsed", False, None),
        ({"keep": "once"}, "lapsed", False, None),
        (
            {"windows": [{"days": "daily", "from": "13:00", "to": "14:00", "timezone": "UTC"}]},
            "lapsed",
            False,
            None,
        ),
        (
            {"max_usd_per_day": "0"},
            "lapsed",
            True,
            f"raise max_usd_per_day or max_tokens_per_day in s3://{BUCKET}/targets/support.json",
        ),
        (
            {"max_usd_per_call": "0.000001"},
            "lapsed",
            True,
            f"{RAISE_CALL_CAP} in s3://{BUCKET}/targets/support.json",
        ),
        (
            {"request": {"system": [{"type": "text", "text": "Another prompt. " * 3_000}]}},
            "never",
            True,
            "prompt-cache-warmer warm support --stack shop",
        ),
    ],
    ids=["always", "disabled", "while-used", "once", "outside", "day cap", "call cap", "changed"],
)
def test_what_should_be_warm_is_what_its_rule_says(
    stack: LocalStack, changes: dict[str, Any], state: str, *, is_wrong: bool, to_type: str | None
) -> None:
    """An hour after its last call. What its owner did not ask to be held is not wrong, however cold it is."""
    put(stack, **changes)
    called(stack, at=EPOCH - HOUR)
    found = entry(stack)
    assert (found["state"], found["is_wrong"], found["to_type"]) == (state, is_wrong, to_type)


REFUSED = Breaker(failures=1, failed_at=EPOCH, reason="rejected", opened_at=EPOCH, open_until=EPOCH + HOUR)
TRIED = Breaker(failures=1, failed_at=EPOCH + MINUTE)
FORBIDDEN = Breaker(failures=1, failed_at=EPOCH, reason="credential", opened_at=EPOCH, open_until=EPOCH + HOUR)
NEVER_CACHED = Breaker(unheld=3, reason="never-cached", opened_at=EPOCH, open_until=EPOCH + HOUR)


@pytest.mark.parametrize(
    ("verdict", "ttl_seconds", "breaker", "to_type"),
    [
        ("refreshed", 300, REFUSED, "aws logs tail /aws/lambda/shop --since 2h --filter-pattern '\"support\"'"),
        (
            "refreshed",
            300,
            FORBIDDEN,
            "let the credential do this, then: prompt-cache-warmer resume --credential default --stack shop",
        ),
        ("uncached", None, NEVER_CACHED, f"make its prefix longer, or set enabled: false in s3://{BUCKET}/targets/"),
        ("refreshed", 300, TRIED, "prompt-cache-warmer warm support --stack shop"),
        ("uncached", None, CLOSED, f"make its prefix longer, or set enabled: false in s3://{BUCKET}/targets/"),
    ],
    ids=["refused", "forbidden", "never cached", "failed once", "uncached once"],
)
def test_what_keeps_it_back_says_what_to_type(
    stack: LocalStack, verdict: str, ttl_seconds: int | None, breaker: Breaker, to_type: str
) -> None:
    """Also where it is still warm: it lapses if nobody does anything."""
    put(stack)
    called(stack, verdict=verdict, ttl_seconds=ttl_seconds, breaker=breaker)
    if breaker is TRIED:
        stack.clock.seconds = 360.0
        assert " failed 5m " in stack.run("status", "--stack", STACK).stdout
    found = entry(stack)
    assert found["is_wrong"]
    assert found["to_type"].startswith(to_type)
    assert found["breaker"] == breaker.reason


def test_the_stacks_own_cap_is_named_with_its_parameters(stack: LocalStack) -> None:
    """With nothing left of the day."""
    put(stack)
    stack.reconfigure(MAX_USD_PER_DAY="0")
    found = entry(stack)
    assert (found["decision"], found["is_wrong"]) == ("stack-day-cap", True)
    assert found["to_type"].startswith("raise MaxUsdPerDay or MaxTokensPerDay of the stack: sam deploy")
    stack.reconfigure(MAX_USD_PER_DAY="", MAX_USD_PER_MONTH="0")
    assert entry(stack)["to_type"].startswith("raise MaxUsdPerMonth or MaxTokensPerMonth of the stack: ")


def test_a_long_name_stands_on_a_line_of_its_own(stack: LocalStack) -> None:
    """So that columns stay where they are; another credential than the usual one is part of it."""
    name = "a" * 64
    put(stack, name, credential="other")
    _, lines = status(stack)
    assert lines[1:3] == [
        f"{name} claude-sonnet-4-6 (other)",
        " " * 32 + "never   -     5m  -               -       now",
    ]


def test_what_could_not_be_read_is_said_below(stack: LocalStack) -> None:
    """As the run report does."""
    put(stack)
    called(stack)
    stack.aws.dynamodb.update_item(
        TableName=STATE_TABLE,
        Key={PARTITION_KEY: {"S": target_key("support")}},
        UpdateExpression="SET #s = :s",
        ExpressionAttributeNames={"#s": "schema"},
        ExpressionAttributeValues={":s": {"N": "99"}},
    )
    _, lines = status(stack)
    assert any("target/support" in line for line in lines[-3:])


def test_a_stopped_credential_is_named_with_the_command_that_lets_it_go(stack: LocalStack) -> None:
    """Both in the row and in the JSON."""
    put(stack)
    stop = Breaker(failures=1, reason="credential", opened_at=EPOCH, open_until=EPOCH + HOUR)
    asyncio.run(stack.store.save_credential("default", CredentialState(1, stop)))
    code, lines = status(stack)
    assert code == 1
    assert "  -> mend the key, then: prompt-cache-warmer resume --credential default --stack shop" in lines
    assert any(line.endswith("credential, until 2026-11-22T13:00:00Z") for line in lines)
    answer = json.loads(stack.run("status", "--stack", STACK, "--json").stdout)
    assert answer["stopped_credentials"] == ["default"]


def test_a_pause_stands_first_and_is_no_excuse(stack: LocalStack) -> None:
    """What would be held is cold all the same; what is warm still is; what is outside its windows is not wrong."""
    put(stack, "cold")
    put(stack, "closed", windows=[{"days": "daily", "from": "13:00", "to": "14:00", "timezone": "UTC"}])
    put(stack, "warm")
    called(stack, "warm")
    asyncio.run(stack.store.pause(Pause("load test", since=EPOCH, until=EPOCH + HOUR)))
    assert entry(stack, "cold")["to_type"] == "prompt-cache-warmer resume --stack shop"
    code, lines = status(stack)
    assert code == 1
    assert lines[:2] == [
        "All warming is paused until 2026-11-22T13:00:00Z: load test",
        "  -> prompt-cache-warmer resume --stack shop",
    ]
    assert [line.split()[0] for line in lines[3:6]] == ["cold", "closed", "warm"]
    assert lines[6] == "1 of 3 entries is not as it should be: 1 warm, 0 lapsed, 2 never, 0 unknown"
    asyncio.run(stack.store.resume())
    asyncio.run(stack.store.pause(Pause("over", since=EPOCH - HOUR, until=EPOCH)))
    assert "paused" not in stack.run("status", "--stack", STACK).stdout


def test_wrong_comes_first_and_a_document_that_is_none_is_named(stack: LocalStack) -> None:
    """Then what is idle for want of reported traffic, then the rest, by name."""
    put(stack, "a-warm")
    called(stack, "a-warm")
    put(stack, "b-idle", keep="while-used")
    put(stack, "c-cold")
    stack.put("targets/d.json", {"name": "d", "keep": "allways"})
    code, lines = status(stack)
    rows = [line.split()[0] for line in lines if " claude-" in line and "->" not in line]
    assert (code, rows) == (1, ["c-cold", "b-idle", "a-warm"])
    assert "  -> prompt-cache-warmer touch b-idle --model claude-sonnet-4-6 --stack shop" in lines
    assert f"s3://{BUCKET}/targets/d.json invalid" in lines
    assert "  -> prompt-cache-warmer check --explain not-allowed" in lines
    assert "1 document is no valid target" in lines
    assert max(map(len, lines)) <= 100


def test_only_what_is_named_counts(stack: LocalStack) -> None:
    """Another document that is no target is told in a line, and no reason to fail; nor is another cold entry."""
    put(stack, "a-warm")
    called(stack, "a-warm")
    put(stack, "c-cold")
    stack.put("targets/d.json", {"name": "d", "keep": "allways"})
    code, lines = status(stack, "--target", "a-warm")
    assert (code, lines[1].split()[0]) == (0, "a-warm")
    assert lines[2:4] == [
        "1 entry, nothing to do: 1 warm, 0 lapsed, 0 never, 0 unknown",
        "1 other document is no valid target",
    ]
    answer = json.loads(stack.run("status", "--stack", STACK, "--target", "a-warm", "--json").stdout)
    assert (answer["is_well"], answer["problems"], answer["totals"]["targets_invalid"]) == (True, [], 1)
    assert [found["target"] for found in answer["entries"]] == ["a-warm"]
    assert status(stack, "--target", "c-cold")[0] == 1


def test_a_copy_of_what_is_warm_is_warm_however_it_is_asked_for(stack: LocalStack) -> None:
    """A tick finds both warm, because their warm call is the same bytes; so it is said of one by itself."""
    put(stack)
    called(stack)
    stack.put("targets/copy.json", document("copy", request=document("support")["request"]))
    everything = {line["target"]: line for line in json.loads(stack.run(*STATUS_JSON).stdout)["entries"]}
    (copy,) = json.loads(stack.run(*STATUS_JSON, "--target", "copy").stdout)["entries"]
    assert copy == everything["copy"]
    assert (copy["state"], copy["remaining_seconds"]) == ("warm", 300)
    assert status(stack, "--target", "copy")[1][-1] == "last warm call 0s ago"


def test_what_is_overdue_is_said_whoever_is_asked_for(stack: LocalStack) -> None:
    """Three ticks after something lapsed, not before: the age of the last call says nothing."""
    put(stack, "idle", keep="while-used")
    put(stack)
    called(stack)
    stack.clock.seconds = 300.0 + 3 * 240
    assert status(stack)[1][-1] == "last warm call 17m ago"
    stack.clock.seconds += 1
    said = "Something has been due for 12m and was not called: does the schedule run?"
    for options in ((), ("--target", "idle")):
        lines = status(stack, *options)[1]
        assert lines[-2:] == [said, "  -> prompt-cache-warmer doctor --stack shop"]
    assert json.loads(stack.run(*STATUS_JSON).stdout)["overdue_since"] == "2026-11-22T12:05:00+00:00"


def test_traffic_that_may_have_carried_an_older_prompt_proves_nothing(stack: LocalStack) -> None:
    """So it is unknown, and said so; with while-used there is nothing else to go by."""
    put(stack)
    asyncio.run(stack.store.touch(EntryKey("support", "default", MODEL), at=EPOCH - MINUTE))
    found = entry(stack)
    assert (found["state"], found["traffic_at"]) == ("unknown", "2026-11-22T11:59:00+00:00")
    put(stack, keep="while-used")
    found = entry(stack)
    assert (found["state"], found["remaining_seconds"]) == ("warm", 240)


def test_what_cannot_be_read_is_unknown(stack: LocalStack) -> None:
    """Of a newer version's state nothing is claimed."""
    put(stack)
    called(stack)
    key = {PARTITION_KEY: {"S": target_key("support")}}
    stack.aws.dynamodb.update_item(
        TableName=STATE_TABLE,
        Key=key,
        UpdateExpression="SET #s = :s",
        ExpressionAttributeNames={"#s": "schema"},
        ExpressionAttributeValues={":s": {"N": "99"}},
    )
    answer = json.loads(stack.run("status", "--stack", STACK, "--json").stdout)
    assert [found["state"] for found in answer["entries"]] == ["unknown"]
    assert len(answer["notices"]) == 1


def test_spending_stands_beside_the_caps_that_the_function_has(stack: LocalStack) -> None:
    """Where only bucket and table are named the caps are not known, and that is said."""
    put(stack)
    lease = asyncio.run(stack.store.lease(Amount(Decimal(1), 9_000), caps=NO_CAPS, day=EPOCH.date()))
    assert lease == Lease(EPOCH.date(), Amount())
    asyncio.run(stack.store.settle(lease, spent=Amount(Decimal("0.1217"), 9_000)))
    _, lines = status(stack)
    assert "spent today (UTC): 0.1217 of 2.50 USD" in lines
    assert "spent this month (UTC): 0.1217 USD, no cap" in lines
    stack.reconfigure(MAX_USD_PER_DAY="", MAX_TOKENS_PER_DAY="50000")
    assert "spent today (UTC): 0.1217 USD, 9,000 of 50,000 tokens" in status(stack)[1]
    bare = stack.run("status", "--bucket", BUCKET, "--table", STATE_TABLE)
    assert "spent today (UTC): 0.1217 USD, caps unknown without --stack" in bare.stdout


@pytest.mark.parametrize(
    ("options", "to_type"),
    [
        (["--function", FUNCTION], f"prompt-cache-warmer warm support --function {FUNCTION}"),
        (["--bucket", BUCKET, "--table", STATE_TABLE], "prompt-cache-warmer warm support --function FUNCTION"),
        (["--stack", STACK, "--table", STATE_TABLE], "prompt-cache-warmer warm support --stack shop"),
    ],
    ids=["function", "bucket and table", "stack and table"],
)
def test_a_deployment_is_named_in_three_ways(stack: LocalStack, options: list[str], to_type: str) -> None:
    """What is to be typed next names it the same way, as far as that is known."""
    put(stack)
    result = stack.run("status", *options)
    assert (result.exit_code, result.stderr) == (1, "")
    assert f"  -> {to_type}\n" in result.stdout


def test_variables_name_it_too_and_what_is_typed_comes_first(stack: LocalStack) -> None:
    """Bucket and table by themselves are enough; a variable of another stack is not asked then."""
    put(stack)
    assert stack.run("status", TARGETS_BUCKET=BUCKET, STATE_TABLE=STATE_TABLE).exit_code == 1
    assert stack.run("status", WARMER_STACK=STACK).exit_code == 1
    assert stack.run("status", WARMER_FUNCTION=FUNCTION, TARGETS_BUCKET="nowhere-else").exit_code == 1
    typed = stack.run("status", "--bucket", BUCKET, "--table", STATE_TABLE, WARMER_STACK="nowhere")
    assert (typed.exit_code, typed.stderr) == (1, "")
    other = stack.run("status", "--stack", STACK, "--bucket", "nowhere-else")
    assert (other.exit_code, other.stdout) == (2, "")
    assert other.stderr.startswith("Error: bucket 'nowhere-else' could not be listed under ")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (
            [],
            "Error: which stack? Say --stack NAME or set WARMER_STACK; or say --function NAME or set WARMER_FUNCTION; ",
        ),
        (["--bucket", BUCKET], "Error: which stack? "),
        (["--bucket", "Not A Bucket", "--table", "t-t"], "Error: --bucket 'Not A Bucket': must be the name of"),
        (["--stack", "nowhere"], "Error: there is no stack 'nowhere' in us-east-1"),
        (["--function", "nobody"], "Error: there is no function 'nobody' in this region of this account"),
        (["--stack", STACK, "--table", "no-table"], "Error: state table 'no-table' refused BatchGetItem: ResourceNot"),
        (["--stack", STACK, "--target", "suport"], "Error: there is no valid target 'suport'; did you mean 'support'?"),
        (["--stack", STACK, "--watch", "0"], "Error: Invalid value for '--watch': 0 is not in the range 1<=x<=3600."),
    ],
    ids=["nothing", "half", "no bucket's name", "stack", "function", "table", "target", "watch"],
)
def test_what_could_not_be_asked_is_one_sentence(stack: LocalStack, options: list[str], said: str) -> None:
    """Exit code 2."""
    put(stack)
    result = stack.run("status", *options)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.splitlines()[-1].startswith(said)


def test_a_function_whose_settings_are_none(stack: LocalStack) -> None:
    """All that is wrong with them, and a function without a table remembers nothing anybody could look at."""
    stack.reconfigure(TICK_MINUTES="61")
    result = stack.run("status", "--stack", STACK)
    assert (result.exit_code, result.stdout) == (2, "")
    assert f"the environment of function {FUNCTION!r} is not valid: TICK_MINUTES='61'" in result.stderr
    stack.reconfigure(STATE_TABLE="")
    result = stack.run("status", "--stack", STACK)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "has no STATE_TABLE" in result.stderr


def test_nothing_to_keep_warm_is_said_and_no_failure(stack: LocalStack) -> None:
    """An empty bucket."""
    code, lines = status(stack)
    assert (code, lines[0]) == (0, f"There is no valid target under s3://{BUCKET}/targets/")


def test_many_that_are_well_are_counted_unless_they_are_asked_for(stack: LocalStack) -> None:
    """A screen of them is enough; what is wrong is never left out."""
    put(stack, "wrong")
    for number in range(52):
        put(stack, f"t{number:02}", enabled=False)
    _, lines = status(stack)
    assert sum(" claude-" in line and "->" not in line for line in lines) == 51
    assert "and 2 more that are well (--all lists them)" in lines
    assert sum(" claude-" in line and "->" not in line for line in status(stack, "--all")[1]) == 53


class Watched(FakeClock):
    """A clock whose user loses patience after some waits, with something done at each."""

    def __init__(self, *happenings: Any) -> None:
        super().__init__()
        self._happenings = list(happenings)

    async def sleep(self, seconds: float) -> None:
        """Let something happen, or press Ctrl-C."""
        await super().sleep(seconds)
        if not self._happenings:
            raise KeyboardInterrupt
        self._happenings.pop(0)()


def watch(stack: LocalStack, clock: FakeClock, *options: str) -> Result:
    """Watch with a clock."""
    stack.clock = clock
    return stack.run("status", "--stack", STACK, "--watch", *options)


def test_watching_without_a_terminal_is_one_line_for_each_look(stack: LocalStack) -> None:
    """Ctrl-C ends it with the exit code of the last look; a look that fails is said and is not the last."""
    put(stack)
    called(stack)
    stack.put("targets/d.json", {"name": "d", "keep": "allways"})

    def broken() -> None:
        stack.aws.s3.delete_object(Bucket=BUCKET, Key="targets/d.json")
        stack.aws.dynamodb.delete_table(TableName=STATE_TABLE)

    clock = Watched(broken, lambda: None)
    result = watch(stack, clock, "3")
    assert clock.slept == [3, 3, 3]
    assert result.exit_code == 1
    assert result.stdout == (
        "2026-11-22T12:00:00Z 1 warm, 0 lapsed, 0 never, 0 unknown; 0.0000 USD today; "
        "wrong: targets/d.json invalid (missing-field), targets/d.json invalid (not-allowed)\n"
    )
    assert result.stderr.count("Error: state table ") == 2


def test_watching_waits_ten_seconds_unless_said(stack: LocalStack) -> None:
    """What lapses meanwhile is seen at the next look."""
    put(stack)
    called(stack, at=EPOCH - 295 * timedelta(seconds=1))
    clock = Watched(lambda: None)
    result = watch(stack, clock)
    assert clock.slept == [10, 10]
    assert [line.split()[1:4] for line in result.stdout.splitlines()] == [["1", "warm,", "0"], ["0", "warm,", "1"]]
    assert result.stdout.splitlines()[1].endswith("; wrong: support claude-sonnet-4-6 lapsed (lapsed)")
    assert result.exit_code == 1


def test_watching_in_json_is_one_object_for_each_line(stack: LocalStack) -> None:
    """For whoever reads lines."""
    put(stack)
    called(stack)
    result = watch(stack, Watched(), "1", "--json")
    assert [json.loads(line)["is_well"] for line in result.stdout.splitlines()] == [True]
    assert result.exit_code == 0


def test_a_terminal_is_redrawn_in_colours_that_nobody_else_sees(stack: LocalStack) -> None:
    """NO_COLOR takes them away."""
    put(stack)
    called(stack)
    seen = stack.run("status", "--stack", STACK, FORCE_COLOR="1", TERM="xterm")
    assert "\x1b[32m" in seen.stdout
    assert "\x1b[32m" not in stack.run("status", "--stack", STACK, FORCE_COLOR="1", NO_COLOR="1", TERM="xterm").stdout
    stack.clock = Watched()
    redrawn = stack.run("status", "--stack", STACK, "--watch", FORCE_COLOR="1", TERM="xterm")
    assert redrawn.stdout.startswith("\x1b[2J\x1b[H")
    assert "Looked at 12:00:00 UTC; again in 10 s; Ctrl-C ends it." in redrawn.stdout


def test_nothing_is_called_written_or_asked_of_the_function(stack: LocalStack) -> None:
    """Only reads: the same state, no request to the API, no invocation."""
    put(stack)
    called(stack)
    asked = len(stack.api.requests)
    before = stack.aws.dynamodb.scan(TableName=STATE_TABLE)["Items"]
    assert stack.run("status", "--stack", STACK).exit_code == 0
    assert stack.aws.dynamodb.scan(TableName=STATE_TABLE)["Items"] == before
    assert len(stack.api.requests) == asked
