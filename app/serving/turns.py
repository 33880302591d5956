"""Lets clients take turns in decoding, within a number of processes and a number of pixels.

Start-time fair queueing: each image is stamped with the virtual time at which it would start if its client had a fair
share to itself, and the smallest stamp goes first. A client that sends many images only waits for itself; one that
sends its first goes before them. (P. Goyal, H. M. Vin, H. Cheng, "Start-time fair queueing", 1996)
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

from app import metrics

SMALL: Final = 2**20
"""Up to so many pixels, an image takes little memory, which the number of slots bounds."""


@dataclass(order=True, slots=True)
class _Waiter:
    start: float
    order: int
    pixels: int = field(compare=False)
    granted: asyncio.Future[None] = field(compare=False)


class Turns:
    """The order of decoding.

    Args:
        slots: images that are decoded at once.
        pixels: pixels that are decoded at once, in images of more than `SMALL` of them; one with more than all of
            them goes alone.
    """

    def __init__(self, slots: int, pixels: int) -> None:
        self._slots, self._pixels = slots, pixels
        self._free_slots, self._free_pixels = slots, pixels
        # Two queues, so that a small image need not wait because a large one lacks pixels.
        self._small: list[_Waiter] = []
        self._large: list[_Waiter] = []
        self._order = itertools.count()
        self._virtual_time = 0.0
        self._finish: dict[str, float] = {}

    @property
    def idle(self) -> bool:
        """Whether nothing is decoded and nothing waits."""
        return self._free_slots == self._slots and not (self._small or self._large)

    @asynccontextmanager
    async def take(self, client: str, pixels: int, cost: float) -> AsyncIterator[None]:
        """Wait for a turn, and hold it.

        Args:
            client: whose turn it is.
            pixels: that are decoded in it.
            cost: how long it may take compared with others, in any unit.
        """
        held = 0 if pixels <= SMALL else min(pixels, self._pixels)
        start = max(self._virtual_time, self._finish.get(client, 0.0))
        self._finish[client] = start + cost
        waiter = _Waiter(start, next(self._order), held, asyncio.get_running_loop().create_future())
        heapq.heappush(self._large if held else self._small, waiter)
        with metrics.DECODING_WAITING.track_inprogress():
            self._grant()
            try:
                await waiter.granted
            except asyncio.CancelledError:
                if not waiter.granted.cancelled():  # It was granted at the same moment.
                    self._give_back(held)
                else:
                    self._grant()  # It may have been the first in line, and the next one may fit.
                raise
        try:
            yield
        finally:
            self._give_back(held)

    def _grant(self) -> None:
        while self._free_slots and (queue := self._next_queue()):
            waiter = heapq.heappop(queue)
            self._free_slots -= 1
            self._free_pixels -= waiter.pixels
            self._virtual_time = waiter.start
            waiter.granted.set_result(None)
        if not (self._small or self._large):
            self._finish.clear()  # Nobody is behind anybody any more.

    def _next_queue(self) -> list[_Waiter] | None:
        """The queue whose first image is the next."""
        for queue in (self._small, self._large):
            while queue and queue[0].granted.cancelled():
                heapq.heappop(queue)
        # Large ones do not overtake each other, or the largest might wait for ever.
        fits = bool(self._large) and self._large[0].pixels <= self._free_pixels
        if self._small and not (fits and self._large[0] < self._small[0]):
            return self._small
        return self._large if fits else None

    def _give_back(self, pixels: int) -> None:
        self._free_slots += 1
        self._free_pixels += pixels
        self._grant()
