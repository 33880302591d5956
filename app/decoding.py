"""Turns uploads into glyphs without holding up the event loop, and within a budget of memory."""

from __future__ import annotations

import asyncio
import io
import math
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from anyio import CapacityLimiter, to_thread
from PIL import Image

from app.imaging import FORMATS, THUMBNAIL, Reading, open_image, read

INLINE_PIXELS: Final = THUMBNAIL * THUMBNAIL
"""Up to this size a thread costs more than the decoding itself, which takes a fraction of a millisecond."""
INLINE_BYTES: Final = 64 * 2**10


def warm_up_decoders() -> None:
    """Read a dot in every format, so that no user waits for what Pillow loads when it first meets one."""
    dot = Image.new("L", (8, 8), 255)
    dot.paste(0, (3, 3, 5, 5))
    for kind in FORMATS:
        file = io.BytesIO()
        dot.save(file, kind)
        read(open_image(file.getvalue()))


class Decoders:
    """Small images are decoded at once; large ones in threads, no more of them at a time than fit the budget.

    Args:
        max_pixels: the largest image that is decoded at all.
        budget: most pixels in decoding at once, over all requests.
    """

    def __init__(self, max_pixels: int, budget: int) -> None:
        self._max_pixels, self._budget = max_pixels, budget
        self._free = budget
        self._first_in_line, self._freed = asyncio.Lock(), asyncio.Event()
        # More threads than cores would only take memory.
        self._threads = CapacityLimiter(os.cpu_count() or 1)

    async def read(self, data: bytes, deadline: float = math.inf) -> Reading:
        """`app.imaging.read` of an encoded file, with its errors.

        Raises:
            TimeoutError: by the deadline, on the clock of `time.monotonic`, a large image had not had its turn.
        """
        if len(data) <= INLINE_BYTES:
            image = open_image(data, self._max_pixels)
            if image.width * image.height <= INLINE_PIXELS:
                return read(image)
        async with asyncio.timeout(None if deadline == math.inf else deadline - time.monotonic()):
            # Of a large file even the header may take long to read.
            if len(data) > INLINE_BYTES:
                image = await to_thread.run_sync(open_image, data, self._max_pixels, limiter=self._threads)
            async with self._pixels_of(image):
                return await to_thread.run_sync(read, image, limiter=self._threads)

    @asynccontextmanager
    async def _pixels_of(self, image: Image.Image) -> AsyncIterator[None]:
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
