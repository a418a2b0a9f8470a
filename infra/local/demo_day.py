"""The demo's second part: a day in fast motion, one prompt kept in the cache three ways, and the three bills.

The same requests of users go to three copies of one prompt: this service keeps the first one, as long as it
is used and with 1-hour markers; a loop around the clock the second, with 5-minute markers, as one would write
it in an afternoon; nobody keeps the third. Everything is executed, ticks and calls alike, and every figure is
summed from the ``usage`` of the calls.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from functools import cache
from typing import TYPE_CHECKING, Any

import anthropic
from rich.console import Group
from rich.live import Live

from infra.local.cloud import API_KEY, STATE_TABLE, WORKSPACE, LocalCloud, schedule_event
from infra.local.demo_tables import ScheduleRow, day_table
from infra.local.function import InProcessFunction, LocalClock
from infra.local.messages_api import EmulatorClock, LocalMessagesApi
from prompt_cache_warmer.adapters.dynamodb_state import DynamoDbState
from prompt_cache_warmer.adapters.state_table import StateTable
from prompt_cache_warmer.values.document import DEFAULT_CREDENTIAL
from prompt_cache_warmer.values.pricing import cost_usd
from prompt_cache_warmer.values.state import EntryKey
from prompt_cache_warmer.values.usage import Usage

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rich.console import Console

    from prompt_cache_warmer.values.body import Ttl

MODEL = "claude-sonnet-4-6"
TARGET = "handbook-agent"
START = time(8)  # of the day before yesterday, UTC: it is over, and CloudWatch would still take its metrics
DAY = timedelta(days=1)
TICK = timedelta(minutes=4)  # the template's default
# Office hours with a lunch break, a quiet evening, and the first one of the next morning.
REQUESTS = (
    *("08:02", "08:14", "08:31", "08:45", "09:03", "09:15", "09:33", "09:53", "10:05", "10:29", "10:41", "10:58"),
    *("11:17", "11:30", "11:46", "13:01", "13:13", "13:35", "13:50", "14:13", "14:31", "14:45", "15:07", "15:21"),
    *("15:43", "16:01", "16:18", "16:33", "16:57", "17:10", "17:29", "17:46", "19:21", "21:05", "07:41"),
)
# The first one of all: nobody could know that it would come.
COLD_STARTS_WITH_SERVICE = 1
# That one, and each that comes more than an hour after the one before: 13:01, 19:21, 21:05 and 07:41.
COLD_STARTS_WITHOUT = 5
PARAGRAPHS = 500  # of 160 bytes: about 20,000 tokens, a handbook with its tools
PLACES = Decimal("0.01")  # a day's bill is read in cents

_PARAGRAPH = (
    "Article {number:03}: answer with the number of the order, the date of delivery and the name of the depot; "
    "refunds above 100 EUR go to a person of the second line.\n"
)


@dataclass
class Schedule:
    """One way to keep a prompt in the cache, and the calls it came to.

    Attributes:
        name: what the table calls it.
        prompt: its copy of the prompt; no other schedule's calls find it in the cache.
        ttl: what the prompt's marker asks for.
        warm_calls: the usage of each warm call.
        requests: the usage of each request of a user.
    """

    name: str
    prompt: str
    ttl: Ttl
    warm_calls: list[Usage] = field(default_factory=list)
    requests: list[Usage] = field(default_factory=list)

    @property
    def system(self) -> list[dict[str, Any]]:
        """The request's system prompt, which is all that is cached."""
        return [{"type": "text", "text": self.prompt, "cache_control": {"type": "ephemeral", "ttl": self.ttl}}]

    @property
    def cold_starts(self) -> int:
        """How many users waited for the prompt to be read anew."""
        return sum(usage.read_tokens == 0 for usage in self.requests)

    @property
    def warming_usd(self) -> Decimal:
        """What the warm calls cost."""
        return _priced(self.warm_calls)

    @property
    def traffic_usd(self) -> Decimal:
        """What the prompt cost in the users' requests; questions and answers cost the same either way."""
        return _priced([replace(usage, uncached_tokens=0, output_tokens=0) for usage in self.requests])

    @property
    def total_usd(self) -> Decimal:
        """What the day cost."""
        return self.warming_usd + self.traffic_usd


