"""Fixtures of the emulator's tests: one emulator on a frozen clock, and the real SDK against it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anthropic
import pytest

from infra.local.messages_api import EmulatorClock, LocalMessagesApi
from tests.infra.messages_api.messages_api_bodies import KEY

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def api() -> Iterator[LocalMessagesApi]:
    """Run an emulator on a frozen clock."""
    with LocalMessagesApi(clock=EmulatorClock(frozen=True)) as running:
        yield running


@pytest.fixture
def client(api: LocalMessagesApi) -> Iterator[anthropic.Anthropic]:
    """Open the SDK's client, without retries, against the emulator."""
    with anthropic.Anthropic(base_url=api.base_url, api_key=KEY, max_retries=0) as opened:
        yield opened
