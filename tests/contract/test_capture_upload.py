"""``capture --upload`` over boto3 into a bucket: new prefixes only, no one's change lost, nothing of any user."""

from __future__ import annotations

import asyncio
import json
import sys
from itertools import count
from threading import Barrier, Lock
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.exceptions import ClientError
from click.testing import CliRunner, Result

from prompt_cache_warmer.adapters.body_cache import BodyCache
from prompt_cache_warmer.adapters.s3_bucket import Bucket
from prompt_cache_warmer.adapters.s3_capture import Outcome, Stored
from prompt_cache_warmer.adapters.s3_targets import S3Targets
from prompt_cache_warmer.cli.commands import commands
from prompt_cache_warmer.errors import CaptureError
from prompt_cache_warmer.rules.capture import capture
from prompt_cache_warmer.rules.draft import Draft
from prompt_cache_warmer.settings import Settings
from prompt_cache_warmer.wiring.capture import capture_into
from tests.canaries import CANARY
from tests.documents import FIVE_MINUTES, ONE_HOUR, Json, assistant, short_document, target_document, text, tool, user
from tests.planted_secrets import PLANTED, place_of, planted

if TYPE_CHECKING:
    from collections.abc import Callable

    from infra.local.aws import LocalAws

BUCKET = "b-1"
MODEL = "claude-opus-4-8"
WORTH = "word" * 5_000
BLOCK = text(WORTH, cache_control=FIVE_MINUTES)
REQUEST: Json = {"model": MODEL, "max_tokens": 1_000, "system": [BLOCK], "messages": [user(text("Hello"))]}
OTHER: Json = {**REQUEST, "system": [text(f"Another. {WORTH}", cache_control=FIVE_MINUTES)]}
KEY = "targets/support.json"
SETTINGS = Settings.from_environment({"TARGETS_BUCKET": BUCKET, "ANTHROPIC_SECRET_ID": "none"})
# What a team has set for its target; none of it is the capture's to change.
OWN_FIELDS: Json = {
    "models": ["claude-sonnet-4-6", MODEL],
    "keep": "always",
    "windows": [{"days": "mon-fri", "from": "07:30", "to": "19:00", "timezone": "Europe/Berlin"}],
    "cold_start_value_usd": "0.05",
    "max_usd_per_day": "2.50",
    "max_tokens_per_call": 100_000,
    "credential": "other",
    "expected_requests": 7,
    "enabled": True,
}


class Shelf:
    """A versioned bucket, and the command that writes to it with its user's own session."""

    def __init__(self, aws: LocalAws, session: boto3.Session) -> None:
        self.s3 = aws.s3
        self.session = session
        self.s3.create_bucket(Bucket=BUCKET)
        self.version("Enabled")

    def version(self, status: Any) -> None:
        """Turn versioning on or off."""
        self.s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": status})

    def put(self, key: str, content: object) -> None:
        """Write an object; anything but text as JSON."""
        body = content if isinstance(content, str) else json.dumps(content)
        self.s3.put_object(Bucket=BUCKET, Key=key, Body=body)

    def document(self, key: str) -> Json:
        """Read a document."""
        found: Json = json.loads(self.s3.get_object(Bucket=BUCKET, Key=key)["Body"].read())
        return found

    def versions(self) -> list[tuple[str, str]]:
        """List every version there is, by key and id."""
        return [
            (each["Key"], each["VersionId"]) for each in self.s3.list_object_versions(Bucket=BUCKET).get("Versions", ())
        ]

    def everything(self) -> str:
        """Read every version of every object."""
        return "".join(
            self.s3.get_object(Bucket=BUCKET, Key=key, VersionId=version)["Body"].read().decode()
            for key, version in self.versions()
        )

    def run(self, request: Json, *arguments: str, bucket: str = BUCKET) -> Result:
        """Upload what a request shares."""
        runner = CliRunner(catch_exceptions=False, env={"TARGETS_BUCKET": bucket})
        return runner.invoke(commands, ["capture", "-", "--upload", *arguments], input=json.dumps(request))

    def said(self, request: Json, *arguments: str) -> str:
        """Upload what a request shares; return what is said where nothing is to be added."""
        result = self.run(request, *arguments)
        assert (result.exit_code, result.stderr) == (0, "")
        return result.stdout

    def refused(self, request: Json, *arguments: str, bucket: str = BUCKET, exit_code: int = 1) -> str:
        """Upload what may not be, or to whom cannot be asked; return the reason, after nothing was written."""
        before = self.versions()
        result = self.run(request, *arguments, bucket=bucket)
        assert (result.exit_code, result.stdout) == (exit_code, "")
        assert self.versions() == before
        (line,) = result.stderr.splitlines()
        return line

    def before(self, operation: str, do: Callable[[], object]) -> None:
        """Do something right before the command's own first call of an operation."""
        left = [do]

        def once(**_: object) -> None:
            if left:
                left.pop()()

        self.session.events.register(f"before-call.s3.{operation}", once)

    def deny(self, operation: str, *, after: int = 0) -> None:
        """Refuse the command an operation, the first few calls excepted."""
        calls = count(1)

        def refuse(**_: object) -> None:
            if next(calls) > after:
                raise ClientError({"Error": {"Code": "AccessDenied"}}, operation)

        self.session.events.register(f"before-call.s3.{operation}", refuse)


