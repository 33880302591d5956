"""Connections that ask for nothing, or for more than there is."""

import asyncio
import json
import resource
import statistics
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, suppress
from typing import Any

import pytest

from tests.faults.client import Connection, LostError, Response, ask_once, for_seconds, request
from tests.faults.memory import Watch
from tests.faults.support import PA, assert_problem, run, settle
from tests.server.process import AKSHAR, Server, serving

pytestmark = pytest.mark.slow

GOOD = request("/predict/consonants", PA)
LIVE = b"GET /livez HTTP/1.1\r\nHost: test\r\n\r\n"
OTHER = "127.0.0.9"
HEADER_SECONDS = 2


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with serving(header_seconds=HEADER_SECONDS, max_connections=100, max_connections_per_client=80) as server:
        server.wait_until_ready()
        yield server


async def others(port: int, go_on: Callable[[], bool]) -> list[Response]:
    """Another client's responses meanwhile."""
    responses = []
    while go_on():
        responses.append(await ask_once(port, GOOD, OTHER))
        await asyncio.sleep(0.05)
    return responses


async def beside(server: Server, attack: Any) -> Response | None:
    """Run an attack beside an ordinary client, who notices nothing."""
    stop = False
    ordinary = asyncio.create_task(others(server.port, lambda: not stop))
    async with Watch(server.process.pid) as watch:
        result: Response | None = await attack
        await asyncio.sleep(0.3)
    stop = True
    responses = await ordinary
    slowest = statistics.quantiles([response.seconds for response in responses], n=100)[-1]
    print(f"memory {watch.rest} -> {watch.highest} MB; another client's p99 {1e3 * slowest:.0f} ms")
    assert {response.status for response in responses} == {200}
    assert slowest < 1
    assert watch.highest - watch.rest < 400
    return result


async def flood(port: int, head: bytes, part: bytes, parts: int) -> Response:
    """Send a head and many parts until told to stop, and read why."""
    async with Connection(port) as connection:
        await connection.send(head)
        response = asyncio.create_task(connection.ask(b""))
        for _ in range(parts):
            if response.done():
                break
            await connection.send(part)
            await asyncio.sleep(0)
        return await response


@pytest.mark.parametrize(
    ("head", "part", "code"),
    [
        (b"GET /livez HTTP/1.1\r\nHost: test\r\nX: ", 2**20 * b"x", "headers_too_large"),
        (b"GET /livez HTTP/1.1\r\nHost: test\r\n", 2**14 * b"X: y\r\n", "headers_too_large"),
        (b"GET /", 2**20 * b"x", "uri_too_long"),
        (
            b"POST /predict/vowels HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n",
            2**16 * b"X: y\r\n",
            "headers_too_large",
        ),
        (
            b"POST /predict/vowels HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n1;x=",
            2**20 * b"x",
            "headers_too_large",
        ),
    ],
    ids=["one header", "many headers", "request line", "trailers", "chunk extension"],
)
def test_endless_headers_are_refused(server: Server, head: bytes, part: bytes, code: str) -> None:
    """Row 4: 400 MB of them took 1.6 GB, and everyone else waited."""

    async def scenario() -> None:
        response = await beside(server, flood(server.port, head, part, 400))
        assert response is not None
        assert_problem(response, code)
        assert response.headers["connection"] == "close"
        assert response.headers["x-request-id"] == response.json()["request_id"]

    run(scenario())


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (b"GET /livez HTTP/1.1\r\nHost: test\r\nX: " + 8200 * b"x" + b"\r\n\r\n", "headers_too_large"),
        (b"GET /livez HTTP/1.1\r\nHost: test\r\n" + 101 * b"X: y\r\n" + b"\r\n", "headers_too_large"),
        (b"GET /livez?" + 8200 * b"x" + b" HTTP/1.1\r\nHost: test\r\n\r\n", "uri_too_long"),
        (b"nonsense\r\n\r\n", "invalid_request"),
        (b"GET /livez HTTP/1.1\r\nHost\r\n\r\n", "invalid_request"),
    ],
)
def test_a_malformed_or_oversized_head_is_a_problem(server: Server, sent: bytes, code: str) -> None:
    async def scenario() -> None:
        response = await ask_once(server.port, sent)
        assert_problem(response, code)
        assert response.headers["connection"] == "close"
        assert (await ask_once(server.port, GOOD)).status == 200

    run(scenario())


def test_what_fits_the_limits_is_accepted(server: Server) -> None:
    async def scenario() -> None:
        long = b"GET /livez HTTP/1.1\r\nHost: test\r\nX: " + 8000 * b"x" + b"\r\n" + 90 * b"Y: z\r\n" + b"\r\n"
        async with Connection(server.port) as connection:
            for _ in range(3):
                assert (await connection.ask(long)).status == 200

    run(scenario())


