"""A run: one entry never sinks another, nothing exceeds its bound, what did not fit is deferred."""

from __future__ import annotations

import pytest

from prompt_cache_warmer.errors import (
    CallTimeoutError,
    CredentialError,
    OverloadedError,
    RateLimitedError,
    RejectedError,
    SecretUnreadableError,
    SpendLimitError,
    UnreachableError,
    WarmCallError,
    ZeroRefusedError,
)
from prompt_cache_warmer.ports import Answer
from prompt_cache_warmer.rules.entry_result import Outcome
from prompt_cache_warmer.rules.order import Order
from prompt_cache_warmer.rules.reasons import Reason
from prompt_cache_warmer.rules.request import Form, WarmCall
from prompt_cache_warmer.rules.verdict import Verdict
from prompt_cache_warmer.values.problems import ProblemCode
from prompt_cache_warmer.values.usage import Usage
from tests.fakes import MODEL, FakeMessages, codes, document
from tests.house import House, numbered


async def test_a_cold_entry_is_written_and_a_warm_one_refreshed() -> None:
    """Two runs: the first proves a write, the second a refresh, each with tokens and a cost."""
    house = House(numbered(1))
    first, second = await house.run(), await house.run()
    assert [run.results[0].verdict for run in (first, second)] == [Verdict.WRITTEN, Verdict.REFRESHED]
    assert first.usage.written_tokens == second.usage.read_tokens > 0
    assert first.cost_usd > second.cost_usd > 0


async def test_every_model_of_a_target_is_an_entry_of_its_own() -> None:
    """One target on two models is called twice, each with its own verdict."""
    house = House({"targets/a.json": document(models=[MODEL, "claude-opus-4-8"])})
    report = await house.run()
    assert sorted(call.model for call in house.messages.calls) == ["claude-opus-4-8", MODEL]
    assert report.count(Outcome.WARMED) == 2


async def test_a_bad_document_never_stops_the_good_ones() -> None:
    """It is in the report, the log and the metric, and the good target is warmed."""
    house = House({"targets/bad.json": {"name": "bad"}, "targets/good.json": document()})
    report = await house.run()
    assert report.count(Outcome.WARMED) == 1
    assert {problem.source for problem in house.log.problems} == {"targets/bad.json"}
    assert house.metrics.value("TargetsInvalid") == 1
    assert [line["source"] for line in report.as_json()["problems"]] == ["targets/bad.json"] * 2


async def test_a_disabled_target_is_skipped_and_counted_but_never_called() -> None:
    """enabled: false keeps the document and makes no call."""
    house = House(numbered(1, enabled=False))
    report = await house.run()
    assert house.messages.calls == []
    assert report.count(Outcome.SKIPPED) == 1
    assert house.metrics.value("EntriesDue") == 0


async def test_entries_with_the_same_bytes_are_called_once() -> None:
    """Twins share one call and its verdict; tokens and cost are counted once."""
    same = document()["request"]
    house = House({f"targets/{name}.json": document(name, request=same) for name in ("a", "b")})
    report = await house.run()
    assert len(house.messages.calls) == 1
    leader, twin = sorted(report.results, key=lambda result: result.shared_with is not None)
    assert (leader.verdict, twin.verdict, twin.shared_with) == (Verdict.WRITTEN, Verdict.WRITTEN, "a")
    assert (twin.usage, twin.cost_usd, twin.call) == (None, None, None)
    assert report.usage == leader.usage
    assert house.metrics.value("EntriesWritten") == 2
    assert house.metrics.value("CacheWrite5mTokens") == report.usage.write_5m_tokens


async def test_another_credential_or_other_betas_is_another_call() -> None:
    """Neither shares an entry with the other, so each is called."""
    same = document()["request"]
    house = House(
        {
            "targets/a.json": document("a", request=same),
            "targets/b.json": document("b", request=same, credential="second"),
            "targets/c.json": document("c", request=same, betas=["x-2026"]),
        },
        messages=FakeMessages(credentials=frozenset({"default", "second"})),
    )
    await house.run()
    assert len(house.messages.calls) == 3


