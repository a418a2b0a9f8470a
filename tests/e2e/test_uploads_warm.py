"""Uploads, end to end: S3 to EventBridge to a queue to the real handler, and just the calls that they are worth."""

from __future__ import annotations

import json
from typing import Any

import pytest

from infra.local.cloud import BUCKET
from infra.local.function import invoke_at_once
from infra.local.messages_api import Fault
from infra.local.uploads import MAX_RECEIVES, UploadTrigger
from tests.deployments import MESSAGES, MONDAY, TICK_MINUTES, Deployment, codes, prompt
from tests.fakes import document

# Powertools warns of time stamps that CloudWatch would refuse; the clock here stands at a day long past.
pytestmark = pytest.mark.filterwarnings("ignore:This metric doesn't meet the requirements")

MARK = {"type": "ephemeral", "ttl": "1h"}
REFERRING = {"system": [{"type": "text", "text_from": "prompts/p.md", "cache_control": MARK}]}


@pytest.fixture
def uploads(deployment: Deployment) -> UploadTrigger:
    """Return the upload trigger of the deployment's bucket."""
    return UploadTrigger(deployment.cloud.aws, BUCKET)


def log_lines(deployment: Deployment, message: str) -> list[dict[str, Any]]:
    """Return the log lines with a message."""
    lines = (json.loads(line) for line in deployment.function.output().splitlines() if line.startswith("{"))
    return [line for line in lines if line.get("message") == message]


def test_an_upload_leads_to_exactly_its_warm_call(deployment: Deployment, uploads: UploadTrigger) -> None:
    """Before any tick, and the tick after it finds the entry alive; what lies elsewhere goes unheard."""
    deployment.cloud.put("targets/a.json", document("a", request=prompt()))
    deployment.cloud.put("notes/a.json", "{}")
    assert uploads.waiting() == 1
    (answer,) = uploads.deliver(deployment.function)
    assert (answer["trigger"], codes(answer), answer["batchItemFailures"]) == ("upload", ["written"], [])
    assert (len(deployment.calls), uploads.waiting(), uploads.failures()) == (1, 0, 0)
    deployment.wait(TICK_MINUTES)
    assert codes(deployment.tick()) == ["outlives-tick"]
    assert [line["trigger"] for line in log_lines(deployment, "run finished")] == ["upload", "schedule"]
    assert deployment.metric("EntriesWritten") == 1
    assert deployment.metric("EntriesDue") == 0  # of the tick alone: a run for uploads is no picture of the whole


def test_200_uploads_are_one_run_and_200_calls(deployment: Deployment, uploads: UploadTrigger) -> None:
    """As a `sync` of a folder sends them."""
    for number in range(200):
        deployment.cloud.put(f"targets/{number}.json", document(f"t{number}", request=prompt(text=f"Bot {number}. ")))
    (answer,) = uploads.deliver(deployment.function)
    assert answer["totals"]["written"] == len(deployment.calls) == 200
    assert uploads.waiting() == 0
    deployment.wait(TICK_MINUTES)
    assert deployment.tick()["skipped"] == {"outlives-tick": 200}


def test_the_same_message_twice_makes_no_second_call(deployment: Deployment, uploads: UploadTrigger) -> None:
    """A queue may bring it twice: the 5-minute entry, which every tick finds due, is called once all the same."""
    deployment.cloud.put("targets/a.json", document("a", request=prompt("5m")))
    first, second = uploads.deliver(deployment.function, times=2)
    assert (codes(first), codes(second)) == (["written"], ["called-this-tick"])
    assert len(deployment.calls) == 1


