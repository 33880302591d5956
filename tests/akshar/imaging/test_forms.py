"""Forms: a frame is never a character, an empty box is blank, and what is written in a box is read."""

import contextlib
import random
from typing import NamedTuple

import numpy as np
import pytest
from PIL import Image, ImageDraw

from akshar.imaging.errors import ImageError
from akshar.imaging.reader import Reading, open_image, read
from akshar.model.choice import recognize
from akshar.model.classes import CATALOGUE
from akshar.model.recognizer import Recognizer
from tests.akshar.imaging.printing import CHARACTERS, box, crop, printed, row_of_boxes, with_margins, write
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


class Form(NamedTuple):
    """A box of a form and how it is sent: side, line and inset in pixels, its grey level, and how it is turned."""

    side: int
    line: int
    inset: int
    level: int
    degrees: float
    kind: str

    def file(self, drawn: Image.Image | None = None, at: tuple[int, int] = (0, 0)) -> bytes:
        page = box(self.side, self.line, self.inset, self.level, self.degrees)
        page = page if drawn is None else write(page, drawn, at)
        return encode(page, self.kind, **({"quality": 90} if self.kind == "JPEG" else {}))


def forms(draws: random.Random, count: int, least: int) -> list[Form]:
    """Sides from the least to 200 pixels, lines of 1 to 4, turned by 1.5 degrees at most."""
    made = []
    for _ in range(count):
        side = round(least * (200 / least) ** draws.random())
        line = min(draws.randint(1, 4), max(1, side // 12))
        inset = min(draws.choice((0, 0, 1, 2, 4, 8)), side // 8)
        degrees = draws.choice((0, 0, draws.uniform(-1.5, 1.5)))
        made.append(Form(side, line, inset, draws.choice((0, 60, 110, 160)), degrees, draws.choice(("PNG", "JPEG"))))
    return made


def test_nearly_all_empty_boxes_are_blank_and_none_is_accepted(recognizer: Recognizer) -> None:
    """Turned boxes whose hairlines run out of the image are not found: 8 of 1,000."""
    empty = forms(random.Random(5), 400, least=24)
    taken = {form: reading for form in empty if (reading := _read(form))}
    assert len(taken) <= 0.01 * len(empty), list(taken)
    for family in CATALOGUE if taken else ():
        for recognition, _ in recognize(recognizer, list(taken.values()), [family] * len(taken)):
            assert recognition.typicality < 0.05


def _read(form: Form) -> Reading | None:
    with contextlib.suppress(ImageError):
        return read(open_image(form.file()))
    return None


def test_nearly_all_digits_in_any_box_are_read(recognizer: Recognizer) -> None:
    """Of boxes below 32 pixels a digit has 8, too few."""
    draws = random.Random(5)
    digits, readings = [], []
    for form in forms(draws, 400, least=32):
        room = form.side - 2 * (form.inset + form.line)
        digit = draws.choice(DIGITS)
        drawn = printed(digit, "Regular", round(draws.uniform(0.5, 0.75) * room))
        places = [form.inset + form.line + 1 + draws.random() * max(0, room - 2 - length) for length in drawn.size]
        digits.append(digit)
        readings.append(read(open_image(form.file(drawn, (round(places[0]), round(places[1]))))))
    chosen = recognize(recognizer, readings, ["numerals"] * len(readings))
    right = [recognition.best.entry.character == digit for digit, (recognition, _) in zip(digits, chosen, strict=True)]
    assert sum(right) >= 0.99 * len(right)


@pytest.mark.parametrize("beyond", [0.05, 0.1, 0.15])
def test_a_character_that_crosses_its_box_is_read(recognizer: Recognizer, beyond: float) -> None:
    """A headline may lie above the box, a stem or an arm may run out of it."""
    readings = []
    for family, _, character in CHARACTERS:
        drawn = printed(character, "Light", 100)
        drawn = drawn.resize((100, 100))
        page = with_margins(drawn, 0.4, 0.4, 0.4, 0.4)
        over = round(100 * beyond)
        ImageDraw.Draw(page).rectangle((28, 40 + over, 152, 152), None, 60, 3)
        readings.append((family, character, read(open_image(encode(page)))))
    chosen = recognize(recognizer, [reading for _, _, reading in readings], [family for family, _, _ in readings])
    wrong = [
        (character, recognition.best.entry.character)
        for (_, character, _), (recognition, _) in zip(readings, chosen, strict=True)
        if recognition.best.entry.character != character
    ]
    assert len(wrong) <= 3, wrong


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
