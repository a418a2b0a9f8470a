"""Turn ``template.yaml`` into the plain CloudFormation that AWS would deploy.

Linters look inside almost nothing of a SAM function, so everything that judges the template judges
the result of this transformation, which is the same code AWS runs. No account, no credentials.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import boto3
from cfnlint.decode import decode_str  # type: ignore[import-untyped]  # published without types
from samtranslator.model.exceptions import InvalidDocumentException
from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

Template = dict[str, Any]
TemplatePath = tuple[str | int, ...]

CODE_STAND_IN = "s3://artifact-bucket/artifact"  # where `sam package` would have put the code
REGION = "us-east-1"  # the translator only takes the partition from it

FUNCTION = "AWS::Serverless::Function"


class TransformError(Exception):
    """The text is not YAML, or SAM refuses it.

    Attributes:
        reasons: what is wrong, one sentence each, with the line in front where it is known.
    """

    def __init__(self, reasons: Sequence[tuple[int, str]]) -> None:
        super().__init__("; ".join(reason for _, reason in reasons))
        self.reasons = tuple(reasons)


def read(path: Path) -> Template:
    """Read a template; its nodes remember their lines (see ``line_of``).

    Raises:
        TransformError: when it is not YAML, or says a key twice.
    """
    template, matches = decode_str(path.read_text(encoding="utf-8"))
    if matches or not isinstance(template, dict):
        raise TransformError([(match.linenumber, match.message) for match in matches] or [(1, "holds no template")])
    return template


def transform(template: Mapping[str, Any]) -> Template:
    """Return the CloudFormation a SAM template stands for; the argument stays as it is.

    Raises:
        TransformError: when SAM refuses the template.
    """
    plain: Template = json.loads(json.dumps(template))  # the translator writes into what it is given
    for resource in plain.get("Resources", {}).values():
        if resource.get("Type") == FUNCTION:
            resource.setdefault("Properties", {})["CodeUri"] = CODE_STAND_IN
    translator = Translator(None, Parser(), boto_session=boto3.Session(region_name=REGION))
    try:
        translated: Template = translator.translate(plain, {}, get_managed_policy_map=dict)
    except InvalidDocumentException as error:
        raise TransformError([(1, cause.message) for cause in error.causes]) from error
    finally:
        translator.metrics.publish()  # to nowhere; unpublished ones make it log a warning at exit
    return translated


def line_of(template: Mapping[str, Any], path: Sequence[str | int]) -> int:
    """Find the line of the source that a place in the transformed template comes from.

    SAM renames and wraps: ``WarmerFunctionTick.Properties.Target.RetryPolicy`` stands in the source
    as ``RetryPolicy`` of the event ``Tick``. Steps the source does not know are passed over.
    """
    here: Any = template
    line = 0
    for step in _source_path(template, path):
        if isinstance(here, dict):
            marked = next((key for key in here if key == step), None)
            if marked is None:
                continue
            here = here[step]
        elif isinstance(here, list) and isinstance(step, int) and step < len(here):
            marked = here = here[step]
        else:
            continue
        mark = getattr(marked, "start_mark", None)  # numbers and the long form of !Ref have none
        line = mark.line if mark else line
    return line + 1


def _source_path(template: Mapping[str, Any], path: Sequence[str | int]) -> Sequence[str | int]:
    """Lead a path into a resource that SAM made back to the function that made it."""
    resources = template.get("Resources", {})
    if len(path) < 2 or path[0] != "Resources" or path[1] in resources:  # noqa: PLR2004 - section and name
        return path
    made = str(path[1])
    makers = sorted((name for name in resources if made.startswith(name)), key=len)
    if not makers:
        return path
    part = made.removeprefix(makers[-1])  # the name of an event, or of the property the resource comes from
    is_event = part in resources[makers[-1]].get("Properties", {}).get("Events", {})
    return ("Resources", makers[-1], "Properties", *(("Events", part) if is_event else (part,)), *path[2:])
