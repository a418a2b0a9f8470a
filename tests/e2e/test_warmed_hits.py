"""Hits that only a warm call can have kept: each history that tempts to count one, and each that has one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from prompt_cache_warmer.rules.traffic import SLACK_SECONDS
from prompt_cache_warmer.values.body import TTL_SECONDS
from tests.deployments import prompt
from tests.fakes import document
from tests.warmed_histories import OTHER_KEY, TICK_SECONDS, Read, World

if TYPE_CHECKING:
    from collections.abc import Callable

FOR_5M, FOR_1H = prompt("5m"), prompt("1h")
MARKER = {"type": "ephemeral"}
# Beginning with FOR_5M; and two markers of different lives.
LONGER = {"system": [*FOR_5M["system"], {"type": "text", "text": "More rules. " * 800, "cache_control": MARKER}]}
MIXED = {
    "system": [
        {"type": "text", "text": "Rules. " * 2400, "cache_control": {**MARKER, "ttl": "1h"}},
        {"type": "text", "text": "Today. " * 1200, "cache_control": {**MARKER, "ttl": "5m"}},
    ]
}
THINKING = {"max_tokens": 2_000, "thinking": {"type": "enabled", "budget_tokens": 1_024}}
BOT, HOURLY_BOT = document("bot", request=FOR_5M), document("bot", request=FOR_1H)
PROVEN_5M_SECONDS = int(TTL_SECONDS["5m"] + SLACK_SECONDS)
PROVEN_1H_SECONDS = int(TTL_SECONDS["1h"] + SLACK_SECONDS)
NIGHT_SECONDS = 8 * 3600 + 100  # not at the very moment of a tick
METRICS = ("WarmedHits", "Warmed5mTokens", "Warmed1hTokens")


def begin(world: World, **options: Any) -> Any:
    """Let a process ask, and the schedule tick four minutes and ten seconds before what comes next."""
    app = world.process(**options)
    app.ask(FOR_5M)
    world.wait(TICK_SECONDS)
    world.tick()
    world.wait(10)
    return app


def end(world: World, app: Any) -> Read:
    """Ask again when a life after the first request is over, and a life after what came between is not."""
    world.wait(250)
    read: Read = app.ask(FOR_5M)
    return read


def an_open_stream(world: World) -> Read:
    """A stream has begun and nobody has read it to its end."""
    app = begin(world)
    stream = app.open(FOR_5M)
    next(iter(stream))
    last = end(world, app)
    stream.close()
    return last


def a_closed_stream(world: World) -> Read:
    """A stream was closed before its first event."""
    app = begin(world)
    app.open(FOR_5M).close()
    return end(world, app)


def a_lost_answer(world: World) -> Read:
    """The network lost an answer."""
    app = begin(world)
    app.ask_in_vain(FOR_5M)
    return end(world, app)


def a_longer_marker(world: World) -> Read:
    """The application asks for an hour where the target asks for five minutes."""
    app = world.process()
    app.ask(FOR_1H)
    world.tick_for(2 * TICK_SECONDS + 100)
    return app.ask(FOR_1H)


def a_longer_marker_before_the_last(world: World) -> Read:
    """The first of two markers asks for an hour."""
    app = world.process()
    app.ask(MIXED)
    world.tick_for(2 * TICK_SECONDS + 100)
    return app.ask(MIXED)


def another_targets_twin(world: World) -> Read:
    """A request to another target with the same prefix."""
    app = world.process()
    app.ask(FOR_5M, ascribed_to="bot")
    world.wait(TICK_SECONDS)
    world.tick()
    world.wait(10)
    app.ask(FOR_5M, ascribed_to="twin")
    world.wait(250)
    return app.ask(FOR_5M, ascribed_to="bot")


def a_longer_target(world: World) -> Read:
    """A request to a target whose prefix begins with this one."""
    app = begin(world)
    app.ask(LONGER)
    return end(world, app)


def the_applications_own_warm_call(world: World) -> Read:
    """The application warms by itself."""
    app = begin(world)
    app.ask(FOR_5M, max_tokens=0)
    return end(world, app)


def an_unknown_name(world: World) -> Read:
    """A request that was ascribed to a target that is not there."""
    app = begin(world)
    app.ask(FOR_5M, ascribed_to="nobody")
    return end(world, app)


def other_settings(world: World) -> Read:
    """A drift of settings that reads the very entry."""
    app = begin(world)
    app.ask(FOR_5M, ascribed_to="bot", **THINKING)
    return end(world, app)


def a_clock_that_is_slow(world: World) -> Read:
    """The last request's machine is forty seconds behind."""
    slow, app = world.process(ahead_seconds=-40), world.process()
    slow.ask(FOR_5M)
    world.wait(TICK_SECONDS)
    world.tick()
    world.wait(58)
    return app.ask(FOR_5M)


def a_warm_call_too_long_ago(world: World) -> Read:
    """The last warm call's five minutes were over; somebody unseen kept the entry."""
    app = world.process()
    app.ask(FOR_5M)
    world.wait(5)
    world.tick()
    world.wait(250)
    app.ask_unseen(FOR_5M)
    world.wait(250)
    return app.ask(FOR_5M)


def another_workspace(world: World) -> Read:
    """The application's key is of another workspace than the warmer's."""
    app = begin(world, key=OTHER_KEY)
    app.ask_unseen(FOR_5M)
    return end(world, app)


def a_shorter_prefix(world: World) -> Read:
    """Everything was evicted, and somebody unseen wrote the first half again, which is all that is read."""
    app = world.process()
    app.ask(LONGER, ascribed_to="bot")
    world.tick_for(2 * TICK_SECONDS)
    world.cloud.api.forget_entries()
    app.ask_unseen(FOR_5M)
    world.wait(10)
    return world.process().ask(LONGER)


