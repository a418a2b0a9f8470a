"""What a template becomes once its parameters are chosen: the part of CloudFormation that resolves intrinsics.

It knows the functions these templates use and no others. What only a deployment can know (an ARN, a queue's
URL) gets a stand-in made of the resource's own name, so that a mistaken reference is seen.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from infra.local.transform import Template

ACCOUNT = "123456789012"
REGION = "eu-central-1"

_ABSENT = object()  # AWS::NoValue: whatever is given it is left out
_PLACEHOLDER = re.compile(r"\$\{([^!}][^}]*)\}")


class TemplateValueError(Exception):
    """A template refers to what it does not have, or uses a function that is not known here."""


@dataclass(frozen=True)
class ResolvedStack:
    """One stack with its parameters chosen.

    Attributes:
        name: the stack's name.
        template: the template, transformed.
        given: the parameters that are given a value; the others have their defaults.
        attributes: what ``Ref`` (by logical id) and ``Fn::GetAtt`` (by ``id.attribute``) return where the
            stand-in will not do.
    """

    name: str
    template: Template
    given: Mapping[str, Any] = field(default_factory=dict)
    attributes: Mapping[str, Any] = field(default_factory=dict)
    region: str = REGION

    def resources(self, kind: str | None = None) -> dict[str, dict[str, Any]]:
        """Return the resources that would be made, each with resolved properties, by logical id."""
        return {
            name: self.resolved(resource.get("Properties", {}))
            for name, resource in self.template["Resources"].items()
            if kind in (None, resource["Type"]) and self.holds(resource.get("Condition"))
        }

    def outputs(self) -> dict[str, Any]:
        """Return the outputs that there would be."""
        return {
            name: self.resolved(output["Value"])
            for name, output in self.template.get("Outputs", {}).items()
            if self.holds(output.get("Condition"))
        }

    def holds(self, condition: str | None) -> bool:
        """Tell whether a condition of the template holds; none always does.

        Raises:
            TemplateValueError: where there is no such condition.
        """
        if condition is None:
            return True
        if condition not in self.template.get("Conditions", {}):
            raise TemplateValueError(f"there is no condition {condition!r}")
        return bool(self.resolved(self.template["Conditions"][condition]))

    def resolved(self, node: Any) -> Any:  # noqa: ANN401 - any node of a template
        """Return a node with all its functions carried out, and without what is AWS::NoValue."""
        if isinstance(node, list):
            return [found for item in node if (found := self.resolved(item)) is not _ABSENT]
        if not isinstance(node, dict):
            return node
        if len(node) == 1:
            [(function, argument)] = node.items()
            if function in _FUNCTIONS:
                return _FUNCTIONS[function](self, argument)
            if function.startswith("Fn::"):
                raise TemplateValueError(f"{function} is not known here: one of {sorted(_FUNCTIONS)}")
        found = {key: self.resolved(value) for key, value in node.items()}
        return {key: value for key, value in found.items() if value is not _ABSENT}

    def nested(self, logical_id: str, template: Template) -> ResolvedStack | None:
        """Return the nested stack of a resource, with the parameters it is given; None where it is not made."""
        resource = self.template["Resources"][logical_id]
        if not self.holds(resource.get("Condition")):
            return None
        given = self.resolved(resource["Properties"]["Parameters"])
        return ResolvedStack(f"{self.name}-{logical_id}", template, given, region=self.region)

    def _named(self, name: str) -> Any:  # noqa: ANN401 - a parameter may be anything
        pseudo = {
            "AWS::AccountId": ACCOUNT,
            "AWS::NoValue": _ABSENT,
            "AWS::Partition": "aws",
            "AWS::Region": self.region,
            "AWS::StackName": self.name,
            "AWS::URLSuffix": "amazonaws.com",
        }
        parameters = self.template.get("Parameters", {})
        if name in pseudo:
            return pseudo[name]
        if name in self.attributes:
            return self.attributes[name]
        if name in parameters:
            return str(self.given[name] if name in self.given else parameters[name]["Default"])
        if name.partition(".")[0] in self.template["Resources"]:
            return f"{self.name}-{name}" if "Arn" not in name else _arn(f"{self.name}-{name.partition('.')[0]}")
        raise TemplateValueError(f"{name!r} is neither a parameter nor a resource")


def _arn(name: str) -> str:
    return f"arn:aws:any:{REGION}:{ACCOUNT}:{name}"


def _sub(stack: ResolvedStack, argument: Any) -> str:  # noqa: ANN401 - a text, or one with its own names
    text, own = argument if isinstance(argument, list) else (argument, {})
    values = {name: stack.resolved(value) for name, value in own.items()}
    return _PLACEHOLDER.sub(
        lambda found: str(values[found[1]] if found[1] in values else stack._named(found[1])),  # noqa: SLF001 - ours
        text,
    )


def _attribute(stack: ResolvedStack, argument: Any) -> Any:  # noqa: ANN401 - a list or a dotted text
    return stack._named(".".join(argument) if isinstance(argument, list) else argument)  # noqa: SLF001 - ours


def _if(stack: ResolvedStack, argument: list[Any]) -> Any:  # noqa: ANN401 - whichever of the two
    condition, held, otherwise = argument
    return stack.resolved(held if stack.holds(condition) else otherwise)


def _found_in_map(stack: ResolvedStack, argument: list[Any]) -> Any:  # noqa: ANN401 - whatever stands there
    mapping, top, second = (stack.resolved(step) for step in argument)
    return stack.template["Mappings"][mapping][top][second]


def _joined(stack: ResolvedStack, argument: list[Any]) -> str:
    separator, parts = argument
    return str(separator).join(map(str, stack.resolved(parts)))


_FUNCTIONS: dict[str, Callable[[ResolvedStack, Any], Any]] = {
    "Ref": lambda stack, name: stack._named(name),  # noqa: SLF001 - ours
    "Condition": ResolvedStack.holds,
    "Fn::Sub": _sub,
    "Fn::GetAtt": _attribute,
    "Fn::If": _if,
    "Fn::Join": _joined,
    "Fn::Split": lambda stack, pair: str(stack.resolved(pair[1])).split(pair[0]),
    "Fn::FindInMap": _found_in_map,
    "Fn::Equals": lambda stack, pair: len({str(stack.resolved(one)) for one in pair}) == 1,
    "Fn::Not": lambda stack, one: not stack.resolved(one[0]),
    "Fn::And": lambda stack, several: all(stack.resolved(one) for one in several),
    "Fn::Or": lambda stack, several: any(stack.resolved(one) for one in several),
}
