import numpy as np
import pytest
from PIL import Image

from akshar.imaging.reader import read_glyph
from tests.akshar.imaging.pictures import photographed, ramp, reading, set_on_page, shadow, similarity, turned
from tests.drawing import draw, encode
from training.data.drawings import GLYPHS


@pytest.mark.parametrize("name", GLYPHS)
@pytest.mark.parametrize("light", [ramp(600, 0.6), shadow(600, 0.6)], ids=["ramp", "shadow"])
def test_uneven_light_does_not_change_the_glyph(name: str, light: np.ndarray) -> None:
    page = set_on_page(draw(name, 200), (600, 600), (330, 60))
    seen = reading(photographed(page, light), "JPEG", quality=60)
    assert similarity(seen.glyph, read_glyph(encode(draw(name)))) > 0.93
    assert not seen.light
    left, top, right, bottom = seen.box
    assert 330 <= left < right <= 530
    assert 60 <= top < bottom <= 260


@pytest.mark.parametrize("size", [300, 1500, 3900])
def test_photographs_of_any_size_and_side_give_the_same_glyph(size: int) -> None:
    drawn = draw("pa", size // 5)
    page = set_on_page(drawn, (size, size), (size // 2, size // 5))
    seen = reading(photographed(page, ramp(size, 0.8)).rotate(90), "JPEG", quality=75, exif=turned())
    assert similarity(seen.glyph, read_glyph(encode(draw("pa")))) > 0.93
    assert seen.turned
    assert seen.size == (size, size)
    assert np.abs(np.array(seen.box[:2]) / size - (0.52, 0.225)).max() < 0.02


def test_dust_is_removed_and_a_dot_of_the_pen_is_not() -> None:
    drawn = draw("nga", 300)
    assert reading(drawn).specks == 0
    dusty = np.asarray(drawn).copy()
    for row, column in [(5, 5), (10, 280), (200, 20), (290, 150)]:
        dusty[row : row + 4, column : column + 4] = 0
    seen = reading(Image.fromarray(dusty))
    assert seen.specks == 4
    assert similarity(seen.glyph, read_glyph(encode(drawn))) > 0.99


@pytest.mark.parametrize("size", [48, 64, 128, 320, 1000])
@pytest.mark.parametrize("name", ["nga", "ah", "am"])
def test_no_part_of_a_character_is_lost(name: str, size: int) -> None:
    seen = reading(draw(name, size))
    assert (seen.specks, seen.edges) == (0, 0)
    assert similarity(seen.glyph, read_glyph(encode(draw(name, 40)))) > 0.9


@pytest.mark.parametrize("sides", [(0,), (0, 1), (0, 1, 2, 3)])
def test_the_lines_of_a_form_are_removed(sides: tuple[int, ...]) -> None:
    drawn = set_on_page(draw("pa", 160), (200, 200), (20, 0))  # Its headline is 16 pixels below the edge.
    boxed = np.asarray(drawn).copy()
    for side in sides:
        np.rot90(boxed, side)[8:12] = 60
    seen = reading(Image.fromarray(boxed))
    assert seen.edges > 0
    assert similarity(seen.glyph, read_glyph(encode(draw("pa", 160)))) > 0.9


def test_a_headline_in_a_tight_crop_is_no_form_line() -> None:
    drawn = draw("pa", 200, margin=0.0).crop((18, 4, 182, 195))
    seen = reading(drawn)
    assert seen.edges == 0
    assert similarity(seen.glyph, read_glyph(encode(drawn.resize((40, 40))))) > 0.9


def test_the_remains_of_a_neighbour_are_removed() -> None:
    page = set_on_page(draw("pa", 160), (220, 200), (10, 20))
    page.paste(0, (205, 60, 220, 90))
    seen = reading(page)
    assert seen.edges == 1
    assert similarity(seen.glyph, read_glyph(encode(draw("pa", 160)))) > 0.97
