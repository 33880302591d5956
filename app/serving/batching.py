"""Gathers the glyphs of concurrent requests into one call of the network.

There is no timer unless a window is set: while one batch runs in the worker thread, the next forms in the queue, so a
lone request waits for nothing and many concurrent ones share their calls.
"""

from __future__ import annotations

import asyncio
import math
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
import structlog

from akshar.imaging.glyph import Glyph
from akshar.model.recognition import Recognition
from akshar.model.recognizer import Recognizer
from app import metrics
from app.serving.errors import ExpiredError, RecognitionError, StoppedError

_SMOOTHING: Final = 0.9
"""How much of the measured rate survives each batch."""

_log = structlog.get_logger("akshar.batching")


class Recognized(NamedTuple):
    """A recognition, and its seconds: waiting for its batch, and that batch in the extractor and in the heads."""

    recognition: Recognition
    queue: float
    extractor: float
    head: float


Outcome = Recognized | ExpiredError | RecognitionError | StoppedError
"""What becomes of a glyph. Errors are values, not raised: an error of one item is none of the batch's."""


@dataclass(frozen=True, slots=True, eq=False)
class _Item:
    glyph: Glyph
    family: str
    deadline: float
    queued: float
    future: asyncio.Future[Outcome]


class Batcher:
    """A queue of glyphs, and the one thread that empties it.

    Args:
        recognizer: reads the glyphs.
        max_batch: most glyphs in one call.
        window: seconds that a glyph waits for company before its batch starts; 0 for none.
        on_death: called, from the worker thread, if the thread ends without having been told to.

    Attributes:
        alive: whether submitted glyphs are read.
        died: whether the thread ended without having been told to; only a new process helps.
        rate: glyphs read per second, smoothed; not a number before the first batch.
    """

    def __init__(
        self,
        recognizer: Recognizer,
        max_batch: int,
        window: float = 0,
        on_death: Callable[[], None] = lambda: None,
    ) -> None:
        self._recognizer = recognizer
        self._max_batch, self._window = max_batch, window
        self._on_death = on_death
        self._queue: deque[_Item] = deque()
        self._changed = threading.Condition()
        self.alive = False
        self.died = False
        self.rate = math.nan
        self._last_done = 0.0
        self._thread = threading.Thread(target=self._run, name="akshar-batcher", daemon=True)

    def start(self) -> None:
        """Start the worker thread."""
        self.alive = True
        self._thread.start()

    @property
    def delay(self) -> float:
        """Seconds that the glyphs in the queue will take; 0 before anything was measured."""
        return 0.0 if math.isnan(self.rate) else len(self._queue) / self.rate

    async def stop(self) -> None:
        """Refuse new glyphs, read those in the queue, end the worker thread."""
        with self._changed:
            self.alive = False
            self._changed.notify()
        if self._thread.ident is not None:
            await asyncio.to_thread(self._thread.join)

    def submit(self, glyphs: Sequence[Glyph], family: str, deadline: float) -> list[asyncio.Future[Outcome]]:
        """Queue the glyphs of one request, each of shape (32, 32), and return a future for each.

        A glyph whose future is cancelled is left out of the batches to come.

        Args:
            glyphs: the glyphs.
            family: the family to read them as, or `AUTO`.
            deadline: on the clock of `time.monotonic`; a glyph that is still in the queue then is not read.

        Raises:
            StoppedError: the worker thread does not run.
        """
        loop, now = asyncio.get_running_loop(), time.monotonic()
        items = [_Item(glyph, family, deadline, now, loop.create_future()) for glyph in glyphs]
        with self._changed:
            if not self.alive:
                raise StoppedError
            self._queue.extend(items)
            self._changed.notify()
        return [item.future for item in items]

    def _run(self) -> None:
        try:
            while batch := self._next_batch():
                self._read(batch)
        finally:
            # Whatever ends the thread, nobody may wait for it for ever.
            with self._changed:
                died, self.alive = self.alive, False
                unread = list(self._queue)
                self._queue.clear()
            _deliver(unread, [StoppedError()] * len(unread))
            if died:
                self.died = True
                _log.critical("worker_died", waiting=len(unread))
                self._on_death()

    def _next_batch(self) -> list[_Item]:
        """Wait for work and take it, without what was abandoned or has expired; empty once stopped and drained."""
        with self._changed:
            while True:
                self._changed.wait_for(lambda: self._queue or not self.alive)
                if self._window and self._queue:
                    self._changed.wait_for(
                        lambda: len(self._queue) >= self._max_batch or not self.alive,
                        self._queue[0].queued + self._window - time.monotonic(),
                    )
                batch = self._take()
                if batch or not (self.alive or self._queue):
                    return batch

    def _take(self) -> list[_Item]:
        now = time.monotonic()
        batch: list[_Item] = []
        expired: list[_Item] = []
        while self._queue and len(batch) < self._max_batch:
            item = self._queue.popleft()
            if item.future.cancelled():
                metrics.SKIPPED.inc()
            elif item.deadline <= now:
                expired.append(item)
            else:
                batch.append(item)
        metrics.SKIPPED.inc(len(expired))
        _deliver(expired, [ExpiredError()] * len(expired))
        return batch

    def _read(self, batch: list[_Item]) -> None:
        outcomes: Sequence[Outcome] = [StoppedError()] * len(batch)  # If the thread dies in the attempt.
        try:
            outcomes = self._outcomes(batch)
            self._measure_rate(batch)
        finally:
            _deliver(batch, outcomes)

    def _outcomes(self, batch: list[_Item]) -> Sequence[Outcome]:
        """Read a batch. One that fails is halved until the bad glyph is alone, so that it harms no other."""
        try:
            return self._recognize(batch)
        except Exception as error:
            if len(batch) == 1:
                _log.error("recognition_failed", family=batch[0].family, exc_info=error)
                return [RecognitionError()]
            middle = len(batch) // 2
            return [*self._outcomes(batch[:middle]), *self._outcomes(batch[middle:])]

    def _recognize(self, batch: list[_Item]) -> list[Recognized]:
        started = time.monotonic()
        glyphs, families = np.stack([item.glyph for item in batch]), [item.family for item in batch]
        recognitions, extractor, head = self._recognizer.recognize(glyphs, families)
        metrics.BATCH_SIZE.observe(len(batch))
        metrics.STAGE_SECONDS["extractor"].observe(extractor)
        metrics.STAGE_SECONDS["head"].observe(head)
        return [
            Recognized(recognition, started - item.queued, extractor, head)
            for item, recognition in zip(batch, recognitions, strict=True)
        ]

    def _measure_rate(self, batch: list[_Item]) -> None:
        """Update the rate. Batches back to back are timed from end to end, so that what lies between them counts."""
        now = time.monotonic()
        rate = len(batch) / max(now - max(self._last_done, batch[0].queued), 1e-6)
        self.rate = rate if math.isnan(self.rate) else _SMOOTHING * self.rate + (1 - _SMOOTHING) * rate
        self._last_done = now


def _deliver(items: list[_Item], outcomes: Sequence[Outcome]) -> None:
    """Set the futures of items, in their event loop: one wake-up for all."""
    if items and not (loop := items[0].future.get_loop()).is_closed():
        loop.call_soon_threadsafe(_resolve, items, outcomes)


def _resolve(items: list[_Item], outcomes: Sequence[Outcome]) -> None:
    for item, outcome in zip(items, outcomes, strict=True):
        if not item.future.done():  # Otherwise its client has left, or its deadline has passed.
            item.future.set_result(outcome)
