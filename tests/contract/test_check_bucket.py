"""``check s3://BUCKET/targets/``: what is deployed, read as a tick reads it, over boto3."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from click.testing import CliRunner, Result

from prompt_cache_warmer.adapters.watched_bucket import WatchedBucket
from prompt_cache_warmer.cli.commands import commands
from tests.documents import ONE_HOUR, target_document, text
from tests.terminals import typed

if TYPE_CHECKING:
    from pathlib import Path

    from infra.local.aws import LocalAws

BUCKET = "targets-of-mine"
LONG = "word" * 5_000


@pytest.fixture
def bucket(aws: LocalAws) -> LocalAws:
    """Return an account with an empty bucket."""
    aws.s3.create_bucket(Bucket=BUCKET)
    return aws


def put(aws: LocalAws, key: str, value: object) -> None:
    """Upload a document, or a text."""
    aws.s3.put_object(Bucket=BUCKET, Key=key, Body=(value if isinstance(value, str) else json.dumps(value)).encode())


def run(aws: LocalAws, *arguments: str, command: str = "check", **environment: str) -> Result:
    """Run a command as its user does; a crash fails the test."""
    boto3.DEFAULT_SESSION = None  # boto3 keeps the first one it made, with its region
    variables = {**aws.environment(), "PROMPTS_PREFIX": None, "NO_COLOR": None, **environment}
    return CliRunner(catch_exceptions=False, env=variables).invoke(commands, [command, *arguments])


def good(name: str, **changes: Any) -> dict[str, Any]:
    """Return a document without a warning."""
    return target_document(name=name, request={"system": [text(LONG, cache_control=ONE_HOUR)]}, **changes)


def referring(name: str, key: str) -> dict[str, Any]:
    """Return a document whose prompt stands in an object of its own."""
    block = {"type": "text", "text_from": key, "cache_control": ONE_HOUR}
    return target_document(name=name, request={"system": [block]})


def test_every_document_is_checked_with_the_prompts_it_refers_to(bucket: LocalAws) -> None:
    """Sources are whole addresses; what is under another prefix is none of the targets."""
    put(bucket, "targets/good.json", referring("good", "prompts/a.md"))
    put(bucket, "targets/broken.json", good("broken", keep="allways"))
    put(bucket, "targets/lost.json", referring("lost", "prompts/b.md"))
    put(bucket, "prompts/a.md", LONG)
    put(bucket, "other/x.json", "{")
    result = run(bucket, f"s3://{BUCKET}/targets/")
    home = f"s3://{BUCKET}/targets"
    assert result.output.splitlines() == [
        (
            f"{home}/broken.json: $.keep: error: keep='allways' is not allowed; allowed: 'always', 'while-used' or "
            "'once'; did you mean 'always'? [not-allowed]"
        ),
        (
            f"{home}/lost.json: $.request.system[0].text_from: error: text_from='prompts/b.md': there is no such "
            "object [reference-missing]"
        ),
        f"{home}/good.json: good: about 5,000 tokens, ttl 1h, on claude-opus-4-8",
        "1 valid, 2 invalid; 2 errors, 0 warnings",
    ]
    assert result.exit_code == 1


@pytest.mark.parametrize("address", [f"s3://{BUCKET}", f"s3://{BUCKET}/"])
def test_a_bucket_alone_is_its_targets(bucket: LocalAws, address: str) -> None:
    """Under the usual prefix."""
    put(bucket, "targets/good.json", good("good"))
    assert run(bucket, address).output.endswith("1 valid, 0 invalid; 0 errors, 0 warnings\n")


def test_another_layout_is_said(bucket: LocalAws) -> None:
    """By the address and the prefix of the prompts, which may stand in its variable."""
    put(bucket, "team/a.json", referring("a", "texts/a.md"))
    put(bucket, "texts/a.md", LONG)
    assert run(bucket, f"s3://{BUCKET}/team/", "--prompts-prefix", "texts/").exit_code == 0
    assert run(bucket, f"s3://{BUCKET}/team/", PROMPTS_PREFIX="texts/").exit_code == 0
    assert run(bucket, f"s3://{BUCKET}/team/").exit_code == 1


def test_files_and_buckets_are_checked_together(bucket: LocalAws, tmp_path: Path) -> None:
    """Each place for itself: what is to replace a target has its name."""
    put(bucket, "targets/good.json", good("good"))
    (tmp_path / "good.json").write_text(json.dumps(good("good")))
    answer = json.loads(run(bucket, str(tmp_path), f"s3://{BUCKET}/targets/", "--json").output)
    assert [found["source"] for found in answer["valid"]] == [
        str(tmp_path / "good.json"),
        f"s3://{BUCKET}/targets/good.json",
    ]
    assert answer["problems"] == []


def test_a_plan_reads_a_bucket_too(bucket: LocalAws) -> None:
    """What is deployed is priced as files are."""
    put(bucket, "targets/good.json", good("good"))
    result = run(bucket, f"s3://{BUCKET}/targets/", command="plan")
    assert result.exit_code == 0
    assert result.output.startswith("good on claude-opus-4-8\n  about 5,000 tokens, ttl 1h, keep: always")


def test_where_there_is_nothing_to_check_the_exit_code_is_2(bucket: LocalAws) -> None:
    """An empty prefix, a bucket that is not there: one sentence each, for whoever asks here."""
    result = run(bucket, f"s3://{BUCKET}/none/")
    assert (result.exit_code, result.output) == (2, f"Error: there is no document under s3://{BUCKET}/none/\n")
    result = run(bucket, "s3://nobodys-bucket/targets/")
    assert (result.exit_code, result.stdout) == (2, "")
    assert re.sub("(targets|prompts)/", "", result.stderr) == (
        "Error: bucket 'nobodys-bucket' could not be listed under '': NoSuchBucket; check the bucket's name, and your "
        "own AWS identity and region: they ask here\n"
    )


@pytest.mark.parametrize(
    ("address", "options", "said"),
    [
        ("s3://", (), "BUCKET is missing"),
        ("s3:///team/", (), "BUCKET is missing"),
        ("s3://My_Bucket/", (), "BUCKET 'My_Bucket': must be the name of an S3 bucket: 3 to 63 of a-z, 0-9, '.' and "),
        ("s3://of-mine/a//b/", (), "PREFIX 'a//b/': must be a key prefix such as 'targets/': no leading slash, a "),
        ("s3://of-mine/prompts/", (), "PREFIX 'prompts/' and --prompts-prefix 'prompts/' overlap: neither may begin "),
        ("s3://of-mine/team/", ("--prompts-prefix", "x"), "--prompts-prefix 'x': must be a key prefix such as "),
    ],
    ids=["nothing", "no bucket", "bucket", "prefix", "overlap", "prompts"],
)
def test_a_wrong_address_is_named_as_it_was_typed(
    bucket: LocalAws, address: str, options: tuple[str, ...], said: str
) -> None:
    """And not by the variables of the function's settings, which nobody typed."""
    result = run(bucket, address, *options)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.splitlines()[-1].startswith(f"Error: '{address}' is read as s3://BUCKET/PREFIX/: {said}")
    assert "_PREFIX" not in result.stderr


