"""Credentials whose calls are all kept back, and letting them go again before their cool-down ends."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from prompt_cache_warmer.cli.arguments import utc_text
from prompt_cache_warmer.rules.entry_result import time_json
from prompt_cache_warmer.values.snapshot import CredentialState
from prompt_cache_warmer.values.state import CLOSED, Breaker, EntryKey

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from prompt_cache_warmer.ports import StateStore
    from prompt_cache_warmer.values.snapshot import Snapshot

# A run changes a credential's breaker once; whoever loses twice in a row should look at what is going on.
WRITE_ATTEMPTS = 2

_NO_NAME = "-"  # a store reads credentials by entries, and no target can be called this


@dataclass(frozen=True, slots=True)
class Stop:
    """What became of one credential.

    Attributes:
        credential: its name.
        breaker: its breaker as it was found.
        is_let_go: whether its calls go now, those included that were refused to one entry alone.
    """

    credential: str
    breaker: Breaker = CLOSED
    is_let_go: bool = False

    @property
    def was_stopped(self) -> bool:
        """Whether its calls were kept back, or tried one at a time."""
        return self.breaker.open_until is not None

    def sentence(self, now: datetime) -> str:
        """Say what became of it."""
        breaker = self.breaker
        if breaker.open_until is None:
            was = f"credential {self.credential!r} was not stopped"
            if not self.is_let_go:
                return f"{was}, and runs keep changing it: try again"
            return f"{was}; what the API refused to single entries of it is tried again at the next tick"
        why = f" ({breaker.reason!r})" if breaker.reason else ""
        since = f" since {utc_text(breaker.opened_at)}" if breaker.opened_at else ""
        until = utc_text(breaker.open_until)
        if not self.is_let_go:
            return f"credential {self.credential!r} is stopped until {until}{why}, and runs keep changing it: try again"
        was = f"stopped{since} until {until}" if breaker.is_open(now) else f"on trial since {until}"
        return f"credential {self.credential!r} was {was}{why}; its calls are tried again at the next tick"

    def as_json(self) -> dict[str, Any]:
        """Return it as ``resume --json`` lists it."""
        return {
            "credential": self.credential,
            "was_stopped": self.was_stopped,
            "is_let_go": self.is_let_go,
            "reason": self.breaker.reason,
            "stopped_at": time_json(self.breaker.opened_at),
            "stopped_until": time_json(self.breaker.open_until),
        }


async def let_go(store: StateStore, names: Sequence[str], *, at: datetime) -> tuple[tuple[Stop, ...], Snapshot]:
    """Let the calls of credentials go again: of stopped ones all, of others those that were refused to an entry alone.

    Returns:
        What became of each, and the state as it was read before.
    """
    keys = [EntryKey(target=_NO_NAME, credential=name, model=_NO_NAME) for name in names]
    snapshot = await store.load(keys, day=at.date())
    return tuple([await _let_one_go(store, key, snapshot, at=at) for key in keys]), snapshot


async def _let_one_go(store: StateStore, key: EntryKey, snapshot: Snapshot, *, at: datetime) -> Stop:
    name = key.credential
    found = snapshot.credentials.get(name, CredentialState())
    for attempt in range(WRITE_ATTEMPTS):
        if attempt:
            found = (await store.load((key,), day=at.date())).credentials.get(name, CredentialState())
        is_stopped = found.breaker.open_until is not None
        after = CredentialState(found.sequence + 1, CLOSED if is_stopped else found.breaker, resumed_at=at)
        if await store.save_credential(name, after):
            return Stop(name, found.breaker, is_let_go=True)
    return Stop(name, found.breaker)
