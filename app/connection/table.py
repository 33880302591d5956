"""The open connections of a process: how many there may be, and which must go for others."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final, Protocol

import structlog

from app import metrics
from app.clients import Networks, client_key
from app.connection import descriptors
from app.connection.refusals import EventLog
from app.settings import Settings

_SWEEP_SECONDS: Final = 0.25
_MAX_LINGERING: Final = 64
_FEWEST: Final = 4
_AMPLE_DESCRIPTORS: Final = 1024
"""If so many are left beside all connections, nobody need count them."""

_log = structlog.get_logger("akshar.connection")


class Connection(Protocol):
    """What the table knows of a connection.

    Attributes:
        host: the client's address; empty if it has none.
        deadline: when it expires, on the clock of `time.monotonic`.
    """

    host: str
    deadline: float

    def expire(self) -> None:
        """Its deadline has passed."""

    def make_way(self) -> None:
        """Close it at once, for another. No request is in progress."""

    def abort(self) -> None:
        """Close it at once, whatever was not sent yet."""


@dataclass(slots=True)
class _Client:
    """The connections of one client."""

    exempt: bool
    total: int = 0
    resting: dict[Connection, int] = field(default_factory=dict)
    """Those without a request in progress, in the order in which they began to rest, with their numbers in it."""


class Table:
    """The open connections.

    Args:
        settings: of the service.

    Attributes:
        max_connections: as many as the settings and the descriptors allow.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.events = EventLog()
        self.max_connections, self._max_lingering = settings.max_connections, _MAX_LINGERING
        self._descriptors = descriptors.raise_limit()
        self._proxies = Networks(settings.trusted_proxies)
        self._clients: dict[str, _Client] = {}
        self._open: dict[Connection, _Client] = {}
        self._lingering: dict[Connection, None] = {}
        self._order = itertools.count()
        self._sweeping = self._warned = False
        self._fit_descriptors()

    def __len__(self) -> int:
        return len(self._open) + len(self._lingering)

    def add(self, connection: Connection) -> bool:
        """Add a connection; whether there is room. If there is none, the one that has rested longest makes way.

        Preferably it is one of the client that has most, so that whoever opens many does not shut out others; proxies
        that are trusted come last.
        """
        key = client_key(connection.host)
        client = self._clients.get(key) or _Client(exempt=connection.host in self._proxies)
        if client.total >= self.settings.max_connections_per_client and not client.exempt:
            if not self._make_room([client]):
                return False
        elif len(self._open) >= self.max_connections and not self._make_room(self._clients.values()):
            return False
        self._clients[key] = self._open[connection] = client
        client.total += 1
        client.resting[connection] = next(self._order)
        metrics.CONNECTIONS.inc()
        return True

    def set_busy(self, connection: Connection) -> None:
        """A request is in progress."""
        self._open[connection].resting.pop(connection, None)

    def set_resting(self, connection: Connection) -> None:
        """No request is in progress any more."""
        self._open[connection].resting[connection] = next(self._order)

    def set_lingering(self, connection: Connection) -> None:
        """The connection is done with, and stays a moment until its client has read why. There is little room."""
        self.remove(connection)
        if len(self._lingering) >= self._max_lingering:
            oldest = next(iter(self._lingering))
            del self._lingering[oldest]
            oldest.abort()
        self._lingering[connection] = None

    def remove(self, connection: Connection) -> None:
        """Forget a connection, if it is here."""
        self._lingering.pop(connection, None)
        client = self._open.pop(connection, None)
        if client is None:
            return
        client.resting.pop(connection, None)
        client.total -= 1
        if not client.total:
            del self._clients[client_key(connection.host)]
        metrics.CONNECTIONS.dec()

    def watch(self, loop: asyncio.AbstractEventLoop) -> None:
        """Let connections expire, as long as there are any."""
        if not self._sweeping:
            self._sweeping = True
            self._fit_descriptors()
            loop.call_later(_SWEEP_SECONDS, self._sweep, loop)

    def _sweep(self, loop: asyncio.AbstractEventLoop) -> None:
        self._sweeping = False
        now = time.monotonic()
        for connection in [*self._open, *self._lingering]:
            if connection.deadline <= now:
                connection.expire()
        if len(self):
            self.watch(loop)

    def _make_room(self, clients: Iterable[_Client]) -> bool:
        """Close one of these clients' connections that has no request in progress; whether there was one."""
        first = [(client, *next(iter(client.resting.items()))) for client in clients if client.resting]
        if not first:
            return False
        _, connection, _ = max(first, key=lambda item: (not item[0].exempt, item[0].total, -item[2]))
        self.remove(connection)
        self.events.log("connection_closed", "made_way", connection.host)
        connection.make_way()
        return True

    def _fit_descriptors(self) -> None:
        """Allow as many connections as there are descriptors for, which others need, too."""
        wanted = self.settings.max_connections
        if self._descriptors - wanted >= _AMPLE_DESCRIPTORS:
            return
        try:
            room = descriptors.room(self._descriptors, len(self))
        except OSError as error:
            _log.warning("out_of_descriptors", descriptors=self._descriptors, reason=error.strerror)
            self._make_room(self._clients.values())
            return
        self._max_lingering = min(max(room // 5, 1), _MAX_LINGERING)
        self.max_connections = min(max(room - self._max_lingering, _FEWEST), wanted)
        if self.max_connections < wanted and not self._warned:
            self._warned = True
            _log.warning("few_descriptors", descriptors=self._descriptors, max_connections=self.max_connections)
