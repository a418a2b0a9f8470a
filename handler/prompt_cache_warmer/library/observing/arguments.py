"""Arguments of an observer, read strictly."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prompt_cache_warmer.adapters.indexing import index_of
from prompt_cache_warmer.errors import ArgumentTypeError, ArgumentValueError
from prompt_cache_warmer.library.prompts.bodies import as_json
from prompt_cache_warmer.values.installation import from_a_clone
from prompt_cache_warmer.values.problems import Severity, nearest, shown
from prompt_cache_warmer.values.reading import Origin, Reading, read_target

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prompt_cache_warmer.values.targets import TargetSummary

_PLACE = re.compile(r"s3://(?P<bucket>[a-z0-9][a-z0-9.-]{1,61}[a-z0-9])/(?P<prefix>[^/].*/|)")
_ALLOWED = "allowed: 's3://BUCKET/PREFIX/', or documents: files, folders of them, mappings"
_PRINTABLE = re.compile(r"[\x21-\x7e]{1,255}")  # what CloudWatch takes for a dimension's value, without blanks
_NEVER_IN_PATHS = frozenset('{}[]"\n')  # that is, hardly ever, and in every document
_TABLE = re.compile(r"[a-zA-Z0-9_.-]{3,255}|arn:aws[a-z-]*:dynamodb:[a-z0-9-]+:[0-9]{12}:table/[a-zA-Z0-9_.-]{3,255}")
_RESERVED = "AWS/"
METRICS = ("emf", "cloudwatch")
_LONGEST_WAIT_SECONDS = 3600.0  # nobody means to wait for longer
CAPTURES = ("new", "changed")


@dataclass(frozen=True, slots=True)
class BucketPlace:
    """Where target documents are in S3.

    Attributes:
        bucket: the bucket's name.
        prefix: the prefix of their keys.
    """

    bucket: str
    prefix: str


def read_targets(targets: object, *, prompts_prefix: str) -> BucketPlace | tuple[TargetSummary, ...]:
    """Read what an observer goes by; a bucket is only named and read later.

    Args:
        targets: a place in S3, or one document or several: files, folders of them, or mappings.
        prompts_prefix: what documents may refer to.

    Raises:
        ArgumentTypeError: for anything else.
        ArgumentValueError: for a place that is none, and for a document that is no target.
    """
    if isinstance(targets, str) and targets.startswith("s3:"):
        place = _PLACE.fullmatch(targets)
        if place is None:
            raise ArgumentValueError("targets", f"{shown(targets)} is no place in S3; {_ALLOWED}")
        return BucketPlace(place["bucket"], place["prefix"])
    given = [targets] if isinstance(targets, str | Path | Mapping) else targets
    if not isinstance(given, Sequence) or isinstance(given, bytes | bytearray):
        raise ArgumentTypeError("targets", f"a value of type {type(targets).__name__} is no target; {_ALLOWED}")
    readings = [reading for each in given for reading in _readings(each, prompts_prefix)]
    index = index_of((reading.target.summary if reading.target else None, reading.problems) for reading in readings)
    for problem in index.problems:
        if problem.severity is Severity.ERROR:
            raise ArgumentValueError("targets", f"{problem.source}: {problem.path}: {problem.message}")
    if not index.targets:
        raise ArgumentValueError("targets", f"there is no target document; {_ALLOWED}")
    return index.targets


def _readings(each: object, prompts_prefix: str) -> Iterator[Reading]:
    if isinstance(each, Mapping):
        document: Any = as_json(each, ("targets",))
        yield read_target(document, Origin("a mapping", "", 0, prompts_prefix), {})
    elif each == "":  # as an unset variable has it; as a path it would be the working directory
        raise ArgumentValueError("targets", f"a path is empty; {_ALLOWED}")
    elif isinstance(each, str | Path):
        yield from _files(Path(each) if isinstance(each, str) else each, prompts_prefix)
    else:
        raise ArgumentTypeError("targets", f"a value of type {type(each).__name__} is no target; {_ALLOWED}")


def _files(path: Path, prompts_prefix: str) -> Iterator[Reading]:
    try:
        from prompt_cache_warmer.adapters.file_targets import (  # noqa: PLC0415 - YAML's reader only where it is used
            document_files,
            read_file,
            root_of,
        )
    except ModuleNotFoundError as error:
        message = f"documents in files need {error.name}; install it {from_a_clone('aws')}"
        raise ArgumentValueError("targets", message) from error
    if not os.path.exists(path):  # noqa: PTH110 - pathlib's own raises where the text is none of a path
        raise ArgumentValueError("targets", f"there is no file or folder {_named(path)}")
    try:
        files = list(document_files([path]))
    except OSError as error:
        message = f"the folder {_named(path)} cannot be read: {error.strerror}"
        raise ArgumentValueError("targets", message) from error
    for file in files:
        yield read_file(file, root=root_of(file, prompts_prefix=prompts_prefix), prompts_prefix=prompts_prefix)


def _named(path: Path) -> str:
    """Name a path; what looks like a document that was passed as text is not quoted."""
    text = str(path)
    return f"of {len(text):,} characters" if set(text) & _NEVER_IN_PATHS else shown(text)


def check_target(target: object, known: Sequence[TargetSummary] | None) -> None:
    """Check the name of the target that requests are ascribed to.

    Raises:
        ArgumentTypeError: for anything but text or None.
        ArgumentValueError: for a name that none of the known targets has.
    """
    if target is None:
        return
    _check_text("target", target)
    names = [each.name for each in known or ()]
    if known is not None and target not in names:
        raise ArgumentValueError("target", f"there is no target {shown(target)}{nearest(str(target), names)}")


def check_metrics(metrics: object, *, service: object, namespace: object) -> None:
    """Check how metrics are published, and under what.

    Raises:
        ArgumentTypeError: for a name that is no text.
        ArgumentValueError: for what is not allowed.
    """
    if metrics is not None and metrics not in METRICS:
        raise ArgumentValueError("metrics", f"{shown(metrics)} is not allowed; allowed: 'emf', 'cloudwatch', None")
    for name, value in (("service", service), ("namespace", namespace)):
        _check_text(name, value)
        if _PRINTABLE.fullmatch(str(value)) is None:
            raise ArgumentValueError(name, f"{shown(value)} is not allowed; allowed: 1 to 255 characters, no blanks")
    if str(namespace).startswith(_RESERVED):
        raise ArgumentValueError(
            "namespace", f"{shown(namespace)} is CloudWatch's own; allowed: one without {_RESERVED!r}"
        )


def check_table(state_table: object) -> None:
    """Check the name of the state's table.

    Raises:
        ArgumentTypeError: for anything but text or None.
        ArgumentValueError: for an empty one.
    """
    if state_table is None:
        return
    _check_text("state_table", state_table)
    if _TABLE.fullmatch(str(state_table)) is None:
        message = f"{shown(state_table)} is not allowed; allowed: the name of a DynamoDB table, or its ARN"
        raise ArgumentValueError("state_table", message)


def check_prompts_prefix(prefix: object) -> None:
    """Check what documents may refer to.

    Raises:
        ArgumentTypeError: for anything but text.
        ArgumentValueError: for one that does not end in a slash.
    """
    _check_text("prompts_prefix", prefix)
    if not str(prefix).endswith("/"):
        raise ArgumentValueError("prompts_prefix", f"{shown(prefix)} is not allowed; allowed: a prefix that ends in /")


def checked_wait(timeout_seconds: object) -> float:
    """Return how long to wait, within what a thread can wait.

    Raises:
        ArgumentTypeError: for anything but a number.
    """
    if isinstance(timeout_seconds, bool) or not isinstance(timeout_seconds, int | float):
        message = f"a value of type {type(timeout_seconds).__name__} is not a number of seconds"
        raise ArgumentTypeError("timeout_seconds", message)
    return min(max(0.0, timeout_seconds), _LONGEST_WAIT_SECONDS)  # in this order a NaN is none at all


def check_capture(capture: object, targets: BucketPlace | Sequence[TargetSummary]) -> None:
    """Check what is captured.

    Raises:
        ArgumentValueError: for what is not allowed, and where there is no bucket to write to.
    """
    if capture is None:
        return
    if capture not in CAPTURES:
        raise ArgumentValueError("capture", f"{shown(capture)} is not allowed; allowed: 'new', 'changed', None")
    if not isinstance(targets, BucketPlace):
        raise ArgumentValueError("capture", "needs targets='s3://BUCKET/PREFIX/', which is where documents are written")


def check_seams(*, clock: object, session: object) -> None:
    """Check what a test or an application puts in the place of the machine's clock and of boto3's default session.

    Raises:
        ArgumentTypeError: for what has not the methods that are used.
    """
    for name, value, methods in (("clock", clock, ("now", "monotonic_seconds")), ("session", session, ("client",))):
        if value is not None and not all(callable(getattr(value, method, None)) for method in methods):
            raise ArgumentTypeError(name, f"a value of type {type(value).__name__} has no {' and '.join(methods)}")


def _check_text(name: str, value: object) -> None:
    if not isinstance(value, str):
        raise ArgumentTypeError(name, f"a value of type {type(value).__name__} is not text")
    if not value:
        raise ArgumentValueError(name, "is empty")
