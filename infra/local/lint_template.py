"""Lint templates: ``python -m infra.local.lint_template template.yaml infra/monitoring.yaml``.

Three passes, because each is blind where the next one sees: cfn-lint on the source (SAM's own
properties, some of which SAM drops without a word), cfn-lint on the transformed template (what the
properties become), and the project's own checks (see ``template_checks``). Warnings count.
"""

from __future__ import annotations

import ast
import difflib
import functools
import json
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cfnlint import api, core  # type: ignore[import-untyped]  # published without types

from infra.local import template_checks
from infra.local.transform import FUNCTION, REGION, Template, TransformError, line_of, read, transform

if TYPE_CHECKING:
    from collections.abc import Sequence

_CHOICES_SHOWN = 5  # cfn-lint lists all 200 actions of S3 where one is misspelt
_NOT_ONE_OF = re.compile(r"(?P<value>'[^']*') is not one of (?P<choices>\[.*?\])(?P<rest>.*)", re.DOTALL)

EXIT_CLEAN, EXIT_PROBLEMS, EXIT_USAGE = 0, 1, 2


@dataclass(frozen=True, order=True, slots=True)
class Problem:
    """One thing that is wrong: the line of the source, the place, what is there and what is allowed."""

    line: int
    place: str
    message: str
    rule: str


def lint(path: Path) -> list[Problem]:
    """Return every problem of a template, in the order of its lines."""
    try:
        source = read(path)
    except TransformError as error:
        return [Problem(line, "", reason, "YAML") for line, reason in error.reasons]
    problems = _cfn_lint(path.read_text(encoding="utf-8"), source)
    try:
        transformed = transform(source)
    except TransformError as error:
        refused = {Problem(_line_named_in(source, reason), "", reason, "SAM") for _, reason in error.reasons}
        return sorted(problems | refused)
    seen = {(problem.line, problem.rule) for problem in problems}
    problems |= {
        problem for problem in _cfn_lint(json.dumps(transformed), source) if (problem.line, problem.rule) not in seen
    }
    code = path.parent / _code_folder(source)
    for place, message in template_checks.findings(transformed, code):
        problems.add(Problem(line_of(source, place), _written(place), message, "own check"))
    return sorted(problems)


def _cfn_lint(text: str, source: Template) -> set[Problem]:
    problems = set()
    for match in api.lint(text, rules=_rules(), regions=[REGION]):
        place = tuple(getattr(match, "path", ()))
        line = line_of(source, place) if place else match.linenumber
        problems.add(Problem(line, _written(place), _shortened(match.message), match.rule.id))
    return problems


@functools.cache
def _rules() -> Any:  # noqa: ANN401 - cfn-lint has no types
    """Load cfn-lint's rules once: it would do so for every template, which takes longer than linting."""
    return core.get_rules(append_rules=[], ignore_rules=[], include_rules=["E", "W"])


def _line_named_in(source: Template, reason: str) -> int:
    """Find the line of the resource that SAM names in brackets: ``Resource with id [X] is invalid``."""
    names = re.findall(r"\[(\w+)\]", reason)
    return line_of(source, ("Resources", names[0])) if names else 1


def _code_folder(source: Template) -> str:
    functions = [resource for resource in source["Resources"].values() if resource.get("Type") == FUNCTION]
    return str(functions[0].get("Properties", {}).get("CodeUri", ".")) if functions else "."


def _written(place: Sequence[str | int]) -> str:
    return ".".join(str(step) for step in place)


def _shortened(message: str) -> str:
    """Cut a long list of allowed values down to those nearest to what was written."""
    found = _NOT_ONE_OF.fullmatch(message)
    if found is None:
        return message
    choices = [str(choice) for choice in ast.literal_eval(found["choices"])]
    if len(choices) <= _CHOICES_SHOWN:
        return message
    near = difflib.get_close_matches(found["value"].strip("'"), choices, n=_CHOICES_SHOWN, cutoff=0.3)
    return f"{found['value']} is not one of {near} or {len(choices) - len(near)} others{found['rest']}"


def main(arguments: Sequence[str]) -> int:
    """Print the problems of the templates named on the command line; the exit code says whether there were any."""
    paths = [Path(argument) for argument in arguments]
    if not paths or not all(path.is_file() for path in paths):
        print("usage: python -m infra.local.lint_template template.yaml ...", file=sys.stderr)
        return EXIT_USAGE
    exit_code = EXIT_CLEAN
    for path in paths:
        problems = lint(path)
        for problem in problems:
            place = f"{problem.place}: " if problem.place else ""
            print(f"{path}:{problem.line}: {place}{problem.message} [{problem.rule}]")
        print(f"{path}: {len(problems)} problem(s)" if problems else f"{path}: no problems")
        exit_code = EXIT_PROBLEMS if problems else exit_code
    return exit_code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
