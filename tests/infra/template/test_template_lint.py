"""The linter: the template is clean, and every planted error is caught where it was planted."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import pytest

from infra.local.lint_template import EXIT_CLEAN, EXIT_PROBLEMS, EXIT_USAGE, lint, main

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

# what is written, what is planted instead, what the linter must say of it
Planted = tuple[str, str, str]
PLANTED: list[Planted] = [
    # SAM's own properties, some of which SAM drops without a word
    ("      MemorySize: !Ref", "      MemorySiz: !Ref", "MemorySiz not defined"),
    ("MaximumRetryAttempts: 1", "MaximumRetryAttemps: 1", "'MaximumRetryAttemps' was unexpected"),
    ("        OnFailure:", "        OnFailur:", "'OnFailur' was unexpected"),
    ("Type: ScheduleV2", "Type: ScheduleV3", "ScheduleV3"),
    ("OmitName: true", "OmitNam: true", "OmitNam not defined"),
    # what the properties become
    ("Runtime: python3.13", "Runtime: python3.33", "'python3.33' is not one of"),
    ("LogFormat: Text", "LogFormat: text", "'text' is not one of ['Text', 'JSON']"),
    ('{ Mode: "OFF" }', '{ Mode: "NO" }', "'NO' is not one of ['OFF', 'FLEXIBLE']"),
    ("MaximumRetryAttempts: 1", "MaximumRetryAttempts: 3", "3 is greater than the maximum of 2"),
    ("MaximumRetryAttempts: 3", "MaximumRetryAttempts: 300", "300 is greater than the maximum of 185"),
    ("State: !Ref ScheduleState", "State: !Ref ScheduleStat", "'ScheduleStat' is not one of"),
    ("      Timeout: !Ref Timeout", "      Timeout: !Ref AnthropicBaseUrl", "is not of type 'integer'"),
    ("SqsManagedSseEnabled: !If", "SqsManagedSseEnable: !If", "'SqsManagedSseEnable' was unexpected"),
    ("BlockPublicAcls: true", "BlockPublicAcl: true", "'BlockPublicAcl' was unexpected"),
    ("SSEAlgorithm: AES256", "SSEAlgorithm: AES25", "'AES25' is not one of"),
    ("FailuresQueue.QueueName", "FailuresQueue.Name", "'Name' is not one of"),
    ("Action: s3:GetObject", "Action: s3:GetObjekt", "'getobjekt' is not one of ['getobject'"),
    ("    Default: arm64", "    Default: arm", "Default should be a value within AllowedValues"),
    ("    Default: 512", "    Default: 128", "Default should be equal to or higher than MinValue"),
    (
        'RuleCondition: !Equals [!Ref TickMinutes, "2"]',
        'RuleCondition: !Equals [!Ref Tick, "2"]',
        "'Tick' is not one of",
    ),
    ("{ SSEEnabled: true }", "{ SSEEnable: true }", "'SSEEnable' was unexpected"),
    ("BillingMode: PAY_PER_REQUEST", "BillingMode: ON_DEMAND", "'ON_DEMAND' is not one of"),
    (
        "KeySchema: [{ AttributeName: pk,",
        "KeySchema: [{ AttributeName: id,",
        "AttributeDefinitions: ['pk'] and KeySchemas: ['id'] must match",
    ),
    ("dynamodb:UpdateItem]", "dynamodb:UpdateItems]", "'updateitems' is not one of"),
    # what neither of them notices
    ("rate(${TickMinutes} minutes)", "rate(${TickMinutes} minute)", "'rate(4 minute)': must be rate(4 minutes)"),
    ("AllowedValues: [2, 3, 4]", "AllowedValues: [1, 2, 3, 4]", "'rate(1 minutes)': must be rate(1 minute)"),
    ("rate(${TickMinutes} minutes)", "every ${TickMinutes} minutes", "must be rate(N minutes|hours|days), cron("),
    (
        '"<aws.scheduler.execution-id>"}',
        '"<aws.scheduler.executionid>"}',
        "<aws.scheduler.executionid> is sent as it stands",
    ),
    ('{"source": "prompt', '{source: "prompt', "is not JSON"),
    ("TARGETS_PREFIX: !Ref", "TARGET_PREFIX: !Ref", "TARGET_PREFIX is read by nobody"),
    ("        LOG_LEVEL: !Ref LogLevel", "        LOG: !Ref LogLevel", "LOG_LEVEL is missing"),
    ("STATE_TABLE: !Ref", "STATE_TABEL: !Ref", "STATE_TABLE is missing"),
    ("MAX_USD_PER_DAY: !Ref", "MAX_USD_A_DAY: !Ref", "MAX_USD_A_DAY is read by nobody"),
    ("Resource: !GetAtt StateTable.Arn", "Resource: !Ref StateTable", "use !GetAtt StateTable.Arn"),
    ("ANTHROPIC_SECRET_ID: !Ref", "ANTHROPIC_API_KEY: !Ref", "ANTHROPIC_API_KEY may not be deployed"),
    ("Handler: app.lambda_handler", "Handler: app.lambda_handle", "app.py defines ['lambda_handler']"),
    ("Handler: app.lambda_handler", "Handler: apps.lambda_handler", "there is no apps.py in handler/"),
    ("Destination: !GetAtt FailuresQueue.Arn", "Destination: !Ref FailuresQueue", "!Ref FailuresQueue is no ARN"),
    ("Resource: !GetAtt FailuresQueue.Arn", "Resource: !Ref FailuresQueue", "use !GetAtt FailuresQueue.Arn"),
    ('"aws:SecureTransport"', '"aws:SecureTransprt"', "'aws:SecureTransprt' is not one of"),
    ("s3:prefix:", "s3:prefx:", "'s3:prefx' is not one of"),
    ("cloudwatch:namespace:", "cloudwatch:nmspace:", "'cloudwatch:nmspace' is not one of"),
    ("dynamodb:LeadingKeys", "dynamodb:LeadingKey", "'dynamodb:LeadingKey' is not one of"),
    ("ForAllValues:StringLike", "ForAllValue:StringLike", "'ForAllValue:StringLike'"),
    ("cloudwatch:PutMetricData", "cloudwatch:PutMetricsData", "'putmetricsdata' is not one of"),
    ("Sid: TlsOnly", "Sid: Tls Only", "'Tls Only' may hold letters and digits only"),
]
# After three of these nothing else is looked at; the fourth is said of an expression that others spoil.
ALONE = {"      MemorySiz: !Ref", "Type: ScheduleV3", "OmitNam: true", "AllowedValues: [1, 2, 3, 4]"}


@pytest.fixture
def planted(tmp_path: Path, template_path: Path) -> Path:
    """A copy of the template, beside a handler, to plant errors in."""
    return beside_a_handler(tmp_path, template_path)


def beside_a_handler(folder: Path, template_path: Path) -> Path:
    """Copy the template into a folder with a handler."""
    code = folder / "handler"
    code.mkdir()
    (code / "app.py").write_text("def lambda_handler(event, context): ...\n")
    copy = folder / "template.yaml"
    copy.write_text(template_path.read_text())
    return copy


def test_the_template_is_clean(template_path: Path) -> None:
    """The linter finds nothing in the template of this repository, handler included."""
    assert lint(template_path) == []


@pytest.fixture(scope="module")
def said_of(template_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[Planted], str]:
    """Lint errors that do not hide each other in one template, which takes seconds, and say what was said of one."""
    groups: list[list[Planted]] = []
    for one in PLANTED:
        fits = (group for group in groups if not any(_meet(one, other) for other in group))
        group = next(fits, None)
        if group is None:
            groups.append(group := [])
        group.append(one)

    @functools.cache
    def lint_group(number: int) -> str:
        copy = beside_a_handler(tmp_path_factory.mktemp("group"), template_path)
        text = copy.read_text()
        for written, instead, _ in groups[number]:
            assert written in text
            text = text.replace(written, instead)
        copy.write_text(text)
        return "\n".join(problem.message for problem in lint(copy))

    return lambda one: lint_group(next(number for number, group in enumerate(groups) if one in group))


def _meet(one: Planted, other: Planted) -> bool:
    """Tell whether two errors cannot stand in one template: one's text or words are in the other's."""
    return {one[1], other[1]} & ALONE != set() or any(
        a in b or b in a for a, b in ((one[0], other[0]), (one[2], other[2]))
    )


@pytest.mark.parametrize("one", PLANTED, ids=[instead.strip() for _, instead, _ in PLANTED])
def test_a_planted_error_is_caught(said_of: Callable[[Planted], str], one: Planted) -> None:
    """Each planted error is reported with what stands there or what is allowed."""
    assert one[2] in said_of(one)


@pytest.mark.parametrize(
    ("written", "instead", "place"),
    [
        ("MaximumRetryAttempts: 3", "MaximumRetryAttempts: 300", "WarmerFunctionTick.Properties.Target.RetryPolicy"),
        ("MaximumRetryAttempts: 1", "MaximumRetryAttempts: 9", "WarmerAsyncRuns.Properties"),
        (
            "rate(${TickMinutes} minutes)",
            "rate(${TickMinutes} minute)",
            "WarmerFunctionTick.Properties.ScheduleExpression",
        ),
        ("SSEAlgorithm: AES256", "SSEAlgorithm: AES25", "TargetsBucket.Properties.BucketEncryption"),
        ("Handler: app.lambda_handler", "Handler: app.handle", "WarmerFunction.Properties.Handler"),
    ],
)
def test_a_problem_names_its_line(planted: Path, written: str, instead: str, place: str) -> None:
    """A problem in what SAM made is still reported at the line of the source it was made from."""
    text = planted.read_text().replace(written, instead, 1)  # the worker has some of it once more
    planted.write_text(text)
    line = next(number for number, row in enumerate(text.splitlines(), start=1) if instead in row)

    assert {(problem.line, f"Resources.{place}" in problem.place) for problem in lint(planted)} == {(line, True)}


def test_a_resource_that_sam_refuses_is_reported_at_its_line(planted: Path) -> None:
    """SAM names only the resource it refuses; the linter finds its line."""
    text = planted.read_text().replace("      MemorySize: !Ref", "      MemorySiz: !Ref")
    planted.write_text(text)
    line = text.splitlines().index("  WarmerFunction:") + 1

    assert line in {problem.line for problem in lint(planted) if problem.rule == "SAM"}


@pytest.mark.parametrize(
    ("added", "said"),
    [
        ("\n  TargetsBucket: {}\n", "Duplicate found"),
        ("\n\t- tab", "found character"),
        ("", "'Resources' is a required property"),
    ],
    ids=["a key twice", "not YAML", "nothing"],
)
def test_text_that_is_no_template_is_one_problem(planted: Path, added: str, said: str) -> None:
    """A key written twice, text that is not YAML, and an empty file are problems, not tracebacks."""
    kept = planted.read_text().split("Outputs:")[0] if added else ""
    planted.write_text(kept.rstrip() + added)

    problems = lint(planted)

    assert problems
    assert said in problems[0].message


def test_the_command_prints_place_and_value_and_fails(planted: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The command prints file, line, place, what stands there and what is allowed, and exits with 1."""
    planted.write_text(planted.read_text().replace("LogFormat: Text", "LogFormat: text", 1))

    assert main([str(planted)]) == EXIT_PROBLEMS

    shown = capsys.readouterr().out
    assert "Resources.WarmerFunction.Properties.LoggingConfig.LogFormat: 'text' is not one of ['Text', 'JSON']" in shown
    assert shown.startswith(f"{planted}:")


def test_the_command_succeeds_on_a_clean_template(planted: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A clean template exits with 0 and says so."""
    assert main([str(planted)]) == EXIT_CLEAN
    assert capsys.readouterr().out == f"{planted}: no problems\n"


@pytest.mark.parametrize("arguments", [[], ["a", "b"], ["missing.yaml"]])
def test_the_command_explains_its_usage(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Without one existing file the command says how it is called and exits with 2."""
    assert main(arguments) == EXIT_USAGE
    assert "usage:" in capsys.readouterr().err
