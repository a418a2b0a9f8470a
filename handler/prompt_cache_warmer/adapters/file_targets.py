"""Targets in files, for validating before an upload: the same reading as from S3."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING

from prompt_cache_warmer.adapters.documents import JSON_SUFFIXES, YAML_SUFFIXES, DocumentError, check_size, decode
from prompt_cache_warmer.adapters.indexing import index_of
from prompt_cache_warmer.values.problems import Problem, ProblemCode
from prompt_cache_warmer.values.reading import Origin, Reading, read_target
from prompt_cache_warmer.values.references import NOT_TEXT, find_references, is_allowed

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from prompt_cache_warmer.ports import Index

LOCAL_VERSION = "local"
DOCUMENT_SUFFIXES = (*JSON_SUFFIXES, *YAML_SUFFIXES)


def read_file(path: Path, *, root: Path, prompts_prefix: str) -> Reading:
    """Read one target file.

    Args:
        path: the document.
        root: the folder that stands for the bucket: references are looked up below it.
        prompts_prefix: the only prefix references may have.
    """
    source = str(path)
    try:
        facts = path.stat()
        if not stat.S_ISREG(facts.st_mode):  # a pipe would be waited for, for ever
            return _failed(source, ProblemCode.UNREADABLE, "is not a regular file")
        check_size(facts.st_size)
        content = path.read_bytes()
        value = decode(content, source)
        texts, lost = _texts(find_references(value), root, prompts_prefix)
        size_bytes = len(content) + sum(len(text.encode()) for text in texts.values())
        check_size(size_bytes)
    except OSError as error:
        return _failed(source, ProblemCode.UNREADABLE, f"cannot be read: {error.strerror}")
    except DocumentError as error:
        return Reading(None, (error.problem(source),))
    return read_target(value, Origin(source, LOCAL_VERSION, size_bytes, prompts_prefix), texts, lost=lost)


def document_files(paths: Iterable[Path]) -> Iterator[Path]:
    """List documents, each once: a folder stands for the documents in it, in the order of their names."""
    seen: dict[Path, None] = {}
    for path in paths:
        if path.is_dir():
            seen |= dict.fromkeys(sorted(file for file in path.iterdir() if file.suffix in DOCUMENT_SUFFIXES))
        else:
            seen[path] = None
    yield from seen


def root_of(file: Path, *, prompts_prefix: str) -> Path:
    """Guess the folder that stands for the bucket: the first one above the file that has the prompts."""
    parents = (file.parent, file.resolve().parent.parent)
    return next((folder for folder in parents if (folder / prompts_prefix).is_dir()), file.parent)


def index_files(readings: Iterable[Reading]) -> Index:
    """Index files as the bucket would: a name stands in one document only."""
    return index_of((reading.target.summary if reading.target else None, reading.problems) for reading in readings)


def _texts(keys: Sequence[str], root: Path, prompts_prefix: str) -> tuple[dict[str, str], dict[str, str]]:
    """Read the files a document refers to; one that is missing, not UTF-8 or outside the prefix is lost, and why."""
    texts: dict[str, str] = {}
    lost: dict[str, str] = {}
    folder = (root / prompts_prefix).resolve()
    for key in keys:
        if not is_allowed(key, prompts_prefix):
            continue
        path = (root / key).resolve()
        if not (path.is_relative_to(folder) and path.is_file()):
            lost[key] = f"there is no such file in {str(root)!r}; --root says which folder stands for the bucket"
            continue
        try:
            texts[key] = path.read_bytes().decode()
        except UnicodeDecodeError:
            lost[key] = NOT_TEXT
        except OSError as error:
            lost[key] = f"cannot be read: {error.strerror}"
    return texts, lost


def _failed(source: str, code: ProblemCode, message: str) -> Reading:
    return Reading(None, (Problem(code, source, "$", message),))
