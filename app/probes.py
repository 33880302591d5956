"""The probes on a port of their own, from a thread of its own: they answer whatever the main event loop does."""

from __future__ import annotations

import socket
import threading
from typing import Final

import uvicorn
from fastapi import FastAPI

from app.api import health
from app.api.middleware import RequestContext
from app.api.problems import install_handlers
from app.connection.protocol import limited_protocol
from app.settings import Settings

_MAX_CONNECTIONS: Final = 64


def serve_probes(app: FastAPI, sockets: list[socket.socket], settings: Settings) -> None:
    """Answer /livez, /readyz, /health and /metrics for an app, until the process ends.

    Args:
        app: whose state the probes report.
        sockets: where they listen.
        settings: of the service, whose limits of connections hold here, too.
    """
    probes = FastAPI(openapi_url=None, redirect_slashes=False)
    probes.state = app.state
    probes.include_router(health.router)
    install_handlers(probes)
    probes.add_middleware(RequestContext)
    config = uvicorn.Config(
        probes,
        http=limited_protocol(settings.model_copy(update={"max_connections": _MAX_CONNECTIONS})),  # type: ignore[arg-type]
        lifespan="off",
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
    )
    server = uvicorn.Server(config)
    threading.Thread(target=server.run, args=(sockets,), name="akshar-probes", daemon=True).start()
