"""The whole way from an image to a decision: noise is not accepted as a character, and characters still are."""

import numpy as np
import pytest
from PIL import Image

from akshar import Reader
from akshar.model.recognizer import Recognizer
from benchmarks.noise import KINDS, SIDES, count_accepted, draw_noise, read_noise
from tests.drawing import draw
from training.data.drawings import SELF_TEST

PER_SIDE = 60


@pytest.fixture(scope="module")
def reader() -> Reader:
    return Reader(runtime="onnxruntime")


@pytest.mark.parametrize("kind", KINDS)
def test_at_most_one_percent_of_noise_is_accepted(recognizer: Recognizer, kind: str) -> None:
    readings = [reading for side in SIDES for reading in read_noise(kind, side, PER_SIDE)]
    accepted = count_accepted(recognizer, readings)
    assert max(accepted.values()) <= PER_SIDE * len(SIDES) / 100, accepted


def test_a_gaussian_blob_is_no_drawing_of_strokes(reader: Reader) -> None:
    """By the network alone, 7 of these 40 were accepted."""
    rows, columns = np.mgrid[-1:1:400j, -1:1:400j]
    for width in np.linspace(0.2, 0.6, 40):
        levels = 255 * (1 - np.exp(-(rows**2 + columns**2) / (2 * width**2)))
        prediction = reader.read(levels.astype(np.uint8), "consonants")
        assert prediction.decision == "abstained"
        assert "not_strokes" in prediction.reasons


def test_the_reader_decides_as_the_benchmark_counts(reader: Reader, recognizer: Recognizer) -> None:
    predictions = [reader.read(image, "consonants") for image in draw_noise("blobs", 64, 40)]
    accepted = sum(prediction.decision == "accepted" for prediction in predictions)
    assert accepted == count_accepted(recognizer, read_noise("blobs", 64, 40))["consonants"]
    assert any(prediction.reasons == ["not_strokes"] for prediction in predictions)


@pytest.mark.parametrize("family", SELF_TEST)
def test_drawn_characters_are_accepted(reader: Reader, family: str) -> None:
    for name in SELF_TEST[family]:
        for side in SIDES[1:]:
            for stroke in (0.06, 0.09, 0.12):
                for chosen in (family, "auto"):
                    assert reader.read(draw(name, side, stroke), chosen).decision == "accepted", (name, side, stroke)


def test_the_same_seed_draws_the_same_noise() -> None:
    for kind in KINDS:
        one, two, other = (next(draw_noise(kind, 16, 1, seed)) for seed in (1, 1, 2))
        assert isinstance(one, Image.Image)
        assert one.size == (16, 16)
        assert one.tobytes() == two.tobytes() != other.tobytes()