@pytest.fixture
def shelf(aws: LocalAws, monkeypatch: pytest.MonkeyPatch) -> Shelf:
    """Return an empty bucket that keeps versions."""
    for name, value in aws.environment().items():
        monkeypatch.setenv(name, value)
    session = boto3.Session()
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", session)
    return Shelf(aws, session)


def owned(**changes: Any) -> Json:
    """Make the team's document, with another prompt."""
    return target_document(**OWN_FIELDS | {"request": {"system": [text("Old. " * 5_000)]}} | changes)


@pytest.mark.parametrize("place", PLANTED)
def test_a_secret_is_in_no_object(shelf: Shelf, place: str) -> None:
    """Wherever tools and settings hold one; its place is said."""
    result = shelf.run(planted(place), "--name", "support")
    assert result.exit_code == 0, result.stderr
    assert CANARY not in shelf.everything() + result.stdout + result.stderr
    assert f"left out, and perhaps part of the key: {place_of(place)}" in result.stderr.splitlines()
    assert len(shelf.versions()) == 1


# A new prefix


def test_a_new_prefix_is_a_new_version_under_its_targets_name(shelf: Shelf) -> None:
    """What is written is what standard output would get, and its version is said."""
    said = shelf.said(REQUEST, "--name", "support")
    ((key, version),) = shelf.versions()
    assert key == KEY
    assert said == f"target 'support' was written to s3://{BUCKET}/{KEY} (version {version})\n"
    printed = CliRunner().invoke(commands, ["capture", "-", "--name=support"], input=json.dumps(REQUEST)).stdout
    stored = shelf.s3.get_object(Bucket=BUCKET, Key=KEY)
    assert stored["ContentType"] == "application/json"
    assert stored["Body"].read().decode() == printed
    assert shelf.document(KEY) == {
        "name": "support",
        "models": [MODEL],
        "keep": "while-used",
        "request": {"system": [BLOCK]},
    }


def test_bucket_and_prefixes_are_the_stacks_own(shelf: Shelf) -> None:
    """Said as options, or by the names they have in the function's environment."""
    assert shelf.run(REQUEST, "--name=a", "--bucket", BUCKET, "--targets-prefix", "team/", bucket="").exit_code == 0
    runner = CliRunner(env={"TARGETS_BUCKET": BUCKET, "TARGETS_PREFIX": "other/", "PROMPTS_PREFIX": "texts/"})
    shelf.put("texts/p.md", f"Another. {WORTH}")
    shelf.put(
        "other/b.json", target_document(name="b", request={"system": [{"type": "text", "text_from": "texts/p.md"}]})
    )
    for request, said in ((REQUEST, "target 'c' was written to"), (OTHER, "target 'b' in s3://b-1/other/b.json has")):
        result = runner.invoke(commands, ["capture", "-", "--upload", "--name=c"], input=json.dumps(request))
        assert said in result.output
        shelf.s3.delete_object(Bucket=BUCKET, Key="other/c.json")
    assert sorted({key for key, _ in shelf.versions()}) == ["other/b.json", "other/c.json", "team/a.json", "texts/p.md"]


