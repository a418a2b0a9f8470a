"""prompt-cache-warmer keeps the prompt caches of Claude agents warm.

These names are the library. Each is loaded when it is first used, so that importing the package costs
next to nothing and needs neither ``anthropic`` nor ``boto3``.

The layers, top to bottom (import-linter enforces them, see pyproject.toml):
``cli`` and ``app`` -> ``library`` -> ``wiring`` -> ``adapters``, ``settings`` -> ``warm`` -> ``ports`` ->
``rules`` -> ``values`` -> ``errors``.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from prompt_cache_warmer.errors import (
        ArgumentError,
        CacheWarmerError,
        CostCapError,
        MessagesTooLongError,
        OverBudgetError,
        PoolExhaustedError,
        StateUnavailableError,
        UnpricedError,
    )
    from prompt_cache_warmer.library.budgets.cost_cap import CostCap, CostEstimate
    from prompt_cache_warmer.library.budgets.pool import BudgetPool, PoolSnapshot
    from prompt_cache_warmer.library.budgets.reservation import Reservation
    from prompt_cache_warmer.library.fitting.fitting import FitResult, fit_messages
    from prompt_cache_warmer.library.observing.observer import CacheObserver
    from prompt_cache_warmer.library.observing.records import ObservedRequest, ObserverCounts
    from prompt_cache_warmer.library.prompts.breakpoints import (
        Breakpoint,
        add_cache_breakpoints,
        find_breakpoints,
        scope_blocks,
        to_system_blocks,
    )
    from prompt_cache_warmer.library.prompts.cache_key import compute_cache_key
    from prompt_cache_warmer.library.tracking.alerts import CacheAlert
    from prompt_cache_warmer.library.tracking.arguments import MissRetry
    from prompt_cache_warmer.library.tracking.records import Aggregate, CallRecord
    from prompt_cache_warmer.library.tracking.tracker import CacheTracker
    from prompt_cache_warmer.library.warming.holding import PrefixWarning
    from prompt_cache_warmer.library.warming.results import EntryWarmth, WarmResult
    from prompt_cache_warmer.library.warming.schedule import AsyncWarmSchedule, WarmSchedule
    from prompt_cache_warmer.library.warming.warmer import AsyncCacheWarmer, CacheWarmer
    from prompt_cache_warmer.rules.verdict import Verdict
    from prompt_cache_warmer.values.model_prices import ModelPrices
    from prompt_cache_warmer.values.observation import Sight

__all__ = [
    "Aggregate",
    "ArgumentError",
    "AsyncCacheWarmer",
    "AsyncWarmSchedule",
    "Breakpoint",
    "BudgetPool",
    "CacheAlert",
    "CacheObserver",
    "CacheTracker",
    "CacheWarmer",
    "CacheWarmerError",
    "CallRecord",
    "CostCap",
    "CostCapError",
    "CostEstimate",
    "EntryWarmth",
    "FitResult",
    "MessagesTooLongError",
    "MissRetry",
    "ModelPrices",
    "ObservedRequest",
    "ObserverCounts",
    "OverBudgetError",
    "PoolExhaustedError",
    "PoolSnapshot",
    "PrefixWarning",
    "Reservation",
    "Sight",
    "StateUnavailableError",
    "UnpricedError",
    "Verdict",
    "WarmResult",
    "WarmSchedule",
    "add_cache_breakpoints",
    "compute_cache_key",
    "find_breakpoints",
    "fit_messages",
    "scope_blocks",
    "to_system_blocks",
]

# Where each public name stands; a test holds it to the imports above.
_MODULES = {
    "Aggregate": "library.tracking.records",
    "ArgumentError": "errors",
    "AsyncCacheWarmer": "library.warming.warmer",
    "AsyncWarmSchedule": "library.warming.schedule",
    "Breakpoint": "library.prompts.breakpoints",
    "BudgetPool": "library.budgets.pool",
    "CacheAlert": "library.tracking.alerts",
    "CacheObserver": "library.observing.observer",
    "CacheTracker": "library.tracking.tracker",
    "CacheWarmer": "library.warming.warmer",
    "CacheWarmerError": "errors",
    "CallRecord": "library.tracking.records",
    "CostCap": "library.budgets.cost_cap",
    "CostCapError": "errors",
    "CostEstimate": "library.budgets.cost_cap",
    "EntryWarmth": "library.warming.results",
    "FitResult": "library.fitting.fitting",
    "MessagesTooLongError": "errors",
    "MissRetry": "library.tracking.arguments",
    "ModelPrices": "values.model_prices",
    "ObservedRequest": "library.observing.records",
    "ObserverCounts": "library.observing.records",
    "OverBudgetError": "errors",
    "PoolExhaustedError": "errors",
    "PoolSnapshot": "library.budgets.pool",
    "PrefixWarning": "library.warming.holding",
    "Reservation": "library.budgets.reservation",
    "Sight": "values.observation",
    "StateUnavailableError": "errors",
    "UnpricedError": "errors",
    "Verdict": "rules.verdict",
    "WarmResult": "library.warming.results",
    "WarmSchedule": "library.warming.schedule",
    "add_cache_breakpoints": "library.prompts.breakpoints",
    "compute_cache_key": "library.prompts.cache_key",
    "find_breakpoints": "library.prompts.breakpoints",
    "fit_messages": "library.fitting.fitting",
    "scope_blocks": "library.prompts.breakpoints",
    "to_system_blocks": "library.prompts.breakpoints",
}


if not TYPE_CHECKING:  # or type checkers would take every misspelt name for an object

    def __getattr__(name: str) -> object:
        """Load a public name from its module, the first time it is used."""
        module = _MODULES.get(name)
        if module is None:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value: object = getattr(import_module(f"{__name__}.{module}"), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    """List the public names, loaded or not."""
    return sorted({*globals(), *__all__})
