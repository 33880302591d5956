"""What runs in a decoder process: it turns an untrusted file into a glyph, and may be killed at any moment."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import io
import math
import os
import resource
import signal
import sys
import warnings
from pathlib import Path
from typing import Final, NamedTuple

import cv2
from PIL import Image
from threadpoolctl import threadpool_limits

from akshar.imaging.errors import ImageError
from akshar.imaging.reader import FORMATS, Reading, open_image, read

_NICENESS: Final = 5
"""Requests that need no decoder process go first where cores are short."""
_PAGE: Final = resource.getpagesize()
_PR_SET_PDEATHSIG: Final = 1

_confined = False


class Limits(NamedTuple):
    """What decoding one image may take.

    Attributes:
        pixels: width times height.
        seconds: of CPU time.
        bytes: of address space, beyond what the process takes anyway.
    """

    pixels: int
    seconds: float
    bytes: int


class Failure(NamedTuple):
    """An `ImageError` as it travels between processes: without its traceback, which would hold the image."""

    code: str
    detail: str


def decode(data: bytes, limits: Limits) -> Reading | Failure:
    """Decode a file and make its glyph.

    Raises:
        MemoryError: it takes more memory than the limit.
    """
    _confine(limits)
    used = resource.getrusage(resource.RUSAGE_SELF)
    # Beyond it the kernel ends the process, also in the middle of native code.
    seconds = math.ceil(used.ru_utime + used.ru_stime + limits.seconds)
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, resource.getrlimit(resource.RLIMIT_CPU)[1]))
    try:
        return read(open_image(data, limits.pixels))
    except ImageError as error:
        return Failure(error.code, error.detail)


def warm_up(limits: Limits) -> None:
    """Read a dot in every format, so that no user waits for what Pillow loads at the first image of a format."""
    read_dots()
    gc.freeze()
    _confine(limits)


def read_dots() -> None:
    """Read a dot in every format, in this process, which leaves cores to others: OpenCV gets one thread."""
    cv2.setNumThreads(1)
    dot = Image.new("L", (48, 48), 255)
    dot.paste(0, (18, 18, 30, 30))
    for kind in FORMATS:
        for image in (dot, dot.resize((16, 16))):
            file = io.BytesIO()
            image.save(file, kind)
            read(open_image(file.getvalue()))


def _confine(limits: Limits) -> None:
    """Take from this process, once, what it could do harm with."""
    global _confined
    if _confined:
        return
    _confined = True
    if sys.platform == "linux":  # It does not outlive the service, even if that is killed.
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # A terminal sends it to all processes; the service decides.
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # What native code prints would fill a pipe that nobody reads.
    warnings.simplefilter("ignore")  # Of Pillow, about files: the response says what matters.
    threadpool_limits(1, "blas")
    os.nice(_NICENESS)
    with contextlib.suppress(OSError, ValueError):  # Where the platform knows no such limit.
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_AS, (_address_space() + limits.bytes, resource.RLIM_INFINITY))


def _address_space() -> int:
    """Bytes of address space that this process takes."""
    return int(Path("/proc/self/statm").read_text("ascii").split()[0]) * _PAGE