def test_without_a_region_nothing_is_asked(bucket: LocalAws, monkeypatch: pytest.MonkeyPatch) -> None:
    """S3 has no region of its own, so boto3 asks us-east-1: without a way there it is one sentence."""
    for name in ("AWS_DEFAULT_REGION", "AWS_REGION"):
        monkeypatch.delenv(name, raising=False)
    result = run(bucket, f"s3://{BUCKET}/targets/", AWS_ENDPOINT_URL="http://127.0.0.1:1")
    assert (result.exit_code, result.stdout) == (2, "")
    assert len(result.stderr.splitlines()) == 1
    assert result.stderr.startswith(f"Error: bucket '{BUCKET}' could not be listed under ")


def test_progress_is_for_terminals(bucket: LocalAws, tmp_path: Path) -> None:
    """On standard error, up to all documents; nothing of it in a pipe, and nothing on standard output."""
    for number in range(5):
        put(bucket, f"targets/{number}.json", referring(f"t{number}", "prompts/a.md"))
    put(bucket, "prompts/a.md", LONG)
    place = f"s3://{BUCKET}/targets/"
    assert run(bucket, place).stderr == ""
    exit_code, printed, screen = typed("check", place, folder=tmp_path, environment=bucket.environment())
    assert (exit_code, printed.splitlines()[-1]) == (0, "5 valid, 0 invalid; 0 errors, 0 warnings")
    assert "reading" in screen
    assert "100%" in screen
    assert "reading" not in printed


def test_a_watched_bucket_tells_of_every_document_it_read(bucket: LocalAws) -> None:
    """How many of how many, one at a time; of what they refer to it tells nothing, and failures count as read."""
    told: list[tuple[int, int]] = []
    put(bucket, "targets/a.json", good("a"))
    put(bucket, "targets/b.json", good("b"))
    put(bucket, "prompts/a.md", LONG)
    watched = WatchedBucket(bucket.s3, BUCKET, prefix="targets/", told=lambda done, total: told.append((done, total)))
    prompts = watched.objects("prompts/")
    documents = watched.objects("targets/")
    watched.read(prompts["prompts/a.md"])
    watched.read(documents["targets/a.json"])
    bucket.s3.delete_object(Bucket=BUCKET, Key="targets/b.json")
    with pytest.raises(Exception, match="NoSuchKey"):
        watched.read(documents["targets/b.json"])
    assert told == [(1, 2), (2, 2)]
