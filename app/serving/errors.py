"""What can keep an image from being read although nothing is wrong with it."""

from __future__ import annotations


class ServingError(Exception):
    """The service did not read an image; the fault is not the image's."""


class OverloadedError(ServingError):
    """All places are taken; nothing was done with the request.

    Attributes:
        retry_after: whole seconds until, at the measured rate, the images that wait now will have been read.
    """

    def __init__(self, retry_after: int) -> None:
        super().__init__(f"overloaded for some {retry_after} s")
        self.retry_after = retry_after


class ExpiredError(ServingError):
    """The deadline passed before the image was read."""


class AbandonedError(ServingError):
    """The client left before the image was read."""


class RecognitionError(ServingError):
    """The recognizer failed on this very glyph; the log says why."""


class StoppedError(ServingError):
    """The batching thread does not run: not yet, no longer, or it died."""
