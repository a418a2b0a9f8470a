"""Cold starts of the built artifact: what each lever takes off, and what a tick pays when nothing is due.

Process start to the first ``/next``, as AWS's own emulator times it, with AWS's own runtime client. Every figure is
the median of as many starts, one of each kind in turn, so that what else the machine does falls on all of them;
what counts is the ratios.

A lever is measured by taking it away from the artifact, or by putting it in where it is not kept. Most are a module
beside ``app.py`` that does something else before or after it imports the same; the others are a folder of their own.
"""

from __future__ import annotations

import compileall
import os
import platform
import py_compile
import re
import shutil
import subprocess
from contextlib import suppress
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

import artifact
from infra.local.cloud import LocalCloud
from infra.local.function import InProcessFunction
from infra.local.lambda_emulator import ROOT, FunctionError, LambdaEmulator
from tests.artifact_build import SAM

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

STARTS = 9  # of each kind; a median of fewer moves with whatever else the machine does
TIMEOUT_SECONDS = 110
WARM_INVOCATIONS = 5
PROMPT = "You are an agent that answers. " * 2000  # long enough to be cached

_INIT = re.compile(r"INIT REPORT\(durationMs: ([\d.]+)\)")
_CPU = re.compile(r"^CPU ms (\d+)$", re.MULTILINE)
_INVOKED = re.compile(r"INVOKE RTDONE\(status: success, .*duration: ([\d.]+)ms\)")

POWERTOOLS = (
    "from aws_lambda_powertools.logging.formatter import LambdaPowertoolsFormatter\n"
    "from aws_lambda_powertools.metrics.provider.cloudwatch_emf.cloudwatch import AmazonCloudWatchEMFProvider\n"
)
WITHOUT_SDK = f"import boto3, genai_prices, pydantic, yaml\n{POWERTOOLS}"
THIRD_PARTIES = f"import anthropic\n{WITHOUT_SDK}"
NO_HANDLER = "def lambda_handler(event, context):\n    return {}\n"
WHOLE = "import prompt_cache_warmer.adapters.anthropic_messages, prompt_cache_warmer.wiring.credentials\n"
HANDLER = "from app import lambda_handler\n"

