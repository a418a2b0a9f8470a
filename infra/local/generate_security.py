"""Generated parts of the page on security: what each policy of ``template.yaml`` allows, whom, and why.

Every statement is a row: its actions, its resources, its conditions, when it is there at all, and the comment
above it, which is its reason. A statement without a comment is an error, so none can be added without one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from infra.local.generate_licences import licence_part
from infra.local.generated_tables import table
from infra.local.lambda_emulator import ROOT
from infra.local.transform import line_of, read

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from infra.local.transform import Template, TemplatePath

TEMPLATE = ROOT / "template.yaml"
_MONITORING = ROOT / "infra/monitoring.yaml"
_DOCUMENTS = ("PolicyDocument", "Policies")
_PLACEHOLDER = re.compile(r"\$\{([^}]+)\}")
_PARTITION = ("AWS::Partition", "aws")  # as everybody knows an ARN
_NO_VALUE = {"Ref": "AWS::NoValue"}


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement of a policy.

    Attributes:
        sid: its id.
        actions: what it allows, or denies.
        resources: on what.
        conditions: under which further conditions, in words.
        only_if: when it is in the template's outcome at all; empty for always.
        principal: who may, where the policy is a resource's own.
        reason: the comment above it.
    """

    sid: str
    actions: tuple[str, ...]
    resources: tuple[str, ...]
    conditions: str
    only_if: str
    principal: str
    reason: str


def security_parts() -> dict[str, str]:
    """Return every generated part of the page."""
    return {
        "function": _own(statements("WarmerRole")),
        "application": _own(statements("ApplicationPolicy")),
        "resources": _of_resources(),
        "licences": licence_part(),
    }


def statements(logical_id: str, template: Template | None = None, text: str | None = None) -> list[Statement]:
    """Read the statements of one resource's policies, in order.

    Args:
        logical_id: the resource.
        template: the template as ``read`` returns it; our own when absent.
        text: the same as text, for its comments.

    Raises:
        LookupError: when a statement has no comment above it.
    """
    template = read(TEMPLATE) if template is None else template
    text = TEMPLATE.read_text(encoding="utf-8") if text is None else text
    return list(_statements(logical_id, template, text.splitlines()))


def _own(found: list[Statement]) -> str:
    return table(
        ("statement", "may", "on", "only", "why"),
        ((f"`{each.sid}`", _code(each.actions), _code(each.resources), _only(each), each.reason) for each in found),
    )


def _of_resources() -> str:
    """List who else is let in: the policies that stand at a bucket, a queue or a topic."""
    rows = []
    for path in (TEMPLATE, _MONITORING):
        template, text = read(path), path.read_text(encoding="utf-8")
        for logical_id, resource in template["Resources"].items():
            if resource["Type"].endswith(("::BucketPolicy", "::QueuePolicy", "::TopicPolicy")):
                rows += [
                    (
                        f"`{each.sid}`",
                        each.principal,
                        _code(each.actions),
                        _code(each.resources),
                        _only(each),
                        each.reason,
                    )
                    for each in statements(logical_id, template, text)
                ]
    return table(("statement", "who", "may", "on", "only", "why"), rows)


def _statements(logical_id: str, template: Template, lines: list[str]) -> Iterator[Statement]:
    resource = template["Resources"][logical_id]
    outer = (_condition(template, resource["Condition"]),) if "Condition" in resource else ()
    for path, statement, conditions in _found(resource["Properties"], ("Resources", logical_id, "Properties"), ()):
        sid = statement["Sid"]
        line = line_of(template, (*path, "Sid"))
        reason = _comment_above(lines, line)
        if not reason:
            raise LookupError(f"statement {sid} of {logical_id} (line {line}) has no comment that says why")
        denied = "never " if statement["Effect"] == "Deny" else ""
        yield Statement(
            sid=str(sid),
            actions=tuple(f"{denied}{action}" for action in _listed(statement["Action"])),
            resources=tuple(_written(item) for item in _listed(statement["Resource"])),
            conditions="; ".join(_tests(statement.get("Condition", {}))),
            only_if=" and ".join((*outer, *(_condition(template, name) for name in conditions))),
            principal=_principal(statement.get("Principal")),
            reason=reason,
        )


