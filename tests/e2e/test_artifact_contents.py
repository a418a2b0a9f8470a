"""What plain ``sam build`` makes: one zip for both processors, compiled, with nothing in it that nothing reads."""

from __future__ import annotations

import importlib.util
import marshal
import os
import sys
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import artifact as build
from infra.local.lambda_emulator import ROOT, LambdaEmulator
from tests.artifact_build import sam_build

if TYPE_CHECKING:
    from infra.local.cloud import LocalCloud

# Of an ELF file: where its machine stands, and what each processor's number is.
ELF_MACHINE = slice(18, 20)
MACHINES = {"aarch64": 183, "x86_64": 62}
UNCHECKED_HASH = 1  # the flags of bytecode that nobody compares with its source

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="Lambda's runtime emulator is a Linux program"),
    pytest.mark.timeout(300),
]


def test_the_artifact_runs_whatever_it_was_built_for(artifact: Path, cloud: LocalCloud) -> None:
    """No Architecture was named, and `sam deploy` may name another one: the zip holds both."""
    cloud.upload(ROOT / "infra/examples")
    with LambdaEmulator(task_root=artifact, environment=cloud.environment(), timeout_seconds=110) as function:
        answer = cloud.tick(function, "exec-0")
    assert answer["totals"]["written"] == 4


def test_every_extension_module_is_there_for_each_processor(artifact: Path) -> None:
    """And is what its name says: the machine stands in its header."""
    modules = list(artifact.rglob("*.so*"))
    found = {
        processor: {
            str(one.relative_to(artifact)).replace(processor, "*") for one in modules if f"-{processor}-" in one.name
        }
        for processor in MACHINES
    }
    assert found["aarch64"] == found["x86_64"]
    assert "pydantic_core/_pydantic_core.cpython-313-*-linux-gnu.so" in found["x86_64"]
    assert len(modules) == 2 * len(found["x86_64"])
    for module in modules:
        (processor,) = (name for name in MACHINES if f"-{name}-" in module.name)
        assert int.from_bytes(module.read_bytes()[ELF_MACHINE], "little") == MACHINES[processor], module


def test_every_module_is_compiled_for_lambda(artifact: Path) -> None:
    """Bytecode of this very source that is never compared with it, and that names Lambda's folder in tracebacks."""
    sources = list(artifact.rglob("*.py"))
    assert len(sources) > 1_000
    missing = [source for source in sources if not Path(importlib.util.cache_from_source(str(source))).is_file()]
    assert not missing or sys.version_info[:2] != build.RUNTIME
    compiled = list(artifact.rglob("*.pyc"))
    assert len(compiled) == len(sources)
    assert {int.from_bytes(one.read_bytes()[4:8], "little") for one in compiled} == {UNCHECKED_HASH}
    (app,) = (one for one in compiled if one.match("__pycache__/app.*.pyc"))
    content = app.read_bytes()
    assert content[8:16] == importlib.util.source_hash((ROOT / "handler/app.py").read_bytes())
    if sys.version_info[:2] == build.RUNTIME:
        assert marshal.loads(content[16:]).co_filename == "/var/task/app.py"  # noqa: S302 - our own build


def test_nothing_unused_is_in_the_artifact(artifact: Path) -> None:
    """By the list of what is taken out, and by what this project knows of its packages."""
    paths = [path.relative_to(artifact) for path in artifact.rglob("*")]
    names = [name for name in build.UNUSED_NAMES if name != "__pycache__"]  # there again, with the right bytecode
    assert not [path for path in paths for name in names if fnmatch(path.name, name)]
    assert not [place for place in build.UNUSED_PLACES if list(artifact.glob(place))]
    data = artifact / "botocore/data"
    assert {path.name for path in data.iterdir() if path.is_dir()} == {*build.CLIENTS, *build.STREAMS}
    assert {path.name for path in artifact.glob("*.dist-info/*")} == {"METADATA", "entry_points.txt"}
    assert {path.name for path in (artifact / "prompt_cache_warmer").iterdir()}.isdisjoint({"cli", "library"})
    assert not (artifact / "artifact.py").exists()
    assert not (artifact / "Makefile").exists()
    megabytes = sum(path.stat().st_size for path in artifact.rglob("*") if path.is_file()) / 1024 / 1024
    assert megabytes < 70  # SAM's own build has 50 for one processor, 70 when it is compiled


def test_without_a_package_index_the_build_says_so(tmp_path: Path) -> None:
    """One sentence and pip's own, no traceback, and nothing that could be deployed."""
    nowhere = {"PIP_CONFIG_FILE": os.devnull, "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(tmp_path / "no-wheels")}
    done = sam_build(tmp_path / "build", **nowhere)
    assert done.returncode == 1
    assert "artifact.py: pip could not install requirements.txt; is a package index in reach?" in done.stderr
    assert "No matching distribution found for annotated-types==" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "build/template.yaml").exists()
