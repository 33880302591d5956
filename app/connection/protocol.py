"""HTTP/1.1 within limits of size, time and number, which ends without resets."""

from __future__ import annotations

import asyncio
import math
import time
import uuid
from collections.abc import Callable
from typing import Any, Final

from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle
from uvicorn.server import ServerState

from app.connection.parsing import BoundedProtocol, Stage, StopError
from app.connection.refusals import problem
from app.connection.table import Table
from app.connection.transport import ClosingTransport
from app.settings import Settings

_LINGER_SECONDS: Final = 1.0
"""How long what a client still sends is discarded after its last response: closing at once would reset the connection,
and the client would never read that response."""
_LAST_CALL_SECONDS: Final = 1.0
"""How long an idle connection stays open at the end, for a request that is on its way already."""
_STALL_SECONDS: Final = 30.0
"""How long a client may take to read a response before the connection is given up."""


class LimitedProtocol(BoundedProtocol):
    """One connection.

    Args:
        config: of the server.
        server_state: of the server.
        app_state: of the app.
        table: the connections of this process.
    """

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
        *,
        table: Table,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop, table.settings)
        self.host, self.deadline = "", math.inf
        self._table = table
        self._resting = True  # No request is in progress.
        self._lingering = self._ending = False
        self._running: RequestResponseCycle | None = None
        self._refusal: tuple[str, str] | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._socket = transport
        super().connection_made(ClosingTransport(transport, self._linger))
        self.host = self.client[0] if self.client else ""
        self.deadline = time.monotonic() + self._limits.header_seconds
        self._table.watch(self.loop)
        if not self._table.add(self):
            self._refuse("too_many_connections", "Too many connections are open.")

    def connection_lost(self, exc: Exception | None) -> None:
        self._table.remove(self)
        # uvicorn tells only the request that came last.
        for cycle in (self._running, *(cycle for cycle, _ in self.pipeline)):
            _disconnect(cycle)
        self.pipeline.clear()
        super().connection_lost(exc)

    # Requests and their responses.

    def on_message_begin(self) -> None:
        super().on_message_begin()
        if self._resting and not self._ending and self.cycle is not None:
            self._set_deadline(self._limits.header_seconds)

    def on_headers_complete(self) -> None:
        if self._resting and self._ending:
            self._refuse("not_ready", "The service is stopping.")
            raise StopError
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        super().on_message_complete()
        if self._resting:
            self._rest()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._running = cycle
        if self._resting:
            self._resting = False
            self._table.set_busy(self)
            self._set_deadline(math.inf)
        super()._start_asgi_task(cycle, app)

    def on_response_complete(self) -> None:
        """Start what waits, or rest: as uvicorn's, but for its timer, which what follows on a body would disarm."""
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
        elif self._refusal:
            self._answer(*self._refusal)
        else:
            self._resting = True
            self._table.set_resting(self)
            self._rest()

    def _rest(self) -> None:
        """Wait for the next request, or for the rest of it; or for the end of a body that was answered early."""
        limits = self._limits
        seconds = limits.keep_alive_seconds if self._stage is Stage.REQUEST else limits.header_seconds
        self._set_deadline(_LAST_CALL_SECONDS if self._ending else seconds)

    def _set_deadline(self, seconds: float) -> None:
        if not self.flow.write_paused:  # Then the client must read first.
            self.deadline = time.monotonic() + seconds

    def pause_writing(self) -> None:
        self._set_deadline(_STALL_SECONDS)
        super().pause_writing()

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._resting:
            self._rest()
        elif not self._lingering:
            self.deadline = math.inf

    # The end.

    def shutdown(self) -> None:
        """Finish the requests in progress, and refuse one that is on its way already; then close."""
        self._ending = True
        if self._resting:
            self.deadline = min(self.deadline, time.monotonic() + _LAST_CALL_SECONDS)
        elif self._running and not self._running.response_complete:
            self.cycle.keep_alive = False

    def expire(self) -> None:
        """Close the connection: its headers are overdue, or it was idle, or its client reads nothing."""
        if self._lingering or self.flow.write_paused:
            self.abort()
        elif self._stage is Stage.HEADERS:
            seconds = self._limits.header_seconds
            self._refuse("header_timeout", f"The headers did not arrive within {seconds:g} seconds.")
        else:
            self.transport.close()

    def make_way(self) -> None:
        """Close at once: no request is in progress, and the descriptor is needed."""
        self._stopped = True
        self._socket.close()

    def abort(self) -> None:
        """Close at once, whatever was not sent yet."""
        self._socket.abort()

    def _refuse(self, code: str, detail: str) -> None:
        """Take no more from this connection; answer with a problem once earlier requests have their responses."""
        if self._stopped or self.transport.is_closing():
            return
        self._stopped = True
        running = None if self._resting else self._running
        if self._stage is Stage.BODY:  # The request itself is broken, and the app may wait for its body.
            broken = self.cycle
            _disconnect(broken)
            if broken.response_started:
                self.transport.close()
                return
            if broken is running:
                running = None
            else:
                self.pipeline.popleft()
        if running is None:
            self._answer(code, detail)
        else:
            self._refusal = code, detail

    def _answer(self, code: str, detail: str) -> None:
        request_id = uuid.uuid4().hex
        self._table.events.refused(code, self.host, request_id)
        url = b"" if self._stage is Stage.REQUEST else self.url
        self.transport.write(problem(code, detail, url, request_id, self.server_state.default_headers))
        self.transport.close()

    def _linger(self) -> None:
        """Close: send what is left, tell the client that it was all, and wait until it closes, too."""
        self._stopped = self._lingering = True
        self._table.set_lingering(self)
        if self._socket.is_closing() or not self._socket.can_write_eof():
            self._socket.close()
            return
        self.flow.resume_reading()
        self._socket.write_eof()
        left = self._socket.get_write_buffer_size()
        self.deadline = time.monotonic() + (_STALL_SECONDS if left else _LINGER_SECONDS)


def _disconnect(cycle: RequestResponseCycle | None) -> None:
    """Tell a request that its client has left."""
    if cycle is not None and not cycle.response_complete:
        cycle.disconnected = True
        cycle.message_event.set()


class _Protocols:
    """Makes the protocols of one server, which share a table."""

    def __init__(self, settings: Settings) -> None:
        self._table = Table(settings)

    def __reduce__(self) -> tuple[Any, ...]:
        return _Protocols, (self._table.settings,)  # Each process has a table of its own.

    def __call__(self, **arguments: Any) -> LimitedProtocol:
        return LimitedProtocol(table=self._table, **arguments)


def limited_protocol(settings: Settings) -> Callable[..., LimitedProtocol]:
    """The protocol of one server, as the argument ``http`` of uvicorn takes it; it can be pickled."""
    return _Protocols(settings)
