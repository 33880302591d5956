from dataclasses import replace

import numpy as np
import pytest

from akshar import Reader
from akshar.imaging.reader import Reading, read
from akshar.model.choice import choose, recognize
from akshar.model.recognition import Recognition
from akshar.model.recognizer import Recognizer
from tests.akshar.imaging.printing import box, printed, with_margins, write
from tests.akshar.model.test_abstention import recognition
from tests.drawing import draw

SIDE = 36
"""Of a box in an image of a glyph's size, whose primary glyph keeps the lines."""


def boxed() -> Reading:
    lines = box(SIDE, 1).crop((0, 0, SIDE, SIDE - 3))  # Cut below, it is no frame.
    return read(write(lines, printed("५", "Regular", 20), (12, 7)))


def at_distance(distance: float, typicality: float = 1.0) -> Recognition:
    return replace(recognition(typicality=typicality), distance=distance)


def reading(light: bool = False) -> Reading:
    """One with an alternative, whose ink is light or dark."""
    drawn, other = read(draw("pa", 100)), read(draw("tta", 100))
    return replace(drawn, alternatives=(replace(other, light=light),))


@pytest.mark.parametrize(("distances", "index"), [((50, 40), 0), ((50, 33), 1), ((20, 30), 0), ((90, 20), 1)])
def test_the_likeliest_glyph_counts_unless_another_is_clearly_closer(distances: tuple[int, int], index: int) -> None:
    recognitions = [at_distance(distance) for distance in distances]
    asked = reading()
    best, chosen = choose(asked, recognitions)
    assert best is recognitions[index]
    assert chosen.glyph is asked.glyphs[index]


@pytest.mark.parametrize(("typicality", "light"), [(0.04, False), (0.06, True)])
def test_paper_is_taken_for_ink_only_where_that_is_typical(typicality: float, light: bool) -> None:
    _, chosen = choose(reading(light=True), [at_distance(90), at_distance(30, typicality)])
    assert chosen.light == light


def test_each_image_gets_its_own_glyphs_back(recognizer: Recognizer) -> None:
    readings = [read(draw("pa", 100)), boxed(), read(draw("zero", 100))]
    assert len(readings[1].glyphs) > 1
    together = recognize(recognizer, readings, ["consonants", "numerals", "auto"])
    for asked, family, (best, chosen) in zip(readings, ("consonants", "numerals", "auto"), together, strict=True):
        ((alone, _),) = recognize(recognizer, [asked], [family])
        assert best.best.entry == alone.best.entry
        assert any(np.array_equal(chosen.glyph, glyph) for glyph in asked.glyphs)


def test_the_reader_says_what_was_chosen() -> None:
    reader = Reader(runtime="onnxruntime")
    tight = reader.read(with_margins(printed("ए", "Regular", 80), 0, 0, 0, 0.3), "vowels", explain=True)
    assert (tight.character, tight.explanation.edge_parts_removed) == ("ए", 0)  # type: ignore[union-attr]
    lines = write(box(SIDE, 1).crop((0, 0, SIDE, SIDE - 3)), printed("५", "Regular", 20), (12, 7))
    form = reader.read(lines, "numerals", explain=True)
    assert form.character == "५"
    assert form.explanation is not None
    assert form.explanation.glyphs_compared > 1
    assert form.explanation.edge_parts_removed > 0
    assert form.explanation.edge_parts_kept == 0