def test_the_same_prefix_is_written_once(shelf: Shelf) -> None:
    """Whatever the next user says, and with or without the name."""
    shelf.said(REQUEST)
    ((key, version),) = shelf.versions()
    assert key.startswith("targets/captured-")
    name = key.removeprefix("targets/").removesuffix(".json")
    again = {**REQUEST, "messages": [user(text("Good bye"))], "max_tokens": 5}
    expected = f"target '{name}' in s3://{BUCKET}/{key} has this prefix already; nothing was written\n"
    assert shelf.said(again) == expected
    assert shelf.said(again, "--name", name) == expected
    assert shelf.versions() == [(key, version)]


@pytest.mark.parametrize("arguments", [[], ["--name", "mine"]], ids=["unnamed", "named"])
def test_a_prefix_that_another_target_has_is_not_written_again(shelf: Shelf, arguments: list[str]) -> None:
    """It says which; a text of its own object counts as what it says."""
    shelf.put("prompts/p.md", WORTH)
    referring = {"system": [{"type": "text", "text_from": "prompts/p.md", "cache_control": FIVE_MINUTES}]}
    shelf.put("targets/team/x.yaml", target_document(name="theirs", request=referring))
    before = shelf.versions()
    assert shelf.said(REQUEST, *arguments) == (
        f"target 'theirs' in s3://{BUCKET}/targets/team/x.yaml has this prefix already; nothing was written\n"
    )
    assert shelf.versions() == before


def test_json_says_what_was_done(shelf: Shelf) -> None:
    """For scripts: the outcome in one word, where, which version, and the prefix."""
    first = json.loads(shelf.said(REQUEST, "--name=support", "--json"))
    ((_, version),) = shelf.versions()
    fingerprint = first.pop("fingerprint")
    assert len(fingerprint) == 64
    place = {"target": "support", "bucket": BUCKET, "key": KEY, "uncompared": []}
    assert first == {**place, "outcome": "written", "version_id": version}
    second = json.loads(shelf.said(REQUEST, "--name=support", "--json"))
    assert second == {**place, "outcome": "same", "version_id": None, "fingerprint": fingerprint}
    assert json.loads(shelf.said(REQUEST, "--json"))["outcome"] == "known"
    third = json.loads(shelf.said(OTHER, "--name=support", "--json"))
    assert (third["outcome"], third["version_id"]) == ("replaced", shelf.versions()[0][1])
    assert third["fingerprint"] != fingerprint


# A prefix in the place of another one


def test_a_named_target_keeps_everything_but_its_prompt(shelf: Shelf) -> None:
    """Its own fields and its name stay, request and betas are the captured ones, the old version is kept."""
    shelf.put("targets/team/a.json", owned(betas=["old"]))
    request = {**OTHER, "extra_headers": {"anthropic-beta": "b-1"}, "model": "claude-sonnet-4-6"}
    said = shelf.said(request, "--name=support", "--keep=once")
    (newest, _), (oldest, _) = shelf.versions()
    assert newest == oldest == "targets/team/a.json"
    assert said == (
        f"target 'support' in s3://{BUCKET}/targets/team/a.json has this prefix now; its other fields are as they were "
        f"(version {shelf.versions()[0][1]})\n"
    )
    written = shelf.document("targets/team/a.json")
    assert written == {"name": "support", **OWN_FIELDS, "betas": ["b-1"], "request": {"system": OTHER["system"]}}
    assert "has this prefix already" in shelf.said(request, "--name=support")


def test_betas_that_are_sent_no_more_go(shelf: Shelf) -> None:
    """They are part of the prefix: with them the next capture would find another one."""
    shelf.put(KEY, owned(betas=["old"]))
    shelf.said(OTHER, "--name=support")
    assert "betas" not in shelf.document(KEY)
    assert "has this prefix already" in shelf.said(OTHER, "--name=support")


