"""Credentials end to end: each kind through the real handler, over HTTP, proved by usage; rotation; workspaces."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest

from infra.local.cloud import API_KEY, SECRET, STATE_TABLE, LocalCloud
from infra.local.messages_api import AwsCaller
from prompt_cache_warmer.adapters.dynamodb_state import DynamoDbState
from prompt_cache_warmer.adapters.state_table import StateTable
from prompt_cache_warmer.cli.stopped import let_go
from tests.deployments import Deployment, codes, prompt
from tests.fakes import MODEL, document
from tests.provider_clouds import (
    AMERICA,
    BEDROCK,
    BEDROCK_MODEL,
    EUROPE,
    FEDERATED_WORKSPACE,
    FEDERATION,
    KINDS,
    MANTLE,
    NO_STORED_KEY,
    PLATFORM,
    PLATFORM_WORKSPACE,
    ROLE_KEY_ID,
    ROLE_SECRET,
    provider_api,
    provider_settings,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# Powertools warns of time stamps that CloudWatch would refuse; the clock here stands at a day long past.
pytestmark = pytest.mark.filterwarnings("ignore:This metric doesn't meet the requirements")

CANARIES = (API_KEY, "sk-ant-rotated", "sk-ant-oat01", "eyJ", "AWS4-HMAC", "You are a bot")
"""What no output may hold: keys, tokens, identity tokens, signatures and the prompt."""


@pytest.fixture
def deploy() -> Iterator[Callable[..., Deployment]]:
    """Return what deploys the warmer with some settings on a local cloud that knows every kind of credential."""
    clouds: list[LocalCloud] = []

    def deployed(settings: dict[str, str], **behaviour: Any) -> Deployment:
        cloud = LocalCloud(provider_api(**behaviour), state=True)
        cloud.__enter__()
        clouds.append(cloud)
        cloud.aws.parameters.put_parameter(Name="/warmer/key", Value=API_KEY, Type="SecureString")
        return Deployment(cloud, **provider_settings(cloud, settings))

    yield deployed
    for cloud in clouds:
        printed = cloud.__dict__.get("printed", "")
        assert not [canary for canary in CANARIES if canary in printed]
        cloud.__exit__(None, None, None)


def put(deployment: Deployment, credential: str, model: str = MODEL, name: str = "bot", **fields: Any) -> None:
    """Upload a target."""
    body = document(name, models=[model], credential=credential, **{"request": prompt("1h"), **fields})
    deployment.cloud.put(f"targets/{name}.json", body)


def tick(deployment: Deployment) -> dict[str, Any]:
    """Let one tick pass; what it prints and answers is kept for the search for secrets."""
    answer = deployment.tick()
    deployment.cloud.__dict__["printed"] = deployment.function.output() + json.dumps(answer)
    return answer


def state_of(deployment: Deployment) -> DynamoDbState:
    """Return the state, as a command opens it."""
    return DynamoDbState(StateTable(deployment.cloud.aws.dynamodb, STATE_TABLE))


def entry(answer: dict[str, Any]) -> dict[str, Any]:
    """Return the one entry of a report."""
    (found,) = answer["entries"]
    return dict(found)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_credential_writes_and_refreshes(deploy: Callable[..., Deployment], kind: str) -> None:
    """The first tick writes the entry and the one 56 minutes later refreshes it, both proved by usage."""
    settings, credential, model = KINDS[kind]
    deployment = deploy(settings)
    put(deployment, credential, model)
    first = tick(deployment)
    deployment.wait(56)
    second = tick(deployment)
    assert [codes(first), codes(second)] == [["written"], ["refreshed"]]
    read = deployment.cloud.api.requests[-1].usage
    assert read is not None
    assert read.cache_read_input_tokens > 4_000
    assert read.cache_creation_input_tokens == 0
    assert float(entry(first)["cost_usd"]) > float(entry(second)["cost_usd"]) > 0


@pytest.mark.parametrize(
    ("kind", "place"),
    [
        ("secret", {"workspaces": ["wrkspc_local"], "regions": []}),
        ("parameter", {"workspaces": ["wrkspc_local"], "regions": []}),
        ("federation", {"workspaces": [FEDERATED_WORKSPACE], "regions": []}),
        ("platform", {"workspaces": [PLATFORM_WORKSPACE], "regions": []}),
        ("bedrock", {"workspaces": [], "regions": [EUROPE]}),
        ("mantle", {"workspaces": [], "regions": [EUROPE]}),
    ],
)
def test_the_report_says_where_a_credential_arrives(
    deploy: Callable[..., Deployment], kind: str, place: dict[str, list[str]]
) -> None:
    """Its workspace, or on Bedrock its region; a tick that calls nothing still knows from the last that did."""
    settings, credential, model = KINDS[kind]
    deployment = deploy(settings)
    put(deployment, credential, model)
    answers = [tick(deployment)]
    deployment.wait(4)
    answers.append(tick(deployment))
    assert codes(answers[1]) == ["outlives-tick"]
    assert [answer["credentials"] for answer in answers] == [{credential: place}] * 2


def test_the_only_credential_is_the_default(deploy: Callable[..., Deployment]) -> None:
    """A target that names no credential is warmed with the one there is."""
    deployment = deploy({**NO_STORED_KEY, **FEDERATION})
    put(deployment, "default")
    answer = tick(deployment)
    assert (codes(answer), answer["credentials"]["default"]["workspaces"]) == (["written"], [FEDERATED_WORKSPACE])


def test_of_several_credentials_the_settings_say_the_default(deploy: Callable[..., Deployment]) -> None:
    """Unsaid, the entry fails with one sentence that names what may be set; said, it is warmed."""
    both = {**NO_STORED_KEY, **FEDERATION, **PLATFORM}
    unsaid = deploy(both)
    put(unsaid, "default")
    failed = entry(tick(unsaid))
    assert (failed["code"], failed["reason"]) == (
        "credential",
        (
            "nothing says which credential 'default' is: set DEFAULT_CREDENTIAL to one of aws, federated, "
            "or name one in the target"
        ),
    )
    said = Deployment(unsaid.cloud, **provider_settings(unsaid.cloud, {**both, "DEFAULT_CREDENTIAL": "aws"}))
    unsaid.wait(4)
    assert tick(said)["credentials"]["default"]["workspaces"] == [PLATFORM_WORKSPACE]


def test_an_unknown_credential_is_told_with_the_nearest(deploy: Callable[..., Deployment]) -> None:
    """It fails alone, and says which there are."""
    deployment = deploy({**NO_STORED_KEY, **BEDROCK})
    put(deployment, "bedrock-eu-central-2", BEDROCK_MODEL)
    assert entry(tick(deployment))["reason"] == (
        "there is no credential 'bedrock-eu-central-2'; did you mean 'bedrock-eu-central-1'?; "
        "there is: bedrock-eu-central-1, bedrock-us-east-1"
    )


def test_bedrock_gets_the_version_and_the_token_that_it_takes(deploy: Callable[..., Deployment]) -> None:
    """Claude 4.6 gets the version of 2023, 4.8 the SDK's; 0 is refused once and 1 is sent from then on."""
    deployment = deploy({**NO_STORED_KEY, **BEDROCK})
    put(deployment, f"bedrock-{EUROPE}", BEDROCK_MODEL, betas=["context-1m-2025-08-07"])
    put(deployment, f"bedrock-{EUROPE}", "eu.anthropic.claude-opus-4-8", "late")
    answer = tick(deployment)
    assert sorted(codes(answer)) == ["written", "written"]
    assert {(one["form"], one["attempts"], one.get("http_status")) for one in answer["entries"]} == {("one", 2, None)}
    sent = {
        (one.path, one.body["anthropic_version"], one.body["max_tokens"], one.status): one.body
        for one in deployment.cloud.api.requests
    }
    early, late = f"/model/{BEDROCK_MODEL}/invoke", "/model/eu.anthropic.claude-opus-4-8/invoke"
    assert set(sent) == {
        (early, "bedrock-2023-05-31", 0, 400),
        (early, "bedrock-2023-05-31", 1, 200),
        (late, "2026-10-21", 0, 400),
        (late, "2026-10-21", 1, 200),
    }
    assert sent[early, "bedrock-2023-05-31", 1, 200]["anthropic_beta"] == ["context-1m-2025-08-07"]
    deployment.cloud.api.clear_requests()
    deployment.wait(56)
    assert {(one["verdict"], one["attempts"]) for one in tick(deployment)["entries"]} == {("refreshed", 1)}


