from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from akshar.imaging.glyph import Glyph
from akshar.imaging.reader import Reading, read
from akshar.model.abstention import DecisionOptions, Reason, decide, glyph_reasons, image_reasons
from akshar.model.classes import CATALOGUE
from akshar.model.manifest import ClassEntry
from akshar.model.recognition import Candidate, Recognition
from akshar.model.recognizer import AUTO
from akshar.prediction import Prediction
from tests.drawing import draw

LOOKALIKE = Candidate("numerals", ClassEntry.of(CATALOGUE["numerals"][5]), 0.4)


def recognition(
    confidence: float = 0.9,
    typicality: float = 1.0,
    requested: str = "consonants",
    lookalike: Candidate | None = None,
) -> Recognition:
    entry = ClassEntry.of(CATALOGUE["consonants"][0])
    best = Candidate("consonants", entry, confidence)
    classes = [("consonants", entry)]
    return Recognition(requested, (best,), classes, np.array([confidence]), [0.1] * 99, typicality, 0.9, lookalike)


def reading(image: Image.Image | None = None) -> Reading:
    return read(image or draw("pa", 200))


def reasons(recognition: Recognition, reading: Reading, min_confidence: float) -> list[Reason]:
    return list(decide(recognition, reading, DecisionOptions(min_confidence)).reasons)


def test_a_clear_prediction_is_accepted() -> None:
    assert reasons(recognition(), reading(), 0.9) == []


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"confidence": 0.89}, "low_confidence"),
        ({"typicality": 0.0099}, "not_a_character"),
        (
            {"lookalike": Candidate("numerals", ClassEntry.of(CATALOGUE["numerals"][5]), 0.9)},
            "looks_like_another_family",
        ),
    ],
)
def test_reasons_of_the_glyph(changed: dict[str, Any], reason: str) -> None:
    assert reasons(recognition(**changed), reading(), 0.9) == [reason]
    assert glyph_reasons(recognition(**changed), 0.9) == [reason]


def test_a_typicality_of_one_percent_is_enough() -> None:
    assert reasons(recognition(typicality=0.01), reading(), 0.9) == []


def stripes(ink: int, paper: int) -> Glyph:
    """Vertical strokes of these widths, in pixels."""
    columns = np.arange(28) % (ink + paper) < ink
    return np.pad(np.tile(columns.astype(np.float32), (28, 1)), 2)


@pytest.mark.parametrize(("glyph", "enough"), [(stripes(28, 0), 0.32), (stripes(2, 2), 0.13)])
def test_the_further_a_shape_is_from_strokes_the_more_typical_it_must_be(glyph: Glyph, enough: float) -> None:
    image = replace(reading(), glyph=glyph)
    assert reasons(recognition(typicality=enough - 0.05), image, 0.5) == ["not_strokes"]
    assert reasons(recognition(typicality=enough + 0.05), image, 0.5) == []


@pytest.mark.parametrize("removed", [{"specks": 5}, {"edges": 5}, {"specks": 2, "edges": 3}, {"specks": 500}])
def test_parts_removed_from_the_image_make_a_crowded_glyph_more_suspicious(removed: dict[str, Any]) -> None:
    """As much as five parts, however many there are: dust is no noise."""
    tight = replace(reading(), glyph=stripes(1, 3))  # Its spacing is 2.9.
    assert reasons(recognition(typicality=0.08), tight, 0.5) == []
    assert reasons(recognition(typicality=0.08), replace(tight, **removed), 0.5) == ["not_strokes"]
    assert reasons(recognition(typicality=0.16), replace(tight, **removed), 0.5) == []
    assert reasons(recognition(typicality=0.01), replace(reading(), glyph=stripes(2, 5), **removed), 0.5) == []


def test_with_auto_a_lookalike_is_no_reason() -> None:
    assert reasons(recognition(requested=AUTO, lookalike=LOOKALIKE), reading(), 0.5) == []


