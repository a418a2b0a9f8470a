"""The page on scale: its figures by hand, and what they rest on beside the code and the template."""

from __future__ import annotations

import tracemalloc
from decimal import Decimal

import pytest

from infra.local import scale
from infra.local.lambda_emulator import ROOT
from infra.local.scale import Scale, calls_per_run, entries_per_tick, monthly_usd
from infra.local.transform import read
from prompt_cache_warmer.warm.fan_out import ENTRIES_PER_MESSAGE
from tests.docs.pages import page, rows
from tests.fakes import MemoryQueue
from tests.house import House, numbered

PAGE = page("scale.md")


def test_a_hundred_thousand_entries_by_hand() -> None:
    """Every figure of the table, worked out on paper."""
    found = Scale(100_000)
    assert found.calls_per_minute == 25_000  # 100,000 in four minutes
    assert found.hour_calls_per_minute == 1_786  # in 14 ticks, 56 minutes
    assert found.one_function_seconds == 6_250  # 3,125 waves of 2 s
    assert (found.messages, found.message_seconds) == (3_125, 3)
    assert found.workers == 79  # 9,375 s of work in 120 s
    assert (found.tick_seconds, found.stacks) == (12, 4)
    assert found.memory_mb == 1_664  # 25,000 documents are 75 s of CPU in 82.5 s: 0.91 of 1,769 MB, in steps of 64
    assert scale.HOUR_TICKS == 14


def test_a_months_bill_by_hand() -> None:
    """1,000 entries: 10,800 ticks, 10,800,000 calls, 345,600 messages."""
    found = monthly_usd(Scale(1_000))
    assert {name: usd.quantize(Decimal("0.0001")) for name, usd in found.items()} == {
        # (10,800 + 345,600) x 3 s x 0.5 GB = 534,600 GB-s, and 356,400 requests
        "ticks and workers (Lambda)": Decimal("7.1993"),
        "messages (SQS)": Decimal("0.5495"),  # 725,760 requests and 648,000 polls
        "state, read twice (DynamoDB)": Decimal("2.7000"),
        "state, written (DynamoDB)": Decimal("27.0000"),
        "documents (S3)": Decimal("4.3740"),  # 10,800 lists and 10,800,000 gets
        "log (CloudWatch)": Decimal("17.1720"),  # 32.4 GB
    }


@pytest.mark.parametrize(("timeout", "calls"), [(110, 736), (170, 1_696), (230, 2_656)])
def test_calls_of_a_run_by_hand(timeout: int, calls: int) -> None:
    """Begun in the 45, 105 or 165 s before the last 65, in waves of 32 every 2 s."""
    assert calls_per_run(timeout) == calls
    assert [f"{timeout}", f"{calls:,}"] in rows(PAGE, "one function")


def test_a_tick_ends_where_reading_or_memory_does() -> None:
    """In 82.5 s one processor reads 27,500 documents of 3 ms, and 512 MB have 0.29 of one."""
    assert entries_per_tick() == 27_500
    assert entries_per_tick(512) == 7_959
    assert entries_per_tick(256) == 3_979 < (256 - 150) * 1024**2 // scale.TICK_BYTES_PER_ENTRY


def test_what_is_reckoned_with_are_the_templates_defaults() -> None:
    """And its limits."""
    parameters = read(ROOT / "template.yaml")["Parameters"]
    assert parameters["MaxConcurrency"]["Default"] == scale.CONCURRENCY
    assert parameters["RequestTimeoutSeconds"]["Default"] == scale.REQUEST_TIMEOUT_SECONDS
    assert tuple(parameters["Timeout"]["AllowedValues"]) == scale.TIMEOUTS_SECONDS
    memory = parameters["MemorySize"]
    assert (memory["Default"], memory["MaxValue"]) == (scale.LEAST_MEMORY_MB, scale.MOST_MEMORY_MB)
    assert parameters["TickMinutes"]["Default"] * 60 == scale.TICK_SECONDS


async def test_a_tick_holds_no_more_of_an_entry_than_is_reckoned_with() -> None:
    """Its case, its result and its message, by what Python counts; this index keeps bodies besides."""
    few, many = 100, 500
    grown = []
    for count in (few, many):
        house = House(numbered(count), queue=MemoryQueue(), detail="run")
        tracemalloc.start()
        report = await house.run()
        answer = report.as_json()
        grown.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert answer["totals"]["entries_sent"] == count
    assert (grown[1] - grown[0]) / (many - few) < scale.TICK_BYTES_PER_ENTRY


def test_the_page_says_what_the_stack_does() -> None:
    """Entries of a message, receives until it is given up, and the names of the queues."""
    flat = " ".join(PAGE.split())
    resources = read(ROOT / "template.yaml")["Resources"]
    assert "32 entries a message" in flat
    assert ENTRIES_PER_MESSAGE == 32
    assert "after three times it is in `UnwarmedQueue`" in flat
    assert resources["DueQueue"]["Properties"]["RedrivePolicy"]["maxReceiveCount"] == 3
    assert len(rows(PAGE, "needs")) == 7
    assert rows(PAGE, "bill")[-1][0] == "**all**"
