"""What the statements of a policy say to one request, conditions included: the rules of IAM that the template uses.

moto enforces actions and resources and passes over conditions; what hangs on a condition is judged here. An operator
that is not known here is an error, so that no condition of the template is passed over unseen.
"""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

Statement = dict[str, Any]
_FOR_ALL = "ForAllValues:"


def allowed(
    statements: Sequence[Statement], action: str, resource: str, keys: Mapping[str, str | list[str]] | None = None
) -> bool:
    """Tell whether statements allow a request.

    Args:
        statements: resolved ones, of one policy or several.
        action: the action, such as ``s3:GetObject``.
        resource: the ARN it is asked on, or ``*`` where it has none.
        keys: the condition keys it comes with.
    """
    given = {name: _listed(value) for name, value in (keys or {}).items()}
    effects = {each["Effect"] for each in statements if _concerns(each, action, resource, given)}
    return effects == {"Allow"}


def without_conditions(statements: Sequence[Statement]) -> list[Statement]:
    """Return statements that ask for nothing but an action and a resource."""
    return [{name: value for name, value in each.items() if name != "Condition"} for each in statements]


def _concerns(statement: Statement, action: str, resource: str, keys: Mapping[str, list[str]]) -> bool:
    return (
        any(fnmatchcase(action, pattern) for pattern in _listed(statement["Action"]))
        and any(fnmatchcase(resource, pattern) for pattern in _listed(statement["Resource"]))
        and all(
            _holds(operator, keys.get(key), _listed(wanted))
            for operator, tests in statement.get("Condition", {}).items()
            for key, wanted in tests.items()
        )
    )


def _holds(operator: str, values: list[str] | None, wanted: list[str]) -> bool:
    if operator == "Null":
        return (values is None) is (wanted == ["true"])
    if operator.startswith(_FOR_ALL):  # a key that is not there has no value that could be another
        test = _TESTS[operator.removeprefix(_FOR_ALL)]
        return all(any(test(value, each) for each in wanted) for value in values or [])
    if "Not" in operator:  # a key that is not there is not equal to anything
        test = _TESTS[operator.replace("Not", "", 1)]
        return not any(test(value, each) for value in values or [] for each in wanted)
    test = _TESTS[operator]
    return any(test(value, each) for value in values or [] for each in wanted)


_TESTS: dict[str, Callable[[str, str], bool]] = {
    "StringEquals": lambda value, wanted: value == wanted,
    "StringLike": fnmatchcase,
    "ArnEquals": fnmatchcase,  # as AWS has it: the same as ArnLike
    "Bool": lambda value, wanted: value == wanted,
    "NumericLessThanEquals": lambda value, wanted: float(value) <= float(wanted),
}


def _listed(value: object) -> list[str]:
    return [str(each) for each in value] if isinstance(value, list | tuple) else [str(value)]
