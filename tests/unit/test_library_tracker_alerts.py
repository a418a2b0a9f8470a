"""Alerts and retries: what is known to be alive, what is told, and what never is."""

from __future__ import annotations

import logging
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from prompt_cache_warmer.library.tracking.alerts import DropWatch
from prompt_cache_warmer.library.tracking.arguments import MissRetry
from prompt_cache_warmer.library.tracking.records import Standing
from tests.tracker_cases import HOUR, MARK, Desk, alarmed, ask, usage

if TYPE_CHECKING:
    from prompt_cache_warmer.library.tracking.alerts import CacheAlert

READ, WROTE, NOTHING = usage(read=5_000), usage(wrote=5_000), usage(plain=5_000)
LONG = "A long and stable part of the prompt. " * 1_000


def standings(desk: Desk) -> list[str]:
    """Return what was known of each call's prefix."""
    return [record.standing.value for record in desk.tracker.history]


@pytest.mark.parametrize(
    ("marker", "used", "gap", "standing"),
    [
        # A call takes one second, and the next starts `gap` seconds after its end.
        (MARK, WROTE, 298.9, "warm"),
        (MARK, WROTE, 299, "cold"),
        (HOUR, usage(wrote_1h=5_000), 3_598.9, "warm"),
        (HOUR, usage(wrote_1h=5_000), 3_599, "cold"),
        (HOUR, WROTE, 299, "cold"),  # 5 minutes were granted for the hour
        (HOUR, {"cache_creation_input_tokens": 5_000}, 3_598, "warm"),  # nobody says which was granted
        (MARK, READ, 298, "warm"),  # somebody else had written it
        (HOUR, READ, 3_598, "warm"),
        (MARK, NOTHING, 1, "cold"),
        (MARK, {}, 1, "new"),
    ],
)
def test_a_prefix_is_known_until_its_time_to_live_is_over(
    marker: dict[str, str], used: dict[str, Any], gap: float, standing: str
) -> None:
    """5 minutes or an hour from the start of the last call that read or wrote it."""
    desk = Desk()
    desk.call(used, **ask(marker=marker))
    desk.call(READ, after=gap, **ask(marker=marker))
    assert standings(desk) == ["new", standing]


def test_every_read_starts_the_time_to_live_again() -> None:
    """Three reads 200 seconds apart are all expected; the 5 minutes granted for an hour stay 5 minutes."""
    desk = Desk(took_seconds=0)
    desk.call(WROTE, **ask(marker=HOUR))
    for _ in range(3):
        desk.call(READ, after=200, **ask(marker=HOUR))
    desk.call(READ, after=300, **ask(marker=HOUR))
    assert standings(desk) == ["new", "warm", "warm", "warm", "cold"]


def test_a_small_write_behind_an_hours_prefix_shortens_nothing() -> None:
    """Only what was written can have been granted less: an hour's system that each turn reads lives its hour."""
    desk = Desk()
    for minute, used in [
        (0, usage(wrote_1h=20_000, wrote=100)),
        (20, usage(read=20_000, wrote=100)),
        (40, usage(read=20_000, wrote=100)),
        (61, usage(wrote_1h=20_000, wrote=100)),
    ]:
        desk.clock.seconds = minute * 60
        messages = conversation(0, opening=f"Question of minute {minute}")
        desk.tracker.record(used, request=ask(LONG, marker=HOUR, messages=messages))
    assert standings(desk) == ["new", "warm", "warm", "warm"]
    assert [record.is_miss for record in desk.tracker.history] == [False, False, False, True]


def test_an_hours_prefix_that_somebody_else_wrote_lives_its_hour() -> None:
    """The first read proves it, whatever is written behind it; what is written for 5 minutes lives 5 minutes."""
    desk = Desk()
    for minute, opening in ((0, "Hello"), (20, "Good evening")):
        desk.clock.seconds = minute * 60
        request = ask(LONG, marker=HOUR, messages=conversation(0, opening=opening))
        desk.tracker.record(usage(read=20_000, wrote=100), request=request)
    desk.clock.seconds = 26 * 60
    last = desk.tracker.record(READ, request=ask(LONG, marker=HOUR, messages=conversation(0, opening="Good evening")))
    assert standings(desk)[:2] == ["new", "warm"]
    assert 13_000 < last.expected_tokens < 13_400  # two thirds of the 20,000 or so: the message has lapsed


