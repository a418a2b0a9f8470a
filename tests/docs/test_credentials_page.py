"""The page on credentials: its table is the template's, its commands exist, and its blocks are what really happens."""

from __future__ import annotations

import json
import re
import shlex
from typing import TYPE_CHECKING, Any

import pytest

from infra.local.cloud import LocalCloud
from infra.local.function import InProcessFunction, LocalClock
from infra.local.lambda_emulator import ROOT
from infra.local.transform import read
from prompt_cache_warmer.adapters.api_keys import parse_keys
from prompt_cache_warmer.adapters.documents import decode
from prompt_cache_warmer.adapters.keyless_clients import _STS_HINTS
from prompt_cache_warmer.rules.breaker import REFUSED_COOL_DOWN
from prompt_cache_warmer.values.credentials import DEFAULT_AUDIENCE
from prompt_cache_warmer.values.reading import Origin, read_target
from tests.deployments import prompt
from tests.docs.pages import fenced, page
from tests.docs.test_deploying import check_aws
from tests.fakes import document
from tests.provider_clouds import FEDERATION, provider_api, provider_settings

if TYPE_CHECKING:
    from infra.local.transform import Template

PAGE = page("credentials.md")
FLAT = " ".join(PAGE.split())
TEMPLATE: Template = read(ROOT / "template.yaml")
LINES = [line.removeprefix("$ ") for line in re.findall(r"^\$ .*$", PAGE, re.MULTILINE)]
# What stands in capitals on the page, as it would be typed.
FILLED = {"ARN": "arn:aws:secretsmanager:eu-central-1:123456789012:secret:anthropic-AbCdEf", "fdrl_ID": "fdrl_1"}
FILLED |= {"svac_ID": "svac_1", "wrkspc_ID": "wrkspc_1", "UUID": "12345678-1234-4234-8234-123456789012"}


def statements() -> dict[str, str]:
    """Return the parameter each conditional statement of the function's role hangs on, by Sid."""
    [policy] = TEMPLATE["Resources"]["WarmerRole"]["Properties"]["Policies"]
    written = [one["Fn::If"] for one in policy["PolicyDocument"]["Statement"] if "Fn::If" in one]
    found = {}
    for condition, statement, _ in written:
        refs = re.findall(r"'Ref': '(\w+)'", str(TEMPLATE["Conditions"][condition]))
        found[statement["Sid"]] = refs[0]
    return found


def test_the_table_is_the_templates() -> None:
    """Each way's parameter, and the statement that hangs on it."""
    found = re.findall(r"^\| \[.*\| `(\w+)` \| .* \| `(\w+)` \|$", PAGE, re.MULTILINE)
    assert len(found) == 6
    assert {sid: parameter for parameter, sid in found}.items() <= statements().items()
    assert not [name for name in re.findall(r"`([A-Z][a-z]+[A-Z]\w+)`", PAGE) if name not in known_words()]


def known_words() -> set[str]:
    """Name what may stand on the page in capitals: parameters, statements, and AWS's own words."""
    own = {*TEMPLATE["Parameters"], *statements(), "ProveIdentity", "ReadAnthropicKey"}
    return own | {"InvokeModel", "CacheObserver"}


@pytest.mark.parametrize("line", LINES)
def test_every_command_is_one_that_can_be_typed(line: str) -> None:
    """Of AWS's own models, or SAM with parameters that the template has and values that it takes."""
    program, *arguments = shlex.split(line)
    if program == "aws":
        check_aws(arguments)
        return
    assert (program, arguments[0]) in {("sam", "deploy"), ("sam", "list")}
    overrides = arguments[arguments.index("--parameter-overrides") + 1 :] if arguments[0] == "deploy" else []
    for override in overrides:
        name, value = override.split("=")
        assert re.fullmatch(TEMPLATE["Parameters"][name]["AllowedPattern"], FILLED.get(value, value)), override


def test_the_keys_of_the_page_are_usable() -> None:
    """Two names, two keys."""
    assert set(parse_keys(fenced(PAGE, "keys"), "the page")) == {"default", "team-b"}


def test_the_target_of_the_page_is_valid() -> None:
    """With Bedrock's id and credential."""
    text = fenced(PAGE, "target")
    reading = read_target(decode(text.encode(), "t.json"), Origin("t.json", "v", len(text), "prompts/"), {})
    assert reading.target is not None
    assert (reading.target.summary.credential, reading.target.summary.models) == (
        "bedrock-eu-central-1",
        ("eu.anthropic.claude-sonnet-4-6",),
    )


@pytest.mark.filterwarnings("ignore:This metric doesn't meet the requirements")
def test_the_report_of_the_page_is_a_real_one() -> None:
    """Two credentials of two workspaces with the same prefix, through the real handler."""
    with LocalCloud(provider_api(), state=True) as cloud:
        for name, credential in (("one", "default"), ("two", "federated")):
            body = document(name, credential=credential, request=prompt("1h"))
            cloud.put(f"targets/{name}.json", body)
        environment = cloud.environment(**provider_settings(cloud, FEDERATION))
        answer = cloud.tick(InProcessFunction(environment, clock=LocalClock(cloud.api.clock)), "tick-1")
    shown: dict[str, Any] = json.loads(fenced(PAGE, "report"))
    assert {name: answer[name] for name in shown} == shown


def test_what_goes_wrong_is_said_in_the_codes_own_words() -> None:
    """Each beginning of a sentence in the table is one that the code says."""
    said = re.findall(r"^\| `(.+?)` \|", PAGE.partition("## What goes wrong")[2], re.MULTILINE)
    assert len(said) == 6
    adapters = ROOT / "handler/prompt_cache_warmer/adapters"
    code = " ".join(path.read_text(encoding="utf-8") for path in adapters.glob("*.py"))
    for sentence in said:
        words = sentence.removeprefix("401: ").removeprefix("403 ").rpartition(": ")
        assert words[0] in code, sentence
        assert words[2] in code or words[2] in _STS_HINTS or words[2].lower() in code, sentence


def test_the_figures_of_the_page_are_the_codes() -> None:
    """The hour after a refusal, and the audience."""
    assert "keeps the credential's calls back for an hour" in FLAT
    assert REFUSED_COOL_DOWN.total_seconds() == 3600
    assert f"audience `{DEFAULT_AUDIENCE}`" in FLAT
