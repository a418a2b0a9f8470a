"""Settings: every problem at once, blanks are absent, defaults as documented, secrets never shown."""

from __future__ import annotations

import traceback
from decimal import Decimal

import pytest
from pydantic import ValidationError

from prompt_cache_warmer.errors import SettingsError
from prompt_cache_warmer.settings import VARIABLES, Settings, own_base_url
from prompt_cache_warmer.values.caps import NO_CAPS, Caps

SMALLEST = {"TARGETS_BUCKET": "my-bucket", "ANTHROPIC_SECRET_ID": "warmer/key"}
SECRET = "sk-ant-api03-planted"
PREFIX_RULE = "must be a key prefix such as 'targets/': no leading slash, a trailing slash, no '..' or '//'"
KEY_RULE = (
    "nothing says how to reach Claude; set one of ANTHROPIC_SECRET_ID, ANTHROPIC_PARAMETER, "
    "ANTHROPIC_FEDERATION_RULE_ID, CLAUDE_PLATFORM_WORKSPACE_ID, BEDROCK_REGIONS, BEDROCK_MANTLE_REGIONS, "
    "ANTHROPIC_API_KEY (the last on your own machine only)"
)
HOST_RULE = "must have a plain host name or address, and a port in digits or none"
TABLE_RULE = "must be the name of a DynamoDB table: 3 to 255 of a-z, A-Z, 0-9, '_', '.' and '-', no ARN"
USD_RULE = 'is not allowed; allowed: USD from 0 to 1,000,000 with at most 12 decimals, such as "2.50"'
URL_RULE = "must be an https:// URL (plain http:// is for a loopback address only: keys travel there)"


def problems(environment: dict[str, str]) -> tuple[str, ...]:
    """Return what is wrong with an environment."""
    with pytest.raises(SettingsError) as caught:
        Settings.from_environment(environment)
    return caught.value.problems


def test_defaults_are_the_documented_ones() -> None:
    """A bucket and a secret are enough; everything else has the default of the issue."""
    settings = Settings.from_environment(SMALLEST)
    assert settings.model_dump() == {
        "targets_bucket": "my-bucket",
        "targets_prefix": "targets/",
        "prompts_prefix": "prompts/",
        "anthropic_secret_id": "warmer/key",
        "anthropic_api_key": None,
        "anthropic_parameter": None,
        "federation_rule_id": None,
        "organization_id": None,
        "service_account_id": None,
        "workspace_id": None,
        "identity_audience": "https://api.anthropic.com",
        "platform_workspace_id": None,
        "platform_region": None,
        "bedrock_regions": None,
        "bedrock_mantle_regions": None,
        "default_credential": None,
        "anthropic_base_url": None,
        "state_table": None,
        "max_usd_per_day": None,
        "max_usd_per_month": None,
        "max_usd_per_call": None,
        "max_tokens_per_day": None,
        "max_tokens_per_month": None,
        "max_tokens_per_call": None,
        "max_concurrency": 32,
        "due_queue_url": None,
        "fan_out_workers": 1,
        "rate_limit_share_percent": None,
        "max_inflight_bytes": 67_108_864,
        "request_timeout_seconds": 60,
        "tick_minutes": 4,
        "metric_detail": "auto",
        "metrics_namespace": "PromptCacheWarmer",
        "service_name": "prompt-cache-warmer",
        "log_level": "INFO",
    }