def test_a_prompts_upload_warms_who_refers_to_it(deployment: Deployment, uploads: UploadTrigger) -> None:
    """First the prompt, which is nobody's yet, then the targets; a new version of the prompt alone warms them again."""
    deployment.cloud.put("prompts/p.md", "You are a bot. " * 2000)
    deployment.cloud.put("targets/a.json", document("a", request=REFERRING))
    deployment.cloud.put("targets/b.json", document("b", request=prompt()))
    (answer,) = uploads.deliver(deployment.function)
    assert sorted(codes(answer)) == ["written", "written"]
    deployment.cloud.put("prompts/p.md", "You are another bot. " * 2000)
    (answer,) = uploads.deliver(deployment.function)
    assert [(entry["target"], entry["verdict"]) for entry in answer["entries"]] == [("a", "written")]
    assert len(deployment.calls) == 3
    deployment.cloud.put("prompts/nobodys.md", "Unused.")
    (answer,) = uploads.deliver(deployment.function)
    assert answer["ignored"] == [{"place": "prompts/nobodys.md", "reason": "no valid target refers to it"}]


def test_a_broken_document_is_reported_and_the_others_are_warmed(
    deployment: Deployment, uploads: UploadTrigger
) -> None:
    """Its message is done with: another upload mends it, not another delivery."""
    deployment.cloud.put("targets/a.json", document("a", request=prompt()))
    deployment.cloud.put("targets/broken.json", '{"name": "b", "keep": "allways"}')
    (answer,) = uploads.deliver(deployment.function)
    assert codes(answer) == ["written"]
    assert {problem["source"] for problem in answer["problems"] if problem["severity"] == "error"} == {
        "targets/broken.json"
    }
    (line,) = log_lines(deployment, "upload ignored")
    assert (line["level"], line["place"], line["reason"]) == (
        "INFO",
        "targets/broken.json",
        "it is not a valid target; its problems say why",
    )
    assert uploads.waiting() == 0
    deployment.cloud.put("targets/broken.json", document("b", request=prompt(text="Mended. ")))
    assert codes(uploads.deliver(deployment.function)[0]) == ["written"]


def test_a_message_nobody_understands_ends_in_the_queue_of_failures(
    deployment: Deployment, uploads: UploadTrigger
) -> None:
    """It is named each time, and what comes with it is warmed the first time."""
    deployment.cloud.put("targets/a.json", document("a", request=prompt()))
    message_id = uploads.send("warm everything")
    (answer,) = uploads.deliver(deployment.function)
    assert (codes(answer), answer["batchItemFailures"]) == (["written"], [{"itemIdentifier": message_id}])
    for _ in range(MAX_RECEIVES - 1):
        assert uploads.waiting() == 1
        uploads.deliver(deployment.function)
    assert uploads.deliver(deployment.function) == []
    assert (uploads.waiting(), uploads.failures(), len(deployment.calls)) == (0, 1, 1)
    lines = log_lines(deployment, "message not understood")
    assert {(line["level"], line["message_id"]) for line in lines} == {("ERROR", message_id)}
    assert len(lines) == MAX_RECEIVES


def test_a_run_that_fails_as_a_whole_keeps_its_messages(deployment: Deployment, uploads: UploadTrigger) -> None:
    """Without its secret nothing is called; once it is back the same message warms the target."""
    deployment.cloud.put("targets/a.json", document("a", request=prompt()))
    secrets = deployment.cloud.aws.secrets
    (secret,) = secrets.list_secrets()["SecretList"]
    value = secrets.get_secret_value(SecretId=secret["Name"])["SecretString"]
    secrets.put_secret_value(SecretId=secret["Name"], SecretString="{}")
    assert uploads.deliver(deployment.function) == []
    assert uploads.waiting() == 1
    secrets.put_secret_value(SecretId=secret["Name"], SecretString=value)
    deployment.wait(TICK_MINUTES)
    (answer,) = uploads.deliver(deployment.function)
    assert codes(answer) == ["written"]


