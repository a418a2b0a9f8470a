"""CloudWatch's metric math, as far as the alarms use it: arithmetic, comparisons and ``IF``.

One moment at a time: each name has its value in one period, or none. A value that is missing counts as 0 beside
one that is there, and a division by zero leaves no value:
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/using-metric-math.html
"""

from __future__ import annotations

import ast
import operator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_ARITHMETIC: dict[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}
_COMPARISONS: dict[type[ast.cmpop], Callable[[float, float], bool]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}
_IF_WITHOUT_ELSE = 2


class MetricMathError(ValueError):
    """An expression uses what CloudWatch has not, or what is not known here."""


def value_of(expression: str, values: Mapping[str, float | None]) -> float | None:
    """Return what an expression comes to in one period; None where it has no value.

    Args:
        expression: the expression.
        values: the value of each metric in the period, by its id; None where it has none.

    Raises:
        MetricMathError: naming what is not known.
    """
    return _Moment(values).value(parsed(expression))


def ids_of(expression: str) -> set[str]:
    """Return the ids of the metrics that an expression names."""
    return {node.id for node in ast.walk(parsed(expression)) if isinstance(node, ast.Name)} - {"IF"}


def parsed(expression: str) -> ast.expr:
    """Return the tree of an expression; CloudWatch's arithmetic is written as Python's."""
    try:
        return ast.parse(expression, mode="eval").body
    except SyntaxError as error:
        raise MetricMathError(f"{expression!r}: {error.msg}") from error


class _Moment:
    """The values of all metrics in one period."""

    def __init__(self, values: Mapping[str, float | None]) -> None:
        self._values = values

    def value(self, node: ast.expr) -> float | None:
        match node:
            case ast.Constant(value=int() | float() as number):
                return float(number)
            case ast.Name(id=name) if name in self._values:
                return self._values[name]
            case ast.BinOp(left=left, op=found, right=right) if type(found) in _ARITHMETIC:
                return self._combined(left, right, _ARITHMETIC[type(found)])
            case ast.Compare(left=left, ops=[found], comparators=[right]) if type(found) in _COMPARISONS:
                return self._combined(left, right, _COMPARISONS[type(found)])
            case ast.Call(func=ast.Name(id="IF"), args=[condition, *results]) if 0 < len(results) <= _IF_WITHOUT_ELSE:
                return self._chosen(condition, results)
            case _:
                raise MetricMathError(f"{ast.unparse(node)!r} is not known here; names are {sorted(self._values)}")

    def _combined(
        self, left: ast.expr, right: ast.expr, combine: Callable[[float, float], float | bool]
    ) -> float | None:
        """Combine two values; where one is missing it counts as 0, unless there is no series at all."""
        values = [self.value(left), self.value(right)]
        series = [
            value for value, node in zip(values, (left, right), strict=True) if not isinstance(node, ast.Constant)
        ]
        if series and all(value is None for value in series):
            return None
        first, second = (value or 0.0 for value in values)
        return None if combine is operator.truediv and not second else float(combine(first, second))

    def _chosen(self, condition: ast.expr, results: list[ast.expr]) -> float | None:
        held = self.value(condition)
        if held is None:
            return None
        if held:
            return self.value(results[0]) or 0.0
        return self.value(results[1]) if len(results) == _IF_WITHOUT_ELSE else None
