"""The Messages API adapter: the bytes it sends and the errors it makes of what comes back."""

from __future__ import annotations

import asyncio
import json
import logging
from typing import TYPE_CHECKING, Any

import anthropic
import pytest

from infra.local.messages_api import Fault, LocalMessagesApi
from prompt_cache_warmer.adapters.api_keys import SecretApiKeys, StaticApiKeys
from prompt_cache_warmer.errors import (
    CallTimeoutError,
    CredentialError,
    OverloadedError,
    RateLimitedError,
    RejectedError,
    SecretUnreadableError,
    SpendLimitError,
    UnreachableError,
    WarmCallError,
    ZeroRefusedError,
)
from prompt_cache_warmer.rules.request import WarmCall, warm_call
from tests.fakes import MODEL, document, target
from tests.message_adapters import stored

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from infra.local.aws import LocalAws
    from prompt_cache_warmer.adapters.anthropic_messages import AnthropicMessages
    from prompt_cache_warmer.ports import Answer

KEY = "sk-ant-planted-key"
PROMPT = "The planted prompt that nobody may ever read in a log. " * 400
MARK = {"type": "ephemeral"}


@pytest.fixture
async def messages(api: LocalMessagesApi) -> AsyncIterator[AnthropicMessages]:
    """Return the adapter, talking to the local API."""
    async with stored(StaticApiKeys(KEY), base_url=api.base_url) as adapter:
        yield adapter


def planted_call(**request: Any) -> WarmCall:
    """Return the warm call of a target with the planted prompt."""
    system = [{"type": "text", "text": PROMPT, "cache_control": MARK}]
    return warm_call(target(request={"system": system, **request}), MODEL)


async def send(messages: AnthropicMessages, call: WarmCall | None = None, *, timeout_seconds: float = 10) -> Answer:
    """Send a call."""
    return await messages.send(call or planted_call(), timeout_seconds=timeout_seconds)


def member(raw_body: bytes, name: str) -> str:
    """Cut the bytes of a top-level member out of a JSON object."""
    text = raw_body.decode()
    start = text.index(f'"{name}":') + len(name) + 3
    _, end = json.JSONDecoder().raw_decode(text, start)
    return text[start:end]


APPLICATION_REQUEST: dict[str, Any] = {
    "max_tokens": 512,
    "stop_sequences": ["END"],
    "thinking": {"type": "adaptive"},
    "output_config": {"effort": "high"},
    "tools": [
        {
            "name": "zeta",
            "description": 'Ünïcödé — “quotes” \u2028 and "escapes" \\ / \t',
            "input_schema": {"type": "object", "properties": {"z": {"type": "number"}, "a": {"type": "string"}}},
        },
        {"cache_control": {"ttl": "1h", "type": "ephemeral"}, "input_schema": {"type": "object"}, "name": "alpha"},
    ],
    "system": [
        {"text": "Größe 1.0, 1e3, 0.10\n" * 900, "type": "text"},
        {"type": "text", "text": "b", "cache_control": MARK},
    ],
    "messages": [
        {"role": "user", "content": [{"type": "text", "text": "first"}]},
        {"role": "assistant", "content": [{"type": "text", "text": "second", "cache_control": MARK}]},
        {"role": "user", "content": "a user's own question"},
    ],
}


