"""Targets in S3: an index that is kept between ticks, and bodies fetched when their turn comes.

Name, models, rule, size and fingerprint of a target are known per key and ETag, its references'
ETags included, so an unchanged object is listed but never fetched to decide. A bad document is a
problem of its own and never stops the others.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from prompt_cache_warmer.adapters.documents import DocumentError, decode
from prompt_cache_warmer.adapters.indexing import index_of
from prompt_cache_warmer.adapters.s3_bucket import Bucket, ObjectUnavailableError, StoredObject
from prompt_cache_warmer.errors import TargetUnavailableError
from prompt_cache_warmer.values.limits import MAX_TARGET_BYTES
from prompt_cache_warmer.values.problems import Problem, ProblemCode
from prompt_cache_warmer.values.reading import Origin, read_target
from prompt_cache_warmer.values.references import MAX_REFERENCES, find_references
from prompt_cache_warmer.warm.room import Room

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from prompt_cache_warmer.adapters.body_cache import BodyCache
    from prompt_cache_warmer.ports import Index
    from prompt_cache_warmer.values.targets import Target, TargetSummary

READER_THREADS = 16  # hides S3's latency on a cold start with thousands of targets; boto3 clients are thread-safe

A = TypeVar("A")
T = TypeVar("T")

Objects = dict[str, StoredObject]
References = tuple[tuple[str, str | None], ...]
"""The keys a document refers to, each with the ETag it had, or None where there was no such object."""


@dataclass(frozen=True, slots=True)
class _Known:
    """What is kept of one document between ticks."""

    etag: str
    references: References
    summary: TargetSummary | None
    problems: tuple[Problem, ...]
    is_final: bool = True

    def is_current(self, stored: StoredObject, prompts: Objects) -> bool:
        """Whether neither the document nor anything it refers to has changed."""
        now = _etags((key for key, _ in self.references), prompts)
        return self.is_final and self.etag == stored.etag and self.references == now


class S3Targets:
    """The targets of one bucket: a ``TargetIndex`` and a ``BodySource``.

    Args:
        bucket: where they are.
        targets_prefix: the prefix of the documents' keys.
        prompts_prefix: the prefix of what they may refer to.
        bodies: keeps bodies between ticks, as far as there is room.
        max_inflight_bytes: how many bytes of documents are read at once.
    """

    def __init__(
        self, bucket: Bucket, *, targets_prefix: str, prompts_prefix: str, bodies: BodyCache, max_inflight_bytes: int
    ) -> None:
        self._bucket = bucket
        self._targets_prefix = targets_prefix
        self._prompts_prefix = prompts_prefix
        self._bodies = bodies
        self._max_inflight_bytes = max_inflight_bytes
        self._known: dict[str, _Known] = {}
        self._documents: Objects = {}
        self._prompts: Objects = {}
        self._readers = ThreadPoolExecutor(READER_THREADS, thread_name_prefix="s3")

    async def load(self) -> Index:
        """Return what there is to keep warm now.

        Raises:
            TargetsUnreadableError: when the bucket cannot be listed.
        """
        self._documents, self._prompts = await asyncio.gather(
            self._in_thread(self._bucket.objects, self._targets_prefix),
            self._in_thread(self._bucket.objects, self._prompts_prefix),
        )
        for gone in self._known.keys() - self._documents.keys():
            del self._known[gone]
            self._bodies.drop(gone)
        room = Room(self._max_inflight_bytes)
        changed = [stored for stored in self._documents.values() if not self._is_current(stored)]
        await asyncio.gather(*(self._refresh(stored, room) for stored in changed))
        return index_of((self._known[key].summary, self._known[key].problems) for key in sorted(self._documents))

    async def fetch(self, target: TargetSummary) -> Target:
        """Return the target with its body, in the version the summary speaks of.

        Raises:
            TargetUnavailableError: when that version cannot be had any more, or not now.
        """
        found = self._bodies.get(target.source, target.version)
        if found is not None:
            return found
        stored = self._documents.get(target.source)
        if stored is None:
            raise TargetUnavailableError(f"{target.source!r} is not in the bucket any more")
        known, body = await self._in_thread(self._read, stored)
        if body is None or body.summary.version != target.version:
            why = known.problems[0].message if known.problems else "it changed"
            raise TargetUnavailableError(f"{target.source!r} is not what was listed any more: {why}")
        self._bodies.put(body)
        return body

    async def _refresh(self, stored: StoredObject, room: Room) -> None:
        """Read a new or changed document: keep its body as far as there is room, everything else always."""
        async with room.take(stored.size_bytes):
            self._known[stored.key], body = await self._in_thread(self._read, stored)
            if body is not None:
                self._bodies.put(body)

    async def _in_thread(self, work: Callable[[A], T], argument: A) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._readers, work, argument)

    def _is_current(self, stored: StoredObject) -> bool:
        known = self._known.get(stored.key)
        return known is not None and known.is_current(stored, self._prompts)

    def _read(self, stored: StoredObject) -> tuple[_Known, Target | None]:
        """Read one document with what it refers to; whatever is wrong with it is its own problem."""
        references: References = ()
        try:
            if stored.size_bytes > MAX_TARGET_BYTES:
                raise _too_large(stored.size_bytes)
            value = decode(self._bucket.read(stored), stored.key)
            keys = find_references(value)
            references = _etags(keys, self._prompts)
            size_bytes = stored.size_bytes + sum(self._prompts[key].size_bytes for key in keys if key in self._prompts)
            if size_bytes > MAX_TARGET_BYTES:
                raise _too_large(size_bytes)
            texts = self._texts(keys[:MAX_REFERENCES])  # beyond it the document is an error anyway
        except DocumentError as error:
            return _Known(stored.etag, references, None, (error.problem(stored.key),)), None
        except ObjectUnavailableError as error:
            problem = Problem(ProblemCode.UNREADABLE, stored.key, "$", f"{error}; the next tick tries again")
            return _Known(stored.etag, references, None, (problem,), is_final=False), None
        version = "+".join((stored.etag, *(etag or "" for _, etag in references)))
        origin = Origin(stored.key, version, size_bytes, self._prompts_prefix)
        reading = read_target(value, origin, texts)
        summary = reading.target.summary if reading.target is not None else None
        return _Known(stored.etag, references, summary, reading.problems), reading.target

    def _texts(self, keys: Iterable[str]) -> dict[str, str]:
        """Read the objects a document refers to; one that is missing or not UTF-8 is left out."""
        texts: dict[str, str] = {}
        for key in keys:
            if key in self._prompts:
                with suppress(UnicodeDecodeError):
                    texts[key] = self._bucket.read(self._prompts[key]).decode()
        return texts


def _etags(keys: Iterable[str], prompts: Objects) -> References:
    return tuple((key, prompts[key].etag if key in prompts else None) for key in keys)


def _too_large(size_bytes: int) -> DocumentError:
    message = f"{size_bytes:,} bytes with everything it refers to; at most {MAX_TARGET_BYTES:,} are allowed"
    return DocumentError(ProblemCode.TOO_LARGE, message)
