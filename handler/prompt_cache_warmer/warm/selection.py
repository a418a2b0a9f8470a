"""The selection: which targets a run looks at, by their names or by what was uploaded."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from prompt_cache_warmer.rules.uploads import Ignored
from prompt_cache_warmer.values.problems import Problem, ProblemCode, nearest, shown
from prompt_cache_warmer.values.targets import entries

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from prompt_cache_warmer.ports import Index
    from prompt_cache_warmer.rules.fan_out import DueMessage
    from prompt_cache_warmer.rules.order import Order
    from prompt_cache_warmer.rules.uploads import Upload
    from prompt_cache_warmer.values.targets import Entry, TargetSummary


@dataclass(frozen=True, slots=True)
class Selection:
    """What a run looks at.

    Attributes:
        targets: the targets, in the order the index or the order names them.
        unknown: a problem for each name that nobody has.
        ignored: the uploads that are not acted on.
        asked_at: when each target was uploaded last, or something it refers to was, or the tick was due that sent
            it, by the target's name.
        decided_at: when the tick decided that sent it, by the target's name.
        models: the models of a target that are looked at, by its name; all where it is not named.
    """

    targets: tuple[TargetSummary, ...]
    unknown: tuple[Problem, ...] = ()
    ignored: tuple[Ignored, ...] = ()
    asked_at: Mapping[str, datetime] = field(default_factory=dict)
    decided_at: Mapping[str, datetime] = field(default_factory=dict)
    models: Mapping[str, frozenset[str]] = field(default_factory=dict)

    @property
    def entries(self) -> tuple[Entry, ...]:
        """The entries it looks at, in the order of the targets."""
        found = entries(self.targets)
        return tuple(one for one in found if one.model in self.models.get(one.target.name, one.target.models))


def select(index: Index, order: Order) -> Selection:
    """Pick the targets an order asks for."""
    if order.uploads is not None:
        return _uploaded(index, order.uploads)
    if order.due is not None:
        return _due(index, order.due)
    if order.names is None:
        return Selection(index.targets)
    by_name = {target.name: target for target in index.targets}
    unknown = tuple(
        Problem(
            ProblemCode.NO_SUCH_TARGET,
            "event",
            "$.targets" if order.verify is None else "$.verify",
            f"there is no valid target {shown(name)}{nearest(name, by_name)}",
        )
        for name in order.names
        if name not in by_name
    )
    return Selection(tuple(by_name[name] for name in order.names if name in by_name), unknown)


def _uploaded(index: Index, uploads: Sequence[Upload]) -> Selection:
    """Pick the targets that were uploaded, and those that refer to something that was."""
    made_of = defaultdict[str, list[str]](list)
    for target in index.targets:
        for key in (target.source, *target.references):
            made_of[key].append(target.name)
    uploaded_at: dict[str, datetime] = {}
    ignored: list[Ignored] = []
    for upload in uploads:
        names = made_of.get(upload.key, ())
        reason = _reason_to_ignore(index, upload, is_used=bool(names))
        if reason:
            ignored.append(Ignored(upload.key, reason))
            continue
        for name in names:
            uploaded_at[name] = max(upload.at, uploaded_at.get(name, upload.at))
    targets = tuple(target for target in index.targets if target.name in uploaded_at)
    return Selection(targets, ignored=tuple(ignored), asked_at=uploaded_at)


def _due(index: Index, messages: Sequence[DueMessage]) -> Selection:
    """Pick the entries that messages name; the latest tick's word counts where several name one."""
    by_source = {target.source: target for target in index.targets}
    troubled = {problem.source for problem in index.problems}
    asked_at: dict[str, datetime] = {}
    decided_at: dict[str, datetime] = {}
    models = defaultdict[str, set[str]](set)
    unknown: list[Problem] = []
    for message in messages:
        for one in message.entries:
            target = by_source.get(one.document)
            if target is not None and target.name == one.target and one.model in target.models:
                models[one.target].add(one.model)
                asked_at[one.target] = max(message.scheduled_at, asked_at.get(one.target, message.scheduled_at))
                decided_at[one.target] = max(message.decided_at, decided_at.get(one.target, message.decided_at))
            elif target is not None or one.document not in troubled:
                words = f"target {shown(one.target)} on {shown(one.model)} is not there any more; the next tick knows"
                unknown.append(Problem(ProblemCode.NO_SUCH_TARGET, one.document, "$", words))
    return Selection(
        tuple(target for target in index.targets if target.name in models),
        tuple(unknown),
        asked_at=asked_at,
        decided_at=decided_at,
        models={name: frozenset(found) for name, found in models.items()},
    )


def _reason_to_ignore(index: Index, upload: Upload, *, is_used: bool) -> str:
    """Say why an upload is not acted on; nothing where it is."""
    listed = index.etags.get(upload.key)
    if listed is None:
        return "it is not in the bucket any more"
    if listed != upload.etag:
        return "a newer version is in the bucket; its own upload is acted on"
    if is_used:
        return ""
    codes = {problem.code for problem in index.problems if problem.source == upload.key}
    if ProblemCode.NOT_READ_YET in codes:
        return "there was no time left to read it; the next tick goes on"
    return "it is not a valid target; its problems say why" if codes else "no valid target refers to it"
