"""Outliers: made of two classes, framed like glyphs, and of classes of their own."""

import numpy as np
import pytest

from akshar.imaging.glyph import BORDER, Glyph
from akshar.imaging.reader import read
from akshar.model.classes import JOINT_CLASSES, joint_index
from tests.drawing import draw
from training.data.augment import Augmentation
from training.data.dataset import Dataset
from training.data.outliers import KINDS, MAKERS, OUTLIER_CLASSES, Maker, make_outliers
from training.data.sources import Source, outlier_source
from training.models.network import AugmentedBatches

PA, FOUR = (read(draw(name, 90)).glyph for name in ("pa", "four"))


def two_classes() -> Dataset:
    glyphs = np.stack([PA, PA, FOUR, FOUR])
    family = np.array(["consonants", "consonants", "numerals", "numerals"])
    names = np.array(["a", "b", "c", "d"])
    return Dataset(glyphs, family, np.array([21, 21, 4, 4]), np.full(4, ""), names, names)


def test_outliers_are_framed_like_glyphs_and_repeat_for_a_seed() -> None:
    outliers = make_outliers(two_classes(), 60, seed=3).glyphs
    assert outliers.shape == (60, 32, 32)
    assert outliers.dtype == np.float32
    np.testing.assert_allclose(outliers.max(axis=(1, 2)), 1, atol=1e-6)
    assert outliers.min() >= 0
    assert not outliers[:, :BORDER].any()
    assert not outliers[:, :, -BORDER:].any()
    np.testing.assert_array_equal(outliers, make_outliers(two_classes(), 60, seed=3).glyphs)
    assert (outliers != make_outliers(two_classes(), 60, seed=4).glyphs).any()


@pytest.mark.parametrize("make", MAKERS, ids=lambda make: make.__name__)
def test_an_outlier_is_unlike_what_it_is_made_of(make: Maker) -> None:
    made, shows = make(PA, FOUR, np.random.default_rng(1))
    assert made.any()
    assert {which for _, which in shows} <= {0, 1}
    for glyph in (PA, FOUR):
        assert correlation(made, glyph) < 0.9


def correlation(page: np.ndarray, glyph: Glyph) -> float:
    if page.shape != glyph.shape:
        return 0
    return float(np.corrcoef(page.ravel(), glyph.ravel())[0, 1])


def test_each_outlier_has_classes_of_its_own() -> None:
    outliers = make_outliers(two_classes(), 200, seed=3)
    np.testing.assert_allclose(outliers.targets.sum(axis=1), 1)
    assert set(np.unique(outliers.targets)) == {0, 0.5, 1}
    joint = {joint_index("consonants", 21), joint_index("numerals", 4)}
    assert set(np.flatnonzero(outliers.targets.any(axis=0)) % JOINT_CLASSES) == joint
    # Every kind of outlier occurs.
    assert len(np.flatnonzero(outliers.targets.any(axis=0))) == 2 * KINDS


def test_an_epoch_draws_outliers_that_are_none_of_the_joint_classes() -> None:
    source = outlier_source(two_classes(), 5, seed=1)
    assert len(set(source.draw(np.random.default_rng(1)).tolist())) == 5
    batches = AugmentedBatches([Source.of(two_classes()), source], Augmentation(), 9, seed=1)
    assert batches.outputs == JOINT_CLASSES + OUTLIER_CLASSES
    _, targets = batches[0]
    assert targets.shape == (9, batches.outputs)
    np.testing.assert_allclose(targets.sum(axis=1), 1)
    assert sorted(targets[:, :JOINT_CLASSES].sum(axis=1).tolist()) == [0] * 5 + [1] * 4
    assert AugmentedBatches([Source.of(two_classes())], Augmentation(), 4, seed=1)[0][1].shape == (4, JOINT_CLASSES)
