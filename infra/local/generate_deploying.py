"""Generated part of the deploying page: every parameter of the template, under the question that it answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from infra.local.generated_tables import table
from infra.local.lambda_emulator import ROOT
from infra.local.transform import read

if TYPE_CHECKING:
    from collections.abc import Mapping

TEMPLATE = ROOT / "template.yaml"

_CONSTRAINED = "must be "  # how every ConstraintDescription begins, said once by the column's heading


def deploying_parts() -> dict[str, str]:
    """Return the page's generated part."""
    return {"parameters": _tables()}


def _tables() -> str:
    """Write a table for each question that the console asks, in its order."""
    template = read(TEMPLATE)
    groups = template["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]
    return "\n".join(
        f"**{group['Label']['default']}**\n\n"
        + table(
            ("parameter", "default", "allowed", "meaning"),
            (_row(name, template["Parameters"][name]) for name in group["Parameters"]),
        )
        for group in groups
    )


def _row(name: str, parameter: Mapping[str, Any]) -> tuple[str, ...]:
    default = parameter.get("Default")
    return (
        f"`{name}`",
        "required" if default is None else f"`{default}`" if default != "" else "empty",
        _cell(_allowed(parameter)),
        _cell(parameter["Description"]),
    )


def _allowed(parameter: Mapping[str, Any]) -> str:
    if "AllowedValues" in parameter:
        return ", ".join(f"`{value}`" for value in parameter["AllowedValues"])
    if "MinValue" in parameter:
        return f"{parameter['MinValue']} to {parameter['MaxValue']}"
    return str(parameter["ConstraintDescription"]).removeprefix(_CONSTRAINED).rstrip(".")


def _cell(text: str) -> str:
    """Write a text as one cell."""
    return " ".join(text.split()).replace("|", "\\|")
