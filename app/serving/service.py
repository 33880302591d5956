"""What a running app consists of, and the path of images through it: decode, recognize, decide."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import NamedTuple

from akshar.imaging.errors import ImageError
from akshar.imaging.reader import Reading
from akshar.model.abstention import Decision, DecisionOptions, decide
from akshar.model.choice import choose
from akshar.model.manifest import Manifest
from akshar.model.recognition import Recognition
from akshar.model.recognizer import Recognizer
from app import metrics
from app.serving.admission import Admission
from app.serving.batching import Batcher, Outcome, Recognized
from app.serving.decode_pool import DecodePool
from app.serving.drift import Drift
from app.serving.errors import AbandonedError, ExpiredError, RecognitionError, ServingError, StoppedError
from app.settings import Settings


class Read(NamedTuple):
    """An image that was read: its recognition, how its glyph was made, and whether the prediction is accepted."""

    recognition: Recognition
    reading: Reading
    decision: Decision


class Timings(NamedTuple):
    """Seconds by stage: all decoding, the longest wait in the queue, and the slowest batch."""

    decode: float = 0.0
    queue: float = 0.0
    extractor: float = 0.0
    head: float = 0.0


@dataclass
class Service:
    """The parts that requests use, all ready.

    Attributes:
        draining: whether new work is refused because the process is about to end.
    """

    settings: Settings
    manifest: Manifest
    recognizer: Recognizer
    admission: Admission
    decode_pool: DecodePool
    batcher: Batcher
    drift: Drift
    draining: bool = False

    async def read(
        self,
        files: Sequence[bytes | bytearray | memoryview],
        family: str,
        options: DecisionOptions,
        seconds: float,
        client: str,
        receive: Callable[[], Awaitable[object]],
    ) -> tuple[list[Read | ImageError | ServingError], Timings]:
        """Read the image files of one request, which has been admitted.

        Args:
            files: encoded images.
            family: the family to read them as, or `AUTO`.
            options: of the decisions.
            seconds: until the deadline.
            client: who sent them.
            receive: completes when the client has left.

        Returns:
            What became of each file, in order, and where the time went.

        Raises:
            ExpiredError: the deadline passed before all images were read.
            AbandonedError: the client left.
            StoppedError: the batching thread ended.
        """
        started = time.monotonic()
        try:
            async with asyncio.timeout(seconds), _while_connected(receive):
                readings = await self.decode_pool.read(files, client)
                decoded = time.monotonic() - started
                glyphs = [glyph for reading in readings if isinstance(reading, Reading) for glyph in reading.glyphs]
                outcomes = await _results(self.batcher.submit(glyphs, family, started + seconds))
        except (TimeoutError, ExpiredError):
            metrics.EXPIRED.inc(len(files))
            raise ExpiredError from None
        except AbandonedError:
            metrics.ABANDONED.inc(len(files))
            raise
        timings = Timings(decoded)
        remaining = iter(outcomes)
        read: list[Read | ImageError | ServingError] = []
        for reading in readings:
            if not isinstance(reading, Reading):
                read.append(reading)
                continue
            of_glyphs = [next(remaining) for _ in reading.glyphs]
            read.append(_choose(reading, of_glyphs, options))
            for outcome in of_glyphs:
                if isinstance(outcome, Recognized):
                    timings = Timings(decoded, *map(max, timings[1:], outcome[1:]))
                    metrics.STAGE_SECONDS["queue"].observe(outcome.queue)
        for each in read:
            if isinstance(each, Read):
                metrics.count_prediction(each.recognition.best, each.decision.reasons)
                self.drift.add(each.recognition)
        return read, timings

    async def drain(self) -> None:
        """Refuse new work and wait until all admitted images are answered."""
        self.draining = True
        while self.admission.waiting and self.batcher.alive:
            await asyncio.sleep(0.02)


def _choose(
    reading: Reading, outcomes: Sequence[Recognized | RecognitionError], options: DecisionOptions
) -> Read | RecognitionError:
    """Choose between the glyphs of an image, and decide. One that could not be read fails the image."""
    recognitions = []
    for outcome in outcomes:
        if isinstance(outcome, RecognitionError):
            return outcome
        recognitions.append(outcome.recognition)
    recognition, chosen = choose(reading, recognitions)
    return Read(recognition, chosen, decide(recognition, chosen, options))


async def _results(futures: Sequence[asyncio.Future[Outcome]]) -> list[Recognized | RecognitionError]:
    """Wait for results. However this ends, glyphs that are still queued then are not read."""
    results: list[Recognized | RecognitionError] = []
    try:
        for future in futures:
            outcome = await future
            if isinstance(outcome, ExpiredError | StoppedError):
                raise outcome
            results.append(outcome)
    finally:
        for future in futures[len(results) :]:
            future.cancel()
    return results


@asynccontextmanager
async def _while_connected(receive: Callable[[], Awaitable[object]]) -> AsyncIterator[None]:
    """Cancel what runs within this block when the client leaves.

    Raises:
        AbandonedError: the client left.
    """
    task = asyncio.current_task()
    assert task is not None
    left = ended = False

    def leave(_: asyncio.Future[object]) -> None:
        nonlocal left
        if not ended:
            left = True
            task.cancel()

    # The body has been read, so all that can still be received is that the client has left.
    departure = asyncio.ensure_future(receive())
    departure.add_done_callback(leave)
    try:
        yield
    except asyncio.CancelledError:
        if left and not task.uncancel():
            raise AbandonedError from None
        raise
    finally:
        ended = True
        departure.cancel()
