"""The environment the handler reads, parsed once into one frozen ``Settings``.

This is the only module that may read the environment (ruff bans it elsewhere). All problems are
reported together, each with the variable's name, its value and what is allowed. A variable that
is set to nothing counts as absent, because that is how a CloudFormation template passes "none".
"""

from __future__ import annotations

import os
import re
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    ValidationError,
)

from prompt_cache_warmer.errors import SettingsError
from prompt_cache_warmer.rules.metrics import Detail  # noqa: TC001 - a field's type, which pydantic looks up
from prompt_cache_warmer.values.caps import Caps
from prompt_cache_warmer.values.credentials import (
    KEY_BEGINNING,
    CredentialSettings,
    credential_disagreements,
    default_disagreement,
)
from prompt_cache_warmer.values.keeping import MAX_TOKENS, Usd
from prompt_cache_warmer.values.limits import MAX_TARGET_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

MIB_BYTES = 1024 * 1024

DEFAULT_TARGETS_PREFIX = "targets/"
DEFAULT_PROMPTS_PREFIX = "prompts/"
DEFAULT_NAMESPACE = "PromptCacheWarmer"
DEFAULT_SERVICE = "prompt-cache-warmer"

_BASE_URL = "ANTHROPIC_BASE_URL"
_HOST_AND_PORT = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^:\[\]]+)(:[0-9]{1,5})?")
_PLAIN_ADDRESS = re.compile(r"[^?#@]*")  # a query or a user name may be a secret
_BUCKET_NAME = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_TABLE_NAME = re.compile(r"[A-Za-z0-9_.-]{3,255}")
_LOOPBACK_HOSTS = frozenset({"127.0.0.1", "::1", "localhost"})


def _bucket_name(value: str) -> str:
    if not _BUCKET_NAME.fullmatch(value):
        raise ValueError("must be the name of an S3 bucket: 3 to 63 of a-z, 0-9, '.' and '-', no s3:// and no ARN")
    return value


def _table_name(value: str) -> str:
    if not _TABLE_NAME.fullmatch(value):
        raise ValueError("must be the name of a DynamoDB table: 3 to 255 of a-z, A-Z, 0-9, '_', '.' and '-', no ARN")
    return value


def _key_prefix(value: str) -> str:
    folders = value.removesuffix("/").split("/")
    if not value.endswith("/") or {"", ".."}.intersection(folders) or not value.isprintable():
        raise ValueError("must be a key prefix such as 'targets/': no leading slash, a trailing slash, no '..' or '//'")
    return value


def base_url(value: str) -> str:
    """Read the API's address: https, or http on loopback, because keys travel there."""
    url = urlsplit(value)
    if url.username is not None or url.password is not None:
        raise ValueError("must not hold a user name or a password")
    if url.netloc and not _HOST_AND_PORT.fullmatch(url.netloc):
        raise ValueError("must have a plain host name or address, and a port in digits or none")
    if url.query or url.fragment or not value.isprintable():
        raise ValueError("must be an address only: no query, no fragment, no control character")
    if url.scheme == "https" and url.hostname:
        return value
    if url.scheme == "http" and url.hostname in _LOOPBACK_HOSTS:
        return value
    raise ValueError("must be an https:// URL (plain http:// is for a loopback address only: keys travel there)")


def _as_text(value: object) -> object:
    """Write a decimal as it would stand in the environment."""
    return f"{value:f}" if isinstance(value, Decimal) else value


_Usd = Annotated[Usd, BeforeValidator(_as_text)]
_Tokens = Annotated[int, Field(ge=0, le=MAX_TOKENS)]


