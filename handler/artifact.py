"""Builds the folder that SAM zips: the function and its packages, compiled, without what it never uses.

``sam build`` runs it by the Makefile beside it, with nothing but Python and its pip. SAM tells a Makefile no
architecture (aws-sam-cli issue 3349), and ``sam deploy`` may name another one than ``sam build`` has seen. So the
zip is the same for both: every extension module is there twice, its processor in its name, and the interpreter
loads its own. That costs a few MB, and there is no wrong zip to deploy.

Lambda's folder of code is read-only: what comes without bytecode is compiled anew at every cold start.
"""

from __future__ import annotations

import argparse
import compileall
import hashlib
import os
import py_compile
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

RUNTIME = (3, 13)  # the template's: another Python's bytecode would be passed over
PROCESSORS = ("aarch64", "x86_64")  # as wheels and extension modules call them
LINUXES = ("manylinux_2_34", "manylinux_2_28", "manylinux_2_17", "manylinux2014")  # up to glibc of Amazon Linux 2023
TASK_ROOT = "/var/task"  # where Lambda unpacks the zip; tracebacks name it

SOURCES = ("app.py", "prompt_cache_warmer")
REQUIREMENTS = "requirements.txt"

# The AWS services whose descriptions stay: those a client is made of, and what the Anthropic SDK decodes Bedrock's
# streams by.
CLIENTS = ("dynamodb", "s3", "secretsmanager", "sqs", "ssm", "sts")
STREAMS = ("bedrock-runtime",)

# What nothing reads at run time, by name wherever it is, and by place.
UNUSED_NAMES = ("__pycache__", "test", "tests", "*.pyi", "py.typed", "*.[ch]", "*.p[xy][xd]")
UNUSED_PLACES = (
    "bin",  # the packages' own commands
    "prompt_cache_warmer/cli",  # ours
    "prompt_cache_warmer/library",  # for applications
    "aws_lambda_powertools/event_handler",  # for web applications: the half of that package
    "aws_lambda_powertools/utilities/parser",  # models of events
    "boto3/data",  # what boto3's resources are made of; clients need none of it
    "boto3/examples",
    "botocore/data/*/examples-1.json",  # for AWS's own pages
    "botocore/data/*/waiters-2.json",  # nobody waits
    "dateutil/zoneinfo/*.tar.gz",  # zones come from tzdata
)
# What a finished build was made of: written last, and compared before it is copied.
MADE_OF = "made-of.sha256"
SERVICES = "botocore/data/*/"
# Of a package's own description: its version and its entry points, which importlib.metadata is asked for.
DESCRIPTIONS = "*.dist-info"
VERSION_FILE = "METADATA"
KEPT_OF_DESCRIPTIONS = (VERSION_FILE, "entry_points.txt")


class BuildError(Exception):
    """The artifact cannot be built; the message says what to do."""


def build(folder: Path, source: Path) -> None:
    """Build the artifact.

    Args:
        folder: where to; empty, or not there yet.
        source: the folder with the function and its requirements.

    Raises:
        BuildError: when it cannot be built here.
    """
    if sys.version_info[:2] != RUNTIME:
        raise BuildError(f"this is Python {sys.version.split()[0]}, the function's is {'.'.join(map(str, RUNTIME))}")
    first, *others = PROCESSORS
    requirements = source / REQUIREMENTS
    install(requirements, folder, first)
    for other in others:
        add_extensions(requirements, folder, like=first, processor=other)
    for name in SOURCES:
        copy = shutil.copytree if (source / name).is_dir() else shutil.copy2
        copy(source / name, folder / name)
    prune(folder)
    if not compileall.compile_dir(
        folder,
        quiet=1,
        force=True,
        workers=os.cpu_count() or 1,
        stripdir=str(folder),
        prependdir=TASK_ROOT,
        invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
    ):
        raise BuildError("some of it cannot be compiled; the lines above say what")
    (folder / MADE_OF).write_text(made_of(source), encoding="utf-8")


def made_of(source: Path) -> str:
    """Hash everything an artifact is made of: how it is built, its packages and the function."""
    files = [source / "artifact.py", source / REQUIREMENTS]
    for name in SOURCES:
        files += sorted((source / name).rglob("*.*")) if (source / name).is_dir() else [source / name]
    found = hashlib.sha256()
    for path in files:
        if path.is_file() and path.suffix != ".pyc":
            found.update(f"{path.relative_to(source)}\0".encode() + path.read_bytes())
    return found.hexdigest()


