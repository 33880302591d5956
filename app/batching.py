"""Gathers the glyphs of concurrent requests into one call of the network.

No timer: while one batch runs in the worker thread, the next forms in the queue, so a lone request waits for nothing
and a crowd shares its calls.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import structlog

from app.imaging import Glyph
from app.recognizer import Recognition, Recognizer

_log = structlog.get_logger("akshar.batching")


class OverloadedError(Exception):
    """As many images wait as may; nothing was queued."""


class StoppedError(Exception):
    """The worker does not run: not yet, no more, or it died."""


@dataclass(frozen=True, slots=True, eq=False)
class _Item:
    glyph: Glyph
    family: str
    future: asyncio.Future[Recognition]


class Batcher:
    """A bounded queue before a recognizer, and the one thread that empties it."""

    def __init__(self, recognizer: Recognizer, max_batch: int, max_queue: int) -> None:
        self._recognizer, self._max_batch, self._max_queue = recognizer, max_batch, max_queue
        self._queue: deque[_Item] = deque()
        self._changed = threading.Condition()
        self._open = False
        self._thread = threading.Thread(target=self._run, name="akshar-batcher", daemon=True)

    @property
    def alive(self) -> bool:
        """Whether submitted glyphs get answers."""
        return self._open and self._thread.is_alive()

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

    async def recognize(self, glyph: Glyph, family: str) -> Recognition:
        """Queue one glyph, shape (32, 32), and wait for its answer.

        Raises:
            OverloadedError: the queue is full.
            StoppedError: the worker does not run.
            Exception: whatever the recognizer raised for the batch that held this glyph.
        """
        item = _Item(glyph, family, asyncio.get_running_loop().create_future())
        with self._changed:
            if not self.alive:
                raise StoppedError
            if len(self._queue) >= self._max_queue:
                raise OverloadedError
            self._queue.append(item)
            self._changed.notify()
        return await item.future

    def _run(self) -> None:
        try:
            while batch := self._next_batch():
                self._answer(batch)
        finally:
            # Whatever ends the worker, nobody may wait for it for ever.
            with self._changed:
                self._open = False
                left = list(self._queue)
                self._queue.clear()
            _deliver(left, [StoppedError()] * len(left))

    def _next_batch(self) -> list[_Item]:
        """Wait for work and take it, leaving out who has gone; empty once stopped and drained."""
        with self._changed:
            while True:
                self._changed.wait_for(lambda: self._queue or not self._open)
                batch: list[_Item] = []
                while self._queue and len(batch) < self._max_batch:
                    item = self._queue.popleft()
                    if not item.future.cancelled():
                        batch.append(item)
                if batch or not self._open:
                    return batch

    def _answer(self, batch: list[_Item]) -> None:
        # What they get if the worker dies in the attempt.
        outcomes: Sequence[Recognition | Exception] = [StoppedError()] * len(batch)
        try:
            outcomes = self._recognizer.recognize(
                np.stack([item.glyph for item in batch]), [item.family for item in batch]
            )
        except Exception as error:
            _log.error("batch_failed", size=len(batch), exc_info=error)
            outcomes = [error] * len(batch)
        finally:
            _deliver(batch, outcomes)


def _deliver(items: list[_Item], outcomes: Sequence[Recognition | Exception]) -> None:
    """Hand outcomes to those who wait, in their event loop: one wake-up for all."""
    if items and not (loop := items[0].future.get_loop()).is_closed():
        loop.call_soon_threadsafe(_resolve, items, outcomes)


def _resolve(items: list[_Item], outcomes: Sequence[Recognition | Exception]) -> None:
    for item, outcome in zip(items, outcomes, strict=True):
        if item.future.done():
            continue  # Its client has left.
        if isinstance(outcome, Exception):
            item.future.set_exception(outcome)
        else:
            item.future.set_result(outcome)