def test_two_regions_of_bedrock_are_two_entries(deploy: Callable[..., Deployment]) -> None:
    """Each is written for itself, and the report says that they are different."""
    deployment = deploy({**NO_STORED_KEY, **BEDROCK})
    put(deployment, f"bedrock-{EUROPE}", BEDROCK_MODEL, "eu")
    put(deployment, f"bedrock-{AMERICA}", "us.anthropic.claude-sonnet-4-6", "us")
    answer = tick(deployment)
    assert codes(answer) == ["written", "written"]
    assert {one.region for one in deployment.cloud.api.entries()} == {EUROPE, AMERICA}
    assert answer["notices"] == [
        (
            "the prefix of 'eu' is kept with credentials 'bedrock-eu-central-1' (region eu-central-1) and "
            "'bedrock-us-east-1' (region us-east-1): different entries, each written and paid for by itself"
        )
    ]


def test_a_capped_target_on_bedrock_is_bounded_by_its_bytes(deploy: Callable[..., Deployment]) -> None:
    """InvokeModel counts no tokens: a cap with room for every byte lets the call go, one without does not."""
    deployment = deploy({**NO_STORED_KEY, **BEDROCK})
    put(deployment, f"bedrock-{EUROPE}", BEDROCK_MODEL, max_tokens_per_call=40_000)
    put(
        deployment,
        f"bedrock-{EUROPE}",
        BEDROCK_MODEL,
        "small",
        max_tokens_per_call=10_000,
        request=prompt("1h", "Hi. "),
    )
    found = {one["target"]: one.get("verdict") or one["code"] for one in tick(deployment)["entries"]}
    assert found == {"bot": "written", "small": "call-cap"}


