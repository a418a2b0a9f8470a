"""What AWS refuses, or quietly ignores, and neither SAM nor cfn-lint notices.

Each check takes the transformed template and yields findings: the place, then what stands there
and what is allowed. Every one exists because a planted error slipped through the linters.
"""

from __future__ import annotations

import ast
import itertools
import json
import re
from typing import TYPE_CHECKING, Any

from prompt_cache_warmer.settings import VARIABLES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from infra.local.transform import Template, TemplatePath

Finding = tuple["TemplatePath", str]

NEVER_DEPLOYED = "ANTHROPIC_API_KEY"  # a key in the environment is readable by whoever may read the function

_RATE = re.compile(r"rate\((?P<value>[1-9][0-9]*) (?P<unit>minute|hour|day)(?P<plural>s?)\)")
_CRON_OR_AT = re.compile(r"cron\((\S+ ){5}\S+\)|at\(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\)")
_CONTEXT_ATTRIBUTE = re.compile(r"<(aws\.[^>]*)>")
_CONTEXT_ATTRIBUTES = frozenset(
    f"aws.scheduler.{name}" for name in ("schedule-arn", "scheduled-time", "execution-id", "attempt-number")
)

# Condition keys are free text to IAM: a misspelt one in a Deny never denies. A new one is added here once.
_CONDITION_KEYS = frozenset(
    {
        *(
            "aws:PrincipalArn",
            "aws:SecureTransport",
            "aws:SourceAccount",
            "aws:SourceArn",
            "kms:ViaService",
            "s3:prefix",
        ),
        *("cloudwatch:namespace", "dynamodb:LeadingKeys"),
        *("sts:IdentityTokenAudience", "sts:SigningAlgorithm", "sts:DurationSeconds"),
        *("aws:RequestedRegion", "bedrock:InferenceProfileArn"),
    }
)
_SID = re.compile(r"[A-Za-z0-9]+")

# Metrics of AWS's own namespaces that alarms may watch, with the dimensions AWS publishes them under.
_AWS_METRICS = {
    ("AWS/Lambda", "Duration"): {"FunctionName"},
    ("AWS/Lambda", "Errors"): {"FunctionName"},
    ("AWS/SQS", "ApproximateNumberOfMessagesVisible"): {"QueueName"},
}

# Where an ARN is needed, and the resources whose Ref is a name or a URL instead.
_ARN_PROPERTIES = frozenset({"Arn", "RoleArn", "Role", "Destination", "Resource", "AlarmActions", "OKActions"})
_REF_IS_NO_ARN = frozenset(
    {
        "AWS::CloudWatch::Alarm",
        "AWS::DynamoDB::Table",
        "AWS::IAM::Role",
        "AWS::Lambda::Function",
        "AWS::Logs::LogGroup",
        "AWS::S3::Bucket",
        "AWS::SQS::Queue",
    }
)


def findings(template: Template, code: Path) -> Iterator[Finding]:
    """Yield everything all the checks find; ``code`` is the folder the function is built from."""
    yield from schedules(template)
    yield from environments(template)
    yield from handlers(template, code)
    yield from policies(template)
    yield from alarms(template)
    yield from arns(template)


def schedules(template: Template) -> Iterator[Finding]:
    """Schedule expressions for every value their parameters may take, and what the schedule sends."""
    for path, schedule in _resources(template, "AWS::Scheduler::Schedule"):
        place = (*path, "ScheduleExpression")
        for expression in substitutions(schedule.get("ScheduleExpression"), template):
            if problem := _schedule_problem(expression):
                yield place, f"{expression!r}: {problem}"
        place = (*path, "Target", "Input")
        for text in substitutions(schedule.get("Target", {}).get("Input", "{}"), template):
            try:
                json.loads(text)
            except ValueError as error:
                yield place, f"{text!r} is not JSON: {error}"
            for name in sorted(set(_CONTEXT_ATTRIBUTE.findall(text)) - _CONTEXT_ATTRIBUTES):
                yield place, f"<{name}> is sent as it stands: not one of {sorted(_CONTEXT_ATTRIBUTES)}"


def _schedule_problem(expression: str) -> str | None:
    if _CRON_OR_AT.fullmatch(expression):
        return None
    rate = _RATE.fullmatch(expression)
    if rate is None:
        return "must be rate(N minutes|hours|days), cron(six fields) or at(yyyy-mm-ddThh:mm:ss)"
    if (rate["value"] == "1") == bool(rate["plural"]):
        return f"must be rate({rate['value']} {rate['unit']}{'' if rate['value'] == '1' else 's'})"
    return None


def environments(template: Template) -> Iterator[Finding]:
    """Variables the handler does not read, ones it reads and does not get, and a key among them."""
    for path, function in _resources(template, "AWS::Lambda::Function"):
        place = (*path, "Environment", "Variables")
        given = set(function.get("Environment", {}).get("Variables", {}))
        if NEVER_DEPLOYED in given:
            yield (*place, NEVER_DEPLOYED), f"{NEVER_DEPLOYED} may not be deployed: pass ANTHROPIC_SECRET_ID"
        for name in sorted(given - set(VARIABLES)):
            yield (*place, name), f"{name} is read by nobody: not one of {sorted(VARIABLES)}"
        for name in sorted(set(VARIABLES) - given - {NEVER_DEPLOYED}):
            yield place, f"{name} is missing: the handler reads it"


