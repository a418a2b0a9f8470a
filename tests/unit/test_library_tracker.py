"""The tracker: what it records of a call, what it passes through, and what it sums up."""

from __future__ import annotations

import inspect
from datetime import timedelta
from decimal import Decimal
from enum import Enum
from types import SimpleNamespace
from typing import Any

import pytest

from prompt_cache_warmer.library.tracking.records import NO_PREFIX, Aggregate, Standing
from prompt_cache_warmer.library.tracking.tracker import CacheTracker
from prompt_cache_warmer.values.model_prices import ModelPrices
from prompt_cache_warmer.values.usage import Usage
from tests.fakes import EPOCH
from tests.tracker_cases import HOUR, SONNET, Desk, ask, usage


class UnavailableError(Exception):
    """What the provider may raise."""


def test_a_synchronous_call_stays_synchronous() -> None:
    """cachebench: "Wrap a sync or async call": the sync one returns the very answer, at once."""
    desk, answer = Desk(), SimpleNamespace(usage=SimpleNamespace(input_tokens=5, output_tokens=1))
    desk.answers.append(answer)
    assert desk.create(**ask()) is answer
    assert desk.asked == [ask()]
    assert desk.create.__name__ == "answer"


async def test_an_asynchronous_call_stays_awaitable() -> None:
    """cachebench: "Wrap a sync or async call": the async one returns an awaitable of the very answer."""
    desk, answer = Desk(), {"usage": usage(read=10)}
    desk.answers.append(answer)
    waiting = desk.acreate(**ask())
    assert inspect.isawaitable(waiting)
    assert desk.asked == []
    desk.clock.seconds += 100  # nobody awaits it yet, so its time does not run
    assert await waiting is answer
    assert desk.tracker.history[0].elapsed_ms == 1_000
    assert desk.tracker.history[0].started_at == EPOCH + timedelta(seconds=100)


async def test_what_a_call_raises_is_passed_through() -> None:
    """An error is the caller's: the same object, and nothing is recorded, because nothing is known."""
    desk, error = Desk(), UnavailableError()
    desk.answers += [error, error]
    with pytest.raises(UnavailableError) as raised:
        desk.create(**ask())
    assert raised.value is error
    with pytest.raises(UnavailableError) as raised:
        await desk.acreate(**ask())
    assert raised.value is error
    assert desk.tracker.history == ()


def test_every_call_has_its_metrics() -> None:
    """cachebench: "per-call metrics (prefix id, tokens, elapsed)": each call's own, the id each prompt's own."""
    desk = Desk(took_seconds=0.75)
    desk.call(usage(read=40, wrote=30, wrote_1h=20, plain=10, output=5))
    desk.took_seconds = 2.5
    desk.call(usage(read=7), **ask("You are kind."))
    desk.call(usage(read=8))
    record, other, again = desk.tracker.history
    assert (other.elapsed_ms, again.elapsed_ms) == (2_500, 2_500)
    assert (other.read_tokens, again.read_tokens) == (7, 8)
    assert record.prefix_id == again.prefix_id != other.prefix_id
    assert (record.model, record.started_at, record.elapsed_ms) == (SONNET, EPOCH, 750)
    assert len(record.prefix_id) == 16
    assert int(record.prefix_id, 16)
    assert (record.read_tokens, record.write_5m_tokens, record.write_1h_tokens) == (40, 30, 20)
    assert (record.uncached_tokens, record.output_tokens) == (10, 5)
    assert record.standing is Standing.NEW


@pytest.mark.parametrize(
    ("read", "wrote", "wrote_1h", "ratio", "shown"),
    [
        (300, 100, 0, 0.75, "hit ratio 75.0%"),
        (300, 50, 50, 0.75, "hit ratio 75.0%"),
        (300, 0, 0, 1.0, "hit ratio 100.0%"),
        (0, 0, 300, 0.0, "hit ratio 0.0%"),
        (0, 0, 0, None, "hit ratio none"),
    ],
)
def test_the_hit_ratio(read: int, wrote: int, wrote_1h: int, ratio: float | None, shown: str) -> None:
    """cachebench: "hit ratio = read / (read + creation), defined when nothing was cached": None then, and printable."""
    desk = Desk()
    desk.call(usage(read=read, wrote=wrote, wrote_1h=wrote_1h, plain=1_000))
    record, total = desk.tracker.history[0], desk.tracker.aggregate()
    assert record.hit_ratio == total.hit_ratio == ratio
    assert shown in str(record)
    assert shown in str(total)


