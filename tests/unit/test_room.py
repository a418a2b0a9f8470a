"""Room for bodies in flight."""

from __future__ import annotations

import asyncio

import pytest

from prompt_cache_warmer.warm.room import Room


async def test_who_comes_first_is_served_first() -> None:
    """A large body that waits is not overtaken for ever by small ones."""
    room = Room(100)
    order: list[str] = []

    async def hold(name: str, size_bytes: int) -> None:
        async with room.take(size_bytes):
            order.append(name)
            await asyncio.sleep(0.001)

    await asyncio.gather(hold("a", 60), hold("large", 100), hold("small", 10))
    assert order == ["a", "large", "small"]


async def test_room_is_given_back_when_the_holder_fails() -> None:
    """An error inside frees the bytes."""
    room = Room(10)
    for _ in range(3):
        with pytest.raises(RuntimeError):
            async with room.take(10):
                raise RuntimeError
    async with asyncio.timeout(1), room.take(10):
        pass


async def test_someone_who_gives_up_waiting_takes_nothing() -> None:
    """A cancelled waiter leaves the room as it was."""
    room = Room(10)
    async with room.take(10):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01), room.take(5):
                pass
    async with asyncio.timeout(1), room.take(10):
        pass
