"""What runs in a decoder process: it turns an untrusted file into a glyph, and may be killed at any moment."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import io
import math
import os
import pickle
import resource
import signal
import socket
import struct
import sys
import traceback
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

import cv2
from PIL import AvifImagePlugin, Image
from threadpoolctl import threadpool_limits

from akshar.imaging.errors import ImageError
from akshar.imaging.formats import FORMATS
from akshar.imaging.reader import Reading, open_image, read

HEADER: Final = struct.Struct("!Q")
"""The number of bytes of a file or a result, which follows."""
OUT_OF_MEMORY: Final = "out_of_memory"
FAULT: Final = "fault"
_NICENESS: Final = 5
"""Requests that need no decoder process go first where cores are short."""
_WRITTEN: Final = tuple(kind for kind in FORMATS if kind != "HEIF")
_SIMPLE: Final = tuple(kind for kind in _WRITTEN if kind not in ("TIFF", "AVIF"))
_PAGE: Final = resource.getpagesize()
_PR_SET_PDEATHSIG: Final = 1


class Limits(NamedTuple):
    """What decoding one image may take.

    Attributes:
        pixels: as `akshar.imaging.look.Inspection.pixels` counts them.
        seconds: of CPU time.
        bytes: of address space, beyond what the process takes anyway.
    """

    pixels: int
    seconds: float
    bytes: int


class Failure(NamedTuple):
    """Why there is no glyph, as it travels between processes: without a traceback, which would hold the image.

    Attributes:
        code: of the `ImageError`, or `OUT_OF_MEMORY`, or `FAULT`, which is ours.
        detail: what the user gets, or for the log.
    """

    code: str
    detail: str


def serve() -> None:
    """Decode the files that come in on standard input, a socket, and send back a result for each, until it closes."""
    pixels, seconds, memory = sys.argv[1:]
    limits = Limits(int(pixels), float(seconds), int(memory))
    channel = socket.socket(fileno=sys.stdin.fileno())
    files = channel.makefile("rb")
    _load()
    gc.freeze()
    _confine(limits)
    channel.sendall(HEADER.pack(0))
    while len(header := files.read(HEADER.size)) == HEADER.size:
        result = pickle.dumps(decode(files.read(*HEADER.unpack(header)), limits), pickle.HIGHEST_PROTOCOL)
        channel.sendall(HEADER.pack(len(result)) + result)


def _load() -> None:
    """Load what images of all formats need."""
    AvifImagePlugin.DEFAULT_MAX_THREADS = 1
    read_dots(_WRITTEN)
    import akshar.imaging.heif  # noqa: F401  It only reads, so there is no dot.


def decode(data: bytes, limits: Limits) -> Reading | Failure:
    """Decode a file and make its glyph."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    # Beyond it the kernel ends the process, also in the middle of native code.
    seconds = math.ceil(used.ru_utime + used.ru_stime + limits.seconds)
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, resource.getrlimit(resource.RLIMIT_CPU)[1]))
    try:
        return read(open_image(data, limits.pixels))
    except ImageError as error:
        return Failure(error.code, error.detail)
    except MemoryError:
        return Failure(OUT_OF_MEMORY, "")
    except Exception:  # It must not end the process: the next file may be all right.
        return Failure(FAULT, traceback.format_exc())


def read_dots(kinds: Sequence[str] = _SIMPLE) -> None:
    """Load what images need: a dot is read in some formats, so that no user waits for the first one.

    OpenCV gets one thread in this process, which leaves cores to others.

    Args:
        kinds: the formats, by default those that are read outside of decoder processes, too.
    """
    cv2.setNumThreads(1)
    dot = Image.new("L", (48, 48), 255)
    dot.paste(0, (18, 18, 30, 30))
    for kind in kinds:
        for image in (dot, dot.resize((16, 16))):
            file = io.BytesIO()
            image.save(file, kind)
            read(open_image(file.getvalue()))


def _confine(limits: Limits) -> None:
    """Take from this process what it could do harm with."""
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


if __name__ == "__main__":
    serve()
