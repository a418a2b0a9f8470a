"""A bucket's policy, read for one question: is what is asked of the bucket over plain HTTP refused to everybody?"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

_LIST = "s3:ListBucket"
_OF_OBJECTS = ("s3:GetObject", "s3:PutObject")
_EVERYBODY = ("*", ["*"], {"AWS": "*"}, {"AWS": ["*"]})
_PLAIN_HTTP = {"aws:securetransport": "false"}
_ANY_KEY = "~any~key~"  # no pattern but one for all keys matches it
_ARN = re.compile(r"arn:[^:]*:s3:::")


def refuses_plain_http(policy: Mapping[str, Any], bucket: str) -> bool:
    """Tell whether a policy refuses everybody to list a bucket, to read and to write its objects over plain HTTP.

    Args:
        policy: the policy, as S3 returns it.
        bucket: the bucket's name.
    """
    refusing = [statement for statement in _listed(policy.get("Statement")) if _is_tls_only(statement)]
    needed = [(_LIST, bucket), *((action, f"{bucket}/{_ANY_KEY}") for action in _OF_OBJECTS)]
    return all(any(_covers(statement, action, resource) for statement in refusing) for action, resource in needed)


def _is_tls_only(statement: Mapping[str, Any]) -> bool:
    """Tell whether a statement refuses something to everybody, under this one condition and no other."""
    condition = statement.get("Condition") or {}
    said = [
        {key.lower(): _only(value) for key, value in keys.items()}
        for operator, keys in condition.items()
        if operator in ("Bool", "BoolIfExists")
    ]
    return (
        statement.get("Effect") == "Deny"
        and statement.get("Principal") in _EVERYBODY
        and len(condition) == 1
        and said == [_PLAIN_HTTP]
    )


def _only(value: object) -> str:
    """Return a condition's value as a word, alone or the only one of a list."""
    values = _listed(value)
    return str(values[0]).lower() if len(values) == 1 else str(values)


def _covers(statement: Mapping[str, Any], action: str, resource: str) -> bool:
    return any(_matches(one.lower(), action.lower()) for one in _listed(statement.get("Action"))) and any(
        _matches(_ARN.sub("", one), resource) for one in _listed(statement.get("Resource"))
    )


def _matches(pattern: str, text: str) -> bool:
    """Match as IAM does: a star stands for any characters, a question mark for one, and nothing else is special."""
    return re.fullmatch(re.escape(pattern).replace(r"\*", ".*").replace(r"\?", "."), text) is not None


def _listed(value: Any) -> list[Any]:  # noqa: ANN401 - a policy says one thing alone or in a list, of any type
    if value is None:
        return []
    return value if isinstance(value, list) else [value]