def test_an_earlier_start_that_ends_later_shortens_nothing() -> None:
    """What a later request proved is not taken back by one that was sent before it."""
    desk = Desk()
    desk.tracker.record(WROTE, request=ask())
    desk.clock.seconds = 200
    desk.tracker.record(READ, request=ask())
    desk.tracker.record(READ, request=ask(), elapsed_ms=150_000)
    desk.clock.seconds = 499
    assert desk.tracker.record(READ, request=ask()).standing is Standing.WARM


def test_a_call_that_began_before_the_first_had_ended_expects_nothing() -> None:
    """An entry is readable only once the first response has begun, so calls in parallel write it again."""
    desk = alarmed()
    desk.clock.seconds = 10
    desk.tracker.record(WROTE, request=ask(), elapsed_ms=4_000)
    for _ in range(5):
        late = desk.tracker.record(WROTE, request=ask(), elapsed_ms=3_000)
        assert late.standing is Standing.COLD
    assert desk.alerts == []


def test_a_read_under_way_hides_nothing() -> None:
    """What was proved once stays known while later calls are still reading it."""
    desk = Desk()
    desk.call(WROTE)
    desk.clock.seconds = 12
    desk.tracker.record(READ, request=ask(), elapsed_ms=10_000)
    assert desk.tracker.record(READ, request=ask(), elapsed_ms=7_000).standing is Standing.WARM


def test_markers_of_both_kinds_live_as_long_as_each_asks() -> None:
    """When nobody says which tokens live how long, the tools' hour outlives the system's 5 minutes."""
    desk = Desk()
    tools = [{"name": "search", "description": LONG, "cache_control": HOUR}]
    for _ in range(2):
        desk.call({"cache_creation_input_tokens": 19_000}, after=400, **ask(LONG.upper(), tools=tools))
    assert standings(desk) == ["new", "warm"]
    assert 6_000 < desk.tracker.history[1].expected_tokens < 6_500


def test_the_longest_known_prefix_is_expected() -> None:
    """Of two that are known, the one that ends later says how much should be read."""
    desk = Desk()
    for used in (usage(wrote=19_000), usage(read=19_000)):
        desk.call(used, **ask(LONG, messages=conversation(0, opening=LONG.upper())))
    assert desk.tracker.history[1].expected_tokens == 19_000


def test_a_prefix_that_is_gone_is_not_expected_again() -> None:
    """Neither read nor written although it was known: the next call expects nothing of it."""
    desk = Desk()
    for used in (WROTE, NOTHING, NOTHING):
        desk.call(used)
    assert standings(desk) == ["new", "warm", "cold"]


def test_another_model_or_prompt_is_another_prefix() -> None:
    """What is cached of one is nothing to the other, and string or block is the same prompt."""
    desk = Desk()
    desk.call(WROTE)
    desk.call(WROTE, **ask("Other."))
    desk.call(WROTE, **ask(model="claude-haiku-4-5"))
    desk.call(WROTE, **ask(betas=["context-1m"]))
    desk.call(READ, **ask(extra_headers={"Anthropic-Beta": "context-1m"}))
    desk.call(WROTE, **ask(extra_headers={"Anthropic-Beta": "files-api, context-1m"}))
    desk.call(WROTE, **ask(extra_body={"thinking": {"type": "adaptive"}}))
    desk.call(READ, **ask(max_tokens=5, temperature=0.5))
    assert standings(desk) == ["new", "new", "new", "new", "warm", "new", "new", "warm"]


def conversation(turns: int, *, opening: str = "Hello", mark_last: bool = True) -> list[dict[str, Any]]:
    """Return the messages of a conversation, the last one marked."""
    messages: list[dict[str, Any]] = [{"role": "user", "content": [{"type": "text", "text": opening}]}]
    for turn in range(turns):
        messages += [
            {"role": "assistant", "content": f"Answer {turn}"},
            {"role": "user", "content": f"Question {turn}"},
        ]
    if mark_last:
        text = messages[-1]["content"] if turns else opening
        messages[-1] = {"role": "user", "content": [{"type": "text", "text": text, "cache_control": MARK}]}
    return messages


