import base64
import io
import zipfile

import numpy as np
import pytest
from PIL import Image, ImageOps
from starlette.testclient import TestClient

from akshar.imaging.reader import read_glyph
from akshar.model.classes import CATALOGUE
from akshar.prediction import Prediction
from tests.app.api.problems import assert_problem
from tests.drawing import draw, encode

FIELDS = ["family", "class_id", "character", "codepoints", "romanization", "label", "confidence"]


def test_a_drawn_character_is_read(client: TestClient) -> None:
    response = client.post("/predict/consonants", files={"file": ("pa.png", encode(draw("pa")))})
    assert response.status_code == 200
    answer = response.json()
    assert list(answer) == [*FIELDS, "decision", "reasons", "typicality", "alternatives", "model_version"]
    Prediction.model_validate(answer, strict=True)
    assert (answer["family"], answer["class_id"], answer["character"]) == ("consonants", 21, "प")
    assert (answer["codepoints"], answer["romanization"], answer["label"]) == (["U+092A"], "pa", "pa")
    assert (answer["decision"], answer["reasons"]) == ("accepted", [])
    assert 0.5 < answer["confidence"] <= 1
    assert 0.01 <= answer["typicality"] <= 1


def test_alternatives_are_the_five_most_probable_characters(client: TestClient) -> None:
    answer = client.post("/predict/numerals", files={"file": encode(draw("zero"))}).json()
    alternatives = answer["alternatives"]
    assert [list(alternative) for alternative in alternatives] == [FIELDS] * 5
    assert alternatives[0] == {field: answer[field] for field in FIELDS}
    assert answer["character"] == "०"
    confidences = [alternative["confidence"] for alternative in alternatives]
    assert confidences == sorted(confidences, reverse=True)


@pytest.mark.parametrize("content_type", ["image/png", "application/octet-stream", "IMAGE/PNG", None])
def test_a_raw_body_is_read_like_the_same_file_in_a_form(client: TestClient, content_type: str | None) -> None:
    data = encode(draw("tta"))
    headers = {"content-type": content_type} if content_type else {}
    raw = client.post("/predict/consonants", content=data, headers=headers)
    assert raw.json() == client.post("/predict/consonants", files={"file": data}).json()
    assert raw.json()["character"] == "ट"


@pytest.mark.parametrize("value", ["true", "1", "TRUE"])
def test_an_explanation_shows_the_glyph_and_what_was_done(client: TestClient, value: str) -> None:
    page = Image.new("L", (400, 300), 40)
    page.paste(ImageOps.invert(draw("pa", 120)).point(lambda level: max(level, 40)), (200, 60))
    page.paste(255, (20, 20, 24, 24))
    data = encode(page)
    answer = client.post("/predict/consonants", params={"explain": value}, files={"file": data}).json()
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
        "edge_parts_kept": 0,
        "glyphs_compared": 1,
        "strokes_widened": 0,
    }
    # Nothing else of the answer changes.
    assert answer == client.post("/predict/consonants", files={"file": data}).json() | {
        "explanation": answer["explanation"]
    }
    many = client.post("/predict/consonants/batch?explain=1", files=[("file", data), ("file", b"no image")]).json()
    assert many["results"][0]["answer"]["explanation"]["box"] == [left, top, right, bottom]
    assert many["results"][1]["answer"] is None


def test_an_explanation_is_only_given_on_request(client: TestClient) -> None:
    for query in ("", "?explain=false", "?explain=0", "?other=true"):
        assert (
            "explanation" not in client.post(f"/predict/consonants{query}", files={"file": encode(draw("pa"))}).json()
        )
    response = client.post("/predict/consonants?explain=perhaps", files={"file": encode(draw("pa"))})
    assert_problem(response, "invalid_request")
    assert "explain" in response.json()["detail"]


def test_other_fields_of_a_form_are_ignored(client: TestClient) -> None:
    data = encode(draw("pa"))
    response = client.post("/predict/consonants", files={"file": data}, data={"page": "3"})
    assert response.json()["character"] == "प"


def test_real_images_of_every_class_are_read(client: TestClient, nhcd_files: zipfile.ZipFile) -> None:
    """One image of each class, by a writer of many images; accuracy is tested with the training."""
    right = 0
    for family, classes in CATALOGUE.items():
        for entry in classes:
            data = nhcd_files.read(f"nhcd/{family}/{entry.class_id}/001_02.jpg")
            answer = client.post(f"/predict/{family}", files={"file": ("x.jpg", data, "image/jpeg")}).json()
            right += answer["character"] == entry.character
    assert right >= 57


def test_openapi_describes_both_kinds_of_body_and_every_problem(client: TestClient) -> None:
    operation = client.get("/openapi.json").json()["paths"]["/predict/{family}"]["post"]
    assert {"multipart/form-data", "image/png", "image/jpeg"} <= set(operation["requestBody"]["content"])
    responses = operation["responses"]
    assert set(responses) == {"200", "400", "404", "408", "413", "415", "422", "429", "500", "503", "504"}
    problems = [responses[status]["content"] for status in responses if status != "200"]
    assert all(list(content) == ["application/problem+json"] for content in problems)
    assert "blank_image" in responses["422"]["description"]
