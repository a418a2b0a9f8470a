"""What goes into the artifact and what is taken out of it, without a package index."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import TYPE_CHECKING

import grimp
import pytest
import yaml

import artifact

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
HANDLER = ROOT / "handler"
SANDBOX = "prompt_cache_warmer.wiring.sandbox"
MAKERS_MODULE, CLIENT_MAKER = "prompt_cache_warmer.wiring.aws", "aws_client"

PINS = """\
annotated-types==0.8.0 \\
    --hash=sha256:aa
    # via pydantic
pydantic-core==2.50.4 ; sys_platform != 'emscripten' \\
    --hash=sha256:bb \\
    --hash=sha256:cc
pyyaml==6.0.3 \\
    --hash=sha256:dd
"""


def made(folder: Path, *paths: str) -> Path:
    """Make files, each with its path for its content."""
    for path in paths:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(path, encoding="utf-8")
    return folder


def there(folder: Path) -> set[str]:
    """List the files."""
    return {found.relative_to(folder).as_posix() for found in folder.rglob("*") if found.is_file()}


def clients(module: str) -> Iterator[str]:
    """Name the AWS services a module makes a client of."""
    path = HANDLER / module.replace(".", "/")
    source = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == CLIENT_MAKER:
            service = node.args[0]
            assert isinstance(service, ast.Constant), f"{module} makes a client of what cannot be read here"
            yield str(service.value)
        is_clients_own = isinstance(node, ast.Attribute) and node.attr in {"client", "create_client", "resource"}
        assert not is_clients_own or module == MAKERS_MODULE, f"{module} makes a client past {CLIENT_MAKER}"


def test_the_services_are_those_the_function_makes_clients_of() -> None:
    """Of all modules the handler can reach, those that are imported inside functions included."""
    graph = grimp.build_graph("prompt_cache_warmer", exclude_type_checking_imports=True, cache_dir=None)
    reached = {SANDBOX, *graph.find_upstream_modules(SANDBOX)}
    assert "prompt_cache_warmer.wiring.credentials" in reached
    assert sorted({service for module in reached for service in clients(module)}) == list(artifact.CLIENTS)
    assert not [
        module for module in reached if module.startswith(("prompt_cache_warmer.cli", "prompt_cache_warmer.library"))
    ]


def test_the_function_is_built_by_the_makefile_for_its_own_runtime() -> None:
    """The template's runtime is the one that the bytecode is for."""
    template = (ROOT / "template.yaml").read_text(encoding="utf-8")
    functions = [
        one
        for one in yaml.load(template, _AnyTag)["Resources"].values()  # noqa: S506 - a safe loader that passes tags over
        if one["Type"] == "AWS::Serverless::Function"
    ]
    assert functions
    for function in functions:
        assert function["Metadata"] == {"BuildMethod": "makefile"}
        assert function["Properties"]["CodeUri"] == "handler/"
        assert function["Properties"]["Runtime"] == "python{}.{}".format(*artifact.RUNTIME)


def test_pins_keep_their_hashes_and_lose_the_others() -> None:
    """A package is chosen with all the lines below its name."""
    found = "".join(artifact.pins(PINS, {"pydantic-core", "pyyaml"}))
    assert found.startswith("pydantic-core==2.50.4 ;")
    assert found.count("--hash=") == 3
    assert "sha256:aa" not in found


def test_extended_packages_are_found_by_what_they_installed(tmp_path: Path) -> None:
    """By an extension module in their list of files, whatever their name is written like."""
    made(tmp_path, "a-1.dist-info/RECORD")
    (tmp_path / "Pydantic_Core-2.50.4.dist-info").mkdir()
    record = tmp_path / "Pydantic_Core-2.50.4.dist-info/RECORD"
    record.write_text("pydantic_core/__init__.py,x,1\npydantic_core/_c.cpython-313-aarch64-linux-gnu.so,x,1\n")
    assert list(artifact.extended(tmp_path)) == ["pydantic-core"]


