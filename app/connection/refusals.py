"""What a refused connection gets, and what is kept of it in logs and metrics."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable
from typing import Final

import structlog
from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from app import metrics
from app.api.middleware import HEADERS
from app.api.problems import make_problem

_MAX_INSTANCE: Final = 256
_HEADERS: Final = {
    "content-type": "application/problem+json",
    **{name.decode(): value.decode() for name, value in HEADERS},
    "connection": "close",
}

_log = structlog.get_logger("akshar.connection")


def problem(code: str, detail: str, url: bytes, request_id: str, headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """A whole response that is a problem, after which the connection is closed.

    Args:
        code: one of `app.api.problems.CODES`.
        detail: what is wrong, for a person.
        url: as far as it has arrived; empty if nothing has.
        request_id: of the refusal.
        headers: to send with it.
    """
    instance = url.partition(b"?")[0][:_MAX_INSTANCE].decode("latin-1")
    refusal = make_problem(code, detail, instance, request_id)
    status, body = refusal.status, refusal.model_dump_json()
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
