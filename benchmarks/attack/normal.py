"""Normal load at a steady rate, from a process of its own: what every request gets, and how long it takes."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import Final, NamedTuple

import uvloop

from benchmarks import FAMILY
from benchmarks.attack.connection import LOST, Connection, get, post
from benchmarks.images import IMAGES, encode, single
from benchmarks.load import Body
from training.data.drawings import GLYPHS, draw

TIMEOUT_SECONDS: Final = 15
"""After this time a request counts as lost."""

_PATH: Final = f"/predict/{FAMILY}"
_CANVASES: Final = 8


@dataclass(frozen=True, slots=True)
class Stream:
    """Requests of one kind.

    Attributes:
        per_second: how many are sent, whether or not earlier ones have been answered.
        host: the address that they come from.
        port: where they go.
        keep_alive: whether a connection is used again, if it is free. Otherwise each request has one of its own.
    """

    name: str
    requests: tuple[bytes, ...]
    per_second: float
    host: str
    port: int
    keep_alive: bool


class Exchange(NamedTuple):
    """One request.

    Attributes:
        stream: the name of its kind.
        sent: when, on the clock of `time.monotonic`.
        seconds: from then to the end of the response, or until the connection was lost.
        status: of the response; 0 if there was none.
    """

    stream: str
    sent: float
    seconds: float
    status: int


def streams(port: int, probe_port: int) -> list[Stream]:
    """Uploads of 32 pixels and of a canvas, and probes on both ports as Kubernetes sends them, but more often."""
    canvases = [encode(draw(GLYPHS["pa"], 280, stroke=0.06 + 0.01 * i).convert("RGBA")) for i in range(_CANVASES)]
    return [
        Stream("32 px", tuple(post(_PATH, single(image)) for image in IMAGES), 20, "127.0.0.2", port, True),
        Stream("280 px", tuple(post(_PATH, Body(each, "image/png")) for each in canvases), 5, "127.0.0.3", port, True),
        Stream("/livez", (get("/livez"),), 10, "127.0.0.4", port, False),
        Stream("/livez, probe port", (get("/livez"),), 10, "127.0.0.4", probe_port, False),
    ]


def run(port: int, probe_port: int, end: float) -> list[Exchange]:
    """Send all streams until a time on the clock of `time.monotonic`."""
    return uvloop.run(_run(streams(port, probe_port), end))


async def _run(kinds: list[Stream], end: float) -> list[Exchange]:
    exchanges: list[Exchange] = []
    async with asyncio.TaskGroup() as group:
        for stream in kinds:
            group.create_task(_send(stream, end, exchanges))
    return exchanges


async def _send(stream: Stream, end: float, exchanges: list[Exchange]) -> None:
    """Send at the rate of the stream, which no slow response holds up."""
    idle: list[Connection] = []
    number, due = 0, time.monotonic()
    async with asyncio.TaskGroup() as group:
        while due < end:
            await asyncio.sleep(due - time.monotonic())
            group.create_task(_exchange(stream, stream.requests[number % len(stream.requests)], idle, exchanges))
            number, due = number + 1, due + 1 / stream.per_second
    for connection in idle:
        connection.hang_up()


async def _exchange(stream: Stream, request: bytes, idle: list[Connection], exchanges: list[Exchange]) -> None:
    sent, status = time.monotonic(), 0
    connection = None
    try:
        async with asyncio.timeout(TIMEOUT_SECONDS):
            connection = _take(idle) or await Connection(stream.port, stream.host).open()
            status = await connection.ask(request)
    except (*LOST, TimeoutError):
        pass  # The status says so.
    exchanges.append(Exchange(stream.name, sent, time.monotonic() - sent, status))
    if connection is None:
        return
    if status and stream.keep_alive and connection.reusable:
        idle.append(connection)
    else:
        connection.hang_up()


def _take(idle: list[Connection]) -> Connection | None:
    """A connection that the server has not closed."""
    while idle:
        connection = idle.pop()
        if not connection.reader.at_eof():
            return connection
        connection.hang_up()
    return None
