"""What surrounds every request: its id, its log line, and an answer whatever happens.

Plain ASGI: under Starlette's ``BaseHTTPMiddleware`` a client's disconnect would never be seen.
"""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Callable
from typing import Final

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.errors import ApiError, problem_response

REQUEST_ID: Final = "x-request-id"
_ACCEPTABLE_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,128}")

_log = structlog.get_logger("akshar.access")


class RequestContext:
    """Gives each request an id (the client's own, where it is short and plain), logs it, and answers a crash as 500."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        offered = Headers(scope=scope).get(REQUEST_ID, "")
        request_id = offered if _ACCEPTABLE_ID.fullmatch(offered) else uuid.uuid4().hex
        scope.setdefault("state", {})["request_id"] = request_id
        started = time.perf_counter()
        status = 0

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)[REQUEST_ID] = request_id
            await send(message)

        log = _log.bind(request_id=request_id, method=scope["method"], path=scope["path"])
        try:
            await self._app(scope, receive, send_with_id)
        except ClientDisconnect:
            log.info("client_left")
            return
        except Exception as error:
            log.error("crash", exc_info=error)
            if status:
                return  # Too late for another answer; the server closes the connection.
            problem = ApiError("internal_error", "The request failed; quote its id when you report it.")
            await problem_response(Request(scope), problem)(scope, receive, send_with_id)
        log.info("request", status=status, milliseconds=round(1e3 * (time.perf_counter() - started), 2))


class StartupReason:
    """Shortens a failed start to its reason: the server would log a traceback of what is no fault of the code."""

    def __init__(self, app: ASGIApp, reason: Callable[[], str | None]) -> None:
        self._app, self._reason = app, reason

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_reason(message: Message) -> None:
            if message["type"] == "lifespan.startup.failed":
                message["message"] = self._reason() or message["message"]
            await send(message)

        await self._app(scope, receive, send_reason if scope["type"] == "lifespan" else send)