async def test_the_prefix_is_the_bytes_the_applications_own_sdk_sends(
    api: LocalMessagesApi, messages: AnthropicMessages
) -> None:
    """Tools, system and the shared messages are byte-identical, so the application's next request hits."""
    document_text = json.dumps(
        {"name": "a", "models": [MODEL], "keep": "always", "request": {"temperature": 0.5, **APPLICATION_REQUEST}}
    )
    await send(messages, warm_call(target(**json.loads(document_text)), MODEL))
    async with anthropic.AsyncAnthropic(api_key=KEY, base_url=api.base_url, max_retries=0) as client:
        usage = (await client.messages.create(model=MODEL, **APPLICATION_REQUEST)).usage
    warm, real = api.requests
    for name in ("tools", "system", "thinking", "output_config"):
        assert member(warm.raw_body, name) == member(real.raw_body, name)
    shared = member(real.raw_body, "messages").partition(',{"role":"user","content":"a user')[0]
    assert shared.startswith('[{"role":"user","content":[{"type":"text","text":"first"')
    assert member(warm.raw_body, "messages").startswith(shared)
    assert usage.cache_read_input_tokens
    assert usage.cache_creation_input_tokens == 0


async def test_betas_travel_in_their_header(api: LocalMessagesApi, messages: AnthropicMessages) -> None:
    """In the author's order, as the SDK's own beta calls send them; without betas there is no header."""
    await send(messages, warm_call(target(betas=["b-2026", "a-2025"]), MODEL))
    await send(messages)
    with_betas, without = api.requests
    assert with_betas.headers["anthropic-beta"] == "b-2026,a-2025"
    assert "anthropic-beta" not in without.headers


async def test_fields_outside_the_sdks_signature_travel_as_they_are(
    api: LocalMessagesApi, messages: AnthropicMessages
) -> None:
    """context_management and mcp_servers of a pasted body reach the API unchanged."""
    extra = {"context_management": {"edits": []}, "mcp_servers": [{"type": "url", "url": "x", "name": "y"}]}
    await send(messages, planted_call(**extra))
    assert extra.items() <= api.requests[0].body.items()


async def test_the_stream_is_closed_after_its_first_event(api: LocalMessagesApi, messages: AnthropicMessages) -> None:
    """The API sees the client hang up, and the entry is in the cache all the same."""
    call = warm_call(
        target(request={**document()["request"], "thinking": {"type": "enabled", "budget_tokens": 1024}}),
        "claude-haiku-4-5",
    )
    written = await send(messages, call)
    for _ in range(200):
        if api.requests[0].disconnected:
            break
        await asyncio.sleep(0.01)
    assert api.requests[0].disconnected
    assert (await send(messages, call)).usage.read_tokens == written.usage.write_5m_tokens > 0


@pytest.mark.parametrize(
    ("fault", "kind", "facts"),
    [
        (Fault(kind="status", status=529), OverloadedError, {"http_status": 529}),
        (Fault(kind="status", status=500), OverloadedError, {"http_status": 500}),
        (Fault(kind="status", status=504), OverloadedError, {"http_status": 504}),
        (
            Fault(kind="status", status=429, headers={"retry-after": "7"}),
            RateLimitedError,
            {"http_status": 429, "retry_after_seconds": 7.0},
        ),
        (
            Fault(kind="status", status=429, headers={"retry-after": "Sun, 22 Nov 2026 12:00:00 GMT"}),
            RateLimitedError,
            {"retry_after_seconds": None},
        ),
        (Fault(kind="status", status=429, error_code="enforced_spend_limit_reached"), SpendLimitError, {}),
        (
            Fault(kind="status", status=400, message="You have reached your specified API usage limits. Come back."),
            SpendLimitError,
            {"http_status": 400},
        ),
        (
            Fault(kind="status", status=400, message="You have reached your specified workspace API usage limits."),
            SpendLimitError,
            {"http_status": 400},
        ),
        (
            Fault(kind="status", status=400, message="Your credit balance is too low to access the Anthropic API."),
            SpendLimitError,
            {"http_status": 400},
        ),
        (
            Fault(kind="status", status=400, message="messages.0: 'Your credit balance is too low' is too short"),
            RejectedError,
            {"http_status": 400},
        ),
        (Fault(kind="status", status=402, error_type="billing_error"), SpendLimitError, {}),
        (Fault(kind="status", status=401), CredentialError, {"http_status": 401}),
        (Fault(kind="status", status=403), CredentialError, {"http_status": 403}),
        (Fault(kind="status", status=400), RejectedError, {"http_status": 400}),
        (Fault(kind="status", status=404), RejectedError, {"http_status": 404}),
        (Fault(kind="status", status=413), RejectedError, {"http_status": 413}),
        (Fault(kind="status", status=408), CallTimeoutError, {"http_status": 408}),
        (Fault(kind="drop"), UnreachableError, {"http_status": None}),
        (Fault(kind="garbage"), UnreachableError, {}),
        (Fault(kind="delay", seconds=3), CallTimeoutError, {}),
        (Fault(kind="slow_body", seconds=3), CallTimeoutError, {}),
    ],
    ids=lambda value: f"{value.kind}-{value.status}-{value.error_code}" if isinstance(value, Fault) else None,
)
async def test_every_failure_is_the_branch_that_says_what_to_do(
    api: LocalMessagesApi, messages: AnthropicMessages, fault: Fault, kind: type[WarmCallError], facts: dict[str, Any]
) -> None:
    """One request is sent, no retry of the SDK's own, and nothing of the prompt or the key is in the message."""
    api.faults.add(fault)
    with pytest.raises(WarmCallError) as caught:
        await send(messages, timeout_seconds=0.5)
    assert type(caught.value) is kind
    assert {name: getattr(caught.value, name) for name in facts} == facts
    assert KEY not in str(caught.value)
    assert "planted" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert len(api.requests) == (0 if fault.kind == "delay" else 1)  # a delayed request is recorded once answered


