"""Credentials over HTTP: one reading and one rereading of the stores, clients closed, and the cheapest proofs."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import anthropic
import httpx2
import pytest

from infra.local.cloud import API_KEY, LocalCloud
from infra.local.messages_api import AwsCaller, Fault, LocalMessagesApi
from prompt_cache_warmer.adapters.anthropic_errors import translate
from prompt_cache_warmer.adapters.api_keys import ParameterApiKeys, SecretApiKeys, StaticApiKeys, parse_keys
from prompt_cache_warmer.adapters.credential_clients import CredentialClients
from prompt_cache_warmer.adapters.keyless_clients import SigningAccess, signing_client
from prompt_cache_warmer.errors import (
    CallTimeoutError,
    CredentialError,
    ExchangeRefusedError,
    NotConnectedError,
    OverloadedError,
    RateLimitedError,
    RejectedError,
    SecretUnreadableError,
    WarmCallError,
    ZeroRefusedError,
)
from prompt_cache_warmer.rules.request import warm_call
from prompt_cache_warmer.settings import Settings
from prompt_cache_warmer.values.credentials import Bedrock, Platform
from prompt_cache_warmer.wiring.credential_check import check_credentials
from tests.fakes import MODEL, target
from tests.message_adapters import stored
from tests.provider_clouds import (
    BEDROCK,
    EUROPE,
    FEDERATED_WORKSPACE,
    FEDERATION,
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
    from collections.abc import Iterator

    from infra.local.aws import LocalAws
    from prompt_cache_warmer.rules.credentials import CredentialCheck

TIMEOUT_SECONDS = 10.0
COUNTED = "a count of one word's tokens, which is free"
REFUSED = "a request without a message, refused for that alone, which is free"


def client_of(key: str) -> anthropic.AsyncAnthropic:
    """Return the client of a stored key."""
    return anthropic.AsyncAnthropic(api_key=key, base_url="http://127.0.0.1:9", max_retries=0)


class Counting:
    """A store that counts how often it is read, and gives another answer each time."""

    label = "store 'counting'"

    def __init__(self, *answers: dict[str, str] | SecretUnreadableError) -> None:
        self._answers = answers
        self.reads = 0

    async def read(self) -> dict[str, str]:
        """Give the next answer; the last one again and again."""
        answer = self._answers[min(self.reads, len(self._answers) - 1)]
        self.reads += 1
        await asyncio.sleep(0)
        if isinstance(answer, SecretUnreadableError):
            raise answer
        return answer


async def test_concurrent_refusals_read_the_store_once(api: LocalMessagesApi) -> None:
    """Twenty calls are refused at once: the store is read once more, and all are sent with the one new key."""
    api.api_keys = {"sk-new": "wrkspc_1"}
    store = Counting({"default": "sk-old"}, {"default": "sk-new"})
    async with stored(store, base_url=api.base_url) as messages:
        call = warm_call(target(), MODEL)
        answers = await asyncio.gather(*(messages.send(call, timeout_seconds=TIMEOUT_SECONDS) for _ in range(20)))
        assert store.reads == 2
        assert await messages.count_tokens(call, timeout_seconds=TIMEOUT_SECONDS) > 0
    assert {answer.workspace_id for answer in answers} == {"wrkspc_1"}
    assert store.reads == 2


@pytest.mark.parametrize(
    "again",
    [{"default": "sk-old"}, {"another": "sk-new", "third": "sk-3"}, SecretUnreadableError("gone")],
    ids=["the same key", "no such name", "unreadable"],
)
async def test_a_refusal_that_stays_is_the_apis(
    api: LocalMessagesApi, again: dict[str, str] | SecretUnreadableError
) -> None:
    """Reading once more helps nothing: the refusal is told as it was, and not a third reading is made."""
    api.api_keys = {"sk-new": "wrkspc_1"}
    store = Counting({"default": "sk-old", "other": "sk-old-too"}, again)
    async with stored(store, base_url=api.base_url) as messages:
        for _ in range(2):
            with pytest.raises(CredentialError):
                await messages.send(warm_call(target(), MODEL), timeout_seconds=TIMEOUT_SECONDS)
    assert store.reads == 2


async def test_a_store_that_fails_meanwhile_does_not_hide_anothers_new_key() -> None:
    """Each store says what it holds: the new key where it answered, the old ones where it did not."""
    rotated = {"a": "sk-old"}, {"a": "sk-new"}
    denied = SecretUnreadableError("denied")
    for broken in (Counting(denied), Counting({"b": "sk-b"}, denied)):
        clients = CredentialClients((Counting(*rotated), broken), of_key=client_of)
        renewed = await clients.renewed("a", await clients.get("a"))
        assert renewed is not None
        assert renewed.api_key == "sk-new"
        assert broken.reads == 2
    assert (await clients.get("b")).api_key == "sk-b"
    await clients.close()


async def test_a_name_that_is_said_twice_is_nobodys_and_the_others_work() -> None:
    """Whoever uses it is told what to do; a check names it, so that it is found."""
    made = client_of("sk-aws")

    async def signing() -> anthropic.AsyncAnthropic:
        return made

    store = Counting({"default": "sk-1", "aws": "sk-2", "team-b": "sk-3"})
    clients = CredentialClients((store,), of_key=client_of, keyless={"aws": signing, "other": signing}, default="other")
    for name, place in (("default", "DEFAULT_CREDENTIAL"), ("aws", "the settings")):
        with pytest.raises(CredentialError) as caught:
            await clients.get(name)
        assert str(caught.value) == (
            f"store 'counting' and {place} both say what credential '{name}' is: rename one, or take it away"
        )
    good = await clients.get("team-b")
    assert (good.api_key, await clients.get("other") is made) == ("sk-3", True)
    assert await clients.names() == ("aws", "default", "other", "team-b")
    await clients.close()


async def test_a_default_that_is_said_twice_is_nobodys() -> None:
    """Also where ``default`` only stands for it, and in two stores."""
    stores = (Counting({"team": "sk-1"}), Counting({"team": "sk-2"}))
    for default in ("team", None):
        clients = CredentialClients(stores, of_key=client_of, default=default)
        for name in ("default", "team"):
            with pytest.raises(CredentialError, match="both say what credential 'team' is"):
                await clients.get(name)
        await clients.close()


@pytest.mark.parametrize(
    "written",
    [
        *('"sk-ant-planted"', "['sk-ant-planted']", '["sk-ant-planted"]', "'sk-ant-planted'", "<sk-ant-planted>"),
        *('{"default": "\'sk-ant-planted\'"}', '{"default": "\\"sk-ant-planted\\""}', "sk-ant-planted}"),
    ],
)
def test_a_key_with_what_stood_around_it_is_no_key(written: str) -> None:
    """It would be sent with its quotes and refused; the sentence never shows it."""
    with pytest.raises(SecretUnreadableError) as caught:
        parse_keys(written, "secret 's'")
    assert str(caught.value) == (
        "secret 's' has a key in quotes or brackets: store the key itself, or a JSON object of names to keys"
    )


def test_a_name_that_stands_twice_in_a_secret_is_refused() -> None:
    """JSON readers take the last one silently; nobody knows which was meant."""
    with pytest.raises(SecretUnreadableError) as caught:
        parse_keys('{"a": "sk-ant-1", "b": "sk-ant-2", "a": "sk-ant-3"}', "secret 's'")
    assert str(caught.value) == "secret 's' has a name twice: each credential has one key"
    assert parse_keys(' {"a": "sk-ant-1", "b": "sk-ant+/=.2"} ', "secret 's'") == {"a": "sk-ant-1", "b": "sk-ant+/=.2"}


async def test_a_run_ends_with_every_client_closed_and_forgotten() -> None:
    """The next run reads again and makes clients of its own."""
    store = Counting({"default": "sk-1"})
    made: list[Any] = []

    async def other() -> anthropic.AsyncAnthropic:
        made.append(client_of("sk-2"))
        found: anthropic.AsyncAnthropic = made[-1]
        return found

    async def broken() -> anthropic.AsyncAnthropic:
        raise CredentialError("no")

    clients = CredentialClients((store,), of_key=client_of, keyless={"other": other, "broken": broken})
    first, second = await asyncio.gather(clients.get("default"), clients.get("other"))
    assert await clients.get("other") is second
    assert await clients.renewed("other", second) is None
    with pytest.raises(CredentialError, match="no"):
        await clients.get("broken")
    await clients.close()
    assert first.is_closed()
    assert second.is_closed()
    assert (await clients.get("default")) is not first
    assert (store.reads, len(made)) == (2, 1)
    await clients.close()


async def test_the_name_of_the_only_stored_key_is_the_default() -> None:
    """Whatever it is called; what the settings say comes first, and may be wrong."""
    only = CredentialClients((Counting({"team": "sk-1"}),), of_key=client_of)
    assert (await only.meant("default"), await only.names()) == ("team", ("team",))
    said = CredentialClients((Counting({"team": "sk-1", "b": "sk-2"}),), of_key=client_of, default="b")
    assert await said.meant("default") == "b"
    wrong = CredentialClients((Counting({"team": "sk-1"}),), of_key=client_of, default="teem")
    with pytest.raises(CredentialError, match="DEFAULT_CREDENTIAL: there is no credential 'teem'; did you mean 'team'"):
        await wrong.meant("default")
    with pytest.raises(CredentialError, match="there is no credential 'default'; there is: none"):
        await CredentialClients((), of_key=client_of).meant("default")
    for clients in (only, said, wrong):
        await clients.close()


async def test_a_parameter_is_read_like_a_secret(aws: LocalAws) -> None:
    """Decrypted, plain or JSON; one that is gone says where to look."""
    make = lambda: aws.parameters  # noqa: E731 - one expression reads better here
    aws.parameters.put_parameter(Name="/k", Value='{"a": "sk-1"}', Type="SecureString")
    assert await ParameterApiKeys(make, "/k").read() == {"a": "sk-1"}
    with pytest.raises(
        SecretUnreadableError, match=r"parameter '/gone' could not be read: ParameterNotFound; check AN"
    ):
        await ParameterApiKeys(make, "/gone").read()
    assert [store.label for store in (ParameterApiKeys(make, "/k"), StaticApiKeys("sk-1"))] == [
        "parameter '/k'",
        "ANTHROPIC_API_KEY",
    ]
    assert SecretApiKeys(lambda: aws.secrets, "s").label == "secret 's'"


def access(region: str | None = None) -> SigningAccess:
    """Return credentials to sign with."""
    return SigningAccess(access_key="id", secret_key="planted-secret", session_token="planted-token", region=region)


async def test_a_signing_client_has_one_region() -> None:
    """Its own, or whoever signs says it; without any it says what to set. Nothing of it shows its secrets."""
    assert repr(access(EUROPE)) == "SigningAccess(region='eu-central-1')"
    platform = Platform(workspace_id="wrkspc_1")
    with pytest.raises(
        CredentialError, match="no AWS region to sign for: set CLAUDE_PLATFORM_REGION or AWS_DEFAULT_REGION"
    ):
        await signing_client(platform, read_access=access)
    client = await signing_client(platform, read_access=lambda: access(EUROPE))
    assert str(client.base_url) == "https://aws-external-anthropic.eu-central-1.api.aws"
    await client.close()


async def test_a_bearer_token_beside_the_role_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """The SDK would take one of the two, and nobody could say whose calls these were."""
    monkeypatch.setenv("AWS_BEARER_TOKEN_BEDROCK", "planted-bearer")
    with pytest.raises(CredentialError, match="AWS_BEARER_TOKEN_BEDROCK beside AWS credentials; unset it") as caught:
        await signing_client(Bedrock(region=EUROPE), read_access=access)
    assert "planted" not in str(caught.value)


def bedrock_error(status: int, kind: str, message: str) -> anthropic.APIStatusError:
    """Return the SDK's error for an answer of InvokeModel."""
    request = httpx2.Request(
        "POST", "http://127.0.0.1/model/m/invoke", headers={"x-amz-security-token": "planted-token-1234"}
    )
    headers = {"x-amzn-errortype": f"{kind}:http://internal.amazon.com/", "x-amzn-requestid": "req-1"}
    response = httpx2.Response(status, headers=headers, json={"message": message}, request=request)
    client = anthropic.AnthropicBedrock(aws_region=EUROPE, aws_access_key="k", aws_secret_key="s")
    with client:
        return client._make_status_error_from_response(response)


