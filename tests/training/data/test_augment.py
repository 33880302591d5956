import numpy as np
import pytest

from akshar.imaging.reader import read_glyph
from tests.drawing import draw, encode
from training.data.augment import Augmentation


@pytest.fixture
def glyphs() -> np.ndarray:
    return np.repeat(np.stack([read_glyph(encode(draw(name))) for name in SHAPES]), 20, axis=0)


SHAPES = ("zero", "tta", "pa")
NOTHING = Augmentation(rotation=0, shear=0, scale=0, shift=0, elastic=0, stroke=0, blur=0)


def test_without_strength_nothing_changes(glyphs: np.ndarray) -> None:
    np.testing.assert_allclose(NOTHING(glyphs, np.random.default_rng(0)), glyphs, atol=1e-5)


def test_glyphs_stay_glyphs_and_differ(glyphs: np.ndarray) -> None:
    out = Augmentation()(glyphs, np.random.default_rng(0))
    assert out.shape == glyphs.shape
    assert out.dtype == np.float32
    assert out.min() >= 0
    np.testing.assert_allclose(out.max((1, 2)), 1)
    assert len(np.unique(out.reshape(len(out), -1), axis=0)) == len(out)
    # Still the same characters: nearer to their own kind than to the others.
    kinds = np.stack([group.mean(0) for group in np.split(out, len(SHAPES))])
    nearest = np.einsum("nij,kij->nk", out, kinds / np.linalg.norm(kinds, axis=(1, 2), keepdims=True)).argmax(1)
    assert (nearest == np.repeat(np.arange(len(SHAPES)), 20)).mean() > 0.9


def test_a_seed_gives_the_same_images(glyphs: np.ndarray) -> None:
    a, b = (Augmentation()(glyphs, np.random.default_rng(7)) for _ in range(2))
    np.testing.assert_array_equal(a, b)


def test_the_input_is_not_changed(glyphs: np.ndarray) -> None:
    before = glyphs.copy()
    Augmentation(stroke=1, blur=1)(glyphs, np.random.default_rng(0))
    np.testing.assert_array_equal(glyphs, before)


def moved(image: np.ndarray, **strengths: float) -> np.ndarray:
    """One image under a single kind of change, many times."""
    only = {**vars(NOTHING), **strengths}
    return Augmentation(**only)(np.repeat(image[None], 200, axis=0), np.random.default_rng(1))


def test_shifts_reach_their_strength_but_do_not_exceed_it() -> None:
    dot = np.zeros((32, 32), np.float32)
    dot[15:17, 15:17] = 1
    out = moved(dot, shift=3)
    rows = (out.sum(2) * np.arange(32)).sum(1) / out.sum((1, 2)) - 15.5
    assert 2 < rows.max() <= 3.1
    assert -2 > rows.min() >= -3.1


def test_strokes_grow_and_shrink() -> None:
    bar = np.zeros((32, 32), np.float32)
    bar[13:18, 4:28] = 1
    ink = moved(bar, stroke=1).sum((1, 2)) / bar.sum()
    assert ink.max() > 1.3
    assert ink.min() < 0.7


def test_rotation_turns_by_up_to_its_degrees() -> None:
    bar = np.zeros((32, 32), np.float32)
    bar[15:17, 4:28] = 1
    out = moved(bar, rotation=20)
    columns = np.arange(32) - 15.5
    tops = (out * np.arange(32)[:, None]).sum(1) / np.maximum(out.sum(1), 1e-6)
    slopes = np.polyfit(columns[6:26], tops[:, 6:26].T, 1)[0]
    degrees = np.rad2deg(np.arctan(slopes))
    assert 15 < degrees.max() < 22
    assert -15 > degrees.min() > -22


def test_strokes_grow_by_the_given_number_of_pixels() -> None:
    bar = np.zeros((32, 32), np.float32)
    bar[13:18, 4:28] = 1
    thickest = [(moved(bar, stroke=1, grow=grow)[:, :, 16] > 0.5).sum(1).max() for grow in (1, 2)]
    assert thickest == [7, 9]
