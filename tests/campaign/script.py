"""The script of a run: all that happens, written down, so that it can be replayed, shortened and read."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from tests.campaign.faults import Fault
from tests.campaign.world import TargetSpec

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Change:
    """Something that happens between two ticks.

    Attributes:
        kind: `edit`, `add`, `remove`, `evict`, `rotate` or `lose-table`.
        name: of the target or the credential.
        target: the target that is added.
    """

    kind: str
    name: str = ""
    target: TargetSpec | None = None

    def as_json(self) -> dict[str, Any]:
        """Write it into a script."""
        return {"kind": self.kind, "name": self.name, "target": self.target and self.target.as_json()}


@dataclass(frozen=True, slots=True)
class TickScript:
    """One tick and what goes wrong in it.

    Attributes:
        wait_seconds: how long after the one before.
        sandboxes: `same`, `new`, or `pair` for the same event delivered to two at once.
        event: `schedule`, `again` for the one before once more, `late` for one that was due two minutes ago.
        seconds: how much time the run has.
        skew_seconds: what the sandbox's clock is off by.
        changes: what happens before it.
        faults: what goes wrong in it.
        heals: whether it is long enough after everything that all must be warm after it.
    """

    wait_seconds: float = 240
    sandboxes: str = "same"
    event: str = "schedule"
    seconds: float = 110
    skew_seconds: float = 0
    changes: tuple[Change, ...] = ()
    faults: tuple[Fault, ...] = ()
    heals: bool = False

    @property
    def is_healthy(self) -> bool:
        """Whether nothing goes wrong in it."""
        plain = (self.sandboxes, self.event, self.seconds, self.skew_seconds) == ("same", "schedule", 110, 0)
        return plain and not self.faults

    def as_json(self) -> dict[str, Any]:
        """Write it into a script."""
        fields = {name: getattr(self, name) for name in ("wait_seconds", "sandboxes", "event", "seconds")}
        lists = {"changes": [one.as_json() for one in self.changes], "faults": [one.as_json() for one in self.faults]}
        return {**fields, "skew_seconds": self.skew_seconds, **lists, "heals": self.heals}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> TickScript:
        """Read what a script says."""
        changes = tuple(
            Change(one["kind"], one["name"], one["target"] and TargetSpec.from_json(one["target"]))
            for one in value["changes"]
        )
        faults = tuple(Fault(**one) for one in value["faults"])
        return cls(**{**value, "changes": changes, "faults": faults})


@dataclass(frozen=True, slots=True)
class Script:
    """A whole run.

    Attributes:
        seed: what it was made from.
        settings: the deployment's settings beside the usual ones.
        targets: the targets at the start.
        ticks: what happens.
    """

    seed: int
    settings: Mapping[str, str] = field(default_factory=dict)
    targets: tuple[TargetSpec, ...] = ()
    ticks: tuple[TickScript, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Write it as a file that ``--replay`` runs."""
        return {
            "seed": self.seed,
            "settings": dict(self.settings),
            "targets": [target.as_json() for target in self.targets],
            "ticks": [tick.as_json() for tick in self.ticks],
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Script:
        """Read such a file."""
        return cls(
            value["seed"],
            value["settings"],
            tuple(map(TargetSpec.from_json, value["targets"])),
            tuple(map(TickScript.from_json, value["ticks"])),
        )

    def with_faults(self, kept: list[tuple[int, Fault]]) -> Script:
        """Return it with these faults only, each with the number of its tick."""
        ticks = [
            replace(tick, faults=tuple(fault for at, fault in kept if at == number))
            for number, tick in enumerate(self.ticks)
        ]
        return replace(self, ticks=tuple(ticks))
