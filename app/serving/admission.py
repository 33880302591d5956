"""Bounds how many images are in the service at once: each holds a place from before any work until it is answered."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from app import metrics
from app.serving.errors import OverloadedError

_MAX_RETRY_SECONDS: Final = 60


class Admission:
    """The places.

    Args:
        places: the number of images that may be in the service at once.
        rate: gives the images that are read per second; not a number before anything was measured.

    Attributes:
        waiting: images that were admitted and are not yet answered.
    """

    def __init__(self, places: int, rate: Callable[[], float]) -> None:
        self.places = places
        self.waiting = 0
        self._rate = rate

    @contextmanager
    def admit(self, images: int) -> Iterator[None]:
        """Hold places for images.

        Raises:
            OverloadedError: there are not enough places left.
        """
        if self.waiting + images > self.places:
            raise self.overloaded(images)
        self.waiting += images
        metrics.WAITING.inc(images)
        try:
            yield
        finally:
            self.waiting -= images
            metrics.WAITING.dec(images)

    def overloaded(self, images: int) -> OverloadedError:
        """The error for images that are refused, which are counted."""
        metrics.REJECTED.inc(images)
        rate = self._rate()
        seconds = 1.0 if math.isnan(rate) else self.waiting / rate
        return OverloadedError(min(max(math.ceil(seconds), 1), _MAX_RETRY_SECONDS))
