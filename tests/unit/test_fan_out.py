"""The fan-out: a tick sends what is due, workers decide again and call it, and each entry is counted once."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta

import pytest

from prompt_cache_warmer.errors import RejectedError
from prompt_cache_warmer.ports import ClaimAnswer, ClaimRequest
from prompt_cache_warmer.rules.entry_result import Outcome
from prompt_cache_warmer.rules.order import Order
from prompt_cache_warmer.rules.reasons import Reason
from prompt_cache_warmer.rules.report import RunReport
from prompt_cache_warmer.rules.uploads import Watched
from prompt_cache_warmer.rules.verdict import Verdict
from prompt_cache_warmer.values.caps import NO_CAPS
from prompt_cache_warmer.values.money import NOTHING
from prompt_cache_warmer.values.observation import Sightings
from prompt_cache_warmer.values.problems import Problem, ProblemCode
from prompt_cache_warmer.values.snapshot import Pause
from prompt_cache_warmer.values.state import EntryKey
from prompt_cache_warmer.warm.fan_out import ENTRIES_PER_MESSAGE, TWINS_PER_MESSAGE, fan_out
from tests.fakes import EPOCH, MODEL, MemoryQueue, document
from tests.house import House, numbered

WATCHED = Watched("bucket", "targets/", "prompts/")
OTHER = "claude-opus-4-8"


class Stack:
    """A scheduled house that fans out, and a worker's house on the same table, clock and API."""

    def __init__(self, documents: dict[str, object], **refusals: str) -> None:
        self.queue = MemoryQueue({int(place[1:]): why for place, why in refusals.items()})
        self.tick = House(documents, queue=self.queue)
        self.worker = self.another()

    def another(self) -> House:
        """Return another worker."""
        first = self.tick
        return House(first.documents, messages=first.messages, clock=first.clock, store=first.store)

    async def send(self, *, at_seconds: float = 0) -> RunReport:
        """Let a tick run that was due at a moment."""
        return await self.tick.run(Order(scheduled_time=(EPOCH + timedelta(seconds=at_seconds)).isoformat()))

    async def work(self, worker: House | None = None, *, seconds: float = 900.0) -> RunReport:
        """Bring all messages that were ever sent to a worker."""
        order = Order.from_event(self.queue.records(), watched=WATCHED)
        return await (worker or self.worker).run(order, seconds=seconds)


def sent(queue: MemoryQueue) -> list[list[str]]:
    """Return the documents that each message names."""
    return [[entry["document"] for entry in json.loads(body)["entries"]] for body in queue.bodies]


async def test_a_tick_sends_what_is_due_and_a_worker_calls_it() -> None:
    """Nothing is called by the tick; each entry is sent in turn, then warmed, and its message is done with."""
    stack = Stack(numbered(2))
    tick = await stack.send()
    assert [result.outcome for result in tick.results] == [Outcome.SENT] * 2
    assert (tick.results[0].code, tick.results[0].verdict) == ("cold", None)
    assert tick.results[0].reason == f"sent to the workers: {Reason.COLD.sentence}"
    assert (sent(stack.queue), stack.tick.messages.calls) == ([["targets/000.json", "targets/001.json"]], [])
    report = await stack.work()
    assert [result.verdict for result in report.results] == [Verdict.WRITTEN] * 2
    answer = report.as_json()
    assert (answer["trigger"], answer["batchItemFailures"], answer["ignored"]) == ("fan-out", [], [])
    assert "uploads" not in answer


async def test_the_tick_counts_what_is_due_and_the_worker_what_came_of_it() -> None:
    """No metric has an entry twice, and what is sent is neither warmed, failed nor deferred."""
    stack = Stack(numbered(3))
    answer = (await stack.send()).as_json()
    totals = answer["totals"]
    assert [totals[f"entries_{name}"] for name in ("due", "sent", "warmed", "failed", "deferred", "skipped")] == [
        *(3, 3, 0, 0, 0, 0)
    ]
    await stack.work()
    for name, by_tick, by_worker in (
        ("EntriesDue", 3, None),
        ("EntriesWarmed", 0, 3),
        ("EntriesDeferred", 0, 0),
        ("EntriesUnpriced", 0, 0),
        ("EntriesCapped", 0, 0),
        ("EntriesSkipped", 0, None),
        ("RunDuration", 0, None),
        ("EntriesWritten", 0, 3),
        ("EntriesFailed", 0, 0),
    ):
        assert (stack.tick.metrics.value(name), stack.worker.metrics.value(name)) == (by_tick, by_worker), name
    assert [result.outcome for result in stack.worker.log.results] == [Outcome.WARMED] * 3
    assert stack.tick.log.results == []


