import asyncio
import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from PIL import Image

from app import decoding
from app.decoding import Decoders
from app.imaging import ImageError, Reading, open_image, read, read_glyph
from tests.drawing import draw, encode


def run(scenario: Callable[[], Any]) -> None:
    asyncio.run(asyncio.wait_for(scenario(), 20))


@pytest.mark.parametrize(("size", "inline"), [(32, True), (400, False)])
def test_small_images_are_decoded_in_the_event_loops_thread_and_large_ones_elsewhere(
    monkeypatch: pytest.MonkeyPatch, size: int, inline: bool
) -> None:
    threads = []

    def spy(image: Image.Image) -> Reading:
        threads.append(threading.current_thread())
        return read(image)

    async def scenario() -> None:
        data = encode(draw("pa", size))
        assert np.array_equal((await Decoders(10**6, 10**6).read(data)).glyph, read_glyph(data))
        assert [thread is threading.current_thread() for thread in threads] == [inline]

    monkeypatch.setattr(decoding, "read", spy)
    run(scenario)


def test_no_more_pixels_are_decoded_at_once_than_the_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forty images of 160,000 pixels, among them some larger than the whole budget, which go alone."""
    lock = threading.Lock()
    now, most = 0, 0

    def spy(image: Image.Image) -> Reading:
        nonlocal now, most
        pixels = image.width * image.height
        with lock:
            now += pixels
            most = max(most, now)
        try:
            return read(image)
        finally:
            with lock:
                now -= pixels

    async def scenario() -> None:
        decoders = Decoders(10**6, 400_000)
        images = [encode(draw("pa", 800 if i % 10 == 0 else 400)) for i in range(40)]
        readings = await asyncio.gather(*(decoders.read(data) for data in images))
        for reading, data in zip(readings, images, strict=True):
            assert np.array_equal(reading.glyph, read_glyph(data))
        assert 160_000 <= most <= 640_000
        assert decoders._free == 400_000

    monkeypatch.setattr(decoding, "read", spy)
    run(scenario)


def test_the_budget_comes_back_from_bad_and_abandoned_images() -> None:
    async def scenario() -> None:
        decoders = Decoders(10**6, 200_000)
        good = encode(draw("pa", 400))
        with pytest.raises(ImageError):
            await decoders.read(good[: len(good) // 2])
        tasks = [asyncio.create_task(decoders.read(good)) for _ in range(4)]
        await asyncio.sleep(0)
        for task in tasks[1:]:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert decoders._free == 200_000

    run(scenario)


def test_who_waits_for_his_turn_past_his_deadline_is_told() -> None:
    async def scenario() -> None:
        decoders = Decoders(10**6, 200_000)
        large = encode(draw("pa", 400))
        async with decoders._pixels_of(open_image(large)):
            with pytest.raises(TimeoutError):
                await decoders.read(large, time.monotonic() + 0.05)
            small = encode(draw("pa", 32))
            assert np.array_equal((await decoders.read(small, time.monotonic() + 60)).glyph, read_glyph(small))
        assert np.array_equal((await decoders.read(large, time.monotonic() + 60)).glyph, read_glyph(large))

    run(scenario)
