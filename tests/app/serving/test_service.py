"""The service under load and faults, through its API."""

import re
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from akshar.imaging.reader import read, read_glyph
from app.main import create_app
from app.settings import Settings
from tests.akshar.imaging.printing import box, printed, write
from tests.app.api.problems import assert_problem
from tests.drawing import draw, encode

PNG = encode(draw("pa"))


class HeldUp:
    """Replaces the extractor of a running app: calls wait at a gate, and their batch sizes are recorded."""

    def __init__(self, app: FastAPI) -> None:
        self._recognizer, self._queue = app.state.service.recognizer, app.state.service.batcher._queue
        self._extractor = self._recognizer.extractor
        self.name, self.device = self._extractor.name, self._extractor.device
        self.entered, self.gate = threading.Event(), threading.Event()
        self.sizes: list[int] = []

    def __call__(self, glyphs: np.ndarray) -> np.ndarray:
        self.sizes.append(len(glyphs))
        self.entered.set()
        assert self.gate.wait(20)
        return np.asarray(self._extractor(glyphs))

    def __enter__(self) -> "HeldUp":
        self._recognizer.extractor = self
        return self

    def __exit__(self, *_: object) -> None:
        self.gate.set()
        self._recognizer.extractor = self._extractor

    def wait_until_queued(self, count: int) -> None:
        for _ in range(2000):
            if len(self._queue) == count:
                return
            time.sleep(0.01)
        pytest.fail(f"{len(self._queue)} images wait, not {count}")


def test_concurrent_requests_share_calls_of_the_extractor(client: TestClient, app: FastAPI) -> None:
    """While one call waits, seven requests of two families arrive; they are read together in the next."""

    def read(sent: tuple[str, str]) -> str:
        return str(client.post(f"/predict/{sent[0]}", files={"file": encode(draw(sent[1]))}).json()["character"])

    with ThreadPoolExecutor(8) as pool, HeldUp(app) as held:
        first = pool.submit(read, ("numerals", "zero"))
        assert held.entered.wait(20)
        rest = [pool.submit(read, sent) for sent in 3 * [("consonants", "pa"), ("consonants", "tta")]]
        rest.append(pool.submit(read, ("numerals", "zero")))
        held.wait_until_queued(7)
        held.gate.set()
        assert first.result(20) == "०"
        assert [future.result(20) for future in rest] == [*3 * ["प", "ट"], "०"]
    assert held.sizes == [1, 7]


def test_all_glyphs_of_an_image_are_read_in_one_batch_and_the_more_typical_is_answered(
    client: TestClient, app: FastAPI
) -> None:
    """In an image of a glyph's size the lines of a form are kept, unless the glyph without them is more typical."""
    page = write(box(36, 1).crop((0, 0, 36, 33)), printed("५", "Regular", 20), (12, 7))
    boxed, glyphs = encode(page), len(read(page).glyphs)
    assert glyphs > 1
    with HeldUp(app) as held:
        held.gate.set()
        alone = client.post("/predict/numerals?explain=true", files={"file": boxed}).json()
        several = client.post("/predict/numerals/batch", files=[("file", encode(draw("zero"))), ("file", boxed)]).json()
    assert held.sizes == [glyphs, glyphs + 1]
    assert alone["character"] == "५"
    assert (alone["explanation"]["glyphs_compared"], alone["explanation"]["edge_parts_removed"]) == (glyphs, 1)
    assert [result["answer"]["character"] for result in several["results"]] == ["०", "५"]


def test_beyond_the_queue_is_429_with_retry_after(settings: Settings) -> None:
    app = create_app(settings.model_copy(update={"max_queue": 4}))
    with TestClient(app) as client, ThreadPoolExecutor(2) as pool, HeldUp(app) as held:
        first = pool.submit(client.post, "/predict/consonants", files={"file": PNG})
        assert held.entered.wait(20)
        second = pool.submit(client.post, "/predict/consonants", files={"file": PNG})
        held.wait_until_queued(1)
        refused = [
            client.post("/predict/consonants", files={"file": PNG}),
            client.post("/predict/consonants/batch", files=[("file", PNG)] * 3),
        ]
        held.gate.set()
        for response in refused:
            assert_problem(response, "overloaded")
            assert int(response.headers["retry-after"]) >= 1
        assert [first.result(20).status_code, second.result(20).status_code] == [200, 200]


@pytest.mark.parametrize("path", ["/predict/consonants", "/predict/consonants/batch"])
def test_an_image_that_expires_in_the_queue_is_504_and_not_read(client: TestClient, app: FastAPI, path: str) -> None:
    with ThreadPoolExecutor(1) as pool, HeldUp(app) as held:
        first = pool.submit(client.post, "/predict/consonants", files={"file": PNG})
        assert held.entered.wait(20)
        late = client.post(path, files={"file": PNG}, headers={"x-timeout-ms": "50"})
        held.gate.set()
        assert_problem(late, "deadline_exceeded")
        assert first.result(20).status_code == 200
        assert client.post(path, files={"file": PNG}).status_code == 200
    assert held.sizes == [1, 1]


def test_a_client_cannot_extend_the_deadline(settings: Settings) -> None:
    app = create_app(settings.model_copy(update={"deadline_seconds": 0.05}))
    with TestClient(app) as client, HeldUp(app):
        response = client.post("/predict/consonants", files={"file": PNG}, headers={"x-timeout-ms": "60000"})
        assert_problem(response, "deadline_exceeded")


def test_responses_say_where_their_time_went(client: TestClient) -> None:
    for path in ("/predict/consonants", "/predict/consonants/batch"):
        timing = client.post(path, files={"file": PNG}).headers["server-timing"]
        assert re.fullmatch(", ".join(rf"{s};dur=\d+\.\d\d" for s in ("decode", "queue", "extractor", "head")), timing)


def test_poison_in_a_batch_is_the_error_of_one_item(settings: Settings) -> None:
    app = create_app(settings)
    with TestClient(app) as client:
        extractor = app.state.service.recognizer.extractor
        poison = read_glyph(encode(draw("zero")))

        def allergic(glyphs: np.ndarray) -> np.ndarray:
            if any(np.array_equal(glyph, poison) for glyph in glyphs):
                raise RuntimeError("secret")
            return np.asarray(extractor(glyphs))

        app.state.service.recognizer.extractor = allergic
        files = [("file", encode(draw(name))) for name in ("pa", "zero", "tta", "pa")]
        results = client.post("/predict/consonants/batch", files=files).json()["results"]
        assert [result["answer"] and result["answer"]["character"] for result in results] == ["प", None, "ट", "प"]
        assert results[1]["error"]["code"] == "internal_error"
        assert "secret" not in str(results)


def test_a_crash_is_a_500_without_a_traceback(settings: Settings) -> None:
    app = create_app(settings)
    with TestClient(app) as client:

        def broken(glyphs: np.ndarray) -> np.ndarray:
            raise RuntimeError("secret")

        app.state.service.recognizer.extractor = broken
        response = client.post("/predict/consonants", files={"file": PNG})
        assert_problem(response, "internal_error")
        assert "secret" not in response.text


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_once_the_worker_is_dead_nothing_is_ready(settings: Settings) -> None:
    app = create_app(settings)
    with TestClient(app) as client:

        def deadly(glyphs: np.ndarray) -> np.ndarray:
            raise SystemExit

        app.state.service.recognizer.extractor = deadly
        for _ in range(2):
            assert_problem(client.post("/predict/consonants", files={"file": PNG}), "not_ready")
        assert_problem(client.get("/readyz"), "not_ready")
        assert_problem(client.get("/livez"), "worker_died")
