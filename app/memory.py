"""Gives memory back to the system once requests have freed it, which glibc by itself often does not."""

from __future__ import annotations

import ctypes
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final

_M_MMAP_THRESHOLD: Final = -3
_MMAP_BYTES: Final = 2**20
"""Blocks from this size on, which are uploads, are given back as soon as they are freed. By default glibc keeps such
blocks once it has freed one."""
_TRIM_SECONDS: Final = 10
"""How often what lies free among smaller blocks is given back. That takes a fraction of a millisecond if it is little,
and up to 60 ms after a flood."""


def return_memory() -> None:
    """Let this process give memory back from now on. With another C library than glibc nothing happens."""
    with suppress(AttributeError, OSError):
        libc = ctypes.CDLL(None)
        trim = libc.malloc_trim
        libc.mallopt(_M_MMAP_THRESHOLD, _MMAP_BYTES)
        threading.Thread(target=_trim_again_and_again, args=(trim,), name="akshar-trim", daemon=True).start()


def _trim_again_and_again(trim: Callable[[int], object]) -> None:
    while True:
        time.sleep(_TRIM_SECONDS)
        trim(0)
