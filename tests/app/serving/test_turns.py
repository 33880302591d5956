import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

import pytest

from app.serving.turns import SMALL, Turns

LARGE = SMALL + 1


def run(scenario: Callable[[], Awaitable[None]]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(20):
            await scenario()

    asyncio.run(bounded())


def test_a_new_client_goes_before_the_many_images_of_another() -> None:
    served: list[str] = []

    async def image(turns: Turns, client: str) -> None:
        async with turns.take(client, LARGE, 1):
            served.append(client)
            await asyncio.sleep(0)

    async def scenario() -> None:
        turns = Turns(1, 10 * LARGE)
        flood = [asyncio.create_task(image(turns, "flood")) for _ in range(10)]
        await asyncio.sleep(0)
        await asyncio.gather(image(turns, "other"), image(turns, "other"), *flood)
        assert turns.idle

    run(scenario)
    assert served.index("other") <= 2
    assert len(served) - 1 - served[::-1].index("other") <= 4


@pytest.mark.parametrize(("slots", "pixels", "most"), [(2, 10, 2), (5, 10, 3), (5, 1, 1)])
def test_no_more_is_decoded_at_once_than_the_slots_and_the_pixels_allow(slots: int, pixels: int, most: int) -> None:
    now = highest = 0

    async def image(turns: Turns) -> None:
        nonlocal now, highest
        async with turns.take("a", 3 * LARGE, 30):
            now += 1
            highest = max(highest, now)
            await asyncio.sleep(0.001)
            now -= 1

    async def scenario() -> None:
        turns = Turns(slots, pixels * LARGE)
        await asyncio.gather(*(image(turns) for _ in range(20)))
        assert turns.idle

    run(scenario)
    assert highest == most


def test_who_gives_up_leaves_nothing_behind() -> None:
    async def image(turns: Turns, seconds: float) -> None:
        async with turns.take("a", 6 * LARGE, 1):
            await asyncio.sleep(seconds)

    async def scenario() -> None:
        turns = Turns(2, 10 * LARGE)
        tasks = [asyncio.create_task(image(turns, 0.01)) for _ in range(6)]
        await asyncio.sleep(0)
        for i in (0, 1, 4):  # One that holds its turn, the first in line, and one behind it.
            tasks[i].cancel()
        for task in tasks:
            with suppress(asyncio.CancelledError):
                await task
        assert turns.idle
        assert turns._free_pixels == 10 * LARGE

    run(scenario)


def test_a_small_image_does_not_wait_for_the_pixels_of_large_ones() -> None:
    async def scenario() -> None:
        turns = Turns(2, LARGE)
        async with turns.take("a", LARGE, 1):
            large = asyncio.create_task(turns.take("a", LARGE, 1).__aenter__())
            await asyncio.sleep(0)
            async with turns.take("a", SMALL, 1):
                assert not large.done()
        await large

    run(scenario)