async def test_no_more_than_max_concurrency_calls_are_in_flight() -> None:
    """Fifty entries, four at a time: all are warmed and the bound holds."""
    house = House(numbered(50), max_concurrency=4, max_inflight_bytes=10_000)
    report = await house.run()
    assert house.messages.peak == 4
    assert report.count(Outcome.WARMED) == 50


async def test_no_more_than_max_inflight_bytes_of_bodies_are_in_memory() -> None:
    """Every fake document counts 100 bytes: room for 250 bytes lets two calls run at once."""
    house = House(numbered(20), max_inflight_bytes=250)
    report = await house.run()
    assert house.messages.peak == 2
    assert report.count(Outcome.WARMED) == 20


async def test_a_body_larger_than_the_room_goes_alone_instead_of_never() -> None:
    """With room for 50 bytes the 100-byte bodies are warmed one by one."""
    house = House(numbered(3), max_inflight_bytes=50)
    report = await house.run()
    assert (house.messages.peak, report.count(Outcome.WARMED)) == (1, 3)


async def test_what_does_not_fit_in_the_time_is_deferred_with_its_reason() -> None:
    """Each call takes 20 s here: 95 s hold two starts with 65 s in hand, the rest waits for the next tick."""
    house = House(numbered(5), max_concurrency=1)
    house.messages.hook = lambda _: setattr(house.clock, "seconds", house.clock.seconds + 20)
    report = await house.run(seconds=95)
    assert report.count(Outcome.WARMED) == 2
    deferred = [result for result in report.results if result.outcome is Outcome.DEFERRED]
    assert {result.code for result in deferred} == {"deadline"}
    assert "REQUEST_TIMEOUT_SECONDS (60 s)" in deferred[0].reason
    assert "55.0 s of the run were left" in deferred[0].reason
    assert house.metrics.value("EntriesDeferred") == 3
    assert len(house.messages.calls) == 2


async def test_a_slow_bucket_is_counted_too() -> None:
    """The time is looked at again after the body was fetched, before the call is made."""
    house = House(numbered(1))

    def thirty_seconds() -> None:
        house.clock.seconds += 30

    house.targets.before_fetch = thirty_seconds
    report = await house.run(seconds=70)
    assert (report.count(Outcome.DEFERRED), house.messages.calls) == (1, [])


async def test_too_little_time_from_the_start_defers_everything() -> None:
    """No call starts when the timeout and its margin do not fit at all."""
    house = House(numbered(2))
    report = await house.run(seconds=64.9)
    assert (report.count(Outcome.DEFERRED), house.messages.calls) == (2, [])
    assert (await house.run(seconds=65.0)).count(Outcome.WARMED) == 2


FAILURES = [
    (OverloadedError("529", http_status=529), "overloaded", 2),
    (RateLimitedError("429", http_status=429), "rate-limited", 2),
    (UnreachableError("refused"), "unreachable", 2),
    (CallTimeoutError("slow"), "timeout", 1),
    (CredentialError("401", http_status=401), "credential", 1),
    (CredentialError("403", http_status=403), "credential", 1),
    (SpendLimitError("429", http_status=429), "spend-limit", 1),
    (RejectedError("400", http_status=400), "rejected", 1),
]


@pytest.mark.parametrize(("error", "code", "attempts"), FAILURES, ids=str)
async def test_each_failure_has_its_code_its_advice_and_its_number_of_attempts(
    error: WarmCallError, code: str, attempts: int
) -> None:
    """Only "not now" is tried once more; every failure is reported with what to do."""
    house = House(numbered(1), messages=FakeMessages(script=[error, error]))
    report = await house.run()
    (result,) = report.results
    assert (result.outcome, result.verdict, result.code) == (Outcome.FAILED, Verdict.FAILED, code)
    assert result.advice == type(error).advice
    assert result.call is not None
    assert result.call.attempts == len(house.messages.calls) == attempts
    assert house.log.results == [result]
    assert house.metrics.value("EntriesFailed") == 1
    assert house.metrics.value("EntriesWarmed") == 0
    assert result.usage is None
    assert report.cost_usd == 0