def test_a_role_that_was_mended_is_tried_at_once(deploy: Callable[..., Deployment]) -> None:
    """A permission that came late is refused to each entry alone: ``resume --credential`` is for them, too."""
    deployment = deploy({**NO_STORED_KEY, **BEDROCK})
    credential = f"bedrock-{EUROPE}"
    for name in ("one", "two"):
        put(deployment, credential, BEDROCK_MODEL, name, request=prompt("1h", f"You are bot {name}. "))
    deployment.cloud.api.aws_callers = {ROLE_KEY_ID: AwsCaller(secret_key=ROLE_SECRET, actions=frozenset())}
    assert codes(tick(deployment)) == ["failed"] * 2
    deployment.wait(4)
    deployment.cloud.api.aws_callers = {ROLE_KEY_ID: AwsCaller(secret_key=ROLE_SECRET)}
    assert codes(tick(deployment)) == ["breaker-open"] * 2
    asyncio.run(let_go(state_of(deployment), [credential], at=deployment.now()))
    deployment.wait(4)
    assert codes(tick(deployment)) == ["written"] * 2


def secret_with(deployment: Deployment, text: str) -> None:
    """Put a new version into the secret."""
    deployment.cloud.aws.secrets.put_secret_value(SecretId=SECRET, SecretString=text)


class Rotating(dict[str, str]):
    """The API's keys at the moment of a rotation: the first refusal of the old key finds the new one in the secret."""

    def __init__(self, deployment: Deployment) -> None:
        super().__init__({"sk-ant-rotated": "wrkspc_local"})
        self._deployment: Deployment | None = deployment

    def __contains__(self, key: object) -> bool:
        if key == API_KEY and self._deployment is not None:
            deployment, self._deployment = self._deployment, None
            secret_with(deployment, "sk-ant-rotated")
        return super().__contains__(key)


@pytest.mark.others_call("secretsmanager:PutSecretValue")  # whoever rotates it
def test_a_rotated_key_is_used_at_once(deploy: Callable[..., Deployment]) -> None:
    """It was stored anew between the run's reading and its calls: what was sent with the old one is sent once more."""
    deployment = deploy({})
    for number in range(4):
        put(deployment, "default", name=f"bot-{number}", request=prompt("1h", f"You are bot {number}. "))
    deployment.cloud.api.api_keys = Rotating(deployment)
    assert codes(tick(deployment)) == ["written"] * 4
    sent = [(one.headers["authorization"].removeprefix("Bearer "), one.status) for one in deployment.calls]
    refused = sent.count(("sk-ant-local-demo-key", 401))  # a call that begins late has the new key at once
    assert 1 <= refused <= 4
    assert sorted(sent) == [("sk-ant-local-demo-key", 401)] * refused + [("sk-ant-rotated", 200)] * 4


def test_a_key_that_stays_refused_is_not_sent_again(deploy: Callable[..., Deployment]) -> None:
    """The secret still holds it, so one refusal is enough; the credential is kept back as ever."""
    deployment = deploy({}, api_keys={"sk-ant-rotated": "wrkspc_local"})
    put(deployment, "default")
    failed = entry(tick(deployment))
    assert (failed["code"], failed["reason"]) == ("credential", "401 authentication_error: invalid x-api-key")
    assert [one.status for one in deployment.calls] == [401]
    deployment.wait(4)
    assert codes(tick(deployment)) == ["credential-stopped"]
    secret_with(deployment, "sk-ant-rotated")
    deployment.wait(61)
    assert codes(tick(deployment)) == ["written"]


