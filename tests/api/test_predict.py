import base64
import io
import re
import threading
import time
import zipfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from fastapi import FastAPI
from hypothesis import given
from hypothesis import settings as settings_of_hypothesis
from hypothesis import strategies as st
from PIL import Image, ImageOps
from starlette.testclient import TestClient

from app.catalogue import CATALOGUE
from app.errors import CODES
from app.imaging import read_glyph
from app.main import create_app
from app.schemas import BatchPrediction, Prediction
from app.settings import Settings
from tests.api.problems import assert_problem
from tests.drawing import draw, encode

FIELDS = ["family", "class_id", "character", "codepoints", "romanization", "label", "confidence"]


def test_a_drawn_character_is_read(client: TestClient) -> None:
    response = client.post("/predict/consonants", files={"file": ("pa.png", encode(draw("pa")))})
    assert response.status_code == 200
    answer = response.json()
    assert list(answer) == [*FIELDS, "decision", "reasons", "familiarity", "alternatives", "model_version"]
    Prediction.model_validate(answer, strict=True)
    assert (answer["family"], answer["class_id"], answer["character"]) == ("consonants", 21, "प")
    assert (answer["codepoints"], answer["romanization"], answer["label"]) == (["U+092A"], "pa", "pa")
    assert (answer["decision"], answer["reasons"]) == ("accepted", [])
    assert 0.5 < answer["confidence"] <= 1
    assert answer["familiarity"] > 0


def test_alternatives_are_the_five_best_the_answer_first(client: TestClient) -> None:
    answer = client.post("/predict/numerals", files={"file": encode(draw("zero"))}).json()
    alternatives = answer["alternatives"]
    assert [list(alternative) for alternative in alternatives] == [FIELDS] * 5
    assert alternatives[0] == {field: answer[field] for field in FIELDS}
    assert answer["character"] == "०"
    confidences = [alternative["confidence"] for alternative in alternatives]
    assert confidences == sorted(confidences, reverse=True)


@pytest.mark.parametrize("content_type", ["image/png", "application/octet-stream", "IMAGE/PNG", None])
def test_a_raw_body_gets_the_answer_of_the_same_file_in_a_form(client: TestClient, content_type: str | None) -> None:
    data = encode(draw("tta"))
    headers = {"content-type": content_type} if content_type else {}
    raw = client.post("/predict/consonants", content=data, headers=headers)
    assert raw.json() == client.post("/predict/consonants", files={"file": data}).json()
    assert raw.json()["character"] == "ट"


@pytest.mark.parametrize("asked", ["true", "1", "TRUE"])
def test_an_explanation_is_the_glyph_and_what_was_done(client: TestClient, asked: str) -> None:
    page = Image.new("L", (400, 300), 40)
    page.paste(ImageOps.invert(draw("pa", 120)).point(lambda level: max(level, 40)), (200, 60))
    page.paste(255, (20, 20, 24, 24))
    data = encode(page)
    answer = client.post("/predict/consonants", params={"explain": asked}, files={"file": data}).json()
    Prediction.model_validate(answer)
    explanation = answer["explanation"]
    glyph = np.asarray(Image.open(io.BytesIO(base64.b64decode(explanation.pop("glyph")))))
    assert np.array_equal(glyph, np.rint(255 * read_glyph(data)))
    left, top, right, bottom = explanation.pop("box")
    assert (left, top, right, bottom) == pytest.approx((212, 68, 308, 169), abs=6)
    assert explanation == {
        "width": 400,
        "height": 300,
        "turned": False,
        "ink": "light",
        "specks_removed": 1,
        "edge_parts_removed": 0,
        "strokes_widened": 0,
    }
    # Nothing else of the answer changes.
    assert answer == client.post("/predict/consonants", files={"file": data}).json() | {
        "explanation": answer["explanation"]
    }
    many = client.post("/predict/consonants/batch?explain=1", files=[("file", data), ("file", b"no image")]).json()
    assert many["results"][0]["answer"]["explanation"]["box"] == [left, top, right, bottom]
    assert many["results"][1]["answer"] is None


