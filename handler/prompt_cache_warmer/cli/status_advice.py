"""What to type about an entry that should be warm and is not: one line for each, with the deployment's own names."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from prompt_cache_warmer.errors import CredentialError
from prompt_cache_warmer.rules.breaker import NEVER_CACHED
from prompt_cache_warmer.rules.reasons import Reason
from prompt_cache_warmer.rules.status import Warm
from prompt_cache_warmer.rules.verdict import Verdict

if TYPE_CHECKING:
    from prompt_cache_warmer.cli.place import Place
    from prompt_cache_warmer.rules.status import EntryStatus
    from prompt_cache_warmer.values.problems import Problem

_PROGRAM = "prompt-cache-warmer"
_STOPPED = (Reason.CREDENTIAL_STOPPED, Reason.CREDENTIAL_ON_TRIAL)
_STACK_CAPS = {
    Reason.STACK_DAY_CAP: "MaxUsdPerDay or MaxTokensPerDay",
    Reason.STACK_MONTH_CAP: "MaxUsdPerMonth or MaxTokensPerMonth",
}
_FIELDS = {
    Reason.TARGET_DAY_CAP: "raise max_usd_per_day or max_tokens_per_day",
    Reason.CALL_CAP: "raise max_usd_per_call or max_tokens_per_call (or MaxUsdPerCall, MaxTokensPerCall of the stack)",
    Reason.UNPRICED: "set max_tokens_per_day",
    Reason.UNBOUNDED: "remove the caps in tokens and USD, or put the prompt into the document",
    Reason.NO_BREAK_EVEN: "set keep to always or once",
}


def to_type(status: EntryStatus, place: Place) -> str:
    """Say what to type, or to change, so that the entry is warm again."""
    target, reason = status.entry.target, status.needed.reason
    name, credential = shlex.quote(target.name), shlex.quote(status.entry.credential)
    if status.decision.reason is Reason.PAUSED:
        advice = resume(place)
    elif reason in _STOPPED:
        advice = f"mend the key, then: {_PROGRAM} resume --credential {credential} {place.state_option}"
    elif reason in _STACK_CAPS:
        advice = f"raise {_STACK_CAPS[reason]} of the stack: sam deploy --parameter-overrides"
    elif reason in _FIELDS:
        advice = f"{_FIELDS[reason]} in {place.address(target.source)}"
    elif status.state.breaker.reason == NEVER_CACHED or _is_uncached(status):
        advice = f"make its prefix longer, or set enabled: false in {place.address(target.source)}"
    elif reason is Reason.BREAKER_OPEN and status.state.breaker.reason == CredentialError.code:
        advice = f"let the credential do this, then: {_PROGRAM} resume --credential {credential} {place.state_option}"
    elif reason is Reason.BREAKER_OPEN:
        group, pattern = shlex.quote(f"/aws/lambda/{place.settings.service_name}"), shlex.quote(f'"{target.name}"')
        advice = f"aws logs tail {group} --since 2h --filter-pattern {pattern}"
    elif status.is_wrong:
        advice = f"{_PROGRAM} warm {name} {place.function_option}"
    else:
        advice = f"{_PROGRAM} touch {name} --model {shlex.quote(status.entry.model)} {place.state_option}"
    return advice


def resume(place: Place) -> str:
    """Return the command that ends a pause."""
    return f"{_PROGRAM} resume {place.state_option}"


def doctor(place: Place) -> str:
    """Return the command that looks for what is wrong with the deployment itself."""
    return f"{_PROGRAM} doctor {place.function_option}"


def explained(problem: Problem) -> str:
    """Return the command that explains what is wrong with a document."""
    return f"{_PROGRAM} check --explain {problem.code.value}"


def _is_uncached(status: EntryStatus) -> bool:
    warmth = status.state.warmth
    return status.warm is not Warm.WARM and warmth is not None and warmth.verdict == Verdict.UNCACHED
