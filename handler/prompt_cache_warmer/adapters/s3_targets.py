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

from prompt_cache_warmer.adapters.documents import DocumentError, check_size, decode
from prompt_cache_warmer.adapters.indexing import index_of
from prompt_cache_warmer.adapters.s3_bucket import Bucket, ObjectGoneError, ObjectUnavailableError, StoredObject
from prompt_cache_warmer.errors import RunError, TargetUnavailableError
from prompt_cache_warmer.ports import unlimited
from prompt_cache_warmer.values.limits import MAX_TARGET_BYTES
from prompt_cache_warmer.values.problems import Problem, ProblemCode
from prompt_cache_warmer.values.reading import Origin, read_target, rebuild_target
from prompt_cache_warmer.values.references import MAX_REFERENCES, NOT_TEXT, find_references, is_allowed
from prompt_cache_warmer.warm.room import Room

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from prompt_cache_warmer.adapters.body_cache import BodyCache
    from prompt_cache_warmer.ports import Index
    from prompt_cache_warmer.values.targets import Target, TargetSummary

READERS = 16  # hides S3's latency on a cold start with thousands of targets; boto3 clients are thread-safe

_READING_SHARE = 0.5  # of the time in which calls may start; the other half is for warming
_READING_COPIES = 4  # bytes, text, decoded value and canonical form are in memory at once

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
        now = tuple((key, prompts[key].etag if key in prompts else None) for key, _ in self.references)
        return self.is_final and self.etag == stored.etag and self.references == now


@dataclass(frozen=True, slots=True)
class _Document:
    """One document as it was read, with what it refers to."""

    value: object
    etag: str
    references: References
    texts: dict[str, str]
    origin: Origin


