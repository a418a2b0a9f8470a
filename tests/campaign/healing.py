"""Whether a tick in which nothing goes wrong makes good what went wrong before it."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from tests.campaign.answers import STOPPED
from tests.campaign.world import PRICES, WORKSPACES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tests.campaign.cloud import CampaignCloud
    from tests.campaign.executor import TickRecord
    from tests.campaign.world import TargetSpec

PICO = 10**12
MILLION = 1_000_000
LEFT_SECONDS = 239  # what is warm outlives the next tick
COOL_DOWN_SECONDS = 61 * 60
CAPPED = frozenset({"target-day-cap", "stack-day-cap", "stack-month-cap", "call-cap"})
BODY_BYTES = 1_000  # what a body has around its prompt, with room to spare
ADDED_TOKENS = 2_000


class Healing:
    """Looks at ticks that should heal, and knows what may still be ill.

    Args:
        cloud: knows what is warm.
        cap: the stack's cap of the day in USD.
    """

    def __init__(self, cloud: CampaignCloud, cap: Decimal | None) -> None:
        self._cloud = cloud
        self._cap = cap
        self._evicted_seconds = 0.0
        self._failed_seconds: dict[tuple[str, str], float] = {}
        self._stopped_seconds = float("-inf")
        self._had_capped = False
        self._had_capped_trials: set[str] = set()
        self._capped_trials: set[str] = set()

    def evicted(self) -> None:
        """Know that what is remembered as warm may not be."""
        self._evicted_seconds = self._cloud.now_seconds()

    def look(self, tick: TickRecord) -> Iterator[str]:
        """Look at a tick."""
        self._remember(tick)
        if not tick.script.is_healthy:
            return
        (run,) = tick.runs
        if run.report is None:
            yield f"it raised {run.error!r}"
            return
        for problem in run.report["problems"]:
            if problem["severity"] != "error":
                continue
            yield f"{problem['source']} has a problem: {problem['message']}"
        lines = {(entry["target"], entry["model"]): entry for entry in run.report["entries"]}
        has_capped = self._had_capped or _has_capped(lines)  # a trial that a cap held back tried nothing
        self._had_capped = _has_capped(lines)
        now_capped = _capped_trials(lines)
        self._capped_trials, self._had_capped_trials = now_capped | self._had_capped_trials, now_capped
        for target in tick.targets.values():
            for model in target.models:
                entry = lines.get((target.name, model), {})
                if entry.get("outcome") in ("failed", "deferred") and entry.get("code") != "timeout":
                    yield f"{target.name} on {model} is {entry['outcome']}: {entry.get('reason')}"
                if target.keep == "always" and not self._is_warm(target, model):
                    excuse = self._excuse(tick, target, entry, has_capped=has_capped)
                    if not excuse:
                        yield f"{target.name} on {model} is not warm: {entry.get('verdict')} {entry.get('code')}"

    def _remember(self, tick: TickRecord) -> None:
        for told in tick.fired:
            _, kind, *name = told.split(" ", 2)
            if (kind == "status" and name and name[0] in STOPPED) or kind == "rotated":
                self._stopped_seconds = tick.now_seconds
        if any(change.kind == "rotate" for change in tick.script.changes):
            self._stopped_seconds = tick.now_seconds
        for fault in tick.script.faults:
            if fault.place.startswith("messages "):
                _, prompt, model = fault.place.split(" ")
                self._failed_seconds[prompt, model] = tick.now_seconds

    def _is_warm(self, target: TargetSpec, model: str) -> bool:
        key, workspace = target.cache_key(model), WORKSPACES[target.credential]
        until = [
            entry.expires_at_seconds
            for entry in self._cloud.api.entries()
            if entry.key == key and entry.workspace_id == workspace and entry.model == model
        ]
        return bool(until) and max(until) - self._cloud.now_seconds() >= LEFT_SECONDS

    def _excuse(  # noqa: PLR0911 - one for each code
        self, tick: TickRecord, target: TargetSpec, entry: Mapping[str, Any], *, has_capped: bool
    ) -> bool:
        """Tell whether there is a reason why an entry may be cold after a healthy tick."""
        code, now = entry.get("code"), tick.now_seconds
        if code == "timeout":  # the machine was too slow for one second; nothing was injected
            return True
        if code in CAPPED:
            return self._is_capped(tick, target, entry["model"])
        if code == "outlives-tick":
            return now - self._evicted_seconds < target.ttl_seconds
        if code == "breaker-open":
            failed = self._failed_seconds.get((target.prompt_id, entry["model"]), float("-inf"))
            return not tick.script.heals and (now - failed < COOL_DOWN_SECONDS or self._evicted_seconds > 0)
        if code in ("credential-stopped", "credential-on-trial"):
            if code == "credential-on-trial" and not tick.script.heals and _is_let_go(tick, target.credential):
                return True  # however long nobody came to try it: what the trial showed counts from the next tick on
            if code == "credential-on-trial" and target.credential in self._capped_trials:
                return True  # what it may cost was only known with its body: it tried nothing, and another came next
            is_recent = now - self._stopped_seconds < 2 * COOL_DOWN_SECONDS  # and a trial at each tick after it
            return is_recent and (not tick.script.heals or has_capped)
        if code == "claimed":
            return not tick.script.heals
        return False

    def _is_capped(self, tick: TickRecord, target: TargetSpec, model: str) -> bool:
        """Tell whether a cap really has no room for the worst that a call can cost."""
        tokens = Decimal(len(target.text) + BODY_BYTES + ADDED_TOKENS)
        prices = list(map(Decimal, PRICES[model]))
        worst = tokens * prices[3] / MILLION + prices[4] * 2_000 / MILLION
        day = f"usd {tick.runs[0].started_at.date().isoformat()}"
        places = [("stack", self._cap), (f"target/{target.name}", None if target.cap is None else Decimal(target.cap))]
        return any(
            cap is not None and Decimal(tick.items_after.get(key, {}).get(day, {"N": "0"})["N"]) / PICO + worst > cap
            for key, cap in places
        )


def _is_let_go(tick: TickRecord, credential: str) -> bool:
    """Tell whether a credential was stopped before a tick, and its one trial in the tick let it go."""
    before, after = (
        items.get(f"credential/{credential}", {}).get("breaker", {"M": {}})["M"].get("open_until", {"NULL": True})
        for items in (tick.items_before, tick.items_after)
    )
    return "N" in before and "N" not in after


def _capped_trials(lines: Mapping[tuple[str, str], Mapping[str, Any]]) -> set[str]:
    """Name the credentials whose one call on trial was held back by a cap."""
    return {line["credential"] for line in lines.values() if line.get("is_trial") and line.get("code") in CAPPED}


def _has_capped(lines: Mapping[tuple[str, str], Mapping[str, Any]]) -> bool:
    return any(entry.get("code") in CAPPED for entry in lines.values())