def test_half_a_header_is_a_timeout_and_silence_is_closed(server: Server) -> None:
    """Row 7: they were open after 400 s."""

    async def scenario() -> None:
        async with Connection(server.port) as half, Connection(server.port) as silent, Connection(server.port) as kept:
            assert (await kept.ask(LIVE)).status == 200
            await kept.send(LIVE[:10])
            response = await half.ask(LIVE[:20])
            assert_problem(response, "header_timeout")
            with pytest.raises(LostError):
                await silent.ask(b"")
            assert_problem(await kept.ask(b""), "header_timeout")

    run(scenario())


def test_idle_connections_make_way(server: Server) -> None:
    """Row 7: thousands of them shut everyone out."""

    async def attack() -> None:
        async with AsyncExitStack() as stack:
            for i in range(300):
                await stack.enter_async_context(Connection(server.port, f"127.0.1.{i % 3}"))
            await asyncio.sleep(0.5)

    async def scenario() -> None:
        await beside(server, attack())

    run(scenario())


def test_more_busy_connections_than_there_may_be_are_refused() -> None:
    async def scenario(server: Server) -> None:
        async with AsyncExitStack() as stack:
            busy = [await stack.enter_async_context(Connection(server.port)) for _ in range(4)]
            for connection in busy:
                await connection.send(GOOD[:-1])  # The last byte is missing.
            await settle_connections(server)
            response = await ask_once(server.port, GOOD)
            assert_problem(response, "too_many_connections")
            assert response.headers["retry-after"] == "1"
            assert (await ask_once(server.port, GOOD, OTHER)).status == 200
        assert "connection_refused" in {line["event"] for line in server.lines}

    async def settle_connections(server: Server) -> None:
        await asyncio.sleep(0.5)

    with serving(max_connections=8, max_connections_per_client=4) as server:
        server.wait_until_ready()
        run(scenario(server))


def test_with_few_descriptors_nobody_is_shut_out() -> None:
    """Row 7: under `ulimit -n 64` a hundred connections shut everyone out, and nothing was logged."""

    async def scenario(server: Server) -> None:
        async with AsyncExitStack() as stack:
            for i in range(100):
                await stack.enter_async_context(Connection(server.port, f"127.0.1.{i}"))
            assert (await ask_once(server.port, GOOD, OTHER)).status == 200
        assert "few_descriptors" in {line["event"] for line in server.lines}

    soft_and_hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with serving(("/bin/sh", "-c", 'ulimit -n 64; exec "$0" serve "$@"', AKSHAR[0])) as server:
        server.wait_until_ready()
        run(scenario(server))
    assert resource.getrlimit(resource.RLIMIT_NOFILE) == soft_and_hard


def test_pipelined_requests_are_answered_in_order_and_may_be_hung_up_on(server: Server) -> None:
    """Row 17: hanging up was logged as a crash, and counted as 200."""

    async def scenario() -> None:
        async with Connection(server.port) as connection:
            responses = [await connection.ask(3 * LIVE), await connection.ask(b""), await connection.ask(b"")]
            assert [response.status for response in responses] == [200, 200, 200]
        for _ in range(20):
            async with Connection(server.port) as connection:
                await connection.send(8 * GOOD)
        await settle(server, "akshar_images_waiting", 0)
        async with Connection(server.port) as connection:
            await connection.send(40 * LIVE)
            answered = 0
            with suppress(LostError):
                while True:
                    answered += (await connection.ask(b"")).status == 200
            assert 0 < answered < 40
        await asyncio.sleep(0.5)
        assert not [line for line in server.lines if line["level"] in ("error", "critical")]
        assert "Traceback" not in server.log

    run(scenario())


def test_an_upgrade_is_answered_as_any_request(server: Server) -> None:
    async def scenario() -> None:
        sent = b"GET /livez HTTP/1.1\r\nHost: test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
        async with Connection(server.port) as connection:
            for _ in range(2):
                response = await connection.ask(sent)
                assert response.status == 200
                assert json.loads(response.body) == {"status": "alive"}

    run(scenario())
    assert not [line for line in server.lines if line["level"] == "warning"]


def test_responses_that_end_early_do_not_wait_for_the_body(server: Server) -> None:
    async def scenario() -> None:
        async with Connection(server.port) as connection:
            head = b"POST /predict/nothing HTTP/1.1\r\nHost: test\r\nContent-Length: 1000000\r\n\r\n"
            assert_problem(await connection.ask(head), "unknown_family")
            go_on = for_seconds(HEADER_SECONDS + 3)
            with suppress(OSError):
                while go_on():
                    await connection.send(b"x")
                    await asyncio.sleep(0.1)
            assert go_on()  # It was closed before.

    run(scenario())
