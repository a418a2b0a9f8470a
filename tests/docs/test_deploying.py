"""The deploying page: commands that their programs have, policies that IAM knows, tables that are the template's."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import tomllib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import botocore.session
import cfnlint  # type: ignore[import-untyped]  # published without types
import click
import jmespath  # type: ignore[import-untyped]  # published without types
import pytest
from botocore import xform_name
from cfnlint import api, core

from infra.local.aws import LocalAws
from infra.local.generate_deploying import deploying_parts
from infra.local.lambda_emulator import ROOT
from infra.local.transform import read, transform
from prompt_cache_warmer.cli.commands import commands

if TYPE_CHECKING:
    from infra.local.transform import Template

PAGE = (ROOT / "infra/docs/deploying.md").read_text(encoding="utf-8")
CONFIG = tomllib.loads((ROOT / "samconfig.toml").read_text(encoding="utf-8"))
DEPLOYER = json.loads((ROOT / "infra/examples/deployer-policy.json").read_text(encoding="utf-8"))
BUCKET = "targets-to-remove"
# Run by SAM's own Python: the options of the commands that the page uses.
ASK_SAM = """
import json
from importlib import import_module
modules = {name: f"{name}.command" for name in ("build", "delete", "deploy")} | {"list": "list.stack_outputs.command"}
found = {}
for name, module in modules.items():
    params = import_module(f"samcli.commands.{module}").cli.params
    found[name] = [option for one in params for option in (*one.opts, *one.secondary_opts)]
print(json.dumps(found))
"""

HIGH_LEVEL = {"cp", "rm", "sync"}  # the AWS CLI's own commands, which no service's model has
GLOBAL = {"output", "query", "no-paginate", "region"}  # its options that are no input of an operation

CREATES = {
    "AWS::CloudFormation::Stack": "cloudformation:CreateStack",
    "AWS::CloudWatch::Alarm": "cloudwatch:PutMetricAlarm",
    "AWS::CloudWatch::CompositeAlarm": "cloudwatch:PutCompositeAlarm",
    "AWS::CloudWatch::Dashboard": "cloudwatch:PutDashboard",
    "AWS::DynamoDB::Table": "dynamodb:CreateTable",
    "AWS::Events::Rule": "events:PutRule",
    "AWS::IAM::ManagedPolicy": "iam:CreatePolicy",
    "AWS::IAM::Policy": "iam:PutRolePolicy",
    "AWS::IAM::Role": "iam:CreateRole",
    "AWS::Lambda::EventInvokeConfig": "lambda:PutFunctionEventInvokeConfig",
    "AWS::Lambda::EventSourceMapping": "lambda:CreateEventSourceMapping",
    "AWS::Lambda::Function": "lambda:CreateFunction",
    "AWS::Logs::LogGroup": "logs:CreateLogGroup",
    "AWS::S3::Bucket": "s3:CreateBucket",
    "AWS::S3::BucketPolicy": "s3:PutBucketPolicy",
    "AWS::SNS::Subscription": "sns:Subscribe",
    "AWS::SNS::Topic": "sns:CreateTopic",
    "AWS::SNS::TopicPolicy": "sns:SetTopicAttributes",
    "AWS::SQS::Queue": "sqs:CreateQueue",
    "AWS::SQS::QueuePolicy": "sqs:SetQueueAttributes",
    "AWS::Scheduler::Schedule": "scheduler:CreateSchedule",
}
"""What whoever deploys must be allowed for each type of resource; a new type is added here and to the policy."""

NOT_DELETED = {
    *("iam:DetachGroupPolicy", "iam:DetachUserPolicy"),  # the stack's policies are for roles
    *("iam:DeleteGroupPolicy", "iam:DeleteUserPolicy"),  # as above
    *("ec2:DescribeNetworkInterfaces", "kms:Decrypt"),  # no network and no key of one's own
    "logs:DeleteDataProtectionPolicy",  # its log group has none
}
"""What AWS's schemas name for deleting types of the template, for parts that this template does not have."""


