"""No text makes a pattern of ours slow: twice the length is twice the steps, counted, for each of its repetitions."""

from __future__ import annotations

import ast
import importlib
import re
from itertools import starmap
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from cfnlint.decode import decode_str  # type: ignore[import-untyped]  # published without types

from tests.backtracking import Matcher, TooManyStepsError

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "handler/prompt_cache_warmer"
SHORT, LONG = 16, 32
MOST_GROWTH = 2.5  # twice the steps, and what a pattern does once
SEARCHING = {"search", "finditer", "findall", "sub", "split"}


def modules() -> Iterator[tuple[str, ast.Module]]:
    """Return every module of the package, parsed, by its name."""
    for path in sorted(PACKAGE.rglob("*.py")):
        name = ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__")
        yield name, ast.parse(path.read_text(encoding="utf-8"))


def compiled(value: Any) -> Iterator[re.Pattern[Any]]:
    """Return the patterns in a module's value, the nested ones too."""
    if isinstance(value, re.Pattern):
        yield value
    elif isinstance(value, list | tuple | set | frozenset):
        for each in value:
            yield from compiled(each)
    elif isinstance(value, dict):
        yield from compiled(list(value.values()))


def is_searched(tree: ast.Module, name: str) -> bool:
    """Tell whether a module looks for its pattern anywhere in a text; one in a table is taken to be."""
    uses = [each for each in ast.walk(tree) if isinstance(each, ast.Attribute) and isinstance(each.value, ast.Name)]
    used = {each.attr for each in uses if isinstance(each.value, ast.Name) and each.value.id == name}
    return not used or bool(used & SEARCHING)


def patterns() -> dict[str, tuple[re.Pattern[Any], bool]]:
    """Return each pattern of the package by its place, and whether it is looked for anywhere in a text."""
    found: dict[str, tuple[re.Pattern[Any], bool]] = {}
    for module, tree in modules():
        written = [each for each in ast.walk(tree) if is_call_of_re(each, "compile")]
        if not written:
            continue
        held = vars(importlib.import_module(module))
        own = {
            target.id
            for each in tree.body
            if isinstance(each, ast.Assign)
            for target in each.targets
            if isinstance(target, ast.Name)
        }
        here = [
            (f"{module}.{name}#{number}", pattern, is_searched(tree, name))
            for name in sorted(own)
            for number, pattern in enumerate(compiled(held.get(name)))
        ]
        assert len(here) == len(written), f"{module} compiles a pattern where this test does not find it"
        found |= {place: (pattern, everywhere) for place, pattern, everywhere in here}
    return found


def is_call_of_re(node: ast.AST, *names: str) -> bool:
    """Tell whether a node calls a function of ``re``."""
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and isinstance(node.func.value, ast.Name)
        and node.func.value.id == "re"
        and node.func.attr in names
    )


def written_into_calls() -> dict[str, tuple[str, str]]:
    """Return the patterns that calls name or write out, by place, and the function that is called."""
    found: dict[str, tuple[str, str]] = {}
    for module, tree in modules():
        for each in ast.walk(tree):
            if isinstance(each, ast.Call) and is_call_of_re(each, "match", "fullmatch", *SEARCHING):
                first = each.args[0]
                held = vars(importlib.import_module(module))
                text = first.value if isinstance(first, ast.Constant) else held.get(getattr(first, "id", ""))
                found[f"{module}#{len(found)}"] = (text if isinstance(text, str) else "", ast.unparse(each.func))
    return found


PATTERNS = patterns()
CALLS = written_into_calls()


def growth(pattern: re.Pattern[Any], *, everywhere: bool) -> float:
    """Return by how much the steps grow at most when a text is twice as long."""
    matcher = Matcher(pattern)
    pairs = zip(matcher.attacks(SHORT), matcher.attacks(LONG), strict=True)
    try:
        return max(
            (matcher.count(long, everywhere=everywhere) / matcher.count(short, everywhere=everywhere))
            for short, long in pairs
        )
    except TooManyStepsError:
        return float("inf")
    except ValueError:
        return 1.0  # nothing in it repeats without bound


