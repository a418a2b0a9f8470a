"""``doctor`` and every kind of credential: yours proves nothing for the function's role; all are asked together."""

from __future__ import annotations

import json
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from infra.local.cloud import API_KEY, SECRET, WORKSPACE
from infra.local.function import InProcessFunction
from infra.local.messages_api import AwsCaller, Fault, LocalMessagesApi
from prompt_cache_warmer.adapters.system_clock import SystemClock
from tests.checked import checked
from tests.fakes import MODEL, document
from tests.local_stack import STACK, LocalStack
from tests.provider_clouds import (
    BEDROCK,
    BEDROCK_MODEL,
    EUROPE,
    FEDERATION,
    NO_STORED_KEY,
    ROLE_KEY_ID,
    ROLE_SECRET,
    provider_api,
    provider_settings,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

AS_YOU = "It was asked as you and from here, which proves nothing for the function's role"
VERIFY = "let the function prove it, by two calls: prompt-cache-warmer verify support --stack shop"
FEDERATED = {**NO_STORED_KEY, **FEDERATION}
SIGNED = {**NO_STORED_KEY, **BEDROCK}
ON_BEDROCK = f"bedrock-{EUROPE}"


@contextmanager
def opened(
    api: LocalMessagesApi | None = None, target: dict[str, Any] | None = None, **settings: str
) -> Iterator[LocalStack]:
    """Return a deployed stack with one target, called by the machine's clock."""
    with LocalStack(api, **settings) as stack:
        stack.clock = SystemClock()
        stack.put("targets/support.json", target or document("support"))
        yield stack


def test_an_identity_token_that_you_may_not_have_is_not_asked() -> None:
    """The function's role may."""
    with opened(provider_api(), document("support", credential="federated"), **FEDERATED) as stack:
        stack.aws.refuse_identity_tokens("AccessDenied")
        _, found = checked(stack, **provider_settings(stack, {}))
    assert found["credential federated"]["state"] == "not asked"
    assert "STS gave no identity token: AccessDenied" in found["credential federated"]["sentence"]
    assert found["credential federated"]["fix"] == VERIFY


def test_an_exchange_that_refuses_you_is_not_asked() -> None:
    """A rule names the function's role, and a person is another subject."""
    settings = {**FEDERATED, "ANTHROPIC_IDENTITY_AUDIENCE": "https://x.example"}
    with opened(provider_api(), document("support", credential="federated"), **settings) as stack:
        _, found = checked(stack, **provider_settings(stack, {}))
    assert found["credential federated"]["state"] == "not asked"
    assert "the identity token was not exchanged" in found["credential federated"]["sentence"]


def signed(api: LocalMessagesApi, *models: str) -> dict[str, Any]:
    """Run the command with a target on Bedrock; returns the finding of its credential."""
    target = document("support", credential=ON_BEDROCK, models=list(models or (BEDROCK_MODEL,)))
    with opened(api, target, **SIGNED) as stack:
        _, found = checked(stack, **provider_settings(stack, {}))
    finding: dict[str, Any] = found[f"credential {ON_BEDROCK}"]
    return finding


def test_a_signature_that_may_not_call_is_not_asked() -> None:
    """It is yours, and the function signs with its role's."""
    found = signed(provider_api(aws_callers={ROLE_KEY_ID: AwsCaller(secret_key=ROLE_SECRET, actions=frozenset())}))
    assert (found["state"], found["fix"]) == ("not asked", VERIFY)
    assert "is not authorized to perform: bedrock:InvokeModel. It was asked as you" in found["sentence"]


def test_a_signature_that_works_says_whose_it_is() -> None:
    """Green for the provider, its region and the models; of the role it proves nothing."""
    found = signed(provider_api())
    assert (found["state"], found["sentence"].endswith(f", which is free. {AS_YOU}")) == ("green", True)


def test_a_refusal_of_the_model_is_red_and_quoted() -> None:
    """Only a refusal for want of a message proves anything: another one would meet each warm call."""
    api, said = provider_api(), "400 ValidationException: The provided model identifier is invalid."
    api.faults.add(
        Fault(
            kind="status",
            status=400,
            error_type="ValidationException",
            message="The provided model identifier is invalid.",
        )
    )
    found = signed(api)
    assert (found["state"], found["sentence"]) == (
        "red",
        f"Amazon Bedrock in {EUROPE}, InvokeModel: model '{BEDROCK_MODEL}': {said}",
    )


def test_each_model_of_a_credential_is_asked() -> None:
    """One that is refused is named, whichever it is."""
    api = LocalMessagesApi()
    api.faults.add(Fault(kind="status", status=404, error_type="not_found_error", model="claude-opus-4-8"))
    with opened(api, document("support", models=[MODEL, "claude-opus-4-8"])) as stack:
        _, found = checked(stack)
    assert found["credential default"]["state"] == "red"
    assert "model 'claude-opus-4-8': 404 not_found_error" in found["credential default"]["sentence"]


def test_credentials_are_asked_beside_each_other() -> None:
    """Three slow answers take as long as one, and each credential has its own finding."""
    api = LocalMessagesApi(api_keys={API_KEY: WORKSPACE, "sk-2": "w2", "sk-3": "w3"})
    with opened(api) as stack:
        keys = {"default": API_KEY, "b": "sk-2", "c": "sk-3"}
        stack.aws.secrets.put_secret_value(SecretId=SECRET, SecretString=json.dumps(keys))
        for name in ("b", "c"):
            stack.put(f"targets/{name}.json", document(name, credential=name))
        for _ in keys:
            api.faults.add(Fault(kind="delay", seconds=3))
        started = time.monotonic()
        _, found = checked(stack)
    assert time.monotonic() - started < 8
    assert [found[f"credential {name}"]["state"] for name in keys] == ["green"] * 3


def test_what_keeps_calls_back_is_told_by_the_stack_itself() -> None:
    """A refused key stops its credential, and a pause is noted: doctor says the lines that end both."""
    with opened() as stack:
        stack.aws.secrets.put_secret_value(SecretId=SECRET, SecretString="sk-ant-another")
        stack.tick(InProcessFunction(stack.environment(POWERTOOLS_SERVICE_NAME=STACK)), "one")
        stack.aws.secrets.put_secret_value(SecretId=SECRET, SecretString=API_KEY)
        assert stack.run("pause", "--for", "1h", "--reason", "outage", "--stack", STACK).exit_code == 0
        code, found = checked(stack)
        shown = stack.run("doctor", "--stack", STACK).stdout.splitlines()
    assert code == 1
    assert found["stopped"]["sentence"].startswith("no call is made with 'default' (credential, until ")
    assert found["stopped"]["fix"].endswith(": prompt-cache-warmer resume --credential default --stack shop")
    assert (found["pause"]["state"], found["pause"]["fix"]) == ("noted", "prompt-cache-warmer resume --stack shop")
    assert any(line.startswith("noted     pause: all warming is paused since ") for line in shown)