def test_cost_and_savings_of_each_call() -> None:
    """cachebench: "cost and cost saved per call": a write saves less than nothing, a read most of its price."""
    desk = Desk()
    desk.call(usage(wrote=10_000, plain=100, output=10))
    desk.call(usage(read=10_000, plain=100, output=10))
    written, read = desk.tracker.history
    # Sonnet 4.6, USD per million: 3 plain, 3.75 written, 0.30 read, 15 output
    assert written.cost_usd == Decimal("0.03795")
    assert written.saved_usd == Decimal("-0.0075")
    assert read.cost_usd == Decimal("0.00345")
    assert read.saved_usd == Decimal("0.027")
    total = desk.tracker.aggregate()
    assert (total.cost_usd, total.saved_usd) == (Decimal("0.0414"), Decimal("0.0195"))
    assert str(total) == "2 calls, hit ratio 50.0%, cost 0.0414 USD, saved 0.0195 USD"


def test_an_hours_write_costs_an_hours_write() -> None:
    """cachebench: "Their defects: 1h writes priced as 5m": ours cost 6 USD a million, not 3.75."""
    desk = Desk()
    desk.call(usage(wrote_1h=10_000), **ask(marker=HOUR))
    desk.call({"cache_creation_input_tokens": 10_000}, **ask(marker=HOUR))  # without a split, by what was asked for
    assert [record.cost_usd for record in desk.tracker.history] == [Decimal("0.06"), Decimal("0.06")]


def test_every_model_has_its_own_price() -> None:
    """cachebench: "one price for all models" is theirs: here Haiku reads at a third of Sonnet's price."""
    desk = Desk()
    for model in (SONNET, "claude-haiku-4-5", "claude-opus-5-5"):
        desk.call(usage(read=10_000), **ask(model=model))
    assert [record.cost_usd for record in desk.tracker.history] == [
        Decimal("0.003"),
        Decimal("0.001"),
        Decimal("0.002"),
    ]


def test_an_unknown_model_has_no_cost() -> None:
    """None, never 0: of the call, and of every sum it is in; what is known is there beside it."""
    desk = Desk()
    desk.call(usage(read=10_000))
    desk.call(usage(read=10_000), **ask(model="claude-unheard-of"))
    unknown, total = desk.tracker.history[1], desk.tracker.aggregate()
    assert (unknown.cost_usd, unknown.saved_usd) == (None, None)
    assert (total.cost_usd, total.saved_usd, total.unpriced_calls) == (None, None, 1)
    assert (total.known_cost_usd, total.known_saved_usd) == (Decimal("0.003"), Decimal("0.027"))
    assert str(unknown).endswith("cost unknown")
    assert str(total) == "2 calls, hit ratio 100.0%, cost unknown, saved unknown"


def test_prices_of_ones_own() -> None:
    """cachebench: "price override": by model, in place of all known prices, so an empty list prices nothing."""
    own = ModelPrices(
        input_usd_per_mtok=Decimal(10),
        output_usd_per_mtok=Decimal(20),
        cache_read_usd_per_mtok=Decimal(1),
        cache_write_5m_usd_per_mtok=Decimal(12),
        cache_write_1h_usd_per_mtok=Decimal(30),
    )
    desk = Desk({"prices": {"my-model": own}})
    desk.call(usage(read=1_000, wrote=1_000, wrote_1h=1_000, plain=1_000, output=1_000), **ask(model="my-model"))
    desk.call(usage(read=1_000))
    assert [record.cost_usd for record in desk.tracker.history] == [Decimal("0.073"), None]
    assert desk.tracker.history[0].saved_usd == Decimal("-0.013")  # 4,000 x 10 + 1,000 x 20 would be 0.06
    nothing = Desk({"prices": {}})
    nothing.call(usage(read=1_000))
    assert nothing.tracker.aggregate().cost_usd is None


