"""Turns uploads into glyphs without blocking the event loop, and within a budget of memory."""

from __future__ import annotations

import asyncio
import io
import os
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Final

from anyio import CapacityLimiter, to_thread
from PIL import Image

from akshar.imaging.reader import FORMATS, THUMBNAIL, ImageError, Reading, open_image, open_or_read, read
from app import metrics
from app.serving.errors import ExpiredError

INLINE_PIXELS: Final = THUMBNAIL * THUMBNAIL
"""Up to this size a thread costs more than the decoding itself, which takes a fraction of a millisecond."""
INLINE_BYTES: Final = 64 * 2**10
_YIELD_SECONDS: Final = 0.005
"""How long small images may be decoded in a row before other requests get their turn."""


def warm_up_decoders() -> None:
    """Read a dot in every format, so that no user waits for what Pillow loads at the first image of a format."""
    dot = Image.new("L", (8, 8), 255)
    dot.paste(0, (3, 3, 5, 5))
    for kind in FORMATS:
        file = io.BytesIO()
        dot.save(file, kind)
        read(open_image(file.getvalue()))


class DecodePool:
    """Decodes small images at once and large ones in threads, no more of them at a time than fit the budget.

    Args:
        max_bytes: the largest file that is decoded.
        max_pixels: the largest image that is decoded.
        budget: most pixels in decoding at once, over all requests.
    """

    def __init__(self, max_bytes: int, max_pixels: int, budget: int) -> None:
        self._max_bytes, self._max_pixels, self._budget = max_bytes, max_pixels, budget
        self._free = budget
        self._first_in_line, self._freed = asyncio.Lock(), asyncio.Event()
        # More threads than cores would only take memory.
        self._threads = CapacityLimiter(os.cpu_count() or 1)

    async def read(self, files: Sequence[bytes], deadline: float) -> list[Reading | ImageError]:
        """Decode files one after another; an error of one is its own result.

        Args:
            files: encoded images.
            deadline: on the clock of `time.monotonic`.

        Raises:
            ExpiredError: at the deadline, a large image was still waiting for its turn.
        """
        readings: list[Reading | ImageError] = []
        last_yield = time.monotonic()
        for data in files:
            with metrics.STAGE_SECONDS["decode"].time():
                try:
                    readings.append(await self._read(data, deadline))
                except ImageError as error:
                    readings.append(error)
            if time.monotonic() - last_yield > _YIELD_SECONDS:
                await asyncio.sleep(0)
                last_yield = time.monotonic()
        return readings

    async def _read(self, data: bytes, deadline: float) -> Reading:
        if len(data) > self._max_bytes:
            raise ImageError("too_many_bytes", f"The file has more than {self._max_bytes:,} bytes.")
        image: Image.Image | None = None
        if len(data) <= INLINE_BYTES:
            opened = open_or_read(data, self._max_pixels, INLINE_PIXELS)
            if isinstance(opened, Reading):
                return opened
            image = opened
        try:
            async with asyncio.timeout(deadline - time.monotonic()):
                if image is None:  # Reading even the header of a large file may take long.
                    image = await to_thread.run_sync(open_image, data, self._max_pixels, limiter=self._threads)
                async with self._hold_pixels(image):
                    return await to_thread.run_sync(read, image, limiter=self._threads)
        except TimeoutError:
            raise ExpiredError from None

    @asynccontextmanager
    async def _hold_pixels(self, image: Image.Image) -> AsyncIterator[None]:
        # One image larger than the whole budget is let through alone.
        pixels = min(image.width * image.height, self._budget)
        async with self._first_in_line:
            while self._free < pixels:
                self._freed.clear()
                await self._freed.wait()
            self._free -= pixels
        try:
            yield
        finally:
            self._free += pixels
            self._freed.set()