@pytest.mark.parametrize(
    ("status", "kind", "message", "branch"),
    [
        (403, "AccessDeniedException", "User: x is not authorized", CredentialError),
        (400, "IncompleteSignatureException", "The signature is not complete", CredentialError),
        (429, "ThrottlingException", "Too many requests", RateLimitedError),
        (400, "ServiceQuotaExceededException", "Over the quota", RateLimitedError),
        (429, "ModelNotReadyException", "The model is not ready", RateLimitedError),
        (400, "ValidationException", "messages: Field required", RejectedError),
        (400, "ValidationException", "max_tokens: must be greater than or equal to 1", ZeroRefusedError),
        (
            400,
            "ValidationException",
            "The model returned the following errors: max_tokens: Input should be greater than 0",
            ZeroRefusedError,
        ),
        (400, "ValidationException", "Malformed input request: #/max_tokens: 0 is too small", ZeroRefusedError),
        (400, "ValidationException", "input length and max_tokens exceed the context", RejectedError),
        (404, "ResourceNotFoundException", "The model is not there", RejectedError),
        (408, "ModelTimeoutException", "It took too long", CallTimeoutError),
        (424, "ModelErrorException", "The model failed", OverloadedError),
        (500, "InternalServerException", "It failed", OverloadedError),
        (503, "ServiceUnavailableException", "Not now", OverloadedError),
    ],
)
def test_bedrocks_errors_are_the_branches_that_say_what_to_do(
    status: int, kind: str, message: str, branch: type[WarmCallError]
) -> None:
    """By the type in its header; its message is quoted and its request id kept."""
    found = translate(bedrock_error(status, kind, message), warm_call(target(), MODEL))
    assert (type(found), found.http_status, found.request_id) == (branch, status, "req-1")
    assert str(found) == f"{status} {kind}: {message}"


