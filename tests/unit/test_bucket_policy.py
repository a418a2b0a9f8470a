"""Whether a bucket's policy refuses plain HTTP: for everybody, for what matters, in the bucket and all its objects."""

from __future__ import annotations

from typing import Any

import pytest

from prompt_cache_warmer.rules.bucket_policy import refuses_plain_http

BUCKET = "my-targets"
ARN = f"arn:aws:s3:::{BUCKET}"
TLS_ONLY: dict[str, Any] = {
    "Effect": "Deny",
    "Principal": "*",
    "Action": "s3:*",
    "Resource": [ARN, f"{ARN}/*"],
    "Condition": {"Bool": {"aws:SecureTransport": "false"}},
}


def test_the_templates_own_statement_refuses_it() -> None:
    """Alone, in a list, and beside another one."""
    allow = {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": f"{ARN}/*"}
    assert refuses_plain_http({"Statement": TLS_ONLY}, BUCKET)
    assert refuses_plain_http({"Statement": [TLS_ONLY]}, BUCKET)
    assert refuses_plain_http({"Statement": [allow, TLS_ONLY]}, BUCKET)


@pytest.mark.parametrize(
    "changed",
    [
        {"Principal": {"AWS": "*"}},
        {"Principal": {"AWS": ["*"]}},
        {"Principal": ["*"]},
        {"Action": "*"},
        {"Action": ["S3:*"]},
        {"Action": ["s3:GetObject", "s3:ListBucket", "s3:PutObject"]},
        {"Action": ["s3:Get*", "s3:List*", "s3:Put*"]},
        {"Resource": "*"},
        {"Resource": f"{ARN}*"},
        {"Resource": ["arn:aws-cn:s3:::my-targets", "arn:aws-cn:s3:::my-targets/*"]},
        {"Condition": {"Bool": {"aws:SecureTransport": False}}},
        {"Condition": {"Bool": {"aws:SecureTransport": ["false"]}}},
        {"Condition": {"Bool": {"aws:securetransport": "False"}}},
        {"Condition": {"BoolIfExists": {"aws:SecureTransport": "false"}}},
    ],
    ids=str,
)
def test_other_ways_to_write_the_same_refuse_it_too(changed: dict[str, Any]) -> None:
    """As people and other tools write it."""
    assert refuses_plain_http({"Statement": [{**TLS_ONLY, **changed}]}, BUCKET)


@pytest.mark.parametrize(
    "changed",
    [
        {"Effect": "Allow"},
        {"Principal": {"AWS": "123456789012"}},
        {"Principal": {"AWS": ["123456789012"]}},
        {"Principal": {"Service": "*"}},
        {"Principal": None},
        {"Action": "s3:DeleteObject"},
        {"Action": ["s3:GetObject", "s3:ListBucket"]},
        {"Action": None, "NotAction": "s3:*"},
        {"Resource": ARN},
        {"Resource": f"{ARN}/*"},
        {"Resource": [ARN, f"{ARN}/one.txt"]},
        {"Resource": [ARN, f"{ARN}/targets/*"]},
        {"Resource": ["arn:aws:s3:::other", "arn:aws:s3:::other/*"]},
        {"Condition": {"Bool": {"aws:SecureTransport": "true"}}},
        {"Condition": {"Bool": {"aws:SecureTransport": "false", "aws:ViaAWSService": "true"}}},
        {"Condition": {"Bool": {"aws:SecureTransport": "false"}, "IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}},
        {"Condition": {"NumericLessThan": {"s3:TlsVersion": "1.2"}}},
        {"Condition": None},
    ],
    ids=str,
)
def test_less_than_that_does_not(changed: dict[str, Any]) -> None:
    """For some callers, some actions, some objects, or under another condition."""
    assert not refuses_plain_http({"Statement": [{**TLS_ONLY, **changed}]}, BUCKET)


@pytest.mark.parametrize("policy", [{}, {"Statement": []}], ids=["none", "empty"])
def test_no_policy_refuses_nothing(policy: dict[str, Any]) -> None:
    """Nothing is said there."""
    assert not refuses_plain_http(policy, BUCKET)


def test_two_statements_refuse_it_together() -> None:
    """One for the bucket and one for its objects."""
    halves = [
        {**TLS_ONLY, "Resource": ARN, "Action": "s3:ListBucket"},
        {**TLS_ONLY, "Resource": f"{ARN}/*", "Action": ["s3:GetObject", "s3:PutObject"]},
    ]
    assert refuses_plain_http({"Statement": halves}, BUCKET)
    assert not refuses_plain_http({"Statement": halves[:1]}, BUCKET)
