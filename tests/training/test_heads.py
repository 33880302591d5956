import numpy as np

from training.heads import fit_head
from training.recipe import Search

GRID = Search()


def blobs(n: int, spread: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    labels = np.arange(n) % 3 + 1
    centres = np.eye(3, 16, dtype=np.float32) * 4
    noise = np.random.default_rng(seed).normal(0, spread, (n, 16)).astype(np.float32)
    return centres[labels - 1] + noise, labels


def test_the_best_of_the_grid_is_fitted_on_both_parts() -> None:
    # The training part is far too easy, as features of learnt images are; the validation part is not.
    training, validation = blobs(90, 0.01, 0), blobs(60, 1.0, 1)
    head = fit_head(training, validation, GRID, seed=1, jobs=1)
    assert head.svc.C in GRID.c
    assert head.svc.break_ties
    assert head.svc.shape_fit_ == (150, 16)
    assert head.svc.classes_.tolist() == [1, 2, 3]
    assert 0.8 < head.validation_accuracy <= 1
    scale = 1 / (16 * np.concatenate([training[0], validation[0]]).var())
    assert min(abs(head.svc.gamma / scale - factor) for factor in GRID.gamma) < 1e-4


def test_choices_are_scored_on_validation_images_alone() -> None:
    """Were the training part scored too, labels at random in the validation part would still look learnable."""
    training, (features, labels) = blobs(300, 0.01, 0), blobs(60, 0.01, 1)
    shuffled = np.random.default_rng(0).permutation(labels)
    assert fit_head(training, (features, shuffled), GRID, seed=1, jobs=1).validation_accuracy < 0.6
