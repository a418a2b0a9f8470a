"""Money end to end: what is counted as spent where the API answers, refuses or says nothing, against its own usage."""

from __future__ import annotations

from decimal import Decimal

import pytest

from infra.local.messages_api import Fault
from tests.deployments import MESSAGES, TICK_MINUTES, Deployment, codes, days_spending, price, prompt
from tests.fakes import document

# Powertools warns of time stamps that CloudWatch would refuse; the clock here stands at a day long past.
pytestmark = pytest.mark.filterwarnings("ignore:This metric doesn't meet the requirements")

AMPLE_USD = "1"
WRITE_5M_USD = Decimal("3.75") / 1_000_000
OUTPUT_USD = Decimal(15) / 1_000_000


def worst_case(tokens: int) -> Decimal:
    """Price a full write for 5 minutes: a tenth more tokens than the API counts, rounded up, and one of output."""
    return (tokens * 11 // 10 + 1) * WRITE_5M_USD + OUTPUT_USD


def tokens_of(deployment: Deployment) -> int:
    """Return the input tokens of the last call."""
    usage = deployment.calls[-1].usage
    assert usage is not None
    return usage.input_tokens + usage.cache_creation_input_tokens + usage.cache_read_input_tokens


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        pytest.param(Fault(kind="delay", seconds=4, path=MESSAGES), "timeout", id="timeout"),
        pytest.param(Fault(kind="slow_body", seconds=6, path=MESSAGES), "timeout", id="an answer that is cut off"),
        pytest.param(Fault(kind="drop", path=MESSAGES), "unreachable", id="lost connection"),
    ],
)
def test_a_call_without_an_answer_is_counted_at_its_worst_case(deployment: Deployment, fault: Fault, code: str) -> None:
    """It may be billed, so under a cap it is sent once; the next tick's call is counted on top, at its real cost."""
    capped = Deployment(deployment.cloud, MAX_USD_PER_DAY=AMPLE_USD, REQUEST_TIMEOUT_SECONDS="2")
    capped.cloud.put("targets/a.json", document("a", request=prompt("5m")))
    capped.cloud.api.faults.add(fault)
    failed, good = capped.ticks(2)
    assert [(entry["code"], entry["attempts"]) for entry in failed["entries"]] == [(code, 1)]
    last = capped.calls[-1].usage
    assert last is not None
    worst = worst_case(tokens_of(capped))
    assert days_spending(failed) == worst
    assert days_spending(good) == worst + price(last.as_json())
    assert days_spending(good) >= capped.cost_usd


def test_an_error_status_gives_the_reserved_money_back(deployment: Deployment) -> None:
    """An overloaded API bills nothing: after two refusals the day has spent 0, then what the next tick's call cost."""
    capped = Deployment(deployment.cloud, MAX_USD_PER_DAY=AMPLE_USD)
    capped.cloud.put("targets/a.json", document("a", request=prompt("5m")))
    capped.cloud.api.faults.add(Fault(kind="status", status=529, times=2, path=MESSAGES))
    refused, good = capped.ticks(2)
    assert [codes(refused), codes(good)] == [["failed"], ["written"]]
    assert days_spending(refused) == 0
    assert days_spending(good) == capped.cost_usd > 0


def test_the_days_budget_is_measured_and_what_it_keeps_back_is_counted(deployment: Deployment) -> None:
    """Two writes at 0.0151 USD are three quarters of 0.04, and the third entry has no room left."""
    capped = Deployment(deployment.cloud, MAX_USD_PER_DAY="0.04")
    for name in ("a", "b", "c"):
        capped.cloud.put(f"targets/{name}.json", document(name, request=prompt("5m", f"You are bot {name}. ")))
    answer = capped.tick()
    assert sorted(codes(answer)) == ["stack-day-cap", "written", "written"]
    assert capped.metric("EntriesCapped") == 1
    assert capped.metric("DayBudgetUsed") == pytest.approx(float(capped.cost_usd / Decimal("0.04") * 100))
    assert capped.metric("DayBudgetUsed") == pytest.approx(75, abs=1)
    assert capped.metric("MonthBudgetUsed") is None
    capped.wait(TICK_MINUTES)
    assert set(codes(capped.tick())) == {"stack-day-cap"}
    assert capped.metric("EntriesCapped") == 4
    assert len(capped.calls) == 2


def test_a_targets_cap_of_0_allows_nothing_and_leaves_the_others_alone(deployment: Deployment) -> None:
    """No cap is everything, 0 is nothing; the neighbour is written."""
    deployment.cloud.put("targets/a.json", document("a", request=prompt("5m"), max_usd_per_day="0"))
    deployment.cloud.put("targets/b.json", document("b", request=prompt("5m", "You are b. ")))
    answers = deployment.ticks(2)
    assert [sorted(codes(answer)) for answer in answers] == [
        ["target-day-cap", "written"],
        ["refreshed", "target-day-cap"],
    ]
    assert {received.body["system"][0]["text"][:10] for received in deployment.calls} == {"You are b."}


def test_a_cap_of_the_month_outlives_the_day(deployment: Deployment) -> None:
    """Two writes fit into the month; on the next day its day is new, and its month is not."""
    capped = Deployment(deployment.cloud, MAX_USD_PER_DAY=AMPLE_USD, MAX_USD_PER_MONTH="0.04")
    capped.cloud.put("targets/a.json", document("a", request=prompt("5m")))
    first = capped.tick()
    capped.wait(24 * 60)
    second = capped.tick()
    capped.wait(24 * 60)
    third = capped.tick()
    assert [codes(answer) for answer in (first, second, third)] == [["written"], ["written"], ["stack-month-cap"]]
    assert days_spending(third) == 0
    assert Decimal(third["budget"]["month"]["spent_usd"]) == capped.cost_usd
