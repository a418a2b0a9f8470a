"""The article's usages, as it writes them, over real HTTP."""

from __future__ import annotations

import threading
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import schedule as schedule_package

from prompt_cache_warmer import CacheWarmer, Verdict, WarmSchedule
from tests.library import LONG_SYSTEM_PROMPT, TOOL_SCHEMAS
from tests.library_http import client

if TYPE_CHECKING:
    from infra.local.messages_api import LocalMessagesApi
    from prompt_cache_warmer import WarmResult

WAIT_SECONDS = 10.0  # for a thread that needs milliseconds, on a machine that may be busy


def article_warmer(api: LocalMessagesApi) -> CacheWarmer:
    """Make the warmer of the article's first usage."""
    anthropic_client = client(api.base_url)

    warmer = CacheWarmer(client=anthropic_client, model="claude-sonnet-4-6")
    warmer.add(
        system_prompt=LONG_SYSTEM_PROMPT,
        seed_messages=[{"role": "user", "content": "ping"}],
        tools=TOOL_SCHEMAS,
    )
    return warmer


def test_the_first_usage_warms_and_says_what_came_of_it(api: LocalMessagesApi) -> None:
    """The article's counts are those of the API's own ledger, and the savings are net of the call's own cost.

    "warmer = CacheWarmer(client=anthropic_client, model="claude-sonnet-4-6")"
    "warmer.add(system_prompt=LONG_SYSTEM_PROMPT, seed_messages=[{"role": "user", "content": "ping"}],
    tools=TOOL_SCHEMAS)"
    "result = warmer.warm()"
    "result.cache_creation_tokens, result.cache_read_tokens, result.input_tokens, result.output_tokens,
    result.estimated_savings"
    """
    result = article_warmer(api).warm()
    usage = api.requests[0].usage
    assert usage is not None
    assert result.cache_creation_tokens == usage.cache_creation_input_tokens > 5_000
    assert result.cache_read_tokens == 0
    assert result.input_tokens == usage.input_tokens > 0
    assert result.output_tokens == 0
    # A read costs 0.30 instead of 3.00 USD per million tokens; the write cost 3.75, the placeholder 3.00.
    cost = (result.cache_creation_tokens * Decimal("3.75") + result.input_tokens * 3) / 1_000_000
    assert result.cost_usd == cost
    assert result.estimated_savings == result.cache_creation_tokens * Decimal("2.70") * 100 / 1_000_000 - cost


def test_what_was_warmed_is_what_the_application_reads(api: LocalMessagesApi) -> None:
    """The application's own request, marked where ours is, reads every token that was written."""
    result = article_warmer(api).warm()
    answer = client(api.base_url).messages.create(
        model="claude-sonnet-4-6",
        max_tokens=16,
        system=[{"type": "text", "text": LONG_SYSTEM_PROMPT, "cache_control": {"type": "ephemeral"}}],
        tools=TOOL_SCHEMAS,  # type: ignore[arg-type] # plain dictionaries, as the article has them
        messages=[{"role": "user", "content": "Where is my order?"}],
    )
    assert answer.usage.cache_read_input_tokens == result.cache_creation_tokens


def test_the_first_usage_prints_as_the_article_does(api: LocalMessagesApi) -> None:
    """The article's own line of output works, whatever the model's price is known to be.

    "print(f"{result.cache_creation_tokens} tokens cached, saves ${result.estimated_savings:.4f} on the first 100
    requests")"
    """
    result = article_warmer(api).warm()
    printed = (
        f"{result.cache_creation_tokens} tokens cached, saves ${result.estimated_savings:.4f} on the first 100 requests"
    )
    assert printed == "7798 tokens cached, saves $2.0762 on the first 100 requests"


def test_the_second_usage_warms_in_the_background(api: LocalMessagesApi) -> None:
    """A thread warms until it is told to stop, and in a `with` block until its end.

    "schedule = WarmSchedule(warmer=warmer, interval_seconds=240); schedule.start()" "background thread; and stop(),
    and `with`"
    """
    results: list[WarmResult] = []
    came = threading.Event()

    def note(result: WarmResult) -> None:
        results.append(result)
        came.set()

    warmer = article_warmer(api)
    schedule = WarmSchedule(warmer=warmer, interval_seconds=240, on_result=note)
    schedule.start()
    assert came.wait(WAIT_SECONDS)
    assert schedule.is_running
    assert schedule.stop()
    assert [result.verdict for result in results] == [Verdict.WRITTEN]

    came.clear()
    api.clock.advance(240)
    with WarmSchedule(warmer=article_warmer(api), interval_seconds=240, on_result=note) as again:
        assert came.wait(WAIT_SECONDS)
    assert not again.is_running
    assert results[-1].verdict is Verdict.REFRESHED


def test_the_third_usage_runs_in_the_schedule_packages_loop(api: LocalMessagesApi) -> None:
    """The loop calls the bound method every four minutes and ignores what it returns.

    "The third usage it shows is the `schedule` package's own loop: `schedule.every(4).minutes.do(warmer.warm)` with
    `run_pending()` once a second. It must work too (test dependency)."
    """
    warmer = article_warmer(api)
    schedule = schedule_package.Scheduler()
    job = schedule.every(4).minutes.do(warmer.warm)
    schedule.run_pending()
    assert not any(api.requests)
    for _ in range(3):
        assert job.next_run is not None
        job.next_run -= timedelta(minutes=4)  # four minutes go by
        api.clock.advance(240)
        schedule.run_pending()
    used = [request.usage for request in api.requests]
    assert [usage is not None and usage.cache_read_input_tokens > 0 for usage in used] == [False, True, True]
