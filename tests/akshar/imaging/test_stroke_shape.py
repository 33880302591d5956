import numpy as np
import pytest

from akshar.imaging.glyph import BORDER, SIZE, Glyph
from akshar.imaging.reader import read
from akshar.imaging.stroke_shape import stroke_shape
from tests.drawing import draw


def rectangles(*boxes: tuple[int, int, int, int]) -> Glyph:
    """A glyph of rectangles, each given as top, left, height and width in pixels within the border."""
    glyph = np.zeros((SIZE, SIZE), np.float32)
    for top, left, height, width in boxes:
        glyph[BORDER + top : BORDER + top + height, BORDER + left : BORDER + left + width] = 1
    return glyph


@pytest.mark.parametrize("side", [1, 5, 28])
def test_a_square_has_an_elongation_of_one(side: int) -> None:
    assert stroke_shape(rectangles((0, 0, side, side))).elongation == 1


def test_a_long_stroke_has_a_quarter_of_its_length_over_its_width() -> None:
    assert stroke_shape(rectangles((0, 0, 2, 28))).elongation == pytest.approx(28 / 2 / 4, rel=0.15)


def test_elongation_is_that_of_the_parts_however_many_there_are() -> None:
    one, four = rectangles((0, 0, 5, 5)), rectangles((0, 0, 5, 5), (0, 20, 5, 5), (20, 0, 5, 5), (20, 20, 5, 5))
    assert stroke_shape(one).elongation == stroke_shape(four).elongation


def test_parts_that_touch_at_a_corner_are_one() -> None:
    assert stroke_shape(rectangles((0, 0, 5, 5), (5, 5, 5, 5))).elongation == 2


@pytest.mark.parametrize("gap", [1, 3])
def test_spacing_is_the_width_of_the_paper_between_strokes(gap: int) -> None:
    stripes = rectangles(*((0, left, 28, 1) for left in range(0, 28, 1 + gap)))
    assert stroke_shape(stripes).spacing == pytest.approx(gap, rel=0.15)


def test_pale_ink_counts() -> None:
    glyph = rectangles((0, 0, 5, 5), (20, 0, 5, 20))
    assert stroke_shape(np.where(glyph > 0, np.float32(0.4), 0)) == stroke_shape(glyph)


def test_without_ink_and_full_of_it() -> None:
    assert stroke_shape(np.zeros((SIZE, SIZE), np.float32)).elongation == 0
    assert stroke_shape(rectangles((0, 0, 28, 28))) == (1, 0)


@pytest.mark.parametrize("name", ["zero", "four", "u", "tta", "pa", "nga", "am"])
def test_drawn_characters_are_long_and_have_paper_between_their_strokes(name: str) -> None:
    shape = stroke_shape(read(draw(name, 100)).glyph)
    assert shape.elongation > 3
    assert shape.spacing > 3.2