def test_credentials_of_one_workspace_are_said_to_be_one_too_many(deploy: Callable[..., Deployment]) -> None:
    """Equal prefixes are one entry there: the second credential reads what the first wrote."""
    keys = {API_KEY: "wrkspc_local", "sk-ant-rotated": "wrkspc_local"}
    deployment = deploy({"MAX_CONCURRENCY": "1"}, api_keys=keys)
    secret_with(deployment, json.dumps({"default": API_KEY, "team": "sk-ant-rotated"}))
    put(deployment, "default", name="one")
    put(deployment, "team", name="two")
    answer = tick(deployment)
    assert sorted(codes(answer)) == ["refreshed", "written"]
    assert answer["notices"] == [
        (
            "the prefix of 'one' is kept with credentials 'default' (workspace wrkspc_local) and 'team' (workspace "
            "wrkspc_local): equal prefixes are one entry there, so one of the two credentials is enough"
        )
    ]


def test_credentials_of_two_workspaces_keep_two_entries(deploy: Callable[..., Deployment]) -> None:
    """Both are written, and the report says that they are different entries."""
    deployment = deploy({**FEDERATION, "MAX_CONCURRENCY": "1"})
    put(deployment, "default", name="one")
    put(deployment, "federated", name="two")
    answer = tick(deployment)
    assert codes(answer) == ["written", "written"]
    assert answer["notices"] == [
        (
            "the prefix of 'one' is kept with credentials 'default' (workspace wrkspc_local) and 'federated' "
            "(workspace wrkspc_federated): different entries, each written and paid for by itself"
        )
    ]


@pytest.mark.parametrize(
    ("kind", "callers", "reason"),
    [
        (
            "bedrock",
            {ROLE_KEY_ID: AwsCaller(secret_key="another")},
            (
                "403 InvalidSignatureException: The request signature we calculated does not match the signature you "
                "provided."
            ),
        ),
        (
            "bedrock",
            {"somebody": AwsCaller(secret_key=ROLE_SECRET)},
            "403 UnrecognizedClientException: The security token included in the request is invalid.",
        ),
        (
            "bedrock",
            {ROLE_KEY_ID: AwsCaller(secret_key=ROLE_SECRET, actions=frozenset())},
            "403 AccessDeniedException: User: local is not authorized to perform: bedrock:InvokeModel",
        ),
        (
            "mantle",
            {ROLE_KEY_ID: AwsCaller(secret_key=ROLE_SECRET, actions=frozenset({"bedrock-mantle:CountTokens"}))},
            "403 AccessDeniedException: User: local is not authorized to perform: bedrock-mantle:CreateInference",
        ),
        (
            "platform",
            {ROLE_KEY_ID: AwsCaller(secret_key=ROLE_SECRET, workspaces=("wrkspc_another",))},
            "403 AccessDeniedException: User: local is not authorized to use this workspace",
        ),
    ],
    ids=["wrong secret", "unknown key", "no InvokeModel", "no CreateInference", "another workspace"],
)
def test_a_role_that_may_not_says_so_in_one_sentence(
    deploy: Callable[..., Deployment], kind: str, callers: dict[str, AwsCaller], reason: str
) -> None:
    """The report quotes AWS and says what to look at; neither key nor signature is in it."""
    settings, credential, model = KINDS[kind]
    deployment = deploy(settings, aws_callers=callers)
    put(deployment, credential, model)
    failed = entry(tick(deployment))
    assert (failed["code"], failed["http_status"], failed["reason"]) == ("credential", 403, reason)
    assert failed["advice"] == (
        "Check the credential: its key, rule or role, and the workspace it is for; it is not retried within a run."
    )


@pytest.mark.parametrize(
    ("code", "hint"),
    [
        (
            "OutboundWebIdentityFederationDisabledException",
            "switch on outbound web identity federation for this AWS account",
        ),
        ("AccessDenied", "let the function's role call sts:GetWebIdentityToken for this audience"),
        ("SessionDurationEscalationException", "check the role and the region"),
    ],
)
def test_a_role_without_an_identity_token_says_so(deploy: Callable[..., Deployment], code: str, hint: str) -> None:
    """STS's code, and what to do about it."""
    deployment = deploy({**NO_STORED_KEY, **FEDERATION})
    deployment.cloud.aws.refuse_identity_tokens(code)
    put(deployment, "federated")
    failed = entry(tick(deployment))
    assert (failed["code"], failed["reason"]) == ("credential", f"STS gave no identity token: {code}; {hint}")


