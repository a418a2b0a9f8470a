"""The template as it stands in the repository, and as AWS would see it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from infra.local.aws import LocalAws
from infra.local.transform import Template, read, transform

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="session")
def template_path() -> Path:
    """Where the template is."""
    return ROOT / "template.yaml"


@pytest.fixture(scope="session")
def source(template_path: Path) -> Template:
    """The template as it is written."""
    return read(template_path)


@pytest.fixture(scope="session")
def transformed(source: Template) -> Template:
    """The plain CloudFormation it becomes."""
    return transform(source)


@pytest.fixture(scope="session")
def resources(transformed: Template) -> Template:
    """The resources it becomes, by logical id."""
    found: Template = transformed["Resources"]
    return found


@pytest.fixture(scope="session")
def function(resources: Template) -> Template:
    """The function's properties."""
    found: Template = resources["WarmerFunction"]["Properties"]
    return found


@pytest.fixture
def aws() -> Iterator[LocalAws]:
    """An empty AWS account."""
    with LocalAws() as account:
        yield account
