"""Forms: a frame is never a character, an empty box is blank, and what is written in a box is read."""

import random

import numpy as np
import pytest

from akshar.imaging.errors import ImageError
from akshar.imaging.reader import open_image, read
from akshar.model.choice import recognize
from akshar.model.recognizer import Recognizer
from tests.akshar.imaging.printing import box, crop, printed, row_of_boxes, with_margins, write
from tests.drawing import draw, encode

DIGITS = "०१२३४५६७८९"
SIDES = (28, 35, 40, 41, 48, 64, 100, 240)


@pytest.mark.parametrize("inset", [0, 2, 8])
@pytest.mark.parametrize("side", SIDES)
def test_an_empty_box_is_blank(side: int, inset: int) -> None:
    for line in (1, 2, 4):
        if side - 2 * inset >= 12 * line:
            with pytest.raises(ImageError) as blank:
                read(box(side, line, inset))
            assert blank.value.code == "blank_image", line
            assert "lines of a form, on 4 sides" in blank.value.detail


@pytest.mark.parametrize("inset", [0, 3])
@pytest.mark.parametrize("side", SIDES[1:])
def test_a_digit_in_its_box_is_read(recognizer: Recognizer, side: int, inset: int) -> None:
    draws = random.Random(side)
    readings = []
    for digit in DIGITS:
        frame = box(side, max(1, side // 40), inset)
        drawn = printed(digit, "Regular", round(0.55 * (side - 2 * inset)))
        room = side - inset - 4 - drawn.width, side - inset - 4 - drawn.height
        place = tuple(draws.randint(inset + 4, max(inset + 4, end)) for end in room)
        readings.append(read(open_image(encode(write(frame, drawn, (place[0], place[1]))))))
    chosen = recognize(recognizer, readings, ["numerals"] * len(readings))
    right = [recognition.best.entry.character == digit for digit, (recognition, _) in zip(DIGITS, chosen, strict=True)]
    assert sum(right) >= 9, right
    assert all(reading.edges > 0 for _, reading in chosen)


@pytest.mark.parametrize("side", [30, 35, 40, 41, 60, 90])
def test_a_row_of_digits_is_read_box_by_box(recognizer: Recognizer, side: int) -> None:
    digits = "४०५१९३७६"
    drawn = [printed(digit, "Regular", round(0.6 * side)) for digit in digits]
    readings = [read(cell) for cell in row_of_boxes(drawn, side)]
    chosen = recognize(recognizer, readings, ["numerals"] * len(readings))
    assert "".join(recognition.best.entry.character for recognition, _ in chosen) == digits


def test_a_line_along_the_edge_gives_both_glyphs() -> None:
    """A headline in a crop that is tight on three sides may be a form's line above a letter without one."""
    seen = read(with_margins(crop(draw("pa", 300, 0.015, 0.3)), 0, 0, 0, 0.3))
    assert len(seen.glyphs) == 2
    assert (seen.edges, seen.alternatives[0].edges) == (0, 1)
    other = seen.chosen(1)
    assert other.edges == 1
    assert np.array_equal(other.glyphs[1], seen.glyph)
    assert other.box != seen.box
    assert seen.chosen(0) is seen
