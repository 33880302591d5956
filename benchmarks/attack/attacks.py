"""The attacks, from a process of its own: each is on in a third of the turns, three at a time.

An attacker who is refused with 429 or 503, or who is cut off, waits `PAUSE_SECONDS` before the next try: at full speed
the attackers themselves would take the cores, which attackers elsewhere do not.
"""

from __future__ import annotations

import asyncio
import io
import itertools
import os
import resource
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Iterator
from contextlib import suppress
from functools import cache
from typing import Any, Final, NamedTuple

import uvloop
from PIL import Image

from benchmarks import FAMILY, hostile
from benchmarks.attack.connection import LOST, Connection, post
from benchmarks.hostile_forms import SLOW_FORMS, boundary_soup
from benchmarks.images import IMAGES, encode, photo, single
from benchmarks.load import Body, multipart

PAUSE_SECONDS: Final = 0.05
NICENESS: Final = 5
"""How far the attackers stand back from the server where both want a core: real ones have cores of their own."""

_PATH: Final = f"/predict/{FAMILY}"
_REFUSED: Final = (429, 503)
_MEGABYTE: Final = 2**20


class Attack:
    """One attack during one turn.

    Args:
        port: of the server.
        outcomes: counts the responses by status, and connections that ended without one as ``closed``.
    """

    def __init__(self, port: int, outcomes: Counter[str]) -> None:
        self._port, self.outcomes = port, outcomes

    def connect(self, number: int, addresses: int) -> Connection:
        """A connection from one of so many addresses."""
        return Connection(self._port, f"127.0.1.{1 + number % addresses}")

    async def repeat(self, number: int, addresses: int, use: Callable[[Connection], Awaitable[None]]) -> None:
        """Use one connection after another, until cancelled."""
        while True:
            try:
                async with self.connect(number, addresses) as connection:
                    await use(connection)
            except LOST:
                self.outcomes["closed"] += 1
            await asyncio.sleep(PAUSE_SECONDS)

    async def ask(self, connection: Connection, request: bytes) -> None:
        """Send a request, count its response, and pause after a refusal."""
        status = await connection.ask(request)
        self.outcomes[str(status)] += 1
        if status in _REFUSED:
            await asyncio.sleep(PAUSE_SECONDS)

    async def send_all(self, connections: int, addresses: int, requests: Iterable[bytes]) -> None:
        """Send requests in turn over so many connections, each as soon as the one before it is answered."""
        each = itertools.cycle(requests)

        async def use(connection: Connection) -> None:
            while connection.reusable:
                await self.ask(connection, next(each))

        await self.crowd(connections, addresses, use)

    async def crowd(self, connections: int, addresses: int, use: Callable[[Connection], Awaitable[None]]) -> None:
        """Use so many connections at once, each again and again."""
        async with asyncio.TaskGroup() as group:
            for number in range(connections):
                group.create_task(self.repeat(number, addresses, use))


async def _bombs(attack: Attack) -> None:
    await attack.send_all(15, 5, _bomb_requests())


async def _photos(attack: Attack) -> None:
    await attack.send_all(16, 4, _photo_requests())


async def _slow_uploads(attack: Attack) -> None:
    head = f"POST {_PATH}/batch HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary=x\r\n"
    head += f"Content-Length: {32 * _MEGABYTE}\r\n\r\n"

    async def use(connection: Connection) -> None:
        connection.writer.write(head.encode() + bytes(_MEGABYTE))
        response = asyncio.create_task(attack.ask(connection, b""))
        try:
            while not response.done():
                await asyncio.wait([response], timeout=0.5)
                connection.writer.write(bytes(64 * 2**10))
            await response
        finally:
            response.cancel()

    await attack.crowd(120, 4, use)


async def _idle_connections(attack: Attack) -> None:
    halves = itertools.cycle((b"", b"POST /predict/consonants HTTP/1.1\r\nHost: local"))

    async def use(connection: Connection) -> None:
        await attack.ask(connection, next(halves))
        await asyncio.sleep(1)

    await attack.crowd(1200, 6, use)