async def test_a_retry_that_works_is_a_success_with_two_attempts() -> None:
    """One 529 and then an answer: warmed, and the report says that it took two requests."""
    house = House(numbered(1), messages=FakeMessages(script=[OverloadedError("529")]))
    (result,) = (await house.run()).results
    assert result.verdict is Verdict.WRITTEN
    assert result.call is not None
    assert result.call.attempts == 2
    assert house.clock.slept == [1.0]


async def test_one_failing_entry_never_sinks_another() -> None:
    """An error nobody foresaw is its entry's own: reported by type, never by text, and the others go on."""
    house = House(numbered(3), max_concurrency=1)
    house.messages.script = [RuntimeError("text with a prompt in it")]
    report = await house.run()
    assert (report.count(Outcome.FAILED), report.count(Outcome.WARMED)) == (1, 2)
    (failed,) = [result for result in report.results if result.outcome is Outcome.FAILED]
    assert (failed.code, failed.reason) == ("internal", "unexpected RuntimeError")


async def test_a_target_that_changed_while_the_run_was_reading_it_is_its_own_failure() -> None:
    """The body is not what was listed: nothing is called for it, and the others go on."""
    house = House(numbered(2), max_concurrency=1)
    house.messages.hook = lambda _: house.targets.documents.update({"targets/001.json": document("t001", betas=["x"])})
    report = await house.run()
    assert [(result.outcome, result.code) for result in report.results] == [
        (Outcome.WARMED, None),
        (Outcome.FAILED, "body-unavailable"),
    ]


@pytest.mark.parametrize(
    ("error", "later_calls"),
    [
        (SpendLimitError("429", http_status=429), 0),
        (CredentialError("401", http_status=401), 0),
        (CredentialError("403", http_status=403), 2),
        (RejectedError("400", http_status=400), 2),
    ],
)
async def test_what_stops_a_credential_stops_its_other_calls_of_the_run(error: WarmCallError, later_calls: int) -> None:
    """A spend limit or a refused key makes every further call with it pointless; a 403 may be one model's own."""
    house = House(numbered(3), max_concurrency=1, messages=FakeMessages(script=[error]))
    report = await house.run()
    assert len(house.messages.calls) - 1 == later_calls
    assert report.count(Outcome.FAILED) == 3 - later_calls
    assert {result.code for result in report.results if result.outcome is Outcome.FAILED} == {error.code}


async def test_a_stopped_credential_stops_no_other() -> None:
    """Only the credential that reached its limit is held back."""
    documents: dict[str, object] = {
        "targets/a.json": document("a"),
        "targets/b.json": document("b", credential="second"),
    }
    messages = FakeMessages(script=[SpendLimitError("429")], credentials=frozenset({"default", "second"}))
    report = await House(documents, messages=messages, max_concurrency=1).run()
    assert [result.outcome for result in report.results] == [Outcome.FAILED, Outcome.WARMED]


async def test_an_unreadable_secret_fails_the_run_as_a_whole() -> None:
    """Without any credential nothing can be warmed, so the invocation fails and Lambda counts it."""
    house = House(numbered(3), messages=FakeMessages(script=[SecretUnreadableError("no secret")]))
    with pytest.raises(SecretUnreadableError, match="no secret"):
        await house.run()


async def test_an_api_that_refuses_0_is_asked_with_one_token_and_remembered() -> None:
    """The first call is sent twice, later ones straight with one token, for this model and credential only."""
    house = House(numbered(2), max_concurrency=1, messages=FakeMessages(script=[ZeroRefusedError("max_tokens")]))
    report = await house.run()
    assert [call.form for call in house.messages.calls] == [Form.ZERO, Form.ONE, Form.ONE]
    assert report.count(Outcome.WARMED) == 2
    forms = [result.call.form_reason for result in report.results if result.call]
    assert all("refused max_tokens: 0" in reason for reason in forms)