async def test_what_a_worker_leaves_over_is_counted_by_it() -> None:
    """Nobody else can: to the tick all of them are sent."""
    stack = Stack(numbered(2))
    await stack.send()
    await stack.work(seconds=10)
    assert [house.metrics.value("EntriesDeferred") for house in (stack.tick, stack.worker)] == [0, 2]


@pytest.mark.parametrize(("count", "is_per_target"), [(50, True), (51, False)])
async def test_a_worker_splits_its_metrics_as_finely_as_the_tick(count: int, *, is_per_target: bool) -> None:
    """It reads the documents of a message only; by their number each of 10,000 targets would have its metrics."""
    stack = Stack(numbered(count))
    stack.worker = House(
        stack.tick.documents,
        messages=stack.tick.messages,
        clock=stack.tick.clock,
        store=stack.tick.store,
        detail="auto",
    )
    await stack.send()
    stack.queue.bodies = stack.queue.bodies[:1]
    report = await stack.work()
    assert (report.targets_loaded, report.count(Outcome.WARMED)) == (ENTRIES_PER_MESSAGE, ENTRIES_PER_MESSAGE)
    assert any("Target" in one.dimensions for one in stack.worker.metrics.sets) is is_per_target


async def test_what_waited_for_an_upload_s_run_does_not_stay_first_for_ever() -> None:
    """Once it was sent to the workers, what lapses first goes first again."""
    stack = Stack({**numbered(1), "targets/zz.json": document("zz")})
    await stack.tick.run(Order(targets=("zz",)), seconds=10)
    await stack.send()
    await stack.work()
    stack.queue.bodies.clear()
    stack.tick.clock.seconds += 240
    await stack.worker.run(Order(targets=("zz",)))
    stack.tick.clock.seconds += 1
    await stack.send(at_seconds=241)
    assert sent(stack.queue) == [["targets/000.json", "targets/zz.json"]]


async def test_a_message_that_comes_twice_makes_no_second_call() -> None:
    """To the same worker and to another one, though a 5-minute entry is due at every look."""
    stack = Stack(numbered(2))
    await stack.send()
    await stack.work()
    stack.tick.clock.seconds += 1
    for worker in (stack.worker, stack.another()):
        report = await stack.work(worker)
        assert [result.code for result in report.results] == ["called-this-tick"] * 2
        assert report.waiting == ()
    assert len(stack.tick.messages.calls) == 2


async def test_a_failed_call_is_the_next_ticks() -> None:
    """Its message is done with, and brought again it makes no call."""
    stack = Stack(numbered(1))
    stack.tick.messages.script = [RejectedError("no")]
    await stack.send()
    first = await stack.work()
    stack.tick.clock.seconds += 1
    second = await stack.work()
    assert [one.results[0].outcome for one in (first, second)] == [Outcome.FAILED, Outcome.SKIPPED]
    assert (first.waiting, second.waiting, len(stack.tick.messages.calls)) == ((), (), 1)


async def test_a_worker_decides_again() -> None:
    """What was paused since is not called, and the message is done with: the tick after the pause sends it anew."""
    stack = Stack(numbered(1))
    await stack.send()
    await stack.tick.store.pause(Pause("maintenance", EPOCH, EPOCH + timedelta(hours=1)))
    report = await stack.work()
    assert (report.results[0].code, report.waiting, stack.tick.messages.calls) == ("paused", (), [])


@pytest.mark.parametrize("scheduled_time", ["2099-01-01T00:00:00Z", "2000-01-01T00:00:00Z"])
async def test_whatever_a_message_says_a_worker_calls_only_what_is_due(scheduled_time: str) -> None:
    """Nobody but the role may send one, and somebody who does all the same makes no call that no tick would make."""
    marker = {"type": "ephemeral", "ttl": "1h"}
    system = [{"type": "text", "text": "You are kept. " * 2000, "cache_control": marker}]
    stack = Stack(numbered(1, request={"system": system}))
    await stack.worker.run(Order(targets=("t000",)))
    stack.queue.bodies = [_body("targets/000.json", target="t000", model=MODEL)]
    body = {**json.loads(stack.queue.bodies[0]), "scheduled_time": scheduled_time}
    stack.queue.bodies = [json.dumps(body)] * 3
    for _ in range(3):
        stack.tick.clock.seconds += 600
        report = await stack.work()
        assert [result.outcome for result in report.results] == [Outcome.SKIPPED]
    assert len(stack.tick.messages.calls) == 1


