"""A CloudWatch dashboard, read out of its body: where its widgets stand and which metrics they show.

CloudWatch takes a body with a misspelt metric, and shows an empty graph. So every metric is read out, the short
forms of the format and the searches included, to be found among those that are published.
"""

from __future__ import annotations

import itertools
import json
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jsonschema import Draft202012Validator

from infra.local import metric_math
from infra.local.metric_data import MetricKey

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

_SCHEMA = Path(__file__).with_name("dashboard.schema.json")
COLUMNS = 24
_SAME, _SAME_REST = ".", "..."
_SEARCH = re.compile(
    r"SEARCH\('\{(?P<schema>[^}]+)\} (?P<terms>[^']+)', '(?P<statistic>\w+)', (?P<period_seconds>\d+)\)"
)
_TERM = re.compile(r'(\w+)="([^"]+)"')


class DashboardError(ValueError):
    """The body is not what CloudWatch takes, or says what is not understood here."""


@dataclass(frozen=True, slots=True)
class Search:
    """One search expression.

    Attributes:
        namespace: the namespace it looks in.
        dimension_names: the names of all dimensions of what it finds.
        name: the metric's name.
        dimensions: the dimensions whose values it asks for.
    """

    namespace: str
    dimension_names: frozenset[str]
    name: str
    dimensions: frozenset[tuple[str, str]]

    @classmethod
    def from_text(cls, text: str) -> Search:
        """Read an expression that is nothing but a search by exact matches.

        Raises:
            DashboardError: where it is anything else.
        """
        found = _SEARCH.fullmatch(text)
        terms = dict(_TERM.findall(found["terms"])) if found else {}
        if found is None or _TERM.sub("", found["terms"]).strip() or "MetricName" not in terms:
            raise DashboardError(f"{text!r} is not SEARCH('{{namespace,dimension}} MetricName=\"...\"', 'Sum', 300)")
        namespace, *names = (name.strip().strip('"') for name in found["schema"].split(","))
        name = terms.pop("MetricName")
        if not terms.keys() <= set(names):
            raise DashboardError(f"{text!r} asks for a value of {sorted(terms.keys() - set(names))}")
        return cls(namespace, frozenset(names), name, frozenset(terms.items()))

    def finds(self, key: MetricKey) -> bool:
        """Tell whether it finds a metric."""
        return (
            (key.namespace, key.name, key.dimension_names) == (self.namespace, self.name, self.dimension_names)
        ) and self.dimensions <= key.dimensions


@dataclass(frozen=True, slots=True)
class Widget:
    """One widget.

    Attributes:
        kind: what it is: ``metric``, ``text``, ``alarm`` or ``log``.
        columns: the columns it takes.
        rows: the rows it takes.
        properties: what it shows.
    """

    kind: str
    columns: range
    rows: range
    properties: Mapping[str, Any]

    @property
    def title(self) -> str:
        """Its title."""
        return str(self.properties.get("title", self.kind))

    @property
    def metrics(self) -> list[MetricKey]:
        """The metrics it names, the short forms written out.

        Raises:
            DashboardError: where a short form has nothing before it to be short for.
        """
        found: list[MetricKey] = []
        before: list[str] = []
        for line in self._lines("metrics"):
            if isinstance(line[0], dict):
                continue
            before = _written_out([part for part in line if isinstance(part, str)], before)
            namespace, name, *rest = before
            found.append(MetricKey(namespace, name, frozenset(zip(rest[::2], rest[1::2], strict=True))))
        return found

    @property
    def searches(self) -> list[Search]:
        """The searches it makes."""
        return [Search.from_text(text) for text in self._expressions() if text.startswith("SEARCH")]

    @property
    def unknown_ids(self) -> set[str]:
        """The ids its arithmetic names and its lines have not."""
        ids = {
            part["id"] for line in self._lines("metrics") for part in line if isinstance(part, dict) and "id" in part
        }
        used = (metric_math.ids_of(text) for text in self._expressions() if not text.startswith("SEARCH"))
        return set().union(*used) - ids

    def _expressions(self) -> Iterator[str]:
        return (line[0]["expression"] for line in self._lines("metrics") if isinstance(line[0], dict))

    def _lines(self, name: str) -> list[list[Any]]:
        return list(self.properties.get(name, []))


def widgets(body: str) -> list[Widget]:
    """Read the widgets out of a body.

    Raises:
        DashboardError: naming what CloudWatch would not take.
    """
    try:
        parsed = json.loads(body)
    except json.JSONDecodeError as error:
        raise DashboardError(f"no JSON: {error}") from error
    for problem in _validator().iter_errors(parsed):
        raise DashboardError(f"{problem.json_path}: {problem.message}")
    return [
        Widget(
            kind=one["type"],
            columns=range(one["x"], one["x"] + one["width"]),
            rows=range(one["y"], one["y"] + one["height"]),
            properties=one["properties"],
        )
        for one in parsed["widgets"]
    ]


def misplaced(placed: Iterable[Widget]) -> list[str]:
    """Name the widgets that reach beyond the grid, and the pairs that overlap."""
    placed = list(placed)
    outside = [one.title for one in placed if one.columns.stop > COLUMNS]
    return outside + [
        f"{one.title} / {other.title}"
        for one, other in itertools.combinations(placed, 2)
        if _meet(one.columns, other.columns) and _meet(one.rows, other.rows)
    ]


def _meet(one: range, other: range) -> bool:
    return one.start < other.stop and other.start < one.stop


def _written_out(parts: list[str], before: list[str]) -> list[str]:
    if parts[0] == _SAME_REST:
        parts = before[: len(before) - len(parts) + 1] + parts[1:]
    elif any(part == _SAME and index >= len(before) for index, part in enumerate(parts)):
        raise DashboardError(f"{parts} repeats what is not there")
    return [before[index] if part == _SAME else part for index, part in enumerate(parts)]


@cache
def _validator() -> Draft202012Validator:
    return Draft202012Validator(json.loads(_SCHEMA.read_text(encoding="utf-8")))
