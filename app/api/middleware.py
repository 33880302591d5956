"""Surrounds every request: its id, its log line, its metrics, and a response whatever happens.

Plain ASGI: with Starlette's ``BaseHTTPMiddleware`` a client's disconnect would never be seen.
"""

from __future__ import annotations

import asyncio
import re
import time
import uuid
from typing import Any, Final

import structlog
from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app import metrics
from app.api.problems import ApiError, api_error, problem_response
from app.serving.errors import AbandonedError, StoppedError

REQUEST_ID: Final = "x-request-id"
CLIENT_LEFT: Final = 499
"""The status in logs and metrics of a request whose client has left; nothing is sent."""
_ACCEPTABLE_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,128}")

_HOST: Final = re.compile(r"(\[[0-9a-f:.]+\]|[^:\[\]]+)(?::\d*)?")

_CLOSE: Final = (b"connection", b"close")
_COMMON: Final = ((b"x-content-type-options", b"nosniff"), (b"referrer-policy", b"no-referrer"))
HEADERS: Final = (
    *_COMMON,
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"cache-control", b"no-store"),
)
"""The security headers of every response but the documentation's pages."""
_STATIC: Final = "/static-offline-docs/"
_PAGES: Final = ("/docs", "/redoc", _STATIC)
_PAGES_POLICY: Final = (
    b"default-src 'self'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    b"worker-src 'self' blob:; object-src 'none'; base-uri 'none'; frame-ancestors 'none'"
)
"""The documentation's pages have their scripts and styles inline, and show nothing that users have sent."""
_PAGES_HEADERS: Final = (*_COMMON, (b"content-security-policy", _PAGES_POLICY))

_log = structlog.get_logger("akshar.access")


class RequestContext:
    """Gives each request an id (the client's own, if it is short and plain), logs it, and turns a crash into a 500.

    Args:
        app: what is surrounded.
        trusted_hosts: host names that requests may name, separated by commas; `*` is all.
    """

    def __init__(self, app: ASGIApp, trusted_hosts: str = "*") -> None:
        self._app = app
        self._hosts = [host.strip().lower() for host in trusted_hosts.split(",")]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.monotonic()
        if scope["path"].startswith(_STATIC):
            # Parts of files are not served: Starlette answers a wrong range with an error of another shape.
            scope["headers"] = [(name, value) for name, value in scope["headers"] if name != b"range"]
        headers = Headers(scope=scope)
        own_id = headers.get(REQUEST_ID, "")
        request_id = own_id if _ACCEPTABLE_ID.fullmatch(own_id) else uuid.uuid4().hex
        state: dict[str, Any] = scope.setdefault("state", {})
        state["request_id"] = request_id
        app_state = scope["app"].state
        status = 0

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                security = _PAGES_HEADERS if scope["path"].startswith(_PAGES) else HEADERS
                message["headers"] = [*message["headers"], *security, (b"x-request-id", request_id.encode())]
                if app_state.ending:  # A client that knows that the connection will be closed takes another one.
                    message["headers"].append(_CLOSE)
            await send(message)

        async def fail(error: Exception) -> None:
            if not status:  # Otherwise it is too late for another response; the server closes the connection.
                await problem_response(Request(scope), api_error(error))(scope, receive, send_with_headers)

        try:
            if self._trusts(headers.get("host", "")):
                await self._app(scope, receive, send_with_headers)
            else:
                await fail(ApiError("untrusted_host", "The Host header names none of this service's hosts."))
        except (ClientDisconnect, AbandonedError):
            status = CLIENT_LEFT
        except asyncio.CancelledError:
            if not app_state.ending:
                raise
            await fail(StoppedError())  # The grace period is over.
        except Exception as error:
            _log.error("crash", request_id=request_id, path=scope["path"], exc_info=error)
            await fail(error)
        _record(scope, status, time.monotonic() - started)

    def _trusts(self, header: str) -> bool:
        """Whether a Host header names one of our hosts."""
        if "*" in self._hosts:
            return True
        named = _HOST.fullmatch(header.lower())
        return named is not None and any(
            named[1] == host or (host.startswith("*.") and named[1].endswith(host[1:])) for host in self._hosts
        )


def _record(scope: Scope, status: int, seconds: float) -> None:
    """Count and log a request that has ended."""
    # Unknown paths are one route and unknown families none, so that clients cannot invent labels.
    route = getattr(scope.get("route"), "path", "none")
    state, client = scope["state"], scope["client"]
    metrics.REQUESTS.labels(route, state.get("family", ""), status).inc()
    metrics.REQUEST_SECONDS.labels(route).observe(seconds)
    _log.info(
        "request",
        request_id=state["request_id"],
        client=client[0] if client else "",
        method=scope["method"],
        path=scope["path"],
        status=status,
        milliseconds=round(1e3 * seconds, 2),
    )