def test_an_explanation_comes_when_asked_for_alone(client: TestClient) -> None:
    for query in ("", "?explain=false", "?explain=0", "?other=true"):
        assert (
            "explanation" not in client.post(f"/predict/consonants{query}", files={"file": encode(draw("pa"))}).json()
        )
    response = client.post("/predict/consonants?explain=perhaps", files={"file": encode(draw("pa"))})
    assert_problem(response, "invalid_request")
    assert "explain" in response.json()["detail"]


def test_other_fields_of_a_form_do_not_matter(client: TestClient) -> None:
    data = encode(draw("pa"))
    response = client.post("/predict/consonants", files={"file": data}, data={"page": "3"})
    assert response.json()["character"] == "प"


def test_real_images_of_every_class_are_read(client: TestClient, nhcd_files: zipfile.ZipFile) -> None:
    """One image of each class by a writer of many; what the scores say of accuracy is tested with the training."""
    right = 0
    for family, classes in CATALOGUE.items():
        for entry in classes:
            data = nhcd_files.read(f"nhcd/{family}/{entry.class_id}/001_02.jpg")
            answer = client.post(f"/predict/{family}", files={"file": ("x.jpg", data, "image/jpeg")}).json()
            right += answer["character"] == entry.character
    assert right >= 57


PNG = encode(draw("pa"))
_FORM = (
    b'--b\r\nContent-Disposition: form-data; name="file"; filename="x.png"\r\n'
    b"Content-Type: image/png\r\n\r\n" + PNG + b"\r\n--b--\r\n"
)

