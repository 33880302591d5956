import pytest
from starlette.testclient import TestClient

from app.main import create_app
from app.settings import Settings
from tests.drawing import draw, encode
from tests.training.models.test_add_family import MARKS, artifacts_copy, write_marks
from training.models.add_family import add_family


def test_an_added_family_is_served_after_a_restart(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("added")
    artifacts = artifacts_copy(folder)
    add_family("punctuation", write_marks(folder / "marks"), artifacts)
    with TestClient(create_app(Settings(artifacts=artifacts, runtime="onnxruntime"))) as client:
        for character, name in MARKS.items():
            prediction = client.post("/predict/punctuation", files={"file": encode(draw(name, size=80))}).json()
            assert (prediction["family"], prediction["character"]) == ("punctuation", character)
            assert "not_a_character" not in prediction["reasons"]
        assert prediction["codepoints"] == ["U+002B"]
        family = client.get("/families").json()["families"]["punctuation"]
        assert family["calibrated_on"] == family["scores"]["specialised"]["n"] == 18
        for coverage in (0.9, 0.99):  # 18 images guarantee 94 %: beyond it any class may be right.
            path = f"/predict/punctuation?coverage={coverage}"
            response = client.post(path, files={"file": encode(draw("plus", size=80))}).json()
            assert response["prediction_set"][0]["character"] == "+"
            assert (len(response["prediction_set"]) == 3) == (coverage > family["most_coverage"])
        assert client.post("/predict/consonants", files={"file": encode(draw("pa"))}).json()["character"] == "प"