def test_an_upload_that_another_sandbox_takes_at_once_makes_one_call(
    deployment: Deployment, uploads: UploadTrigger
) -> None:
    """The same event in two sandboxes at the same moment: the table lets one of them call."""
    deployment.cloud.put("targets/a.json", document("a", request=prompt()))
    event = {
        "detail-type": "Object Created",
        "time": f"{deployment.now():%Y-%m-%dT%H:%M:%SZ}",
        "detail": {
            "bucket": {"name": BUCKET},
            "object": {
                "key": "targets/a.json",
                "etag": deployment.cloud.aws.s3.head_object(Bucket=BUCKET, Key="targets/a.json")["ETag"].strip('"'),
            },
        },
    }
    answers = invoke_at_once([deployment.function, deployment.sandbox()], event)
    assert len(deployment.calls) == 1
    found = sorted(code for answer in answers for code in codes(answer))
    assert found[-1] == "written"
    assert found[0] in {"claimed", "called-this-tick", "outlives-tick"}
    assert uploads.waiting() == 1


def test_an_older_version_is_left_to_the_newer_ones_upload(deployment: Deployment, uploads: UploadTrigger) -> None:
    """Three edits in a row are one call, for the last."""
    for text in ("One. ", "Two. ", "Three. "):
        deployment.cloud.put("targets/a.json", document("a", request=prompt(text=text)))
    (answer,) = uploads.deliver(deployment.function)
    assert codes(answer) == ["written"]
    assert [one["reason"] for one in answer["ignored"]] == [
        "a newer version is in the bucket; its own upload is acted on"
    ] * 2
    (call,) = deployment.calls
    assert call.body["system"][0]["text"].startswith("Three. ")


def test_a_deleted_document_is_not_called(deployment: Deployment, uploads: UploadTrigger) -> None:
    """It was uploaded and taken back before anyone looked."""
    deployment.cloud.put("targets/a.json", document("a", request=prompt()))
    deployment.cloud.aws.s3.delete_object(Bucket=BUCKET, Key="targets/a.json")
    (answer,) = uploads.deliver(deployment.function)
    assert [one["reason"] for one in answer["ignored"]] == ["it is not in the bucket any more"]
    assert deployment.calls == []


def test_once_is_warmed_by_its_upload_by_name_and_when_its_window_opens(
    deployment: Deployment, uploads: UploadTrigger
) -> None:
    """keep: once has three ways to a call, each through the real handler; ticks alone make none."""
    window = {"from": "08:00", "to": "18:00", "timezone": "UTC"}
    once = document("a", keep="once", request=prompt("5m"), windows=[window])
    deployment.wait_until(MONDAY.replace(hour=9))
    deployment.cloud.put("targets/a.json", once)
    assert codes(uploads.deliver(deployment.function)[0]) == ["written"]
    deployment.wait(20)
    assert codes(deployment.tick()) == ["kept-once"]
    deployment.cloud.put("targets/a.json", once)
    (uploaded,) = uploads.deliver(deployment.function)[0]["entries"]
    assert (uploaded["verdict"], uploaded["decision"]) == ("written", "requested")
    deployment.wait(20)
    (asked,) = deployment.function.invoke({"targets": ["a"]})["entries"]
    assert (asked["verdict"], asked["decision"]) == ("written", "requested")
    deployment.wait_until(MONDAY.replace(hour=7, day=MONDAY.day + 1))
    assert codes(deployment.tick()) == ["outside-window"]
    deployment.wait(56)  # five minutes of lead
    (opened,) = deployment.tick()["entries"]
    assert (opened["verdict"], opened["decision"]) == ("written", "window-opened")
    deployment.wait(20)
    assert codes(deployment.tick()) == ["kept-once"]
    assert len(deployment.calls) == 4


def test_an_upload_whose_call_fails_is_tried_again_by_the_tick(deployment: Deployment, uploads: UploadTrigger) -> None:
    """The message is done with: a failed call is no failed run, and told twice it makes no second call."""
    deployment.cloud.api.faults.add(Fault(kind="status", status=529, times=2, path=MESSAGES))
    deployment.cloud.put("targets/a.json", document("a", request=prompt()))
    first, second = uploads.deliver(deployment.function, times=2)
    assert (codes(first), codes(second), uploads.waiting()) == (["failed"], ["called-this-tick"], 0)
    deployment.wait(TICK_MINUTES)
    assert codes(deployment.tick()) == ["written"]
