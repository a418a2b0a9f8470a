"""The blocks of the page of transcripts: a scene, the lines that are typed, and what is seen."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from infra.local.lambda_emulator import ROOT

if TYPE_CHECKING:
    from collections.abc import Mapping

PAGE = ROOT / "infra/docs/transcripts.md"
_BLOCK = re.compile(r"<!-- transcript: ([a-z ]+) -->\n```console\n(.*?)```\n", re.DOTALL)


@dataclass(frozen=True)
class Block:
    """One block of the page.

    Attributes:
        number: which one, from 0.
        scene: what it begins with.
        lines: the lines that are typed.
    """

    number: int
    scene: str
    lines: tuple[str, ...]


def blocks(page: str) -> list[Block]:
    """Read the blocks of the page, in order."""
    return [
        Block(number, found[1], tuple(re.findall(r"^\$ (.+)$", found[2], re.MULTILINE)))
        for number, found in enumerate(_BLOCK.finditer(page))
    ]


def written(page: str, seen: Mapping[Block, str]) -> str:
    """Return the page with what was seen in its blocks."""
    texts = iter(seen.items())

    def block(_: re.Match[str]) -> str:
        found, text = next(texts)
        return f"<!-- transcript: {found.scene} -->\n```console\n{text}```\n"

    return _BLOCK.sub(block, page)