def test_sums_of_everything() -> None:
    """cachebench: "aggregates, by prefix, over a time window": over everything, every count is a sum."""
    desk = Desk(took_seconds=0.5)
    desk.call(usage(wrote=100, wrote_1h=10, plain=1, output=2))
    desk.call(usage(read=110, plain=3, output=4))
    assert desk.tracker.aggregate() == Aggregate(
        calls=2,
        read_tokens=110,
        write_5m_tokens=100,
        write_1h_tokens=10,
        uncached_tokens=4,
        output_tokens=6,
        elapsed_ms=1_000,
        known_cost_usd=Decimal("0.00057"),  # 375 + 60 + 33 + 12 + 90 millionths
        known_saved_usd=Decimal("0.000192"),  # 444 less 468 of them, and 3.3 x 90: -105 and 297
    )
    assert CacheTracker().aggregate() == Aggregate()


def test_sums_by_prefix() -> None:
    """cachebench: "aggregates, by prefix": the calls of one prompt on one model belong together, whatever is asked."""
    desk = Desk()
    desk.call(usage(wrote=100), **ask("one"))
    desk.call(usage(wrote=200), **ask("two"))
    desk.call(usage(read=100), **ask("one", messages=[{"role": "user", "content": "And now?"}]))
    desk.call(usage(wrote=300), **ask("one", model="claude-haiku-4-5"))
    one, two, other = desk.tracker.by_prefix().items()
    assert [each.calls for _, each in (one, two, other)] == [2, 1, 1]
    assert (one[1].read_tokens, one[1].written_tokens, one[1].hit_ratio) == (100, 100, 0.5)
    assert desk.tracker.aggregate(prefix_id=two[0]).written_tokens == 200
    assert desk.tracker.aggregate(prefix_id="nobody") == Aggregate()


def test_sums_over_a_time_window() -> None:
    """cachebench: "over a time window": the last seconds, or since a moment, by the start of the call."""
    desk = Desk(took_seconds=0)
    desk.call(usage(read=1))
    desk.call(usage(read=20), after=60)
    desk.call(usage(read=300), after=60, **ask("other"))
    tracker = desk.tracker
    assert tracker.aggregate(window_seconds=60).read_tokens == 320
    assert tracker.aggregate(window_seconds=59).read_tokens == 300
    assert tracker.aggregate(since=EPOCH + timedelta(seconds=60)).read_tokens == 320
    assert tracker.aggregate(since=EPOCH + timedelta(seconds=61)).read_tokens == 300
    assert [each.read_tokens for each in tracker.by_prefix(window_seconds=60).values()] == [20, 300]
    assert [each.read_tokens for each in tracker.by_prefix(since=EPOCH + timedelta(seconds=61)).values()] == [300]
    assert tracker.aggregate(window_seconds=60, prefix_id=tracker.history[0].prefix_id).read_tokens == 20


def test_tokens_over_time() -> None:
    """The article: "recording creation and read tokens over time": by stretches, without the silent ones."""
    desk = Desk(took_seconds=0)
    assert desk.tracker.over_time(bucket_seconds=60) == []
    desk.call(usage(wrote=100))
    desk.call(usage(read=100), after=59)
    desk.call(usage(wrote=50), after=121, **ask("other"))
    stretches = desk.tracker.over_time(bucket_seconds=60)
    assert [(at - EPOCH).total_seconds() for at, _ in stretches] == [0, 180]
    assert [(each.calls, each.written_tokens, each.read_tokens) for _, each in stretches] == [
        (2, 100, 100),
        (1, 50, 0),
    ]
    one = desk.tracker.history[0].prefix_id
    assert len(desk.tracker.over_time(bucket_seconds=60, prefix_id=one)) == 1
    desk.call(usage(wrote=50), after=30 * 365 * 86_400)
    assert len(desk.tracker.over_time(bucket_seconds=1)) == 4  # not a thousand million


