"""A state table that cannot be opened: the library's own error, which names the argument and what to do."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import boto3
import pytest

from prompt_cache_warmer import BudgetPool, CacheWarmer
from prompt_cache_warmer.errors import ArgumentValueError
from tests.fakes import MODEL
from tests.library import MemoryTransport

if TYPE_CHECKING:
    from collections.abc import Callable

NO_REGION = "nothing says which region is meant: set AWS_DEFAULT_REGION, or AWS_PROFILE to a profile that has a region"
NO_NAME = "'us east' is no region's name: see AWS_DEFAULT_REGION, and AWS_PROFILE's region"


def shared_warmer() -> CacheWarmer:
    """Return a warmer whose state is in a table."""
    return CacheWarmer(client=MemoryTransport(), model=MODEL, state_table="warmer-state")


def shared_pool() -> BudgetPool:
    """Return a pool in a table."""
    return BudgetPool.in_table(table="warmer-state", name="nightly", max_usd="1")


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Let boto3 read an environment that says nothing of AWS, and ask nobody over the network."""
    for name in ("AWS_DEFAULT_REGION", "AWS_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nowhere")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nowhere")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    return monkeypatch


@pytest.mark.parametrize(("argument", "share"), [("state_table", shared_warmer), ("table", shared_pool)])
@pytest.mark.parametrize(("region", "why"), [(None, NO_REGION), ("us east", NO_NAME)], ids=["no region", "no name"])
def test_a_table_of_no_region_is_an_argument_error(
    aws: pytest.MonkeyPatch, argument: str, share: Callable[[], object], region: str | None, why: str
) -> None:
    """boto3's own error stays beneath, and the sentence says what to set."""
    if region is not None:
        aws.setenv("AWS_DEFAULT_REGION", region)
    with pytest.raises(ArgumentValueError) as caught:
        share()
    assert (caught.value.argument, str(caught.value)) == (argument, f"{argument}: the table cannot be opened: {why}")


@pytest.mark.parametrize("missing", ["boto3", "botocore.exceptions"])
@pytest.mark.parametrize(("argument", "share"), [("state_table", shared_warmer), ("table", shared_pool)])
def test_a_table_without_the_extra_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, argument: str, share: Callable[[], object], missing: str
) -> None:
    """From a clone, because the name on the index belongs to another package."""
    monkeypatch.setitem(sys.modules, missing, None)
    monkeypatch.delitem(sys.modules, "prompt_cache_warmer.wiring.aws", raising=False)
    with pytest.raises(ArgumentValueError) as caught:
        share()
    assert str(caught.value) == (
        f"{argument}: it needs {missing}; install it from a clone of prompt-cache-warmer: pip install '.[aws]'"
    )
