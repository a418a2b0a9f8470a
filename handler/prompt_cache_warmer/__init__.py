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
    from prompt_cache_warmer.library.breakpoints import (
        Breakpoint,
        add_cache_breakpoints,
        find_breakpoints,
        scope_blocks,
        to_system_blocks,
    )
    from prompt_cache_warmer.library.budget_pool import BudgetPool
    from prompt_cache_warmer.library.cache_key import compute_cache_key
    from prompt_cache_warmer.library.cost_cap import CostCap
    from prompt_cache_warmer.library.fitting import FitResult, fit_messages
    from prompt_cache_warmer.library.holding import PrefixWarning
    from prompt_cache_warmer.library.results import EntryWarmth, WarmResult
    from prompt_cache_warmer.library.schedule import AsyncWarmSchedule, WarmSchedule
    from prompt_cache_warmer.library.tracker import CacheTracker
    from prompt_cache_warmer.library.warmer import AsyncCacheWarmer, CacheWarmer
    from prompt_cache_warmer.rules.verdict import Verdict
    from prompt_cache_warmer.values.model_prices import ModelPrices

__all__ = [
    "ArgumentError",
    "AsyncCacheWarmer",
    "AsyncWarmSchedule",
    "Breakpoint",
    "BudgetPool",
    "CacheTracker",
    "CacheWarmer",
    "CacheWarmerError",
    "CostCap",
    "CostCapError",
    "EntryWarmth",
    "FitResult",
    "MessagesTooLongError",
    "ModelPrices",
    "OverBudgetError",
    "PoolExhaustedError",
    "PrefixWarning",
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
    "ArgumentError": "errors",
    "AsyncCacheWarmer": "library.warmer",
    "AsyncWarmSchedule": "library.schedule",
    "Breakpoint": "library.breakpoints",
    "BudgetPool": "library.budget_pool",
    "CacheTracker": "library.tracker",
    "CacheWarmer": "library.warmer",
    "CacheWarmerError": "errors",
    "CostCap": "library.cost_cap",
    "CostCapError": "errors",
    "EntryWarmth": "library.results",
    "FitResult": "library.fitting",
    "MessagesTooLongError": "errors",
    "ModelPrices": "values.model_prices",
    "OverBudgetError": "errors",
    "PoolExhaustedError": "errors",
    "PrefixWarning": "library.holding",
    "StateUnavailableError": "errors",
    "UnpricedError": "errors",
    "Verdict": "rules.verdict",
    "WarmResult": "library.results",
    "WarmSchedule": "library.schedule",
    "add_cache_breakpoints": "library.breakpoints",
    "compute_cache_key": "library.cache_key",
    "find_breakpoints": "library.breakpoints",
    "fit_messages": "library.fitting",
    "scope_blocks": "library.breakpoints",
    "to_system_blocks": "library.breakpoints",
}


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