def test_a_short_form_becomes_a_request(shelf: Shelf) -> None:
    """The two forms exclude each other."""
    shelf.put(KEY, short_document(tools=[tool("a")], seed_messages=[user(text("ping"))]))
    shelf.said(REQUEST, "--name=support")
    assert shelf.document(KEY) == {
        "name": "support",
        "models": [MODEL],
        "keep": "always",
        "request": {"system": [BLOCK]},
    }


def test_a_reference_that_is_replaced_is_named(shelf: Shelf) -> None:
    """Whoever edits that object next would wonder why nothing changes."""
    shelf.put("prompts/p.md", "Old. " * 5_000)
    referring = {"system": [{"type": "text", "text_from": "prompts/p.md", "cache_control": FIVE_MINUTES}]}
    shelf.put(KEY, target_document(request=referring))
    result = shelf.run(REQUEST, "--name=support")
    assert (result.exit_code, result.stderr) == (
        0,
        "its text stands in the document now, not in prompts/p.md any more\n",
    )
    assert shelf.document(KEY)["request"] == {"system": [BLOCK]}


def test_a_named_target_gets_the_prefix_although_another_one_has_it(shelf: Shelf) -> None:
    """Its application sends it, whoever else does."""
    shelf.put("targets/theirs.json", target_document(name="theirs", request={"system": [BLOCK]}))
    shelf.put(KEY, owned())
    assert "'support' in s3://b-1/targets/support.json has this prefix now" in shelf.said(REQUEST, "--name=support")


def test_nobody_replaces_a_target_without_naming_it(shelf: Shelf) -> None:
    """A captured target that was edited since is its editor's."""
    shelf.said(REQUEST)
    ((key, _),) = shelf.versions()
    shelf.put(key, {**shelf.document(key), "request": {"system": "Edited. " * 5_000}})
    name = key.removeprefix("targets/").removesuffix(".json")
    assert shelf.refused(REQUEST) == (
        f"Error: the target '{name}' in '{key}' has another prefix by now; it gets this one only when it is named"
    )
    assert "has this prefix now" in shelf.said(REQUEST, "--name", name)


def test_a_yaml_document_is_left_to_its_author(shelf: Shelf) -> None:
    """Comments would be lost."""
    shelf.put("targets/support.yaml", "# ours\n" + json.dumps(owned()))
    assert shelf.refused(REQUEST, "--name=support") == (
        "Error: 'targets/support.yaml' is YAML, and its comments would be lost: put the captured request into it"
    )


@pytest.mark.parametrize(
    ("there", "said"),
    [
        ({"name": "support"}, "Error: 'targets/support.json' is there and is no valid target: correct it, or capture"),
        (owned(name="theirs"), "Error: 'targets/support.json' holds the target 'theirs': capture under another name"),
    ],
    ids=["invalid", "another name"],
)
def test_an_object_in_the_way_is_named(shelf: Shelf, there: Json, said: str) -> None:
    """Neither a broken document nor another target is written over."""
    shelf.put(KEY, there)
    assert shelf.refused(REQUEST, "--name=support").startswith(said)


# Someone else at the same time


def test_a_change_between_comparing_and_writing_is_not_lost(shelf: Shelf) -> None:
    """S3 refuses the write, and the other's document stays."""
    shelf.put(KEY, owned())
    shelf.before("PutObject", lambda: shelf.put(KEY, owned(keep="once")))
    result = shelf.run(REQUEST, "--name=support")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == (
        "Error: someone else changed the target 'support' in the meantime; nothing was written: "
        "look at it and capture again\n"
    )
    assert shelf.document(KEY) == owned(keep="once")
    assert len(shelf.versions()) == 2


