"""The package's front door: which names it has, how they are called, and what loading them costs."""

from __future__ import annotations

import ast
import importlib
import inspect
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import prompt_cache_warmer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PUBLIC = [
    *("Aggregate", "ArgumentError", "AsyncCacheWarmer", "AsyncWarmSchedule", "Breakpoint", "BudgetPool", "CacheAlert"),
    *("CacheObserver", "CacheTracker", "CacheWarmer", "CacheWarmerError", "CallRecord", "CostCap", "CostCapError"),
    *("CostEstimate", "EntryWarmth", "FitResult", "MessagesTooLongError", "MissRetry", "ModelPrices"),
    *("ObservedRequest", "ObserverCounts", "OverBudgetError", "PoolExhaustedError", "PoolSnapshot", "PrefixWarning"),
    *(
        "Reservation",
        "Sight",
        "StateUnavailableError",
        "UnpricedError",
        "Verdict",
        "WarmResult",
        "WarmSchedule",
        "add_cache_breakpoints",
    ),
    *("compute_cache_key", "find_breakpoints", "fit_messages", "scope_blocks", "to_system_blocks"),
]
FOLDER = Path(prompt_cache_warmer.__file__).parent
INIT = ast.parse((FOLDER / "__init__.py").read_text(encoding="utf-8"))
# What the library hands out and nobody has to make.
RECORDS = {
    *("Aggregate", "Breakpoint", "CacheAlert", "CallRecord", "CostEstimate", "EntryWarmth", "FitResult"),
    *("ObservedRequest", "ObserverCounts", "PoolSnapshot", "Reservation", "Sight", "Verdict", "WarmResult"),
}
# The one method that passes positions on, because it calls what it is given.
PASSES_ON = {"CostCap.run"}
# What the SDK calls, in its own way.
CALLED_BY_THE_SDK = {"CacheObserver.handle", "CacheObserver.handle_async"}

# Third parties each part of the library loads, with everything those load; tzdata and the like load nothing.
OF_PYDANTIC = {"annotated_types", "pydantic", "pydantic_core", "typing_extensions", "typing_inspection"}
OF_PRICES = {*OF_PYDANTIC, "genai_prices", "httpx2", "idna"}
LOADED: dict[str, set[str]] = {
    "library.observing.observer": {*OF_PYDANTIC, "anthropic"},
    "library.observing.records": set(),
    "values.observation": set(),
    "errors": set(),
    "library.budgets.pool": set(),
    "library.budgets.reservation": set(),
    "library.tracking.arguments": set(),
    "library.warming.results": set(),
    "rules.verdict": set(),
    "values.model_prices": set(),
    "library.prompts.breakpoints": OF_PYDANTIC,
    "library.prompts.cache_key": OF_PYDANTIC,
    "library.fitting.fitting": OF_PYDANTIC,
    "library.budgets.cost_cap": OF_PRICES,
    "library.warming.holding": OF_PRICES,
    "library.warming.schedule": OF_PRICES,
    "library.tracking.alerts": set(),
    "library.tracking.records": set(),
    "library.tracking.tracker": OF_PRICES,
    "library.warming.warmer": OF_PRICES,
}
# What no part loads before it is needed, whoever has it installed.
LATE = {"aws_lambda_powertools", "boto3", "botocore", "click", "matplotlib", "rich", "yaml"}

SHOW = """
import sys
names = {name.partition(".")[0] for name in sys.modules} - sys.stdlib_module_names - {"__main__"}
print(*sorted(name for name in names - before if not name.startswith("_")))
"""
WARM = """
import sys
before = {name.partition(".")[0] for name in sys.modules}
from prompt_cache_warmer import CacheWarmer, WarmSchedule

def transport(request):
    return {"usage": {"input_tokens": 3, "output_tokens": 0, "cache_creation_input_tokens": 5_000}}

warmer = CacheWarmer(client=transport, model="claude-sonnet-4-6")
warmer.add(system_prompt="You are an agent. " * 4_000)
assert warmer.warm().cache_creation_tokens == 5_000
with WarmSchedule(warmer=warmer):
    pass
"""


def loaded_by(code: str) -> set[str]:
    """Run code in an interpreter of its own and return the packages it has loaded since ``before``."""
    first = "import sys\nbefore = {name.partition('.')[0] for name in sys.modules}\n"
    command = [sys.executable, "-c", first + code + SHOW]
    environment = {"PYTHONPATH": str(FOLDER.parent)}
    run = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)  # noqa: S603 - our own command
    return set(run.stdout.split())


def public() -> Iterator[tuple[str, Any]]:
    """Every public callable but the errors: functions, classes, and their public methods."""
    for name in PUBLIC:
        value = getattr(prompt_cache_warmer, name)
        if inspect.isclass(value) and issubclass(value, Exception):
            continue
        if name not in RECORDS:
            yield name, value
        if inspect.isclass(value):
            for member in vars(value) if name in ("Verdict", "Sight") else dir(value):
                if not member.startswith("_") and inspect.isroutine(getattr(value, member)):
                    yield f"{name}.{member}", getattr(value, member)


def sentence(value: object) -> str:
    """Return what a docstring says first."""
    assert value.__doc__ is not None
    return inspect.cleandoc(value.__doc__).partition("\n\n")[0]


def test_the_public_names_are_exactly_these() -> None:
    """In order, so that a difference is a line."""
    assert prompt_cache_warmer.__all__ == PUBLIC
    assert sorted(PUBLIC) == PUBLIC


@pytest.mark.parametrize("name", PUBLIC)
def test_every_name_can_be_imported_and_says_what_it_is(name: str) -> None:
    """One plain sentence first."""
    value = getattr(prompt_cache_warmer, name)
    assert value.__name__ == name
    said = sentence(value)
    assert said.endswith(".")
    assert len(said) > len(name)
    assert "TODO" not in said


