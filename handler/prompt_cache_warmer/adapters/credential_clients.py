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
        answers: what each store answered, or why it could not be used.
        keys: by credential name, without the doubled ones.
        labels: where each of them is stored.
        doubled: what to do about each name that several places speak of.
    """

    answers: tuple[Mapping[str, str] | SecretUnreadableError, ...] = field(repr=False)
    keys: dict[str, str] = field(default_factory=dict, repr=False)
    labels: dict[str, str] = field(default_factory=dict)
    doubled: dict[str, str] = field(default_factory=dict)

    @property
    def failure(self) -> SecretUnreadableError | None:
        """Why a store could not be used, None where all could."""
        return next((answer for answer in self.answers if isinstance(answer, SecretUnreadableError)), None)


class CredentialClients:
    """The clients of one run after another; ``close`` ends a run.

    Args:
        stores: where stored keys come from; a name that two of them hold is nobody's.
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
        stored = await self._stored()
        if name in stored.doubled:
            raise CredentialError(stored.doubled[name])
        if name in self._keyless or name in stored.keys:
            return name
        if stored.failure is not None:
            if not stored.keys and not self._keyless:
                raise stored.failure
            raise CredentialError(str(stored.failure)) from stored.failure
        names = _names(stored, self._keyless)
        if name != DEFAULT_CREDENTIAL or not names:
            raise _unknown(name, names)
        if self._default is not None and self._default not in names:
            raise _unknown(self._default, names, whence="DEFAULT_CREDENTIAL: ")
        if self._default is None and len(names) > 1:
            raise CredentialError(
                f"nothing says which credential 'default' is: set DEFAULT_CREDENTIAL to one of {', '.join(names)}, "
                "or name one in the target"
            )
        only = self._default or names[0]
        if only in stored.doubled:
            raise CredentialError(stored.doubled[only])
        return only

    async def names(self) -> tuple[str, ...]:
        """Name every credential there is.

        Raises:
            SecretUnreadableError: when a store cannot be used.
        """
        stored = await self._stored()
        if stored.failure is not None:
            raise stored.failure
        return tuple(_names(stored, self._keyless))

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
        """Read once more; of a store where that fails, what was read before holds."""
        before, again = await self._stored(), await self._read_all()
        pairs = zip(before.answers, again.answers, strict=True)
        return self._merged([old if isinstance(new, SecretUnreadableError) else new for old, new in pairs])

    async def _read_all(self) -> _Stored:
        answers: list[Mapping[str, str] | SecretUnreadableError] = []
        for store in self._stores:
            try:
                answers.append(await store.read())
            except SecretUnreadableError as error:
                answers.append(error)
        return self._merged(answers)

    def _merged(self, answers: Sequence[Mapping[str, str] | SecretUnreadableError]) -> _Stored:
        """Put together what the stores answered; a name that is said twice is left out, because nobody guesses."""
        stored = _Stored(tuple(answers), labels=dict.fromkeys(self._keyless, "the settings"))
        if self._default is not None:
            stored.labels[DEFAULT_CREDENTIAL] = "DEFAULT_CREDENTIAL"
        for store, found in zip(self._stores, answers, strict=True):
            if isinstance(found, SecretUnreadableError):
                continue
            for name, key in found.items():
                if name in stored.labels:
                    stored.keys.pop(name, None)
                    stored.doubled[name] = (
                        f"{store.label} and {stored.labels[name]} both say what credential {shown(name)} is: "
                        "rename one, or take it away"
                    )
                else:
                    stored.keys[name], stored.labels[name] = key, store.label
        return stored


def _names(stored: _Stored, keyless: Iterable[str]) -> list[str]:
    """Name every credential there is, the doubled ones included."""
    return sorted({*stored.keys, *keyless, *stored.doubled})


def _unknown(name: str, names: list[str], *, whence: str = "") -> CredentialError:
    return CredentialError(
        f"{whence}there is no credential {shown(name)}{nearest(name, names)}; there is: {', '.join(names) or 'none'}"
    )
