"""Who may send to the queues whose messages make the functions spend: their policies deny what IAM may allow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from infra.local.template_values import ResolvedStack
from tests.policies import allowed

if TYPE_CHECKING:
    from infra.local.transform import Template

ADMINISTRATOR = "arn:aws:iam::123456789012:role/administrator"
ANYTHING = {"Sid": "Administrator", "Effect": "Allow", "Action": "*", "Resource": "*"}
SEND = "sqs:SendMessage"


def stands_at(queue: str, template: Template) -> tuple[str, list[dict[str, Any]]]:
    """Return a queue's ARN and the statements that stand at it."""
    policy = ResolvedStack("warmer", template, {"FanOut": "ENABLED"}).resources()[f"{queue}Policy"]
    assert len(policy["Queues"]) == 1
    statements: list[dict[str, Any]] = policy["PolicyDocument"]["Statement"]
    (arn,) = {each["Resource"] for each in statements}
    assert policy["Queues"][0].endswith(queue)
    assert arn.endswith(queue)
    return arn, statements


def denied_arn(statements: list[dict[str, Any]], key: str) -> str:
    """Return the only value of a key that is not denied."""
    (found,) = {each["Condition"]["ArnNotEquals"][key] for each in statements if each["Effect"] == "Deny"}
    return str(found)


def test_only_the_rule_sends_uploads(transformed: Template) -> None:
    """EventBridge for this rule; no other rule, and nobody to whom IAM allows everything."""
    arn, statements = stands_at("UploadsQueue", transformed)
    rule = denied_arn(statements, "aws:SourceArn")
    assert rule.endswith("UploadsRule")
    (let_in,) = [each for each in statements if each["Effect"] == "Allow"]
    assert let_in["Principal"] == {"Service": "events.amazonaws.com"}
    assert allowed(statements, SEND, arn, {"aws:SourceArn": rule})
    assert not allowed(statements, SEND, arn, {"aws:SourceArn": f"{rule}2"})
    assert not allowed([ANYTHING, *statements], SEND, arn, {"aws:PrincipalArn": ADMINISTRATOR})


def test_only_ticks_send_what_is_due(transformed: Template) -> None:
    """The function's own role, by what IAM allows it; nobody else, and no service."""
    arn, statements = stands_at("DueQueue", transformed)
    role = denied_arn(statements, "aws:PrincipalArn")
    assert role.endswith("WarmerRole")
    assert allowed([ANYTHING, *statements], SEND, arn, {"aws:PrincipalArn": role})
    assert not allowed(statements, SEND, arn, {"aws:PrincipalArn": role})
    assert not allowed([ANYTHING, *statements], SEND, arn, {"aws:PrincipalArn": ADMINISTRATOR})
    assert not allowed([ANYTHING, *statements], SEND, arn, {"aws:SourceArn": "arn:aws:events:::rule/any"})


@pytest.mark.parametrize("queue", ["UploadsQueue", "DueQueue"])
@pytest.mark.parametrize("action", ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:PurgeQueue"])
def test_reading_is_left_to_iam(transformed: Template, queue: str, action: str) -> None:
    """The functions read by their role, and an operator may look and empty."""
    arn, statements = stands_at(queue, transformed)
    assert allowed([ANYTHING, *statements], action, arn, {"aws:PrincipalArn": ADMINISTRATOR})
