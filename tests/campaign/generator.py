"""From a seed to a script: random targets, waits, changes and faults."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

from tests.campaign import answers
from tests.campaign.aws_answers import ERRORS
from tests.campaign.faults import PASS, Fault
from tests.campaign.proxy import CUTS
from tests.campaign.script import Change, Script, TickScript
from tests.campaign.world import MODELS, TargetSpec

if TYPE_CHECKING:
    from collections.abc import Iterator

TARGETS = 60
DRIP_SECONDS, LONG_DRIP_SECONDS, HANG_SECONDS = 0.2, 2.6, 2.5  # a request may take two seconds
COOL_DOWN_SECONDS = 65 * 60  # longer than any breaker's
EVERY_HEAL = 6  # so many faulty ticks, then the cool-down and a look at everything
# A stack cap that holds back a part of the day's calls, and one that never does.
DAY_CAPS_USD = ("0.1", "0.8", *["50"] * 6)
WAITS_SECONDS: tuple[int, ...] = (0, 20, 180, 240, 240, 240, 250, 300, 301, 900, 3300, 3700, 3700)
SOON_SECONDS: tuple[int, ...] = (0, 5, 20, 30, 240)  # after a run that was killed: while its claims still hold
END_SHARE = 0.35  # of ticks are killed or cancelled
TWIN_SHARE, OWN_CAP_SHARE, HOUR_SHARE = 0.15, 0.15, 0.3


def script_of(seed: int, ticks: int) -> Script:
    """Make the script of a seed.

    Args:
        seed: the seed.
        ticks: how many ticks go wrong; the healthy ones come on top.
    """
    return _Writer(random.Random(seed), seed).script(ticks)  # noqa: S311 - to be repeated, not to be secret


class _Writer:
    def __init__(self, dice: random.Random, seed: int) -> None:
        self._dice = dice
        self._seed = seed
        self._targets: dict[str, TargetSpec] = {}
        self._names = 0
        self._is_ended = False

    def script(self, ticks: int) -> Script:
        settings = {"METRIC_DETAIL": self._dice.choice(["run", "target", "entry"])}
        if self._dice.random() < 0.85:
            settings["MAX_USD_PER_DAY"] = self._dice.choice(DAY_CAPS_USD)
        settings["MAX_CONCURRENCY"] = self._dice.choice(["4", "16", "32"])
        targets = tuple(self._target() for _ in range(TARGETS))
        made: list[TickScript] = [TickScript()]
        for number in range(ticks):
            made.append(self._faulty())
            if number % 2:
                made.append(TickScript())
            if number % EVERY_HEAL == EVERY_HEAL - 1 or number == ticks - 1:
                made += [TickScript(wait_seconds=COOL_DOWN_SECONDS), TickScript(heals=True)]
        return Script(self._seed, settings, targets, tuple(made))

    def _target(self) -> TargetSpec:
        dice, number = self._dice, self._names
        self._names += 1
        models = tuple(sorted(dice.sample(MODELS, dice.randint(1, len(MODELS)))))
        twins = [one for one in self._targets.values() if one.version == 0 and one.cap is None]
        target = TargetSpec(
            name=f"bot-{number:03}",
            models=models,
            prompt=number,
            ttl="1h" if dice.random() < HOUR_SHARE else "5m",
            keep=dice.choice(["always"] * 18 + ["once", "while-used"]),
            credential=dice.choice(["default", "default", "second"]),
            cap=f"0.{dice.randint(1, 60):04}" if dice.random() < OWN_CAP_SHARE else None,
            is_split=dice.random() < 0.3,
            is_yaml=dice.random() < 0.2,
            form=dice.choice(["zero"] * 7 + ["streamed"]),
        )
        if twins and target.cap is None and dice.random() < TWIN_SHARE:
            one = dice.choice(twins)
            target = TargetSpec(
                name=target.name,
                models=models,
                prompt=one.prompt,
                ttl=one.ttl,
                credential=one.credential,
                form=one.form,
            )
        self._targets[target.name] = target
        return target

    def _faulty(self) -> TickScript:
        dice = self._dice
        sandboxes = dice.choice(["same", "same", "same", "new", "pair"])
        event = dice.choice(["schedule"] * 6 + ["again", "late"])
        changes = tuple(self._changes())
        faults = [*self._of_api(), *self._of_aws()]
        waits, self._is_ended = (SOON_SECONDS if self._is_ended else WAITS_SECONDS), False
        if sandboxes != "pair" and dice.random() < END_SHARE:
            self._is_ended = True
            faults += [self._end(), self._end()]
        dice.shuffle(faults)
        return TickScript(
            wait_seconds=dice.choice(waits),
            sandboxes=sandboxes,
            event=event,
            seconds=dice.choice([*[110] * 12, 20, 7]),
            skew_seconds=dice.choice([0, 0, 0, 0, -45, -3, 3, 45]),
            changes=changes,
            faults=tuple(faults),
        )

    def _changes(self) -> Iterator[Change]:
        dice = self._dice
        for name in dice.sample(sorted(self._targets), dice.randint(5, 40)):
            self._targets[name] = self._targets[name].edited()
            yield Change("edit", name)
        if dice.random() < 0.3:
            name = dice.choice(sorted(self._targets))
            del self._targets[name]
            yield Change("remove", name)
            added = self._target()
            yield Change("add", added.name, added)
        for kind, share, names in (
            ("evict", 0.25, [""]),
            ("rotate", 0.2, ["default", "second"]),
            ("lose-table", 0.1, [""]),
        ):
            if dice.random() < share:
                yield Change(kind, dice.choice(names))

    def _of_api(self) -> Iterator[Fault]:
        dice = self._dice
        share = dice.choice([0.2, 0.9, 0.9])
        for target in self._targets.values():
            for model in target.models:
                for place in (f"messages {target.prompt_id} {model}", f"count {target.prompt_id} {model}"):
                    if dice.random() < (share if place.startswith("m") else share / 4):
                        for _ in range(dice.choice([1, 1, 1, 2])):
                            yield self._api_fault(place, is_stream=target.form == "streamed")

    def _api_fault(self, place: str, *, is_stream: bool) -> Fault:
        dice = self._dice
        kinds = ["status"] * 5 + ["reset"] * 4 + ["reset-before", "drip", "latency"]
        if place.startswith("count"):
            kinds += ["count"] * 4
        elif not is_stream:
            kinds += ["usage"] * 5 + ["body"] * 3
        if dice.random() < 0.02:
            kinds = ["hang-before", "hang-after", "drip-long"]
        kind = dice.choice(kinds)
        details: dict[str, Any] = {
            "status": self._status,
            "reset": lambda: {"name": dice.choice(CUTS)},
            "drip": lambda: {"seconds": DRIP_SECONDS, "pieces": dice.choice([2, 7, 50])},
            "drip-long": lambda: {"seconds": LONG_DRIP_SECONDS, "pieces": 20},
            "latency": lambda: {"seconds": dice.choice([0.1, 0.5, 0.5, 2])},
            "count": lambda: {"name": dice.choice(sorted(answers.COUNTS))},
            "usage": lambda: {"name": dice.choice(sorted(answers.USAGES))},
            "body": lambda: {"name": dice.choice(sorted(answers.BODIES))},
            "hang-before": lambda: {"seconds": HANG_SECONDS},
            "hang-after": lambda: {"seconds": HANG_SECONDS},
        }
        return Fault(place, kind, details[kind]() if kind in details else {})

    def _status(self) -> dict[str, Any]:
        dice = self._dice
        mild = sorted(set(answers.STATUSES) - answers.STOPPED)
        name = dice.choice(sorted(answers.STOPPED) if dice.random() < 0.005 else mild)
        body = dice.choice(sorted(answers.ERROR_BODIES)) if dice.random() < 0.2 else None
        return {"name": name, **({} if body is None else {"body": body})}

    def _of_aws(self) -> Iterator[Fault]:
        dice = self._dice
        share = dice.choice([0.0, 0.2, 0.5])
        for target in self._targets.values():
            if dice.random() < share:
                yield from self._passes(f"dynamodb-UpdateItem target/{target.name}", 2 * len(target.models))
            if dice.random() < share:
                yield self._aws_fault(f"s3-get {target.key}")
            elif dice.random() < share / 3:
                yield Fault(f"s3-get {target.key}", dice.choice(["changed", "vanished"]), {"target": target.name})
        for place, most in (
            ("dynamodb-UpdateItem stack", 3),
            ("dynamodb-UpdateItem credential/default", 2),
            ("dynamodb-BatchGetItem", 1),
            ("secretsmanager-GetSecretValue", 1),
            ("s3-list targets/", 1),
            ("s3-list prompts/", 1),
        ):
            if dice.random() < share:
                yield from self._passes(place, most)

    def _passes(self, place: str, most: int) -> Iterator[Fault]:
        """Let some requests go by, then let one to three in a row fail: three use up all attempts."""
        yield from [Fault(place, PASS)] * self._dice.randint(0, most - 1)
        for _ in range(self._dice.choice([1, 1, 2, 3])):
            yield self._aws_fault(place)

    def _aws_fault(self, place: str) -> Fault:
        dice = self._dice
        service = place.partition("-")[0]
        kinds = ["error"] * 4 + ["reset"] * 2 + ["reset-before", "garbled", "drip"]
        kinds += ["garbled"] * 6 if "list" in place else []
        kinds += ["unprocessed"] * 3 if "Batch" in place else []
        kinds += ["rotated"] * 3 if "secret" in place else []
        kind = dice.choice(kinds)
        details: dict[str, Any] = {
            "error": lambda: {"name": dice.choice(sorted(ERRORS[service]))},
            "reset": lambda: {"name": dice.choice(CUTS)},
            "garbled": lambda: {"name": dice.choice(["html", "empty", "cut"])},
            "drip": lambda: {"seconds": DRIP_SECONDS / 2, "pieces": 5},
            "rotated": lambda: {"name": dice.choice(["default", "second"])},
        }
        return Fault(place, kind, details[kind]() if kind in details else {})

    def _end(self) -> Fault:
        """End the run at one of its requests."""
        dice = self._dice
        target = dice.choice(sorted(self._targets.values(), key=lambda one: one.name))
        place = dice.choice(
            [
                f"messages {target.prompt_id} {dice.choice(target.models)}",
                f"messages {target.prompt_id} {dice.choice(target.models)}",
                f"dynamodb-UpdateItem target/{target.name}",
                "dynamodb-UpdateItem stack",
                "dynamodb-BatchGetItem",
                "s3-list targets/",
                f"s3-get {target.key}",
            ]
        )
        return Fault(place, dice.choice(["die-before", "die-after", "die-after", "cancel"]))