@pytest.mark.parametrize(("name", "value"), [pytest.param(name, value, id=name) for name, value in public()])
def test_every_public_method_says_what_it_does(name: str, value: object) -> None:
    """So that an editor has something to show."""
    if name != "Verdict.sentence":
        assert sentence(value).rstrip(":")[-1] in ".`"


@pytest.mark.parametrize(("name", "value"), [pytest.param(name, value, id=name) for name, value in public()])
def test_at_most_one_argument_may_be_given_by_position(name: str, value: Callable[..., Any]) -> None:
    """A reader could mix up two."""
    kinds = inspect.Parameter
    given = [one for one in inspect.signature(value).parameters.values() if one.name not in {"self", "cls"}]
    assert len([one for one in given if one.kind in {kinds.POSITIONAL_ONLY, kinds.POSITIONAL_OR_KEYWORD}]) <= (
        2 if name in CALLED_BY_THE_SDK else 1
    )
    assert not [one for one in given if one.kind is kinds.VAR_POSITIONAL and name not in PASSES_ON]


@pytest.mark.parametrize(
    "name", ["AsyncCacheWarmer", "AsyncWarmSchedule", "BudgetPool", "CacheTracker", "CacheWarmer", "CostCap"]
)
def test_constructors_take_no_argument_by_position(name: str) -> None:
    """What is kept, spent or called is always named."""
    with pytest.raises(TypeError, match="positional argument"):
        getattr(prompt_cache_warmer, name)("something")


def test_the_lazy_names_are_those_the_type_checkers_see() -> None:
    """From the same modules."""
    (block,) = [node for node in INIT.body if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"]
    seen: dict[str, str] = {}
    for node in block.body:
        assert isinstance(node, ast.ImportFrom)
        assert node.module is not None
        seen |= {alias.name: node.module.removeprefix("prompt_cache_warmer.") for alias in node.names}
        assert all(alias.asname is None for alias in node.names)
    assert seen == prompt_cache_warmer._MODULES
    assert sorted(seen) == PUBLIC


def test_every_module_of_a_lazy_name_has_that_name_in_itself() -> None:
    """Not in a module that only passes it on."""
    for name, module in prompt_cache_warmer._MODULES.items():
        value = getattr(importlib.import_module(f"prompt_cache_warmer.{module}"), name)
        assert value is getattr(prompt_cache_warmer, name)
        assert value.__module__ == f"prompt_cache_warmer.{module}"


def test_dir_lists_every_name_before_it_is_loaded() -> None:
    """Completion in a shell knows them all."""
    code = "import prompt_cache_warmer as p; assert 'CacheWarmer' not in vars(p); print(*dir(p)); sys.exit()\n"
    listed = loaded_by(code)
    assert listed >= {*PUBLIC, "__all__", "__doc__"}
    assert sorted(dir(prompt_cache_warmer)) == dir(prompt_cache_warmer)
    assert len(set(dir(prompt_cache_warmer))) == len(dir(prompt_cache_warmer))


def test_an_unknown_name_is_an_attribute_error_that_says_which() -> None:
    """As of any module, so that ``hasattr`` and ``from ... import`` do what they always do."""
    with pytest.raises(AttributeError, match=r"^module 'prompt_cache_warmer' has no attribute 'CacheWarmr'$"):
        _ = prompt_cache_warmer.CacheWarmr  # type: ignore[attr-defined] # misspelt
    with pytest.raises(ImportError, match="cannot import name 'CacheWarmr' from 'prompt_cache_warmer'"):
        exec("from prompt_cache_warmer import CacheWarmr")  # noqa: S102 - a type checker would refuse the statement
    assert not hasattr(prompt_cache_warmer, "__wrapped__")


def test_a_name_is_loaded_once() -> None:
    """The second time it is an attribute like any other."""
    first = prompt_cache_warmer.CostCap
    assert vars(prompt_cache_warmer)["CostCap"] is first


def test_the_package_says_that_it_is_typed() -> None:
    """Without the marker mypy takes every name of an installed package for Any."""
    assert (FOLDER / "py.typed").read_text(encoding="utf-8") == ""


def test_importing_the_package_loads_nothing_else() -> None:
    """Neither a third party's module nor another of ours."""
    code = "import prompt_cache_warmer\nassert [name for name in sys.modules if 'prompt_cache' in name] == "
    assert loaded_by(code + "['prompt_cache_warmer']\n") == {"prompt_cache_warmer"}


def test_every_module_of_the_library_is_in_the_table_of_what_it_loads() -> None:
    """A new one has to be looked at."""
    assert set(prompt_cache_warmer._MODULES.values()) == set(LOADED)
    assert not LATE & set().union(*LOADED.values())


@pytest.mark.parametrize("module", LOADED)
def test_a_name_loads_what_it_needs_and_no_more(module: str) -> None:
    """Never boto3, the SDK with the middleware alone, and prices and pydantic only where they are used."""
    names = [name for name, where in prompt_cache_warmer._MODULES.items() if where == module]
    loaded = loaded_by(f"from prompt_cache_warmer import {', '.join(names)}\n")
    of_the_sdk = loaded_by("import anthropic\n") if "anthropic" in LOADED[module] else set()
    assert loaded == {"prompt_cache_warmer", *LOADED[module], *of_the_sdk}


def test_warming_over_a_callable_never_loads_the_sdk_nor_aws() -> None:
    """From the import to a result and a schedule."""
    loaded = loaded_by(WARM)
    assert "prompt_cache_warmer" in loaded
    assert not loaded & {*LATE, "anthropic"}
