"""The demo's command: its switches, and what it never does without asking."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from infra.local import demo


def test_a_live_call_without_a_key_says_where_the_key_belongs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is started."""
    monkeypatch.delenv("ANTHROPIC_API_KEY", raising=False)
    result = CliRunner().invoke(demo.main, ["--live"])
    assert (result.exit_code, result.output) == (1, "LIVE=1 needs a key of your own in ANTHROPIC_API_KEY\n")


@pytest.mark.parametrize("answer", ["n\n", "\n"])
def test_a_live_call_is_made_only_after_a_yes(answer: str) -> None:
    """The question names the model and the price; anything but yes makes no call and shows no key."""
    result = CliRunner().invoke(demo.main, ["--live", "--api-key", "sk-ant-planted"], input=answer)
    assert result.exit_code == 0
    assert "two real calls on claude-haiku-4-5 with your key, about 0.0108 USD. Go on? [y/N]" in result.output
    assert "sk-ant-planted" not in result.output
    assert "Real call" not in result.output


def test_the_demo_runs_behind_a_proxy_and_with_a_stale_profile(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of the machine's own configuration reaches the local cloud."""
    for name, value in {
        "HTTP_PROXY": "http://127.0.0.1:9",
        "http_proxy": "http://127.0.0.1:9",
        "AWS_PROFILE": "x",
    }.items():
        monkeypatch.setenv(name, value)
    result = CliRunner().invoke(demo.main, [])
    assert result.exit_code == 0, result.output


def test_the_demo_exits_with_1_when_a_verdict_is_not_the_expected_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock does not move, so nothing ever lapses: the demo says which entries differ and fails."""
    monkeypatch.setattr(demo, "SECONDS_PER_MINUTE", 0)
    result = CliRunner().invoke(demo.main, [])
    assert result.exit_code == 1
    assert "not as expected: support-agent on claude-haiku-4-5: expected" in result.output
    assert "written by hand" not in result.output
