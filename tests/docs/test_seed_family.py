"""The packages this one replaces: every clause of what they do stands in a table with the test that shows it."""

from __future__ import annotations

import ast
import re
from functools import cache

import pytest

from infra.local.lambda_emulator import ROOT

TABLE = ROOT / "tests/docs/seed-family.md"
FAMILY = ROOT.parent / "shared/docs/seed-family.md"
# What is left of the text when the clauses are taken out: headings, joints, and what asks for nothing.
JOINTS = frozenset({"python", "its", "roadmap", "all", "of", "it", "ours", "and", "their", "defects", "to", "avoid"})


def squeezed(text: str) -> str:
    """Return a text with every run of blanks as one."""
    return " ".join(text.split())


def clauses() -> dict[str, list[tuple[str, str]]]:
    """Read the table: the clauses of each package with their tests."""
    found: dict[str, list[tuple[str, str]]] = {}
    for line in TABLE.read_text(encoding="utf-8").splitlines():
        if line.startswith("## "):
            found[line.removeprefix("## ")] = []
        elif row := re.fullmatch(r"\| (.+) \| `(.+)` \|", line):
            next(reversed(found.values())).append((row[1], row[2]))
    return found


CLAUSES = clauses()


@cache
def docstrings(path: str) -> dict[str, str]:
    """Return the docstring of every test of a file."""
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    return {function.name: squeezed(ast.get_docstring(function) or "") for function in functions}


@pytest.mark.parametrize(("clause", "test"), [row for rows in CLAUSES.values() for row in rows])
def test_every_clause_is_quoted_by_its_test(clause: str, test: str) -> None:
    """The test is there, and its docstring says word for word what it shows."""
    path, name = test.split("::")
    assert name.startswith("test_")
    assert f'"{clause}"' in docstrings(path)[name]


def test_the_table_is_complete() -> None:
    """Whatever the text asks for is in a clause: taken out of it, they leave no more than joints."""
    if not FAMILY.is_file():
        pytest.skip("the text on the packages is not part of the project")
    parts = re.split(r"^## ", FAMILY.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]
    sections = {part.splitlines()[0].split(" (")[0]: squeezed(part.split("\n", 1)[1]) for part in parts}
    assert list(sections) == list(CLAUSES)
    left = {}
    for name, text in sections.items():
        covered = [False] * len(text)
        for clause, _ in CLAUSES[name]:
            assert clause in text, (name, clause)
            start = text.index(clause)
            covered[start : start + len(clause)] = [True] * len(clause)
        rest = "".join(" " if is_covered else letter for letter, is_covered in zip(text, covered, strict=True))
        words = [word for word in re.findall(r"[A-Za-z0-9_%]+", rest) if word.lower() not in JOINTS]
        if words:
            left[name] = words
    assert left == {}