async def test_a_refusal_of_one_token_is_the_requests_own_fault() -> None:
    """When the same body is refused with one token too, nothing is tried a third time."""
    refused: list[Exception | Answer] = [ZeroRefusedError("max_tokens"), ZeroRefusedError("max_tokens")]
    house = House(numbered(1), messages=FakeMessages(script=refused))
    (result,) = (await house.run()).results
    assert (result.outcome, result.code, len(house.messages.calls)) == (Outcome.FAILED, "rejected", 2)


async def test_a_dry_run_calls_nothing_records_nothing_and_says_the_prices() -> None:
    """Every due entry is planned with the estimated price of a refresh and of a write."""
    house = House({"targets/a.json": document(models=[MODEL, "claude-of-tomorrow"])})
    report = await house.run(Order(dry_run=True))
    assert (house.messages.calls, house.metrics.sets) == ([], [])
    assert [result.outcome for result in report.results] == [Outcome.PLANNED, Outcome.PLANNED]
    assert [result.reason for result in report.results] == [
        f"would be warmed: {Reason.COLD.sentence}; about 8,500 tokens (estimate); {prices}"
        for prices in (
            "0.002550 USD if it is alive, 0.031875 USD if it is cold",
            "price unknown if it is alive, price unknown if it is cold",
        )
    ]


async def test_a_selection_warms_just_the_named_targets() -> None:
    """A name nobody has is a problem of the report with the nearest name; the others are warmed."""
    house = House(numbered(3))
    report = await house.run(Order(targets=("t001", "t001x")))
    assert [result.entry.target.name for result in report.results] == ["t001"]
    assert codes(report.problems) == [ProblemCode.NO_SUCH_TARGET]
    assert "did you mean 't001'?" in report.problems[0].message
    assert report.targets_loaded == 3


async def test_a_selection_publishes_no_picture_of_the_whole() -> None:
    """Alarms read how many targets there are and are due; a run of one of them must not say "one"."""
    house = House(numbered(60), detail="auto")
    await house.run(Order(targets=("t001",)))
    assert (house.metrics.value("TargetsLoaded"), house.metrics.value("EntriesDue")) == (None, None)
    assert house.metrics.value("EntriesWritten") == 1
    assert house.metrics.value("EntriesWritten", Target="t001") is None


async def test_what_was_deferred_goes_first_at_the_next_tick() -> None:
    """With time for two of five, every entry has its turn within three ticks."""
    house = House(numbered(5), max_concurrency=1)
    house.messages.hook = lambda _: setattr(house.clock, "seconds", house.clock.seconds + 20)
    turns = []
    for _ in range(3):
        report = await house.run(seconds=95)
        turns += [result.entry.target.name for result in report.results if result.outcome is Outcome.WARMED]
    assert turns == ["t000", "t001", "t002", "t003", "t004", "t000"]


async def test_a_refused_0_is_not_asked_again_when_the_time_is_up() -> None:
    """The second form is a call like any other: it starts only with its timeout and the margin in hand."""
    house = House(numbered(1), messages=FakeMessages(script=[ZeroRefusedError("max_tokens")]))
    house.messages.hook = lambda _: setattr(house.clock, "seconds", house.clock.seconds + 20)
    (result,) = (await house.run(seconds=70)).results
    assert (result.outcome, result.code, len(house.messages.calls)) == (Outcome.FAILED, "rejected", 1)


