"""The house rules that no other tool checks."""

from __future__ import annotations

import ast
import re
import subprocess
import tomllib
from importlib import metadata

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

from infra.local.lambda_emulator import ROOT

PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
MAX_LINES = 300
TOP_LEVEL = {
    *("pyproject.toml", "README.md", "handler", "infra", "tests", "template.yaml"),
    *("Makefile", "CHANGELOG.md", "LICENSE", "CONTRIBUTING.md", "samconfig.toml"),
}


def tracked() -> list[str]:
    """List the files git tracks or would track."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)  # noqa: S603 - our own command
    return [name for name in listed.stdout.splitlines() if (ROOT / name).is_file()]


def pins(lock: str) -> dict[str, Version]:
    """Read the pinned versions of a lock file."""
    text = (ROOT / lock).read_text(encoding="utf-8")
    return {name: Version(version) for name, version in re.findall(r"^([a-z0-9._-]+)==([^\s;\\]+)", text, re.MULTILINE)}


def test_the_top_level_is_the_owners() -> None:
    """Beside the fixed names only lock files and dot-files."""
    tops = {name.split("/")[0] for name in tracked()}
    assert {name for name in tops - TOP_LEVEL if not name.startswith(".") and not name.endswith(".lock")} == set()


def test_no_source_file_is_longer_than_300_lines() -> None:
    """What grows longer is two things."""
    long = {
        name for name in tracked() if name.endswith(".py") and len((ROOT / name).read_text().splitlines()) > MAX_LINES
    }
    assert {name for name in long if not name.startswith("tests/")} == set()


def test_the_handler_knows_the_wiring_and_the_settings_and_nothing_else() -> None:
    """app.py is a few statements; import-linter cannot see it because it is no package."""
    tree = ast.parse((ROOT / "handler/app.py").read_text(encoding="utf-8"))
    ours = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert {module for module in ours if module and module.startswith("prompt_cache_warmer")} == {
        "prompt_cache_warmer.settings",
        "prompt_cache_warmer.wiring.sandbox",
    }


def test_every_dependency_says_why_it_is_there() -> None:
    """The reason stands behind it on its line."""
    lines = (ROOT / "pyproject.toml").read_text(encoding="utf-8").splitlines()
    project = PYPROJECT["project"]
    groups = [PYPROJECT["build-system"]["requires"], project["dependencies"], PYPROJECT["dependency-groups"]["dev"]]
    groups += project["optional-dependencies"].values()
    wanted = {requirement for group in groups for requirement in group}
    explained = {
        requirement
        for requirement in wanted
        for line in lines
        if f'"{requirement}"' in line and re.search(r"# \S", line)
    }
    assert len(wanted) > 20
    assert explained == wanted


@pytest.mark.parametrize(
    ("lock", "groups"),
    [("handler/requirements.txt", ("aws",)), ("requirements-dev.lock", ("aws", "cli", "plot", "dev"))],
)
def test_the_locks_match_pyproject(lock: str, groups: tuple[str, ...]) -> None:
    """Every requirement is pinned within its bounds; `make lock` resolves again."""
    project = PYPROJECT["project"]
    wanted = list(project["dependencies"])
    for group in groups:
        wanted += project["optional-dependencies"].get(group) or PYPROJECT["dependency-groups"][group]
    found = pins(lock)
    for requirement in map(Requirement, wanted):
        assert requirement.specifier.contains(found[requirement.name.lower()]), requirement


def test_the_function_ships_only_what_it_needs() -> None:
    """Nothing of the command line, the tests or the emulators is in the Lambda's own set."""
    shipped = pins("handler/requirements.txt").keys()
    assert not {"click", "rich", "moto", "aiohttp", "pytest"} & shipped


@pytest.mark.parametrize("lock", [name for name in tracked() if name.endswith((".lock", "requirements.txt"))])
def test_locks_are_hashed_and_hold_no_address(lock: str) -> None:
    """Each pin has its hashes; no registry is named."""
    text = (ROOT / lock).read_text(encoding="utf-8")
    assert "://" not in text
    assert text.count("--hash=sha256:") >= len(pins(lock)) > 0
    assert not re.search(r"^[a-z0-9._-]+==[^\\]*$", text, re.MULTILINE)


def test_make_help_lists_the_commands() -> None:
    """What the README and CONTRIBUTING name is a documented target."""
    listed = set(re.findall(r"^([a-z-]+):.*## ", MAKEFILE, re.MULTILINE))
    assert {"demo", "test", "check", "bench", "build", "lock", "generate", "clean"} <= listed


def test_ci_runs_the_readmes_test_command() -> None:
    """One command, the same for everybody."""
    assert (ROOT / ".ci/run").read_text(encoding="utf-8").splitlines()[-1] == "make test"
    assert "    make test " in (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_version_is_one() -> None:
    """Installed metadata and pyproject agree."""
    assert metadata.version("prompt-cache-warmer") == PYPROJECT["project"]["version"]


def test_no_file_names_a_registry_or_a_path_of_one_machine() -> None:
    """The project speaks only of itself."""
    machine = re.compile(
        "|".join(("/" + "work/", "/" + r"root/\.", "pypi" + r"\.org", "npm" + "js", "files.python" + "hosted"))
    )
    named = [
        name
        for name in tracked()
        if not name.endswith(".lock") and machine.search((ROOT / name).read_text(encoding="utf-8", errors="ignore"))
    ]
    assert named == []