@pytest.mark.parametrize("form", ["marker", "automatic"])
def test_a_growing_conversation_reads_what_its_last_turn_wrote(form: str) -> None:
    """The API looks back for an earlier write, so the marker may move on with every turn, one's own or automatic."""
    desk = Desk()

    def turn(number: int, used: dict[str, Any], opening: str = "Hello") -> None:
        messages = conversation(number, opening=opening, mark_last=form == "marker")
        automatic: dict[str, Any] = {"cache_control": HOUR} if form == "automatic" else {}
        desk.call(used, model="claude-sonnet-4-6", system="You are brief.", messages=messages, **automatic)

    turn(0, WROTE)
    turn(1, usage(read=5_000, wrote=100))
    turn(2, usage(read=5_100, wrote=100))
    turn(12, WROTE)  # 20 blocks further: the last write is out of sight
    turn(0, WROTE, "Good evening")
    assert standings(desk) == ["new", "warm", "warm", "cold", "cold"]
    assert [record.expected_tokens for record in desk.tracker.history] == [0, 5_000, 5_100, 0, 0]
    assert len(desk.tracker.by_prefix()) == 1


def test_a_conversation_without_system_is_known_by_its_beginning() -> None:
    """Tools and system name a prompt; without them its first marked message does, or its first message at all."""
    desk = Desk()
    for opening in ("Hello", "Good evening"):
        desk.call(WROTE, model="m", messages=conversation(0, opening=opening))
        desk.call(READ, model="m", messages=[*conversation(0, opening=opening), *conversation(0, opening="More")])
        desk.call(WROTE, model="m", messages=conversation(2, opening=opening, mark_last=False), cache_control=MARK)
    assert [each.calls for each in desk.tracker.by_prefix().values()] == [3, 3]
    desk.call(NOTHING, model="m", messages=conversation(2, mark_last=False))
    assert desk.tracker.history[-1].prefix_id == "no-prefix"


