"""Several serving processes that share their sockets: started, watched, replaced and ended together."""

from __future__ import annotations

import os
import signal
import socket
import time
from contextlib import suppress
from multiprocessing.connection import wait
from types import FrameType
from typing import TYPE_CHECKING, Final

import structlog
import uvicorn
from uvicorn.supervisors.multiprocess import Process

from app import logs
from app.serving.shutdown import FORCED, MARGIN_SECONDS, START_FAILED, exit_at_once, exit_within

if TYPE_CHECKING:
    from app.settings import Settings

_POLL_SECONDS: Final = 0.5
_HUNG_SECONDS: Final = 30
"""After so long without an answer over its pipe, to which a thread of its own attends, a worker is replaced."""

_log = structlog.get_logger("akshar")


class Worker(Process):
    """One of the processes.

    Args:
        settings: of the service.
        sockets: where it serves.
        probes: where its probes listen, if they have a port of their own.
        background: whether it answers probes while its models load. One of several does; the others, and those that
            replace a dead one, take no connection before they can serve it.
    """

    def __init__(
        self, settings: Settings, sockets: list[socket.socket], probes: list[socket.socket], background: bool
    ) -> None:
        self._settings, self._probes, self._background = settings, probes, background
        self._asked: float | None = None
        super().__init__(uvicorn.Config("", log_config=None), sockets)

    def target(self, sockets: list[socket.socket] | None = None) -> None:
        """What runs in the process."""
        # Imported here because the supervisor needs none of what reads images.
        from app.process import Server

        logs.configure(self._settings.log_level, self._settings.log_format)
        logs.capture_all()
        self._server = Server(self._settings, self._probes, self._background, supervised=True)
        super().target(sockets)

    def of_use(self) -> bool:
        """Whether it runs and is not hung. Asks, and does not wait for the answer."""
        with suppress(OSError, EOFError):
            while self.parent_conn.poll():
                self.parent_conn.recv()
                self._asked = None
            if self._asked is None:
                self.parent_conn.send(b"ping")
                self._asked = time.monotonic()
        hung = self._asked is not None and time.monotonic() - self._asked > _HUNG_SECONDS
        return self.process.is_alive() and not hung


class Supervisor:
    """Runs workers until told to end.

    Args:
        settings: of the service.
        sockets: where it serves.
        probes: where its probes listen, if they have a port of their own.
        count: the number of workers.
    """

    def __init__(
        self, settings: Settings, sockets: list[socket.socket], probes: list[socket.socket], count: int
    ) -> None:
        self._settings, self._sockets, self._probes = settings, sockets, probes
        self._count = count
        self._workers: list[Worker] = []
        self._signal = 0
        self._told: set[int | None] = set()

    def run(self) -> int:
        """Run the workers. Returns the exit status: 0, or that of a worker that could not start or end properly."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._handle)
        for i in range(self._count):
            self._workers.append(self._start(background=i == 0))
        while not self._signal and not self._failed():
            wait([worker.process.sentinel for worker in self._workers], _POLL_SECONDS)
            self._replace_dead()
        for worker in self._workers:
            self._tell(worker, self._signal or signal.SIGTERM)
        for worker in self._workers:
            worker.process.join()
        if self._failed():
            return START_FAILED
        # A worker that was told to end before it could handle signals was ended by the signal.
        clean = {0, -signal.SIGTERM, -signal.SIGINT}
        return 0 if {worker.exitcode for worker in self._workers} <= clean else FORCED

    def _start(self, background: bool) -> Worker:
        worker = Worker(self._settings, self._sockets, self._probes, background)
        # A terminal sends SIGINT to the worker, too, which would print a traceback before it handles signals.
        handler = signal.signal(signal.SIGINT, signal.SIG_IGN)
        worker.start()
        signal.signal(signal.SIGINT, handler)
        return worker

    def _failed(self) -> bool:
        return any(worker.exitcode == START_FAILED for worker in self._workers)

    def _replace_dead(self) -> None:
        for i, worker in enumerate(self._workers):
            if self._signal or self._failed():
                return
            if not worker.of_use() and not self._signal:
                worker.kill()
                worker.process.join()
                if worker.exitcode == START_FAILED:
                    return
                _log.error("worker_replaced", pid=worker.pid, status=worker.exitcode)
                self._workers[i] = self._start(background=False)

    def _handle(self, number: int, _: FrameType | None) -> None:
        if self._signal:
            exit_at_once(FORCED)
        self._signal = number
        exit_within(self._settings.drain_seconds + self._settings.grace_seconds + MARGIN_SECONDS + 1)
        for worker in self._workers:
            self._tell(worker, number)

    def _tell(self, worker: Worker, number: int) -> None:
        """Pass a signal on, once: for a worker a second one is a reason to hurry."""
        if worker.pid not in self._told and worker.exitcode is None:
            self._told.add(worker.pid)
            assert worker.pid is not None
            with suppress(ProcessLookupError):
                os.kill(worker.pid, number)