# Modules beside app.py, by their names.
KEPT, BARE, BARE_WITHOUT_SDK = "kept", "bare", "bare_without_sdk"
EAGER, COLLECTING, NO_HTTP, ORDERED, EAGER_COLLECTING = "eager", "collecting", "no_http", "ordered", "eager_collecting"
_COLLECTING = "import gc\ngc.disable = gc.freeze = lambda: None\n"
_TELL = "import time\nprint('CPU ms', round(time.process_time() * 1000))\n"
_MODULES = {
    KEPT: HANDLER,
    BARE: THIRD_PARTIES + NO_HANDLER,
    BARE_WITHOUT_SDK: WITHOUT_SDK + NO_HANDLER,
    EAGER: HANDLER + WHOLE,
    EAGER_COLLECTING: _COLLECTING + HANDLER + WHOLE,
    COLLECTING: _COLLECTING + HANDLER,
    NO_HTTP: "import sys, types\nsys.modules['httpx2'] = types.ModuleType('httpx2')\n" + HANDLER,
    ORDERED: WITHOUT_SDK + HANDLER,
}
MODULES = {name: code + _TELL for name, code in _MODULES.items()}


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of start.

    Attributes:
        folder: the folder of code.
        module: the module with the handler.
    """

    folder: Path
    module: str = KEPT


@dataclass(frozen=True, slots=True)
class Lever:
    """What was tried.

    Attributes:
        name: in words.
        before: without it.
        after: with it.
        kept: whether it is kept, and why.
    """

    name: str
    before: Kind
    after: Kind
    kept: str


@dataclass(frozen=True, slots=True)
class Folders:
    """The artifact in several forms, each with all modules beside ``app.py``.

    Attributes:
        built: as ``sam build`` makes it.
        uncompiled: without bytecode.
        whole: with all that the packages ship, compiled.
        plain: with all that they ship, uncompiled, for one processor: what SAM's own build makes.
    """

    built: Path
    uncompiled: Path
    whole: Path
    plain: Path


def make(scratch: Path) -> Folders:
    """Build the artifact as a user does, and its other forms from the same packages."""
    subprocess.run([SAM, "build", "--build-dir", scratch / "sam"], cwd=ROOT, check=True, capture_output=True)  # noqa: S603 - our own command
    built = scratch / "sam/WarmerFunction"
    for name, code in MODULES.items():
        (built / f"{name}.py").write_text(code, encoding="utf-8")
    compiled(built)
    uncompiled = shutil.copytree(built, scratch / "uncompiled", ignore=shutil.ignore_patterns("__pycache__"))
    plain = scratch / "plain"
    artifact.install(ROOT / "handler" / artifact.REQUIREMENTS, plain, platform.machine())
    for name in ("prompt_cache_warmer", "app.py", *(f"{name}.py" for name in MODULES)):
        shutil.rmtree(plain / name, ignore_errors=True)
        source = ROOT / "handler" / name if name == "prompt_cache_warmer" else built / name
        (shutil.copytree if source.is_dir() else shutil.copy2)(source, plain / name)
    shutil.rmtree(plain / "prompt_cache_warmer/__pycache__", ignore_errors=True)
    whole = shutil.copytree(plain, scratch / "whole")
    compiled(whole)
    return Folders(built, uncompiled, whole, plain)


def compiled(folder: Path) -> None:
    """Compile what is in a folder as the artifact is."""
    mode = py_compile.PycInvalidationMode.UNCHECKED_HASH
    assert compileall.compile_dir(folder, quiet=1, force=True, invalidation_mode=mode, workers=os.cpu_count() or 1)


def levers_of(folders: Folders) -> list[Lever]:
    """List what was tried."""
    built = Kind(folders.built)
    return [
        Lever(
            "bytecode in the zip (unchecked hash)",
            Kind(folders.uncompiled),
            built,
            "kept: Lambda's folder is read-only, so that it would be compiled at every cold start",
        ),
        Lever(
            "the SDK is loaded when the first call is due",
            Kind(folders.built, EAGER),
            built,
            "kept: most ticks find nothing due; a tick that does pays it after its start instead of before",
        ),
        Lever(
            "no garbage collection while importing",
            Kind(folders.built, COLLECTING),
            built,
            "kept: three lines of app.py",
        ),
        Lever(
            "nothing unused in the folder (AWS's descriptions, packages' descriptions, web frameworks)",
            Kind(folders.whole),
            built,
            "kept: for the size of the zip, which Lambda fetches before the start that is measured here",
        ),
        Lever(
            "genai-prices without its HTTP stack",
            built,
            Kind(folders.built, NO_HTTP),
            "not kept: an empty httpx2 has to stand in its place, which the SDK would find later",
        ),
        Lever(
            "third parties imported before our own modules",
            built,
            Kind(folders.built, ORDERED),
            "not kept: in repeated runs it is as often slower as faster",
        ),
    ]


@dataclass(frozen=True, slots=True)
class Start:
    """What a start took, in milliseconds.

    Attributes:
        wall: from the start of the process to the first ``/next``.
        cpu: of the process, from its start to the end of its imports.
    """

    wall: float
    cpu: float


def measured(kinds: Iterable[Kind]) -> dict[Kind, Start]:
    """Start each as often, in turn; the first round only fills the caches."""
    rounds = [{kind: start(kind) for kind in kinds} for _ in range(STARTS + 1)][1:]
    return {
        kind: Start(*(median(getattr(one[kind], name) for one in rounds) for name in ("wall", "cpu")))
        for kind in rounds[0]
    }


def start(kind: Kind) -> Start:
    """Start a function; what it answers to an event without an environment is of no interest."""
    with LambdaEmulator(
        kind.folder, handler=f"{kind.module}.lambda_handler", environment={}, timeout_seconds=TIMEOUT_SECONDS
    ) as function:
        with suppress(FunctionError):
            function.invoke({})
        return Start(the_init_ms(function), float(_CPU.findall(function.output())[0]))


def the_init_ms(function: LambdaEmulator) -> float:
    """Read how long it took from the start of the process to its first ``/next``."""
    output = function.output()
    assert "INIT RTDONE(status: success)" in output, output
    return float(_INIT.findall(output)[0])


@dataclass(frozen=True, slots=True)
class Tick:
    """What a tick with nothing due took, in milliseconds.

    Attributes:
        init: from the start of the process to the first ``/next``.
        first: the first invocation, which makes the clients and reads the targets.
        warm: a later one.
    """

    init: float
    first: float
    warm: float


def ticks(kinds: tuple[Kind, ...]) -> dict[Kind, Tick]:
    """Let each look at one target that lives for an hour and was warmed before, in turn."""
    with LocalCloud(state=True) as cloud:
        block = {"type": "text", "text": PROMPT, "cache_control": {"type": "ephemeral", "ttl": "1h"}}
        request = {"system": [block]}
        cloud.put(
            "targets/agent.json",
            {"name": "agent", "models": ["claude-sonnet-4-6"], "keep": "always", "request": request},
        )
        InProcessFunction(cloud.environment(), timeout_seconds=TIMEOUT_SECONDS).invoke({})
        rounds = [{kind: tick(kind, cloud.environment()) for kind in kinds} for _ in range(STARTS + 1)][1:]
        assert len(cloud.api.requests) == 1, "something was due"
    return {
        kind: Tick(*(median(getattr(one[kind], name) for one in rounds) for name in ("init", "first", "warm")))
        for kind in kinds
    }


def tick(kind: Kind, environment: Mapping[str, str]) -> Tick:
    """Start a function and invoke it."""
    with LambdaEmulator(
        kind.folder, handler=f"{kind.module}.lambda_handler", environment=environment, timeout_seconds=TIMEOUT_SECONDS
    ) as function:
        for _ in range(WARM_INVOCATIONS + 1):
            function.invoke({})
        first, *later = map(float, _INVOKED.findall(function.output()))
        return Tick(the_init_ms(function), first, median(later))
