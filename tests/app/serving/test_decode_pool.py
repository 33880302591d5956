import asyncio
import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from PIL import Image

from akshar.imaging import reader
from akshar.imaging.reader import ImageError, Reading, open_image, read, read_glyph
from app.serving import decode_pool
from app.serving.decode_pool import DecodePool
from app.serving.errors import ExpiredError
from tests.drawing import draw, encode

MAX_BYTES = 10**6
MAX_PIXELS = 10**6


async def read_one(pool: DecodePool, data: bytes, seconds: float = 60) -> Reading:
    (reading,) = await pool.read([data], time.monotonic() + seconds)
    if isinstance(reading, ImageError):
        raise reading
    return reading


def run(scenario: Callable[[], Any]) -> None:
    asyncio.run(asyncio.wait_for(scenario(), 20))


@pytest.mark.parametrize(("size", "inline"), [(32, True), (400, False)])
def test_small_images_are_decoded_in_the_event_loop_and_large_ones_in_threads(
    monkeypatch: pytest.MonkeyPatch, size: int, inline: bool
) -> None:
    threads = []
    data = encode(draw("pa", size))
    expected = read_glyph(data)

    def spy(image: Image.Image) -> Reading:
        threads.append(threading.current_thread())
        return read(image)

    async def scenario() -> None:
        assert np.array_equal((await read_one(DecodePool(MAX_BYTES, MAX_PIXELS, 10**6), data)).glyph, expected)
        assert [thread is threading.current_thread() for thread in threads] == [inline]

    monkeypatch.setattr(decode_pool, "read", spy)
    monkeypatch.setattr(reader, "read", spy)
    run(scenario)


def test_no_more_pixels_are_decoded_at_once_than_the_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forty images of 160,000 pixels, among them some larger than the whole budget, which go alone."""
    lock = threading.Lock()
    now, highest = 0, 0

    def spy(image: Image.Image) -> Reading:
        nonlocal now, highest
        pixels = image.width * image.height
        with lock:
            now += pixels
            highest = max(highest, now)
        try:
            return read(image)
        finally:
            with lock:
                now -= pixels

    async def scenario() -> None:
        pool = DecodePool(MAX_BYTES, MAX_PIXELS, 400_000)
        images = [encode(draw("pa", 800 if i % 10 == 0 else 400)) for i in range(40)]
        readings = await asyncio.gather(*(read_one(pool, data) for data in images))
        for reading, data in zip(readings, images, strict=True):
            assert np.array_equal(reading.glyph, read_glyph(data))
        assert 160_000 <= highest <= 640_000
        assert pool._free == 400_000

    monkeypatch.setattr(decode_pool, "read", spy)
    run(scenario)


def test_bad_and_abandoned_images_give_their_pixels_back() -> None:
    async def scenario() -> None:
        pool = DecodePool(MAX_BYTES, MAX_PIXELS, 200_000)
        good = encode(draw("pa", 400))
        with pytest.raises(ImageError):
            await read_one(pool, good[: len(good) // 2])
        tasks = [asyncio.create_task(read_one(pool, good)) for _ in range(4)]
        await asyncio.sleep(0)
        for task in tasks[1:]:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert pool._free == 200_000

    run(scenario)


def test_an_image_that_waits_past_its_deadline_expires() -> None:
    async def scenario() -> None:
        pool = DecodePool(MAX_BYTES, MAX_PIXELS, 200_000)
        large = encode(draw("pa", 400))
        async with pool._hold_pixels(open_image(large)):
            with pytest.raises(ExpiredError):
                await read_one(pool, large, 0.05)
            small = encode(draw("pa", 32))
            assert np.array_equal((await read_one(pool, small)).glyph, read_glyph(small))
        assert np.array_equal((await read_one(pool, large)).glyph, read_glyph(large))

    run(scenario)


def test_each_file_has_its_own_result() -> None:
    async def scenario() -> None:
        pool = DecodePool(2000, MAX_PIXELS, MAX_PIXELS)
        good = encode(draw("pa", 32))
        results = await pool.read([good, b"no image", bytes(2001), good], time.monotonic() + 60)
        assert [result.code if isinstance(result, ImageError) else "read" for result in results] == [
            "read",
            "unsupported_image",
            "too_many_bytes",
            "read",
        ]

    run(scenario)
