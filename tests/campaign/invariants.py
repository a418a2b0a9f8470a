"""What must hold after every tick, whatever went wrong in it."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from prompt_cache_warmer.errors import RunError
from tests.campaign.bookkeeping import agreement
from tests.campaign.healing import Healing
from tests.campaign.world import KEY_CANARY
from tests.canaries import CAMPAIGN_BODY

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tests.campaign.cloud import Call, CampaignCloud
    from tests.campaign.executor import Run, TickRecord

PICO = 10**12
MILLISECONDS = 1000
PROOF, CAPS, COVERAGE, LEASE, SECRECY, HEALING, AGREEMENT, CONDUCT = (
    "no success without proof",
    "no cent over a cap",
    "nothing left out",
    "no double call in a lease",
    "no prompt or key in an output",
    "the next healthy tick heals",
    "report, metrics and ledger agree",
    "no defect and no hang",
)
INVARIANTS = (PROOF, CAPS, COVERAGE, LEASE, SECRECY, HEALING, AGREEMENT, CONDUCT)
Found = tuple[str, str]
"""An invariant that does not hold, and in words why not."""


class Inspector:
    """Looks at every tick, with the truth in hand.

    Args:
        cloud: knows the truth.
        settings: the deployment's own.
    """

    def __init__(self, cloud: CampaignCloud, settings: Mapping[str, str]) -> None:
        self._cloud = cloud
        self._cap = Decimal(settings["MAX_USD_PER_DAY"]) if "MAX_USD_PER_DAY" in settings else None
        self._spent: dict[str, Decimal] = defaultdict(Decimal)
        self._spent_by_prompt: dict[tuple[str, int], Decimal] = defaultdict(Decimal)
        self._healing = Healing(cloud, self._cap)

    def table_lost(self) -> None:
        """Know that what was spent is forgotten."""
        self._spent.clear()
        self._spent_by_prompt.clear()

    def evicted(self) -> None:
        """Know that the API forgot everything, which nobody can see before the next call."""
        self._healing.evicted()

    def inspect(self, tick: TickRecord) -> list[Found]:
        """Look at a tick."""
        return [
            *self._conduct(tick),
            *self._coverage(tick),
            *self._proof(tick),
            *self._money(tick),
            *self._leases(tick),
            *self._secrecy(tick),
            *((AGREEMENT, words) for run in _whole(tick) for words in agreement(tick, run)),
            *((HEALING, words) for words in self._healing.look(tick)),
        ]

    def _conduct(self, tick: TickRecord) -> Iterator[Found]:
        has_aws_fault = any(name.startswith(("s3", "dynamodb", "secrets")) for name in tick.fired)
        for run in tick.runs:
            if not run.is_over:
                yield CONDUCT, f"the run of {run.sandbox.lane.name} hangs"
            elif (
                run.error is not None and not run.was_ended and not (isinstance(run.error, RunError) and has_aws_fault)
            ):
                yield CONDUCT, f"it raised {type(run.error).__name__}: {run.error}"
            for entry in _entries(run):
                if entry.get("code") == "internal":
                    yield CONDUCT, f"{entry['target']} {entry['model']}: {entry['reason']}"

    def _coverage(self, tick: TickRecord) -> Iterator[Found]:
        for run in _whole(tick):
            report = run.report or {}
            listed = Counter((entry["target"], entry["model"]) for entry in report["entries"])
            totals, told = (
                report["totals"],
                {problem["source"] for problem in report["problems"] if _is_reason(problem)},
            )
            if any(count > 1 for count in listed.values()) or sum(listed.values()) != totals["entries"]:
                yield COVERAGE, f"{sum(listed.values())} entries are listed, {totals['entries']} counted"
            outcomes = ("failed", "deferred", "warmed", "planned", "skipped")
            if sum(totals[f"entries_{outcome}"] for outcome in outcomes) != totals["entries"]:
                yield COVERAGE, "the outcomes do not add up to the entries"
            expected = {(name, model) for name, target in tick.targets.items() for model in target.models}
            for name, model in sorted(expected - set(listed)):
                if name not in tick.touched and tick.targets[name].key not in told:
                    yield COVERAGE, f"{name} on {model} is in no line and no problem"
            for name, model in sorted(set(listed) - expected):
                yield COVERAGE, f"{name} on {model} is reported and does not exist"
            for entry in report["entries"]:
                is_told = entry.get("reason") and (entry.get("verdict") or entry.get("code"))
                if not is_told and entry["outcome"] != "warmed":
                    yield COVERAGE, f"{entry['target']} is {entry['outcome']} without a reason"

    def _proof(self, tick: TickRecord) -> Iterator[Found]:
        for run in _whole(tick):
            calls = {call.message_id: call for call in tick.calls if call.lane is run.sandbox.lane and call.message_id}
            leaders = {(entry["target"], entry["model"]): entry for entry in _entries(run)}
            for entry in _entries(run):
                if entry.get("verdict") in (None, "failed"):
                    continue
                leader = leaders.get((entry.get("shared_with", entry["target"]), entry["model"]), {})
                call = calls.get(str(leader.get("message_id")))
                place = f"{entry['target']} on {entry['model']} is {entry['verdict']}"
                if call is None:
                    call = self._by_prompt(tick, run, entry) if leader.get("verdict") else None
                if call is None or call.seen is None:
                    yield PROOF, f"{place} and no answer proves it"
                elif _verdict(call.seen) != entry["verdict"]:
                    yield PROOF, f"{place}, its answer says {_verdict(call.seen)}"
                elif entry["target"] in tick.targets and not self._is_its(tick, call, entry):
                    yield PROOF, f"{place} by the call of another prompt, model or workspace"

    def _by_prompt(self, tick: TickRecord, run: Run, entry: Mapping[str, Any]) -> Call | None:
        """Find the call of an entry whose answer's id was not kept."""
        found = [call for call in tick.calls if call.lane is run.sandbox.lane and self._is_its(tick, call, entry)]
        return found[-1] if found else None

    def _is_its(self, tick: TickRecord, call: Call, entry: Mapping[str, Any]) -> bool:
        target = tick.targets.get(entry["target"])
        return call.model == entry["model"] and (
            target is None or entry["target"] in tick.touched or call.prompt == target.prompt_id
        )

    def _money(self, tick: TickRecord) -> Iterator[Found]:
        days = {run.sandbox.lane.name: run.started_at.date().isoformat() for run in tick.runs}
        for call in tick.calls:
            day = days[call.lane.name]
            self._spent[day] += call.usd
            self._spent_by_prompt[day, int(call.prompt[1:4])] += call.usd
        for day in sorted(set(days.values())):
            counted = Decimal(tick.items_after.get("stack", {}).get(f"usd {day}", {"N": "0"})["N"]) / PICO
            if self._cap is not None and self._spent[day] > self._cap:
                yield CAPS, f"{self._spent[day]} USD were spent on {day}, the cap is {self._cap}"
            if self._cap is not None and counted < self._spent[day]:
                yield CAPS, f"{self._spent[day]} USD were spent on {day}, the state counts {counted}"
            for (other_day, prompt), spent in self._spent_by_prompt.items():
                if other_day == day:
                    yield from self._money_of_target(tick, day, prompt, spent)

    def _money_of_target(self, tick: TickRecord, day: str, prompt: int, spent: Decimal) -> Iterator[Found]:
        targets = [target for target in tick.targets.values() if target.prompt == prompt]
        if len(targets) != 1 or targets[0].cap is None:
            return  # of twins nobody but the handler knows whose call it was, and they have no caps
        (target,) = targets
        item = tick.items_after.get(f"target/{target.name}", {})
        counted = Decimal(item.get(f"usd {day}", {"N": "0"})["N"]) / PICO
        if spent > Decimal(str(target.cap)):
            yield CAPS, f"{target.name} cost {spent} USD on {day}, its cap is {target.cap}"
        if counted < spent:
            yield CAPS, f"{target.name} cost {spent} USD on {day}, the state counts {counted}"

    def _leases(self, tick: TickRecord) -> Iterator[Found]:
        leases = _leases_of(tick.items_before)
        lanes: dict[tuple[str, str, str], set[str]] = defaultdict(set)
        for call in tick.calls:
            holders = [target for target in tick.targets.values() if target.prompt_id == call.prompt]
            for target in holders:
                lanes[call.prompt, call.model, target.credential].add(call.lane.name)
                until = leases.get((target.name, target.credential, call.model), 0.0)
                if call.at_seconds + max(0.0, tick.script.skew_seconds) < until - 0.001:
                    yield LEASE, f"{target.name} on {call.model} is called {until - call.at_seconds:.1f} s too early"
        for (prompt, model, _), callers in lanes.items():
            if len(callers) > 1 and tick.script.skew_seconds >= 0:
                yield LEASE, f"{prompt} on {model} is called by {len(callers)} runs of one tick"

    def _secrecy(self, tick: TickRecord) -> Iterator[Found]:
        everything = {
            "the report": json.dumps([run.report for run in tick.runs]),
            "the output": "".join(run.output for run in tick.runs) + tick.elsewhere,
            "the state": json.dumps(tick.items_after, default=repr),
            "the error": " ".join(repr(run.error) for run in tick.runs),
        }
        for place, text in everything.items():
            for canary in ("canary-p", KEY_CANARY, CAMPAIGN_BODY):
                if canary in text:
                    at = text.index(canary)
                    yield SECRECY, f"{place} holds {canary}: ...{text[max(0, at - 120) : at + 60]}..."
        if tick.elsewhere.strip():
            yield CONDUCT, f"it printed {tick.elsewhere[:300]!r}"


