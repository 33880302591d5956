"""Gathers the glyphs of concurrent requests into one call of the network.

No timer, unless a window is set: while one batch runs in the worker thread, the next forms in the queue, so a lone
request waits for nothing and a crowd shares its calls.
"""

from __future__ import annotations

import asyncio
import math
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
import structlog

from app import metrics
from app.framing import Glyph
from app.recognizer import Recognition, Recognizer

_RATE_MEMORY: Final = 0.9
"""How much of the measured drain rate each batch keeps of what it was before."""

_log = structlog.get_logger("akshar.batching")


class OverloadedError(Exception):
    """As many images as may are accepted and not yet answered; nothing was queued.

    Attributes:
        retry_after: whole seconds until, at the measured rate, those that wait now will have been answered.
    """

    def __init__(self, retry_after: int) -> None:
        super().__init__(f"overloaded for some {retry_after} s")
        self.retry_after = retry_after


class ExpiredError(Exception):
    """The deadline passed before the glyph's turn; nothing was computed."""


class RecognitionError(Exception):
    """The recognizer failed on this very glyph; why is in the log."""


class StoppedError(Exception):
    """The worker does not run: not yet, no more, or it died."""


class Answer(NamedTuple):
    """A recognition, and the seconds it took: waiting for its batch, and that batch in the network and the heads."""

    recognition: Recognition
    queue: float
    extractor: float
    head: float


Outcome = Answer | ExpiredError | RecognitionError | StoppedError
"""What becomes of a glyph. Errors are handed over, not raised: those of a batch are its items' own."""


@dataclass(frozen=True, slots=True, eq=False)
class _Item:
    glyph: Glyph
    family: str
    deadline: float
    queued: float
    future: asyncio.Future[Outcome]