async def test_a_refused_0_is_told_apart_from_any_other_400(api: LocalMessagesApi, messages: AnthropicMessages) -> None:
    """Only a refusal that names the field may be tried with one token."""
    api.refuses_zero = True
    with pytest.raises(ZeroRefusedError):
        await send(messages)


async def test_an_error_message_that_quotes_the_request_is_withheld(
    api: LocalMessagesApi, messages: AnthropicMessages
) -> None:
    """The API may echo what it refuses, escaped or not; a prompt must not reach the log that way."""
    lines = 'short one\nshort "two"\nshort three'
    call = planted_call(tools=[{"name": "t", "input_schema": {"type": "object"}, "description": lines}])
    for echo in (PROMPT[:60], PROMPT[7:30], lines, json.dumps(lines), lines.replace("\n", " ")):
        api.faults.add(Fault(kind="status", status=400, message=f"bad text: {echo}"))
        with pytest.raises(RejectedError, match="quotes the request and is withheld"):
            await send(messages, call)
    api.faults.add(Fault(kind="status", status=400, message="system.0: field missing"))
    with pytest.raises(RejectedError, match=r"400 invalid_request_error: system\.0: field missing"):
        await send(messages)


async def test_an_error_message_that_quotes_a_key_is_withheld(
    api: LocalMessagesApi, messages: AnthropicMessages
) -> None:
    """A gateway may echo the key it refuses, ours or another; it must not reach the log that way."""
    for echo in (KEY, "sk-ant-somebody-elses"):
        api.faults.add(Fault(kind="status", status=401, message=f"invalid x-api-key: {echo}"))
        with pytest.raises(CredentialError, match="quotes a key and is withheld"):
            await send(messages)


async def test_an_error_without_a_message_is_told_by_its_status(
    api: LocalMessagesApi, messages: AnthropicMessages
) -> None:
    """Nothing is quoted where there is nothing to quote."""
    api.faults.add(Fault(kind="status", status=500, message=""))
    with pytest.raises(OverloadedError) as caught:
        await send(messages)
    assert str(caught.value) == "500 api_error"


async def test_no_address_is_an_unreachable_api() -> None:
    """A refused connection says so, by the kind of error; nothing was sent, so nothing is billed."""
    async with stored(StaticApiKeys(KEY), base_url="http://127.0.0.1:9") as adapter:
        with pytest.raises(UnreachableError, match="no connection: ConnectError") as caught:
            await send(adapter)
    assert not caught.value.may_be_billed


