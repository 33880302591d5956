"""What may go wrong around a real server process, on both runtimes."""

import asyncio
import io
import os
import random
import re
import signal
import statistics
import sys
from collections.abc import Coroutine, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
import pytest
from PIL import Image

from app.errors import CODES
from tests.drawing import draw, encode
from tests.faults.client import GOOD, Connection, LostError, Response, ask_once, crowd, for_seconds, form, request
from tests.faults.server import HOLD_SECONDS, marker
from tests.server.process import Server, serving

pytestmark = pytest.mark.slow

FAULTY = (sys.executable, str(Path(__file__).with_name("server.py")), "serve")
PLACES = 16
PA = encode(draw("pa", 32))


@pytest.fixture(scope="module", params=["onnxruntime", "tensorflow"])
def runtime(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def server(runtime: str) -> Iterator[Server]:
    with serving(FAULTY, runtime=runtime, max_queue=PLACES, max_files=PLACES, upload_seconds=2) as server:
        server.wait_until_ready()
        yield server


def run(scenario: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(scenario, 150))


def assert_problem(response: Response, *codes: str) -> None:
    assert response.headers["content-type"] == "application/problem+json", response
    problem = response.json()
    assert problem["code"] in codes
    assert response.status == problem["status"] == CODES[problem["code"]][0]
    assert not re.search(r'Traceback|File "|nobody outside', response.body.decode())


async def settle(server: Server, name: str, value: float) -> None:
    """Wait until a metric has come to a value."""
    for _ in range(200):
        if await asyncio.to_thread(server.metric, name) == value:
            return
        await asyncio.sleep(0.05)
    pytest.fail(f"{name} is {server.metric(name)}, not {value}")


def test_four_times_too_many_clients_are_answered_right_or_refused_at_once(server: Server, runtime: str) -> None:
    """Four times as many clients as there are places, each asking again as soon as it is answered, for 30 s."""

    async def scenario() -> None:
        load = await crowd(server.port, 4 * PLACES, for_seconds(30 if runtime == "onnxruntime" else 10))
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


def test_nothing_is_computed_for_who_has_hung_up(server: Server) -> None:
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
                    # Time enough to be queued, which is what is left again.
                    await asyncio.sleep(0.02)
            assert (await held).status == 200
        assert (await ask_once(server.port, request("/predict/consonants", PA))).json()["class_id"] == 21
        await settle(server, "akshar_images_waiting", 0)
        assert server.metric(names[0]) == skipped + PLACES - 1
        assert server.metric(names[1]) == abandoned + PLACES - 1
        assert server.metric(names[2]) == computed + 2

    run(scenario())


def test_slow_uploads_hold_up_nobody_and_are_ended(server: Server) -> None:
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
            response = await ask_once(server.port, request("/predict/consonants", PA))
            assert response.json()["class_id"] == 21
            assert not any(task.done() for task in slow)
        for response in await asyncio.gather(*slow):
            assert_problem(response, "upload_timeout")

    run(scenario())


def test_poison_hurts_none_of_the_good_items_around_it(server: Server) -> None:
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
    """Images and forms broken in one of many ways."""
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


def test_two_thousand_bad_inputs_and_no_500(server: Server) -> None:
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
                    elif response.headers["content-type"].startswith("text/plain"):
                        # What is no HTTP is refused by the server's parser, before there is a request.
                        assert (response.status, response.body) == (400, b"Invalid HTTP request received.")
                        break
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


def test_once_the_worker_has_died_nothing_says_ready_and_nobody_waits(runtime: str) -> None:
    async def scenario(server: Server) -> None:
        hold = asyncio.create_task(ask_once(server.port, request("/predict/vowels", marker("hold"))))
        await asyncio.sleep(HOLD_SECONDS / 4)
        death = asyncio.create_task(ask_once(server.port, request("/predict/vowels", marker("death"))))
        waiting = [asyncio.create_task(ask_once(server.port, sent)) for sent in GOOD]
        assert (await hold).status == 200
        for response in await asyncio.gather(death, *waiting):
            assert_problem(response, "not_ready")
        assert httpx2.get(f"{server.url}/readyz").json()["code"] == "not_ready"
        assert httpx2.get(f"{server.url}/livez").json()["code"] == "worker_died"
        assert_problem(await ask_once(server.port, request("/predict/vowels", PA)), "not_ready")

    with serving(FAULTY, runtime=runtime) as server:
        server.wait_until_ready()
        run(scenario(server))
        assert server.end() == 0
        assert [line["level"] for line in server.lines if line["event"] == "worker_died"] == ["critical"]


def test_sigterm_under_load_loses_no_accepted_request(runtime: str) -> None:
    """Readiness turns 503 while what was accepted is answered; then the process ends with 0."""

    async def scenario(server: Server) -> None:
        stop = False
        load = asyncio.create_task(crowd(server.port, 2 * PLACES, lambda: not stop))
        await asyncio.sleep(2)
        async with Connection(server.port) as probe, Connection(server.port) as holding:
            held = asyncio.create_task(holding.ask(request("/predict/vowels", marker("hold"))))
            await asyncio.sleep(HOLD_SECONDS / 4)
            server.process.send_signal(signal.SIGTERM)
            await asyncio.sleep(HOLD_SECONDS / 8)
            assert_problem(await probe.ask(b"GET /readyz HTTP/1.1\r\nHost: test\r\n\r\n"), "not_ready")
            assert_problem(await probe.ask(request("/predict/consonants", PA)), "not_ready")
            assert (await held).status == 200
        assert await asyncio.to_thread(server.process.wait, 30) == 0
        stop = True
        met = await load
        assert met.wrong() == []
        assert met.statuses() <= {200, 429, 503}
        assert not any(error.started for error in met.lost)
        # The server has logged as many answers as clients have got: none was computed and then lost.
        logged = [line for line in server.lines if line.get("path", "").startswith("/predict/")]
        assert sum(line["status"] == 200 for line in logged) == len(met.answered) + 1
        assert {line["status"] for line in logged} <= {200, 429, 503}

    with serving(FAULTY, runtime=runtime, max_queue=4 * PLACES) as server:
        server.wait_until_ready()
        run(scenario(server))


async def ready_workers(server: Server, count: int) -> list[int]:
    """Wait until so many workers have ever become ready; their process ids."""
    for _ in range(600):
        pids = [line["pid"] for line in server.lines if line["event"] == "ready"]
        if len(pids) == count:
            return pids
        await asyncio.sleep(0.1)
    pytest.fail(f"there are not {count} workers\n{server.log}")


def test_one_of_two_workers_killed_is_replaced_and_the_metrics_still_add_up() -> None:
    async def scenario(server: Server) -> None:
        workers = await ready_workers(server, 2)
        stop = False
        load = asyncio.create_task(crowd(server.port, 8, lambda: not stop))
        await asyncio.sleep(2)
        os.kill(workers[0], signal.SIGKILL)
        await asyncio.sleep(1)
        # The other goes on answering.
        assert (await ask_once(server.port, request("/predict/consonants", PA))).json()["class_id"] == 21
        await ready_workers(server, 3)
        await asyncio.sleep(1)
        stop = True
        met = await load
        assert met.statuses() == {200}
        assert met.wrong() == []
        assert len(met.lost) <= 8
        await settle(server, "akshar_images_waiting", 0)
        # What the killed worker had counted and not yet sent is lost with its connections, and nothing else.
        answered = len(met.answered) + 1
        assert answered <= server.metric("akshar_predictions_total") <= answered + len(met.lost)
        assert server.metric("akshar_build_info") == 1

    with serving((*FAULTY, "--workers", "2")) as server:
        server.wait_until_ready()
        run(scenario(server))
        assert server.end() == 0


def test_a_worker_process_whose_thread_has_died_is_replaced() -> None:
    async def scenario(server: Server) -> None:
        await ready_workers(server, 2)
        with suppress(LostError):
            assert_problem(await ask_once(server.port, request("/predict/vowels", marker("death"))), "not_ready")
        await ready_workers(server, 3)
        for sent, right in GOOD.items():
            assert (await ask_once(server.port, sent)).json()["class_id"] == right

    with serving((*FAULTY, "--workers", "2")) as server:
        server.wait_until_ready()
        run(scenario(server))