def _found(
    node: Any,  # noqa: ANN401 - any node of a template
    path: TemplatePath,
    conditions: tuple[str, ...],
) -> Iterator[tuple[TemplatePath, Mapping[str, Any], tuple[str, ...]]]:
    """Walk to the statements, with the conditions that are on the way to them."""
    if isinstance(node, list):
        for at, item in enumerate(node):
            yield from _found(item, (*path, at), conditions)
    elif isinstance(node, dict) and "Sid" in node and "Action" in node:
        yield path, node, conditions
    elif isinstance(node, dict) and "Fn::If" in node:
        name, then, otherwise = node["Fn::If"]
        yield from _found(then, (*path, "Fn::If", 1), (*conditions, name))
        if otherwise != _NO_VALUE:
            yield from _found(otherwise, (*path, "Fn::If", 2), (*conditions, f"!{name}"))
    elif isinstance(node, dict):
        for key, value in node.items():
            yield from _found(value, (*path, key), conditions)


def _comment_above(lines: list[str], line: int) -> str:
    """Return the comment above a statement, past the lines of the ``!If`` that it stands in."""
    above = line - 2  # the line before, counted from 0
    while above >= 0 and re.fullmatch(r"\s*(- )*(- !If|!If|[A-Za-z]+)\s*", lines[above]):
        above -= 1
    found: list[str] = []
    while above >= 0 and lines[above].lstrip().startswith("#"):
        found.insert(0, lines[above].strip().removeprefix("#").strip())
        above -= 1
    return " ".join(found)


def _condition(template: Template, name: str) -> str:
    """Say a condition of the template by the parameters it is made of."""
    if name.startswith("!"):
        return f"not ({_condition(template, name[1:])})"
    return _said(template, template["Conditions"][name])


def _said(template: Template, node: Mapping[str, Any]) -> str:
    [(function, argument)] = node.items()
    if function == "Condition":
        return _condition(template, argument)
    if function == "Fn::Equals":
        value, wanted = argument
        return f"`{value['Ref']}` is " + (f"`{wanted}`" if wanted else "empty")
    if function == "Fn::Not":
        said = _said(template, argument[0])
        return said.replace(" is empty", " is set") if said.endswith(" is empty") else f"not ({said})"
    joint = {"Fn::And": " and ", "Fn::Or": " or "}[function]
    return joint.join(_said(template, part) for part in argument)


def _tests(conditions: Mapping[str, Any]) -> Iterator[str]:
    for operator, tests in conditions.items():
        for key, values in tests.items():
            yield f"{operator} `{key}`: {_code(tuple(_written(value) for value in _listed(values)))}"


def _written(node: Any) -> str:  # noqa: ANN401 - any node of a template
    """Write a resource or a value the way an ARN reads, with what the deployment fills in between < and >."""
    if not isinstance(node, dict):
        return ", ".join(str(each) for each in _listed(node))
    [(function, argument)] = node.items()
    if function == "Ref":
        return f"<{argument}>"
    if function == "Fn::GetAtt":
        return f"<{'.'.join(_listed(argument)) if isinstance(argument, list) else argument}>"
    if function == "Fn::If":
        _, *both = argument
        return " or ".join(_written(each) for each in both if each != _NO_VALUE)
    if function != "Fn::Sub":
        whole = f"{function.removeprefix('Fn::')}({', '.join(_written(each) for each in _listed(argument))})"
        return f"each of {_written(argument[1])}" if function == "Fn::Split" else whole
    text = argument if isinstance(argument, str) else argument[0]
    name, written = _PARTITION
    return _PLACEHOLDER.sub(lambda found: written if found[1] == name else f"<{found[1]}>", text)


def _principal(principal: Any) -> str:  # noqa: ANN401 - text or a mapping
    if isinstance(principal, dict):
        return ", ".join(f"`{name}`" for names in principal.values() for name in _listed(names))
    return "anybody" if principal == "*" else ""


def _only(statement: Statement) -> str:
    parts = (f"where {statement.only_if}" if statement.only_if else "", statement.conditions)
    return "; ".join(filter(None, parts))


def _code(items: tuple[str, ...]) -> str:
    return ", ".join(f"`{item}`" for item in items)


def _listed(value: Any) -> list[Any]:  # noqa: ANN401 - one or several
    return list(value) if isinstance(value, list) else [value]
