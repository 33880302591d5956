import numpy as np
import pytest

from akshar.imaging.grayscale import histogram
from akshar.imaging.threshold import is_even, separate
from tests.drawing import draw


@pytest.mark.parametrize("side", [1, 40, 60, 200])
def test_a_histogram_counts_every_pixel_of_images_of_any_size(side: int) -> None:
    level = np.random.default_rng(side).integers(0, 256, (side, side + 1), np.uint8)
    for page in (level, level[:, 1:]):
        np.testing.assert_array_equal(histogram(page), [np.count_nonzero(page == value) for value in range(256)])


@pytest.mark.parametrize("side", [64, 200, 300])
@pytest.mark.parametrize("shadow", ["nowhere", "above", "below"])
def test_a_page_is_even_unless_a_quarter_of_it_is_in_half_shadow(side: int, shadow: str) -> None:
    page = np.asarray(draw("pa", side)).copy()
    quarter = {"nowhere": page[:0], "above": page[: side // 4], "below": page[-side // 4 :]}[shadow]
    quarter[:] = quarter // 2 + 20
    separated = separate(page)
    assert separated is not None
    assert is_even(separated) == (shadow == "nowhere")


@pytest.mark.parametrize("side", [64, 200, 300])
def test_noise_all_over_makes_a_page_uneven(side: int) -> None:
    page = np.asarray(draw("pa", side)) * 0.6 + 50 + np.random.default_rng(0).normal(0, 25, (side, side))
    separated = separate(page.clip(0, 255).astype(np.uint8))
    assert separated is not None
    assert not is_even(separated)