@pytest.mark.parametrize(
    ("here", "other", "lonely"),
    [
        pytest.param("a/_c.cpython-313-aarch64-linux-gnu.so", "a/_c.cpython-313-x86_64-linux-gnu.so", None, id="twins"),
        pytest.param(
            "a/_c.cpython-313-aarch64-linux-gnu.so", "b.py", "a/_c.cpython-313-x86_64-linux-gnu.so", id="gone"
        ),
        pytest.param("a/_c.abi3.so", "a/_c.abi3.so", "a/_c.abi3.so", id="no processor in its name"),
        pytest.param("b.py", "a.libs/libz-1.so.2", "a.libs/libz-1.so.2", id="a library that only one has"),
    ],
)
def test_a_zip_for_one_processor_alone_is_refused(tmp_path: Path, here: str, other: str, lonely: str | None) -> None:
    """Every extension module has a twin under the other processor's name, or nothing is built."""
    folder, packages = made(tmp_path / "folder", here), made(tmp_path / "packages", other)
    if lonely is None:
        artifact.add_twins(folder, packages, like="aarch64", processor="x86_64")
        assert there(folder) == {here, other}
        return
    with pytest.raises(artifact.BuildError) as caught:
        artifact.add_twins(folder, packages, like="aarch64", processor="x86_64")
    assert str(caught.value) == f"not for both of aarch64 and x86_64: {lonely}"
    assert there(folder) == {here}


def test_what_nothing_reads_is_taken_out(tmp_path: Path) -> None:
    """By name and by place; what is like it elsewhere stays."""
    stays = {
        "app.py",
        "prompt_cache_warmer/wiring/sandbox.py",
        "boto3/docs/__init__.py",  # imported by boto3 itself
        "botocore/data/endpoints.json",
        "botocore/data/s3/service-2.json.gz",
        "botocore/data/bedrock-runtime/service-2.json.gz",
        "a/__init__.py",
        "a-1.dist-info/METADATA",
        "a-1.dist-info/entry_points.txt",
    }
    goes = {
        "bin/a",
        "prompt_cache_warmer/cli/warm.py",
        "prompt_cache_warmer/library/__init__.py",
        "prompt_cache_warmer/__pycache__/x.cpython-312.pyc",
        "prompt_cache_warmer/py.typed",
        "boto3/data/s3/2006-03-01/resources-1.json",
        "botocore/data/ec2/service-2.json.gz",
        "botocore/data/s3/examples-1.json",
        "botocore/data/s3/waiters-2.json",
        "a/tests/test_a.py",
        "a/_c.c",
        "a/_c.pyx",
        "a/__init__.pyi",
        "a-1.dist-info/RECORD",
        "a-1.dist-info/licenses/LICENSE",
    }
    made(tmp_path, *stays, *goes)
    (tmp_path / "a-1.dist-info/METADATA").write_text("Name: a\nVersion: 1\n\n# A page\n", encoding="utf-8")
    artifact.prune(tmp_path)
    assert there(tmp_path) == stays
    assert (tmp_path / "a-1.dist-info/METADATA").read_text(encoding="utf-8") == "Name: a\nVersion: 1\n"


def test_a_finished_artifact_of_the_same_sources_is_copied_and_no_other(tmp_path: Path) -> None:
    """The second function's folder: not from a build that is under way, nor from one of another source."""
    source = made(tmp_path / "source", "artifact.py", "requirements.txt", "app.py", "prompt_cache_warmer/a.py")
    twin = made(tmp_path / "twin", "app.py", "deep/b.py")
    assert not artifact.copied(tmp_path / "folder", source, twin)
    (twin / artifact.MADE_OF).write_text(artifact.made_of(source))
    made(source, "prompt_cache_warmer/__pycache__/a.cpython-313.pyc")
    assert artifact.copied(tmp_path / "folder", source, twin)
    assert there(tmp_path / "folder") == {"app.py", "deep/b.py", artifact.MADE_OF}
    for path in ("artifact.py", "requirements.txt", "app.py", "prompt_cache_warmer/a.py"):
        (source / path).write_text("changed")
        assert not artifact.copied(tmp_path / "folder", source, twin), path
        made(source, path)


def test_another_python_builds_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its bytecode would be passed over, and nobody would notice."""
    monkeypatch.setattr(artifact, "RUNTIME", (3, 7))
    with pytest.raises(artifact.BuildError, match=r"^this is Python 3\.\d+\.\d+\S*, the function's is 3\.7$"):
        artifact.build(tmp_path / "new", HANDLER)
    assert not (tmp_path / "new").exists()


class _AnyTag(yaml.SafeLoader):
    """Reads a template without looking at CloudFormation's tags."""


_AnyTag.add_multi_constructor("!", lambda *_: None)
