"""Where the calls of credentials arrive, and what is said of those that share a prefix."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from prompt_cache_warmer.rules.credentials import CredentialCheck, CredentialUse, credential_notices, credential_uses
from prompt_cache_warmer.rules.entry_result import CallFacts, EntryResult, Outcome
from prompt_cache_warmer.values.state import EntryState, Warmth
from prompt_cache_warmer.values.targets import Entry
from tests.fakes import EPOCH, MODEL, target


def entry(name: str, credential: str, model: str = MODEL) -> Entry:
    """Return an entry of a target with the usual prefix."""
    return Entry(replace(target().summary, name=name, credential=credential), model)


def called(one: Entry, *, workspace: str | None = None, region: str | None = None) -> EntryResult:
    """Return the result of a call."""
    facts = CallFacts("zero", "why", 1, 5, workspace_id=workspace, region=region)
    return EntryResult(one, Outcome.WARMED, "it was called", call=facts)


def skipped(one: Entry) -> EntryResult:
    """Return the result of an entry that was not called."""
    return EntryResult(one, Outcome.SKIPPED, "it is alive")


def warm(workspace: str | None, *, minutes: int = 0, region: str | None = None) -> EntryState:
    """Return the state of an entry whose last call arrived somewhere."""
    at = EPOCH + timedelta(minutes=minutes)
    return EntryState(warmth=Warmth("f", 300, at, 300, "written", workspace_id=workspace, region=region))


def test_the_calls_of_a_run_say_where_they_arrived() -> None:
    """A failed call without a workspace says nothing; what was remembered is of no matter then."""
    one, other = entry("one", "default"), entry("two", "default")
    remembered = {one.key: warm("wrkspc_old")}
    uses = credential_uses([called(one, workspace="wrkspc_new"), called(other)], remembered)
    assert uses == (CredentialUse("default", ("wrkspc_new",)),)


def test_without_a_call_the_last_one_says_it() -> None:
    """The latest of all entries of the credential; one of which nothing is known is left out."""
    one, other, third = entry("one", "default"), entry("two", "default"), entry("three", "unknown")
    remembered = {one.key: warm("wrkspc_b", minutes=9), other.key: warm("wrkspc_a", minutes=5), third.key: EntryState()}
    uses = credential_uses([skipped(one), skipped(other), skipped(third)], remembered)
    assert uses == (CredentialUse("default", ("wrkspc_b",)),)


def test_two_workspaces_of_one_credential_are_told() -> None:
    """What one of them wrote the other does not read."""
    results = [called(entry(name, "default"), workspace=f"wrkspc_{name}") for name in ("b", "a")]
    uses = credential_uses(results, {})
    assert uses == (CredentialUse("default", ("wrkspc_a", "wrkspc_b")),)
    assert uses[0].place is None
    assert list(credential_notices(uses, [])) == [
        (
            "calls of credential 'default' resolved to 2 workspaces (wrkspc_a, wrkspc_b): what one of them wrote the "
            "others do not read"
        )
    ]


def notices(first: CredentialUse, second: CredentialUse, *entries: Entry) -> list[str]:
    """Return what is said of two credentials."""
    return list(credential_notices([first, second], entries))


def test_equal_prefixes_are_told_by_where_they_are() -> None:
    """Different workspaces keep different entries; of two credentials of one workspace one is enough."""
    both = (entry("one", "a"), entry("two", "b"))
    assert notices(CredentialUse("a", ("w1",)), CredentialUse("b", ("w2",)), *both) == [
        (
            "the prefix of 'one' is kept with credentials 'a' (workspace w1) and 'b' (workspace w2): different "
            "entries, each written and paid for by itself"
        )
    ]
    assert notices(
        CredentialUse("a", ("w1",)), CredentialUse("b", ("w1",)), *both, entry("x", "a", "claude-opus-5")
    ) == [
        (
            "the prefix of 'one' is kept with credentials 'a' (workspace w1) and 'b' (workspace w1): equal prefixes "
            "are one entry there, so one of the two credentials is enough"
        )
    ]


def test_a_provider_of_its_own_keeps_entries_of_its_own() -> None:
    """The same model by Bedrock's id is the same prefix elsewhere; several prefixes are counted, not listed."""
    models = ((MODEL, f"eu.anthropic.{MODEL}"), ("claude-opus-4-8", "eu.anthropic.claude-opus-4-8-v1:0"))
    entries = [entry(f"{at}-{model}", "ab"[at], model) for pair in models for at, model in enumerate(pair)]
    assert notices(CredentialUse("a", ("w1",)), CredentialUse("b", regions=("eu-central-1",)), *entries) == [
        (
            f"2 prefixes (such as '0-{MODEL}') are kept with credentials 'a' (workspace w1) and 'b' (region "
            "eu-central-1): different entries, each written and paid for by itself"
        )
    ]


def test_nothing_is_said_of_what_is_not_known() -> None:
    """Not of a credential that was never answered, nor of two ways to Bedrock in one region, nor of other models."""
    both = (entry("one", "a"), entry("two", "b"))
    region = {"regions": ("eu-central-1",)}
    assert notices(CredentialUse("a", **region), CredentialUse("b", **region), *both) == []
    assert list(credential_notices([CredentialUse("a", ("w1",))], both)) == []
    others = (entry("one", "a"), entry("two", "b", "claude-opus-4-8"))
    assert notices(CredentialUse("a", ("w1",)), CredentialUse("b", ("w2",)), *others) == []


def test_a_check_is_good_without_a_problem() -> None:
    """Whoever draws it in red or green asks this."""
    assert CredentialCheck(name="a", kind="k").is_good
    assert not CredentialCheck(name="a", kind="k", problem="p").is_good
