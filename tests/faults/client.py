"""A small HTTP client that does what libraries rightly refuse: stall, hang up, break off."""

import asyncio
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self

import tests.drawing as drawing
from benchmarks.load import multipart

TIMEOUT = 60


@dataclass
class Response:
    status: int
    headers: dict[str, str]
    body: bytes
    seconds: float

    def json(self) -> Any:
        return json.loads(self.body)


class LostError(Exception):
    """The connection ended without a whole answer; ``started`` tells whether there was a part of one."""

    def __init__(self, started: bool) -> None:
        super().__init__("partial answer" if started else "no answer")
        self.started = started


class Connection:
    """One keep-alive connection, from any address of the loopback network."""

    def __init__(self, port: int, host: str = "127.0.0.1") -> None:
        self._port, self._host = port, host

    async def __aenter__(self) -> Self:
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self._port, local_addr=(self._host, 0))
        return self

    async def __aexit__(self, *_: object) -> None:
        self.hang_up()

    def hang_up(self) -> None:
        self.writer.transport.abort()

    async def send(self, request: bytes) -> None:
        self.writer.write(request)
        await self.writer.drain()

    async def ask(self, request: bytes) -> Response:
        """Send a whole request and read its whole answer."""
        started = time.monotonic()
        head = b""
        try:
            async with asyncio.timeout(TIMEOUT):
                await self.send(request)
                head = await self.reader.readuntil(b"\r\n\r\n")
                status, *lines = head.decode("latin-1").split("\r\n")
                headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines if line)}
                body = await self.reader.readexactly(int(headers["content-length"]))
        except asyncio.IncompleteReadError as error:
            raise LostError(bool(head or error.partial)) from None
        except TimeoutError:
            raise AssertionError("a hang") from None
        except OSError:
            raise LostError(bool(head)) from None
        return Response(int(status.split()[1]), headers, body, time.monotonic() - started)


def request(path: str, body: bytes, content_type: str = "image/png", **headers: str) -> bytes:
    lines = [f"POST {path} HTTP/1.1", "Host: test", f"Content-Type: {content_type}", f"Content-Length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def form(*files: bytes) -> tuple[bytes, str]:
    """A multipart body with these files, and its Content-Type."""
    body = multipart([("file", "x", file, "image/png") for file in files])
    return body.data, body.content_type


async def ask_once(port: int, sent: bytes, host: str = "127.0.0.1") -> Response:
    async with Connection(port, host) as connection:
        return await connection.ask(sent)


# What is asked again and again, and the class that is its right answer.
GOOD = {
    request("/predict/consonants", drawing.encode(drawing.draw("pa", 32))): 21,
    request("/predict/numerals", *form(drawing.encode(drawing.draw("zero", 32)))): 0,
    request("/predict/consonants", *form(drawing.encode(drawing.draw("tta", 40)))): 11,
}


@dataclass
class Load:
    """What a crowd of clients, each asking again once answered, met with."""

    responses: list[tuple[Response, int]]
    lost: list[LostError]
    refused: int

    @property
    def answered(self) -> list[tuple[Response, int]]:
        return [(response, right) for response, right in self.responses if response.status == 200]

    def wrong(self) -> list[Any]:
        return [response.json() for response, right in self.answered if response.json()["class_id"] != right]

    def statuses(self) -> set[int]:
        return {response.status for response, _ in self.responses}


async def crowd(port: int, clients: int, go_on: Callable[[], bool]) -> Load:
    """So many clients ask until told to stop; who loses a connection opens another."""
    load = Load([], [], 0)

    async def client(number: int) -> None:
        asked = list(GOOD.items())
        while go_on():
            try:
                async with Connection(port) as connection:
                    while go_on():
                        number += 1
                        sent, right = asked[number % len(asked)]
                        load.responses.append((await connection.ask(sent), right))
            except LostError as error:
                load.lost.append(error)
            except OSError:
                load.refused += 1
                await asyncio.sleep(0.05)

    await asyncio.gather(*(client(number) for number in range(clients)))
    return load


def for_seconds(seconds: float) -> Callable[[], bool]:
    end = time.monotonic() + seconds
    return lambda: time.monotonic() < end
