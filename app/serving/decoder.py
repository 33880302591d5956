"""One decoder process: it is given one file at a time, and killed if nobody waits for the result any more."""

from __future__ import annotations

import asyncio
import io
import pickle
import socket
import subprocess
import sys
from contextlib import suppress
from typing import Any, Final

from akshar.imaging.reader import Reading
from app.serving.decode_worker import HEADER, Failure, Limits

COMMAND: Final = [sys.executable, "-P", "-c", "from app.serving.decode_worker import serve; serve()"]
"""What a decoder process runs, with its `Limits` as arguments. (-P: nothing is imported from the working directory.)"""
_MOST_DRAINED: Final = 2**16
_MOST_BYTES: Final = 2**20
"""The largest result; an image has at most three glyphs of 4 KiB."""
_RESULTS: Final = {
    ("akshar", "Reading"),
    ("akshar", "Alternative"),
    ("app", "Failure"),
    ("numpy", "_frombuffer"),
    ("numpy", "dtype"),
}
"""What a result consists of: the packages and names of classes and functions."""


class Decoder:
    """A decoder process.

    Args:
        limits: what an image may take.

    Raises:
        OSError: it cannot be started.
    """

    def __init__(self, limits: Limits) -> None:
        self._socket, theirs = socket.socketpair()
        self._socket.setblocking(False)
        with theirs:
            command = [*COMMAND, *map(str, limits)]
            self._process = subprocess.Popen(command, stdin=theirs.fileno(), stdout=subprocess.DEVNULL)

    async def ready(self) -> None:
        """Wait until it has loaded what images need.

        Raises:
            EOFError: it has ended instead.
        """
        await self._receive(HEADER.size)

    async def decode(self, data: bytes | bytearray | memoryview) -> Reading | Failure:
        """Decode a file. If this is cancelled or fails, the process must be killed.

        Raises:
            EOFError: the process has ended.
            pickle.UnpicklingError: it sent something else than a result.
        """
        loop = asyncio.get_running_loop()
        try:
            await loop.sock_sendall(self._socket, HEADER.pack(len(data)))
            await loop.sock_sendall(self._socket, data)
        except OSError as error:
            raise EOFError from error
        (size,) = HEADER.unpack(await self._receive(HEADER.size))
        if size > _MOST_BYTES:
            raise pickle.UnpicklingError(f"a result of {size} bytes")
        return _load(await self._receive(size))

    async def kill(self) -> int:
        """Kill the process and wait until all it held is free.

        Returns:
            Its exit status, or the signal that ended it, negated; what had ended it before, if anything had.
        """
        self._process.kill()
        with suppress(EOFError):
            while True:
                await self._receive(_MOST_DRAINED)
        return self.close()

    def close(self) -> int:
        """Kill the process at once; its exit status."""
        self._process.kill()
        self._socket.close()
        return self._process.wait()

    async def _receive(self, size: int) -> bytearray:
        received = bytearray(size)
        left, loop = memoryview(received), asyncio.get_running_loop()
        while left:
            try:
                count = await loop.sock_recv_into(self._socket, left)
            except OSError as error:
                raise EOFError from error
            if not count:
                raise EOFError
            left = left[count:]
        return received


def _load(data: bytearray) -> Reading | Failure:
    try:
        result = _Unpickler(io.BytesIO(data)).load()
    except MemoryError:
        raise
    except Exception as error:  # Whatever a process may send that a file has taken over.
        raise pickle.UnpicklingError("no result") from error
    if not isinstance(result, Reading | Failure):
        raise pickle.UnpicklingError(f"a result of type {type(result).__name__}")
    return result


class _Unpickler(pickle.Unpickler):
    """Loads results alone: a process that a file has taken over must not run code in this one."""

    def find_class(self, module: str, name: str) -> Any:
        if (module.partition(".")[0], name) not in _RESULTS:
            raise pickle.UnpicklingError(f"{module}.{name} is no part of a result")
        return super().find_class(module, name)
