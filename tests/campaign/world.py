"""The world of a script: targets, keys and prices, and what the truth about them is."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import yaml

from infra.local.messages_api.breakpoints import TTL_SECONDS
from infra.local.messages_api.rendering import render
from tests.canaries import CAMPAIGN_KEY, CAMPAIGN_PROMPT

if TYPE_CHECKING:
    from collections.abc import Mapping

# USD per million tokens, from the API's price page, November 2026: input, read, write for 5 min, for 1 hour, output.
PRICES: dict[str, tuple[str, str, str, str, str]] = {
    "claude-sonnet-4-6": ("3", "0.30", "3.75", "6", "15"),
    "claude-haiku-4-5": ("1", "0.10", "1.25", "2", "5"),
    "claude-opus-4-8": ("5", "0.50", "6.25", "10", "25"),
}
MODELS = tuple(PRICES)
WORKSPACES = {"default": "wrkspc_first", "second": "wrkspc_second"}
KEY_CANARY = "sk-ant-campaign"
MILLION = 1_000_000


@dataclass(frozen=True, slots=True)
class TargetSpec:
    """One target as its owner means it.

    Attributes:
        name: its name.
        models: its models.
        prompt: the number of its prompt; targets with the same one are twins.
        version: how often the prompt was edited.
        ttl: what its marker asks for.
        keep: the keeping rule.
        credential: the credential it names.
        cap: its own cap of the day in USD.
        is_split: whether its prompt is an object of its own.
        is_yaml: whether its document is YAML.
        form: `zero`, or `streamed` for a request that ``max_tokens: 0`` cannot carry.
    """

    name: str
    models: tuple[str, ...]
    prompt: int
    version: int = 0
    ttl: str = "5m"
    keep: str = "always"
    credential: str = "default"
    cap: str | None = None
    is_split: bool = False
    is_yaml: bool = False
    form: str = "zero"

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> TargetSpec:
        """Read what a script says."""
        return cls(**{**value, "models": tuple(value["models"])})

    def as_json(self) -> dict[str, Any]:
        """Write it into a script."""
        return {**asdict(self), "models": list(self.models)}

    def edited(self) -> TargetSpec:
        """Return it with another prompt."""
        return replace(self, version=self.version + 1)

    @property
    def prompt_id(self) -> str:
        """Names its prompt in one version."""
        return f"p{self.prompt:03}.{self.version}"

    @property
    def text(self) -> str:
        """Its prompt; the canary in it is what no output may hold."""
        return f"canary-{self.prompt_id}-{CAMPAIGN_PROMPT}. " * (10 + self.prompt % 7 * 12)

    @property
    def key(self) -> str:
        """The key of its document."""
        return f"targets/{self.name}.{'yaml' if self.is_yaml else 'json'}"

    @property
    def prompt_key(self) -> str:
        """The key of its prompt, where that is an object of its own."""
        return f"prompts/{self.name}.md"

    def objects(self) -> dict[str, bytes]:
        """Return the objects it is made of."""
        marker = {"type": "ephemeral", "ttl": self.ttl}
        text = {"text_from": self.prompt_key} if self.is_split else {"text": self.text}
        document: dict[str, Any] = {
            "name": self.name,
            "models": list(self.models),
            "keep": self.keep,
            "credential": self.credential,
            "request": {"system": [{"type": "text", **text, "cache_control": marker}], **self._more},
        }
        if self.cap is not None:
            document["max_usd_per_day"] = self.cap
        written = yaml.safe_dump(document, sort_keys=False) if self.is_yaml else json.dumps(document)
        found = {self.key: written.encode()}
        return {self.prompt_key: self.text.encode(), **found} if self.is_split else found

    @property
    def _more(self) -> dict[str, Any]:
        return {"thinking": {"type": "enabled", "budget_tokens": 1024}} if self.form == "streamed" else {}

    def cache_key(self, model: str) -> str:
        """Return the key under which the application's own request looks its prefix up."""
        marker = {"type": "ephemeral", "ttl": self.ttl}
        body = {
            "model": model,
            "max_tokens": 2000,
            "system": [{"type": "text", "text": self.text, "cache_control": marker}],
            "messages": [{"role": "user", "content": "Hello?"}],
            **self._more,
        }
        return next(block.key for block in render(body, betas=frozenset()).blocks if block.breakpoint is not None)

    @property
    def ttl_seconds(self) -> int:
        """How long it lives."""
        return TTL_SECONDS["1h" if self.ttl == "1h" else "5m"]


def price(model: str, usage: Mapping[str, Any], *, ttl: str) -> Decimal:
    """Price a usage by hand; what is not split is of the ttl that was asked for."""
    base, read, five, hour, output = map(Decimal, PRICES[model])
    split = usage.get("cache_creation") or {}
    short, long = split.get("ephemeral_5m_input_tokens") or 0, split.get("ephemeral_1h_input_tokens") or 0
    rest = (usage.get("cache_creation_input_tokens") or 0) - short - long
    short, long = (short, long + rest) if ttl == "1h" else (short + rest, long)
    total = base * (usage.get("input_tokens") or 0) + read * (usage.get("cache_read_input_tokens") or 0)
    total += five * short + hour * long + output * (usage.get("output_tokens") or 0)
    return total / MILLION


def key_of(credential: str, generation: int) -> str:
    """Return a credential's API key after so many rotations; it is its own canary."""
    return f"{KEY_CANARY}-{credential}-{generation:03}-{CAMPAIGN_KEY}"
