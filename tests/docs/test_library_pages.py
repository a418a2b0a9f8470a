"""The library's blocks in the README and on its page: they run, in their order, over the local Messages API."""

from __future__ import annotations

import asyncio
import re
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import anthropic
import pytest

from infra.local.cloud import API_KEY, BUCKET, SERVICE, STATE_TABLE, LocalCloud
from infra.local.lambda_emulator import ROOT
from infra.local.messages_api import LocalMessagesApi
from tests.fakes import MODEL
from tests.library import LONG_SYSTEM_PROMPT, TOOL_SCHEMAS
from tests.library_http import async_client, client

if TYPE_CHECKING:
    from collections.abc import Iterator

README = (ROOT / "README.md").read_text(encoding="utf-8")
LIBRARY = (ROOT / "infra/docs/library.md").read_text(encoding="utf-8")
EFFECTIVENESS = (ROOT / "infra/docs/effectiveness.md").read_text(encoding="utf-8")
SIBLINGS = (ROOT / "infra/docs/from-other-packages.md").read_text(encoding="utf-8")
CONVERSATION = [
    {"role": "user", "content": "Where is my order? " * 400},
    {"role": "assistant", "content": "On its way. " * 400},
    {"role": "user", "content": "And the other one?"},
    {"role": "assistant", "content": "It has arrived."},
    {"role": "user", "content": "Thank you."},
]


def blocks(text: str) -> list[str]:
    """Return the Python blocks of a page, in order."""
    return re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


@pytest.fixture
def names() -> Iterator[dict[str, Any]]:
    """Return what the pages take for granted: clients and prompts."""
    with LocalMessagesApi() as api, client(api.base_url) as own:
        yield {
            "api": api,
            "anthropic_client": own,
            "async_anthropic_client": async_client(api.base_url),
            "LONG_SYSTEM_PROMPT": LONG_SYSTEM_PROMPT,
            "TOOL_SCHEMAS": TOOL_SCHEMAS,
            "conversation": CONVERSATION,
        }


class EndOfTimeError(Exception):
    """Ends a loop that has no end."""


def test_the_readmes_three_usages_run(
    names: dict[str, Any], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Warm now, in a thread, and from a loop of one's own, which is left after its first second."""
    usages = [
        part.partition("```python\n")[2].partition("```")[0] for part in README.split("<!-- library usage -->")[1:]
    ]
    assert len(usages) == 3
    exec(usages[0], names)  # noqa: S102 - our own page
    assert capsys.readouterr().out == "7798 tokens cached, saves $2.0762 on the first 100 requests\n"
    exec(usages[1], names)  # noqa: S102 - our own page
    names["schedule"].stop()
    calls = len(names["api"].requests)

    def no_more(_: float) -> None:
        import schedule  # noqa: PLC0415 - the block's own

        (job,) = schedule.get_jobs()
        job.run()  # type: ignore[no-untyped-call] # the package types its jobs in part
        schedule.clear()
        raise EndOfTimeError

    monkeypatch.setattr(time, "sleep", no_more)
    with pytest.raises(EndOfTimeError):
        exec(usages[2], names)  # noqa: S102 - our own page
    assert len(names["api"].requests) == calls + 1


@pytest.mark.filterwarnings("ignore:interval_seconds")
def test_every_block_of_the_librarys_page_runs(names: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    """One after the other; what they print is what the sentences around them say."""
    warm, keep, asynchronous, measure, budget, prompts = blocks(LIBRARY)
    exec(warm, names)  # noqa: S102 - our own page
    assert re.findall(r"^support (\S+) (\S+) \d\.\d+ (\d+)$", capsys.readouterr().out, re.MULTILINE) == [
        ("claude-sonnet-4-6", "written", "7798"),
        ("claude-haiku-4-5", "written", "7798"),
    ]
    exec(keep, names)  # noqa: S102 - our own page
    assert not names["schedule"].is_running
    exec(asynchronous, names)  # noqa: S102 - our own page
    asyncio.run(_closing(names))
    assert "Verdict.WRITTEN" in capsys.readouterr().out
    exec(measure, names)  # noqa: S102 - our own page
    assert capsys.readouterr().out.startswith("1 calls, hit ratio 100.0%, cost ")
    exec(budget, names)  # noqa: S102 - our own page
    # 2,000 plain at 3.00, 50,000 read at 0.30, 1,000 of output at 15.00 USD per million
    worst, remaining = capsys.readouterr().out.splitlines()
    assert worst.startswith("0.036")
    # of 20 USD, with 412 of output; of 10,000,000 tokens, with 52,000 of input
    assert "total_tokens=9947588, usd=Decimal('19.97282')" in remaining
    exec(prompts, names)  # noqa: S102 - our own page
    found, key, dropped = capsys.readouterr().out.splitlines()
    assert "ttl='1h'" in found
    assert re.fullmatch(r"anthropic-cache:claude-sonnet-4-6:sha256:[0-9a-f]{64}", key)
    assert "Where is my order?" in dropped


async def _closing(names: dict[str, Any]) -> None:
    """Run the page's coroutine and close its client."""
    await names["main"]()
    await names["async_anthropic_client"].close()


IN_README = README.partition("<!-- observer usage -->\n```python\n")[2].partition("```")[0]


@pytest.mark.parametrize("connect", [IN_README, blocks(EFFECTIVENESS)[0]], ids=["readme", "page"])
def test_an_observer_connects_and_counts_as_the_pages_say(connect: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Against the local cloud, with its names in the places of BUCKET, TABLE and STACK."""
    with LocalCloud(state=True) as cloud, pytest.MonkeyPatch.context() as environment:
        for name, value in {
            **cloud.aws.environment(),
            "ANTHROPIC_BASE_URL": cloud.api.base_url,
            "ANTHROPIC_API_KEY": API_KEY,
        }.items():
            environment.setenv(name, value)
        block = {"type": "text", "text": LONG_SYSTEM_PROMPT, "cache_control": {"type": "ephemeral"}}
        request = {"system": [block]}
        cloud.put(
            "targets/support-agent.json",
            {"name": "support-agent", "models": [MODEL], "keep": "always", "request": request},
        )
        names: dict[str, Any] = {
            "MODEL": MODEL,
            "SYSTEM": [block],
            "MESSAGES": CONVERSATION[:1],
            "anthropic": anthropic,
        }
        _, ask = blocks(EFFECTIVENESS)
        for placeholder, name in (("BUCKET", BUCKET), ("TABLE", STATE_TABLE), ("STACK", SERVICE)):
            connect = connect.replace(placeholder, name)
        exec(connect, names)  # noqa: S102 - our own page
        assert names["observer"].flush()  # so that the targets are known
        exec(ask, names)  # noqa: S102 - our own page
        assert capsys.readouterr().out == "1 0 1 0 0.0 {}\n"
        assert names["observer"].close()
        assert cloud.metric_sum("TrafficColdStarts", datetime.now(UTC) - timedelta(minutes=2)) == 1
        names["client"].close()


def test_what_to_write_instead_names_what_there_is() -> None:
    """Every name of the right-hand column can be imported."""
    import prompt_cache_warmer  # noqa: PLC0415 - asked for its names only here

    rows = re.findall(r"^\| `.* \| (`.*) \|$", SIBLINGS.partition("## What is different")[0], re.MULTILINE)
    names = {name for row in rows for name in re.findall(r"`(?:\w+ = )?(\w+)\(", row)}
    assert len(names) >= 8
    assert {name for name in names if name[0].isupper() or "_" in name} <= set(prompt_cache_warmer.__all__)
