"""Generated part of the page on security: under which licences the dependencies are, from their own metadata.

A licence that is not in ``ALLOWED`` is an error, so that none comes in with an update unseen.
"""

from __future__ import annotations

import re
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from typing import TYPE_CHECKING

from infra.local.generated_tables import table
from infra.local.lambda_emulator import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

SHIPPED = ROOT / "handler/requirements.txt"
LOCKED = ROOT / "requirements-dev.lock"

ALLOWED = frozenset(
    {
        *("0BSD", "AFL-2.1", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "CC0-1.0", "CNRI-Python", "MIT", "MIT-0"),
        *("MIT-CMU", "PSF-2.0", "Zlib"),
        "MPL-2.0",  # of files, not of what uses them; none of them is changed here
    }
)
"""Licences that a dependency may be under, as SPDX names them; of several that may be chosen from, one is enough."""

_NAMES = {
    "Apache Software License": "Apache-2.0",
    "BSD": "BSD-3-Clause",
    "BSD License": "BSD-3-Clause",
    "MIT License": "MIT",
    "MIT No Attribution License (MIT-0)": "MIT-0",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Python Software Foundation License": "PSF-2.0",
}
"""What older metadata calls them."""
_NO_LICENCE = "DFSG approved"  # says what somebody thinks of it
_LOCKED_NAME = re.compile(r"^([A-Za-z0-9._-]+)==", re.MULTILINE)
_CLASSIFIER = "License :: "


class LicenceError(Exception):
    """A dependency is under a licence that is not allowed, or says none."""


def licence_part() -> str:
    """Return the table: every licence, who ships under it to Lambda, and who else is used to build and test."""
    shipped = set(_locked(SHIPPED.read_text(encoding="utf-8")))
    found: dict[str, list[str]] = {}
    for name in _locked(LOCKED.read_text(encoding="utf-8")):
        try:
            made = distribution(name)
        except PackageNotFoundError:
            continue  # for another system or another Python
        found.setdefault(licence(made), []).append(name)
    rows = (
        (
            each,
            _listed(name for name in names if name in shipped),
            _listed(name for name in names if name not in shipped),
        )
        for each, names in sorted(found.items())
    )
    return table(("licence", "in the function", "to build and test"), rows)


def licence(made: Distribution) -> str:
    """Return what a distribution is licensed under, as SPDX says it.

    Raises:
        LicenceError: when it says none, or one that is not allowed.
    """
    said = _said({field: made.metadata[field] for field in made.metadata}, made.metadata.get_all("Classifier") or [])
    if not said or not any(_is_allowed(choice) for choice in said.split(" OR ")):
        raise LicenceError(f"{made.name} is licensed under {said or 'nothing it says'}; allowed: {sorted(ALLOWED)}")
    return said


def _said(fields: Mapping[str, str], classifiers: Iterable[str]) -> str:
    """Read the expression, else the classifiers, else the old field."""
    if "License-Expression" in fields:
        return fields["License-Expression"]
    ends = [each.split(" :: ")[-1] for each in classifiers if each.startswith(_CLASSIFIER)]
    named = sorted(_NAMES.get(each, each) for each in ends if each != _NO_LICENCE)
    field = fields.get("License", "")
    return " OR ".join(named) or _NAMES.get(field, field)


def _is_allowed(choice: str) -> bool:
    return all(part.strip(" ()") in ALLOWED for part in choice.split(" AND "))


def _locked(text: str) -> list[str]:
    return _LOCKED_NAME.findall(text)


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)) or "-"
