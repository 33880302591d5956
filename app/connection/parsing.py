"""The sizes of requests within limits: uvicorn's own protocol has none before a request reaches the app."""

from __future__ import annotations

import asyncio
from enum import Enum
from typing import Any, Final

import httptools
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from app.settings import Settings

_MAX_WAITING: Final = 16
"""Requests that may wait on one connection for the response to the one before them; no more are taken from it."""
_SLICE: Final = 16 * 2**10
"""Bytes that the parser gets at a time: it keeps an unfinished header, which is counted only afterwards."""
_MAX_DISCARDED: Final = 64 * 2**20
_LINE_ENDS: Final = len("  HTTP/1.1")
_FRAMING: Final = 16


class Stage(Enum):
    """What the client sends next."""

    REQUEST = 0
    HEADERS = 1
    BODY = 2


class StopError(Exception):
    """Raised by callbacks of the parser, which then parses no more."""


class BoundedProtocol(HttpToolsProtocol):
    """One connection whose requests have bounded heads, trailers and framing, and of which few may wait.

    Args:
        config: of the server.
        server_state: of the server.
        app_state: of the app.
        limits: the settings that bound them.
    """

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None,
        limits: Settings,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.ws_protocol_class = None
        self._limits = limits
        self._stage = Stage.REQUEST
        self._stopped = False  # No more requests are taken.
        self._excess = self._discarded = self._headers_size = self._headers_count = 0
        # What a head within the limits takes, with the spaces and line ends that the parser does not report.
        self._max_head = limits.max_request_line + limits.max_headers_bytes + 8 * limits.max_headers

    def data_received(self, data: bytes) -> None:
        if self._stopped:
            self._discarded += len(data)
            if self._discarded > _MAX_DISCARDED:
                self.transport.abort()
        elif len(data) <= _SLICE:
            self._feed(data)
        else:
            view = memoryview(data)
            for start in range(0, len(data), _SLICE):
                if self._stopped:
                    break
                self._feed(view[start : start + _SLICE])

    def _feed(self, data: bytes | memoryview) -> None:
        self._excess += len(data)
        while data:
            try:
                self.parser.feed_data(data)
            except httptools.HttpParserUpgrade as upgrade:
                data = data[upgrade.args[0] :]  # It is answered as any request, and the next one follows.
                continue
            except httptools.HttpParserError:
                self._refuse(
                    "invalid_request", "The request is not valid HTTP."
                )  # Unless a callback has stopped the parser.
            break
        if self._excess > (self._limits.max_headers_bytes if self._stage is Stage.BODY else self._max_head):
            self._refuse(*self._too_large())

    # Callbacks of the parser.

    def on_message_begin(self) -> None:
        if len(self.pipeline) >= _MAX_WAITING:
            self.cycle.keep_alive = False  # Those that wait get their responses.
            self._stopped = True
            raise StopError
        super().on_message_begin()
        self._stage, self._excess = Stage.HEADERS, 0
        self._headers_size = self._headers_count = 0

    def on_url(self, url: bytes) -> None:
        super().on_url(url)
        if len(self.url) + len(self.parser.get_method()) + _LINE_ENDS > self._limits.max_request_line:
            most = self._limits.max_request_line
            self._refuse("uri_too_long", f"The request line has more than {most:,} bytes.")
            raise StopError

    def on_header(self, name: bytes, value: bytes) -> None:
        limits, size = self._limits, len(name) + len(value)
        self._headers_size += size
        self._headers_count += 1
        if (
            size > limits.max_header_bytes
            or self._headers_size > limits.max_headers_bytes
            or self._headers_count > limits.max_headers
        ):
            self._refuse(*self._too_large())
            raise StopError
        if self._stage is Stage.HEADERS:  # Trailers are dropped: they come after the headers have been acted on.
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        super().on_headers_complete()
        self._stage, self._excess = Stage.BODY, 0
        self._headers_size = self._headers_count = 0

    def on_body(self, body: bytes) -> None:
        # What carries little besides itself is excess: chunk extensions, trailers.
        self._excess = max(self._excess - 3 * len(body) - _FRAMING, 0)
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._stage, self._excess = Stage.REQUEST, 0
        super().on_message_complete()

    def _too_large(self) -> tuple[str, str]:
        limits = self._limits
        detail = f"There may be {limits.max_headers} headers of {limits.max_header_bytes:,} bytes each, and "
        return "headers_too_large", f"{detail}{limits.max_headers_bytes:,} bytes of headers or trailers together."

    def _refuse(self, code: str, detail: str) -> None:
        """Take no more from this connection, unless that was said before, and answer with a problem."""
        raise NotImplementedError