BAD: dict[str, tuple[str, str, Callable[[TestClient, str], object]]] = {
    "unknown family": ("unknown_family", "digits", lambda c, url: c.post(url, files={"file": PNG})),
    "no body": ("missing_file", "vowels", lambda c, url: c.post(url)),
    "form without the field": ("missing_file", "vowels", lambda c, url: c.post(url, files={"image": PNG})),
    "field that is no file": ("missing_file", "vowels", lambda c, url: c.post(url, files={"file": (None, b"x")})),
    "empty file": ("empty_file", "vowels", lambda c, url: c.post(url, files={"file": ("x.png", b"")})),
    "empty raw body": ("empty_file", "vowels", lambda c, url: c.post(url, headers={"content-type": "image/png"})),
    "truncated": ("truncated_image", "vowels", lambda c, url: c.post(url, files={"file": PNG[: len(PNG) // 2]})),
    "blank": ("blank_image", "vowels", lambda c, url: c.post(url, files={"file": encode(Image.new("L", (32, 32)))})),
    "text": ("unsupported_image", "vowels", lambda c, url: c.post(url, files={"file": b"not an image"})),
    "JSON": ("unsupported_image", "vowels", lambda c, url: c.post(url, json={"image": "..."})),
    "TIFF": ("unsupported_image", "vowels", lambda c, url: c.post(url, files={"file": encode(draw("pa"), "TIFF")})),
    "too many bytes": ("too_many_bytes", "vowels", lambda c, url: c.post(url, files={"file": bytes(200_001)})),
    "too many bytes, not announced": (
        "too_many_bytes",
        "vowels",
        lambda c, url: c.post(url, content=(bytes(50_000) for _ in range(5)), headers={"content-type": "image/png"}),
    ),
    "too many pixels": (
        "too_many_pixels",
        "vowels",
        lambda c, url: c.post(url, files={"file": encode(Image.new("L", (1001, 1000)))}),
    ),
    "two files": (
        "too_many_files",
        "vowels",
        lambda c, url: c.post(url, files=[("file", PNG), ("file", PNG)]),
    ),
    "multipart without boundary": (
        "malformed_multipart",
        "vowels",
        lambda c, url: c.post(url, content=b"x", headers={"content-type": "multipart/form-data"}),
    ),
    "broken multipart": (
        "malformed_multipart",
        "vowels",
        lambda c, url: c.post(url, content=b"--b\r\nbad", headers={"content-type": "multipart/form-data; boundary=a"}),
    ),
    "form cut short": (
        "malformed_multipart",
        "vowels",
        lambda c, url: c.post(url, content=_FORM[:-8], headers={"content-type": "multipart/form-data; boundary=b"}),
    ),
    "deadline that is no number": (
        "invalid_request",
        "vowels",
        lambda c, url: c.post(url, files={"file": PNG}, headers={"x-timeout-ms": "soon"}),
    ),
    "deadline that is none": (
        "invalid_request",
        "vowels",
        lambda c, url: c.post(url, files={"file": PNG}, headers={"x-timeout-ms": "0"}),
    ),
    "wrong method": ("method_not_allowed", "vowels", lambda c, url: c.get(url)),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_a_problem_with_its_code(client: TestClient, case: str) -> None:
    code, family, send = BAD[case]
    assert_problem(send(client, f"/predict/{family}"), code)


@settings_of_hypothesis(max_examples=150, deadline=None)
@given(st.data())
def test_any_body_gets_a_prediction_or_a_problem(client: TestClient, data: st.DataObject) -> None:
    """Forms and images, cut short and with bytes changed anywhere."""
    body = bytearray(data.draw(st.sampled_from([_FORM, PNG])))
    for _ in range(data.draw(st.integers(0, 6))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(body)))
    content_type = data.draw(st.sampled_from(["multipart/form-data; boundary=b", "multipart/form-data", "image/png"]))
    response = client.post("/predict/consonants", content=bytes(body[:cut]), headers={"content-type": content_type})
    if response.status_code != 200:
        assert response.status_code < 500
        assert_problem(response, response.json()["code"])


def test_statuses_are_the_documented_ones() -> None:
    expected = {
        "unknown_family": 404,
        "missing_file": 422,
        "empty_file": 422,
        "truncated_image": 422,
        "blank_image": 422,
        "unsupported_image": 415,
        "too_many_bytes": 413,
        "too_many_pixels": 413,
        "overloaded": 429,
        "deadline_exceeded": 504,
    }
    assert {code: CODES[code][0] for code in expected} == expected


def test_an_unknown_family_is_told_the_known_ones(client: TestClient) -> None:
    detail = client.post("/predict/digits", files={"file": PNG}).json()["detail"]
    assert all(family in detail for family in CATALOGUE)


class HeldUp:
    """In a running app's extractor's place: its calls wait at a gate, and their sizes are kept."""

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
    """While one call is held up, seven requests of two families arrive; they are read together in the next."""

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


def test_beyond_the_queue_is_429_with_retry_after(settings: Settings) -> None:
    app = create_app(settings.model_copy(update={"max_queue": 2}))
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
def test_what_expires_in_the_queue_is_504_and_not_computed(client: TestClient, app: FastAPI, path: str) -> None:
    with ThreadPoolExecutor(1) as pool, HeldUp(app) as held:
        first = pool.submit(client.post, "/predict/consonants", files={"file": PNG})
        assert held.entered.wait(20)
        late = client.post(path, files={"file": PNG}, headers={"x-timeout-ms": "50"})
        held.gate.set()
        assert_problem(late, "deadline_exceeded")
        assert first.result(20).status_code == 200
        assert client.post(path, files={"file": PNG}).status_code == 200
    assert held.sizes == [1, 1]


def test_a_clients_deadline_cannot_lengthen_the_services(settings: Settings) -> None:
    app = create_app(settings.model_copy(update={"deadline_seconds": 0.05}))
    with TestClient(app) as client, HeldUp(app):
        response = client.post("/predict/consonants", files={"file": PNG}, headers={"x-timeout-ms": "60000"})
        assert_problem(response, "deadline_exceeded")


def test_answers_say_where_their_time_went(client: TestClient) -> None:
    for path in ("/predict/consonants", "/predict/consonants/batch"):
        timing = client.post(path, files={"file": PNG}).headers["server-timing"]
        assert re.fullmatch(", ".join(rf"{s};dur=\d+\.\d\d" for s in ("decode", "queue", "extractor", "head")), timing)


def test_many_files_get_answers_or_errors_in_their_order(client: TestClient) -> None:
    sent = [("a.png", draw("pa")), ("b.png", draw("tta")), ("c.png", None), ("a.png", draw("tta"))]
    files = [("file", (name, encode(image) if image else b"junk")) for name, image in sent]
    response = client.post("/predict/consonants/batch", files=files)
    assert response.status_code == 200
    body = response.json()
    BatchPrediction.model_validate(body, strict=True)
    results = body["results"]
    assert [result["index"] for result in results] == [0, 1, 2, 3]
    assert [result["filename"] for result in results] == ["a.png", "b.png", "c.png", "a.png"]
    assert [result["answer"] and result["answer"]["character"] for result in results] == ["प", "ट", None, "ट"]
    assert [result["error"] and result["error"]["code"] for result in results] == [
        None,
        None,
        "unsupported_image",
        None,
    ]
    alone = client.post("/predict/consonants", files={"file": encode(draw("pa"))}).json()
    assert results[0]["answer"]["confidence"] == pytest.approx(alone["confidence"], abs=1e-5)


def test_a_file_too_large_for_one_request_is_an_error_of_its_item(client: TestClient, settings: Settings) -> None:
    files = [("file", bytes(settings.max_bytes + 1)), ("file", PNG)]
    large, good = client.post("/predict/consonants/batch", files=files).json()["results"]
    assert large["error"]["code"] == "too_many_bytes"
    assert good["answer"]["character"] == "प"


def test_a_batch_of_none_but_bad_files_is_answered(client: TestClient) -> None:
    results = client.post("/predict/vowels/batch", files=[("file", b"x"), ("file", b"")]).json()["results"]
    assert [result["error"]["code"] for result in results] == ["unsupported_image", "empty_file"]


BAD_BATCHES: dict[str, tuple[str, Callable[[TestClient, str], object]]] = {
    "no form": ("missing_file", lambda c, url: c.post(url, content=PNG, headers={"content-type": "image/png"})),
    "no file": ("missing_file", lambda c, url: c.post(url, files={"page": (None, b"3")})),
    "too many files": ("too_many_files", lambda c, url: c.post(url, files=65 * [("file", PNG)])),
    "too many bytes": ("too_many_bytes", lambda c, url: c.post(url, files=[("file", bytes(500_000))] * 3)),
    "broken form": (
        "malformed_multipart",
        lambda c, url: c.post(url, content=b"--", headers={"content-type": "multipart/form-data; boundary=b"}),
    ),
}


@pytest.mark.parametrize("case", BAD_BATCHES)
def test_a_batch_that_cannot_be_read_is_a_problem(client: TestClient, case: str) -> None:
    code, send = BAD_BATCHES[case]
    assert_problem(send(client, "/predict/vowels/batch"), code)


def test_poison_in_a_batch_is_one_items_error(settings: Settings) -> None:
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
def test_once_the_worker_is_dead_nothing_says_ready(settings: Settings) -> None:
    app = create_app(settings)
    with TestClient(app) as client:

        def deadly(glyphs: np.ndarray) -> np.ndarray:
            raise SystemExit

        app.state.service.recognizer.extractor = deadly
        for _ in range(2):
            assert_problem(client.post("/predict/consonants", files={"file": PNG}), "not_ready")
        assert_problem(client.get("/readyz"), "not_ready")
        assert_problem(client.get("/livez"), "worker_died")


def test_openapi_tells_of_both_kinds_of_body_and_of_every_problem(client: TestClient) -> None:
    operation = client.get("/openapi.json").json()["paths"]["/predict/{family}"]["post"]
    assert {"multipart/form-data", "image/png", "image/jpeg"} <= set(operation["requestBody"]["content"])
    told = operation["responses"]
    assert set(told) == {"200", "400", "404", "408", "413", "415", "422", "429", "500", "503", "504"}
    assert all(list(told[status]["content"]) == ["application/problem+json"] for status in told if status != "200")
    assert "blank_image" in told["422"]["description"]
