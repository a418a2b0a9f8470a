"""The built artifact under the real Lambda runtime emulator: three ticks against moto and the Messages API."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from datetime import UTC, datetime, timedelta
from io import BytesIO
from typing import TYPE_CHECKING

import boto3
import pytest
import yaml
from click.testing import CliRunner
from rich.console import Console

from infra.local import demo
from infra.local.cloud import BUCKET
from infra.local.emf import emf_lines
from infra.local.lambda_emulator import ROOT, FunctionError, LambdaEmulator
from infra.local.uploads import UploadTrigger
from prompt_cache_warmer.cli.commands import commands
from tests.artifact_build import SAM

if TYPE_CHECKING:
    from pathlib import Path

    from infra.local.cloud import LocalCloud

NESTED = "AWS::CloudFormation::Stack"
HAIKU_AND_SONNET = ("claude-haiku-4-5", "claude-sonnet-4-6")

pytestmark = pytest.mark.skipif(
    sys.platform != "linux",
    reason="Lambda's runtime emulator is a Linux program; the handler itself is tested everywhere",
)


@pytest.mark.timeout(300)
def test_three_ticks_of_the_artifact(artifact: Path, cloud: LocalCloud) -> None:
    """Usage, EMF and CloudWatch agree: a write, a refresh, and after six minutes a write again.

    The artifact goes by the machine's clock, so to it the three ticks are seconds apart: entries of 5 minutes
    are due at each of them all the same, the one of 1 hour is not.
    """
    since = datetime.now(UTC) - timedelta(seconds=1)
    cloud.upload(ROOT / "infra/examples")
    with LambdaEmulator(task_root=artifact, environment=cloud.environment(), timeout_seconds=110) as function:
        answers = []
        for number, minutes in enumerate((0, 4, 6)):
            cloud.api.clock.advance(minutes * 60)
            answers.append(cloud.tick(function, f"exec-{number}"))
        output = function.output()
    found = [
        {f"{entry['target']} {entry['model']}": entry.get("verdict") or entry["code"] for entry in answer["entries"]}
        for answer in answers
    ]
    support = "support-agent claude-sonnet-4-6"
    assert [tick[support] for tick in found] == ["written", "refreshed", "written"]
    assert [tick["research-agent claude-opus-4-8"] for tick in found] == ["written", *["outlives-tick"] * 2]
    assert [tick["greeter claude-haiku-4-5"] for tick in found] == ["uncached"] * 3

    tokens = 5_616
    (first,) = [entry for entry in answers[0]["entries"] if f"{entry['target']} {entry['model']}" == support]
    assert (first["write_5m_tokens"], first["read_tokens"], first["granted_ttls"]) == (tokens, 0, ["5m"])
    assert first["cost_usd"] == "0.02109"  # 5,616 x 3.75 + 10 x 3.00 USD per million

    sums = [blob for blob in emf_lines(output) if "Target" not in blob]
    assert [blob["EntriesWritten"] for blob in sums] == [[4.0], [0.0], [3.0]]
    assert {blob["execution_id"] for blob in sums} == {"exec-0", "exec-1", "exec-2"}
    assert cloud.metric_sum("EntriesRefreshed", since) == 3
    assert cloud.metric_sum("CacheWrite5mTokens", since, Target="support-agent") == 4 * tokens
    assert cloud.metric_sum("CacheReadTokens", since, Target="support-agent") == 2 * tokens
    assert cloud.metric_sum("TargetsInvalid", since) == 3
    assert "START RequestId" in output
    assert json.dumps(answers).count("msg_local") == 13
    assert {answer["state"] for answer in answers} == {"table"}


@pytest.mark.timeout(300)
def test_the_demo_runs_on_the_artifact_too(artifact: Path, cloud: LocalCloud) -> None:
    """All six ticks, with the template's own timeout."""
    environment = cloud.environment()
    with demo.artifact_function(environment, folder=artifact) as function:
        assert demo.show(Console(quiet=True), cloud, function, "the artifact")


@pytest.mark.timeout(300)
def test_a_run_that_cannot_happen_fails_the_invocation(artifact: Path, cloud: LocalCloud) -> None:
    """Lambda sees an error with our own type, so its Errors metric and retries mean something."""
    environment = cloud.environment(TARGETS_BUCKET="nobodys-bucket")
    with (
        LambdaEmulator(task_root=artifact, environment=environment, timeout_seconds=110) as function,
        pytest.raises(FunctionError) as caught,
    ):
        function.invoke({})
    assert caught.value.type == "TargetsUnreadableError"
    assert "nobodys-bucket" in caught.value.message