TWIN, LONG_BOT = document("twin", request=FOR_5M), document("bot", request=LONGER)
WRONG: list[tuple[Callable[[World], Read], list[dict[str, Any]]]] = [
    (an_open_stream, [BOT]),
    (a_closed_stream, [BOT]),
    (a_lost_answer, [BOT]),
    (a_longer_marker, [BOT]),
    (a_longer_marker_before_the_last, [document("bot", request=MIXED)]),
    (another_targets_twin, [BOT, TWIN]),
    (a_longer_target, [BOT, document("long", request=LONGER)]),
    (the_applications_own_warm_call, [BOT]),
    (an_unknown_name, [BOT]),
    (other_settings, [BOT]),
    (a_clock_that_is_slow, [BOT]),
    (a_warm_call_too_long_ago, [BOT]),
    (another_workspace, [BOT]),
    (a_shorter_prefix, [LONG_BOT]),
]


@pytest.mark.parametrize(("history", "documents"), WRONG, ids=[history.__name__ for history, _ in WRONG])
def test_a_hit_that_something_else_kept_counts_nothing(
    history: Callable[[World], Read], documents: list[dict[str, Any]]
) -> None:
    """However alive the warm calls held the entry: the last request reads it, and nobody says thanks to them."""
    with World(documents, is_warming=True) as world:
        last = world.play(history)
        assert last.read_tokens > 0
        assert world.published(*METRICS) == dict.fromkeys(METRICS)


def quietly(request: dict[str, Any], seconds: int, **more: Any) -> Callable[[World], Read]:
    """Ask, and ask again after a while in which only the schedule ticks."""

    def history(world: World) -> Read:
        app = world.process()
        app.ask(request, **more)
        world.tick_for(seconds)
        return app.ask(request, **more)

    return history


def two_processes(world: World) -> Read:
    """Two processes ask one after the other, and the first of them again; the other's later hit is its own."""
    app, other = world.process(), world.process()
    app.ask(FOR_5M)
    world.wait(60)
    other.ask(FOR_5M)
    world.tick_for(PROVEN_5M_SECONDS)
    last = app.ask(FOR_5M)
    world.wait(40)
    other.ask(FOR_5M)
    return last


def a_drift_between(world: World) -> Read:
    """Another prompt read nothing meanwhile."""
    app = world.process()
    app.ask(FOR_5M, ascribed_to="bot")
    world.tick_for(TICK_SECONDS + 10)
    app.ask(prompt("5m", "You are another. "), ascribed_to="bot")
    world.tick_for(PROVEN_5M_SECONDS - TICK_SECONDS - 10)
    return app.ask(FOR_5M, ascribed_to="bot")


def a_refusal_between(world: World) -> Read:
    """A request was refused meanwhile, for there were too many."""
    app = world.process()
    app.ask(FOR_5M)
    world.tick_for(TICK_SECONDS + 10)
    app.ask_refused(FOR_5M)
    world.tick_for(PROVEN_5M_SECONDS - TICK_SECONDS - 10)
    return app.ask(FOR_5M)


def a_sandbox_that_stood_still(world: World) -> Read:
    """A process was frozen with a request that its 30 seconds held back."""
    app = world.process()
    app.ask(FOR_5M)
    world.wait(5)
    app.ask(FOR_5M)
    world.tick_for(PROVEN_5M_SECONDS)
    return app.ask(FOR_5M)


COUNTED: list[tuple[str, Callable[[World], Read], dict[str, Any], str]] = [
    ("five-minutes", quietly(FOR_5M, PROVEN_5M_SECONDS), BOT, "5m"),
    ("an-hour", quietly(FOR_1H, PROVEN_1H_SECONDS), HOURLY_BOT, "1h"),
    ("streamed", quietly(FOR_5M, PROVEN_5M_SECONDS, stream=True), BOT, "5m"),
    ("streamed-an-hour", quietly(FOR_1H, PROVEN_1H_SECONDS, stream=True), HOURLY_BOT, "1h"),
    ("its-own-hour", quietly(FOR_1H, PROVEN_1H_SECONDS), BOT, "1h"),
    ("its-own-five-minutes", quietly(FOR_5M, PROVEN_1H_SECONDS), HOURLY_BOT, "5m"),
    ("a-long-night", quietly(FOR_5M, NIGHT_SECONDS), BOT, "5m"),
    ("two-processes", two_processes, BOT, "5m"),
    ("a-drift-between", a_drift_between, BOT, "5m"),
    ("a-refusal-between", a_refusal_between, BOT, "5m"),
    ("a-sandbox-that-stood-still", a_sandbox_that_stood_still, BOT, "5m"),
]


@pytest.mark.parametrize(
    ("history", "target", "ttl"), [case[1:] for case in COUNTED], ids=[case[0] for case in COUNTED]
)
def test_a_hit_that_only_a_warm_call_kept_counts_once(
    history: Callable[[World], Read], target: dict[str, Any], ttl: str
) -> None:
    """With what it read, under what its own marker would have written; and without the ticks it is cold."""
    with World([target], is_warming=True) as world:
        last = world.play(history)
        assert (last.read_tokens > 0, last.written_tokens) == (True, 0)
        tokens = {"Warmed5mTokens": None, "Warmed1hTokens": None, f"Warmed{ttl}Tokens": last.read_tokens}
        assert world.published(*METRICS) == {"WarmedHits": 1, **tokens}
    with World([target], is_warming=False) as world:
        assert world.play(history) == Read(0, last.read_tokens)
        assert world.published(*METRICS) == dict.fromkeys(METRICS)