@pytest.mark.parametrize("operation", ["GetBucketVersioning", "PutObject"], ids=["before reading", "before writing"])
@pytest.mark.parametrize("change", ["edited", "deleted"])
def test_a_document_that_changed_since_it_was_compared_is_not_replaced(
    shelf: Shelf, operation: str, change: str
) -> None:
    """What was compared is what is replaced, or nothing is."""
    shelf.put(KEY, owned())
    edit = owned(request={"system": "New. " * 5_000})
    actions: dict[str, Callable[[], object]] = {
        "edited": lambda: shelf.put(KEY, edit),
        "deleted": lambda: shelf.s3.delete_object(Bucket=BUCKET, Key=KEY),
    }
    shelf.before(operation, actions[change])
    result = shelf.run(REQUEST, "--name=support")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("Error: someone else changed the target 'support' in the meantime; nothing was")
    assert WORTH not in shelf.everything()


def test_a_target_that_appears_meanwhile_is_not_written_over(shelf: Shelf) -> None:
    """A new one is written only where nothing is."""
    shelf.before("PutObject", lambda: shelf.put(KEY, owned()))
    result = shelf.run(REQUEST, "--name=support")
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: someone else changed the target 'support' in the meantime; nothing was")
    assert shelf.document(KEY) == owned()


def draft(request: Json, **changes: Any) -> Draft:
    """Make a draft of a request, as the command and an observer do."""
    found = capture(request)
    assert found is not None
    fields: dict[str, Any] = {"name": "support", "models": (MODEL,), "keep": "once", "betas": ()}
    return Draft(captured=found, **fields | changes)


@pytest.mark.parametrize("there", [None, owned()], ids=["new", "there"])
@pytest.mark.parametrize("second", [OTHER, REQUEST], ids=["two prompts", "one prompt"])
async def test_of_two_at_once_one_wins_and_the_other_is_told(shelf: Shelf, second: Json, there: Json | None) -> None:
    """Both have compared before either writes; with the same prompt there is nothing to lose."""
    if there is not None:
        shelf.put(KEY, there)
    compared, turn = Barrier(2, timeout=10), Lock()

    def wait(**_: object) -> None:
        compared.wait()
        turn.acquire()

    shelf.session.events.register("before-call.s3.PutObject", wait)
    shelf.session.events.register("after-call.s3.PutObject", lambda **_: turn.release())
    results = await asyncio.gather(
        *(capture_into(SETTINGS, draft(request), may_replace=True) for request in (REQUEST, second)),
        return_exceptions=True,
    )
    stored = {found.outcome: found for found in results if isinstance(found, Stored)}
    won = Outcome.WRITTEN if there is None else Outcome.REPLACED
    assert set(stored) == ({won} if second is OTHER else {won, Outcome.SAME})
    refused = [str(found) for found in results if isinstance(found, CaptureError)]
    assert [said.partition(";")[0] for said in refused] == (
        ["someone else changed the target 'support' in the meantime"] if second is OTHER else []
    )
    assert len(shelf.versions()) == (1 if there is None else 2)
    winner = REQUEST if not isinstance(results[0], CaptureError) else OTHER
    assert shelf.document(KEY)["request"]["system"] == winner["system"]


async def test_what_is_stored_is_a_target_of_the_next_listing(shelf: Shelf) -> None:
    """An observer goes on with it without reading it again."""
    stored = await capture_into(SETTINGS, draft(REQUEST), may_replace=False)
    bucket = Bucket(shelf.s3, BUCKET)
    targets = S3Targets(
        bucket, targets_prefix="targets/", prompts_prefix="prompts/", bodies=BodyCache(0), max_inflight_bytes=10_000_000
    )
    (listed,) = (await targets.load()).targets
    assert stored.target == listed
    assert stored.is_versioned


async def test_what_is_no_target_is_not_stored(shelf: Shelf) -> None:
    """Neither new nor in another's place; the reason names the place and quotes nothing."""
    for there in (None, owned()):
        if there is not None:
            shelf.put(KEY, there)
        markers = [text(CANARY + str(number), cache_control=FIVE_MINUTES) for number in range(5)]
        with pytest.raises(
            CaptureError, match=r"no valid target comes .*'targets/support\.json': \$\.request"
        ) as raised:
            await capture_into(SETTINGS, draft({"system": markers}), may_replace=True)
        assert CANARY not in str(raised.value)
    assert len(shelf.versions()) == 1


