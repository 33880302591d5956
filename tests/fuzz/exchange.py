"""Sends the bytes of one case over a connection, and parses strictly what comes back."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

import h11

MAX_SECONDS: Final = 15.0
"""How long a server may take to answer or to close, from the last byte that was sent."""


class MalformedError(Exception):
    """What the server sent is not a sequence of whole HTTP responses."""


@dataclass(frozen=True, slots=True)
class Response:
    """``to_head``: whether it answers a HEAD request, and so has no body."""

    status: int
    headers: dict[str, str]
    body: bytes
    to_head: bool = False

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True, slots=True)
class Case:
    """What one connection sends.

    Attributes:
        chunks: sent one after the other.
        pause: seconds between them.
        patience: seconds without anything received after which the client hangs up; None waits until the server
            closes the connection.
        responses: how many responses are due; None if the bytes need not be HTTP.
        check: what else is wrong with a response.
    """

    chunks: tuple[bytes, ...]
    pause: float = 0.0
    patience: float | None = None
    responses: int | None = None
    check: Callable[[Response], list[str]] = field(default=lambda _: [])


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came back, and how the connection ended: ``closed``, ``reset``, ``left`` (by the client) or ``hung``."""

    received: bytes
    end: str


async def exchange(port: int, case: Case) -> Outcome:
    """Send a case and receive until its end."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    received = bytearray()

    async def send() -> None:
        with suppress(OSError):  # How the connection has ended is known from receiving.
            for number, chunk in enumerate(case.chunks):
                if number and case.pause:
                    await asyncio.sleep(case.pause)
                writer.write(chunk)
                await writer.drain()

    async def receive() -> str:
        try:
            while chunk := await reader.read(65536):
                received.extend(chunk)
        except OSError:
            return "reset"
        return "closed"

    sending, receiving = asyncio.create_task(send()), asyncio.create_task(receive())
    try:
        await asyncio.wait([sending, receiving], timeout=2 * MAX_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        if case.patience is None:
            await asyncio.wait([receiving], timeout=MAX_SECONDS)
        else:
            size = -1
            while not receiving.done() and len(received) > size:
                size = len(received)
                await asyncio.wait([receiving], timeout=case.patience)
        end = "hung" if case.patience is None else "left"
        return Outcome(bytes(received), receiving.result() if receiving.done() else end)
    finally:
        sending.cancel()
        receiving.cancel()
        writer.transport.abort()


def parse_responses(received: bytes, whole: bool, to_head: bool) -> list[Response]:
    """The responses that were received.

    Args:
        received: everything.
        whole: whether the last response must be complete.
        to_head: whether some may answer a HEAD request.

    Raises:
        MalformedError: they are not HTTP.
    """
    if not received:
        return []
    failure = None
    for method in ("GET", "HEAD") if to_head else ("GET",):
        try:
            response, rest = _parse_response(received, method, whole)
            following = parse_responses(rest, whole, to_head)
        except MalformedError as error:
            failure = failure or error
        else:
            return [*([response] if response else []), *following]
    assert failure
    raise failure


def _parse_response(received: bytes, method: str, whole: bool) -> tuple[Response | None, bytes]:
    """The first response, None if it is not complete, and what follows it."""
    connection = h11.Connection(h11.CLIENT, max_incomplete_event_size=2**20)
    connection.send(h11.Request(method=method, target="/", headers=[("Host", "test")]))
    connection.send(h11.EndOfMessage())
    connection.receive_data(received)
    head: h11.Response | None = None
    body = bytearray()
    closed = False
    try:
        while True:
            event = connection.next_event()
            if isinstance(event, h11.Response):
                head = event
            elif isinstance(event, h11.Data):
                body += event.data
            elif isinstance(event, h11.EndOfMessage):
                break
            elif event is h11.NEED_DATA:
                if not whole and received[:7] == b"HTTP/1."[: len(received)]:
                    return None, b""
                if closed or not whole:
                    raise MalformedError(f"incomplete response: {received[:200]!r}")
                closed = True
                connection.receive_data(b"")
            elif isinstance(event, h11.ConnectionClosed):
                raise MalformedError(f"incomplete response: {received[:200]!r}")
    except h11.RemoteProtocolError as error:
        raise MalformedError(f"{error}: {received[:200]!r}") from None
    assert head is not None
    headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in head.headers}
    return Response(head.status_code, headers, bytes(body), method == "HEAD"), connection.trailing_data[0]
