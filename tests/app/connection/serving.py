"""A server in this process, with the protocol and an app of a few lines."""

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import uvicorn

from app.connection.protocol import limited_protocol
from app.settings import Settings
from tests.faults.client import Connection

GET = b"GET / HTTP/1.1\r\nHost: test\r\n\r\n"
CHUNKED = b"POST /read HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n"


@dataclass
class App:
    """Answers with the request's headers; see the paths.

    Attributes:
        seen: the path of each request that was begun.
        left: the path of each request that was told that its client had left.
        go_on: what ``/wait`` waits for.
    """

    seen: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    go_on: asyncio.Event = field(default_factory=asyncio.Event)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        path = scope["path"]
        self.seen.append(path)
        if path == "/read":
            while (message := await receive()).get("more_body"):
                pass
            if message["type"] == "http.disconnect":
                self.left.append(path)
                return
        elif path == "/wait":
            await self.go_on.wait()
            while (await receive())["type"] == "http.request":
                if self.go_on.is_set():
                    break
        elif path == "/until-left":
            while (await receive())["type"] != "http.disconnect":
                pass
            self.left.append(path)
            return
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        body = json.dumps({"path": path, "headers": headers}).encode()
        if path == "/large":
            body = bytes(50_000_000)
        length = (b"content-length", str(len(body)).encode())
        last = [(b"connection", b"close")] if path == "/last" else []
        await send({"type": "http.response.start", "status": 200, "headers": [length, *last]})
        await send({"type": "http.response.body", "body": body})


@dataclass
class Running:
    """A server that runs."""

    port: int
    app: App
    server: uvicorn.Server
    table: Any

    async def until(self, *, rest: int) -> None:
        """Wait until so many connections are left."""
        for _ in range(400):
            if len(self.server.server_state.connections) == rest:
                return
            await asyncio.sleep(0.01)
        raise AssertionError(f"{len(self.server.server_state.connections)} connections, not {rest}")


@contextlib.asynccontextmanager
async def running(**settings: Any) -> AsyncIterator[Running]:
    app = App()
    make: Any = limited_protocol(Settings(**settings))
    config = uvicorn.Config(app, http=make, lifespan="off", log_config=None, access_log=False, ws="none")
    server = uvicorn.Server(config)
    listener = socket.create_server(("127.0.0.1", 0))
    task = asyncio.create_task(server.serve([listener]))
    while not server.started:
        await asyncio.sleep(0.01)
    try:
        yield Running(listener.getsockname()[1], app, server, make._table)
    finally:
        app.go_on.set()
        server.should_exit = server.force_exit = True
        await task


async def text(connection: Connection) -> bytes:
    """All that comes until the server closes."""
    async with asyncio.timeout(10):
        return await connection.reader.read()
