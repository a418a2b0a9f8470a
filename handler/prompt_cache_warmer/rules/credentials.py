"""Credentials as a person meets them: where each one's calls arrive, which of them share caches, what a check found.

A cache belongs to a workspace, on Amazon Bedrock to a region: the same prefix under two credentials is one entry or
two, and only the answers say which.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

from prompt_cache_warmer.values.model_ids import claude_id

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from prompt_cache_warmer.rules.entry_result import EntryResult
    from prompt_cache_warmer.values.state import EntryKey, EntryState
    from prompt_cache_warmer.values.targets import Entry


@dataclass(frozen=True, slots=True)
class CredentialUse:
    """Where the calls of one credential arrive.

    Attributes:
        name: the credential's name.
        workspaces: the workspaces it resolved to; more than one where its calls of a run resolved differently, none
            where the API does not say.
        regions: the AWS regions that answered, where it calls Amazon Bedrock.
    """

    name: str
    workspaces: tuple[str, ...] = ()
    regions: tuple[str, ...] = ()

    @property
    def place(self) -> str | None:
        """The one place whose caches it reads and writes, in words; None where it is not known, or not one."""
        known = [f"workspace {one}" for one in self.workspaces] + [f"region {one}" for one in self.regions]
        return known[0] if len(known) == 1 else None

    def as_json(self) -> dict[str, list[str]]:
        """Return it as a part of the report."""
        return {"workspaces": list(self.workspaces), "regions": list(self.regions)}


def credential_uses(
    results: Iterable[EntryResult], remembered: Mapping[EntryKey, EntryState]
) -> tuple[CredentialUse, ...]:
    """Say where the calls of every credential arrive: those of a run, or the last one before it.

    Args:
        results: what became of every entry in a run.
        remembered: what was remembered of the entries before it.
    """
    listed = list(results)
    uses: dict[str, CredentialUse] = {}
    for name in sorted({result.entry.credential for result in listed}):
        own = [result for result in listed if result.entry.credential == name]
        calls = [result.call for result in own if result.call is not None]
        places = {(call.workspace_id, call.region) for call in calls if call.workspace_id or call.region}
        if not places:
            states = (remembered.get(result.entry.key) for result in own)
            warmths = [state.warmth for state in states if state is not None and state.warmth is not None]
            last = max(warmths, key=lambda warmth: warmth.warmed_at, default=None)
            places = set() if last is None else {(last.workspace_id, last.region)}
        workspaces = sorted({workspace for workspace, _ in places if workspace is not None})
        regions = sorted({region for _, region in places if region is not None})
        uses[name] = CredentialUse(name, tuple(workspaces), tuple(regions))
    return tuple(use for use in uses.values() if use.workspaces or use.regions)


def credential_notices(uses: Iterable[CredentialUse], entries: Iterable[Entry]) -> Iterator[str]:
    """Say what is worth knowing of a run's credentials, in words.

    Args:
        uses: where their calls arrive.
        entries: what is kept warm with them.
    """
    by_name = {use.name: use for use in uses}
    for use in by_name.values():
        if len(use.workspaces) > 1:
            yield (
                f"calls of credential {use.name!r} resolved to {len(use.workspaces)} workspaces "
                f"({', '.join(use.workspaces)}): what one of them wrote the others do not read"
            )
    sharing: dict[tuple[str, str], list[str]] = defaultdict(list)
    for targets in _equal(entries).values() if len(by_name) > 1 else ():
        for pair in combinations(sorted(targets), 2):
            sharing[pair].append(targets[pair[0]])
    for (one, other), names in sorted(sharing.items()):
        places = [by_name[name].place if name in by_name else None for name in (one, other)]
        if None in places:
            continue
        said = f"{_prefixes(names)} kept with credentials {one!r} ({places[0]}) and {other!r} ({places[1]})"
        if places[0] != places[1]:
            yield f"{said}: different entries, each written and paid for by itself"
        elif by_name[one].workspaces:
            yield f"{said}: equal prefixes are one entry there, so one of the two credentials is enough"


def _equal(entries: Iterable[Entry]) -> dict[tuple[str, str], dict[str, str]]:
    """Group entries by model and prefix: for each, the name of a target by credential."""
    found: dict[tuple[str, str], dict[str, str]] = defaultdict(dict)
    for entry in entries:
        found[claude_id(entry.model), entry.target.prefix_digest].setdefault(entry.credential, entry.target.name)
    return found


def _prefixes(names: list[str]) -> str:
    return f"the prefix of {names[0]!r} is" if len(names) == 1 else f"{len(names)} prefixes (such as {names[0]!r}) are"


@dataclass(frozen=True, slots=True, kw_only=True)
class CredentialCheck:
    """What a check found of one credential.

    Attributes:
        name: the credential's name.
        kind: what proves who calls, in words: ``API key in secret 'anthropic'``.
        proof: the call that proved it and what it costs, as a noun; None where none was answered.
        workspace_id: the workspace it resolves to, None where the API does not say (Amazon Bedrock has none).
        region: the AWS region it calls, None where it does not call AWS.
        problem: what is wrong, in one sentence; None where nothing is.
        advice: what to do about it, in one sentence; None where nothing is to be done.
        is_of_asker: whether the answer depends on the AWS identity or the network of whoever asked, so that it proves
            nothing for another one: a function's role.
    """

    name: str
    kind: str
    proof: str | None = None
    workspace_id: str | None = None
    region: str | None = None
    problem: str | None = None
    advice: str | None = None
    is_of_asker: bool = False

    @property
    def is_good(self) -> bool:
        """Whether the credential works."""
        return self.problem is None
