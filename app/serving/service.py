"""What a running app consists of, and the path of images through it: admit, decode, recognize, decide."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from akshar.imaging.reader import ImageError, Reading
from akshar.model.abstention import Decision, DecisionOptions, decide
from akshar.model.manifest import Manifest
from akshar.model.recognition import Recognition
from akshar.model.recognizer import Recognizer
from app import metrics
from app.serving.admission import Admission
from app.serving.batching import Batcher, Outcome, Recognized
from app.serving.decode_pool import DecodePool
from app.serving.drift import Drift
from app.serving.errors import AbandonedError, ExpiredError, RecognitionError, StoppedError
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
        files: Sequence[bytes],
        family: str,
        options: DecisionOptions,
        seconds: float,
        receive: Callable[[], Awaitable[object]],
    ) -> tuple[list[Read | ImageError | RecognitionError], Timings]:
        """Read the image files of one request.

        Args:
            files: encoded images.
            family: the family to read them as, or `AUTO`.
            options: of the decisions.
            seconds: until the deadline.
            receive: completes when the client has left.

        Returns:
            What became of each file, in order, and where the time went.

        Raises:
            OverloadedError: there are not enough places; nothing was done.
            ExpiredError: the deadline passed before all images were read.
            AbandonedError: the client left.
            StoppedError: the batching thread ended.
        """
        deadline = time.monotonic() + seconds
        with self.admission.admit(len(files)):
            try:
                started = time.monotonic()
                readings = await self.decode_pool.read(files, deadline)
                decoded = time.monotonic() - started
                glyphs = [reading.glyph for reading in readings if isinstance(reading, Reading)]
                futures = self.batcher.submit(glyphs, family, deadline)
                outcomes = await _results(futures, deadline, receive)
            except ExpiredError:
                metrics.EXPIRED.inc(len(files))
                raise
            except AbandonedError:
                metrics.ABANDONED.inc(len(files))
                raise
        timings = Timings(decoded)
        remaining = iter(outcomes)
        read: list[Read | ImageError | RecognitionError] = []
        for reading in readings:
            outcome = reading if isinstance(reading, ImageError) else next(remaining)
            if isinstance(reading, Reading) and isinstance(outcome, Recognized):
                read.append(Read(outcome.recognition, reading, decide(outcome.recognition, reading, options)))
                timings = Timings(decoded, *map(max, timings[1:], outcome[1:]))
                metrics.STAGE_SECONDS["queue"].observe(outcome.queue)
            elif isinstance(outcome, ImageError | RecognitionError):
                read.append(outcome)
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


async def _results(
    futures: Sequence[asyncio.Future[Outcome]], deadline: float, receive: Callable[[], Awaitable[object]]
) -> list[Recognized | RecognitionError]:
    """Wait for results, the deadline, or the client's leaving, whichever comes first."""
    if not futures:
        return []
    # The body has been read, so all that can still be received is that the client has left.
    departure = asyncio.ensure_future(receive())
    # However this ends, glyphs that are still queued then are not read.
    departure.add_done_callback(lambda _: [future.cancel() for future in futures])
    try:
        _, late = await asyncio.wait(futures, timeout=deadline - time.monotonic())
        abandoned = departure.done()
    finally:
        departure.cancel()
    if abandoned:
        raise AbandonedError
    if late:
        raise ExpiredError
    results: list[Recognized | RecognitionError] = []
    for future in futures:
        outcome = future.result()
        if isinstance(outcome, ExpiredError | StoppedError):
            raise outcome
        results.append(outcome)
    return results