def test_history_is_bounded_and_the_sum_is_not() -> None:
    """cachebench: "bounded history": older calls still count in the sum, older prompts and entries are forgotten."""
    desk = Desk({"max_history": 2})
    for read in (1, 20, 300):
        desk.call(usage(read=read), **ask(str(read)))
    assert [record.read_tokens for record in desk.tracker.history] == [20, 300]
    assert (desk.tracker.aggregate().calls, desk.tracker.aggregate().read_tokens) == (3, 321)
    assert len(desk.tracker.by_prefix()) == 2
    assert desk.tracker.aggregate(window_seconds=1_000).calls == 2
    assert {record.standing for record in desk.tracker.history} == {Standing.NEW}
    desk.call(usage(read=1), **ask("1"))  # the first of three prompts: warm if its entry were known, else cold
    desk.call(usage(read=300), **ask("300"))
    assert [record.standing for record in desk.tracker.history] == [Standing.NEW, Standing.WARM]


def test_reset_forgets_everything() -> None:
    """cachebench: "reset": history, sums, and what was known to be in the cache."""
    desk = Desk({"max_history": 1})
    desk.call(usage(wrote=100))
    desk.call(usage(read=100))
    desk.tracker.reset()
    assert list(desk.tracker.history) == []
    assert desk.tracker.aggregate() == Aggregate()
    desk.call(usage(wrote=100))
    assert desk.tracker.history[0].standing is Standing.NEW


def test_a_call_that_was_under_way_at_a_reset_is_not_counted_after_it() -> None:
    """cachebench: "reset": of everything that began before it, whether it ends by an answer or as a stream."""
    desk = Desk()

    def reset_meanwhile(**_: Any) -> dict[str, Any]:
        desk.tracker.reset()
        return {"usage": usage(wrote=100)}

    assert desk.tracker.wrap(reset_meanwhile)(**ask()) == {"usage": usage(wrote=100)}
    stream = desk.tracker.wrap(lambda **_: iter([{"usage": usage(wrote=100)}]))(**ask())
    desk.tracker.reset()
    assert len(list(stream)) == 1
    assert desk.tracker.aggregate() == Aggregate()
    desk.call(usage(read=100))
    assert [record.standing for record in desk.tracker.history] == [Standing.NEW]


async def test_a_coroutine_function_stays_one() -> None:
    """Frameworks ask a function which kind it is before they call it."""
    desk = Desk()
    assert inspect.iscoroutinefunction(desk.acreate)
    assert desk.acreate.__name__ == "answer_later"
    assert not inspect.iscoroutinefunction(desk.create)

    def sends_later(**arguments: Any) -> Any:  # as the SDK's own, which is none and returns an awaitable
        return desk.answer_later(**arguments)

    desk.answers.append({"usage": usage(read=10)})
    create = desk.tracker.wrap(sends_later)
    assert not inspect.iscoroutinefunction(create)
    await create(**ask())
    assert desk.tracker.aggregate().read_tokens == 10


class Model(str, Enum):  # noqa: UP042 - its str() is its name; StrEnum's is its value
    """An application's own list of models."""

    SONNET = SONNET


def test_a_model_of_an_enumeration_is_the_text_it_stands_for() -> None:
    """It is the same prompt at the same price as the text."""
    desk = Desk()
    for model in (SONNET, Model.SONNET):
        desk.call(usage(read=10_000), **ask(model=model))
    first, second = desk.tracker.history
    assert (second.model, second.cost_usd, second.prefix_id) == (SONNET, Decimal("0.003"), first.prefix_id)
    assert type(second.model) is str
    assert desk.tracker.record(usage(read=10_000), model=Model.SONNET).cost_usd == Decimal("0.003")
    assert desk.tracker.record(usage(read=10_000), request={"model": 5}).model == "5"


