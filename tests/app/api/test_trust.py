"""Confidence, abstention, prediction sets and lookalikes, as clients see them."""

import zipfile

import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient

from akshar.model.bundle import Bundle
from akshar.model.classes import CATALOGUE
from akshar.prediction import Prediction
from app.api.schemas import Families
from tests.app.api.problems import assert_problem
from tests.app.api.test_metrics import sample
from tests.drawing import draw, encode
from training.evaluation import ood

PA, U, ZERO = encode(draw("pa")), encode(draw("u")), encode(draw("zero"))
FIELDS = ["family", "class_id", "character", "codepoints", "romanization", "label", "confidence"]


def test_a_request_can_raise_the_minimum_confidence(client: TestClient) -> None:
    answer = client.post("/predict/consonants", files={"file": PA}).json()
    assert (answer["decision"], answer["reasons"]) == ("accepted", [])
    strict = client.post("/predict/consonants?min_confidence=1", files={"file": PA}).json()
    assert (strict["decision"], strict["reasons"]) == ("abstained", ["low_confidence"])
    assert strict["character"] == "प"
    assert strict["confidence"] == answer["confidence"]


@pytest.mark.parametrize("query", ["min_confidence=2", "min_confidence=-1", "min_confidence=x", "min_confidence=nan"])
@pytest.mark.parametrize("path", ["/predict/consonants", "/predict/consonants/batch"])
def test_a_share_out_of_range_is_an_error(client: TestClient, path: str, query: str) -> None:
    for parameter in (query, query.replace("min_confidence", "coverage")):
        response = client.post(f"{path}?{parameter}", files={"file": PA})
        assert_problem(response, "invalid_request")
        assert parameter.partition("=")[0] in response.json()["detail"]
    assert_problem(client.post(f"{path}?coverage=1", files={"file": PA}), "invalid_request")


def test_a_prediction_set_grows_with_its_coverage(client: TestClient, bundle: Bundle) -> None:
    sets = []
    for coverage in (0.5, 0.99, 0.9999):
        answer = client.post(f"/predict/vowels?coverage={coverage}", files={"file": U}).json()
        Prediction.model_validate(answer)
        prediction_set = answer["prediction_set"]
        assert [list(character) for character in prediction_set] == [FIELDS] * len(prediction_set)
        assert prediction_set[0] == {field: answer[field] for field in FIELDS}
        sets.append([character["character"] for character in prediction_set])
    assert sets[1][: len(sets[0])] == sets[0]
    assert len(sets[0]) <= len(sets[1]) <= len(sets[2]) == 12
    assert "prediction_set" not in client.post("/predict/vowels", files={"file": U}).json()


def test_a_prediction_set_is_empty_for_a_character_of_another_family(client: TestClient) -> None:
    answer = client.post("/predict/vowels?coverage=0.99", files={"file": PA}).json()
    Prediction.model_validate(answer)
    assert answer["prediction_set"] == []
    assert "looks_like_another_family" in answer["reasons"]


def test_a_character_of_another_family_is_abstained_from_and_named(client: TestClient) -> None:
    answer = client.post("/predict/vowels", files={"file": PA}).json()
    assert answer["decision"] == "abstained"
    assert "looks_like_another_family" in answer["reasons"]
    assert (answer["looks_like"]["family"], answer["looks_like"]["character"]) == ("consonants", "प")
    assert answer["family"] == "vowels"
    assert "looks_like" not in client.post("/predict/consonants", files={"file": PA}).json()


def test_with_auto_all_families_compete(client: TestClient) -> None:
    pa = client.post("/predict/auto", files={"file": PA}).json()
    Prediction.model_validate(pa)
    assert (pa["family"], pa["character"], pa["decision"]) == ("consonants", "प", "accepted")
    many = client.post("/predict/auto/batch", files=[("file", PA), ("file", encode(draw("u")))]).json()
    assert [result["answer"]["character"] for result in many["results"]] == ["प", "उ"]
    with_set = client.post("/predict/auto?coverage=0.99", files={"file": PA}).json()
    assert with_set["prediction_set"][0]["character"] == "प"


def test_with_auto_homoglyphs_of_other_families_are_named(client: TestClient, nhcd_files: zipfile.ZipFile) -> None:
    """With a real image of each."""
    shared = {("numerals", 5): "५र", ("consonants", 27): "र५", ("numerals", 0): "०ठ", ("vowels", 3): "इ३"}
    for (family, class_id), characters in shared.items():
        image = nhcd_files.read(f"nhcd/{family}/{class_id}/001_02.jpg")
        answer = client.post("/predict/auto", files={"file": image}).json()
        assert answer["character"] + answer["looks_like"]["character"] == characters
        assert "looks_like_another_family" not in answer["reasons"]


def test_most_inputs_that_are_no_character_are_abstained_from(client: TestClient) -> None:
    rng, rejected = np.random.default_rng(0), 0
    for drawing in (ood.noise, ood.scribble, ood.texture):
        for _ in range(10):
            response = client.post("/predict/auto", files={"file": encode(drawing(rng, {}))})
            if response.status_code == 422:  # Some are blank, or so fine that nothing is left of them.
                rejected += 1
                continue
            answer = response.json()
            rejected += answer["decision"] == "abstained"
            assert ("not_a_character" in answer["reasons"]) == (answer["typicality"] < 0.01)
    assert rejected >= 24


def test_reasons_name_defects_of_the_image(client: TestClient) -> None:
    page = Image.new("L", (400, 400), 255)
    page.paste(draw("pa", 200, margin=0), (-10, 100))
    assert "touching_edge" in client.post("/predict/consonants", files={"file": encode(page)}).json()["reasons"]
    page = Image.new("L", (60, 60), 255)
    page.paste(draw("pa", 11, margin=0), (20, 20))
    assert "too_small" in client.post("/predict/consonants", files={"file": encode(page)}).json()["reasons"]


def test_abstentions_are_counted(client: TestClient) -> None:
    labels = {"family": "consonants", "reason": "low_confidence"}
    before = sample(client, "akshar_abstentions_total", **labels)
    client.post("/predict/consonants?min_confidence=1", files={"file": PA})
    assert sample(client, "akshar_abstentions_total", **labels) == before + 1


def test_families_describes_what_is_loaded(client: TestClient, bundle: Bundle) -> None:
    answer = client.get("/families").json()
    Families.model_validate(answer)
    assert list(answer["families"]) == list(CATALOGUE)
    for name, family in answer["families"].items():
        assert [entry["character"] for entry in family["classes"]] == [entry.character for entry in CATALOGUE[name]]
        score = bundle.manifest.scores["published"][name].model_dump()
        assert family["scores"]["published"] == score
        assert 0.99 < family["most_coverage"] < 1
    assert answer["min_confidence"] == bundle.manifest.calibration.min_confidence
