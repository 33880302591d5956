"""The limits of heads, trailers and framing, exactly."""

import asyncio

import pytest

from tests.app.connection.serving import CHUNKED, GET, running, text
from tests.faults.client import Connection, ask_once
from tests.faults.support import assert_problem

LIMITS = {"max_request_line": 100, "max_header_bytes": 200, "max_headers_bytes": 1000, "max_headers": 10}


def head(line: bytes = b"GET / HTTP/1.1", *headers: bytes) -> bytes:
    return b"\r\n".join([line, b"Host: test", *headers, b"", b""])


FITTING = {
    "request line": head(b"GET /" + 86 * b"x" + b" HTTP/1.1"),
    "header": head(b"GET / HTTP/1.1", b"x: " + 199 * b"y"),
    "headers": head(b"GET / HTTP/1.1", *4 * [b"x: " + 197 * b"y"]),
    "number": head(b"GET / HTTP/1.1", *9 * [b"x: y"]),
}
TOO_LARGE = {
    "request line": (head(b"GET /" + 87 * b"x" + b" HTTP/1.1"), "uri_too_long"),
    "header": (head(b"GET / HTTP/1.1", b"x: " + 200 * b"y"), "headers_too_large"),
    "headers": (head(b"GET / HTTP/1.1", *6 * [b"x: " + 197 * b"y"]), "headers_too_large"),
    "number": (head(b"GET / HTTP/1.1", *10 * [b"x: y"]), "headers_too_large"),
    "unfinished header": (head()[:-2] + b"x: " + 40_000 * b"y", "headers_too_large"),
    "unfinished request line": (b"GET /" + 3000 * b"x", "uri_too_long"),
    "spaces": (head()[:-2] + b"x:" + 40_000 * b" ", "headers_too_large"),
    "empty lines": (20_000 * b"\r\n", "headers_too_large"),
    "trailers": (CHUNKED + b"0\r\n" + 12 * b"x: y\r\n", "headers_too_large"),
    "unfinished trailer": (CHUNKED + b"0\r\nx: " + 40_000 * b"y", "headers_too_large"),
    "chunk extensions": (CHUNKED + 200 * (b"1;" + 150 * b"x" + b"\r\ny\r\n"), "headers_too_large"),
    "malformed": (b"nonsense\r\n\r\n", "invalid_request"),
    "malformed chunk": (CHUNKED + b"z\r\n", "invalid_request"),
    "no path": (b"CONNECT test:80 HTTP/1.1\r\n\r\n", "invalid_request"),
}


@pytest.mark.parametrize("parts", [1, 2, 50])
@pytest.mark.parametrize("case", FITTING)
def test_what_fits_is_accepted_however_it_arrives(case: str, parts: int) -> None:
    async def scenario() -> None:
        sent = FITTING[case]
        async with running(**LIMITS) as server, Connection(server.port) as connection:
            for _ in range(2):
                size = -(-len(sent) // parts)
                for start in range(0, len(sent), size):
                    await connection.send(sent[start : start + size])
                    await asyncio.sleep(0.002)
                assert (await connection.ask(b"")).status == 200

    asyncio.run(scenario())


@pytest.mark.parametrize("case", TOO_LARGE)
def test_what_does_not_fit_is_a_problem(case: str) -> None:
    async def scenario() -> None:
        sent, code = TOO_LARGE[case]
        async with running(**LIMITS) as server:
            for warm_up in (b"", GET):
                async with Connection(server.port) as connection:
                    if warm_up:
                        assert (await connection.ask(warm_up)).status == 200
                    response = await connection.ask(sent)
                    assert_problem(response, code)
                    assert response.headers["x-request-id"] == response.json()["request_id"]
                    assert response.headers["connection"] == "close"
                    assert await text(connection) == b""
            await server.until(rest=0)
            assert len(server.table) == 0

    asyncio.run(scenario())


def test_a_default_head_of_full_size_is_accepted_in_two_parts() -> None:
    sent = head(b"GET /" + 8000 * b"x" + b" HTTP/1.1", *4 * [b"x: " + 8000 * b"y"])

    async def scenario() -> None:
        async with running() as server, Connection(server.port) as connection:
            await connection.send(sent[:-100])
            await asyncio.sleep(0.05)
            assert (await connection.ask(sent[-100:])).status == 200

    asyncio.run(scenario())


def test_many_tiny_chunks_are_accepted() -> None:
    async def scenario() -> None:
        async with running() as server:
            sent = CHUNKED + 50_000 * b"1\r\nx\r\n" + b"0\r\n\r\n"
            assert (await ask_once(server.port, sent)).status == 200

    asyncio.run(scenario())


def test_trailers_are_no_headers() -> None:
    """They come after the headers were checked and acted on."""

    async def scenario() -> None:
        async with running() as server:
            sent = CHUNKED + b"1\r\nx\r\n0\r\nX-Request-Id: trailer\r\n\r\n"
            response = await ask_once(server.port, sent)
            assert response.json()["headers"] == {"host": "test", "transfer-encoding": "chunked"}

    asyncio.run(scenario())


def test_the_parser_is_not_fed_at_once_what_it_would_keep() -> None:
    """A read of the loop may be 256 kB: behind a body, all of it could be an unfinished header."""

    async def scenario() -> None:
        async with running() as server, Connection(server.port) as connection:
            sent = b"POST /read HTTP/1.1\r\nHost: test\r\nContent-Length: 1\r\n\r\nxGET / HTTP/1.1\r\nx: "
            await connection.send(sent + 200_000 * b"y")
            assert (await connection.ask(b"")).status == 200
            assert_problem(await connection.ask(b""), "headers_too_large")

    asyncio.run(scenario())
