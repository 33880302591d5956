"""One serving process: it answers at once, drains before it closes, and ends in time with a true status."""

from __future__ import annotations

import asyncio
import math
import signal
import socket
import time
from collections.abc import Callable
from types import FrameType
from typing import Final

import structlog
import uvicorn

from app.connection.descriptors import with_copies
from app.connection.protocol import limited_protocol
from app.main import create_app
from app.memory import return_memory
from app.probes import serve_probes
from app.serving.service import Service
from app.serving.shutdown import FORCED, MARGIN_SECONDS, exit_at_once, exit_within
from app.settings import Settings

_CANCEL_SECONDS: Final = 0.5
"""How long cancelled requests have to send their response."""
_TICK_SECONDS: Final = 0.02

_log = structlog.get_logger("akshar")


class Server(uvicorn.Server):
    """Serves the app in this process.

    Args:
        settings: of the service.
        probes: the listening sockets of the probes, if they have a port of their own.
        background: whether to answer probes while the models load; otherwise connections wait until then.
        supervised: whether another process passes signals on to this one; it alone acts on a second signal.
    """

    def __init__(
        self,
        settings: Settings,
        probes: list[socket.socket],
        background: bool = True,
        supervised: bool = False,
    ) -> None:
        self._settings, self._probes, self._supervised = settings, probes, supervised
        self._app = create_app(settings, self.end, background)
        self._status = 0
        self._hurry = False
        super().__init__(server_config(self._app, settings))

    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        """Serve until told to end, and end the process."""
        self._loop = asyncio.get_running_loop()
        return_memory()
        for each in (*(sockets or []), *self._probes):
            each.set_inheritable(False)  # The supervisor's were passed on to this process, and must end here.
        try:
            await super().serve(with_copies(sockets or []))
        except (Exception, SystemExit) as error:  # Whatever it is, threads may not hold up the end.
            _log.critical("crash", exc_info=error)
            self._status = self._status or FORCED
        exit_at_once(self._status)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self._probes:
            serve_probes(self._app, self._probes, self._settings)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """End on a signal: SIGTERM after the drain delay, SIGINT without; a second one at once."""
        if self._app.state.ending:
            self._hurry = self._hurry or sig == signal.SIGINT
            if not self._supervised:
                exit_at_once(FORCED)
        elif self._service is None:
            exit_at_once(0)  # There is nothing to drain.
        else:
            self._begin(hurry=sig == signal.SIGINT)

    def end(self, status: int) -> None:
        """End without the drain delay and with this status, because the process is of no more use. From any thread."""
        self._status = status
        if self._service is None:
            exit_at_once(status)
        elif not self._app.state.ending:
            self._begin(hurry=True)

    @property
    def _service(self) -> Service | None:
        service: Service | None = self._app.state.service
        return service

    def _begin(self, hurry: bool) -> None:
        self._hurry = hurry
        self._app.state.ending = True
        exit_within(self._settings.drain_seconds + self._settings.grace_seconds + MARGIN_SECONDS)
        self._loop.call_soon_threadsafe(self._start_draining)

    def _start_draining(self) -> None:
        self._draining = self._loop.create_task(self._drain())

    async def _drain(self) -> None:
        """Serve on for the drain delay; then refuse new requests while admitted ones are finished; then close."""
        service, settings = self._service, self._settings
        assert service is not None
        _log.info("ending", drain_seconds=0 if self._hurry else settings.drain_seconds)
        await self._wait(lambda: self._hurry, settings.drain_seconds)
        deadline = time.monotonic() + settings.grace_seconds
        try:
            await asyncio.wait_for(service.drain(), settings.grace_seconds)
        except TimeoutError:
            _log.warning("grace_over", images=service.admission.waiting)
        # What is left of the grace period goes to responses that are still being sent.
        self.config.timeout_graceful_shutdown = max(math.ceil(deadline - time.monotonic()), 0)
        self.should_exit = True

    async def _wait(self, done: Callable[[], bool], seconds: float) -> None:
        end = time.monotonic() + seconds
        while not done() and (left := end - time.monotonic()) > 0:
            await asyncio.sleep(min(_TICK_SECONDS, left))

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await super().shutdown(sockets)
        if self.server_state.tasks:
            await asyncio.wait(self.server_state.tasks, timeout=_CANCEL_SECONDS)


def server_config(app: object, settings: Settings) -> uvicorn.Config:
    """How the app and the probes are served."""
    return uvicorn.Config(
        app,  # type: ignore[arg-type]
        http=limited_protocol(settings),  # type: ignore[arg-type]  # It makes protocols, as a type does.
        ws="none",
        log_config=None,
        log_level="warning",  # We log our own start and end.
        access_log=False,
        server_header=False,
        proxy_headers=bool(settings.trusted_proxies),
        forwarded_allow_ips=settings.trusted_proxies,
        timeout_keep_alive=math.ceil(settings.keep_alive_seconds),
    )
