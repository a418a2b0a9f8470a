"""Who may: signatures that are made again over the request, and identity tokens that are exchanged by a rule."""

from __future__ import annotations

import time
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import anthropic
import httpx2
import pytest
from joserfc import jwt
from joserfc.jwk import RSAKey

from infra.local.messages_api import AwsCaller, EmulatorClock, FederationRule, LocalMessagesApi
from tests.infra.messages_api.messages_api_bodies import LONG_TEXT, MARKER, PLACEHOLDER, text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

KEY_ID, SECRET = "AKIALOCAL", "local-secret"
SIGNING: dict[str, Any] = {"aws_access_key": KEY_ID, "aws_secret_key": SECRET, "max_retries": 0}
WORKSPACE, ORGANIZATION, SUBJECT = "wrkspc_aws", "org-1", "arn:aws:iam::1:role/r"
AUDIENCE = "https://api.anthropic.com"
PROVIDERS = ("bedrock", "mantle", "platform")
ISSUER = RSAKey.generate_key(2048)
QUESTION: dict[str, Any] = {
    "model": "anthropic.claude-opus-4-8",
    "max_tokens": 1,
    "system": [text(LONG_TEXT, cache_control=MARKER)],
    "messages": [PLACEHOLDER],
}


@pytest.fixture
def guarded() -> Iterator[LocalMessagesApi]:
    """Run an emulator that knows one AWS caller and one federation rule."""
    rule = FederationRule(
        key=ISSUER, organization_id=ORGANIZATION, subject=SUBJECT, audience=AUDIENCE, workspaces=("wrkspc_f",)
    )
    with LocalMessagesApi(
        clock=EmulatorClock(frozen=True),
        api_keys={},
        aws_callers={KEY_ID: AwsCaller(secret_key=SECRET, workspaces=(WORKSPACE,))},
        federation_rules={"fdrl_1": rule},
    ) as running:
        yield running


def client_of(provider: str, url: str, **changes: Any) -> Any:
    """Open a client of a provider whose requests are signed."""
    given = {**SIGNING, "aws_region": "eu-central-1", **changes}
    if provider == "bedrock":
        return anthropic.AnthropicBedrock(base_url=url, **given)
    if provider == "mantle":
        return anthropic.AnthropicBedrockMantle(base_url=f"{url}/anthropic", **given)
    return anthropic.AnthropicAWS(base_url=url, workspace_id=WORKSPACE, **given)


@pytest.mark.parametrize("model", ["anthropic.claude-opus-4-8", "us.anthropic.claude-opus-4-8-v1:0"])
@pytest.mark.parametrize("provider", PROVIDERS)
def test_the_signature_of_every_provider_is_verified(guarded: LocalMessagesApi, provider: str, model: str) -> None:
    """The right secret is let in, with a colon in the path too; another one is not, nor an unknown key."""
    with closing(client_of(provider, guarded.base_url)) as client:
        assert client.messages.create(**{**QUESTION, "model": model}).model == model
    for changes in ({"aws_secret_key": "another"}, {"aws_access_key": "AKIAOTHER"}):
        with (
            closing(client_of(provider, guarded.base_url, **changes)) as client,
            pytest.raises(anthropic.PermissionDeniedError),
        ):
            client.messages.create(**QUESTION)


@pytest.mark.parametrize("part", ["body", "path", "header", "signature"])
def test_a_request_that_was_changed_after_signing_is_refused(guarded: LocalMessagesApi, part: str) -> None:
    """Whatever was signed: the body, the path, a header; and a signature that is none."""

    def change(request: httpx2.Request) -> None:
        if part == "body":
            changed = request.content.replace(b'"max_tokens":1', b'"max_tokens":2')
            request.stream = httpx2.ByteStream(changed)
        elif part == "path":
            request.url = request.url.copy_with(path="/model/anthropic.claude-opus-5/invoke")
        elif part == "header":
            request.headers["x-stainless-lang"] = "another"
        else:
            request.headers["authorization"] = "AWS4-HMAC-SHA256 nonsense"

    own = httpx2.Client(event_hooks={"request": [change]})
    with (
        closing(client_of("bedrock", guarded.base_url, http_client=own)) as client,
        pytest.raises(anthropic.PermissionDeniedError) as refusal,
    ):
        client.messages.create(**QUESTION)
    kind = refusal.value.response.headers["x-amzn-errortype"].partition(":")[0]
    assert kind == ("IncompleteSignatureException" if part == "signature" else "InvalidSignatureException")


def test_a_caller_may_do_what_was_granted(guarded: LocalMessagesApi) -> None:
    """Counting is an action of its own; the workspace of the platform must be one of the caller's."""
    guarded.aws_callers = {
        KEY_ID: AwsCaller(
            secret_key=SECRET, workspaces=("wrkspc_other",), actions=frozenset({"bedrock-mantle:CreateInference"})
        )
    }
    counted = {name: QUESTION[name] for name in ("model", "messages")}
    with closing(client_of("mantle", guarded.base_url)) as client:
        assert client.messages.create(**QUESTION).usage.cache_creation_input_tokens > 0
        with pytest.raises(anthropic.PermissionDeniedError, match="bedrock-mantle:CountTokens"):
            client.messages.count_tokens(**counted)
    guarded.aws_callers = {KEY_ID: AwsCaller(secret_key=SECRET, workspaces=("wrkspc_other",))}
    with (
        closing(client_of("platform", guarded.base_url)) as client,
        pytest.raises(anthropic.PermissionDeniedError, match="this workspace"),
    ):
        client.messages.create(**QUESTION)


