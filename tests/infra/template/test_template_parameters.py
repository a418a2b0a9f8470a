"""Parameters and outputs: described, constrained, grouped, and in agreement with ``Settings``."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from prompt_cache_warmer.errors import SettingsError
from prompt_cache_warmer.settings import VARIABLES, Settings

if TYPE_CHECKING:
    from infra.local.transform import Template

CONSTRAINTS = {"AllowedValues", "AllowedPattern", "MinValue", "MaxValue"}
SECRET_ARN = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:anthropic-AbCdEf"

WRITER = "arn:aws:iam::123456789012:role/aws-reserved/sso.amazonaws.com/editor"

GIVEN = {"TARGETS_BUCKET": "bucket", "ANTHROPIC_SECRET_ID": SECRET_ARN}
"""The least environment ``Settings`` accepts."""

GOOD_USD = ["", "0", "0.000000000001", "2.50", "999999.999999999999", "1000000", "1000000.00"]
BAD_USD = ["-1", "1000000.000000000001", "1000001", "1.0000000000001", "2,50", "$5", "1e3", ".5", "5.", "05", "nan"]
GOOD_TOKENS = ["", "0", "999999999999", "1000000000000"]
STACK_DEFAULTS = {"RATE_LIMIT_SHARE_PERCENT": "30"}
"""Only a stack has these: their empty value must be able to switch something off."""

BAD_TOKENS = ["-1", "1000000000001", "1.5", "1e6", "1_000", "07"]

LAMBDA_MEMORY_MB = range(128, 10241)


def parameter_of(variable: str, source: Template) -> str | None:
    """Return the parameter an environment variable is a Ref to."""
    own = source["Resources"]["WarmerFunction"]["Properties"]["Environment"]["Variables"]
    variables = {**source["Globals"]["Function"]["Environment"]["Variables"], **own}
    reference = variables[variable].get("Ref")
    return reference if reference in source["Parameters"] else None


def boundary_values(parameter: dict[str, Any]) -> list[Any]:
    """Return the default, the limits and the choices of a parameter."""
    limits = [parameter[limit] for limit in ("Default", "MinValue", "MaxValue") if limit in parameter]
    return [*limits, *parameter.get("AllowedValues", ())]


def test_every_parameter_is_described_and_constrained(source: Template) -> None:
    """Nobody is asked for a value without being told what it means and held to what works."""
    for name, parameter in source["Parameters"].items():
        assert parameter["Description"].strip().endswith((".", "key.txt")), name
        assert CONSTRAINTS & set(parameter), name
        assert ("AllowedPattern" in parameter) <= ("ConstraintDescription" in parameter or "Prefix" in name), name


def test_every_parameter_has_a_default(source: Template) -> None:
    """Everything can be left as it is, but for one way to reach Claude, which the rules ask for."""
    assert [name for name, one in source["Parameters"].items() if "Default" not in one] == []


WAYS = (
    *("AnthropicSecretArn", "AnthropicParameterName", "FederationRuleId", "ClaudePlatformWorkspaceId"),
    *("BedrockRegions", "BedrockMantleRegions"),
)


def test_one_way_to_reach_claude_is_asked_for(source: Template) -> None:
    """A stack with none of them would only fail; the refusal names them all."""
    (assertion,) = source["Rules"]["OneWayToReachClaude"]["Assertions"]
    assert assertion["Assert"] == {"Fn::Or": [{"Fn::Not": [{"Fn::Equals": [{"Ref": way}, ""]}]} for way in WAYS]}
    assert [way for way in WAYS if way not in assertion["AssertDescription"]] == []


@pytest.mark.parametrize(
    ("rule", "given", "needed"),
    [
        ("FederationNamesItsOrganization", {"FederationRuleId"}, "FederationOrganizationId"),
        (
            "FederationNamesItsRule",
            {"FederationOrganizationId", "FederationServiceAccountId", "FederationWorkspaceId"},
            "FederationRuleId",
        ),
        ("PlatformNamesItsWorkspace", {"ClaudePlatformRegion"}, "ClaudePlatformWorkspaceId"),
    ],
)
def test_what_belongs_together_is_asked_for_together(rule: str, given: set[str], needed: str, source: Template) -> None:
    """What the handler's settings would refuse on every tick is refused before the stack is made."""
    found = source["Rules"][rule]
    condition = found["RuleCondition"]
    assert {one["Fn::Not"][0]["Fn::Equals"][0]["Ref"] for one in condition.get("Fn::Or", [condition])} == given
    (assertion,) = found["Assertions"]
    assert assertion["Assert"] == {"Fn::Not": [{"Fn::Equals": [{"Ref": needed}, ""]}]}
    assert needed in assertion["AssertDescription"]


