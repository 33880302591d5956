"""Closes connections without resetting them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any


class ClosingTransport(asyncio.Transport):
    """What uvicorn gets instead of a connection's transport: closing it is left to the protocol.

    A connection that is closed while its client still sends is reset by the kernel, and the client may never see the
    response that came before.

    Args:
        transport: of the connection.
        close: called once, when the connection is to be closed.
    """

    def __init__(self, transport: asyncio.Transport, close: Callable[[], None]) -> None:
        super().__init__()
        self._transport, self._close = transport, close
        self._closing = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self._transport.write(data)

    def is_closing(self) -> bool:
        return self._closing or self._transport.is_closing()

    def close(self) -> None:
        if not self.is_closing():
            self._closing = True
            self._close()

    def abort(self) -> None:
        self._transport.abort()

    def pause_reading(self) -> None:
        self._transport.pause_reading()

    def resume_reading(self) -> None:
        self._transport.resume_reading()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self._transport.get_extra_info(name, default)
