"""``doctor`` as its operator types it, read back by a check's name; and AWS that refuses whoever types it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import botocore.client
from botocore.exceptions import ClientError

from tests.local_stack import STACK, LocalStack

if TYPE_CHECKING:
    import pytest


def checked(stack: LocalStack, *options: str, **environment: str | None) -> tuple[int, dict[str, Any]]:
    """Run the command; returns its exit code and its checks by name."""
    result = stack.run("doctor", *(options or ("--stack", STACK)), "--json", **environment)
    assert result.stderr == ""
    answer = json.loads(result.stdout)
    assert all(check["fix"] for check in answer["checks"] if check["state"] == "red")
    assert answer["is_well"] is (result.exit_code == 0)
    return result.exit_code, {check["check"]: check for check in answer["checks"]}


def deny(monkeypatch: pytest.MonkeyPatch, operation: str) -> None:
    """Have AWS refuse an operation: moto knows no policies of a person."""
    ask = botocore.client.BaseClient._make_api_call  # type: ignore[attr-defined] # every call goes through it

    def call(client: Any, name: str, arguments: dict[str, Any]) -> Any:
        if name == operation:
            raise ClientError({"Error": {"Code": "AccessDeniedException", "Message": "no"}}, name)
        return ask(client, name, arguments)

    monkeypatch.setattr(botocore.client.BaseClient, "_make_api_call", call)
