"""One conditional write to one item of the state table, put together piece by piece."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from prompt_cache_warmer.adapters.state_items import PARTITION_KEY
from prompt_cache_warmer.adapters.state_records import number, text

if TYPE_CHECKING:
    from prompt_cache_warmer.adapters.state_records import Value


class Update:
    """One conditional write to one item; names and values become DynamoDB's placeholders.

    Args:
        key: the item's key.
    """

    def __init__(self, key: str) -> None:
        self._key = key
        self._names: dict[str, str] = {}
        self._values: dict[str, Value] = {}
        self._set: dict[str, str] = {}
        self._removed: list[str] = []
        self._conditions: list[str] = []

    def put(self, name: str, value: Value) -> None:
        """Set an attribute."""
        self._set[name] = self._value(value)

    def put_if_absent(self, name: str, value: Value) -> None:
        """Set an attribute that is not there yet."""
        self._set[name] = f"if_not_exists({self._name(name)}, {self._value(value)})"

    def count(self, name: str, change: int, *, otherwise: int = 0) -> None:
        """Add to a number, which has another value where it is absent."""
        base = f"if_not_exists({self._name(name)}, {self._value(number(otherwise))})"
        self._set[name] = f"{base} + {self._value(number(change))}"

    def remove(self, *names: str) -> None:
        """Remove attributes, but none that is set as well."""
        self._removed += names

    def require_absent(self, name: str) -> None:
        """Write only if there is no such attribute."""
        self._conditions.append(f"attribute_not_exists({self._name(name)})")

    def require_present(self, name: str) -> None:
        """Write only if there is such an attribute."""
        self._conditions.append(f"attribute_exists({self._name(name)})")

    def require_number(self, name: str, expected: int) -> None:
        """Write only if a number is this one; an absent one is 0."""
        if expected:
            self._conditions.append(f"{self._name(name)} = {self._value(number(expected))}")
        else:
            self.require_absent(name)

    def require_text(self, name: str, expected: str) -> None:
        """Write only if a text is absent or this one."""
        same = f"{self._name(name)} = {self._value(text(expected))}"
        self._conditions.append(f"(attribute_not_exists({self._name(name)}) OR {same})")

    def require_at_most(self, name: str, most: int) -> None:
        """Write only if a number is at most this; an absent one is 0."""
        bound = f"{self._name(name)} <= {self._value(number(most))}"
        self._conditions.append(f"(attribute_not_exists({self._name(name)}) OR {bound})" if most >= 0 else bound)

    def require_below(self, name: str, bound: int) -> None:
        """Write only if a number is absent or less than this."""
        below = f"{self._name(name)} < {self._value(number(bound))}"
        self._conditions.append(f"(attribute_not_exists({self._name(name)}) OR {below})")

    def require_above(self, name: str, bound: int) -> None:
        """Write only if a number is absent or more than this."""
        above = f"{self._name(name)} > {self._value(number(bound))}"
        self._conditions.append(f"(attribute_not_exists({self._name(name)}) OR {above})")

    def arguments(self) -> dict[str, Any]:
        """Return the arguments of ``update_item``."""
        removed = [self._name(name) for name in dict.fromkeys(self._removed) if name not in self._set]
        clauses = [f"SET {', '.join(f'{self._name(name)} = {value}' for name, value in self._set.items())}"]
        clauses += [f"REMOVE {', '.join(removed)}"] if removed else []
        return {
            "Key": {PARTITION_KEY: {"S": self._key}},
            "UpdateExpression": " ".join(clauses),
            **({"ConditionExpression": " AND ".join(self._conditions)} if self._conditions else {}),
            "ExpressionAttributeNames": {placeholder: name for name, placeholder in self._names.items()},
            "ExpressionAttributeValues": dict(self._values),
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        }

    def _name(self, name: str) -> str:
        return self._names.setdefault(name, f"#{len(self._names)}")

    def _value(self, value: Value) -> str:
        placeholder = f":{len(self._values)}"
        self._values[placeholder] = value
        return placeholder