@pytest.mark.timeout(300)
def test_an_upload_warms_its_target_through_the_artifact(artifact: Path, cloud: LocalCloud) -> None:
    """S3, EventBridge and the queue of the local cloud, and what `sam deploy` ships: one call, and none for a copy."""
    uploads = UploadTrigger(cloud.aws, BUCKET)
    with LambdaEmulator(task_root=artifact, environment=cloud.environment(), timeout_seconds=110) as function:
        cloud.upload(ROOT / "infra/examples")
        (first,) = uploads.deliver(function)
        uploads.send("no upload")
        (second,) = uploads.deliver(function)
    assert (first["trigger"], first["totals"]["written"], first["totals"]["targets_invalid"]) == ("upload", 4, 1)
    assert [one["place"] for one in first["ignored"]] == ["targets/broken.json"]
    assert (second["totals"]["entries"], len(second["batchItemFailures"]), uploads.waiting()) == (0, 1, 1)


@pytest.mark.timeout(300)
def test_what_sam_packages_is_complete(artifact: Path, cloud: LocalCloud, tmp_path: Path) -> None:
    """`sam package` puts the code and the nested template into the bucket, and the template says where they are."""
    cloud.aws.s3.create_bucket(Bucket="packages")
    packaged = tmp_path / "packaged.json"
    command = [str(SAM), "package", "--template-file", str(artifact.parent / "template.yaml"), "--use-json"]
    environment = {**cloud.aws.environment(), "PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "SAM_CLI_TELEMETRY": "0"}
    done = subprocess.run(  # noqa: S603 - our own command
        [*command, "--s3-bucket", "packages", "--output-template-file", str(packaged)],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    resources = json.loads(packaged.read_text())["Resources"]
    stored = {found["Key"] for found in cloud.aws.s3.list_objects_v2(Bucket="packages")["Contents"]}

    _, _, code = resources["WarmerFunction"]["Properties"]["CodeUri"].partition("s3://packages/")
    zipped = zipfile.ZipFile(BytesIO(cloud.aws.s3.get_object(Bucket="packages", Key=code)["Body"].read()))
    assert {"app.py", "prompt_cache_warmer/rules/uploads.py", "anthropic/__init__.py"} <= set(zipped.namelist())
    assert b"def lambda_handler" in zipped.read("app.py")

    nested = {name: one["Properties"]["TemplateURL"] for name, one in resources.items() if one["Type"] == NESTED}
    assert set(nested) == {"Monitoring"}
    keys = {name: url.rpartition("/packages/")[2] for name, url in nested.items()}
    assert stored == {code, *keys.values()}
    monitoring = yaml.safe_load(cloud.aws.s3.get_object(Bucket="packages", Key=keys["Monitoring"])["Body"].read())
    assert "AWS::CloudWatch::Alarm" in {one["Type"] for one in monitoring["Resources"].values()}


@pytest.mark.timeout(300)
def test_the_artifact_verifies_for_the_command_line(
    artifact: Path, cloud: LocalCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The command asks the function over boto3, and what it proves is what the API counted; two real seconds pass."""
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    cloud.upload(ROOT / "infra/examples")
    with LambdaEmulator(task_root=artifact, environment=cloud.environment(), timeout_seconds=110) as function:
        environment = {**cloud.aws.environment(), "AWS_ENDPOINT_URL_LAMBDA": f"http://127.0.0.1:{function.port}"}
        runner = CliRunner(env=environment, catch_exceptions=False)
        arguments = ["verify", "support-agent", "--function", "function"]
        proven = runner.invoke(commands, arguments)
        wrong = runner.invoke(commands, [*arguments, "suport-agent", "--json"])
    lines = [f"support-agent on {model}: proven: 5,616 of 5,616 tokens read" for model in HAIKU_AND_SONNET]
    assert (proven.exit_code, proven.stderr) == (0, "")
    assert proven.stdout.splitlines()[:-1] == lines
    assert [received.usage.cache_read_input_tokens for received in cloud.api.requests[2:4] if received.usage] == [
        5616
    ] * 2
    answer = json.loads(wrong.stdout)
    assert (wrong.exit_code, answer["is_proven"], answer["entries_proven"]) == (1, False, 2)