def test_every_parameter_is_in_one_group(source: Template) -> None:
    """The console asks every parameter once, under a question of the user's."""
    groups = source["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]
    listed = [name for group in groups for name in group["Parameters"]]
    assert sorted(listed) == sorted(source["Parameters"])
    assert all(group["Label"]["default"].endswith("?") for group in groups)


def test_every_output_is_described(source: Template) -> None:
    """Each output says what it is for; a ready upload line and the off switch are among them."""
    outputs = source["Outputs"]
    assert all(output["Description"].endswith(".") for output in outputs.values())
    assert outputs["UploadCommand"]["Value"]["Fn::Sub"][0] == "aws s3 cp my-target.json s3://${Bucket}/${TargetsPrefix}"
    stop = outputs["StopCommand"]["Value"]["Fn::Sub"].split("--parameters")[1].split()
    kept = {f"ParameterKey={name},UsePreviousValue=true" for name in source["Parameters"] if name != "ScheduleState"}
    assert set(stop) == kept | {"ParameterKey=ScheduleState,ParameterValue=DISABLED"}
    assert outputs["StateTableName"]["Value"] == {"Ref": "StateTable"}
    assert outputs["ApplicationPolicyArn"]["Value"] == {"Ref": "ApplicationPolicy"}  # a managed policy's is its ARN
    assert {"TargetsBucketName", "FunctionName", "FunctionArn", "LogsCommand"} <= set(outputs)


def test_the_environment_is_what_settings_reads(function: Template) -> None:
    """The function gets every variable the handler reads, no other, and never the key itself."""
    assert set(function["Environment"]["Variables"]) == set(VARIABLES) - {"ANTHROPIC_API_KEY"}


def test_no_secret_stands_in_the_template(template_path: Any) -> None:
    """No API key and no NoEcho parameter: the secret is only ever named by its ARN."""
    text = template_path.read_text()
    assert "sk-ant" not in text
    assert "NoEcho" not in text


@pytest.mark.parametrize("variable", [name for name in VARIABLES if name != "ANTHROPIC_API_KEY"])
def test_settings_accept_every_limit_of_the_template(variable: str, source: Template) -> None:
    """What CloudFormation lets through at its limits, the handler accepts; defaults are the same."""
    name = parameter_of(variable, source)
    if name is None:
        assert variable in {
            *("TARGETS_BUCKET", "STATE_TABLE", "POWERTOOLS_SERVICE_NAME"),  # made by the stack
            *("DUE_QUEUE_URL", "FAN_OUT_WORKERS"),  # the stack's where it fans out, see test_template_fan_out.py
        }
        return
    parameter = source["Parameters"][name]
    for value in boundary_values(parameter):
        Settings.from_environment({**GIVEN, variable: str(value) or GIVEN.get(variable, "")})
    field = next(field for field in Settings.model_fields.values() if field.alias == variable)
    default = parameter.get("Default", "")
    if variable in STACK_DEFAULTS:
        assert (default, field.default) == (STACK_DEFAULTS[variable], None)
        return
    assert default == (field.default if field.default is not None else "")


CAPS = [f"MAX_{what}_PER_{period}" for what in ("USD", "TOKENS") for period in ("DAY", "MONTH", "CALL")]
PATTERNED = [
    *("TARGETS_PREFIX", "PROMPTS_PREFIX", "ANTHROPIC_BASE_URL", "POWERTOOLS_METRICS_NAMESPACE"),
    *("RATE_LIMIT_SHARE_PERCENT", *CAPS),
]


@pytest.mark.parametrize("variable", PATTERNED)
@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_settings_accept_whatever_a_pattern_lets_through(data: st.DataObject, variable: str, source: Template) -> None:
    """Any text a parameter's pattern accepts is text the handler accepts."""
    parameter = source["Parameters"][parameter_of(variable, source)]
    # CloudFormation's patterns are Java's: `$` there does not let a newline through
    pattern = parameter["AllowedPattern"].removesuffix("$") + r"\Z"
    text = data.draw(st.from_regex(re.compile(pattern, re.ASCII), fullmatch=True))
    others = {"TARGETS_PREFIX": "~targets/", "PROMPTS_PREFIX": "~prompts/"}
    Settings.from_environment({**GIVEN, **others, variable: text})


@pytest.mark.parametrize(
    ("name", "refused"),
    [
        ("ExistingBucketName", ["UPPER", "a", "s3://bucket", "bucket/"]),
        ("TargetsPrefix", ["", "/targets/", "targets", "a/../b/", "targets*/", "targets?/"]),
        ("PromptsPrefix", ["", "/prompts/", "prompts", "../", "prompts/*/"]),
        ("AnthropicSecretArn", ["sk-ant-key", "anthropic", SECRET_ARN.removesuffix("-AbCdEf"), f"{SECRET_ARN}*"]),
        ("AnthropicParameterName", ["sk-ant-key", "anthropic/key", "/", "/a//b", "/a/*", "/a b"]),
        ("FederationRuleId", ["rule", "fdrl_", "fdrl_a b", "sk-ant-key"]),
        ("FederationOrganizationId", ["org", "12345678-1234-4234-8234-12345678901G"]),
        ("FederationServiceAccountId", ["svac_", "fdrl_1"]),
        ("FederationWorkspaceId", ["wrkspc_", "Default"]),
        ("FederationAudience", ["", "a b"]),
        ("ClaudePlatformWorkspaceId", ["default", "wrkspc_*"]),
        ("ClaudePlatformRegion", ["Frankfurt", "eu-central", "*"]),
        ("BedrockRegions", ["*", "eu-central-1, us-east-1", "eu-central-1,", ",", "eu-*-1"]),
        ("BedrockMantleRegions", ["*", "eu-central-1;us-east-1", "eu-central-1,"]),
        ("DefaultCredential", ["Default", "a b", "-a"]),
        ("AnthropicBaseUrl", ["http://example.com", "example.com", "https://", "https://a b"]),
        ("DecryptKeyArn", ["alias/mine", "arn:aws:kms:eu-central-1:123456789012:alias/mine", "*"]),
        ("EncryptionKeyArn", ["alias/mine", "arn:aws:kms:eu-central-1:123456789012:alias/mine", "*"]),
        (
            "TargetWriters",
            [
                *("*", "me", "arn:aws:iam::123456789012:root", "arn:aws:iam::123456789012:role/*"),
                *(f"{WRITER}, {WRITER}", f"{WRITER},", "arn:aws:sts::123456789012:assumed-role/editor/me"),
            ],
        ),
        ("ReservedConcurrency", ["0", "-1", "1.5", "1000"]),
        ("RateLimitSharePercent", ["0", "101", "-1", "50%", "0.5", "05"]),
        *((f"MaxUsdPer{period}", BAD_USD) for period in ("Day", "Month", "Call")),
        *((f"MaxTokensPer{period}", BAD_TOKENS) for period in ("Day", "Month", "Call")),
        ("AlarmEmail", ["me", "me@", "me@host", "a b@example.com"]),
        ("MetricsNamespace", ["", "AWS/SQS", "a b", "a" * 256]),
    ],
)
def test_a_pattern_refuses(name: str, refused: list[str], source: Template) -> None:
    """Values that would deploy and then fail on every tick are refused before."""
    pattern = re.compile(source["Parameters"][name]["AllowedPattern"])
    assert [value for value in refused if pattern.search(value)] == []


@pytest.mark.parametrize(
    ("name", "accepted"),
    [
        ("ExistingBucketName", ["", "my-bucket.example"]),
        ("TargetsPrefix", ["targets/", "team=a/v1.2/targets/"]),
        (
            "AnthropicSecretArn",
            ["", SECRET_ARN, "arn:aws-us-gov:secretsmanager:us-gov-west-1:123456789012:secret:a/b-123456"],
        ),
        ("AnthropicParameterName", ["", "/anthropic/key", "/key"]),
        ("FederationRuleId", ["", "fdrl_01N1X4hshN918sM4c612aiys"]),
        ("FederationOrganizationId", ["", "dadbadf4-d114-46f7-aeda-7df9ffe82a40"]),
        ("FederationServiceAccountId", ["", "svac_01CZuaCMKodSs6C83o8R5MUX"]),
        ("FederationWorkspaceId", ["", "default", "wrkspc_01BWWNZfUikYXfLwu3uCec43"]),
        ("FederationAudience", ["https://api.anthropic.com"]),
        ("ClaudePlatformWorkspaceId", ["", "wrkspc_01AbCdEf23GhIj"]),
        ("ClaudePlatformRegion", ["", "us-west-2", "us-gov-west-1"]),
        ("BedrockRegions", ["", "eu-central-1", "eu-central-1,us-east-1,ap-southeast-4"]),
        ("BedrockMantleRegions", ["", "us-east-1", "us-east-1,us-west-2"]),
        ("DefaultCredential", ["", "bedrock-eu-central-1"]),
        ("AnthropicBaseUrl", ["", "https://gateway.example.com:8443/anthropic"]),
        ("DecryptKeyArn", ["", "arn:aws:kms:eu-central-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"]),
        ("EncryptionKeyArn", ["", "arn:aws:kms:eu-central-1:123456789012:key/mrk-1234abcd12ab34cd56ef1234567890ab"]),
        ("TargetWriters", ["", WRITER, f"{WRITER},arn:aws-us-gov:iam::123456789012:user/a/me@example.com"]),
        ("ReservedConcurrency", ["", "1", "25"]),
        ("RateLimitSharePercent", ["", "1", "50", "99", "100"]),
        *((f"MaxUsdPer{period}", GOOD_USD) for period in ("Day", "Month", "Call")),
        *((f"MaxTokensPer{period}", GOOD_TOKENS) for period in ("Day", "Month", "Call")),
        ("AlarmEmail", ["", "on-call+claude@example.co.uk"]),
    ],
)
def test_a_pattern_accepts(name: str, accepted: list[str], source: Template) -> None:
    """Values people really have are accepted, and "none" is the empty string."""
    pattern = re.compile(source["Parameters"][name]["AllowedPattern"])
    assert [value for value in accepted if not pattern.search(value)] == []


@pytest.mark.parametrize("variable", CAPS)
def test_a_cap_is_the_parameter_of_its_name(variable: str, source: Template) -> None:
    """No cap stands in for another one, and what the template refuses in a number the handler refuses too."""
    name = parameter_of(variable, source)
    assert name == "".join(word.capitalize() for word in variable.split("_"))
    for value in BAD_USD if "USD" in variable else [value for value in BAD_TOKENS if value not in {"1_000", "07"}]:
        with pytest.raises(SettingsError):
            Settings.from_environment({**GIVEN, variable: value})


def test_memory_holds_the_imports(source: Template) -> None:
    """The least memory holds the 104 MB that the imports peak at twice over; the most is what Lambda has."""
    memory = source["Parameters"]["MemorySize"]
    assert memory["MinValue"] >= 2 * 104
    assert {memory["MinValue"], memory["MaxValue"]} <= set(LAMBDA_MEMORY_MB)
