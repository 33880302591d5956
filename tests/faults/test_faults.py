"""Faults around one real server process, on both runtimes."""

import asyncio
import io
import random
import re
import signal
import statistics
from collections.abc import Iterator

import httpx2
import numpy as np
import pytest
from PIL import Image

from tests.faults.client import GOOD, Connection, Response, ask_once, crowd, for_seconds, form, request
from tests.faults.server import HOLD_SECONDS, marker
from tests.faults.support import FAULTY, PA, PLACES, assert_problem, run, settle
from tests.server.process import Server, serving

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", params=["onnxruntime", "tensorflow"])
def runtime(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def server(runtime: str) -> Iterator[Server]:
    with serving(FAULTY, runtime=runtime, max_queue=2 * PLACES, max_files=PLACES, upload_seconds=2) as server:
        server.wait_until_ready()
        yield server


def test_with_four_times_too_many_clients_responses_are_right_or_429(server: Server) -> None:
    """Four times as many clients as places, each sending again as soon as it has its response."""

    async def scenario() -> None:
        load = await crowd(server.port, 4 * PLACES, for_seconds(10))
        assert load.lost == []
        assert load.refused == 0
        assert load.statuses() == {200, 429}
        assert load.wrong() == []
        for response, _ in load.responses:
            if response.status == 429:
                assert_problem(response, "overloaded")
                assert 1 <= int(response.headers["retry-after"]) <= 60
        # Bounded by the places, not by the crowd: far below the deadline of 10 s.
        assert statistics.quantiles([response.seconds for response, _ in load.answered], n=100)[-1] < 5
        assert len(load.answered) > 100
        await settle(server, "akshar_images_waiting", 0)

    run(scenario())


def test_images_of_disconnected_clients_are_not_read(server: Server) -> None:
    async def scenario() -> None:
        names = ("akshar_images_skipped_total", "akshar_images_abandoned_total", "akshar_batch_size_sum")
        skipped, abandoned, computed = map(server.metric, names)
        async with Connection(server.port) as holding:
            held = asyncio.create_task(holding.ask(request("/predict/vowels", marker("hold"))))
            await asyncio.sleep(HOLD_SECONDS / 4)
            for number in range(PLACES - 1):
                async with Connection(server.port) as connection:
                    body, kind = form(PA)
                    await connection.send(request("/predict/consonants", *((body, kind) if number % 2 else (PA,))))
                    # Enough time to be queued.
                    await asyncio.sleep(0.02)
            assert (await held).status == 200
        assert (await ask_once(server.port, request("/predict/consonants", PA))).json()["class_id"] == 21
        await settle(server, "akshar_images_waiting", 0)
        assert server.metric(names[0]) == skipped + PLACES - 1
        assert server.metric(names[1]) == abandoned + PLACES - 1
        assert server.metric(names[2]) == computed + 2

    run(scenario())


def test_slow_uploads_delay_nobody_and_time_out(server: Server) -> None:
    async def dribble() -> Response:
        async with Connection(server.port) as connection:
            whole = request("/predict/consonants", PA)
            head = whole.index(b"\r\n\r\n") + 4
            answer = asyncio.create_task(connection.ask(whole[: head + 10]))
            for byte in whole[head + 10 : head + 100]:
                await asyncio.sleep(0.05)
                if answer.done():
                    break
                await connection.send(bytes([byte]))
            return await answer

    async def scenario() -> None:
        slow = [asyncio.create_task(dribble()) for _ in range(4 * PLACES)]
        await asyncio.sleep(0.2)
        for _ in range(10):
            response = await ask_once(server.port, request("/predict/consonants", PA), "127.0.0.9")
            assert response.json()["class_id"] == 21
        responses = await asyncio.gather(*slow)
        for response in responses:
            assert_problem(response, "upload_timeout", "overloaded")
        # They hold places from their first byte: as many as one client may.
        assert sum(response.status == 408 for response in responses) == PLACES

    run(scenario())


def test_poison_harms_no_other_item(server: Server) -> None:
    async def scenario() -> None:
        hold = asyncio.create_task(ask_once(server.port, request("/predict/vowels", marker("hold"))))
        await asyncio.sleep(HOLD_SECONDS / 4)
        # These wait together, so they would be one batch.
        poisoned = [request("/predict/numerals", marker("poison"))] * 3
        together = [*GOOD, *poisoned, *GOOD]
        responses = await asyncio.gather(*(ask_once(server.port, sent) for sent in together))
        for sent, response in zip(together, responses, strict=True):
            if sent in GOOD:
                assert response.json()["class_id"] == GOOD[sent]
            else:
                assert_problem(response, "internal_error")
        assert (await hold).status == 200
        files = [PA, marker("poison"), PA, b"no image", PA]
        batch = await ask_once(server.port, request("/predict/consonants/batch", *form(*files)))
        results = batch.json()["results"]
        assert [result["answer"] and result["answer"]["class_id"] for result in results] == [21, None, 21, None, 21]
        assert [result["error"] and result["error"]["status"] for result in results] == [None, 500, None, 415, None]
        assert httpx2.get(f"{server.url}/readyz").status_code == 200

    run(scenario())


def bad_request(chance: random.Random) -> bytes:
    """An image or a form, broken at random."""
    kind = chance.choice(["PNG", "JPEG", "WEBP", "GIF", "BMP"])
    buffer = io.BytesIO()
    noise = np.random.default_rng(chance.getrandbits(32)).integers(0, 256, (20, 20), dtype=np.uint8)
    Image.fromarray(noise if chance.random() < 0.5 else np.full((20, 20), 255, np.uint8)).save(buffer, kind)
    image = bytearray(buffer.getvalue())
    for _ in range(chance.randint(0, 8)):
        image[chance.randrange(len(image))] = chance.randrange(256)
    body = bytes(image[: chance.choice([0, len(image), chance.randint(0, len(image))])])
    path = chance.choice(["/predict/consonants", "/predict/vowels/batch", "/predict/none", "/predict/", "/predict/%00"])
    content_type = chance.choice(["image/png", "multipart/form-data; boundary=b", "multipart/form-data", "x" * 50, "é"])
    if chance.random() < 0.6:
        body, content_type = form(*[body] * chance.randint(0, 3))
        if chance.random() < 0.5:
            broken = bytearray(body)
            for _ in range(chance.randint(1, 4)):
                broken[chance.randrange(len(broken))] = chance.randrange(256)
            body = bytes(broken[: chance.randint(0, len(broken))])
    headers = chance.choice([{}, {}, {}, {"X_Timeout_Ms": "-1"}, {"X_Timeout_Ms": "x"}, {"X_Request_Id": "\x7f" * 9}])
    return request(path, body, content_type, **headers)


def test_two_thousand_bad_inputs_cause_no_500(server: Server) -> None:
    chance = random.Random(1)
    inputs = [bad_request(chance) for _ in range(2000)]
    met: set[str] = set()

    async def client(part: list[bytes]) -> None:
        while part:
            async with Connection(server.port) as connection:
                while part:
                    response = await connection.ask(part.pop())
                    assert response.status < 500, response
                    if response.headers["content-type"] == "application/json":
                        assert response.status == 200
                    else:
                        code = response.json()["code"]
                        assert_problem(response, code)
                        met.add(code)
                    if response.headers.get("connection") == "close":
                        break

    async def scenario() -> None:
        await asyncio.gather(*(client(inputs[start::8]) for start in range(8)))
        assert met >= {"invalid_request", "malformed_multipart", "unknown_family", "truncated_image", "missing_file"}
        assert met >= {"unsupported_image", "blank_image", "empty_file", "not_found", "too_many_files"}
        assert (await ask_once(server.port, request("/predict/consonants", PA))).json()["class_id"] == 21

    run(scenario())
    assert "Traceback" not in re.sub(r'.*"recognition_failed".*', "", server.log)


def test_once_the_worker_has_died_nobody_waits_and_the_process_ends(runtime: str) -> None:
    async def scenario(server: Server) -> None:
        hold = asyncio.create_task(ask_once(server.port, request("/predict/vowels", marker("hold"))))
        await asyncio.sleep(HOLD_SECONDS / 4)
        death = asyncio.create_task(ask_once(server.port, request("/predict/vowels", marker("death"))))
        waiting = [asyncio.create_task(ask_once(server.port, sent)) for sent in GOOD]
        assert (await hold).status == 200
        for response in await asyncio.gather(death, *waiting):
            assert_problem(response, "not_ready")
        assert await asyncio.to_thread(server.process.wait, 30) == 4

    with serving(FAULTY, runtime=runtime) as server:
        server.wait_until_ready()
        run(scenario(server))
        assert [line["level"] for line in server.lines if line["event"] == "worker_died"] == ["critical"]


def test_sigterm_under_load_loses_no_admitted_request(runtime: str) -> None:
    """Readiness turns 503 while admitted requests are answered; then the process exits with 0."""

    async def scenario(server: Server) -> None:
        stop = False
        load = asyncio.create_task(crowd(server.port, 2 * PLACES, lambda: not stop))
        await asyncio.sleep(2)
        async with Connection(server.port) as holding:
            held = asyncio.create_task(holding.ask(request("/predict/vowels", marker("hold"))))
            await asyncio.sleep(HOLD_SECONDS / 4)
            server.process.send_signal(signal.SIGTERM)
            await asyncio.sleep(HOLD_SECONDS / 8)
            ready = await ask_once(server.port, b"GET /readyz HTTP/1.1\r\nHost: test\r\n\r\n")
            assert_problem(ready, "not_ready")
            assert_problem(await ask_once(server.port, request("/predict/consonants", PA)), "not_ready")
            assert (await held).status == 200
        assert await asyncio.to_thread(server.process.wait, 30) == 0
        stop = True
        met = await load
        assert met.wrong() == []
        assert met.statuses() <= {200, 429, 503}
        assert not any(error.started for error in met.lost)
        # The server has logged as many responses as clients have received: none was computed and then lost.
        logged = [line for line in server.lines if line.get("path", "").startswith("/predict/")]
        assert sum(line["status"] == 200 for line in logged) == len(met.answered) + 1
        assert {line["status"] for line in logged} <= {200, 429, 503}

    with serving(FAULTY, runtime=runtime, max_queue=8 * PLACES) as server:
        server.wait_until_ready()
        run(scenario(server))