def blocks(kind: str) -> list[str]:
    """Return the blocks of a kind."""
    return re.findall(rf"^```{kind}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def lines() -> list[str]:
    """Return every command of the blocks, and those in the table of what to type."""
    shown = [line.removeprefix("$ ") for block in blocks("console") for line in block.splitlines()]
    rows = re.findall(r"^\| [a-z ]+ \| `([^`]+)` \|$", PAGE.partition("## Update")[2], re.MULTILINE)
    return [*shown, *(row.replace("\\|", "|") for row in rows)]


def words(line: str) -> list[list[str]]:
    """Split a line into its commands' words; what one command asks of another stands for itself."""
    asked = re.findall(r'"\$\((.*?)\)"', line)
    rest = re.sub(r'"\$\(.*?\)"', "ASKED", line)
    return [shlex.split(one) for text in (rest, *asked) for one in text.split(" && ")]


def options(arguments: list[str]) -> list[str]:
    """Return the long options of a command."""
    return [one.partition("=")[0] for one in arguments if one.startswith("--")]


@cache
def session() -> Any:
    """Return a session, for the services' models."""
    return botocore.session.get_session()


def check_aws(arguments: list[str]) -> None:
    """Fail for an operation or an option that the service does not have."""
    service, operation, *rest = arguments
    if service == "s3":
        assert operation in HIGH_LEVEL
        return
    model = session().get_service_model({"s3api": "s3"}.get(service, service))
    (name,) = [one for one in model.operation_names if xform_name(one, "-") == operation]
    shape = model.operation_model(name).input_shape
    known = {xform_name(member, "-") for member in (shape.members if shape is not None else ())}
    assert {one.removeprefix("--") for one in options(rest)} <= known | GLOBAL, arguments


def check_own(arguments: list[str]) -> None:
    """Fail for a command or an option that our command line does not have."""
    command = commands.get_command(click.Context(commands), arguments[0])
    assert command is not None, arguments
    assert set(options(arguments)) <= {option for one in command.params for option in one.opts}, arguments


@pytest.fixture(scope="module")
def sam_options() -> dict[str, list[str]]:
    """The options of SAM's commands, as SAM has them."""
    command = [str(ROOT / ".tools/sam/bin/python"), "-c", ASK_SAM]
    asked = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - our own command
    assert asked.returncode == 0, asked.stderr
    found: dict[str, list[str]] = json.loads(asked.stdout)
    return found


@pytest.mark.parametrize("line", lines())
def test_every_command_is_one_that_its_program_has(line: str, sam_options: dict[str, list[str]]) -> None:
    """With its options, by AWS's own models, our own command line and SAM's."""
    for program, *arguments in words(line):
        if program == "aws":
            check_aws(arguments)
        elif program == "sam":
            assert set(options(arguments)) <= set(sam_options[arguments[0]]), line
        elif program == "prompt-cache-warmer":
            check_own(arguments)
        else:
            assert (program, arguments[0]) in {("git", "pull"), ("git", "checkout")}, line


def test_there_are_commands_to_check() -> None:
    """And the first five lead from nothing to production."""
    first = blocks("console")[0].splitlines()
    assert len(first) == 5
    assert len(lines()) >= 17


def test_the_environments_are_those_of_samconfig() -> None:
    """Name, stack and what each sets."""
    rows = re.findall(r"^\| `(\w+)` \| `([\w-]+)` \| (.*) \|$", PAGE.partition("## Update")[0], re.MULTILINE)
    assert {name: stack for name, stack, _ in rows} == {
        name: one["global"]["parameters"]["stack_name"] for name, one in CONFIG.items() if name != "version"
    }
    for name, _, said in rows:
        assert CONFIG[name]["deploy"]["parameters"].get("parameter_overrides", "nothing") in said.replace("`", "")
    asking = [name for name, _, said in rows if "asks" in said]
    assert asking == [
        name for name in CONFIG if name != "version" and "confirm_changeset" in CONFIG[name]["deploy"]["parameters"]
    ]


@pytest.fixture(scope="module")
def templates() -> dict[str, Template]:
    """The template and those it nests, transformed."""
    whole = transform(read(ROOT / "template.yaml"))
    nested = [
        one["Properties"]["TemplateURL"]
        for one in whole["Resources"].values()
        if one["Type"] == "AWS::CloudFormation::Stack"
    ]
    return {"template.yaml": whole, **{path: transform(read(ROOT / path)) for path in nested}}


def test_only_the_bucket_and_its_policy_outlive_the_stack(templates: dict[str, Template]) -> None:
    """By every DeletionPolicy there is, nested stacks included; outputs and page say so."""
    assert len(templates) > 1
    kept = {
        name
        for template in templates.values()
        for name, one in template["Resources"].items()
        if one.get("DeletionPolicy", "Delete") != "Delete"
    }
    assert kept == {"TargetsBucket", "TargetsBucketPolicy"}
    outputs = templates["template.yaml"]["Outputs"]
    assert "the bucket with your targets stays" in outputs["DeleteCommand"]["Description"]
    assert "stays when the stack is deleted" in outputs["TargetsBucketName"]["Description"]
    assert "the bucket with your targets and its policy stay" in " ".join(PAGE.split())


def test_the_pages_commands_are_the_outputs(templates: dict[str, Template]) -> None:
    """With BUCKET in the place of the name."""
    outputs = templates["template.yaml"]["Outputs"]
    for marker, output, name in (
        ("remove bucket", "RemoveBucketCommand", "${TargetsBucket}"),
        ("upload events", "UploadEventsCommand", "${ExistingBucketName}"),
    ):
        shown = PAGE.partition(f"<!-- {marker} -->\n```console\n")[2].partition("```\n\n")[0].splitlines()
        written = outputs[output]["Value"]["Fn::Sub"].replace(name, "BUCKET")
        assert f"$ {written}" in [line for line in shown if line != "```"], output


@pytest.mark.enable_socket
def test_the_bucket_is_removed_with_every_version() -> None:
    """What the command's query picks is all there is, so that the bucket is empty and can go."""
    (query,) = re.findall(r"--query '([^']*)'", PAGE.partition("<!-- remove bucket -->")[2])
    with LocalAws() as aws:
        aws.s3.create_bucket(Bucket=BUCKET)
        aws.s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
        for body in (b"1", b"2"):
            aws.s3.put_object(Bucket=BUCKET, Key="targets/a.json", Body=body)
        only_versions = jmespath.search(query, dict(aws.s3.list_object_versions(Bucket=BUCKET)))
        assert len(only_versions["Objects"]) == 2
        aws.s3.delete_object(Bucket=BUCKET, Key="targets/a.json")
        found = jmespath.search(query, dict(aws.s3.list_object_versions(Bucket=BUCKET)))
        assert found["Quiet"] is True
        assert len(found["Objects"]) == 3
        assert all(set(one) == {"Key", "VersionId"} for one in found["Objects"])
        aws.s3.delete_objects(Bucket=BUCKET, Delete=found)
        aws.s3.delete_bucket(Bucket=BUCKET)


@pytest.mark.parametrize("policy", [DEPLOYER, *map(json.loads, blocks("json"))], ids=["deployer", "uploader"])
def test_every_action_is_iams(policy: dict[str, Any]) -> None:
    """A misspelt one would be granted without effect, or refused."""
    assert iam_problems(policy) == []
    misspelt = json.dumps(policy).replace("s3:PutObject", "s3:PutObjekt")
    assert len(iam_problems(json.loads(misspelt))) == 1


def iam_problems(policy: dict[str, Any]) -> list[str]:
    """Lint a policy as one of a template."""
    document = json.loads(json.dumps(policy).replace("ACCOUNT", "123456789012").replace("REGION", "eu-central-1"))
    resource = {"Type": "AWS::IAM::ManagedPolicy", "Properties": {"PolicyDocument": document}}
    rules = core.get_rules(append_rules=[], ignore_rules=[], include_rules=["E", "W"])
    found = api.lint(json.dumps({"Resources": {"Policy": resource}}), rules=rules, regions=["us-east-1"])
    return [match.message for match in found]


def test_a_deployer_may_make_everything_there_is(templates: dict[str, Template]) -> None:
    """Each type of resource of the template and of the nested ones."""
    types = {one["Type"] for template in templates.values() for one in template["Resources"].values()}
    granted = {action for one in DEPLOYER["Statement"] for action in one["Action"]}
    assert types <= set(CREATES), "a type of resource the deployer's policy was not looked at for"
    assert {CREATES[kind] for kind in types} <= granted


@cache
def handlers() -> dict[str, dict[str, Any]]:
    """Return what AWS's own schemas of resources say their creation and their deletion call, by type."""
    folder = Path(cfnlint.__file__).parent / "data/schemas/resources"
    found = (json.loads(path.read_text(encoding="utf-8")) for path in folder.glob("*.json"))
    return {one["typeName"]: one.get("handlers", {}) for one in found}


def test_a_deployer_may_delete_everything_there_is(templates: dict[str, Template]) -> None:
    """A deployment that fails takes back what it made, the bucket included: else it ends in ROLLBACK_FAILED."""
    granted = {action for one in DEPLOYER["Statement"] for action in one["Action"]}
    types = {one["Type"] for template in templates.values() for one in template["Resources"].values()}
    needed = {action for kind in types for action in handlers()[kind]["delete"]["permissions"]}
    assert needed - granted == NOT_DELETED
    assert {"s3:DeleteBucket", "s3:DeleteBucketPolicy", "dynamodb:DeleteTable", "iam:ListRolePolicies"} <= needed


def test_a_deployer_may_delete_the_stacks_buckets_alone() -> None:
    """SAM's own bucket holds every stack's code."""
    (statement,) = [one for one in DEPLOYER["Statement"] if "s3:DeleteBucket" in one["Action"]]
    assert statement["Resource"] == "arn:aws:s3:::prompt-cache-warmer*"


def test_the_deployers_policy_is_small_enough_to_be_one() -> None:
    """IAM takes 6,144 characters, white space not counted; also with an account's number and a long region's name."""
    written = json.dumps(DEPLOYER, separators=(",", ":"))
    assert len(written.replace("ACCOUNT", "123456789012").replace("REGION", "ap-southeast-1")) <= 6_144


def test_a_deployer_is_bounded_to_stacks_of_the_name() -> None:
    """What makes or changes anything names its resources, but for mappings, which have no name."""
    for statement in DEPLOYER["Statement"]:
        if statement["Resource"] == "*":
            assert statement["Sid"] in {"AskForTemplates", "AskForLogs", "QueueOfUploads"}
    stacks = [one["global"]["parameters"]["stack_name"] for name, one in CONFIG.items() if name != "version"]
    assert all(stack.startswith("prompt-cache-warmer") for stack in stacks)


def test_every_parameter_is_in_the_page_once_with_its_default_and_what_is_allowed() -> None:
    """Under the question it answers; the page holds what is generated."""
    template = read(ROOT / "template.yaml")
    tables = deploying_parts()["parameters"]
    assert tables in PAGE
    assert re.findall(r"^\*\*(.*)\*\*$", tables, re.MULTILINE) == [
        group["Label"]["default"] for group in template["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]
    ]
    rows = {
        cells[0]: cells[1:] for cells in re.findall(r"^\| `(\w+)` \| (.*?) \| (.*?) \| (.*) \|$", tables, re.MULTILINE)
    }
    assert set(rows) == set(template["Parameters"])
    assert rows["WarmOnUpload"][:2] == ("`ENABLED`", "`ENABLED`, `DISABLED`")
    assert rows["ExistingBucketName"][:2] == ("empty", "empty or the name of an S3 bucket in this region")
    assert rows["MemorySize"][:2] == ("`512`", "256 to 3008")
    assert all(all(cells) for cells in rows.values())


def test_every_link_leads_somewhere() -> None:
    """Files exist where the links say."""
    for target in re.findall(r"\]\(([^)#]+)\)", PAGE):
        assert (ROOT / "infra/docs" / target).resolve().exists(), target
