"""How connections end under attack: descriptors run out, clients hang up, the process stops."""

import asyncio
import re
import signal
from contextlib import AsyncExitStack, suppress

import httpx2
import pytest

from tests.faults.client import Connection, LostError, Response, ask_once, request
from tests.faults.memory import Watch, cpu_seconds
from tests.faults.server import HOLD_SECONDS, marker
from tests.faults.support import FAULTY, PA, assert_problem, run, settle
from tests.server.process import AKSHAR, Server, serving

pytestmark = pytest.mark.slow

GOOD = request("/predict/consonants", PA)
LIVE = b"GET /livez HTTP/1.1\r\nHost: test\r\n\r\n"
OTHER = "127.0.0.9"
FEW = ("/bin/sh", "-c", 'ulimit -n 64; exec "$0" serve "$@"', AKSHAR[0])


def counted(server: Server, route: str, status: int) -> float:
    """How many responses of a route the server has counted with this status."""
    text = httpx2.get(f"{server.url}/metrics", timeout=20).text
    pattern = rf'^akshar_requests_total{{(?=.*route="{route}")(?=.*status="{status}").*}} (.*)$'
    return sum(map(float, re.findall(pattern, text, re.MULTILINE)))


def test_when_uploads_take_all_connections_others_are_told_so_and_it_ends_with_them() -> None:
    """Row 7, with 64 descriptors: none of these connections is idle, so none can make way."""

    async def scenario(server: Server) -> None:
        async with AsyncExitStack() as stack:
            for i in range(120):
                with suppress(OSError):
                    connection = await stack.enter_async_context(Connection(server.port, f"127.0.1.{i}"))
                    await connection.send(GOOD[:-1])
                if i % 60 == 59:
                    await asyncio.sleep(1)  # The limit may rise when those that came at once have been refused.
            before = cpu_seconds(server.process.pid)
            refused = [await ask_once(server.port, GOOD, OTHER) for _ in range(50)]
            for response in refused:
                assert_problem(response, "too_many_connections")
                assert response.headers["retry-after"] == "1"
            await asyncio.sleep(1)
            assert cpu_seconds(server.process.pid) - before < 0.5
        await asyncio.sleep(1)
        assert (await ask_once(server.port, GOOD, OTHER)).status == 200
        refusals = [line for line in server.lines if line["event"] == "connection_refused"]
        assert 1 <= len(refusals) < 15
        assert not [line for line in server.lines if line["level"] in ("error", "critical")]
        assert "few_descriptors" in {line["event"] for line in server.lines}

    with serving(FEW) as server:
        server.wait_until_ready()
        run(scenario(server))


def test_many_unfinished_heads_take_little_memory() -> None:
    """Each behind a body, so that a single read holds both and a long header."""

    async def scenario(server: Server) -> None:
        sent = b"POST /livez HTTP/1.1\r\nHost: test\r\nContent-Length: 1\r\n\r\nxGET /livez HTTP/1.1\r\nX: "
        async with Watch(server.process.pid) as watch, AsyncExitStack() as stack:
            for i in range(500):
                connection = await stack.enter_async_context(Connection(server.port, f"127.0.1.{i % 2}"))
                await connection.send(sent + 250_000 * b"y")
            await asyncio.sleep(1)
            assert (await ask_once(server.port, GOOD, OTHER)).seconds < 1
        assert watch.highest - watch.rest < 60

    with serving() as server:
        server.wait_until_ready()
        assert asyncio.run(ask_once(server.port, GOOD)).status == 200
        run(scenario(server))


def test_who_hangs_up_on_pipelined_requests_is_counted_as_having_left() -> None:
    """Row 17: it was logged as a crash, and the requests counted as 200."""

    async def scenario(server: Server) -> None:
        for _ in range(3):
            async with Connection(server.port) as connection:
                await connection.send(request("/predict/vowels", marker("hold")) + 8 * GOOD + LIVE)
                await asyncio.sleep(HOLD_SECONDS / 4)
        await asyncio.sleep(HOLD_SECONDS)
        await settle(server, "akshar_images_waiting", 0)
        assert counted(server, "/predict/{family}", 200) == 0
        assert counted(server, "/predict/{family}", 499) == 3
        assert counted(server, "/livez", 200) == 0
        assert not [line for line in server.lines if line["level"] in ("error", "critical")]

    with serving(FAULTY) as server:
        server.wait_until_ready()
        run(scenario(server))


@pytest.mark.parametrize("size", [len(PA), 1_000_000])
def test_no_request_is_reset_while_the_process_ends(size: int) -> None:
    """Row 15: of requests on connections that were kept alive, each was reset. Large bodies are not even read."""
    sent = request("/predict/consonants", PA.ljust(size, b"\0"))

    async def client(port: int, load: list[Response], resets: list[LostError]) -> None:
        """Ask on one connection until told to close it, or until it is closed between two requests."""
        async with Connection(port) as connection:
            while not load or load[-1].headers.get("connection") != "close":
                if connection.reader.at_eof():
                    return
                try:
                    load.append(await connection.ask(sent))
                except LostError as error:
                    resets.append(error)
                    return
                await asyncio.sleep(0.05)

    async def scenario(server: Server) -> None:
        loads: list[list[Response]] = [[] for _ in range(40)]
        resets: list[LostError] = []
        clients = [asyncio.create_task(client(server.port, load, resets)) for load in loads]
        async with Connection(server.port) as idle:
            assert (await idle.ask(LIVE)).status == 200
            await asyncio.sleep(1)
            server.process.send_signal(signal.SIGTERM)
            await asyncio.gather(*clients)
            assert await idle.reader.read() == b""
        assert not resets
        for load in loads:
            assert {response.status for response in load[:-1]} <= {200}
            assert load[-1].status in (200, 503)
        assert await asyncio.to_thread(server.process.wait, 20) == 0

    with serving() as server:
        server.wait_until_ready()
        run(scenario(server))


def test_refusals_have_the_headers_of_other_responses() -> None:
    async def scenario(server: Server) -> None:
        refusal = await ask_once(server.port, b"nonsense\r\n\r\n")
        ordinary = await ask_once(server.port, LIVE.replace(b"livez", b"nothing"))
        assert_problem(refusal, "invalid_request")
        assert ordinary.headers.keys() <= refusal.headers.keys()
        changing = {"date", "content-length", "x-request-id"}
        same = ordinary.headers.keys() - changing
        assert {name: ordinary.headers[name] for name in same} == {name: refusal.headers[name] for name in same}
        assert ordinary.json().keys() == refusal.json().keys()

    with serving() as server:
        server.wait_until_ready()
        run(scenario(server))
