import numpy as np
import pytest
from PIL import Image

from tests.akshar.imaging.pictures import reading, set_on_page
from tests.drawing import draw


@pytest.mark.parametrize("name", ["pa", "ah", "am", "nga"])
def test_dust_around_a_thumbnail_does_not_shrink_its_glyph(name: str) -> None:
    clean = set_on_page(draw(name, 28, margin=0.0), (40, 40), (6, 6))
    dusty = np.asarray(clean).copy()
    dusty[1, 1] = dusty[38, 20] = dusty[0, 39] = 0
    seen, expected = reading(Image.fromarray(dusty)), reading(clean)
    assert (seen.specks, expected.specks) == (3, 0)
    assert seen.box == expected.box
    np.testing.assert_array_equal(seen.glyph, expected.glyph)


def test_a_dot_of_a_thin_pen_is_no_dust() -> None:
    thin = np.full((32, 32), 255, np.uint8)
    thin[8, 2:30] = thin[8:30, 20] = thin[2, 24] = 0
    seen = reading(Image.fromarray(thin))
    assert seen.specks == 0
    assert seen.box == (2, 2, 30, 30)