async def test_a_refusal_that_one_token_does_not_cure_is_not_remembered() -> None:
    """One over-long target must not send every other one in the dearer form."""
    refused: list[Exception | Answer] = [ZeroRefusedError("max_tokens"), RejectedError("too long")]
    house = House(numbered(2), max_concurrency=1, messages=FakeMessages(script=refused))
    report = await house.run()
    assert [call.form for call in house.messages.calls] == [Form.ZERO, Form.ONE, Form.ZERO]
    assert [result.outcome for result in report.results] == [Outcome.FAILED, Outcome.WARMED]


async def test_no_targets_at_all_is_a_run_like_any_other() -> None:
    """An empty bucket is not an error: the run reports zeros, so that its alarm can tell."""
    house = House({})
    report = await house.run()
    assert report.results == ()
    assert house.metrics.value("TargetsLoaded") == 0
    assert house.log.reports == [report]


async def test_an_unknown_price_is_counted_and_never_zero() -> None:
    """The cost of the entry is unknown, a notice says so, and the metric counts it."""
    house = House(numbered(1, models=["claude-of-tomorrow"]))
    report = await house.run()
    (result,) = report.results
    assert (result.cost_usd, result.estimated_savings_usd) == (None, None)
    assert any("no price is known for claude-of-tomorrow" in notice for notice in result.notices)
    assert house.metrics.value("EntriesUnpriced") == 1


ONE_HOUR = {"type": "ephemeral", "ttl": "1h"}
FIVE_MINUTES = {"type": "ephemeral"}


@pytest.mark.parametrize(
    ("markers", "usage", "notice"),
    [
        ([ONE_HOUR], Usage(write_5m_tokens=5000), "markers ask for ttl 1h; the API granted 5m"),
        ([FIVE_MINUTES], Usage(write_1h_tokens=5000), "markers ask for ttl 5m; the API granted 1h"),
        ([ONE_HOUR, FIVE_MINUTES], Usage(write_5m_tokens=5000), "markers ask for ttl 1h, 5m; the API granted 5m"),
        ([FIVE_MINUTES], Usage(write_5m_tokens=1, write_1h_tokens=1), "markers ask for ttl 5m; the API granted 1h, 5m"),
        ([ONE_HOUR], Usage(write_1h_tokens=5000), None),
        ([ONE_HOUR, FIVE_MINUTES], Usage(write_1h_tokens=1, write_5m_tokens=1), None),
        ([ONE_HOUR, FIVE_MINUTES], Usage(read_tokens=9, write_5m_tokens=1), None),
        ([ONE_HOUR], Usage(read_tokens=5000), None),
        ([ONE_HOUR], Usage(write_1h_tokens=5000, is_split=False), None),
    ],
)
async def test_a_ttl_that_was_not_granted_is_noticed(
    markers: list[dict[str, str]], usage: Usage, notice: str | None
) -> None:
    """Some providers grant 5 minutes for a 1-hour marker; the split of the written tokens shows it."""
    request = {"system": [{"type": "text", "text": "x", "cache_control": marker} for marker in markers]}
    house = House({"targets/a.json": document(request=request)}, messages=FakeMessages(script=[Answer(usage)]))
    (result,) = (await house.run()).results
    assert [found for found in result.notices if "granted" in found] == ([notice] if notice else [])


async def test_the_streamed_form_says_that_output_may_be_billed_beyond_its_usage() -> None:
    """What usage did not show yet is not claimed to be free."""
    request = {**document()["request"], "thinking": {"type": "enabled", "budget_tokens": 1024}}
    (result,) = (await House({"targets/a.json": document(request=request)}).run()).results
    assert any(notice.startswith("closed after message_start") for notice in result.notices)


async def test_the_latency_is_that_of_the_last_request() -> None:
    """Waiting for a retry is not the API's latency."""
    house = House(numbered(1), messages=FakeMessages(script=[OverloadedError("529", retry_after_seconds=30)]))

    def two_seconds(_: WarmCall) -> None:
        house.clock.seconds += 2

    house.messages.hook = two_seconds
    (result,) = (await house.run()).results
    assert result.call is not None
    assert result.call.latency_ms == 2000
    assert house.clock.slept == [30]