def copied(folder: Path, source: Path, twin: Path) -> bool:
    """Copy an artifact that is finished and made of the same; returns whether there was one."""
    mark = twin / MADE_OF
    if not mark.is_file() or mark.read_text("utf-8") != made_of(source):
        return False
    shutil.copytree(twin, folder, dirs_exist_ok=True)
    return True


def install(requirements: Path, folder: Path, processor: str) -> None:
    """Install the packages for Lambda's platform, each checked against its hash.

    Raises:
        BuildError: when pip cannot.
    """
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-compile"]
    command += ["--no-deps", "--require-hashes", "--only-binary=:all:"]
    command += [f"--platform={linux}_{processor}" for linux in LINUXES]
    command += ["--target", str(folder), "--requirement", str(requirements)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - our own command
    if done.returncode:
        errors = [line for line in done.stderr.splitlines() if "ERROR" in line or "No module" in line]
        said = "\n".join(errors or done.stderr.splitlines()[-1:])
        raise BuildError(f"pip could not install {REQUIREMENTS}; is a package index in reach?\n{said}")


def add_extensions(requirements: Path, folder: Path, *, like: str, processor: str) -> None:
    """Put the extension modules for another processor beside those that are there.

    Raises:
        BuildError: when pip cannot install them, or the zip would run on one processor alone.
    """
    with tempfile.TemporaryDirectory() as scratch:
        packages, chosen = Path(scratch) / "packages", Path(scratch) / REQUIREMENTS
        chosen.write_text("".join(pins(requirements.read_text("utf-8"), set(extended(folder)))), encoding="utf-8")
        install(chosen, packages, processor)
        add_twins(folder, packages, like=like, processor=processor)


def add_twins(folder: Path, packages: Path, *, like: str, processor: str) -> None:
    """Copy the extension modules of the same packages for another processor.

    Raises:
        BuildError: when one has no twin.
    """
    here, there = extensions(folder), extensions(packages)
    twins = {Path(str(module).replace(f"-{like}-", f"-{processor}-")) for module in here}
    lonely = sorted(map(str, (twins ^ there) | (twins & here)))
    if lonely:
        raise BuildError(f"not for both of {like} and {processor}: {', '.join(lonely)}")
    for module in there:
        shutil.copy2(packages / module, folder / module)


def extensions(folder: Path) -> set[Path]:
    """Find the extension modules, by their path in the folder; shared libraries among them."""
    return {found.relative_to(folder) for found in folder.rglob("*.so*")}


def extended(folder: Path) -> Iterator[str]:
    """Name the packages with an extension module, as their descriptions list what they installed."""
    for record in folder.glob(f"{DESCRIPTIONS}/RECORD"):
        if any(".so" in Path(line.partition(",")[0]).name for line in record.read_text("utf-8").splitlines()):
            yield _normal(record.parent.name.partition("-")[0])


def pins(requirements: str, names: set[str]) -> Iterator[str]:
    """Choose packages of a file of pins: each pin begins a line, and its hashes are indented below it."""
    for pin in re.split(r"^(?=\w)", requirements, flags=re.MULTILINE):
        if _normal(pin.partition("==")[0]) in names:
            yield pin


def prune(folder: Path) -> None:
    """Take out what nothing reads at run time."""
    for pattern in (*(f"**/{name}" for name in UNUSED_NAMES), *UNUSED_PLACES):
        for found in sorted(folder.glob(pattern)):
            _remove(found)
    for service in folder.glob(SERVICES):
        if service.name not in (*CLIENTS, *STREAMS):
            _remove(service)
    for described in folder.glob(f"{DESCRIPTIONS}/*"):
        if described.name not in KEPT_OF_DESCRIPTIONS:
            _remove(described)
    for metadata in folder.glob(f"{DESCRIPTIONS}/{VERSION_FILE}"):
        header, _, _ = metadata.read_text("utf-8").partition("\n\n")  # the rest is the package's page
        metadata.write_text(f"{header}\n", encoding="utf-8")


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)  # it may have gone with its folder


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def main() -> None:
    """Build into the folder that the command names."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", type=Path, help="where to")
    parser.add_argument("--twin", type=Path, help="the same artifact, copied if it is there")
    arguments, source = parser.parse_args(), Path(__file__).resolve().parent
    folder = arguments.folder.resolve()
    try:
        if arguments.twin is None or not copied(folder, source, arguments.twin.resolve()):
            build(folder, source)
    except BuildError as error:
        sys.exit(f"artifact.py: {error}")


if __name__ == "__main__":
    main()
