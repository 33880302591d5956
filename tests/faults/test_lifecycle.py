"""How a server starts and ends, whatever happens meanwhile."""

import asyncio
import signal
import statistics
import sys
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from benchmarks.load import free_port
from tests.faults.client import Connection, LostError, Response, ask_once, request
from tests.faults.hindered import BUSY
from tests.faults.server import HOLD_SECONDS, marker
from tests.faults.support import FAULTY, PA, assert_problem, run
from tests.faults.test_workers import ready_workers
from tests.server.process import Server, serving

pytestmark = pytest.mark.slow

HINDERED = (sys.executable, str(Path(__file__).with_name("hindered.py")), "serve")
PROBE = b"GET %s HTTP/1.1\r\nHost: test\r\n\r\n"
READ_PA = request("/predict/consonants", PA)


def assert_turned_away(response: Response) -> None:
    assert_problem(response, "not_ready")
    assert response.headers["connection"] == "close"
    assert int(response.headers["retry-after"]) >= 1


async def hold(server: Server) -> "asyncio.Task[Response]":
    """A request that keeps the batching thread busy for a while, and is with it already."""
    held = asyncio.create_task(ask_once(server.port, request("/predict/vowels", marker("hold"))))
    for _ in range(200):
        if await asyncio.to_thread(server.metric, "akshar_images_waiting"):
            return held
        await asyncio.sleep(0.01)
    pytest.fail("nothing is held")


async def gone(server: Server) -> int:
    """The exit status, once no process is left."""
    status = await asyncio.to_thread(server.process.wait, 30)
    for _ in range(20):
        if not server.left_behind():
            return status
        await asyncio.sleep(0.1)
    pytest.fail("a process was left behind")


@pytest.mark.parametrize("workers", ["1", "2"])
def test_while_the_models_load_the_process_is_alive_and_not_ready(workers: str) -> None:
    async def scenario(server: Server) -> None:
        while True:
            try:
                alive = await ask_once(server.port, PROBE % b"/livez")
            except (OSError, LostError):
                assert server.process.poll() is None, server.log
                await asyncio.sleep(0.02)
                continue
            break
        assert alive.status == 200
        assert not any(line["event"] == "ready" for line in server.lines)
        assert_problem(await ask_once(server.port, PROBE % b"/readyz"), "not_ready")
        early = await ask_once(server.port, READ_PA)
        assert_problem(early, "not_ready")
        assert int(early.headers["retry-after"]) >= 1
        await asyncio.to_thread(server.wait_until_ready)
        await ready_workers(server, int(workers))
        assert (await ask_once(server.port, READ_PA)).json()["class_id"] == 21

    with serving((*FAULTY, "--workers", workers)) as server:
        run(scenario(server))
        assert server.end() == 0


@pytest.mark.parametrize("workers", ["1", "2"])
def test_missing_artifacts_end_the_process_with_3(workers: str, tmp_path: Path) -> None:
    with serving((*FAULTY, "--workers", workers), artifacts=tmp_path) as server:
        assert asyncio.run(gone(server)) == 3
        reasons = [line["event"] for line in server.lines if "manifest" in line["event"]]
        assert 1 <= len(reasons) <= int(workers)
        assert "Traceback" not in server.log


@pytest.mark.parametrize("workers", ["1", "2"])
def test_after_sigterm_requests_are_served_for_the_drain_delay_and_then_refused(workers: str) -> None:
    async def scenario(server: Server) -> None:
        await ready_workers(server, int(workers))
        server.process.send_signal(signal.SIGTERM)
        async with Connection(server.port) as connection:
            while (probe := await ask_once(server.port, PROBE % b"/readyz")).status == 200:
                await asyncio.sleep(0.01)
            assert_turned_away(probe)
            served = await connection.ask(READ_PA)
            assert served.json()["class_id"] == 21
            assert served.headers["connection"] == "close"
        assert (await ask_once(server.port, PROBE % b"/livez")).status == 200
        # Some are under way at all times, so that the server has a reason to stay once it refuses others.
        held = []
        nothing = request("/predict/nothing", PA)
        while (response := await ask_once(server.port, nothing)).status == 404:
            held.append(asyncio.create_task(ask_once(server.port, request("/predict/vowels", marker("hold")))))
            await asyncio.sleep(HOLD_SECONDS / 4)
        assert_turned_away(response)
        assert {response.status for response in await asyncio.gather(*held[:-1])} == {200}
        assert await gone(server) == 0

    with serving((*FAULTY, "--workers", workers), drain_seconds=2) as server:
        server.wait_until_ready()
        run(scenario(server))


def test_connections_kept_alive_are_told_to_close_and_not_reset() -> None:
    async def scenario(server: Server) -> None:
        async with AsyncExitStack() as stack:
            connections = [await stack.enter_async_context(Connection(server.port)) for _ in range(40)]
            for connection in connections:
                assert (await connection.ask(PROBE % b"/readyz")).status == 200
            held = await hold(server)
            server.process.send_signal(signal.SIGTERM)
            await asyncio.sleep(0.2)
            for connection in connections:
                assert_turned_away(await connection.ask(READ_PA))
                assert await connection.reader.read() == b""
            assert (await held).status == 200
        assert await gone(server) == 0

    with serving(FAULTY) as server:
        server.wait_until_ready()
        run(scenario(server))