@pytest.mark.parametrize(
    "wrong",
    [
        {"ANTHROPIC_IDENTITY_AUDIENCE": "https://example.com"},
        {"ANTHROPIC_FEDERATION_RULE_ID": "fdrl_another"},
        {"ANTHROPIC_ORGANIZATION_ID": "12345678-1234-4234-8234-123456789013"},
        {"ANTHROPIC_SERVICE_ACCOUNT_ID": ""},
        {"ANTHROPIC_WORKSPACE_ID": "wrkspc_another"},
    ],
    ids=["audience", "rule", "organization", "service account", "workspace"],
)
def test_a_rule_that_does_not_match_says_where_to_look(
    deploy: Callable[..., Deployment], wrong: dict[str, str]
) -> None:
    """Anthropic's endpoint says no more than 401; the sentence names the page that says why."""
    deployment = deploy({**NO_STORED_KEY, **FEDERATION, **wrong})
    put(deployment, "federated")
    failed = entry(tick(deployment))
    assert (failed["code"], failed["http_status"], failed["reason"]) == (
        "credential",
        401,
        (
            "401: the identity token was not exchanged for one of Anthropic's; see why on the Workload identity page "
            "of the Claude Console: rule, audience, subject or workspace"
        ),
    )


def test_one_unreadable_store_does_not_sink_the_other_credentials(deploy: Callable[..., Deployment]) -> None:
    """The targets of Bedrock are warmed while those of a secret that is gone say so."""
    deployment = deploy({"ANTHROPIC_SECRET_ID": "nobody", **MANTLE})
    put(deployment, "default", name="stored")
    put(deployment, f"bedrock-mantle-{EUROPE}", "anthropic.claude-opus-4-8", "signed")
    found = {one["target"]: one for one in tick(deployment)["entries"]}
    assert found["signed"]["verdict"] == "written"
    assert found["stored"]["reason"] == (
        "secret 'nobody' could not be read: ResourceNotFoundException; "
        "check ANTHROPIC_SECRET_ID and the function's role"
    )


@pytest.mark.parametrize(
    ("secret", "settings", "name", "reason"),
    [
        (
            json.dumps({"default": API_KEY, "third": API_KEY, "aws": API_KEY}),
            PLATFORM,
            "aws",
            "secret 'prompt-cache-warmer/anthropic' and the settings both say what credential 'aws' is",
        ),
        (
            json.dumps({"default": API_KEY, "third": API_KEY}),
            {"ANTHROPIC_PARAMETER": "/warmer/key", **MANTLE},
            "default",
            "parameter '/warmer/key' and secret 'prompt-cache-warmer/anthropic' both say what credential 'default' is",
        ),
        (
            json.dumps({"default": API_KEY, "third": API_KEY}),
            {**PLATFORM, "DEFAULT_CREDENTIAL": "aws"},
            "default",
            "secret 'prompt-cache-warmer/anthropic' and DEFAULT_CREDENTIAL both say what credential 'default' is",
        ),
    ],
    ids=["stored and signed", "secret and parameter", "stored and said"],
)
def test_two_sources_of_one_name_are_an_error_of_that_name(
    deploy: Callable[..., Deployment], secret: str, settings: dict[str, str], name: str, reason: str
) -> None:
    """Nobody guesses which was meant, and the other keys of the secret work."""
    deployment = deploy(settings)
    secret_with(deployment, secret)
    put(deployment, name, name="doubled")
    put(deployment, "third", name="fine", request=prompt("1h", "You are another bot. "))
    found = {one["target"]: one for one in tick(deployment)["entries"]}
    assert found["doubled"]["reason"] == f"{reason}: rename one, or take it away"
    assert found["fine"]["verdict"] == "written"


def test_a_refused_exchange_is_made_once_in_a_run(deploy: Callable[..., Deployment]) -> None:
    """Its refusal is every entry's, and stops the credential as a refused key does."""
    deployment = deploy({**NO_STORED_KEY, **FEDERATION, "ANTHROPIC_FEDERATION_RULE_ID": "fdrl_another"})
    for number in range(12):
        put(deployment, "federated", name=f"bot-{number}", request=prompt("1h", f"You are bot {number}. "))
    assert codes(tick(deployment)) == ["failed"] * 12
    assert [one.path for one in deployment.cloud.api.requests] == ["/v1/oauth/token"]
    deployment.wait(4)
    assert codes(tick(deployment)) == ["credential-stopped"] * 12
    asyncio.run(let_go(state_of(deployment), ["federated"], at=deployment.now()))
    deployment.wait(4)
    assert codes(tick(deployment)) == ["failed"] * 12
    assert len(deployment.cloud.api.requests) == 2
