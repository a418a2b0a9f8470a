"""Whether report, log, metrics, state and the true calls say the same, to the token and the cent."""

from __future__ import annotations

import json
from collections import defaultdict
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from infra.local.emf import EmfError, emf_lines
from tests.campaign.world import price

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tests.campaign.cloud import Call
    from tests.campaign.executor import Run, TickRecord

PICO = 10**12
# What a metric and the report's totals call the same thing.
NAMES = {
    "TargetsLoaded": "targets_loaded",
    "TargetsInvalid": "targets_invalid",
    "EntriesDue": "entries_due",
    "EntriesWarmed": "entries_warmed",
    "EntriesDeferred": "entries_deferred",
    "EntriesSkipped": "entries_skipped",
    "EntriesCapped": "entries_capped",
    "BreakersOpen": "breakers_open",
    "EntriesRefreshed": "refreshed",
    "EntriesWritten": "written",
    "EntriesPartial": "partial",
    "EntriesUncached": "uncached",
    "EntriesFailed": "failed",
    "EntriesLapsed": "entries_lapsed",
    "CacheReadTokens": "read_tokens",
    "CacheWrite5mTokens": "write_5m_tokens",
    "CacheWrite1hTokens": "write_1h_tokens",
    "UncachedInputTokens": "uncached_tokens",
}
PER_ENTRY = ("EntriesRefreshed", "EntriesWritten", "EntriesFailed", "CacheReadTokens", "CacheWrite5mTokens")


def agreement(tick: TickRecord, run: Run) -> Iterator[str]:
    """Say where they differ."""
    assert run.report is not None
    totals = run.report["totals"]
    answered = [call for call in tick.calls if call.lane is run.sandbox.lane and call.seen is not None]
    yield from _calls(tick, run, answered)
    yield from _metrics(run, totals)
    finished = [line for line in _lines(run.output) if line.get("message") == "run finished"]
    if len(finished) != 1 or any(finished[0].get(name) != value for name, value in totals.items()):
        yield "the log's totals are not the report's"
    if tick.script.is_healthy and len(tick.runs) == 1:
        yield from _state(tick, run)


def _calls(tick: TickRecord, run: Run, answered: list[Call]) -> Iterator[str]:
    """Compare each entry's tokens and money with the answer it speaks of."""
    assert run.report is not None
    entries = run.report["entries"]
    slow = {(entry["target"], entry["model"]) for entry in entries if entry.get("code") == "timeout"}
    billed = [entry for entry in entries if "read_tokens" in entry]
    cost, tokens = Decimal(0), defaultdict[str, int](int)
    used: set[int] = set()
    for entry in billed:
        target = tick.targets.get(entry["target"])
        by_id = [call for call in answered if call.message_id and call.message_id == entry.get("message_id")]
        found = by_id or [
            call
            for call in answered
            if not call.message_id
            and target is not None
            and call.model == entry["model"]
            and call.prompt.startswith(f"p{target.prompt:03}.")
        ]
        if not found:
            yield f"{entry['target']} on {entry['model']} is billed and no answer says so"
            continue
        used.add(id(found[0]))
        ttl = "5m" if target is None else target.ttl
        cost += price(entry["model"], found[0].seen or {}, ttl=ttl)
        for name, count in _tokens(found[0].seen or {}, ttl).items():
            tokens[name] += count
    for call in answered:
        owners = {name for name, target in tick.targets.items() if target.prompt == int(call.prompt[1:4])}
        if call.is_certain and id(call) not in used and not any((name, call.model) in slow for name in owners):
            said = [(one["outcome"], one.get("code"), one["reason"]) for one in entries if one["target"] in owners]
            yield f"the answer to {call.prompt} on {call.model} is in no entry: {said}"
    totals = run.report["totals"]
    if Decimal(totals["cost_usd"]) != cost:
        yield f"the report says {totals['cost_usd']} USD, the answers {cost}"
    for name, count in tokens.items():
        if totals[name] != count:
            yield f"the report says {name} {totals[name]}, the answers {count}"


def _tokens(usage: Mapping[str, Any], ttl: str) -> dict[str, int]:
    split = usage.get("cache_creation") or {}
    short, long = split.get("ephemeral_5m_input_tokens") or 0, split.get("ephemeral_1h_input_tokens") or 0
    rest = (usage.get("cache_creation_input_tokens") or 0) - short - long
    return {
        "read_tokens": usage.get("cache_read_input_tokens") or 0,
        "write_5m_tokens": short + (0 if ttl == "1h" else rest),
        "write_1h_tokens": long + (rest if ttl == "1h" else 0),
        "uncached_tokens": usage.get("input_tokens") or 0,
    }


def _metrics(run: Run, totals: Mapping[str, Any]) -> Iterator[str]:
    try:
        blobs = emf_lines(run.output)
    except EmfError as error:
        yield f"a metric line is none: {error}"
        return
    whole, parts = _sums(blobs)
    for name, total in NAMES.items():
        if whole.get(name) != totals[total]:
            yield f"{name} is {whole.get(name)}, the report says {totals[total]}"
    if whole.get("WarmCostUSD") != float(totals["cost_usd"]):
        yield f"WarmCostUSD is {whole.get('WarmCostUSD')}, the report says {totals['cost_usd']}"
    for name in PER_ENTRY if parts else ():
        if parts.get(name) != whole[name]:
            yield f"the parts of {name} are {parts.get(name)}, the whole is {whole[name]}"


def _sums(blobs: list[dict[str, Any]]) -> tuple[dict[str, float], dict[str, float]]:
    """Sum the metrics of the whole run, and those of its targets or entries."""
    whole: dict[str, float] = defaultdict(float)
    parts: dict[str, float] = defaultdict(float)
    for blob in blobs:
        for directive in blob["_aws"]["CloudWatchMetrics"]:
            (dimensions,) = directive["Dimensions"]
            sums = whole if len(dimensions) == 1 else parts
            for metric in directive["Metrics"] if "Cause" not in dimensions else ():
                value = blob[metric["Name"]]
                sums[metric["Name"]] += sum(value) if isinstance(value, list) else value
    return whole, parts


def _state(tick: TickRecord, run: Run) -> Iterator[str]:
    """Compare what a tick without any fault spent with what the table says it did."""
    assert run.report is not None
    day = f"usd {run.started_at.date().isoformat()}"
    before, after = (
        Decimal(items.get("stack", {}).get(day, {"N": "0"})["N"]) / PICO
        for items in (tick.items_before, tick.items_after)
    )
    cost, told = Decimal(run.report["totals"]["cost_usd"]), Decimal(run.report["budget"]["day"]["spent_usd"])
    # A stream that is closed early counts in the table with all the output that the API may bill.
    is_more = any(entry.get("code") == "timeout" or entry.get("form") == "streamed" for entry in run.report["entries"])
    if not is_more and after - before != cost:
        yield f"the table's day grew by {after - before} USD, the report says {cost}"
    if not any(entry.get("code") == "timeout" for entry in run.report["entries"]) and told != after:
        yield f"the report says {told} USD for the day, the table {after}"


def _lines(output: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in output.splitlines() if line.startswith("{") and '"_aws"' not in line]
