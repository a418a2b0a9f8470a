"""Connections of an observer: made once in a process, and anew in a forked child."""

from __future__ import annotations

import os
import warnings
from typing import TYPE_CHECKING, Any

from prompt_cache_warmer.wiring.observing import AwsConnections

if TYPE_CHECKING:
    from collections.abc import Callable


class Session:
    """Makes clients that are nothing but new."""

    def __init__(self) -> None:
        self.configs: list[Any] = []

    def client(self, service: str, *, config: Any) -> object:
        """Make one."""
        self.configs.append((service, config))
        return object()


def in_child(check: Callable[[], bool]) -> bool:
    """Run a check in a forked child."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # forking beside threads of other tests
        child = os.fork()
    if child == 0:
        is_right = False
        try:
            is_right = check()
        finally:
            os._exit(0 if is_right else 1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_a_client_is_made_once_for_each_service_and_process() -> None:
    """A parent's connection cannot be shared with a child; a child's own is kept there, and the parent keeps its."""
    session = Session()
    connections = AwsConnections(session)
    parents = connections.client("dynamodb")
    assert connections.client("dynamodb") is parents
    assert connections.client("s3") is not parents

    def is_anew() -> bool:
        own = connections.client("dynamodb")
        return own is not parents and connections.client("dynamodb") is own

    assert in_child(is_anew)
    assert connections.client("dynamodb") is parents
    assert [service for service, _ in session.configs] == ["dynamodb", "s3"]


def test_what_is_under_way_at_an_exit_takes_seconds() -> None:
    """An observer tries again by itself, so a call is given up soon."""
    session = Session()
    AwsConnections(session).client("cloudwatch")
    ((_, config),) = session.configs
    assert (config.connect_timeout, config.read_timeout) == (2, 3)
    assert config.retries == {"total_max_attempts": 2, "mode": "standard"}


def test_targets_are_read_by_each_process_itself() -> None:
    """Their threads are the process's own."""
    targets = AwsConnections(Session()).targets("bucket", targets_prefix="targets/", prompts_prefix="prompts/")
    parents = targets._here()
    assert targets._here()[1] is parents[1]
    assert in_child(lambda: targets._here()[1] is not parents[1])
    assert targets._here()[1] is parents[1]
