"""The AWS region of a request to Bedrock: from its signature, else from its host, else there is none."""

from __future__ import annotations

import pytest

from prompt_cache_warmer.values.regions import region_of

SIGNED = "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20261122/{}/{}/aws4_request, SignedHeaders=host, Signature=00"


@pytest.mark.parametrize(
    ("host", "authorization", "region"),
    [
        ("127.0.0.1", SIGNED.format("eu-central-1", "bedrock"), "eu-central-1"),
        ("bedrock-runtime.us-east-1.amazonaws.com", SIGNED.format("eu-central-1", "bedrock"), "eu-central-1"),
        ("gateway.example.com:8443", SIGNED.format("us-gov-west-1", "bedrock-mantle"), "us-gov-west-1"),
        ("bedrock-runtime.us-east-1.amazonaws.com", "Bearer a-key", "us-east-1"),
        ("bedrock-runtime.us-east-1.amazonaws.com", None, "us-east-1"),
        ("Bedrock-Runtime.EU-West-3.amazonaws.com:443", "", "eu-west-3"),
        ("bedrock-runtime-fips.us-east-2.amazonaws.com", None, "us-east-2"),
        ("bedrock-runtime.cn-north-1.amazonaws.com.cn", None, "cn-north-1"),
        ("bedrock-mantle.ap-southeast-2.api.aws", None, "ap-southeast-2"),
        ("bedrock-runtime.us-east-1.amazonaws.com", SIGNED.format("eu-central-1", "sts"), "us-east-1"),
        ("aws-external-anthropic.us-east-1.api.aws", SIGNED.format("us-east-1", "aws-external-anthropic"), None),
        ("api.anthropic.com", None, None),
        ("api.anthropic.com", "Bearer bedrock/aws4_request", None),
        ("bedrock-runtime.us-east-1.amazonaws.com.example.com", None, None),
        ("example.com/bedrock-runtime.us-east-1.amazonaws.com", None, None),
        ("127.0.0.1", SIGNED.format("eu-central-1", "bedrock").replace("aws4_request", "aws4"), None),
        ("127.0.0.1", SIGNED.format("e" * 40, "bedrock"), None),
        ("127.0.0.1", "Credential=AKID/x/eu-central-1/bedrock/aws4_request", None),
        ("", None, None),
    ],
)
def test_the_region_of_a_request(host: str, authorization: str | None, region: str | None) -> None:
    """A signature is bound to a region whatever host it goes through; other services and hosts have none."""
    assert region_of(host, authorization) == region