def test_a_prefix_inside_a_longer_one_is_known_when_it_is_surely_long_enough() -> None:
    """Another conversation on the same long system prompt is expected to read it; on a short one it is not."""
    desk = Desk()
    for system in (LONG, LONG[:1_000]):
        # 38,000 and 1,000 bytes of system, then as many of the conversation again
        for opening in (system, system.upper()):
            desk.call(usage(wrote=len(system) // 2), **ask(system, messages=conversation(0, opening=opening)))
    assert standings(desk) == ["new", "warm", "new", "cold"]
    # Half of 19,000 tokens, less a third, because the size is an estimate
    assert 6_300 <= desk.tracker.history[1].expected_tokens <= 6_334


def test_only_the_newest_prefixes_are_remembered() -> None:
    """What is known stays bounded, as the history does."""
    desk = Desk({"max_history": 2})
    for name in ("one", "two", "one", "three", "two", "three"):
        desk.call(WROTE, **ask(name))
    assert [record.standing.value for record in desk.tracker.history] == ["new", "warm"]


# --- alerts -----------------------------------------------------------------------------------------------------


def test_ordinary_cold_writes_alert_nobody_and_cost_nothing_more() -> None:
    """cachebench: "alerts and paid retries on every ordinary cold write" are theirs: first, lapsed, of every prompt."""
    desk = alarmed(miss_retry=MissRetry())
    for number in range(50):
        desk.call(WROTE, **ask(f"prompt {number}"))
    for _ in range(50):
        desk.call(WROTE, after=300)
    assert desk.alerts == []
    assert len(desk.asked) == 100
    assert desk.slept == []


def test_a_prefix_that_is_not_read_any_more_is_told() -> None:
    """The article: "noticing when the ratio drops": at the call that takes it below the threshold, once."""
    desk = alarmed(window_calls=4)
    desk.call(WROTE)
    for used in (READ, READ, READ, WROTE, WROTE):
        desk.call(used)
    assert desk.alerts == []  # two of four: exactly the threshold
    desk.call(WROTE)
    desk.call(WROTE)
    (alert,) = desk.alerts
    assert (alert.reason, alert.ratio, alert.threshold, alert.calls) == ("missed", 0.25, 0.5, 4)
    assert alert.record is desk.tracker.history[6]
    assert (alert.prefix_id, alert.model) == (alert.record.prefix_id, "claude-sonnet-4-6")
    assert desk.tracker.aggregate().misses == 4


def test_a_second_drop_is_told_after_a_recovery() -> None:
    """Told again only after the ratio was back."""
    desk = alarmed(window_calls=2)
    for used in (WROTE, READ, WROTE, WROTE, WROTE, READ, READ, WROTE, WROTE):
        desk.call(used)
    assert [alert.record for alert in desk.alerts] == [desk.tracker.history[3], desk.tracker.history[8]]


def test_one_early_loss_is_no_drop() -> None:
    """The cache promises nothing for a single prefix; the third call in a row is told."""
    desk = alarmed()
    desk.call(WROTE)
    desk.clock.seconds += 20
    desk.call(WROTE)
    desk.call(WROTE)
    assert desk.alerts == []
    desk.call(WROTE)
    assert [(alert.calls, alert.ratio) for alert in desk.alerts] == [(3, 0.0)]


def test_a_miss_right_after_the_first_write_is_no_drop() -> None:
    """The API may need a moment for it, whether it is called again or not."""
    desk = alarmed(window_calls=2)
    for _ in range(3):
        desk.call(WROTE, after=5)
    assert desk.alerts == []
    desk.call(WROTE, after=5)
    assert len(desk.alerts) == 1


def test_more_than_was_expected_makes_up_for_nothing() -> None:
    """What others had written on top is read too, and does not hide the misses that follow."""
    desk = alarmed(alert_threshold=0.4)
    for used in (usage(wrote=1_000), usage(read=100_000), WROTE, usage(wrote=100_000)):
        desk.call(used)
    assert len(desk.alerts) == 1
    assert desk.alerts[0].ratio < 0.02


def test_what_is_new_in_a_conversation_lowers_nothing() -> None:
    """A small prefix that is read in full is well, however much is written behind it; read in part it is not."""
    desk = alarmed(window_calls=3)
    for turn, (read, wrote) in enumerate([(0, 2_000), (2_000, 20_000), (22_000, 90_000), (112_000, 500_000)]):
        desk.call(usage(read=read, wrote=wrote), **ask(messages=conversation(turn)))
    hit_ratio = desk.tracker.aggregate().hit_ratio
    assert hit_ratio is not None
    assert hit_ratio < 0.2
    assert desk.alerts == []
    low = alarmed()
    low.call(usage(wrote=10_000))
    for _ in range(3):
        low.call(usage(read=4_000, wrote=6_000))
    assert [alert.ratio for alert in low.alerts] == [0.4]


def test_each_prefix_is_watched_for_itself() -> None:
    """A busy healthy prompt does not hide a sick one."""
    desk = alarmed()
    desk.call(WROTE, **ask("well"))
    desk.call(WROTE, **ask("sick"))
    for _ in range(4):
        for _ in range(10):
            desk.call(READ, **ask("well"))
        desk.call(WROTE, **ask("sick"))
    assert [alert.record.prefix_id for alert in desk.alerts] == [desk.tracker.history[1].prefix_id]


def test_an_answer_without_usage_is_neither_hit_nor_miss() -> None:
    """Nothing is proved, so nothing is told."""
    desk = alarmed()
    desk.call(WROTE)
    for _ in range(10):
        desk.call({})
    assert desk.alerts == []


def test_only_the_newest_prefixes_are_watched() -> None:
    """What is watched stays bounded: a prefix that is pushed out starts anew."""
    desk = Desk()
    desk.call(WROTE)
    desk.call(WROTE, after=20)
    one = desk.tracker.history[1]
    two = replace(one, prefix_id="two", model="other")
    told = {}
    for limit in (1, 2):
        watch = DropWatch(threshold=0.5, window_calls=5, limit=limit)
        told[limit] = [alert.prefix_id for _ in range(5) for each in (one, two) for alert in watch.note(each)]
    assert told == {1: [], 2: [one.prefix_id, "two"]}


@pytest.mark.parametrize(("changing", "told"), [(10, 0), (11, 1), (30, 1)])
def test_a_prompt_that_changes_with_every_call_is_told(changing: int, told: int) -> None:
    """The article: "noticing when the ratio drops": a timestamp in the prompt makes every call a first."""
    desk = alarmed()
    desk.call(WROTE)
    for _ in range(20):
        desk.call(READ)
    for number in range(changing):
        desk.call(WROTE, **ask(f"It is {number} o'clock."))
    assert [alert.reason for alert in desk.alerts] == ["changing"] * told
    for alert in desk.alerts:
        assert (alert.calls, alert.ratio) == (20, 0.45)


def test_a_few_new_prompts_after_a_start_have_changed_nothing() -> None:
    """Without a full window of calls nothing is said of changing prompts."""
    desk = alarmed()
    for used in (WROTE, READ, READ, READ):
        desk.call(used)
    for number in range(15):
        desk.call(WROTE, **ask(f"prompt {number}"))
    assert desk.alerts == []


@pytest.mark.parametrize(("threshold", "reads", "firsts"), [(0.6, 10, 10), (0.45, 9, 11)])
def test_the_bounds_of_a_changing_prompt(threshold: float, reads: int, firsts: int) -> None:
    """Half of the calls is not more than half, and a ratio at the threshold is not below it."""
    desk = alarmed(alert_threshold=threshold)
    desk.call(WROTE)
    for _ in range(20):
        desk.call(READ)
    for number in range(firsts):
        desk.call(WROTE, **ask(f"prompt {number}"))
    assert desk.tracker.aggregate().calls - 21 == firsts == 20 - reads
    assert desk.alerts == []


@pytest.mark.parametrize("other", ["lapsed", "unknown"])
def test_other_calls_are_not_in_the_window(other: str) -> None:
    """Writes of lapsed prefixes and calls of which nothing is known push no read out of it."""
    desk = alarmed(alert_threshold=0.3)
    desk.call(WROTE)
    for _ in range(20):
        desk.call(READ)
    for _ in range(5):
        if other == "lapsed":
            desk.call(WROTE, after=300)
        else:
            desk.tracker.record(WROTE, model="claude-sonnet-4-6")
    for number in range(11):
        desk.call(WROTE, **ask(f"prompt {number}"))
    assert desk.alerts == []  # 9 of 20 were read


def test_prompts_that_always_changed_have_not_dropped() -> None:
    """A prompt per user, or a fresh start, was never above the threshold."""
    desk = alarmed()
    for number in range(100):
        desk.call(WROTE, **ask(f"You serve user {number}."))
    assert desk.alerts == []


def test_a_ratio_that_falls_for_other_reasons_is_no_changing_prompt() -> None:
    """Sparse traffic lapses, and a read of a prompt nobody here has seen is no first write: neither is told."""
    desk = alarmed(window_calls=2)
    desk.call(WROTE)
    desk.call(READ)
    desk.call(READ)
    for number in range(4):
        desk.call(usage(read=1_000, wrote=9_000), **ask(f"shared {number}"))
    assert desk.alerts == []


class PagerError(Exception):
    """What an application's own hook may raise."""


@pytest.mark.parametrize("error", [RuntimeError, ValueError, KeyError, OSError, StopIteration, PagerError, Exception])
def test_a_hook_that_fails_breaks_nothing(caplog: pytest.LogCaptureFixture, error: type[Exception]) -> None:
    """cachebench: "alert threshold + hook whose exceptions never break the call": it is logged, without its words."""

    def fail(alert: CacheAlert) -> None:
        raise error(f"planted words of {alert.model}")

    desk = Desk({"alert_threshold": 0.5, "on_alert": fail})
    for _ in range(5):
        desk.call(WROTE)
    assert desk.answers == []
    assert len(desk.tracker.history) == 5
    assert caplog.messages == [f"on_alert raised {error.__name__}"]


def test_without_a_hook_an_alert_is_a_line_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    """It says what, where, how much; never the prompt."""
    desk = Desk({"alert_threshold": 0.5})
    with caplog.at_level(logging.WARNING):
        for _ in range(5):
            desk.call(WROTE)
    prefix = desk.tracker.history[0].prefix_id
    assert caplog.messages == [f"prompt cache missed: {prefix} on claude-sonnet-4-6 reads 0% over 3 calls, below 50%"]


def test_without_a_threshold_nothing_is_told(caplog: pytest.LogCaptureFixture) -> None:
    """Alerts are off unless asked for."""
    desk = Desk()
    for _ in range(30):
        desk.call(WROTE)
    assert caplog.messages == []


def test_a_reset_forgets_what_was_watched() -> None:
    """After it the ratio is taken anew."""
    desk = alarmed()
    for _ in range(3):
        desk.call(WROTE)
    desk.tracker.reset()
    for _ in range(3):
        desk.call(WROTE)
    assert desk.alerts == []


# --- retries ----------------------------------------------------------------------------------------------------


def test_a_miss_right_after_the_first_write_is_called_once_more() -> None:
    """cachebench: "miss-aware delayed retry": after the delay, once; the second answer is returned."""
    desk = alarmed(miss_retry=MissRetry(delay_seconds=3))
    desk.call(WROTE)
    second, third = {"usage": WROTE, "n": 2}, {"usage": READ, "n": 3}
    desk.answers += [second, third]
    assert desk.create(**ask()) is third
    assert desk.slept == [3]
    assert desk.asked == [ask(), ask(), ask()]
    assert [record.is_retry for record in desk.tracker.history] == [False, False, True]
    total = desk.tracker.aggregate()
    assert (total.calls, total.retries, total.misses) == (3, 1, 1)
    assert total.cost_usd == Decimal("0.0390")  # twice 5,000 written at 3.75 and once read at 0.30 a million
    assert desk.alerts == []


async def test_an_asynchronous_miss_is_called_once_more() -> None:
    """It waits on the clock, not on the thread."""
    desk = Desk({"miss_retry": MissRetry()})
    desk.answers += [{"usage": WROTE}, {"usage": WROTE}, last := {"usage": WROTE}]
    await desk.acreate(**ask())
    assert await desk.acreate(**ask()) is last
    assert (desk.clock.slept[0], desk.slept) == (2.0, [])
    assert [record.is_retry for record in desk.tracker.history] == [False, False, True]


@pytest.mark.parametrize(
    ("before", "gap", "used"),
    [
        ([WROTE], 0, READ),
        ([WROTE], 0, usage(read=1, wrote=5_000)),
        ([WROTE], 10.001, WROTE),  # not right after
        ([WROTE, READ], 0, WROTE),  # it was readable already: this is a loss, not a delay
        ([WROTE, WROTE], 0, WROTE),  # nor after a second write
        ([READ], 0, WROTE),  # somebody else wrote it, who knows when
        ([WROTE], 300, WROTE),  # lapsed
        ([NOTHING], 0, WROTE),
        ([WROTE], 0, {}),
    ],
)
def test_nothing_else_is_called_again(before: list[dict[str, Any]], gap: float, used: dict[str, Any]) -> None:
    """Only a miss right after the first write of a prefix that is proved to be alive is."""
    desk = Desk({"miss_retry": MissRetry()})
    for each in before:
        desk.tracker.record(each, request=ask())
    desk.call(used, after=gap)
    assert (len(desk.asked), desk.slept) == (1, [])


def test_retries_are_off_unless_asked_for() -> None:
    """A call is one call."""
    desk = Desk()
    desk.call(WROTE)
    desk.call(WROTE)
    assert len(desk.asked) == 2
    assert desk.tracker.history[1].is_miss


def test_a_prefix_that_lapsed_has_a_first_write_again() -> None:
    """A miss right after that is the API's delay once more."""
    desk = Desk({"miss_retry": MissRetry()})
    desk.call(WROTE)
    desk.call(WROTE, after=300)
    desk.answers += [{"usage": WROTE}, {"usage": READ}]
    desk.create(**ask())
    assert desk.slept == [2.0]


async def test_a_retry_that_fails_leaves_the_first_answer() -> None:
    """A call that succeeded is never turned into an error."""
    for is_async in (False, True):
        desk = Desk({"miss_retry": MissRetry()})
        desk.call(WROTE)
        first = {"usage": WROTE}
        desk.answers += [first, ConnectionError()]
        found = await desk.acreate(**ask()) if is_async else desk.create(**ask())
        assert found is first
        assert len(desk.asked) == 3
        assert len(desk.tracker.history) == 2


def test_a_stop_during_a_retry_is_a_stop() -> None:
    """What is no failure of the call, as an interrupt, goes through."""
    desk = Desk({"miss_retry": MissRetry()})
    desk.call(WROTE)
    desk.answers += [{"usage": WROTE}, KeyboardInterrupt()]
    with pytest.raises(KeyboardInterrupt):
        desk.create(**ask())
