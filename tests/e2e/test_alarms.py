"""Every alarm is made to fire and to recover by its real cause: the handler, the observer and the template's alarms.

The alarms are read out of the transformed template, resolved with the parameters of the deployment; the metrics are
what the handler prints and the observer puts, and of AWS's own what Lambda and SQS would report. A cause lasts long
enough that an alarm which comes and goes is seen to.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from infra.local.alarms import State
from infra.local.cloud import API_KEY, BUCKET, WORKSPACE, LocalCloud
from infra.local.messages_api import Fault
from tests.deployments import TICK_MINUTES, api, prompt
from tests.monitored import TARGET, Monitored, alarms, watched

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# Powertools warns of time stamps that CloudWatch would refuse; the clock here stands at a day long past.
pytestmark = pytest.mark.filterwarnings("ignore:This metric doesn't meet the requirements")

HOUR = 60
QUIET_MINUTES, MENDED_MINUTES = 24, 36
EXPENSIVE_TARGETS = 20
OTHER_KEY, OTHER_WORKSPACE = "sk-ant-local-other-key", "wrkspc_other"
OVERLOADED = Fault(kind="status", status=529, times=None, path="/v1/messages", headers={"retry-after": "0"})
REFUSED = Fault(kind="status", status=400, times=None, path="/v1/messages")
ANOTHER_PROMPT = prompt("5m", "You are another bot. ")


@dataclass(frozen=True)
class Case:
    """How one alarm is made to fire and to recover.

    Attributes:
        cause: brings it about, and goes on for long enough.
        mend: ends it, and goes on until the alarm has recovered.
        fires_within: minutes from the cause to the alarm, at most.
        recovers_within: minutes from its end to the recovery, at most.
        others: the alarms that the same cause may set off as well.
        parameters: of the template, where the cause needs them.
        begins: the day of January and the hour of the day it begins at; a Monday's midnight unless said.
    """

    cause: Callable[[Monitored], None]
    mend: Callable[[Monitored], None]
    fires_within: int
    recovers_within: int
    others: frozenset[str] = frozenset()
    parameters: dict[str, str] = field(default_factory=dict)
    begins: tuple[int, int] = (5, 0)


def quiet(warmer: Monitored) -> None:
    """Let nothing happen for a while but ticks and requests that hit."""
    warmer.put()
    for _ in warmer.ticks(QUIET_MINUTES):
        warmer.ask()


def serve(warmer: Monitored) -> None:
    """Let the application ask and hit while the warmer ticks."""
    for _ in warmer.ticks(MENDED_MINUTES):
        warmer.ask(times=10)


def tick(warmer: Monitored) -> None:
    """Let the warmer tick until whatever was mended has been seen to be."""
    warmer.tick(MENDED_MINUTES)


def stop(warmer: Monitored) -> None:
    """Deliver no tick for an hour, while targets are warmed on request all the time."""
    for _ in range(0, HOUR, TICK_MINUTES):
        warmer.invoke({"targets": [TARGET]})
        warmer.wait(TICK_MINUTES)


def tick_every_other_time(warmer: Monitored) -> None:
    """Lose every second tick, so that a 5-minute entry has lapsed at each."""
    warmer.tick(HOUR, every=2 * TICK_MINUTES)


def ask_from_another_workspace(warmer: Monitored) -> None:
    """Ask with a key whose workspace has a cache of its own."""
    warmer.cloud.api.api_keys = {API_KEY: WORKSPACE, OTHER_KEY: OTHER_WORKSPACE}
    for number, _ in enumerate(warmer.ticks(HOUR)):
        warmer.ask(prompt("5m") if number == 0 else _unmarked(), key=OTHER_KEY)


def _unmarked() -> dict[str, object]:
    """Return the prompt without its marker, so that nothing is written where nothing is held either."""
    return {"system": [{"type": "text", "text": prompt("5m")["system"][0]["text"]}]}


def fail(warmer: Monitored) -> None:
    """Let the API be overloaded for five ticks, which is when the breaker opens."""
    warmer.cloud.api.faults.add(OVERLOADED)
    warmer.tick(5 * TICK_MINUTES)


def heal(warmer: Monitored) -> None:
    """Let the API be well again."""
    warmer.cloud.api.faults.clear()
    tick(warmer)


def refuse(warmer: Monitored) -> None:
    """Let the API refuse the target: one refusal opens the breaker for an hour."""
    warmer.cloud.api.faults.add(REFUSED)
    warmer.tick(2 * HOUR)


def correct(warmer: Monitored) -> None:
    """Upload a corrected target, which begins a new life."""
    warmer.cloud.api.faults.clear()
    warmer.put(request=ANOTHER_PROMPT)
    tick(warmer)


def break_a_document(warmer: Monitored) -> None:
    """Upload a document that is no target."""
    warmer.put("broken", keep="allways")
    warmer.tick(HOUR)


def mend_the_document(warmer: Monitored) -> None:
    """Upload it corrected."""
    warmer.put("broken")
    tick(warmer)


def spend(warmer: Monitored) -> None:
    """Keep 20 more targets warm until midnight, for about 0.015 USD each to begin with."""
    for number in range(EXPENSIVE_TARGETS):
        warmer.put(f"bot-{number}", request=prompt("5m", f"You are bot number {number}. "))
    warmer.tick(96)
    assert (warmer.now().hour, warmer.now().minute) == (0, 0)


def spend_less(warmer: Monitored) -> None:
    """Begin a new day (UTC) without them."""
    for number in range(EXPENSIVE_TARGETS):
        warmer.cloud.aws.s3.delete_object(Bucket=BUCKET, Key=f"targets/bot-{number}.json")
    tick(warmer)


def crawl(warmer: Monitored) -> None:
    """Let every run take 100 of its 110 seconds, as Lambda reports it."""
    warmer.run_ms = 100_000.0
    warmer.tick(HOUR)


def run_again(warmer: Monitored) -> None:
    """Let runs take what they take."""
    warmer.run_ms = 900.0
    tick(warmer)


def lose_the_bucket(warmer: Monitored) -> None:
    """Let the bucket be out of reach: every run fails as a whole, and once more when Lambda tries again."""
    warmer.cloud.aws.s3.delete_object(Bucket=BUCKET, Key=f"targets/{TARGET}.json")
    warmer.cloud.aws.s3.delete_bucket(Bucket=BUCKET)
    for _ in warmer.ticks(HOUR):
        warmer.wait(1)
        warmer.invoke()


def restore_the_bucket(warmer: Monitored) -> None:
    """Make it again, with its target."""
    warmer.cloud.aws.s3.create_bucket(Bucket=BUCKET)
    warmer.put()
    tick(warmer)


def give_up(warmer: Monitored) -> None:
    """Let one tick end in the queue of failures, where it stays."""
    warmer.dead_letters = 1
    warmer.tick(HOUR)


def purge(warmer: Monitored) -> None:
    """Empty the queue."""
    warmer.dead_letters = 0
    tick(warmer)


def lose_a_message(warmer: Monitored) -> None:
    """Let one message to the workers end in the queue of what none of them could do, where it stays."""
    warmer.unwarmed = 1
    warmer.tick(HOUR)


def purge_the_messages(warmer: Monitored) -> None:
    """Empty that queue."""
    warmer.unwarmed = 0
    tick(warmer)


def change_the_prompt(warmer: Monitored) -> None:
    """Let the application send another prompt than its target."""
    for _ in warmer.ticks(HOUR):
        warmer.ask(ANOTHER_PROMPT)


def capture_anew(warmer: Monitored) -> None:
    """Give the target the application's prompt, and let the observer read its targets again."""
    warmer.put(request=ANOTHER_PROMPT)
    for _ in warmer.ticks(MENDED_MINUTES):
        warmer.ask(ANOTHER_PROMPT)  # the observer reads its targets again after a few minutes