def test_bedrock_says_no_workspace(guarded: LocalMessagesApi) -> None:
    """InvokeModel has AWS's id of the request; the Messages endpoint the API's; the platform both of the API's."""
    found = {}
    for provider in PROVIDERS:
        with closing(client_of(provider, guarded.base_url)) as client:
            headers = client.messages.with_raw_response.create(**QUESTION).headers
        names = ("anthropic-workspace-id", "request-id", "x-amzn-requestid")
        found[provider] = [name for name in names if name in headers]
    assert found == {
        "bedrock": ["x-amzn-requestid"],
        "mantle": ["request-id"],
        "platform": ["anthropic-workspace-id", "request-id"],
    }


def identity(**changes: Any) -> Callable[[], str]:
    """Return what makes an identity token, with changes to its claims."""
    claims = {"sub": SUBJECT, "aud": AUDIENCE, "exp": int(time.time()) + 60, **changes}
    return lambda: jwt.encode({"alg": "RS256"}, claims, ISSUER)


def federated(url: str, provider: Callable[[], str], **changes: Any) -> anthropic.Anthropic:
    """Open a client with a federated credential."""
    given = {"federation_rule_id": "fdrl_1", "organization_id": ORGANIZATION, **changes}
    credentials = anthropic.WorkloadIdentityCredentials(identity_token_provider=provider, **given)
    return anthropic.Anthropic(base_url=url, credentials=credentials, max_retries=0)


def test_an_identity_token_is_exchanged(guarded: LocalMessagesApi) -> None:
    """The token works in the rule's workspace until it lapses; then the SDK asks for another."""
    with federated(guarded.base_url, identity()) as client:
        first = client.messages.with_raw_response.create(**QUESTION)
        assert first.headers["anthropic-workspace-id"] == "wrkspc_f"
        client.messages.create(**QUESTION)
        token = guarded.requests[-1].headers["authorization"].removeprefix("Bearer ")
    assert token.startswith("sk-ant-oat01-local-")
    assert [one.path for one in guarded.requests] == ["/v1/oauth/token", "/v1/messages", "/v1/messages"]
    plain = {"authorization": f"Bearer {token}", "anthropic-version": "1"}
    url = f"{guarded.base_url}/v1/messages"
    assert httpx2.post(url, json=QUESTION, headers=plain).status_code == 401  # the beta that goes with it is missing
    with_beta = {**plain, "anthropic-beta": "oauth-2025-04-20"}
    assert httpx2.post(url, json=QUESTION, headers=with_beta).status_code == 200
    guarded.clock.advance(600)
    assert httpx2.post(url, json=QUESTION, headers=with_beta).status_code == 401
    guarded.forget_tokens()
    assert httpx2.post(url, json=QUESTION, headers=with_beta).status_code == 401


@pytest.mark.parametrize(
    ("claims", "changes"),
    [
        ({"sub": "arn:aws:iam::1:role/other"}, {}),
        ({"aud": "https://example.com"}, {}),
        ({"exp": 1}, {}),
        ({}, {"federation_rule_id": "fdrl_2"}),
        ({}, {"organization_id": "org-2"}),
        ({}, {"service_account_id": "svac_1"}),
        ({}, {"workspace_id": "wrkspc_2"}),
    ],
    ids=["subject", "audience", "age", "rule", "organization", "service account", "workspace"],
)
def test_what_does_not_match_the_rule_is_refused(
    guarded: LocalMessagesApi, claims: dict[str, Any], changes: dict[str, Any]
) -> None:
    """With the one opaque answer of the real endpoint."""
    with (
        federated(guarded.base_url, identity(**claims), **changes) as client,
        pytest.raises(anthropic.WorkloadIdentityError, match="401"),
    ):
        client.messages.create(**QUESTION)


def test_a_token_of_another_issuer_is_refused(guarded: LocalMessagesApi) -> None:
    """The signature is the issuer's, or the token is nobody's; what is no JSON is refused like it."""
    guarded.federation_rules = {
        name: replace(rule, key=RSAKey.generate_key(2048)) for name, rule in guarded.federation_rules.items()
    }
    with federated(guarded.base_url, identity()) as client, pytest.raises(anthropic.WorkloadIdentityError, match="401"):
        client.messages.create(**QUESTION)
    assert httpx2.post(f"{guarded.base_url}/v1/oauth/token", content=b"{").status_code == 401


def test_a_rule_of_several_workspaces_needs_one_to_be_named(guarded: LocalMessagesApi) -> None:
    """Named, the token is for it."""
    (rule,) = guarded.federation_rules.values()
    guarded.federation_rules = {"fdrl_1": replace(rule, workspaces=("wrkspc_f", "wrkspc_g"))}
    with federated(guarded.base_url, identity()) as client, pytest.raises(anthropic.WorkloadIdentityError):
        client.messages.create(**QUESTION)
    with federated(guarded.base_url, identity(), workspace_id="wrkspc_g") as client:
        found = client.messages.with_raw_response.create(**QUESTION)
    assert found.headers["anthropic-workspace-id"] == "wrkspc_g"