def test_every_variable_is_read() -> None:
    """Each variable sets its own field, surrounding blanks aside."""
    settings = Settings.from_environment(
        {
            "TARGETS_BUCKET": " a.b-c ",
            "TARGETS_PREFIX": "t/",
            "PROMPTS_PREFIX": "p/q/",
            "ANTHROPIC_API_KEY": SECRET,
            "ANTHROPIC_FEDERATION_RULE_ID": "fdrl_1",
            "ANTHROPIC_ORGANIZATION_ID": "12345678-1234-4234-8234-123456789012",
            "ANTHROPIC_SERVICE_ACCOUNT_ID": "svac_1",
            "ANTHROPIC_WORKSPACE_ID": "wrkspc_1",
            "ANTHROPIC_IDENTITY_AUDIENCE": "https://example.com",
            "CLAUDE_PLATFORM_WORKSPACE_ID": "wrkspc_2",
            "CLAUDE_PLATFORM_REGION": "us-gov-west-1",
            "BEDROCK_REGIONS": "eu-central-1, us-east-1",
            "BEDROCK_MANTLE_REGIONS": "ap-southeast-4",
            "ANTHROPIC_BASE_URL": "http://127.0.0.1:4010/v2",
            "STATE_TABLE": "My_table.1-state",
            "MAX_USD_PER_DAY": "2.50",
            "MAX_USD_PER_MONTH": "1000000",
            "MAX_USD_PER_CALL": "0.000000000001",
            "MAX_TOKENS_PER_DAY": "0",
            "MAX_TOKENS_PER_MONTH": "1000000000000",
            "MAX_TOKENS_PER_CALL": "200000",
            "MAX_CONCURRENCY": "1000",
            "DUE_QUEUE_URL": "http://127.0.0.1:4011/123456789012/due",
            "FAN_OUT_WORKERS": "250",
            "RATE_LIMIT_SHARE_PERCENT": "100",
            "MAX_INFLIGHT_BYTES": "8388608",
            "REQUEST_TIMEOUT_SECONDS": "1.5",
            "TICK_MINUTES": "2",
            "METRIC_DETAIL": "entry",
            "POWERTOOLS_METRICS_NAMESPACE": "My/Space",
            "POWERTOOLS_SERVICE_NAME": "svc",
            "LOG_LEVEL": "debug",
            "HOME": "/root",
        }
    )
    assert settings.anthropic_api_key is not None
    assert settings.anthropic_api_key.get_secret_value() == SECRET
    assert settings.model_dump(exclude={"anthropic_api_key"}) == {
        "targets_bucket": "a.b-c",
        "targets_prefix": "t/",
        "prompts_prefix": "p/q/",
        "anthropic_secret_id": None,
        "anthropic_parameter": None,
        "federation_rule_id": "fdrl_1",
        "organization_id": "12345678-1234-4234-8234-123456789012",
        "service_account_id": "svac_1",
        "workspace_id": "wrkspc_1",
        "identity_audience": "https://example.com",
        "platform_workspace_id": "wrkspc_2",
        "platform_region": "us-gov-west-1",
        "bedrock_regions": "eu-central-1,us-east-1",
        "bedrock_mantle_regions": "ap-southeast-4",
        "default_credential": None,
        "anthropic_base_url": "http://127.0.0.1:4010/v2",
        "state_table": "My_table.1-state",
        "max_usd_per_day": Decimal("2.50"),
        "max_usd_per_month": Decimal(1_000_000),
        "max_usd_per_call": Decimal("1e-12"),
        "max_tokens_per_day": 0,
        "max_tokens_per_month": 1_000_000_000_000,
        "max_tokens_per_call": 200_000,
        "max_concurrency": 1000,
        "due_queue_url": "http://127.0.0.1:4011/123456789012/due",
        "fan_out_workers": 250,
        "rate_limit_share_percent": 100,
        "max_inflight_bytes": 8_388_608,
        "request_timeout_seconds": 1.5,
        "tick_minutes": 2,
        "metric_detail": "entry",
        "metrics_namespace": "My/Space",
        "service_name": "svc",
        "log_level": "DEBUG",
    }


def test_a_blank_variable_is_absent() -> None:
    """CloudFormation passes nothing as an empty string; that is no value and no problem."""
    blanks = dict.fromkeys(VARIABLES, " ")
    assert Settings.from_environment({**blanks, **SMALLEST}) == Settings.from_environment(SMALLEST)


