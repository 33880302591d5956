"""Surrounds every request: its id, its log line, its metrics, and a response whatever happens.

Plain ASGI: with Starlette's ``BaseHTTPMiddleware`` a client's disconnect would never be seen.
"""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Callable
from typing import Any, Final

import structlog
from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app import metrics
from app.api.problems import api_error, problem_response
from app.serving.errors import AbandonedError

REQUEST_ID: Final = "x-request-id"
CLIENT_LEFT: Final = 499
"""The status in logs and metrics of a request whose client has left; nothing is sent."""
_ACCEPTABLE_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,128}")

_log = structlog.get_logger("akshar.access")


class RequestContext:
    """Gives each request an id (the client's own, if it is short and plain), logs it, and turns a crash into a 500."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.monotonic()
        own_id = Headers(scope=scope).get(REQUEST_ID, "")
        request_id = own_id if _ACCEPTABLE_ID.fullmatch(own_id) else uuid.uuid4().hex
        state: dict[str, Any] = scope.setdefault("state", {})
        state["request_id"] = request_id
        status = 0

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], (REQUEST_ID.encode(), request_id.encode())]
            await send(message)

        try:
            await self._app(scope, receive, send_with_id)
        except (ClientDisconnect, AbandonedError):
            status = CLIENT_LEFT
        except Exception as error:
            _log.error("crash", request_id=request_id, path=scope["path"], exc_info=error)
            if not status:  # Otherwise it is too late for another response; the server closes the connection.
                await problem_response(Request(scope), api_error(error))(scope, receive, send_with_id)
        seconds = time.monotonic() - started
        # Unknown paths are one route and unknown families none, so that clients cannot invent labels.
        route = getattr(scope.get("route"), "path", "none")
        metrics.REQUESTS.labels(route, state.get("family", ""), status).inc()
        metrics.REQUEST_SECONDS.labels(route).observe(seconds)
        _log.info(
            "request",
            request_id=request_id,
            method=scope["method"],
            path=scope["path"],
            status=status,
            milliseconds=round(1e3 * seconds, 2),
        )


class StartupReason:
    """Shortens a failed start to its reason: the server would log a traceback although the code is not at fault."""

    def __init__(self, app: ASGIApp, reason: Callable[[], str | None]) -> None:
        self._app, self._reason = app, reason

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_reason(message: Message) -> None:
            if message["type"] == "lifespan.startup.failed":
                message["message"] = self._reason() or message["message"]
            await send(message)

        await self._app(scope, receive, send_reason if scope["type"] == "lifespan" else send)
