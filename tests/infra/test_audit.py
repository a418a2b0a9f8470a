"""The audit of locked dependencies: it fails for what is known, and says so where nobody can be asked."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from infra.local.audit import NOBODY, audit

ROOT = Path(__file__).resolve().parents[2]
LOCKS = [ROOT / "handler/requirements.txt", *sorted(ROOT.glob("requirements-*.lock"))]
LOCKED = "aa==1.0 \\\n    --hash=sha256:00\nbb==2.0 ; python_version < '3.14' \\\n    --hash=sha256:11\n    # via aa\n"

AUDITOR = """
import json, pathlib, sys
asked = pathlib.Path(sys.argv[sys.argv.index("--requirement") + 1]).read_text().split()
pathlib.Path({log!r}).open("a").write(" ".join(asked) + "\\n")
answers = {answers!r}
print(json.dumps({{"dependencies": [answers[each] for each in asked], "fixes": []}}))
"""
FINE = {"name": "aa", "version": "1.0", "vulns": []}
ALSO_FINE = {"name": "bb", "version": "2.0", "vulns": []}
VULNERABLE = {"name": "bb", "version": "2.0", "vulns": [{"id": "PYSEC-1", "fix_versions": ["2.1"]}]}
UNFIXED = {"name": "bb", "version": "2.0", "vulns": [{"id": "PYSEC-2", "fix_versions": []}]}
UNKNOWN = {"name": "aa", "skip_reason": "Dependency not found on PyPI"}


def run(folder: Path, first: object, second: object) -> tuple[int, list[str]]:
    """Audit two packages with an auditor that answers this; returns the exit code and what was asked."""
    (folder / "a.lock").write_text(LOCKED, encoding="utf-8")
    log = folder / "asked.txt"
    script = folder / "auditor.py"
    answers = {"aa==1.0": first, "bb==2.0": second}
    script.write_text(AUDITOR.format(log=str(log), answers=answers), encoding="utf-8")
    code = audit([folder / "a.lock"], command=(sys.executable, str(script)))
    return code, log.read_text(encoding="utf-8").splitlines()


def test_nothing_known_is_success(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It asks about one version first, then about all of them, and says how many were asked about."""
    assert run(tmp_path, FINE, ALSO_FINE) == (0, ["aa==1.0", "aa==1.0 bb==2.0"])
    assert capsys.readouterr().out == "audit: 2 of 2 locked versions were asked about, 0 vulnerabilities\n"


@pytest.mark.parametrize(
    ("known", "fix"), [(VULNERABLE, "PYSEC-1, fixed in 2.1"), (UNFIXED, "PYSEC-2, fixed in no version")]
)
def test_a_known_vulnerability_fails(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], known: object, fix: str
) -> None:
    """With the version that mends it, if there is one."""
    assert run(tmp_path, FINE, known)[0] == 1
    assert f"bb 2.0: {fix}\n" in capsys.readouterr().out


def test_an_index_without_advisories_is_asked_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It does not know the first one, so it is not an advisory service: that is said, and the build goes on."""
    assert run(tmp_path, UNKNOWN, VULNERABLE) == (0, ["aa==1.0"])
    assert capsys.readouterr().out == f"{NOBODY}\n"


@pytest.mark.parametrize("printed", ["", "no route to host", "[]", '{"error": 1}'])
def test_nobody_there_is_said_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str], printed: str) -> None:
    """Whatever the auditor prints that is no answer."""
    (tmp_path / "a.lock").write_text(LOCKED, encoding="utf-8")
    command = (sys.executable, "-c", f"import sys; print({printed!r}); sys.exit(1)")
    assert audit([tmp_path / "a.lock"], command=command) == 0
    assert capsys.readouterr().out == f"{NOBODY}\n"


@pytest.mark.parametrize("path", LOCKS, ids=lambda path: path.name)
def test_every_locked_file_pins_versions_and_hashes(path: Path) -> None:
    """Each version is exact and has a hash, so that nobody can put another file in its place; no index is named."""
    text = path.read_text(encoding="utf-8")
    pinned = re.split(r"\n(?=[A-Za-z0-9])", text.strip())
    assert len(pinned) >= 20
    for each in pinned:
        assert re.match(r"[A-Za-z0-9._-]+==[^\s;\\]+", each), each[:60]
        assert "--hash=sha256:" in each, each[:60]
    assert "://" not in text


def test_every_locked_file_is_installed_with_its_hashes_and_audited() -> None:
    """By make, which alone installs them; `make check` audits each."""
    make = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert make.count("pip sync") == make.count("--require-hashes") == 2
    assert "audit.py handler/requirements.txt requirements-*.lock" in make
    assert len(LOCKS) == 5
    for path in LOCKS:
        assert f"--output-file {path.relative_to(ROOT).as_posix()}" in make