def test_without_an_argument_the_process_environment_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """This is the one place that reads it."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TARGETS_BUCKET", "from-the-process")
    monkeypatch.setenv("ANTHROPIC_SECRET_ID", "s")
    assert Settings.from_environment().targets_bucket == "from-the-process"


@pytest.mark.parametrize(
    ("variable", "value", "problem"),
    [
        (
            "TARGETS_BUCKET",
            "My Bucket",
            "'My Bucket': must be the name of an S3 bucket: 3 to 63 of a-z, 0-9, '.' and '-', no s3:// and no ARN",
        ),
        ("TARGETS_PREFIX", "documents", f"'documents': {PREFIX_RULE}"),
        ("TARGETS_PREFIX", "/documents/", f"'/documents/': {PREFIX_RULE}"),
        ("TARGETS_PREFIX", "/", f"'/': {PREFIX_RULE}"),
        ("PROMPTS_PREFIX", "a/../b/", f"'a/../b/': {PREFIX_RULE}"),
        ("PROMPTS_PREFIX", "a//b/", f"'a//b/': {PREFIX_RULE}"),
        ("PROMPTS_PREFIX", "a\nb/", f"'a\\nb/': {PREFIX_RULE}"),
        ("ANTHROPIC_BASE_URL", "http://example.com", f"'http://example.com': {URL_RULE}"),
        ("ANTHROPIC_BASE_URL", "http://localhost.example.com", f"'http://localhost.example.com': {URL_RULE}"),
        ("ANTHROPIC_BASE_URL", "ftp://example.com", f"'ftp://example.com': {URL_RULE}"),
        ("ANTHROPIC_BASE_URL", "https://", f"'https://': {URL_RULE}"),
        ("ANTHROPIC_BASE_URL", "example.com", f"'example.com': {URL_RULE}"),
        ("ANTHROPIC_BASE_URL", "http://[::1", "'http://[::1': Invalid IPv6 URL"),
        ("ANTHROPIC_BASE_URL", "https://a:b", f"'https://a:b': {HOST_RULE}"),
        ("ANTHROPIC_BASE_URL", "https://a:123456", f"'https://a:123456': {HOST_RULE}"),
        ("ANTHROPIC_BASE_URL", "https://a:b:1", f"'https://a:b:1': {HOST_RULE}"),
        (
            "ANTHROPIC_BASE_URL",
            "https://a/?b=c",
            "***: must be an address only: no query, no fragment, no control character",
        ),
        (
            "ANTHROPIC_BASE_URL",
            "https://a\x00b",
            "'https://a\\x00b': must be an address only: no query, no fragment, no control character",
        ),
        ("STATE_TABLE", "ab", f"'ab': {TABLE_RULE}"),
        ("STATE_TABLE", "a" * 256, f"'{'a' * 256}': {TABLE_RULE}"),
        ("STATE_TABLE", "arn:aws:dynamodb:x:1:table/t", f"'arn:aws:dynamodb:x:1:table/t': {TABLE_RULE}"),
        ("MAX_USD_PER_DAY", "-1", f"'-1': {USD_RULE}"),
        ("MAX_USD_PER_DAY", "1e3", f"'1e3': {USD_RULE}"),
        ("MAX_USD_PER_MONTH", "1000000.000000000001", f"'1000000.000000000001': {USD_RULE}"),
        ("MAX_USD_PER_MONTH", "2,50", f"'2,50': {USD_RULE}"),
        ("MAX_USD_PER_CALL", "0.0000000000001", f"'0.0000000000001': {USD_RULE}"),
        ("MAX_TOKENS_PER_DAY", "-1", "'-1': Input should be greater than or equal to 0"),
        (
            "MAX_TOKENS_PER_MONTH",
            "1000000000001",
            "'1000000000001': Input should be less than or equal to 1000000000000",
        ),
        (
            "MAX_TOKENS_PER_CALL",
            "1.5",
            "'1.5': Input should be a valid integer, unable to parse string as an integer",
        ),
        ("MAX_CONCURRENCY", "0", "'0': Input should be greater than or equal to 1"),
        ("MAX_CONCURRENCY", "1001", "'1001': Input should be less than or equal to 1000"),
        ("MAX_CONCURRENCY", "many", "'many': Input should be a valid integer, unable to parse string as an integer"),
        ("MAX_INFLIGHT_BYTES", "8388607", "'8388607': Input should be greater than or equal to 8388608"),
        ("REQUEST_TIMEOUT_SECONDS", "0.9", "'0.9': Input should be greater than or equal to 1"),
        ("REQUEST_TIMEOUT_SECONDS", "nan", "'nan': Input should be less than or equal to 600"),
        ("REQUEST_TIMEOUT_SECONDS", "inf", "'inf': Input should be less than or equal to 600"),
        ("TICK_MINUTES", "61", "'61': Input should be less than or equal to 60"),
        ("METRIC_DETAIL", "all", "'all': Input should be 'auto', 'run', 'target' or 'entry'"),
        ("POWERTOOLS_METRICS_NAMESPACE", "a b", "'a b': String should match pattern '^[A-Za-z0-9._/#-]{1,255}$'"),
        ("POWERTOOLS_SERVICE_NAME", "ä", "'ä': String should match pattern '^[\\x21-\\x7e]{1,255}$'"),
        ("LOG_LEVEL", "TRACE", "'TRACE': Input should be 'DEBUG', 'INFO', 'WARNING' or 'ERROR'"),
    ],
)
def test_a_wrong_value_is_named_with_what_is_allowed(variable: str, value: str, problem: str) -> None:
    """The problem holds the variable's name, its value and the rule it breaks."""
    assert problems({**SMALLEST, variable: value}) == (f"{variable}={problem}",)


