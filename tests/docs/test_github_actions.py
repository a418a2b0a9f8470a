"""The example workflow: its steps run here as they stand, on good and broken targets, against the local cloud."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from packaging.requirements import Requirement

from infra.local.cloud import BUCKET, LocalCloud
from infra.local.function import InProcessFunction
from infra.local.lambda_emulator import ROOT
from tests.lambda_endpoint import FakeLambda

if TYPE_CHECKING:
    from collections.abc import Iterator

WORKFLOW: dict[str, Any] = yaml.safe_load((ROOT / "infra/examples/github-actions.yml").read_text(encoding="utf-8"))
TEXT = (ROOT / "infra/examples/github-actions.yml").read_text(encoding="utf-8")
FUNCTION = "prompt-cache-warmer-WarmerFunction-AbC"
TIMEOUT_SECONDS = 60


def step(job: str, name: str) -> dict[str, Any]:
    """Return a step by its name."""
    (found,) = [one for one in WORKFLOW["jobs"][job]["steps"] if one.get("name") == name]
    assert isinstance(found, dict)
    return found


class Runner:
    """A machine of GitHub's that has checked a repository out.

    Args:
        folder: the repository.
        environment: what the steps before it left in the environment.
    """

    def __init__(self, folder: Path, **environment: str) -> None:
        self.folder = folder
        self._output = folder.parent / "output"
        self._environment = environment

    def run(self, job: str, name: str, **expressions: str) -> subprocess.CompletedProcess[str]:
        """Run a step as GitHub does: its shell, its environment, expressions put in."""
        found = step(job, name)
        written = {**WORKFLOW["jobs"][job].get("env", {}), **found.get("env", {})}
        values = {key: self._value(value, expressions) for key, value in written.items()}
        self._output.write_text("")
        shell = [sys.executable, "-c"] if found.get("shell") == "python" else ["bash", "-eo", "pipefail", "-c"]
        return subprocess.run(  # noqa: S603 - our own example
            [*shell, found["run"]],
            cwd=self.folder,
            env={
                "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
                "HOME": str(self.folder.parent),
                "GITHUB_OUTPUT": str(self._output),
                **self._environment,
                **values,
            },
            capture_output=True,
            text=True,
            check=False,
            timeout=TIMEOUT_SECONDS,
        )

    def outputs(self) -> dict[str, str]:
        """Return what the last step put out."""
        return dict(line.split("=", 1) for line in self._output.read_text().splitlines())

    @staticmethod
    def _value(written: str, expressions: dict[str, str]) -> str:
        return re.sub(r"\$\{\{ (.*?) \}\}", lambda found: expressions[found[1]], written)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """Return a repository with the valid ones of the example targets."""
    folder = tmp_path / "repository"
    for prefix in ("targets", "prompts"):
        shutil.copytree(ROOT / "infra/examples" / prefix, folder / prefix)
    (folder / "targets/broken.json").unlink()
    return folder


@pytest.fixture
def cloud() -> Iterator[LocalCloud]:
    """Return a local cloud."""
    with LocalCloud(state=True) as started:
        yield started


def test_no_key_is_stored_and_nothing_is_allowed_but_what_a_job_needs() -> None:
    """The repository is read, a role is assumed, and only after a merge."""
    assert WORKFLOW["permissions"] == {"contents": "read"}
    assert "permissions" not in WORKFLOW["jobs"]["check"]
    upload = WORKFLOW["jobs"]["upload"]
    assert upload["permissions"] == {"contents": "read", "id-token": "write"}
    assert (upload["if"], upload["needs"]) == ("github.event_name == 'push'", "check")
    assert "secrets." not in TEXT
    assert not re.search(r"AKIA|sk-ant|aws-access-key|\d{12}", TEXT)


def test_every_action_is_pinned_to_a_commit() -> None:
    """With its version beside it, for whoever reads it and for what updates it."""
    used = [one["uses"] for job in WORKFLOW["jobs"].values() for one in job["steps"] if "uses" in one]
    assert {one.partition("@")[0] for one in used} == {
        "actions/checkout",
        "actions/setup-python",
        "aws-actions/configure-aws-credentials",
    }
    assert all(re.fullmatch(r"[\w/-]+@[0-9a-f]{40}", one) for one in used)
    assert len(re.findall(r"@[0-9a-f]{40} # v\d+\.\d+\.\d+$", TEXT, re.MULTILINE)) == len(used)


def test_the_triggers_are_pull_requests_and_merges_of_targets_and_prompts() -> None:
    """YAML reads the key "on" as true."""
    triggers = WORKFLOW[True]  # type: ignore[index] # see above
    paths = ["targets/**", "prompts/**"]
    assert triggers == {"pull_request": {"paths": paths}, "push": {"branches": ["main"], "paths": paths}}


def test_what_is_installed_is_this_package_with_what_the_steps_need() -> None:
    """The command line, and boto3 for the upload and `verify`."""
    requirement = Requirement(WORKFLOW["env"]["WARMER"])
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert (requirement.name, requirement.extras) == (project["name"], {"aws", "cli"})
    assert requirement.extras <= set(project["optional-dependencies"])
    assert str(requirement.url).endswith("/prompt-cache-warmer@COMMIT")
    for job in ("check", "upload"):
        assert step(job, "Install")["run"] == 'python -m pip install --quiet "$WARMER"'


def test_good_targets_pass_the_check(repository: Path) -> None:
    """Warnings are shown beside their lines and fail nothing."""
    done = Runner(repository).run("check", "Check")
    assert (done.returncode, done.stderr) == (0, "")
    assert "::error" not in done.stdout
    assert "::warning file=targets/" in done.stdout


def test_a_broken_target_fails_it_and_is_shown_beside_its_file(repository: Path) -> None:
    """All of its errors at once, as annotations of the pull request."""
    shutil.copy(ROOT / "infra/examples/targets/broken.json", repository / "targets")
    done = Runner(repository).run("check", "Check")
    assert done.returncode == 1
    annotations = [line for line in done.stdout.splitlines() if line.startswith("::error file=targets/broken.json,")]
    assert len(annotations) == 2
    assert "did you mean 'always'?" in annotations[0]


def test_only_what_changed_is_uploaded_and_prompts_come_first(repository: Path, cloud: LocalCloud) -> None:
    """A second merge uploads what it changed, and names all who refer to a prompt of it."""
    (repository / "targets/README.md").write_text("No target.")
    runner = Runner(repository, **cloud.aws.environment())
    values = {"vars.BUCKET": BUCKET, "vars.FUNCTION": FUNCTION}
    first = runner.run("upload", "Upload", **values)
    assert (first.returncode, first.stderr) == (0, "")
    uploaded = [line.removeprefix("uploaded ") for line in first.stdout.splitlines()]
    documents = sorted(path.name for path in (repository / "targets").glob("*") if path.suffix != ".md")
    assert uploaded == [
        *("prompts/research-method.md", "prompts/support-handbook.md"),
        *(f"targets/{name}" for name in documents),
    ]
    assert runner.outputs() == {"names": "greeter research-agent support-agent ticket-router"}
    stored = {one["Key"] for one in cloud.aws.s3.list_objects_v2(Bucket=BUCKET)["Contents"]}
    assert stored == set(uploaded)

    again = runner.run("upload", "Upload", **values)
    assert (again.returncode, again.stdout, runner.outputs()) == (0, "", {"names": ""})

    with (repository / "prompts/support-handbook.md").open("a") as handbook:
        handbook.write("One more rule.\n")
    third = runner.run("upload", "Upload", **values)
    assert third.stdout == "uploaded prompts/support-handbook.md\n"
    assert runner.outputs() == {"names": "support-agent ticket-router"}


def test_without_a_bucket_the_upload_fails(repository: Path, cloud: LocalCloud) -> None:
    """The job is red, and the next one has nothing to verify."""
    runner = Runner(repository, **cloud.aws.environment())
    done = runner.run("upload", "Upload", **{"vars.BUCKET": "nobodys-bucket", "vars.FUNCTION": FUNCTION})
    assert done.returncode != 0
    assert "NoSuchBucket" in done.stderr


def test_what_was_uploaded_is_verified_by_the_function(repository: Path, cloud: LocalCloud) -> None:
    """The real handler proves it, over an endpoint of Lambda's; where it is not proven the job fails."""
    assert step("upload", "Verify")["if"] == "steps.upload.outputs.names != ''"
    values = {"vars.BUCKET": BUCKET, "vars.FUNCTION": FUNCTION}
    function = InProcessFunction(cloud.environment())
    with FakeLambda(function.invoke) as endpoint:
        runner = Runner(repository, **cloud.aws.environment(), AWS_ENDPOINT_URL_LAMBDA=endpoint.address)
        runner.run("upload", "Upload", **values)
        done = runner.run("upload", "Verify", **values, **{"steps.upload.outputs.names": "support-agent"})
        bad = runner.run("upload", "Verify", **values, **{"steps.upload.outputs.names": "greeter"})
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count(": proven: 5,616 of 5,616 tokens read") == 2
    assert bad.returncode == 1
    assert [json.dumps(event) for _, event in endpoint.asked] == [
        '{"verify": ["support-agent"]}',
        '{"verify": ["greeter"]}',
    ]
    assert all(FUNCTION in path for path, _ in endpoint.asked)


def test_the_programs_of_the_steps_are_there() -> None:
    """Every step that runs something runs Python or our own command."""
    runs = [one for job in WORKFLOW["jobs"].values() for one in job["steps"] if "run" in one]
    assert {one["name"] for one in runs} == {"Install", "Check", "Upload", "Verify"}
    programs = {one["run"].split()[0] for one in runs if one.get("shell") != "python"}
    assert programs == {"python", "prompt-cache-warmer"}
    assert os.access(Path(sys.executable).parent / "prompt-cache-warmer", os.X_OK)