def handlers(template: Template, code: Path) -> Iterator[Finding]:
    """Handlers that name no function of the code."""
    for path, function in _resources(template, "AWS::Lambda::Function"):
        handler = str(function.get("Handler"))
        module, _, name = handler.rpartition(".")
        source = code / f"{module.replace('.', '/')}.py"
        if not source.is_file():
            yield (*path, "Handler"), f"{handler!r}: there is no {source.name} in {code.name}/"
            continue
        statements = ast.parse(source.read_text(encoding="utf-8")).body
        defined = sorted(_names_bound(statements))
        if name not in defined:
            yield (*path, "Handler"), f"{handler!r}: {source.name} defines {defined}"


def _names_bound(statements: list[ast.stmt]) -> Iterator[str]:
    """Yield the names a module defines: its functions, and what it assigns."""
    for statement in statements:
        if isinstance(statement, ast.FunctionDef):
            yield statement.name
        elif isinstance(statement, ast.Assign):
            yield from (target.id for target in statement.targets if isinstance(target, ast.Name))


def policies(template: Template) -> Iterator[Finding]:
    """Condition keys nobody knows, and statement ids that IAM refuses."""
    for path, statement in walk(template.get("Resources", {}), ("Resources",)):
        if "Effect" not in statement:
            continue
        sid = statement.get("Sid", "None")
        if not _SID.fullmatch(sid):
            yield (*path, "Sid"), f"{sid!r} may hold letters and digits only"
        for operator, keys in statement.get("Condition", {}).items():
            for key in sorted(set(keys) - _CONDITION_KEYS):
                yield (*path, "Condition", operator, key), f"{key!r} is not one of {sorted(_CONDITION_KEYS)}"


def alarms(template: Template) -> Iterator[Finding]:
    """Alarms on a metric that AWS does not publish: they could never fire."""
    for path, alarm in _resources(template, "AWS::CloudWatch::Alarm"):
        namespace, name = str(alarm.get("Namespace")), str(alarm.get("MetricName"))
        if not namespace.startswith("AWS/"):
            continue
        expected = _AWS_METRICS.get((namespace, name))
        if expected is None:
            known = sorted(" ".join(metric) for metric in _AWS_METRICS)
            yield (*path, "MetricName"), f"{namespace} {name} is not one of {known}"
            continue
        given = {dimension.get("Name") for dimension in alarm.get("Dimensions", [])}
        if given != expected:
            yield (*path, "Dimensions"), f"{sorted(given)}: {name} is published under {sorted(expected)}"


def arns(template: Template) -> Iterator[Finding]:
    """A Ref where an ARN is needed, to a resource whose Ref is a name or a URL."""
    resources = template.get("Resources", {})
    for path, node in walk(resources, ("Resources",)):
        for name in _ARN_PROPERTIES & set(node):
            values = node[name] if isinstance(node[name], list) else [node[name]]
            for value in values:
                target = value.get("Ref") if isinstance(value, dict) else None
                if resources.get(target, {}).get("Type") in _REF_IS_NO_ARN:
                    kind = resources[target]["Type"]
                    yield (*path, name), f"!Ref {target} is no ARN ({kind}): use !GetAtt {target}.Arn"


def walk(node: Any, path: TemplatePath) -> Iterator[tuple[TemplatePath, dict[str, Any]]]:  # noqa: ANN401 - any node
    """Yield every mapping below a node, with its path."""
    if isinstance(node, dict):
        yield path, node
        for key, value in node.items():
            yield from walk(value, (*path, key))
    elif isinstance(node, list):
        for index, value in enumerate(node):
            yield from walk(value, (*path, index))


def substitutions(value: Any, template: Template) -> list[str]:  # noqa: ANN401 - a string or an intrinsic
    """Return what a string becomes, for every combination of values its parameters may take."""
    text = value.get("Fn::Sub", value) if isinstance(value, dict) else value
    if isinstance(text, dict) and "Ref" in text:
        text = f"${{{text['Ref']}}}"
    names = sorted(set(re.findall(r"\$\{([A-Za-z0-9]+)\}", str(text))))
    parameters = template.get("Parameters", {})
    results = []
    for values in itertools.product(*(allowed(parameters.get(name, {})) for name in names)):
        result = str(text)
        for name, chosen in zip(names, values, strict=True):
            result = result.replace(f"${{{name}}}", str(chosen))
        results.append(result)
    return results


def allowed(parameter: Mapping[str, Any]) -> list[Any]:
    """Return the values a parameter is known to take: those allowed, or its default."""
    return list(parameter.get("AllowedValues", [parameter.get("Default", "")]))


def _resources(template: Template, kind: str) -> Iterator[tuple[TemplatePath, dict[str, Any]]]:
    for name, resource in template.get("Resources", {}).items():
        if resource.get("Type") == kind:
            yield ("Resources", name, "Properties"), resource.get("Properties", {})