def evict(warmer: Monitored) -> None:
    """Let the API drop everything before every request."""
    for _ in warmer.ticks(HOUR):
        for _ in range(10):
            warmer.cloud.api.forget_entries()
            warmer.ask()


CASES = {
    "stopped": Case(stop, tick, fires_within=20, recovers_within=2),
    "cold": Case(tick_every_other_time, tick, fires_within=18, recovers_within=30),
    "missed": Case(
        ask_from_another_workspace, tick, fires_within=12, recovers_within=30, others=frozenset({"hit-ratio"})
    ),
    "failing": Case(fail, heal, fires_within=14, recovers_within=6, others=frozenset({"cold"})),
    "breaker-open": Case(refuse, correct, fires_within=6, recovers_within=16, others=frozenset({"cold"})),
    "invalid-targets": Case(break_a_document, mend_the_document, fires_within=10, recovers_within=6),
    "day-budget": Case(
        spend,
        spend_less,
        fires_within=10,
        recovers_within=6,
        others=frozenset({"capped"}),
        parameters={"MaxUsdPerDay": "0.40"},
        begins=(5, 22),
    ),
    "month-budget": Case(
        spend,
        spend_less,
        fires_within=10,
        recovers_within=6,
        others=frozenset({"capped"}),
        parameters={"MaxUsdPerMonth": "0.40"},
        begins=(31, 22),
    ),
    "capped": Case(
        spend,
        spend_less,
        fires_within=10,
        recovers_within=6,
        others=frozenset({"day-budget"}),
        parameters={"MaxUsdPerDay": "0.20"},
        begins=(5, 22),
    ),
    "slow-runs": Case(crawl, run_again, fires_within=10, recovers_within=20),
    "failed-runs": Case(
        lose_the_bucket, restore_the_bucket, fires_within=14, recovers_within=20, others=frozenset({"stopped"})
    ),
    "dead-letters": Case(give_up, purge, fires_within=2, recovers_within=6),
    "unwarmed": Case(
        lose_a_message, purge_the_messages, fires_within=2, recovers_within=6, parameters={"FanOut": "ENABLED"}
    ),
    "drift": Case(
        change_the_prompt, capture_anew, fires_within=14, recovers_within=30, others=frozenset({"missed", "hit-ratio"})
    ),
    "hit-ratio": Case(evict, serve, fires_within=32, recovers_within=16),
}


