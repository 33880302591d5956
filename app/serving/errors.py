"""What can keep an image from being read although nothing is wrong with it."""

from __future__ import annotations


class ServingError(Exception):
    """The service did not read an image; the fault is not the image's."""


class OverloadedError(ServingError):
    """All places are taken; nothing was done with the request.

    Attributes:
        retry_after: whole seconds that, at the measured rates, the images that wait now will take.
    """

    def __init__(self, retry_after: int) -> None:
        super().__init__(f"overloaded for some {retry_after} s")
        self.retry_after = retry_after


class ExpiredError(ServingError):
    """The deadline passed before the image was read."""


class AbandonedError(Exception):
    """The client left before the image was read. No `ServingError`: nobody is left to get a response."""


class RecognitionError(ServingError):
    """Our code failed on this very image; the log says why."""


class OutOfMemoryError(ServingError):
    """Decoding the image took more memory than there is, or than one image may take."""


class DecoderDiedError(ServingError):
    """The process that was decoding the image ended, and it was not the image's CPU time."""


class StoppedError(ServingError):
    """The batching thread does not run: not yet, no longer, or it died."""
