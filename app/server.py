"""Runs the app on uvicorn, in one process or several."""

from __future__ import annotations

import os
import signal
import sys
import tempfile

import uvicorn
from fastapi import FastAPI
from pydantic import ValidationError

from app import logs, metrics
from app.main import GRACE_SECONDS, create_app
from app.settings import Settings


def run(host: str, port: int, workers: int) -> None:
    """Serve until told to stop.

    Args:
        host: address to listen on.
        port: port to listen on.
        workers: processes that share the port, each with its own models.
    """
    settings = _settings()
    logs.configure(settings.log_level, settings.log_format)
    with tempfile.TemporaryDirectory(prefix="akshar-metrics-") as folder:
        if workers > 1:
            os.environ[metrics.SHARED_FOLDER] = folder  # Workers inherit it, and keep their metrics there.
        # The server passes signals that it has handled on to the previous handler: for a clean end, to nobody.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        uvicorn.run(
            "app.server:create_worker" if workers > 1 else create_app(settings),
            factory=workers > 1,
            workers=workers,
            host=host,
            port=port,
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=GRACE_SECONDS,
        )


def create_worker() -> FastAPI:
    """The app of one worker process among several."""
    settings = _settings()
    logs.configure(settings.log_level, settings.log_format)
    # The supervisor starts another process in its place.
    return create_app(settings, on_death=lambda: os.kill(os.getpid(), signal.SIGTERM))


def _settings() -> Settings:
    """The environment's settings. Impossible ones are reported, one per line, and end the process with 2."""
    try:
        return Settings()
    except ValidationError as error:
        for problem in error.errors():
            name = f"AKSHAR_{str(problem['loc'][0]).upper()}: " if problem["loc"] else ""
            print(f"{name}{problem['msg']}", file=sys.stderr)
        sys.exit(2)
