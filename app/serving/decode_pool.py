"""Turns uploads into glyphs without blocking the event loop, and within budgets of memory and time.

Small and simple files are decoded at once. All others are decoded in a few processes that can be killed: an image
decoder is native code, which nothing else can stop.
"""

from __future__ import annotations

import asyncio
import math
import pickle
import signal
import time
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import structlog

from akshar.imaging.errors import ImageError
from akshar.imaging.finding import THUMBNAIL
from akshar.imaging.opening import look_at_head
from akshar.imaging.reader import Reading, read_if_simple
from app import metrics
from app.serving.decode_worker import FAULT, OUT_OF_MEMORY, Limits, read_dots
from app.serving.decoder import Decoder
from app.serving.errors import DecoderDiedError, OutOfMemoryError, RecognitionError, ServingError
from app.serving.turns import Turns

INLINE_PIXELS: Final = THUMBNAIL * THUMBNAIL
"""Up to this size another process costs more than the decoding itself, which takes a fraction of a millisecond."""
INLINE_BYTES: Final = 8 * 2**10
_YIELD_SECONDS: Final = 0.005
"""How long small images may be decoded in a row before other requests get their turn."""
_BASE_COST: Final = 200_000
"""What an image costs besides its pixels, in pixels."""
_RESTART_SECONDS: Final = 1
"""How long after a decoder process could not be started the next try is made."""
_SMOOTHING: Final = 0.9
"""How much of the measured speed survives each image."""

_log = structlog.get_logger("akshar.decoding")

_Result = TypeVar("_Result")
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
        self._decoders: set[Decoder] = set()
        self._idle: asyncio.LifoQueue[Decoder] = asyncio.LifoQueue()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._waiting_cost = 0.0
        self._cost_per_second = math.nan

    @property
    def delay(self) -> float:
        """Seconds that the images which wait for a decoder process will take; 0 before anything was measured."""
        if math.isnan(self._cost_per_second):
            return 0.0
        return self._waiting_cost / (self._cost_per_second * self._limits.processes)

    async def start(self) -> None:
        """Start the decoder processes, and load in them and in this one what images need.

        Raises:
            OSError, EOFError: they cannot be started.
        """
        await asyncio.gather(*(self._spawn(self._add()) for _ in range(self._limits.processes)))
        read_dots()

    async def _add(self) -> None:
        decoder = Decoder(self._limits.image)
        self._decoders.add(decoder)
        try:
            await decoder.ready()
        except EOFError:
            self._decoders.discard(decoder)
            decoder.close()
            raise
        self._idle.put_nowait(decoder)

    async def stop(self) -> None:
        """End the decoder processes, of which none may be in use any more."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for decoder in self._decoders:
            decoder.close()
        self._decoders.clear()

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
            return look_at_head(data).pixels  # The decoder process looks at all of it.
        started = time.monotonic()
        try:
            read = read_if_simple(bytes(data), self._limits.image.pixels, INLINE_PIXELS)
        except ImageError:
            metrics.STAGE_SECONDS["decode"].observe(time.monotonic() - started)
            raise
        if not isinstance(read, Reading):
            return read.pixels
        metrics.STAGE_SECONDS["decode"].observe(time.monotonic() - started)
        return read

    async def _read_in_process(self, data: bytes | bytearray | memoryview, pixels: int, client: str) -> Decoded:
        cost = _BASE_COST + pixels
        self._waiting_cost += cost
        try:
            # A file whose beginning tells no size may have any.
            async with self._turns.take(client, pixels or self._limits.budget, cost):
                started = time.monotonic()
                decoded = await self._decode(data)
                self._measure(cost, time.monotonic() - started)
                return decoded
        finally:
            self._waiting_cost -= cost

    async def _decode(self, data: bytes | bytearray | memoryview) -> Decoded:
        decoder = await self._idle.get()
        try:
            read = await decoder.decode(data)
        except asyncio.CancelledError:
            metrics.DECODERS_KILLED.labels("cancelled").inc()
            await self._replace(decoder)
            raise
        except (EOFError, pickle.UnpicklingError):
            return self._died(await self._replace(decoder), len(data))
        except MemoryError:  # There is none left here, whatever the process has.
            await self._replace(decoder)
            return _out_of_memory(len(data))
        self._idle.put_nowait(decoder)
        if isinstance(read, Reading):
            return read
        if read.code == OUT_OF_MEMORY:
            return _out_of_memory(len(data))
        if read.code == FAULT:  # It must not fail the other files of the request.
            _log.error("decoding_failed", file_bytes=len(data), exception=read.detail)
            return RecognitionError()
        return ImageError(read.code, read.detail)

    async def _replace(self, decoder: Decoder) -> int:
        """Kill a decoder process; another is started, for which nobody waits. Its exit status.

        Both go on if whoever waits for this is cancelled.
        """
        self._decoders.discard(decoder)
        killing = self._spawn(decoder.kill())
        self._spawn(self._add_in_time())
        return await asyncio.shield(killing)

    async def _add_in_time(self) -> None:
        while True:
            try:
                return await self._add()
            except (OSError, EOFError) as error:
                _log.error("decoder_not_started", exc_info=error)
                await asyncio.sleep(_RESTART_SECONDS)

    def _spawn(self, work: Coroutine[Any, Any, _Result]) -> asyncio.Task[_Result]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)  # The loop alone would not keep it.
        task.add_done_callback(self._tasks.discard)
        return task

    def _died(self, status: int, file_bytes: int) -> Decoded:
        """The decoder process has ended: killed by the kernel at the limit of CPU time, or for want of memory."""
        if status == -signal.SIGXCPU:
            metrics.DECODERS_KILLED.labels("cpu").inc()
            return ImageError(
                "decoding_limit", f"Decoding takes more than {self._limits.image.seconds:g} seconds of CPU time."
            )
        metrics.DECODERS_KILLED.labels("died").inc()
        _log.error("decoder_died", file_bytes=file_bytes, status=status)
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