async def test_what_another_run_is_calling_goes_back() -> None:
    """A claim that holds may be a dead worker's: its entry is called when the claim has ended, and not before."""
    stack = Stack(numbered(1))
    await stack.send()
    until = EPOCH + timedelta(seconds=100)
    key = EntryKey("t000", "default", MODEL)
    dead = ClaimRequest(key, "a dead worker", 0, until, EPOCH.date(), NOTHING, NO_CAPS)
    assert await stack.tick.store.claim(dead) is ClaimAnswer.GRANTED
    stack.tick.clock.seconds += 99
    early = await stack.work()
    assert (early.results[0].code, early.waiting) == ("claimed", ("m-0",))
    assert early.as_json()["batchItemFailures"] == [{"itemIdentifier": "m-0"}]
    stack.tick.clock.seconds += 1
    late = await stack.work()
    assert (late.results[0].verdict, late.waiting, len(stack.tick.messages.calls)) == (Verdict.WRITTEN, (), 1)


async def test_what_is_left_over_goes_back() -> None:
    """A worker without time for a call defers it; the message is the only one that is named."""
    stack = Stack(numbered(ENTRIES_PER_MESSAGE + 1))
    await stack.send()
    warm = await stack.work()
    assert warm.waiting == ()
    stack.tick.clock.seconds += 240
    stack.queue.bodies.clear()
    await stack.send(at_seconds=240)
    report = await stack.work(seconds=10)
    assert report.count(Outcome.DEFERRED) == ENTRIES_PER_MESSAGE + 1
    assert report.waiting == ("m-0", "m-1")


@pytest.mark.parametrize("code", [ProblemCode.NOT_READ_YET, ProblemCode.UNREADABLE])
def test_what_was_not_read_goes_back(code: ProblemCode) -> None:
    """Another delivery may read it; a document that is wrong stays wrong."""
    queue = MemoryQueue(bodies=[_body("targets/a.json"), _body("targets/b.json")])
    order = Order.from_event(queue.records(), watched=WATCHED)
    report = RunReport(order, EPOCH, 0, 0, 0, problems=(Problem(code, "targets/b.json", "$", "why"),))
    assert report.waiting == ("m-1",)
    wrong = replace(report, problems=(Problem(ProblemCode.SYNTAX, "targets/b.json", "$", "why"),))
    assert wrong.waiting == ()


def _body(key: str, **changes: object) -> str:
    entry = {"document": key, "target": "a", "model": MODEL, **changes}
    times = dict.fromkeys(("scheduled_time", "decided_at"), EPOCH.isoformat())
    return json.dumps({"source": "prompt-cache-warmer.due", "version": 1, **times, "targets": 1, "entries": [entry]})


async def test_a_worker_reads_the_named_documents_and_calls_the_named_models() -> None:
    """One of two models of one of two targets."""
    stack = Stack({f"targets/{name}.json": document(name, models=[MODEL, OTHER]) for name in "ab"})
    stack.queue.bodies.append(_body("targets/a.json", model=OTHER))
    report = await stack.work()
    assert (report.targets_loaded, [call.model for call in stack.tick.messages.calls]) == (1, [OTHER])


@pytest.mark.parametrize(
    ("document_key", "target", "model"),
    [("targets/c.json", "a", MODEL), ("targets/a.json", "b", MODEL), ("targets/a.json", "a", OTHER)],
    ids=["the document", "the name", "the model"],
)
async def test_what_is_not_there_any_more_is_said_and_done_with(document_key: str, target: str, model: str) -> None:
    """A document, a name or a model that went between the tick and the worker."""
    stack = Stack({"targets/a.json": document("a")})
    stack.queue.bodies.append(_body(document_key, target=target, model=model))
    report = await stack.work()
    (problem,) = report.problems
    assert (problem.code, problem.source) == (ProblemCode.NO_SUCH_TARGET, document_key)
    assert problem.message == f"target '{target}' on '{model}' is not there any more; the next tick knows"
    assert (report.results, report.waiting) == ((), ())


