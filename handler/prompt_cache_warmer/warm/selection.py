"""The selection: which targets a run looks at, by their names or by what was uploaded."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from prompt_cache_warmer.rules.uploads import Ignored
from prompt_cache_warmer.values.problems import Problem, ProblemCode, nearest, shown

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from prompt_cache_warmer.ports import Index
    from prompt_cache_warmer.rules.order import Order
    from prompt_cache_warmer.rules.uploads import Upload
    from prompt_cache_warmer.values.targets import TargetSummary


@dataclass(frozen=True, slots=True)
class Selection:
    """What a run looks at.

    Attributes:
        targets: the targets, in the order the index or the order names them.
        unknown: a problem for each name that nobody has.
        ignored: the uploads that are not acted on.
        uploaded_at: when each target was uploaded last, or something it refers to was, by the target's name.
    """

    targets: tuple[TargetSummary, ...]
    unknown: tuple[Problem, ...] = ()
    ignored: tuple[Ignored, ...] = ()
    uploaded_at: Mapping[str, datetime] = field(default_factory=dict)


def select(index: Index, order: Order) -> Selection:
    """Pick the targets an order asks for."""
    if order.uploads is not None:
        return _uploaded(index, order.uploads)
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
    return Selection(targets, ignored=tuple(ignored), uploaded_at=uploaded_at)


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
