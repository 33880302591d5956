"""Admits requests within two budgets, of images and of uploaded bytes, that no client can take for itself.

Both budgets shrink what one may hold as the rest gets short: the dynamic thresholds by which switches share their
memory among ports (A. K. Choudhury, E. L. Hahne, "Dynamic queue length thresholds for shared-memory packet switches",
1998). One may hold half if it is alone, a third if there is another, and something is always left for the next.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from app import metrics
from app.serving.errors import OverloadedError

_MAX_RETRY_SECONDS: Final = 60


class Admission:
    """The budgets.

    Args:
        places: the number of images that may be in the service at once.
        max_bytes: bytes of uploads that may be held at once.
        delay: gives the seconds that the images which wait now will take.

    Attributes:
        waiting: images that were admitted and are not yet answered.
        receiving: bytes that are held of their uploads.
    """

    def __init__(self, places: int, max_bytes: int, delay: Callable[[], float]) -> None:
        self.places, self.max_bytes = places, max_bytes
        self.waiting = self.receiving = 0
        self._by_client: Counter[str] = Counter()
        self._delay = delay

    @contextmanager
    def admit(self, client: str) -> Iterator[Admitted]:
        """Hold a place for a request, from before its body is read until its images are answered.

        Args:
            client: whom the place counts for.

        Raises:
            OverloadedError: there is no place left for this client.
        """
        admitted = Admitted(self, client)
        admitted.add_images(1)
        try:
            yield admitted
        finally:
            admitted.release()

    def overloaded(self, images: int) -> OverloadedError:
        """The error for images that are refused, which are counted."""
        metrics.REJECTED.inc(images)
        return OverloadedError(min(max(math.ceil(self._delay()), 1), _MAX_RETRY_SECONDS))


class Admitted:
    """What one request holds of the budgets.

    Attributes:
        client: whom it counts for.
    """

    __slots__ = ("_admission", "_bytes", "_images", "client")

    def __init__(self, admission: Admission, client: str) -> None:
        self._admission, self.client = admission, client
        self._images = self._bytes = 0

    def add_images(self, count: int) -> None:
        """Hold places for more images; a client may have no more of them than are left for others.

        Raises:
            OverloadedError: there are not enough places left for this client.
        """
        budget = self._admission
        left = budget.places - budget.waiting - count
        if budget._by_client[self.client] + count > left:
            raise budget.overloaded(count)
        self._take(count)

    def add_bytes(self, count: int) -> None:
        """Hold more bytes of this upload, which may have no more of them than are left for others.

        Raises:
            OverloadedError: memory for uploads is short, and this one is among the large ones.
        """
        budget = self._admission
        if self._bytes + count > budget.max_bytes - budget.receiving - count:
            raise budget.overloaded(self._images)
        self._bytes += count
        budget.receiving += count
        metrics.RECEIVING.inc(count)

    def release(self) -> None:
        """Give everything back."""
        self._admission.receiving -= self._bytes
        metrics.RECEIVING.dec(self._bytes)
        self._bytes = 0
        self._take(-self._images)

    def _take(self, count: int) -> None:
        budget = self._admission
        self._images += count
        budget.waiting += count
        budget._by_client[self.client] += count
        if not budget._by_client[self.client]:
            del budget._by_client[self.client]  # Else every address that ever asked would be kept.
        metrics.WAITING.inc(count)