def test_a_session_token_is_never_quoted() -> None:
    """What AWS says of a signature may hold the headers that were signed."""
    error = bedrock_error(403, "InvalidSignatureException", "The canonical string was x:planted-token-1234")
    assert str(translate(error, warm_call(target(), MODEL))) == (
        "403 InvalidSignatureException: (the API's message quotes a key and is withheld)"
    )


@pytest.mark.parametrize(
    ("status", "branch"),
    [
        *((None, NotConnectedError), (429, RateLimitedError), (500, OverloadedError)),
        *((status, ExchangeRefusedError) for status in (400, 401, 403, 404)),
    ],
)
def test_an_exchange_that_failed_is_the_branch_that_says_what_to_do(
    status: int | None, branch: type[WarmCallError]
) -> None:
    """Its text may echo the identity token, so none of it is quoted."""
    error = anthropic.WorkloadIdentityError("planted", status_code=status)
    found = translate(error, warm_call(target(), MODEL))
    assert (type(found), "planted" in str(found)) == (branch, False)


@pytest.fixture
def cloud() -> Iterator[LocalCloud]:
    """Return a local cloud that knows every kind of credential."""
    with LocalCloud(provider_api()) as started:
        yield started


async def checked(
    cloud: LocalCloud,
    monkeypatch: pytest.MonkeyPatch,
    settings: dict[str, str],
    names: list[str] | None = None,
    models: dict[str, list[str]] | None = None,
) -> tuple[CredentialCheck, ...]:
    """Check credentials with the function's own environment."""
    environment = cloud.environment(**provider_settings(cloud, settings))
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return await check_credentials(
        Settings.from_environment(environment), names, models=models, timeout_seconds=TIMEOUT_SECONDS
    )


