"""The target document's shape: what a team writes into ``targets/<name>.json``.

These models check types and names and publish the JSON Schema (``infra/targets.schema.json``). The
``request`` itself is never rebuilt from them: what is sent is the author's own JSON, key for key,
because the API's cache key is sensitive to key order. Inside ``request`` fields that are not known
here travel as they are; everywhere else an unknown field is an error.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag

from prompt_cache_warmer.values.keeping import MAX_TOKENS, MAX_WINDOWS, Usd, WindowDocument

NAME_PATTERN = r"^[a-z0-9][a-z0-9._-]{0,63}$"  # a metric dimension: ASCII, and short enough for one
MODEL_PATTERN = r"^[!-~]{1,128}$"  # also a metric dimension: printable ASCII without blanks
BETA_PATTERN = r"^[A-Za-z0-9._-]{1,128}$"
DEFAULT_CREDENTIAL = "default"
DEFAULT_EXPECTED_REQUESTS = 100  # the savings estimate speaks of "the first 100 requests"
MAX_MODELS = 16
MAX_EXPECTED_REQUESTS = 1_000_000_000

Keep = Literal["always", "while-used", "once"]

Beta = Annotated[str, Field(pattern=BETA_PATTERN)]  # a header's value: nothing that could end the header


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, hide_input_in_errors=True)


class _Open(BaseModel):
    model_config = ConfigDict(extra="allow", strict=True, hide_input_in_errors=True)


class Marker(_Strict):
    """A cache breakpoint: the prefix is cached up to and including the block that carries it."""

    type: Literal["ephemeral"] = Field(description="the one kind of marker there is")
    ttl: Literal["5m", "1h"] = Field("5m", description="how long the entry lives after its last use")


class ContentBlock(_Open):
    """One block of a system prompt or of a message, as the Messages API takes it."""

    type: str = Field(min_length=1, description="the kind of block; a system prompt has text blocks only")
    text: str | None = Field(None, description="the text of a text block")
    text_from: str | None = Field(
        None, description="instead of text: the key of an object under PROMPTS_PREFIX of the same bucket"
    )
    cache_control: Marker | None = Field(None, description="a marker: the prefix is cached up to and with this block")


class Tool(_Open):
    """One tool definition, as the Messages API takes it."""

    name: str | None = Field(None, description="the tool's name")
    cache_control: Marker | None = Field(None, description="a marker: the tools are cached up to and with this one")


def _text_or_blocks(value: object) -> str:
    return "text" if isinstance(value, str) else "blocks"


Content = Annotated[
    Annotated[str, Tag("text")] | Annotated[list[ContentBlock], Tag("blocks")],
    Discriminator(_text_or_blocks),
]


class Message(_Open):
    """One message, as the Messages API takes it."""

    role: Literal["user", "assistant", "system"]
    content: Content


class Thinking(_Open):
    """Extended thinking, as the Messages API takes it."""

    type: str = Field(min_length=1)
    budget_tokens: int | None = Field(None, ge=1)


class OutputConfig(_Open):
    """Output configuration, as the Messages API takes it."""

    effort: str | None = None
    format: dict[str, Any] | None = None


class ToolChoice(_Open):
    """How the model should use the tools, as the Messages API takes it."""

    type: str = Field(min_length=1)


class Request(_Open):
    """The application's own Messages API body; paste what it sends."""

    tools: list[Tool] | None = Field(None, description="the tools, in the application's order; a prefix begins here")
    system: Content | None = Field(None, description="the system prompt; it comes after the tools")
    messages: list[Message] | None = Field(
        None, description="messages up to the last marked one are part of the prefix, the others are cut"
    )
    model: str | None = Field(None, description="ignored: `models` says which models are kept warm")
    betas: list[Beta] | None = Field(None, description="as pasted from an SDK call; same as the target's betas")
    cache_control: Marker | None = Field(None, description="automatic caching; becomes an explicit marker")
    thinking: Thinking | None = Field(None, description="as the application has it; it is part of the key")
    output_config: OutputConfig | None = Field(None, description="as the application has it; effort is part of the key")
    tool_choice: ToolChoice | None = Field(None, description="as the application has it; it keys messages only")


class TargetDocument(_Strict):
    """One declared prompt prefix to keep warm.

    Write either ``request`` or the short form (``system_prompt``, ``tools``, ``seed_messages``).
    """

    model_config = ConfigDict(
        title="prompt-cache-warmer target",
        json_schema_extra={
            "anyOf": [
                {"required": ["request"]},
                {"required": ["system_prompt"]},
                {"required": ["tools"]},
                {"required": ["seed_messages"]},
            ]
        },
    )

    schema_uri: str | None = Field(None, alias="$schema", description="for editors; ignored")
    name: Annotated[str, Field(pattern=NAME_PATTERN)] = Field(
        description="unique over all targets of the bucket; a metric dimension"
    )
    models: list[Annotated[str, Field(pattern=MODEL_PATTERN)]] = Field(
        min_length=1, max_length=MAX_MODELS, description="each model has its own cache entry"
    )
    keep: Keep = Field(
        description="how long to keep it warm; required, because it is what costs money. always: around the clock, or "
        "inside its windows; while-used: as long as its users come often enough to pay for it; once: on upload, on "
        "demand and when a window opens"
    )
    windows: list[WindowDocument] | None = Field(
        None, min_length=1, max_length=MAX_WINDOWS, description="when to keep it warm; around the clock without any"
    )
    cold_start_value_usd: Usd = Field(
        Decimal(0), description="what one avoided cold start is worth to you, beside the tokens it saves"
    )
    max_usd_per_day: Usd | None = Field(None, description="the most its warm calls may cost in a UTC day; 0: nothing")
    max_usd_per_call: Usd | None = Field(None, description="no warm call that may cost more is made")
    max_tokens_per_day: int | None = Field(
        None, ge=0, le=MAX_TOKENS, description="the most tokens its warm calls may use in a UTC day; 0: none"
    )
    max_tokens_per_call: int | None = Field(
        None, ge=0, le=MAX_TOKENS, description="no warm call that may use more tokens is made"
    )
    request: Request | None = Field(
        None, description="the application's own Messages API body, markers and key order included; paste what it sends"
    )
    system_prompt: Content | None = Field(None, description="short form of request.system")
    tools: list[Tool] | None = Field(None, description="short form of request.tools")
    seed_messages: list[Message] | None = Field(
        None, description="short form: marked messages join the prefix, unmarked ones are the placeholder"
    )
    betas: list[Beta] | None = Field(
        None, description="the anthropic-beta values the application sends; they are part of the key"
    )
    credential: Annotated[str, Field(pattern=NAME_PATTERN)] = Field(
        DEFAULT_CREDENTIAL,
        description="which of the stack's credentials makes the calls; a workspace has its own cache",
    )
    expected_requests: int = Field(
        DEFAULT_EXPECTED_REQUESTS,
        ge=1,
        le=MAX_EXPECTED_REQUESTS,
        description="how many real requests the savings estimate speaks of",
    )
    enabled: bool = Field(default=True, description="false keeps the document and warms nothing")


def json_schema() -> dict[str, Any]:
    """Build the JSON Schema (draft 2020-12) of a target document."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **TargetDocument.model_json_schema(by_alias=True),
    }