@pytest.mark.parametrize(
    "url",
    [
        "https://api.anthropic.com",
        "https://gateway.example.com:8443/anthropic",
        "http://localhost:80",
        "http://[::1]:1",
    ],
)
def test_an_address_is_https_or_loopback(url: str) -> None:
    """Keys travel there, so plain http is for the same machine only."""
    assert Settings.from_environment({**SMALLEST, "ANTHROPIC_BASE_URL": url}).anthropic_base_url == url


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("foo", f"ANTHROPIC_BASE_URL='foo': {URL_RULE}"),
        (" http://192.0.2.2:8080 ", f"ANTHROPIC_BASE_URL='http://192.0.2.2:8080': {URL_RULE}"),
        (f"https://user:{SECRET}@a", "ANTHROPIC_BASE_URL=***: must not hold a user name or a password"),
    ],
)
def test_the_address_read_alone_has_the_same_rule(value: str, said: str) -> None:
    """Runs from files read it without the other settings, and the key travels there just so."""
    with pytest.raises(SettingsError) as caught:
        own_base_url({"ANTHROPIC_BASE_URL": value})
    assert caught.value.problems == (said,)


@pytest.mark.parametrize(
    ("environment", "address"),
    [
        ({}, None),
        ({"ANTHROPIC_BASE_URL": " "}, ""),
        ({"ANTHROPIC_BASE_URL": " https://a.example "}, "https://a.example"),
        ({"ANTHROPIC_BASE_URL": "http://127.0.0.1:4010"}, "http://127.0.0.1:4010"),
    ],
)
def test_the_address_read_alone_tells_none_from_nothing(environment: dict[str, str], address: str | None) -> None:
    """Where the variable is not set, a profile of the SDK may still say the address."""
    assert own_base_url(environment) == address


def test_all_problems_come_together() -> None:
    """One error names the missing, the wrong and the contradicting variables, in their order."""
    assert problems({"TARGETS_PREFIX": "prompts/x/", "MAX_CONCURRENCY": "-1", "LOG_LEVEL": "loud"}) == (
        "TARGETS_BUCKET is missing",
        "MAX_CONCURRENCY='-1': Input should be greater than or equal to 1",
        "LOG_LEVEL='loud': Input should be 'DEBUG', 'INFO', 'WARNING' or 'ERROR'",
        "TARGETS_PREFIX='prompts/x/' and PROMPTS_PREFIX='prompts/' overlap: neither may begin with the other",
        KEY_RULE,
    )


@pytest.mark.parametrize(
    ("targets", "prompts"), [("a/", "a/"), ("a/", "a/b/"), ("a/b/", "a/"), ("prompts/", ""), ("", "targets/old/")]
)
def test_the_two_prefixes_may_not_overlap(targets: str, prompts: str) -> None:
    """A prompt that is also a target document would be read as one."""
    found = problems({**SMALLEST, "TARGETS_PREFIX": targets, "PROMPTS_PREFIX": prompts})
    assert len(found) == 1
    assert "overlap: neither may begin with the other" in found[0]


