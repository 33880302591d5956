"""A small HTTP client that may call from any loopback address, hang up and leave a request unfinished."""

from __future__ import annotations

import asyncio
import re
from contextlib import suppress
from typing import Final, Self

from benchmarks.load import Body

LOST: Final = (OSError, asyncio.IncompleteReadError, RuntimeError)
"""What a closed connection raises; the last is uvloop's, of a transport that is closed."""
"""What ends a connection before its response is complete."""

_LENGTH: Final = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_CLOSE: Final = re.compile(rb"\r\nconnection: *close", re.IGNORECASE)


class Connection:
    """One connection to 127.0.0.1, open within a block, or from `open` to `hang_up`.

    Args:
        port: of the server.
        host: the address that it comes from, which need not be 127.0.0.1.

    Attributes:
        reader: what the server sends.
        writer: what it is sent.
        reusable: whether another request may be sent after the last response.
    """

    def __init__(self, port: int, host: str) -> None:
        self._port, self._host = port, host
        self.reusable = True

    async def open(self) -> Self:
        """Connect; raises OSError if that fails."""
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self._port, local_addr=(self._host, 0))
        return self

    def hang_up(self) -> None:
        """Close it at once, whatever has not been sent or read."""
        with suppress(RuntimeError):  # uvloop's, if it is closed already.
            self.writer.transport.abort()

    async def __aenter__(self) -> Self:
        return await self.open()

    async def __aexit__(self, *_: object) -> None:
        self.hang_up()

    async def ask(self, request: bytes) -> int:
        """Send requests and read one response; its status. Nothing to send reads the next response.

        Raises:
            OSError: the connection was reset.
            asyncio.IncompleteReadError: it was closed before the response was complete.
        """
        self.writer.write(request)  # Not drained: a server that refuses a body responds before it has all of it.
        head = await self.reader.readuntil(b"\r\n\r\n")
        length = _LENGTH.search(head)
        await self.reader.readexactly(int(length[1]) if length else 0)
        self.reusable = not _CLOSE.search(head)
        return int(head[9:12])


def get(path: str) -> bytes:
    """A request without a body."""
    return f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()


def post(path: str, body: Body, *headers: str) -> bytes:
    """A request with a body and further header lines."""
    lines = [f"POST {path} HTTP/1.1", "Host: localhost", f"Content-Type: {body.content_type}"]
    lines += [f"Content-Length: {len(body.data)}", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + body.data