class Settings(CredentialSettings):
    """What one deployment of the handler runs with.

    Field aliases are the environment variables' names. Sizes are in bytes, times in the unit of
    their name.
    """

    targets_bucket: Annotated[str, AfterValidator(_bucket_name)] = Field(
        alias="TARGETS_BUCKET", description="the bucket that holds the target documents; required"
    )
    targets_prefix: Annotated[str, AfterValidator(_key_prefix)] = Field(
        DEFAULT_TARGETS_PREFIX, alias="TARGETS_PREFIX", description="keys under it are target documents"
    )
    prompts_prefix: Annotated[str, AfterValidator(_key_prefix)] = Field(
        DEFAULT_PROMPTS_PREFIX, alias="PROMPTS_PREFIX", description="keys under it may be named by `text_from`"
    )
    anthropic_base_url: Annotated[str, AfterValidator(base_url)] | None = Field(
        None,
        alias=_BASE_URL,
        description="address of a gateway in front of the API; https, or http on loopback",
    )
    state_table: Annotated[str, AfterValidator(_table_name)] | None = Field(
        None,
        alias="STATE_TABLE",
        description="the DynamoDB table that remembers entries and spending; without one, each process does",
    )
    max_usd_per_day: _Usd | None = Field(
        None, alias="MAX_USD_PER_DAY", description="the most all warm calls may cost in a UTC day; `0`: nothing"
    )
    max_usd_per_month: _Usd | None = Field(
        None, alias="MAX_USD_PER_MONTH", description="the most they may cost in a UTC month"
    )
    max_usd_per_call: _Usd | None = Field(
        None, alias="MAX_USD_PER_CALL", description="no warm call is made that may cost more"
    )
    max_tokens_per_day: _Tokens | None = Field(
        None,
        alias="MAX_TOKENS_PER_DAY",
        description="the most tokens they may use in a UTC day; what holds models without a known price",
    )
    max_tokens_per_month: _Tokens | None = Field(
        None, alias="MAX_TOKENS_PER_MONTH", description="the most tokens they may use in a UTC month"
    )
    max_tokens_per_call: _Tokens | None = Field(
        None, alias="MAX_TOKENS_PER_CALL", description="no warm call is made that may use more"
    )
    max_concurrency: int = Field(32, ge=1, le=1000, alias="MAX_CONCURRENCY", description="warm calls in flight at once")
    due_queue_url: Annotated[str, AfterValidator(base_url)] | None = Field(
        None,
        alias="DUE_QUEUE_URL",
        description="the SQS queue whole runs send due entries to, for workers to call; without one they call them",
    )
    fan_out_workers: int = Field(
        1, ge=1, le=1000, alias="FAN_OUT_WORKERS", description="workers that read the queue at once"
    )
    max_inflight_bytes: int = Field(
        64 * MIB_BYTES,
        ge=MAX_TARGET_BYTES,
        alias="MAX_INFLIGHT_BYTES",
        description="bytes of bodies in memory at once; entries wait for room",
    )
    request_timeout_seconds: float = Field(
        60,
        ge=1,
        le=600,
        alias="REQUEST_TIMEOUT_SECONDS",
        description="how long one call may take; none starts with less of the run left",
    )
    rate_limit_share_percent: Annotated[int, Field(ge=1, le=100)] | None = Field(
        None,
        alias="RATE_LIMIT_SHARE_PERCENT",
        description="percent of the API's rate limits that warm calls may use; without one they are not paced",
    )
    tick_minutes: int = Field(4, ge=1, le=60, alias="TICK_MINUTES", description="minutes between two runs")
    metric_detail: Detail = Field(
        "auto",
        alias="METRIC_DETAIL",
        description="`run`, `target`, `entry`, or `auto`: per target up to 50 targets, else per run",
    )
    metrics_namespace: Annotated[str, Field(pattern=r"^[A-Za-z0-9._/#-]{1,255}$")] = Field(
        DEFAULT_NAMESPACE, alias="POWERTOOLS_METRICS_NAMESPACE", description="the CloudWatch namespace"
    )
    service_name: Annotated[str, Field(pattern=r"^[\x21-\x7e]{1,255}$")] = Field(
        DEFAULT_SERVICE,
        alias="POWERTOOLS_SERVICE_NAME",
        description="the metrics' service dimension and the logs' service",
    )
    log_level: Annotated[Literal["DEBUG", "INFO", "WARNING", "ERROR"], BeforeValidator(str.upper)] = Field(
        "INFO", alias="LOG_LEVEL", description="`DEBUG`, `INFO`, `WARNING` or `ERROR`"
    )

    @property
    def caps(self) -> Caps:
        """The caps of the whole stack."""
        return Caps(
            usd_per_day=self.max_usd_per_day,
            usd_per_month=self.max_usd_per_month,
            usd_per_call=self.max_usd_per_call,
            tokens_per_day=self.max_tokens_per_day,
            tokens_per_month=self.max_tokens_per_month,
            tokens_per_call=self.max_tokens_per_call,
        )

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> Settings:
        """Parse the environment.

        Args:
            environment: variable names to values; the process's own environment when absent.

        Raises:
            SettingsError: with every problem, when the environment does not make valid settings.
        """
        given = os.environ if environment is None else environment  # noqa: TID251 - the one place that reads it
        present = {name: value.strip() for name in VARIABLES if (value := given.get(name, "")).strip()}
        disagreements = tuple(_disagreements(present))
        try:
            settings = cls.model_validate(present)
        except ValidationError as error:
            problems = tuple(_sentence(detail, present) for detail in error.errors())
            raise SettingsError((*problems, *disagreements)) from error
        wrong_default = default_disagreement(settings)
        if disagreements or wrong_default:
            raise SettingsError((*disagreements, *([wrong_default] if wrong_default else [])))
        return settings


