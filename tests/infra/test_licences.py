"""Licences of dependencies: read from their metadata, and refused where they are not among the allowed ones."""

from __future__ import annotations

from importlib.metadata import Distribution
from typing import TYPE_CHECKING

import pytest

from infra.local.generate_licences import ALLOWED, LicenceError, licence, licence_part

if TYPE_CHECKING:
    from pathlib import Path


class Made(Distribution):
    """A distribution that says of itself what it is told."""

    def __init__(self, *fields: tuple[str, str]) -> None:
        self._text = "".join(
            f"{name}: {value}\n" for name, value in (("Metadata-Version", "2.4"), ("Name", "made"), *fields)
        )

    def read_text(self, filename: str) -> str | None:
        """Return its metadata."""
        return self._text if filename == "METADATA" else None

    def locate_file(self, path: object) -> Path:
        """Find nothing."""
        raise NotImplementedError(path)


MIT = ("Classifier", "License :: OSI Approved :: MIT License")
GPL = ("Classifier", "License :: OSI Approved :: GNU General Public License v3 (GPLv3)")


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ([("License-Expression", "Apache-2.0")], "Apache-2.0"),
        ([("License-Expression", "BSD-3-Clause AND MIT")], "BSD-3-Clause AND MIT"),
        ([("License-Expression", "MIT OR GPL-3.0-only")], "MIT OR GPL-3.0-only"),
        ([MIT], "MIT"),
        ([MIT, GPL], "GNU General Public License v3 (GPLv3) OR MIT"),
        ([("License", "BSD")], "BSD-3-Clause"),
        ([("License", "GPL"), MIT], "MIT"),
        ([("Classifier", "License :: DFSG approved"), MIT], "MIT"),
    ],
)
def test_a_licence_is_read(fields: list[tuple[str, str]], expected: str) -> None:
    """From the expression before the classifiers before the old field; of a choice one allowed is enough."""
    assert licence(Made(*fields)) == expected


@pytest.mark.parametrize(
    "fields",
    [
        [],
        [GPL],
        [("License-Expression", "GPL-3.0-only")],
        [("License-Expression", "MIT AND GPL-3.0-only")],
        [("License", "Proprietary")],
        [("License-Expression", "AGPL-3.0-only OR LicenseRef-Commercial"), MIT],
    ],
)
def test_a_licence_that_is_not_allowed_is_an_error(fields: list[tuple[str, str]]) -> None:
    """Named with what is allowed, and so is none at all."""
    with pytest.raises(LicenceError, match=r"made is licensed under .*; allowed: \['0BSD', "):
        licence(Made(*fields))


def test_every_dependency_is_listed_once() -> None:
    """What the function ships and what builds and tests it, apart."""
    rows = [line.strip("| \n").split(" | ") for line in licence_part().splitlines()[2:]]
    shipped = [name for row in rows for name in row[1].split(", ") if name != "-"]
    others = [name for row in rows for name in row[2].split(", ") if name != "-"]
    assert {"anthropic", "boto3", "pydantic"} <= set(shipped)
    assert {"pytest", "mypy", "ruff"} <= set(others)
    assert len({*shipped, *others}) == len(shipped) + len(others) > 100
    assert not [each for each in ALLOWED if "GPL" in each]