@pytest.mark.parametrize("workers", ["1", "2"])
def test_sigint_skips_the_drain_delay(workers: str) -> None:
    async def scenario(server: Server) -> None:
        await ready_workers(server, int(workers))
        server.process.send_signal(signal.SIGINT)
        assert await gone(server) == 0

    with serving((*FAULTY, "--workers", workers), drain_seconds=600) as server:
        server.wait_until_ready()
        run(scenario(server))
        assert "Traceback" not in server.log


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_second_signal_ends_at_once(workers: str) -> None:
    async def scenario(server: Server) -> None:
        await ready_workers(server, int(workers))
        server.process.send_signal(signal.SIGTERM)
        await asyncio.sleep(1)
        assert server.process.poll() is None
        server.process.send_signal(signal.SIGTERM)
        assert await gone(server) == 1

    with serving((*FAULTY, "--workers", workers), drain_seconds=600) as server:
        server.wait_until_ready()
        run(scenario(server))


def test_after_the_grace_period_requests_are_cancelled_with_a_problem() -> None:
    async def scenario(server: Server) -> None:
        held = await hold(server)
        server.process.send_signal(signal.SIGTERM)
        assert_turned_away(await held)
        assert await gone(server) == 0

    with serving(FAULTY, grace_seconds=0.2) as server:
        server.wait_until_ready()
        run(scenario(server))
        assert "Traceback" not in server.log


@pytest.mark.parametrize("workers", ["1", "2"])
def test_no_thread_holds_up_the_end(workers: str) -> None:
    with serving((*HINDERED, "--workers", workers)) as server:
        server.wait_until_ready()
        assert server.end() == 0
        assert asyncio.run(gone(server)) == 0


def test_a_busy_event_loop_is_ended_when_time_is_up() -> None:
    async def scenario(server: Server) -> None:
        async with Connection(server.port) as connection:
            await connection.send(request("/predict/consonants", PA, **{BUSY.replace("-", "_"): "600"}))
            await asyncio.sleep(0.5)
            server.process.send_signal(signal.SIGTERM)
            assert await gone(server) == 1

    with serving(HINDERED, grace_seconds=0.5) as server:
        server.wait_until_ready()
        run(scenario(server))


def test_a_single_process_whose_batching_thread_has_died_ends_with_4() -> None:
    async def scenario(server: Server) -> None:
        assert_problem(await ask_once(server.port, request("/predict/vowels", marker("death"))), "not_ready")
        assert await gone(server) == 4

    with serving(FAULTY, drain_seconds=600) as server:
        server.wait_until_ready()
        run(scenario(server))


@pytest.fixture(params=["1", "2"])
def probed(request: pytest.FixtureRequest) -> Iterator[tuple[Server, int]]:
    port = free_port()
    with serving((*HINDERED, "--workers", request.param), probe_port=port, grace_seconds=0.2) as server:
        server.wait_until_ready()
        yield server, port


def test_probes_on_their_own_port_answer_while_the_event_loop_is_busy(probed: tuple[Server, int]) -> None:
    server, port = probed

    async def scenario() -> None:
        assert_problem(await ask_once(port, READ_PA), "not_found")
        assert b"akshar_build_info" in (await ask_once(port, PROBE % b"/metrics")).body
        async with Connection(server.port) as connection:
            await connection.send(request("/predict/consonants", PA, **{BUSY.replace("-", "_"): "600"}))
            await asyncio.sleep(0.5)
            seconds = []
            for _ in range(100):
                for path in (b"/livez", b"/readyz"):
                    response = await ask_once(port, PROBE % path)
                    assert response.status == 200
                    seconds.append(response.seconds)
        assert statistics.quantiles(seconds, n=100)[-1] < 0.1

    run(scenario())


def test_pipelined_requests_of_a_client_that_hangs_up_are_no_crash() -> None:
    async def scenario(server: Server) -> None:
        for _ in range(5):
            async with Connection(server.port) as connection:
                await connection.send(READ_PA * 8)
                await asyncio.sleep(0.005)
        held = await hold(server)
        async with Connection(server.port) as connection:
            await connection.send(READ_PA * 8)
            await asyncio.sleep(0.1)
        assert (await held).status == 200
        assert (await ask_once(server.port, READ_PA)).json()["class_id"] == 21

    with serving(FAULTY) as server:
        server.wait_until_ready()
        run(scenario(server))
        assert server.end() == 0
        assert "crash" not in server.log
        assert "Traceback" not in server.log


def test_a_server_that_is_ended_while_it_loads_is_gone_at_once() -> None:
    async def scenario(server: Server) -> None:
        while not any(line["event"] == "listening" for line in server.lines):
            await asyncio.sleep(0.02)
        server.process.send_signal(signal.SIGTERM)
        assert await gone(server) == 0
        assert not any(line["event"] == "ready" for line in server.lines)

    with serving(FAULTY) as server:
        run(scenario(server))