async def test_the_secret_is_read_once_per_run_however_many_calls_there_are(
    api: LocalMessagesApi, aws: LocalAws
) -> None:
    """Twenty calls at once on two credentials: one read; the next run reads again, so rotation is seen."""
    api.api_keys = {key: f"workspace of {key}" for key in ("sk-1", "sk-2", "sk-rotated")}
    client = aws.secrets
    client.create_secret(Name="s", SecretString=json.dumps({"default": "sk-1", "second": "sk-2"}))
    reads: list[str] = []
    client.meta.events.register("before-call.secrets-manager.GetSecretValue", lambda **_: reads.append("read"))
    adapter = stored(SecretApiKeys(lambda: client, "s"), base_url=api.base_url)
    calls = [warm_call(target(credential=name), MODEL) for name in ("default", "second") * 10]
    async with adapter:
        answers = await asyncio.gather(*(send(adapter, call) for call in calls))
    assert len(reads) == 1
    assert {answer.workspace_id for answer in answers} == {"workspace of sk-1", "workspace of sk-2"}
    client.put_secret_value(SecretId="s", SecretString="sk-rotated")  # the plain form is the credential "default"
    async with adapter:
        assert (await send(adapter, calls[0])).workspace_id == "workspace of sk-rotated"


async def test_all_calls_of_a_credential_share_one_client(
    api: LocalMessagesApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Twenty calls at once make one client, because each costs a TLS context and has to be closed."""
    made: list[str] = []
    real = anthropic.AsyncAnthropic.__init__

    def counted(self: anthropic.AsyncAnthropic, **arguments: Any) -> None:
        made.append("client")
        real(self, **arguments)

    monkeypatch.setattr(anthropic.AsyncAnthropic, "__init__", counted)
    async with stored(StaticApiKeys(KEY), base_url=api.base_url) as adapter:
        await asyncio.gather(*(send(adapter) for _ in range(20)))
    assert len(made) == 1


@pytest.mark.parametrize(
    ("secret", "message"),
    [
        (None, "ResourceNotFoundException"),
        ("   ", "must be an API key as plain text"),
        ("{not json", "begins like JSON and is not, at character 1"),
        ('{"default": 5}', "keys of printable ASCII"),
        ('{"default": "sk-1", "second": " "}', "keys of printable ASCII"),
        ('{"default": "sk-1\\nsk-1"}', "keys of printable ASCII"),
        ("\ufeffsk-1", "keys of printable ASCII"),
        ('{"sk-ant-sk-1": "default"}', "names of a-z"),
        ('{"Team A": "sk-1"}', "names of a-z"),
        ("{}", "must be an API key as plain text"),
    ],
)
async def test_a_secret_without_a_usable_key_says_what_is_allowed(
    aws: LocalAws, secret: str | None, message: str
) -> None:
    """The secret's name is in the message, its text never is."""
    if secret is not None:
        aws.secrets.create_secret(Name="s", SecretString=secret)
    async with stored(SecretApiKeys(lambda: aws.secrets, "s")) as adapter:
        with pytest.raises(SecretUnreadableError, match=f"secret 's'.*{message}") as caught:
            await send(adapter)
    assert "sk-1" not in str(caught.value)


async def test_no_setting_makes_the_sdk_log_requests(api: LocalMessagesApi, caplog: pytest.LogCaptureFixture) -> None:
    """The SDK's debug log has whole bodies and the key; the adapter keeps it shut."""
    logging.getLogger("anthropic").setLevel(logging.DEBUG)
    with caplog.at_level(logging.DEBUG):
        async with stored(StaticApiKeys(KEY), base_url=api.base_url) as adapter:
            await send(adapter)
    assert "planted" not in caplog.text
    assert KEY not in caplog.text