# Nothing of the user


def test_no_version_of_any_object_holds_what_stands_behind_the_prefix(shelf: Shelf) -> None:
    """A user's data is planted wherever a request can hold any; every version is read back."""
    planted = {
        **REQUEST,
        "metadata": {"user_id": CANARY},
        "stop_sequences": [CANARY],
        "container": CANARY,
        "tool_choice": {"type": "tool", "name": CANARY},
        "mcp_servers": [{"type": "url", "name": "a", "url": "https://example.com", "authorization_token": CANARY}],
        "a_field_of_next_year": {"deep": [CANARY]},
        "extra_headers": {"x-user": CANARY},
        "extra_body": {"another_field": CANARY},
        "tools": [tool("search")],
        "system": [BLOCK, text(CANARY)],
        "messages": [user(text("Manual.", cache_control=FIVE_MINUTES), text(CANARY)), assistant(text(CANARY))],
    }
    marked = {**planted, "system": [BLOCK], "tool_choice": {"type": "auto"}}  # it keys marked messages
    printed = ""
    for request, arguments in (
        (planted, ["--name=support"]),
        (marked, ["--name=support", "--messages"]),
        ({**planted, "messages": []}, ["--name=support", "--ttl=1h"]),
        (planted, ["--json"]),
    ):
        result = shelf.run(request, *arguments)
        assert result.exit_code == 0
        printed += result.output
    assert len(shelf.versions()) == 3
    assert CANARY not in shelf.everything() + printed + json.dumps(shelf.versions())


# What keeps it from being written, and what is worth knowing


def test_a_bucket_that_is_not_there_is_one_line(shelf: Shelf) -> None:
    """S3's own word, and who asked."""
    said = shelf.refused(REQUEST, bucket="nobodys-bucket", exit_code=2)
    assert said.replace("prompts/", "targets/") == (  # whichever is listed first
        "Error: bucket 'nobodys-bucket' could not be listed under 'targets/': NoSuchBucket; "
        "there is none of that name: check the name, and your own AWS identity and region: they ask here, not the "
        "function's"
    )


@pytest.mark.parametrize(
    ("operation", "said"),
    [
        ("ListObjectsV2", "bucket 'b-1' could not be listed under "),
        (
            "GetObject",
            "'targets/theirs.json' could not be read: AccessDenied; whether the prefix is new is not known, and",
        ),
        ("PutObject", "'targets/support.json' could not be written to bucket 'b-1': AccessDenied"),
    ],
)
def test_a_permission_that_is_missing_is_one_line(shelf: Shelf, operation: str, said: str) -> None:
    """What may not be read cannot be compared, so nothing is written."""
    shelf.put("targets/theirs.json", target_document(name="theirs"))
    shelf.deny(operation)
    refused = shelf.refused(REQUEST, "--name=support", exit_code=2 if operation == "ListObjectsV2" else 1)
    assert refused.startswith(f"Error: {said}")
    assert "AccessDenied" in refused


def test_a_document_that_may_not_be_read_again_is_not_replaced(shelf: Shelf) -> None:
    """The permission went between comparing and reading."""
    shelf.put(KEY, owned())
    shelf.deny("GetObject", after=1)
    assert shelf.refused(REQUEST, "--name=support") == (
        "Error: 'targets/support.json' could not be read: AccessDenied; nothing was written"
    )


@pytest.mark.parametrize(
    ("never", "said"),
    [
        (True, "bucket 'b-1' keeps no versions"),
        (False, "bucket 'b-1' may keep no versions: that could not be seen"),
    ],
    ids=["suspended", "may not be seen"],
)
def test_without_versions_nothing_is_replaced(shelf: Shelf, said: str, *, never: bool) -> None:
    """What would be lost stays; a new target is written, and the lack is said."""
    shelf.put(KEY, owned())
    if never:
        shelf.version("Suspended")
    else:
        shelf.deny("GetBucketVersioning")
    why = "keeps no versions" if never else "may keep no versions (AccessDenied when it was asked)"
    assert shelf.refused(REQUEST, "--name=support") == (
        f"Error: bucket 'b-1' {why}, so that the document as it is would be lost: "
        "turn versioning on, or delete the target 'support' first"
    )
    result = shelf.run(REQUEST, "--name=new")
    assert (result.exit_code, result.stderr) == (0, f"{said}\n")
    assert ("(version " in result.stdout) is not never
    assert shelf.document("targets/new.json")["request"] == {"system": [BLOCK]}


