"""What time ends, and how: with a response where one is due, and without a reset."""

import asyncio
import pickle
from contextlib import AsyncExitStack
from typing import Any

import pytest

from app.connection.protocol import limited_protocol
from app.settings import Settings
from tests.app.connection.serving import CHUNKED, GET, running, text
from tests.faults.client import Connection, LostError, ask_once
from tests.faults.support import assert_problem


def get(path: str) -> bytes:
    return GET.replace(b"/ ", path.encode() + b" ", 1)


def test_it_can_be_pickled() -> None:
    assert pickle.loads(pickle.dumps(limited_protocol(Settings())))


@pytest.mark.parametrize("begun", [b"", b"\r\n"])
def test_who_sends_nothing_is_closed_in_silence(begun: bytes) -> None:
    async def scenario() -> None:
        async with running(header_seconds=0.3) as server, Connection(server.port) as connection:
            await connection.send(begun)
            assert await text(connection) == b""
            await server.until(rest=0)

    asyncio.run(scenario())


@pytest.mark.parametrize("before", [b"", GET])
def test_half_a_head_is_a_timeout_however_slowly_it_goes_on(before: bytes) -> None:
    async def scenario() -> None:
        async with running(header_seconds=0.5) as server, Connection(server.port) as connection:
            if before:
                assert (await connection.ask(before)).status == 200
                await asyncio.sleep(0.8)
            await connection.send(b"GET / HTTP/1.1\r\nx: ")
            response = asyncio.create_task(connection.ask(b""))
            while not response.done():
                await connection.send(b"y")
                await asyncio.sleep(0.05)
            assert_problem(await response, "header_timeout")

    asyncio.run(scenario())


@pytest.mark.parametrize("after", [b"", b"\r\n"])
def test_idle_connections_are_closed_and_others_not(after: bytes) -> None:
    async def scenario() -> None:
        async with running(keep_alive_seconds=0.5) as server, Connection(server.port) as idle:
            assert (await idle.ask(GET)).status == 200
            await idle.send(after)
            waiting = asyncio.create_task(ask_once(server.port, get("/wait")))
            assert await text(idle) == b""
            server.app.go_on.set()
            assert (await waiting).status == 200

    asyncio.run(scenario())


def test_a_body_that_was_answered_early_may_not_go_on_for_ever() -> None:
    async def scenario() -> None:
        async with running(header_seconds=0.5) as server, Connection(server.port) as connection:
            head = b"POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 1000000\r\n\r\n"
            assert (await connection.ask(head)).status == 200
            end = asyncio.create_task(connection.reader.read())
            while not end.done():
                await connection.send(b"x")
                await asyncio.sleep(0.05)
            async with Connection(server.port) as connection:
                assert (await connection.ask(head.replace(b"1000000", b"3"))).status == 200
                assert (await connection.ask(b"xxx" + GET)).status == 200

    asyncio.run(scenario())


def test_who_reads_nothing_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.connection.protocol._STALL_SECONDS", 0.5)

    async def scenario() -> None:
        async with running() as server, Connection(server.port) as connection:
            await connection.send(get("/large"))
            await server.until(rest=1)
            await server.until(rest=0)

    asyncio.run(scenario())


def test_a_response_arrives_although_its_client_still_sends() -> None:
    """Closing at once would reset the connection, and often the client would never read the response."""

    async def scenario() -> None:
        async with running() as server:
            for _ in range(20):
                async with Connection(server.port) as connection:
                    head = b"POST /last HTTP/1.1\r\nHost: test\r\nContent-Length: 8000000\r\n\r\n"
                    await connection.send(head + 8_000_000 * b"x")
                    await asyncio.sleep(0.01)
                    assert (await connection.ask(b"")).status == 200
                    assert await text(connection) == b""
            await server.until(rest=0)

    asyncio.run(scenario())


def test_the_end_refuses_a_request_on_its_way_and_closes_who_sends_none() -> None:
    async def scenario() -> None:
        async with running() as server, AsyncExitStack() as stack:
            idle, racing, fresh, busy = [await stack.enter_async_context(Connection(server.port)) for _ in range(4)]
            for connection in (idle, racing):
                assert (await connection.ask(GET)).status == 200
            waiting = asyncio.create_task(busy.ask(get("/wait")))
            await server.until(rest=4)
            await asyncio.sleep(0.05)
            server.server.should_exit = True
            await asyncio.sleep(0.3)
            for connection in (racing, fresh):
                response = await connection.ask(GET)
                assert_problem(response, "not_ready")
                assert response.headers["connection"] == "close"
                assert response.headers["retry-after"] == "1"
                assert await text(connection) == b""
            assert await text(idle) == b""
            server.app.go_on.set()
            assert (await waiting).headers["connection"] == "close"
            await server.until(rest=0)

    asyncio.run(scenario())


def test_earlier_requests_are_answered_before_a_refusal() -> None:
    async def scenario() -> None:
        async with running() as server, Connection(server.port) as connection:
            await connection.send(get("/wait") + GET + CHUNKED + b"z\r\n")
            await asyncio.sleep(0.1)
            server.app.go_on.set()
            responses = [await connection.ask(b"") for _ in range(3)]
            assert [response.json().get("path") for response in responses] == ["/wait", "/", None]
            assert_problem(responses[2], "invalid_request")
            assert server.app.seen == ["/wait", "/"]

    asyncio.run(scenario())


def test_a_broken_body_is_refused_and_its_request_told() -> None:
    async def scenario() -> None:
        async with running() as server, Connection(server.port) as connection:
            assert_problem(await connection.ask(CHUNKED + b"z\r\n"), "invalid_request")
            assert server.app.left == ["/read"]

    asyncio.run(scenario())


def test_only_so_many_requests_may_wait() -> None:
    async def scenario() -> None:
        async with running() as server, Connection(server.port) as connection:
            await connection.send(get("/wait") + 10_000 * GET)
            await asyncio.sleep(0.1)
            each: Any
            (each,) = server.server.server_state.connections
            assert len(each.pipeline) == 16
            server.app.go_on.set()
            responses = [await connection.ask(b"") for _ in range(17)]
            assert {response.status for response in responses} == {200}
            assert responses[-1].headers["connection"] == "close"
            with pytest.raises(LostError):
                await connection.ask(b"")

    asyncio.run(scenario())


def test_each_request_in_progress_is_told_that_its_client_has_left() -> None:
    async def scenario() -> None:
        async with running() as server:
            async with Connection(server.port) as connection:
                await connection.send(get("/until-left") + 3 * GET)
                await asyncio.sleep(0.1)
            await server.until(rest=0)
            await asyncio.sleep(0.05)
            assert server.app.seen == server.app.left == ["/until-left"]

    asyncio.run(scenario())


@pytest.mark.parametrize("protocol", [b"websocket", b"h2c"])
def test_upgrades_are_answered_as_any_request(protocol: bytes, caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> None:
        async with running() as server, Connection(server.port) as connection:
            upgrade = GET[:-2] + b"Connection: Upgrade\r\nUpgrade: " + protocol + b"\r\n\r\n"
            for sent in (upgrade + upgrade, b"", GET):
                assert (await connection.ask(sent)).status == 200

    asyncio.run(scenario())
    assert not [record for record in caplog.records if record.levelname == "WARNING"]