@pytest.mark.parametrize("place", PATTERNS)
def test_a_pattern_of_the_package_is_linear(place: str) -> None:
    """Whatever is put in front of it, and as it is used: on the whole text, or on any part of it."""
    pattern, everywhere = PATTERNS[place]
    assert growth(pattern, everywhere=everywhere) <= MOST_GROWTH


@pytest.mark.parametrize("place", [place for place, (text, _) in CALLS.items() if text])
def test_a_pattern_in_a_call_is_linear(place: str) -> None:
    """Those that are not compiled beforehand; none is matched so that a line break could follow what it allows."""
    text, function = CALLS[place]
    assert growth(re.compile(text), everywhere=function.partition(".")[2] in SEARCHING) <= MOST_GROWTH
    assert function != "re.match"


def test_every_pattern_is_looked_at() -> None:
    """All but those that are arguments, a lazily imported one, and those of the operator's own bucket policy."""
    unseen = [place.partition("#")[0] for place, (text, _) in CALLS.items() if not text]
    assert unseen == [
        f"prompt_cache_warmer.{name}" for name in ("cli.arguments", "library.budgets.pool", "rules.bucket_policy")
    ]
    assert len(PATTERNS) >= 25


def test_fields_are_matched_by_an_engine_that_cannot_backtrack() -> None:
    """Pydantic's own, in Rust; nothing asks for Python's instead."""
    assert [path for path in PACKAGE.rglob("*.py") if "regex_engine" in path.read_text(encoding="utf-8")] == []


def test_the_templates_patterns_are_linear() -> None:
    """CloudFormation matches them; who fills a parameter in cannot make it slow either."""
    template, _ = decode_str((ROOT / "template.yaml").read_text(encoding="utf-8"))
    written = {name: one["AllowedPattern"] for name, one in template["Parameters"].items() if "AllowedPattern" in one}
    assert len(written) >= 20
    slow = [name for name, text in written.items() if growth(re.compile(text), everywhere=False) > MOST_GROWTH]
    assert slow == []


@pytest.mark.parametrize(
    ("pattern", "everywhere"),
    [
        (r"(a+)+b", False),
        (r"(a|a)*b", False),
        (r"(a|ab?)*c", False),
        (r"([a-z]+)*\d", False),
        (r"\s*\s*x", False),
        (r"\s+$", True),
        (r".*-.*-.*x", False),
        (r"^(([a-z])+.)+[A-Z]([a-z])+$", False),
        (r"a*?a*?b", False),
    ],
)
def test_a_slow_pattern_is_found(pattern: str, *, everywhere: bool) -> None:
    """Exponential ones, quadratic ones, and those that are slow only because they are looked for everywhere."""
    assert growth(re.compile(pattern), everywhere=everywhere) > MOST_GROWTH


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        (r"a{2,3}b?", "aaab"),
        (r"[^a-c]+?x", "dddx"),
        (r"(?:a|b)*c$", "ababc"),
        (r"(?!AWS/)[\w/]+", "AWS"),
        (r"\bfoo\b", "foo"),
        (r"-?\d+(\.\d*)?", "-3.25"),
    ],
)
def test_the_counter_matches_as_re_does(pattern: str, text: str) -> None:
    """What matches ends the count early; with a character too many it goes on to the end, and counts more."""
    matcher = Matcher(re.compile(pattern))
    matched = matcher.count(text, everywhere=False)
    assert re.fullmatch(pattern, text)
    ends = list(matcher._run(matcher.tree, text, 0))
    assert len(text) in ends
    for cut in starmap(str.__getitem__, [(text, slice(size)) for size in range(len(text))]):
        assert (len(cut) in list(matcher._run(matcher.tree, cut, 0))) is bool(re.fullmatch(pattern, cut)), cut
    assert matched > 0