def test_the_version_of_a_suspended_bucket_is_none(shelf: Shelf) -> None:
    """S3 calls it null, as one that the next write takes the place of."""

    def call_it_null(parsed: dict[str, Any], **_: object) -> None:
        parsed["VersionId"] = "null"

    shelf.version("Suspended")
    shelf.session.events.register("after-call.s3.PutObject", call_it_null)
    assert json.loads(shelf.run(REQUEST, "--json").stdout)["version_id"] is None


def test_a_bucket_that_never_kept_versions_is_said(aws: LocalAws, shelf: Shelf) -> None:
    """There is no id where there is no version."""
    aws.s3.create_bucket(Bucket="b-2")
    result = shelf.run(REQUEST, "--json", bucket="b-2")
    assert (result.exit_code, result.stderr) == (0, "bucket 'b-2' keeps no versions\n")
    assert json.loads(result.stdout)["version_id"] is None


def test_documents_that_are_no_targets_are_named(shelf: Shelf) -> None:
    """Nobody knows what prefix they have, and they stop nobody."""
    shelf.put("targets/y.json", {"name": "y"})
    shelf.put("targets/x.yaml", "a: [")
    result = shelf.run(REQUEST, "--name=support", "--json")
    assert result.exit_code == 0
    assert result.stderr == "not compared, because they are no valid targets: targets/x.yaml, targets/y.json\n"
    assert json.loads(result.stdout)["uncompared"] == ["targets/x.yaml", "targets/y.json"]


def test_a_target_that_does_not_serve_the_request_is_told(shelf: Shelf) -> None:
    """It is off, on other models, or of another time to live: having the prefix is not enough."""
    shelf.put(
        KEY, target_document(models=["m-1"], enabled=False, request={"system": [text(WORTH, cache_control=ONE_HOUR)]})
    )
    result = shelf.run(REQUEST, "--model", "m-1", "--model", "m-2", "--model", "m-3")
    assert result.stdout.endswith("has this prefix already; nothing was written\n")
    assert result.stderr.splitlines() == [
        "target 'support' is not enabled: nothing keeps it warm",
        "target 'support' is not kept warm on m-2, m-3: add it to its models",
        "its markers have the ttl 1h, those of the captured request 5m",
    ]


def test_a_profile_that_does_not_exist_is_one_line(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    """boto3's own words, without a traceback."""
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    assert shelf.refused(REQUEST, exit_code=2) == (
        "Error: bucket 'b-1' cannot be opened: there is no profile 'nobody': aws configure list-profiles"
    )


def test_without_credentials_it_is_one_line(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    """Named by the kind of error."""
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    said = shelf.refused(REQUEST, exit_code=2)
    assert said.endswith("': NoCredentialsError; log in to AWS (aws sso login, or aws configure), or set AWS_PROFILE")


def test_without_a_region_it_works_or_is_one_line(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    """S3 needs none to be found."""
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name)
    assert shelf.said(REQUEST, "--name=support").startswith("target 'support' was written to")


def test_a_missing_extra_is_explained(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    """Installed for documents in files only, the command says what to install."""
    for module in ("aws", "capture"):
        monkeypatch.delitem(sys.modules, f"prompt_cache_warmer.wiring.{module}", raising=False)
    monkeypatch.setitem(sys.modules, "boto3", None)
    assert shelf.refused(REQUEST, exit_code=2) == (
        "Error: boto3 is not installed; --upload needs, from a clone of prompt-cache-warmer: pip install '.[aws,cli]'"
    )
