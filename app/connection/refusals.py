"""What a refused connection gets, and what is kept of it in logs and metrics."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable
from typing import Final

import structlog
from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from app import metrics
from app.api.problems import CODES, Problem

_MAX_INSTANCE: Final = 256
_HEADERS: Final = {
    "content-type": "application/problem+json",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "cache-control": "no-store",
    "connection": "close",
}
"""As `app.api.middleware` sends them; a test compares the two."""

_log = structlog.get_logger("akshar.connection")


def problem(code: str, detail: str, url: bytes, request_id: str, headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """A whole response that is a problem, after which the connection is closed.

    Args:
        code: one of `CODES`.
        detail: what is wrong, for a person.
        url: as far as it has arrived; empty if nothing has.
        request_id: of the refusal.
        headers: to send with it.
    """
    status, title = CODES[code]
    body = Problem(
        type=f"urn:akshar:problem:{code}",
        title=title,
        status=status,
        detail=detail,
        instance=url.partition(b"?")[0][:_MAX_INSTANCE].decode("latin-1"),
        code=code,
        request_id=request_id,
    ).model_dump_json()
    lines = {**_HEADERS, "x-request-id": request_id, "content-length": len(body.encode())}
    if status == 503:
        lines["retry-after"] = 1
    return b"".join(
        [
            STATUS_LINE[status],
            *(b"%s: %s\r\n" % header for header in headers),
            *(f"{name}: {value}\r\n".encode() for name, value in lines.items()),
            b"\r\n",
            body.encode(),
        ]
    )


class EventLog:
    """Logs at most one line a second for each kind of event: floods of connections are no floods of lines."""

    def __init__(self) -> None:
        self._last: dict[str, float] = {}
        self._unlogged: Counter[str] = Counter()

    def refused(self, code: str, client: str, request_id: str) -> None:
        """Count a refusal, and log it."""
        metrics.CONNECTIONS_REFUSED.labels(code).inc()
        self.log("connection_refused", code, client, request_id=request_id)

    def log(self, event: str, code: str, client: str, **values: str) -> None:
        """Log an event, with the number of those of this code that were left out before."""
        now = time.monotonic()
        if now - self._last.get(code, -1.0) < 1:
            self._unlogged[code] += 1
            return
        self._last[code] = now
        _log.info(event, code=code, client=client, unlogged=self._unlogged.pop(code, 0), **values)
