"""Places for labels in a column: as near to what they name as they can be without touching each other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(slots=True)
class _Block:
    """Labels that stand close together, the place of the first one being what the places of all average to."""

    total: float
    count: int

    @property
    def place(self) -> float:
        return self.total / self.count


def places(wanted: Sequence[float], *, height: float, low: float, high: float) -> list[float]:
    """Move labels apart by as little as possible (least squares), and keep their order.

    Args:
        wanted: where the middle of each label should be.
        height: what a label takes.
        low: the lowest place a middle may have.
        high: the highest; where there are too many labels for the room they stand as densely as fits.
    """
    if not wanted:
        return []
    count = len(wanted)
    height = min(height, (high - low) / (count - 1)) if count > 1 else height
    order = sorted(range(count), key=wanted.__getitem__)
    # With the heights below each label taken away, labels may touch but not pass each other.
    blocks: list[_Block] = []
    for rank, at in enumerate(order):
        blocks.append(_Block(wanted[at] - rank * height, 1))
        while len(blocks) > 1 and blocks[-2].place > blocks[-1].place:
            last = blocks.pop()
            blocks[-1] = _Block(blocks[-1].total + last.total, blocks[-1].count + last.count)
    found = [0.0] * count
    firsts = (block.place for block in blocks for _ in range(block.count))
    for rank, (at, first) in enumerate(zip(order, firsts, strict=True)):
        found[at] = min(max(first, low), high - (count - 1) * height) + rank * height
    return found
