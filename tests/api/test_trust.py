"""Confidence, abstention, sets, and what looks like something else, as clients see them."""

import zipfile

import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient

from app.bundle import Bundle
from app.catalogue import CATALOGUE
from app.schemas import Families, Prediction
from tests.api.problems import assert_problem
from tests.api.test_metrics import sample
from tests.drawing import draw, encode
from training import strangers

PA, ZERO = encode(draw("pa")), encode(draw("zero"))
FIELDS = ["family", "class_id", "character", "codepoints", "romanization", "label", "confidence"]


def test_a_caller_may_ask_for_more_confidence(client: TestClient) -> None:
    answer = client.post("/predict/consonants", files={"file": PA}).json()
    assert (answer["decision"], answer["reasons"]) == ("accepted", [])
    strict = client.post("/predict/consonants?min_confidence=1", files={"file": PA}).json()
    assert (strict["decision"], strict["reasons"]) == ("abstained", ["low_confidence"])
    assert strict["character"] == "प"
    assert strict["confidence"] == answer["confidence"]


@pytest.mark.parametrize("query", ["min_confidence=2", "min_confidence=-1", "min_confidence=x", "min_confidence=nan"])
@pytest.mark.parametrize("path", ["/predict/consonants", "/predict/consonants/batch"])
def test_a_share_that_is_none_is_refused(client: TestClient, path: str, query: str) -> None:
    for asked in (query, query.replace("min_confidence", "coverage")):
        response = client.post(f"{path}?{asked}", files={"file": PA})
        assert_problem(response, "invalid_request")
        assert asked.partition("=")[0] in response.json()["detail"]
    assert_problem(client.post(f"{path}?coverage=1", files={"file": PA}), "invalid_request")


def test_a_set_grows_with_the_coverage_that_is_asked_for(client: TestClient, bundle: Bundle) -> None:
    sets = []
    for coverage in (0.5, 0.99, 0.9999):
        answer = client.post(f"/predict/vowels?coverage={coverage}", files={"file": PA}).json()
        Prediction.model_validate(answer)
        likely = answer["likely"]
        assert [list(character) for character in likely] == [FIELDS] * len(likely)
        assert likely[0] == {field: answer[field] for field in FIELDS}
        sets.append([character["character"] for character in likely])
    assert sets[1][: len(sets[0])] == sets[0]
    assert len(sets[0]) <= len(sets[1]) <= len(sets[2]) == 12
    assert "likely" not in client.post("/predict/vowels", files={"file": PA}).json()


def test_another_familys_character_is_noticed_and_named(client: TestClient) -> None:
    answer = client.post("/predict/vowels", files={"file": PA}).json()
    assert answer["decision"] == "abstained"
    assert "looks_like_another_family" in answer["reasons"]
    assert (answer["looks_like"]["family"], answer["looks_like"]["character"]) == ("consonants", "प")
    assert answer["family"] == "vowels"
    assert "looks_like" not in client.post("/predict/consonants", files={"file": PA}).json()


def test_where_no_family_is_asked_for_all_compete(client: TestClient) -> None:
    pa = client.post("/predict/auto", files={"file": PA}).json()
    Prediction.model_validate(pa)
    assert (pa["family"], pa["character"], pa["decision"]) == ("consonants", "प", "accepted")
    many = client.post("/predict/auto/batch", files=[("file", PA), ("file", encode(draw("u")))]).json()
    assert [result["answer"]["character"] for result in many["results"]] == ["प", "उ"]
    likely = client.post("/predict/auto?coverage=0.99", files={"file": PA}).json()["likely"]
    assert likely[0]["character"] == "प"


def test_where_families_share_a_shape_the_answer_says_so(client: TestClient, nhcd_files: zipfile.ZipFile) -> None:
    """A real image of each: the other's name is given beside the answer."""
    shared = {("numerals", 5): "५र", ("consonants", 27): "र५", ("numerals", 0): "०ठ", ("vowels", 3): "इ३"}
    for (family, class_id), characters in shared.items():
        image = nhcd_files.read(f"nhcd/{family}/{class_id}/001_02.jpg")
        answer = client.post("/predict/auto", files={"file": image}).json()
        assert answer["character"] + answer["looks_like"]["character"] == characters
        assert "looks_like_another_family" not in answer["reasons"]


def test_what_is_no_character_is_mostly_refused(client: TestClient) -> None:
    rng, refused = np.random.default_rng(0), 0
    for drawing in (strangers.noise, strangers.scribble, strangers.texture):
        for _ in range(10):
            response = client.post("/predict/auto", files={"file": encode(drawing(rng, {}))})
            if response.status_code == 422:  # Some are blank, or so fine that nothing is left of them.
                refused += 1
                continue
            answer = response.json()
            refused += answer["decision"] == "abstained"
            assert ("not_a_character" in answer["reasons"]) == (answer["familiarity"] < 0)
    assert refused >= 24


def test_why_an_image_is_poor_is_told(client: TestClient) -> None:
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


def test_families_say_what_is_loaded(client: TestClient, bundle: Bundle) -> None:
    answer = client.get("/families").json()
    Families.model_validate(answer)
    assert list(answer["families"]) == list(CATALOGUE)
    for name, family in answer["families"].items():
        assert [entry["character"] for entry in family["classes"]] == [entry.character for entry in CATALOGUE[name]]
        score = bundle.manifest.scores["published"][name].model_dump()
        assert family["scores"]["published"] == score
        assert 0.99 < family["most_coverage"] < 1
    assert answer["min_confidence"] == bundle.manifest.trust.min_confidence