@pytest.mark.parametrize("side", [(-10, 100), (100, -20), (212, 100), (100, 220)])
def test_a_character_that_is_cut_off_at_an_edge(side: tuple[int, int]) -> None:
    page = Image.new("L", (400, 400), 255)
    page.paste(draw("pa", 200, margin=0), side)
    assert reasons(recognition(), reading(page), 0.5) == ["touching_edge"] == image_reasons(reading(page))


@pytest.mark.parametrize("margin", [0, 0.01, 0.1])
def test_a_tight_crop_is_not_cut_off(margin: float) -> None:
    assert reasons(recognition(), reading(draw("pa", 200, margin=margin)), 0.5) == []
    assert reasons(recognition(), reading(draw("pa", 28, margin=0)), 0.5) == []


def test_a_character_of_few_pixels() -> None:
    page = Image.new("L", (60, 60), 255)
    page.paste(draw("pa", 11, margin=0), (20, 20))
    assert reasons(recognition(), reading(page), 0.5) == ["too_small"]


@pytest.mark.parametrize("size", [32, 200])
def test_faint_ink(size: int) -> None:
    faint = Image.fromarray((255 - (255 - np.asarray(draw("pa", size)).astype(int)) * 26 // 255).astype(np.uint8))
    assert reasons(recognition(), reading(faint), 0.5) == ["low_contrast"]


@pytest.mark.parametrize(
    ("positions", "several"),
    [((20,), False), ((20, 130), True), ((20, 80, 140), True)],
)
def test_characters_side_by_side_are_noticed_if_they_are_no_character(positions: Sequence[int], several: bool) -> None:
    page = Image.new("L", (260, 140), 255)
    for left in positions:
        page.paste(draw("pa", 110), (left, 15))
    of_page = reading(page)
    assert (Reason.SEVERAL_CHARACTERS in reasons(recognition(typicality=0), of_page, 0.5)) == several
    assert reasons(recognition(), of_page, 0.5) == []


def test_reasons_come_in_the_order_of_the_enumeration() -> None:
    poor = replace(reading(), contrast=21, box=(0, 0, 5, 5))
    given = reasons(recognition(0.1, 0), poor, 0.5)
    assert given == [reason for reason in Reason if reason in given]
    assert len(given) == 5


def test_a_prediction_set_is_made_if_coverage_is_given() -> None:
    assert decide(recognition(), reading(), DecisionOptions(0.5)).prediction_set is None
    decision = decide(recognition(), reading(), DecisionOptions(0.5, coverage=0.9))
    assert decision.prediction_set == recognition().candidates


@pytest.mark.parametrize("changed", [{"typicality": 0.0}, {"lookalike": LOOKALIKE}])
def test_a_prediction_set_is_empty_if_no_class_can_be_right(changed: dict[str, Any]) -> None:
    decision = decide(recognition(**changed), reading(), DecisionOptions(0.5, coverage=0.9))
    assert decision.prediction_set == ()
    as_any = recognition(requested=AUTO, lookalike=LOOKALIKE)
    assert decide(as_any, reading(), DecisionOptions(0.5, coverage=0.9)).prediction_set == as_any.candidates


def test_a_prediction_set_holds_all_that_is_probable_together() -> None:
    entries = [ClassEntry.of(entry) for entry in CATALOGUE["consonants"][:4]]
    classes = [("consonants", entry) for entry in entries]
    probabilities = np.array([0.3, 0.1, 0.4, 0.2])
    best = (Candidate("consonants", entries[2], 0.4),)
    doubtful = Recognition("consonants", best, classes, probabilities, [0.1] * 99, 1.0, 0.9, None)
    # No class has the probability 0.9 that the calibration asks for.
    assert [entries.index(c.entry) for c in doubtful.prediction_set(0.65)] == [2, 0]
    assert [entries.index(c.entry) for c in doubtful.prediction_set(0.95)] == [2, 0, 3, 1]


def test_the_schema_lists_all_reasons() -> None:
    assert Prediction.model_json_schema()["$defs"]["Reason"]["enum"] == list(Reason)