async def _large_headers(attack: Attack) -> None:
    async def use(connection: Connection) -> None:
        connection.writer.write(b"GET /livez HTTP/1.1\r\nHost: localhost\r\nX: ")
        response = asyncio.create_task(attack.ask(connection, b""))
        try:
            for _ in range(1600):  # 400 MB.
                if response.done():
                    break
                connection.writer.write(b"x" * (_MEGABYTE // 4))
                await connection.writer.drain()
                await asyncio.wait([response], timeout=0.01)
            await response
        finally:
            response.cancel()

    await attack.crowd(4, 4, use)


async def _slow_forms(attack: Attack) -> None:
    await attack.send_all(3, 3, _form_requests())


async def _costly_images(attack: Attack) -> None:
    await attack.send_all(6, 3, _costly_requests())


async def _hang_ups(attack: Attack) -> None:
    seconds = itertools.cycle((0.02, 0.05, 0.1, 0.2))

    async def use(connection: Connection) -> None:
        connection.writer.write(_scans_request())
        await asyncio.sleep(next(seconds))
        attack.outcomes["hung up"] += 1

    await attack.crowd(8, 4, use)


async def _pipelines(attack: Attack) -> None:
    request = b"".join(post(_PATH, single(image)) for image in IMAGES[:12])
    hang_ups = itertools.cycle((False, True))

    async def use(connection: Connection) -> None:
        connection.writer.write(request)
        if next(hang_ups):
            attack.outcomes["hung up"] += 1
            return
        for _ in range(12):
            await attack.ask(connection, b"")

    await attack.crowd(8, 4, use)


@cache
def _bomb_requests() -> tuple[bytes, ...]:
    files = [("file", "white.webp", hostile.white_webp(4000), "image/webp")] * 20
    return (post(f"{_PATH}/batch", multipart(files)),)


@cache
def _photo_requests() -> tuple[bytes, ...]:
    return (post(_PATH, Body(encode(Image.open(io.BytesIO(photo()))), "image/png")),)


@cache
def _form_requests() -> tuple[bytes, ...]:
    forms = [boundary_soup(30), *(form(4) for form in SLOW_FORMS)]
    return tuple(post(f"{_PATH}/batch", Body(*form)) for form in forms)


@cache
def _scans_request() -> bytes:
    """A fifth of a second of decoding, within all limits."""
    return post(_PATH, Body(hostile.many_scans(99, 3000), "image/jpeg"), "X-Timeout-Ms: 100")


@cache
def _costly_requests() -> tuple[bytes, ...]:
    files = (hostile.many_scans(200_000), hostile.exif_segments(500_000), hostile.text_chunks(60))
    return (_scans_request(), *(post(_PATH, Body(file, "application/octet-stream")) for file in files))


class Kind(NamedTuple):
    """An attack and what it does."""

    run: Callable[[Attack], Coroutine[Any, Any, None]]
    meaning: str


KINDS: Final = {
    "bombs": Kind(_bombs, "batches of 20 WebPs of 16 megapixels in 34 bytes each: 15 connections, 5 addresses"),
    "photos": Kind(_photos, "PNG photographs of 1000x1000: 16 connections, 4 addresses"),
    "slow uploads": Kind(_slow_uploads, "120 forms that send 1 MB of 32 and then a trickle"),
    "idle connections": Kind(_idle_connections, "1,200 connections that send nothing or half a header, 6 addresses"),
    "large headers": Kind(_large_headers, "headers of 400 MB: 4 connections"),
    "slow forms": Kind(_slow_forms, "32 MB of boundary soup, and ten other forms of 4 MB: 3 connections"),
    "costly images": Kind(
        _costly_images, "JPEGs of 99 and of 200,000 scans (100 ms deadline), metadata by the megabyte: 6 connections"
    ),
    "hang-ups": Kind(_hang_ups, "JPEGs of 99 scans whose client leaves while they are decoded: 8 connections"),
    "pipelines": Kind(_pipelines, "12 requests at once, then every second client leaves: 8 connections"),
}
"""All attacks, in the order in which they begin."""
_OFFSETS: Final = (0, 1, 3)


def turns(seconds: float, turn_seconds: float = 15) -> list[tuple[str, ...]]:
    """Which attacks are on in each turn: each in a third of them, and beside others each time.

    Args:
        seconds: of all turns together.
        turn_seconds: how long one lasts, about; there are as many as there are attacks, or a multiple.
    """
    names, rounds = list(KINDS), max(1, round(seconds / turn_seconds / len(KINDS)))
    return [tuple(names[(turn + offset) % len(names)] for offset in _OFFSETS) for turn in range(rounds * len(names))]


def prepare() -> None:
    """Make all that will be sent, and stand back from the server."""
    os.nice(NICENESS)
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    for requests in (_bomb_requests, _photo_requests, _form_requests, _costly_requests):
        requests()


def run(port: int, start: float, seconds: float) -> dict[str, Counter[str]]:
    """Attack from a time on the clock of `time.monotonic`; the outcomes of each attack."""
    time.sleep(max(start - time.monotonic(), 0))
    return uvloop.run(_run(port, start, seconds))


async def _run(port: int, start: float, seconds: float) -> dict[str, Counter[str]]:
    outcomes: dict[str, Counter[str]] = {name: Counter() for name in KINDS}
    loop = asyncio.get_running_loop()
    ahead = loop.time() - time.monotonic()  # The two clocks may differ.
    for names, end in _ends(start, seconds):
        with suppress(TimeoutError):
            async with asyncio.timeout_at(end + ahead), asyncio.TaskGroup() as group:
                for name in names:
                    group.create_task(KINDS[name].run(Attack(port, outcomes[name])))
    return outcomes


def _ends(start: float, seconds: float) -> Iterator[tuple[tuple[str, ...], float]]:
    plan = turns(seconds)
    for number, names in enumerate(plan, 1):
        yield names, start + seconds * number / len(plan)