@dataclass(frozen=True)
class Schedules:
    """The three that are compared."""

    service: Schedule
    naive: Schedule
    nothing: Schedule

    @property
    def all(self) -> tuple[Schedule, ...]:
        """In the order of the table."""
        return (self.service, self.naive, self.nothing)


def show_day(console: Console) -> bool:
    """Run the day on a local cloud of its own; tell whether it came out as claimed."""
    clock = EmulatorClock(frozen=True)
    start = datetime.combine(datetime.now(UTC).date() - 2 * DAY, START, UTC)
    api = LocalMessagesApi(clock=clock, api_keys={API_KEY: WORKSPACE})
    schedules = three_schedules()
    with (
        LocalCloud(api, state=True) as cloud,
        anthropic.Anthropic(api_key=API_KEY, base_url=api.base_url, max_retries=0) as client,
        Live(console=console, auto_refresh=False) as live,
    ):
        day = _Day(cloud, client, schedules)
        for at, is_tick in moments(start):
            clock.advance((at - datetime.fromtimestamp(clock.now_seconds(), UTC)).total_seconds())
            if is_tick:
                day.tick()
            else:
                day.request()
            live.update(Group(f"\n{_heading(schedules, at)}\n", _table(schedules), ""), refresh=True)
    console.print(summary(schedules))
    broken = broken_claims(schedules)
    for claim in broken:
        console.print(f"[bold red]not as claimed:[/] {claim}")
    return not broken


def three_schedules() -> Schedules:
    """Make the three, none of which has called anything yet."""
    return Schedules(
        Schedule("this service: 1 hour, while used", handbook("first"), "1h"),
        Schedule("a loop: 5 minutes, every 4 minutes", handbook("other"), "5m"),
        Schedule("no warming: 1 hour", handbook("third"), "1h"),
    )


def handbook(copy: str) -> str:
    """Write a prompt of the usual size; copies differ in their first words, so that they share no cache entry."""
    return f"This is the {copy} copy.\n" + "".join(_PARAGRAPH.format(number=number) for number in range(PARAGRAPHS))


