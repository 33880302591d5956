from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from app.bundle import ClassEntry
from app.catalogue import CATALOGUE
from app.decision import REASONS, reasons
from app.imaging import Reading, read
from app.recognizer import AUTO, Candidate, Recognition
from app.schemas import Prediction
from tests.drawing import draw


def recognition(
    confidence: float = 0.9, familiarity: float = 1.0, asked: str = "consonants", to: Candidate | None = None
) -> Recognition:
    entry = ClassEntry.of(CATALOGUE["consonants"][0])
    best = Candidate("consonants", entry, confidence)
    return Recognition(asked, (best,), [("consonants", entry)], np.array([confidence]), familiarity, 0.9, to)


def reading(image: Image.Image | None = None) -> Reading:
    return read(image or draw("pa", 200))


def test_a_clear_answer_has_no_reasons_against_it() -> None:
    assert reasons(recognition(), reading(), 0.9) == []


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"confidence": 0.89}, "low_confidence"),
        ({"familiarity": -0.1}, "not_a_character"),
        ({"to": Candidate("numerals", ClassEntry.of(CATALOGUE["numerals"][5]), 0.9)}, "looks_like_another_family"),
    ],
)
def test_what_was_recognised_gives_reasons(changed: dict[str, Any], reason: str) -> None:
    assert reasons(recognition(**changed), reading(), 0.9) == [reason]


def test_where_all_families_compete_a_shared_shape_is_no_reason() -> None:
    other = Candidate("numerals", ClassEntry.of(CATALOGUE["numerals"][5]), 0.4)
    assert reasons(recognition(asked=AUTO, to=other), reading(), 0.5) == []


@pytest.mark.parametrize("side", [(-10, 100), (100, -20), (212, 100), (100, 220)])
def test_a_character_cut_off_at_an_edge_is_told(side: tuple[int, int]) -> None:
    page = Image.new("L", (400, 400), 255)
    page.paste(draw("pa", 200, margin=0), side)
    assert reasons(recognition(), reading(page), 0.5) == ["touching_edge"]


@pytest.mark.parametrize("margin", [0, 0.01, 0.1])
def test_a_crop_to_the_characters_outline_is_not_cut_off(margin: float) -> None:
    assert reasons(recognition(), reading(draw("pa", 200, margin=margin)), 0.5) == []
    assert reasons(recognition(), reading(draw("pa", 28, margin=0)), 0.5) == []


def test_a_character_of_few_pixels_is_told() -> None:
    page = Image.new("L", (60, 60), 255)
    page.paste(draw("pa", 11, margin=0), (20, 20))
    assert reasons(recognition(), reading(page), 0.5) == ["too_small"]


@pytest.mark.parametrize("size", [32, 200])
def test_faint_ink_is_told(size: int) -> None:
    faint = Image.fromarray((255 - (255 - np.asarray(draw("pa", size)).astype(int)) * 26 // 255).astype(np.uint8))
    assert reasons(recognition(), reading(faint), 0.5) == ["low_contrast"]


def test_reasons_come_in_the_order_of_the_documentation() -> None:
    poor = replace(reading(), contrast=21, box=(0, 0, 5, 5))
    found = reasons(recognition(0.1, -1), poor, 0.5)
    assert found == [reason for reason in REASONS if reason in found]
    assert len(found) == 5


def test_the_schema_knows_all_reasons() -> None:
    items = Prediction.model_json_schema()["properties"]["reasons"]["items"]
    assert items["enum"] == list(REASONS)