async def test_a_document_that_became_wrong_is_reported_by_its_own_problems_alone() -> None:
    """And its message is done with."""
    stack = Stack({"targets/a.json": {"name": "a"}})
    stack.queue.bodies.append(_body("targets/a.json"))
    report = await stack.work()
    assert ProblemCode.NO_SUCH_TARGET not in {problem.code for problem in report.problems}
    assert {problem.source for problem in report.problems} == {"targets/a.json"}
    assert report.waiting == ()


async def test_entries_of_the_same_bytes_are_in_one_message() -> None:
    """They would fit into two; sent apart they would be called twice."""
    same = document()["request"]
    twins = {f"targets/{name}.json": document(name, request=same) for name in ("00", "99")}
    stack = Stack({**numbered(ENTRIES_PER_MESSAGE - 1, ttl=None), **twins})
    await stack.send()
    found = sent(stack.queue)
    assert [len(keys) for keys in found] == [ENTRIES_PER_MESSAGE, 1]
    assert {"targets/00.json", "targets/99.json"} <= set(found[0])
    await stack.work()
    assert len(stack.tick.messages.calls) == ENTRIES_PER_MESSAGE


async def test_twins_are_moved_to_the_next_message_rather_than_torn_apart() -> None:
    """A message may be left with room."""
    same = document()["request"]
    others = numbered(ENTRIES_PER_MESSAGE - 1)
    stack = Stack({**others, **{f"targets/z{name}.json": document(f"z{name}", request=same) for name in "ab"}})
    await stack.send()
    assert [len(keys) for keys in sent(stack.queue)] == [ENTRIES_PER_MESSAGE - 1, 2]


async def test_more_twins_than_a_message_holds_are_sent_in_several() -> None:
    """Each of them makes one call, where one message would be refused for its size."""
    same = document()["request"]
    count = TWINS_PER_MESSAGE + 1
    stack = Stack({f"targets/{n}.json": document(f"t{n}", request=same) for n in range(count)})
    await stack.send()
    assert [len(keys) for keys in sent(stack.queue)] == [TWINS_PER_MESSAGE, 1]


async def test_what_lapses_first_is_sent_first() -> None:
    """As a tick calls it: alive before cold."""
    stack = Stack({**numbered(ENTRIES_PER_MESSAGE), "targets/zz.json": document("zz")})
    await stack.worker.run(Order(targets=("zz",)))
    stack.tick.clock.seconds += 240
    await stack.send(at_seconds=240)
    assert (sent(stack.queue)[0][0], [len(keys) for keys in sent(stack.queue)]) == ("targets/zz.json", [32, 1])


async def test_what_the_queue_does_not_take_has_failed_and_the_rest_is_sent() -> None:
    """With the queue's own reason; the next tick sends it again."""
    stack = Stack(numbered(ENTRIES_PER_MESSAGE + 1), _0="AccessDenied")
    report = await stack.send()
    failed = [result for result in report.results if result.outcome is Outcome.FAILED]
    assert (len(failed), report.count(Outcome.SENT)) == (ENTRIES_PER_MESSAGE, 1)
    assert (failed[0].code, failed[0].reason) == ("not-sent", "it could not be sent to the workers: AccessDenied")
    assert failed[0].advice == "Look at the queue and the role; the next tick sends it again."
    assert stack.tick.metrics.value("EntriesFailed") == ENTRIES_PER_MESSAGE
    stack.queue.refusals.clear()
    assert (await stack.send()).count(Outcome.SENT) == ENTRIES_PER_MESSAGE + 1


@pytest.mark.parametrize(
    ("order", "outcome"),
    [
        (Order(targets=("t000",)), Outcome.WARMED),
        (Order(dry_run=True), Outcome.PLANNED),
        (Order(verify=("t000",)), Outcome.WARMED),
        (Order(), Outcome.SENT),
    ],
    ids=["by name", "dry run", "verify", "all"],
)
async def test_whoever_waits_for_a_result_gets_it_at_once(order: Order, outcome: Outcome) -> None:
    """Only whole runs fan out."""
    stack = Stack(numbered(1))
    report = await stack.tick.run(order)
    assert [result.outcome for result in report.results] == [outcome]
    assert len(stack.queue.bodies) == (outcome is Outcome.SENT)


