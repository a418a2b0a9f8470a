"""The client of every credential: the stored keys' and those that need none, each made when it is first used.

One run long: stored keys are read once per run, and once more when the API refuses one of them, so that a key
that was rotated meanwhile is used at once and needs no deployment.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from prompt_cache_warmer.errors import CredentialError, SecretUnreadableError
from prompt_cache_warmer.values.document import DEFAULT_CREDENTIAL
from prompt_cache_warmer.values.problems import nearest, shown

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence

    import anthropic

    from prompt_cache_warmer.adapters.anthropic_exchange import AsyncClient
    from prompt_cache_warmer.adapters.api_keys import ApiKeys


@dataclass(frozen=True, slots=True)
class _Stored:
    """What was read of stored keys.

    Attributes:
        keys: by credential name.
        labels: where each of them is stored.
        failure: why a store could not be used, None where all could.
    """

    keys: dict[str, str] = field(default_factory=dict, repr=False)
    labels: dict[str, str] = field(default_factory=dict)
    failure: SecretUnreadableError | None = None


class CredentialClients:
    """The clients of one run after another; ``close`` ends a run.

    Args:
        stores: where stored keys come from; no two may hold the same name.
        of_key: makes the client of a stored key.
        keyless: makes the client of each credential without a stored key, by name.
        default: which credential the name ``default`` stands for, None where nobody said.
    """

    def __init__(
        self,
        stores: Sequence[ApiKeys],
        *,
        of_key: Callable[[str], anthropic.AsyncAnthropic],
        keyless: Mapping[str, Callable[[], Awaitable[AsyncClient]]] | None = None,
        default: str | None = None,
    ) -> None:
        self._stores = stores
        self._of_key = of_key
        self._keyless = keyless or {}
        self._default = default
        self._read: asyncio.Task[_Stored] | None = None
        self._reread: asyncio.Task[_Stored] | None = None
        self._keyed: dict[str, anthropic.AsyncAnthropic] = {}
        self._others: dict[str, asyncio.Task[AsyncClient]] = {}

    async def get(self, name: str) -> AsyncClient:
        """Return the client of a credential.

        Raises:
            CredentialError: when there is none of that name, or it cannot be made.
            SecretUnreadableError: when there are no credentials at all.
        """
        meant = await self.meant(name)
        if meant not in self._keyless:
            stored = await self._stored()
            return self._client_of(stored.keys[meant])
        if meant not in self._others:
            self._others[meant] = asyncio.ensure_future(self._keyless[meant]())
        return await asyncio.shield(self._others[meant])

    async def renewed(self, name: str, refused: AsyncClient) -> AsyncClient | None:
        """Return a credential's client after the API refused its key: None where the stored key is still the same.

        Args:
            name: the credential.
            refused: the client whose key was refused.
        """
        meant = await self.meant(name)
        if meant in self._keyless:
            return None
        if self._reread is None:
            self._reread = asyncio.ensure_future(self._read_again())
        key = (await asyncio.shield(self._reread)).keys.get(meant)
        return None if key is None or self._keyed.get(key) is refused else self._client_of(key)

    async def meant(self, name: str) -> str:
        """Return the name of the credential that a name means: itself, unless it is ``default``.

        Raises:
            CredentialError: when there is none of that name.
            SecretUnreadableError: when there are no credentials at all.
        """
        if name in self._keyless:
            return name
        stored = await self._stored()
        if name in stored.keys:
            return name
        if stored.failure is not None:
            if not stored.keys and not self._keyless:
                raise stored.failure
            raise CredentialError(str(stored.failure)) from stored.failure
        names = sorted((*stored.keys, *self._keyless))
        if name != DEFAULT_CREDENTIAL or not names:
            raise _unknown(name, names)
        if self._default is not None and self._default not in names:
            raise _unknown(self._default, names, whence="DEFAULT_CREDENTIAL: ")
        if self._default is None and len(names) > 1:
            raise CredentialError(
                f"nothing says which credential 'default' is: set DEFAULT_CREDENTIAL to one of {', '.join(names)}, "
                "or name one in the target"
            )
        return self._default or names[0]

    async def names(self) -> tuple[str, ...]:
        """Name every credential there is.

        Raises:
            SecretUnreadableError: when a store cannot be used.
        """
        stored = await self._stored()
        if stored.failure is not None:
            raise stored.failure
        return tuple(sorted((*stored.keys, *self._keyless)))

    async def label(self, name: str) -> str | None:
        """Say where the key of a credential is stored, None for one without; ``name`` is one that is meant."""
        return None if name in self._keyless else (await self._stored()).labels[name]

    async def close(self) -> None:
        """Close every client and forget every key."""
        for task in (self._read, self._reread):
            if task is not None:
                task.cancel()
        self._read = self._reread = None
        clients: list[AsyncClient] = [*self._keyed.values()]
        self._keyed = {}
        others, self._others = self._others, {}
        for making in others.values():
            if making.done() and not making.cancelled() and making.exception() is None:
                clients.append(making.result())
            making.cancel()
        for client in clients:
            await client.close()

    def _client_of(self, key: str) -> anthropic.AsyncAnthropic:
        # No await between the look and the making: each client costs a TLS context.
        if key not in self._keyed:
            self._keyed[key] = self._of_key(key)
        return self._keyed[key]

    async def _stored(self) -> _Stored:
        if self._read is None:
            self._read = asyncio.ensure_future(self._read_all())
        has_again = self._reread is not None and self._reread.done() and not self._reread.cancelled()
        task = self._reread if has_again and self._reread is not None else self._read
        return await asyncio.shield(task)

    async def _read_again(self) -> _Stored:
        """Read once more; where that fails, what was read before holds."""
        before, again = await self._stored(), await self._read_all()
        return again if again.failure is None else before

    async def _read_all(self) -> _Stored:
        keys: dict[str, str] = {}
        labels = dict.fromkeys(self._keyless, "the settings")
        if self._default is not None:
            labels[DEFAULT_CREDENTIAL] = "DEFAULT_CREDENTIAL"
        failure: SecretUnreadableError | None = None
        for store in self._stores:
            try:
                found = await store.read()
                _check_names(found, labels, store.label)
            except SecretUnreadableError as error:
                failure = failure or error
                continue
            keys |= found
            labels |= dict.fromkeys(found, store.label)
        return _Stored(keys, labels, failure)


def _check_names(found: Iterable[str], labels: Mapping[str, str], label: str) -> None:
    twice = next((name for name in sorted(found) if name in labels), None)
    if twice is not None:
        raise SecretUnreadableError(
            f"{label} and {labels[twice]} both say what credential {shown(twice)} is: rename one, or take it away"
        )


def _unknown(name: str, names: list[str], *, whence: str = "") -> CredentialError:
    return CredentialError(
        f"{whence}there is no credential {shown(name)}{nearest(name, names)}; there is: {', '.join(names) or 'none'}"
    )
