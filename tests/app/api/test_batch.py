from collections.abc import Callable

import pytest
from starlette.testclient import TestClient

from app.api.schemas import BatchPrediction
from app.settings import Settings
from tests.app.api.problems import assert_problem
from tests.drawing import draw, encode

PNG = encode(draw("pa"))


def test_many_files_get_predictions_or_errors_in_order(client: TestClient) -> None:
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
def test_a_batch_that_cannot_be_parsed_is_a_problem(client: TestClient, case: str) -> None:
    code, send = BAD_BATCHES[case]
    assert_problem(send(client, "/predict/vowels/batch"), code)
