"""What a decision is made from, beside the entry's own state: the owner's rule, the moment, what keeps calls back."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from prompt_cache_warmer.values.state import CLOSED, Breaker

if TYPE_CHECKING:
    from datetime import datetime

    from prompt_cache_warmer.rules.budget import Allowance
    from prompt_cache_warmer.values.document import Keep
    from prompt_cache_warmer.values.money import Amount
    from prompt_cache_warmer.values.snapshot import Pause
    from prompt_cache_warmer.values.windows import Window

# EventBridge Scheduler fires within a minute of the due time; its documentation promises no more.
SCHEDULE_JITTER_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Rule:
    """What the owner asks for.

    Attributes:
        keep: the keeping rule.
        ttl_seconds: the shortest time to live the prefix's markers ask for.
        windows: when it is kept warm; always where there are none.
        cold_start_value_usd: what one avoided cold start is worth.
        is_enabled: whether it is warmed at all.
    """

    keep: Keep
    ttl_seconds: int
    windows: tuple[Window, ...] = ()
    cold_start_value_usd: Decimal = Decimal(0)
    is_enabled: bool = True


@dataclass(frozen=True, slots=True)
class Tick:
    """The moment of a decision.

    Attributes:
        now: the time.
        interval_seconds: how long until the next tick; 0 where the caller comes back at the exact time.
        jitter_seconds: how much later than that the next tick may come.
        scheduled_at: when this tick was due, or the entry's target was uploaded, which is its identity; None for an
            invocation by hand.
        is_requested: whether the entry was asked for by name, or uploaded.
        is_plain: whether an entry is called at every tick as long as no traffic of it was reported.
        overrides_breakers: whether whoever asks wants a call made whatever the entry's last ones came to.
        overrides_credentials: the same of what the credential's last ones came to.
    """

    now: datetime
    interval_seconds: float
    jitter_seconds: float = SCHEDULE_JITTER_SECONDS
    scheduled_at: datetime | None = None
    is_requested: bool = False
    is_plain: bool = False
    overrides_breakers: bool = False
    overrides_credentials: bool = False


@dataclass(frozen=True, slots=True)
class Standing:
    """What keeps due calls back.

    Attributes:
        pause: the pause that was asked for last.
        credential: the breaker of the entry's credential.
        allowances: what the caps that apply still have room for.
        worst: what the call may cost; None where its tokens are not known yet.
    """

    pause: Pause | None = None
    credential: Breaker = CLOSED
    allowances: tuple[Allowance, ...] = ()
    worst: Amount | None = None


FREE = Standing()
"""Nothing keeps calls back."""