def _whole(tick: TickRecord) -> list[Run]:
    """Return the runs whose report counts."""
    return [run for run in tick.runs if run.report is not None and not run.was_ended]


def _is_reason(problem: Mapping[str, Any]) -> bool:
    """Tell whether a problem says why a target is left out; a warning does not."""
    return str(problem["severity"]) == "error" or str(problem["code"]) == "not-read-yet"


def _entries(run: Run) -> list[dict[str, Any]]:
    return [] if run.report is None or run.was_ended else list(run.report["entries"])


def _verdict(usage: Mapping[str, Any]) -> str:
    """Read a usage by the facts document's own table."""
    read = (usage.get("cache_read_input_tokens") or 0) > 0
    written = (usage.get("cache_creation_input_tokens") or 0) > 0
    return {(True, False): "refreshed", (False, True): "written", (True, True): "partial"}.get(
        (read, written), "uncached"
    )


def _leases_of(items: Mapping[str, Any]) -> dict[tuple[str, str, str], float]:
    """Read who is claimed until when, in seconds."""
    found = {}
    for key, item in items.items():
        for name, value in item.items():
            words = name.split(" ")
            if key.startswith("target/") and words[-1] == "claim":
                until = int(value["M"]["until"]["N"]) / MILLISECONDS
                found[key.removeprefix("target/"), words[0], words[1]] = until
    return found