async def test_a_lapse_is_counted_by_the_tick_that_finds_it_or_by_the_worker_whose_queue_made_it() -> None:
    """Once each: lapsed at 300 s and found by the tick at 310; then alive for the tick, lapsed for the worker."""
    stack = Stack(numbered(1))
    await stack.worker.run(Order(targets=("t000",)))
    stack.tick.clock.seconds = 310
    await stack.send(at_seconds=300)
    stack.tick.clock.seconds = 311
    report = await stack.work()
    assert report.results[0].decision is not None
    assert report.results[0].decision.reason is Reason.LAPSED
    lapses = [house.metrics.value("EntriesLapsed") for house in (stack.tick, stack.worker)]
    assert (lapses, report.entries_lapsed) == ([1, 0], 0)
    stack.queue.bodies.clear()
    stack.tick.clock.seconds = 550
    await stack.send(at_seconds=540)
    stack.tick.clock.seconds = 620  # lapsed at 611, in the queue
    await stack.work()
    assert [house.metrics.value("EntriesLapsed") for house in (stack.tick, stack.worker)] == [1, 1]


async def test_a_worker_tells_nothing_that_the_tick_has_told() -> None:
    """A reason that changed since a worker's last look is logged by the tick alone."""
    stack = Stack(numbered(1))
    await stack.send()
    await stack.work()
    await stack.tick.store.pause(Pause("maintenance", EPOCH, EPOCH + timedelta(hours=1)))
    stack.tick.clock.seconds += 240
    await stack.work()
    assert [result.outcome for result in stack.worker.log.results] == [Outcome.WARMED]


async def test_the_latest_tick_that_names_an_entry_is_the_one_that_counts() -> None:
    """An old message and a new one in one batch: called after the old tick, it is due for the new one."""
    stack = Stack(numbered(1))
    await stack.send()
    await stack.work()
    stack.tick.clock.seconds += 240
    await stack.send(at_seconds=240)
    stack.queue.bodies.reverse()
    report = await stack.work()
    assert (report.results[0].verdict, len(stack.tick.messages.calls)) == (Verdict.REFRESHED, 2)


async def test_a_lapse_that_the_latest_tick_has_counted_is_not_counted_again() -> None:
    """Also where an older message comes after, from a tick that still found the entry alive."""
    stack = Stack(numbered(1))
    await stack.worker.run(Order(targets=("t000",)))
    for seconds in (240, 310):
        stack.tick.clock.seconds = seconds
        await stack.send(at_seconds=seconds)
    stack.queue.bodies.reverse()
    report = await stack.work()
    assert report.results[0].decision is not None
    assert (report.results[0].decision.reason, report.entries_lapsed) == (Reason.LAPSED, 0)


async def test_a_message_says_when_its_tick_was_due_and_when_it_decided() -> None:
    """By the first a second delivery is known, however late the tick came."""
    stack = Stack(numbered(1))
    stack.tick.clock.seconds = 31.25
    await stack.send()
    await stack.tick.run(Order())
    times = [(json.loads(body)["scheduled_time"], json.loads(body)["decided_at"]) for body in stack.queue.bodies]
    decided = "2026-11-22T12:00:31.250000+00:00"
    assert times == [("2026-11-22T12:00:00+00:00", decided), (decided, decided)]


async def test_why_traffic_missed_is_told_by_the_tick() -> None:
    """A worker that sees the same sightings tells nothing of them."""
    stack = Stack(numbered(1))
    await stack.worker.run(Order(targets=("t000",)))
    missed = Sightings(cold_starts=1, touched_at=EPOCH + timedelta(seconds=60))
    await stack.tick.store.observe(EntryKey("t000", "default", MODEL), missed)
    stack.tick.clock.seconds = 350
    tick = await stack.send(at_seconds=350)
    report = await stack.work()
    assert tick.results[0].traffic is not None
    assert (report.results[0].outcome, report.results[0].traffic) == (Outcome.WARMED, None)


async def test_where_nothing_is_due_nothing_is_sent() -> None:
    """No empty message."""
    queue = MemoryQueue()
    assert await fan_out([], queue, scheduled_at=EPOCH, decided_at=EPOCH, targets=0) == []
    assert queue.bodies == []
