"""The wheel and the sdist as a user gets them: built, looked into, installed apart from this tree, and used.

Dependencies come from the package index at their locked versions, as ``make setup`` gets them.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from dataclasses import dataclass
from email import message_from_bytes
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from infra.local.lambda_emulator import ROOT
from infra.local.messages_api import LocalMessagesApi

if TYPE_CHECKING:
    from collections.abc import Iterator
    from email.message import Message

UV = ROOT / ".tools/uv/bin/uv"
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
VERSION = PYPROJECT["project"]["version"]
PACKAGE = ROOT / "handler/prompt_cache_warmer"
LOCK = ROOT / "requirements-dev.lock"  # holds every dependency of the package and of its extras
OLDEST = "3.11"
INSTALLS = [(OLDEST, "wheel", ""), ("3.12", "wheel", ""), ("3.13", "wheel", "[cli]"), ("3.13", "sdist", "")]

# What the article shows, over a real client of the SDK; prints what it found as JSON.
PROGRAM = """
import json, sys, threading
import anthropic
import prompt_cache_warmer
from prompt_cache_warmer import CacheWarmer, WarmSchedule

client = anthropic.Anthropic(api_key="sk-ant-local", base_url=sys.argv[1])
warmer = CacheWarmer(client=client, model="claude-sonnet-4-6")
name = warmer.add(
    system_prompt="You are an agent. " * 4_000,
    seed_messages=[{"role": "user", "content": "ping"}],
    tools=[{"name": "search", "description": "Search.", "input_schema": {"type": "object"}}],
)
ticked, found = threading.Event(), []
with WarmSchedule(warmer=warmer, interval_seconds=240, on_result=lambda one: (found.append(one), ticked.set())):
    assert ticked.wait(60)
result = warmer.warm()
print(json.dumps({
    "python": sys.version_info[:2],
    "file": prompt_cache_warmer.__file__,
    "path": sys.path,
    "ticks": [one.verdict for one in found],
    "written": found[0].cache_creation_tokens,
    "verdict": result.verdict,
    "read": result.cache_read_tokens,
    "cost_usd": str(result.cost_usd),
    "saves": f"{result.estimated_savings:.4f}",
    "targets": warmer.targets == (name,),
}))
"""


@dataclass(frozen=True)
class Installed:
    """One environment that holds the package and what it needs.

    Attributes:
        folder: where it is.
        python: its version.
        extra: the extra it was installed with, in brackets.
    """

    folder: Path
    python: str
    extra: str

    def run(self, *command: str) -> str:
        """Run one of its programs apart from the source tree, isolated from its user's environment."""
        program = str(self.folder / "bin" / command[0])
        return ran(program, *command[1:], cwd=self.folder, environment={"HOME": str(self.folder)})


def ran(*command: str, cwd: Path, environment: dict[str, str] | None = None) -> str:
    """Run a program to its end and return what it prints; in this process's environment unless another is given."""
    run = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)  # noqa: S603 - our own command
    assert run.returncode == 0, run.stdout + run.stderr
    return run.stdout


def interpreter(version: str) -> str | None:
    """Find an interpreter: this one, one on the path, or one of pyenv's, whose shims uv does not see through."""
    if sys.version_info[:2] == tuple(map(int, version.split("."))):
        return sys.executable
    command = [str(UV), "python", "find", "--no-python-downloads", version]
    found = subprocess.run(command, cwd="/", capture_output=True, text=True, check=False)  # noqa: S603 - our own command
    if found.returncode == 0:
        return found.stdout.strip()
    pyenvs = sorted((Path.home() / ".pyenv/versions").glob(f"{version}.*/bin/python"))
    return str(pyenvs[-1]) if pyenvs else None


