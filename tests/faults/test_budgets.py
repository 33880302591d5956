"""Small requests that used to take the memory and the cores: each with what others get meanwhile."""

import asyncio
import signal
import statistics
import time
from collections.abc import Awaitable, Callable, Iterator

import pytest
from PIL import Image

from benchmarks import hostile as attacks
from tests.containers import tiled_heic
from tests.drawing import draw, encode
from tests.faults.client import Connection, Response, ask_once, for_seconds, form, request
from tests.faults.memory import Watch, assert_idle, is_alive, tree
from tests.faults.server import marker
from tests.faults.support import FAULTY, PA, assert_problem, run, settle
from tests.server.process import Server, serving

pytestmark = pytest.mark.slow

MEGABYTES = 400
"""What any attack may take beyond the memory at rest."""
OTHER = "127.0.0.9"
"""The address of a client who does no harm."""
SMALL = request("/predict/consonants", PA)
LARGE = request("/predict/consonants", encode(draw("pa", 300)))
BOMBS = request("/predict/consonants/batch", *form(*20 * [attacks.white_webp(4000)]))
SLOW = request("/predict/consonants", marker("slow"))


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with serving(FAULTY) as server:
        server.wait_until_ready()
        yield server


async def ask_for(port: int, sent: bytes, go_on: Callable[[], bool], host: str = OTHER) -> list[Response]:
    """Send a request again and again on one connection."""
    responses = []
    async with Connection(port, host) as connection:
        while go_on():
            responses.append(await connection.ask(sent))
            await asyncio.sleep(0.02)
    return responses


async def attack(server: Server, attackers: Callable[[], Awaitable[object]], seconds: float = 1) -> list[Response]:
    """Attack a server, while another client sends small and large images; its responses.

    Nothing is left of the attack afterwards, and it takes no more memory than it may.
    """
    pid = server.process.pid
    await asyncio.gather(*(ask_for(server.port, LARGE, for_seconds(1), "127.0.0.8") for _ in range(2)))
    async with Watch(pid) as watch:
        stop = False
        others = [asyncio.create_task(ask_for(server.port, sent, lambda: not stop)) for sent in (SMALL, LARGE)]
        await asyncio.gather(attackers(), asyncio.sleep(seconds))
        stop = True
        small, large = await asyncio.gather(*others)
    slowest = statistics.quantiles([response.seconds for response in small], n=100)[-1]
    print(f"memory {watch.rest} -> {watch.highest} MB; another client's p99 {1e3 * slowest:.0f} ms")
    assert watch.highest - watch.rest < MEGABYTES
    await settle(server, "akshar_images_waiting", 0)
    await settle(server, "akshar_receiving_bytes", 0)
    await assert_idle(pid)
    assert {response.status for response in small} == {200}
    assert slowest < 1
    assert "Traceback" not in server.log
    return large


def test_batches_of_tiny_files_with_millions_of_pixels(server: Server) -> None:
    """Row 1: the memory of 64 of them came to 6 GB, and was kept."""

    async def attackers() -> None:
        for response in await asyncio.gather(*(ask_once(server.port, BOMBS, f"127.0.1.{i}") for i in range(16))):
            if response.status == 200:
                assert {item["error"]["code"] for item in response.json()["results"]} == {"blank_image"}
            else:
                assert_problem(response, "deadline_exceeded", "overloaded")

    async def scenario() -> None:
        large = await attack(server, attackers)
        assert {response.status for response in large} == {200}

    run(scenario())


def test_photographs_of_50_megapixels_in_a_few_bytes(server: Server) -> None:
    """Each takes 230 MB and more than a second, but only one at a time is decoded."""
    bomb = tiled_heic([Image.new("RGB", (512, 512), (200, 200, 200))], [0] * 192, 16)
    sent = request("/predict/consonants/batch", *form(*20 * [bomb]))

    async def attackers() -> None:
        for response in await asyncio.gather(*(ask_once(server.port, sent, f"127.0.1.{i}") for i in range(4))):
            assert_problem(response, "deadline_exceeded", "overloaded")

    async def scenario() -> None:
        large = await attack(server, attackers)
        assert {response.status for response in large} == {200}

    run(scenario())


def test_truncated_images_of_millions_of_pixels_leave_nothing_behind(server: Server) -> None:
    sent = request("/predict/consonants/batch", *form(*20 * [attacks.truncated_png(4000)]))

    async def attackers() -> None:
        for response in await asyncio.gather(*(ask_once(server.port, sent) for _ in range(4))):
            assert {item["error"]["code"] for item in response.json()["results"]} == {"truncated_image"}

    async def scenario() -> None:
        await attack(server, attackers)

    run(scenario())


def test_images_that_take_long_to_decode_are_killed_at_the_deadline(server: Server) -> None:
    """Row 2: their threads ran on for hours."""
    late = SLOW.replace(b"Host: test", b"Host: test\r\nX-Timeout-Ms: 1000", 1)

    async def attackers() -> None:
        for response in await asyncio.gather(*(ask_once(server.port, late, f"127.0.1.{i}") for i in range(12))):
            assert_problem(response, "deadline_exceeded")
            assert response.seconds < 4

    async def scenario() -> None:
        await attack(server, attackers)
        assert server.metric("akshar_decoders_killed_total") > 0

    run(scenario())


