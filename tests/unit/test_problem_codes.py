"""The set of problem codes is closed: each one is produced by a document, an event or a file of these tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prompt_cache_warmer.adapters.documents import DocumentError, decode
from prompt_cache_warmer.adapters.file_targets import index_files, read_file
from prompt_cache_warmer.values.problems import ProblemCode
from tests.body_cases import ERRORS, WARNINGS
from tests.document_cases import DOCUMENTS
from tests.documents import read, target_document, text
from tests.reference_cases import REFERENCES
from tests.request_cases import REQUESTS

if TYPE_CHECKING:
    from pathlib import Path

# A selection of names is not a document: test_warmer.py has the test that produces it.
OF_THE_RUN = {ProblemCode.NO_SUCH_TARGET, ProblemCode.NOT_READ_YET}


def _decoding_codes() -> set[ProblemCode]:
    found: set[ProblemCode] = set()
    for content, name in ((b"{", "a.json"), (b"{}", "a"), (b'{"a":1,"a":1}', "a.json"), (b"[" * 99, "a.yaml")):
        try:
            decode(content, name)
        except DocumentError as error:
            found.add(error.code)
    return found


def test_every_code_is_produced_by_a_test(tmp_path: Path) -> None:
    """Tables, decoding, files and the index together produce every code there is, and no other."""
    tables = (DOCUMENTS, REQUESTS, REFERENCES, ERRORS, WARNINGS)
    cases = [case for table in tables for case in table.values()]
    produced = {problem.code for case in cases for problem in read(case.document, case.texts).problems}
    assert {case.code for case in cases} <= produced
    produced |= _decoding_codes()
    produced |= {problem.code for problem in read_file(tmp_path, root=tmp_path, prompts_prefix="p/").problems}
    disputed = read(target_document(models=["claude-sonnet-4-6"], request={"system": [text("word" * 1_500)]}))
    produced |= {problem.code for problem in index_files([disputed, read(target_document())]).problems}
    assert produced == set(ProblemCode) - OF_THE_RUN
