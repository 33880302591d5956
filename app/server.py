"""``akshar serve``: checks what was asked for, listens, and runs one serving process or several."""

from __future__ import annotations

import os
import signal
import socket
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from app import logs
from app.checks import StartError, listen, read_settings, reserve_metrics
from app.serving.shutdown import MISUSED, exit_at_once

if TYPE_CHECKING:
    from app.settings import Settings

_log = structlog.get_logger("akshar")


def run(host: str, port: int, workers: int) -> None:
    """Serve until told to stop, and end the process.

    Args:
        host: address to listen on.
        port: port to listen on.
        workers: processes that share the port, each with its own models.
    """
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: exit_at_once(0))  # Until the server takes over there is nothing to finish.
    try:
        _run(host, port, workers)
    except StartError as error:
        print(error, file=sys.stderr)
        sys.exit(MISUSED)


def _run(host: str, port: int, workers: int) -> None:
    # First of all, because the imports below take a second: whoever connects meanwhile waits and is not refused.
    sockets = listen(host, port)
    settings = read_settings()
    if settings.probe_port == port:
        raise StartError(f"AKSHAR_PROBE_PORT: {port} is the port of the service itself")
    probes = listen(host, settings.probe_port) if settings.probe_port else []
    if workers > 1:
        exit_at_once(_run_workers(settings, sockets, probes, workers))
    _start_logs(settings, sockets)
    from app.process import Server

    Server(settings, probes).run(sockets)


def _run_workers(settings: Settings, sockets: list[socket.socket], probes: list[socket.socket], workers: int) -> int:
    from app.cores import cores
    from app.metrics import SHARED_FOLDER
    from app.supervisor import Supervisor

    try:
        folder = tempfile.TemporaryDirectory(prefix="akshar-metrics-")
    except OSError as error:
        raise StartError(f"no folder for the workers' metrics: {error.strerror}") from None
    with folder as name:
        reserve_metrics(Path(name), workers)
        os.environ[SHARED_FOLDER] = name  # Workers inherit it, and keep their metrics there.
        _start_logs(settings, sockets)
        if not settings.decoders:
            settings = settings.model_copy(update={"decoders": max(1, cores() // workers)})
        return Supervisor(settings, sockets, probes, workers).run()


def _start_logs(settings: Settings, sockets: list[socket.socket]) -> None:
    logs.configure(settings.log_level, settings.log_format)
    logs.capture_all()
    for each in sockets:
        address, port = each.getsockname()[:2]
        _log.info("listening", address=address, port=port, pid=os.getpid())