def own_base_url(environment: Mapping[str, str] | None = None) -> str | None:
    """Read the API's address and nothing else, for a run on one's own machine.

    Args:
        environment: as for the settings.

    Returns:
        The address; empty text where the variable is set to nothing, None where it is not set.

    Raises:
        SettingsError: when it is none that keys may travel to.
    """
    given = os.environ if environment is None else environment  # noqa: TID251 - as above
    value = given.get(_BASE_URL)
    if value is None or not value.strip():
        return None if value is None else ""
    try:
        return base_url(value.strip())
    except ValueError as error:
        raise SettingsError((f"{_BASE_URL}={_shown(_BASE_URL, value.strip())}: {error}",)) from error


VARIABLES: tuple[str, ...] = tuple(str(field.alias) for field in Settings.model_fields.values())
"""The names of every environment variable the handler reads, in the order of ``Settings``."""


def _disagreements(present: Mapping[str, str]) -> Iterator[str]:
    """Say which variables contradict each other, valid or not by themselves."""
    targets = present.get("TARGETS_PREFIX", DEFAULT_TARGETS_PREFIX)
    prompts = present.get("PROMPTS_PREFIX", DEFAULT_PROMPTS_PREFIX)
    if targets.startswith(prompts) or prompts.startswith(targets):
        shown_targets, shown_prompts = _shown("TARGETS_PREFIX", targets), _shown("PROMPTS_PREFIX", prompts)
        yield (
            f"TARGETS_PREFIX={shown_targets} and PROMPTS_PREFIX={shown_prompts} overlap: "
            "neither may begin with the other"
        )
    yield from credential_disagreements(present)


def _sentence(detail: Any, present: Mapping[str, str]) -> str:  # noqa: ANN401 - pydantic's ErrorDetails
    """Say one pydantic error the way an operator reads it."""
    message = str(detail["msg"]).removeprefix("Value error, ")
    name = str(detail["loc"][0])
    if detail["type"] == "missing":
        return f"{name} is missing"
    return f"{name}={_shown(name, present[name])}: {message}"


def _shown(name: str, value: str) -> str:
    """Show a variable's value, unless it is a secret or looks like one that was put into the wrong variable."""
    is_secret = name == "ANTHROPIC_API_KEY" or KEY_BEGINNING in value
    may_hold_one = name == _BASE_URL and not _PLAIN_ADDRESS.fullmatch(value)
    return "***" if is_secret or may_hold_one else repr(value)
