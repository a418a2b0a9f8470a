"""The local cloud for the end-to-end tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from infra.local.cloud import API_KEY, WORKSPACE, LocalCloud
from infra.local.messages_api import EmulatorClock, LocalMessagesApi
from tests.artifact_build import built_once
from tests.deployments import Deployment, api

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="session")
def artifact(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """Build the function once for all processes of the run; without pytest-xdist there is just this one."""
    folder = tmp_path_factory.getbasetemp()
    return built_once((folder if worker_id == "master" else folder.parent) / "artifact")


@pytest.fixture
def cloud() -> Iterator[LocalCloud]:
    """Return a local cloud with a state table, whose Messages API has a clock that stands still."""
    api = LocalMessagesApi(clock=EmulatorClock(frozen=True), api_keys={API_KEY: WORKSPACE})
    with LocalCloud(api, state=True) as started:
        yield started


@pytest.fixture
def deployment() -> Iterator[Deployment]:
    """Return a deployment whose function goes by the clock of the Messages API."""
    with LocalCloud(api(), state=True) as started:
        yield Deployment(started)
