"""Turns uploads into glyphs without blocking the event loop, and within budgets of memory and time.

Small and simple files are decoded at once. All others are decoded in a few processes that can be killed: an image
decoder is native code, which nothing else can stop.
"""

from __future__ import annotations

import asyncio
import math
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

import structlog
from anyio import BrokenWorkerProcess, CapacityLimiter, to_process

from akshar.imaging.errors import ImageError
from akshar.imaging.finding import THUMBNAIL
from akshar.imaging.inspection import inspect
from akshar.imaging.reader import Reading, read_if_simple
from app import metrics
from app.serving.decode_worker import Failure, Limits, decode, read_dots, warm_up
from app.serving.errors import DecoderDiedError, OutOfMemoryError, RecognitionError, ServingError
from app.serving.turns import Turns

INLINE_PIXELS: Final = THUMBNAIL * THUMBNAIL
"""Up to this size another process costs more than the decoding itself, which takes a fraction of a millisecond."""
INLINE_BYTES: Final = 8 * 2**10
_LOOK_BYTES: Final = 64 * 2**10
"""Where a file declares its size, unless a lot of metadata stands in front of it."""
_YIELD_SECONDS: Final = 0.005
"""How long small images may be decoded in a row before other requests get their turn."""
_BASE_COST: Final = 200_000
"""What an image costs besides its pixels, in pixels."""
_SMOOTHING: Final = 0.9
"""How much of the measured speed survives each image."""

_log = structlog.get_logger("akshar.decoding")

Decoded = Reading | ImageError | ServingError
"""What becomes of a file. Errors are values, not raised: an error of one file is none of the others'."""


@dataclass(frozen=True, slots=True)
class DecodeLimits:
    """The limits of decoding.

    Attributes:
        max_bytes: the largest file that is decoded.
        image: what one image may take.
        processes: decoder processes.
        budget: most pixels in decoding at once, over all requests.
    """

    max_bytes: int
    image: Limits
    processes: int
    budget: int


class DecodePool:
    """Decodes small images in this process and all others in decoder processes.

    Attributes:
        delay: seconds that the images which wait for a decoder process will take.
    """

    def __init__(self, limits: DecodeLimits) -> None:
        self._limits = limits
        self._turns = Turns(limits.processes, limits.budget)
        self._processes = CapacityLimiter(limits.processes)
        self._waiting_cost = 0.0
        self._cost_per_second = math.nan

    @property
    def delay(self) -> float:
        """Seconds that the images which wait for a decoder process will take; 0 before anything was measured."""
        if math.isnan(self._cost_per_second):
            return 0.0
        return self._waiting_cost / (self._cost_per_second * self._limits.processes)

    async def start(self) -> None:
        """Start the decoder processes. They have loaded nothing yet."""
        await self._in_all(os.getpid)

    async def warm_up(self) -> None:
        """Load in all processes what images need."""
        read_dots()
        await self._in_all(partial(warm_up, self._limits.image))

    async def _in_all(self, function: Callable[[], object]) -> None:
        calls = (to_process.run_sync(function, limiter=self._processes) for _ in range(self._limits.processes))
        await asyncio.gather(*calls)

    async def read(self, files: Sequence[bytes | bytearray | memoryview], client: str) -> list[Decoded]:
        """Decode the files of one request. If this is cancelled, the processes that decode them are killed.

        Args:
            files: encoded images.
            client: who sent them: clients take turns in the decoder processes.

        Returns:
            What became of each file, in order.
        """
        decoded: dict[int, Decoded] = {}
        heavy: dict[int, asyncio.Task[Decoded]] = {}
        last_yield = time.monotonic()
        async with asyncio.TaskGroup() as group:
            for i, data in enumerate(files):
                try:
                    done = self._read_inline(data)
                except ImageError as error:
                    # Its traceback would keep the image alive until the last file of the request is read.
                    decoded[i] = error.with_traceback(None)
                    continue
                except MemoryError:
                    decoded[i] = _out_of_memory(len(data))
                    continue
                if isinstance(done, Reading):
                    decoded[i] = done
                else:
                    heavy[i] = group.create_task(self._read_in_process(data, done, client))
                if time.monotonic() - last_yield > _YIELD_SECONDS:
                    await asyncio.sleep(0)
                    last_yield = time.monotonic()
        return [decoded[i] if i in decoded else heavy[i].result() for i in range(len(files))]

    def _read_inline(self, data: bytes | bytearray | memoryview) -> Reading | int:
        """Read a small and simple file; of any other, look up how many pixels it declares."""
        if len(data) > self._limits.max_bytes:
            raise ImageError("too_many_bytes", f"The file has more than {self._limits.max_bytes:,} bytes.")
        if len(data) > INLINE_BYTES:
            look = inspect(bytes(data[:_LOOK_BYTES]))  # The decoder process looks at all of it.
            return look.width * look.height
        started = time.monotonic()
        try:
            read = read_if_simple(bytes(data), self._limits.image.pixels, INLINE_PIXELS)
        except ImageError:
            metrics.STAGE_SECONDS["decode"].observe(time.monotonic() - started)
            raise
        if not isinstance(read, Reading):
            return read.width * read.height
        metrics.STAGE_SECONDS["decode"].observe(time.monotonic() - started)
        return read

    async def _read_in_process(self, data: bytes | bytearray | memoryview, pixels: int, client: str) -> Decoded:
        cost = _BASE_COST + pixels
        self._waiting_cost += cost
        try:
            # A file that declares nothing is known to Pillow alone, if at all.
            async with self._turns.take(client, pixels or self._limits.budget, cost):
                started = time.monotonic()
                decoded = await self._decode(data)
                self._measure(cost, time.monotonic() - started)
                return decoded
        finally:
            self._waiting_cost -= cost

    async def _decode(self, data: bytes | bytearray | memoryview) -> Decoded:
        started = time.monotonic()
        try:
            read = await to_process.run_sync(
                decode, bytes(data), self._limits.image, cancellable=True, limiter=self._processes
            )
        except asyncio.CancelledError:
            metrics.DECODERS_KILLED.labels("cancelled").inc()
            raise
        except MemoryError:
            return _out_of_memory(len(data))
        except BrokenWorkerProcess:
            return self._died(time.monotonic() - started, len(data))
        except Exception as error:  # A fault of ours, which must not fail the other files of the request.
            _log.error("decoding_failed", file_bytes=len(data), exc_info=error)
            return RecognitionError()
        if isinstance(read, Failure):
            return ImageError(read.code, read.detail)
        return read

    def _died(self, seconds: float, file_bytes: int) -> Decoded:
        """The decoder process has ended: killed by the kernel at the limit of CPU time, or for want of memory."""
        if seconds >= self._limits.image.seconds:
            metrics.DECODERS_KILLED.labels("cpu").inc()
            return ImageError(
                "decoding_limit", f"Decoding takes more than {self._limits.image.seconds:g} seconds of CPU time."
            )
        metrics.DECODERS_KILLED.labels("died").inc()
        _log.error("decoder_died", file_bytes=file_bytes)
        return DecoderDiedError()

    def _measure(self, cost: float, seconds: float) -> None:
        metrics.STAGE_SECONDS["decode"].observe(seconds)
        speed = cost / max(seconds, 1e-6)
        known = self._cost_per_second
        self._cost_per_second = speed if math.isnan(known) else _SMOOTHING * known + (1 - _SMOOTHING) * speed


def _out_of_memory(file_bytes: int) -> OutOfMemoryError:
    metrics.DECODERS_KILLED.labels("memory").inc()
    _log.error("out_of_memory", file_bytes=file_bytes)
    return OutOfMemoryError()