def test_just_one_source_of_the_key() -> None:
    """A secret and a key together are as wrong as neither."""
    assert problems({**SMALLEST, "ANTHROPIC_API_KEY": SECRET}) == (
        "ANTHROPIC_API_KEY and ANTHROPIC_SECRET_ID are both set: a key comes from one of them",
    )
    assert problems({"TARGETS_BUCKET": "my-bucket"}) == (KEY_RULE,)


@pytest.mark.parametrize(
    "environment",
    [
        {**SMALLEST, "ANTHROPIC_API_KEY": SECRET, "MAX_CONCURRENCY": "x"},
        {"TARGETS_BUCKET": f"{SECRET}_", "ANTHROPIC_API_KEY": SECRET},
        {"TARGETS_BUCKET": "my-bucket", "ANTHROPIC_SECRET_ID": SECRET},
        {**SMALLEST, "ANTHROPIC_BASE_URL": f"https://user:{SECRET}@example.com"},
        {**SMALLEST, "ANTHROPIC_BASE_URL": f"user:planted-{SECRET[7:]}@example.com"},
        {**SMALLEST, "ANTHROPIC_BASE_URL": f"https://example.com:{SECRET}"},
        {**SMALLEST, "TARGETS_PREFIX": f"{SECRET}/", "PROMPTS_PREFIX": f"{SECRET}/"},
        {**SMALLEST, "LOG_LEVEL": SECRET},
    ],
)
def test_a_secret_is_never_shown(environment: dict[str, str]) -> None:
    """Not in the message, not in the chained error's text, not when it was put into the wrong variable."""
    with pytest.raises(SettingsError) as caught:
        Settings.from_environment(environment)
    assert "planted" not in "".join(traceback.format_exception(caught.value))


def test_a_key_in_the_place_of_the_secrets_name_is_explained() -> None:
    """It would travel to Secrets Manager and into its logs as a name."""
    assert problems({"TARGETS_BUCKET": "my-bucket", "ANTHROPIC_SECRET_ID": SECRET}) == (
        "ANTHROPIC_SECRET_ID=***: is an API key; put the key into a secret and name the secret here",
    )


def test_settings_do_not_print_the_key() -> None:
    """The object's own text is safe to log, and the object cannot be changed."""
    settings = Settings.from_environment({"TARGETS_BUCKET": "my-bucket", "ANTHROPIC_API_KEY": SECRET})
    assert "planted" not in f"{settings!r} {settings}"
    with pytest.raises(ValidationError, match="frozen"):
        settings.tick_minutes = 5  # type: ignore[misc]  # the type forbids it too


def test_settings_are_also_made_by_name() -> None:
    """The library's way in; an unknown name is an error and no silent default."""
    assert Settings(targets_bucket="my-bucket", tick_minutes=3).tick_minutes == 3
    with pytest.raises(ValidationError, match="Extra inputs are not permitted"):
        Settings.model_validate({"targets_bucket": "my-bucket", "tick_minuets": 3})


def test_caps_are_those_of_the_variables() -> None:
    """Each variable is its own cap, none is none, and 0 is a cap."""
    assert Settings.from_environment(SMALLEST).caps == NO_CAPS
    values = {
        "MAX_USD_PER_DAY": "1",
        "MAX_USD_PER_MONTH": "0",
        "MAX_USD_PER_CALL": "0.3",
        "MAX_TOKENS_PER_DAY": "4",
        "MAX_TOKENS_PER_MONTH": "0",
        "MAX_TOKENS_PER_CALL": "6",
    }
    assert Settings.from_environment({**SMALLEST, **values}).caps == Caps(
        Decimal(1), Decimal(0), Decimal("0.3"), 4, 0, 6
    )
    assert Settings(targets_bucket="my-bucket", max_usd_per_day=Decimal("1e-12")).caps == Caps(Decimal("1e-12"))


def test_equal_settings_are_one_key() -> None:
    """A warm sandbox is looked up by its settings."""
    assert hash(Settings.from_environment(SMALLEST)) == hash(Settings.from_environment(SMALLEST))