@pytest.fixture(scope="session")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build both with the locked backend, which needs no network."""
    folder = tmp_path_factory.mktemp("dist")
    ran(sys.executable, "-m", "hatchling", "build", "-d", str(folder), cwd=ROOT)
    return folder


@pytest.fixture(scope="session")
def wheel(dist: Path) -> Path:
    """Return the one wheel."""
    (found,) = dist.glob("*.whl")
    return found


@pytest.fixture(scope="session")
def sdist(dist: Path) -> Path:
    """Return the one source distribution."""
    (found,) = dist.glob("*.tar.gz")
    return found


@pytest.fixture(scope="session", params=INSTALLS, ids="-".join)
def installed(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, wheel: Path, sdist: Path
) -> Installed:
    """Install one of them for one Python; where there is no such Python, say so and skip."""
    python, kind, extra = request.param
    found = interpreter(python)
    if found is None:
        pytest.skip(f"no Python {python} on this machine")
    folder = tmp_path_factory.mktemp(f"{kind}-{python}")
    package = wheel if kind == "wheel" else sdist
    ran(str(UV), "venv", "--quiet", "--clear", "--no-python-downloads", "--python", found, str(folder), cwd=folder)
    wanted = f"prompt-cache-warmer{extra} @ {package.as_uri()}"
    locked = ["--constraints", str(LOCK), "--build-constraints", str(LOCK)]
    ran(str(UV), "pip", "install", "--quiet", "--python", str(folder / "bin/python"), *locked, wanted, cwd=folder)
    return Installed(folder, python, extra)


@pytest.fixture
def api() -> Iterator[LocalMessagesApi]:
    """Run the Messages API in this process."""
    with LocalMessagesApi() as started:
        yield started


def sources() -> set[str]:
    """List the package's files, as paths from the folder above it."""
    kept = [path for path in PACKAGE.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    return {path.relative_to(PACKAGE.parent).as_posix() for path in kept}


def metadata(text: bytes) -> Message:
    """Read a package's metadata."""
    return message_from_bytes(text)


def test_the_wheel_holds_the_package_and_nothing_else(wheel: Path) -> None:
    """Every module and the marker for types; no tests, no Lambda handler, nothing of the repository's other folders."""
    info = f"prompt_cache_warmer-{VERSION}.dist-info"
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        assert {name for name in names if not name.startswith(info)} == sources()
        assert {name.removeprefix(f"{info}/") for name in names if name.startswith(info)} == {
            *("METADATA", "WHEEL", "RECORD", "entry_points.txt", "licenses/LICENSE")
        }
        assert "prompt_cache_warmer/py.typed" in names
        assert archive.read(f"{info}/licenses/LICENSE") == (ROOT / "LICENSE").read_bytes()
        entry_points = archive.read(f"{info}/entry_points.txt").decode()
    assert wheel.name == f"prompt_cache_warmer-{VERSION}-py3-none-any.whl"
    assert entry_points == "[console_scripts]\nprompt-cache-warmer = prompt_cache_warmer.cli:main\n"


def test_the_sdist_holds_what_the_wheel_is_built_of(sdist: Path) -> None:
    """And the papers beside it; neither tests nor the deployment."""
    top = f"prompt_cache_warmer-{VERSION}/"
    with tarfile.open(sdist) as archive:
        names = {member.name.removeprefix(top) for member in archive.getmembers() if member.isfile()}
    papers = {"pyproject.toml", "README.md", "CHANGELOG.md", "LICENSE", "PKG-INFO", ".gitignore"}
    assert names == {*papers, *(f"handler/{name}" for name in sources())}


def test_the_metadata_says_what_pyproject_says(wheel: Path, sdist: Path) -> None:
    """The same in both: Pythons, extras, licence, and no dependency of the tests."""
    with zipfile.ZipFile(wheel) as archive:
        of_wheel = metadata(archive.read(f"prompt_cache_warmer-{VERSION}.dist-info/METADATA"))
    with tarfile.open(sdist) as archive:
        member = archive.extractfile(f"prompt_cache_warmer-{VERSION}/PKG-INFO")
        assert member is not None
        of_sdist = metadata(member.read())
    assert of_wheel.items() == of_sdist.items()
    assert (of_wheel["Name"], of_wheel["Version"]) == ("prompt-cache-warmer", VERSION)
    assert of_wheel["Requires-Python"] == ">=3.11"
    assert of_wheel["License-Expression"] == "Apache-2.0"
    assert of_wheel.get_all("Provides-Extra") == ["aws", "cli", "plot"]
    required = [one for one in of_wheel.get_all("Requires-Dist") or [] if "extra ==" not in one]
    assert sorted(re.split(r"[<>=]", one)[0] for one in required) == ["anthropic", "genai-prices", "pydantic", "tzdata"]
    assert "Typing :: Typed" in (of_wheel.get_all("Classifier") or [])
    assert of_wheel.get_payload(decode=True) == (ROOT / "README.md").read_bytes()


@pytest.mark.timeout(180)
def test_the_articles_lines_run_as_installed(installed: Installed, api: LocalMessagesApi) -> None:
    """A schedule's tick writes the prefix, a warm call by hand reads all of it."""
    found: dict[str, Any] = json.loads(installed.run("python", "-I", "-c", PROGRAM, api.base_url))
    assert tuple(found["python"]) == tuple(map(int, installed.python.split(".")))
    assert found["file"].startswith(f"{installed.folder}/lib/")
    assert not [place for place in found["path"] if place.startswith(str(ROOT))]
    assert (found["ticks"], found["verdict"]) == (["written"], "refreshed")
    assert found["read"] == found["written"] > 4_000 * 4
    assert found["targets"]
    assert float(found["cost_usd"]) > 0
    assert float(found["saves"]) > 0
    assert [request.status for request in api.requests] == [200, 200]


def test_what_is_installed_are_the_locked_versions(installed: Installed) -> None:
    """What is tested here is what is tested everywhere else; older Pythons may need a package more."""
    code = "import importlib.metadata as m\nfor d in m.distributions(): print(d.name.lower(), d.version)"
    listed = dict(line.split() for line in installed.run("python", "-I", "-c", code).splitlines())
    locked = dict(re.findall(r"^([a-z0-9._-]+)==([^\s;\\]+)", LOCK.read_text(encoding="utf-8"), re.MULTILINE))
    assert listed.pop("prompt-cache-warmer") == VERSION
    listed = {name.replace("_", "-"): version for name, version in listed.items()}
    assert {name: locked.get(name, version) for name, version in listed.items()} == listed
    assert not {"boto3", "botocore", "mypy-boto3-dynamodb", "pytest"} & listed.keys()


def test_the_command_runs_with_its_extra_and_says_what_is_missing_without(installed: Installed) -> None:
    """It checks the quick start's targets, whose prompts stand in files of their own."""
    examples = [str(ROOT / "infra/examples/targets" / name) for name in ("support-agent.json", "ticket-router.yaml")]
    if installed.extra == "[cli]":
        assert "Usage: prompt-cache-warmer" in installed.run("prompt-cache-warmer", "--help")
        assert installed.run("prompt-cache-warmer", "--version").split()[-1] == VERSION
        assert "2 valid, 0 invalid" in installed.run("prompt-cache-warmer", "check", *examples)
        return
    with pytest.raises(AssertionError, match="click is not installed; the command line needs, from a clone of"):
        installed.run("prompt-cache-warmer", "check", *examples)


@pytest.mark.timeout(180)
@pytest.mark.parametrize("installed", INSTALLS[:1], indirect=True, ids="-".join)
def test_the_types_are_what_an_application_sees(installed: Installed) -> None:
    """Strict pyright finds every mistake and no other error, without boto3 or its stubs, as of the oldest Python."""
    rules = {**PYPROJECT["tool"]["basedpyright"], "include": ["api.py", "mistakes.py"]}
    folder = installed.folder / "application"
    folder.mkdir()
    (folder / "pyrightconfig.json").write_text(json.dumps(rules), encoding="utf-8")
    for name in rules["include"]:
        (folder / name).write_bytes((ROOT / "tests/typing" / name).read_bytes())
    pyright = str(Path(sys.executable).with_name("basedpyright"))
    printed = ran(pyright, "--pythonpath", str(installed.folder / "bin/python"), cwd=folder)
    assert printed.splitlines()[-1] == "0 errors, 0 warnings, 0 notes"
