"""What is watched during every test can fail it: each way of letting a planted word out, and a call too many."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.canaries import CANARIES

ROOT = Path(__file__).resolve().parents[2]
CONFTEST = "from tests.conftest import pytest_configure\n"
LEAKS = """
import json, logging, subprocess, sys
import boto3, click, pytest
from click.testing import CliRunner
from infra.local.aws import LocalAws
from infra.local.cloud import create_state_table, STATE_TABLE, API_KEY
from prompt_cache_warmer.errors import RunError
from tests.canaries import CANARIES, CANARY

@click.command()
def told(): click.echo(CANARY)

@click.command()
def complained(): click.echo(CANARY, err=True)

def stored(service, method, **asked):
    with LocalAws() as aws:
        create_state_table(aws)
        getattr(aws.client(service), method)(**asked)

def test_clean(): print("nothing to see")
def test_planted_and_kept(): assert len(CANARY.upper()) > 3
@pytest.mark.may_show_the_canary("it is what this test is about")
def test_shown_on_purpose(): print(CANARY)

def test_leak_output(): print(f"You are {CANARY}.")
def test_leak_error_output(): print(CANARY.upper(), file=sys.stderr)
@pytest.fixture
def loud():
    print(CANARY); yield
def test_leak_of_a_fixture(loud): pass
@pytest.fixture
def loud_at_the_end():
    yield; print(CANARY)
def test_leak_at_the_end(loud_at_the_end): pass
def test_leak_log(): logging.getLogger("any").warning("got %s", CANARY)
def test_leak_log_field(): logging.getLogger("any").warning("got", extra={"body": CANARY})
def test_leak_traceback():
    try: raise KeyError(CANARY)
    except KeyError: logging.getLogger("any").exception("failed")
def test_leak_exception():
    with pytest.raises(RunError): raise RunError(f"could not read {CANARY}")
def test_leak_command(): CliRunner().invoke(told)
def test_leak_command_error(): CliRunner().invoke(complained)
def test_leak_process(): subprocess.run([sys.executable, "-c", f"print({CANARY!r})"], capture_output=True, check=True)
def test_leak_state():
    item = {"pk": {"S": "a"}, "prompt": {"S": CANARY}}
    stored("dynamodb", "put_item", TableName=STATE_TABLE, Item=item)
def test_leak_metric():
    metric = {"MetricName": "m", "Value": 1, "Dimensions": [{"Name": "target", "Value": CANARY}]}
    stored("cloudwatch", "put_metric_data", Namespace="N", MetricData=[metric])
def test_call_that_no_role_may_make(monkeypatch):
    monkeypatch.setenv("TARGETS_BUCKET", "b")
    monkeypatch.delenv("PATH")
    stored("dynamodb", "list_tables")
def test_leak_of_another_word(): print(CANARIES[1])
def test_leak_of_the_local_key(): print(API_KEY)
"""


@pytest.mark.enable_socket
@pytest.mark.may_show_the_canary("what the inner run prints is searched here")
def test_every_way_out_is_noticed(tmp_path: Path) -> None:
    """In a process of xdist, just the tests that let a word out fail, and each of them says where it was."""
    (tmp_path / "conftest.py").write_text(CONFTEST, encoding="utf-8")
    (tmp_path / "test_leaks.py").write_text(LEAKS, encoding="utf-8")
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-rA", "-p", "no:cacheprovider", "-n", "1", "test_leaks.py"],
        cwd=tmp_path,
        env={"PYTHONPATH": f"{ROOT / 'handler'}:{ROOT}", "PATH": "", "AWS_DEFAULT_REGION": "us-east-1"},
        capture_output=True,
        text=True,
        check=False,
    )
    leaks = set(re.findall(r"^def (test_leak\w+)", LEAKS, re.MULTILINE))
    said = dict.fromkeys(re.findall(r"^(?:FAILED|ERROR) test_leaks.py::(\w+)", run.stdout, re.MULTILINE))
    assert set(said) == leaks | {"test_call_that_no_role_may_make"}, run.stdout + run.stderr
    assert run.stdout.count("a planted word was let out") >= len(leaks)
    assert "what its role may not do: dynamodb:CreateTable, dynamodb:ListTables" in run.stdout
    assert run.returncode == 1


def test_the_words_are_told_apart_from_prose() -> None:
    """None is so short or common that it could be said by chance."""
    assert len(set(CANARIES)) == 5
    assert all(len(word) >= 8 and word == word.lower() for word in CANARIES)