def test_a_usage_one_already_has_is_recorded() -> None:
    """A response, its usage or our own usage; the model comes from the arguments, the request or the response."""
    desk = Desk()
    desk.clock.seconds = 10
    tracker = desk.tracker
    first = tracker.record({"model": SONNET, "usage": usage(wrote=1_000)}, elapsed_ms=4_000)
    second = tracker.record(usage(read=1_000), model=SONNET, prefix_id="mine")
    third = tracker.record(Usage(read_tokens=1_000), request=ask())
    assert first.started_at == EPOCH + timedelta(seconds=6)
    assert (first.prefix_id, first.elapsed_ms, first.cost_usd) == (NO_PREFIX, 4_000, Decimal("0.00375"))
    assert (second.prefix_id, second.elapsed_ms, second.cost_usd) == ("mine", None, Decimal("0.0003"))
    assert len(third.prefix_id) == 16
    assert [record.standing for record in (first, second, third)] == [
        Standing.UNKNOWN,
        Standing.UNKNOWN,
        Standing.NEW,
    ]
    assert tracker.history == (first, second, third)
    assert str(tracker.record()).startswith("no-prefix -: unknown, hit ratio none")


def test_the_caller_may_name_the_prompt() -> None:
    """The prefix id of one's own groups the calls; what is cached is still known by the request."""
    desk = Desk()
    desk.tracker.record(usage(wrote=100), request=ask(), prefix_id="support")
    record = desk.tracker.record(usage(read=100), request=ask(), prefix_id="support")
    assert (record.prefix_id, record.standing) == ("support", Standing.WARM)


@pytest.mark.parametrize(
    "answer",
    [
        None,
        {},
        {"usage": None},
        {"usage": {}},
        SimpleNamespace(),
        "text",
        {"usage": usage(read=-1)},
        {"usage": {"input_tokens": "many"}},
    ],
)
def test_an_answer_without_a_usable_usage_breaks_nothing(answer: object) -> None:
    """It is passed through and counted as unreported; its cost is unknown, not 0."""
    desk = Desk()
    desk.answers.append(answer)
    assert desk.create(**ask()) is answer
    total = desk.tracker.aggregate()
    assert (total.calls, total.unreported_calls, total.cost_usd, total.hit_ratio) == (1, 1, None, None)
    desk.call(usage(wrote=1))
    assert desk.tracker.history[1].standing is Standing.NEW  # nothing was learned from the first


class Block:
    """A part of an answer, as an SDK makes it."""

    def model_dump(self, **how: object) -> dict[str, Any]:
        """Return what would be sent."""
        assert how == {"mode": "json", "exclude_unset": True}
        return {"type": "text", "text": "Hello."}


def test_an_sdks_own_objects_are_what_they_are_sent_as() -> None:
    """An answer's part that is sent back is the same prefix as the dictionary it stands for."""
    tracker, ids = CacheTracker(), []
    for part in (Block(), {"type": "text", "text": "Hello."}):
        system = [part, {"type": "text", "text": "And.", "cache_control": {"type": "ephemeral"}}]
        ids.append(tracker.record(request={"model": "m", "system": tuple(system), "tools": []}).prefix_id)
    assert ids[0] == ids[1] != NO_PREFIX


@pytest.mark.parametrize(
    "arguments",
    [
        {"system": object()},
        {"messages": (each for each in [{"role": "user", "content": "Hello"}])},
        {"messages": ["no message"]},
        {"system": [{"type": "text", "text": "a", "cache_control": {"type": "ephemeral"}, 5: {1, 2}}]},
        {"extra_body": 5},
        {
            "messages": [{"role": "user", "content": [{(1, 2): "?", "cache_control": {"type": "ephemeral"}}]}],
            "system": "a",
        },
    ],
)
def test_a_request_that_cannot_be_read_is_the_apis_business(arguments: dict[str, Any]) -> None:
    """The call is made as it is and recorded without a prefix; an iterator is not used up."""
    desk = Desk()
    desk.call(usage(read=1_000), model=SONNET, **arguments)
    record = desk.tracker.history[0]
    assert (record.prefix_id, record.model, record.cost_usd) == (NO_PREFIX, SONNET, Decimal("0.0003"))
    assert desk.asked[0] == {"model": SONNET, **arguments}
    if inspect.isgenerator(arguments.get("messages")):
        assert len(list(arguments["messages"])) == 1
