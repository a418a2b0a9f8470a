"""Several sandboxes of one deployment at the same moment, in threads: no entry is called twice, no cap is passed."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from decimal import Decimal
from time import sleep

import pytest

from tests.deployments import TICK_MINUTES, Deployment, codes
from tests.fakes import MODEL, document

pytestmark = [
    # Powertools warns of time stamps that CloudWatch would refuse; the clock here stands at a day long past.
    pytest.mark.filterwarnings("ignore:This metric doesn't meet the requirements"),
    pytest.mark.others_call("cloudwatch:PutMetricData"),  # the local cloud, which takes the metrics out of the output
]

MODELS = [MODEL, "claude-opus-4-8", "claude-haiku-4-5", "claude-opus-4-7", "claude-sonnet-5"]
CAP_USD = Decimal("0.10")


def fill(deployment: Deployment, count: int, *, characters: int, **changes: object) -> None:
    """Upload that many targets with prompts of their own."""
    for number in range(count):
        text = f"You are bot {number:04}. "
        request = {"system": (text * (characters // len(text)))}
        deployment.cloud.put(f"targets/{number:04}.json", document(f"bot-{number:04}", request=request, **changes))


def called(deployment: Deployment) -> Counter[tuple[str, str]]:
    """Count the calls of each entry, by model and prompt."""
    return Counter((call.body["model"], call.body["system"][0]["text"]) for call in deployment.calls)


def test_two_sandboxes_with_the_same_tick_call_each_of_200_entries_once(deployment: Deployment) -> None:
    """40 targets on 5 models: one of the two makes each call, and each reports all entries.

    Of 1,000 entries 950 were called once each and 50 deferred by the deadline, in 49 s on two busy cores, most of
    them moto's; 200 take 9 s.
    """
    deployment.cloud.api.minimum_cacheable_tokens = dict.fromkeys(MODELS, 1)
    fill(deployment, 40, characters=400, models=MODELS)
    answers = deployment.tick_at_once([deployment.function, deployment.sandbox()])
    assert set(called(deployment).values()) == {1}
    assert len(called(deployment)) == 200
    totals = [answer["totals"] for answer in answers]
    assert [found["entries"] for found in totals] == [200, 200]
    assert [sum(found[name] for found in totals) for name in ("written", "entries_skipped")] == [200, 200]


def test_a_tick_that_comes_again_while_the_first_still_runs_calls_nothing_more(deployment: Deployment) -> None:
    """The first delivery waits for slow answers; the second one, a moment later, finds every entry claimed."""
    deployment.cloud.api.prefill_seconds = 1.5
    fill(deployment, 5, characters=8_000)
    late = deployment.sandbox()
    with ThreadPoolExecutor(1) as thread:
        first = thread.submit(deployment.tick_at_once, [deployment.function])
        while deployment.cloud.api.peak_connections < 5:
            sleep(0.05)
        second = deployment.tick_at_once([late])
        assert not first.done()
    assert [codes(answer) for answer in (first.result()[0], second[0])] == [["written"] * 5, ["claimed"] * 5]
    assert len(deployment.calls) == 5


def test_eight_sandboxes_at_once_never_pass_the_cap_of_the_day(deployment: Deployment) -> None:
    """Of 24 writes at 0.0151 USD, a cap of 0.10 lets 6 pass, whoever makes them: the seventh may need 0.0166 more.

    The API's own answers are what is summed. The next day there are six more, and again no more.
    """
    fill(deployment, 24, characters=16_000)
    capped = Deployment(deployment.cloud, MAX_USD_PER_DAY=f"{CAP_USD}")
    sandboxes = [capped.sandbox() for _ in range(8)]
    for tick in range(3):
        answers = capped.tick_at_once(sandboxes)
        assert len(capped.calls) == 6, f"tick {tick}"
        assert Decimal("0.090") < capped.cost_usd < Decimal("0.091")
        assert sum(answer["totals"]["failed"] for answer in answers) == 0
        capped.wait(TICK_MINUTES)
    assert set(called(capped).values()) == {1}
    capped.wait_until(capped.started_at + timedelta(days=1))
    capped.tick_at_once(sandboxes)
    assert len(capped.calls) == 12
    assert capped.cost_usd < 2 * CAP_USD