def test_images_whose_client_leaves_are_killed(server: Server) -> None:
    async def attackers() -> None:
        for i in range(8):
            async with Connection(server.port, f"127.0.1.{i}") as connection:
                await connection.send(SLOW)
                await asyncio.sleep(0.3)

    async def scenario() -> None:
        await attack(server, attackers)

    run(scenario())


def test_images_that_take_too_much_cpu_time_are_refused() -> None:
    async def scenario(server: Server) -> None:
        response = await ask_once(server.port, SLOW)
        assert_problem(response, "decoding_limit")
        assert (await ask_once(server.port, LARGE)).status == 200

    with serving(FAULTY, decoding_seconds=1) as server:
        server.wait_until_ready()
        run(scenario(server))


def test_thousands_of_scans_and_segments_are_refused_at_once(server: Server) -> None:
    """Rows 2, 8 and 9, by what they cost: hours, a tenth of a second on the event loop, two minutes."""
    sent = {
        request("/predict/consonants", attacks.many_scans(200_000)): "too_many_scans",
        request("/predict/consonants", attacks.exif_segments(500_000)): "too_much_metadata",
        request("/predict/consonants", attacks.text_chunks(60)): "too_much_metadata",
    }

    async def attackers() -> None:
        for data, code in sent.items():
            for _ in range(3):
                for response in await asyncio.gather(*(ask_once(server.port, data) for _ in range(3))):
                    assert_problem(response, code)

    async def scenario() -> None:
        await attack(server, attackers)

    run(scenario())


def test_uploads_that_never_end(server: Server) -> None:
    """Row 6: 120 of them took 4 GB, and nothing was said to wait."""
    head = b"POST /predict/consonants/batch HTTP/1.1\r\nHost: test\r\nContent-Type: multipart/form-data; boundary=x\r\n"
    body = bytes(2**20)

    async def upload(number: int, counted: asyncio.Event) -> None:
        async with Connection(server.port, f"127.0.1.{number % 4}") as connection:
            try:
                await connection.send(head + b"Content-Length: 33554432\r\n\r\n")
                for _ in range(12):
                    await connection.send(body)
                    await asyncio.sleep(0.1)
                await asyncio.wait_for(counted.wait(), 10)
            except (OSError, TimeoutError):
                pass  # It was told to stop.

    async def attackers() -> None:
        counted = asyncio.Event()
        uploads = asyncio.gather(*(upload(i, counted) for i in range(120)))
        await asyncio.sleep(3)
        assert await asyncio.to_thread(server.metric, "akshar_images_waiting") > 0
        assert await asyncio.to_thread(server.metric, "akshar_receiving_bytes") > 2**20
        counted.set()
        await uploads

    async def scenario() -> None:
        large = await attack(server, attackers)
        assert {response.status for response in large} == {200}

    run(scenario())


def test_a_flood_of_five_clients_leaves_others_served(server: Server) -> None:
    """Row 10: everybody else got 429 for as long as it lasted."""

    async def flood(host: str, go_on: Callable[[], bool]) -> None:
        while go_on():
            response = await ask_once(server.port, BOMBS, host)
            if response.status == 429:
                await asyncio.sleep(0.1)

    async def attackers() -> None:
        await asyncio.gather(*(flood(f"127.0.1.{i}", for_seconds(8)) for i in range(5) for _ in range(3)))

    async def scenario() -> None:
        large = await attack(server, attackers)
        assert {response.status for response in large} == {200}
        assert len(large) > 10

    run(scenario())


def test_lack_of_memory_is_not_blamed_on_the_image() -> None:
    """Row 11: it was a 422, and nothing was logged."""

    async def scenario(server: Server) -> None:
        response = await ask_once(server.port, request("/predict/consonants", attacks.white_webp(3000)))
        assert_problem(response, "out_of_memory")
        assert response.headers["retry-after"] == "1"
        assert [line["level"] for line in server.lines if line["event"] == "out_of_memory"] == ["error"]
        assert server.metric("akshar_decoders_killed_total") == 1
        assert (await ask_once(server.port, LARGE)).status == 200

    with serving(decoder_bytes=40 * 2**20) as server:
        server.wait_until_ready()
        run(scenario(server))


@pytest.mark.parametrize("command", [FAULTY, (*FAULTY, "--workers", "2")])
def test_a_decoding_that_goes_on_does_not_hold_up_the_end(command: tuple[str, ...]) -> None:
    """Row 3: only SIGKILL ended it."""

    async def scenario(server: Server) -> None:
        async with Connection(server.port) as connection:
            await connection.send(SLOW)
            await asyncio.sleep(0.5)
            pids = tree(server.process.pid)
            server.process.send_signal(signal.SIGTERM)
            started = time.monotonic()
            assert await asyncio.to_thread(server.process.wait, 30) == 0
            assert time.monotonic() - started < 2 + 5
            await asyncio.sleep(0.2)
            assert not any(map(is_alive, pids))

    with serving(command, grace_seconds=2, decoding_seconds=60, deadline_seconds=60) as server:
        server.wait_until_ready()
        run(scenario(server))