async def test_every_kind_of_credential_is_proved_without_a_warm_call(
    cloud: LocalCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a count where one is offered, else by a refusal; nothing is written to any cache."""
    found = await checked(cloud, monkeypatch, {**FEDERATION, **PLATFORM, **BEDROCK, **MANTLE})
    assert [(one.name, one.kind, one.proof, one.workspace_id, one.region, one.problem) for one in found] == [
        ("aws", "Claude Platform on AWS, workspace wrkspc_platform", COUNTED, PLATFORM_WORKSPACE, EUROPE, None),
        ("bedrock-eu-central-1", "Amazon Bedrock in eu-central-1, InvokeModel", REFUSED, None, EUROPE, None),
        (
            "bedrock-mantle-eu-central-1",
            "Amazon Bedrock in eu-central-1, Messages endpoint",
            COUNTED,
            None,
            EUROPE,
            None,
        ),
        ("bedrock-us-east-1", "Amazon Bedrock in us-east-1, InvokeModel", REFUSED, None, "us-east-1", None),
        ("default", "API key in secret 'prompt-cache-warmer/anthropic'", COUNTED, "wrkspc_local", None, None),
        ("federated", "workload identity federation, rule fdrl_warmer", COUNTED, FEDERATED_WORKSPACE, None, None),
    ]
    assert cloud.api.entries() == ()
    assert not [one for one in cloud.api.requests if one.usage is not None]


async def test_what_is_wrong_with_a_credential_is_its_own_problem(
    cloud: LocalCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One sentence and an advice each, in the order they were asked for; a name nobody has says so."""
    cloud.api.aws_callers = {ROLE_KEY_ID: AwsCaller(secret_key=ROLE_SECRET, actions=frozenset())}
    names = ["default", "bedrock-eu-central-1", "aws", "nobody", "default"]
    found = await checked(cloud, monkeypatch, {**PLATFORM, **BEDROCK}, names, {"default": ["claude-opus-4-8"]})
    assert [(one.name, one.is_good, one.problem) for one in found] == [
        ("default", True, None),
        (
            "bedrock-eu-central-1",
            False,
            "403 AccessDeniedException: User: local is not authorized to perform: bedrock:InvokeModel.",
        ),
        (
            "aws",
            False,
            "403 AccessDeniedException: User: local is not authorized to perform: aws-external-anthropic:CountTokens.",
        ),
        (
            "nobody",
            False,
            "there is no credential 'nobody'; there is: aws, bedrock-eu-central-1, bedrock-us-east-1, default.",
        ),
    ]
    assert all(one.advice for one in found if not one.is_good)
    assert [one.body["model"] for one in cloud.api.requests if one.path.endswith("count_tokens")] == [
        "claude-opus-4-8",
        "claude-haiku-4-5",
    ]


async def test_a_default_says_what_it_stands_for(cloud: LocalCloud, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever asks for the default sees which credential answered."""
    (found,) = await checked(cloud, monkeypatch, {**NO_STORED_KEY, **FEDERATION}, ["default"])
    assert (found.kind, found.workspace_id) == (
        "workload identity federation, rule fdrl_warmer (as federated)",
        FEDERATED_WORKSPACE,
    )


async def test_a_store_that_cannot_be_read_is_a_problem_of_its_own(
    cloud: LocalCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those that need no stored key are checked all the same."""
    unread = (
        "secret 'gone' could not be read: ResourceNotFoundException; check ANTHROPIC_SECRET_ID and the function's role."
    )
    found = await checked(cloud, monkeypatch, {"ANTHROPIC_SECRET_ID": "gone", **MANTLE})
    assert [(one.name, one.problem) for one in found] == [("default", unread), ("bedrock-mantle-eu-central-1", None)]
    (alone,) = await checked(
        cloud, monkeypatch, {"ANTHROPIC_SECRET_ID": "gone", "BEDROCK_MANTLE_REGIONS": ""}, ["default"]
    )
    assert (alone.kind, alone.problem) == ("stored key", unread)


@pytest.mark.parametrize(
    ("fault", "timeout_seconds", "problem"),
    [
        (
            Fault(kind="status", status=400, error_type="RequestExpired"),
            TIMEOUT_SECONDS,
            "400 RequestExpired: The local Messages API was told to fail.",
        ),
        (Fault(kind="delay", seconds=3), 0.5, "no answer within 0.5 s."),
    ],
    ids=["a 400 that is no validation", "no answer"],
)
async def test_a_refusal_for_another_reason_proves_nothing(
    cloud: LocalCloud, monkeypatch: pytest.MonkeyPatch, fault: Fault, timeout_seconds: float, problem: str
) -> None:
    """Only a refusal of the body says that signature and role were accepted."""
    cloud.api.faults.add(fault)
    environment = cloud.environment(**provider_settings(cloud, {**NO_STORED_KEY, **BEDROCK}))
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    (found,) = await check_credentials(
        Settings.from_environment(environment), ["bedrock-eu-central-1"], timeout_seconds=timeout_seconds
    )
    assert found.problem == problem


async def test_without_aws_credentials_a_signed_credential_says_so(
    cloud: LocalCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a machine that is not logged in to AWS."""
    environment = cloud.environment(**provider_settings(cloud, {**NO_STORED_KEY, **PLATFORM}))
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
    (found,) = await check_credentials(Settings.from_environment(environment))
    assert found.problem == "no AWS credentials to sign with: NoCredentialsError."


async def test_no_check_shows_a_key(cloud: LocalCloud, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not one that works, nor one that is refused."""
    settings = {**FEDERATION, **PLATFORM, **BEDROCK, **MANTLE}
    good = await checked(cloud, monkeypatch, settings)
    cloud.api.api_keys, cloud.api.aws_callers, cloud.api.federation_rules = {}, {}, {}
    bad = await checked(cloud, monkeypatch, settings)
    assert [one.is_good for one in (*good, *bad)] == [True] * 6 + [False] * 6
    assert not [
        canary
        for canary in (API_KEY, "sk-ant", "AWS4", "eyJ")
        if canary in json.dumps([repr(one) for one in (*good, *bad)])
    ]
