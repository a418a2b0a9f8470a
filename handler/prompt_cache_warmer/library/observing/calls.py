"""One request of the application that was answered, as it is handed from the client to whoever records it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class AnsweredCall:
    """One request of the application that was answered, body included.

    Attributes:
        body: the Messages API body as the SDK was given it.
        betas: the values of its ``anthropic-beta`` header.
        counts: the counts of the answer's usage.
        ascribed_to: the target's name, where the application says it.
        at: when it started.
        is_streamed: whether the answer came as a stream.
        first_token_ms: how long its first token took.
        duration_ms: how long the answer took.
        workspace_id: the workspace its credential resolved to.
        region: the AWS region that answered.
        request_id: the API's id of it.
        size_bytes: how large the request was.
    """

    body: Mapping[str, Any] = field(repr=False)  # prompts are not for tracebacks
    betas: tuple[str, ...]
    counts: Mapping[str, Any]
    ascribed_to: str | None
    at: datetime
    is_streamed: bool
    first_token_ms: float | None
    duration_ms: float
    workspace_id: str | None
    region: str | None
    request_id: str | None
    size_bytes: int = 0

    @property
    def model(self) -> str:
        """The model that was asked."""
        return model_of(self.body)


def model_of(body: Mapping[str, Any]) -> str:
    """Read the model out of a body."""
    return str(body.get("model") or "")