def moments(start: datetime) -> list[tuple[datetime, bool]]:
    """List the day's moments in order, each with whether it is a tick; a tick comes before a request."""
    ticks = [(start + number * TICK, True) for number in range(DAY // TICK)]
    requests = [(_after(start, time.fromisoformat(clock_time)), False) for clock_time in REQUESTS]
    return sorted(ticks + requests, key=lambda moment: (moment[0], not moment[1]))


def summary(schedules: Schedules) -> str:
    """Say the day's result in a sentence for each comparison."""
    service, naive, nothing = schedules.all
    tokens = service.requests[0].cached_tokens
    return (
        f"A day's {len(service.requests)} requests for {tokens:,} tokens cost [bold]{_usd(service)} USD[/] in all; "
        f"with a warm call every 4 minutes {_usd(naive)}: {naive.total_usd / service.total_usd:.1f} times as much.\n"
        f"Without any warming {_usd(nothing)}, with {nothing.cold_starts} cold starts instead of {service.cold_starts}."
    )


def broken_claims(schedules: Schedules) -> list[str]:
    """Name each claim that the day did not keep."""
    service, naive, nothing = schedules.all
    claims = {
        f"this service has at most {COLD_STARTS_WITH_SERVICE} cold start, not {service.cold_starts}": (
            service.cold_starts <= COLD_STARTS_WITH_SERVICE
        ),
        f"without warming there are {COLD_STARTS_WITHOUT} cold starts, not {nothing.cold_starts}": (
            nothing.cold_starts == COLD_STARTS_WITHOUT
        ),
        f"the loop leaves no cold start, not {naive.cold_starts}": naive.cold_starts == 0,
        f"this service ({_usd(service)} USD) costs less than the loop ({_usd(naive)})": (
            service.total_usd < naive.total_usd
        ),
        f"this service ({_usd(service)} USD) costs less than no warming ({_usd(nothing)})": (
            service.total_usd < nothing.total_usd
        ),
        "each schedule had every request of the day": all(
            len(schedule.requests) == len(REQUESTS) for schedule in schedules.all
        ),
    }
    return [claim for claim, is_kept in claims.items() if not is_kept]


class _Day:
    """Who acts on that day: the schedule's service, the naive loop, and the application with its users."""

    def __init__(self, cloud: LocalCloud, client: anthropic.Anthropic, schedules: Schedules) -> None:
        self._cloud = cloud
        self._client = client
        self._schedules = schedules
        self._clock = LocalClock(cloud.api.clock)
        self._function = InProcessFunction(cloud.environment(), clock=self._clock)
        self._store = DynamoDbState(StateTable(cloud.aws.dynamodb, STATE_TABLE))
        self._ticks = 0
        cloud.put(
            f"targets/{TARGET}.json",
            {
                "name": TARGET,
                "models": [MODEL],
                "keep": "while-used",
                "request": {"system": schedules.service.system},
            },
        )

    def tick(self) -> None:
        """Let the service decide what is due, and the loop call what it always calls."""
        before = len(self._cloud.api.requests)
        self._function.invoke(schedule_event(f"day-{self._ticks}", self._function.now()))
        self._ticks += 1
        service, naive = self._schedules.service, self._schedules.naive
        # What the API was asked and answered, not what our own report says of it.
        for received in self._cloud.api.requests[before:]:
            service.warm_calls.append(_usage({} if received.usage is None else received.usage.as_json(), service.ttl))
        naive.warm_calls.append(self._ask(naive, "ping", max_tokens=1))

    def request(self) -> None:
        """Let a user ask each copy, and the application report it, as ``prompt-cache-warmer touch`` does."""
        for schedule in self._schedules.all:
            schedule.requests.append(self._ask(schedule, "Where is my order?", max_tokens=100))
        key = EntryKey(TARGET, DEFAULT_CREDENTIAL, MODEL)
        asyncio.run(self._store.touch(key, at=self._clock.now()))

    def _ask(self, schedule: Schedule, question: str, *, max_tokens: int) -> Usage:
        answer = self._client.messages.create(
            model=MODEL,
            max_tokens=max_tokens,
            messages=[{"role": "user", "content": question}],
            extra_body={"system": schedule.system},
        )
        return _usage(answer.usage.to_dict(mode="json"), schedule.ttl)


def _after(start: datetime, clock_time: time) -> datetime:
    at = datetime.combine(start.date(), clock_time, UTC)
    return at if at >= start else at + DAY


def _usage(usage: Mapping[str, Any], ttl: Ttl) -> Usage:
    return Usage.from_api(usage, unsplit_ttl=ttl)


def _priced(usages: list[Usage]) -> Decimal:
    """Price calls at the model's own prices.

    Raises:
        LookupError: when the model has none; the demo's model must be one that has.
    """
    return sum(map(_cost_usd, usages), Decimal(0))


@cache  # hundreds of calls of a day are alike
def _cost_usd(usage: Usage) -> Decimal:
    cost = cost_usd(MODEL, usage, at=datetime.now(UTC))
    if cost is None:
        raise LookupError(f"there is no price for {MODEL}")
    return cost


def _usd(schedule: Schedule) -> str:
    return f"{schedule.total_usd.quantize(PLACES)}"


def _heading(schedules: Schedules, at: datetime) -> str:
    service = schedules.service
    tokens = service.requests[0].cached_tokens if service.requests else 0
    return f"A day in fast motion, {at:%H:%M}: {len(service.requests)} requests for {tokens:,} tokens on {MODEL}"


def _table(schedules: Schedules) -> Any:  # noqa: ANN401 - whatever rich prints
    return day_table(
        [
            ScheduleRow(one.name, len(one.warm_calls), one.cold_starts, one.warming_usd, one.traffic_usd, one.total_usd)
            for one in schedules.all
        ]
    )