class Batcher:
    """A bounded queue before a recognizer, and the one thread that empties it.

    Args:
        recognizer: what answers.
        max_batch: most glyphs in one call.
        max_waiting: most images accepted and not yet answered.
        window: seconds that a glyph waits for company before its batch starts; 0 for none.
        on_death: called, from the worker's thread, when the worker ends without having been told to.
    """

    def __init__(
        self,
        recognizer: Recognizer,
        max_batch: int,
        max_waiting: int,
        window: float = 0,
        on_death: Callable[[], None] = lambda: None,
    ) -> None:
        self._recognizer = recognizer
        self._on_death = on_death
        self._max_batch, self._max_waiting, self._window = max_batch, max_waiting, window
        self._queue: deque[_Item] = deque()
        self._changed = threading.Condition()
        self._open = False
        self.died = False
        """Whether the worker ended without having been told to; only a new process helps."""
        self._waiting = 0
        self._rate = math.nan
        self._last_done = 0.0
        self._thread = threading.Thread(target=self._run, name="akshar-batcher", daemon=True)

    @property
    def alive(self) -> bool:
        """Whether submitted glyphs get answers."""
        return self._open and self._thread.is_alive()

    @property
    def waiting(self) -> int:
        """Images accepted and not yet answered."""
        return self._waiting

    def start(self) -> None:
        """Start the worker."""
        self._open = True
        self._thread.start()

    async def stop(self) -> None:
        """Refuse new glyphs, answer those that wait, end the worker."""
        with self._changed:
            self._open = False
            self._changed.notify()
        if self._thread.ident is not None:
            await asyncio.to_thread(self._thread.join)

    @contextmanager
    def admitted(self, images: int) -> Iterator[None]:
        """Hold places for images from before any work is done on them until they are answered.

        Raises:
            OverloadedError: there are not as many places left.
        """
        self.check_room(images)
        self._waiting += images
        metrics.WAITING.inc(images)
        try:
            yield
        finally:
            self._waiting -= images
            metrics.WAITING.dec(images)

    def check_room(self, images: int) -> None:
        """Raise OverloadedError where `admitted` would."""
        if self._waiting + images > self._max_waiting:
            # Before the first batch nothing is measured yet.
            seconds = 1.0 if math.isnan(self._rate) else self._waiting / self._rate
            metrics.REJECTED.inc(images)
            raise OverloadedError(min(max(math.ceil(seconds), 1), 60))

    def submit(self, glyphs: Sequence[Glyph], family: str, deadline: float) -> list[asyncio.Future[Outcome]]:
        """Queue glyphs, each of shape (32, 32).

        Cancel a future to have its glyph left out of the batches to come.

        Args:
            glyphs: of one request.
            family: whose head shall answer.
            deadline: on the clock of `time.monotonic`; who is still in the queue by then is not computed.

        Returns:
            A future for each glyph.

        Raises:
            StoppedError: the worker does not run.
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
                self._answer(batch)
        finally:
            # Whatever ends the worker, nobody may wait for it for ever.
            with self._changed:
                died, self._open = self._open, False
                left = list(self._queue)
                self._queue.clear()
            _deliver(left, [StoppedError()] * len(left))
            if died:
                self.died = True
                _log.critical("worker_died", waiting=len(left))
                self._on_death()

    def _next_batch(self) -> list[_Item]:
        """Wait for work and take it, leaving out who has gone or expired; empty once stopped and drained."""
        with self._changed:
            while True:
                self._changed.wait_for(lambda: self._queue or not self._open)
                if self._window and self._queue:
                    self._changed.wait_for(
                        lambda: len(self._queue) >= self._max_batch or not self._open,
                        self._queue[0].queued + self._window - time.monotonic(),
                    )
                batch = self._take()
                if batch or not (self._open or self._queue):
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

    def _answer(self, batch: list[_Item]) -> None:
        outcomes: Sequence[Outcome] = [StoppedError()] * len(batch)  # If the worker dies in the attempt.
        try:
            outcomes = self._outcomes(batch)
            self._measure_rate(batch)
        finally:
            _deliver(batch, outcomes)

    def _outcomes(self, batch: list[_Item]) -> Sequence[Outcome]:
        """One bad glyph shall not hurt its neighbours: a batch that fails is halved until the bad one is alone."""
        try:
            return self._compute(batch)
        except Exception as error:
            if len(batch) == 1:
                _log.error("recognition_failed", family=batch[0].family, exc_info=error)
                return [RecognitionError()]
            middle = len(batch) // 2
            return [*self._outcomes(batch[:middle]), *self._outcomes(batch[middle:])]

    def _compute(self, batch: list[_Item]) -> list[Answer]:
        started = time.monotonic()
        features = self._recognizer.extractor(np.stack([item.glyph for item in batch]))
        extracted = time.monotonic()
        recognitions = self._recognizer.classify(features, [item.family for item in batch])
        classified = time.monotonic()
        metrics.BATCH_SIZE.observe(len(batch))
        metrics.STAGE_SECONDS["extractor"].observe(extracted - started)
        metrics.STAGE_SECONDS["head"].observe(classified - extracted)
        return [
            Answer(recognition, started - item.queued, extracted - started, classified - extracted)
            for item, recognition in zip(batch, recognitions, strict=True)
        ]

    def _measure_rate(self, batch: list[_Item]) -> None:
        """Update the drain rate. Batches back to back are timed from end to end: what lies between them counts."""
        now = time.monotonic()
        rate = len(batch) / max(now - max(self._last_done, batch[0].queued), 1e-6)
        self._rate = rate if math.isnan(self._rate) else _RATE_MEMORY * self._rate + (1 - _RATE_MEMORY) * rate
        self._last_done = now


def _deliver(items: list[_Item], outcomes: Sequence[Outcome]) -> None:
    """Hand outcomes to those who wait, in their event loop: one wake-up for all."""
    if items and not (loop := items[0].future.get_loop()).is_closed():
        loop.call_soon_threadsafe(_resolve, items, outcomes)


def _resolve(items: list[_Item], outcomes: Sequence[Outcome]) -> None:
    for item, outcome in zip(items, outcomes, strict=True):
        if not item.future.done():  # Else its client has left, or its deadline has passed.
            item.future.set_result(outcome)