class S3Targets:
    """The targets of one bucket: a ``TargetIndex`` and a ``BodySource``.

    Args:
        bucket: where they are.
        targets_prefix: the prefix of the documents' keys.
        prompts_prefix: the prefix of what they may refer to.
        bodies: keeps bodies between ticks, as far as there is room.
        max_inflight_bytes: how many bytes of documents are read at once.
        call_seconds: how much of a run's time must be left for a call to start; reading leaves it.
    """

    def __init__(
        self,
        bucket: Bucket,
        *,
        targets_prefix: str,
        prompts_prefix: str,
        bodies: BodyCache,
        max_inflight_bytes: int,
        call_seconds: float = 0.0,
    ) -> None:
        self._bucket = bucket
        self._targets_prefix = targets_prefix
        self._prompts_prefix = prompts_prefix
        self._bodies = bodies
        self._max_inflight_bytes = max_inflight_bytes
        self._call_seconds = call_seconds
        self._known: dict[str, _Known] = {}
        self._documents: Objects = {}
        self._prompts: Objects | None = {}
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="s3")

    async def load(
        self, *, remaining_seconds: Callable[[], float] = unlimited, only: frozenset[str] | None = None
    ) -> Index:
        """Return what there is to keep warm now.

        Where only some documents are asked for, they are read with what they refer to and nothing is listed: a
        listing costs as much as reading a dozen of them, and says nothing that the reading does not.

        New and changed documents are read for at most half of the time in which calls may start, so that the other
        half warms what is known; what was not read is a problem of the index and comes first at the next tick.

        Raises:
            TargetsUnreadableError: when the bucket cannot be listed.
        """
        pages: Iterator[Objects] = iter(())
        page: Objects | None
        if only is None:
            pages = self._bucket.pages(self._targets_prefix)
            page, self._prompts = await asyncio.gather(
                self._in_thread(_next_page, pages), self._in_thread(self._bucket.objects, self._prompts_prefix)
            )
        else:
            keys = (key for key in sorted(only) if key.startswith(self._targets_prefix))
            page, self._prompts = {key: _unlisted(key) for key in keys}, None
        self._documents = {}
        left_seconds = remaining_seconds()
        # Where no call could start anyway, reading goes on for as long as it would without any.
        kept_seconds = self._call_seconds if left_seconds > self._call_seconds else 0.0
        until_seconds = kept_seconds + (left_seconds - kept_seconds) * (1 - _READING_SHARE)
        room = Room(self._max_inflight_bytes)
        try:
            async with asyncio.TaskGroup() as readers:  # the next page is listed while documents of this one are read
                while page is not None:
                    self._documents |= page
                    unread = [stored for stored in page.values() if not self._is_known(stored)]
                    waiting = iter(unread)
                    for _ in unread[:READERS]:
                        readers.create_task(self._read_all(waiting, room, lambda: remaining_seconds() >= until_seconds))
                    page = await self._in_thread(_next_page, pages)
        except* RunError as group:
            raise group.exceptions[0] from None
        for key in self._known.keys() - self._documents.keys():
            self._forget(key)
        listed = {**self._documents, **(self._prompts or {})}
        return index_of(
            (self._indexed(key) for key in sorted(self._documents)),
            etags={key: one.etag.strip('"') for key, one in listed.items()},
            modified_at={key: one.modified_at for key, one in listed.items() if one.modified_at is not None},
        )

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
        try:
            document = await self._in_thread(self._document, stored)
        except (DocumentError, ObjectUnavailableError) as error:
            raise TargetUnavailableError(f"{target.source!r} is not what was listed any more: {error}") from error
        if document.origin.version != target.version:
            raise TargetUnavailableError(f"{target.source!r} is not what was listed any more: it changed")
        body = rebuild_target(document.value, target, document.texts)
        self._bodies.put(body)
        return body

    def _is_known(self, stored: StoredObject) -> bool:
        """Tell whether a document is known as it is now; what was known of it before is forgotten."""
        known = self._known.get(stored.key)
        if known is not None and known.is_current(stored, self._prompts or {}):
            return True
        self._forget(stored.key)
        return False

    def _forget(self, key: str) -> None:
        self._known.pop(key, None)
        self._bodies.drop(key)

    async def _read_all(self, waiting: Iterator[StoredObject], room: Room, may_go_on: Callable[[], bool]) -> None:
        """Read documents one after the other; several of these share what is waiting."""
        for stored in waiting:
            if may_go_on():
                async with room.take(stored.size_bytes * _READING_COPIES):
                    known, body = await self._in_thread(self._read, stored)
                if known is None:
                    del self._documents[stored.key]
                    continue
                self._known[stored.key] = known
                if body is not None:
                    self._bodies.put(body)

    def _indexed(self, key: str) -> tuple[TargetSummary | None, tuple[Problem, ...]]:
        known = self._known.get(key)
        if known is not None:
            return known.summary, known.problems
        message = "there was no time left to read it in this run; the next tick goes on"
        return None, (Problem(ProblemCode.NOT_READ_YET, key, "$", message),)

    async def _in_thread(self, work: Callable[[A], T], argument: A) -> T:
        try:
            waiting = asyncio.get_running_loop().run_in_executor(self._readers, work, argument)
        except RuntimeError:  # the interpreter is ending and starts no more work in threads: what is left is done here
            return work(argument)
        return await waiting

    def _read(self, stored: StoredObject) -> tuple[_Known | None, Target | None]:
        """Read one document; whatever is wrong with it is its own problem, and None means that it is gone."""
        try:
            document = self._document(stored)
        except ObjectGoneError:
            return None, None
        except DocumentError as error:
            is_final = error.code is not ProblemCode.TOO_LARGE  # what it refers to may shrink
            return _Known(stored.etag, (), None, (error.problem(stored.key),), is_final), None
        except ObjectUnavailableError as error:
            problem = Problem(ProblemCode.UNREADABLE, stored.key, "$", f"{error}; the next tick tries again")
            return _Known(stored.etag, (), None, (problem,), is_final=False), None
        lost = {key: NOT_TEXT for key, etag in document.references if etag is not None and key not in document.texts}
        reading = read_target(document.value, document.origin, document.texts, lost=lost)
        summary = reading.target.summary if reading.target is not None else None
        return _Known(document.etag, document.references, summary, reading.problems), reading.target

    def _document(self, listed: StoredObject) -> _Document:
        """Fetch and decode a document with what it refers to.

        Raises:
            DocumentError: when it cannot be decoded or is too large.
            ObjectUnavailableError: when it or what it refers to cannot be read.
        """
        check_size(listed.size_bytes)
        stored, content = self._bucket.read(listed)
        check_size(stored.size_bytes)
        value = decode(content, stored.key)
        keys = find_references(value)
        prompts = {key: prompt for key in keys[:MAX_REFERENCES] if (prompt := self._prompt(key)) is not None}
        if self._prompts is not None:
            check_size(stored.size_bytes + sum(prompt.size_bytes for prompt in prompts.values()))
        texts: dict[str, str] = {}
        etags: dict[str, str] = {}
        size_bytes = stored.size_bytes
        for key, listed_prompt in prompts.items():
            prompt, text = self._bucket.read(listed_prompt)
            etags[key] = prompt.etag
            size_bytes += prompt.size_bytes
            check_size(size_bytes)  # it may have grown, or was not listed
            with suppress(UnicodeDecodeError):
                texts[key] = text.decode()
        references = tuple((key, etags.get(key)) for key in keys)
        version = "+".join((stored.etag, *(etag or "" for _, etag in references)))
        origin = Origin(stored.key, version, size_bytes, self._prompts_prefix)
        return _Document(value, stored.etag, references, texts, origin)

    def _prompt(self, key: str) -> StoredObject | None:
        """Return an object that a document refers to; whether it is there is only known where it was listed."""
        if self._prompts is not None:
            return self._prompts.get(key)
        return _unlisted(key) if is_allowed(key, self._prompts_prefix) else None


def _unlisted(key: str) -> StoredObject:
    """Return an object of which nothing is known but its key: it may be as large as any."""
    return StoredObject(key, "", MAX_TARGET_BYTES)


def _next_page(pages: Iterator[Objects]) -> Objects | None:
    return next(pages, None)