@pytest.fixture
def cloud() -> Iterator[LocalCloud]:
    """Return a local cloud whose time is the emulator's."""
    with LocalCloud(api(), state=True) as started:
        yield started


def test_every_alarm_has_its_case() -> None:
    """An alarm that is added without a cause that sets it off fails here."""
    assert set(CASES) == set(alarms(watched()))


@pytest.mark.parametrize("name", CASES)
def test_an_alarm_fires_and_recovers_by_its_cause(cloud: LocalCloud, name: str) -> None:
    """Quiet before, one alarm while it lasts and no other than it may set off, and one recovery after it."""
    case = CASES[name]
    day, hour = case.begins
    warmer = Monitored(cloud, day=day, hour=hour, **case.parameters)
    watch = warmer.watches[name]
    quiet(warmer)
    assert warmer.firing() == set()
    caused_at = warmer.now()
    case.cause(warmer)
    assert warmer.state(name) is State.ALARM
    (fired_at,) = watch.times(State.ALARM)
    assert fired_at - caused_at <= timedelta(minutes=case.fires_within)
    set_off = {other for other, one in warmer.watches.items() if one.times(State.ALARM)}
    assert set_off <= {name} | case.others
    mended_at = warmer.now()
    case.mend(warmer)
    assert watch.times(State.ALARM) == [fired_at]
    assert warmer.state(name) is State.OK
    recovered_at = watch.times(State.OK)[-1]
    assert recovered_at > fired_at
    assert recovered_at - mended_at <= timedelta(minutes=case.recovers_within)
    assert warmer.alarms[name].alarm_actions == warmer.alarms[name].ok_actions == (f"{warmer.nested}-AlarmTopic",)
    warmer.close()


def test_an_outage_is_told_once_by_each_of_three_alarms(cloud: LocalCloud) -> None:
    """Failures, then cold entries, then the breaker, which lets one call through in ten minutes: none of them flaps."""
    warmer = Monitored(cloud)
    quiet(warmer)
    fail(warmer)
    warmer.tick(2 * HOUR)
    heal(warmer)
    told = {name: [state.value for _, state in watch.changes] for name, watch in warmer.watches.items()}
    once = ["OK", "ALARM", "OK"]
    assert {name for name, changes in told.items() if changes == once} == {"failing", "cold", "breaker-open"}
    assert not [name for name, changes in told.items() if changes.count("ALARM") > 1]
    warmer.close()
