"""The switches of the emulator: what a test or the demo varies, also while it runs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from infra.local.messages_api.limits import RateLimits

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from infra.local.messages_api.federation import FederationRule
    from infra.local.messages_api.signatures import AwsCaller

EVENT_PAUSE_SECONDS = 0.02  # between two events of a stream: room for a client to hang up in


@dataclass(kw_only=True, eq=False)
class Behaviour:
    """How the emulator behaves.

    Attributes:
        api_keys: key -> workspace id; None accepts every key, each with a stable workspace of its own.
        aws_callers: access key id -> AWS identity, whose signatures are verified; None verifies none.
        federation_rules: id -> rule by which identity tokens are exchanged.
        models: the models that exist; None for any.
        minimum_cacheable_tokens: model -> smallest prefix it caches, over the built-in table.
        refuses_zero: imitate a provider that refuses `max_tokens: 0`.
        bedrock_refuses_zero: let InvokeModel alone refuse it.
        downgrades_hour: imitate a provider that silently grants 5m where 1h was asked, as Bedrock has.
        prefill_seconds: simulated latency before an answer begins, in real time.
        holds_seconds: told each request's body as it arrives; for how much real time its answer is held back besides.
        event_pause_seconds: real time between two events of a stream.
        is_diagnosis_pending: answer every asked diagnosis with "still comparing".
        rate_limits: limits of each workspace; generous unless given.
        admin_keys: the keys that may ask for usage reports.
        reports_rows: answer usage reports as rows with a group, not as buckets with results.
    """

    api_keys: Mapping[str, str] | None = field(default=None, repr=False)  # keys are not for tracebacks
    aws_callers: Mapping[str, AwsCaller] | None = field(default=None, repr=False)  # as above
    federation_rules: Mapping[str, FederationRule] = field(default_factory=dict, repr=False)
    models: frozenset[str] | None = None
    minimum_cacheable_tokens: Mapping[str, int] = field(default_factory=dict)
    refuses_zero: bool = False
    bedrock_refuses_zero: bool = False
    downgrades_hour: bool = False
    prefill_seconds: float = 0.0
    holds_seconds: Callable[[bytes], float] | None = None
    event_pause_seconds: float = EVENT_PAUSE_SECONDS
    is_diagnosis_pending: bool = False
    rate_limits: RateLimits = field(default_factory=RateLimits)
    admin_keys: frozenset[str] = field(default=frozenset(), repr=False)  # as above
    reports_rows: bool = False
